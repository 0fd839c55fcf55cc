"""What a try-on service's API can do: its own facts, in code.

What an account of it may do (slots, price, currency) are the stack's parameters.
"""

from dataclasses import dataclass
from typing import Literal

from tryon.parameters import GarmentType, ServiceParameters
from tryon.picture_limits import PictureLimits as PictureLimits
from tryon.service.secret import Secret


@dataclass(frozen=True)
class Rate:
    """A window of the API's own: at most so many requests in so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Capabilities:
    """One model of one service. Times are seconds.

    `service` and `model` make its key, `volcengine/dressing-diffusion-v2`. Gate, secret, rate and halt go by
    `account`, which several models may share. `submit_rate` and `status_rate` are what the API itself sets, for each of
    its windows. A task is asked for during `task_kept`, and may be unknown to the service for `filed_within` after its
    submit. `billed` is what one price is for; a failed task may cost too (`failures_billed`). `usual_seconds` is what a
    task takes, which orders the plan before anything is learned. `cadence` and `deadline` are for stacks that set none.
    `credits` is what one billed unit takes of a prepaid balance, 0 where there is none to ask for.
    """

    service: str
    model: str
    account: str
    secret: type[Secret]
    endpoint: str
    result_origins: tuple[str, ...]
    garments: frozenset[GarmentType]
    outfits: bool
    parameters: type[ServiceParameters]
    pictures: PictureLimits
    candidates: int
    submit_rate: Rate | None
    status_rate: Rate | None
    task_kept: float
    filed_within: float
    billed: Literal["task", "picture"]
    failures_billed: bool
    seed: bool
    usual_seconds: float
    cadence: tuple[int, ...]
    deadline: int
    credits: float = 0.0

    @property
    def key(self) -> str:
        """Under which plan, ledger, summary and gallery know it."""
        return f"{self.service}/{self.model}"
