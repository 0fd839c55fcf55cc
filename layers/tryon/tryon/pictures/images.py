"""Any picture that a shop has, made into what the service takes; nothing here touches a disk.

Bytes are looked at in three steps, each cheap enough to protect the next: the first bytes name the format, the
container is walked (`containers`), and only then one named Pillow plugin decodes, once there is memory for it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from io import BytesIO
from math import prod
from textwrap import shorten
from types import MappingProxyType
from typing import Any, Literal

from PIL import ExifTags, Image, ImageChops, ImageCms, UnidentifiedImageError

from tryon.picture_limits import PictureLimits
from tryon.pictures.colours import ADOBE_RGB, CodePoints
from tryon.pictures.containers import UnusableError, Walk, walk, without_metadata
from tryon.pictures.formats import HEAD_BYTES, PNG_SIGNATURE, looks_like, recognise_format, sentence
from tryon.pictures.memory import Budget, give_back_what_is_freed

Format = Literal["jpeg", "png"]
Size = tuple[int, int]

USUAL = PictureLimits(max_bytes=4_999_999, min_side=64, max_side=4095)
"""The first service's limits."""

MAX_INPUT_BYTES = 100_000_000
"""Largest file: a fine JPEG of a camera of 102 million pixels has 40 to 70 MB, one of 150 million up to 100."""

MOST_PIXELS: Mapping[str, int] = MappingProxyType(
    {
        "JPEG": 420_000_000,
        "JPEG in several scans": 210_000_000,
        "PNG": 120_000_000,
        "WebP": 80_000_000,
        "HEIC": 110_000_000,
        "AVIF": 100_000_000,
    }
)
"""Most pixels of a picture, by what it is. `python -m benchmarks.memory` measures what the largest take.

Cameras of studios make 102 and 151 million pixels (11,648 × 8,736 also as HEIC) and put 400 million together of
several shots; telephones make 50 million in any format and 200 million as JPEG.
"""

BUDGET_BYTES = 1_800_000_000
"""What all threads together may take for decoding. Plan has 3,008 MiB, the most that a new account allows: 80 % of
that without 210 MB for the process itself, 400 MB for the files that its readers hold, and a little to spare."""

_budget = Budget(BUDGET_BYTES)
give_back_what_is_freed()

# Pillow's names of the formats.
_PLUGINS = {"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP", "HEIC": "HEIF", "AVIF": "AVIF"}

# Pillow's own check, which fails at twice this: for what only the decoder can measure.
Image.MAX_IMAGE_PIXELS = max(MOST_PIXELS.values())


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


def prepare(data: bytes, *, name: str, max_side: int = 1920, limits: PictureLimits = USUAL) -> Picture:
    """Make a file's bytes into a picture that a service takes, changing no more than it must.

    A complete, upright, 8-bit RGB or grey JPEG or PNG without transparency, in sRGB, within the service's `limits`
    passes byte for byte. What follows a picture's end, an animation's further
    frames, oversized text and metadata beyond the service's limit are cut out without touching a pixel. The rest
    becomes the smaller of JPEG and PNG with no side above `max_side` pixels. Waits while other threads have the
    memory. Raises `ImageError`.
    """
    max_side = min(max_side, limits.max_side)
    with _errors_of(name), _file(data, max_side, least=limits.min_side) as file:
        changes = list(file.walk.changes)
        image = file.opened()
        reasons = []
        if file.walk.plain and _passes(image, file, limits):
            kept, note = _under_the_limit(file, limits.max_bytes)
            if kept is not None:
                changes += note
                size = image.size
                _decode_to_the_end(image, file.kind)
                return _picture(kept, size, changes, untouched=not changes)
            reasons = [f"{file.walk.length / 1e6:.1f} MB brought under {(limits.max_bytes + 1) / 1e6:g} MB"]
        del image
        pixels, done = _flattened(file, max_side)
        if min(pixels.size) < limits.min_side:
            raise UnusableError(f"is too narrow: scaled down it is {pixels.width} x {pixels.height} pixels")
        encoded, size = _smallest(pixels, limits)
        changes += done or (reasons if size == pixels.size else [])
        if size != pixels.size:
            changes.append(
                f"shrunk from {pixels.width} x {pixels.height} pixels to stay under {limits.max_bytes + 1:,} bytes"
            )
        sent = _kind(encoded)
        changes.append(f"{file.kind} converted to {sent}" if sent != file.kind else f"{sent} encoded anew")
        return _picture(encoded, size, changes, untouched=False)


def _picture(data: bytes, size: Size, changes: list[str], *, untouched: bool) -> Picture:
    encoding: Format = "png" if data.startswith(PNG_SIGNATURE) else "jpeg"
    return Picture(data, encoding, *size, hashlib.sha256(data).hexdigest(), tuple(changes), untouched)


def thumbnail(data: bytes, *, side: int, name: str = "picture", most_memory: int | None = None) -> bytes:
    """A JPEG of at most `side` x `side` pixels for a gallery: upright, in sRGB, without metadata.

    Raises `ImageError`, also when it would take more than `most_memory` bytes.
    """
    with _errors_of(name), _file(data, side, most_memory) as file:
        pixels, _ = _flattened(file, side)
        return _jpeg(pixels, 80, subsampling="4:2:0")


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    try:
        yield
    except UnusableError as error:
        raise ImageError(name, str(error)) from None
    except Image.DecompressionBombError:
        raise ImageError(name, "has more pixels than any camera makes") from None
    except UnidentifiedImageError as error:
        raise ImageError(name, "is damaged or cut short") from error
    # Pillow's plugins raise a dozen kinds on bad bytes, from SyntaxError to struct.error and MemoryError.
    except Exception as error:
        words = shorten(str(error), 80, placeholder=" …") or type(error).__name__
        raise ImageError(name, f"is damaged or cut short ({words})") from error


# --- what it is, and what decoding it takes -----------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    """A file that was walked and measured: `size` in pixels, `memory` in bytes that decoding takes at most."""

    kind: str
    walk: Walk
    size: Size
    memory: int

    def opened(self) -> Image.Image:
        return _open(self.walk.data(), self.kind)


@contextmanager
def _file(
    data: bytes, max_side: int, most_memory: int | None = None, *, least: int = USUAL.min_side
) -> Iterator[_File]:
    """A file, for as long as there is memory to decode it. Raises `UnusableError` before anything is decoded."""
    kind = _kind(data)
    walked = walk(data, kind)
    size, alpha = walked.size, walked.transparent
    if size is not None:
        _check_pixels(kind, walked, size)
    if kind in ("HEIC", "AVIF"):
        opened = _open(data, kind)
        alpha = opened.mode.endswith("A")
        # A frame may be larger than the picture that is cut out of it.
        size = max(size or (0, 0), opened.size, key=prod)
        _check_pixels(kind, walked, size)
    elif kind == "WebP":
        alpha = True
    if size is None:
        raise AssertionError("every format's size is known by now")
    if min(size) < least:
        raise UnusableError(f"is {size[0]} x {size[1]} pixels: no side may be shorter than {least}")
    memory = _memory(kind, walked, size, max_side, alpha=alpha)
    most = min(most_memory or BUDGET_BYTES, BUDGET_BYTES)
    if memory > most:
        _refuse_pixels(f"{kind} of this kind", size, int(prod(size) * most / memory))
    with _budget.share(memory):
        yield _File(kind, walked, size, memory)


def _check_pixels(kind: str, walked: Walk, size: Size) -> None:
    what = "JPEG in several scans" if kind == "JPEG" and walked.stored else kind
    if prod(size) > MOST_PIXELS[what]:
        _refuse_pixels(what, size, MOST_PIXELS[what])


def _refuse_pixels(what: str, size: Size, most: int) -> None:
    article = "an" if what.startswith("A") else "a"
    # Rounded away from each other, so that the one is never the other.
    found, allowed = -(-prod(size) // 100_000) / 10, most // 100_000 / 10
    raise UnusableError(
        f"has {size[0]:,} × {size[1]:,} = {found:,.1f} million pixels; {article} {what} may have at most "
        f"{allowed:,.1f} million"
    )


# Bytes a pixel that a decoder and the first step after it take together at their worst, measured by
# `python -m benchmarks.memory` and rounded up; `True` with transparency.
_BYTES_A_PIXEL = {
    ("PNG", False): 5.0,
    ("PNG", True): 9.5,
    ("WebP", True): 19.5,
    ("HEIC", False): 15.5,
    ("HEIC", True): 20.5,
    ("AVIF", False): 12.0,
    ("AVIF", True): 17.0,
}
_DEEP_AVIF = 1.5  # its planes have two bytes a sample, the pixels made of them one
_GREY_OF_16_BITS_WITH_ALPHA = 14.0
# From the picture at the size that is sent to its file: colours, alpha, a JPEG's coefficients, the file itself.
_BYTES_A_PIXEL_SENT = 24
_COPIES = {"JPEG": 1, "PNG": 1, "WebP": 2, "HEIC": 2, "AVIF": 2}
_AT_LEAST = 8_000_000


def _memory(kind: str, walked: Walk, size: Size, max_side: int, *, alpha: bool) -> int:
    """The most bytes that making a file into a picture takes, besides the file."""
    width, height = _fitted(size, max_side)
    if kind == "JPEG":
        step = _reduction(size, (width, height))
        drawn = prod(size) / step**2 * (1 if walked.channels == 1 else 4)
        decoding = walked.stored * prod(size) + drawn
    else:
        each = _BYTES_A_PIXEL[kind, alpha]
        if kind == "AVIF" and walked.bits > 8:
            each *= _DEEP_AVIF
        if kind == "PNG" and walked.bits == 16 and walked.channels == 1 and alpha:
            each = _GREY_OF_16_BITS_WITH_ALPHA
        step, drawn, decoding = 1, 4 * prod(size), each * prod(size)
    # Pillow resizes rows first, columns then; a PNG has no decoder that is gone by then.
    resizing = (decoding if kind == "PNG" else drawn) + 4 * width * size[1] / step
    # What is not resized has been decoded whole by then.
    finishing = _BYTES_A_PIXEL_SENT * width * height
    return int(max(decoding, resizing, finishing)) + _COPIES[kind] * walked.length + _AT_LEAST


# Drawn at twice the size that is wanted, Lanczos makes the rest; above this many pixels at that size itself.
_MANY_PIXELS = 30_000_000


def _reduction(source: Size, wanted: Size) -> int:
    """1, 2, 4 or 8: how much smaller a JPEG is drawn than it is. No side becomes smaller than wanted."""
    scale = min(have // want for have, want in zip(source, wanted, strict=True))
    finest = next((step for step in (8, 4, 2) if scale >= 2 * step), 1)
    if prod(source) / finest**2 <= _MANY_PIXELS:
        return finest
    return next((step for step in (8, 4, 2) if scale >= step), 1)


def _kind(data: bytes) -> str:
    """The format's name, by the bytes alone: a file's extension says nothing."""
    if not data:
        raise UnusableError("is empty")
    if len(data) > MAX_INPUT_BYTES:
        raise UnusableError(f"is larger than {MAX_INPUT_BYTES // 1_000_000} MB")
    kind = recognise_format(data[:HEAD_BYTES])
    if kind is None:
        looks = looks_like(data[:HEAD_BYTES])
        raise UnusableError(f"is not a {sentence()} picture" + (f": it looks like {looks}" if looks else ""))
    return kind


def _open(data: bytes, kind: str) -> Image.Image:
    _load_plugin(kind)
    return Image.open(BytesIO(data), formats=[_PLUGINS[kind]])


@cache
def _load_plugin(kind: str) -> None:
    # Each only when such a picture comes: a cold start is 10 to 60 ms shorter, and a format's name that
    # Pillow does not know yet would make it import all of its forty.
    if kind == "HEIC":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    elif kind in ("WebP", "AVIF"):
        import_module(f"PIL.{kind.capitalize() if kind == 'AVIF' else kind}ImagePlugin")


# --- what it needs ------------------------------------------------------------------------------------------


def _passes(image: Image.Image, file: _File, limits: PictureLimits) -> bool:
    """Whether the service takes the pixels as they are; the file's length is another matter."""
    if max(image.size) > limits.max_side or file.kind.lower() not in limits.formats or image.mode not in ("L", "RGB"):
        return False
    if file.kind == "PNG":
        image.load()  # its EXIF may follow the pixels
    # A profile that does not count here may count there.
    profiles = (_profile(image, file), image.info.get("icc_profile"))
    return _orientation(image) == 1 and all(_to_srgb(profile, image.mode) is None for profile in profiles)


def _under_the_limit(file: _File, max_bytes: int) -> tuple[bytes | None, list[str]]:
    """The file, without its metadata where they alone make it too long, and the note; None when pixels do."""
    data = file.walk.data()
    if len(data) <= max_bytes:
        return data, []
    for all_of_it in (False, True):
        parts = without_metadata(data, file.kind, all_of_it=all_of_it)
        length = sum(len(part) for part in parts)
        if length <= max_bytes:
            return b"".join(parts), [f"metadata of {(len(data) - length) / 1e6:.1f} MB removed"]
    return None, []


def _decode_to_the_end(image: Image.Image, kind: str) -> None:
    # Every coefficient is read and an eighth of each side drawn: cut pictures show, at a third of the time.
    if kind == "JPEG":
        image.draft(None, (image.width // 8, image.height // 8))
    image.load()


def _orientation(image: Image.Image) -> int:
    # The EXIF tag only. Pillow's own reading falls back to XMP, which browsers ignore and editors leave
    # stale.
    value = _exif(image).get(ExifTags.Base.Orientation, 1)
    return value if value in _UPRIGHT else 1


def _exif(image: Image.Image) -> dict[int, Any]:
    """The first directory's tags and those of the interoperability directory; none when they are damaged."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return dict(exif.get_ifd(ExifTags.IFD.Interop)) | dict(exif)
    except Exception:  # noqa: BLE001 damaged EXIF is common in sound pictures, and fails in as many ways
        return {}


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


def _flattened(file: _File, max_side: int) -> tuple[Image.Image, list[str]]:
    """The first picture as upright 8-bit RGB or grey in sRGB, and what was done to it."""
    changes: list[str] = []
    image, kind, bits = file.opened(), file.kind, file.walk.bits
    source = image.size
    frames = getattr(image, "n_frames", 1)
    if kind != "JPEG" and frames > 1:
        changes.append(f"one picture of {frames} kept")
    size = _fitted(source, max_side)
    if kind == "JPEG":
        # Decoded at a fraction: hundreds of millions of pixels need not be drawn.
        step = _reduction(source, size)
        image.draft(None, (source[0] // step, source[1] // step))
    image.load()
    profile, orientation = _profile(image, file), _orientation(image)
    deep = image.info.get("bit_depth", bits) if kind == "HEIC" else bits
    if deep > 8:
        changes.append(f"{deep} bits a channel reduced to 8")
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


def _profile(image: Image.Image, file: _File) -> bytes | None:
    """The profile of what an opened picture says about its colours; None when that is nothing, or sRGB.

    An ICC profile comes first, but behind a PNG's `cICP`; then code points, a PNG's gamma, a camera's mark. Raises
    `UnusableError` for a high dynamic range: how its light becomes a screen's is taste and no standard, and every
    task made with the wrong one is paid.
    """
    points, icc = file.walk.code_points, image.info.get("icc_profile")
    if icc and (file.kind != "PNG" or points is None):
        return bytes(icc)
    if nclx := image.info.get("nclx_profile"):
        points = CodePoints(nclx["color_primaries"], nclx["transfer_characteristics"])
    if points is not None:
        if points.hdr:
            raise UnusableError(f"is an HDR picture ({points.hdr}), which is not read: export it as SDR, in sRGB")
        colours = points.colours()
    elif file.walk.colours is not None:
        colours = file.walk.colours
    elif _exif(image).get(ExifTags.Interop.InteropIndex) == "R03":
        colours = ADOBE_RGB
    else:
        return None
    return colours.profile(grey=image.mode in ("1", "L", "LA") or image.mode.startswith("I"))


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


def _smallest(pixels: Image.Image, limits: PictureLimits) -> tuple[bytes, tuple[int, int]]:
    """PNG where it is the smaller, as for flat graphics, else JPEG; coarser and then smaller until it fits."""
    while True:
        if "png" in limits.formats and pixels.getcolors(_COLOURS_OF_A_GRAPHIC) is not None:
            exact = _png(pixels)
            if len(exact) <= min(limits.max_bytes, len(_jpeg(pixels, _QUALITIES[0], subsampling="4:4:4"))):
                return exact, pixels.size
        for quality in _QUALITIES:
            lossy = _jpeg(pixels, quality, subsampling="4:4:4")
            if len(lossy) <= limits.max_bytes:
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
