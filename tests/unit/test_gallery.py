"""The page as text, and what is written for small and large runs; tests/browser drives it in a browser."""

import base64
import dataclasses
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests.doubles import stored
from tests.lookbook import FOLDER, RUN, Lookbook, Shelf, jpeg, publish
from tryon.keys import result_copy
from tryon.reporting.gallery import publishing
from tryon.reporting.gallery.render import render
from tryon.state.entry import Entry, Status
from tryon.stored import Lost

EVIL = "</script><script>alert(1)</script><!--x--><img src=x onerror=alert(2)>&amp;\u2028\u2029\"'`${1}<!--data-->"


def shown(page: str, element: str = "data") -> Any:
    """The content of one of the page's data elements."""
    found = re.search(rf'<script type="application/json" id="{element}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def page_of(book: Lookbook, **different: Any) -> str:
    return render(
        different.pop("summary", book.summary),
        different.pop("entries", book.entries),
        **{**dict[str, Any](manifest=book.manifest, pictures=book.pictures), **different},
    )


def test_what_a_user_wrote_is_data_and_never_markup() -> None:
    book = Lookbook(name=EVIL, failures={3: (EVIL, EVIL)})
    page = page_of(book)
    assert page.count("<script") == page.count("</script") == 3
    assert "alert" not in re.sub(r'<script type="application/json".*?</script>|<title>.*?</title>', "", page)
    assert "<" not in page.split("<title>")[1].split("</title>")[0]
    for element in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
        assert not set("<>&\u2028\u2029") & set(element)
    data = shown(page)
    assert data["run"]["name"] == EVIL
    assert (data["cells"][2]["error"], data["cells"][2]["cause"]) == (EVIL, EVIL)


def test_a_name_that_no_encoding_takes_still_makes_a_page() -> None:
    assert "<title>half a pair: &#55357;</title>" in page_of(Lookbook(name="half a pair: \ud83d")).encode().decode()


def test_the_policy_lets_nothing_run_but_the_page_s_own_script_and_nothing_be_asked_for() -> None:
    page = page_of(Lookbook())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    def digest(element: str) -> str:
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"

    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == digest("script")
    assert rules["style-src"] == digest("style")
    assert rules["img-src"] == "data: file:"
    assert page.index("Content-Security-Policy") < page.index("<style")


def test_the_page_names_no_address_anywhere() -> None:
    page = page_of(Lookbook())
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<(?:link|script|img)[^>]+(?:src|href)=(?!\"data:)", page)


def test_each_picture_is_carried_once_and_every_cell_names_its_own() -> None:
    book = Lookbook(models=2, garments=2)
    page = page_of(book)
    pictures = [base64.b64decode(text) for text in shown(page, "embedded")]
    assert len(pictures) == len(book.pictures) == 2 * (2 + 2 + 4)
    for cell, entry in zip(shown(page)["cells"], book.entries, strict=True):
        (result,) = cell["results"]
        key = entry.results[0].key
        assert pictures[result["thumb"]] == book.pictures[result_copy("thumbnails", key)]
        assert pictures[result["large"]] == book.pictures[result_copy("previews", key)]
        assert result["file"] == key.removeprefix(FOLDER.prefix)


def test_models_garments_and_variants_come_in_the_run_s_order_with_their_types() -> None:
    book = Lookbook(models=2, garments=3, variants=("b", "a"))
    data = shown(page_of(book))
    assert [model["id"] for model in data["models"]] == ["model-0", "model-1"]
    assert [(one["name"], one["type"]) for one in data["worn"]] == [
        ("garment-0", "upper"),
        ("garment-1", "lower"),
        ("garment-2", "full"),
    ]
    assert data["variants"] == [{"id": "b", "says": "no changes"}, {"id": "a", "says": "mask tight"}]
    assert [(cell["m"], cell["w"], cell["v"]) for cell in data["cells"]][:3] == [(0, 0, 0), (0, 0, 1), (0, 1, 0)]


def test_a_variant_is_called_by_its_display_name() -> None:
    book = Lookbook(models=1, garments=1, variants=("a", "b"))
    book.manifest = book.manifest.model_copy(update={"variants": {"a": {"name": "Weit"}, "b": {"mask": "tight"}}})
    assert shown(page_of(book))["variants"] == [
        {"id": "a", "says": "no changes", "name": "Weit"},
        {"id": "b", "says": "mask tight"},
    ]


def test_an_outfit_shows_both_of_its_garments() -> None:
    book = Lookbook(models=1, garments=2)
    outfit = dataclasses.replace(book.entries[0], worn="03-office", garments=("garment-0", "garment-1"))
    (worn,) = shown(page_of(book, entries=[outfit]))["worn"]
    assert (worn["name"], worn["type"]) == ("office", "outfit")
    assert [(one["id"], one["type"]) for one in worn["garments"]] == [("garment-0", "upper"), ("garment-1", "lower")]


def test_a_failed_cell_has_what_a_person_needs_to_follow_it_up() -> None:
    book = Lookbook(failures={5: ("InputRefusedError", "the service refused an input (50411)")})
    cell = shown(page_of(book))["cells"][4]
    assert (cell["error"], cell["cause"], cell["step"]) == (
        "InputRefusedError",
        "the service refused an input (50411)",
        "Submit",
    )
    assert (cell["task"], cell["requests"]) == ("7400000000000000005", ["request-5"])


def test_a_cell_names_the_candidates_that_could_not_be_had_and_the_others_by_their_numbers() -> None:
    book = Lookbook(models=1, garments=1)
    gone = Lost(1, "ResultGoneError", "x" * 2000)
    result = stored(FOLDER.result("model-0", book.entries[0].id, 2, "webp"), candidate=2)
    entry = dataclasses.replace(book.entries[0], results=(result,), lost=(gone,))
    (cell,) = shown(page_of(book, entries=[entry]))["cells"]
    assert (cell["lost"], cell["results"][0]["candidate"]) == (
        [{"candidate": 1, "error": "ResultGoneError", "cause": "x" * 300}],
        2,
    )
    assert cell["results"][0]["file"].endswith("__2.webp")


def test_results_of_a_retry_are_shown_from_the_retry_s_folder() -> None:
    book = Lookbook(models=1, garments=1)
    key = "runs/20261124T100000Z-again-5e6f7a8b/results/model-0/model-0__01-garment-0__default__1.png"
    entry = dataclasses.replace(book.entries[0], results=(stored(key),))
    thumb = "runs/20261124T100000Z-again-5e6f7a8b/thumbnails/results/model-0/model-0__01-garment-0__default__1.jpg"
    page = page_of(book, entries=[entry], pictures={thumb: jpeg(30, 40)})
    (result,) = shown(page)["cells"][0]["results"]
    assert result["file"] == "../20261124T100000Z-again-5e6f7a8b/results/model-0/model-0__01-garment-0__default__1.png"
    assert base64.b64decode(shown(page, "embedded")[result["thumb"]]) == jpeg(30, 40)


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({"bytes": 40_000_000}, "40 MB"),
        ({"width": 8000, "height": 6000}, "8000 × 6000"),
        ({"width": None, "height": None}, "how large"),
        ({"width": 1, "height": 1}, "1 × 1"),
    ],
)
def test_a_picture_without_a_copy_says_why(different: dict[str, Any], reason: str) -> None:
    book = Lookbook(models=1, garments=1)
    entry = dataclasses.replace(book.entries[0], results=(stored(book.entries[0].results[0].key, **different),))
    (result,) = shown(page_of(book, entries=[entry], pictures={}))["cells"][0]["results"]
    assert reason in result["note"]
    assert result["file"].endswith(".png")


def test_the_plots_count_every_measured_combination_once() -> None:
    book = Lookbook(models=10, garments=10, failures=dict.fromkeys(range(1, 11), ("TaskDeadlineError", "")))
    latency, polls, delay = shown(page_of(book))["plots"]
    assert sum(latency["counts"]) == sum(delay["counts"]) == 90
    assert sum(polls["counts"]) == 100
    assert all(len(plot["counts"]) <= 16 for plot in (latency, polls, delay))


def test_a_run_in_which_nothing_was_measured_has_a_page_too() -> None:
    book = Lookbook(models=1, garments=1)
    planned = Entry(
        1, "model-0__01-x__default", "model-0", "01-x", "default", status=Status.FAILED, error="NotStartedError"
    )
    assert shown(page_of(book, entries=[planned], manifest=None))["plots"] == [None, None, None]


# --- what is written ---


def published(book: Lookbook, shelf: Shelf | None = None) -> tuple[Shelf, list[str]]:
    shelf = shelf or Shelf(book.pictures)
    return shelf, publish(shelf, book)


def test_a_small_run_is_one_page_with_every_large_picture() -> None:
    book = Lookbook()
    shelf, keys = published(book)
    assert keys == [f"runs/{RUN}/index.html", f"runs/{RUN}/contact-sheet.jpg"]
    data = shown(shelf.objects[FOLDER.gallery].decode())
    assert all("large" in cell["results"][0] for cell in data["cells"])
    assert data["pages"]["parts"] == []


def with_files(book: Lookbook, width: int, height: int, noise: int = 0) -> Shelf:
    """A shelf that has the results' own files besides their copies."""
    files = {result.key: jpeg(width, height, 1, noise) for entry in book.entries for result in entry.results}
    return Shelf({**book.pictures, **files})


def widest(shelf: Shelf) -> set[int]:
    """The widths of the large pictures of results that the page carries."""
    page = shelf.objects[FOLDER.gallery].decode()
    data, embedded = shown(page), shown(page, "embedded")
    numbers = [result["large"] for cell in data["cells"] for result in cell["results"]]
    return {Image.open(io.BytesIO(base64.b64decode(embedded[number]))).width for number in numbers}


def test_a_run_of_eighteen_carries_every_pixel_of_its_results() -> None:
    book = Lookbook()
    shelf, _ = published(book, with_files(book, 1440, 1920))
    assert widest(shelf) == {1440}


def test_where_all_pixels_do_not_fit_previews_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Lookbook(models=1, garments=3)
    monkeypatch.setattr(publishing, "PAGE_BYTES", 60_000)
    shelf, _ = published(book, with_files(book, 1440, 1920, noise=60))
    assert widest(shelf) == {90}
    monkeypatch.undo()
    monkeypatch.setattr(publishing, "SHARP_RESULTS", 2)
    assert widest(published(book, with_files(book, 1440, 1920))[0]) == {90}


def test_a_run_in_a_hurry_or_without_its_files_shows_previews() -> None:
    book = Lookbook(models=1, garments=3)
    assert widest(published(book)[0]) == {90}
    shelf = with_files(book, 1440, 1920)
    publish(shelf, book, hurry=lambda: True)
    assert widest(shelf) == {90}


def test_eighteen_photographs_make_a_page_of_a_few_megabytes() -> None:
    book = Lookbook()
    for key in book.pictures:
        book.pictures[key] = jpeg(675, 900, 1, noise=35) if "/previews/" in key else jpeg(240, 320, 1, noise=35)
    shelf, _ = published(book)
    assert len(jpeg(675, 900, 1, noise=35)) > 100_000
    assert 3_000_000 < len(shelf.objects[FOLDER.gallery]) < 6_000_000


@pytest.fixture(scope="module")
def large() -> tuple[Lookbook, Shelf, list[str]]:
    book = Lookbook(models=7, garments=70, failures={3: ("InputRefusedError", "no")})
    return book, *published(book)


def test_a_large_run_has_an_index_of_everything_and_parts_with_large_pictures(
    large: tuple[Lookbook, Shelf, list[str]],
) -> None:
    book, shelf, keys = large
    parts = [FOLDER.gallery_part(n) for n in (1, 2, 3, 4)]
    assert keys == [FOLDER.gallery, *parts, FOLDER.contact_sheet]
    index = shown(shelf.objects[FOLDER.gallery].decode())
    assert len(index["cells"]) == 490
    assert [part["file"] for part in index["pages"]["parts"]] == [key.rsplit("/")[-1] for key in parts]
    ids: list[str] = []
    for number, key in enumerate(parts, start=1):
        part = shown(shelf.objects[key].decode())
        assert part["pages"]["shown"] == number
        assert {cell["id"] for cell in index["cells"] if cell.get("part") == number} == {c["id"] for c in part["cells"]}
        assert all("large" in result for cell in part["cells"] for result in cell.get("results", []))
        assert part["run"]["total"] == 490
        assert sum(part["plots"][0]["counts"]) == 489, "the numbers are the run's"
        ids += [cell["id"] for cell in part["cells"]]
    assert ids == [entry.id for entry in book.entries]


def test_a_model_s_row_is_cut_only_where_it_is_longer_than_a_part() -> None:
    book = Lookbook(models=7, garments=70, large=False)
    sizes = [len(group) for group in publishing._groups(book.entries)]
    assert sizes == [140, 140, 140, 70]
    wide = Lookbook(models=2, garments=450, large=False)
    assert [len(group) for group in publishing._groups(wide.entries)] == [200, 200, 50, 200, 200, 50]


def test_no_page_carries_more_pictures_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Lookbook(models=4, garments=60)
    full = sum(map(len, book.pictures.values()))
    monkeypatch.setattr(publishing, "PAGE_BYTES", full // 2)
    shelf, keys = published(book)
    assert len(keys) == 4
    for key in keys[:-1]:
        carried = [base64.b64decode(text) for text in shown(shelf.objects[key].decode(), "embedded")]
        assert sum(map(len, carried)) <= full // 2
    part = shown(shelf.objects[FOLDER.gallery_part(1)].decode())
    kinds = Counter("large" in cell["results"][0] for cell in part["cells"])
    assert kinds[True] > 0, "previews while there is room"
    assert kinds[False] > 0, "none after that"
    assert all("thumb" in cell["results"][0] for cell in part["cells"])


def test_pictures_of_an_index_shrink_until_all_of_them_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Lookbook(models=10, garments=25, large=False)
    for number, key in enumerate(book.pictures):
        book.pictures[key] = jpeg(240, 320, number % 7, noise=90)
    monkeypatch.setattr(publishing, "PAGE_BYTES", 1_000_000)
    shelf, _ = published(book)
    page = shelf.objects[FOLDER.gallery].decode()
    data = shown(page)
    assert data["side"] in (192, 128, 96, 64)
    assert all("thumb" in cell["results"][0] for cell in data["cells"])
    assert base64.b64decode(shown(page, "embedded")[0])[8:12] == b"WEBP"


def test_copies_that_cannot_be_read_leave_words_and_not_no_page() -> None:
    book = Lookbook(models=1, garments=2)
    shelf = Shelf(book.pictures)
    lost = book.entries[0].results[0].key
    shelf.broken = {result_copy(size, lost) for size in ("thumbnails", "previews")}
    shelf.broken.add(FOLDER.input_copy("thumbnails", "models", "model-0"))
    published(book, shelf)
    cells = shown(shelf.objects[FOLDER.gallery].decode())["cells"]
    assert "thumb" not in cells[0]["results"][0]
    assert "thumb" in cells[1]["results"][0]


def test_copies_that_were_never_made_are_not_asked_for() -> None:
    book = Lookbook(models=1, garments=2)
    tiny = [dataclasses.replace(e, results=(stored(e.results[0].key, width=1, height=1),)) for e in book.entries]
    book.entries[:] = tiny
    shelf, _ = published(book)
    assert not [key for key in shelf.read if "/results/" in key]


def test_a_huge_run_s_index_lists_parts_alone_and_its_entries_are_never_held(
    large: tuple[Lookbook, Shelf, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    book, usual, keys = large
    monkeypatch.setattr(publishing, "INDEX_COMBINATIONS", 489)
    shelf = Shelf(book.pictures)
    entries = Passing(book.entries)
    assert publish(shelf, book, entries) == keys
    assert entries.readings == 2, "once for the parts' limits and plots, once for the parts"
    index = shown(shelf.objects[FOLDER.gallery].decode())
    assert index["cells"] == []
    assert index["pages"] == shown(usual.objects[FOLDER.gallery].decode())["pages"]
    for key in keys[1:-1]:
        part, before = (shown(one.objects[key].decode()) for one in (shelf, usual))
        assert [cell["id"] for cell in part["cells"]] == [cell["id"] for cell in before["cells"]]
        assert part["plots"] == before["plots"] == index["plots"]
        results = [result for cell in part["cells"] for result in cell.get("results", [])]
        assert all("thumb" in result and "large" not in result for result in results)
    assert not [key for key in shelf.read if "/previews/" in key]
    assert max(Counter(key for key in shelf.read if "/garments/" in key).values()) == 2, (
        "for the sheet, and for all parts"
    )
    assert shelf.objects[FOLDER.contact_sheet] == usual.objects[FOLDER.contact_sheet]


class Passing:
    """Entries that can be read again and again, each time as an iterator."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.readings = 0

    def __iter__(self) -> Iterator[Entry]:
        self.readings += 1
        return iter(self.entries)


def test_a_gallery_in_a_hurry_still_has_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Lookbook(models=7, garments=70, large=False)
    monkeypatch.setattr(publishing, "INDEX_COMBINATIONS", 100)
    left = iter([False, True, True, True])
    shelf = Shelf(book.pictures)
    keys = publish(shelf, book, hurry=lambda: next(left))
    pages = [shelf.objects[key].decode() for key in keys[1:-1]]
    assert [len(shown(page, "embedded")) > 0 for page in pages] == [True, False, False, False]
    assert sum(len(shown(page)["cells"]) for page in pages) == 490
