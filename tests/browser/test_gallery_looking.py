"""Looking closely: own pan and zoom by wheel, mouse, fingers and keys; side by side; on paper; in every width."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import OVERVIEW, Open, cell, until
from tests.lookbook import Lookbook
from tryon.checks import outlines
from tryon.checks.records import Finding, Judged, Objection, Verdict
from tryon.checks.vocabulary import Check, State
from tryon.reporting.checked import shown
from tryon.reporting.gallery.render import render
from tryon.state.run import Checks
from tryon.stored import Stored

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


def scale(page: Any) -> float:
    """How much the page itself magnifies."""
    return float(page.evaluate("Number(document.getElementById('stage').style.getPropertyValue('--scale'))"))


def moved(page: Any) -> tuple[str, str]:
    found = page.evaluate("['--px', '--py'].map(name => document.getElementById('stage').style.getPropertyValue(name))")
    return tuple(found)


class Fingers:
    """Real touches, by the browser's own protocol; `at` is their time in seconds, so that a slow machine taps twice."""

    def __init__(self, page: Any) -> None:
        self.client = page.context.new_cdp_session(page)

    def send(self, kind: str, points: list[tuple[float, float]], at: float | None = None) -> None:
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        more = {} if at is None else {"timestamp": at}
        self.client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches, **more})

    def spread(self, x: float, y: float, start: float, end: float) -> None:
        """Two fingers apart, from `start` to `end` pixels."""
        self.send("touchStart", [(x - start / 2, y)])
        self.send("touchStart", [(x - start / 2, y), (x + start / 2, y)])
        for n in range(1, 6):
            half = (start + (end - start) * n / 5) / 2
            self.send("touchMove", [(x - half, y), (x + half, y)])
        self.send("touchEnd", [])

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.send("touchStart", [start])
        for n in range(1, 6):
            self.send("touchMove", [tuple(a + (b - a) * n / 5 for a, b in zip(start, end, strict=True))])  # type: ignore[list-item]
        self.send("touchEnd", [])

    def tap_twice(self, x: float, y: float) -> None:
        for n in range(2):
            self.send("touchStart", [(x, y)], 1000 + n / 10)
            self.send("touchEnd", [], 1000 + n / 10 + 0.05)


def middle(page: Any, selector: str = "#stage .frame") -> tuple[float, float]:
    box = page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def opened(look: Open, **context: Any) -> Any:
    page = look(Lookbook(models=1, garments=3), **context)
    cell(page).click()
    page.locator("#stage .frame").wait_for()
    return page


def test_two_fingers_magnify_and_one_moves_on_a_telephone(look: Open) -> None:
    page = opened(look, **PHONE)
    fingers, (x, y) = Fingers(page), middle(page)
    line = page.evaluate("getComputedStyle(document.querySelector('.slider')).getPropertyValue('--at')")
    fingers.spread(x, y, 80, 240)
    assert scale(page) == pytest.approx(3, rel=0.05)
    assert page.evaluate("visualViewport.scale") == 1, "the page magnifies, not the browser"
    assert page.evaluate("getComputedStyle(document.querySelector('.slider')).getPropertyValue('--at')") == line
    before = moved(page)
    fingers.drag((x, y), (x + 40, y + 30))
    assert moved(page) != before
    fingers.spread(x, y, 240, 40)
    assert scale(page) == 1


def test_a_double_tap_and_the_button_magnify_to_the_pixel(look: Open) -> None:
    page = opened(look, **PHONE)
    fingers, (x, y) = Fingers(page), middle(page)
    fingers.tap_twice(x, y)
    assert scale(page) > 1
    fingers.tap_twice(x, y)
    assert scale(page) == 1
    page.locator("#zoom-full").tap()
    assert scale(page) > 1
    assert page.locator("#zoom-full[aria-pressed=true]").count() == 1


def test_one_finger_moves_the_line_and_scrolls_the_sheet(look: Open) -> None:
    page = opened(look, **PHONE)
    fingers, (x, y) = Fingers(page), middle(page)
    fingers.drag((x, y), (x + 100, y + 4))
    at = float(page.evaluate("document.querySelector('.slider').style.getPropertyValue('--at')"))
    assert at > 0.6
    fingers.drag((x, y), (x + 4, y - 150))
    assert page.evaluate("document.getElementById('viewer-body').scrollTop") > 50


def test_without_a_line_a_swipe_turns_the_page(look: Open) -> None:
    page = look(Lookbook(models=1, garments=3, candidates=2), **PHONE)
    cell(page).click()
    page.locator("#modes [data-mode=candidates]").tap()
    fingers, (x, y) = Fingers(page), middle(page)
    fingers.drag((x + 60, y), (x - 60, y + 4))
    until(page, "#viewer-title", "garment-1")


def test_the_wheel_magnifies_where_it_points_and_the_mouse_moves_it(look: Open) -> None:
    page = opened(look)
    x, y = middle(page)
    page.mouse.move(x + 50, y)
    for _ in range(4):
        page.mouse.wheel(0, -240)
    page.locator("#stage.zoomed").wait_for()
    assert scale(page) > 2
    before = moved(page)
    page.mouse.down()
    page.mouse.move(x - 60, y - 40, steps=3)
    page.mouse.up()
    assert moved(page) != before
    client = page.context.new_cdp_session(page)
    for n in range(2):
        for kind, at in (("mousePressed", 0.0), ("mouseReleased", 0.05)):
            told = {
                "type": kind,
                "x": x,
                "y": y,
                "button": "left",
                "clickCount": n + 1,
                "timestamp": 1000 + n / 10 + at,
            }
            client.send("Input.dispatchMouseEvent", told)
    page.locator("#stage:not(.zoomed)").wait_for()


def test_keys_magnify_move_and_keep_it_from_picture_to_picture(look: Open) -> None:
    page = look(Lookbook(models=2, garments=2))
    cell(page).click()
    page.keyboard.press("z")
    # 1,440 pixels of the file on so many of the screen.
    wide = page.evaluate("document.querySelector('#stage .frame').clientWidth * devicePixelRatio")
    assert scale(page) == pytest.approx(1440 / wide)
    assert page.inner_text("#zoom-now") == "100 %"
    page.keyboard.press("Shift+ArrowRight")
    now = (scale(page), moved(page))
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#viewer-title") == "garment-0 × model-1", "the same garment on the next model"
    assert (scale(page), moved(page)) == now, "the same sleeve of the next picture"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#viewer-title") == "garment-1 × model-0"
    assert scale(page) == now[0]
    page.keyboard.press("z")
    assert scale(page) == 1


def test_space_held_shows_what_a_picture_is_compared_with(look: Open) -> None:
    page = opened(look)
    flick = page.locator("#stage .flick")
    assert flick.evaluate("one => getComputedStyle(one).visibility") == "hidden"
    page.keyboard.down("Space")
    assert flick.evaluate("one => getComputedStyle(one).visibility") == "visible"
    page.keyboard.up("Space")
    assert flick.evaluate("one => getComputedStyle(one).visibility") == "hidden"


def test_two_to_four_marked_pictures_are_seen_side_by_side_and_judged_there(look: Open) -> None:
    page = look(Lookbook())
    for garment in (0, 3, 5):
        cell(page, 0, garment).focus()
        page.keyboard.press("m")
    cell(page, 1, 1).focus()
    page.keyboard.press("m")
    cell(page, 1, 2).focus()
    page.keyboard.press("m")
    assert page.inner_text("#survey-open") == "Side by side (4)", "four at most"
    page.keyboard.press("s")
    assert page.locator("#stage .pane").count() == 4
    page.keyboard.press("+")
    assert (
        page.locator("#stage .pan").evaluate_all("all => new Set(all.map(one => getComputedStyle(one).transform)).size")
        == 4
        or scale(page) > 1
    )
    page.keyboard.press("2")
    assert "✓ picked" in page.locator("#stage .pane").nth(1).inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("h")
    assert "✕ rejected" in page.locator("#stage .pane").nth(2).inner_text()
    page.keyboard.press("Escape")
    assert "✓ picked" in cell(page, 0, 3).inner_text()
    assert "✕ hands" in cell(page, 0, 5).inner_text()


def test_many_more_garments_than_models_have_a_row_each(look: Open) -> None:
    page = look(Lookbook(models=2, garments=30), fragment="")
    assert page.locator(".corner").inner_text() == "30 garments × 2 models"
    side = page.locator(".side").first
    assert side.inner_text().startswith("garment-0")
    assert side.locator("img").evaluate("one => one.offsetWidth") >= 200
    page.locator("#scroller").evaluate("one => one.scrollTop = 300")
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    page.click("#turn")
    assert page.locator(".corner").inner_text() == "2 models × 30 garments"
    assert "rows=models" in page.url
    page.reload()
    until(page, ".corner", "2 models × 30 garments")


def test_a_result_of_another_shape_is_whole_and_lies_beside_the_photograph(look: Open) -> None:
    book = Lookbook(models=1, garments=2, candidates=2)
    entry = book.entries[0]
    first, second = entry.results
    wide: Stored = dataclasses.replace(first, width=1920, height=1080)
    square: Stored = dataclasses.replace(second, width=1000, height=1000)
    book.entries[0] = dataclasses.replace(entry, results=(wide, square))
    page = look(book)
    assert cell(page).locator("img").evaluate("one => getComputedStyle(one).objectFit") == "contain"
    cell(page).click()
    assert page.locator("#stage .slider").count() == 0, "no line over two shapes"
    ratios = "all => all.map(one => (one.clientWidth / one.clientHeight).toFixed(2))"
    assert page.locator("#stage .frame").evaluate_all(ratios) == ["0.75", "1.78"]
    page.keyboard.press(".")
    assert page.locator("#stage .frame").evaluate_all(ratios) == ["0.75", "1.00"], "each candidate has its own shape"
    page.keyboard.press("ArrowRight")
    assert page.locator("#stage .slider").count() == 1


def test_the_garment_lies_beside_the_result_at_its_height(look: Open) -> None:
    page = opened(look)
    page.keyboard.press("i")
    captions = page.locator("#stage figcaption").all_inner_texts()
    assert captions == ["garment-0", "model-0", "result"]
    heights = page.locator("#stage .frame").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert max(heights) - min(heights) < 3


def test_the_suspect_of_a_failure_is_named_and_shown(look: Open) -> None:
    refused = ("InputRefusedError", "input image refused")
    page = look(Lookbook(models=2, garments=4, failures={2: refused, 6: refused}))
    page.click("#how-open")
    assert "Probably the photograph of garment-1: both models failed with it." in page.inner_text("#causes")
    page.click("#causes button")
    until(page, "#shown", "2 of 8")
    cell(page, 0, 1).click()
    assert "Probably the photograph of garment-1" in page.inner_text(".message")
    assert page.locator(".message .guilty figcaption").inner_text() == "garment-1"


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_what_is_filtered_is_printed_whole(look: Open, tmp_path: Path) -> None:
    page = look(Lookbook(models=4, garments=30))
    cell(page).focus()
    page.keyboard.press("p")
    # As the browser's own menu does it: the page is told before it is printed.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#print figure:visible").count() == 120
    assert "✓ picked" in page.locator("#print figure").first.inner_text()
    assert not page.locator("#toolbar").is_visible()
    pdf = page.pdf(format="A4", landscape=True)
    (tmp_path / "print.pdf").write_bytes(pdf)
    assert pages_of(pdf) >= 5
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.fill("#search", "model-1")
    until(page, "#shown", "30 of 120")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#print figure").count() == 30


@pytest.mark.parametrize("width", [390, 768, 1440, 3840])
def test_nothing_scrolls_sideways_and_pictures_fill_the_width(look: Open, width: int) -> None:
    page = look(Lookbook(), fragment="", viewport={"width": width, "height": max(844, width * 9 // 16)})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    right = page.locator(".cell").evaluate_all("all => Math.max(...all.map(one => one.getBoundingClientRect().right))")
    side = page.locator(".side").first.bounding_box()["width"]
    high = page.locator(".cell").first.bounding_box()["height"]
    room = page.evaluate("document.getElementById('scroller').clientHeight")
    assert right > width * 0.9 or high > room * 0.6, (right, side, high)
    cell(page).first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_at_two_hundred_per_cent_every_tool_is_there(look: Open) -> None:
    page = look(Lookbook(), viewport={"width": 720, "height": 450}, device_scale_factor=2)
    for tool in ("#smaller", "#larger", "#keys-open", "#review-open", "#filters-open"):
        assert page.locator(tool).is_visible(), tool
    assert page.evaluate("document.documentElement.scrollWidth") == 720


def test_in_forced_colours_stars_and_judgements_can_be_told_apart(look: Open) -> None:
    from playwright.sync_api import expect

    page = look(Lookbook(models=1, garments=3), forced_colors="active")
    cell(page).click()
    page.keyboard.press("3")
    shapes = page.locator(".stars label span").all_inner_texts()
    assert shapes == ["★", "★", "★", "☆", "☆"]
    page.click("[data-key=auto]")
    page.keyboard.press("p")
    chosen = "[data-key=mark-pick]"
    # Asked again until it is so: the page draws a cell anew after each judgement.
    expect(page.locator(chosen)).to_have_css("outline-style", "solid")
    page.keyboard.press("Escape")
    expect(cell(page)).to_have_css("outline-style", "solid")


def checked(book: Lookbook) -> str:
    """A page whose candidates carry what the automatic checks say: the first is flagged, the second clear."""
    text = render(book.summary, book.entries, manifest=book.manifest, pictures=book.pictures)
    states = iter(
        [
            '{"state":"clear","rank":3,"of":3,"reasons":[]}',
            '{"state":"flagged","rank":1,"of":3,'
            '"reasons":[{"name":"colour","text":"another garment\\u2019s colours","reject":"colour"}],'
            '"model_box":[0.5,0.5,1,1],"result_box":[0.5,0.25,1,0.75],"outline":[[[0.6,0.3],[0.9,0.3],[0.9,0.6]]]}',
            '{"state":"not_comparable","reasons":[{"name":"column","text":"2 in this column"}]}',
        ]
    )
    return re.sub(r'"results":\[\{', lambda found: f'{found[0]}"check":{next(states)},', text)


def test_flags_are_words_that_filter_and_order_and_blind_reviews_hide_them(look: Open) -> None:
    page = look(checked(Lookbook(models=1, garments=3)))
    assert "⚑ another garment’s colours" in cell(page, 0, 1).inner_text()
    page.select_option("#sort", "worst")
    assert page.locator(".card strong").all_inner_texts() == ["garment-1", "garment-2", "garment-0"]
    page.click("#filters-open")
    page.locator("[data-filter=check]").get_by_label("flagged").check()
    until(page, "#shown", "1 of 3")
    page.locator(".cell").click()
    told = page.inner_text("#facts")
    assert "odder than 2 of 3 in this run" in told
    assert "another garment’s colours" in told


def test_the_head_leads_to_what_deserves_a_look_and_keys_answer_its_flag(look: Open) -> None:
    from playwright.sync_api import expect

    book = Lookbook(models=1, garments=3)
    book.summary = dataclasses.replace(book.summary, checks=Checks(results=3, checked=3, flagged=1, unchecked=0))
    page = look(checked(book))
    page.get_by_role("button", name="⚑ 1 deserve a look").click()
    until(page, "#shown", "1 of 3")
    page.keyboard.press("j")
    expect(page.locator("#viewer")).to_be_visible()
    part = page.locator(".beside .part").last
    expect(part.locator("polygon")).to_have_count(1)
    expect(part.locator("img")).to_have_css("position", "absolute")
    frame, image = part.bounding_box(), part.locator("img").bounding_box()
    # The part from a half to the whole of the width, from a quarter to three quarters of the height.
    assert image["width"] == pytest.approx(2 * frame["width"], rel=0.02)
    assert frame["x"] - image["x"] == pytest.approx(frame["width"], rel=0.02)
    assert frame["y"] - image["y"] == pytest.approx(image["height"] / 4, rel=0.02)
    page.keyboard.press("y")
    expect(page.locator("[data-key=mark-reject]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-key=why-colour]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("w")
    expect(page.locator("[data-key=mark-pick]")).to_have_attribute("aria-pressed", "true")


def test_what_the_judge_of_ones_own_marks_is_outlined_and_its_numbers_are_details_but_in_a_blind_review(
    look: Open,
) -> None:
    from playwright.sync_api import expect

    book = Lookbook(models=1, garments=1, variants=("a", "b"))
    sleeve = Objection("a sleeve is missing", 0.83, (0.6, 0.3, 0.8, 0.5))
    verdict = Verdict(
        1,
        1,
        State.FLAGGED,
        (Finding(Check.JUDGED, 1.0, flagged=True, note=sleeve.reason),),
        outline=(outlines.of_box((0.6, 0.3, 0.8, 0.5)),),
        model_box=(0.55, 0.25, 0.85, 0.55),
        result_box=(0.55, 0.25, 0.85, 0.55),
        judge=Judged({"likeness": 0.41275}, (sleeve,)),
    )
    told = json.dumps(shown(verdict))
    text = render(book.summary, book.entries, manifest=book.manifest, pictures=book.pictures)
    page = look(text.replace('"results":[{', f'"results":[{{"check":{told},'))
    page.locator(".cell").first.click()
    facts = page.locator("#facts")
    expect(facts).to_contain_text("Your judge objects (a sleeve is missing)")
    part = page.locator(".beside .part").last
    frame, outline = part.bounding_box(), part.locator("polygon").bounding_box()
    # The part is three tenths of each side, the box two tenths of them, in its middle; the line adds its own width.
    for start, side in (("x", "width"), ("y", "height")):
        assert outline[side] == pytest.approx(frame[side] * 2 / 3, abs=10)
        assert outline[start] + outline[side] / 2 == pytest.approx(frame[start] + frame[side] / 2, abs=2)
    page.get_by_text("Your judge’s 2 numbers").click()
    numbers = page.locator("[data-key=judge] dl")
    assert numbers.locator("dt").all_inner_texts() == ["likeness", "a sleeve is missing"]
    assert numbers.locator("dd").all_inner_texts() == ["0.4128", "0.83"]
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.locator(".cell").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    expect(facts).not_to_contain_text("judge objects")
    expect(page.locator(".beside, [data-key=judge]")).to_have_count(0)


def test_the_least_suspicious_candidate_is_shown_first_and_says_so_but_in_a_blind_review(look: Open) -> None:
    from playwright.sync_api import expect

    book = Lookbook(models=1, garments=1, candidates=2, variants=("a", "b"))
    states = iter(['{"state":"flagged","rank":1,"of":4,"reasons":[]}', '{"state":"clear","rank":4,"of":4}'] * 2)
    text = re.sub(
        r'\{"candidate":',
        lambda found: f'{{"check":{next(states)},"candidate":',
        render(book.summary, book.entries, manifest=book.manifest, pictures=book.pictures),
    )
    page = look(text)
    page.locator(".cell").first.click()
    expect(page.locator("#facts")).to_contain_text("Shown first: the least suspicious of 2")
    page.keyboard.press(".")
    expect(page.locator("#facts .check")).to_contain_text("flagged")
    expect(page.locator("#facts")).not_to_contain_text("Shown first")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.locator(".cell").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#facts")).not_to_contain_text("Shown first")
    assert page.locator("#flags").is_hidden()


def test_a_blind_review_shows_no_flag(look: Open) -> None:
    page = look(checked(Lookbook(models=1, garments=1, variants=("a", "b"))).replace('"of":3', '"of":2'))
    assert page.locator(".mark.flagged").count() == 1
    page.keyboard.press("b")
    assert page.locator(".mark.flagged").count() == 0
    page.locator(".cell").first.click()
    assert "Automatic checks" not in page.inner_text("#facts")


def test_twelve_hundred_combinations_open_in_the_view_of_products(look: Open) -> None:
    page = look(Lookbook(models=24, garments=50, large=False), fragment=OVERVIEW)
    assert page.inner_text("#shown") == "1,200 combinations"
    page.click("#turn")
    until(page, ".corner", "50 garments × 24 models")
    assert page.locator(".cell").count() < 400


def test_buttons_name_keys_only_where_there_is_a_keyboard(look: Open) -> None:
    page = opened(look)
    assert page.locator("#facts button kbd").first.is_visible()
    page = opened(look, **PHONE)
    assert page.locator("#facts button kbd").count() > 8
    assert page.locator("#facts button kbd:visible").count() == 0


@pytest.mark.parametrize("height", [700, 900, 1100])
def test_the_names_beside_a_row_are_whole(look: Open, height: int) -> None:
    page = look(Lookbook(), viewport={"width": 1440, "height": height})
    cut = page.locator(".side strong").evaluate_all(
        """names => names.filter(one => one.scrollHeight > one.clientHeight
             || one.getBoundingClientRect().bottom > one.closest('.row').getBoundingClientRect().bottom)
             .map(one => one.textContent)"""
    )
    assert cut == []
