"""Try-on services: one small interface, whichever of them is spoken to; `registry` has them all.

A client's calls either return what is below or raise one of `tryon.service.errors`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from tryon.parameters import GarmentType, ServiceParameters

if TYPE_CHECKING:
    from tryon.service.capabilities import Capabilities

_Own = TypeVar("_Own", bound=ServiceParameters)


@dataclass(frozen=True)
class GarmentPicture:
    """An encoded JPEG or PNG of a garment, and where on the body it is worn."""

    data: bytes = field(repr=False)
    type: GarmentType


@dataclass(frozen=True)
class Submission:
    """All that a service needs for one task: pictures as JPEG or PNG bytes, one or two garments."""

    model: bytes = field(repr=False)
    garments: tuple[GarmentPicture, ...]
    parameters: ServiceParameters

    def own(self, kind: type[_Own]) -> _Own:
        """The parameters as the service's own model; raises `TypeError` for those of another."""
        if not isinstance(self.parameters, kind):
            raise TypeError(f"{type(self.parameters).__name__} given to a service that takes {kind.__name__}")
        return self.parameters


@dataclass(frozen=True)
class Submitted:
    """The service's receipt: the only name under which the task can be asked for.

    `oddity` names what was odd about it and cost nothing: a word for a metric.
    """

    task_id: str
    request_id: str
    oddity: str = ""


class TaskStatus(StrEnum):
    """Where a task is, in five words, whatever the service's own are."""

    IN_QUEUE = "in_queue"
    GENERATING = "generating"
    DONE = "done"
    NOT_FOUND = "not_found"
    EXPIRED = "expired"


@dataclass(frozen=True)
class TaskTimes:
    """When the service received, began and finished a task, in seconds since the epoch by its own clock."""

    received_at: float
    processed_at: float
    finished_at: float

    @property
    def latency(self) -> float:
        """Seconds from receipt to the end."""
        return self.finished_at - self.received_at

    @property
    def waited(self) -> float | None:
        """Seconds from receipt until the work began; None where that is not between the two ends."""
        within = self.received_at <= self.processed_at <= self.finished_at
        return self.processed_at - self.received_at if within else None


@dataclass(frozen=True)
class Candidate:
    """One result picture: where it is for some hours, or its bytes when the service sent no address.

    `score` and `reason` are what the service itself says of it; what they mean is its own.
    """

    # An address opens the picture to whoever reads it in a log.
    url: str | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)
    seed: int | None = None
    score: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class TaskResult:
    """The answer to "how is my task?"; `candidates` only when `status` is DONE.

    `billed` is what the service says that the task took of the account's credits, None where it says nothing.
    """

    status: TaskStatus
    request_id: str
    candidates: tuple[Candidate, ...] = ()
    times: TaskTimes | None = None
    billed: float | None = None


@dataclass(frozen=True)
class Balance:
    """What is left of a prepaid account, in credits."""

    credits: float


class TryOnService(Protocol):
    """What a client of a service offers, to any number of threads."""

    @property
    def capabilities(self) -> "Capabilities":
        """What this model of this service can do."""
        ...

    def submit(self, submission: Submission) -> Submitted:
        """Start one task, which is paid for.

        Raises `SubmitOutcomeUnknownError` when a task may exist whose id nobody knows; every other error of
        `tryon.service.errors` proves that no task exists.
        """
        ...

    def result(self, task_id: str) -> TaskResult:
        """Ask for a task, free of charge.

        Raises `TaskError` subclasses when the task itself failed; `ServiceUnavailableError` and
        `ServiceThrottledError` say only that this question got no answer.
        """
        ...

    def check(self) -> Balance | None:
        """Ask the service's free question: would it take a submit? Returns the account's balance where it says one.

        Raises `ServiceAccessError` when keys, rights or the model's name are wrong; `ServiceUnavailableError` and
        `ServiceThrottledError` say only that this question got no answer.
        """
        ...
