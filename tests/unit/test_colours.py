"""Colours that a file declares without an ICC profile, against the standards' own matrices and curves."""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import ExifTags, Image

from benchmarks import pictures
from benchmarks.pictures import encoded, png, png_chunk, with_chunks
from tryon.pictures import containers
from tryon.pictures.colours import CodePoints, of_png
from tryon.pictures.images import ImageError, Picture, prepare

Colour = tuple[int, int, int]
NOTE = "colours converted to sRGB"
RED = (200, 30, 40)

# Linear light of one space's red, green and blue in sRGB's: P3 by SMPTE EG 432-1, BT.2020 by ITU-R BT.2087.
MATRICES = {
    1: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}
CURVES: dict[int, Callable[[float], float]] = {
    1: lambda v: v / 4.5 if v < 0.081 else ((v + 0.099) / 1.099) ** (1 / 0.45),
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    8: lambda v: v,
    13: lambda v: v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4,
}


def in_srgb(colour: Colour, primaries: int, transfer: int) -> tuple[int, ...]:
    light = [CURVES[transfer](value / 255) for value in colour]
    found = [min(max(sum(a * b for a, b in zip(row, light, strict=True)), 0), 1) for row in MATRICES[primaries]]
    return tuple(round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in found)


def heic(colour: Colour, primaries: int, transfer: int, mode: str = "RGB") -> bytes:
    out = BytesIO()
    picture = Image.new("RGB", (96, 96), colour).convert(mode)
    pillow_heif.from_pillow(picture).save(
        out, quality=-1, chroma=444, matrix_coefficients=0, save_nclx_profile=True,
        color_primaries=primaries, transfer_characteristics=transfer, full_range_flag=1,
    )  # fmt: skip
    return out.getvalue()


def avif(colour: Colour, primaries: int, transfer: int, **options: Any) -> bytes:
    data = encoded(Image.new("RGB", (96, 96), colour), "AVIF", quality=100, subsampling="4:4:4", speed=10, **options)
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def cicp(colour: Colour, primaries: int, transfer: int) -> bytes:
    chunk = png_chunk(b"cICP", bytes((primaries, transfer, 0, 1)))
    return with_chunks(encoded(Image.new("RGB", (96, 96), colour), "PNG"), chunk)


def seen(picture: Picture) -> tuple[int, ...]:
    pixel = Image.open(BytesIO(picture.data)).convert("RGB").getpixel((40, 40))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def close(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


WAYS = [heic, avif, cicp]


@pytest.mark.parametrize("way", WAYS)
def test_display_p3_by_code_points_alone_becomes_srgb(way: Callable[..., bytes]) -> None:
    picture = prepare(way(RED, 12, 13), name="anna")
    assert close(seen(picture), (218, 0, 27))
    assert NOTE in picture.changes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("primaries", "transfer"), [(9, 1), (9, 14), (9, 13), (1, 1), (1, 6), (1, 4), (12, 5), (1, 8)])
def test_other_code_points_are_converted_by_their_primaries_and_curve(
    way: Callable[..., bytes], primaries: int, transfer: int
) -> None:
    colour = (150, 90, 12)
    picture = prepare(way(colour, primaries, transfer), name="anna")
    wanted = in_srgb(colour, primaries, {6: 1, 14: 1}.get(transfer, transfer))
    assert not close(wanted, colour)
    assert close(seen(picture), wanted)
    assert NOTE in picture.changes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (2, 2), (1, 2), (2, 13), (3, 3), (99, 255)])
def test_srgb_unspecified_and_reserved_code_points_change_no_colour(
    way: Callable[..., bytes], primaries: int, transfer: int
) -> None:
    if way is heic and primaries not in (1, 2):
        with pytest.raises(ImageError, match="damaged"):  # by libheif, which knows no reserved ones
            prepare(heic(RED, primaries, transfer), name="anna")
        return
    picture = prepare(way(RED, primaries, transfer), name="anna")
    assert NOTE not in picture.changes
    assert close(seen(picture), RED, by=2)
    assert picture.untouched == (way is cicp)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_a_high_dynamic_range_is_refused_by_name(way: Callable[..., bytes], transfer: int, name: str) -> None:
    with pytest.raises(ImageError, match=rf"^anna: is an HDR picture \({name}\), .*export it as SDR"):
        prepare(way(RED, 9, transfer), name="anna")


def test_an_icc_profile_in_a_heif_container_comes_before_its_code_points() -> None:
    profile = pictures.wide_profile()
    colour = (100, 180, 90)
    both = avif(colour, 12, 13, icc_profile=profile)
    assert b"colrprof" in both or b"colrrICC" in both
    by_profile = seen(prepare(encoded(Image.new("RGB", (96, 96), colour), "PNG", icc_profile=profile), name="a"))
    assert close(seen(prepare(both, name="a")), by_profile)
    assert not close(by_profile, in_srgb(colour, 12, 13), by=10)


def test_an_hdr_mark_beside_an_icc_profile_does_not_count() -> None:
    assert prepare(avif(RED, 9, 16, icc_profile=pictures.srgb_profile()), name="a").format


def test_cicp_in_a_png_comes_before_its_icc_profile() -> None:
    data = encoded(Image.new("RGB", (96, 96), RED), "PNG", icc_profile=pictures.wide_profile())
    picture = prepare(with_chunks(data, png_chunk(b"cICP", bytes((12, 13, 0, 1)))), name="a.png")
    assert close(seen(picture), (218, 0, 27))


def test_a_png_whose_profile_does_not_count_is_not_sent_with_it() -> None:
    data = encoded(Image.new("RGB", (96, 96), RED), "PNG", icc_profile=pictures.wide_profile())
    picture = prepare(with_chunks(data, png_chunk(b"cICP", bytes((1, 13, 0, 1)))), name="a.png")
    assert seen(picture) == RED
    assert b"iCCP" not in picture.data


def test_the_narrow_range_of_cicp_is_widened() -> None:
    for level, wanted in ((16, 0), (235, 255), (126, 128)):
        data = encoded(Image.new("RGB", (96, 96), (level,) * 3), "PNG")
        picture = prepare(with_chunks(data, png_chunk(b"cICP", bytes((1, 13, 0, 0)))), name="a.png")
        assert close(seen(picture), (wanted,) * 3)


P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
BROKEN = bytes(32)


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ({b"gAMA": 100_000}, in_srgb(RED, 1, 8)),
        ({b"gAMA": 35_714}, in_srgb(RED, 1, 5)),
        ({b"gAMA": 45_455, b"cHRM": P3}, (218, 0, 27)),
        ({b"cHRM": P3}, (218, 0, 27)),
        ({b"gAMA": 100_000, b"cHRM": P3}, in_srgb(RED, 12, 8)),
        ({b"gAMA": 45_455}, None),
        ({b"gAMA": 45_455, b"cHRM": SRGB}, None),
        ({b"gAMA": 100_000, b"sRGB": b"\0"}, None),
        ({b"gAMA": 0}, None),
        ({b"cHRM": BROKEN}, None),
    ],
)
def test_a_pngs_gamma_and_chromaticities_count_where_they_differ_from_srgbs(
    chunks: dict[bytes, Any], wanted: tuple[int, ...] | None
) -> None:
    made = [png_chunk(k, v if isinstance(v, bytes) else struct.pack(">I", v)) for k, v in chunks.items()]
    picture = prepare(with_chunks(encoded(Image.new("RGB", (96, 96), RED), "PNG"), *made), name="a.png")
    assert picture.untouched == (wanted is None)
    assert close(seen(picture), wanted or RED)


def test_an_icc_profile_in_a_png_comes_before_its_gamma() -> None:
    data = encoded(Image.new("RGB", (96, 96), RED), "PNG", icc_profile=pictures.srgb_profile())
    assert prepare(with_chunks(data, png_chunk(b"gAMA", struct.pack(">I", 100_000))), name="a.png").untouched


def test_grey_alpha_and_sixteen_bits_are_converted_too() -> None:
    linear = png_chunk(b"gAMA", struct.pack(">I", 100_000))
    grey = with_chunks(encoded(Image.new("L", (96, 96), 128), "PNG"), linear)
    assert seen(prepare(grey, name="a.png"))[0] in (187, 188, 189)
    p3 = png_chunk(b"cICP", bytes((12, 13, 0, 1)))
    glass = with_chunks(encoded(Image.new("RGBA", (96, 96), (*RED, 255)), "PNG"), p3)
    assert close(seen(prepare(glass, name="a.png")), (218, 0, 27))
    row = b"\0" + struct.pack(">3H", *(value * 257 for value in RED)) * 96
    assert close(seen(prepare(png((96, 96), 16, 2, row * 96, p3), name="a.png")), (218, 0, 27))


def test_a_heic_of_ten_bits_with_alpha_is_converted_and_laid_on_white() -> None:
    row = struct.pack("<4H", *(value * 257 for value in (*RED, 255))) * 96
    out = BytesIO()
    pillow_heif.from_bytes("RGBA;16", (96, 96), row * 96).save(
        out, quality=-1, chroma=444, matrix_coefficients=0, color_primaries=12, transfer_characteristics=13
    )
    picture = prepare(out.getvalue(), name="a.heic")
    assert close(seen(picture), (218, 0, 27))
    assert {NOTE, "10 bits a channel reduced to 8"} <= set(picture.changes)


def marked(index: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0xA001] = 0xFFFF
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: index, 2: b"0100"}
    return exif.tobytes()


def test_a_cameras_mark_for_adobe_rgb_counts_where_no_profile_is() -> None:
    plain = Image.new("RGB", (96, 96), (100, 180, 90))
    picture = prepare(encoded(plain, "JPEG", quality=100, exif=marked("R03")), name="a.jpg")
    assert picture.changes[0] == NOTE
    # By Adobe RGB (1998), 4.3.4: its green is far outside sRGB's.
    assert close(seen(picture), (0, 181, 83), by=4)
    assert prepare(encoded(plain, "JPEG", exif=marked("R98")), name="a.jpg").untouched
    own = prepare(encoded(plain, "JPEG", exif=marked("R03"), icc_profile=pictures.srgb_profile()), name="a.jpg")
    assert own.untouched


def test_a_profile_is_made_of_every_code_point_and_of_none_that_spans_no_colours() -> None:
    for number in range(256):
        assert CodePoints(number, number).colours().profile(grey=False)
        assert CodePoints(number, number).colours().profile(grey=True)
    flat = of_png(None, (0.3, 0.3) * 4)
    assert flat is not None
    assert flat.profile(grey=False) is None


# --- AV1's own colours, where the container has none ---


def bits(*fields: tuple[int, int]) -> bytes:
    text = "".join(f"{value:0{size}b}" for value, size in fields)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def test_a_sequence_header_says_size_depth_and_colours() -> None:
    reduced = bits(
        (2, 3), (1, 1), (1, 1), (8, 5), (13, 4), (13, 4), (8191, 14), (6143, 14), (0, 3), (0, 3),
        (1, 1), (1, 1), (0, 1), (1, 1), (9, 8), (16, 8), (9, 8),
    )  # fmt: skip
    found = containers._sequence(reduced)
    assert (found.width, found.height, found.bits) == (8192, 6144, 12)
    assert found.code_points == CodePoints(9, 16)


def test_colours_of_an_avif_without_a_colour_box_are_those_of_its_sequence_header() -> None:
    data = avif(RED, 12, 13).replace(b"colrnclx", b"xxxxnclx")
    (item,) = containers._Boxes(memoryview(data)).items
    (sequence,) = containers._sequences(item)
    assert (sequence.width, sequence.height) == (96, 96)
    assert sequence.code_points in (None, CodePoints(1, 13))
    assert containers.walk(data, "AVIF").code_points == sequence.code_points
