"""What the tests of pages share: one headless Chromium. Without it they are skipped, in CI they fail."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lint.__main__ import npm_tools
from sam.engine import UnavailableError
from tests.browser.pages import OVERVIEW, Open
from tests.lookbook import FOLDER, Lookbook
from tryon.reporting.gallery.render import render

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium; playwright allows no second one in the same thread."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    if not Path(CHROMIUM).exists():
        _missing("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def look(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a page written to a run's folder; whatever it asks for, complains of or runs is kept on it."""
    contexts: list[Any] = []

    def opened(
        content: str | Lookbook, *, address: str = "", script: str = "", fragment: str = OVERVIEW, **context: Any
    ) -> Any:
        if isinstance(content, Lookbook):
            content = render(content.summary, content.entries, manifest=content.manifest, pictures=content.pictures)
        path = tmp_path / FOLDER.gallery
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 860}} | context))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.accept()))
        if script:
            page.add_init_script(script)
        page.home = (address or path.as_uri()) + fragment
        page.goto(page.home)
        page.wait_for_selector("#shown:not(:empty)")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def axe() -> str:
    """axe's script, from the pinned packages of the linters."""
    try:
        tools = npm_tools("axe is not run")
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    if tools is None:
        pytest.skip("node and npm are not on this machine: axe is not run")
    return (Path(tools).parent / "axe-core" / "axe.min.js").read_text("utf-8")
