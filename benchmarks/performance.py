"""This project beside other ways to drive the service, on the same latencies and download times, in virtual time.

`python -m benchmarks.performance` writes docs/performance.md and docs/performance.svg; a quarter of an hour on two
quiet cores. `--contests` runs the contests alone, some three minutes.
"""

import argparse
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import lessons, listening, project, queued, rivals
from benchmarks import slots as idle_slots
from benchmarks.orders import START, Order, floor, latencies, service
from benchmarks.sections import DOCS
from tryon.cadence import DEADLINE, DEFAULT, poll_times
from tryon.learning.calibration import Distribution, fit, optimal_cadence
from tryon.state.observed import Observation
from tryon_cli.svg import COLOURS, Chart
from tryon_local.clock import VirtualClock
from tryon_local.service.tasks import TaskRecord

PAGE = DOCS / "performance.md"
PLOT = PAGE.with_suffix(".svg")

ORDER = Order(models=2, garments=9)
SLOTS = (1, 2, 6, 20)
STEPS = (1, 1, 1, 2, 2, 2, 4, 4, 4, 5)
MANY = 20_000

LOOP, LOOP_5 = "loop, 5/8/10/8/10 s", "loop, every 5 s"
OURS, OURS_5 = "**tryon**, 5/8/10/8/10 s", "**tryon**, every 5 s"
OURS_26, OURS_2 = "**tryon**, learned, ≤ 2.6 polls", "**tryon**, learned, ≤ 2.0 polls"
LEARNED = {OURS_26: lessons.FREQUENT, OURS_2: lessons.SPARING}
PROJECT = (OURS, OURS_5, *LEARNED)
WORKERS = {
    "workers, every 1 s": (1.0,),
    "workers, every 0.5 s": (0.5,),
    "workers, every 0.1 s": (0.1,),
    "workers, 1/1/1/2/2/2/4/4/4/5 s": STEPS,
}
LABELS = {
    OURS: (9, 18),
    OURS_2: (9, -9),
    OURS_26: (9, -6),
    "workers, every 1 s": (-110, -12),
    "workers, every 0.5 s": (-60, 22),
    "workers, every 0.1 s": (-130, -12),
}
"""Where a label stands beside its dot, in pixels, where the usual place is taken."""

FREQUENT = ("workers, every 0.5 s", "workers, every 0.1 s")
"""Thousands of requests a run: one seed is enough to see where it ends."""


@dataclass(frozen=True)
class Contest:
    """One way to do one order on one seed; `cadence` None is the project's default."""

    system: str
    slots: int
    seed: int
    cadence: tuple[float, ...] | None
    order: Order = ORDER
    at_once: int = 1
    lambda_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of it: seconds, polls and requests counted at the service."""

    contest: Contest
    seconds: float
    floor: float
    polls: float
    delay: float
    idle: float
    requests: int
    most_running: int
    refusals: Counter[str]
    transitions: float = math.nan
    usd: float = math.nan


def contend(contest: Contest) -> Outcome:
    """Run one contest."""
    tasks = contest.order.count
    if contest.system in PROJECT:
        ended, standin = project.runs(
            contest.order,
            contest.seed,
            slots=contest.slots,
            cadence=None if contest.cadence is None else [int(wait) for wait in contest.cadence],
            at_once=contest.at_once,
            call_seconds=contest.lambda_seconds,
        )
        for run in ended:
            if run.summary["status"] != "SUCCEEDED":
                raise RuntimeError(f"{contest} ended as {run.summary['status']}: {run.summary['reasons']}")
        seconds = max(run.seconds for run in ended)
        transitions = fmean(run.transitions for run in ended)
        usd = fmean(run.summary["cost"]["aws"]["usd_per_combination"] for run in ended)
    else:
        clock = VirtualClock(START)
        standin = service(clock, contest.seed, slots=contest.slots, count=tasks)
        submissions, cadence = contest.order.submissions(), contest.cadence or DEFAULT
        if contest.system in WORKERS:
            seconds = rivals.workers(standin, clock, submissions, cadence, contest.slots)
        else:
            seconds = rivals.sequential(standin, clock, submissions, cadence)
        transitions = usd = math.nan
    made, answers = standin.tasks, standin.requests
    counts = answers.submit + answers.result
    return Outcome(
        contest=contest,
        seconds=seconds,
        floor=floor(latencies(contest.seed, tasks) * contest.at_once, contest.slots),
        polls=(sum(len(task.polls) for task in made) + answers.result["50429"]) / len(made),
        delay=fmean(task.polls[-1] - task.finished_at for task in made),
        idle=_idle(made, contest.slots),
        requests=counts.total(),
        most_running=standin.most_running,
        refusals=Counter({code: counts[code] for code in ("50430", "50429") if counts[code]}),
        transitions=transitions,
        usd=usd,
    )


def _idle(made: Sequence[TaskRecord], slots: int) -> float:
    """Mean seconds between a poll that saw an end and the submit that took the slot."""
    freed = sorted(task.polls[-1] for task in made)
    taken = sorted(task.submitted_at for task in made)[slots:]
    gaps = [start - end for end, start in zip(freed, taken, strict=False)]
    return fmean(gaps) if gaps else math.nan


def on(cadence: Sequence[int], seconds: Iterable[float]) -> tuple[float, float]:
    """Mean polls and mean delay of a cadence on latencies."""
    times = poll_times(cadence, DEADLINE)
    seen = []
    for latency in seconds:
        poll = next((i for i, at in enumerate(times) if at >= latency), len(times) - 1)
        seen.append((poll + 1, max(0.0, times[poll] - latency)))
    return fmean(polls for polls, _ in seen), fmean(delay for _, delay in seen)


# --- the page ---


@dataclass(frozen=True)
class Target:
    """What was asked for, what came out, and whether that is enough."""

    what: str
    asked: str
    came: str
    met: bool


def mean(outcomes: Iterable[Outcome], value: Callable[[Outcome], float]) -> float:
    return fmean(value(outcome) for outcome in outcomes)


def ratio(outcome: Outcome) -> float:
    return outcome.seconds / outcome.floor


class Results:
    """All outcomes, to be looked up by system and slots."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = list(outcomes)

    def of(self, system: str, slots: int, **more: Any) -> list[Outcome]:
        wanted = {"at_once": 1, "lambda_seconds": 0.0, "order": ORDER, **more}
        return [
            outcome
            for outcome in self._outcomes
            if outcome.contest.system == system
            and outcome.contest.slots == slots
            and all(getattr(outcome.contest, name) == value for name, value in wanted.items())
        ]

    @property
    def project(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes if outcome.contest.system in PROJECT]


def targets(results: Results, learned: dict[str, tuple[int, ...]]) -> list[Target]:
    """The targets that this project set itself."""
    fresh = latencies(seed=7, count=MANY)
    default_polls, _ = on(DEFAULT, fresh)
    learned_polls, learned_delay = on(learned[OURS_2], fresh)
    found = []
    for what, system, most in (
        ("makespan ÷ floor, 1 slot, learned, ≤ 2.0 polls", OURS_2, 1.09),
        ("makespan ÷ floor, 1 slot, learned, ≤ 2.6 polls", OURS_26, 1.05),
        ("makespan ÷ floor, 1 slot, default cadence", OURS, 1.18),
    ):
        came = mean(results.of(system, 1), ratio)
        found.append(Target(what, f"≤ {most:.2f}", f"{came:.3f}", came <= most))
    loop = mean(results.of(LOOP, 6), lambda one: one.seconds)
    for what, system in (("default cadence", OURS), ("learned, ≤ 2.0 polls", OURS_2)):
        faster = loop / mean(results.of(system, 6), lambda one: one.seconds)
        found.append(
            Target(f"faster than the sequential loop, 6 slots, {what}", "≥ 5 ×", f"{faster:.2f} ×", faster >= 5)
        )
    found += [
        Target("polls a task, default cadence", "≤ 4.1", f"{default_polls:.2f}", default_polls <= 4.1),
        Target("polls a task, learned", "≤ 2.0", f"{learned_polls:.2f}", learned_polls <= 2.0),
        Target("delay, learned, ≤ 2.0 polls", "≤ 2.0 s", f"{learned_delay:.2f} s", learned_delay <= 2.0),
    ]
    most_entered = mean((one for slots in SLOTS for one in results.of(OURS_2, slots)), lambda one: one.transitions)
    found.append(Target("state transitions a combination, learned", "≤ 11", f"{most_entered:.1f}", most_entered <= 11))
    refused = sum((one.refusals for one in results.project), Counter())
    told = ", ".join(f"{count} × {code}" for code, count in refused.items()) or "0"
    found.append(Target(f"refusals in {len(results.project)} runs of the project", "0", told, not refused))
    return found


def contest_table(results: Results, slots: int) -> str:
    lines = [
        "| | makespan | ÷ floor | polls a task | delay | idle | requests | 50430 | 50429 | transitions | AWS |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for system in (LOOP, LOOP_5, *PROJECT, *WORKERS):
        of = results.of(system, slots)
        if not of:
            continue
        # A loop leaves all slots but one idle for good.
        idle = math.nan if slots > 1 and system in (LOOP, LOOP_5) else mean(of, lambda one: one.idle)
        cells = [
            f"{mean(of, lambda one: one.seconds):.0f} s",
            f"{mean(of, ratio):.3f}",
            f"{mean(of, lambda one: one.polls):.2f}",
            f"{mean(of, lambda one: one.delay):.2f} s",
            _or_dash(idle, "{:.2f} s"),
            f"{mean(of, lambda one: one.requests):.0f}",
            f"{mean(of, lambda one: one.refusals['50430']):.0f}",
            f"{mean(of, lambda one: one.refusals['50429']):.0f}",
            _or_dash(mean(of, lambda one: one.transitions), "{:.1f}"),
            _or_dash(1000 * mean(of, lambda one: one.usd), "{:.2f} $"),
        ]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _or_dash(value: float, form: str) -> str:
    return "–" if math.isnan(value) else form.format(value)


def cadence_table(learned: dict[str, tuple[int, ...]]) -> str:
    fresh = latencies(seed=7, count=MANY)
    known = fit([Observation(one, one) for one in latencies(seed=8, count=MANY)])
    rows: list[tuple[str, Sequence[int]]] = [
        ("default", DEFAULT),
        ("every 5 s", (5,)),
        ("every 2 s", (2,)),
        ("every 1 s", (1,)),
        *((f"{name.partition(', ')[2]}", learned[name]) for name in LEARNED),
        *(
            (
                f"optimal for the known distribution, ≤ {most} polls",
                optimal_cadence(known, deadline=DEADLINE, max_polls=most),
            )
            for most in LEARNED.values()
        ),
        ("optimal for the known distribution, a poll worth 1 s", optimal_cadence(known, deadline=DEADLINE, weight=1)),
    ]
    lines = ["| cadence | waits, s | polls a task | delay |", "|---|---|--:|--:|"]
    for name, cadence in rows:
        polls, delay = on(cadence, fresh)
        lines.append(f"| {name} | {', '.join(map(str, cadence))} | {polls:.2f} | {delay:.2f} s |")
    return "\n".join(lines)


def sample_table() -> str:
    """How good a cadence gets by the number of tasks that it is learned from."""
    fresh = latencies(seed=7, count=4000)
    best = optimal_cadence(fit([Observation(x, x) for x in latencies(8, MANY)]), deadline=DEADLINE, weight=1)
    least, default = sum(on(best, fresh)), sum(on(DEFAULT, fresh))
    lines = [
        "| tasks | latencies | delay + polls, mean of 40 | worst of 40 | above the optimum |",
        "|--:|---|--:|--:|--:|",
    ]
    for count in (30, 50, 100, 200):
        for kind in ("exact", "between polls"):
            costs = []
            for lesson in range(40):
                drawn = latencies(seed=10_000 + 100 * count + lesson, count=count)
                seen = [Observation(x, x) if kind == "exact" else between_polls(x) for x in drawn]
                costs.append(sum(on(optimal_cadence(fit(seen), deadline=DEADLINE, weight=1), fresh)))
            lines.append(
                f"| {count} | {kind} | {fmean(costs):.2f} | {max(costs):.2f} | {fmean(costs) / least - 1:.0%} |"
            )
    lines.append(f"| – | the default cadence | {default:.2f} | – | {default / least - 1:.0%} |")
    return "\n".join(lines)


def between_polls(latency: float) -> Observation:
    """What the default cadence tells of a latency that the service does not."""
    times = [0, *poll_times(DEFAULT, DEADLINE)]
    after = next((i for i, at in enumerate(times) if at >= latency), None)
    return Observation(times[-1], math.inf) if after is None else Observation(times[after - 1], times[after])


def best_possible() -> str:
    """Makespan ÷ floor with one slot that the optimal cadence of the known distribution would come to."""
    known = fit([Observation(x, x) for x in latencies(8, MANY)])
    fresh = latencies(seed=7, count=MANY)
    best = optimal_cadence(known, deadline=DEADLINE, max_polls=lessons.FREQUENT)
    polls, delay = on(best, fresh)
    makespan = 1 + (ORDER.count * delay + LAST_DOWNLOAD) / (ORDER.count * fmean(fresh))
    return f"{makespan:.3f} with {polls:.2f} polls"


LAST_DOWNLOAD = 2.0
"""Seconds that the last picture is on its way, on average: no cadence changes them."""


def plot(results: Results) -> str:
    """Polls a task and makespan, with one slot: what each way pays for how little it waits."""
    chart = Chart(
        "18 combinations, 1 slot: makespan over its floor, by polls a task",
        x=(1, 300),
        y=(1.0, 1.4),
        x_label="polls a task",
        y_label="makespan ÷ floor",
        x_scale=math.log10,
    )
    table = latencies(seed=8, count=MANY)
    known = fit([Observation(one, one) for one in table])
    frontier = []
    for step in range(25):
        cadence = optimal_cadence(known, deadline=DEADLINE, weight=10 ** (1.2 - step / 8))
        polls, delay = on(cadence, latencies(seed=7, count=4000))
        frontier.append((polls, 1 + delay / fmean(table)))
    chart.line(frontier, COLOURS[5], dashed=True)
    chart.text(*frontier[-1], "least that any cadence of whole seconds can reach", colour=COLOURS[5])
    for system in (LOOP, LOOP_5, *PROJECT, *WORKERS):
        of = results.of(system, 1)
        if not of:
            continue
        x, y = mean(of, lambda one: one.polls), mean(of, ratio)
        colour = COLOURS[0] if system in PROJECT else COLOURS[1]
        chart.mark(x, y, colour)
        dx, dy = LABELS.get(system, (9, -9))
        chart.text(x, y, system.replace("**", ""), colour=colour, dx=dx, dy=dy)
    return chart.render(x_ticks=(1, 2, 3, 5, 10, 20, 50, 100, 300), y_ticks=(1.0, 1.1, 1.2, 1.3, 1.4))


def contests(seeds: Sequence[int], learned: dict[str, tuple[int, ...]]) -> list[Contest]:
    """Everything that is run."""
    wanted = []
    for seed in seeds:
        for slots in SLOTS:
            wanted += [Contest(LOOP, slots, seed, DEFAULT), Contest(LOOP_5, slots, seed, (5,))]
            wanted += [Contest(OURS, slots, seed, None), Contest(OURS_5, slots, seed, (5,))]
            wanted += [Contest(system, slots, seed, cadence) for system, cadence in learned.items()]
            wanted += [
                Contest(system, slots, seed, cadence)
                for system, cadence in WORKERS.items()
                if system not in FREQUENT or seed == seeds[0]
            ]
    for slots in SLOTS:
        wanted.append(Contest(OURS_2, slots, seeds[0], learned[OURS_2], at_once=3))
    for lambda_seconds in LAMBDA_SECONDS:
        for slots in (1, 6):
            wanted += [Contest(OURS_2, slots, seed, learned[OURS_2], lambda_seconds=lambda_seconds) for seed in seeds]
    return wanted


LAMBDA_SECONDS = (0.1, 0.3)


def three_at_once(results: Results) -> str:
    lines = [
        "| slots | makespan | ÷ floor | most at once | 50430 | 50429 | transitions |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for slots in SLOTS:
        (one,) = results.of(OURS_2, slots, at_once=3)
        lines.append(
            f"| {slots} | {one.seconds:.0f} s | {ratio(one):.3f} | {one.most_running} | {one.refusals['50430']} "
            f"| {one.refusals['50429']} | {one.transitions:.1f} |"
        )
    return "\n".join(lines)


def lambda_table(results: Results) -> str:
    lines = ["| a call of a function takes | 1 slot | 6 slots |", "|--:|--:|--:|"]
    for seconds in (0.0, *LAMBDA_SECONDS):
        cells = [f"{mean(results.of(OURS_2, slots, lambda_seconds=seconds), ratio):.3f}" for slots in (1, 6)]
        lines.append(f"| {seconds:g} s | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Sections:
    """What neighbouring commands write of the page."""

    queued: str
    listening: str
    slots: str


def page(
    results: Results, distribution: Distribution, learned: dict[str, tuple[int, ...]], seeds: int, sections: Sections
) -> str:
    """docs/performance.md."""
    rows = "\n".join(
        f"| {one.what} | {one.asked} | {one.came} | {'met' if one.met else '**missed**'} |"
        for one in targets(results, learned)
    )
    contested = "\n\n".join(
        f"### {slots} slot{'s' if slots > 1 else ''}\n\n{contest_table(results, slots)}" for slots in SLOTS
    )
    return PAGE_TEXT.format(
        targets=rows,
        contests=contested,
        cadences=cadence_table(learned),
        samples=sample_table(),
        three=three_at_once(results),
        lambdas=lambda_table(results),
        seeds=seeds,
        learned_from=f"{distribution.samples} tasks",
        median=f"{distribution.quantile(0.5):.1f}",
        average=f"{distribution.mean:.1f}",
        best=best_possible(),
        queued=queued.PLACE.marked(sections.queued),
        listening=listening.PLACE.marked(sections.listening),
        slots=idle_slots.PLACE.marked(sections.slots),
    )


PAGE_TEXT = (Path(__file__).parent / "performance.md").read_text(encoding="utf-8")


def written() -> Sections:
    """The sections as they stand on the page."""
    return Sections(*(command.PLACE.text() for command in (queued, listening, idle_slots)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the main contests (default 3)")
    parser.add_argument("--processes", type=int, default=2, help="contests run at a time (default 2)")
    parser.add_argument(
        "--contests", action="store_true", help="keep the sections that benchmarks.queued, .listening and .slots wrote"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        distribution, cadences = lessons.learn(pool)
        learned = {name: cadences[most] for name, most in LEARNED.items()}
        wanted = contests(range(1, arguments.seeds + 1), learned)
        print(f"learned {', '.join(map(str, learned.values()))}; {len(wanted)} contests")
        outcomes = []
        for i, outcome in enumerate(pool.map(contend, wanted), start=1):
            outcomes.append(outcome)
            one = outcome.contest
            print(f"{i:4} {one.system:32} {one.slots:3} slots  seed {one.seed}  {ratio(outcome):6.3f} × floor")
        sections = (
            written()
            if arguments.contests
            else Sections(
                queued=queued.section(queued.measured(pool)),
                listening=listening.section(*listening.measured(pool)),
                slots=idle_slots.section(idle_slots.measured(pool, cadences), cadences),
            )
        )
    results = Results(outcomes)
    PAGE.write_text(page(results, distribution, learned, arguments.seeds, sections), encoding="utf-8")
    PLOT.write_text(plot(results), encoding="utf-8")
    for target in targets(results, learned):
        print(f"{'met   ' if target.met else 'MISSED'} {target.what}: {target.came} ({target.asked})")
    print(f"wrote {PAGE.name} and {PLOT.name} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
