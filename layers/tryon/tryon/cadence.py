"""The waits before each poll, in whole seconds, and the deadline that ends them."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat

DEFAULT: tuple[int, ...] = (5, 8, 10, 8, 10)
"""Calibrated by hand on tasks of 20 to 30 s: the polls fall at 5, 13, 23, 31 and 41 s."""

MAX_WAITS = 100
"""Waits that a cadence may name."""

MAX_WAIT = 300
"""Longest wait in seconds."""

MAX_POLLS = 2000
"""Polls of one task: each writes 9 events into the child execution's history, which ends at 25,000 (AWS's quota)."""

DEADLINE = 300
"""Seconds from submit after which a task is given up as late; its id is kept."""


def waits(cadence: Sequence[int], deadline: int) -> Iterator[int]:
    """Yield the waits between polls: the cadence, its last wait repeated, cut so that they sum to `deadline`.

    The state machine computes the same, wait by wait and by the clock, where polls take time too: what it waits
    in all is no more. This is what tests and estimates hold it against.
    """
    left = deadline
    for wait in chain(cadence, repeat(cadence[-1])):
        if left <= 0:
            return
        yield min(wait, left)
        left -= wait


def poll_times(cadence: Sequence[int], deadline: int) -> list[int]:
    """Seconds after the submit at which each poll falls, the last one at the deadline."""
    times: list[int] = []
    for wait in waits(cadence, deadline):
        times.append(wait + (times[-1] if times else 0))
    return times
