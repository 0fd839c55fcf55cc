"""Whatever goes wrong: the run ends, every combination has one outcome, nothing is paid twice, nothing is kept."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.workflow.histories import HISTORIES, History, Theatre, theatre

EXAMPLES = 20
"""Histories for each number of slots; `make soak` plays thousands."""


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda slots: f"{slots} slots")
def stage(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    with theatre(request.param) as found:
        yield found


def test_whatever_goes_wrong_the_rules_hold(stage: Theatre) -> None:
    # The same ones each time, and others for each number of slots.
    @seed(stage.slots)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(history=HISTORIES)
    def play(history: History) -> None:
        stage.play(history).check()

    play()
