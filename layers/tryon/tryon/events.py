"""What the state machine passes to each function; Step Functions and `events/` write these, the handlers read them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from tryon.planning.parts import Part
from tryon.planning.plan import Combination
from tryon.reporting.batches import Batch
from tryon.service import registry
from tryon.state.run import LearnedFrom

Service = Annotated[str, AfterValidator(lambda key: key or registry.FIRST)]
"""A service's key; an execution that began before there were several says none."""


class PlanEvent(BaseModel):
    """What the state machine passes: the claimed manifest and the run it became.

    `time` is the event's; `missing` names the pictures that were not there the last time. An execution that began
    under an older definition says neither, and waits for no picture. Plan may leave work to further calls where
    `in_parts` says so: `part` is a part of the pictures, which is all that this call is for, `taken` says that there
    were such calls, and `written` entries are in the ledger.
    """

    run_id: str
    bucket: str
    key: str
    version: str
    execution: str
    time: AwareDatetime = datetime.fromtimestamp(0, UTC)
    missing: str = ""
    in_parts: bool = False
    part: Part | None = None
    taken: bool = False
    written: int = 0


class ReserveEvent(BaseModel):
    """What the state machine passes: the combination, and the token that wakes it.

    `visit` numbers the combination's visits to the gate, `ask` the tries of this one; `waiting_since` is when its
    first visit began; `refused_task` is the last task whose result the service refused. Without a token the visit has
    failed, and its slot is given back.
    """

    run_id: str
    combination: Combination
    token: str = ""
    visit: int = 1
    ask: int = 0
    refused_task: str = ""
    waiting_since: datetime | None = None


class SubmitEvent(BaseModel):
    """What the state machine passes: the combination that holds a slot, and what became of its earlier submits.

    `visit` numbers its visits to this state, `refusals` those that count, `refused_visit` is the last that the service
    refused; `refused_task` is its task whose result was refused. `start_at` is when it may start by the pace, in
    seconds since the epoch.
    """

    run_id: str
    combination: Combination
    visit: int = 1
    refusals: int = 0
    refused_visit: int = 0
    refused_task: str = ""
    start_at: float = 0.0


class PollEvent(BaseModel):
    """What the state machine passes: whose task, its id, and how often its poll was put off in a row.

    `service` is the key of the service that has it, `learned` what the task's cadence was learned from, if it was.
    """

    run_id: str
    n: int
    task_id: str
    visit: int = 1
    deferrals: int = 0
    service: Service = registry.FIRST
    learned: LearnedFrom | None = None


class DownloadEvent(BaseModel):
    """What the state machine passes: whose task has ended, how many calls tried before, and the service's key."""

    run_id: str
    bucket: str
    n: int
    task_id: str
    tries: int = 0
    service: Service = registry.FIRST


class CheckEvent(BaseModel):
    """What the state machine passes: the combination whose results are in S3."""

    run_id: str
    bucket: str
    combination: Combination


class CompareEvent(BaseModel):
    """What the state machine passes when every child has ended."""

    run_id: str
    bucket: str


class ErrorOutput(BaseModel):
    """What broke the Map, as the state machine caught it; empty when nothing did."""

    model_config = ConfigDict(extra="ignore")

    error: str | None = Field(None, alias="Error")
    cause: str = Field("", alias="Cause")


class SummarizeEvent(BaseModel):
    """What the state machine passes when every child has ended; `uncompared` is the error that ended Compare.

    `parts_later` says that it has further calls draw the parts of a large gallery. When they are over it passes
    `undrawn`, the batches that none of them could draw. An execution that began under an older definition does neither.
    """

    run_id: str
    bucket: str
    failure: ErrorOutput = ErrorOutput()
    uncompared: str = ""
    parts_later: bool = False
    undrawn: list[Batch] | None = None


class GalleryEvent(Batch):
    """What the state machine passes: parts of a run's gallery to draw."""
