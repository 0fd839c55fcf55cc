"""`tryon calibrate`: from the tasks of past runs to the cadence that suits the service best."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from tryon.cadence import DEADLINE, DEFAULT, poll_times
from tryon.json_types import Json
from tryon.learning import learned
from tryon.learning.calibration import (
    Distribution,
    LimitError,
    Performance,
    TooFewSamplesError,
    evaluate,
    fit,
    observations,
    optimal_cadence,
)
from tryon.planning.manifest import Id
from tryon.reporting import cost
from tryon.state.entry import Entry
from tryon.state.ledger import Ledger
from tryon.state.run import Run
from tryon_cli.options import (
    MOST_SLOTS,
    counted,
    json_option,
    positive,
    print_json,
    stack_options,
    target,
    whole,
)
from tryon_cli.svg import COLOURS, Chart
from tryon_cli.target import TargetError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_POLLS = 2.0
"""Polls a task unless told otherwise: half of what the default cadence makes."""

DEADLINES = (30, 3600)
"""Shortest and longest that the template's parameter `DeadlineSeconds` may be."""

_COMPARED: Mapping[str, Sequence[int]] = {"every 5 s": (5,), "every 2 s": (2,)}


@dataclass(frozen=True)
class Row:
    """A cadence and what it does, with the slots asked for; the cost is AWS's, for a thousand combinations."""

    name: str
    cadence: list[int]
    polls: float
    delay: float
    tasks_per_hour: float
    requests_per_second: float
    usd_per_thousand: float | None


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `calibrate`."""
    parser = commands.add_parser(
        "calibrate",
        help="learn the cadence from past runs",
        description="Learn from the tasks of past runs when to ask after the next ones: fewer polls, and less time "
        "from a task's end until it is seen.",
        epilog="exit codes: 0 learned, 1 too few tasks or an unreachable limit, 2 wrong input",
    )
    add_arguments(parser)
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=command)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is learned, from what, and where it goes."""
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--max-polls", type=positive, metavar="N", help=f"mean polls a task (default {MAX_POLLS:g})")
    limit.add_argument("--weight", type=positive, metavar="SECONDS", help="seconds of delay that a poll is worth")
    limit.add_argument(
        "--max-requests", type=positive, metavar="RATE", help="submits and polls a second of all slots together"
    )
    parser.add_argument(
        "--slots", type=whole(1, MOST_SLOTS), default=1, metavar="N", help="slots of the account (%(default)s)"
    )
    parser.add_argument("--run", action="append", metavar="RUN", help="learn from this run only; may be repeated")
    parser.add_argument(
        "--last", type=whole(1), default=20, metavar="N", help="learn from the N newest runs (%(default)s)"
    )
    parser.add_argument(
        "--deadline",
        type=whole(*DEADLINES),
        metavar="SECONDS",
        help="seconds until a task is late (default: the stack's)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw latencies and polls into this SVG file")
    parser.add_argument("--store", type=_name, metavar="NAME", help='keep it in the stack: "cadence": "NAME" uses it')


def command(arguments: argparse.Namespace, console: Console) -> int:
    """Learn from the stack that the options name."""
    found = target(arguments)
    if arguments.deadline is None:
        arguments.deadline = int(found.parameters().get("DeadlineSeconds", DEADLINE))
    return run(arguments, found.ledger, found.s3, found.bucket, console, now=found.clock.now())


def run(
    arguments: argparse.Namespace, ledger: Ledger, s3: "S3Client", bucket: str, console: Console, *, now: float
) -> int:
    """Learn, print, and draw or store where that was asked for."""
    if arguments.deadline is None:
        arguments.deadline = DEADLINE
    runs = _runs(ledger, arguments)
    entries = [entry for run in runs for entry in ledger.entries(run.run_id)]
    try:
        distribution = fit(observations(entries))
        limit = _limit(arguments)
        cadence = optimal_cadence(distribution, deadline=arguments.deadline, **vars(limit))
    except (TooFewSamplesError, LimitError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    old = _old(runs)
    new = evaluate(cadence, distribution, arguments.deadline)
    cost_seen = _seen_cost(entries)
    rows = [
        _row(name, waits, evaluate(waits, distribution, arguments.deadline), arguments.slots, cost_seen)
        for name, waits in {"old": old, "new": cadence, **_COMPARED}.items()
    ]
    if arguments.plot:
        arguments.plot.write_text(plot(distribution, old, cadence, arguments.deadline), encoding="utf-8")
    if arguments.store:
        learned.store(
            s3,
            bucket,
            learned.learned(
                arguments.store,
                cadence,
                distribution,
                new,
                deadline=arguments.deadline,
                created=now,
                runs=[run.run_id for run in runs],
                weight=limit.weight,
                max_polls=limit.max_polls,
            ),
        )
    if arguments.json:
        print_json(console, _told(distribution, runs, rows, cadence))
    else:
        _show(console, distribution, runs, rows, cadence, arguments)
    return 0


def _runs(ledger: Ledger, arguments: argparse.Namespace) -> list[Run]:
    """The runs to learn from, the newest first; of one that still goes on, the tasks would be cut short."""
    if not arguments.run:
        return [run for run in ledger.each_run(arguments.last) if isinstance(run, Run) and run.outcome]
    found = []
    for name in arguments.run:
        run = ledger.run(name)
        if run is None or run.outcome is None:
            raise TargetError(f"run {name} {'does not exist' if run is None else 'has not ended'}")
        found.append(run)
    return found


@dataclass(frozen=True)
class _Limit:
    """What the cadence has to keep to: one of the three."""

    weight: float | None = None
    max_polls: float | None = None
    max_requests: tuple[int, float] | None = None


def _limit(arguments: argparse.Namespace) -> _Limit:
    if arguments.weight:
        return _Limit(weight=arguments.weight)
    if arguments.max_requests:
        return _Limit(max_requests=(arguments.slots, arguments.max_requests))
    return _Limit(max_polls=arguments.max_polls or MAX_POLLS)


def _old(runs: Sequence[Run]) -> list[int]:
    """The cadence of the newest of the runs."""
    return next((list(run.cadence) for run in runs if run.cadence), list(DEFAULT))


def _seen_cost(entries: Sequence[Entry]) -> tuple[float, float] | None:
    """Mean polls of the combinations that were run, and what AWS took for each; None of none."""
    ended = [entry for entry in entries if entry.ended_at is not None]
    if not ended:
        return None
    used = cost.usage(ended, planning=0.0)
    return fmean(entry.polls for entry in ended), used.usd / len(ended)


def _row(name: str, waits: Sequence[int], found: Performance, slots: int, seen: tuple[float, float] | None) -> Row:
    usd = None if seen is None else 1000 * (seen[1] + (found.polls - seen[0]) * cost.USD_PER_POLL)
    return Row(
        name=name,
        cadence=list(waits),
        polls=found.polls,
        delay=found.delay,
        tasks_per_hour=found.tasks_per_hour(slots),
        requests_per_second=found.requests_per_second(slots),
        usd_per_thousand=usd,
    )


def _told(
    distribution: Distribution, runs: Sequence[Run], rows: Sequence[Row], cadence: Sequence[int]
) -> dict[str, Json]:
    return {
        "cadence": list(cadence),
        "samples": distribution.samples,
        "exact": distribution.exact,
        "runs": [run.run_id for run in runs],
        "latency": {
            "mean": round(distribution.mean, 2),
            **{f"p{share * 100:.0f}": round(distribution.quantile(share), 2) for share in (0.05, 0.5, 0.95)},
        },
        "cadences": [{name: _rounded(value) for name, value in asdict(row).items()} for row in rows],
    }


def _rounded(value: Json) -> Json:
    return round(value, 4) if isinstance(value, float) else value


def _show(
    console: Console,
    distribution: Distribution,
    runs: Sequence[Run],
    rows: Sequence[Row],
    cadence: Sequence[int],
    arguments: argparse.Namespace,
) -> None:
    between = distribution.samples - distribution.exact
    console.print(
        f"learned from {counted(distribution.samples, 'task')} of {counted(len(runs), 'run')}: {distribution.exact} "
        f"latencies told by the service, {between} known to lie between two polls",
        highlight=False,
    )
    console.print(
        f"half of the tasks end within {distribution.quantile(0.5):.1f} s, 95 % within "
        f"{distribution.quantile(0.95):.1f} s",
        highlight=False,
    )
    slots = counted(arguments.slots, "slot")
    view = Table(box=None, header_style="bold")
    view.add_column("cadence", no_wrap=True)
    for column in ("polls", "delay s", f"tasks/h, {slots}", f"requests/s, {slots}", "AWS $/1000"):
        view.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        view.add_row(
            row.name,
            f"{row.polls:.2f}",
            f"{row.delay:.2f}",
            f"{row.tasks_per_hour:.0f}",
            f"{row.requests_per_second:.2f}",
            "" if row.usd_per_thousand is None else f"{row.usd_per_thousand:.2f}",
        )
    console.print(view)
    console.print(f'"cadence": {list(cadence)}', markup=False, highlight=False, soft_wrap=True)
    if arguments.store:
        console.print(
            f'stored as {learned.key(arguments.store)}: "cadence": "{arguments.store}" in a manifest uses it',
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if arguments.plot:
        console.print(f"drawn in {arguments.plot}", markup=False, highlight=False, soft_wrap=True)


def plot(distribution: Distribution, old: Sequence[int], new: Sequence[int], deadline: int) -> str:
    """The distribution of latencies as an SVG, with the polls of both cadences marked."""
    end = min(deadline, 10 * math.ceil(distribution.quantile(0.97) / 10) + 10)
    seconds = range(end + 1)
    shares = [100 * (distribution.running(second) - distribution.running(second + 1)) for second in seconds]
    top = math.ceil(max(shares) / 5) * 5 + 5
    chart = Chart(
        f"Latencies of {distribution.samples} tasks, and when each cadence asks after them",
        x=(0, end),
        y=(0, top),
        x_label="seconds since the submit",
        y_label="tasks that end in that second, %",
    )
    chart.bars([*seconds, end + 1][: end + 1], shares, COLOURS[5])
    for name, cadence, height, colour, dashed in (
        ("old polls", old, top - 3.6, COLOURS[1], True),
        ("new polls", new, top - 1.6, COLOURS[0], False),
    ):
        times = [time for time in poll_times(cadence, deadline) if time <= end]
        for time in times:
            chart.line([(time, 0), (time, height)], colour, dashed=dashed)
            chart.mark(time, height, colour)
        chart.text(0, height, f"{name}: {', '.join(map(str, cadence))} s", colour=colour, dy=-9)
    step = 5 * math.ceil(top / 40)
    return chart.render(x_ticks=range(0, end + 1, 10), y_ticks=range(0, top + 1, step))


def _name(text: str) -> str:
    try:
        return TypeAdapter[str](Id).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: lower-case letters, digits and hyphens, at most 63, the first not a hyphen"
        ) from None
