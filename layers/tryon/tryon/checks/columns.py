"""The results of one garment held against each other: its colours and its texture as others wear it. Needs numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tryon.checks import palettes
from tryon.checks.records import BANDS
from tryon.checks.rows import GARMENTS, medians_without, sample

LEAST_PEERS = 3
"""Fewest others of a column that say how a garment looks."""


def colours(worn: Sequence[bytes]) -> NDArray[np.float32]:
    """How far each palette of a column is from the others': the median of distances, in Delta E."""
    every = _stack(worn)
    chosen = sample(len(every))
    apart = np.stack([palettes.distance(every[index], every) for index in chosen])
    for n, index in enumerate(chosen):
        apart[n, index] = np.nan
    return np.asarray(np.nanmedian(apart, axis=0), np.float32)


def texture(details: Sequence[bytes]) -> NDArray[np.float32]:
    """How much less detail each result of a column has than the others: of the bands, the one that lost most."""
    every = _stack(details).reshape(-1, BANDS).astype(np.float32)
    chosen = sample(len(every))
    usual = np.repeat(np.median(every[chosen], 0)[None], len(every), 0)
    usual[chosen] = medians_without(every[chosen])
    return np.asarray((usual - every).max(1), np.float32)


def usual(worn: Sequence[bytes]) -> bytes:
    """The palette in the middle of a column's."""
    every = _stack(worn)
    return bytes(np.median(every[sample(len(every))], 0).astype(np.uint8))


def distances(worn: Sequence[bytes], palette: bytes) -> NDArray[np.float32]:
    """How far each palette of a column is from one."""
    return palettes.distance(np.frombuffer(palette, np.uint8), _stack(worn))


def nearest(worn: Sequence[bytes], others: Sequence[bytes]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """How far each palette of a column is from the nearest of other garments' usual ones, and which that is."""
    every, chosen = (
        _stack(worn),
        np.unique(np.linspace(0, len(others) - 1, min(len(others), GARMENTS)).astype(np.intp)),
    )
    apart = np.stack([palettes.distance(other, every) for other in _stack(others)[chosen]])
    return apart.min(0), chosen[apart.argmin(0)]


LEAST_SAYING = 2
"""Fewest others of a column that say how far two garments are apart on one model."""

_SURELY = 2.0
"""Delta E that two results of one garment on one model may differ by."""

_SLOPE, _OFFSET = 6.5, 1.5
"""From a logarithm to Delta E nearer by colour: the same right results' quantiles, of a tenth and of a hundredth."""


def look_alike(
    apart: Sequence[bytes], beside: Sequence[tuple[str, ...]], own: str
) -> tuple[NDArray[np.float32], list[str]]:
    """How much more like another garment of its own row each result of a column is than the column's others are.

    `apart` and `beside` are of each result how far it is from which garments of its row. The answer is on the
    scale of differences in colour, and which garment that is; minus infinity where the column's others do not say.
    """
    rows = dict.fromkeys(beside)
    names = list(dict.fromkeys(name for row in rows for name in row if name != own))
    place = {name: n for n, name in enumerate(names)}
    every = np.full((len(apart), len(names) + 1), np.nan, np.float32)
    for row in rows:
        members = [n for n, its in enumerate(beside) if its == row]
        every[np.ix_(members, [place.get(name, len(names)) for name in row])] = _stack([apart[n] for n in members]) / 4
    every = every[:, :-1]
    scores, nearest = np.full(len(every), -np.inf, np.float32), [""] * len(every)
    if not names:
        return scores, nearest
    chosen = sample(len(every))
    usual = np.repeat(_median(every[chosen])[None], len(every), 0)
    for n in chosen:
        usual[n] = _median(every[[other for other in chosen if other != n]])
    ratios = np.log((usual + _SURELY) / (every + _SURELY))
    ratios[np.isnan(ratios)] = -np.inf
    best = ratios.argmax(1)
    return _SLOPE * ratios.max(1) - _OFFSET, [names[n] for n in best]


def _median(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of what is known in each column; nan where fewer than `LEAST_SAYING` are."""
    if not len(planes):
        return np.full(planes.shape[1], np.nan, np.float32)
    ordered = np.sort(planes, 0)
    known = np.isfinite(planes).sum(0)
    across = np.arange(planes.shape[1])
    lower, upper = (
        ordered[np.maximum(0, known - 1) // 2, across],
        ordered[np.minimum(known // 2, len(planes) - 1), across],
    )
    found = (lower + upper) / 2
    return np.where(known < LEAST_SAYING, np.nan, found).astype(np.float32)


def _stack(rows: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.stack([np.frombuffer(row, np.uint8) for row in rows])
