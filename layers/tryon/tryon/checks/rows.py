"""The results of one model held against each other: what each changed, and where the others did. Needs numpy.

Every result is held against at most `PEERS` others of its row, itself left out. Where half of them are wrong too, the
medians still follow the right ones.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tryon.checks import palettes
from tryon.checks.facts import unapplied
from tryon.checks.planes import Mask, Plane
from tryon.checks.records import BAND_COLUMNS, BAND_ROWS, BANDS, FaceMeasures, Measurements
from tryon.checks.vocabulary import Check, FaceState
from tryon.pictures.signature import COLUMNS, ROWS

PEERS = 15
"""Most results of a row or column that one is held against."""

LEAST_PEERS = 4
"""Fewest others of a row, or of a kind in it, that say where a garment belongs."""

_LEAST_KEPT = 3
"""Fewest others of a kind in a row that say how many of the photograph's edges their garments leave."""

_CHANGED = 6.0
"""Delta E from which a cell has changed; more where much of the picture drifted."""

_TOP = 69
"""Cells, a twelfth of all: what even a small garment changes."""

_ISLAND = 8
"""Cells of an added object: a seventh of the picture's width squared."""

_LEAST_CELLS = 24
"""Cells of the smallest garment."""

_TOUCHING = 0.5
"""Share of an object's narrower side that may touch a garment's place."""

_BORDER = 3

GARMENTS = 60
"""Most other garments that a result is held against."""

_OFTEN = 0.25
"""Share of the row that changes a cell, above which a change there says nothing."""


@dataclass
class Looked:
    """What a row says of one of its results. `palette` and `detail` are the worn region's, for the column.

    `kept` is how much more of the photograph's edges is found again than in the row's others. `apart` says how far the
    result is from those of other garments, in quarters of a Delta E, in the order of `beside`: their places in the row.
    """

    scores: dict[Check, float] = field(default_factory=dict)
    why_not: dict[Check, str] = field(default_factory=dict)
    outline: bytes = b""
    palette: bytes = b""
    detail: bytes = b""
    kept: float = 0.0
    apart: bytes = b""
    beside: tuple[int, ...] = ()


def look(results: Sequence[Measurements], kinds: Sequence[str], garments: Sequence[str]) -> list[Looked]:
    """What the row says of each result, in their order; `kinds` are the garments' types, `garments` their names."""
    change = np.stack([_plane(one.change, ROWS, COLUMNS) for one in results]) / 4
    worn = _worn(change)
    found = [Looked() for _ in results]
    _faces(found, [one.face for one in results], [one.head_kept for one in results])
    agreed = np.zeros_like(change)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, kind in enumerate(kinds):
        by_kind[kind].append(i)
    for members in by_kind.values():
        agreed[members] = _others(worn[members].astype(np.float32), medians=False).mean
        _applied(found, members, change, worn, agreed)
        if len(members) > _LEAST_KEPT:
            _kept(found, members, results)
        _apart(found, members, results, garments, worn[members].mean(0) >= 0.5)
    for i, one in enumerate(found):
        one.palette, one.detail = _region(results[i], _mask(agreed[i], worn[i]))
    alone = {members[0] for members in by_kind.values() if len(members) == 1}
    _beside(found, change, worn, agreed, alone)
    return found


def _plane(data: bytes, *shape: int) -> Plane:
    return np.frombuffer(data, np.uint8).reshape(shape).astype(np.float32)


def _worn(change: Plane) -> Mask:
    """What changed, without single cells."""
    limit = np.maximum(_CHANGED, 2.2 * np.median(change, axis=(1, 2)))
    return _smooth((change > limit[:, None, None]).astype(np.float32)) > 0.5


def _smooth(planes: Plane) -> Plane:
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows, columns = planes.shape[1:]
    total = np.zeros_like(planes)
    for down in range(3):
        for right in range(3):
            total += padded[:, down : down + rows, right : right + columns]
    return total / 9


def sample(count: int) -> NDArray[np.intp]:
    """Which results stand for all of a row or column: at most `PEERS` + 1, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, PEERS + 1)).round().astype(np.intp))


@dataclass(frozen=True)
class Others:
    """The mean and the median of the others' planes, for each result without itself."""

    mean: Plane
    median: Plane


def _others(planes: Plane, *, medians: bool = True) -> Others:
    count = len(planes)
    chosen = sample(count)
    some = planes[chosen]
    place = {int(index): n for n, index in enumerate(chosen)}
    total = some.sum(0)
    left = np.array([len(chosen) - (i in place) for i in range(count)], np.float32)
    without = np.stack([total - planes[i] if i in place else total for i in range(count)])
    mean = without / np.maximum(1, left).reshape(-1, *(1,) * (planes.ndim - 1))
    if not medians:
        return Others(mean, mean)
    whole, without_each = np.median(some, 0), medians_without(some)
    median = np.stack([without_each[place[i]] if i in place else whole for i in range(count)])
    return Others(mean, median)


def medians_without(planes: Plane) -> Plane:
    """The median of all planes but one, for each of them; a plane that is alone is its own."""
    if len(planes) == 1:
        return planes
    ordered = np.sort(planes, 0)
    left = len(planes) - 1

    def rank(k: int) -> Plane:
        """What has this rank among the others: those behind a plane's own place move up by one."""
        return np.asarray(np.where(planes > ordered[k], ordered[k], ordered[k + 1]))

    return np.asarray((rank((left - 1) // 2) + rank(left // 2)) / 2)


def _beside(found: list[Looked], change: Plane, worn: Mask, agreed: Plane, alone: set[int]) -> None:
    """What changed where nothing should, by the whole row: away from every garment's place."""
    if len(found) <= LEAST_PEERS:
        for one in found:
            one.why_not[Check.CHANGED_BESIDE] = f"{len(found)} of this model"
        return
    usual = _others(change).median
    often = _others(worn.astype(np.float32), medians=False).mean
    # Not much wider than that: an object beside the body must not count as a wide garment.
    allowed = _smooth(_smooth(((often > _OFTEN) | (agreed > 0.5)).astype(np.float32))) > 0.3
    excess = np.maximum(0, change - 1.5 * usual - 1)
    excess[allowed] = 0
    islands = excess * _solid(_apart_from(allowed, excess > 0.5 * _CHANGED))
    beside = np.sort(islands.reshape(len(islands), -1), axis=1)[:, -_ISLAND:].mean(1)
    rim = np.zeros(change.shape[1:], bool)
    rim[:, :_BORDER] = rim[:, -_BORDER:] = rim[:_BORDER] = True
    border = np.percentile(excess[:, rim], 75, axis=1)
    for i, one in enumerate(found):
        if i in alone:
            one.why_not[Check.CHANGED_BESIDE] = "1 of this type in this row"
            continue
        one.scores[Check.CHANGED_BESIDE] = float(max(beside[i], border[i]))
        strong = islands[i] if beside[i] >= border[i] else excess[i]
        one.outline = np.packbits(strong > 0.5 * _CHANGED).tobytes()


def _solid(cells: Mask) -> Mask:
    """Without what is one cell wide in every plane: edges that moved a little are, objects are not."""
    corners = cells[:, :-1, :-1] & cells[:, 1:, :-1] & cells[:, :-1, 1:] & cells[:, 1:, 1:]
    found = np.zeros_like(cells)
    for down in (slice(None, -1), slice(1, None)):
        for right in (slice(None, -1), slice(1, None)):
            found[:, down, right] |= corners
    return found


def _apart_from(place: Mask, changed: Mask) -> Mask:
    """The changed cells that do not belong to what is at the place, in every plane.

    A wide skirt or a long coat grows out of its place as broadly as it is itself; an object beside it may touch it.
    """
    found = changed.copy()
    touched = palettes.spread(place) & changed
    for plane in np.flatnonzero(touched.any((1, 2))):
        while touched[plane].any():
            row, column = np.argwhere(touched[plane])[0]
            part = np.zeros_like(changed[plane])
            part[row, column] = True
            part = _connected(part, changed[plane])
            narrower = min(int(part.any(axis).sum()) for axis in (0, 1))
            if (touched[plane] & part).sum() > _TOUCHING * narrower:
                found[plane] &= ~part
            touched[plane] &= ~part
    return found


def _connected(start: Mask, open_cells: Mask) -> Mask:
    """The open cells that are connected with the start."""
    reach = start
    while True:
        grown = palettes.spread(reach) & open_cells
        if (grown == reach).all():
            return reach
        reach = grown


_USUAL = {Check.FACE_DIFFERS: 0.005, Check.FACE_COLOURS: 0.9, Check.FACE_SMOOTHED: 0.0, Check.ANOTHER_PERSON: 0.15}
"""What right results differ by from their model, where a row is too small to say it; below, the most it may say."""
_MOST_USUAL = {Check.FACE_DIFFERS: 0.02, Check.FACE_COLOURS: 2.5, Check.FACE_SMOOTHED: 0.3, Check.ANOTHER_PERSON: 0.3}


def _faces(found: list[Looked], faces: Sequence[FaceMeasures], kept: Sequence[bool]) -> None:
    """How much more each face differs from its model's than the row's others do."""
    differences: list[dict[Check, float]] = [_face_differences(face) for face in faces]
    for check in _USUAL:
        values = {i: one[check] for i, one in enumerate(differences) if check in one}
        chosen = [list(values)[n] for n in sample(len(values))] if values else []
        for i, value in values.items():
            others = [values[j] for j in chosen if j != i]
            usual = min(float(np.median(others)), _MOST_USUAL[check]) if len(others) >= LEAST_PEERS else _USUAL[check]
            if kept[i] or check is Check.ANOTHER_PERSON:
                found[i].scores[check] = value - usual
            else:
                found[i].why_not[Check.FACE_DIFFERS] = "the service may draw the head anew"


def _face_differences(face: FaceMeasures) -> dict[Check, float]:
    if face.state is not FaceState.COMPARED or face.likeness is None or face.colour is None or face.detail is None:
        return {}
    found = {Check.FACE_DIFFERS: 1 - face.likeness, Check.FACE_COLOURS: face.colour, Check.FACE_SMOOTHED: -face.detail}
    if face.distance is not None:
        found[Check.ANOTHER_PERSON] = face.distance
    return found


def _applied(found: list[Looked], members: Sequence[int], change: Plane, worn: Mask, agreed: Plane) -> None:
    """Whether anything was put on, and where the results worn on the same part of the body say that it belongs."""
    enough = len(members) > LEAST_PEERS
    for i in members:
        one = found[i]
        top = float(np.sort(change[i], axis=None)[-_TOP:].mean())
        one.scores[Check.NOTHING_APPLIED] = unapplied(top)
        if not enough:
            one.why_not[Check.WRONG_PART] = f"{len(members)} of this type in this row"
            continue
        there = change[i][_mask(agreed[i], worn[i])]
        one.scores[Check.NOTHING_APPLIED] = unapplied(min(top, float(np.median(there)) + 1))
        inside = agreed[i] > 0.5
        if worn[i].sum() >= _LEAST_CELLS:
            one.scores[Check.WRONG_PART] = 1 - float((worn[i] & inside).sum() / max(1, (worn[i] | inside).sum()))


def _kept(found: list[Looked], members: Sequence[int], results: Sequence[Measurements]) -> None:
    """How much more of the photograph's edges is found again: what is worn covers those of the clothes below."""
    shares = np.array([results[i].found for i in members], np.float32)
    usual = _others(shares).median
    for n, i in enumerate(members):
        found[i].kept = float(shares[n] - usual[n])


def _apart(
    found: list[Looked], members: Sequence[int], results: Sequence[Measurements], garments: Sequence[str], worn: Mask
) -> None:
    """How far each result is, where all of them wear something, from one of each other garment: the mean square."""
    if worn.sum() < _ISLAND:
        return
    first: dict[str, int] = {}
    for n, i in enumerate(members):
        first.setdefault(garments[i], n)
    names = list(first)
    chosen = [first[names[n]] for n in np.unique(np.linspace(0, len(names) - 1, min(len(names), GARMENTS)).astype(int))]
    weights = np.array([0.5 / 2.55, 1, 1], np.float32)
    colours = np.stack([_plane(results[i].colours, ROWS, COLUMNS, 3)[worn] * weights for i in members])
    flat = (colours - colours.mean(0)).reshape(len(members), -1)
    squares = np.square(flat).sum(1)
    between = squares[:, None] + squares[chosen] - 2 * np.einsum("ik,jk->ij", flat, flat[chosen])
    quarters = 4 * np.sqrt(np.maximum(0, between) / worn.sum())
    beside = tuple(members[n] for n in chosen)
    for n, i in enumerate(members):
        found[i].apart = np.minimum(255, np.round(quarters[n])).astype(np.uint8).tobytes()
        found[i].beside = beside


def _mask(agreed: Plane, own: Mask) -> Mask:
    """Where the garment is: where the row agrees, else what changed."""
    for mask in (agreed > 0.6, agreed > 0.3, own):
        if mask.sum() >= _LEAST_CELLS:
            return mask
    return np.ones_like(own)


def _region(result: Measurements, mask: Mask) -> tuple[bytes, bytes]:
    scale, zero = np.array([2.55, 1, 1], np.float32), np.array([0, 128, 128], np.float32)
    colours = _plane(result.colours, ROWS, COLUMNS, 3)[mask] / scale - zero
    detail = _plane(result.detail, BANDS, BAND_ROWS, BAND_COLUMNS)
    coarse = mask.reshape(BAND_ROWS, 2, BAND_COLUMNS, 2).mean((1, 3)) >= 0.5
    if not coarse.any():
        coarse = np.ones_like(coarse)
    bands = np.round(detail[:, coarse].mean(1)).astype(np.uint8)
    return palettes.palette(colours.astype(np.float32)).tobytes(), bands.tobytes()
