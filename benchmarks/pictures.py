"""Every kind of picture that a shop has, and what is sent for each.

`python -m benchmarks.pictures` writes the table into docs/.
"""

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFilter

from tryon.pictures.colours import HDR
from tryon.pictures.formats import FORMATS
from tryon.pictures.images import MAX_INPUT_BYTES, MOST_PIXELS, ImageError, prepare

PAGE = Path(__file__).parent.parent / "docs" / "pictures.md"
SIZE = (480, 640)


@dataclass(frozen=True)
class Kind:
    """A file as it might come: its name, what is in it, and how to make one."""

    name: str
    what: str
    build: Callable[[], bytes]


# --- pixels ---


@cache
def photograph(size: tuple[int, int] = SIZE) -> Image.Image:
    """Soft shapes with grain: what compresses like a photograph, the same on every machine."""
    width, height = size
    coarse = Image.frombytes("RGB", (30, 40), random.Random(1).randbytes(30 * 40 * 3))
    grain = Image.frombytes("RGB", size, random.Random(2).randbytes(width * height * 3))
    soft = coarse.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(4))
    return Image.blend(soft, grain, 0.1)


def graphic() -> Image.Image:
    """Flat colours: what compresses like a drawing."""
    picture = Image.new("RGB", SIZE, "#f4f1ea")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(80, 120), (400, 120), (440, 560), (40, 560)], fill="#20517a")
    draw.ellipse([200, 90, 280, 150], fill="#f4f1ea")
    return picture


def cut_out(mode: str = "RGBA") -> Image.Image:
    """The photograph with everything outside an ellipse transparent."""
    alpha = Image.new("L", SIZE, 0)
    ImageDraw.Draw(alpha).ellipse([60, 60, 420, 580], fill=255)
    picture = photograph().convert(mode.removesuffix("A"))
    picture.putalpha(alpha)
    return picture


def sixteen_bit_grey() -> Image.Image:
    """A ramp over all 65,536 levels."""
    levels = b"".join(struct.pack("<H", column * 65535 // (SIZE[0] - 1)) for column in range(SIZE[0]))
    return Image.frombytes("I;16", SIZE, levels * SIZE[1])


# --- files ---


def encoded(picture: Image.Image, encoding: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, encoding, **options)
    return buffer.getvalue()


@cache
def heic_photograph() -> bytes:
    """A quarter of the others: the encoder is the slowest thing here."""
    import pillow_heif

    buffer = BytesIO()
    pillow_heif.from_pillow(photograph((240, 320))).save(buffer, quality=80)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(size: tuple[int, int], bits: int, colour: int, rows: bytes, *before: bytes, after: bytes = b"") -> bytes:
    """A PNG of any depth, `rows` with their filter bytes, with chunks of one's own before and after the pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + pixels + after + png_chunk(b"IEND", b"")


def sixteen_bit_colour() -> bytes:
    row = b"\0" + b"".join(struct.pack(">HHH", x * 136, 65535 - x * 136, 0x8000) for x in range(SIZE[0]))
    return png(SIZE, 16, 2, row * SIZE[1])


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def text_bomb(megabytes: int) -> bytes:
    return png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(megabytes * 1_000_000), 9))


def with_scans(data: bytes, times: int) -> bytes:
    """A progressive JPEG whose last scan is drawn again and again."""
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * times + data[-2:]


def claiming(size: tuple[int, int]) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(encoded(graphic(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", size[1], size[0])
    return bytes(data)


def webp_claiming(size: int) -> bytes:
    """An animated WebP whose canvas claims to be square, with a frame of 64 x 64 in it."""
    frames = [Image.new("RGBA", (64, 64), colour) for colour in ("red", "blue")]
    data = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    data[24:30] = (size - 1).to_bytes(3, "little") * 2
    return bytes(data)


# --- colour profiles ---


def _profile(colours: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    # ICC.1:2001-04: a header of 128 bytes, a table of tags, the tags at multiples of four.
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = start + len(body)
    white = struct.pack(">iii", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"prtr", colours, connection, b"acsp")
    return head.ljust(68, b"\0") + white + bytes(48) + struct.pack(">I", len(tags)) + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in values))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _text(kind: bytes, text: bytes) -> bytes:
    if kind == b"text":
        return b"text\0\0\0\0" + text + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)


def wide_profile() -> bytes:
    """Primaries about those of Adobe RGB (1998), adapted to D50, with its gamma."""
    return _profile(
        b"RGB ",
        b"XYZ ",
        {
            b"desc": _text(b"desc", b"a wide RGB"),
            b"cprt": _text(b"text", b"none"),
            b"wtpt": _xyz(0.9642, 1.0, 0.8249),
            b"rXYZ": _xyz(0.6097, 0.3111, 0.0195),
            b"gXYZ": _xyz(0.2053, 0.6257, 0.0609),
            b"bXYZ": _xyz(0.1492, 0.0632, 0.7446),
            b"rTRC": _gamma(2.2),
            b"gTRC": _gamma(2.2),
            b"bTRC": _gamma(2.2),
        },
    )


def linear_grey_profile() -> bytes:
    """Grey whose numbers are light itself, so that every middle tone must change."""
    return _profile(
        b"GRAY",
        b"XYZ ",
        {
            b"desc": _text(b"desc", b"a linear grey"),
            b"cprt": _text(b"text", b"none"),
            b"wtpt": _xyz(0.9642, 1.0, 0.8249),
            b"kTRC": _gamma(1.0),
        },
    )


def press_profile() -> bytes:
    """A press with inks of its own: its cyan is a dull blue, far from the cyan of a formula."""
    inks = {0: (94, -4, -12), 1: (35, 10, -40), 2: (45, 60, 0), 3: (85, 0, 80)}
    table = bytearray()
    for corner in range(16):
        on = [bool(corner & 8), bool(corner & 4), bool(corner & 2)]
        colours = [inks[1 + n] for n in range(3) if on[n]]
        lightness, a, b = (100.0, 0.0, 0.0)
        if colours:
            lightness = min(c[0] for c in colours) / len(colours)
            a, b = (sum(c[n] for c in colours) / len(colours) for n in (1, 2))
        if corner & 1:
            lightness, a, b = lightness * 0.1, 0.0, 0.0
        table += bytes((round(lightness * 2.55), round(a) + 128, round(b) + 128))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + bytes(table) + identity * 3
    return _profile(
        b"CMYK",
        b"Lab ",
        {
            b"desc": _text(b"desc", b"a press"),
            b"cprt": _text(b"text", b"none"),
            b"wtpt": _xyz(0.9642, 1.0, 0.8249),
            b"A2B0": lut,
            b"A2B1": lut,
        },
    )


@cache
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --- the kinds ---


def _animated(encoding: str) -> bytes:
    frames = [graphic(), graphic().transpose(Image.Transpose.ROTATE_180)]
    return encoded(frames[0], encoding, save_all=True, append_images=frames[1:], duration=100)


def _transparent_colour() -> bytes:
    return encoded(graphic(), "PNG", transparency=(0xF4, 0xF1, 0xEA))


def _transparent_palette() -> bytes:
    return encoded(graphic().quantize(8), "PNG", transparency=0)


@cache
def heic_in(primaries: int, transfer: int) -> bytes:
    """A small HEIC that declares its colours by code points."""
    import pillow_heif

    buffer = BytesIO()
    points = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 6}
    pillow_heif.from_pillow(photograph((240, 320))).save(buffer, quality=80, save_nclx_profile=True, **points)
    return buffer.getvalue()


def _with_cicp(primaries: int, transfer: int) -> bytes:
    return with_chunks(encoded(photograph(), "PNG"), png_chunk(b"cICP", bytes((primaries, transfer, 0, 1))))


def _with_gamma(value: int) -> bytes:
    return with_chunks(encoded(photograph(), "PNG"), png_chunk(b"gAMA", struct.pack(">I", value)))


def _with_long_metadata() -> bytes:
    plain = encoded(photograph(), "JPEG")
    part = b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)
    return plain[:2] + (b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part) * 93 + plain[2:]


def _damaged_png() -> bytes:
    data = bytearray(encoded(graphic(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    return bytes(data)


KINDS = (
    Kind("photo.jpg", "JPEG", lambda: encoded(photograph(), "JPEG")),
    Kind("photo.jpg", "JPEG, progressive", lambda: encoded(photograph(), "JPEG", progressive=True)),
    Kind("photo.jpg", "JPEG, grey", lambda: encoded(photograph().convert("L"), "JPEG")),
    Kind("photo.jpg", "JPEG with an sRGB profile", lambda: encoded(photograph(), "JPEG", icc_profile=srgb_profile())),
    Kind("photo.jpg", "JPEG with EXIF, upright", lambda: encoded(photograph(), "JPEG", exif=exif(1))),
    Kind("photo.png", "PNG", lambda: encoded(photograph(), "PNG")),
    Kind("sketch.png", "PNG, grey", lambda: encoded(graphic().convert("L"), "PNG")),
    Kind("photo.png", "JPEG named .png", lambda: encoded(photograph(), "JPEG")),
    Kind("photo.jpg", "PNG named .jpg", lambda: encoded(graphic(), "PNG")),
    Kind("phone.jpg", "JPEG that EXIF turns", lambda: encoded(photograph(), "JPEG", exif=exif(6))),
    Kind("phone.png", "PNG that EXIF turns", lambda: encoded(graphic(), "PNG", exif=exif(8))),
    Kind("phone.heic", "HEIC", heic_photograph),
    Kind("web.webp", "WebP", lambda: encoded(photograph(), "WEBP")),
    Kind("web.webp", "WebP, lossless, transparent", lambda: encoded(cut_out(), "WEBP", lossless=True)),
    Kind("web.jpg", "WebP named .jpg", lambda: encoded(photograph(), "WEBP")),
    Kind("web.avif", "AVIF", lambda: encoded(photograph(), "AVIF", speed=10)),
    Kind("print.jpg", "CMYK JPEG", lambda: encoded(photograph().convert("CMYK"), "JPEG")),
    Kind(
        "print.jpg",
        "CMYK JPEG with the press's profile",
        lambda: encoded(photograph().convert("CMYK"), "JPEG", icc_profile=press_profile()),
    ),
    Kind(
        "studio.jpg",
        "JPEG in a wide colour space",
        lambda: encoded(photograph(), "JPEG", icc_profile=wide_profile()),
    ),
    Kind(
        "studio.jpg",
        "grey JPEG with a profile of its own",
        lambda: encoded(photograph().convert("L"), "JPEG", icc_profile=linear_grey_profile()),
    ),
    Kind("phone.heic", "HEIC in Display P3 by code points", lambda: heic_in(12, 13)),
    Kind("camera.hif", "HEIC in HDR (PQ)", lambda: heic_in(9, 16)),
    Kind("screen.png", "PNG in Display P3 by `cICP`", lambda: _with_cicp(12, 13)),
    Kind("scan.png", "PNG whose `gAMA` says linear light", lambda: _with_gamma(100_000)),
    Kind("scan.png", "PNG whose `gAMA` is about sRGB's", lambda: _with_gamma(45_455)),
    Kind("scan.png", "PNG, 16-bit grey", lambda: encoded(sixteen_bit_grey(), "PNG")),
    Kind("scan.png", "PNG, 16-bit colour", sixteen_bit_colour),
    Kind("scan.png", "PNG, black and white", lambda: encoded(graphic().convert("1"), "PNG")),
    Kind("shirt.png", "PNG, palette", lambda: encoded(graphic().quantize(8), "PNG")),
    Kind("shirt.png", "PNG, palette with a transparent colour", _transparent_palette),
    Kind("shirt.png", "PNG, transparent", lambda: encoded(cut_out(), "PNG")),
    Kind("shirt.png", "PNG, grey and transparent", lambda: encoded(cut_out("LA"), "PNG")),
    Kind("shirt.png", "PNG with one colour transparent", _transparent_colour),
    Kind("shirt.png", "PNG, alpha channel all opaque", lambda: encoded(graphic().convert("RGBA"), "PNG")),
    Kind("banner.png", "PNG, animated", lambda: _animated("PNG")),
    Kind("banner.webp", "WebP, animated", lambda: _animated("WEBP")),
    Kind(
        "phone.jpg",
        "JPEG with a second picture inside (MPO)",
        lambda: encoded(photograph(), "MPO", save_all=True, append_images=[graphic()]),
    ),
    Kind("photo.jpg", "JPEG with a ZIP behind it", lambda: encoded(photograph(), "JPEG") + b"PK\3\4" + bytes(96)),
    Kind("photo.png", "PNG with HTML behind it", lambda: encoded(graphic(), "PNG") + b"<script>alert(1)</script>"),
    Kind(
        "photo.png",
        "PNG, a text in it grows to 20 MB",
        lambda: with_chunks(encoded(graphic(), "PNG"), text_bomb(20)),
    ),
    Kind("edited.jpg", "JPEG with metadata of 6 MB", _with_long_metadata),
    Kind("wide.jpg", "JPEG, 5000 x 3000", lambda: encoded(photograph().resize((5000, 3000)), "JPEG")),
    Kind(
        "huge.jpg",
        "JPEG, 12,000 x 8,000",
        lambda: encoded(photograph().convert("L").resize((12_000, 8_000)), "JPEG"),
    ),
    Kind(
        "heavy.png",
        "PNG, 2000 x 1500, over 5 MB",
        lambda: encoded(photograph((2000, 1500)), "PNG", compress_level=0),
    ),
    Kind("belt.png", "PNG, 6000 x 100", lambda: encoded(graphic().resize((6000, 100)), "PNG")),
    Kind("bomb.jpg", "JPEG that claims 21,000 x 21,000", lambda: claiming((21_000, 21_000))),
    Kind("bomb.jpg", "JPEG that claims 60,000 x 60,000", lambda: claiming((60_000, 60_000))),
    Kind("bomb.png", "PNG that claims 30,000 x 30,000", lambda: png((30_000, 30_000), 1, 0, bytes(3751))),
    Kind("bomb.webp", "WebP that claims 9,000 x 9,000", lambda: webp_claiming(9_000)),
    Kind("bomb.webp", "WebP that claims 16,000 x 16,000", lambda: webp_claiming(16_000)),
    Kind(
        "bomb.jpg",
        "JPEG drawn 200 times over",
        lambda: with_scans(encoded(graphic(), "JPEG", progressive=True), 200),
    ),
    Kind("dot.png", "PNG, 1 x 1", lambda: encoded(Image.new("RGB", (1, 1)), "PNG")),
    Kind("cut.jpg", "JPEG, cut short", lambda: encoded(photograph(), "JPEG")[:-3000]),
    Kind("cut.png", "PNG, cut short", lambda: encoded(photograph(), "PNG")[:-3000]),
    Kind("cut.webp", "WebP, cut short", lambda: encoded(photograph(), "WEBP")[:-3000]),
    Kind("cut.heic", "HEIC, cut short", lambda: heic_photograph()[:-1000]),
    Kind("flipped.png", "PNG with a flipped bit", _damaged_png),
    Kind("empty.jpg", "nothing", lambda: b""),
    Kind("page.jpg", "an HTML page", lambda: b"<!doctype html><title>404</title>"),
    Kind("logo.svg", "SVG", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    Kind("old.gif", "GIF", lambda: encoded(graphic(), "GIF")),
    Kind("scan.tif", "TIFF", lambda: encoded(graphic(), "TIFF")),
    Kind("design.pdf", "PDF", lambda: b"%PDF-1.7\n"),
    Kind("all.zip", "ZIP", lambda: b"PK\3\4" + bytes(60)),
)


@cache
def file(kind: Kind) -> bytes:
    """The bytes of a kind, made once."""
    return kind.build()


def row(kind: Kind) -> str:
    """What is sent for a kind, as a row of the table."""
    try:
        sent = prepare(file(kind), name=kind.name)
    except ImageError as error:
        return f"| {kind.what} | nothing | `{error}` |"
    done = "byte for byte" if sent.untouched else "; ".join(sent.changes)
    return f"| {kind.what} | {sent.format.upper()}, {sent.width} x {sent.height} | {done} |"


def page() -> str:
    """The whole page."""
    rows = "\n".join(row(kind) for kind in KINDS)
    taken = "\n".join(
        f"| {found.name} | {', '.join(f'`{extension}`' for extension in found.extensions)} | {_most(found.name)} |"
        for found in FORMATS.values()
    )
    return f"""# Pictures

## What is taken

A file is known by its first bytes, never by its name. `tryon plan`, `tryon run` and the stack decide alike.

| format | usual names | most pixels |
|---|---|---|
{taken}

A file may have {MAX_INPUT_BYTES // 10**6} MB (`MaxImageBytes` sets less), and no side may be shorter than 64 pixels.
The limits come from measured memory: [memory.md](memory.md) has the figures. What is larger is refused before it is
decoded, and the error says the size that was found and the limit. So is a JPEG in more than 100 scans, or in fewer
when it is large, and one of more than 10,000 parts.

## Colours

Everything becomes sRGB. An ICC profile counts first. Without one, code points count (`nclx` in HEIC and AVIF, `cICP` in
PNG, where it counts before the profile), then a PNG's `gAMA` and `cHRM`, then a camera's EXIF mark for Adobe RGB. Code
points that are unspecified, and a PNG's gamma of about 1/2.2, mean sRGB. A picture that is sRGB already is not touched.

HDR pictures ({" and ".join(HDR.values())}) are refused by name. No standard says how their light becomes an ordinary
screen's: every program makes a different picture of them, and each combination made with a wrong one would be paid.
Export such a picture as SDR. Pictures of telephones with a gain map are not HDR in this sense: their SDR picture is
sent.

## Metadata

Metadata stay in a picture that is sent byte for byte. When they alone make a file longer than the service's 5 MB, they
are removed and no pixel is touched; the ICC profile and the first EXIF stay if they fit.

## What is sent

At the default `max_side` of 1920 pixels. Most samples are {SIZE[0]} x {SIZE[1]} pixels. Errors are shown as a user sees
them.

Written by `.venv/bin/python -m benchmarks.pictures`; a test compares it with what the code does.

| file | sent | what was done, or why not |
|---|---|---|
{rows}

Not seen: a JPEG whose middle is damaged but whose end is there (decoders fill the hole with grey and report nothing),
and colours that only an HEVC stream itself declares. TIFF, GIF, camera raw files and lossless JPEG are refused: each
would bring a decoder with a long history of holes, for files that no service takes.
"""


def _most(name: str) -> str:
    most = [(what.removeprefix(name).strip(), pixels) for what, pixels in MOST_PIXELS.items() if what.startswith(name)]
    return "; ".join(f"{pixels // 10**6} million{f' {what}' if what else ''}" for what, pixels in most)


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{len(KINDS)} kinds of file: {PAGE.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
