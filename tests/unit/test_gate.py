from collections.abc import Iterator
from itertools import pairwise

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.conftest import HandClock
from tryon.gate import (
    MAX_WAITERS,
    Gate,
    GateLimits,
    GateState,
    RequestLimit,
    Waiter,
    admit,
    enqueue,
    free,
    next_turn,
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
        self.woken: list[tuple[str, int]] = []
        self.gone: set[str] = set()

    def __call__(self, token: str, seconds: int) -> bool:
        if token in self.gone:
            return False
        self.woken.append((token, seconds))
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

    def late(token: str, seconds: int) -> bool:
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

    def crash(token: str, seconds: int) -> bool:
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
    monkeypatch.setattr("tryon.gate.MAX_WAITERS", 3)
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
    gate.release("run#1", pause=10)
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
    clock.time += 60
    before = clock.time
    gate.take_turn()
    assert clock.time == before


@given(st.lists(st.floats(0, 3), max_size=40), st.integers(1, 4), st.floats(0.5, 3))
def test_no_window_holds_more_requests_than_the_limit(gaps: list[float], count: int, seconds: float) -> None:
    limit = RequestLimit(count, seconds)
    now, turns = 0.0, []
    for gap in gaps:
        now += gap
        turns.append(next_turn(turns[-count:], now, limit))
    assert all(later >= earlier for earlier, later in pairwise(turns))
    assert all(later - earlier >= seconds - 1e-9 for earlier, later in zip(turns, turns[count:], strict=False))


def test_someone_elses_change_between_reading_and_writing_is_not_overwritten(
    gate: Gate, listener: Listener, clock: HandClock
) -> None:
    read, raced = gate.state, []

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
