"""From ledger entries to a cadence: what is learned, how well, and when it is refused."""

import math
from itertools import combinations
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon.cadence import DEADLINE, DEFAULT, poll_times, waits
from tryon.learning.calibration import (
    MIN_SAMPLES,
    Distribution,
    LimitError,
    TooFewSamplesError,
    evaluate,
    fit,
    observations,
    optimal_cadence,
)
from tryon.state.entry import Entry
from tryon.state.observed import Observation


def entry(**changes: object) -> Entry:
    return Entry(n=1, id="a", model="m", worn="01-g", variant="default", submitted_at=1000.0, **changes)  # type: ignore[arg-type]


def latencies(seed: int, count: int) -> list[float]:
    """27 s, give or take 2.5; one in twenty takes half a minute longer."""
    random = Random(seed)
    return [
        random.gauss(27, 2.5) + (random.expovariate(1 / 30) if random.random() < 0.05 else 0.0) for _ in range(count)
    ]


def exactly(seconds: list[float]) -> list[Observation]:
    return [Observation(one, one) for one in seconds]


def between_polls(seconds: list[float], cadence: tuple[int, ...] | list[int]) -> list[Observation]:
    times = [0, *poll_times(cadence, DEADLINE)]
    found = []
    for one in seconds:
        after = next((i for i, at in enumerate(times) if at >= one), None)
        found.append(Observation(times[-1], math.inf) if after is None else Observation(times[after - 1], times[after]))
    return found


def on(cadence: list[int] | tuple[int, ...], seconds: list[float]) -> tuple[float, float]:
    """Mean polls and delay, counted poll by poll."""
    times = poll_times(cadence, DEADLINE)
    seen = [next((i, at - one) for i, at in enumerate(times, start=1) if at >= one) for one in seconds if one <= 300]
    return fmean(polls for polls, _ in seen), fmean(delay for _, delay in seen)


FRESH = latencies(seed=999, count=5000)
LEARNED = fit(exactly(latencies(seed=1, count=200)))


# --- what an entry says ---


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (entry(latency=26.4, pending_at=1023.0, ended_at=1031.0), Observation(26.4, 26.4)),
        (entry(pending_at=1023.0, ended_at=1031.0), Observation(23.0, 31.0)),
        (entry(ended_at=1005.0), Observation(0.0, 5.0)),
        (entry(pending_at=1300.0, error="TaskDeadlineError"), Observation(300.0, math.inf)),
        (entry(latency=26.4, resumed=True, ended_at=1001.0), Observation(26.4, 26.4)),
    ],
)
def test_an_entry_tells_its_latency_as_exactly_as_it_is_known(said: Entry, known: Observation) -> None:
    assert observations([said]) == [known]


@pytest.mark.parametrize(
    "said",
    [
        entry(),  # submitted and never polled
        entry(pending_at=1300.0, ended_at=1310.0, error="TaskExpiredError"),  # ended by the service's own clock
        entry(resumed=True, ended_at=1003.0),  # submitted in another run
        Entry(n=1, id="a", model="m", worn="01-g", variant="default"),  # never submitted
    ],
)
def test_an_entry_that_says_nothing_of_its_latency_is_left_out(said: Entry) -> None:
    assert observations([said]) == []


# --- the distribution ---


def test_too_few_tasks_are_refused_with_their_number() -> None:
    with pytest.raises(TooFewSamplesError, match=r"^29 tasks were seen to end; .* at least 30$"):
        fit(exactly([27.0] * (MIN_SAMPLES - 1)))


def test_tasks_that_mostly_outlast_the_deadline_teach_nothing() -> None:
    late = [Observation(300.0, math.inf)] * 20
    with pytest.raises(TooFewSamplesError, match="40 of 60 tasks were seen to end"):
        fit(exactly([250.0] * 40) + late)


def test_it_says_how_many_tasks_it_rests_on_and_how_many_were_exact() -> None:
    found = fit(exactly([26.0] * 30) + [Observation(23.0, 31.0)] * 10)
    assert (found.samples, found.exact) == (40, 30)


@pytest.mark.parametrize("told", [exactly, lambda seconds: between_polls(seconds, DEFAULT)])
def test_quantiles_come_back_whether_the_service_tells_latencies_or_not(told: object) -> None:
    found = fit(told(latencies(seed=2, count=400)))  # type: ignore[operator]
    true = sorted(FRESH)
    for share in (0.1, 0.5, 0.9):
        assert found.quantile(share) == pytest.approx(true[int(share * len(true))], abs=1.2)


def test_a_tail_that_was_never_seen_has_mass() -> None:
    found = fit(exactly([26.5 + i % 3 for i in range(60)]))
    assert 0.0 < found.running(60) < 0.05
    assert found.running(300) > 0.0


def test_tasks_that_never_ended_lengthen_the_tail() -> None:
    seen = exactly(latencies(seed=3, count=190))
    without, beside = fit(seen), fit([*seen, *[Observation(300.0, math.inf)] * 10])
    assert beside.running(150) > without.running(150) + 0.02


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 400))
def test_what_remains_is_the_integral_of_what_still_runs(start: float) -> None:
    step = 0.125
    points = [start + i * step for i in range(600)]
    integral = sum(step * (LEARNED.running(x) + LEARNED.running(x + step)) / 2 for x in points)
    assert LEARNED.remaining(start) - LEARNED.remaining(start + 600 * step) == pytest.approx(
        integral, rel=0.02, abs=0.02
    )


# --- the cadence ---


def tight(shares: list[int]) -> Distribution:
    """Ends within the first seconds, in the given proportions a half second; next to no tail."""
    total = sum(shares)
    return Distribution(tuple(share / total * (1 - 1e-9) for share in shares), 6.0, 1e-9, 1.0, 100, 100)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=12, max_size=12).filter(any), st.floats(0.05, 3.0))
def test_no_other_cadence_costs_less(shares: list[int], weight: float) -> None:
    distribution, deadline = tight(shares), 9

    def costs(cadence: list[int]) -> float:
        found = evaluate(cadence, distribution, deadline)
        return found.delay + weight * found.polls

    every = [
        [end - start for start, end in zip((0, *cuts), (*cuts, deadline), strict=True)]
        for count in range(deadline)
        for cuts in combinations(range(1, deadline), count)
    ]
    best = optimal_cadence(distribution, deadline=deadline, weight=weight)
    assert costs(best) <= min(map(costs, every)) + 1e-6


def test_what_is_promised_is_what_tasks_get() -> None:
    true = fit(exactly(FRESH))
    for cadence in (DEFAULT, (5,), (27, 3, 2, 3, 9)):
        promised = evaluate(cadence, true, DEADLINE)
        assert on(cadence, FRESH) == (
            pytest.approx(promised.polls, rel=0.03),
            pytest.approx(promised.delay, rel=0.03),
        )


def test_a_slot_is_held_for_the_latency_and_the_delay() -> None:
    found = evaluate(DEFAULT, LEARNED, DEADLINE)
    assert found.held == pytest.approx(LEARNED.mean + found.delay, rel=0.01)
    assert found.tasks_per_hour(6) == pytest.approx(6 * 3600 / found.held)
    assert found.requests_per_second(6) == pytest.approx(6 * (1 + found.polls) / found.held)


def test_tasks_that_outlast_the_deadline_cost_polls_and_have_no_delay() -> None:
    half = Distribution((0.5,), 1000.0, 0.5, 1.0, 100, 100)  # half end within half a second, half take for ever
    found = evaluate([1], half, deadline=10)
    assert found.late == pytest.approx(0.5)
    assert found.polls == pytest.approx(0.5 * 1 + 0.5 * 10)
    assert found.delay == pytest.approx(0.75)
    assert found.held == pytest.approx(0.5 * 1 + 0.5 * 10)


@pytest.mark.parametrize("count", [100, 200])
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_two_polls_and_two_seconds_on_latencies_that_were_not_learned_from(seed: int, count: int) -> None:
    cadence = optimal_cadence(fit(exactly(latencies(seed, count))), deadline=DEADLINE, max_polls=2.0)
    polls, delay = on(cadence, FRESH)
    default_polls, default_delay = on(DEFAULT, FRESH)
    assert polls <= 2.05
    assert delay <= 2.25
    assert polls < default_polls / 1.9
    assert delay < default_delay / 1.8


def test_latencies_known_in_different_ways_are_learned_from_together() -> None:
    """Intervals that overlap a little here and there must not draw all the weight to where they do."""
    seconds = latencies(seed=21, count=160)
    seen = between_polls(seconds[:80], DEFAULT) + between_polls(seconds[80:], [26, 3, 2, 3, 8])
    best = sum(on(optimal_cadence(fit(exactly(FRESH)), deadline=DEADLINE, weight=1.0), FRESH))
    learned = sum(on(optimal_cadence(fit(seen), deadline=DEADLINE, weight=1.0), FRESH))
    assert learned < 1.08 * best


def test_more_polls_buy_less_delay() -> None:
    found = [
        evaluate(optimal_cadence(LEARNED, deadline=DEADLINE, max_polls=most), LEARNED, DEADLINE)
        for most in (1.5, 2.0, 3.0, 6.0)
    ]
    assert [one.polls <= most for one, most in zip(found, (1.5, 2.0, 3.0, 6.0), strict=True)] == [True] * 4
    assert [one.delay for one in found] == sorted((one.delay for one in found), reverse=True)


def test_many_slots_keep_the_services_rate() -> None:
    cadence = optimal_cadence(LEARNED, deadline=DEADLINE, max_requests=(20, 1.8))
    assert evaluate(cadence, LEARNED, DEADLINE).requests_per_second(20) <= 1.8
    assert evaluate(DEFAULT, LEARNED, DEADLINE).requests_per_second(20) > 1.8


def test_a_limit_that_no_cadence_keeps_is_refused() -> None:
    with pytest.raises(LimitError):
        optimal_cadence(LEARNED, deadline=DEADLINE, max_polls=0.9)


def test_a_cadence_that_would_hold_more_waits_than_allowed_is_cut_and_repeats_its_last() -> None:
    wide = fit(exactly([5.0 * i for i in range(1, 60)]))
    cadence = optimal_cadence(wide, deadline=300, weight=0.008)
    assert len(cadence) == 100
    assert sum(waits(cadence, 300)) == 300


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(1, 250), min_size=30, max_size=60),
    st.sampled_from([0.001, 0.1, 1.0, 30.0, 5000.0]),
    st.integers(30, 900),
)
def test_every_cadence_is_one_that_a_manifest_may_hold_and_ends_at_the_deadline(
    seconds: list[float], weight: float, deadline: int
) -> None:
    cadence = optimal_cadence(fit(exactly(seconds)), deadline=deadline, weight=weight)
    assert 1 <= len(cadence) <= 100
    assert all(1 <= wait <= 300 for wait in cadence)
    assert sum(waits(cadence, deadline)) == deadline
