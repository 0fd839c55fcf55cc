"""Any picture that a shop has, made into what the service takes; nothing here touches a disk.

Bytes are looked at in three steps, each cheap enough to protect the next: the first bytes name the format,
the container is walked (JPEG's markers, PNG's chunks), and only then one named Pillow plugin decodes.
"""

import hashlib
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from io import BytesIO
from textwrap import shorten
from typing import Literal

from PIL import Image, ImageChops, ImageCms, UnidentifiedImageError

from tryon.formats import HEAD_BYTES, PNG_SIGNATURE, looks_like, recognise_format, sentence

Format = Literal["jpeg", "png"]

# The service says "under 5 MB" and "under 4096 × 4096". Whether that means 5,000,000 or 5,242,880, and whether the
# limit itself passes, is not said: the smaller reading each time.
MAX_BYTES = 4_999_999
MAX_SIDE = 4095
# 12,000 x 8,000 fits; the worst that fits (a PNG with alpha) peaks at 0.9 GB. The other formats' decoders take twice
# as much a pixel, and the largest phones make 48 million.
MAX_PIXELS = 100_000_000
MAX_PIXELS_OF_OTHERS = 50_000_000
MAX_INPUT_BYTES = 100_000_000
# A stamp-sized picture shows no garment, and a task made with it is paid all the same.
MIN_SIDE = 64

_BIG_PIXELS = 20_000_000
_big_picture = threading.Lock()

# Pillow's names of the formats.
_PLUGINS = {"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP", "HEIC": "HEIF", "AVIF": "AVIF"}

# Pillow's own check, at twice this: for WebP it comes before the decoder reserves the canvas, ours only after.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class ImageError(Exception):
    """A picture that cannot be sent; the message names the file and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """A picture as it is sent to the service: width and height in pixels, `sha256` of `data` in hex.

    `changes` says in words what was done to the file; `untouched` that `data` is the file byte for byte.
    """

    data: bytes = field(repr=False)
    format: Format
    width: int
    height: int
    sha256: str
    changes: tuple[str, ...]
    untouched: bool


class _UnusableError(Exception):
    """The reason alone; the file's name is added where it is known."""


def prepare(data: bytes, *, name: str, max_side: int = 1920) -> Picture:
    """Make a file's bytes into a picture that the service takes, changing no more than it must.

    A complete, upright, 8-bit RGB or grey JPEG or PNG without transparency, in sRGB, under 5,000,000 bytes
    and under 4096 x 4096 pixels passes byte for byte. What follows a picture's end, an animation's further
    frames and oversized text are cut out without touching a pixel. The rest becomes the smaller of JPEG and
    PNG with no side above `max_side` pixels. Raises `ImageError`.
    """
    with _errors_of(name):
        kind = _kind(data)
        walk = _walk(data, kind)
        changes = list(walk.changes)
        image = _open(walk.data, kind)
        if walk.plain and _passes(image, kind, len(walk.data)):
            size = image.size
            _decode_to_the_end(image, kind)
            return _picture(walk.data, size, changes, untouched=not changes)
        with _turn(image):
            pixels, done = _flattened(image, kind, min(max_side, MAX_SIDE), walk.bits)
        if min(pixels.size) < MIN_SIDE:
            raise _UnusableError(f"is too narrow: scaled down it is {pixels.width} x {pixels.height} pixels")
        encoded, size = _smallest(pixels)
        changes += done
        if size != pixels.size:
            changes.append(f"shrunk from {pixels.width} x {pixels.height} pixels to stay under {MAX_BYTES + 1:,} bytes")
        sent = _kind(encoded)
        changes.append(f"{kind} converted to {sent}" if sent != kind else f"{sent} encoded anew")
        return _picture(encoded, size, changes, untouched=False)


def _picture(data: bytes, size: tuple[int, int], changes: list[str], *, untouched: bool) -> Picture:
    encoding: Format = "png" if data.startswith(PNG_SIGNATURE) else "jpeg"
    return Picture(data, encoding, *size, hashlib.sha256(data).hexdigest(), tuple(changes), untouched)


def thumbnail(data: bytes, *, side: int, name: str = "picture") -> bytes:
    """A JPEG of at most `side` x `side` pixels for a gallery: upright, in sRGB, without metadata.

    Raises `ImageError`.
    """
    with _errors_of(name):
        kind = _kind(data)
        walk = _walk(data, kind)
        image = _open(walk.data, kind)
        with _turn(image):
            pixels, _ = _flattened(image, kind, side, walk.bits)
        return _jpeg(pixels, 80, subsampling="4:2:0")


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    try:
        yield
    except _UnusableError as error:
        raise ImageError(name, str(error)) from None
    except Image.DecompressionBombError:
        raise ImageError(name, "has more pixels than any camera makes") from None
    except UnidentifiedImageError as error:
        raise ImageError(name, "is damaged or cut short") from error
    # Pillow's plugins raise a dozen kinds on bad bytes, from SyntaxError to struct.error and MemoryError.
    except Exception as error:
        words = shorten(str(error), 80, placeholder=" …") or type(error).__name__
        raise ImageError(name, f"is damaged or cut short ({words})") from error


@contextmanager
def _turn(image: Image.Image) -> Iterator[None]:
    # Pictures are prepared in threads; several of 100 million pixels at once would outgrow a function's
    # memory.
    if image.width * image.height <= _BIG_PIXELS:
        yield
    else:
        with _big_picture:
            yield


# --- what it is ---------------------------------------------------------------------------------------------


def _kind(data: bytes) -> str:
    """The format's name, by the bytes alone: a file's extension says nothing."""
    if not data:
        raise _UnusableError("is empty")
    if len(data) > MAX_INPUT_BYTES:
        raise _UnusableError(f"is larger than {MAX_INPUT_BYTES // 1_000_000} MB")
    kind = recognise_format(data[:HEAD_BYTES])
    if kind is None:
        looks = looks_like(data[:HEAD_BYTES])
        raise _UnusableError(f"is not a {sentence()} picture" + (f": it looks like {looks}" if looks else ""))
    return kind


def _open(data: bytes, kind: str) -> Image.Image:
    _load_plugin(kind)
    image = Image.open(BytesIO(data), formats=[_PLUGINS[kind]])
    most = MAX_PIXELS if kind in ("JPEG", "PNG") else MAX_PIXELS_OF_OTHERS
    if image.width * image.height > most:
        raise _UnusableError(f"has more than {most // 1_000_000} million pixels")
    if min(image.size) < MIN_SIDE:
        raise _UnusableError(f"is {image.width} x {image.height} pixels: no side may be shorter than {MIN_SIDE}")
    return image


@cache
def _load_plugin(kind: str) -> None:
    # Each only when such a picture comes: a cold start is 10 to 60 ms shorter, and a format's name that
    # Pillow does not know yet would make it import all of its forty.
    if kind == "HEIC":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    elif kind in ("WebP", "AVIF"):
        import_module(f"PIL.{kind.capitalize() if kind == 'AVIF' else kind}ImagePlugin")


# --- the container ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Walk:
    """A container without what does not belong to its first picture; `plain` if the service knows the rest."""

    data: bytes
    plain: bool = False
    bits: int = 8
    changes: tuple[str, ...] = ()


def _walk(data: bytes, kind: str) -> _Walk:
    if kind == "JPEG":
        return _walk_jpeg(data)
    if kind == "PNG":
        return _walk_png(data)
    return _Walk(data)


_TAIL_NOTE = "data after the picture's end cut off"

_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_EVERY_DECODERS_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; not lossless or arithmetic
# A progressive picture is drawn anew with every scan; encoders write about ten, a bomb thousands.
_MAX_SCANS = 100


def _walk_jpeg(data: bytes) -> _Walk:
    at, scans, frame = 2, 0, 0
    # Within a scan 0xFF is followed by 0x00 or a restart marker, so a search finds the next segment in one
    # step.
    while found := _JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            changes = (_TAIL_NOTE,) if at < len(data) else ()
            return _Walk(data[:at], plain=frame in _EVERY_DECODERS_FRAMES, changes=changes)
        if marker in (0x01, 0xD8):
            continue
        if marker == 0xDA:
            scans += 1
            if scans > _MAX_SCANS:
                raise _UnusableError(f"is drawn in more than {_MAX_SCANS} scans")
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = marker
        at += int.from_bytes(data[at : at + 2], "big")
    raise _UnusableError("is cut short: the end of the JPEG is missing")


_MAX_CHUNKS = 50_000
# Pillow's own limit for one chunk; four full ones for the whole file.
_MAX_TEXT_BYTES = 1024 * 1024
_MAX_ALL_TEXT_BYTES = 4 * _MAX_TEXT_BYTES
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")


def _walk_png(data: bytes) -> _Walk:
    view = memoryview(data)
    kept, notes = [view[:8]], []
    at, text, kind, has_transparency = 8, 0, b"", False
    while kind != b"IEND":
        if len(kept) > _MAX_CHUNKS:
            raise _UnusableError(f"is a PNG of more than {_MAX_CHUNKS} chunks")
        length, kind = struct.unpack_from(">I4s", data, at) if at + 12 <= len(data) else (len(data), b"")
        end = at + 12 + length
        if end > len(data):
            raise _UnusableError("is cut short: the end of the PNG is missing")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise _UnusableError("is damaged: a checksum of the PNG does not fit")
        has_transparency |= kind == b"tRNS"
        inflated = 0
        if kind in _COMPRESSED and text <= _MAX_ALL_TEXT_BYTES:
            inflated = _inflated_size(kind, bytes(view[at + 8 : end - 4]))
            text += inflated
        if kind in _ANIMATION:
            notes.append("animation left out, its still picture kept")
        elif kind in _COMPRESSED and (inflated > _MAX_TEXT_BYTES or text > _MAX_ALL_TEXT_BYTES):
            notes.append("oversized text or profile left out")
        else:
            kept.append(view[at:end])
        at = end
    if at < len(data):
        notes.append(_TAIL_NOTE)
    bits, colour = data[24], data[25]
    return _Walk(
        b"".join(kept) if notes else data,
        plain=bits == 8 and colour in (0, 2) and not has_transparency,
        bits=bits,
        changes=tuple(dict.fromkeys(notes)),
    )


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


# --- what it needs ------------------------------------------------------------------------------------------


def _passes(image: Image.Image, kind: str, length: int) -> bool:
    if length > MAX_BYTES or max(image.size) > MAX_SIDE or image.mode not in ("L", "RGB"):
        return False
    if kind == "PNG":
        image.load()  # its EXIF may follow the pixels
    return _orientation(image) == 1 and _to_srgb(image.info.get("icc_profile"), image.mode) is None


def _decode_to_the_end(image: Image.Image, kind: str) -> None:
    # Every coefficient is read and an eighth of each side drawn: cut pictures show, at a third of the time.
    if kind == "JPEG":
        image.draft(None, (image.width // 8, image.height // 8))
    image.load()


def _orientation(image: Image.Image) -> int:
    # The EXIF tag only. Pillow's own reading falls back to XMP, which browsers ignore and editors leave
    # stale.
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        value = exif.get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 damaged EXIF is common in sound pictures, and fails in as many ways
        return 1
    return value if value in _UPRIGHT else 1


_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# --- the conversion -----------------------------------------------------------------------------------------


def _flattened(image: Image.Image, kind: str, max_side: int, bits: int) -> tuple[Image.Image, list[str]]:
    """The first picture as upright 8-bit RGB or grey in sRGB, and what was done to it."""
    changes: list[str] = []
    source = image.size
    frames = getattr(image, "n_frames", 1)
    if kind != "JPEG" and frames > 1:
        changes.append(f"one picture of {frames} kept")
    size = _fitted(source, max_side)
    if kind == "JPEG":
        # Decoded at a fraction as long as that is still twice the size wanted: 100 million pixels need not be
        # drawn.
        image.draft(None, (2 * size[0], 2 * size[1]))
    image.load()
    profile, orientation = image.info.get("icc_profile"), _orientation(image)
    if bits == 16:
        changes.append("16 bits a channel reduced to 8")
    if image.mode == "P":
        changes.append("palette resolved")
    image = _eight_bits(image, bits)
    # Smaller first, so that what follows has less to do; Pillow weighs colours by alpha while it resizes.
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    image = _in_srgb(image, profile, changes)
    image = _on_white(image, changes)
    turn = _UPRIGHT[orientation]
    if turn is not None:
        image = image.transpose(turn)
        changes.append("turned upright")
    if size != source:
        changes.append(f"resized from {source[0]} x {source[1]} pixels")
    # Else Pillow would write the old profile, comment and transparent colour into the new file.
    image.info.clear()
    return image, changes


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _eight_bits(image: Image.Image, bits: int) -> Image.Image:
    """L, LA, RGB, RGBA or CMYK, with what a palette or a transparent colour said as alpha."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        # The upper byte, as Pillow itself takes for 16-bit colour; `convert` would clip all above 255 to
        # white.
        grey = Image.frombytes("L", image.size, image.tobytes(), "raw", "L;16")
        if transparent is None:
            return grey
        opaque = image.convert("I").point([0 if value == transparent else 255 for value in range(65536)], "L")
        return Image.merge("LA", (grey, opaque))
    if transparent is not None and image.mode in ("L", "RGB"):
        image.info["transparency"] = _eight_bit_colour(transparent, bits)
    if image.mode == "CMYK":
        return image
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    mode += "A" if image.has_transparency_data else ""
    return image if image.mode == mode else image.convert(mode)


def _eight_bit_colour(colour: int | tuple[int, ...], bits: int) -> int | tuple[int, ...]:
    # Pillow scales the pixels to eight bits but leaves a PNG's transparent colour at the file's own depth.
    if isinstance(colour, tuple):
        return tuple(value >> (bits - 8) for value in colour)
    return colour * 255 // (2**bits - 1) if bits in (2, 4) else colour


def _in_srgb(image: Image.Image, profile: bytes | None, changes: list[str]) -> Image.Image:
    colours = image.mode.removesuffix("A")
    transform = _to_srgb(profile, colours)
    if transform is None:
        if colours != "CMYK":
            return image
        changes.append("CMYK without a profile converted to RGB")
        return image.convert("RGB")
    changes.append("CMYK converted to sRGB" if colours == "CMYK" else "colours converted to sRGB")
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    converted = transform.apply(image if alpha is None else image.convert(colours))
    if colours == "L":
        converted = converted.getchannel("R")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _to_srgb(profile: bytes | None, colours: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None without one, for one of other colours and for sRGB."""
    if not profile:
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            colours,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None  # unreadable, or a profile of grey in a colour picture and the like
    return None if colours != "CMYK" and _changes_nothing(transform, colours) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, colours: str) -> bool:
    # By what it does and not by its name: sRGB goes by dozens of descriptions, and some lie.
    steps = range(0, 256, 51)
    if colours == "L":
        before = Image.frombytes("L", (256, 1), bytes(range(256)))
    else:
        grid = bytes(value for r in steps for g in steps for b in steps for value in (r, g, b))
        before = Image.frombytes("RGB", (len(grid) // 3, 1), grid)
    difference = ImageChops.difference(before.convert("RGB"), transform.apply(before))
    # Counts of each level, the three channels one after the other.
    return not any(count for level, count in enumerate(difference.histogram()) if level % 256 > _INVISIBLE)


_INVISIBLE = 2  # levels of 256


def _on_white(image: Image.Image, changes: list[str]) -> Image.Image:
    if not image.mode.endswith("A"):
        return image
    alpha = image.getchannel("A")
    bare = image.convert(image.mode.removesuffix("A"))
    if alpha.getextrema() == (255, 255):
        changes.append("opaque alpha channel dropped")
        return bare
    changes.append("transparency laid on white")
    white = Image.new(bare.mode, bare.size, "white")
    white.paste(bare, mask=alpha)
    return white


# --- the encoding -------------------------------------------------------------------------------------------

# 92 without colour subsampling is where a second compression of a photograph stops showing; patterned fabric
# is what 4:2:0 blurs first. Below 70 a smaller picture looks better than a coarser one.
_QUALITIES = (92, 85, 78, 70)


# A photograph of a few megapixels has more, and encoding it as PNG takes fifteen times as long as JPEG to end up
# several times as large.
_COLOURS_OF_A_GRAPHIC = 65_536


def _smallest(pixels: Image.Image) -> tuple[bytes, tuple[int, int]]:
    """PNG where it is the smaller, as for flat graphics, else JPEG; coarser and then smaller until it fits."""
    while True:
        if pixels.getcolors(_COLOURS_OF_A_GRAPHIC) is not None:
            exact = _png(pixels)
            if len(exact) <= min(MAX_BYTES, len(_jpeg(pixels, _QUALITIES[0], subsampling="4:4:4"))):
                return exact, pixels.size
        for quality in _QUALITIES:
            lossy = _jpeg(pixels, quality, subsampling="4:4:4")
            if len(lossy) <= MAX_BYTES:
                return lossy, pixels.size
        pixels = pixels.resize(_fitted(pixels.size, max(pixels.size) * 4 // 5), Image.Resampling.LANCZOS)


def _png(pixels: Image.Image) -> bytes:
    buffer = BytesIO()
    pixels.save(buffer, "PNG")
    return buffer.getvalue()


def _jpeg(pixels: Image.Image, quality: int, *, subsampling: str) -> bytes:
    buffer = BytesIO()
    try:
        pixels.save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=True)
    except OSError:
        # Optimising makes files 7 % smaller but has to fit into one byte a pixel, which noise does not.
        buffer = BytesIO()
        pixels.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()
