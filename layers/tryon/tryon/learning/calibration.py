"""From past runs to the cadence that suits the service best: latencies, their distribution, its optimal waits.

What is known of a task's latency is exact where the service gave its times and an interval otherwise: later than
the last poll that saw it unfinished, no later than the one that saw its end. The distribution is the one under
which these observations are likeliest (Turnbull, "The empirical distribution function with arbitrarily grouped,
censored and truncated data", J. Royal Stat. Soc. B 38, 1976), smoothed as it is found (Silverman, Jones, Wilson and
Nychka, "A smoothed EM approach to indirect estimation problems", ibid. 52, 1990), with an exponential tail. The waits
minimise delay + weight × polls (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11, 1963) by
dynamic programming over whole seconds. Only the standard library is needed.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from tryon.cadence import MAX_WAIT, MAX_WAITS, poll_times, waits
from tryon.state.observed import Observation, observed

if TYPE_CHECKING:
    from tryon.state.entry import Entry

MIN_SAMPLES = 30
"""Fewest tasks seen to end that a cadence is learned from.

On latencies like those that the default was made for, cadences learned from 30 tasks have 4 % more delay and polls
than the best possible one on average, 12 % at worst; from 10 it is 9 % and 25 %. Of fewer than 20 the 95th
percentile is a guess, and the tail with it. docs/performance.md shows 30 and more.
"""

BIN = 0.5
"""Seconds of one step of a distribution: half of the finest wait."""

_TAIL_FENCE = 1.5
"""Interquartile ranges above the upper quartile at which the tail begins (Tukey's fence)."""

_LEAST_ENDED = 0.75
"""Share of tasks that must have been seen to end: the upper quartile has to be among them."""

_FIRST_WIDTH = 4.0
"""Steps that the first, rough estimate is smoothed by, before its own spread is known."""

_ROUNDS = 300
_PRECISION = 1e-4
_BISECTIONS = 40
_WEIGHTS = (1e-4, 1e4)
_EMPTY = 1e-12


class TooFewSamplesError(Exception):
    """There is not enough to learn a cadence from."""


class LimitError(Exception):
    """No cadence keeps the limit that was asked for."""


def observations(entries: Iterable["Entry"]) -> list[Observation]:
    """What each task's entry says of its latency; entries that say nothing are left out."""
    return [one.latency for one in map(observed, entries) if one is not None]


@dataclass(frozen=True)
class Distribution:
    """How long tasks take, in seconds.

    `body` holds the probability of each step of `BIN` seconds from 0 on, even within a step; `tail_mass` is
    above `tail_from`, exponential with mean `tail_mean` there. `samples` tasks say so, `exact` of them exactly.
    """

    body: tuple[float, ...]
    tail_from: float
    tail_mass: float
    tail_mean: float
    samples: int
    exact: int

    def running(self, seconds: float) -> float:
        """The share of tasks that take longer than this."""
        return _body_running(self.body, seconds) + self._tail_running(seconds)

    def remaining(self, seconds: float) -> float:
        """The integral of `running` from here on: the share still running times the seconds it has left."""
        return _body_remaining(self.body, seconds) + self._tail_remaining(seconds)

    @property
    def mean(self) -> float:
        return self.remaining(0.0)

    def quantile(self, share: float) -> float:
        """The seconds within which that share of tasks ends; `share` is below 1."""
        low, high = 0.0, BIN * len(self.body) + self.tail_from
        while self.running(high) > 1 - share:
            low, high = high, 2 * high
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.running(middle) > 1 - share else (low, middle)
        return high

    def _tail_running(self, seconds: float) -> float:
        return self.tail_mass * math.exp(-max(0.0, seconds - self.tail_from) / self.tail_mean)

    def _tail_remaining(self, seconds: float) -> float:
        before = self.tail_mass * max(0.0, self.tail_from - seconds)
        return before + self.tail_mean * self._tail_running(seconds)


def _body_running(body: Sequence[float], seconds: float) -> float:
    step = max(0.0, seconds) / BIN
    whole = int(step)
    if whole >= len(body):
        return 0.0
    return sum(body[whole + 1 :]) + body[whole] * (1 - (step - whole))


def _body_remaining(body: Sequence[float], seconds: float) -> float:
    total = 0.0
    for i in range(int(max(0.0, seconds) / BIN), len(body)):
        start, end = max(seconds, i * BIN), (i + 1) * BIN
        total += body[i] * ((start + end) / 2 - seconds) * (end - start) / BIN
    return total


def fit(found: Sequence[Observation]) -> Distribution:
    """The distribution of latencies that the observations speak for.

    A tail that was never seen still has mass: the tail counts one task more than was seen in it, which took twice
    the median. Raises `TooFewSamplesError`.
    """
    ended = [one for one in found if one.ended]
    if len(ended) < MIN_SAMPLES:
        raise TooFewSamplesError(
            f"{len(ended)} tasks were seen to end; a cadence is learned from at least {MIN_SAMPLES}"
        )
    if len(ended) < _LEAST_ENDED * len(found):
        raise TooFewSamplesError(
            f"only {len(ended)} of {len(found)} tasks were seen to end: their latencies are longer than the "
            "deadline and cannot be learned before it is raised"
        )
    return body_and_tail(found)


def body_and_tail(found: Sequence[Observation]) -> Distribution:
    """As `fit`, of however few."""
    rough, _ = _likeliest(found, _FIRST_WIDTH)
    masses, unseen = _likeliest(found, _silverman(rough, len(found)))
    median, fence = _middle_and_fence(masses)
    cut = min(len(masses), math.ceil(fence / BIN))
    seen = len(found) * sum(masses[cut:])
    excess = len(found) * sum(mass * (i - cut + 0.5) * BIN for i, mass in enumerate(masses) if i >= cut)
    excess += len(found) * unseen * (len(masses) - cut) * BIN
    tail_mass = (seen + len(found) * unseen + 1) / (len(found) + 1)
    scale = (1 - tail_mass) / sum(masses[:cut])
    return Distribution(
        body=tuple(mass * scale for mass in masses[:cut]),
        tail_from=cut * BIN,
        tail_mass=tail_mass,
        tail_mean=(excess + median) / (seen + 1),
        samples=len(found),
        exact=sum(1 for one in found if one.exact),
    )


def _likeliest(found: Sequence[Observation], width: float) -> tuple[list[float], float]:
    """The smoothed estimate: the probability of each step, and what is beyond all that was seen.

    Every round shares each observation out among the steps that it allows, by what they hold so far, and then
    smooths; without that the mass ends in the few steps where intervals happen to overlap.
    """
    size = 1 + int(max(max(one.low, one.high if one.ended else 0.0) for one in found) / BIN)
    groups: Counter[tuple[int, int]] = Counter()
    for one in found:
        first = int(one.low / BIN)
        if one.exact:
            groups[first, first + 1] += 1
        elif one.ended:
            groups[first, max(first + 1, math.ceil(one.high / BIN))] += 1
        else:
            groups[first, size + 1] += 1
    masses = [1 / (size + 1)] * (size + 1)
    for _ in range(_ROUNDS):
        below = [0.0, *accumulate(masses)]
        change = [0.0] * (size + 2)
        for (first, end), count in groups.items():
            share = count / max(below[end] - below[first], _EMPTY)
            change[first] += share
            change[end] -= share
        better = [mass * factor / len(found) for mass, factor in zip(masses, accumulate(change), strict=False)]
        better = [*_smooth(better[:size], width), better[size]]
        moved = sum(abs(new - old) for new, old in zip(better, masses, strict=True))
        masses = better
        if moved < _PRECISION:
            break
    return masses[:size], masses[size]


def _smooth(masses: Sequence[float], width: float) -> list[float]:
    """Spread each step's mass as a normal curve `width` steps wide; none leaves at the ends."""
    reach = math.ceil(3 * width)
    kernel = [math.exp(-0.5 * (offset / width) ** 2) for offset in range(-reach, reach + 1)]
    spread = [0.0] * len(masses)
    for i, mass in enumerate(masses):
        if mass < _EMPTY:
            continue
        start, end = max(0, i - reach), min(len(masses), i + reach + 1)
        inside = kernel[start - i + reach : end - i + reach]
        scale = mass / sum(inside)
        for j, weight in enumerate(inside, start=start):
            spread[j] += weight * scale
    return spread


def _silverman(masses: Sequence[float], samples: int) -> float:
    """The width that suits a bell of this spread and that many samples, in steps; at least one."""
    total = sum(masses)
    below = list(accumulate(mass / total for mass in masses))
    quartiles = bisect_left(below, 0.75) - bisect_left(below, 0.25)
    return float(max(1.0, 0.9 * quartiles / 1.34 * samples**-0.2))


def _middle_and_fence(masses: Sequence[float]) -> tuple[float, float]:
    """The median, and Tukey's upper fence, in seconds."""
    below = list(accumulate(masses))
    lower, median, upper = ((bisect_left(below, share) + 0.5) * BIN for share in (0.25, 0.5, 0.75))
    return median, upper + max(BIN, _TAIL_FENCE * (upper - lower))


@dataclass(frozen=True)
class Performance:
    """What a cadence does to tasks of a distribution: mean polls a task, mean seconds from ready to seen.

    `held` is the mean seconds that a task keeps its slot, `late` the share that outlasts the deadline.
    """

    polls: float
    delay: float
    held: float
    late: float

    def requests_per_second(self, slots: int) -> float:
        """Submits and polls a second of that many slots that are never idle."""
        return slots * (1 + self.polls) / self.held

    def tasks_per_hour(self, slots: int) -> float:
        """Tasks that many slots end in an hour when they are never idle."""
        return slots * 3600 / self.held


def evaluate(cadence: Sequence[int], distribution: Distribution, deadline: int) -> Performance:
    """How a cadence performs on latencies of a distribution."""
    polls = delay = 0.0
    before, running_before, left_before = 0, distribution.running(0), distribution.remaining(0)
    late = distribution.running(deadline)
    for at in poll_times(cadence, deadline):
        running, left = distribution.running(at), distribution.remaining(at)
        polls += running_before
        delay += (at - before) * running_before - (left_before - left)
        before, running_before, left_before = at, running, left
    seen = max(_EMPTY, 1 - late)
    return Performance(
        polls=polls,
        delay=delay / seen,
        held=distribution.mean - distribution.remaining(deadline) + delay,
        late=late,
    )


def optimal_cadence(
    distribution: Distribution,
    *,
    deadline: int,
    weight: float | None = None,
    max_polls: float | None = None,
    max_requests: tuple[int, float] | None = None,
) -> list[int]:
    """The waits with the least delay + `weight` × polls; `weight` is the seconds of delay that a poll is worth.

    Instead of the weight, a limit may be given, of which the least weight that keeps it is used: `max_polls`, mean
    polls a task, or `max_requests`, a number of slots and the submits and polls a second that they may make
    together. The last wait is repeated until the deadline, which cuts it. Raises `LimitError` for a limit that no
    cadence keeps.
    """
    return weighed_cadence(
        distribution, deadline=deadline, weight=weight, max_polls=max_polls, max_requests=max_requests
    )[0]


def weighed_cadence(
    distribution: Distribution,
    *,
    deadline: int,
    weight: float | None = None,
    max_polls: float | None = None,
    max_requests: tuple[int, float] | None = None,
) -> tuple[list[int], float]:
    """As `optimal_cadence`, with the weight that it is the optimum for."""
    # Polls go on past the deadline here, so that the deadline does not bend the waits before it.
    seconds = range(deadline + MAX_WAIT + 1)
    running = [distribution.running(second) for second in seconds]
    left = [distribution.remaining(second) for second in seconds]
    if weight is not None:
        return _shortest(optimum(running, left, weight)[0], deadline), weight

    def fits(cadence: Sequence[int]) -> bool:
        found = evaluate(cadence, distribution, deadline)
        if max_requests is not None and found.requests_per_second(max_requests[0]) > max_requests[1]:
            return False
        return max_polls is None or found.polls <= max_polls

    low, high = _WEIGHTS
    best = _shortest(optimum(running, left, high)[0], deadline)
    if not fits(best):
        raise LimitError(f"no cadence is so sparing: {', '.join(map(str, best))} s takes the fewest polls there are")
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        candidate = _shortest(optimum(running, left, middle)[0], deadline)
        if fits(candidate):
            best, high = candidate, middle
        else:
            low = middle
    return best, high


def optimum(running: Sequence[float], left: Sequence[float], weight: float) -> tuple[list[int], float]:
    """The optimal waits for a weight, until the seconds for which `running` and `left` are given are over; their cost.

    The cost of a wait meets the quadrangle inequality, so a later poll's best successor is never earlier: each
    search ends where the one after it found its own.
    """
    horizon = len(running) - 1
    cost = [0.0] * (horizon + 1)
    following = [horizon] * (horizon + 1)
    for now in range(horizon - 1, -1, -1):
        cheapest = math.inf
        for then in range(now + 1, min(following[now + 1], now + MAX_WAIT) + 1):
            # Integral of (then - x) over the tasks that end at x between the two polls.
            delay = (then - now) * running[now] - (left[now] - left[then])
            total = weight * running[now] + delay + cost[then]
            if total < cheapest:
                cheapest, following[now] = total, then
        cost[now] = cheapest
    found = []
    now = 0
    while now < horizon:
        found.append(following[now] - now)
        now = following[now]
    return found, cost[0]


def _shortest(cadence: Sequence[int], deadline: int) -> list[int]:
    """The waits up to the deadline without those that the last one's repetition makes anyway, `MAX_WAITS` at most."""
    whole = list(waits(cadence, deadline))
    short = list(cadence[: min(len(whole), MAX_WAITS)])
    while len(short) > 1 and list(waits(short[:-1], deadline)) == whole:
        short.pop()
    return short
