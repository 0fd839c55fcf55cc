"""What a picture file is made of: its parts are walked and measured, and no pixel is decoded.

Each walk is bounded by the number of parts, not by what they claim, and answers what a decoder would need.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tryon.pictures.colours import CodePoints, Colours, of_png
from tryon.pictures.formats import PNG_SIGNATURE


class UnusableError(Exception):
    """Why a file cannot be used, in a reader's words; its name is added where it is known."""


@dataclass(frozen=True)
class Walk:
    """A file without what does not belong to its first picture.

    `parts` put together are the file that is decoded. `size` is what the header says, None where only the decoder
    can say; `bits` and `channels` are a pixel's. `stored` is how many bytes a pixel the decoder keeps of its own
    besides the pixels themselves. `plain` says that the service knows every feature that the file uses.
    """

    parts: tuple[memoryview, ...]
    size: tuple[int, int] | None = None
    bits: int = 8
    channels: int = 3
    stored: float = 0.0
    scans: int = 1
    plain: bool = False
    transparent: bool = False
    code_points: CodePoints | None = None
    colours: Colours | None = None
    changes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of the file that is decoded."""
        return sum(len(part) for part in self.parts)

    def data(self) -> bytes:
        """The file that is decoded: the very bytes that were walked where all of them count."""
        whole = self.parts[0].obj
        return whole if isinstance(whole, bytes) and len(whole) == self.length else b"".join(self.parts)


def walk(data: bytes, name: str) -> Walk:
    """Walk a file of the format of that name; raises `UnusableError`."""
    return {"JPEG": _walk_jpeg, "PNG": _walk_png, "WebP": _walk_webp, "AVIF": _walk_avif}.get(name, _walk_other)(data)


def without_metadata(data: bytes, name: str, *, all_of_it: bool = False) -> tuple[memoryview, ...]:
    """The parts of a JPEG or PNG that make its pixels, no pixel touched, with its colours' profile and first EXIF.

    `all_of_it` leaves out those two as well.
    """
    view = memoryview(data)
    if name == "JPEG":
        return tuple(view[start:end] for start, end in _jpeg_parts_that_matter(data, all_of_it))
    matter = _PNG_PARTS_OF_PIXELS if all_of_it else _PNG_PARTS_OF_PIXELS | _PNG_PARTS_OF_COLOURS
    chunks = (view[start:end] for kind, start, end in _png_chunks(data) if kind in matter)
    return (view[: len(PNG_SIGNATURE)], *chunks)


_TAIL_NOTE = "data after the picture's end cut off"


def _walk_other(data: bytes) -> Walk:
    return Walk((memoryview(data),))


# --- JPEG (ITU-T T.81, annex B) ---

_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EVERY_DECODERS_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; not lossless or arithmetic
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
# Longest metadata come in parts of 64 KB: the largest file that is read has 1,600.
_MAX_SEGMENTS = 10_000
# A progressive picture is drawn anew with every scan; encoders write about ten, a bomb thousands. One scan of 210
# million pixels takes 0.2 s, also when it holds nothing.
_MAX_SCANS = 100
_MAX_SCANNED_PIXELS = 5_000_000_000


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start of the marker, end of the segment; up to and with the end of the first picture."""
    at = 2
    # Within a scan 0xFF is followed by 0x00 or a restart marker, so a search finds the next segment in one
    # step.
    for _ in range(_MAX_SEGMENTS):
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            raise UnusableError("is cut short: the end of the JPEG is missing")
        marker, at = found[1][0], found.end()
        if marker not in (0x01, 0xD8, 0xD9):
            at += int.from_bytes(data[at : at + 2], "big")
        yield marker, found.start(), at
        if marker == 0xD9:
            return
    raise UnusableError(f"is a JPEG of more than {_MAX_SEGMENTS:,} parts")


def _walk_jpeg(data: bytes) -> Walk:  # noqa: C901 - a branch for each marker of the format
    frame, size, sampling, scans, together, end = 0, (0, 0), b"", 0, 0, 0
    for marker, start, end in _jpeg_segments(data):
        content = data[start + 4 : end] if marker in _FRAMES or marker == 0xDA else b""
        if marker == 0xDA:
            scans += 1
            if scans == 1 and content:
                together = content[0]
            if scans > _MAX_SCANS or scans * size[0] * size[1] > _MAX_SCANNED_PIXELS:
                most = min(_MAX_SCANS, max(1, _MAX_SCANNED_PIXELS // max(1, size[0] * size[1])))
                raise UnusableError(f"is drawn in more than {most} scans")
        elif marker in _FRAMES:
            if len(content) < 6 or len(content) < 6 + 3 * content[5]:
                raise UnusableError("is damaged: the JPEG does not say how large it is")
            if frame:
                raise UnusableError("is damaged: the JPEG says twice how large it is")
            frame, size = marker, (int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big"))
            sampling = content[7 : 6 + 3 * content[5] : 3]
            if len(sampling) not in (1, 3, 4):
                raise UnusableError(f"has {len(sampling)} colour components; a JPEG of 1, 3 or 4 is read")
            if content[0] != 8:
                raise UnusableError(f"has {content[0]} bits a channel; a JPEG of 8 is read")
    if not frame:
        raise UnusableError("is damaged: the JPEG does not say how large it is")
    if frame in _LOSSLESS:
        raise UnusableError("is a lossless JPEG, which is not read")
    return Walk(
        (memoryview(data)[:end],),
        size=size,
        channels=len(sampling),
        # Two bytes a coefficient, unless one scan brings all of a block at once.
        stored=2 * _share(sampling) if scans > 1 or together < len(sampling) or frame in _PROGRESSIVE else 0.0,
        scans=scans,
        plain=frame in _EVERY_DECODERS_FRAMES,
        changes=(_TAIL_NOTE,) if end < len(data) else (),
    )


def _share(sampling: bytes) -> float:
    """Samples a pixel, all components together: 3 without subsampling, 1.5 with 4:2:0."""
    factors = [(max(1, byte >> 4), max(1, byte & 15)) for byte in sampling]
    widest, highest = (max(one) for one in zip(*factors, strict=True))
    return float(sum(h * v for h, v in factors) / (widest * highest))


def _jpeg_parts_that_matter(data: bytes, all_of_it: bool) -> Iterator[tuple[int, int]]:
    yield 0, 2
    scanned, exif = 0, False
    for marker, start, end in _jpeg_segments(data):
        if scanned:  # what a scan draws is between its header and the next marker
            yield scanned, start
            scanned = 0
        if 0xE1 <= marker <= 0xEF or marker == 0xFE:
            head = data[start + 4 : start + 18]
            is_exif = marker == 0xE1 and head.startswith(b"Exif\x00")
            is_profile = marker == 0xE2 and head.startswith(b"ICC_PROFILE\x00")
            # Adobe's mark says what the numbers mean: without it four channels show as a negative.
            if marker != 0xEE and (all_of_it or not (is_profile or (is_exif and not exif))):
                continue
            exif |= is_exif
        yield start, end
        if marker == 0xDA:
            scanned = end


# --- PNG ---

_MAX_CHUNKS = 50_000
# Pillow's own limit for one chunk; four full ones for the whole file.
_MAX_TEXT_BYTES = 1024 * 1024
_MAX_ALL_TEXT_BYTES = 4 * _MAX_TEXT_BYTES
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
_PNG_PARTS_OF_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_PNG_PARTS_OF_COLOURS = frozenset((b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf"))
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, its length and checksum included; up to and with the end."""
    at, kind, view = len(PNG_SIGNATURE), b"", memoryview(data)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, at) if at + 12 <= len(data) else (len(data), b"")
        end = at + 12 + length
        if end > len(data):
            raise UnusableError("is cut short: the end of the PNG is missing")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise UnusableError("is damaged: a checksum of the PNG does not fit")
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end
    raise UnusableError(f"is a PNG of more than {_MAX_CHUNKS} chunks")


def _walk_png(data: bytes) -> Walk:
    view = memoryview(data)
    kept, notes = [view[:8]], []
    text, end = 0, 0
    found: dict[bytes, bytes] = {}
    for kind, start, end in _png_chunks(data):
        inflated = 0
        if kind in _COLOUR_CHUNKS and b"IDAT" not in found:
            found.setdefault(kind, data[start + 8 : end - 4])
        elif kind in (b"IDAT", b"tRNS"):
            found.setdefault(kind, b"")
        if kind in _COMPRESSED and text <= _MAX_ALL_TEXT_BYTES:
            inflated = _inflated_size(kind, bytes(view[start + 8 : end - 4]))
            text += inflated
        if kind in _ANIMATION:
            notes.append("animation left out, its still picture kept")
        elif kind in _COMPRESSED and (inflated > _MAX_TEXT_BYTES or text > _MAX_ALL_TEXT_BYTES):
            notes.append("oversized text or profile left out")
        else:
            kept.append(view[start:end])
    if end < len(data):
        notes.append(_TAIL_NOTE)
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    transparent = b"tRNS" in found or colour in (4, 6)
    points, colours = _png_colours(found)
    return Walk(
        tuple(kept) if notes else (view,),
        size=(width, height),
        bits=bits,
        channels=_PNG_CHANNELS.get(colour, 4),
        plain=bits == 8 and colour in (0, 2) and not transparent,
        transparent=transparent,
        code_points=points,
        colours=colours,
        changes=tuple(dict.fromkeys(notes)),
    )


_COLOUR_CHUNKS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")


def _png_colours(found: dict[bytes, bytes]) -> tuple[CodePoints | None, Colours | None]:
    """What a PNG's chunks say about its colours, in the order in which they count (PNG specification, 12.1)."""
    if len(points := found.get(b"cICP", b"")) == 4 and points[2] == 0:
        return CodePoints(points[0], points[1], narrow=not points[3]), None
    if b"iCCP" in found or b"sRGB" in found:
        return None, None
    gamma = int.from_bytes(found[b"gAMA"][:4], "big") / 100_000 if len(found.get(b"gAMA", b"")) == 4 else None
    corners = found.get(b"cHRM", b"")
    # Negative ones are of no use and no writer's.
    values = [value / 100_000 for value in struct.unpack(">8I", corners)] if len(corners) == 32 else None
    return None, of_png(gamma, values)


def _inflated_size(kind: bytes, content: bytes) -> int:
    """How large a text or profile grows, in bytes, counted no further than one byte over the limit."""
    _, _, rest = content.partition(b"\x00")
    if kind == b"iTXt":
        if rest[:1] != b"\x01":
            return 0
        rest = rest[2:].partition(b"\x00")[2].partition(b"\x00")[2]
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, _MAX_TEXT_BYTES + 1))
    except zlib.error:
        return 0


# --- WebP (RFC 9649) ---


def _walk_webp(data: bytes) -> Walk:
    # The size before the decoder is made: it reserves two canvases at once.
    head, size = data[12:16], None
    if head == b"VP8X" and len(data) >= 30:
        size = 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    elif head == b"VP8L" and len(data) >= 25:
        packed = int.from_bytes(data[21:25], "little")
        size = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    elif head == b"VP8 " and len(data) >= 30:
        size = int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    if size is None:
        raise UnusableError("is damaged: the WebP does not say how large it is")
    return Walk((memoryview(data),), size=size)


# --- AVIF: boxes (ISO/IEC 14496-12 and 23008-12), then AV1's own units ---

_MAX_BOXES = 10_000
_MAX_UNITS = 50_000


def _walk_avif(data: bytes) -> Walk:
    """The size, depth and colours that the AV1 bits themselves claim: the boxes around them may claim less."""
    view = memoryview(data)
    try:
        boxes = _Boxes(view)
        headers = [found for item in boxes.items for found in _sequences(item)]
    except (struct.error, IndexError, KeyError, ValueError, TypeError):
        raise UnusableError("is damaged: its boxes cannot be read") from None
    if not headers:
        raise UnusableError("is damaged: it holds no AV1 picture")
    largest = max(headers, key=lambda found: found.width * found.height)
    return Walk(
        (view,),
        size=(largest.width, largest.height),
        bits=max(found.bits for found in headers),
        code_points=boxes.code_points or headers[0].code_points,
    )


class _Boxes:
    """The boxes of a file that say where its AV1 items are (`items`), and what the main one's colours are."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.left = _MAX_BOXES
        self.code_points: CodePoints | None = None
        self.items: list[memoryview] = []
        top = dict(self.inside(data))
        if b"meta" in top:
            self.read_meta(top[b"meta"][4:])
        # A sequence is drawn from its track.
        if b"moov" in top:
            for kind, track in self.inside(top[b"moov"]):
                if kind == b"trak":
                    self.read_track(track)

    def inside(self, data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        at = 0
        while at + 8 <= len(data):
            self.left -= 1
            if self.left < 0:
                raise UnusableError(f"is an AVIF of more than {_MAX_BOXES:,} boxes")
            size, kind = struct.unpack_from(">I4s", data, at)
            head = 8
            if size == 1:
                size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
            end = len(data) if size == 0 else at + size
            if end < at + head or end > len(data):
                raise UnusableError("is cut short: a box of the AVIF goes beyond its end")
            yield bytes(kind), data[at + head : end]
            at = end

    def read_meta(self, meta: memoryview) -> None:
        parts = dict(self.inside(meta))
        kinds = dict(self.kinds(parts[b"iinf"]))
        primary = _number(parts[b"pitm"][4:], 4 if parts[b"pitm"][0] else 2)
        for item, data in self.places(parts):
            if kinds.get(item) == b"av01":
                self.items.append(data)
        properties = dict(self.inside(parts[b"iprp"]))
        known = list(self.inside(properties[b"ipco"]))
        for item, index in self.associations(properties[b"ipma"]):
            kind, content = known[index - 1] if 0 < index <= len(known) else (b"", memoryview(b""))
            if item == primary and kind == b"colr":
                self.read_colours(content)

    def read_colours(self, content: memoryview) -> None:
        if bytes(content[:4]) == b"nclx" and len(content) >= 10:
            self.code_points = CodePoints(*struct.unpack_from(">HH", content, 4))

    def kinds(self, content: memoryview) -> Iterator[tuple[int, bytes]]:
        for _, entry in self.inside(content[6 if content[0] == 0 else 8 :]):
            wide = 4 if entry[0] == 3 else 2
            yield _number(entry[4:], wide), bytes(entry[6 + wide : 10 + wide])

    def associations(self, content: memoryview) -> Iterator[tuple[int, int]]:
        wide, long = (4 if content[0] else 2), content[3] & 1
        at = 8
        for _ in range(_number(content[4:], 4)):
            item, count = _number(content[at:], wide), content[at + wide]
            at += wide + 1
            for _ in range(count):
                yield item, _number(content[at:], 2) & 0x7FFF if long else content[at] & 0x7F
                at += 1 + long

    def places(self, parts: dict[bytes, memoryview]) -> Iterator[tuple[int, memoryview]]:
        content = parts[b"iloc"]
        version = content[0]
        offset_size, length_size = content[4] >> 4, content[4] & 15
        base_size, index_size = content[5] >> 4, (content[5] & 15 if version else 0)
        wide = 4 if version == 2 else 2
        at = 6 + wide
        for _ in range(_number(content[6:], wide)):
            item, at = _number(content[at:], wide), at + wide
            method = 0
            if version:
                method, at = _number(content[at:], 2) & 15, at + 2
            base, at = _number(content[at + 2 :], base_size), at + 2 + base_size
            count, at = _number(content[at:], 2), at + 2
            pieces = []
            for _ in range(count):
                at += index_size
                offset = base + _number(content[at:], offset_size)
                length, at = _number(content[at + offset_size :], length_size), at + offset_size + length_size
                if method > 1:
                    raise UnusableError("is an AVIF whose picture is put together from other items, which is not read")
                whole = self.data if method == 0 else parts[b"idat"]
                pieces.append(whole[offset : offset + length] if length else whole[offset:])
            yield item, pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))

    def read_track(self, track: memoryview) -> None:
        table = track
        for name in (b"mdia", b"minf", b"stbl"):
            table = dict(self.inside(table)).get(name, memoryview(b""))
        parts = dict(self.inside(table))
        for name, wide in ((b"stco", 4), (b"co64", 8)):
            if name in parts and _number(parts[name][4:], 4):
                start = _number(parts[name][8:], wide)
                sizes = parts[b"stsz"]
                length = _number(sizes[4:], 4) or _number(sizes[12:], 4)
                self.items.append(self.data[start : start + length])


def _number(data: memoryview, size: int) -> int:
    if len(data) < size:
        raise IndexError
    return int.from_bytes(data[:size], "big")


@dataclass(frozen=True)
class _Sequence:
    width: int
    height: int
    bits: int
    code_points: CodePoints | None


def _sequences(item: memoryview) -> Iterator[_Sequence]:
    """The sequence headers among an item's units (AV1 specification, 5.3)."""
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(item):
            return
        kind, has_size = item[at] >> 3 & 15, item[at] & 2
        at += 2 if item[at] & 4 else 1
        size = len(item) - at
        if has_size:
            size, shift = 0, 0
            while True:
                byte = item[at]
                size |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not byte & 0x80:
                    break
                if shift > 56:
                    raise ValueError
        if kind == 1:
            yield _sequence(bytes(item[at : at + min(size, 256)]))
        at += size
    raise UnusableError(f"is an AVIF of more than {_MAX_UNITS:,} units")


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise IndexError
        return self.value >> self.left & ((1 << count) - 1)


def _sequence(data: bytes) -> _Sequence:
    """A sequence header (AV1 specification, 5.5)."""
    bits = _Bits(data)
    take = bits.take
    profile, _, reduced = take(3), take(1), take(1)
    if reduced:
        take(5)
    else:
        _skip_operating_points(bits)
    wide, high = take(4) + 1, take(4) + 1
    width, height = take(wide) + 1, take(high) + 1
    if not reduced and take(1):
        take(7)
    take(3)
    if not reduced:
        take(4)
        ordered = take(1)
        if ordered:
            take(2)
        screen = 2 if take(1) else take(1)
        if screen and not take(1):
            take(1)
        if ordered:
            take(3)
    take(3)
    depth = 8
    if take(1):
        depth = 12 if profile == 2 and take(1) else 10
    if profile != 1:
        take(1)
    points = CodePoints(take(8), take(8)) if take(1) else None
    return _Sequence(width, height, depth, points)


def _skip_operating_points(bits: _Bits) -> None:
    take = bits.take
    delay_bits, model = 0, 0
    if take(1):
        take(64)
        if take(1):
            zeros = 0
            while not take(1):
                zeros += 1
            take(min(zeros, 32))
        model = take(1)
        if model:
            delay_bits = take(5) + 1
            take(42)
    shown = take(1)
    for _ in range(take(5) + 1):
        take(12)
        if take(5) > 7:
            take(1)
        if model and take(1):
            take(2 * delay_bits + 1)
        if shown and take(1):
            take(4)
