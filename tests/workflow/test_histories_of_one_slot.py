"""Whatever goes wrong with one slot: the run ends, each combination has one outcome, nothing is paid twice or kept."""

from tests.workflow.histories import play_many


def test_whatever_goes_wrong_the_rules_hold() -> None:
    play_many(slots=1)
