"""Whether the tasks of a run still take as long as those that its cadence was learned from, while the run goes on.

The gate's item, which the poll that sees an end changes anyway, keeps a few whole numbers for each of the last ends:
between which of the learned quantiles its latency, its queue and its work were. After every `WINDOW` of them they are
held against what was learned, by the largest distance of the shares (Kolmogorov and Smirnov). A run that is further off
than chance explains has outgrown its cadence, and its later submits follow the default one: Submit reads the same item.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tryon.state.entry import Entry
from tryon.state.observed import Observation, observed
from tryon.state.run import LearnedFrom

WINDOW = 20
"""Ends after which a run is looked at, and then those after them."""

SIGNIFICANT = 2.5
"""Times the square root of 1/ends + 1/samples: a distance that chance exceeds once in some 100,000 looks. A run of
10,000 tasks has 500 looks, at two windows and three times each."""

UNKNOWN = -1
"""The place of a time of which nothing is known."""


@dataclass(frozen=True)
class Ends:
    """A run's last ends, fewer than two windows, and whether a window was too far off.

    An end is a first and a last place for each of latency, queue and work: so many quantiles are surely below it, and
    so many perhaps.
    """

    places: tuple[tuple[int, ...], ...] = field(default_factory=tuple)
    outgrown: bool = False


def placed(entry: Entry, learned: LearnedFrom) -> tuple[int, ...] | None:
    """Where the times of a task that has ended are among those that were learned; None where it says nothing."""
    found = observed(entry)
    if found is None or not found.latency.ended:
        return None
    parts = zip(_quantiles(learned), (found.latency, found.queue, found.work), strict=True)
    return tuple(place for quantiles, seen in parts for place in _places(quantiles, seen))


def _quantiles(learned: LearnedFrom) -> tuple[tuple[float, ...], ...]:
    return learned.quantiles, learned.queue_quantiles, learned.work_quantiles


def _places(quantiles: Sequence[float], seen: Observation | None) -> tuple[int, int]:
    if not quantiles or seen is None:
        return UNKNOWN, UNKNOWN
    last = sum(at < seen.high for at in quantiles)
    return min(last, sum(at <= seen.low for at in quantiles)), last


def noted(ends: Ends, places: tuple[int, ...], learned: LearnedFrom) -> Ends:
    """With one end more; a window that is full is judged, alone and with the one before it, which then goes."""
    seen = (*ends.places, places)
    if len(seen) % WINDOW:
        return Ends(seen, ends.outgrown)
    # Two windows together show what is too little to be sure of in one.
    windows = {seen[-WINDOW:], seen}
    far = any(_far(window, part, learned) for window in windows for part in range(len(places) // 2))
    return Ends(seen[-WINDOW:], ends.outgrown or far)


def _far(window: Sequence[tuple[int, ...]], part: int, learned: LearnedFrom) -> bool:
    """Whether a share of the window is further from what was learned than chance explains, at any quantile."""
    seen = [places[2 * part : 2 * part + 2] for places in window if places[2 * part] != UNKNOWN]
    if len(seen) < WINDOW // 2:
        return False
    limit = SIGNIFICANT * math.sqrt(1 / len(seen) + 1 / learned.samples)
    quantiles = _quantiles(learned)[part]
    for number in range(len(quantiles)):
        share = (number + 1) / (len(quantiles) + 1)
        surely = sum(last <= number for _, last in seen) / len(seen)
        perhaps = sum(first <= number for first, _ in seen) / len(seen)
        if surely - share > limit or share - perhaps > limit:
            return True
    return False
