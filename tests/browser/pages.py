"""What the tests of the gallery's page share."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lookbook import RUN
from tryon_cli.review import read_export

Open = Callable[..., Any]

OVERVIEW = "#rows=models"
"""The address of the view with a row a model, in which nine garments are seen at once."""


def asked(page: Any) -> list[str]:
    """What the page asked for besides itself and the pictures within it."""
    home = page.home.partition("#")[0]
    return [url for url in page.asked if not url.startswith(("data:", "blob:")) and url.partition("#")[0] != home]


def cell(page: Any, model: int = 0, garment: int = 0, variant: str = "default") -> Any:
    return page.locator(f'.cell[data-id="model-{model}__{garment + 1:02d}-garment-{garment}__{variant}"]')


def until(page: Any, selector: str, start: str) -> None:
    """Wait for a text; by playwright's own means, since the page's policy forbids the evaluation of strings."""
    page.locator(selector).filter(has_text=re.compile("^" + re.escape(start))).wait_for()


def focused(page: Any) -> str | None:
    found: str | None = page.evaluate("document.activeElement.dataset.id || null")
    return found


def exported(page: Any, kind: str) -> bytes:
    if not page.locator("#review").is_visible():
        page.click("#review-open")
    with page.expect_download() as waited:
        page.click(f"#export-{kind}")
    data = Path(waited.value.path()).read_bytes()
    # No two reviewers' files have one name: the review's own number is in it.
    review = read_export(data, kind)
    who = re.findall(r"[^\W_]+", review.reviewer[:40])
    assert waited.value.suggested_filename == "-".join([RUN, "review", *who, review.review[:6]]) + f".{kind}"
    return data


def expect(found: Any) -> Any:
    """Playwright's assertion about a locator, which waits until it holds; without playwright tests are skipped."""
    from playwright.sync_api import expect as expected

    return expected(found)


def violations(page: Any, axe: str) -> list[str]:
    """What axe's rules find in the page as it is now, each with the first place."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe)
    found: list[str] = page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
          .map(one => `${one.id} (${one.impact}): ${one.nodes[0].html.slice(0, 200)}`)"""
    )
    return found
