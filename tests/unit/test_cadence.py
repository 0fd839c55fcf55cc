from hypothesis import given
from hypothesis import strategies as st

from tryon.cadence import DEADLINE, DEFAULT, poll_times, waits


def test_the_default_polls_at_5_13_23_31_41_and_then_every_10_seconds() -> None:
    times = poll_times(DEFAULT, DEADLINE)
    assert times[:7] == [5, 13, 23, 31, 41, 51, 61]
    assert times[-2:] == [291, 300]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=20), st.integers(1, 3600))
def test_whatever_the_cadence_the_waits_end_exactly_at_the_deadline(cadence: list[int], deadline: int) -> None:
    found = list(waits(cadence, deadline))
    assert sum(found) == deadline
    assert all(wait > 0 for wait in found)
