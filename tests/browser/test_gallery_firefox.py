"""The gallery in Debian's Firefox, over WebDriver BiDi with npm's puppeteer-core; its windows begin at 450 px.

Where there is no Firefox, or it does not start, these tests are skipped with the reason printed: one that is there and
does not do what Chromium does is a failure.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lint.__main__ import npm_tools
from sam.engine import UnavailableError
from tests.browser.pages import OVERVIEW
from tests.browser.test_gallery_jobs import colleague
from tests.browser.test_gallery_link import run, shared
from tests.end_to_end.local_stack import local_up
from tests.lookbook import FOLDER, RUN, Lookbook
from tryon.keys import RunFolder
from tryon.reporting.gallery.render import render
from tryon_cli.review import REASONS, read_export
from tryon_cli.target import connect

DRIVER = Path(__file__).with_name("firefox.mjs")
Drive = Callable[..., Any]


class Firefox:
    """One Firefox for the module; each job has a context of its own."""

    def __init__(self, node: str, packages: Path, firefox: str, downloads: Path) -> None:
        self.downloads = downloads
        self._process = subprocess.Popen(
            [node, DRIVER, packages, firefox, downloads],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.version = self._answer().get("value")

    def __call__(self, job: str, url: str, **more: object) -> Any:
        """What a job answers; whatever the page complained of or asked for elsewhere fails the test."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"job": job, "url": url, **more}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert "error" not in answer, answer
        assert answer["complaints"] == []
        host = url[: url.index("/", 8)] if url.startswith("http") else "file://"
        assert [one for one in answer["asked"] if not one.startswith((host, "data:", "blob:", "about:"))] == []
        return answer["value"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        return found

    def reason(self) -> str:
        assert self._process.stderr
        return f"Firefox does not start here: {self._process.stderr.read().strip()[-300:]}"

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        pytest.skip("there is no Firefox here (apt-get install firefox-esr): the gallery is not tried in it")
    try:
        tools = npm_tools("the gallery is not tried in Firefox")
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    node = shutil.which("node")
    if tools is None or node is None:
        pytest.skip("node and npm are not on this machine: the gallery is not tried in Firefox")
    driven = Firefox(node, tools.parent.parent, firefox, tmp_path_factory.mktemp("downloads"))
    if driven.version is None:
        pytest.skip(driven.reason())
    yield driven
    driven.close()


@pytest.fixture
def page(tmp_path: Path) -> Callable[[Lookbook], str]:
    """Writes a run's page to a folder; its address."""

    def written(book: Lookbook) -> str:
        path = tmp_path / FOLDER.gallery
        path.parent.mkdir(parents=True, exist_ok=True)
        content = render(book.summary, book.entries, manifest=book.manifest, pictures=book.pictures)
        path.write_text(content, "utf-8")
        return path.as_uri() + OVERVIEW

    return written


def test_it_opens_shows_every_combination_and_asks_for_nothing(drive: Drive, page: Drive) -> None:
    failures = {4: ("InputRefusedError", "the service refused an input (50411)")}
    assert drive("opens", page(Lookbook(failures=failures))) == {"cells": 18, "said": "17 of 18 have a picture"}


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_eighteen_pictures_are_judged_with_nineteen_keys_and_exported(drive: Firefox, page: Drive, kind: str) -> None:
    keys = "Enter p x g c l f h a k r " + " ".join("p" * 8)
    assert drive("judges", page(Lookbook()), keys=keys, kind=kind) == "This was the last one: 9 picked, 9 rejected"
    file = arrived(drive.downloads, kind)
    said = [f"{one.mark} {one.reason or ''}".strip() for one in read_export(file.read_bytes(), file.name).marks]
    assert said == ["pick", "reject", *(f"reject {reason}" for reason in REASONS), *["pick"] * 8]


def arrived(folder: Path, kind: str) -> Path:
    """A review of that kind that is whole: Firefox writes to another name until then."""
    end = time.monotonic() + 30
    while True:
        found = [one for one in folder.glob(f"{RUN}-review-*.{kind}") if one.stat().st_size]
        if found and not list(folder.glob("*.part")):
            return found[0]
        assert time.monotonic() < end, [one.name for one in folder.iterdir()]
        time.sleep(0.05)


def test_pictures_are_magnified_and_moved(drive: Drive, page: Drive) -> None:
    assert drive("magnifies", page(Lookbook(models=1, garments=2))) == {"said": "100 %", "moved": True}


def test_pairs_are_compared_without_names(drive: Drive, page: Drive) -> None:
    names = drive("compares", page(Lookbook(models=1, garments=3, variants=("mask-loose", "mask-tight"))))
    assert len(names) == 2
    assert not any("mask" in name for name in names)


def test_filters_are_in_the_address(drive: Drive, page: Drive) -> None:
    assert drive("filters", page(Lookbook())) == ["2 of 18 combinations"] * 2


def test_a_colleagues_review_is_read_in(drive: Drive, page: Drive, tmp_path: Path) -> None:
    lin = tmp_path / "lin.json"
    lin.write_text(json.dumps(colleague("Lin", [{"mark": "reject", "reason": "hands", "note": "six"}])))
    assert drive("imports", page(Lookbook(models=1, garments=3)), file=str(lin)) == "Lin: 1 judgements"


def test_the_focus_is_kept(drive: Drive, page: Drive) -> None:
    second = "model-0__02-garment-1__default"
    assert drive("keepsFocus", page(Lookbook(models=1, garments=3))) == [second] * 3


@pytest.mark.parametrize("width", [450, 768, 1440, 3840])
def test_no_window_is_too_narrow(drive: Drive, page: Drive, width: int) -> None:
    assert drive("fits", page(Lookbook(variants=("a", "b"))), width=width) == [0, 0]


def test_what_is_printed_holds_every_combination(drive: Drive, page: Drive) -> None:
    assert drive("prints", page(Lookbook())) == 18


def test_from_one_link_to_a_review_that_is_sent(
    drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with local_up(60) as (port, _):
        stack = connect("local", port=port)
        run_id = run(stack, port, tmp_path)
        assert drive("sends", shared(run_id, port, capsys)).startswith("Sent.")
        sent = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=RunFolder(run_id).reviews)["Contents"]
        body = stack.s3.get_object(Bucket=stack.bucket, Key=sent[0]["Key"])["Body"].read()
        marks = read_export(body, "sent").marks
        assert [(one.mark, one.reason) for one in marks] == [("pick", None), ("reject", "hands")]
