"""A cadence that listens: what is learned of queue and work, what follows from it, and when it is refused."""

import math
from itertools import accumulate
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon.cadence import DEADLINE, DEFAULT, MAX_WAIT, MAX_WAITS, ListeningCadence, poll_times
from tryon.learning.calibration import LimitError, TooFewSamplesError, fit, optimal_cadence
from tryon.learning.listening import (
    QueueAndWork,
    evaluate_listening,
    follow,
    follow_time,
    gain,
    learn,
    listening_cadence,
    tasks,
    within,
)
from tryon.state.entry import Entry
from tryon.state.observed import Observation


def drawn(seed: int, count: int, *, share: float = 1.0, mean: float = 60.0) -> list[tuple[float, float]]:
    """When work begins and ends, after the submit: the share `share` queues around `mean`, then 25 s of work."""
    random = Random(seed)
    found = []
    for _ in range(count):
        queue = random.expovariate(1 / mean) if random.random() < share else random.uniform(0, 1)
        work = random.gauss(25, 2.5) + (random.expovariate(1 / 30) if random.random() < 0.05 else 0.0)
        found.append((queue, queue + max(1.0, work)))
    return found


def polled(begin: float, end: float, *, told: bool) -> Entry:
    """What the default cadence leaves in the ledger of a task; `told` where the service gives its times."""
    seen: dict[str, float] = {}
    for at in poll_times(DEFAULT, DEADLINE):
        if at >= end:
            seen["ended_at"] = 1000.0 + at
            break
        seen["pending_at"] = 1000.0 + at
        if at < begin:
            seen["queued_at"] = 1000.0 + at
        else:
            seen.setdefault("working_at", 1000.0 + at)
    if told and "ended_at" in seen:
        seen |= {"latency": end, "processed_at": 1000.0 + begin}
    return Entry(n=1, id="a", model="m", worn="w", variant="d", submitted_at=1000.0, **seen)  # type: ignore[arg-type]


def costs(cadence: ListeningCadence, fresh: list[tuple[float, float]]) -> float:
    return fmean(sum(follow(cadence, begin, end, DEADLINE)) for begin, end in fresh)


QUEUED = [polled(*one, told=True) for one in drawn(1, 300)]
KNOWN = learn(tasks(QUEUED))
LISTENING = listening_cadence(KNOWN, deadline=DEADLINE, weight=1.0)


# --- what an entry says ---


@pytest.mark.parametrize(
    ("begin", "end", "queue", "work"),
    [
        (3.0, 27.0, (0.0, 5.0), (18.0, 31.0)),
        (20.0, 45.0, (13.0, 23.0), (18.0, 38.0)),
        (42.0, 49.0, (41.0, 51.0), (0.0, 10.0)),
    ],
    ids=["at once", "queued", "its work was never seen"],
)
def test_queue_and_work_are_known_between_polls(
    begin: float, end: float, queue: tuple[float, float], work: tuple[float, float]
) -> None:
    (task,) = tasks([polled(begin, end, told=False)])
    assert task.queue == Observation(*queue)
    assert task.work == Observation(*work)


def test_the_services_own_times_are_exact() -> None:
    (task,) = tasks([polled(20.0, 45.0, told=True)])
    assert (task.queue, task.work, task.latency) == tuple(Observation(one, one) for one in (20.0, 25.0, 45.0))


def test_a_task_that_never_began_says_how_long_it_queued_at_least() -> None:
    (task,) = tasks([polled(400.0, 430.0, told=False)])
    assert (task.queue, task.work) == (Observation(300.0, math.inf), None)


def test_a_task_of_another_run_and_one_that_was_forgotten_say_nothing() -> None:
    entry = {"n": 1, "id": "a", "model": "m", "worn": "w", "variant": "d", "submitted_at": 1000.0, "ended_at": 1003.0}
    assert tasks([Entry(**entry, resumed=True), Entry(**entry, error="TaskExpiredError")]) == []  # type: ignore[arg-type]


# --- what is learned ---


def test_a_service_that_never_says_queued_is_refused_with_its_number() -> None:
    never = [polled(*one, told=True) for one in drawn(2, 200, share=0.0)]
    with pytest.raises(TooFewSamplesError, match=r"^0 tasks were seen in the queue after 5 s; .* at least 30$"):
        learn(tasks(never))


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_queue_and_work_come_back_whether_the_service_tells_its_times_or_not(told: bool, share: float) -> None:
    known = learn(tasks([polled(*one, told=told) for one in drawn(3, 500, share=share)]))
    fresh = drawn(4, 5000, share=share)
    begins = sorted(begin for begin, _ in fresh)
    for at in (0.3, 0.75, 0.9):
        assert known.queue.quantile(at) == pytest.approx(begins[int(at * len(begins))], rel=0.25, abs=2.0)
    assert known.work.quantile(0.5) == pytest.approx(25.0, abs=1.5)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("share", "mean", "least"), [(1.0, 60.0, 0.33), (0.5, 30.0, 0.2)])
def test_listening_saves_what_was_promised(share: float, mean: float, least: float, told: bool) -> None:
    lessons = [polled(*one, told=told) for one in drawn(5, 500, share=share, mean=mean)]
    fresh = [one for one in drawn(6, 3000, share=share, mean=mean) if one[1] <= DEADLINE]
    seen = tasks(lessons)
    by_time = optimal_cadence(fit([one.latency for one in seen]), deadline=DEADLINE, weight=1.0)
    before = fmean(sum(follow_time(by_time, end, DEADLINE)) for _, end in fresh)
    after = costs(listening_cadence(learn(seen), deadline=DEADLINE, weight=1.0), fresh)
    assert 1 - after / before >= least
    found = gain(seen, deadline=DEADLINE, weight=1.0, time_weight=1.0, listening_weight=1.0)
    assert found.surely
    assert (found.by_time, found.listening) == pytest.approx((before, after), rel=0.15)


def test_where_the_queue_says_nothing_listening_does_not_surely_gain() -> None:
    """Work that ends with the queue: what polls see of it comes too late to be of use."""
    random = Random(7)
    lessons = [polled(end - 0.5, end, told=True) for end in (random.gauss(27, 2.5) for _ in range(200))]
    assert not gain(tasks(lessons), deadline=DEADLINE, weight=1.0, time_weight=1.0, listening_weight=1.0).surely


# --- the waits ---


def test_what_is_promised_is_what_tasks_get() -> None:
    found = evaluate_listening(LISTENING, KNOWN, DEADLINE)
    random = Random(8)
    fresh = []
    for _ in range(5000):
        begin = KNOWN.queue.quantile(random.random())
        fresh.append((begin, begin + KNOWN.work.quantile(random.random())))
    seen = [follow(LISTENING, begin, end, DEADLINE) for begin, end in fresh]
    assert found.polls == pytest.approx(fmean(polls for polls, _ in seen), rel=0.03)
    ended = [delay for (_, delay), (_, end) in zip(seen, fresh, strict=True) if end <= DEADLINE]
    assert found.delay == pytest.approx(fmean(ended), rel=0.05)
    assert found.late == pytest.approx(1 - len(ended) / len(fresh), abs=0.01)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("change", [-3, 3])
def test_no_neighbour_costs_less(position: int, change: int) -> None:
    waits = list(LISTENING.working[1])
    waits[position] = max(1, waits[position] + change)
    other = ListeningCadence(LISTENING.queued, (LISTENING.working[0], tuple(waits), *LISTENING.working[2:]))
    best, worse = (evaluate_listening(one, KNOWN, DEADLINE) for one in (LISTENING, other))
    assert best.polls + best.delay <= worse.polls + worse.delay + 1e-9


def test_a_poll_that_costs_more_is_made_less_often() -> None:
    found = [
        evaluate_listening(listening_cadence(KNOWN, deadline=DEADLINE, weight=weight), KNOWN, DEADLINE)
        for weight in (0.3, 1.0, 3.0)
    ]
    assert [one.polls for one in found] == sorted((one.polls for one in found), reverse=True)
    assert [one.delay for one in found] == sorted(one.delay for one in found)


def test_a_limit_is_kept_or_refused() -> None:
    cadence, weight = within(KNOWN, deadline=DEADLINE, max_polls=4.0)
    assert evaluate_listening(cadence, KNOWN, DEADLINE).polls <= 4.0
    assert weight > 1.0
    with pytest.raises(LimitError):
        within(KNOWN, deadline=DEADLINE, max_polls=1.0)


@settings(max_examples=12, deadline=None)
@given(
    st.floats(0.1, 1.0),
    st.floats(8, 200),
    st.floats(0.1, 20.0),
    st.sampled_from([60, 300, 900]),
    st.integers(0, 10**6),
)
def test_every_cadence_may_be_stored_and_asks_until_the_deadline(
    share: float, mean: float, weight: float, deadline: int, seed: int
) -> None:
    seen = tasks([polled(*one, told=True) for one in drawn(seed, 150, share=share, mean=mean)])
    try:
        known: QueueAndWork = learn(seen)
    except TooFewSamplesError:
        return
    cadence = listening_cadence(known, deadline=deadline, weight=weight)
    assert len(cadence.queued) == len(cadence.working) <= MAX_WAITS
    for waits in (cadence.queued, *cadence.working):
        assert 1 <= len(waits) <= MAX_WAITS
        assert all(1 <= wait <= MAX_WAIT for wait in waits)
    for begin, end in drawn(seed + 1, 20, share=share, mean=mean):
        polls, delay = follow(cadence, begin, end, deadline)
        assert 1 <= polls <= cadence.most_polls(deadline)
        assert 0 <= delay <= MAX_WAIT


# --- the next wait, poll by poll ---


@pytest.mark.parametrize("slow", [0.0, 0.3])
@pytest.mark.parametrize(("begin", "end"), drawn(9, 25))
def test_waits_asked_for_poll_by_poll_are_those_that_were_planned(begin: float, end: float, slow: float) -> None:
    """`slow` is what each poll takes: a task sees as many polls, each late by what those before it took."""
    now, polls, queued, working = float(LISTENING.queued[0]), 1, None, None
    while now < end and now < DEADLINE:
        if now < begin:
            queued = now
        elif working is None:
            working = now
        now += slow + LISTENING.wait(now, queued, working)
        polls += 1
    expected, delay = follow(LISTENING, begin, end, DEADLINE)
    if end <= DEADLINE:
        assert polls <= expected + (slow > 0)
        assert now - end == pytest.approx(delay, abs=1e-9 if not slow else 45.0)
    if not slow and end <= DEADLINE:
        assert polls == expected


def test_who_was_never_seen_queued_has_the_first_gaps_waits() -> None:
    first = LISTENING.queued[0]
    expected = list(accumulate(LISTENING.working[0]))
    now, found = float(first), []
    for _ in expected:
        now += LISTENING.wait(now, None, float(first))
        found.append(now - first)
    assert found == expected


def test_past_its_waits_the_last_is_repeated() -> None:
    cadence = ListeningCadence((10, 20), ((5, 2), (7,)))
    assert [cadence.wait(at, at, None) for at in (10.0, 30.0, 50.0)] == [20, 20, 20]
    assert [cadence.wait(30.0 + at, 10.0, 30.0) for at in (0.0, 7.0, 14.0)] == [7, 7, 7]
    assert [cadence.wait(10.0 + at, None, 10.0) for at in (0.0, 5.0, 7.0, 9.0)] == [5, 2, 2, 2]
    assert list(cadence.steps(40)) == [(0, 10, (5, 2)), (10, 30, (7,)), (30, 40, (7,))]
    assert cadence.most_polls(40) == 15  # at 10 and 15, then every 2 s, and at 40
