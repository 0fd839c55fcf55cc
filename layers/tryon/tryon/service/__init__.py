"""The try-on service: one small interface, whichever client speaks to it.

A client's two calls either return what is below or raise one of `tryon.service.errors`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tryon.parameters import GarmentType, Parameters


@dataclass(frozen=True)
class GarmentPicture:
    """An encoded JPEG or PNG of a garment, and where on the body it is worn."""

    data: bytes = field(repr=False)
    type: GarmentType


@dataclass(frozen=True)
class Submission:
    """All that the service needs for one task: pictures as JPEG or PNG bytes, one or two garments."""

    model: bytes = field(repr=False)
    garments: tuple[GarmentPicture, ...]
    parameters: Parameters


@dataclass(frozen=True)
class Submitted:
    """The service's receipt: the only name under which the task can be asked for."""

    task_id: str
    request_id: str


class TaskStatus(StrEnum):
    """Where a task is, in the service's own five words."""

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


@dataclass(frozen=True)
class Candidate:
    """One result picture: where it is for 24 h, or its bytes when the service sent no address."""

    # An address opens the picture to whoever reads it in a log.
    url: str | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)
    seed: int | None = None


@dataclass(frozen=True)
class TaskResult:
    """The answer to "how is my task?"; `candidates` only when `status` is DONE."""

    status: TaskStatus
    request_id: str
    candidates: tuple[Candidate, ...] = ()
    times: TaskTimes | None = None


class TryOnService(Protocol):
    """What a client of the service offers."""

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
