"""How long a run still takes, from what its entries say."""

from collections.abc import Sequence
from statistics import fmean

from tryon.state.entry import Entry, Status

RECENT_TASKS = 50
"""Ended tasks, the newest, by which it is told how long one takes."""

RECENT_SECONDS = 60.0
"""Workflow seconds, at least, over which it is seen how many tasks run at once."""


def seconds_left(entries: Sequence[Entry], now: float) -> float | None:
    """Seconds until the last task's end, None where that cannot be told.

    What is left at the service is dealt out to as many slots as were seen, each task taking as long as the newest
    that ended did; where slots stood empty, as under a request rate, it takes that much longer.
    """
    running = [
        now - entry.submitted_at
        for entry in entries
        if entry.submitted_at is not None and entry.ended_at is None and entry.status is Status.SUBMITTED
    ]
    ended = [
        (entry.submitted_at, entry.ended_at)
        for entry in entries
        if entry.submitted_at is not None and entry.ended_at is not None
    ]
    waiting = sum(entry.status in (Status.PLANNED, Status.SUBMITTING) for entry in entries)
    if not ended or not (waiting or running):
        return None
    newest = sorted(ended, key=lambda task: task[1])[-RECENT_TASKS:]
    mean = fmean(end - start for start, end in newest)
    since = max(min(start for start, _ in ended), now - max(RECENT_SECONDS, 3 * mean))
    busy = sum(max(0.0, end - max(start, since)) for start, end in ended)
    busy += sum(min(age, now - since) for age in running)
    at_once = busy / max(1.0, now - since)
    if at_once <= 0:
        return None
    slots = max(len(running), round(at_once), 1)
    cycle = mean * max(1.0, slots / at_once) if waiting else mean
    return _dealt_out([max(0.0, cycle - age) for age in running], waiting, slots, cycle)


def _dealt_out(running: Sequence[float], waiting: int, slots: int, cycle: float) -> float:
    """When the last of the tasks ends, each taken by the slot that is free first."""
    # Whole rounds change nothing but the time.
    rounds, rest = divmod(waiting, slots)
    free = sorted([*running, *[0.0] * (slots - len(running))])
    for slot in range(rest):
        free[slot] += cycle
    return max(free) + rounds * cycle
