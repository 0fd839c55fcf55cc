import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from typing import Any, Literal, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.doubles import HandClock
from tryon.state.gate import (
    MAX_PAUSE,
    MAX_RESUME_WAIT,
    MAX_TURN_AHEAD,
    MAX_TURN_WAIT,
    MAX_WAITERS,
    PROBE_SECONDS,
    TURN_KEPT,
    Gate,
    GateError,
    GateLimits,
    GateState,
    Refusal,
    RequestLimit,
    SlotLostError,
    Trouble,
    TurnLaterError,
    Waiter,
    admit,
    enqueue,
    free,
    hold,
    next_turn,
    overtake,
    pause_after,
    refuse,
    waker,
)

LIMITS = GateLimits(slots=2, pace=2.0, lease=360.0)
TWO_A_SECOND = RequestLimit(count=2, seconds=1.1)


def test_slots_go_to_the_longest_waiting_each_at_its_turn_in_the_pace() -> None:
    state = GateState(holders={}, waiters=tuple(Waiter(name, f"token-{name}") for name in "abc"))
    state, grants = admit(state, 100.0, LIMITS)
    assert [(grant.holder, grant.start) for grant in grants] == [("a", 100.0), ("b", 102.0)]
    assert state.holders == {"a": 460.0, "b": 462.0}
    assert [waiter.holder for waiter in state.waiters] == ["c"]


def test_a_lease_that_ended_frees_its_slot_by_itself() -> None:
    state = GateState(holders={"crashed": 99.0, "b": 400.0}, waiters=(Waiter("c", "token"),))
    state, grants = admit(state, 100.0, LIMITS)
    assert [grant.holder for grant in grants] == ["c"]
    assert set(state.holders) == {"b", "c"}


def test_a_waiter_that_asks_again_keeps_its_place_with_its_new_token() -> None:
    state = enqueue(enqueue(enqueue(GateState({}), Waiter("a", "1")), Waiter("b", "2")), Waiter("a", "3"))
    assert state.waiters == (Waiter("a", "3"), Waiter("b", "2"))


def test_a_small_run_is_served_in_turn_with_a_large_one() -> None:
    """Each run keeps a few children at the gate; the queue alternates whoever has more to do."""
    state, served = GateState({}), []
    left = {"large": 100, "small": 5}
    number = 0
    for run in ["large"] * 3 + ["small"] * 3:
        state = enqueue(state, Waiter(f"{run}#{number}", "t"))
        number += 1
    for step in range(24):
        state, grants = admit(state, 1000.0 * step, GateLimits(1, 0, 900))
        for grant in grants:
            run = grant.holder.partition("#")[0]
            served.append(run)
            left[run] -= 1
            state = free(state, grant.holder)
            if left[run] > 2:
                state = enqueue(state, Waiter(f"{run}#{number}", "t"))
                number += 1
    assert served.index("small") <= 3
    assert served[:12].count("small") == 5


_actions = st.lists(
    st.tuples(st.sampled_from(["ask", "free", "wait"]), st.sampled_from("abcdef"), st.floats(0, 500)), max_size=60
)


@given(_actions, st.integers(1, 4), st.floats(0, 5))
def test_never_more_holders_than_slots_and_never_a_free_slot_beside_a_waiter(
    actions: list[tuple[str, str, float]], slots: int, pace: float
) -> None:
    limits = GateLimits(slots, pace, 360.0)
    state, now, starts = GateState({}), 0.0, []
    for action, name, seconds in actions:
        if action == "ask" and name not in state.holders:
            state = enqueue(state, Waiter(name, name))
        elif action == "free":
            state = free(state, name)
        else:
            now += seconds
        state, grants = admit(state, now, limits)
        starts += [grant.start for grant in grants]
        assert len(state.holders) <= slots
        assert not state.waiters or len(state.holders) == slots
        assert all(end > now for end in state.holders.values())
        assert len({waiter.holder for waiter in state.waiters} | set(state.holders)) == len(state.waiters) + len(
            state.holders
        )
    assert all(later - earlier >= pace - 1e-9 for earlier, later in pairwise(starts))


class Listener:
    """Children that wait on tokens; a token in `gone` belongs to one that stopped waiting."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, Any]] = []
        self.gone: set[str] = set()

    def __call__(self, token: str, start: float, now: float) -> bool:
        if token in self.gone:
            return False
        self.woken.append((token, pytest.approx(max(0.0, start - now), abs=0.01)))
        return True

    @property
    def tokens(self) -> list[str]:
        return [token for token, _ in self.woken]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def gate(clock: HandClock, listener: Listener) -> Iterator[Gate]:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="gate",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Gate(client, "gate", account="service", limits=LIMITS, clock=clock, wake=listener, requests=TWO_A_SECOND)


def test_a_free_slot_wakes_the_asker_at_once(gate: Gate, listener: Listener) -> None:
    gate.reserve("run#1", "t1")
    assert listener.woken == [("t1", 0)]


def test_the_second_start_is_told_to_keep_the_pace(gate: Gate, listener: Listener) -> None:
    gate.reserve("run#1", "t1")
    gate.reserve("run#2", "t2")
    assert listener.woken == [("t1", 0), ("t2", 2)]


def test_who_finds_no_slot_sleeps_until_one_is_freed(gate: Gate, listener: Listener, clock: HandClock) -> None:
    for i in (1, 2, 3):
        gate.reserve(f"run#{i}", f"t{i}")
    assert listener.tokens == ["t1", "t2"]
    clock.time += 30
    gate.release("run#1")
    assert listener.woken[-1] == ("t3", 0)
    assert set(gate.state().holders) == {"run#2", "run#3"}


def test_a_holder_that_asks_again_keeps_its_slot_for_as_long_as_its_task_may_take(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    gate.reserve("run#1", "t1")
    clock.time += 120
    gate.reserve("run#1", "t1-again")
    assert listener.tokens == ["t1", "t1-again"]
    assert gate.state().holders == {"run#1": clock.time + LIMITS.lease}


def test_a_child_that_asks_again_while_its_lost_slot_is_taken_back_keeps_it(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    for i in (1, 2, 3):
        gate.reserve(f"run#{i}", f"t{i}")

    def late(token: str, start: float, now: float) -> bool:
        gate._wake = listener
        gate.reserve("run#3", "t3-again")  # between the failed wake-up and what follows from it
        return False

    gate._wake = late
    gate.release("run#1")
    assert listener.tokens[-1] == "t3-again"
    assert set(gate.state().holders) == {"run#2", "run#3"}


def test_a_slot_handed_to_a_child_that_is_gone_goes_to_the_next(gate: Gate, listener: Listener) -> None:
    for i in (1, 2, 3, 4):
        gate.reserve(f"run#{i}", f"t{i}")
    listener.gone.add("t3")
    gate.release("run#1")
    assert listener.tokens[-1] == "t4"
    assert set(gate.state().holders) == {"run#2", "run#4"}


def test_a_crash_between_handing_over_and_waking_heals_when_the_child_asks_again(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    for i in (1, 2, 3):
        gate.reserve(f"run#{i}", f"t{i}")

    def crash(token: str, start: float, now: float) -> bool:
        raise ConnectionError

    gate._wake = crash  # the process ends here
    with pytest.raises(ConnectionError):
        gate.release("run#1")
    gate._wake = listener
    clock.time += 120
    gate.reserve("run#3", "t3-again")
    assert listener.tokens[-1] == "t3-again"
    assert set(gate.state().holders) == {"run#2", "run#3"}


def test_a_queue_as_long_as_can_be_fits_in_an_item_and_takes_no_more(gate: Gate) -> None:
    longest = f"20261123T101530Z-{'m' * 40}-8561c2cb#100000"
    state = GateState({f"{longest}{i}": 1e9 for i in range(200)})
    for i in range(MAX_WAITERS + 50):
        state = enqueue(state, Waiter(f"{longest}{i}", "t" * 2048))
    assert len(state.waiters) == MAX_WAITERS
    assert enqueue(state, Waiter(f"{longest}7", "new")).waiters[7].token == "new"
    assert gate._write(state, 0)  # above 400 KB DynamoDB refuses an item, and moto does too
    assert gate.state().waiters == state.waiters


def test_who_finds_the_queue_full_is_served_when_it_asks_again(
    gate: Gate, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryon.state.gate.MAX_WAITERS", 3)
    for i in range(LIMITS.slots + 3 + 1):
        gate.reserve(f"run#{i}", f"t{i}")
    assert [waiter.holder for waiter in gate.state().waiters] == ["run#2", "run#3", "run#4"]
    gate.release("run#0")
    gate.reserve("run#5", "again")
    for i in range(1, 5):
        gate.release(f"run#{i}")
    assert listener.tokens[-1] == "again"
    assert set(gate.state().holders) == {"run#5"}


def test_a_pause_holds_the_next_start_back(gate: Gate, listener: Listener, clock: HandClock) -> None:
    gate.reserve("run#1", "t1")
    gate.refused("run#1", Refusal.THROTTLED, pause=10)
    clock.time += 4
    gate.reserve("run#2", "t2")
    assert listener.woken[-1] == ("t2", 6)


def test_a_run_that_ends_leaves_nothing_behind_but_what_may_still_run(gate: Gate) -> None:
    for holder in ("a#1", "a#2", "a#3", "b#1"):
        gate.reserve(holder, holder)
    gate.release_run("a#", keep=frozenset({"a#2"}))
    state = gate.state()
    assert set(state.holders) == {"a#2", "b#1"}
    assert state.waiters == ()


def test_requests_of_all_runs_keep_the_services_rate(gate: Gate, clock: HandClock) -> None:
    start, turns = clock.time, []
    for _ in range(5):
        before = clock.time
        gate.take_turn()
        turns.append(round(clock.time - start, 2))
        clock.time = before  # five callers at the same moment
    assert turns == [0, 0, 1.1, 1.1, 2.2]
    clock.time = start + 60
    before = clock.time
    gate.take_turn()
    assert clock.time == before


@given(st.lists(st.floats(0, 3), max_size=40), st.integers(1, 4), st.floats(0.5, 3))
def test_no_window_holds_more_requests_than_the_limit(gaps: list[float], count: int, seconds: float) -> None:
    limit = RequestLimit(count, seconds)
    now = 0.0
    turns: list[float] = []
    for gap in gaps:
        now += gap
        turn = next_turn(turns[-count:], now, limit)
        if turn - now <= MAX_TURN_WAIT:  # one that is further away is not booked
            turns.append(turn)
    assert all(later >= earlier for earlier, later in pairwise(turns))
    assert all(later - earlier >= seconds - 1e-9 for earlier, later in zip(turns, turns[count:], strict=False))


@pytest.mark.parametrize("stored", [[9e12], [9e12, 9e12], [100.0, 9e12], [-9e12, 107.0], [-9e12, -9e12]])
def test_turns_that_a_wrong_clock_left_hold_nobody_up(stored: list[float]) -> None:
    assert next_turn(stored, 100.0, TWO_A_SECOND) - 100.0 <= MAX_TURN_AHEAD


def test_a_turn_too_far_away_is_told_and_not_booked(gate: Gate, clock: HandClock) -> None:
    now = clock.time
    for _ in range(10):  # two in each 1.1 s of the next five
        gate.take_turn()
        clock.time = now
    before = gate._item("service#requests")
    with pytest.raises(TurnLaterError) as later:
        gate.take_turn()
    assert (later.value.seconds, later.value.booked) == (pytest.approx(5.5), False)
    assert gate._item("service#requests") == before
    clock.time += 1.1
    gate.take_turn()


def book(gate: Gate, who: str) -> float:
    with pytest.raises(TurnLaterError) as later:
        gate.take_turn(who)
    assert later.value.booked
    return later.value.seconds


def test_a_turn_too_far_away_is_booked_for_who_comes_again(gate: Gate, clock: HandClock) -> None:
    now = clock.time
    for _ in range(10):
        gate.take_turn()
        clock.time = now
    assert [book(gate, who) for who in ("a", "b", "c", "a")] == pytest.approx([5.5, 5.5, 6.6, 5.5])
    clock.time = now + 5.3
    gate.take_turn("b")
    assert clock.time == pytest.approx(now + 5.5)
    gate.take_turn("a")
    assert clock.time == pytest.approx(now + 5.5)
    clock.time = now + 6.6 + TURN_KEPT + 0.1
    gate.take_turn("c")  # it came too late for the turn that was booked, and none is far away now
    assert clock.time == pytest.approx(now + 6.6 + TURN_KEPT + 0.1)
    assert "booked" not in gate._item("service#requests")


@pytest.mark.parametrize(
    ("polls", "later"), [("shared", [60.0, 120.0]), (RequestLimit(1, 20.0), [0.0, 20.0]), (None, [0.0, 0.0])]
)
def test_questions_have_a_window_of_their_own_where_the_service_counts_them_apart(
    gate: Gate, polls: RequestLimit | Literal["shared"] | None, later: list[float]
) -> None:
    gate._requests, gate._polls = RequestLimit(1, 60.0), polls
    gate.take_turn("submit")
    due = []
    for who in ("one", "two"):
        try:
            gate.take_turn(who, poll=True)
            due.append(0.0)
        except TurnLaterError as error:
            due.append(error.seconds)
    assert due == pytest.approx(later)


@given(st.dictionaries(st.text(min_size=1), st.floats(90, 110), max_size=8), st.floats(100, 110))
def test_a_submit_goes_before_the_polls_that_wait_and_no_time_is_lost(polls: dict[str, float], turn: float) -> None:
    taken, after = overtake(polls, turn, 100.0)
    assert sorted([taken, *after.values()]) == sorted([turn, *polls.values()])
    soon = min(turn, 100.0 + MAX_TURN_WAIT)
    waiting = sorted((at, who) for who, at in polls.items() if 100.0 <= at < soon)
    assert taken == (waiting[0][0] if waiting else turn)
    assert [who for _, who in waiting] == [who for _, who in sorted((after[who], who) for _, who in waiting)] or len(
        {at for at, _ in waiting}
    ) < len(waiting)
    assert all(after[who] == at for who, at in polls.items() if (at, who) not in waiting)


def test_a_poll_that_waits_lets_a_submit_go_first(gate: Gate, clock: HandClock) -> None:
    """At the service's 2 requests a second the slot that the submit fills would idle; the poll may see no end."""
    start, sent = clock.time, {}
    for _ in range(2):
        gate.take_turn()
    sleep = clock.sleep

    def meanwhile(seconds: float) -> None:
        """The poll sleeps until its turn; a submit comes in between."""
        clock.sleep = sleep  # type: ignore[method-assign]
        clock.time += 0.5
        gate.take_turn("submit")
        sent["submit"] = clock.time - start

    clock.sleep = meanwhile  # type: ignore[method-assign]
    gate._requests = RequestLimit(1, 1.1)
    gate.take_turn("poll", poll=True)
    sent["poll"] = clock.time - start
    assert sent == {"submit": pytest.approx(1.1, abs=0.01), "poll": pytest.approx(2.2, abs=0.01)}
    assert "polls" not in gate._item("service#requests")


def test_a_poll_that_is_overtaken_again_and_again_waits_in_the_state_machine(gate: Gate, clock: HandClock) -> None:
    gate._requests = RequestLimit(1, 1.1)
    gate.take_turn()
    sleep, submits = clock.sleep, count()

    def meanwhile(seconds: float) -> None:
        clock.sleep = sleep  # type: ignore[method-assign]
        for _ in range(2):
            # Two submits for each turn: the poll's moves away from it.
            now = clock.time
            gate.take_turn(f"submit {next(submits)}")
            clock.time = now
        clock.time += seconds
        clock.sleep = meanwhile  # type: ignore[method-assign]

    clock.sleep = meanwhile  # type: ignore[method-assign]
    began = clock.time
    with pytest.raises(TurnLaterError) as later:
        gate.take_turn("poll", poll=True)
    assert later.value.booked
    # A wait of no second would be a deadline that has passed.
    assert later.value.again_in >= 1
    assert MAX_TURN_WAIT < clock.time + later.value.seconds - began < 30


def test_a_submit_waits_for_what_its_pace_has_left_of_a_second(gate: Gate, clock: HandClock) -> None:
    start = clock.time
    gate.take_turn("a", start=start + 0.7)
    assert clock.time - start == pytest.approx(0.7, abs=1e-3)
    gate.take_turn("b", start=start + 3e7)  # by a clock that was wrong
    assert clock.time - start <= 1.7 + 1.1


def test_turns_are_booked_only_so_far_ahead(gate: Gate, clock: HandClock) -> None:
    gate._requests = RequestLimit(1, 60.0)
    gate.take_turn("a")
    assert [book(gate, who) for who in ("b", "c", "d", "e")] == pytest.approx([60, 120, 180, 240])
    before = gate._item("service#requests")
    with pytest.raises(TurnLaterError) as later:
        gate.take_turn("f")
    assert (later.value.seconds, later.value.booked) == (pytest.approx(300), False)
    assert gate._item("service#requests") == before


def test_bookings_of_a_wrong_clock_are_dropped(gate: Gate, clock: HandClock) -> None:
    gate._put("service#requests", {"turns": [], "booked": {"a": clock.time + 3e7, "b": clock.time - 3e7}}, 0)
    before = clock.time
    gate.take_turn("a")
    assert clock.time == before
    assert "booked" not in gate._item("service#requests")


def test_turns_stored_by_a_clock_that_was_a_year_ahead_are_written_over(gate: Gate, clock: HandClock) -> None:
    gate._put("service#requests", {"turns": [clock.time + 3e7] * 2}, 0)
    for _ in range(TWO_A_SECOND.count):
        gate.take_turn()
    kept: Any = gate._item("service#requests")["turns"]
    assert max(kept) <= clock.time


def test_children_that_need_no_slot_begin_at_half_of_the_rate(gate: Gate, listener: Listener, clock: HandClock) -> None:
    for i in range(5):
        gate.pass_through(f"t{i}")
    assert listener.woken == [("t0", 0), ("t1", 1.1), ("t2", 2.2), ("t3", 3.3), ("t4", 4.4)]
    clock.time += 60
    gate.pass_through("later")
    assert listener.woken[-1] == ("later", 0)


def test_a_start_booked_years_ahead_delays_no_child_for_longer_than_half_an_hour(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    gate._put("service#resumed", {"next_start": clock.time + 1e9}, 0)
    gate.pass_through("t")
    assert listener.woken == [("t", MAX_RESUME_WAIT)]


def test_without_a_request_rate_no_child_waits_and_nothing_is_booked(gate: Gate, listener: Listener) -> None:
    gate._requests = None
    for i in range(3):
        gate.pass_through(f"t{i}")
        gate.take_turn()
    assert listener.woken == [("t0", 0), ("t1", 0), ("t2", 0)]
    assert gate._item("service#requests") == gate._item("service#resumed") == {}


# --- trouble ---


def troubled(kind: Refusal = Refusal.UNAVAILABLE, **changes: Any) -> Trouble:
    return Trouble(**{"kind": kind, "since": 50.0, "count": 1, **changes})


def probing(state: GateState, holder: str = "p") -> GateState:
    """With a probe, should there be trouble."""
    return replace(state, trouble=replace(state.trouble, probe=holder)) if state.trouble else state


def waiting(*names: str) -> tuple[Waiter, ...]:
    return tuple(Waiter(name, f"token-{name}") for name in names)


@pytest.mark.parametrize("kind", Refusal)
def test_in_trouble_one_waiter_at_a_time_probes(kind: Refusal) -> None:
    state = GateState({}, waiting("a", "b"), next_start=130.0, trouble=troubled(kind))
    state, grants = admit(state, 100.0, LIMITS)
    assert [(grant.holder, grant.start) for grant in grants] == [("a", 130.0)]
    assert state.trouble is not None
    assert (state.trouble.probe, state.trouble.probe_end) == ("a", 130.0 + PROBE_SECONDS)
    again, grants = admit(state, 135.0, LIMITS)
    assert (grants, again) == ([], state)


@pytest.mark.parametrize("why", ["its time is up", "its lease has ended", "its slot was freed"])
def test_a_probe_that_says_no_more_is_replaced(why: str) -> None:
    probe_end = 99.0 if why == "its time is up" else 200.0
    holders = {"its time is up": {"gone": 400.0}, "its lease has ended": {"gone": 99.0}}.get(why, {})
    state = GateState(holders, waiting("b", "c"), trouble=troubled(probe="gone", probe_end=probe_end))
    state, grants = admit(state, 100.0, LIMITS)
    assert [grant.holder for grant in grants] == ["b"]
    assert state.trouble is not None
    assert state.trouble.probe == "b"


@pytest.mark.parametrize(
    ("kind", "pauses"),
    [
        (Refusal.BUSY, [10, 20, 40, 80, 160, 300]),
        (Refusal.THROTTLED, [2, 4, 8, 16, 32, 64, 128, 256, 300]),
        (Refusal.UNAVAILABLE, [5, 15, 45, 135, 300]),
        (Refusal.SILENT, [5, 15, 45, 135, 300]),
        (Refusal.ACCESS, [10, 30, 90, 270, 300]),
    ],
)
def test_pauses_grow_with_each_refusal_in_a_row_up_to_a_bound(kind: Refusal, pauses: list[float]) -> None:
    state, now, found = GateState({}), 1000.0, []
    for _ in range(len(pauses) + 2):
        state = refuse(probing(state), "p", kind, now, pause=None, word="w", submit=True)
        found.append(state.next_start - now)
        now = state.next_start
    assert found == [*pauses, 300, 300]
    assert pause_after(kind, 10**9) == MAX_PAUSE
    assert state.trouble is not None
    assert (state.trouble.count, state.trouble.since, state.trouble.word) == (len(pauses) + 2, 1000.0, "w")


def test_a_row_of_refusals_of_changing_kinds_grows_too() -> None:
    """An outage that answers 429 and 500 in turn must not use up the few tries that a 500 leaves."""
    state, now = GateState({}), 0.0
    for i in range(14):
        kind = Refusal.UNAVAILABLE if i % 2 else Refusal.THROTTLED
        state = refuse(probing(state), "p", kind, now, pause=None, word="", submit=True)
        now = state.next_start
    assert now > 600, "seven of a kind that counts reach over ten minutes"


@pytest.mark.parametrize(
    ("asked", "first", "tenth"), [(0.0, 2, 300), (17.0, 17, 300), (299.5, 299.5, 300), (1e12, 300, 300)]
)
def test_what_the_service_asks_for_is_the_least_and_a_bound_the_most(asked: float, first: float, tenth: float) -> None:
    state, pauses = GateState({}), []
    for _ in range(10):
        state = refuse(
            probing(replace(state, next_start=0.0)), "p", Refusal.THROTTLED, 100.0, pause=asked, word="", submit=True
        )
        pauses.append(state.next_start - 100.0)
    assert (pauses[0], pauses[-1]) == (first, tenth)


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    state = refuse(GateState({}, next_start=400.0), "a", Refusal.SILENT, 100.0, pause=None, word="", submit=True)
    assert state.next_start == 400.0


@pytest.mark.parametrize("trouble", [None, troubled()])
def test_a_stored_pause_of_years_heals(trouble: Trouble | None) -> None:
    state = GateState({}, waiting("a"), next_start=1e12, trouble=trouble)
    state, (grant,) = admit(state, 100.0, LIMITS)
    assert grant.start <= 100.0 + MAX_PAUSE + LIMITS.slots * LIMITS.pace
    assert state.next_start <= grant.start + LIMITS.pace


def test_refusals_about_access_are_counted_while_nothing_else_comes_between() -> None:
    state = GateState({})
    for now, kind, submit in [
        (10.0, Refusal.BUSY, True),
        (20.0, Refusal.ACCESS, True),
        (30.0, Refusal.ACCESS, False),
        (40.0, Refusal.ACCESS, True),
    ]:
        state = refuse(probing(state), "p", kind, now, pause=None, word="", submit=submit)
    found = state.trouble
    assert found is not None
    assert (found.since, found.count, found.access, found.access_since, found.submits) == (10.0, 4, 3, 20.0, 2)
    after = refuse(probing(state), "p", Refusal.UNAVAILABLE, 50.0, pause=None, word="", submit=True).trouble
    assert after is not None
    assert (after.access, after.submits, after.since) == (0, 0, 10.0)
    state = refuse(probing(replace(state, trouble=after)), "p", Refusal.ACCESS, 60.0, pause=None, word="", submit=True)
    assert state.trouble is not None
    assert (state.trouble.access, state.trouble.access_since, state.trouble.submits) == (1, 60.0, 1)


def test_a_submit_that_begins_late_has_its_lease_from_then_on() -> None:
    held = hold(GateState({"a": 150.0}), "a", 149.0, LIMITS)
    assert held is not None
    assert held.holders == {"a": 149.0 + LIMITS.lease}
    longer = hold(GateState({"a": 900.0}), "a", 149.0, LIMITS)
    assert longer is not None
    assert longer.holders == {"a": 900.0}


def test_no_submit_begins_without_a_slot() -> None:
    assert hold(GateState({"a": 150.0}), "a", 150.0, LIMITS) is None
    assert hold(GateState({"a": 150.0}), "b", 100.0, LIMITS) is None


def test_in_trouble_only_the_probe_submits_and_another_once_it_is_gone() -> None:
    state = GateState({"probe": 400.0, "other": 400.0}, trouble=troubled(probe="probe", probe_end=200.0))
    assert hold(state, "probe", 100.0, LIMITS) is not None
    assert hold(state, "other", 100.0, LIMITS) is None
    taken = hold(state, "other", 201.0, LIMITS)
    assert taken is not None
    assert taken.trouble is not None
    assert (taken.trouble.probe, taken.trouble.probe_end) == ("other", 201.0 + PROBE_SECONDS)
    assert hold(taken, "probe", 202.0, LIMITS) is None


def test_who_had_a_slot_before_the_trouble_waits_for_its_pause() -> None:
    state = GateState({"a": 400.0}, next_start=130.0, trouble=troubled())
    assert hold(state, "a", 100.0, LIMITS) is None
    assert hold(state, "a", 130.0, LIMITS) is not None


def test_a_busy_service_is_not_probed_while_tasks_of_ours_run_and_the_pause_lasts() -> None:
    state = GateState({"runs": 400.0}, waiting("b"), next_start=130.0, trouble=troubled(Refusal.BUSY))
    assert admit(state, 100.0, LIMITS)[1] == []
    assert [grant.start for grant in admit(state, 130.0, LIMITS)[1]] == [130.0]
    alone = replace(state, holders={})
    assert [grant.start for grant in admit(alone, 100.0, LIMITS)[1]] == [130.0]


_deeds = st.lists(
    st.tuples(
        st.sampled_from(["ask", "hold", "refuse", "silent", "accept", "free", "wait"]),
        st.sampled_from("abcdef"),
        st.sampled_from(Refusal),
        st.floats(0, 400),
    ),
    max_size=80,
)


@given(_deeds, st.integers(1, 4), st.floats(0, 3))
def test_never_more_holders_than_slots_and_in_trouble_never_two_probes(
    deeds: list[tuple[str, str, Refusal, float]], slots: int, pace: float
) -> None:
    limits = GateLimits(slots, pace, 360.0)
    state, now = GateState({}), 0.0
    sending: dict[str, float] = {}  # submits that began in trouble, by when they must have said what became of them
    for deed, name, kind, seconds in deeds:
        if deed == "ask" and name not in state.holders:
            state = enqueue(state, Waiter(name, name))
        elif deed == "hold":
            held = hold(state, name, now, limits)
            if held is not None and state.trouble is not None:
                sending[name] = now + PROBE_SECONDS
            state = held or free(state, name)
        elif deed in ("refuse", "silent"):
            state = state if deed == "silent" else free(state, name)
            state = refuse(state, name, kind, now, pause=None, word="", submit=True)
            sending.pop(name, None)
        elif deed == "accept":
            state = replace(state, trouble=None, next_start=min(state.next_start, now))
            sending.clear()
        elif deed == "free":
            state = free(state, name)
            sending.pop(name, None)
        else:
            now += seconds
        before = state
        state, grants = admit(state, now, limits)
        sending = {holder: end for holder, end in sending.items() if end > now and holder in state.holders}
        assert len(state.holders) <= slots
        if before.trouble is not None:
            assert len(grants) <= 1
            assert not (grants and before.trouble.probe in state.holders and before.trouble.probe_end > now)
            assert len(sending) <= 1
        assert all(grant.start <= now + MAX_PAUSE + slots * pace for grant in grants)


@pytest.fixture
def full(gate: Gate) -> Gate:
    """Both slots are taken, c and d wait."""
    for name in "abcd":
        gate.reserve(name, f"token-{name}")
    return gate


def test_refusals_of_submits_that_began_before_the_trouble_change_nothing_but_the_pause() -> None:
    state = GateState({"a": 400.0, "b": 400.0, "probe": 400.0}, trouble=troubled(probe="probe", probe_end=200.0))
    after = refuse(free(state, "a"), "a", Refusal.ACCESS, 100.0, pause=40.0, word="late", submit=True)
    assert (after.trouble, after.next_start) == (state.trouble, 140.0)
    assert admit(replace(after, waiters=waiting("c")), 141.0, LIMITS)[1] == [], "the probe is still on its way"
    answered = refuse(free(after, "probe"), "probe", Refusal.ACCESS, 101.0, pause=None, word="new", submit=True)
    assert answered.trouble is not None
    assert (answered.trouble.count, answered.trouble.probe, answered.trouble.word) == (2, "", "new")


def test_the_item_keeps_the_trouble(full: Gate, clock: HandClock) -> None:
    told = full.refused("a", Refusal.ACCESS, word="no such key (100009)")
    assert full.state().trouble == replace(told, probe="c", probe_end=pytest.approx(told.since + 10 + PROBE_SECONDS))  # type: ignore[arg-type]


def test_a_refusal_gives_the_slot_back_and_lets_one_probe_go_on(
    full: Gate, listener: Listener, clock: HandClock
) -> None:
    full.refused("a", Refusal.UNAVAILABLE)
    assert listener.woken[2:] == [("token-c", 5)]
    full.release("b")
    assert listener.woken[2:] == [("token-c", 5)]
    assert set(full.state().holders) == {"c"}


def test_a_submit_without_an_answer_keeps_its_slot(full: Gate) -> None:
    full.refused("a", Refusal.SILENT, keep=True)
    assert set(full.state().holders) == {"a", "b"}


def test_the_first_submit_that_is_taken_lets_all_go_on(full: Gate, listener: Listener, clock: HandClock) -> None:
    full.refused("a", Refusal.UNAVAILABLE)
    full.release("b")
    full.accepted()
    assert listener.woken[2:] == [("token-c", 5), ("token-d", 0)]
    assert full.state().trouble is None
    before = full.state()
    full.accepted()
    assert full.state() == before


def test_a_holder_that_may_not_submit_gives_its_slot_to_the_probe(full: Gate, listener: Listener) -> None:
    full.refused("a", Refusal.UNAVAILABLE)  # c probes
    with pytest.raises(SlotLostError):
        full.hold("b")
    assert set(full.state().holders) == {"c"}
    assert full.hold("c").trouble == full.state().trouble
    full.accepted()
    assert full.hold("d").trouble is None


def test_the_end_of_a_task_is_when_a_busy_service_has_room(full: Gate, listener: Listener, clock: HandClock) -> None:
    full.refused("a", Refusal.BUSY, pause=80)  # b runs
    assert listener.woken[2:] == []
    full.release("b", ended=True)
    assert listener.woken[2:] == [("token-c", 0)]
    assert full.state().trouble is not None


@pytest.mark.parametrize(
    ("kind", "holder", "ended"),
    [(Refusal.UNAVAILABLE, "a", True), (Refusal.BUSY, "a", False), (Refusal.BUSY, "an older visit", True)],
)
def test_nothing_else_ends_a_pause(full: Gate, clock: HandClock, kind: Refusal, holder: str, ended: bool) -> None:
    full.refused("nobody", kind, pause=60)
    pause = full.state().next_start
    full.release(holder, ended=ended)
    assert full.state().next_start >= pause


def test_a_late_call_of_one_visit_frees_nothing_of_the_next(gate: Gate) -> None:
    gate.reserve("run#1#1", "t1")
    gate.release("run#1#1")
    gate.reserve("run#1#2", "t2")
    before = gate.state()
    gate.release("run#1#1", ended=True)
    gate.release("run#1#1")
    assert gate.state() == before


def test_a_late_try_does_not_take_the_place_of_the_next_ones_token(full: Gate, listener: Listener) -> None:
    full.reserve("c", "second", 1)
    full.reserve("c", "token-c", 0)  # the first, 120 s late
    listener.gone.add("token-c")
    full.release("a")
    assert listener.tokens[-1] == "second"
    assert set(full.state().holders) == {"b", "c"}


def test_a_late_try_of_a_child_that_runs_takes_no_slot_from_it(gate: Gate, listener: Listener) -> None:
    gate.reserve("a", "first", 0)
    gate.reserve("a", "second", 1)
    listener.gone |= {"first", "second"}
    gate.reserve("a", "first", 0)
    assert set(gate.state().holders) == {"a"}


def test_a_probe_that_stopped_waiting_hands_the_probe_on(full: Gate, listener: Listener) -> None:
    listener.gone.add("token-c")
    full.refused("a", Refusal.THROTTLED, pause=3)
    state = full.state()
    assert set(state.holders) == {"b", "d"}
    assert state.trouble is not None
    assert state.trouble.probe == "d"


def test_a_change_that_loses_every_race_ends_after_a_while(gate: Gate, clock: HandClock) -> None:
    began = clock.time
    gate._put = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(GateError, match="changed again and again"):
        gate.reserve("a", "t")
    with pytest.raises(GateError, match="could not be put in turn"):
        gate.take_turn()
    with pytest.raises(GateError, match="could not be booked"):
        gate.pass_through("t")
    assert clock.time - began < 60


def test_someone_elses_change_between_reading_and_writing_is_not_overwritten(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    read = gate.state
    raced: list[bool] = []

    def state_then_race() -> GateState:
        found = read()
        if not raced:
            raced.append(True)
            other = Gate(gate._client, "gate", account="service", limits=LIMITS, clock=clock, wake=listener)
            other.reserve("other#1", "o1")
            other.reserve("other#2", "o2")
        return found

    gate.state = state_then_race  # type: ignore[method-assign]
    gate.reserve("run#1", "t1")
    assert set(read().holders) == {"other#1", "other#2"}
    assert listener.tokens == ["o1", "o2"]


class _StepFunctions:
    def __init__(self, code: str, status: int) -> None:
        self._answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def send_task_success(self, **call: str) -> None:
        raise ClientError(self._answer, "SendTaskSuccess")


def test_a_child_is_told_the_whole_seconds_that_it_waits_and_when_it_may_start() -> None:
    told: list[dict[str, str]] = []

    class Hears:
        def send_task_success(self, **call: str) -> None:
            told.append(call)

    assert waker(cast(Any, Hears()))("token", 102.75, 100.0)
    assert [json.loads(call["output"]) for call in told] == [{"start_in": 2, "start_at": 102.75}]


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_child_that_waits_no_more_is_not_woken(code: str) -> None:
    assert waker(cast(Any, _StepFunctions(code, 400)))("token", 3.0, 0.0) is False


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("InternalFailure", 500), ("503", 503)])
def test_a_wake_that_step_functions_refuses_for_now_is_trouble_by_its_name(code: str, status: int) -> None:
    with pytest.raises(GateError, match="Step Functions"):
        waker(cast(Any, _StepFunctions(code, status)))("token", 3.0, 0.0)


def test_a_wake_without_the_right_to_it_is_no_passing_trouble() -> None:
    with pytest.raises(ClientError):
        waker(cast(Any, _StepFunctions("AccessDeniedException", 400)))("token", 3.0, 0.0)
