"""What is measured of one result with numpy and dlib, beside its model's photograph and its garments'.

Imported only where the layer `vision` is. Everything is at 900 pixels and less, so that super-resolution makes no
difference, and in the frame of the model's photograph, so that results of a row can be held against each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tryon.checks import palettes
from tryon.checks.alignment import Numbers, align, edges
from tryon.checks.planes import Plane, between, blur, cells, lab, pixels
from tryon.checks.records import BAND_COLUMNS, BAND_ROWS, BANDS, FaceMeasures, Measurements
from tryon.checks.vocabulary import FaceChecks, FaceState
from tryon.parameters import GarmentType
from tryon.pictures.signature import COLUMNS, ROWS, SIDE

if TYPE_CHECKING:
    from tryon.checks.faces import Faces

_WIDTH, _HEIGHT = 5 * COLUMNS, 5 * ROWS
"""The frame of the map of changes: so many pixels that a cell has 5 × 5."""

_DETAIL_WIDTH, _DETAIL_HEIGHT = 48 * BAND_COLUMNS, 48 * BAND_ROWS

_TONE_ROUNDS = 4
_UNCHANGED_SHARE = 55
"""Percent of the pixels, those that changed least, of which brightness and balance are taken."""

_GAIN = (0.8, 1.25)
_DARK = 0.8


@dataclass(frozen=True)
class GarmentPhotograph:
    """A garment's photograph, and where it is worn."""

    image: Image.Image
    type: GarmentType


@dataclass(frozen=True)
class Options:
    """What the service was told that matters here, and how faces are looked at."""

    keep_head: bool = True
    faces: FaceChecks = FaceChecks.OFF


def measure(
    result: Image.Image,
    model: Image.Image,
    garments: Sequence[GarmentPhotograph],
    options: Options,
    faces: "Faces | None" = None,
) -> Measurements:
    """Measure one result beside its model and garments; `faces` is what looks at faces, None where they are off.

    Pictures larger than 900 pixels are made smaller. Nothing of a face outlives the call.
    """
    result, model = _rendered(result), _rendered(model)
    place, found = align(edges(model.convert("L")), edges(result.convert("L")))
    model_colours = lab(pixels(model, (_WIDTH, _HEIGHT)))
    colours = _placed(result, place)
    palette = _palette([_rendered(garment.image) for garment in garments])
    face = FaceMeasures(FaceState.OFF)
    if faces is not None and options.faces is not FaceChecks.OFF:
        face = faces.compare(model, result, place, found, network=options.faces is FaceChecks.NETWORK)
    return Measurements(
        place=(float(place[0]), float(place[1]), float(place[2]), float(place[3])),
        found=found,
        aspect=math.log(result.width / result.height) - math.log(model.width / model.height),
        change=_bytes(4 * cells(_change(model_colours, _toned(model_colours, colours)), COLUMNS, ROWS)),
        colours=_bytes(cells(colours, COLUMNS, ROWS) * np.array([2.55, 1, 1], np.float32) + np.array([0, 128, 128])),
        detail=_detail(result, place).tobytes(),
        palette=palette.tobytes(),
        face=face,
        head_kept=options.keep_head,
    )


def _rendered(image: Image.Image) -> Image.Image:
    image = image if image.mode == "RGB" else image.convert("RGB")
    if max(image.size) > SIDE:
        image = image.copy()
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def _bytes(plane: Plane) -> bytes:
    return np.clip(np.round(plane), 0, 255).astype(np.uint8).tobytes()


def _placed(result: Image.Image, place: Numbers) -> Plane:
    """The result's Lab in the model's frame."""
    y, x = np.mgrid[:_HEIGHT, :_WIDTH].astype(np.float32) + 0.5
    rows = (place[1] * y / _HEIGHT + place[3]) * _HEIGHT - 0.5
    columns = (place[0] * x / _WIDTH + place[2]) * _WIDTH - 0.5
    small = pixels(result, (_WIDTH, _HEIGHT)).astype(np.float32)
    return lab(np.round(between(small, rows, columns)).astype(np.uint8))


def _toned(model: Plane, colours: Plane) -> Plane:
    """The result with the model's brightness and balance: a gain and an offset a channel, from what changed least."""
    toned = colours
    for _ in range(_TONE_ROUNDS):
        apart = np.abs(toned - model).sum(-1)
        keep = apart <= np.percentile(apart, _UNCHANGED_SHARE)
        channels = []
        for channel in range(3):
            x, y = colours[..., channel][keep], model[..., channel][keep]
            spread = ((x - x.mean()) * (y - y.mean())).mean() / (x.var() + 1)
            gain = float(np.clip(spread, *_GAIN))
            channels.append(colours[..., channel] * gain + y.mean() - gain * x.mean())
        toned = np.stack(channels, -1).astype(np.float32)
    return toned


def _change(model: Plane, result: Plane) -> Plane:
    """How far each pixel is from the nearest of the model's within a pixel, in Delta E."""
    ours, theirs = blur(result, 1, times=1), blur(model, 1, times=1)
    weights = np.array([_DARK, 1, 1], np.float32)
    ours, theirs = ours * weights, np.pad(theirs * weights, ((1, 1), (1, 1), (0, 0)), mode="edge")
    least = np.full(ours.shape[:2], np.inf, np.float32)
    for down in range(3):
        for right in range(3):
            apart = ours - theirs[down : down + _HEIGHT, right : right + _WIDTH]
            least = np.minimum(least, np.einsum("ijk,ijk->ij", apart, apart))
    return np.sqrt(least)


def _detail(result: Image.Image, place: Numbers) -> NDArray[np.uint8]:
    """Detail of brightness a cell, in the model's frame, at the size of the rendering."""
    width, height = result.size
    left, top = place[2] * width, place[3] * height
    right, bottom = left + place[0] * width, top + place[1] * height
    box = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    grey = result.convert("L")
    if box[2] - box[0] < 8 or box[3] - box[1] < 8:
        box = (0.0, 0.0, float(width), float(height))
    grey = grey.resize((_DETAIL_WIDTH, _DETAIL_HEIGHT), Image.Resampling.BILINEAR, box=box)
    means = [cells(energy, BAND_COLUMNS, BAND_ROWS) for energy in palettes.detail_energies(grey)]
    return palettes.encode_detail(np.stack(means)[:BANDS])


def _palette(garments: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """The palette of what is worn; an outfit's is the mean of its two parts'."""
    found = np.stack([palettes.of_garment(garment) for garment in garments]).astype(np.float32)
    return np.asarray(np.round(found.mean(0)), np.uint8)
