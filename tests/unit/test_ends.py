"""Within a run: tasks that take other times than those that its cadence was learned from are noticed, and no others."""

from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from benchmarks.listening import EVERY, NONE, Scenario, drawn, learned_from, lesson, polled
from tests.doubles import RUN, HandClock, ledger_and_gate
from tryon.learning.learned import LearnedCadence
from tryon.state.ends import UNKNOWN, WINDOW, Ends, noted, placed
from tryon.state.entry import Entry
from tryon.state.gate import Gate

PLAIN, QUEUED = (learned_from(lesson(scenario, 1, 300, told=True), "x") for scenario in (NONE, EVERY))


def entries(
    found: LearnedCadence, scenario: Scenario, *, told: bool, work: float = 1.0, count: int = 200
) -> list[Entry]:
    cadence = found.listening or found.cadence
    tasks = [(begin, begin + work * (end - begin)) for begin, end in drawn(scenario, 7, count)]
    return [polled(cadence, one, told=told).entry for one in tasks]


def judged(found: LearnedCadence, seen: list[Entry]) -> Ends:
    ends = Ends()
    for entry in seen:
        places = placed(entry, found.origin())
        if places is not None:
            ends = noted(ends, places, found.origin())
    return ends


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("found", "scenario"), [(PLAIN, NONE), (QUEUED, EVERY)], ids=["none queues", "every task queues"]
)
def test_tasks_like_those_that_were_learned_from_raise_no_alarm(
    found: LearnedCadence, scenario: Scenario, told: bool
) -> None:
    assert not judged(found, entries(found, scenario, told=told, count=2000)).outgrown


@pytest.mark.parametrize(
    ("work", "told", "looks"),
    [(0.5, True, 1), (2.0, True, 1), (4.0, True, 1), (0.5, False, 2), (2.0, False, 1), (4.0, False, 1)],
)
def test_work_that_changed_is_noticed_at_the_first_look_or_the_second(work: float, told: bool, looks: int) -> None:
    """The first poll, by which half of the tasks should have ended, says of shorter work no more than that it ended."""
    seen = entries(PLAIN, NONE, told=told, work=work, count=looks * WINDOW)
    assert not judged(PLAIN, seen[: looks * WINDOW - 1]).outgrown
    assert judged(PLAIN, seen).outgrown


@pytest.mark.parametrize("told", [True, False])
def test_a_queue_that_appears_is_noticed_at_the_first_look(told: bool) -> None:
    assert judged(PLAIN, entries(PLAIN, EVERY, told=told, count=WINDOW)).outgrown


@pytest.mark.parametrize("told", [True, False])
def test_queue_and_work_that_changed_places_are_noticed_though_both_together_take_as_long(told: bool) -> None:
    tasks = [(end - begin, end) for begin, end in drawn(EVERY, 8, 2 * WINDOW)]
    assert QUEUED.listening is not None
    assert judged(QUEUED, [polled(QUEUED.listening, one, told=told).entry for one in tasks]).outgrown


def test_what_was_noticed_stays_and_of_what_is_kept_the_first_window_goes() -> None:
    slow = entries(PLAIN, NONE, told=True, work=4.0, count=WINDOW)
    ends = judged(PLAIN, [*slow, *entries(PLAIN, NONE, told=True, count=3)])
    assert (ends.outgrown, len(ends.places)) == (True, WINDOW + 3)


def test_an_end_is_a_few_small_numbers_and_an_unknown_time_has_no_place() -> None:
    entry = Entry(n=1, id="a", model="m", worn="w", variant="d", submitted_at=0.0, pending_at=26.0, ended_at=28.0)
    places = placed(entry, PLAIN.origin())
    assert places is not None
    assert places[0] < places[1] <= len(PLAIN.quantiles)
    assert places[2:] == (UNKNOWN,) * 4
    assert placed(replace(entry, ended_at=None), PLAIN.origin()) is None


# --- kept in the gate's item ---


@pytest.fixture
def gate(clock: HandClock) -> Iterator[Gate]:
    with ledger_and_gate(clock) as (_, gate):
        yield gate


def ended(gate: Gate, number: int, places: tuple[int, ...], run: str = RUN) -> None:
    gate.reserve(f"{run}#{number}", f"token-{number}")
    gate.release(f"{run}#{number}", ended=True, note=lambda ends: noted(ends, places, PLAIN.origin()))


def test_a_run_that_has_outgrown_its_cadence_says_so_to_its_next_submits_and_no_other_runs(gate: Gate) -> None:
    for number in range(WINDOW):
        ended(gate, number, (19, 19, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN))
    ended(gate, 99, (9, 9, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), run="another")
    gate.reserve(f"{RUN}#100", "token-100")
    assert gate.hold(f"{RUN}#100").outgrown
    gate.release(f"{RUN}#100")
    gate.reserve("another#1", "token")
    assert not gate.hold("another#1").outgrown
    gate.release_run(f"{RUN}#")
    assert set(gate.state().ends) == {"another"}


def test_an_end_that_is_reported_twice_counts_once(gate: Gate) -> None:
    ended(gate, 1, (9, 9, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN))
    gate.release(f"{RUN}#1", ended=True, note=lambda ends: Ends(outgrown=True))
    assert gate.state().ends == {RUN: Ends(((9, 9, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),))}
    assert len(repr(asdict(gate.state().ends[RUN]))) < 100
