"""What the state machine passes between the calls that write a large run's gallery."""

from pydantic import BaseModel, ConfigDict

PART_COMBINATIONS = 200
"""Combinations in a part: 16 MB at 80 kB a preview."""

MOST_OWN_PARTS = 10
"""Parts up to which the report's own call draws them: 2,000 combinations, a minute."""

BATCH_PARTS = 25
"""Parts that one further call draws: 5,000 combinations, some minutes."""


class Batch(BaseModel):
    """Parts of a run's gallery that one call draws, from `first` to `last`, which count from 1.

    `error` names what kept an earlier call from drawing them.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    first: int
    last: int
    error: str | None = None
