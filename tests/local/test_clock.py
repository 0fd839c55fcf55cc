import itertools
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tryon_local.clock import (
    CancelledError,
    ClockEvent,
    DeadlinePassedError,
    PacedClock,
    ScaledClock,
    StalledError,
    VirtualClock,
)


def run(clock: VirtualClock | ScaledClock, work: Callable[[], Any], patience: float = 30.0) -> Any:
    """Do some work in a thread of the clock's; what it returned, or raise what it raised."""
    ended = clock.event()
    outcome: list[Any] = []

    def do() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the test
            outcome.append(error)
        ended.set()

    clock.thread(do).start()
    assert clock.await_event(ended, patience)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1000.0)


def test_virtual_time_jumps_to_the_end_of_the_shortest_wait(clock: VirtualClock) -> None:
    seen: list[tuple[int, float]] = []

    def sleeper(seconds: int) -> None:
        clock.sleep(seconds)
        seen.append((seconds, clock.now()))

    def work() -> float:
        threads = [clock.thread(sleeper, (seconds,)) for seconds in (5, 3, 3600)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return clock.now()

    began = time.monotonic()
    assert run(clock, work) == 4600.0
    assert seen == [(3, 1003.0), (5, 1005.0), (3600, 4600.0)]
    assert time.monotonic() - began < 2


def test_virtual_time_stands_still_while_a_thread_works(clock: VirtualClock) -> None:
    at: list[float] = []

    def busy() -> None:
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        at.append(clock.now())

    def work() -> None:
        worker, sleeper = clock.thread(busy), clock.thread(clock.sleep, (100,))
        sleeper.start()
        worker.start()
        worker.join()

    run(clock, work)
    assert at == [1000.0]


def test_threads_that_become_ready_at_the_same_time_run_in_the_order_in_which_they_waited(
    clock: VirtualClock,
) -> None:
    order: list[int] = []

    def sleeper(number: int) -> None:
        clock.sleep(1)
        order.append(number)
        clock.sleep(1)
        order.append(number)

    def work() -> None:
        threads = [clock.thread(sleeper, (number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run(clock, work)
    assert order == [*range(50), *range(50)]


def test_only_one_thread_runs_at_a_time_in_virtual_time(clock: VirtualClock) -> None:
    running: list[int] = []
    most = 0

    def worker() -> None:
        nonlocal most
        for _ in range(20):
            running.append(1)
            most = max(most, len(running))
            time.sleep(0.0001)
            running.pop()
            clock.sleep(1)

    def work() -> None:
        threads = [clock.thread(worker) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run(clock, work)
    assert most == 1


def test_an_event_wakes_its_waiter_before_the_timeout_and_says_so(clock: VirtualClock) -> None:
    event = clock.event()

    def work() -> tuple[bool, float, bool, float]:
        clock.thread(lambda: (clock.sleep(4), event.set())).start()
        early, at = event.wait(2), clock.now()
        return early, at, event.wait(100), clock.now()

    assert run(clock, work) == (False, 1002.0, True, 1004.0)


def test_a_deadline_cuts_a_sleep_and_leaves_a_shorter_one_alone(clock: VirtualClock) -> None:
    def work() -> float:
        with clock.deadline(1010.0):
            clock.sleep(10)
            with pytest.raises(DeadlinePassedError):
                clock.sleep(1)
        clock.sleep(1)
        return clock.now()

    assert run(clock, work) == 1011.0


def test_the_nearer_of_two_deadlines_passes_first_and_names_itself(clock: VirtualClock) -> None:
    def work() -> tuple[float, float]:
        with clock.deadline(1020.0):
            try:
                with clock.deadline(1005.0):
                    clock.sleep(60)
            except DeadlinePassedError as passed:
                inner = passed.at
            try:
                clock.sleep(60)
            except DeadlinePassedError as passed:
                return inner, passed.at
        raise AssertionError("no deadline passed")

    assert run(clock, work) == (1005.0, 1020.0)


def test_no_handler_catches_a_deadline_by_catching_exceptions(clock: VirtualClock) -> None:
    def work() -> None:
        with clock.deadline(1001.0):
            try:
                clock.sleep(5)
            except Exception:  # noqa: BLE001 - as careless as a handler may be
                pytest.fail("the deadline was swallowed")

    with pytest.raises(DeadlinePassedError):
        run(clock, work)


@pytest.mark.parametrize("make", [lambda: VirtualClock(0.0), lambda: ScaledClock(1.0)])
def test_cancelling_an_owner_ends_its_threads_and_no_others(make: Callable[[], Any]) -> None:
    clock = make()
    ended: list[str] = []
    hold = clock.event()

    def waiter(name: str) -> None:
        try:
            hold.wait()
            ended.append(f"{name} went on")
        except CancelledError:
            ended.append(f"{name} was cancelled")

    def work() -> None:
        threads = [
            clock.thread(waiter, ("child",), owner=("stack", "execution", "map")),
            clock.thread(waiter, ("parent",), owner=("stack", "execution")),
            clock.thread(waiter, ("other",), owner=("stack", "another")),
        ]
        for thread in threads:
            thread.start()
        clock.sleep(0.01)
        clock.cancel(("stack", "execution"))
        threads[0].join()
        threads[1].join()
        hold.set()
        threads[2].join()

    run(clock, work)
    assert sorted(ended) == ["child was cancelled", "other went on", "parent was cancelled"]


def test_a_thread_belongs_where_its_creator_belongs(clock: VirtualClock) -> None:
    inner: list[Any] = []

    def outer() -> None:
        inner.append(clock.thread(lambda: None))

    thread = clock.thread(outer, owner=("stack", 1))
    run(clock, lambda: (thread.start(), thread.join()))
    assert inner[0].owner == ("stack", 1)


def test_a_server_thread_sleeps_on_behalf_of_the_thread_that_waits_for_its_answer(clock: VirtualClock) -> None:
    answered = threading.Event()
    asked = threading.Event()
    times: dict[str, float] = {}

    def server() -> None:
        asked.wait(5)
        clock.sleep(30)
        times["server"] = clock.now()
        answered.set()

    threading.Thread(target=server, daemon=True).start()

    def other() -> None:
        clock.sleep(10)
        times["other"] = clock.now()

    def client() -> None:
        clock.thread(other).start()
        asked.set()
        # As a socket would: the clock sees a thread that runs.
        assert answered.wait(5)
        times["client"] = clock.now()
        clock.sleep(1)
        times["after"] = clock.now()

    run(clock, client)
    assert times == {"other": 1010.0, "server": 1030.0, "client": 1030.0, "after": 1031.0}


def test_a_visitor_waits_for_what_it_started_and_not_on_its_behalf(clock: VirtualClock) -> None:
    seen: list[tuple[bool, float]] = []

    def visitor() -> None:
        done = clock.event()
        with clock.visited():
            clock.thread(lambda: (time.sleep(0.05), clock.sleep(20), done.set())).start()
            seen.append((done.wait(30), clock.now()))

    thread = threading.Thread(target=visitor, daemon=True)
    thread.start()
    thread.join(5)
    assert seen == [(True, 1020.0)]


def test_an_attached_test_holds_time_still_between_its_own_steps(clock: VirtualClock) -> None:
    seen: list[float] = []

    def ticker() -> None:
        for _ in range(10):
            clock.sleep(1)
            seen.append(clock.now())

    with clock.attached():
        clock.thread(ticker).start()
        clock.sleep(3.5)
        time.sleep(0.02)
        assert seen == [1001.0, 1002.0, 1003.0]
        clock.sleep(1)
        assert seen == [1001.0, 1002.0, 1003.0, 1004.0]


@pytest.mark.parametrize("attached", [False, True])
def test_waiting_for_what_can_never_come_is_told_and_not_endured(clock: VirtualClock, attached: bool) -> None:
    never = clock.event()
    clock.thread(never.wait).start()

    def wait() -> None:
        with pytest.raises(StalledError):
            clock.await_event(clock.event(), patience=30)

    began = time.monotonic()
    if attached:
        with clock.attached():
            wait()
    else:
        wait()
    assert time.monotonic() - began < 5


def test_patience_ends_in_real_seconds_while_a_thread_is_busy(clock: VirtualClock) -> None:
    release = threading.Event()
    clock.thread(release.wait, (5,)).start()
    assert clock.await_event(clock.event(), patience=0.05) is False
    release.set()


def test_a_failing_thread_is_reported_and_does_not_stop_time(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: reported.append(str(told.exc_value)))

    def fail() -> None:
        raise ValueError("broken")

    def work() -> float:
        thread = clock.thread(fail)
        thread.start()
        thread.join()
        clock.sleep(1)
        return clock.now()

    assert run(clock, work) == 1001.0
    assert reported == ["broken"]


def test_a_thousand_threads_pass_through_virtual_time_together(clock: VirtualClock) -> None:
    def work() -> float:
        threads = [clock.thread(clock.sleep, (60,)) for _ in range(1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return clock.now()

    assert run(clock, work) == 1060.0


def test_a_scaled_clock_runs_as_many_times_faster() -> None:
    clock = ScaledClock(200)
    assert abs(clock.now() - time.time()) < 5
    began, now = time.monotonic(), clock.now()
    clock.sleep(20)
    assert 0.09 < time.monotonic() - began < 1
    assert 20 <= clock.now() - now < 220


def test_a_scaled_clock_keeps_its_deadlines() -> None:
    clock = ScaledClock(100)

    def work() -> float:
        began = clock.now()
        with pytest.raises(DeadlinePassedError), clock.deadline(began + 5):
            clock.sleep(3600)
        return clock.now() - began

    assert 5 <= run(clock, work) < 100


def test_a_scaled_event_wakes_its_waiter_early_and_times_out_late() -> None:
    clock = ScaledClock(100)
    event: ClockEvent = clock.event()
    assert event.wait(1) is False
    clock.thread(event.set).start()
    assert event.wait(3600) is True


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        ScaledClock(0)


@pytest.mark.parametrize("make", [lambda: VirtualClock(50.0), lambda: ScaledClock(1.0)])
def test_sleeping_no_time_returns_at_once(make: Callable[[], Any]) -> None:
    clock = make()
    clock.sleep(0)
    clock.sleep(-1)


def test_paced_time_passes_faster_than_real_time_while_all_wait() -> None:
    clock = PacedClock(1000.0, start=0.0)
    seen: list[float] = []
    ended = clock.thread(lambda: (clock.sleep(20.0), seen.append(clock.now())))
    began = time.monotonic()
    ended.start()
    assert clock.await_event(ended.ended, 10.0)
    assert time.monotonic() - began >= 0.02
    assert 20.0 <= seen[0] < 60.0


def test_paced_time_stands_still_while_anything_works() -> None:
    """What takes long because the machine is slow takes no time of the clock's."""
    clock = PacedClock(1000.0, start=0.0)
    seen: list[float] = []

    def work() -> None:
        before = clock.now()
        time.sleep(0.05)
        seen.append(clock.now() - before)

    thread = clock.thread(work)
    thread.start()
    assert clock.await_event(thread.ended, 10.0)
    assert seen == [0.0]


def test_a_wait_of_paced_time_is_not_overtaken_by_another_threads_work() -> None:
    clock = PacedClock(1000.0, start=0.0)
    order: list[str] = []

    def busy() -> None:
        for step in range(5):
            time.sleep(0.01)
            order.append(f"busy {step}")
            clock.sleep(1.0)

    def patient() -> None:
        clock.sleep(3.5)
        order.append("patient")

    threads = [clock.thread(busy), clock.thread(patient)]
    with clock.attached():  # a second passes in each millisecond between the two starts otherwise
        for thread in threads:
            thread.start()
    assert all(clock.await_event(thread.ended, 10.0) for thread in threads)
    assert "patient" in order[3:5]


def test_a_paced_wait_ends_exactly_at_its_end_however_late_the_machine_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = itertools.count()
    late = SimpleNamespace(monotonic=lambda: 7.0 * next(looks), time=time.time, sleep=time.sleep)
    monkeypatch.setattr("tryon_local.clock.time", late)
    clock = PacedClock(1.0, start=0.0)
    seen: list[tuple[str, float]] = []

    def busy() -> None:
        for step in range(5):
            seen.append((f"busy {step}", clock.now()))
            clock.sleep(1.0)

    def patient() -> None:
        clock.sleep(3.5)
        seen.append(("patient", clock.now()))
        with clock.deadline(clock.now() + 2.0):
            clock.sleep(1.5)
            seen.append(("in time", clock.now()))
            with pytest.raises(DeadlinePassedError):
                clock.sleep(1.0)
            seen.append(("too late", clock.now()))

    threads = [clock.thread(busy), clock.thread(patient)]
    with clock.attached():
        began = clock.now()
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert [(name, at - began) for name, at in seen] == [
        ("busy 0", 0.0),
        ("busy 1", 1.0),
        ("busy 2", 2.0),
        ("busy 3", 3.0),
        ("patient", 3.5),
        ("busy 4", 4.0),
        ("in time", 5.0),
        ("too late", 5.5),
    ]


def test_work_that_comes_from_outside_does_not_carry_paced_time_past_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = [0.0]
    held = SimpleNamespace(monotonic=lambda: looked[0], time=time.time, sleep=time.sleep)
    monkeypatch.setattr("tryon_local.clock.time", held)
    clock = PacedClock(1.0, start=0.0)
    seen: list[float] = []
    waiting = clock.thread(lambda: (clock.sleep(1000.0), seen.append(clock.now())))
    waiting.start()
    while clock.now() == 0.0:  # until it waits, no time passes
        looked[0] += 1.0
    looked[0] += 1_000_000.0
    assert clock.now() <= 1000.0
    other = clock.thread(lambda: seen.append(clock.now()))
    other.start()
    assert clock.await_event(other.ended, 10.0)
    assert clock.await_event(waiting.ended, 10.0)
    assert sorted(seen) == [1000.0, 1000.0]


def test_paced_time_passes_at_its_speed_only_while_something_waits_for_a_time() -> None:
    clock = PacedClock(1000.0, start=0.0)
    event = clock.event()
    thread = clock.thread(lambda: event.wait(1_000_000.0))
    thread.start()
    time.sleep(0.02)  # twenty seconds here, but for the time that the thread takes to begin its wait
    assert clock.now() > 2.0
    event.set()
    assert clock.await_event(thread.ended, 10.0)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the machine's clock says, to be set by the test."""
    said = [100.0]
    held = SimpleNamespace(monotonic=lambda: said[0], time=time.time, sleep=time.sleep)
    monkeypatch.setattr("tryon_local.clock.time", held)
    return said


def test_an_idle_clock_goes_on_as_fast_as_the_machines(looked: list[float]) -> None:
    clock = PacedClock(1000.0, start=5000.0)
    looked[0] += 3600.0
    assert clock.now() == 8600.0
    looked[0] += 0.5
    assert clock.now() == 8600.5


def test_a_clock_that_ran_ahead_waits_for_the_machines(looked: list[float]) -> None:
    clock = PacedClock(60.0, start=5000.0)
    waiting = clock.thread(lambda: clock.sleep(120.0))
    waiting.start()
    while waiting.is_alive():  # two seconds at this speed, however long the thread takes on a busy machine
        looked[0] = min(looked[0] + 0.01, 103.0)
        time.sleep(0.0001)
    # Its thread says that it is over a moment before the clock rests, and until then time stands still.
    while clock._resting_since is None:
        time.sleep(0.0001)
    ahead = clock.now()
    assert ahead == pytest.approx(5120.0, abs=1.0)
    began = looked[0]
    looked[0] = 100.0 + 110.0
    assert clock.now() == ahead
    looked[0] = 100.0 + 3600.0
    assert clock.now() == pytest.approx(5000.0 + 3600.0)
    assert looked[0] > began


def test_a_wait_that_begins_after_a_long_rest_does_not_hurry_the_rest(looked: list[float]) -> None:
    clock = PacedClock(1000.0, start=0.0)
    looked[0] += 50.0
    clock.keep_pace(500.0)
    assert clock.now() == pytest.approx(50.0)
    looked[0] += 0.1
    assert clock.now() == pytest.approx(150.0)
    looked[0] += 10.0
    assert clock.now() == 500.0


def test_a_wait_that_is_given_up_leaves_the_pace_that_was_reached(looked: list[float]) -> None:
    clock = PacedClock(1000.0, start=0.0)
    event = clock.event()
    waiting = clock.thread(lambda: event.wait(1_000_000.0))
    waiting.start()
    while clock.now() == 0.0:
        looked[0] += 0.001
    looked[0] += 0.1
    reached = clock.now()
    assert reached > 100.0
    event.set()
    waiting.join()
    assert clock.now() == pytest.approx(reached)
    looked[0] += 10.0
    assert clock.now() == pytest.approx(reached)  # still ahead
