"""A merchandiser's jobs, each done in the page as a person does it: with keys, a mouse, fingers, a printer."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import OVERVIEW, Open, cell, exported, focused, until
from tests.lookbook import RUN, Lookbook
from tryon_cli.review import REASONS, Verdict, opinions, read_export

AB = ("a", "b")


def judged(page: Any) -> dict[str, str]:
    """What the export says of each picture: combination, take and candidate, with the mark and its reason."""
    review = read_export(exported(page, "json"), "x")
    page.click("#review [data-close]")
    return {
        f"{one.model} {one.worn} {one.variant} {one.take}.{one.candidate}": f"{one.mark} {one.reason or ''}".strip()
        for one in review.marks
    }


def press(page: Any, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def spoken(page: Any) -> str:
    """What is told to whoever hears the page: in the dialog that is open, since all else is silent then."""
    words: str = page.evaluate(
        "([...document.querySelectorAll('dialog[open]')].at(-1) || document.body)"
        ".querySelector('[data-spoken]').textContent"
    )
    return words.strip()


def test_eighteen_pictures_are_judged_with_nineteen_keys(look: Open) -> None:
    page = look(Lookbook())
    cell(page).focus()
    keys = "Enter " + "p x g c l f h a k r " + "p " * 8
    press(page, keys)
    assert len(keys.split()) == 19
    assert spoken(page) == "This was the last one: 9 picked, 9 rejected"
    page.keyboard.press("Escape")
    said = [*judged(page).values()]
    assert said == ["pick", "reject", *(f"reject {reason}" for reason in REASONS), *["pick"] * 8]


def test_rejecting_says_why_in_the_grid_and_a_note_stays_with_it(look: Open) -> None:
    page = look(Lookbook(models=1, garments=3))
    cell(page).click()
    page.click("#facts [data-key=auto]")
    press(page, "h n")
    page.keyboard.type("six fingers")
    page.keyboard.press("Escape")
    assert page.locator("#viewer").is_visible(), "Escape leaves the note first"
    press(page, "Escape")
    assert "✕ hands" in cell(page).inner_text()
    review = read_export(exported(page, "csv"), "x")
    assert [(one.reason, one.note) for one in review.marks] == [("hands", "six fingers")]
    assert next(iter(opinions([review]).values())).verdict is Verdict.REJECTED


def test_twelve_judgements_are_taken_back_one_by_one(look: Open) -> None:
    page = look(Lookbook())
    cell(page).focus()
    press(page, "Enter " + "p " * 12)
    until(page, "#viewer-title", "garment-3 × model-1")
    for left in range(11, -1, -1):
        page.keyboard.press("Control+z")
        assert page.inner_text("#viewer-title") == f"garment-{left % 9} × model-{left // 9}"
        assert spoken(page) == "Taken back: picked"
    page.keyboard.press("Control+z")
    assert spoken(page) == "Nothing to take back"
    page.keyboard.press("Escape")
    assert judged(page) == {}


def test_one_of_four_candidates_is_picked_with_one_key_a_product(look: Open) -> None:
    page = look(Lookbook(models=1, garments=6, candidates=4))
    cell(page).focus()
    press(page, "Enter d")
    assert page.locator("#stage .pane").count() == 4
    press(page, "3 1 4 2 3 1")
    page.keyboard.press("Escape")
    assert list(judged(page).items()) == [
        (f"model-0 0{n + 1}-garment-{n} default 1.{candidate}", "pick")
        for n, candidate in enumerate((3, 1, 4, 2, 3, 1))
    ]
    cell(page).click()
    press(page, "d")
    assert page.locator(".strip [aria-pressed=true]").inner_text() == "Candidate 3", "the picked one is shown"


def test_a_rejected_candidate_is_followed_by_the_next_of_the_same_product(look: Open) -> None:
    page = look(Lookbook(models=1, garments=2, candidates=2))
    cell(page).click()
    press(page, "c")
    assert page.inner_text("#viewer-title") == "garment-0 × model-0"
    assert page.locator(".strip [aria-pressed=true]").inner_text() == "Candidate 2"
    press(page, "x")
    assert page.inner_text("#viewer-title") == "garment-1 × model-0"
    page.keyboard.press("Escape")
    assert "✕" in cell(page).inner_text()


def test_what_is_said_is_seen_above_the_large_view_and_spoken_in_it(look: Open) -> None:
    # The message stays, so that a slow machine sees it too.
    stays = "const later = setTimeout; window.setTimeout = (what, ms) => (ms === 2600 ? 0 : later(what, ms));"
    page = look(Lookbook(models=1, garments=2), script=stays)
    cell(page).click()
    page.keyboard.press("3")
    assert spoken(page) == "Rated 3 of 5"
    # A popover opened after the dialog is above it; all else is below.
    assert page.locator("#toast:popover-open").is_visible()
    press(page, "ArrowRight ArrowRight")
    assert spoken(page) == "This is the last one"


def test_the_focus_is_never_lost_while_judging(look: Open) -> None:
    page = look(Lookbook(models=1, garments=4, variants=AB))
    cell(page, variant="a").click()
    for key in ("mark-pick", "why-colour", "star-3"):
        page.focus(f"[data-key={key}]")
        page.keyboard.press("Enter" if "star" not in key else "Space")
        assert page.evaluate("document.activeElement.dataset.key") == key
    page.focus("[data-key=line]")
    page.keyboard.press("4")
    assert page.evaluate("document.activeElement.dataset.key") == "line"
    page.keyboard.press("v")
    page.focus("[data-key=prefer-1]")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.key") == "prefer-1"


def test_filters_order_and_view_are_in_the_address_and_survive_a_reload(look: Open) -> None:
    page = look(Lookbook(variants=AB))
    page.click("#filters-open")
    page.locator("[data-filter=garment]").get_by_label("garment-2", exact=True).check()
    page.locator("[data-filter=garment]").get_by_label("garment-5", exact=True).check()
    page.locator("[data-filter=variant]").get_by_label("b", exact=True).check()
    page.locator("[data-filter=variant]").get_by_label("all but these").check()
    page.select_option("#sort", "best")
    address = page.url
    assert re.search(r"#.*garment=03-garment-2,06-garment-5", address)
    assert page.inner_text("#shown") == "4 of 36 combinations"
    page.reload()
    until(page, "#shown", "4 of 36")
    assert page.url == address
    assert page.locator(".card").count() == 4
    page.click("#clear")
    page.fill("#search", "model-1")
    until(page, "#shown", "18 of 36")
    assert "q=model-1" in page.url


def test_what_was_judged_filters_and_orders(look: Open) -> None:
    page = look(Lookbook(models=1, garments=6))
    for n, keys in enumerate(("p", "c", "h", "5", "2")):
        cell(page, 0, n).focus()
        press(page, keys)
    page.click("#filters-open")

    def after(name: str, value: str) -> list[str]:
        page.locator(f"[data-filter={name}]").get_by_label(value, exact=True).check()
        found = page.locator(".cell").evaluate_all("all => all.map(one => one.dataset.id.split('__')[1])")
        page.click("#clear")
        return [one[3:] for one in found]

    assert after("judged", "Picked") == ["garment-0"]
    assert after("judged", "Rejected") == ["garment-1", "garment-2"]
    assert after("judged", "Undecided") == ["garment-3", "garment-4", "garment-5"]
    assert after("reason", "hands") == ["garment-2"]
    page.select_option("#by-stars", "4")
    until(page, "#shown", "1 of 6")
    page.click("#clear")
    page.select_option("#sort", "best")
    first = page.locator(".card strong").first
    assert first.inner_text() == "garment-3"
    page.select_option("#sort", "rejected")
    assert first.inner_text() in ("garment-1", "garment-2")


def colleague(name: str, marks: list[dict[str, Any]]) -> dict[str, Any]:
    place = {"model": "model-0", "worn": "01-garment-0", "type": "upper", "variant": "default", "at": "2026-11-27T09"}
    whole = {"format": "tryon-review", "version": 2, "run_id": RUN, "review": f"r{name}", "reviewer": name}
    return whole | {"preferences": [], "ratings": [], "marks": [{**place, **one} for one in marks]}


def test_colleagues_reviews_are_read_in_and_where_they_differ_is_shown(look: Open, tmp_path: Path) -> None:
    page = look(Lookbook(models=1, garments=3))
    cell(page).focus()
    press(page, "p")
    lin = tmp_path / "lin.json"
    lin.write_text(json.dumps(colleague("Lin", [{"mark": "reject", "reason": "hands", "note": "six"}])))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(colleague("Mo", []) | {"run_id": "another"}))
    page.click("#review-open")
    page.set_input_files("#import-files", [lin, other])
    until(page, "#imported", "Lin: 1 judgements · other.json was not read: it is of run another")
    page.click("#review [data-close]")
    assert "differ" in cell(page).inner_text()
    page.click("#filters-open")
    page.locator("[data-filter=judged]").get_by_label("Reviewers differ").check()
    until(page, "#shown", "1 of 3")
    cell(page).click()
    assert "Reviewers differ" in page.inner_text("#facts")
    assert "rejected: hands, six" in page.inner_text("#facts")
    page.keyboard.press("Escape")
    page.click("#review-open")
    page.click("#colleagues button")
    page.click("#review [data-close]")
    page.click("#clear")
    assert "differ" not in cell(page).inner_text()


def test_an_own_export_read_in_elsewhere_goes_on_there(look: Open, tmp_path: Path) -> None:
    page = look(Lookbook(models=1, garments=3))
    cell(page).focus()
    press(page, "p c")
    file = tmp_path / "mine.csv"
    file.write_bytes(exported(page, "csv"))
    page.click("#forget")
    page.click("#review [data-close]")
    assert page.locator(".mark").count() == 0
    page.click("#review-open")
    page.set_input_files("#import-files", file)
    until(page, "#imported", "Reviewer r")
    assert page.locator("#colleagues li").count() == 1


def test_without_going_on_the_picture_stays(look: Open) -> None:
    page = look(Lookbook(models=1, garments=2))
    cell(page).click()
    page.click("[data-key=auto]")
    press(page, "p")
    assert page.inner_text("#viewer-title") == "garment-0 × model-0"
    press(page, "u")
    assert page.locator("[data-key='mark-'][aria-pressed=true]").count() == 1


@pytest.mark.parametrize("view", [OVERVIEW, "#view=cards"])
def test_the_grid_and_the_cards_are_judged_by_keys_alone(look: Open, view: str) -> None:
    page = look(Lookbook(models=2, garments=2), fragment=view)
    cell(page).focus()
    press(page, "p x 4 u")
    assert focused(page) == "model-1__01-garment-0__default", "the third was rated and left undecided"
    assert judged(page) == {
        "model-0 01-garment-0 default 1.1": "pick",
        "model-0 02-garment-1 default 1.1": "reject",
    }
