"""docs/scale.md says how near large runs come to each limit."""

import re

from benchmarks.scale import FUNCTIONS, PLACE, SIZES, limits


def test_the_page_is_what_the_command_writes() -> None:
    assert PLACE.text() == limits(), "python -m benchmarks.scale limits"


def test_what_is_beyond_a_limit_is_marked() -> None:
    assert limits([100_000]).count("refused") == 0
    assert "300,000 (300%, refused)" in limits([300_000])


def test_each_call_stays_under_half_of_its_time_and_memory() -> None:
    """As measured last: `python -m benchmarks.scale growth 10000` writes the table."""
    rows = [line.strip("| \n").split(" | ") for line in FUNCTIONS.text().splitlines()[2:]]
    assert {int(row[0].replace(",", "")) for row in rows} == set(SIZES)
    for row in rows:
        share = re.search(r"\((\d+)%\)", row[9])
        assert share, row
        assert int(share[1]) < 50, row
        peak, memory = (int(cell.removesuffix(" MB")) for cell in row[10:])
        assert peak < memory / 2, row
