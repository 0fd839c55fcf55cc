"""Clocks for one machine: real time run faster, and virtual time that jumps over every wait.

Both keep their own threads and events, because only then is it known who waits for what: a wait can be
cut short by a deadline, a thread that waits can be cancelled, and virtual time can jump exactly when
nothing is left to run.
"""

import contextlib
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

CLOCK_PATH = "/_tryon/clock"
"""Where a stack that is served gives its time; no bucket can be called so, and all other paths are AWS's."""

Owner = tuple[object, ...]


class CancelledError(BaseException):
    """Raised inside a clock's thread at its next wait after `cancel`; no `except Exception` catches it."""


class DeadlinePassedError(BaseException):
    """Raised at the deadline by a wait that would go past it; no `except Exception` catches it."""

    def __init__(self, at: float) -> None:
        super().__init__(f"the deadline at {at:.3f} passed")
        self.at = at


class StalledError(RuntimeError):
    """Every thread of a virtual clock waits for something that none of them can bring about."""


class _Worker:
    """One thread of the machine that runs one job after another: starting a thread costs more than most jobs."""

    def __init__(self, pool: "_WorkerPool", job: Callable[[], None], done: Callable[[], None]) -> None:
        self.pool = pool
        self.job, self.done = job, done
        self.wake = threading.Lock()
        self.wake.acquire()
        threading.Thread(target=self._work, name="clock-worker", daemon=True).start()

    def _work(self) -> None:
        while True:
            job, done = self.job, self.done
            self.job = self.done = _nothing
            job()
            # Parked before `done`, which may hand the next job to this very worker.
            self.pool.park(self)
            done()
            del job, done
            if not self.wake.acquire(timeout=_WorkerPool.IDLE_SECONDS):
                if self.pool.retire(self):
                    return
                self.wake.acquire()


class _WorkerPool:
    IDLE_SECONDS = 2.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> None:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is not None:
                worker.job, worker.done = job, done
        if worker is None:
            _Worker(self, job, done)
        else:
            worker.wake.release()

    def park(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def retire(self, worker: _Worker) -> bool:
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            return False


def _nothing() -> None:
    return None


_POOL = _WorkerPool()


class _Waiter:
    __slots__ = ("counted", "done", "fired", "lock")

    def __init__(self, counted: bool) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.counted = counted
        self.done = False
        self.fired = False


class ClockEvent:
    """What `threading.Event` is, with timeouts in the clock's seconds."""

    __slots__ = ("_clock", "_flag", "_waiters")

    def __init__(self, clock: "_ThreadedClock") -> None:
        self._clock = clock
        self._flag = False
        self._waiters: list[_Waiter] = []

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        with self._clock._lock:
            self._flag = True
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                self._clock._wake(waiter, fired=True)
            self._clock._dispatch()

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._clock._wait(self, timeout)


class ClockThread:
    """What `threading.Thread` is, known to its clock.

    `owner` is a path, such as a stack and one of its executions, that `cancel` goes by; without one a thread
    belongs where its creator belongs.
    """

    def __init__(
        self,
        clock: "_ThreadedClock",
        target: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        owner: Owner | None = None,
    ) -> None:
        self._clock = clock
        self._call = (target, tuple(args), dict(kwargs or {}))
        creator = clock._current()
        self.owner: Owner = owner if owner is not None else creator.owner if creator else ()
        self.cancelled = False
        self._blocked_on: _Waiter | None = None
        self.ended = ClockEvent(clock)

    def start(self) -> None:
        self._clock._start(self)

    def join(self, timeout: float | None = None) -> None:
        self.ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self.ended.is_set()

    def _run(self) -> None:
        target, args, kwargs = self._call
        self._clock._local.thread = self
        self._clock._local.deadlines = []
        try:
            if not self.cancelled:
                target(*args, **kwargs)
        except CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - reported as `threading` reports it
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )
        finally:
            self._clock._local.thread = None
            self.ended.set()
            # What a finished thread ran must not live as long as whoever keeps the thread.
            self._call = (_nothing, (), {})


class _ThreadedClock:
    """The waiting, cancelling and deadlines that both clocks share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._threads: set[ClockThread] = set()
        self._stall_watchers: list[_Waiter] = []

    def now(self) -> float:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock; nothing at or below zero."""
        if seconds > 0:
            self._wait(None, seconds)

    def event(self) -> ClockEvent:
        return ClockEvent(self)

    def thread(
        self,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        owner: Owner | None = None,
    ) -> ClockThread:
        return ClockThread(self, target, args, kwargs, owner)

    @contextlib.contextmanager
    def deadline(self, at: float) -> Iterator[None]:
        """Cut every wait of this thread at that moment: what would go past it raises `DeadlinePassedError`."""
        deadlines = self._deadlines()
        deadlines.append(at)
        try:
            yield
        finally:
            deadlines.pop()

    def cancel(self, owner: Owner) -> None:
        """End every other thread at or below that owner at its present or next wait, with `CancelledError`."""
        caller = self._current()
        with self._lock:
            for thread in self._threads:
                if thread.owner[: len(owner)] == owner and thread is not caller:
                    thread.cancelled = True
                    if thread._blocked_on is not None:
                        self._wake(thread._blocked_on, fired=False)
            self._dispatch()

    @contextlib.contextmanager
    def visited(self) -> Iterator[None]:
        """Take the caller, if it is no thread of the clock's, for one thing or the other until it leaves.

        Decided on entry, because what the caller is about to start will itself be running: a server's thread
        that waits for it must not be taken for one that works on its behalf.
        """
        if self._current() is not None or getattr(self._local, "counts", None) is not None:
            yield
            return
        with self._lock:
            self._local.counts = self._counts(None)
        try:
            yield
        finally:
            self._local.counts = None

    def end(self, owner: Owner, patience: float = 10.0) -> bool:
        """Cancel all threads at or below that owner and see them end; whether they did within real `patience`."""
        self.cancel(owner)
        caller = self._current()
        with self._lock:
            threads = [one for one in self._threads if one.owner[: len(owner)] == owner and one is not caller]
        give_up = time.monotonic() + patience
        ended = [self.await_event(thread.ended, max(0.0, give_up - time.monotonic())) for thread in threads]
        return all(ended)

    def is_working(self) -> bool:
        """Whether the calling thread is one of the clock's."""
        return self._current() is not None

    def check_cancelled(self) -> None:
        """Raise CancelledError if the calling thread was cancelled: for a thread that works without waiting."""
        thread = self._current()
        if thread is not None and thread.cancelled:
            raise CancelledError

    def await_event(self, event: ClockEvent, patience: float) -> bool:
        """Whether the event came within that many real seconds.

        Raises StalledError when virtual time can bring nothing more about.
        """
        give_up = time.monotonic() + patience
        while not event.is_set():
            waiter = _Waiter(self._counts(self._current()))
            with self._lock:
                if event.is_set():
                    break
                event._waiters.append(waiter)
                self._stall_watchers.append(waiter)
                self._block(waiter, None, patient=True)
            if not waiter.lock.acquire(timeout=max(0.0, give_up - time.monotonic())):
                with self._lock:
                    withdrawn = not waiter.done
                    if withdrawn:
                        self._withdraw(waiter)
                        self._drop(waiter, event)
                if withdrawn:
                    return event.is_set()
                waiter.lock.acquire()
            with self._lock:
                self._drop(waiter, event)
            if not waiter.fired:
                # A thread outside the clock may be about to act, such as a server between two requests.
                time.sleep(0.05)
                with self._lock:
                    if not event.is_set() and self._is_stalled(waiter.counted):
                        raise StalledError("virtual time stands still: every thread waits, and none for a time")
        return True

    def _current(self) -> ClockThread | None:
        return getattr(self._local, "thread", None)

    def _deadlines(self) -> list[float]:
        if not hasattr(self._local, "deadlines"):
            self._local.deadlines = []
        deadlines: list[float] = self._local.deadlines
        return deadlines

    def _wait(self, event: ClockEvent | None, seconds: float | None) -> bool:
        thread = self._current()
        until = None if seconds is None else self.now() + max(0.0, seconds)
        deadline = min(self._deadlines(), default=None)
        cut = deadline is not None and (until is None or deadline < until)
        with self._lock:
            if thread is not None and thread.cancelled:
                raise CancelledError
            if event is not None and event.is_set():
                return True
            waiter = _Waiter(self._counts(thread))
            if event is not None:
                event._waiters.append(waiter)
            if thread is not None:
                thread._blocked_on = waiter
            # At the same moment work comes before giving up: what ends exactly in time is in time.
            self._block(waiter, deadline if cut else until, patient=event is not None or cut)
        self._pause(waiter, deadline if cut else until)
        with self._lock:
            if thread is not None:
                thread._blocked_on = None
            self._drop(waiter, event)
            cancelled = thread is not None and thread.cancelled
        if cancelled:
            raise CancelledError
        if waiter.fired:
            return True
        if cut and deadline is not None:
            raise DeadlinePassedError(deadline)
        return False

    def _drop(self, waiter: _Waiter, event: ClockEvent | None) -> None:
        for watched in (event._waiters if event is not None else [], self._stall_watchers):
            if waiter in watched:
                watched.remove(waiter)

    def _withdraw(self, waiter: _Waiter) -> None:
        """Stop waiting without having been woken; called with the lock held."""
        waiter.done = True

    def _is_stalled(self, caller_counts: bool) -> bool:
        return False

    def _start(self, thread: ClockThread) -> None:
        raise NotImplementedError

    def _counts(self, thread: ClockThread | None) -> bool:
        raise NotImplementedError

    def _block(self, waiter: _Waiter, until: float | None, *, patient: bool) -> None:
        """Give up the right to run; called with the lock held."""
        raise NotImplementedError

    def _pause(self, waiter: _Waiter, until: float | None) -> None:
        raise NotImplementedError

    def _wake(self, waiter: _Waiter, *, fired: bool) -> None:
        """Let a waiter go on; called with the lock held."""
        raise NotImplementedError

    def _dispatch(self) -> None:
        """Let something run if nothing does; called with the lock held."""
        raise NotImplementedError


class ScaledClock(_ThreadedClock):
    """The machine's clock, run `speed` times as fast from the moment of construction."""

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__()
        if speed <= 0:
            raise ValueError(f"a clock's speed must be above zero, not {speed}")
        self.speed = speed
        self._started = time.time()
        self._origin = time.monotonic()

    def now(self) -> float:
        return self._started + (time.monotonic() - self._origin) * self.speed

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Nothing here: real time does not wait for anybody."""
        yield

    def _start(self, thread: ClockThread) -> None:
        with self._lock:
            self._threads.add(thread)
        _POOL.run(thread._run, lambda: self._forget(thread))

    def _forget(self, thread: ClockThread) -> None:
        with self._lock:
            self._threads.discard(thread)

    def _counts(self, thread: ClockThread | None) -> bool:
        return False

    def _block(self, waiter: _Waiter, until: float | None, *, patient: bool) -> None:
        return

    def _pause(self, waiter: _Waiter, until: float | None) -> None:
        if until is None:
            waiter.lock.acquire()
        elif not waiter.lock.acquire(timeout=max(0.0, until - self.now()) / self.speed):
            with self._lock:
                self._withdraw(waiter)

    def _wake(self, waiter: _Waiter, *, fired: bool) -> None:
        if not waiter.done:
            waiter.done = True
            waiter.fired = fired
            waiter.lock.release()

    def _dispatch(self) -> None:
        return


class VirtualClock(_ThreadedClock):
    """Discrete-event time: it stands still while anything runs and jumps to the next wait's end when all wait.

    One of the clock's threads runs at a time, the others in the order in which they became ready, so that a
    run of the same program passes through the same states. A thread that the clock did not start is taken
    for a server's: while it waits, it waits on behalf of the running thread, whose request it is answering.
    The main thread is nobody's server; it only watches, unless it is `attached`.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self._now = start
        self._running = 0
        self._ready: deque[_Waiter | ClockThread] = deque()
        self._timers: list[tuple[float, bool, int, _Waiter]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Run the caller as one of the clock's threads: time stands still until it waits."""
        if self._current() is not None:
            yield
            return
        waiter = _Waiter(counted=True)
        with self._lock:
            self._ready.append(waiter)
            self._dispatch()
        waiter.lock.acquire()
        self._local.thread = ClockThread(self, _nothing)
        try:
            yield
        finally:
            self._local.thread = None
            self._leave()

    def _is_stalled(self, caller_counts: bool) -> bool:
        busy = self._running - (1 if caller_counts else 0)
        return busy <= 0 and not self._ready and all(waiter.done for *_, waiter in self._timers)

    def _withdraw(self, waiter: _Waiter) -> None:
        super()._withdraw(waiter)
        if waiter.counted:
            self._running += 1

    def _start(self, thread: ClockThread) -> None:
        with self._lock:
            self._threads.add(thread)
            self._ready.append(thread)
            self._dispatch()

    def _counts(self, thread: ClockThread | None) -> bool:
        if thread is not None:
            return True
        decided: bool | None = getattr(self._local, "counts", None)
        if decided is not None:
            return decided
        return self._running > 0 and threading.current_thread() is not threading.main_thread()

    def _block(self, waiter: _Waiter, until: float | None, *, patient: bool) -> None:
        if until is not None:
            heapq.heappush(self._timers, (until, patient, next(self._order), waiter))
        if waiter.counted:
            self._running -= 1
        self._dispatch()

    def _pause(self, waiter: _Waiter, until: float | None) -> None:
        waiter.lock.acquire()

    def _wake(self, waiter: _Waiter, *, fired: bool) -> None:
        if waiter.done:
            return
        waiter.done = True
        waiter.fired = fired
        if waiter.counted:
            self._ready.append(waiter)
        else:
            waiter.lock.release()

    def _dispatch(self) -> None:
        while self._running <= 0:
            if self._ready:
                self._resume(self._ready.popleft())
            elif self._timers:
                until, _, _, waiter = heapq.heappop(self._timers)
                if not waiter.done:
                    self._now = max(self._now, until)
                    self._wake(waiter, fired=False)
            elif self._stall_watchers:
                watchers, self._stall_watchers = self._stall_watchers, []
                for watcher in watchers:
                    self._wake(watcher, fired=False)
            else:
                return

    def _resume(self, next_one: _Waiter | ClockThread) -> None:
        self._running += 1
        if isinstance(next_one, _Waiter):
            next_one.lock.release()
        else:
            thread = next_one
            _POOL.run(thread._run, lambda: self._leave(thread))

    def _leave(self, thread: ClockThread | None = None) -> None:
        with self._lock:
            if thread is not None:
                self._threads.discard(thread)
            self._running -= 1
            self._dispatch()


class PacedClock(VirtualClock):
    """Virtual time that passes `speed` times as fast as real time while any wait goes on, and stands still while
    anything works.

    A slow or busy machine therefore only takes longer: no deadline passes because it was slow. While nothing waits
    for a time, it passes as fast as real time; what it is ahead of the machine's clock by then, it first stands still.
    So a stack that is left alone does not run ahead, and what it makes is dated in the order of making.
    """

    def __init__(self, speed: float, start: float | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"a clock's speed must be above zero, not {speed}")
        super().__init__(time.time() if start is None else start)
        self.speed = speed
        self._started, self._origin = self._now, time.monotonic()
        self._resting_since: float | None = self._origin
        self._turned = threading.Condition(self._lock)
        threading.Thread(target=self._turn, name="paced-clock", daemon=True).start()

    def keep_pace(self, until: float) -> None:
        """Let time pass at its speed up to that moment, as if something waited for it."""
        with self._lock:
            self._block(_Waiter(counted=False), until, patient=True)

    def now(self) -> float:
        # Locked: a time that was reached and a rest that began belong together.
        with self._lock:
            return self._reached()

    def _reached(self) -> float:
        """The time now, never past a wait's end that is still to come; called with the lock held."""
        if self._resting_since is None:
            return self._now
        looked = time.monotonic()
        rested = looked - self._resting_since
        if self._timers:
            return max(self._now, min(self._now + rested * self.speed, self._timers[0][0]))
        # Idle: no further than the machine's own time since the start.
        return max(self._now, min(self._now + rested, self._started + looked - self._origin))

    def _work(self, at: float) -> None:
        """Stop time at that moment; called with the lock held."""
        self._now, self._resting_since = at, None

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter.counted:
            self._work(self._reached())
        super()._withdraw(waiter)

    def _block(self, waiter: _Waiter, until: float | None, *, patient: bool) -> None:
        if self._resting_since is not None:
            # What has passed so far passed at the pace so far.
            self._work(self._reached())
        super()._block(waiter, until, patient=patient)

    def _dispatch(self) -> None:
        while self._running <= 0:
            while self._timers and self._timers[0][-1].done:
                if self._resting_since is not None:
                    self._work(self._reached())
                heapq.heappop(self._timers)
            if self._ready:
                self._work(self._reached())
                self._resume(self._ready.popleft())
            elif self._timers and self._timers[0][0] <= self._reached():
                until, _, _, waiter = heapq.heappop(self._timers)
                # Not the time that it is: a machine that looks late must not make a wait longer than it was.
                self._work(max(self._now, until))
                self._wake(waiter, fired=False)
            else:
                if self._resting_since is None:
                    self._resting_since = time.monotonic()
                if not self._timers and self._stall_watchers:
                    watchers, self._stall_watchers = self._stall_watchers, []
                    for watcher in watchers:
                        self._wake(watcher, fired=False)
                    continue
                self._turned.notify()
                return

    def _turn(self) -> None:
        with self._turned:
            while True:
                self._dispatch()
                if self._running > 0 or not self._timers:
                    self._turned.wait()
                else:
                    self._turned.wait(max(0.0, self._timers[0][0] - self._reached()) / self.speed)
