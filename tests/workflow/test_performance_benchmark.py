"""The performance benchmark measures what it says: the same work for everyone, counted at the service."""

from dataclasses import replace

import pytest

from benchmarks import lessons, listening, queued, slots
from benchmarks.idle import Cause, Visit, spent
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


def a_visit(started: float, granted: float, submitted: float, ended: float, released: float) -> Visit:
    """A second of function in Submit, the rest of the wait the pace's; the last poll is put off, and takes a second."""
    return Visit(
        account="a",
        started=started,
        granted=granted,
        submitted=submitted,
        ended=ended,
        released=released,
        before=((Cause.PACE, submitted - 1), (Cause.FUNCTIONS, submitted)),
        after=((Cause.CADENCE, ended + 1), (Cause.POLL_TURN, released - 1), (Cause.FUNCTIONS, released)),
    )


def test_a_slots_time_is_cut_by_cause_and_adds_up() -> None:
    # The third child begins after a slot was free for it: the Map had none.
    visits = [a_visit(2, 3, 5, 30, 33), a_visit(2, 3, 6, 40, 44), a_visit(35, 36, 40, 60, 63)]
    found = spent(visits, slots=2, began=0.0, over=70.0)
    assert sum(found.values()) == pytest.approx(2 * 70)
    assert found == pytest.approx(
        {
            Cause.WORK: 25 + 34 + 20,
            Cause.START: 2 + 2,
            Cause.FUNCTIONS: 3 * (1 + 1 + 1),  # the hand-over of a second, Submit, Poll
            Cause.PACE: 1 + 2 + 3,
            Cause.CADENCE: 1 + 1 + 1,
            Cause.POLL_TURN: 1 + 2 + 1,
            Cause.NO_CHILD: 2,
            Cause.OVER: 7 + 26,
        }
    )


def test_where_a_runs_slots_idle_is_read_from_its_histories() -> None:
    one = slots.run(slots.Setup(1, (27, 3, 2, 2, 8)))
    assert sum(one.spent.values()) == pytest.approx(one.seconds)
    assert one.spent[Cause.WORK] == pytest.approx(one.slots_floor, abs=0.1)
    # 18 tasks: a poll's call and a submit's, 0.1 to 0.3 s each, and the reserve's before the first.
    assert 0.1 * 37 < one.spent[Cause.FUNCTIONS] < 0.3 * 37
    assert one.spent[Cause.CADENCE] + 0.3 * 18 > 18 * one.delay > one.spent[Cause.CADENCE]
    assert one.refusals == 0
    assert one.rate_floor == 18


def test_with_many_slots_the_request_rate_is_what_they_wait_for() -> None:
    one = slots.run(replace(slots.Setup(20, (27, 3, 2, 2, 8)), runs=3))
    assert sum(one.spent.values()) == pytest.approx(20 * one.seconds)
    assert one.share(Cause.POLL_TURN) > one.share(Cause.SUBMIT_TURN) > 0
    assert (one.refusals, one.most_running) == (0, 20)


def test_a_service_whose_tasks_queue_is_asked_less_by_who_listens() -> None:
    files = queued.stored(listening.EVERY)
    came = {
        system: queued.contend(queued.Contest(listening.EVERY, system, 6, 1, files.get(system, "")))
        for system in (queued.OURS, queued.BY_TIME, queued.LISTENS)
    }
    cost = {system: one.delay + one.polls for system, one in came.items()}
    assert cost[queued.LISTENS] < 0.8 * cost[queued.BY_TIME]
    assert all(one.refusals == 0 for one in came.values())


def test_the_page_was_written_by_the_commands() -> None:
    rest = PAGE.read_text(encoding="utf-8")
    assert f"| {OURS} |" in rest
    own = {}
    for command in (listening, slots, queued):
        head, own[command], tail = command.PLACE.cut(rest)
        rest = head + tail
    assert verdicts(rest) == 10
    assert verdicts(own[listening]) == 4 * len(listening.SCENARIOS) + 2 * len(listening.CHANGES)
    assert verdicts(own[slots]) == 3
    cadences = {lessons.SPARING: (1,), lessons.FREQUENT: (2,)}
    rows = len(slots.idle_setups((1,))) + len(slots.pace_setups((1,))) + verdicts(own[slots])
    assert own[slots].count("\n| ") == rows + 3
    assert f"refusals in the {len(set(slots.wanted(cadences)))} runs" in own[slots]
    for system in queued.SYSTEMS:
        assert own[queued].count(f" | {system} | ") == len(queued.SCENARIOS) * len(queued.SLOTS)


def verdicts(text: str) -> int:
    return text.count("| met |") + text.count("| **missed** |")
