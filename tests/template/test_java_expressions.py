"""The state machine's regular expressions in Java's engine, as on AWS: long texts on a small stack."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lint.rules.workflow import regular_expressions
from tryon_local.app import ROOT

SOURCE = ROOT / "tests" / "data" / "Match.java"
TEXT = (ROOT / "statemachine" / "tryon.asl.json").read_text()

STACK = 512 * 1024
"""Bytes: half of what a thread of Java has by default."""

LENGTH = 30_000

TEXTS = [
    '{"errorMessage": "' + "m" * LENGTH + '", "errorType": "ManifestError"}',
    '{"errorMessage": "' + '\\"' * LENGTH + '"}',
    '{"errorMessage": "' + "\\u4e2d" * LENGTH + '"}',
    '{"errorMessage": "' + "m" * LENGTH,
    "a-" * LENGTH,
    "/" * LENGTH + "Ü.JSON.txt",
    "due in " + "9" * LENGTH + " s",
]

pytestmark = pytest.mark.skipif(not shutil.which("javac"), reason="no JDK on this machine: Java's engine is not asked")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("java")
    subprocess.run(["javac", "-d", folder, SOURCE], check=True)
    return folder


def answers(compiled: Path, folder: Path, expressions: list[str]) -> list[str]:
    for name, lines in (("expressions", expressions), ("texts", TEXTS)):
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    command = [
        "java",
        "-Dfile.encoding=UTF-8",
        "-cp",
        compiled,
        "Match",
        folder / "expressions",
        folder / "texts",
        str(STACK),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})  # type: ignore[arg-type]
    found = done.stdout.splitlines()
    assert len(found) == len(expressions) * len(TEXTS), done.stderr
    return found  # type: ignore[no-any-return]


def test_no_expression_overflows_a_small_stack(compiled: Path, tmp_path: Path) -> None:
    expressions = sorted(set(regular_expressions(TEXT)))
    assert any("errorMessage" in one for one in expressions)
    assert "overflow" not in answers(compiled, tmp_path, expressions)


def test_one_that_repeats_a_group_does(compiled: Path, tmp_path: Path) -> None:
    assert "overflow" in answers(compiled, tmp_path, [r'"errorMessage": ?("(?:[^\\"]|\\.)*")'])
