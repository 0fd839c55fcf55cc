"""Which files are pictures that are taken, by their first bytes."""

import pytest
from PIL import Image

from benchmarks.pictures import encoded, graphic, heic_photograph
from tryon.pictures.formats import FORMATS, HEAD_BYTES, looks_like, recognise_format, sentence
from tryon.pictures.images import ImageError, prepare

SAMPLES = {
    "JPEG": lambda: encoded(graphic(), "JPEG"),
    "PNG": lambda: encoded(graphic(), "PNG"),
    "WebP": lambda: encoded(graphic(), "WEBP"),
    "HEIC": heic_photograph,
    "AVIF": lambda: encoded(graphic(), "AVIF", speed=10),
}


def test_every_format_that_is_listed_is_recognised_and_taken() -> None:
    assert set(SAMPLES) == set(FORMATS)
    for name, build in SAMPLES.items():
        data = build()  # type: ignore[operator]
        assert recognise_format(data[:HEAD_BYTES]) == name
        assert looks_like(data[:HEAD_BYTES]) is None
        assert prepare(data, name="a").data


def test_extensions_are_lower_case_and_belong_to_one_format() -> None:
    extensions = [extension for found in FORMATS.values() for extension in found.extensions]
    assert all(extension.startswith(".") and extension == extension.lower() for extension in extensions)
    assert len(set(extensions)) == len(extensions)


def box(brand: bytes, *compatible: bytes, version: bytes = bytes(4)) -> bytes:
    content = b"ftyp" + brand + version + b"".join(compatible)
    return (4 + len(content)).to_bytes(4, "big") + content + bytes(300)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (box(b"mif1", b"miaf", b"avif"), "AVIF"),
        (box(b"avis", b"msf1"), "AVIF"),
        (box(b"mif1", b"heic"), "HEIC"),
        (box(b"MiHE", b"mif1"), "HEIC"),
        (box(b"isom", b"mp42", version=b"avif"), None),
        (box(b"crx ", b"isom"), None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"", None),
        (b"\xff\xd8", None),
    ],
)
def test_a_container_is_known_by_its_brands(head: bytes, name: str | None) -> None:
    assert recognise_format(head[:HEAD_BYTES]) == name


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ", "twin that a Mac"),
        (box(b"qt  "), "video"),
        (box(b"crx ", b"isom"), "raw"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (encoded(Image.new("RGB", (64, 64)), "TIFF"), "TIFF"),
        (encoded(Image.new("RGB", (64, 64)), "BMP"), "BMP"),
    ],
)
def test_what_is_not_taken_is_called_by_its_name(head: bytes, words: str) -> None:
    assert recognise_format(head) is None
    assert words in (looks_like(head) or "")
    with pytest.raises(ImageError, match=f"is not a {sentence()} picture: it looks like .*{words}"):
        prepare(head, name="a")


def test_nothing_is_said_of_bytes_that_could_be_anything() -> None:
    assert looks_like(b"\x01\x02\x03\x04") is None
    assert looks_like(b"") is None
