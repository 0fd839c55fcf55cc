"""The tests of a deployed stack, unchanged, against the local one: as far as that knows AWS's calls."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.local_stack import local_up
from tryon_local.app import ROOT


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with local_up(60) as (free, _):
        yield str(free)


def suite(port: str, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "tests/deployed", "--stack", "local", "--port", port, "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-vv", "-rs", *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_with_pay_two_runs_are_made_and_taken_away_again(port: str) -> None:
    said = suite(port, "--pay")
    assert len(re.findall(r"test_paid.*PASSED", said)) == 2
    assert "this AWS does not know stepfunctions test_state" in said


def test_without_it_nothing_is_submitted(port: str) -> None:
    said = suite(port)
    assert "no --pay: nothing is submitted to the service" in said
    assert re.search(r"test_free.*PASSED", said)
    assert not re.search(r"test_paid.*PASSED", said)


def test_without_a_stack_everything_is_skipped_with_its_reason() -> None:
    command = [sys.executable, "-m", "pytest", "tests/deployed", "-rs", "-p", "no:xdist"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert "no --stack NAME" in done.stdout
    assert " passed" not in done.stdout
