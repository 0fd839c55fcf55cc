"""The contests where tasks queue before they are worked on, as the stand-in's scenario "queue" has it.

`python -m benchmarks.queued` prints them, and with `--write` writes them into docs/performance.md, as
`python -m benchmarks.performance` does with everything else there. `--quick` runs one seed with one slot.
"""

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from benchmarks import listening, project, rivals
from benchmarks.listening import EVERY, HALF, Scenario, Times, learned_from, lesson
from benchmarks.orders import START, Order, floor, service
from benchmarks.sections import DOCS, Section
from tryon.cadence import DEADLINE, DEFAULT
from tryon_local.clock import VirtualClock
from tryon_local.service.tasks import NewTask, Queue

SCENARIOS = (EVERY, HALF)
ORDER = Order(models=2, garments=9)
SLOTS = (1, 6, 20)
SEEDS = (1, 2)
LESSON = 500
"""Tasks that the cadences are learned from."""

LOOP = "loop, 5/8/10/8/10 s"
OURS = "**tryon**, 5/8/10/8/10 s"
BY_TIME, LISTENS = "**tryon**, learned, by time", "**tryon**, learned, listening"
WORKERS = {
    "workers, every 5 s": (5.0,),
    "workers, 1/1/1/2/2/2/4/4/4/5 s": (1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 5.0),
}
SYSTEMS = (LOOP, OURS, BY_TIME, LISTENS, *WORKERS)
NAME = "queue"


@dataclass(frozen=True)
class Drawn(Queue):
    """The n-th task waits and works as the n-th of a table."""

    table: tuple[Times, ...] = ()

    def waits(self, task: NewTask) -> float:
        return self.table[(task.number - 1) % len(self.table)][0]

    def __call__(self, task: NewTask) -> float:
        return self.table[(task.number - 1) % len(self.table)][1]


@dataclass(frozen=True)
class Contest:
    """One way to do the order on one seed; `stored` is the learned cadence as a file, for those that learned one."""

    scenario: Scenario
    system: str
    slots: int
    seed: int
    stored: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it: seconds, polls a task and refusals counted at the service."""

    contest: Contest
    seconds: float
    floor: float
    polls: float
    delay: float
    refusals: int


def times(scenario: Scenario, seed: int) -> tuple[Times, ...]:
    """The tasks of a contest. One that outlasts the deadline would end none: the next one is taken instead."""
    fresh = (one for one in listening.drawn(scenario, seed, 10 * ORDER.count) if one[1] < DEADLINE - 10)
    return tuple(next(fresh) for _ in range(ORDER.count))


def contend(contest: Contest) -> Outcome:
    """Run one contest."""
    table = times(contest.scenario, contest.seed)
    made = partial(
        service,
        seed=contest.seed,
        slots=contest.slots,
        count=ORDER.count,
        latency=Drawn(lambda task: 0.0, mean=0.0, table=table),
    )
    if contest.system in (OURS, BY_TIME, LISTENS):
        files = {f"cadences/{NAME}.json": contest.stored.encode()} if contest.stored else {}
        (run,), standin = project.runs(
            ORDER,
            contest.seed,
            slots=contest.slots,
            cadence=NAME if contest.stored else None,
            standin=made,
            files=files,
        )
        if run.summary["status"] != "SUCCEEDED":
            raise RuntimeError(f"{contest} ended as {run.summary['status']}: {run.summary['reasons']}")
        seconds = run.seconds
    else:
        clock = VirtualClock(START)
        standin = made(clock)
        if contest.system == LOOP:
            seconds = rivals.sequential(standin, clock, ORDER.submissions(), DEFAULT)
        else:
            seconds = rivals.workers(standin, clock, ORDER.submissions(), WORKERS[contest.system], contest.slots)
    answers = standin.requests
    refused = sum((answers.submit + answers.result)[code] for code in ("50429", "50430"))
    return Outcome(
        contest=contest,
        seconds=seconds,
        floor=floor([end for _, end in table], contest.slots),
        polls=(sum(len(task.polls) for task in standin.tasks) + answers.result["50429"]) / ORDER.count,
        delay=fmean(task.polls[-1] - task.finished_at for task in standin.tasks),
        refusals=refused,
    )


def stored(scenario: Scenario) -> dict[str, str]:
    """The files of the cadences that are learned from the scenario's own tasks, by time and listening."""
    found = learned_from(lesson(scenario, 1, LESSON, told=True), NAME)
    if found.listening is None:
        raise RuntimeError(f"listening does not gain where {scenario.name}")
    by_time = found.model_copy(update={"listening": None, "queue_quantiles": [], "work_quantiles": []})
    return {BY_TIME: by_time.model_dump_json(), LISTENS: found.model_dump_json()}


def contests(
    files: dict[str, dict[str, str]], slots: Sequence[int] = SLOTS, seeds: Sequence[int] = SEEDS
) -> list[Contest]:
    """Everything that is run; `files` has the stored cadences by scenario and system."""
    return [
        Contest(scenario, system, many, seed, files[scenario.name].get(system, ""))
        for scenario in SCENARIOS
        for many in slots
        for system in SYSTEMS
        for seed in seeds
    ]


def measured(pool: Executor, slots: Sequence[int] = SLOTS, seeds: Sequence[int] = SEEDS) -> list[Outcome]:
    """All rows."""
    files = dict(zip((one.name for one in SCENARIOS), pool.map(stored, SCENARIOS), strict=True))
    return list(pool.map(contend, contests(files, slots, seeds)))


def table(outcomes: Sequence[Outcome], scenario: Scenario) -> str:
    lines = [
        "| slots | | makespan | ÷ floor | polls a task | delay | refused |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for slots in SLOTS:
        for system in SYSTEMS:
            of = [
                one
                for one in outcomes
                if (one.contest.scenario, one.contest.slots, one.contest.system) == (scenario, slots, system)
            ]
            if of:
                lines.append(
                    f"| {slots} | {system} | {fmean(one.seconds for one in of):.0f} s "
                    f"| {fmean(one.seconds / one.floor for one in of):.3f} | {fmean(one.polls for one in of):.2f} "
                    f"| {fmean(one.delay for one in of):.2f} s | {fmean(one.refusals for one in of):.0f} |"
                )
    return "\n".join(lines)


def section(outcomes: Sequence[Outcome]) -> str:
    """What the page says of them."""
    tables = "\n\n".join(
        f"#### {scenario.name[0].upper()}{scenario.name[1:]}\n\n{table(outcomes, scenario)}" for scenario in SCENARIOS
    )
    ours = sum(one.refusals for one in outcomes if one.contest.system in (OURS, BY_TIME, LISTENS))
    return SECTION.format(tables=tables, seeds=len(SEEDS), lesson=LESSON, count=ORDER.count, refused=ours)


SECTION = """### Where tasks queue
The same {count} combinations at a service whose tasks wait before 25 s of work: the scenario "queue", of which
the section on listening says more. Learned from {lesson} other tasks of the scenario with a poll worth 1 s: by elapsed
time, and listening. Means of {seeds} seeds; the project was refused {refused} times.

{tables}

The default cadence asks every 10 s for as long as a task queues. By time alone a poll that comes early is dear where a
queue may be long, so it comes late; who listens knows that the work has begun.
"""

PLACE = Section(DOCS / "performance.md", "queue")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="contests run at a time (default 2)")
    parser.add_argument("--quick", action="store_true", help="print one seed with one slot only")
    parser.add_argument("--write", action="store_true", help=f"write this section of docs/{PLACE.page.name} anew")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        few = {"slots": (1,), "seeds": (1,)} if arguments.quick else {}
        text = section(measured(pool, **few))
    print(text)
    if arguments.write and not arguments.quick:
        PLACE.write(text)


if __name__ == "__main__":
    main()
