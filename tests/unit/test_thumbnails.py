"""Small copies of pictures: which are made, and that nothing about them can cost a picture."""

import io
from typing import Any, cast

import pytest
from PIL import Image

from tests.doubles import stored
from tests.lookbook import FOLDER, Shelf, jpeg
from tryon.keys import result_copy
from tryon.pictures import containers, images, thumbnails
from tryon.pictures.signature import Signature

KEY = FOLDER.result("anna", "anna__01-shirt__a", 1)


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), "teal").save(out, "PNG")
    return out.getvalue()


def size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def of_result(shelf: Shelf, **different: Any) -> bool:
    return thumbnails.of_result(cast("Any", shelf), "b", stored(KEY, **different))


def test_a_result_gets_a_thumbnail_and_a_preview_beside_it() -> None:
    shelf = Shelf({KEY: png(1440, 1920)})
    assert of_result(shelf)
    assert set(shelf.objects) == {
        KEY,
        f"{FOLDER.prefix}thumbnails/results/anna/anna__01-shirt__a__1.jpg",
        f"{FOLDER.prefix}previews/results/anna/anna__01-shirt__a__1.jpg",
    }
    assert size(shelf.objects[result_copy("thumbnails", KEY)]) == (240, 320)
    assert size(shelf.objects[result_copy("previews", KEY)]) == (675, 900)


def test_an_input_gets_both_copies_under_its_id() -> None:
    shelf = Shelf({})
    thumbnails.of_input(cast("Any", shelf), "b", FOLDER, "garments", "linen-shirt", jpeg(1000, 500))
    assert {key.removeprefix(FOLDER.prefix): size(data) for key, data in shelf.objects.items()} == {
        "thumbnails/garments/linen-shirt.jpg": (320, 160),
        "previews/garments/linen-shirt.jpg": (900, 450),
    }


def test_a_pictures_signature_is_kept_with_its_copies() -> None:
    kept: list[bytes] = []
    shelf = Shelf({KEY: png(1440, 1920)})
    assert thumbnails.of_result(cast("Any", shelf), "b", stored(KEY), keep=kept.append)
    thumbnails.of_input(cast("Any", shelf), "b", FOLDER, "models", "anna", jpeg(1200, 1600), keep=kept.append)
    assert [(one.width, one.height) for one in map(Signature.loads, kept)] == [(1440, 1920), (1200, 1600)]


def test_an_input_whose_size_cannot_be_told_keeps_its_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(sent: bytes) -> tuple[int, int]:
        raise Image.DecompressionBombError

    monkeypatch.setattr(thumbnails, "_size", refused)
    kept: list[bytes] = []
    shelf = Shelf({})
    thumbnails.of_input(cast("Any", shelf), "b", FOLDER, "models", "anna", jpeg(300, 400), keep=kept.append)
    assert (len(shelf.objects), kept) == (2, [])


def test_a_signature_that_cannot_be_kept_costs_no_copy() -> None:
    def fail(_: bytes) -> None:
        raise MemoryError

    shelf = Shelf({KEY: png(1440, 1920)})
    assert thumbnails.of_result(cast("Any", shelf), "b", stored(KEY), keep=fail)
    thumbnails.of_input(cast("Any", shelf), "b", FOLDER, "models", "anna", jpeg(300, 400), keep=fail)
    assert len(shelf.objects) == 5


@pytest.mark.parametrize(
    "different",
    [{"bytes": 33_000_000}, {"width": 6000, "height": 5000}, {"width": None}, {"width": 40, "height": 900}],
)
def test_what_would_take_too_much_memory_is_not_even_read(different: dict[str, Any]) -> None:
    shelf = Shelf({KEY: png(1440, 1920)})
    assert not of_result(shelf, **different)
    assert shelf.read == []


def test_the_largest_picture_that_the_service_draws_gets_its_copies() -> None:
    assert thumbnails.obstacle(stored(KEY, width=4096, height=4096, bytes=30_000_000)) is None


@pytest.mark.parametrize(
    ("kind", "alpha", "most"),
    [
        ("PNG", True, thumbnails.MAX_PIXELS),
        ("JPEG", False, thumbnails.MAX_PIXELS),
        ("WebP", True, thumbnails.MAX_PIXELS_OF_WEBP),
    ],
)
def test_whatever_has_no_obstacle_has_the_memory_for_its_copies(kind: str, alpha: bool, most: int) -> None:
    side = int(most**0.5)
    # The most that each format may hold: alpha, or a JPEG of four channels in many scans.
    walk = containers.Walk((memoryview(bytes(thumbnails.MAX_BYTES)),), size=(side, side), channels=4, stored=8.0)
    asked = images._memory(kind, walk, (side, side), thumbnails.SIDES["previews"], alpha=alpha)
    assert asked <= thumbnails.MAX_MEMORY


def test_a_webp_takes_more_memory_and_has_a_smaller_limit() -> None:
    webp = KEY.removesuffix(".png") + ".webp"
    size = {"width": 3000, "height": 3001, "bytes": 1}
    assert thumbnails.obstacle(stored(KEY, **size)) is None
    assert "9 million" in (thumbnails.obstacle(stored(webp, **size)) or "")


@pytest.mark.parametrize("data", [b"", b"no picture", png(200, 200)[:300]])
def test_a_damaged_result_has_no_copy_and_no_error(data: bytes) -> None:
    shelf = Shelf({KEY: data})
    assert not of_result(shelf)
    assert set(shelf.objects) == {KEY}


def test_a_store_that_fails_costs_the_copy_alone() -> None:
    shelf = Shelf({KEY: png(200, 200)})
    shelf.broken = {result_copy("previews", KEY)}
    assert not of_result(shelf)
    shelf.broken = {FOLDER.input_copy(size, "models", "anna") for size in thumbnails.SIDES}
    thumbnails.of_input(cast("Any", shelf), "b", FOLDER, "models", "anna", jpeg(300, 300))


def test_copies_are_read_in_order_and_what_is_missing_is_left_out() -> None:
    shelf = Shelf({"a": jpeg(30, 40, 1), "c": jpeg(30, 40, 3), "d": b"damaged"})
    shelf.broken = {"b"}
    found = list(thumbnails.read(cast("Any", shelf), "b", ["c", "b", "x", "a"]))
    assert found == [("c", jpeg(30, 40, 3)), ("a", jpeg(30, 40, 1))]
    shrunk = dict(thumbnails.read(cast("Any", shelf), "b", ["a", "d"], side=20))
    assert {key: size(data) for key, data in shrunk.items()} == {"a": (15, 20)}


def test_a_shrunk_copy_has_about_a_kilobyte() -> None:
    assert len(thumbnails.shrink(jpeg(240, 320, noise=20), 96)) < 1_500
