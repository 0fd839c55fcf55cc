"""docs/reliability.md says what the code does."""

from collections.abc import Iterator

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


@pytest.mark.parametrize("fault", SAMPLED)
def test_a_line_of_the_page_is_what_happens(stage: Theatre, fault: str) -> None:
    confirm(fault, stage)
