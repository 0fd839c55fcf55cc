"""Real `sam build` and `sam local`: run by `make sam-test`, which takes minutes and a container engine."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sam.engine import Engine, UnavailableError, engine
from sam.image import Image, base_image
from sam.toolchain import Toolchain, toolchain
from tryon_local.app import ROOT

collect_ignore_glob = [] if os.environ.get("SAM_TEST") else ["test_*.py"]

CACHE = ROOT / ".cache" / "sam"
T = TypeVar("T")


@dataclass
class Report:
    """What is told at the end: where things ran."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


_report = Report()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _report.lines:
        terminalreporter.section("sam local")
        for line in _report.lines:
            terminalreporter.write_line(line)


def available(make: Callable[[], T]) -> T:
    """What a machine may be unable to give; CI's must be able to."""
    try:
        return make()
    except UnavailableError as reason:
        if os.environ.get("CI"):
            pytest.fail(f"needed in CI: {reason}")
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def report() -> Report:
    return _report


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    return available(lambda: toolchain(CACHE, ROOT / "requirements" / "tools-sam.txt", _report))


@pytest.fixture(scope="session")
def built(tools: Toolchain) -> Path:
    """The template that `sam build` made, beside what it built for this machine's processor."""
    return build(tools, CACHE / "build")


def build(tools: Toolchain, folder: Path, *options: str) -> Path:
    done = tools.run("build", "--build-dir", str(folder), *options, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "template.yaml"


@pytest.fixture(scope="session")
def running() -> Iterator[Engine]:
    with ExitStack() as stack:
        found = available(lambda: stack.enter_context(engine(CACHE, _report)))
        _report(f"engine: {found.description}")
        yield found


@pytest.fixture(scope="session")
def image(running: Engine, tools: Toolchain) -> Image:
    requirements = ROOT / "requirements" / "tools-lambda.txt"
    found = available(lambda: base_image(running, tools.python, requirements, _report))
    _report(f"image:  {found.description} (id {found.id})")
    return found
