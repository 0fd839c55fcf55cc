"""How a result's face differs from its model's. Needs numpy and dlib.

`structure` compares two pictures of faces where the service was told to keep the head: no recognition, no points, no
learned vector. The head is laid on the model's by its edges, as the whole picture is. `network` adds the distance of
two vectors of dlib's recognition network. Pictures of faces, points and vectors are in the memory of one call;
distances alone are returned. A face is compared with its own model's only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tryon.checks.alignment import STILL, Numbers, align, edges
from tryon.checks.facts import moved
from tryon.checks.planes import Plane, blur, lab
from tryon.checks.records import Box, FaceMeasures
from tryon.checks.vocabulary import FaceState

POINTS_FILE = "shape_predictor_5_face_landmarks.dat"
NETWORK_FILE = "dlib_face_recognition_resnet_model_v1.dat"
"""Files of the package face_recognition_models 0.3.0, both CC0; needed for the network only."""

Picture = NDArray[np.uint8]

_UPPER = 0.6
_HEAD_SIDE = 300
_HEAD_MARGIN = 0.5
"""Shares of a face's sides that are cut out around it: what holds it in place when it is laid on the other."""
_FACE_MARGIN = 0.15
_CHIP = 150

_FACE_PIXELS = 110
_LEAST_PIXELS = 8.0
# Below dlib's own limit, since where to look is known; what is not where the model's face is does not count.
_EAGER = -0.3
_OVERLAP = 0.35
_ALIGNED = 0.4
"""Share of the model's edges below which the result's head is looked for where the model's is."""


class Faces:
    """What looks at faces; `weights` is the folder with dlib's files, which the network alone reads."""

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights
        self._detector = dlib.get_frontal_face_detector()

    def compare(
        self, model: Image.Image, result: Image.Image, place: Numbers, found: float, *, network: bool
    ) -> FaceMeasures:
        """The result's face beside its model's; `place` says where the model is in the result, `found` how surely."""
        box = self.find(model)
        if box is None:
            return FaceMeasures(FaceState.NONE_IN_MODEL)
        numbers = tuple(float(number) for number in (place if found >= _ALIGNED else STILL))
        there = moved(box, (numbers[0], numbers[1], numbers[2], numbers[3]))
        ours = self._seen(result, there)
        if ours is None:
            return FaceMeasures(FaceState.NONE_IN_RESULT, box=box)
        likeness, colour, detail = structure(*_laid(model, box, result, there))
        distance = None
        if network:
            theirs = self._seen(model, box)
            distance = None if theirs is None else self._network.distance(theirs, ours)
        return FaceMeasures(FaceState.COMPARED, likeness, colour, detail, distance, box)

    def find(self, image: Image.Image) -> Box | None:
        """The largest face of a photograph, in shares of its sides; most heads are in the upper part."""
        upper = image.crop((0, 0, image.width, round(_UPPER * image.height)))
        for part, enlarged in ((upper, 0), (upper, 1), (image, 1)):
            found = self._detector(np.asarray(part), enlarged)
            if found:
                face = max(found, key=lambda one: one.area())
                across, down = image.size
                return (
                    face.left() / across,
                    face.top() / down,
                    (face.right() + 1) / across,
                    (face.bottom() + 1) / down,
                )
        return None

    def _seen(self, image: Image.Image, box: Box) -> "_Seen | None":
        """The face at a place, at a size that suits the network; None where there is none."""
        left, top, right, bottom = (side * whole for side, whole in zip(box, image.size * 2, strict=True))
        margin, scale = 0.8 * (right - left), _FACE_PIXELS / max(_LEAST_PIXELS, right - left)
        start = max(0, round(left - margin)), max(0, round(top - margin))
        end = min(image.width, round(right + margin)), min(image.height, round(bottom + margin))
        if min(end[0] - start[0], end[1] - start[1]) < _LEAST_PIXELS:
            return None
        size = (round((end[0] - start[0]) * scale), round((end[1] - start[1]) * scale))
        part = np.asarray(image.crop((*start, *end)).resize(size, Image.Resampling.BICUBIC))
        shifted = (left - start[0], top - start[1], right - start[0], bottom - start[1])
        there = dlib.rectangle(*(round(side * scale) for side in shifted))
        found, scores, _ = self._detector.run(part, 0, _EAGER)
        near = [
            (score, face)
            for face, score in zip(found, scores, strict=True)
            if face.intersect(there).area() > _OVERLAP * there.area()
        ]
        return _Seen(part, max(near, key=lambda one: one[0])[1]) if near else None

    @cached_property
    def _network(self) -> "_Network":
        if self._weights is None:
            raise FileNotFoundError("no folder with dlib's weights is known")
        return _Network(
            dlib.shape_predictor(str(self._weights / POINTS_FILE)),
            dlib.face_recognition_model_v1(str(self._weights / NETWORK_FILE)),
        )


@dataclass(frozen=True)
class _Seen:
    """A part of a picture with a face in it, and dlib's rectangle around the face."""

    part: Picture
    face: Any


@dataclass(frozen=True)
class _Network:
    """dlib's five points and its recognition network."""

    points: Callable[..., Any]
    vectors: Any

    def distance(self, one: _Seen, other: _Seen) -> float:
        """Euclid's distance of two faces' vectors; the vectors end here."""
        return float(np.linalg.norm(self._vector(one) - self._vector(other)))

    def _vector(self, seen: _Seen) -> NDArray[np.float64]:
        chip = dlib.get_face_chip(seen.part, self.points(seen.part, seen.face), size=_CHIP, padding=0.25)
        return np.array(self.vectors.compute_face_descriptor(chip))


def _laid(model: Image.Image, box: Box, result: Image.Image, there: Box) -> tuple[Picture, Picture]:
    """Both faces at the same size, the result's laid on the model's by the edges of the whole head."""
    theirs, ours = _head(model, box), _head(result, there)
    (a, b, right, down), _ = align(edges(theirs.convert("L")), edges(ours.convert("L")))
    start = (_HEAD_MARGIN - _FACE_MARGIN) / (1 + 2 * _HEAD_MARGIN)
    end = 1 - start
    area = (a * start + right, b * start + down, a * end + right, b * end + down)
    return _cut(theirs, (start, start, end, end)), _cut(ours, area)


def _head(image: Image.Image, box: Box) -> Image.Image:
    across, down = _HEAD_MARGIN * (box[2] - box[0]), _HEAD_MARGIN * (box[3] - box[1])
    return _part(image, (box[0] - across, box[1] - down, box[2] + across, box[3] + down), _HEAD_SIDE)


def _cut(head: Image.Image, area: Box) -> Picture:
    return np.asarray(_part(head, area, _CHIP))


def _part(image: Image.Image, box: Box, side: int) -> Image.Image:
    """A part of a picture as a square; what is outside of it is left out."""
    left, top = (min(0.98, max(0.0, float(share))) for share in box[:2])
    right, bottom = max(left + 0.02, min(1.0, float(box[2]))), max(top + 0.02, min(1.0, float(box[3])))
    area = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    return image.resize((side, side), Image.Resampling.BICUBIC, box=area)


_INNER = (slice(20, 135), slice(25, 125))
"""The part of a chip that is face: rows and columns."""

_NEAR = 6
"""Every second pixel that a whole face may be off, each way, after both were laid on each other."""

_BLOCK_ROWS, _BLOCK_COLUMNS = 37, 32
_BLOCKS = tuple((down, right) for down in (4, 39, 74) for right in (4, 34, 64))
"""Nine parts of a face, and where each begins."""

_LOCAL = 4
"""Pixels that each part may be off by itself: who is drawn anew moves a little, and another face is another one."""


def structure(theirs: NDArray[np.uint8], ours: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Two chips without learning: correlation of edges, difference of colour in Delta E, log of detail's ratio.

    The correlation is the mean of nine parts, each where it fits best nearby, by how much edge the model's has there.
    """
    one, other = lab(theirs), lab(ours)
    model, result = _edges(one), _edges(other)
    rows, columns = _offset(model, result)
    inner = model[_INNER]
    top, left = _INNER[0].start + rows, _INNER[1].start + columns
    likeness, weights = [], []
    for down, right in _BLOCKS:
        part = inner[down : down + _BLOCK_ROWS, right : right + _BLOCK_COLUMNS]
        first, start = top + down - _LOCAL, left + right - _LOCAL
        around = result[first : first + _BLOCK_ROWS + 2 * _LOCAL, start : start + _BLOCK_COLUMNS + 2 * _LOCAL]
        likeness.append(_best(part, around))
        weights.append(float(part.var()))
    here = other[top : top + inner.shape[0], left : left + inner.shape[1]]
    colours = np.median(one[_INNER], (0, 1)) - np.median(here, (0, 1))
    colour = float(np.abs(colours * [0.5, 1, 1]).max())
    detail = float(np.log((_fine(here) + 0.2) / (_fine(one[_INNER]) + 0.2)))
    return float(np.average(likeness, weights=np.array(weights) + 1e-6)), colour, detail


def _edges(colours: Plane) -> Plane:
    light = colours[..., 0]
    return blur(light, 1) - blur(light, 12)


def _offset(model: Plane, result: Plane) -> tuple[int, int]:
    """How many rows and columns the result's face is off the model's: first by every second pixel, then by each."""
    coarse = _peak(blur(model, 1)[::2, ::2], blur(result, 1)[::2, ::2], (0, 0), _NEAR, 2)
    return _peak(model, result, (2 * coarse[0], 2 * coarse[1]), 1, 1)


def _peak(model: Plane, result: Plane, around: tuple[int, int], reach: int, step: int) -> tuple[int, int]:
    rows, columns = (slice(part.start // step, part.stop // step) for part in _INNER)
    part = _normal(model[rows, columns])
    steps = range(-reach, reach + 1)

    def like(offset: tuple[int, int]) -> float:
        down, right = offset
        there = result[rows.start + down : rows.stop + down, columns.start + right : columns.stop + right]
        return float((part * _normal(there)).mean())

    return max(((around[0] + down, around[1] + right) for down in steps for right in steps), key=like)


def _best(part: Plane, around: Plane) -> float:
    """The correlation of a part with the place of its size that is most like it."""
    windows = np.lib.stride_tricks.sliding_window_view(around, part.shape)
    wanted = _normal(part)
    # Its mean is 0, so that the places' own means count for nothing.
    found = np.einsum("ijkl,kl->ij", windows, wanted) / part.size
    return float((found / (windows.std((2, 3)) + 1e-3)).max())


def _normal(plane: Plane) -> Plane:
    return np.asarray((plane - plane.mean()) / (plane.std() + 1e-3))


def _fine(colours: Plane) -> float:
    light = colours[..., 0]
    return float(np.std(light - blur(light, 2)))
