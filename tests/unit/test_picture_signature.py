"""A picture's signature: what it holds, and that it does not depend on how large the picture is."""

import pytest
from PIL import Image, ImageDraw, ImageFilter

from tryon.pictures.signature import COLUMNS, ROWS, Signature, SignatureError, signature


def drawn(width: int = 600, height: int = 900) -> Image.Image:
    """A picture with edges and shades in it."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    pen = ImageDraw.Draw(image)
    for n in range(12):
        left, top = width * (n % 4) // 4, height * (n // 4) // 3
        pen.ellipse((left, top, left + width // 6, top + height // 5), fill=(20 * n, 255 - 20 * n, 90))
    return image


def test_a_signature_comes_back_from_its_bytes() -> None:
    found = signature(drawn(), size=(1200, 1800))
    again = Signature.loads(found.dumps())
    assert (again.width, again.height, again.miniature) == (1200, 1800, found.miniature)
    assert again.detail == pytest.approx(found.detail, rel=1e-6)
    assert len(found.dumps()) < 4_000


@pytest.mark.parametrize("damaged", [b"", b"x" * 100, bytes(2625)])
def test_bytes_that_are_no_signature_are_refused_by_name(damaged: bytes) -> None:
    with pytest.raises(SignatureError):
        Signature.loads(damaged)


def test_the_same_picture_twice_as_large_has_the_same_signature() -> None:
    small, large = signature(drawn()), signature(drawn().resize((1200, 1800), Image.Resampling.LANCZOS))
    assert max(abs(a - b) for a, b in zip(small.miniature, large.miniature, strict=True)) <= 3
    assert large.detail == pytest.approx(small.detail, rel=0.05)
    assert len(small.miniature) == COLUMNS * ROWS * 3


def test_a_blank_picture_is_flat_in_every_strip() -> None:
    found = signature(Image.new("RGB", (640, 900), (128, 128, 128)))
    assert (found.flat, found.level, found.empty, found.spread) == (1.0, 1.0, 1.0, 0.0)


def test_a_picture_that_ends_in_grey_is_flat_there() -> None:
    image = drawn()
    image.paste((128, 128, 128), (0, 450, 600, 900))
    assert signature(image).flat == pytest.approx(0.5, abs=0.05)


def test_a_blurred_picture_has_less_detail_and_a_banded_one_unused_shades() -> None:
    image = drawn()
    assert signature(image.filter(ImageFilter.GaussianBlur(6))).detail < 0.5 * signature(image).detail
    banded = image.convert("L").point([value // 32 * 32 for value in range(256)]).convert("RGB")
    assert signature(banded).empty > 0.9 > 0.3 > signature(image).empty


def test_a_grey_picture_and_one_of_a_single_pixels_width_have_signatures() -> None:
    assert signature(Image.new("L", (64, 64), 9)).spread == 0
    assert signature(Image.new("RGB", (1, 64), (9, 9, 9))).flat == 1.0
