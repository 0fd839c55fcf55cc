"""The gallery as people use it, in headless Chromium: from a disk, from a link, with a mouse, keys and a finger.

Needs Debian's chromium. Without it these tests are skipped, in CI they fail.
"""

import dataclasses
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.pages import Open, asked, cell, exported, focused, until
from tests.lookbook import FOLDER, RUN, Lookbook, Shelf, publish
from tryon.stored import Lost
from tryon_cli.review import read_export

AB = ("mask-loose", "mask-tight")
FAILURES = {4: ("InputRefusedError", "the service refused an input (50411)"), 9: ("TaskDeadlineError", "too late")}


def test_it_opens_from_a_disk_shows_every_combination_and_asks_for_nothing(look: Open) -> None:
    page = look(Lookbook(failures=FAILURES))
    assert page.locator(".cell").count() == 18
    assert page.locator(".cell img").evaluate_all("all => all.every(img => img.complete && img.naturalWidth > 0)")
    assert page.inner_text("h1") == "Spring lookbook"
    tagline = page.inner_text("#tagline")
    assert tagline == "16 of 18 have a picture"
    assert not page.locator("#plots").is_visible(), "pictures first: measures are in a drawer"
    page.click("#how-open")
    measured = page.inner_text("#measured")
    assert "2 models × 9 garments · took 4 min 12 s" in measured
    assert "18 tasks, 18.00 CNY" in measured
    assert page.locator(".plot:visible").count() == 3
    assert asked(page) == []
    assert page.complaints == []


def test_a_run_of_two_services_names_them_and_adds_no_currencies(look: Open) -> None:
    page = look(Lookbook(garments=2, variants=("a", "b"), services={"b": "fashn/tryon-v1.6"}))
    page.click("#how-open")
    assert "8 tasks, 4.00 CNY and 0.30 USD" in page.inner_text("#measured")
    page.click("#how-open")
    page.goto(f"{page.home.partition('#')[0]}#service=fashn/tryon-v1.6")
    page.reload()
    page.wait_for_selector("#shown:not(:empty)")
    assert page.inner_text("#shown").startswith("4 of 8"), page.inner_text("#shown")
    assert page.complaints == []


def test_from_a_presigned_link_it_asks_for_nothing_but_itself(look: Open, tmp_path: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{FOLDER.gallery}?X-Amz-Signature=abc&X-Amz-Expires=900"
        try:
            page = look(Lookbook(), address=address)
            cell(page).click()
            page.wait_for_selector(".slider")
            assert page.locator("#facts a").count() == 0, "the link's signature opens nothing else"
            page.keyboard.press("Escape")
            assert asked(page) == []
            assert page.complaints == []
        finally:
            server.shutdown()


def test_nothing_that_a_user_or_the_service_wrote_runs(look: Open) -> None:
    evil = "</script><script>ran('s')</script><img src=x onerror=ran('i')><svg onload=ran('v')>\u2028${ran('t')}"
    book = Lookbook(name=evil, failures={1: ("InputRefusedError", evil), 2: (f"{evil}Error", "javascript:ran('j')")})
    first, *others = book.summary.reasons
    reasons = (dataclasses.replace(first, cause=evil), *others)
    book.summary = dataclasses.replace(book.summary, reasons=reasons)
    page = look(book, script="window.heard = []; window.ran = (x) => window.heard.push(x);")
    assert page.inner_text("h1") == evil.replace("\u2028", "\u2028")
    page.locator(".cell.failed").first.click()
    assert evil.split("\u2028")[0] in page.inner_text(".message")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.fill("#search", evil)
    page.click("#review-open")
    page.fill("#reviewer", evil)
    page.keyboard.press("Escape")
    assert page.evaluate("heard") == []
    assert (
        page.evaluate("document.scripts.length + document.querySelectorAll('#hero img, main svg[onload]').length") == 1
    )
    assert [text for text in page.complaints if "ran" in text] == []


def test_a_click_shows_the_result_large_beside_its_inputs(look: Open) -> None:
    page = look(Lookbook())
    cell(page, 1, 3).click()
    assert page.inner_text("#viewer-title") == "garment-3 × model-1"
    stage = page.locator("#stage .slider").bounding_box()
    thumb = page.locator(".cell").first.bounding_box()
    assert stage["height"] > 2.5 * thumb["height"]
    assert page.locator("#stage img:not(.flick)").evaluate_all("all => all.map(img => img.naturalHeight)") == [120, 120]
    assert page.locator("#facts figcaption").all_inner_texts() == ["model-1\nmodel", "garment-3\nupper body"]
    page.click("#viewer-close")
    assert not page.locator("#viewer").is_visible()


def test_the_slider_moves_between_the_model_and_the_result(look: Open) -> None:
    page = look(Lookbook())
    cell(page).click()
    before = page.locator("#stage .clip")
    at = "one => getComputedStyle(one.parentElement).getPropertyValue('--at')"
    shown = "one => getComputedStyle(one).clipPath + getComputedStyle(one.parentElement).getPropertyValue('--at')"
    middle = before.evaluate(shown)
    box = page.locator(".slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 100, steps=4)
    page.mouse.up()
    assert before.evaluate(shown) != middle
    share = float(before.evaluate(at))
    assert 0.8 < share <= 1
    page.focus(".slider input")
    page.keyboard.press("ArrowLeft")
    assert float(before.evaluate(at)) < share
    assert page.inner_text("#viewer-title") == "garment-0 × model-0", "the arrow moved the slider, not the page"
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 100, steps=4)
    page.mouse.up()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#viewer-title") == "garment-1 × model-0", "after a drag the arrows go on"


def test_the_file_beside_the_page_is_shown_in_full_when_it_is_there(look: Open, tmp_path: Path) -> None:
    book = Lookbook(models=1, garments=2)
    there, lost = (tmp_path / entry.results[0].key for entry in book.entries)
    there.parent.mkdir(parents=True)
    Image.new("RGB", (1440, 1920), "red").save(there)
    page = look(book)
    cell(page, 0, 0).click()
    page.wait_for_selector("#stage img[data-full]")
    assert page.locator("#stage img").first.evaluate("img => img.naturalWidth") == 1440
    with page.expect_event("requestfailed"):
        page.keyboard.press("ArrowRight")
    assert page.locator("#stage img").first.evaluate("img => img.naturalWidth") == 90, "the preview stays"
    assert list(dict.fromkeys(asked(page))) == [there.as_uri(), lost.as_uri()]


def test_a_failed_cell_shows_its_reason_and_what_to_do(look: Open) -> None:
    page = look(Lookbook(failures=FAILURES))
    failed = cell(page, 0, 3)
    assert "Input refused" in failed.inner_text()
    assert "refused an input (50411)" in failed.inner_text()
    assert failed.text_content().startswith("model-0 wearing garment-3: failed, Input refused")
    failed.click()
    message = page.inner_text(".message")
    assert "InputRefusedError" in message
    assert "Use another photograph" in message
    assert "request-4" in page.inner_text("#facts")


def test_filters_and_search_leave_what_fits(look: Open) -> None:
    page = look(Lookbook(variants=AB, failures=FAILURES))

    page.click("#filters-open")

    def after(name: str, *values: str) -> str:
        for value in values:
            page.locator(f"[data-filter={name}]").get_by_label(value, exact=True).check()
        found: str = page.inner_text("#shown")
        page.click("#clear")
        return found

    assert page.inner_text("#shown") == "36 combinations"
    assert after("model", "model-1") == "18 of 36 combinations"
    assert after("garment", "garment-2") == "4 of 36 combinations"
    assert after("garment", "garment-2", "garment-5") == "8 of 36 combinations"
    assert after("garment", "garment-2", "all but these") == "32 of 36 combinations"
    assert after("type", "upper body") == "12 of 36 combinations"
    assert after("variant", "mask-tight") == "18 of 36 combinations"
    assert after("result", "No picture") == "2 of 36 combinations"
    assert after("result", "Task deadline") == "1 of 36 combinations"
    page.click("#reasons button >> nth=0")
    assert page.locator(".cell").count() == 1
    page.click("#reasons button >> nth=0")
    page.fill("#search", "model-1 garment-4 TIGHT")
    until(page, "#shown", "1 of")
    page.fill("#search", "nobody wears this")
    page.wait_for_selector("#nothing:visible")
    page.click("#clear-too")
    assert page.inner_text("#shown") == "36 combinations"


def test_the_keyboard_moves_opens_rates_and_closes_with_the_focus_in_sight(look: Open) -> None:
    page = look(Lookbook(models=6))
    page.keyboard.press("ArrowDown")
    assert focused(page) == "model-0__01-garment-0__default"
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert focused(page) == "model-1__02-garment-1__default"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("4")
    assert "★ 4" in cell(page, 1, 1).inner_text()
    page.keyboard.press("End")
    assert focused(page) == "model-1__09-garment-8__default"
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert focused(page) == "model-5__09-garment-8__default"
    box = page.evaluate("(({top, bottom}) => [top, bottom])(document.activeElement.getBoundingClientRect())")
    assert box[0] > 0
    assert box[1] <= 860
    page.keyboard.press("Enter")
    assert page.inner_text("#viewer-title") == "garment-8 × model-5"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("2")
    assert page.locator(".stars .on").count() == 2
    assert page.inner_text(".stars output") == "2 of 5"
    page.keyboard.press("Escape")
    page.locator("[data-id='model-5__08-garment-7__default']:focus").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("model-3")
    until(page, "#shown", "9 of 54 combinations")
    page.keyboard.press("Escape")
    until(page, "#shown", "54 combinations")


def titles(page: Any) -> str:
    """What the large view shows: a pair's title."""
    found: str = page.inner_text("#viewer-title")
    return found


def test_the_export_holds_what_was_clicked(look: Open) -> None:
    page = look(Lookbook(models=1, garments=3, variants=AB))
    cell(page, 0, 0, "mask-tight").click()
    page.click("#modes [data-mode=variants]")
    assert page.locator("#stage .choice .frame").count() == 2
    page.click(".choice:has-text('Prefer mask-tight') button")
    until(page, "#viewer-title", "garment-1 × model-0")
    page.keyboard.press("1")
    until(page, "#viewer-title", "garment-2 × model-0")
    page.click(".tie.bad")
    page.click("#review [data-close]")
    cell(page, 0, 0, "mask-tight").focus()
    page.keyboard.press("5")
    page.click("#review-open")
    page.fill("#reviewer", '=Lin, the "first"')
    from_json = read_export(exported(page, "json"), "review.json")
    assert [(one.worn, one.type, one.preferred, one.shown, one.both_bad) for one in from_json.preferences] == [
        ("01-garment-0", "upper", "mask-tight", AB, False),
        ("02-garment-1", "lower", "mask-loose", AB, False),
        ("03-garment-2", "full", None, AB, True),
    ]
    assert [(one.worn, one.variant, one.stars) for one in from_json.ratings] == [("01-garment-0", "mask-tight", 5)]
    assert (from_json.run_id, from_json.reviewer) == (RUN, '=Lin, the "first"')
    assert read_export(exported(page, "csv"), "review.csv") == from_json


def test_judgements_are_there_again_when_the_page_is_opened_again(look: Open) -> None:
    page = look(Lookbook(models=1, garments=2, variants=AB))
    cell(page, 0, 1, "mask-loose").focus()
    page.keyboard.press("3")
    page.keyboard.press("v")
    page.keyboard.press("2")
    until(page, "#viewer-title", "garment-0")
    page.reload()
    page.wait_for_selector(".cell")
    page.locator("#viewer[open]").wait_for()
    page.keyboard.press("Escape")
    assert "★ 3" in cell(page, 0, 1, "mask-loose").inner_text()
    assert "preferred" in cell(page, 0, 1, "mask-tight").inner_text()


def test_a_browser_that_keeps_nothing_still_takes_a_review_and_says_so(look: Open) -> None:
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied') }})"
    page = look(Lookbook(models=1, garments=2), script=denied)
    cell(page).focus()
    page.keyboard.press("4")
    assert "★ 4" in cell(page).inner_text()
    page.click("#review-open")
    assert "keeps nothing" in page.inner_text("#review-kept")
    assert read_export(exported(page, "json"), "x").ratings[0].stars == 4
    assert page.complaints == []


def test_a_blind_review_hides_which_variant_is_which_and_shuffles_them(look: Open) -> None:
    # A cause that names the variant, as the service's messages may.
    book = Lookbook(models=1, garments=5, variants=AB, failures={7: ("TaskFailedError", "mask-loose broke")})
    page = look(book)
    page.click("#review-open")
    page.check("#blind")
    page.click("#review [data-close]")

    def names() -> list[str]:
        """Wherever a variant's name stands in the page: text, attributes, address."""
        found: list[str] = page.evaluate(
            """names => [...document.querySelectorAll('html, body *:not(script)')].flatMap(one => [
              ...[...one.attributes].filter(a => a.name !== 'src').map(a => a.name + '=' + a.value),
              ...[...one.childNodes].filter(c => c.nodeType === 3).map(c => c.data),
            ]).concat(location.href, document.title).filter(text => names.some(name => text.includes(name)))""",
            list(AB),
        )
        return found

    def order() -> list[str]:
        page.click("#compare")
        seen = []
        for _ in range(4):
            title = titles(page)
            assert names() == [], title
            seen.append(title + page.locator("#stage .pan > img:not(.flick)").first.get_attribute("src"))
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        return seen

    assert names() == []
    first = order()
    cell_ = page.locator(".cell.failed")
    cell_.click()
    assert names() == []
    page.keyboard.press("Escape")
    assert order() == first
    page.click("#compare")
    for judged in range(1, 5):
        page.keyboard.press("1")
        if judged < 4:
            until(page, "#position", f"{judged} of 4 judged")
    page.locator("#review[open]").wait_for()
    assert not page.locator("#viewer").is_visible(), "after the last pair comes the verdict"
    assert names() == []
    review = read_export(exported(page, "json"), "x")
    assert all(one.blind and one.preferred == one.shown[0] for one in review.preferences)
    assert sorted(one.shown for one in review.preferences) == [AB, AB, AB[::-1], AB[::-1]], "balanced"
    page.click("#reveal")
    assert names()
    counts = page.locator("#verdict tbody tr").first.inner_text().split("\t")
    assert counts[:3] == ["combinations", "2", "2"]
    assert "preferred equally often" in page.inner_text("#verdict .sentence")


def test_several_candidates_can_be_looked_at(look: Open) -> None:
    page = look(Lookbook(models=1, garments=1, candidates=3))
    assert "×3" in cell(page).inner_text()
    cell(page).click()
    assert page.locator(".strip button").count() == 3
    page.keyboard.press(".")
    assert page.locator(".strip [aria-pressed=true]").inner_text() == "Candidate 2"
    assert page.locator("#facts a.open").get_attribute("href").endswith("__2.png")


def test_a_picture_that_could_not_be_had_is_marked_and_told_in_the_large_view(look: Open) -> None:
    book = Lookbook(models=1, garments=1, candidates=3)
    (entry,) = book.entries
    kept = tuple(dataclasses.replace(entry.results[n], candidate=n + 1) for n in (0, 2))
    gone = Lost(2, "ResultGoneError", "cdn.example.com answered 404")
    book.entries[0] = dataclasses.replace(entry, results=kept, lost=(gone,))
    page = look(book)
    assert "1 lost" in cell(page).inner_text()
    cell(page).click()
    assert page.locator(".strip button").all_inner_texts() == ["Candidate 1", "Candidate 3"]
    told = page.inner_text("#facts .lost")
    assert "Candidate 2" in told
    assert "cdn.example.com answered 404" in told


def test_ten_thousand_combinations_scroll_and_filter_quickly(look: Open) -> None:
    page = look(
        Lookbook(
            models=100,
            garments=50,
            variants=AB,
            failures=dict.fromkeys(range(1, 300), ("TaskFailedError", "x")),
            large=False,
        )
    )
    assert page.inner_text("#shown") == "10,000 combinations"
    frames = page.evaluate(
        """async () => {
          const main = document.getElementById('scroller'), frames = [];
          let last = performance.now(), most = 0;
          for (let i = 0; i < 60; i++) {
            main.scrollTop += main.scrollHeight / 60;
            main.scrollLeft += main.scrollWidth / 60;
            await new Promise(requestAnimationFrame);
            most = Math.max(most, document.querySelectorAll('.cell').length);
            frames.push(performance.now() - last);
            last = performance.now();
          }
          return {middle: frames.sort((a, b) => a - b)[30], most};
        }"""
    )
    assert frames["most"] < 400, "only what can be seen is in the page"
    assert frames["middle"] < 200
    page.locator('.cell[data-id="model-99__50-garment-49__mask-tight"]').wait_for()
    page.click("#filters-open")
    spent = page.evaluate(
        """() => {
          const started = performance.now();
          document.querySelector('[data-key="result-none"]').click();
          return performance.now() - started;
        }"""
    )
    assert spent < 1000
    assert page.inner_text("#shown") == "299 of 10,000 combinations"
    page.fill("#search", "model-2 garment-7")
    until(page, "#shown", "2 of")
    assert page.locator(".cell").count() == 2


def test_an_index_leads_to_the_part_with_the_large_picture(look: Open, tmp_path: Path) -> None:
    book = Lookbook(models=3, garments=150)
    shelf = Shelf(book.pictures)
    publish(shelf, book)
    (tmp_path / FOLDER.prefix).mkdir(parents=True)
    for key, data in shelf.objects.items():
        if key.endswith(".html"):
            (tmp_path / key).write_bytes(data)
    page = look(shelf.objects[FOLDER.gallery].decode(), fragment="#model-2__003-garment-2__default")
    page.click("#stage .note a")
    # The page writes its own words for what is open as soon as it has loaded.
    page.wait_for_url(re.compile(r"/gallery-003\.html#(open=)?model-2__003-garment-2__default$"))
    page.wait_for_selector("#viewer[open]")
    assert page.locator("#stage img:not(.flick)").evaluate_all("all => all.map(img => img.naturalHeight)") == [120, 120]
    page.keyboard.press("Escape")
    page.click("#how-open")
    assert "part 3 of 3" in page.inner_text("#when")


def test_a_telephone_shows_it_without_scrolling_sideways(look: Open) -> None:
    page = look(Lookbook(variants=AB), viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)

    def wide() -> list[str]:
        found: list[str] = page.evaluate(
            """() => [...document.querySelectorAll('#hero *, #toolbar *, dialog[open] *')].filter((one) => {
              const box = one.getBoundingClientRect();
              return box.width && (box.right > innerWidth + 1 || box.left < -1) && !one.closest('#plots');
            }).map((one) => one.tagName + '#' + one.id + '.' + one.className)"""
        )
        return found

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert wide() == []
    page.tap("#filters-open")
    page.tap("[data-view=cards]")
    assert wide() == []
    page.locator(".cell").first.tap()
    assert page.locator("#viewer").is_visible()
    assert wide() == []
    page.tap("#modes [data-mode=variants]")
    assert wide() == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    least = page.locator("#viewer button:visible").evaluate_all("all => Math.min(...all.map(b => b.offsetHeight))")
    assert least >= 36


CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, below) => below.map((b, i) => top[i] * top[3] + b * (1 - top[3]));
  const ground = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const texts = [...document.querySelectorAll('body *:not(script)')].filter((node) =>
    node.getBoundingClientRect().width && !node.closest('#toast, .unseen') &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => {
    const style = getComputedStyle(node), below = ground(node), ink = parse(style.color);
    ink[3] *= Number(style.opacity);
    const [darker, lighter] = [light(over(ink, below)), light(below)].sort((x, y) => x - y);
    return [(lighter + 0.05) / (darker + 0.05), `${node.tagName}.${node.className} ${node.textContent.slice(0, 20)}`];
  }).filter(([ratio, name]) => ratio < (/[☆★]/.test(name) ? 3 : 4.5));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_light_and_dark(look: Open, scheme: str) -> None:
    page = look(Lookbook(variants=AB, failures=FAILURES), color_scheme=scheme)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 20, 18)"
    assert dark == (scheme == "dark")
    assert page.evaluate(CONTRAST) == []
    cell(page, 0, 1, "mask-tight").click()
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    page.click("#review-open")
    assert page.evaluate(CONTRAST) == []


def test_whoever_cannot_see_is_told_what_is_there(look: Open) -> None:
    page = look(Lookbook(models=1, garments=2, variants=AB), reduced_motion="reduce")
    assert page.locator("[role=grid]").get_attribute("aria-rowcount") == "2"
    assert page.locator("[role=grid]").get_attribute("aria-colcount") == "5"
    name = cell(page, 0, 1, "mask-tight").text_content()
    assert name.strip() == "mask-tight model-0 wearing garment-1, variant mask-tight"
    assert page.locator("button, input, select").evaluate_all(
        "all => all.every(one => one.hidden || one.getAttribute('aria-label') || one.textContent || one.labels?.length)"
    )
    assert page.locator(".cell").first.evaluate("one => getComputedStyle(one).transitionDuration") == "0s"
    cell(page, 0, 1, "mask-tight").click()
    alts = page.locator("#stage img:not(.flick)").evaluate_all("all => all.map(img => img.alt)")
    assert alts == ["model-0 wearing garment-1, variant mask-tight", "model-0 as photographed"]
