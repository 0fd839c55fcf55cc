"""A picture's signature: a miniature and a few numbers for the ledger, taken where the picture is in hand.

Taken from one fixed rendering, 900 pixels at most, so that copies of other sizes and super-resolution change nothing.
Pillow alone makes it; `tryon.checks` compares what it made.
"""

import struct
from dataclasses import dataclass, field
from itertools import pairwise

from PIL import Image, ImageFilter, ImageOps, ImageStat

SIDE = 900
"""Longest side in pixels of the rendering that a signature is taken of."""

COLUMNS, ROWS = 24, 36
"""Cells of the miniature; a picture of any proportions fills them all."""

_DETAIL_SIZE = (480, 640)
_STRIPS = 24
# A strip with less spread than this has no picture in it; a studio's plain ground has noise and shade above it.
_FLAT_SPREAD = 1.5
_LAPLACE = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), 1, 128)
_HEAD = struct.Struct("<BII6f")
_VERSION = 1


class SignatureError(Exception):
    """Stored bytes are no signature that this version reads."""


@dataclass(frozen=True)
class Signature:
    """What is kept of a picture to compare it with others.

    `width` and `height` are the file's, in pixels. `miniature` has `COLUMNS` × `ROWS` × 3 bytes, sRGB, row by row.
    Of brightness, 0 to 255: `spread` is the standard deviation, `level` the share of the commonest value, `empty` the
    share of unused values between the darkest and the lightest hundredth (banding). `flat` is the share of horizontal
    strips without any picture, `detail` and `noise` the standard deviation and the middle deviation of the Laplacian
    at 480 × 640 pixels.
    """

    width: int
    height: int
    miniature: bytes = field(repr=False)
    spread: float
    level: float
    empty: float
    flat: float
    detail: float
    noise: float

    def dumps(self) -> bytes:
        """As stored: under 3 kB."""
        numbers = (self.spread, self.level, self.empty, self.flat, self.detail, self.noise)
        return _HEAD.pack(_VERSION, self.width, self.height, *numbers) + self.miniature

    @staticmethod
    def loads(data: bytes) -> "Signature":
        """Read what `dumps` wrote. Raises `SignatureError`."""
        if len(data) != _HEAD.size + COLUMNS * ROWS * 3 or data[0] != _VERSION:
            raise SignatureError(f"{len(data)} bytes are no signature")
        _, width, height, *numbers = _HEAD.unpack_from(data)
        spread, level, empty, flat, detail, noise = numbers
        return Signature(width, height, data[_HEAD.size :], spread, level, empty, flat, detail, noise)


def signature(image: Image.Image, size: tuple[int, int] | None = None) -> Signature:
    """The signature of a picture in hand; `size` is the file's own in pixels where `image` is a smaller rendering.

    An image that is larger than `SIDE` is made smaller first.
    """
    width, height = size or image.size
    rendering = image if image.mode == "RGB" else image.convert("RGB")
    if max(rendering.size) > SIDE:
        rendering = rendering.copy()
        rendering.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    grey = rendering.convert("L")
    histogram = grey.histogram()
    pixels = sum(histogram)
    # A kernel leaves the outermost pixels as they are.
    edges = ImageOps.crop(grey.resize(_DETAIL_SIZE, Image.Resampling.BOX).filter(_LAPLACE), 1)
    return Signature(
        width=width,
        height=height,
        miniature=rendering.resize((COLUMNS, ROWS), Image.Resampling.BOX).tobytes(),
        spread=ImageStat.Stat(grey).stddev[0],
        level=max(histogram) / pixels,
        empty=_empty(histogram, pixels),
        flat=sum(spread < _FLAT_SPREAD for spread in _strips(grey)) / _STRIPS,
        detail=ImageStat.Stat(edges).stddev[0],
        noise=_middle_deviation(edges.histogram()),
    )


def _strips(grey: Image.Image) -> list[float]:
    borders = [grey.height * n // _STRIPS for n in range(_STRIPS + 1)]
    return [
        ImageStat.Stat(grey.crop((0, top, grey.width, max(bottom, top + 1)))).stddev[0]
        for top, bottom in pairwise(borders)
    ]


def _empty(histogram: list[int], pixels: int) -> float:
    """The share of nearly unused values in the range that the picture uses; 1 where it has next to no range."""
    low = _value_below(histogram, 0.01 * pixels)
    high = _value_below(histogram, 0.99 * pixels)
    inside = histogram[low : high + 1]
    if len(inside) < 2:
        return 1.0
    rare = 0.02 * sum(inside) / len(inside)
    return sum(count < rare for count in inside) / len(inside)


def _value_below(histogram: list[int], count: float) -> int:
    total = 0
    for value, here in enumerate(histogram):
        total += here
        if total >= count:
            return value
    return 255


def _middle_deviation(histogram: list[int]) -> float:
    """The median of |value - 128|, between whole numbers in proportion."""
    folded = [histogram[128], *(histogram[128 + n] + histogram[128 - n] for n in range(1, 128))]
    half, total = sum(folded) / 2, 0
    for deviation, count in enumerate(folded):
        if count and total + count >= half:
            return deviation + (half - total) / count
        total += count
    return 127.0
