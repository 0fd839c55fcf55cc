"""Whether tasks still take as long as when a cadence was learned."""

import math
from array import array
from dataclasses import dataclass
from statistics import median

from tryon.learning.calibration import observations
from tryon.learning.learned import SHARES
from tryon.state.entry import Entry
from tryon.state.observed import Observation
from tryon.state.run import LearnedFrom

MIN_SEEN = 10
"""Fewest tasks whose latencies are compared: of fewer, chance moves a tenth of them too easily."""

SIGNIFICANT = 1.63
"""Times the square root of 1/seen + 1/samples: a distance that chance alone exceeds once in a hundred runs."""

RELEVANT = 0.15
"""Least distance that matters: a shift of the usual latencies by one second, a cadence's finest step."""


@dataclass(frozen=True)
class Drift:
    """How far a run's latencies are from those that its cadence was learned from; times in seconds.

    `learned` names the cadence, `samples` and `seen` count the latencies then and now. `distance` is Kolmogorov and
    Smirnov's: the most by which the share of tasks that ended within some seconds differs, at the latencies within
    which 5, 10 … 95 % ended when the cadence was learned. `calibrate_again` when that is more than `limit`.
    """

    learned: str
    samples: int
    seen: int
    median_learned: float
    median_seen: float
    distance: float
    limit: float
    calibrate_again: bool


class DriftMeter:
    """Measures a run's drift entry by entry.

    Of a latency that is known only between two polls nothing is assumed: a share counts as different where no
    latency between them could explain it.
    """

    def __init__(self, origin: LearnedFrom) -> None:
        self._origin = origin
        self._quantiles = origin.quantiles
        self._surely = [0] * len(self._quantiles)
        self._perhaps = [0] * len(self._quantiles)
        self._middles = array("d")

    def add(self, entry: Entry) -> None:
        """Take in what an entry says of its latency, if it is of the service that the cadence was learned at."""
        if entry.service != self._origin.service:
            return
        for one in observations((entry,)):
            self._middles.append(_middle(one))
            for i, at in enumerate(self._quantiles):
                self._surely[i] += one.high <= at
                self._perhaps[i] += one.low < at or one.high <= at

    def drift(self) -> Drift | None:
        """The comparison for a summary, None of too few."""
        seen = len(self._middles)
        if seen < MIN_SEEN:
            return None
        origin = self._origin
        distance = max(
            max(0.0, surely / seen - share, share - perhaps / seen)
            for share, surely, perhaps in zip(SHARES, self._surely, self._perhaps, strict=True)
        )
        limit = max(RELEVANT, SIGNIFICANT * math.sqrt(1 / seen + 1 / origin.samples))
        return Drift(
            learned=origin.name,
            samples=origin.samples,
            seen=seen,
            median_learned=round(self._quantiles[len(SHARES) // 2], 1),
            median_seen=round(median(self._middles), 1),
            distance=round(distance, 3),
            limit=round(limit, 3),
            calibrate_again=distance > limit,
        )


def _middle(one: Observation) -> float:
    return (one.low + one.high) / 2 if one.ended else one.low
