"""What a picture's colours mean when no ICC profile says so: code points, gammas and a camera's mark, as ICC profiles.

A profile is built from primaries and a curve, so that one colour engine converts everything.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
"""A chromaticity: x and y of CIE 1931."""

Primaries = tuple[Point, Point, Point, Point]
"""Red, green, blue and white."""

Curve = Callable[[float], float]
"""From a code, 0 to 1, to the light that it stands for, 0 to 1."""

_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)

SRGB_PRIMARIES: Primaries = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)

# ITU-T H.273, table 2. What is not here is reserved or unspecified, and read as sRGB's.
_PRIMARIES: dict[int, Primaries] = {
    1: SRGB_PRIMARIES,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}


def srgb_curve(code: float) -> float:
    """IEC 61966-2-1."""
    return code / 12.92 if code <= 0.04045 else ((code + 0.055) / 1.055) ** 2.4


def _bt709(code: float) -> float:
    return code / 4.5 if code < 0.0812 else ((code + 0.0993) / 1.0993) ** (1 / 0.45)


def _smpte240(code: float) -> float:
    return code / 4 if code < 0.0913 else ((code + 0.1115) / 1.1115) ** (1 / 0.45)


def power(gamma: float) -> Curve:
    """A curve that is a power."""
    return lambda code: float(code**gamma)


def _logarithm(decades: float) -> Curve:
    return lambda code: 10 ** (decades * (code - 1)) if code > 0 else 0.0


# ITU-T H.273, table 3.
_CURVES: dict[int, Curve] = {
    1: _bt709,
    4: power(2.2),
    5: power(2.8),
    6: _bt709,
    7: _smpte240,
    8: power(1.0),
    9: _logarithm(2.0),
    10: _logarithm(2.5),
    11: _bt709,
    12: _bt709,
    13: srgb_curve,
    14: _bt709,
    15: _bt709,
    17: lambda code: float(52.37 / 48 * code**2.6),
}

HDR = {16: "PQ", 18: "HLG"}
"""Transfers whose light goes far beyond an ordinary screen's white, by code point."""


@dataclass(frozen=True)
class Colours:
    """Primaries and curve of a picture; `narrow` when black is 16 and white 235 of 255."""

    primaries: Primaries
    curve: Curve
    narrow: bool = False

    def profile(self, *, grey: bool) -> bytes | None:
        """The same as an ICC profile; None when the primaries span no colours."""
        curve = _narrowed(self.curve) if self.narrow else self.curve
        if grey:
            return _profile(b"GRAY", {b"kTRC": _table(curve)})
        columns = _colorants(self.primaries)
        if columns is None:
            return None
        table = _table(curve)
        tags = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
        return _profile(b"RGB ", tags | {b"rTRC": table, b"gTRC": table, b"bTRC": table})


@dataclass(frozen=True)
class CodePoints:
    """Colour primaries and transfer characteristics by their numbers in ITU-T H.273, as `nclx` and `cICP` have them."""

    primaries: int
    transfer: int
    narrow: bool = False

    @property
    def hdr(self) -> str | None:
        """The name of a high dynamic range's transfer; None for all others."""
        return HDR.get(self.transfer)

    def colours(self) -> Colours:
        """What the numbers mean; reserved and unspecified ones mean sRGB's."""
        return Colours(
            _PRIMARIES.get(self.primaries, SRGB_PRIMARIES), _CURVES.get(self.transfer, srgb_curve), self.narrow
        )


ADOBE_RGB = Colours(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65), power(563 / 256))
"""Adobe RGB (1998), which cameras mark in EXIF (DCF 2.0: interoperability index R03) and often nowhere else."""


def of_png(gamma: float | None, chromaticities: Sequence[float] | None) -> Colours | None:
    """What a PNG's `gAMA` and `cHRM` mean; `chromaticities` are x and y of white, red, green and blue.

    None where they mean sRGB: writers put 1/2.2 for its curve (PNG specification, 11.3.2.5), and round.
    """
    curve: Curve = srgb_curve
    primaries = SRGB_PRIMARIES
    if gamma and abs(gamma * 2.2 - 1) > 0.05:
        curve = power(1 / gamma)
    if chromaticities:
        white, red, green, blue = zip(chromaticities[::2], chromaticities[1::2], strict=True)
        primaries = (red, green, blue, white)
        flat = [value for point in primaries for value in point]
        if all(abs(a - b) <= 0.01 for a, b in zip(flat, sum(SRGB_PRIMARIES, ()), strict=True)):
            primaries = SRGB_PRIMARIES
    if curve is srgb_curve and primaries is SRGB_PRIMARIES:
        return None
    return Colours(primaries, curve)


def _narrowed(curve: Curve) -> Curve:
    return lambda code: curve(min(max((code * 255 - 16) / 219, 0.0), 1.0))


# --- the profile: ICC.1:2001-04 ---

_D50 = (0.9642, 1.0, 0.8249)
# Bradford's cone responses (ICC.1:2010, annex E).
_CONES = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_LEVELS = 4096

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]


def _colorants(primaries: Primaries) -> Matrix | None:
    """Red's, green's and blue's XYZ under D50; None when they span no colours."""
    red, green, blue = ((x, y, 1 - x - y) for x, y in primaries[:3])
    columns = (red, green, blue)
    x, y = primaries[3]
    if y <= 0:
        return None
    white = (x / y, 1.0, (1 - x - y) / y)
    turned = _inverse(_transposed(columns))
    cones = _inverse(_CONES)
    if turned is None or cones is None:
        return None
    shares = _times(turned, white)
    before, after = _times(_CONES, white), _times(_CONES, _D50)
    if min(before) <= 0:
        return None

    def adapted(column: Vector, share: float) -> Vector:
        seen = _times(_CONES, column)
        first, second, third = (share * s * a / b for s, a, b in zip(seen, after, before, strict=True))
        return _times(cones, (first, second, third))

    red, green, blue = (adapted(column, share) for column, share in zip(columns, shares, strict=True))
    # The file format's numbers end there.
    return (red, green, blue) if all(abs(value) < 32767 for value in (*red, *green, *blue)) else None


def _times(matrix: Matrix, vector: Sequence[float]) -> Vector:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _transposed(matrix: Matrix) -> Matrix:
    first, second, third = zip(*matrix, strict=True)
    return first, second, third


def _inverse(matrix: Matrix) -> Matrix | None:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if abs(determinant) < 1e-6:
        return None
    rows = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    first, second, third = ((p / determinant, q / determinant, r / determinant) for p, q, r in rows)
    return first, second, third


def _table(curve: Curve) -> bytes:
    levels = (min(max(curve(n / (_LEVELS - 1)), 0.0), 1.0) for n in range(_LEVELS))
    return b"curv" + struct.pack(f">4xI{_LEVELS}H", _LEVELS, *(round(65535 * level) for level in levels))


def _xyz(values: Vector) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *(round(65536 * value) for value in values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"as the picture says"
    described = {
        b"desc": b"desc" + struct.pack(">4xI", len(name) + 1) + name + bytes(79),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(_D50),
        **tags,
    }
    # Tags begin at multiples of four; those that are equal share their bytes.
    places: dict[bytes, int] = {}
    start, body = 128 + 4 + 12 * len(described), b""
    for content in described.values():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
    table = b"".join(struct.pack(">4sII", tag, places[data], len(data)) for tag, data in described.items())
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    return head.ljust(68, b"\0") + _xyz(_D50)[8:] + bytes(48) + struct.pack(">I", len(described)) + table + body
