"""docs/notebook.md, run from top to bottom against the embedded stack, as a notebook's kernel would."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.local_stack import local_up
from tests.workflow.pipeline import picture
from tryon_local.app import ROOT

PAGE = ROOT / "docs" / "notebook.md"
MARK = "--- block {} ---"
SPEED = 200
SECONDS = 240
"""Of real time for the page, on a busy machine."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The page's code blocks, each with the output that it shows, empty for none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in found} == {"python", "text"}
    pairs: list[tuple[str, str]] = []
    for kind, text in found:
        if kind == "python":
            pairs.append((text, ""))
        else:
            assert pairs, "an output without code"
            assert not pairs[-1][1], "two outputs in a row"
            pairs[-1] = (pairs[-1][0], text)
    return pairs


def normal(text: str) -> str:
    """An output without what differs from run to run: digits of numbers, ids and times, and lines of progress."""
    lines = [line for line in text.splitlines() if not re.match(r"\d+ of \d+(,|$)|waiting for", line)]
    ids = re.sub(r"\d{8}T\d{6}Z-manifest-[0-9a-f]+", "RUN", "\n".join(lines))
    return re.sub(r"about (\d+ min )?\d+ s", "about N s", re.sub(r"\(\d+, \d+\)", "(W, H)", ids))


def test_the_page_does_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("models/anna", 1), ("garments/upper/shirt", 101), ("garments/lower/jeans", 102)):
        path = tmp_path / "my-pictures" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    pairs = blocks(PAGE.read_text(encoding="utf-8"))
    script = "\n".join(f"print({MARK.format(n)!r})\n{code}" for n, (code, _) in enumerate(pairs))
    with local_up(SPEED) as (port, _):
        monkeypatch.setenv("TRYON_PORT", str(port))
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    printed = re.split(r"^--- block \d+ ---\n", ended.stdout, flags=re.MULTILINE)[1:]
    for (code, shown), told in zip(pairs, printed, strict=True):
        assert normal(told) == normal(shown), code
