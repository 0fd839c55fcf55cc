"""docs/reliability.md says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.reliability import FAULTS, SLOTS, confirm, written
from tests.workflow.histories import Theatre, theatre

SAMPLED = (
    "submit: silence, task made",
    "task: done after the deadline",
    "poll: function killed before",
    "map: S3 says slow down",
    "event delivered again late",
)
"""A few of the lines, chosen so that each other part of the workflow is in one; the script checks them all."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Theatre]:
    with theatre(SLOTS) as found:
        yield found


def test_the_page_has_a_line_for_every_fault() -> None:
    assert list(written()) == list(FAULTS)


def test_every_test_that_the_page_names_is_there() -> None:
    here = Path(__file__).parent
    page = (here.parents[1] / "docs" / "reliability.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    there = set(re.findall(r"^def (test_\w+)", (here / "test_called_again.py").read_text(), re.MULTILINE))
    assert len(named) > 15
    assert named <= there
    files = set(re.findall(r"`(tests/workflow/\w+\.py)`", page))
    assert all((here.parents[1] / name).is_file() for name in files)


@pytest.mark.parametrize("fault", SAMPLED)
def test_a_line_of_the_page_is_what_happens(stage: Theatre, fault: str) -> None:
    confirm(fault, stage)
