"""Where a model's photograph is in a result: four numbers, found on edges. Needs numpy.

Gauss-Newton, coarse to fine, from three sizes. The garment's new edges are strong and would pull the frame along:
the place is taken at which most of the model's own edges are found again, and it stays where it was unless another
place finds clearly more.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tryon.checks.planes import Mask, Plane, between, blur, pixels

Numbers: TypeAlias = NDArray[np.float64]
"""a, b, tx, ty: the model's (x, y) is at (a x + tx, b y + ty) of the result, in shares of the sides."""

STILL: Numbers = np.array([1.0, 1.0, 0.0, 0.0])

_SIZES = ((24, 36), (48, 72), (96, 144))
_STARTS = (1.0, 0.92, 1.09)
# At the place itself, right results that were redrawn whole found 0.52 of the edges and more; zoomed ones 0.4.
_ENOUGH = 0.62
_CLEARLY_MORE = 0.08


@dataclass(frozen=True)
class Edges:
    """A picture's edges at three sizes, with their gradients."""

    planes: tuple[Plane, ...]
    gradients: tuple[tuple[Plane, Plane], ...]
    scales: tuple[float, ...]


@dataclass(frozen=True)
class _Seen:
    """What is seen of the result at a place: the difference to the model's edges, and what is within the picture."""

    difference: Plane
    rows: Plane
    columns: Plane
    within: Mask


def edges(image: Image.Image) -> Edges:
    """The edges of a grey picture, each size in units of its own spread."""
    greys: list[Plane] = [pixels(image, size).astype(np.float32) for size in _SIZES]
    planes = tuple(blur(grey, 1) - blur(grey, 6) for grey in greys)
    gradients = tuple((np.asarray(np.gradient(one, axis=0)), np.asarray(np.gradient(one, axis=1))) for one in planes)
    return Edges(planes, gradients, tuple(float(plane.std()) + 1e-3 for plane in planes))


def align(model: Edges, result: Edges) -> tuple[Numbers, float]:
    """The place of the model in the result, and the share of the model's edges that are found there."""
    finest = len(_SIZES) - 1
    near = _refined(STILL, model, result, finest, rounds=6, strict=True)
    place, found = max(((one, _found(one, model, result)) for one in (STILL, near)), key=lambda one: one[1])
    if found >= _ENOUGH:
        return place, found
    for start in _STARTS:
        other = np.array([start, start, (1 - start) / 2, (1 - start) / 2])
        for level in range(len(_SIZES)):
            other = _refined(other, model, result, level, rounds=10, strict=False)
        other = _refined(other, model, result, finest, rounds=4, strict=True)
        share = _found(other, model, result)
        if share > found + _CLEARLY_MORE:
            place, found = other, share
    return place, found


def _grid(level: int) -> tuple[Plane, Plane]:
    width, height = _SIZES[level]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return (rows + 0.5) / height, (columns + 0.5) / width


_GRIDS = tuple(_grid(level) for level in range(len(_SIZES)))


def _see(place: Numbers, model: Edges, result: Edges, level: int) -> _Seen:
    width, height = _SIZES[level]
    y, x = _GRIDS[level]
    rows = ((place[1] * y + place[3]) * height - 0.5).astype(np.float32)
    columns = ((place[0] * x + place[2]) * width - 0.5).astype(np.float32)
    within = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    difference = (between(result.planes[level], rows, columns) - model.planes[level]) / model.scales[level]
    return _Seen(difference, rows, columns, within)


def _refined(place: Numbers, model: Edges, result: Edges, level: int, *, rounds: int, strict: bool) -> Numbers:
    """The place moved until the edges fit better; `strict` counts only pixels that fit nearly already."""
    width, height = _SIZES[level]
    scale = model.scales[level]
    strength = np.abs(model.planes[level]) / scale
    y, x = _GRIDS[level]
    down, right = result.gradients[level]
    for _ in range(rounds):
        seen = _see(place, model, result, level)
        size = np.abs(seen.difference)
        if strict:
            weight = ((size < 0.5 * strength + 0.15) & seen.within).astype(np.float32)
        else:
            weight = seen.within / (1 + (size / (1.5 * np.median(size) + 0.05)) ** 2) ** 2
        dx = between(right, seen.rows, seen.columns) * (width / scale)
        dy = between(down, seen.rows, seen.columns) * (height / scale)
        slope = np.stack([dx * x, dy * y, dx, dy], -1).reshape(-1, 4)
        weighted = slope * weight.reshape(-1, 1)
        step = np.linalg.solve(weighted.T @ slope + 1e-3 * np.eye(4), -(weighted.T @ seen.difference.ravel()))
        place = place + np.clip(step, -0.05, 0.05)
        if np.abs(step).max() < 2e-4:
            break
    return place


def _found(place: Numbers, model: Edges, result: Edges) -> float:
    level = len(_SIZES) - 1
    seen = _see(place, model, result, level)
    strength = np.abs(model.planes[level]) / model.scales[level]
    edge = strength > np.percentile(strength, 80)
    return float(np.mean((np.abs(seen.difference[edge]) < 0.5 * strength[edge]) & seen.within[edge]))
