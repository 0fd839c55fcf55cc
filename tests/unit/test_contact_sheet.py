"""The contact sheet: what is on it, and that it stays a picture of bounded size."""

import io
from typing import Any

from PIL import Image

from tests.lookbook import Lookbook, jpeg
from tryon.keys import result_copy
from tryon.reporting import contact_sheet


def sheet(book: Lookbook) -> Image.Image:
    shown = contact_sheet.choose(book.entries)
    image = Image.open(io.BytesIO(contact_sheet.draw(book.summary, shown, book.pictures)))
    assert image.format == "JPEG"
    image.load()
    return image


def near(image: Image.Image, colour: tuple[int, int, int], tolerance: int = 12) -> int:
    """How many pixels have nearly this colour."""
    counts: Any = image.convert("RGB").getcolors(image.width * image.height) or []
    return sum(
        count for count, found in counts if all(abs(a - b) <= tolerance for a, b in zip(found, colour, strict=True))
    )


def test_every_combination_has_its_cell() -> None:
    book = Lookbook(models=2, garments=3)
    for n, entry in enumerate(book.entries):
        book.pictures[result_copy("thumbnails", entry.results[0].key)] = jpeg(240, 320, 40 + n)
    image = sheet(book)
    for n in range(6):
        number = 40 + n
        colour = (number * 37 % 200 + 30, number * 91 % 200 + 30, number * 53 % 200 + 30)
        assert near(image, colour) > 5_000, f"picture {n} is not on the sheet"


def test_a_failure_stands_out_from_a_picture() -> None:
    red = (251, 236, 234)
    assert near(sheet(Lookbook(models=1, garments=2)), red, 3) < 100
    assert near(sheet(Lookbook(models=1, garments=2, failures={1: ("InputRefusedError", "no")})), red, 3) > 20_000


def test_variants_stand_side_by_side_under_their_garment() -> None:
    shown = contact_sheet.choose(Lookbook(models=1, garments=2, variants=("loose", "tight")).entries)
    assert list(shown.columns) == [
        ("01-garment-0", "loose"),
        ("01-garment-0", "tight"),
        ("02-garment-1", "loose"),
        ("02-garment-1", "tight"),
    ]


def test_a_large_run_s_sheet_holds_its_first_combinations_and_says_so() -> None:
    book = Lookbook(models=30, garments=40, large=False)
    shown = contact_sheet.choose(book.entries)
    assert len(shown.entries) == 24 * 24
    assert shown.left_out == "the first 576 of 1,200 combinations; the gallery shows all"
    image = sheet(book)
    assert max(image.size) < 6_000
    assert contact_sheet.choose(Lookbook().entries).left_out == ""


def test_pictures_that_are_missing_or_damaged_leave_their_cells_empty() -> None:
    book = Lookbook(models=1, garments=2)
    first, second = (result_copy("thumbnails", entry.results[0].key) for entry in book.entries)
    del book.pictures[first]
    book.pictures[second] = b"\xff\xd8\xff damaged"
    assert near(sheet(book), (236, 231, 223), 3) > 40_000


def test_a_name_without_latin_letters_gives_way_to_the_run_s_id() -> None:
    assert sheet(Lookbook(models=1, garments=1, name="春の新作")).tobytes() == (
        sheet(Lookbook(models=1, garments=1, name="20261123T090000Z-lookbook-1a2b3c4d")).tobytes()
    )
    assert sheet(Lookbook(models=1, garments=1, name="Frühling")).tobytes() != (
        sheet(Lookbook(models=1, garments=1, name="Sommer")).tobytes()
    )


def test_a_run_without_any_entry_has_a_sheet_with_its_title() -> None:
    book = Lookbook(models=0, garments=0)
    assert sheet(book).width >= 640
