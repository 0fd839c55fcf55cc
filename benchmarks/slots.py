"""Where slots idle, and what the pace costs: the project's real state machine, in virtual time.

`python -m benchmarks.slots` prints both, and with `--write` writes them into docs/performance.md, as
`python -m benchmarks.performance` does with everything else there. `--quick` measures few rows, to work with.
"""

import argparse
import math
import multiprocessing
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from benchmarks import project
from benchmarks.idle import Cause, FunctionTimes, Spent, spent, visit
from benchmarks.lessons import FREQUENT, SPARING, learn
from benchmarks.orders import START, Order, floor, latencies, service
from benchmarks.sections import DOCS, Section
from tryon.cadence import DEFAULT
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.fashn.standin import StandIn as Fashn
from tryon_local.service.pixel import pixel

CALL = (0.1, 0.3)
"""Seconds that a call of a function takes."""

RATE = 2.0
"""Requests a second that the vendor takes."""

ORDERS = {1: Order(2, 9), 6: Order(8, 12), 20: Order(10, 9), 60: Order(15, 9)}
"""What is made with so many slots, by one run or by three together."""

OTHER_SECONDS = 12.0
"""What a task of the second service takes on average, as its vendor says."""

SEEDS = (1, 2, 3)
TARGET_SLOTS, TARGET = 6, 1.08
PACES = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Setup:
    """One way to make an order.

    `services` of them each make all of it, `limited` is whether the first counts requests; `call` are the least and the
    most seconds that a call of a function takes.
    """

    slots: int
    cadence: tuple[int, ...]
    seed: int = 1
    runs: int = 1
    services: int = 1
    pace: float = 0.0
    limited: bool = True
    call: tuple[float, float] = CALL

    @property
    def order(self) -> Order:
        """What each run makes."""
        whole = ORDERS[self.slots]
        return replace(whole, garments=whole.garments // self.runs)

    @property
    def table(self) -> list[float]:
        """Seconds that the first service's tasks take."""
        return latencies(self.seed, self.order.count)

    @property
    def other_table(self) -> list[float]:
        """Seconds that the second service's tasks take."""
        return [seconds * OTHER_SECONDS / fmean(self.table) for seconds in self.table]


@dataclass(frozen=True)
class Outcome:
    """What came of it: seconds, slot-seconds by cause, and what the services counted.

    `slots_floor` is what busy slots take (list scheduling), `rate_floor` what a submit and one poll a task take at the
    first service's rate.
    """

    setup: Setup
    seconds: float
    slots_floor: float
    rate_floor: float
    polls: float
    delay: float
    most_running: int
    spent: Spent
    refusals: int

    def share(self, *causes: Cause) -> float:
        """The part of all slot-seconds that went by these causes."""
        return sum(self.spent.get(cause, 0.0) for cause in causes) / sum(self.spent.values())


def run(setup: Setup) -> Outcome:
    """Make the order, and say where its slots idled."""
    order, random, taken = setup.order, Random(f"calls {setup.seed}"), FunctionTimes()
    beside: dict[str, AnyStandIn] = {}

    def takes(name: str, event: Any) -> float:
        seconds = random.uniform(*setup.call)
        taken.note(name, event, seconds)
        return seconds

    def others(clock: VirtualClock) -> Mapping[str, AnyStandIn]:
        if setup.services > 1:
            table = setup.other_table
            beside["fashn"] = Fashn(
                clock,
                slots=setup.slots,
                latency=lambda new: table[(new.number - 1) % len(table)],
                picture=pixel,
                seed=setup.seed,
            )
        return beside

    rate = RATE if setup.limited else None
    parameters = {
        "PaceSeconds": f"{setup.pace:g}",
        "RequestsPerSecond": f"{rate or 0:g}",
        # The stack's own: a manifest's cadence would be the other service's too.
        "Cadence": ", ".join(map(str, setup.cadence)),
    }
    if setup.services > 1:
        parameters["FashnSlots"] = f"{setup.slots}"
    asked = {"variants": {"a": {}, "b": {"service": "fashn"}}} if setup.services > 1 else {}
    ended, standin = project.runs(
        order,
        setup.seed,
        slots=setup.slots,
        at_once=setup.runs,
        call_seconds=takes,
        parameters=parameters,
        standin=partial(service, seed=setup.seed, slots=setup.slots, count=order.count, requests_per_second=rate),
        others=others,
        asked=asked,
    )
    for one in ended:
        if one.summary["status"] != "SUCCEEDED":
            raise RuntimeError(f"{setup} ended as {one.summary['status']}: {one.summary['reasons']}")
    standins = [standin, *beside.values()]
    made = {task.id: task for each in standins for task in each.tasks}
    visits = [visit(child, made, taken) for one in ended for child in one.children]
    seconds = max(one.seconds for one in ended)
    total: Spent = defaultdict(float)
    for account in {one.account for one in visits}:
        of = [one for one in visits if one.account == account]
        for cause, idle in spent(of, slots=setup.slots, began=START, over=START + seconds).items():
            total[cause] += idle
    floors = [floor(setup.table * setup.runs, setup.slots)]
    if setup.services > 1:
        floors.append(floor(setup.other_table * setup.runs, setup.slots))
    return Outcome(
        setup=setup,
        seconds=seconds,
        slots_floor=max(floors),
        rate_floor=2 * order.count * setup.runs / RATE if setup.limited else math.nan,
        polls=fmean(len(task.polls) for task in standin.tasks),
        delay=fmean(task.polls[-1] - task.finished_at for task in standin.tasks),
        most_running=standin.most_running,
        spent=dict(total),
        refusals=sum(map(_refused, standins)),
    )


def _refused(standin: AnyStandIn) -> int:
    """Submits and polls that were answered as anything but well."""
    counts = standin.requests.submit + standin.requests.result
    return sum(count for code, count in counts.items() if code not in ("10000", "200"))


# --- the section of the page ---


def idle_setups(cadence: tuple[int, ...]) -> list[Setup]:
    """The rows of the first table."""
    return [
        Setup(slots, cadence, runs=runs, services=services)
        for slots in ORDERS
        for runs, services in ((1, 1), (3, 1), (1, 2))
    ]


def pace_setups(cadence: tuple[int, ...]) -> list[Setup]:
    """The rows of the second table."""
    return [
        Setup(slots, cadence, pace=pace, limited=limited)
        for limited, many in ((True, (6, 20, 60)), (False, (20,)))
        for slots in many
        for pace in PACES
    ]


def target_setups(cadences: Mapping[float, tuple[int, ...]]) -> list[Setup]:
    """What the target is held against, and the same where a call takes time."""
    return [
        Setup(TARGET_SLOTS, cadences[most], seed=seed, call=call)
        for most, call in ((FREQUENT, (0.0, 0.0)), (FREQUENT, CALL))
        for seed in SEEDS
    ]


def wanted(cadences: Mapping[float, tuple[int, ...]]) -> list[Setup]:
    """All rows of the section; some of them are in two tables."""
    return [*idle_setups(cadences[SPARING]), *pace_setups(cadences[SPARING]), *target_setups(cadences)]


def measured(pool: Executor, cadences: Mapping[float, tuple[int, ...]]) -> list[Outcome]:
    """All rows of the section."""
    # The largest first: the last ones to end are small.
    futures = {
        setup: pool.submit(run, setup)
        for setup in sorted(set(wanted(cadences)), key=lambda one: -one.order.count * one.runs * one.services)
    }
    return [future.result() for future in futures.values()]


SHOWN = (
    Cause.WORK,
    Cause.CADENCE,
    Cause.FUNCTIONS,
    Cause.PACE,
    Cause.POLL_TURN,
    Cause.SUBMIT_TURN,
    Cause.NO_CHILD,
    Cause.START,
    Cause.OVER,
)


def idle_table(of: Mapping[Setup, Outcome], cadence: tuple[int, ...]) -> str:
    names = " | ".join(SHOWN)
    lines = [
        f"| slots | runs | services | makespan ÷ slots' floor | ÷ rate's floor | {names} | polls a task | refusals |",
        "|--:|--:|--:|--:|--:|" + "--:|" * (len(SHOWN) + 2),
    ]
    for setup in idle_setups(cadence):
        one = of[setup]
        shares = " | ".join(f"{one.share(cause):.1%}" for cause in SHOWN)
        lines.append(
            f"| {setup.slots} | {setup.runs} | {setup.services} | {one.seconds / one.slots_floor:.3f} "
            f"| {one.seconds / one.rate_floor:.2f} | {shares} | {one.polls:.2f} | {one.refusals} |"
        )
    return "\n".join(lines)


def pace_table(of: Mapping[Setup, Outcome], cadence: tuple[int, ...]) -> str:
    lines = [
        "| requests a second | slots | pace | makespan | ÷ slots' floor | ÷ rate's floor | most at once | pace "
        "| turns | polls a task | delay | refusals |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for setup in pace_setups(cadence):
        one = of[setup]
        by_rate = "–" if math.isnan(one.rate_floor) else f"{one.seconds / one.rate_floor:.2f}"
        lines.append(
            f"| {f'{RATE:g}' if setup.limited else 'no limit'} | {setup.slots} | {setup.pace:g} s "
            f"| {one.seconds:.0f} s "
            f"| {one.seconds / one.slots_floor:.3f} | {by_rate} | {one.most_running} | {one.share(Cause.PACE):.1%} "
            f"| {one.share(Cause.POLL_TURN, Cause.SUBMIT_TURN):.1%} | {one.polls:.2f} | {one.delay:.2f} s "
            f"| {one.refusals} |"
        )
    return "\n".join(lines)


def target_table(of: Mapping[Setup, Outcome], cadences: Mapping[float, tuple[int, ...]]) -> str:
    lines = [
        "| | target | measured | polls a task | |",
        "|---|--:|--:|--:|---|",
    ]
    setups = target_setups(cadences)
    for first in range(0, len(setups), len(SEEDS)):
        rows = [of[setup] for setup in setups[first : first + len(SEEDS)]]
        setup = rows[0].setup
        came = fmean(one.seconds / one.slots_floor for one in rows)
        most = next(most for most, cadence in cadences.items() if cadence == setup.cadence)
        call = f"a call takes {CALL[0]:g} to {CALL[1]:g} s" if any(setup.call) else "a call takes no time"
        verdict = "met" if came <= TARGET else "**missed**"
        lines.append(
            f"| makespan ÷ floor, {TARGET_SLOTS} slots, {setup.order.count} combinations, pace 0, learned, "
            f"≤ {most:.1f} polls, {call} | ≤ {TARGET:.2f} | {came:.3f} "
            f"| {fmean(one.polls for one in rows):.2f} | {verdict} |"
        )
    refused = sum(one.refusals for one in of.values())
    lines.append(
        f"| refusals in the {len(of)} runs of this section | 0 | {refused} | | {'**missed**' if refused else 'met'} |"
    )
    return "\n".join(lines)


def section(outcomes: Sequence[Outcome], cadences: Mapping[float, tuple[int, ...]]) -> str:
    """What the page says of all of them."""
    of = {one.setup: one for one in outcomes}
    return SECTION.format(
        idle=idle_table(of, cadences[SPARING]),
        paces=pace_table(of, cadences[SPARING]),
        targets=target_table(of, cadences),
        orders=", ".join(f"{order.count} with {slots}" for slots, order in ORDERS.items()),
    )


PLACE = Section(DOCS / "performance.md", "slots")
SECTION = (Path(__file__).parent / "slots.md").read_text(encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="runs at a time (default 2)")
    parser.add_argument("--quick", action="store_true", help="print the idle slots with 1 and 6 slots and one run only")
    parser.add_argument("--write", action="store_true", help=f"write this section of docs/{PLACE.page.name} anew")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        if arguments.quick:
            for one in pool.map(run, [Setup(slots, tuple(DEFAULT)) for slots in (1, 6)]):
                shares = ", ".join(f"{cause} {one.share(cause):.1%}" for cause in SHOWN)
                print(f"{one.setup.slots} slots: {one.seconds / one.slots_floor:.3f} × floor; {shares}")
            return
        cadences = learn(pool)[1]
        text = section(measured(pool, cadences), cadences)
    print(text)
    if arguments.write:
        PLACE.write(text)


if __name__ == "__main__":
    main()
