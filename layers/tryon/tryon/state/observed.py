"""What a task's entry says of its times: exact where the service gave its own, between two polls otherwise."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tryon.errors import FORGOTTEN

if TYPE_CHECKING:
    from tryon.state.entry import Entry


@dataclass(frozen=True)
class Observation:
    """A length of time: more than `low`, at most `high` seconds.

    Both are the same where it is known exactly; `high` is infinite for what was never seen to end.
    """

    low: float
    high: float

    @property
    def exact(self) -> bool:
        return self.low == self.high

    @property
    def ended(self) -> bool:
        return math.isfinite(self.high)


@dataclass(frozen=True)
class Observed:
    """What is known of one task: from its submit until work began, from there to the end, and both.

    A part of which nothing is known is None.
    """

    queue: Observation | None
    work: Observation | None
    latency: Observation


def observed(entry: "Entry") -> Observed | None:
    """What an entry says of its task's times; None where it says nothing of its latency."""
    if entry.error in FORGOTTEN:
        return None  # it was given up by the service: nobody knows when
    if entry.resumed or entry.submitted_at is None:
        # A resumed task was submitted in another run: only its own times tell.
        told = entry.latency
        return None if told is None else Observed(None, None, Observation(told, told))
    end = _end(entry, entry.submitted_at)
    if end is None:
        return None
    queue = _queue(entry, entry.submitted_at, end)
    return Observed(queue, work_between(queue, end), end)


def _end(entry: "Entry", start: float) -> Observation | None:
    if entry.latency is not None:
        return Observation(entry.latency, entry.latency)
    low = 0.0 if entry.pending_at is None else max(0.0, entry.pending_at - start)
    high = math.inf if entry.ended_at is None else entry.ended_at - start
    return Observation(low, high) if high > low and (low > 0 or math.isfinite(high)) else None


def _queue(entry: "Entry", start: float, end: Observation) -> Observation:
    if entry.processed_at is not None:
        exact = max(0.0, entry.processed_at - start)
        return Observation(exact, exact)
    low = 0.0 if entry.queued_at is None else max(0.0, entry.queued_at - start)
    high = end.high if entry.working_at is None else min(end.high, entry.working_at - start)
    return Observation(min(low, high), high)


def work_between(queue: Observation, end: Observation) -> Observation | None:
    """Between the shortest and the longest time that both ends leave; None where nothing is known."""
    if not queue.ended:
        return None
    low, high = max(0.0, end.low - queue.high), end.high - queue.low
    return Observation(low, high) if high > low or (queue.exact and end.exact) else None
