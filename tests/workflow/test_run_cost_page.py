"""docs/cost.md says what today's code costs."""

from benchmarks.run_cost import PAGE, page


def test_the_page_has_the_figures_of_todays_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "python -m benchmarks.run_cost"
