"""A combination as the ledger keeps it: how far it is, what it took, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from pydantic import TypeAdapter

from tryon.errors import PROVE_NO_TASK
from tryon.json_types import Json, validated
from tryon.service import Candidate, registry
from tryon.stored import Lost, Stored


class Status(StrEnum):
    """Where a combination is. SUBMITTING is written before the service is called, SUBMITTED after it."""

    PLANNED = "PLANNED"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class RefusedSubmit:
    """How the service refused a submit without making a task: the error's name and why."""

    error: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Entry:
    """A combination's line in the ledger. Times are seconds since the epoch, `latency` and `delay` seconds.

    `latency` is the service's own, from receipt to the end, when it gave its times; `delay` is from the end
    until a poll saw it, by the same times; `pending_at` is the last poll that saw the task unfinished, `queued_at` the
    last that saw it in the queue, `working_at` the first after that which saw it at work. `processed_at` is when the
    work began by the service's own times: as many seconds after `submitted_at` as the service says that it waited.
    `candidates` are where the pictures of an ended task are until they are in S3, `lost` those that could not be had
    beside the ones in `results`.
    `refused_tasks` are those whose results the service refused and that were followed by another, `adopted_task`
    is the one that an earlier run paid for. `visit` numbers the combination's visits to Submit: a slot and a submit
    belong to one visit. `submit_call` names the call of Submit that began the latest one. `refusal` is how the service
    refused the latest submit without making a task. `said` is the
    last answer to a poll that was not understood, or the last trouble of one, `unanswered` how many there were.
    `not_found_at` is when the service began to say that it does not know the task. `take` is 2 and more where what was
    made before was rejected. `service` is the key of the one that it is made with, and `billed` what that one says that
    the task took of the account's credits.
    """

    n: int
    id: str
    model: str
    worn: str
    variant: str
    garments: tuple[str, ...] = ()
    status: Status = Status.PLANNED
    task_id: str | None = None
    submits: int = 0
    submitting_at: float | None = None
    submitted_at: float | None = None
    polls: int = 0
    pending_at: float | None = None
    queued_at: float | None = None
    working_at: float | None = None
    processed_at: float | None = None
    ended_at: float | None = None
    latency: float | None = None
    delay: float | None = None
    candidates: tuple[Candidate, ...] = ()
    results: tuple[Stored, ...] = ()
    lost: tuple[Lost, ...] = ()
    bytes: int = 0
    finished_at: float | None = None
    error: str | None = None
    cause: str | None = None
    step: str | None = None
    request_ids: tuple[str, ...] = ()
    resumed: bool = False
    refused_tasks: tuple[str, ...] = ()
    adopted_task: str | None = None
    visit: int = 0
    submit_call: str = ""
    refusal: RefusedSubmit | None = None
    said: str | None = None
    unanswered: int = 0
    not_found_at: float | None = None
    take: int = 1
    service: str = registry.FIRST
    billed: float | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that this run started and that are paid for, as far as their ids were received."""
        known = (*self.refused_tasks, self.task_id)
        return tuple(task for task in known if task is not None and task != self.adopted_task)

    @property
    def outcome_unknown(self) -> bool:
        """Whether a submit was begun whose answer nobody saw: a task may exist and be billed."""
        return self.task_id is None and self.submitting_at is not None and self.error not in PROVE_NO_TASK

    @property
    def may_still_run(self) -> bool:
        """Whether the service may still work on a task of this entry, which then still fills a slot."""
        return self.outcome_unknown or (self.task_id is not None and self.ended_at is None)


def read_entry(item: Mapping[str, Json]) -> Entry:
    """An entry from its item in plain values; what an older or a newer version kept besides is not looked at.

    Raises `UnreadableError` for an item that is none of a combination.
    """
    return validated(_entry(), item, f"combination {item.get('id')}")


@cache
def _entry() -> "TypeAdapter[Entry]":
    return TypeAdapter(Entry)
