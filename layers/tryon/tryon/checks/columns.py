"""The results of one garment held against each other: its colours and its texture as others wear it. Needs numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tryon.checks import palettes
from tryon.checks.records import BANDS
from tryon.checks.rows import sample

LEAST_PEERS = 3
"""Fewest others of a column that say how a garment looks."""

_GARMENTS = 60
"""Most other garments that a result is held against."""


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
    for index in chosen:
        usual[index] = np.median(every[[other for other in chosen if other != index]], 0)
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
        np.unique(np.linspace(0, len(others) - 1, min(len(others), _GARMENTS)).astype(np.intp)),
    )
    apart = np.stack([palettes.distance(other, every) for other in _stack(others)[chosen]])
    return apart.min(0), chosen[apart.argmin(0)]


def _stack(rows: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.stack([np.frombuffer(row, np.uint8) for row in rows])
