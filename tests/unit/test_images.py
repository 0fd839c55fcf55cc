"""What becomes of a shop's pictures, kind by kind; the kinds themselves are those of the documents' table."""

import hashlib
import random
import struct
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from benchmarks import pictures
from benchmarks.pictures import KINDS, SIZE, Kind, encoded, exif, file, graphic, photograph, png, png_chunk
from tryon.pictures.images import ImageError, Picture, prepare, thumbnail

# Pillow warns where the code then refuses.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

KIND = {kind.what: kind for kind in KINDS}


def sent(what: str, **options: Any) -> Picture:
    kind = KIND[what]
    return prepare(file(kind), name=kind.name, **options)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def close(seen: object, wanted: tuple[int, ...], by: int = 3) -> bool:
    assert isinstance(seen, tuple)
    return all(abs(a - b) <= by for a, b in zip(seen, wanted, strict=True))


# --- what passes ---


@pytest.mark.parametrize(
    "what",
    [
        "JPEG",
        "JPEG, progressive",
        "JPEG, grey",
        "JPEG with an sRGB profile",
        "JPEG with EXIF, upright",
        "PNG",
        "PNG, grey",
        "JPEG named .png",
        "PNG named .jpg",
    ],
)
def test_what_the_service_takes_is_sent_byte_for_byte(what: str) -> None:
    picture = sent(what)
    assert picture.data == file(KIND[what])
    assert picture.untouched
    assert picture.changes == ()
    assert (picture.width, picture.height) == SIZE
    assert picture.sha256 == hashlib.sha256(picture.data).hexdigest()
    assert picture.format == ("png" if picture.data.startswith(b"\x89PNG") else "jpeg")


def filled(length: int) -> bytes:
    """A JPEG of exactly that many bytes, by comments."""
    data = encoded(graphic(), "JPEG")
    missing, comments = length - len(data), b""
    while missing:
        size = missing if missing <= 65_537 else min(65_537, missing - 4)
        comments += b"\xff\xfe" + struct.pack(">H", size - 2) + bytes(size - 4)
        missing -= size
    return data[:2] + comments + data[2:]


def test_one_byte_under_five_million_passes_and_five_million_do_not() -> None:
    assert prepare(filled(4_999_999), name="a.jpg").untouched
    at_limit = prepare(filled(5_000_000), name="a.jpg")
    assert not at_limit.untouched
    assert len(at_limit.data) < 100_000


def test_4095_pixels_pass_and_4096_are_shrunk() -> None:
    below = prepare(encoded(graphic().resize((4095, 100)), "PNG"), name="a.png")
    assert (below.untouched, below.width) == (True, 4095)
    for size in ((4096, 200), (200, 4096)):
        at_limit = prepare(encoded(graphic().resize(size), "PNG"), name="a.png")
        assert sorted((at_limit.width, at_limit.height)) == [94, 1920]
        assert at_limit.changes == (f"resized from {size[0]} x {size[1]} pixels", "PNG encoded anew")


def test_a_profile_that_is_srgb_under_another_name_passes() -> None:
    renamed = pictures.srgb_profile().replace(b"sRGB", b"abcd").replace(b"s\0R\0G\0B", b"a\0b\0c\0d")
    assert renamed != pictures.srgb_profile()
    assert prepare(encoded(photograph(), "JPEG", icc_profile=renamed), name="a.jpg").untouched


@pytest.mark.parametrize("profile", [b"nonsense", bytes(200), pictures.wide_profile()[:150]])
def test_a_profile_that_nobody_can_read_does_not_matter(profile: bytes) -> None:
    assert prepare(encoded(photograph(), "JPEG", icc_profile=profile), name="a.jpg").untouched


def test_a_profile_of_other_colours_than_the_pictures_does_not_matter() -> None:
    grey = encoded(photograph().convert("L"), "JPEG", icc_profile=pictures.wide_profile())
    colour = encoded(photograph(), "JPEG", icc_profile=pictures.linear_grey_profile())
    assert prepare(grey, name="a.jpg").untouched
    assert prepare(colour, name="a.jpg").untouched


@pytest.mark.parametrize(
    "what",
    [
        "PNG, 16-bit grey",
        "PNG, 16-bit colour",
        "PNG, black and white",
        "PNG, palette",
        "PNG with one colour transparent",
        "PNG, alpha channel all opaque",
    ],
)
def test_a_png_of_another_kind_becomes_eight_bit_grey_or_colour(what: str) -> None:
    picture = sent(what)
    assert not picture.untouched
    # Depth and colour type of the header (PNG specification, 11.2.2).
    assert tuple(picture.data[24:26]) in ((8, 0), (8, 2))
    assert b"tRNS" not in picture.data


# --- what is cut out without touching a pixel ---


@pytest.mark.parametrize(
    "what",
    [
        "PNG, animated",
        "JPEG with a second picture inside (MPO)",
        "JPEG with a ZIP behind it",
        "PNG with HTML behind it",
        "PNG, a text in it grows to 20 MB",
    ],
)
def test_what_does_not_belong_to_the_picture_is_cut_out_and_its_pixels_stay(what: str) -> None:
    picture = sent(what)
    before = file(KIND[what])
    assert not picture.untouched
    assert len(picture.changes) == 1
    assert len(picture.data) < len(before)
    if b"zTXt" not in before:
        assert opened(picture.data).tobytes() == opened(before).tobytes()
    else:  # Pillow would not open it
        assert opened(picture.data).tobytes() == graphic().tobytes()
    for foreign in (b"PK\3\4", b"<script>", b"acTL", b"fdAT", b"zTXt"):
        assert foreign not in picture.data
    # And what is left is what passes.
    again = prepare(picture.data, name="again")
    assert (again.untouched, again.data) == (True, picture.data)


def test_small_texts_in_a_png_stay() -> None:
    texts = [
        png_chunk(b"tEXt", b"Author\0me"),
        png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"short")),
        png_chunk(b"iTXt", b"Title\0\0\0en\0\0short"),
        png_chunk(b"iTXt", b"Title\0\1\0en\0\0" + zlib.compress(b"short")),
        png_chunk(b"zTXt", b"Broken\0\0not deflated"),
    ]
    assert prepare(pictures.with_chunks(encoded(graphic(), "PNG"), *texts), name="a.png").untouched


@pytest.mark.parametrize(
    ("kind", "head", "size", "times"),
    [
        (b"iTXt", b"Title\0\1\0en\0\0", 20_000_000, 1),
        (b"iCCP", b"profile\0\0", 20_000_000, 1),
        (b"zTXt", b"T\0\0", 1_000_000, 200),
    ],
    ids=["international text", "profile", "many texts of a megabyte"],
)
def test_no_compressed_part_of_a_png_may_grow_without_end(kind: bytes, head: bytes, size: int, times: int) -> None:
    bomb = png_chunk(kind, head + zlib.compress(bytes(size)))
    picture = prepare(pictures.with_chunks(encoded(graphic(), "PNG"), *[bomb] * times), name="a.png")
    assert picture.changes == ("oversized text or profile left out",)
    assert len(picture.data) < len(encoded(graphic(), "PNG")) + 6_000


# --- orientation ---

CORNERS = {"red": (0, 0), "green": (1, 0), "blue": (0, 1), "black": (1, 1)}
# Where EXIF's eight orientations bring the stored top-left (red) and top-right (green) corners to.
UPRIGHT = {
    1: ("red", "green"),
    2: ("green", "red"),
    3: ("black", "blue"),
    4: ("blue", "black"),
    5: ("red", "blue"),
    6: ("blue", "red"),
    7: ("black", "green"),
    8: ("green", "black"),
}
COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}


def corners() -> Image.Image:
    image = Image.new("RGB", (160, 96))
    for colour, (x, y) in CORNERS.items():
        image.paste(colour, (x * 80, y * 48, x * 80 + 80, y * 48 + 48))
    return image


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_sent_upright_whatever_exif_says(encoding: str, orientation: int) -> None:
    lossless = {"lossless": True} if encoding == "WEBP" else {}
    picture = prepare(encoded(corners(), encoding, exif=exif(orientation), **lossless), name="a")
    assert (picture.width, picture.height) == ((96, 160) if orientation > 4 else (160, 96))
    assert ("turned upright" in picture.changes) == (orientation != 1)
    pixels = opened(picture.data)
    assert pixels.getexif().get(0x0112, 1) == 1
    seen = (pixels.getpixel((10, 10)), pixels.getpixel((picture.width - 10, 10)))
    for colour, wanted in zip(seen, UPRIGHT[orientation], strict=True):
        assert close(colour, COLOURS[wanted], by=6)


def test_exif_behind_a_pngs_pixels_turns_it_too() -> None:
    rows = b"".join(b"\0" + bytes(3 * 100) for _ in range(80))
    late = png((100, 80), 8, 2, rows, after=png_chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0")))
    assert prepare(late, name="a.png").height == 100


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("tag", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(0), exif(9), exif(77)])
def test_exif_without_a_known_orientation_leaves_the_picture_as_it_is(tag: bytes) -> None:
    assert prepare(encoded(photograph(), "JPEG", exif=tag), name="a.jpg").untouched


def test_an_orientation_that_only_xmp_claims_is_not_followed() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    assert prepare(encoded(photograph(), "JPEG", xmp=xmp), name="a.jpg").untouched


# --- colours ---


def test_a_wide_colour_space_is_converted_by_its_profile() -> None:
    profile = pictures.wide_profile()
    plain = Image.new("RGB", (100, 100), (100, 180, 90))
    wanted = ImageCms.profileToProfile(
        plain, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert wanted is not None
    assert not close(wanted.getpixel((5, 5)), (100, 180, 90), by=20)
    for data in (
        encoded(plain, "PNG", icc_profile=profile),
        encoded(plain, "WEBP", lossless=True, icc_profile=profile),
    ):
        picture = prepare(data, name="a")
        assert close(opened(picture.data).getpixel((5, 5)), wanted.getpixel((5, 5)))  # type: ignore[arg-type]
        assert "icc_profile" not in opened(picture.data).info


def test_grey_is_converted_by_its_profile_and_stays_grey() -> None:
    plain = Image.new("L", (100, 100), 128)
    picture = prepare(encoded(plain, "PNG", icc_profile=pictures.linear_grey_profile()), name="a.png")
    # Half the light is 188 of 255 in sRGB (IEC 61966-2-1).
    assert opened(picture.data).mode == "L"
    assert opened(picture.data).getpixel((5, 5)) in (187, 188, 189)


def test_cmyk_is_converted_by_its_profile_and_by_the_formula_without() -> None:
    ink = Image.new("CMYK", (100, 100), (255, 0, 0, 0))
    paper = Image.new("CMYK", (100, 100), (0, 0, 0, 0))
    formula = prepare(encoded(ink, "JPEG", quality=100), name="a.jpg")
    assert close(opened(formula.data).getpixel((5, 5)), (0, 255, 255))
    press = prepare(encoded(ink, "JPEG", quality=100, icc_profile=pictures.press_profile()), name="a.jpg")
    red, green, blue = opened(press.data).convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red < 100 < blue
    assert green < 140
    white = prepare(encoded(paper, "JPEG", quality=100, icc_profile=pictures.press_profile()), name="a.jpg")
    assert close(opened(white.data).convert("RGB").getpixel((5, 5)), (255, 255, 255))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    grey = opened(sent("PNG, 16-bit grey").data)
    assert grey.mode == "L"
    for column in (0, 1, 100, 240, 479):
        assert abs(grey.getpixel((column, 9)) - column * 255 / 479) <= 1  # type: ignore[operator]
    colour = opened(sent("PNG, 16-bit colour").data)
    assert close(colour.getpixel((0, 0)), (0, 255, 128), by=1)
    assert close(colour.getpixel((479, 0)), (254, 0, 128), by=1)


@pytest.mark.parametrize(
    ("bits", "colour", "sample", "transparent", "seen"),
    [
        (1, 0, b"\x00\x00", 0, (255, 255)),
        (1, 0, b"\xff\xff", 0, (255, 255)),
        (2, 0, b"\x55\x55", 1, (255, 255)),
        (2, 0, b"\x55\x55", 2, (85, 85)),
        (4, 0, b"\x77\x77", 7, (255, 255)),
        (4, 0, b"\x77\x77", 8, (119, 119)),
        (8, 0, b"\x40\x40", 0x40, (255, 255)),
        (8, 0, b"\x40\x40", 0x41, (64, 64)),
        (16, 0, b"\x40\x40", 0x4040, (255, 255)),
        (16, 0, b"\x40\x40", 0x4041, (64, 64)),
    ],
)
def test_a_transparent_grey_counts_at_every_depth(
    bits: int, colour: int, sample: bytes, transparent: int, seen: tuple[int, int]
) -> None:
    rows = (b"\0" + (sample * 100)[: 100 * bits // 8 + (100 * bits % 8 > 0)]) * 80
    data = png((100, 80), bits, colour, rows, png_chunk(b"tRNS", struct.pack(">H", transparent)))
    pixels = opened(prepare(data, name="a.png").data).convert("L")
    assert pixels.getextrema() == seen


@pytest.mark.parametrize(("bits", "pixel"), [(8, b"\x10\x20\x30"), (16, b"\x10\x10\x20\x20\x30\x30")])
def test_a_transparent_colour_counts_at_every_depth(bits: int, pixel: bytes) -> None:
    named = pixel if bits == 16 else b"".join(b"\0" + pixel[n : n + 1] for n in range(3))
    rows = (b"\0" + pixel * 50 + b"\xee" * len(pixel) * 50) * 80
    data = png((100, 80), bits, 2, rows, png_chunk(b"tRNS", named))
    pixels = opened(prepare(data, name="a.png").data)
    assert pixels.getpixel((10, 10)) == (255, 255, 255)
    assert pixels.getpixel((90, 10)) == (0xEE, 0xEE, 0xEE)


@pytest.mark.parametrize(
    "what",
    [
        "PNG, transparent",
        "PNG, grey and transparent",
        "WebP, lossless, transparent",
    ],
)
def test_transparency_is_laid_on_white(what: str) -> None:
    pixels = opened(sent(what).data).convert("RGB")
    assert close(pixels.getpixel((5, 5)), (255, 255, 255))
    original = opened(file(KIND[what])).convert("RGBA").getpixel((240, 320))
    assert close(pixels.getpixel((240, 320)), original[:3], by=12)  # type: ignore[index]


def test_half_transparency_lets_half_the_white_through() -> None:
    veil = Image.new("RGBA", (100, 100), (200, 0, 0, 128))
    for data in (encoded(veil, "PNG"), encoded(veil.resize((4200, 210)), "PNG")):
        assert close(opened(prepare(data, name="a.png").data).convert("RGB").getpixel((50, 50)), (227, 127, 127))


def test_transparent_pixels_do_not_bleed_into_the_edge_when_a_picture_is_shrunk() -> None:
    hidden = Image.new("RGBA", (4200, 210), (255, 0, 0, 0))
    hidden.paste((0, 0, 255, 255), (0, 0, 2101, 210))
    pixels = opened(prepare(encoded(hidden, "PNG"), name="a.png", max_side=1920).data).convert("RGB")
    edge = [pixels.getpixel((x, 50)) for x in range(900, 1000)]
    assert all(red <= green + 3 for red, green, _ in edge)  # type: ignore[misc]


@pytest.mark.parametrize("what", ["HEIC", "WebP", "AVIF", "WebP named .jpg", "CMYK JPEG"])
def test_a_converted_photograph_still_looks_like_the_file(what: str) -> None:
    picture = sent(what)
    if what == "HEIC":
        import pillow_heif

        before = pillow_heif.read_heif(file(KIND[what])).to_pillow()
    else:
        before = opened(file(KIND[what])).convert("RGB")
    after = opened(picture.data)
    assert (picture.format, after.size) == ("jpeg", before.size)
    # Mean error of the pixels, in levels of 256: grain makes up most of it.
    errors = [abs(a - b) for a, b in zip(after.tobytes()[::7], before.tobytes()[::7], strict=True)]
    assert sum(errors) / len(errors) < 3.3
    # Each colour at the full size (4:4:4): patterned fabric is what suffers otherwise.
    assert {sampling[1:3] for sampling in after.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_drawings_stay_exact() -> None:
    assert opened(sent("PNG, palette").data).convert("RGB").tobytes() == graphic().quantize(8).convert("RGB").tobytes()
    assert sent("PNG, alpha channel all opaque").format == "png"


def test_nothing_but_pixels_is_carried_into_a_converted_picture() -> None:
    turned = {"exif": exif(6), "icc_profile": pictures.srgb_profile()}
    jpeg = prepare(encoded(photograph(), "JPEG", comment=b"s3cret", **turned), name="a.jpg").data
    assert opened(jpeg).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    drawn = prepare(encoded(graphic(), "PNG", **turned), name="a.png").data
    assert opened(drawn).info == {}


# --- sizes ---


@pytest.mark.parametrize("max_side", [1080, 1920, 4088])
def test_a_converted_picture_is_no_larger_than_the_side_asked_for(max_side: int) -> None:
    wide = encoded(photograph().resize((4800, 600)), "JPEG")
    picture = prepare(wide, name="a.jpg", max_side=max_side)
    assert (picture.width, picture.height) == (max_side, max_side // 8)
    assert sent("WebP", max_side=max_side).width == SIZE[0]


@pytest.mark.parametrize(("height", "max_side"), [(6000, 9000), (6000, 4096), (4096, 4096)])
def test_every_side_is_under_4096_whatever_is_asked_for(height: int, max_side: int) -> None:
    tall = encoded(graphic().resize((300, height)), "PNG")
    assert prepare(tall, name="a.png", max_side=max_side).height == 4095


def test_even_noise_comes_to_fit_five_million_bytes() -> None:
    noise = Image.frombytes("RGB", (2200, 2200), random.Random(3).randbytes(2200 * 2200 * 3))
    picture = prepare(encoded(noise, "PNG", compress_level=0), name="noise.png", max_side=2200)
    assert 2_000_000 < len(picture.data) < 5_000_000
    assert picture.changes[0] == "shrunk from 2200 x 2200 pixels to stay under 5,000,000 bytes"
    assert opened(picture.data).size == (picture.width, picture.height)


def test_12000_pixels_are_shrunk_without_being_drawn_in_full() -> None:
    picture = sent("JPEG, 12,000 x 8,000")
    assert (picture.width, picture.height) == (1920, 1280)


# --- what cannot be sent ---


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("PNG, 6000 x 100", "too narrow"),
        ("JPEG that claims 60,000 x 60,000", "60,000 × 60,000 = 3,600.0 million pixels; a JPEG may have at most 420.0"),
        ("JPEG that claims 21,000 x 21,000", "441.0 million pixels; a JPEG may"),
        ("PNG that claims 30,000 x 30,000", "900.0 million pixels; a PNG may have at most 120.0"),
        ("WebP that claims 16,000 x 16,000", "256.0 million pixels; a WebP may have at most 80.0"),
        ("WebP that claims 9,000 x 9,000", "81.0 million pixels; a WebP may"),
        ("JPEG drawn 200 times over", "100 scans"),
        ("PNG, 1 x 1", "1 x 1"),
        ("JPEG, cut short", "cut short"),
        ("PNG, cut short", "cut short"),
        ("WebP, cut short", "cut short"),
        ("HEIC, cut short", "cut short"),
        ("PNG with a flipped bit", "checksum"),
        ("nothing", "empty"),
        ("an HTML page", "HTML"),
        ("SVG", "SVG"),
        ("GIF", "a GIF"),
        ("TIFF", "TIFF"),
        ("PDF", "PDF"),
        ("ZIP", "ZIP"),
    ],
)
def test_an_error_names_the_file_and_the_reason(what: str, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        sent(what)
    assert str(caught.value).startswith(f"{KIND[what].name}: ")
    assert reason in caught.value.reason
    assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("what", ["JPEG", "JPEG, progressive", "PNG", "WebP", "AVIF", "HEIC"])
def test_a_picture_cut_anywhere_is_never_sent(what: str, share: float) -> None:
    data = file(KIND[what])
    with pytest.raises(ImageError):
        prepare(data[: int(len(data) * share)], name="cut")


def test_a_file_beyond_all_measure_is_refused_unread() -> None:
    with pytest.raises(ImageError, match="larger than 100 MB"):
        prepare(b"\xff\xd8\xff" + bytes(100_000_000), name="a.jpg")


def test_a_png_of_countless_chunks_is_refused() -> None:
    data = pictures.with_chunks(encoded(graphic(), "PNG"), png_chunk(b"tEXt", b"a\0b") * 60_000)
    with pytest.raises(ImageError, match="50000 chunks"):
        prepare(data, name="a.png")


# --- whatever comes ---


def check(data: bytes) -> None:
    """Either a picture within the service's limits that can be decoded, or a named error."""
    try:
        picture = prepare(data, name="file", max_side=1080)
    except ImageError as error:
        assert error.name == "file"
        return
    decoded = opened(picture.data)
    assert decoded.format in ("JPEG", "PNG", "MPO")
    assert decoded.size == (picture.width, picture.height)
    assert decoded.mode in ("L", "RGB")
    assert len(picture.data) < 5_000_000
    assert max(decoded.size) < 4096
    assert decoded.getexif().get(0x0112, 1) in (0, 1) or picture.untouched


MAGIC = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"\0\0\0\x18ftypheic",
    b"\0\0\0\x18ftypavif",
]


@settings(deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_arbitrary_bytes_are_a_picture_or_a_named_error(magic: bytes, data: bytes) -> None:
    check(magic + data)


def small(build: Callable[[Image.Image], bytes]) -> bytes:
    return build(photograph().resize((72, 96)))


SMALL = {
    "jpeg": small(lambda p: encoded(p, "JPEG", exif=exif(6), icc_profile=pictures.wide_profile())),
    "progressive": small(lambda p: encoded(p, "JPEG", progressive=True)),
    "cmyk": small(lambda p: encoded(p.convert("CMYK"), "JPEG", icc_profile=pictures.press_profile())),
    "mpo": small(lambda p: encoded(p, "MPO", save_all=True, append_images=[p])),
    "png": small(lambda p: encoded(p, "PNG", exif=exif(3), icc_profile=pictures.wide_profile())),
    "palette": small(lambda p: encoded(p.quantize(16), "PNG", transparency=3)),
    "apng": small(lambda p: encoded(p, "PNG", save_all=True, append_images=[p.rotate(180)])),
    "webp": small(lambda p: encoded(p.convert("RGBA"), "WEBP", exif=exif(5), icc_profile=pictures.wide_profile())),
    "avif": small(lambda p: encoded(p, "AVIF")),
    "heic": pictures.heic_photograph(),
}


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(SMALL[draw(st.sampled_from(sorted(SMALL)))])
    for _ in range(draw(st.integers(1, 4))):
        # Most of what steers a decoder is in the first bytes.
        at = draw(st.integers(0, min(len(data), 700)) | st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                data[at : at + 4] = draw(st.binary(min_size=4, max_size=4))
            case 2:
                data[at:at] = draw(st.binary(max_size=40))
            case _:
                del data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mutated(), st.booleans())
def test_a_mutated_picture_is_a_picture_or_a_named_error(data: bytes, mend: bool) -> None:
    check(mended(data) if mend and data.startswith(b"\x89PNG") else data)


def mended(data: bytes) -> bytes:
    """The PNG with checksums that fit again, so that the damage gets past them."""
    whole, at = data[:8], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        content = data[at + 4 : end - 4]
        whole += data[at : at + 4] + content + struct.pack(">I", zlib.crc32(content))
        at = end
    return whole


# --- memory, threads, disk ---


def test_nothing_touches_a_disk_or_starts_a_program() -> None:
    seen: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in ("open", "os.mkdir", "subprocess.Popen", "os.posix_spawn", "tempfile.mkstemp"):
            seen.append(f"{event} {arguments[0]}")

    def outcome(kind: Kind) -> None:
        try:
            thumbnail(prepare(file(kind), name=kind.name).data, side=200)
        except ImageError:
            return

    chosen = [kind for kind in KINDS if len(file(kind)) < 300_000]
    for kind in chosen:
        outcome(kind)  # imports are over
    # A hook stays for the process's life: switched off, it costs one comparison an event.
    sys.addaudithook(watch)
    watching = True
    for kind in chosen:
        outcome(kind)
    watching = False
    assert seen == []


def test_pictures_may_be_prepared_in_threads() -> None:
    chosen = [kind for kind in KINDS if "5000" in kind.what or kind.what == "HEIC" or kind.what == "PNG, palette"] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda kind: prepare(file(kind), name=kind.name).sha256, chosen))
    assert together == [prepare(file(kind), name=kind.name).sha256 for kind in chosen]


# --- thumbnails ---


def test_a_thumbnail_is_a_small_upright_jpeg_without_metadata() -> None:
    data = encoded(
        corners().resize((1600, 960)), "JPEG", exif=exif(6), comment=b"s3cret", icc_profile=pictures.wide_profile()
    )
    small = thumbnail(data, side=200)
    pixels = opened(small)
    assert (pixels.format, pixels.size) == ("JPEG", (120, 200))
    assert pixels.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"s3cret" not in small
    assert len(small) < 10_000
    assert close(pixels.getpixel((110, 10)), COLOURS["red"], by=40)


def test_a_thumbnail_of_a_small_picture_is_not_blown_up() -> None:
    assert opened(thumbnail(encoded(graphic(), "PNG"), side=4000)).size == SIZE


def test_a_thumbnail_of_a_bomb_or_of_nothing_is_a_named_error() -> None:
    for what in (
        "PNG that claims 30,000 x 30,000",
        "WebP that claims 16,000 x 16,000",
        "nothing",
        "JPEG, cut short",
    ):
        with pytest.raises(ImageError, match=r"^a\.png: "):
            thumbnail(file(KIND[what]), side=200, name="a.png")


# --- the documents ---


def test_the_table_in_the_documents_is_what_the_code_does() -> None:
    assert pictures.PAGE.read_text(encoding="utf-8") == pictures.page(), "run: .venv/bin/python -m benchmarks.pictures"
