"""docs/scale.md says how near large runs come to each limit."""

from benchmarks.scale import PLACE, limits


def test_the_page_is_what_the_command_writes() -> None:
    assert PLACE.text() == limits(), "python -m benchmarks.scale limits"


def test_what_is_beyond_a_limit_is_marked() -> None:
    assert limits([100_000]).count("refused") == 0
    assert "300,000 (300%, refused)" in limits([300_000])
