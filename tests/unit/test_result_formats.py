"""Where a picture ends, found in files of real encoders, however they are cut on their way."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.result_pictures import jpeg
from tryon.result_formats import EXTENSIONS, end_of, format_of


def encoded(kind: str, **options: object) -> bytes:
    image = Image.effect_noise((90, 120), 60).convert("RGB")
    ImageDraw.Draw(image).rectangle((20, 30, 70, 100), fill=(200, 30, 40))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


EXIF = Image.Exif()
EXIF[0x010E] = "words " * 50

FILES = {
    "baseline JPEG": encoded("JPEG"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "JPEG with restart markers": encoded("JPEG", restart_marker_rows=1, quality=98),
    "JPEG with a profile and words": encoded("JPEG", exif=EXIF.tobytes(), icc_profile=b"\xff\xd9" * 40_000),
    "PNG": encoded("PNG"),
    "PNG with a profile": encoded("PNG", icc_profile=b"IEND\xae\x42\x60\x82" * 30, compress_level=0),
    "WebP": encoded("WEBP"),
    "lossless WebP with words": encoded("WEBP", lossless=True, exif=EXIF.tobytes()),
}


def seen_after(data: bytes, sizes: list[int]) -> int | None:
    """How many bytes were fed in pieces of those sizes, over and over, when the end was seen."""
    found = format_of(data)
    assert found is not None
    end, at, turn = end_of(found), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        end.feed(data[at : at + size])
        at, turn = min(len(data), at + size), turn + 1
        if end.seen:
            return at
    return None


@pytest.mark.parametrize("name", FILES)
def test_the_last_byte_of_a_file_is_its_end_and_none_before(name: str) -> None:
    data = FILES[name]
    # A chunk of odd size has a byte behind it in WebP, which the container counts.
    assert seen_after(data, [1]) == len(data)
    assert seen_after(data[:-1], [1]) is None
    assert seen_after(data + b"\xff\xd9IEND" * 9, [1]) == len(data)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(FILES)), st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_the_end_is_seen_in_pieces_of_any_size(name: str, sizes: list[int]) -> None:
    data = FILES[name]
    at = seen_after(data + b"trailing", sizes)
    assert at is not None
    assert at >= len(data)
    assert seen_after(data[:-1], sizes) is None


def test_rubbish_between_segments_is_passed_over_as_decoders_do() -> None:
    data = jpeg().replace(b"\xff\xff\xc0", b"rubbish\xff\x00\xff\xc0")
    assert seen_after(data, [7]) is not None


@pytest.mark.parametrize("head", [b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\x0b\0\0\0WEBPVP8 ", b"RIFF", b"\xff\xd8", b"GIF89a"])
def test_what_cannot_hold_a_picture_is_none(head: bytes) -> None:
    assert format_of(head) is None


def test_every_format_has_its_extension() -> None:
    assert EXTENSIONS == {"png": "png", "jpeg": "jpg", "webp": "webp"}
