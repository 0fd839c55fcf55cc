"""Whoever hears the page or has keys alone: axe finds nothing in any view, contrast holds, names say what is seen."""

import pytest

from tests.browser.pages import Open, cell, violations
from tests.lookbook import Lookbook

FAILURES = {4: ("InputRefusedError", "the service refused an input (50411)"), 9: ("TaskDeadlineError", "too late")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(look: Open, axe: str, scheme: str) -> None:
    book = Lookbook(variants=("a", "b"), failures=FAILURES, candidates=2)
    page = look(book, bypass_csp=True, color_scheme=scheme)

    def clean(view: str) -> None:
        assert violations(page, axe) == [], view

    clean("grid")
    page.click("#how-open")
    page.click("#filters-open")
    page.locator("[data-filter=garment]").get_by_label("garment-1", exact=True).check()
    clean("drawer and filters")
    page.click("#clear")
    page.click("#filters-open")
    page.click("#turn")
    clean("rows of garments")
    page.click("[data-view=cards]")
    clean("cards")
    page.fill("#search", "nobody wears this")
    page.wait_for_selector("#nothing:visible")
    clean("nothing found")
    page.click("#clear-too")
    page.click("[data-view=grid]")
    page.click("#turn")
    cell(page, 0, 0, "a").click()
    page.click("#facts [data-key=auto]")
    page.keyboard.press("3")
    page.keyboard.press("h")
    clean("large view, judged")
    for mode in ("inputs", "candidates", "variants"):
        page.click(f"#modes [data-mode={mode}]")
        clean(mode)
    page.keyboard.press("Escape")
    for garment in (5, 6):
        cell(page, 0, garment, "a").focus()
        page.keyboard.press("m")
    page.keyboard.press("s")
    clean("side by side")
    page.keyboard.press("Escape")
    page.locator(".cell.failed").first.click()
    clean("a failure")
    page.keyboard.press("Escape")
    page.click("#keys-open")
    clean("keys")
    page.keyboard.press("Escape")
    page.click("#compare")
    clean("blind test")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    page.click("#review-open")
    clean("review, blind")
    page.click("#reveal")
    clean("review with a verdict")


def test_axe_finds_nothing_on_a_telephone(look: Open, axe: str) -> None:
    page = look(Lookbook(), bypass_csp=True, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    assert violations(page, axe) == []
    page.locator(".cell").first.tap()
    assert violations(page, axe) == []


def test_a_name_says_what_is_seen(look: Open) -> None:
    """Whoever speaks to a machine says what stands there: each control's name holds its visible words."""
    page = look(Lookbook(variants=("a", "b"), failures=FAILURES))
    cell(page, 0, 0, "a").focus()
    page.keyboard.press("4")
    wrong: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('button[aria-label]')].filter(one => one.offsetWidth)
          .filter(one => !one.getAttribute('aria-label').toLowerCase().includes(one.innerText.trim().toLowerCase()))
          .map(one => one.outerHTML)"""
    )
    assert wrong == []
    told = cell(page, 0, 0, "a").text_content()
    assert "model-0 wearing garment-0, variant a" in told
    assert "★ 4" in told


CONTRAST_OF_SHAPES = """(selector) => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  return [...document.querySelectorAll(selector)].map((one) => {
    const style = getComputedStyle(one);
    const ink = one instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(parse(ink)), light(ground(one.parentElement))].sort((x, y) => x - y);
    return (b + 0.05) / (a + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stars_and_bars_stand_out(look: Open, scheme: str) -> None:
    page = look(Lookbook(), color_scheme=scheme)
    page.click("#how-open")
    bars = page.evaluate(CONTRAST_OF_SHAPES, ".plot rect")
    assert len(bars) > 3
    assert min(bars) >= 3
    cell(page).click()
    page.keyboard.press("3")
    stars = page.evaluate(CONTRAST_OF_SHAPES, ".stars label")
    assert len(stars) == 5
    assert min(stars) >= 3


def test_stars_are_a_group_of_radio_buttons_for_the_arrows(look: Open) -> None:
    page = look(Lookbook(models=1, garments=2))
    cell(page).click()
    page.focus("[data-key=star-2]")
    page.keyboard.press("Space")
    assert page.inner_text(".stars output") == "2 of 5"
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".stars output") == "3 of 5"
    assert page.evaluate("document.activeElement.dataset.key") == "star-3"
    assert page.inner_text("#viewer-title") == "garment-0 × model-0", "the arrow chose a star and turned no page"


def test_focus_stays_on_a_combination_whenever_the_page_is_drawn_anew(look: Open) -> None:
    from playwright.sync_api import expect

    page = look(Lookbook(models=1, garments=3, variants=("a", "b")))
    own = cell(page, 0, 1, "a")
    page.click("#review-open")
    # The browser reports a closed dialog a moment later, and the page draws itself anew then.
    page.evaluate(
        """() => new Promise(done => {
          const sheet = document.getElementById('review');
          sheet.addEventListener('close', () => done());
          sheet.close();
          document.querySelector('.cell[data-id="model-0__02-garment-1__a"]').focus();
        })"""
    )
    expect(own).to_be_focused()
    page.keyboard.press("+")
    expect(own).to_be_focused()
    page.set_viewport_size({"width": 700, "height": 800})
    expect(page.locator("#grid .side").first).to_have_css("width", "96px")
    expect(own).to_be_focused()
    page.keyboard.press("5")
    expect(own).to_contain_text("★ 5")
    page.keyboard.press("b")
    expect(page.locator("body.blind .cell:focus")).to_have_count(1)
