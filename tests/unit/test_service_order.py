"""The plan's order keeps two services out of each other's way, in simulated time."""

import pytest

from benchmarks.service_order import CASES, PAGE, page, results

RESULTS = results()


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m benchmarks.service_order"


def test_the_fast_service_does_not_wait_for_the_slow_one() -> None:
    found = RESULTS["500 + 500"]
    assert found["the plan's order"].fast <= 1.10 * found["alone"].fast
    assert found["the plan's order"].whole <= 1.05 * found["alone"].slow
    assert found["the manifest's order"].fast > 5 * found["alone"].fast, "what the order is for"


@pytest.mark.parametrize("case", CASES)
def test_a_run_takes_no_longer_than_its_longer_side(case: str) -> None:
    found = RESULTS[case]
    assert found["the plan's order"].whole <= 1.05 * found["alone"].whole
