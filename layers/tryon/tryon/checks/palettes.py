"""A garment's colours and texture as a few numbers, and how far two of them are apart. Needs numpy."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tryon.checks.planes import Mask, Plane, blur, lab, pixels
from tryon.checks.records import BANDS, DIRECTIONS, QUANTILES

_DARK = 0.5
"""What a difference in brightness counts: light differs between a shop's photograph and a model's."""

_TURNS = np.linspace(0, np.pi, DIRECTIONS // 3, endpoint=False)
_AXES = np.array(
    [
        [np.sin(rise), np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise)]
        for turn in _TURNS
        for rise in (-0.7, 0, 0.7)
    ],
    np.float32,
)
"""Directions in (L, a, b): six around the axis of greys, level and tilted both ways."""

_STEPS = (np.arange(QUANTILES) + 0.5) / QUANTILES
# A quantile of an axis is between -128 and 128; half a Delta E a step.
_ZERO, _STEP = 128, 0.9


def palette(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Quantiles of Lab colours (one a row) along all directions, as bytes."""
    scaled = colours * np.array([_DARK, 1, 1], np.float32)
    # Sorted and picked: np.quantile takes ten times as long for so few.
    values = np.sort(scaled @ _AXES.T, axis=0)[(_STEPS * len(scaled)).astype(np.intp)]
    return np.asarray(np.clip(np.round(values / _STEP + _ZERO), 0, 255), np.uint8).ravel()


_EACH = np.ones(QUANTILES, np.float32)


def distance(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Sliced earth mover's distance in Delta E of a palette to each of many: of all directions, and of the worst."""
    apart = np.abs(others.astype(np.float32) - one.astype(np.float32)).reshape(-1, QUANTILES, DIRECTIONS)
    # Means as products: for so few numbers `mean` takes twice as long.
    sliced = _EACH @ apart * np.float32(_STEP / QUANTILES)
    return np.asarray(0.5 * sliced.max(1) + (0.5 / DIRECTIONS) * sliced.sum(1), np.float32)


_ROWS = 180


def garment_mask(colours: Plane) -> Mask:
    """What the ground of a shop's photograph does not reach from its edges: a white shirt on white stays whole."""
    rim = np.concatenate([part.reshape(-1, 3) for part in (colours[:4], colours[-4:], colours[:, :4], colours[:, -4:])])
    ground = np.median(rim, 0)
    limit = max(6.0, float(np.percentile(np.linalg.norm(rim - ground, axis=-1), 98)) + 2)
    empty = np.linalg.norm(blur(colours, 1, times=2) - ground, axis=-1) < limit
    mask = blur((~reached(empty)).astype(np.float32), 1) > 0.9
    return mask if mask.mean() > 0.03 else np.ones_like(mask)


def reached(empty: Mask) -> Mask:
    """The empty cells that are connected with the edges of the picture."""
    reach = np.zeros_like(empty)
    reach[0], reach[-1], reach[:, 0], reach[:, -1] = empty[0], empty[-1], empty[:, 0], empty[:, -1]
    while True:
        grown = spread(reach) & empty
        if (grown == reach).all():
            return reach
        reach = grown


def spread(mask: Mask) -> Mask:
    """A mask and its neighbours above, below, left and right; the last two axes are rows and columns."""
    grown = mask.copy()
    grown[..., 1:, :] |= mask[..., :-1, :]
    grown[..., :-1, :] |= mask[..., 1:, :]
    grown[..., :, 1:] |= mask[..., :, :-1]
    grown[..., :, :-1] |= mask[..., :, 1:]
    return grown


def of_garment(image: Image.Image) -> NDArray[np.uint8]:
    """The palette of a garment's photograph."""
    colours = lab(pixels(image, (max(24, round(image.width * _ROWS / image.height)), _ROWS)))
    return palette(colours[garment_mask(colours)])


def detail_energies(grey: Image.Image) -> Plane:
    """Squared detail in bands, fine to coarse: bands × rows × columns, at the size of the picture."""
    found, finer = [], grey
    for radius in (1, 2, 4)[:BANDS]:
        coarser = grey.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))
        band = np.asarray(finer, np.int16) - np.asarray(coarser, np.int16)
        found.append(np.square(band.astype(np.float32)))
        finer = coarser
    return np.stack(found)


def encode_detail(energy: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Mean squares as bytes: the logarithm of their roots in 40ths, 0.3 grey levels and less as 0."""
    return np.clip(np.round(40 * np.log(np.sqrt(energy) / 0.3 + 1)), 0, 255).astype(np.uint8)
