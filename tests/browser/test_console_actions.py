"""Stop and retry from the console's page in headless Chromium: the price first, then one click, once."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.pages import expect
from tests.workflow.pipeline import Pipeline, manifest, running
from tryon_cli.actions import ConsoleActions
from tryon_cli.target import LOCAL_STACK, Target
from tryon_local.console.server import serve
from tryon_local.service.faults import Fails, Fault


@pytest.fixture
def opened(browser: Any) -> Iterator[tuple[Pipeline, Any]]:
    """A stack with its console's page, on which nothing may be complained of."""
    with running(slots=2, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 6)
        target = Target(LOCAL_STACK, pipeline.app.stack.outputs, pipeline.app.stack.client, pipeline.clock)
        with serve(pipeline.app, 0, ConsoleActions(target)) as served:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(20_000)
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(served.url)
            yield pipeline, page
            page.close()
    # A refusal is an answer of 409, which Chromium writes to its console too.
    assert [text for text in complaints if "409" not in text] == []


def test_what_failed_is_run_again_after_its_price_was_shown(opened: tuple[Pipeline, Any]) -> None:
    pipeline, page = opened
    run_id = pipeline.run(manifest(2, 2), "spring").run_id
    pipeline.paid()
    expect(page.locator("#when")).to_contain_text(run_id)
    expect(page.get_by_role("button", name="Stop …")).to_be_hidden()
    page.get_by_role("button", name="Retry what failed …").click()
    dialog = page.get_by_role("dialog", name="Retry what failed?")
    expect(dialog).to_contain_text("1 combination: 1.00 CNY to the stand-in, not real, for 1 task, about")
    # The safe choice has the focus, and Escape leaves everything as it is.
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert pipeline.paid() == 0
    page.get_by_role("button", name="Retry what failed …").click()
    dialog.get_by_role("button", name="Retry for 1.00 CNY").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#when")).to_contain_text(f"retry of {run_id}")
    expect(page.locator("#head .pill", has_text="Complete")).to_be_visible()
    assert pipeline.paid() == 1
    page.locator("#runs button").nth(1).click()
    expect(page.locator("#when")).not_to_contain_text("retry of")
    expect(page.locator("#when")).to_contain_text(run_id)
    page.get_by_role("button", name="Retry what failed …").click()
    expect(dialog).to_contain_text("Nothing is left to do.")
    expect(dialog.get_by_role("button", name="Retry for")).to_be_hidden()
    dialog.get_by_role("button", name="Cancel").click()


def test_a_run_is_stopped_after_what_it_leaves_was_shown(opened: tuple[Pipeline, Any]) -> None:
    pipeline, page = opened
    with pipeline.clock.attached():
        pipeline.drop(manifest(1, 6), "live")
        pipeline.clock.sleep(7.5)
        page.get_by_role("button", name="Stop …").click()
        dialog = page.get_by_role("dialog", name="Stop this run?")
        expect(dialog).to_contain_text("4 combinations will not start.")
        expect(dialog).to_contain_text("2 tasks at the service are paid for all the same: 2.00 CNY to the stand-in")
        dialog.get_by_role("button", name="Stop the run").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#trouble")).to_contain_text("stopped in the console")
        expect(page.locator("#head .pill")).to_have_text("Stopped, being recorded")
        expect(page.get_by_role("button", name="Retry what failed …")).to_be_hidden()
    # It can be retried as soon as it is recorded, which the page sees by itself.
    pipeline.app.stack.wait(pipeline.ending(pipeline.app.stack.executions()[0]))
    expect(page.locator("#head .pill")).to_have_text("Failed")
    expect(page.get_by_role("button", name="Retry what failed …")).to_be_visible()


def test_an_offer_that_no_longer_holds_is_refused_in_words(opened: tuple[Pipeline, Any]) -> None:
    pipeline, page = opened
    run_id = pipeline.run(manifest(2, 2), "spring").run_id
    expect(page.locator("#when")).to_contain_text(run_id)
    page.get_by_role("button", name="Retry what failed …").click()
    dialog = page.get_by_role("dialog", name="Retry what failed?")
    expect(dialog.get_by_role("button", name="Retry for 1.00 CNY")).to_be_visible()
    target = Target(LOCAL_STACK, pipeline.app.stack.outputs, pipeline.app.stack.client, pipeline.clock)
    elsewhere = ConsoleActions(target)
    pipeline.ended(elsewhere.retry(run_id, elsewhere.price_of_retry(run_id).mark))
    dialog.get_by_role("button", name="Retry for 1.00 CNY").click()
    expect(dialog).to_contain_text("what is left of the run has changed since its price was shown")
    assert len(pipeline.app.stack.executions()) == 2
