"""A task at the service: asked after until it ends."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from tryon.service import TaskStatus, TryOnService
from tryon.service.errors import (
    ServiceError,
    TaskError,
    TaskExpiredError,
)
from tryon.state.ends import Ends, noted, placed
from tryon.state.entry import Entry
from tryon.state.gate import Gate, TurnLaterError
from tryon.state.ledger import Ledger
from tryon.state.run import LearnedFrom
from tryon.task.slots import holder, requester

if TYPE_CHECKING:
    pass


class TaskState(StrEnum):
    """What a poll reports to the state machine."""

    PENDING = "pending"
    DONE = "done"


@dataclass(frozen=True)
class Look:
    """What one poll saw: the task's state, and what the service said where that was not understood.

    `again_in` is set where nothing was asked, because the account's requests are all taken for now: seconds.
    `next_in` is set where the cadence listens: the seconds until the next poll, after what this one saw.
    """

    state: TaskState
    said: str = ""
    error: ServiceError | None = None
    again_in: float | None = None
    next_in: int | None = None


def look(  # noqa: PLR0913 - its parts, by name
    run_id: str,
    n: int,
    visit: int,
    task_id: str,
    *,
    ledger: Ledger,
    gate: Gate,
    service: TryOnService,
    now: Callable[[], float],
    deferrals: int = 0,
    learned: LearnedFrom | None = None,
) -> Look:
    """Ask once after a task; free its slot when it has ended.

    A question without an answer is not a failed task: it counts as pending, and what came is kept. So is one for
    which the account has no request left in the next seconds; `deferrals` is how often that was so in a row.
    `learned` is what the task's cadence was learned from, if it was: its end is held against that. Raises
    `TaskError` subclasses when the task ended without a picture.
    """
    me = holder(run_id, n, visit)
    try:
        gate.take_turn(requester(run_id, n), poll=True)
    except TurnLaterError as later:
        again_in = later.again_in if later.booked else _spread(later.seconds, deferrals)
        return Look(TaskState.PENDING, again_in=again_in)
    try:
        result = service.result(task_id)
    except TaskError:
        ledger.ended(run_id, ledger.entry(run_id, n), task_id)
        gate.release(me, ended=True)
        raise
    except ServiceError as error:
        said = f"{type(error).__name__}: {error}"
        ledger.unanswered(run_id, n, task_id, said)
        return Look(TaskState.PENDING, said, error)
    if result.status in (TaskStatus.IN_QUEUE, TaskStatus.GENERATING):
        return Look(TaskState.PENDING, next_in=_next(ledger.pending(run_id, n, task_id, result.status), learned))
    entry = ledger.entry(run_id, n)
    if result.status is TaskStatus.NOT_FOUND:
        # Kept in the ledger, since each poll is another call of the function.
        since = now() if entry.not_found_at is None or entry.task_id != task_id else entry.not_found_at
        ledger.not_found(run_id, n, task_id, since)
        if now() - since < service.capabilities.filed_within:
            return Look(TaskState.PENDING, "the service does not know the task")
    ended = ledger.ended(run_id, entry, task_id, result)
    gate.release(me, ended=True, note=_note(ended, learned))
    if result.status is TaskStatus.DONE:
        return Look(TaskState.DONE)
    raise TaskExpiredError(
        f"the service answers {result.status.value} for task {task_id}", request_id=result.request_id
    )


def _note(entry: Entry | None, learned: LearnedFrom | None) -> Callable[[Ends], Ends] | None:
    """What adds an end to those of its run; None where it says nothing."""
    places = placed(entry, learned) if entry is not None and learned is not None else None
    if places is None or learned is None:
        return None
    return partial(noted, places=places, learned=learned)


def _next(entry: Entry | None, learned: LearnedFrom | None) -> int | None:
    """The wait of a cadence that listens; None where the entry does not say since when."""
    listening = None if learned is None else learned.listening
    if entry is None or listening is None or entry.submitted_at is None or entry.pending_at is None:
        return None
    start = entry.submitted_at
    queued, working = (None if at is None else at - start for at in (entry.queued_at, entry.working_at))
    return listening.wait(entry.pending_at - start, queued, working)


def _spread(seconds: float, deferrals: int) -> float:
    """Seconds until a poll tries again for which the account has no request left: longer each time, never together."""
    longest = min(120.0, 8.0 * 2**deferrals)
    return seconds + random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret
