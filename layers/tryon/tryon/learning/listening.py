"""A cadence that listens: queue and work are learned apart, and the next wait follows from what the last poll saw.

A task waits in the service's queue, then it is worked on. Both times are learned like latencies (`calibration`): exact
where the service gives its own times, between two polls otherwise. While a task is queued, the next poll falls where
delay + weight × polls is least for all that may follow; once it is seen at work, the end is expected from the moment at
which the work may have begun, which is between the last poll that saw the queue and the first that saw work.

The waits of the queue are found backwards over whole seconds. What follows a poll that sees work is needed there for
every length of gap: it is computed once a length, as if work began anywhere in the gap alike, and exactly for the first
gap, in which most tasks of a short queue begin. The waits at work are then found exactly for the gaps that were chosen.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from tryon.cadence import MAX_WAIT, MAX_WAITS, ListeningCadence, poll_times
from tryon.learning.calibration import (
    BIN,
    MIN_SAMPLES,
    Distribution,
    LimitError,
    Performance,
    TooFewSamplesError,
    body_and_tail,
    fit,
    optimal_cadence,
    optimum,
)
from tryon.state.observed import Observation, observed, work_between

if TYPE_CHECKING:
    from tryon.state.entry import Entry

AT_ONCE = 5.0
"""Seconds: who waits no longer is learned apart from who does, since a smooth curve over both would blur when the work
of the first begins. It is the default cadence's first wait, within which its polls tell nothing."""

FOLDS = 4
"""Parts of the tasks that are left out in turn, to see whether listening gains on those it was not learned from."""

LEAST_GAIN = 0.02
"""Part of the cost that listening must save on tasks that were left out; it is no worse than chance would have it."""

_POINTS = 4
"""Times within an interval that a task which was left out is tried at."""

_SEARCHES = 12
_WEIGHTS = (1e-2, 1e3)
_RARE = 1e-3


@dataclass(frozen=True)
class Task:
    """What is known of one task, in seconds: from its submit until work began, from there to the end, and both."""

    queue: Observation
    work: Observation | None
    latency: Observation


@dataclass(frozen=True)
class QueueAndWork:
    """How long tasks wait and are worked on, of `samples` tasks; `queued` of them waited longer than `AT_ONCE`."""

    queue: Distribution
    work: Distribution
    samples: int
    queued: int


def tasks(entries: Iterable["Entry"]) -> list[Task]:
    """What each task's entry says of its queue and its work; entries that say nothing of either are left out."""
    found = [one for one in map(observed, entries) if one is not None]
    return [Task(one.queue, one.work, one.latency) for one in found if one.queue is not None]


def learn(found: Sequence[Task]) -> QueueAndWork:
    """The times of queue and work that the tasks speak for. Raises `TooFewSamplesError`."""
    queues = [one.queue for one in found]
    queued = sum(one.low >= AT_ONCE for one in queues)
    if queued < MIN_SAMPLES:
        raise TooFewSamplesError(
            f"{queued} tasks were seen in the queue after {AT_ONCE:g} s; listening is learned from at least "
            f"{MIN_SAMPLES}"
        )
    found = _placed(found)
    queue = _fit_queue([one.queue for one in found])
    return QueueAndWork(queue, fit([one.work for one in found if one.work]), len(found), queued)


def _placed(found: Sequence[Task]) -> Sequence[Task]:
    """The tasks, with the begin of those that were never seen queued where the work of the others puts it.

    Polls alone say only that their work began before the first poll. How long work takes is known better from the
    tasks that were seen queued, and the latency of the others says how long they waited at most.
    """

    def at_once(one: Task) -> bool:
        return one.queue.high <= AT_ONCE and not one.queue.exact

    began = [one for one in found if at_once(one)]
    others = [one.work for one in found if one.queue.low >= AT_ONCE and one.work]
    if min(len(began), len(others)) < MIN_SAMPLES:
        return found
    latency = body_and_tail([one.latency for one in began]).quantile(0.5)
    begin = min(AT_ONCE - BIN, max(0.0, latency - body_and_tail(others).quantile(0.5)))
    queue = Observation(begin, begin + BIN)
    return [replace(one, queue=queue, work=work_between(queue, one.latency)) if at_once(one) else one for one in found]


def _fit_queue(queues: Sequence[Observation]) -> Distribution:
    """Two curves, those of tasks that began at once and of those that waited, each by its share."""
    began = [one for one in queues if one.high <= AT_ONCE]
    waited = [one for one in queues if one.high > AT_ONCE]
    if not began:
        return fit(queues)
    if len([one for one in waited if one.ended]) < MIN_SAMPLES:
        return body_and_tail(queues)
    share = len(began) / len(queues)
    short, long = body_and_tail(began), body_and_tail(waited)
    size = math.ceil(max(AT_ONCE, long.tail_from) / BIN)
    body = [0.0] * size
    for part, of in ((share, short), (1 - share, long)):
        for i, mass in enumerate(of.body):
            body[i] += part * mass
    # Nobody in the first curve waits longer than it was seen: its tail is put at the curve's end.
    body[min(size, len(short.body)) - 1] += share * short.tail_mass
    return Distribution(
        body=tuple(body),
        tail_from=long.tail_from,
        tail_mass=(1 - share) * long.tail_mass,
        tail_mean=long.tail_mean,
        samples=len(queues),
        exact=sum(one.exact for one in queues),
    )


class _Model:
    """Queue and work in half-second steps: what each gap between two polls leaves running."""

    def __init__(self, known: QueueAndWork, deadline: int) -> None:
        self.deadline = deadline
        self.end = deadline + MAX_WAIT
        running = [known.queue.running(i * BIN) for i in range(2 * self.end + 1)]
        self.queue = [before - after for before, after in pairwise(running)]
        self.queued = running[::2]
        # Work that begins in the middle of a step: at whole seconds it has gone on for 0.25, 0.75, 1.25 … s.
        size = 2 * (self.end + MAX_WAIT) + 2
        self.work = [known.work.running((i + 0.5) * BIN) for i in range(size)]
        self.left = [known.work.remaining((i + 0.5) * BIN) for i in range(size)]
        self.mean = known.work.mean
        self.horizon = next((i for i in range(self.end) if self.work[2 * i] < _RARE), self.end)

    def gap(self, start: int, end: int, until: int) -> tuple[list[float], list[float], float]:
        """Of tasks that begin between two whole seconds: their share at work and what remains of it, second by second
        from `end` to `until`; and the delay of those that end before `end`."""
        running, left = [0.0] * (until - end + 1), [0.0] * (until - end + 1)
        delay = 0.0
        for step in range(2 * start, 2 * end):
            share = self.queue[step]
            if share <= 0.0:
                continue
            first = 2 * end - step - 1
            delay += share * ((first + 0.5) * BIN - (self.mean - self.left[first]))
            for i in range(until - end + 1):
                running[i] += share * self.work[first + 2 * i]
                left[i] += share * self.left[first + 2 * i]
        return running, left, delay

    def anywhere(self, length: int, weight: float, below: tuple[list[float], list[float]]) -> float:
        """The cost of what follows a gap of so many seconds, for one task that begins anywhere in it."""
        work, left = below
        steps = 2 * length
        size = self.horizon + 1
        running = [(work[2 * i + steps] - work[2 * i]) / steps for i in range(size)]
        remaining = [(left[2 * i + steps] - left[2 * i]) / steps for i in range(size)]
        # The mean time since the begin is half the gap; what of it was not work was delay.
        delay = length / 2 - (self.mean - remaining[0])
        return delay + optimum(running, remaining, weight)[1]


def listening_cadence(known: QueueAndWork, *, deadline: int, weight: float) -> ListeningCadence:
    """The waits with the least delay + `weight` × polls; `weight` is the seconds of delay that a poll is worth."""
    model = _Model(known, deadline)
    queued = _queue_waits(model, weight)
    times = [0, *accumulate(queued)]
    working: list[list[int]] = []
    for start, end in pairwise(times):
        until = min(2 * model.end, end + max(deadline, model.horizon))
        running, left, _ = model.gap(start, end, min(until, model.end + MAX_WAIT))
        waits = optimum(running, left, weight)[0] if running[0] > 0.0 else working[-1] if working else [MAX_WAIT]
        working.append(_short(waits, running))
    while len(queued) > 1 and queued[-1] == queued[-2] and working[-1] == working[-2]:
        queued.pop()
        working.pop()
    return ListeningCadence(tuple(queued), tuple(map(tuple, working)))


def _short(waits: Sequence[int], running: Sequence[float]) -> list[int]:
    """The waits while more than a few in a thousand are at work, without what the last one's repetition makes."""
    short: list[int] = []
    passed = 0
    for wait in waits[:MAX_WAITS]:
        short.append(wait)
        passed += wait
        if running[passed] <= _RARE * running[0]:
            break
    while len(short) > 1 and short[-1] == short[-2]:
        short.pop()
    return short


def _queue_waits(model: _Model, weight: float) -> list[int]:
    """The waits while the task is queued, up to the deadline."""
    longest = min(MAX_WAIT, model.deadline)
    below = [0.0, *accumulate(model.work)], [0.0, *accumulate(model.left)]
    after = [0.0, *(model.anywhere(length, weight, below) for length in range(1, longest + 1))]
    cost = [0.0] * (model.end + longest + 1)
    following = [0] * (model.end + 1)
    queued = model.queued
    for now in range(model.end - 1, 0, -1):
        best = math.inf
        for wait in range(1, min(longest, model.end - now) + 1):
            begun = queued[now] - queued[now + wait]
            total = weight * queued[now] + begun * after[wait] + cost[now + wait]
            if total < best:
                best, following[now] = total, wait
        cost[now] = best
    waits = [_first_wait(model, weight, cost, longest)]
    now = waits[0]
    while now < model.deadline and len(waits) < MAX_WAITS:
        waits.append(following[now])
        now += following[now]
    return waits


def _first_wait(model: _Model, weight: float, cost: Sequence[float], longest: int) -> int:
    best, first = math.inf, 1
    for wait in range(1, longest + 1):
        running, left, delay = model.gap(0, wait, min(wait + model.horizon, model.end + MAX_WAIT))
        total = weight + delay + optimum(running, left, weight)[1] + cost[wait]
        if total < best:
            best, first = total, wait
        if delay > 2 * best:
            break  # longer waits have more delay than the best one costs in all
    return first


def within(
    known: QueueAndWork,
    *,
    deadline: int,
    max_polls: float | None = None,
    max_requests: tuple[int, float] | None = None,
) -> tuple[ListeningCadence, float]:
    """The cadence of the least weight that keeps a limit, as `calibration.optimal_cadence` has it, and that weight.

    Raises `LimitError` for a limit that no cadence keeps.
    """

    def fits(cadence: ListeningCadence) -> bool:
        found = evaluate_listening(cadence, known, deadline)
        if max_requests is not None and found.requests_per_second(max_requests[0]) > max_requests[1]:
            return False
        return max_polls is None or found.polls <= max_polls

    low, high = _WEIGHTS
    best = listening_cadence(known, deadline=deadline, weight=high)
    if not fits(best):
        raise LimitError("no listening cadence is so sparing")
    for _ in range(_SEARCHES):
        middle = math.sqrt(low * high)
        candidate = listening_cadence(known, deadline=deadline, weight=middle)
        if fits(candidate):
            best, high = candidate, middle
        else:
            low = middle
    return best, high


def at_work(known: QueueAndWork, start: int, end: int, seconds: int) -> list[float]:
    """Of tasks whose work began between two polls, the share still at work each second from the later one on."""
    running, _, _ = _Model(known, end + seconds).gap(start, end, end + seconds)
    return [share / running[0] for share in running] if running[0] > 0.0 else [0.0] * len(running)


@dataclass(frozen=True)
class Gain:
    """Mean delay + weight × polls of tasks that nothing was learned from, with waits by time and with listening.

    `surely` where the difference is more than chance makes of so many tasks and more than `LEAST_GAIN`.
    """

    by_time: float
    listening: float
    surely: bool


def gain(found: Sequence[Task], *, deadline: int, weight: float, time_weight: float, listening_weight: float) -> Gain:
    """What listening gains on tasks that are left out in turn; a poll counts as `weight` seconds.

    `time_weight` and `listening_weight` are what each cadence is learned with: others than `weight` where both keep a
    limit. Raises `TooFewSamplesError` where a part would be learned from too few.
    """
    costs: list[tuple[float, float]] = []
    for fold in range(FOLDS):
        rest = [one for i, one in enumerate(found) if i % FOLDS != fold]
        by_time = optimal_cadence(fit([one.latency for one in rest]), deadline=deadline, weight=time_weight)
        listening = listening_cadence(learn(rest), deadline=deadline, weight=listening_weight)
        for one in found[fold::FOLDS]:
            points = list(_points(one))
            if points:
                costs.append(
                    (
                        fmean(_cost(follow_time(by_time, end, deadline), weight) for _, end in points),
                        fmean(_cost(follow(listening, begin, end, deadline), weight) for begin, end in points),
                    )
                )
    saved = [before - after for before, after in costs]
    by_time_mean, listening_mean = fmean(before for before, _ in costs), fmean(after for _, after in costs)
    error = stdev(saved) / math.sqrt(len(saved))
    surely = fmean(saved) > max(2 * error, LEAST_GAIN * by_time_mean)
    return Gain(by_time_mean, listening_mean, surely)


def _cost(found: tuple[int, float], weight: float) -> float:
    polls, delay = found
    return delay + weight * polls


def _points(one: Task) -> Iterator[tuple[float, float]]:
    """When the work may have begun and ended, spread over what is known; none of a task that was not seen to end."""
    if one.latency.ended:
        for begin in _within(one.queue):
            for end in _within(one.latency):
                if begin <= end:
                    yield begin, end


def _within(known: Observation) -> list[float]:
    if known.exact:
        return [known.low]
    return [known.low + (i + 0.5) / _POINTS * (known.high - known.low) for i in range(_POINTS)]


def evaluate_listening(cadence: ListeningCadence, known: QueueAndWork, deadline: int) -> Performance:
    """How a listening cadence performs on tasks of these times."""
    model = _Model(known, deadline)
    polls = delay = 0.0
    late = model.queued[deadline]
    for start, end, waits in cadence.steps(deadline):
        running, left, early = model.gap(start, end, deadline)
        polls += model.queued[start]
        delay += early
        now = 0
        for then in poll_times(waits, deadline - end) if end < deadline else ():
            polls += running[now]
            delay += (then - now) * running[now] - (left[now] - left[then])
            now = then
        late += running[-1]
    mean = known.queue.mean + known.work.mean
    return Performance(polls=polls, delay=delay / max(_RARE, 1 - late), held=mean + delay, late=late)


def follow(cadence: ListeningCadence, queue: float, latency: float, deadline: int) -> tuple[int, float]:
    """The polls that one task takes, and the seconds from its end to the poll that sees it, 0 where none does."""
    polls = 0
    for _, end, waits in cadence.steps(deadline):
        polls += 1
        if latency <= end:
            return polls, end - latency
        if queue <= end:
            for at in poll_times(waits, deadline - end) if end < deadline else ():
                polls += 1
                if latency <= end + at:
                    return polls, end + at - latency
            return polls, 0.0
    return polls, 0.0


def follow_time(cadence: Sequence[int], latency: float, deadline: int) -> tuple[int, float]:
    """As `follow`, for waits by elapsed time."""
    times = poll_times(cadence, deadline)
    for polls, at in enumerate(times, start=1):
        if latency <= at:
            return polls, at - latency
    return len(times), 0.0
