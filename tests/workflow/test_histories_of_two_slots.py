"""Whatever goes wrong with two slots, the rules of histories hold."""

from tests.workflow.histories import play_many


def test_whatever_goes_wrong_the_rules_hold() -> None:
    play_many(slots=2)
