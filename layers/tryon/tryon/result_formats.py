"""What a result's bytes say of themselves: the format, the size in pixels, and where the picture ends.

Sources: PNG (W3C, third edition) 5.3 and 11.2.5; ITU-T T.81 annex B; the WebP container specification.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

ResultFormat = Literal["png", "jpeg", "webp"]

EXTENSIONS: Mapping[ResultFormat, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
"""How a file of each format is named."""

HEAD_BYTES = 64
"""Enough for the size fields of PNG (24 bytes) and WebP (30)."""

# `WEBP` and the header of one chunk: a container that says less holds nothing, and decoders refuse it.
_LEAST_RIFF = 12


def format_of(head: bytes) -> ResultFormat | None:
    """The format that a picture's first bytes show, None when they show none of the three."""
    if head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and _riff_bytes(head) >= _LEAST_RIFF:
        return "webp"
    return None


def size_of(found: ResultFormat, head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, None when the first bytes do not show them."""
    return _SIZES[found](head)


def _riff_bytes(head: bytes) -> int:
    return int.from_bytes(head[4:8], "little")


def _png_size(head: bytes) -> tuple[int, int] | None:
    return struct.unpack_from(">II", head, 16) if len(head) >= 24 else None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


# Start of frame: all but the tables of Huffman and arithmetic coding and what is reserved between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


_SIZES: dict[ResultFormat, Callable[[bytes], tuple[int, int] | None]] = {
    "png": _png_size,
    "jpeg": _jpeg_size,
    "webp": _webp_size,
}


class End(Protocol):
    """Follows a picture piece by piece; `seen` once its last byte has passed.

    `size` is width and height in pixels as found on the way, None where the first bytes have to show them.
    """

    seen: bool
    size: tuple[int, int] | None

    def feed(self, piece: bytes) -> None: ...


def end_of(found: ResultFormat) -> End:
    """What finds the end of a picture of that format, fed from the first byte on."""
    return _ENDS[found]()


class _PngEnd:
    """Steps from chunk to chunk until IEND; what a chunk holds is not looked at."""

    def __init__(self) -> None:
        self.seen = False
        self.size: tuple[int, int] | None = None
        self._skip = 8
        self._head = b""
        self._last = False

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece) and not self.seen:
            if self._skip:
                step = min(self._skip, len(piece) - at)
                self._skip -= step
                at += step
                self.seen = self._last and not self._skip
                continue
            taken = piece[at : at + 8 - len(self._head)]
            self._head += taken
            at += len(taken)
            if len(self._head) == 8:
                length, kind = struct.unpack(">I4s", self._head)
                # The checksum follows the content.
                self._skip, self._last, self._head = length + 4, kind == b"IEND", b""


# In the coded data 0xff is followed by 0x00 or a restart marker; 0xff before a marker is a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = (0x01, 0xD8)


class _JpegEnd:
    """Steps over marker segments and searches the coded data between them, until the end-of-image marker.

    A thumbnail inside a segment has an end of its own, which does not count.
    """

    def __init__(self) -> None:
        self.seen = False
        self.size: tuple[int, int] | None = None
        self._skip = 0
        self._held = b""
        self._marker = 0

    def feed(self, piece: bytes) -> None:
        data, at, self._held = self._held + piece, 0, b""
        while not self.seen:
            step = min(self._skip, len(data) - at)
            self._skip -= step
            at += step
            if self._marker:
                needed = 7 if self._marker in _FRAMES else 2
                if len(data) - at < needed:
                    self._held = data[at:]
                    return
                if self._marker in _FRAMES and self.size is None:
                    height, width = struct.unpack_from(">HH", data, at + 3)
                    self.size = (width, height)
                self._skip, self._marker = max(2, int.from_bytes(data[at : at + 2], "big")), 0
                continue
            found = _MARKER.search(data, at)
            if self._skip or found is None:
                self._held = b"\xff" if not self._skip and data.endswith(b"\xff") and at < len(data) else b""
                return
            at = found.end()
            self.seen = data[at - 1] == _END_OF_IMAGE
            self._marker = 0 if data[at - 1] in _WITHOUT_LENGTH else data[at - 1]


class _WebpEnd:
    """The container says in front how many bytes it has."""

    def __init__(self) -> None:
        self.seen = False
        self.size: tuple[int, int] | None = None
        self._head = b""
        self._count = 0

    def feed(self, piece: bytes) -> None:
        if len(self._head) < 8:
            self._head += piece[: 8 - len(self._head)]
        self._count += len(piece)
        self.seen = len(self._head) == 8 and self._count >= 8 + _riff_bytes(self._head)


_ENDS: dict[ResultFormat, Callable[[], End]] = {"png": _PngEnd, "jpeg": _JpegEnd, "webp": _WebpEnd}
