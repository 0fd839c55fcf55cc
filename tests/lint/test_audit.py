"""The audit fails for a known vulnerability, and says plainly when it could look up nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from lint import audit as module
from lint.audit import audit

PINS = "pillow==12.0.0 \\\n    --hash=sha256:aa\nrequests==2.32.0 ; python_version >= '3.11' \\\n    --hash=sha256:bb\n"
CLEAN = {"name": "requests", "version": "2.32.0", "vulns": []}
HOLED = {
    "name": "pillow",
    "version": "12.0.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["12.0.1"]}],
}
SKIPPED = [{"name": name, "skip_reason": "not found"} for name in ("pillow", "requests")]


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(PINS)
    return file


def tool(folder: Path, *packages: Any, output: str | None = None) -> Path:
    """A `pip-audit` that answers with these packages."""
    said = json.dumps({"dependencies": packages, "fixes": []}) if output is None else output
    (folder / "said").write_text(said)
    script = folder / "pip-audit"
    # No path of an interpreter in its first line, which may have a blank.
    script.write_text('#!/bin/sh\ncat "$(dirname "$0")/said"\nexit 1\n')
    script.chmod(0o755)
    return script


def test_a_known_vulnerability_fails_and_is_named_with_its_mend(
    pins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not audit(tool(tmp_path, CLEAN, HOLED), [pins])
    assert capsys.readouterr().out == f"{pins}: pillow 12.0.0: PYSEC-1, mended in 12.0.1\n"


@pytest.mark.parametrize("id_", ["PYSEC-1", "CVE-2026-1"])
def test_an_exempted_one_does_not(id_: str, pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXEMPT", {id_: "the decoder is not used"})
    assert audit(tool(tmp_path, CLEAN, HOLED), [pins])


def test_nothing_known_is_clean_and_silent(pins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(tool(tmp_path, CLEAN, {**CLEAN, "name": "pillow"}), [pins])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("packages", "output", "missed"),
    [(SKIPPED, None, 2), ([CLEAN, SKIPPED[0]], None, 1), ((), "", 2), ((), "no connection", 2)],
    ids=["all skipped", "one skipped", "no output", "no JSON"],
)
def test_what_was_not_looked_up_is_counted(
    packages: Any, output: str | None, missed: int, pins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(tool(tmp_path, *packages, output=output), [pins])
    assert f"audit: {missed} of 2 packages not looked up" in capsys.readouterr().out
