"""What one result's own numbers say, without any other result: no package is needed."""

import math
from functools import lru_cache

from PIL import Image, ImageChops, ImageStat

from tryon.checks.records import Box, Measurements, Place
from tryon.checks.vocabulary import Check
from tryon.pictures.signature import COLUMNS, ROWS, Signature

_UNRELIABLE = 0.4
"""Share of the model's edges below which nobody knows where the model is in the result."""

_STEPS = (64, 32, 16, 8)
"""Services that draw in blocks round a picture's sides to multiples of these."""


def of_signature(result: Signature, model: Signature) -> dict[Check, float]:
    """Blank, cut off, blurred, banded, and whether anything was applied, from two miniatures."""
    flat = result.flat - model.flat
    return {
        Check.BLANK: max(min(flat, result.flat - 0.5), result.level - max(model.level, 0.5)),
        Check.CUT_OFF: flat,
        Check.BLURRED: math.log((model.detail + 0.5) / (result.detail + 0.5)),
        Check.BANDED: result.empty - model.empty,
    }


def of_place(found: Measurements, *, rounded: bool = False) -> dict[Check, float]:
    """Cropped, stretched, zoomed, shifted: from where the model is in the result.

    Where the service `rounded` the photograph's sides, that explains the result's proportions.
    """
    a, b, right, down = found.place
    aspect = 0.0 if rounded else found.aspect
    if found.found < _UNRELIABLE or min(a, b) <= 0:
        return {Check.STRETCHED: abs(aspect)}
    return {
        Check.CROPPED: 1 - min(1.0, 1 / a) * min(1.0, 1 / b),
        Check.STRETCHED: abs(math.log(a / b) + aspect),
        Check.ZOOMED: abs(math.log(a * b)) / 2,
        Check.SHIFTED: math.hypot(a / 2 + right - 0.5, b / 2 + down - 0.5),
    }


def rounded(result: Signature, model: Signature) -> bool:
    """Whether the result's sides are the photograph's, each at the nearest multiple of 64, 32, 16 or 8 pixels.

    Super-resolution may have made them up to four times as long afterwards.
    """
    sides = ((result.width, model.width), (result.height, model.height))
    return any(
        all(ours % (step * times) == 0 and abs(ours / times - theirs) <= step / 2 for ours, theirs in sides)
        for times in range(1, 5)
        for step in _STEPS
    )


def applied(result: Signature, model: Signature) -> float:
    """How much the most changed twelfth of two miniatures differs, in grey levels, at the same brightness."""
    one, other = _miniature(result), _miniature(model)
    shifts = [theirs - ours for theirs, ours in zip(_middles(model), _middles(result), strict=True)]
    more = Image.new("RGB", one.size, tuple(max(0, shift) for shift in shifts))
    less = Image.new("RGB", one.size, tuple(max(0, -shift) for shift in shifts))
    moved = ImageChops.subtract(ImageChops.add(one, more), less)
    histogram = ImageChops.difference(moved, other).convert("L").histogram()
    wanted = left = COLUMNS * ROWS // 12
    total = 0
    for value in range(255, -1, -1):
        taken = min(left, histogram[value])
        total, left = total + taken * value, left - taken
        if not left:
            break
    return total / wanted


# A row's results are all held against one photograph.
@lru_cache(maxsize=16)
def _middles(signature: Signature) -> list[int]:
    """The median of each channel of a miniature."""
    return ImageStat.Stat(_miniature(signature)).median


def _miniature(signature: Signature) -> Image.Image:
    return Image.frombytes("RGB", (COLUMNS, ROWS), signature.miniature)


def unapplied(change: float) -> float:
    """The score of a result in which so little changed, in Delta E: logarithms, since little differs by shares."""
    return -math.log(max(0.0, change) + 0.3)


def moved(box: Box, place: Place) -> Box:
    """Where a part of the model's photograph is in the result."""
    a, b, right, down = place
    return within((a * box[0] + right, b * box[1] + down, a * box[2] + right, b * box[3] + down))


def moved_back(box: Box, place: Place) -> Box:
    """Where a part of the result is in the model's photograph."""
    a, b, right, down = place
    if min(a, b) <= 0:
        return box
    return within(((box[0] - right) / a, (box[1] - down) / b, (box[2] - right) / a, (box[3] - down) / b))


def within(box: Box) -> Box:
    """A box cut to the picture, in ten thousandths."""
    left, top, right, bottom = (round(min(1.0, max(0.0, side)), 4) for side in box)
    return (left, top, right, bottom)
