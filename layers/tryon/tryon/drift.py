"""Whether tasks still take as long as when a cadence was learned."""

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from tryon.calibration import Observation, observations
from tryon.learned import SHARES
from tryon.ledger import Entry

MIN_SEEN = 10
"""Fewest tasks whose latencies are compared: of fewer, chance moves a tenth of them too easily."""

SIGNIFICANT = 1.63
"""Times the square root of 1/seen + 1/samples: a distance that chance alone exceeds once in a hundred runs."""

RELEVANT = 0.15
"""Least distance that matters: a shift of the usual latencies by one second, a cadence's finest step."""


def drift(origin: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any] | None:
    """How far a run's latencies lie from those that its cadence was learned from; None of too few.

    `distance` is Kolmogorov and Smirnov's: the most by which the share of tasks that ended within some seconds
    differs, at the latencies within which 5, 10 … 95 % ended when the cadence was learned. Of a latency that is
    known only between two polls nothing is assumed: a share counts as different where no latency between them
    could explain it. `calibrate_again` when that is more than `limit`. Times are in seconds.
    """
    seen = observations(entries)
    if len(seen) < MIN_SEEN:
        return None
    quantiles = origin["quantiles"]
    distance = max(_outside(seen, at, share) for share, at in zip(SHARES, quantiles, strict=True))
    limit = max(RELEVANT, SIGNIFICANT * math.sqrt(1 / len(seen) + 1 / origin["samples"]))
    return {
        "learned": origin["name"],
        "samples": origin["samples"],
        "seen": len(seen),
        "median_learned": round(quantiles[len(SHARES) // 2], 1),
        "median_seen": round(median(_middle(one) for one in seen), 1),
        "distance": round(distance, 3),
        "limit": round(limit, 3),
        "calibrate_again": distance > limit,
    }


def _outside(seen: list[Observation], at: float, share: float) -> float:
    surely = sum(1 for one in seen if one.high <= at) / len(seen)
    perhaps = sum(1 for one in seen if one.low < at or one.high <= at) / len(seen)
    return max(0.0, surely - share, share - perhaps)


def _middle(one: Observation) -> float:
    return (one.low + one.high) / 2 if one.ended else one.low
