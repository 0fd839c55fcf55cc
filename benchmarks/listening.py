"""What a cadence that listens saves, and what a wrong one costs until the run notices.

`python -m benchmarks.listening` prints both, and with `--write` writes them into docs/performance.md, as
`python -m benchmarks.performance` does with everything else there.
Latencies are those that the stand-in draws, its scenario "queue" among them; cadences are learned on other ones, from
what the default cadence's polls leave in the ledger.
"""

import argparse
import heapq
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.sections import DOCS, Section
from tryon.cadence import DEADLINE, DEFAULT, ListeningCadence, poll_times
from tryon.learning.calibration import TooFewSamplesError, evaluate, fit, optimal_cadence
from tryon.learning.learned import LearnedCadence, learned
from tryon.learning.listening import (
    evaluate_listening,
    follow,
    follow_time,
    gain,
    learn,
    listening_cadence,
    tasks,
)
from tryon.state.ends import WINDOW, Ends, noted, placed
from tryon.state.entry import Entry
from tryon_local.service.orders import Combination
from tryon_local.service.tasks import NewTask, Queue, TypicalLatency

SEEDS = (1, 2, 3, 4, 5)
FRESH = 3000
"""Tasks that a cadence is tried on; nothing is learned from them."""

WORK = 25.0
"""Usual seconds of work."""

AT_ONCE = 1.0
"""A queue of next to nothing still takes up to so many seconds."""

WEIGHT = 1.0
Times = tuple[float, float]
"""Seconds from a task's submit until its work began, and until it ended."""


@dataclass(frozen=True)
class Scenario:
    """How tasks queue: for the share `share` around `mean` seconds."""

    name: str
    share: float
    mean: float
    targets: dict[int, float]
    """The least that listening saves, by the number of tasks that it was learned from."""


NONE = Scenario("none queues", 0.0, 1.0, {500: -0.01, 200: -0.02})
HALF = Scenario("half of the tasks queue, mean 30 s", 0.5, 30.0, {500: 0.20, 200: 0.18})
EVERY = Scenario("every task queues, mean 60 s", 1.0, 60.0, {500: 0.33, 200: 0.30})
SCENARIOS = (EVERY, HALF, NONE)


def drawn(scenario: Scenario, seed: int, count: int) -> list[Times]:
    """What the stand-in would do to so many tasks."""
    work = TypicalLatency(seed, mean=WORK)
    queue = Queue(work, mean=scenario.mean, share=scenario.share, seed=seed)
    random = Random(f"at once {seed}")
    found = []
    for number in range(count):
        task = NewTask(number, Combination(f"{number}", (), ""), 1)
        waits = max(queue.waits(task), random.uniform(0.0, AT_ONCE))
        found.append((waits, waits + work(task)))
    return found


@dataclass(frozen=True)
class Polled:
    """One task as a cadence saw it: the ledger's entry, and what it cost."""

    entry: Entry
    polls: int
    delay: float
    seen_at: float

    @property
    def cost(self) -> float:
        return self.delay + WEIGHT * self.polls


def polled(cadence: Sequence[int] | ListeningCadence, times: Times, *, told: bool) -> Polled:
    """Ask after one task as the state machine does, until its end or the deadline.

    `told` is whether the service gives its own times.
    """
    begin, end = times
    now, polls = 0.0, 0
    queued: float | None = None
    working: float | None = None
    while now < DEADLINE:
        if isinstance(cadence, ListeningCadence):
            wait = cadence.wait(now, queued, working) if polls else cadence.queued[0]
        else:
            wait = cadence[min(polls, len(cadence) - 1)]
        now, polls = min(now + wait, DEADLINE), polls + 1
        if now >= end:
            break
        if now < begin:
            queued = now
        elif working is None:
            working = now
    ended = now >= end
    entry = Entry(
        n=1, id="a", model="m", worn="w", variant="d", submitted_at=0.0, polls=polls,
        pending_at=_last(queued, working, now if not ended else None), queued_at=queued, working_at=working,
        ended_at=now if ended else None, latency=end if told and ended else None,
        processed_at=begin if told and ended else None,
    )  # fmt: skip
    if ended and working is not None and not told:
        entry = replace(entry, pending_at=_before(cadence, now, polls, queued, working))
    return Polled(entry, polls, now - end if ended else 0.0, now)


def _last(*seen: float | None) -> float | None:
    return max((one for one in seen if one is not None), default=None)


def _before(
    cadence: Sequence[int] | ListeningCadence, now: float, polls: int, queued: float | None, working: float
) -> float:
    """When the poll before the last one was."""
    if not isinstance(cadence, ListeningCadence):
        return float(([0, *poll_times(cadence, DEADLINE)])[polls - 1])
    at = working
    while at + cadence.wait(at, queued, working) < now:
        at += cadence.wait(at, queued, working)
    return at


def learned_from(entries: Sequence[Entry], name: str) -> LearnedCadence:
    """What `tryon calibrate --weight 1 --store` keeps of these entries."""
    seen = tasks(entries)
    distribution = fit([one.latency for one in seen])
    by_time = optimal_cadence(distribution, deadline=DEADLINE, weight=WEIGHT)
    facts: dict[str, Any] = {"deadline": DEADLINE, "created": 0.0, "runs": [], "weight": WEIGHT}
    plain = learned(name, by_time, distribution, evaluate(by_time, distribution, DEADLINE), **facts)
    try:
        known = learn(seen)
        sure = gain(seen, deadline=DEADLINE, weight=WEIGHT, time_weight=WEIGHT, listening_weight=WEIGHT).surely
    except TooFewSamplesError:
        return plain
    if not sure:
        return plain
    listening = listening_cadence(known, deadline=DEADLINE, weight=WEIGHT)
    found = evaluate_listening(listening, known, DEADLINE)
    return learned(name, by_time, distribution, found, listening=listening, queue=known.queue, work=known.work, **facts)


def lesson(scenario: Scenario, seed: int, count: int, *, told: bool) -> list[Entry]:
    """Entries that runs with the default cadence leave; their seeds are used for nothing else."""
    return [polled(DEFAULT, one, told=told).entry for one in drawn(scenario, 1000 + seed, count)]


# --- what it saves ---


@dataclass(frozen=True)
class Saved:
    """Delay + polls a task on tasks that nothing was learned from: means of the seeds."""

    scenario: Scenario
    count: int
    told: bool
    default: float
    by_time: float
    listening: float
    worst: float

    @property
    def change(self) -> float:
        return self.listening / self.by_time - 1

    @property
    def met(self) -> bool:
        return -self.change >= self.scenario.targets[self.count]


def saved(scenario: Scenario, count: int, *, told: bool) -> Saved:
    """Learn on each seed, and try what was learned on other tasks."""
    rows = []
    for seed in SEEDS:
        found = learned_from(lesson(scenario, seed, count, told=told), "x")
        fresh = [one for one in drawn(scenario, seed, FRESH) if one[1] <= DEADLINE]
        rows.append(
            (
                fmean(sum(follow_time(DEFAULT, end, DEADLINE)) for _, end in fresh),
                by_time := fmean(sum(follow_time(found.cadence, end, DEADLINE)) for _, end in fresh),
                by_time
                if found.listening is None
                else fmean(sum(follow(found.listening, begin, end, DEADLINE)) for begin, end in fresh),
            )
        )
    default, by_time, listening = (fmean(row[i] for row in rows) for i in range(3))
    worst = max(row[2] / row[1] - 1 for row in rows)
    return Saved(scenario, count, told, default, by_time, listening, worst)


def saved_table(rows: Sequence[Saved]) -> str:
    lines = [
        "| queue | learned from | known | default | by time | listening | change | worst seed | target | |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        known = "the service's times" if row.told else "between polls"
        least = row.scenario.targets[row.count]
        target = f"≤ {-least:+.0%}"
        lines.append(
            f"| {row.scenario.name} | {row.count} tasks | {known} | {row.default:.2f} | {row.by_time:.2f} "
            f"| {row.listening:.2f} | {row.change:+.1%} | {row.worst:+.1%} | {target} "
            f"| {'met' if row.met else '**missed**'} |"
        )
    return "\n".join(lines)


# --- a cadence that is wrong ---

FIRST = 40
"""Tasks at the beginning of a run that may cost more."""

MOST_FIRST, MOST_LATER = 2.5, 1.05
"""Times the default cadence's cost that a wrong one may cost, in the first `FIRST` tasks and after them."""

RUN, SLOTS = 200, 6


@dataclass(frozen=True)
class Change:
    """How tasks differ from those that the cadence was learned from."""

    name: str
    learned: Scenario
    queue: Scenario | None = None
    work: float = 1.0
    swapped: bool = False

    def tasks(self, seed: int) -> list[Times]:
        found = []
        for begin, end in drawn(self.queue or self.learned, 2000 + seed, RUN):
            queue, work = (end - begin, begin) if self.swapped else (begin, end - begin)
            found.append((queue, queue + work * self.work))
        return found


CHANGES = (
    Change("nothing", NONE),
    Change("work × 0.5", NONE, work=0.5),
    Change("work × 2", NONE, work=2.0),
    Change("work × 4", NONE, work=4.0),
    Change("a queue appears, mean 60 s", NONE, queue=EVERY),
    Change("nothing", EVERY),
    Change("work × 0.5", EVERY, work=0.5),
    Change("work × 2", EVERY, work=2.0),
    Change("work × 4", EVERY, work=4.0),
    Change("queue and work swapped", EVERY, swapped=True),
)


@dataclass(frozen=True)
class Wrong:
    """A run with a wrong cadence: its cost by the default's, at the beginning and later; means of the seeds."""

    change: Change
    told: bool
    first: float
    later: float
    noticed: int
    tasks: float

    @property
    def met(self) -> bool:
        return self.first <= MOST_FIRST and self.later <= MOST_LATER


def wrong(change: Change, *, told: bool) -> Wrong:
    """Runs on five seeds, each with its own lesson of 500 tasks."""
    runs = [_run(change, seed, told=told) for seed in SEEDS]
    noticed = [at for _, _, at in runs if at is not None]
    return Wrong(
        change,
        told,
        first=fmean(first for first, _, _ in runs),
        later=fmean(later for _, later, _ in runs),
        noticed=len(noticed),
        tasks=fmean(noticed) if noticed else float("nan"),
    )


def _run(change: Change, seed: int, *, told: bool) -> tuple[float, float, int | None]:
    """One run: tasks take slots in turn, ends are noted as the gate notes them, later submits follow the verdict."""
    found = learned_from(lesson(change.learned, seed, 500, told=told), "x")
    origin = found.origin()
    ends = Ends()
    running: list[tuple[float, int, Entry]] = []
    costs: list[tuple[float, float]] = []
    noticed: int | None = None
    now = 0.0
    for number, times in enumerate(change.tasks(seed)):
        while len(running) >= SLOTS:
            now, _, entry = heapq.heappop(running)
            places = placed(entry, origin)
            if places is not None and not ends.outgrown:
                ends = noted(ends, places, origin)
        if ends.outgrown and noticed is None:
            noticed = number
        cadence = tuple(DEFAULT) if ends.outgrown else found.listening or tuple(found.cadence)
        seen, default = polled(cadence, times, told=told), polled(DEFAULT, times, told=told)
        heapq.heappush(running, (now + seen.seen_at, number, seen.entry))
        costs.append((seen.cost, default.cost))
    first, later = costs[:FIRST], costs[FIRST:]
    return _ratio(first), _ratio(later), noticed


def _ratio(costs: Sequence[tuple[float, float]]) -> float:
    return sum(ours for ours, _ in costs) / sum(default for _, default in costs)


def wrong_table(rows: Sequence[Wrong]) -> str:
    lines = [
        f"| learned where | what changed | known | first {FIRST} tasks | later | noticed | after tasks | |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        after = f"{row.tasks:.0f}" if row.noticed else "–"
        known = "the service's times" if row.told else "between polls"
        lines.append(
            f"| {row.change.learned.name} | {row.change.name} | {known} | {row.first:.2f} | {row.later:.2f} "
            f"| {row.noticed} of {len(SEEDS)} | {after} | {'met' if row.met else '**missed**'} |"
        )
    return "\n".join(lines)


def measured(pool: Executor) -> tuple[list[Saved], list[Wrong]]:
    """All rows of both tables."""
    lessons = [
        pool.submit(saved, scenario, count, told=told)
        for scenario in SCENARIOS
        for count in (500, 200)
        for told in (True, False)
    ]
    changes = [pool.submit(wrong, change, told=told) for change in CHANGES for told in (True, False)]
    return [one.result() for one in lessons], [one.result() for one in changes]


def section(rows: Sequence[Saved], runs: Sequence[Wrong]) -> str:
    """What the page says of both."""
    return SECTION.format(saved=saved_table(rows), wrong=wrong_table(runs), seeds=len(SEEDS), fresh=FRESH, run=RUN)


SECTION = """## A cadence that listens
[cadence.md](cadence.md) says what it is. Cost is seconds of delay plus polls, a task. The scenario "queue" is the
stand-in's (`tryon_local.service.tasks.Queue`): exponential waits before {work} s of work with the usual tail; who does
not queue waits up to 1 s. Learned with a poll worth 1 s from what the default cadence's polls leave in the ledger,
tried on {{fresh:,}} other tasks, means of {{seeds}} seeds. "Between polls": the service gives no times of its own.
Where listening does not surely gain, the cadence by elapsed time stays, and the two columns agree.

{{saved}}

### A wrong cadence gives way
Runs of {{run}} tasks in {slots} slots, whose cadence was learned from 500 tasks of another kind; cost by the default
cadence's on the same tasks, means of {{seeds}} seeds. At most {first_most:g} is allowed in the first {first} tasks and
{later_most:g} later. The run looks at its ends after every {window}; "noticed" counts the runs that then followed the
default, "after tasks" is how many they had submitted. What is not noticed is what the polls cannot show, and costs less
than the default all the same.

{{wrong}}
""".format(work=f"{WORK:g}", slots=SLOTS, first=FIRST, first_most=MOST_FIRST, later_most=MOST_LATER, window=WINDOW)

PLACE = Section(DOCS / "performance.md", "listening")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="rows measured at a time (default 2)")
    parser.add_argument("--write", action="store_true", help=f"write this section of docs/{PLACE.page.name} anew")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        text = section(*measured(pool))
    print(text)
    if arguments.write:
        PLACE.write(text)


if __name__ == "__main__":
    main()
