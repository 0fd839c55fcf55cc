"""A section of a page is replaced between its marks, and nothing else of the page."""

from pathlib import Path

import pytest

from benchmarks.sections import Section

PAGE = "above\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\nkept\n<!-- /b -->\nbelow\n"


def test_a_text_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, "utf-8")
    place = Section(page, "a")
    assert place.text() == "old\n"
    place.write("new\nlines\n")
    assert page.read_text("utf-8") == PAGE.replace("old\n", "new\nlines\n")
    assert Section(page, "b").text() == "kept\n"


@pytest.mark.parametrize("page_text", ["nothing\n", "<!-- a -->\nno end\n", PAGE.replace("<!-- a -->\n", "")])
def test_a_page_without_the_section_is_left_as_it_is(tmp_path: Path, page_text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(page_text, "utf-8")
    with pytest.raises(ValueError, match=r"docs/page\.md has no section a"):
        Section(page, "a").write("new\n")
    assert page.read_text("utf-8") == page_text
