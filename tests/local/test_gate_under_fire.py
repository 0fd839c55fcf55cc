"""The gate under many threads, crashes at the worst moments, and several runs that share an account."""

import functools
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from tests.doubles import HandClock
from tests.workflow.pipeline import manifest, running
from tryon.state.gate import Gate, GateLimits
from tryon_local.aws.functions import KilledError

LEASE = 360.0


class CrashError(Exception):
    """A function's environment dies: whatever it had not done yet stays undone."""


class Account:
    """Children that wait for slots, tasks that hold them, and functions that die.

    A function dies with the probability `crash` before a write, after it, before waking a child and after it.
    """

    def __init__(self, client: Any, slots: int, crash: float, seed: int) -> None:
        self.clock = HandClock()
        self.running: set[str] = set()
        self.most = 0
        self.served: Counter[str] = Counter()
        self._client, self._slots, self._crash = client, slots, crash
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._listening: dict[str, threading.Event] = {}
        self._tokens = itertools.count()

    def gate(self) -> Gate:
        return Gate(
            self,  # type: ignore[arg-type]
            "gate",
            account="service",
            limits=GateLimits(self._slots, 0.0, LEASE),
            clock=self.clock,
            wake=self._wake,
        )

    def die(self) -> None:
        with self._lock:
            dies = self._random.random() < self._crash
        if dies:
            raise CrashError

    def get_item(self, **request: Any) -> Any:
        return self._client.get_item(**request)

    def put_item(self, **request: Any) -> Any:
        self.die()
        answer = self._client.put_item(**request)
        self.die()
        return answer

    def _wake(self, token: str, start: float, now: float) -> bool:
        self.die()
        with self._lock:
            event = self._listening.pop(token, None)
        if event is not None:
            event.set()
        self.die()
        return event is not None

    def call(self, function: Callable[[], None]) -> None:
        """As the state machine does: a function that died is called again."""
        while True:
            try:
                return function()
            except CrashError:
                continue

    def child(self, name: str) -> None:
        """One combination: its slot, its task, its release."""
        self._wait_for_slot(name)
        with self._lock:
            self.running.add(name)
            self.most = max(self.most, len(self.running))
        threading.Event().wait(0.02)
        with self._lock:
            self.running.discard(name)
            self.served[name] += 1
        self.call(lambda: self.gate().release(name))

    def _wait_for_slot(self, name: str) -> None:
        while True:
            event, token = threading.Event(), f"{name}/{next(self._tokens)}"
            with self._lock:
                self._listening[token] = event
            self.call(lambda token=token: self.gate().reserve(name, token))  # type: ignore[misc]
            if event.wait(0.5):
                return
            with self._lock:
                # Woken at the very moment at which it stops listening: then it was woken.
                if self._listening.pop(token, None) is None:
                    return


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's DynamoDB with a gate table, one call at a time as AWS's is for one item."""
    lock, original = threading.RLock(), DynamoHandler.call_action

    @functools.wraps(original)
    def call_action(handler: Any) -> Any:
        with lock:
            return original(handler)

    monkeypatch.setattr(DynamoHandler, "call_action", call_action)
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="gate",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.mark.parametrize(("slots", "crash"), [(1, 0.0), (3, 0.0), (3, 0.1)])
def test_many_threads_never_hold_more_than_the_slots_and_all_are_served(
    dynamodb: Any, slots: int, crash: float
) -> None:
    account = Account(dynamodb, slots, crash, seed=slots)
    names = [f"run#{i}" for i in range(10)]
    threads = [threading.Thread(target=account.child, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert account.served == Counter(names)
    assert account.most <= slots
    state = account.gate().state()
    assert (state.holders, state.waiters) == ({}, ())


def test_children_that_died_for_good_give_their_slots_back_when_their_leases_end(dynamodb: Any) -> None:
    account = Account(dynamodb, slots=2, crash=0.0, seed=0)
    for name in ("dead#1", "dead#2"):
        account._listening[name] = threading.Event()
        account.gate().reserve(name, name)
    waiting = threading.Event()
    account._listening["alive"] = waiting
    account.gate().reserve("run#1", "alive")
    assert not waiting.is_set()
    account.clock.time += LEASE
    account.gate().release("run#2")  # whatever is asked of the gate next
    assert waiting.is_set()
    assert set(account.gate().state().holders) == {"run#1"}


# --- the whole application, in virtual time ---


@pytest.mark.parametrize(
    ("slots", "garments", "cadence"), [(1, 2, [20, 6]), (2, 3, [20, 6]), (6, 5, [20, 6]), (20, 8, [10, 9, 8])]
)
def test_three_runs_at_once_are_refused_nothing(slots: int, garments: int, cadence: list[int]) -> None:
    combinations = 3 * garments
    with running(slots=slots, latency=lambda new: 25.0 + new.number % 5, parameters={"PaceSeconds": "1"}) as pipeline:
        pipeline.put_pictures(1, garments)
        with pipeline.clock.attached():
            for _ in range(3):
                pipeline.drop(manifest(1, garments, cadence=cadence))
        ended = [pipeline.ended(execution) for execution in pipeline.app.stack.executions()]
        assert [run.status for run in ended] == ["SUCCEEDED"] * 3
        requests = pipeline.standin.requests
        assert requests.submit == Counter({"10000": combinations})
        assert set(requests.result) == {"10000"}
        assert pipeline.standin.most_running == min(slots, combinations)


def test_a_small_run_is_not_starved_by_a_large_one() -> None:
    with running(slots=2) as pipeline:
        pipeline.put_pictures(2, 9)
        with pipeline.clock.attached():
            pipeline.drop(manifest(2, 9, cadence=[27]))
            pipeline.clock.sleep(40)
            pipeline.drop(manifest(1, 2, cadence=[27]))
        large, small = (pipeline.ended(execution) for execution in pipeline.app.stack.executions())
    # When it asks, two of the large run hold slots and as many as its Map still has wait before it, no more.
    before_small = [entry for entry in large.entries if entry.submitted_at < small.entries[0].submitted_at]  # type: ignore[operator]
    assert len(before_small) <= 2 + 4
    assert max(entry.finished_at for entry in small.entries) < large.entries[9].submitted_at  # type: ignore[operator,type-var]


def test_no_slot_waits_for_the_download_of_its_last_result() -> None:
    with running(slots=1, download_seconds=(3.0, 3.0)) as pipeline:
        pipeline.put_pictures(1, 4)
        pipeline.run(manifest(1, 4))
        tasks = pipeline.standin.tasks
    seen = [task.polls[-1] for task in tasks]
    assert [task.submitted_at for task in tasks[1:]] == seen[:-1]


class Killer:
    """Kills functions between what they write and whom they wake: the first `times` of each kind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.killed = 0
        self._left = times
        deliver = Gate._deliver

        def dies(gate: Gate, grants: Any) -> None:
            if grants and self._left:
                self._left -= 1
                self.killed += 1
                raise KilledError
            deliver(gate, grants)

        monkeypatch.setattr(Gate, "_deliver", dies)


def test_a_function_killed_between_grant_and_wake_costs_time_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = 3
    killer = Killer(monkeypatch, times)
    with running(slots=2) as pipeline:
        pipeline.put_pictures(1, 6)
        ended = pipeline.run(manifest(1, 6, cadence=[27]))
        assert killer.killed == times
        assert ended.status == "SUCCEEDED"
        assert pipeline.standin.requests.submit == Counter({"10000": 6})
        gate = pipeline.app.stack.client("dynamodb").get_item(
            TableName=pipeline.app.stack.outputs["GateTableName"], Key={"pk": {"S": "service"}}
        )["Item"]
        assert gate["holders"] == {"M": {}}
        assert gate["waiters"] == {"L": []}
    assert json.loads(ended.execution["output"])["status"] == "SUCCEEDED"
    # Every lost wake-up is made up for by the child that asks again, two minutes later at most.
    assert max(entry.finished_at for entry in ended.entries) - ended.item["started_at"] < 3 * 40 + times * 122  # type: ignore[type-var]


def test_functions_killed_with_their_answers_unsent_do_no_harm() -> None:
    dying: Counter[str] = Counter()
    died: set[str] = set()

    def kill(name: str, event: Any, result: Any) -> None:
        call = name + json.dumps(event, sort_keys=True, default=str)
        if name in ("ReserveFunction", "SubmitFunction", "PollFunction") and dying[name] < 2 and call not in died:
            died.add(call)
            dying[name] += 1
            raise KilledError

    with running(slots=2) as pipeline:
        pipeline.put_pictures(1, 6)
        pipeline.app.stack.functions.after_invoke.append(kill)
        ended = pipeline.run(manifest(1, 6, cadence=[27]))
        assert dying == {"ReserveFunction": 2, "SubmitFunction": 2, "PollFunction": 2}
        assert ended.status == "SUCCEEDED"
        assert pipeline.payments == 6
        assert "50430" not in pipeline.standin.requests.submit
        assert pipeline.standin.most_running == 2
