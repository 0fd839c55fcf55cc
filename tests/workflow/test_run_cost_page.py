"""docs/cost.md says what today's code costs."""

from benchmarks.run_cost import PLACE, section


def test_the_page_has_the_figures_of_todays_code() -> None:
    assert PLACE.text() == section(), "python -m benchmarks.run_cost"
