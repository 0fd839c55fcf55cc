"""The waits before each poll, in whole seconds, and the deadline that ends them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise, repeat

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


@dataclass(frozen=True)
class ListeningCadence:
    """Waits by what the last poll saw, in whole seconds.

    `queued` are the waits while the task is in the queue, from the submit on, the last repeated. `working` has waits
    for each of them: those that follow when the poll at its end sees work for the first time, the last repeated.
    """

    queued: tuple[int, ...]
    working: tuple[tuple[int, ...], ...]

    def most_polls(self, deadline: int) -> int:
        """The polls of the task that takes the most of them until the deadline."""
        return max(
            number + len(poll_times(waits, deadline - end))
            for number, (_, end, waits) in enumerate(self.steps(deadline), start=1)
        )

    def wait(self, since_submit: float, queued: float | None, working: float | None) -> int:
        """The next wait after a poll `since_submit` seconds after the submit.

        `queued` and `working` are when the queue was last seen and work first, in seconds after the submit too.
        """
        if working is None:
            return self.queued[min(self._passed(self.queued, since_submit), len(self.queued) - 1)]
        gap = min(self._passed(self.queued, queued or 0.0), len(self.working) - 1)
        waits = self.working[gap]
        return waits[min(self._passed(waits, since_submit - working), len(waits) - 1)]

    @staticmethod
    def _passed(waits: Sequence[int], seconds: float) -> int:
        """How many of the polls are over after some seconds; one may come early or late, as the clocks of AWS do."""
        return sum(at <= seconds + min(1.0, 0.5 * wait) for at, wait in zip(accumulate(waits), waits, strict=True))

    def steps(self, deadline: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """While a task is queued: each gap between two polls, from when to when, and the waits if work began in it."""
        times = [0, *poll_times(self.queued, deadline)]
        for number, (start, end) in enumerate(pairwise(times)):
            yield start, end, self.working[min(number, len(self.working) - 1)]
