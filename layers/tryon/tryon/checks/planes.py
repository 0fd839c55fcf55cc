"""Pictures as planes of numbers: colours as CIE Lab, soft blurs, values between pixels. Needs numpy."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane: TypeAlias = NDArray[np.floating[Any]]
"""Rows × columns, or rows × columns × channels."""

Mask: TypeAlias = NDArray[np.bool_]

# sRGB's primaries under D65 (IEC 61966-2-1), divided by the white point.
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
_XYZ_OF_WHITE = (_XYZ / np.array([[0.9505], [1.0], [1.089]], np.float32)).T
_LIGHT = (
    np.where(np.arange(256) > 10, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4, np.arange(256) / 255 / 12.92)
).astype(np.float32)


def pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture made smaller to width × height, as bytes, each the mean of what it covers."""
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def lab(rgb: NDArray[np.uint8]) -> Plane:
    """CIE Lab of sRGB bytes: L 0 to 100, a and b about -100 to 100."""
    light = _LIGHT[rgb] @ _XYZ_OF_WHITE
    root: Plane = np.where(light > 0.008856, np.cbrt(light), 7.787 * light + 16 / 116).astype(np.float32)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.asarray(np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1))


def blur(plane: Plane, radius: int, *, times: int = 3) -> Plane:
    """Box means over rows and columns, edges repeated; three of them are nearly a bell."""
    width = 2 * radius + 1
    for axis in (0, 1):
        for _ in range(times):
            pad = [(radius + 1, radius) if other == axis else (0, 0) for other in range(plane.ndim)]
            sums = np.cumsum(np.pad(plane, pad, mode="edge"), axis, dtype=np.float64)
            high, low = (sums[width:], sums[:-width]) if axis == 0 else (sums[:, width:], sums[:, :-width])
            plane = ((high - low) / width).astype(np.float32)
    return plane


def between(plane: Plane, rows: Plane, columns: Plane) -> Plane:
    """Values at places between pixels, linear; places outside take the edge's."""
    height, width = plane.shape[:2]
    rows, columns = np.clip(rows, 0, height - 1.001), np.clip(columns, 0, width - 1.001)
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top, columns - left
    if plane.ndim == 3:
        down, right = down[..., None], right[..., None]
    above = plane[top, left] * (1 - right) + plane[top, left + 1] * right
    below = plane[top + 1, left] * (1 - right) + plane[top + 1, left + 1] * right
    return np.asarray(above * (1 - down) + below * down, np.float32)


def cells(plane: Plane, columns: int, rows: int) -> Plane:
    """Means of equal blocks; the sides are multiples of `columns` and `rows`."""
    height, width = plane.shape[:2]
    blocks = plane.reshape(rows, height // rows, columns, width // columns, *plane.shape[2:])
    return np.asarray(blocks.mean((1, 3), dtype=np.float32))
