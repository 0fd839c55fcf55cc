"""The performance benchmark measures what it says: the same work for everyone, counted at the service."""

import pytest

from benchmarks import listening
from benchmarks.orders import Order, floor, latencies
from benchmarks.performance import LOOP, OURS, OURS_2, PAGE, WORKERS, Contest, contend
from tryon.cadence import DEFAULT

SMALL = Order(models=1, garments=3)
FIRST, SECOND, THIRD = latencies(seed=1, count=3)


def test_the_floor_is_what_busy_slots_take() -> None:
    assert floor([10, 20, 30], 1) == 60
    assert floor([10, 20, 30], 2) == 40  # the third begins when the first ends
    assert floor([10, 20, 30], 9) == 30


def test_the_loop_waits_and_rests_and_downloads_between_tasks() -> None:
    one = contend(Contest(LOOP, 2, 1, DEFAULT, order=SMALL))
    assert one.floor == pytest.approx(SECOND + THIRD)  # the second slot is free first
    # Two rests of 2 s and three downloads of 1 to 3 s, beside latencies and delays.
    assert 4 + 3 <= one.seconds - (FIRST + SECOND + THIRD) - 3 * one.delay <= 4 + 9
    assert one.most_running == 1
    assert one.requests == 3 + round(3 * one.polls)


def test_workers_use_all_slots_and_pay_for_it_in_requests() -> None:
    (system, cadence), *_ = WORKERS.items()
    one = contend(Contest(system, 2, 1, cadence, order=SMALL))
    assert one.most_running == 2
    assert one.polls > 20


@pytest.mark.parametrize("at_once", [1, 2])
def test_the_project_is_measured_by_its_histories_and_at_the_service(at_once: int) -> None:
    one = contend(Contest(OURS_2, 1, 1, (27, 3, 2, 2, 8), order=SMALL, at_once=at_once))
    assert one.floor == pytest.approx(at_once * (FIRST + SECOND + THIRD))
    assert 1.0 < one.seconds / one.floor < 1.25
    assert one.most_running == 1
    # Each run asks once whether it may ask at all.
    assert one.requests == at_once * (3 + 1) + round(3 * at_once * one.polls)
    if at_once == 1:
        assert one.transitions == pytest.approx(6 + 3 * one.polls)
    assert not one.refusals


def test_the_page_was_written_by_the_command() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"| {OURS} |" in page
    head, _, rest = page.partition(listening.BEGIN)
    own, _, rest = rest.partition(listening.END)
    assert (head + rest).count("| met |") + (head + rest).count("| **missed** |") == 10
    rows = own.count("| met |") + own.count("| **missed** |")
    assert rows == 4 * len(listening.SCENARIOS) + 2 * len(listening.CHANGES)
