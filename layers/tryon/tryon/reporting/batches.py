"""What the state machine passes between the calls that write a large run's gallery."""

from pydantic import BaseModel, ConfigDict


class Batch(BaseModel):
    """Parts of a run's gallery that one call draws, from `first` to `last`, which count from 1.

    `error` names what kept an earlier call from drawing them.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    first: int
    last: int
    error: str | None = None
