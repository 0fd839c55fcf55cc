"""The console for whoever hears it or has keys alone: axe finds nothing in any view, bars differ in lightness."""

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest

from tests.browser.pages import expect, violations
from tests.workflow.pipeline import Pipeline, manifest, running
from tryon_cli.actions import ConsoleActions
from tryon_cli.target import LOCAL_STACK, Target
from tryon_local.console.server import serve
from tryon_local.service.faults import Fails, Fault

Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def pipeline(browser: Any) -> Iterator[Pipeline]:
    """A run of which one combination was refused, its retry, and a manifest that cannot be run."""
    with running(slots=2, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 6)
        first = pipeline.run(manifest(2, 2), "spring").run_id
        actions = ConsoleActions(target(pipeline))
        pipeline.ended(actions.retry(first, actions.price_of_retry(first).mark))
        pipeline.run({"models": [], "garmets": []}, "wrong")
        yield pipeline


def target(pipeline: Pipeline) -> Target:
    stack = pipeline.app.stack
    return Target(LOCAL_STACK, stack.outputs, stack.client, pipeline.clock)


@pytest.fixture
def opened(browser: Any, pipeline: Pipeline) -> Iterator[Opened]:
    """Opens the console's page in a context of its own; axe is a foreign script, which its policy would forbid."""
    contexts: list[Any] = []
    with serve(pipeline.app, 0, ConsoleActions(target(pipeline))) as served:

        def look(**context: Any) -> Any:
            viewport = {"width": 1440, "height": 900}
            contexts.append(browser.new_context(**{"viewport": viewport, "bypass_csp": True} | context))
            page = contexts[-1].new_page()
            page.set_default_timeout(20_000)
            page.goto(served.url)
            page.locator("#runs button").first.wait_for()
            return page

        yield look
        for context in contexts:
            context.close()


def first(page: Any) -> None:
    """The run that has a failure: the oldest."""
    page.locator("#runs button").last.click()
    expect(page.locator("#causes button")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(opened: Opened, axe: str, scheme: str) -> None:
    page = opened(color_scheme=scheme)

    def clean(view: str) -> None:
        assert violations(page, axe) == [], view

    page.locator("#trouble").wait_for()
    clean("a manifest that cannot be run")
    first(page)
    clean("a run with a failure")
    page.get_by_role("button", name="All runs").click()
    clean("the table of runs")
    page.get_by_role("button", name="All runs").click()
    page.locator("#causes button").click()
    clean("the combinations of a cause")
    page.locator("#causes button").click()
    page.locator("#search").fill("nobody wears this")
    clean("nothing found")
    page.locator("#search").fill("")
    page.get_by_role("button", name="Ways of failure").click()
    clean("ways of failure")
    page.locator('.node[data-state="Poll"]').click()
    clean("a step")
    page.locator('.row[data-n="2"]').click()
    page.locator("#one .trouble").wait_for()
    for tab in ("Output", "Variables", "Events", "Log", "Definition", "Input"):
        page.locator("#step").get_by_role("tab", name=tab).click()
        clean(f"a visit's {tab}")
    page.keyboard.press("Escape")
    for tab in ("Events", "Log", "Way"):
        page.locator("#one").get_by_role("tab", name=tab).click()
        clean(f"a combination's {tab}")
    page.get_by_role("button", name="Retry what failed …").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nothing is left to do.")
    clean("a dialog")


def test_axe_finds_nothing_in_a_run_that_goes_on(opened: Opened, axe: str, pipeline: Pipeline) -> None:
    with pipeline.clock.attached():
        execution = pipeline.start(manifest(1, 6), "live")
        pipeline.clock.sleep(40)
        page = opened()
        page.locator("#arrived button").first.wait_for()
        assert violations(page, axe) == []
    pipeline.app.stack.wait(execution)


def test_axe_finds_nothing_on_a_telephone(opened: Opened, axe: str) -> None:
    page = opened(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    first(page)
    assert violations(page, axe) == []
    page.get_by_role("button", name="Workflow", exact=True).tap()
    page.locator("#canvas svg").wait_for()
    assert violations(page, axe) == []


def test_the_list_is_reached_past_all_runs(opened: Opened) -> None:
    page = opened()
    first(page)
    address = page.url
    page.keyboard.press("Tab")
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#side")).to_be_focused()
    assert page.url == address, "the address says what is looked at"
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#side').contains(document.activeElement)")


def test_another_run_lies_below_the_chosen_one(opened: Opened) -> None:
    page = opened()
    first(page)
    choice = page.get_by_role("combobox", name="Lay another run below this one")
    again = choice.locator("option", has_text="spring").get_attribute("value")
    expect(page.locator(".bar.beside")).to_have_count(0)
    choice.select_option(again)
    # Below the run itself, and below the one combination that the retry repeated.
    expect(page.locator(".row:has(.bar.beside)")).to_have_count(2)
    expect(page.locator('.row[data-n="2"] .bar')).to_have_count(2)
    choice.select_option(index=0)
    expect(page.locator(".bar.beside")).to_have_count(0)
    choice.select_option(again)
    expect(page.locator(".row:has(.bar.beside)")).to_have_count(2)
    page.locator("#runs button", has_text="wrong").click()
    expect(page.locator(".bar.beside")).to_have_count(0)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours, from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_are_seen_on_the_ground_and_told_apart_without_hue(opened: Opened, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    first(page)
    kinds = ("queue", "wait", "work", "bad")
    colour = {
        kind: page.locator(f"#bars i.{kind}").evaluate("mark => getComputedStyle(mark).backgroundColor")
        for kind in kinds
    }
    ground = page.locator("#side").evaluate("side => getComputedStyle(side).backgroundColor")
    seen = {kind: contrast(colour[kind], ground) for kind in kinds}
    assert min(seen.values()) >= 3, seen
    apart = {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in combinations(kinds, 2)}
    assert min(apart.values()) >= 1.25, apart
    heights = page.locator(".row .bar rect").evaluate_all(
        "rects => rects.map(rect => [rect.getAttribute('class'), rect.getAttribute('height')])"
    )
    assert len({height for _, height in heights}) == len({kind for kind, _ in heights}) > 2, "heights differ too"
