"""The page of `tryon local up` in headless Chromium: a run followed live, a failure looked into, mouse and keys."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.pages import expect
from tests.workflow.pipeline import Pipeline, manifest, running
from tryon.errors import ADVICE
from tryon_local.console.server import serve
from tryon_local.service.faults import Fails, Fault

HOSTILE = "<img src=x onerror=alert(1)>"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def pipeline(browser: Any) -> Iterator[Pipeline]:
    """Four combinations, of which the second was refused, and a manifest whose field is an attack."""
    with running(slots=2, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 6)
        pipeline.run(manifest(2, 2), "spring")
        pipeline.run({**manifest(1, 1), HOSTILE: 1}, "attack")
        yield pipeline


@pytest.fixture(scope="module")
def url(pipeline: Pipeline) -> Iterator[str]:
    with serve(pipeline.app, 0) as served:
        yield served.url


@pytest.fixture
def look(browser: Any, url: str) -> Iterator[Open]:
    """Opens the page on a run by its name; at the end, nothing may have gone elsewhere or been complained of."""
    contexts: list[Any] = []
    asked: list[str] = []
    complaints: list[str] = []

    def opened(run: str = "", n: int | None = None, **context: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | context))
        page = contexts[-1].new_page()
        page.set_default_timeout(8000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(url)
        if run:
            page.locator("#runs button", has_text=run).click()
            page.get_by_role("heading", name=run, exact=True).wait_for()
        if n is not None:
            page.locator(f'.row[data-n="{n}"]').click()
            page.locator("#one h2").wait_for()
        page.asked, page.complaints = asked, complaints
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [address for address in asked if not address.startswith(f"{url}/")] == []
    assert complaints == []


def badge(page: Any, state: str) -> str:
    """How many are in a state now, as its badge says; nothing while it is not shown."""
    node = page.locator(f'.node[data-state="{state}"]')
    shown = node.locator(".now").evaluate("badge => getComputedStyle(badge).display !== 'none'")
    return str(node.locator(".now text").text_content()) if shown else ""


def passed(page: Any, state: str) -> str:
    return str(page.locator(f'.node[data-state="{state}"] .count').text_content())


def lines(page: Any, kind: str) -> set[str]:
    """The lines of the graph that are marked as taken, or as the chosen way."""
    found: list[str] = page.eval_on_selector_all(f".edge.{kind}", "edges => edges.map(edge => edge.dataset.edge)")
    return set(found)


def listed(page: Any) -> list[str]:
    names: list[str] = page.locator(".row:not(.whole) strong").all_text_contents()
    return names


def test_a_run_is_followed_live_from_its_plan_to_its_gallery(look: Open, pipeline: Pipeline) -> None:
    with pipeline.clock.attached():
        pipeline.drop(manifest(1, 6), "live")
        pipeline.clock.sleep(7.5)
        page = look()
        page.get_by_text("0 of 6 combinations done, 4 under way").wait_for()
        assert page.locator("#head .pill").text_content() == "Running"
        assert (badge(page, "Wait"), badge(page, "ReserveSlot"), badge(page, "Download")) == ("2", "2", "")
        assert badge(page, "TryOn") == "now"
        assert "Wait > Poll" in lines(page, "taken")
        assert "Done? > Download" not in lines(page, "taken")
        assert page.locator(".row.RUNNING:not(.whole) .how").first.text_content().startswith("Wait · ")
        assert page.locator("#files a").count() == 0
        pipeline.clock.sleep(30)
        # No reload: the page asks for itself.
        page.get_by_text("2 of 6 combinations done").wait_for()
        head = page.locator("#numbers").inner_text()
        assert "slots in use\n2 of 2" in head
        assert "paid so far\n4.00 CNY" in head
        assert re.search(r"left, of workflow\n(\d+ min )?\d+ s", head)
        assert re.fullmatch(r"2 / 6 · (\d+ min )?\d+ s left · live · tryon", page.title())
        assert page.locator("#arrived button").count() == 2
        assert "Done? > Download" in lines(page, "taken")
        assert passed(page, "Download") == "2"
    pipeline.app.stack.wait(pipeline.app.stack.executions()[-1])
    page.get_by_role("link", name="Gallery").wait_for()
    page.locator("#head .pill", has_text="Complete").wait_for()
    assert badge(page, "TryOn") == ""
    assert "6.00 CNY" in page.locator("#numbers").inner_text()
    assert (
        "checks\nnone of 6 was checked\nunchecked: 6 (no small copy was made of it)"
        in page.locator("#numbers").inner_text()
    )


def test_a_failed_combination_shows_its_way_its_reason_and_its_events(look: Open) -> None:
    page = look("spring", 2)
    assert page.locator("#one h2").text_content() == "m0 wears g1"
    page.locator("#one .trouble").get_by_text("Input refused at Poll").wait_for()
    assert page.locator("#one .trouble span").first.text_content().startswith("an input picture was refused")
    way = lines(page, "way")
    assert "Poll ! GiveSlotBack" in way
    assert "RecordFailure > Failed" in way
    assert "Done? > Download" not in way
    assert re.fullmatch(r"4× · 31 s", passed(page, "Wait"))
    page.get_by_role("tab", name=re.compile("Events")).click()
    failed = page.locator(".bad-event").first
    assert "InputRefusedError: an input picture was refused" in failed.inner_text()
    shown = page.locator(".events details").first
    shown.locator("summary").click()
    assert '"combination"' in shown.inner_text()


def test_a_good_combination_shows_its_pictures_and_times(look: Open) -> None:
    page = look("spring", 1)
    photos = page.locator(".photos img")
    photos.nth(2).wait_for()
    # An image's decoding is awaited by the browser itself: the page's policy forbids the evaluation of strings.
    assert page.evaluate("Promise.all([...document.querySelectorAll('.photos img')].map(image => image.decode()))")
    assert [photos.nth(i).get_attribute("alt").split()[0] for i in range(3)] == ["model", "garment", "result"]
    waits = page.locator(".way-list li", has=page.get_by_text("Wait", exact=True)).locator(".took").all_text_contents()
    assert waits == ["5 s", "8 s", "10 s", "8 s"]
    assert "Done? > Download" in lines(page, "way")


def test_what_is_looked_at_stands_in_the_address(look: Open) -> None:
    page = look("spring", 2)
    page.reload()
    page.get_by_text("Input refused at Poll").wait_for()
    page.keyboard.press("Escape")
    page.locator("#rows").wait_for()
    page.reload()
    page.get_by_role("heading", name="spring", exact=True).wait_for()
    assert page.locator("#one").is_hidden()


def test_a_step_says_what_it_does_and_whom_it_concerns(look: Open) -> None:
    page = look("spring")
    page.locator('.node[data-state="Download"]').click()
    card = page.locator("#step")
    assert "Streams the result pictures into S3." in card.inner_text()
    assert "→ Explain\non any error" in card.inner_text()
    assert "3 been through" in card.inner_text()
    assert listed(page) == ["m0 wears g0", "m1 wears g0", "m1 wears g1"]
    page.keyboard.press("Escape")
    assert card.is_hidden()
    assert len(listed(page)) == 4


def test_a_visit_of_a_step_has_tabs_of_its_own(look: Open) -> None:
    page = look("spring", 1)
    page.locator(".way-list button", has=page.get_by_text("Poll", exact=True)).nth(1).click()
    card = page.locator("#step")
    card.get_by_text("Visit 2 of 4").wait_for()
    assert "at 0:13" in card.locator(".visits").inner_text()
    panel = card.get_by_role("tabpanel")
    assert [tab.split()[0] for tab in card.get_by_role("tab").all_text_contents()] == [
        "Input", "Output", "Variables", "Events", "Log", "Definition",
    ]  # fmt: skip
    expect(panel).to_contain_text('"deferrals": 0')
    card.get_by_role("tab", name="Output").click()
    expect(panel).to_contain_text('"state": "pending"')
    card.get_by_role("tab", name="Variables").click()
    set_here = panel.locator("h3", has_text="set here")
    expect(set_here).to_have_text(["deferrals set here", "said set here", "wait set here"])
    expect(panel.locator("h3", has_text="task_id")).to_be_visible()
    card.get_by_role("tab", name="Log 1").click()
    expect(panel.locator(".said")).to_have_count(1)
    expect(panel.locator(".said")).to_contain_text("polled")
    card.get_by_role("button", name="later visit").click()
    card.get_by_text("Visit 3 of 4").wait_for()
    card.get_by_role("button", name="later visit").click()
    card.get_by_text("Visit 4 of 4").wait_for()
    assert card.get_by_role("button", name="later visit").is_disabled()
    expect(panel.locator(".said")).to_contain_text("state=done")


def test_tabs_are_chosen_by_arrows(look: Open) -> None:
    page = look("spring", 2)
    page.locator('.node[data-state="Poll"]').click()
    card = page.locator("#step")
    card.get_by_role("tab", name="Input").focus()
    page.keyboard.press("ArrowRight")
    expect(card.get_by_role("tab", name="Output")).to_be_focused()
    expect(card.get_by_role("tab", name="Output")).to_have_attribute("aria-selected", "true")
    # The last of its visits, which is the one that failed.
    expect(card.get_by_role("tabpanel")).to_contain_text("InputRefusedError: an input picture was refused")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(card.get_by_role("tab", name="Definition")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(page.locator("#one")).to_be_visible()


def test_a_step_of_the_run_itself_has_its_visit_and_lines(look: Open) -> None:
    page = look("spring")
    page.locator('.node[data-state="Plan"]').click()
    card = page.locator("#step")
    card.get_by_role("tab", name="Log 1").click()
    expect(card.locator(".said")).to_contain_text("planned")
    page.locator('.row[data-n="1"]').click()
    expect(card).to_contain_text("A step of the run itself, not of this combination.")
    page.get_by_role("tab", name=re.compile("Log")).click()
    expect(page.locator("#one .log b", has_text="downloaded")).to_be_visible()
    expect(page.locator("#one .log .call b").last).to_have_text("Check")


def test_the_graph_is_reached_by_keys_and_named_for_those_who_do_not_see_it(look: Open) -> None:
    page = look("spring")
    node = page.get_by_role("button", name="Submit 4: 0 here now, 4 been through")
    node.focus()
    page.keyboard.press("Enter")
    page.locator("#step").get_by_text("Starts the task, once").wait_for()
    page.locator('.row[data-n="1"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#one h2").text_content() == "m0 wears g1"


def test_causes_are_counted_and_lead_to_their_combinations(look: Open) -> None:
    page = look("spring")
    cause = page.get_by_role("group", name="Causes of failure").get_by_role("button")
    expect(cause).to_have_text(["1 × Input refused"])
    cause.click()
    expect(cause).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#causes")).to_contain_text(ADVICE["InputRefusedError"])
    assert listed(page) == ["m0 wears g1"]
    cause.click()
    expect(cause).to_have_attribute("aria-pressed", "false")
    assert len(listed(page)) == 4


def test_events_and_lines_are_saved_as_a_file(look: Open) -> None:
    page = look("spring", 2)
    page.locator("#one").get_by_role("tab", name=re.compile("Events")).click()
    with page.expect_download() as waited:
        page.get_by_role("link", name="Save events and log as JSON").click()
    saved = json.loads(waited.value.path().read_bytes())
    assert re.fullmatch(r"\w+-spring-\w+-2\.json", waited.value.suggested_filename)
    assert saved["events"][-1]["type"] == "ExecutionFailed"
    assert {line["function"] for line in saved["log"]} >= {"Submit", "Poll"}


def test_a_run_that_is_still_read_says_so(look: Open) -> None:
    page = look("spring")
    waiting: list[Any] = []
    held = True
    page.route("**/api/runs/*after=0", lambda route: waiting.append(route) if held else route.continue_())
    page.reload()
    expect(page.get_by_text("Reading the run …")).to_be_visible()
    # Not `unroute`, which may let them go on by itself.
    held = False
    for route in waiting:
        route.continue_()
    expect(page.locator(".row").first).to_be_visible()
    expect(page.get_by_text("Reading the run …")).to_be_hidden()


def test_combinations_are_found_by_words_and_by_status(look: Open) -> None:
    page = look("spring")
    page.locator("#search").fill("m1 g1")
    assert listed(page) == ["m1 wears g1"]
    page.locator("#search").fill("refused")
    assert listed(page) == ["m0 wears g1"]
    page.locator("#search").fill("")
    page.get_by_role("button", name="Done 3").click()
    assert len(listed(page)) == 3
    page.get_by_role("button", name="Waiting 0").click()
    page.get_by_text("No combination fits these filters.").wait_for()


def test_what_a_user_wrote_is_text_and_nothing_else(look: Open) -> None:
    page = look("attack")
    trouble = page.locator("#trouble")
    trouble.wait_for()
    assert HOSTILE in trouble.inner_text()
    page.locator('.row[data-n="0"]').click()
    page.get_by_role("tab", name=re.compile("Events")).click()
    page.locator(".bad-event .why").first.wait_for()
    assert page.locator("img").count() == 0
    assert "Plan ! ExplainRun" in lines(page, "way")


def test_the_gallery_opens_from_the_page_and_shows_its_pictures(look: Open) -> None:
    page = look("spring")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Gallery").click()
    gallery = opened.value
    gallery.get_by_role("heading", name="spring").wait_for()
    assert gallery.locator(".cell").count() == 4
    gallery.close()


def test_thousands_of_combinations_are_listed_without_drawing_them_all(look: Open, url: str) -> None:
    page = look("spring")
    execution = page.url.partition("#")[2]

    def many(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        one = told["combinations"][0]
        told["combinations"] = [{**one, "n": n, "id": f"m{n}__01-g0__default"} for n in range(1, 5001)]
        route.fulfill(response=answer, body=json.dumps(told))

    page.route(f"**/api/runs/{execution}?after=0", many)
    page.reload()
    page.get_by_role("button", name="All 5,000").wait_for()
    assert page.locator(".row").count() < 60
    # A row that stays in sight while the list is scrolled is moved, not drawn anew.
    page.evaluate("window.kept = document.querySelector('.row[data-n=\"9\"] .what')")
    page.locator("#rows").evaluate("rows => rows.scrollTop = 120")
    page.locator('.row[data-n="18"]').wait_for()
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("window.kept.isConnected && window.kept.closest('.row').dataset.n") == "9"
    page.locator("#rows").evaluate("rows => rows.scrollTop = rows.scrollHeight")
    page.get_by_text("m5000").wait_for()
    assert page.locator(".row").count() < 60
    page.locator("#search").fill("m4321")
    assert listed(page) == ["m4321 wears g0"]


SMALL_LETTERS = """() => [...document.querySelectorAll("body *")].flatMap((node) => {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!own || !node.checkVisibility() || !node.getBoundingClientRect().width) return [];
  const drawing = node.ownerSVGElement;
  const scale = drawing ? drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width : 1;
  const size = parseFloat(getComputedStyle(node).fontSize) * scale;
  return size < 10.99 ? [`${node.textContent}: ${size}`] : [];
})"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (768, 1024), (1440, 900)])
def test_no_letter_is_smaller_than_11_pixels(look: Open, width: int, height: int) -> None:
    page = look("spring", viewport={"width": width, "height": height})
    page.locator(".row").first.wait_for()
    if width < 1080:
        assert page.locator("#canvas").is_hidden(), "the list comes first where both have no room"
        assert page.evaluate(SMALL_LETTERS) == []
        page.get_by_role("button", name="Workflow", exact=True).click()
    page.locator("#canvas svg").wait_for()
    assert page.evaluate(SMALL_LETTERS) == []
    page.get_by_role("button", name="Ways of failure").click()
    page.locator('.node[data-state="RecordFailure"]').wait_for()
    assert page.evaluate(SMALL_LETTERS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_ways_of_failure_are_folded_until_they_are_looked_for(look: Open) -> None:
    page = look("spring")
    assert page.locator('.node[data-state="RecordFailure"]').count() == 0
    submit = page.locator('.more[data-of="Submit"]')
    assert submit.locator("text").text_content() == "+6"
    page.locator('.row[data-n="2"]').click()
    page.locator('.node.way[data-state="RecordFailure"]').wait_for()
    page.get_by_role("button", name="Fit").click()
    room = page.locator("#canvas").evaluate("canvas => canvas.scrollWidth <= canvas.clientWidth")
    assert room, "fitted, the whole drawing is seen"


def test_the_graph_is_one_stop_of_the_tab_key(look: Open) -> None:
    page = look("spring")
    assert page.locator('.node[tabindex="0"]').count() == 1
    page.locator('.node[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.state") == "Name"
    assert page.locator('.node[tabindex="0"]').get_attribute("data-state") == "Name"


def test_a_run_is_found_by_its_name_and_its_status(look: Open) -> None:
    page = look("spring")
    runs = page.locator("#runs button")
    page.locator("#find").fill("rejected")
    assert runs.locator("strong").all_text_contents() == ["attack"]
    page.locator("#find").fill("")
    page.get_by_role("button", name="All runs").click()
    names = page.locator("#runs strong")
    assert names.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)"), "no name is cut"
    assert "stack time" in page.locator("#when").inner_text()


def test_a_refusal_has_its_advice(look: Open) -> None:
    page = look("spring", 2)
    page.locator("#one .advice").wait_for()
    assert page.locator("#one .advice").inner_text() == ADVICE["InputRefusedError"]
    # On a line of its own, not behind the reason.
    reason, advice = (page.locator("#one .trouble span").nth(i).bounding_box() for i in range(2))
    assert advice["y"] >= reason["y"] + reason["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_it_without_moving_sideways(look: Open, scheme: str) -> None:
    page = look("spring", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.locator(".row").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_stack_that_was_stopped_is_told(browser: Any, pipeline: Pipeline) -> None:
    with serve(pipeline.app, 0) as served:
        page = browser.new_page()
        page.set_default_timeout(12000)
        page.goto(served.url)
        page.get_by_role("heading").first.wait_for()
    page.get_by_text("The local stack does not answer any more").wait_for()
    page.close()
