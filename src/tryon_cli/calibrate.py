"""`tryon calibrate`: from the tasks of past runs to the cadence that suits the service best."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from tryon.cadence import DEADLINE, DEFAULT, ListeningCadence
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
    weighed_cadence,
)
from tryon.learning.listening import (
    AT_ONCE,
    Gain,
    QueueAndWork,
    Task,
    evaluate_listening,
    gain,
    learn,
    listening_cadence,
    tasks,
    within,
)
from tryon.planning.manifest import Id
from tryon.reporting import cost
from tryon.service import registry
from tryon.state.entry import Entry
from tryon.state.ledger import Ledger
from tryon.state.run import Run
from tryon_cli.cadence_plot import plot, plot_listening
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
from tryon_cli.target import TargetError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_POLLS = 2.0
"""Polls a task unless told otherwise: half of what the default cadence makes."""

WEIGHT = 1.0
"""Seconds that a poll is worth where tasks queue, unless told otherwise: two polls would not see the queue end."""

DEADLINES = (30, 3600)
"""Shortest and longest that the template's parameter `DeadlineSeconds` may be."""

_COMPARED: Mapping[str, Sequence[int]] = {"every 5 s": (5,), "every 2 s": (2,)}


@dataclass(frozen=True)
class Row:
    """A cadence and what it does, with the slots asked for; the cost is AWS's, for a thousand combinations.

    Of one that listens `cadence` are the waits while queued, `working` those at work after each of them.
    """

    name: str
    cadence: list[int]
    working: list[list[int]]
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
    limit.add_argument(
        "--max-polls",
        type=positive,
        metavar="N",
        help=f"mean polls a task (default {MAX_POLLS:g} where tasks begin at once)",
    )
    limit.add_argument(
        "--weight",
        type=positive,
        metavar="SECONDS",
        help=f"seconds of delay that a poll is worth (default {WEIGHT:g} where tasks queue)",
    )
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
        "--service",
        metavar="NAME",
        help="learn from this service's tasks, where the runs had several (a name, or NAME/MODEL)",
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
    deadline = int(found.parameters().get("DeadlineSeconds", DEADLINE))
    return run(arguments, found.ledger, found.s3, found.bucket, console, now=found.clock.now(), deadline=deadline)


@dataclass(frozen=True)
class _Learned:
    """What was learned of one service: by elapsed time, and by listening where that gains; else `why` it does not."""

    service: str
    deadline: int
    distribution: Distribution
    cadence: list[int]
    by_time: Performance
    limit: "_Limit"
    times: QueueAndWork | None = None
    listening: ListeningCadence | None = None
    heard: Performance | None = None
    gain: Gain | None = None
    why: str = ""

    @property
    def performance(self) -> Performance:
        """What is promised of the one that is stored."""
        return self.heard or self.by_time


def run(
    arguments: argparse.Namespace,
    ledger: Ledger,
    s3: "S3Client",
    bucket: str,
    console: Console,
    *,
    now: float,
    deadline: int = DEADLINE,
) -> int:
    """Learn, print, and draw or store where that was asked for. `deadline` is the stack's, in seconds."""
    runs = _runs(ledger, arguments)
    entries = [entry for run in runs for entry in ledger.entries(run.run_id)]
    service = _service(arguments.service, entries)
    entries = [entry for entry in entries if entry.service == service]
    try:
        found = _learn(arguments, entries, service, deadline)
    except (TooFewSamplesError, LimitError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    rows = _rows(found, _old(runs, service), arguments.slots, _seen_cost(entries))
    if arguments.plot:
        arguments.plot.write_text(_plot(found, rows[0].cadence), encoding="utf-8")
    if arguments.store:
        _store(s3, bucket, arguments.store, found, runs, now)
    if arguments.json:
        print_json(console, _told(found, runs, rows))
    else:
        _show(console, found, runs, rows, arguments)
    return 0


def _service(asked: str | None, entries: Sequence[Entry]) -> str:
    """The key of the service to learn of; raises `TargetError` where the tasks are of several and none is named."""
    used = sorted({entry.service for entry in entries})
    if asked is None:
        if len(used) > 1:
            raise TargetError(f"the runs used {', '.join(used)}: --service says whose cadence is learned")
        return used[0] if used else registry.FIRST
    try:
        return registry.find(asked).key
    except registry.UnknownServiceError as error:
        raise TargetError(str(error)) from None


def _learn(arguments: argparse.Namespace, entries: Sequence[Entry], service: str, deadline: int) -> _Learned:
    deadline = arguments.deadline or (deadline if service == registry.FIRST else registry.find(service).deadline)
    seen = tasks(entries)
    try:
        times, why = learn(seen), ""
    except TooFewSamplesError as error:
        times, why = None, str(error)
    distribution = fit(observations(entries))
    limit = _limit(arguments, queue=times is not None)
    cadence, weight = weighed_cadence(distribution, deadline=deadline, **vars(limit))
    by_time = evaluate(cadence, distribution, deadline)
    found = _Learned(service, deadline, distribution, cadence, by_time, limit, times=times, why=why)
    return found if times is None else _listen(found, times, seen, weight)


def _listen(found: _Learned, times: QueueAndWork, seen: Sequence[Task], time_weight: float) -> _Learned:
    """With a listening cadence, where it surely gains on tasks that it was not learned from."""
    limit, deadline = found.limit, found.deadline
    try:
        if limit.weight is not None:
            listening, weight = listening_cadence(times, deadline=deadline, weight=limit.weight), limit.weight
        else:
            listening, weight = within(
                times, deadline=deadline, max_polls=limit.max_polls, max_requests=limit.max_requests
            )
        gained = gain(
            seen, deadline=deadline, weight=limit.weight or WEIGHT, time_weight=time_weight, listening_weight=weight
        )
    except (TooFewSamplesError, LimitError) as error:
        return replace(found, why=str(error))
    if not gained.surely:
        why = f"listening costs {gained.listening:.2f} and time alone {gained.by_time:.2f} on tasks that were left out"
        return replace(found, gain=gained, why=why)
    heard = evaluate_listening(listening, times, deadline)
    return replace(found, listening=listening, heard=heard, gain=gained)


def _rows(found: _Learned, old: list[int], slots: int, cost_seen: tuple[float, float] | None) -> list[Row]:
    """The cadences side by side, the old one first."""

    def by_time(name: str, waits: Sequence[int]) -> Row:
        return _row(name, waits, (), evaluate(waits, found.distribution, found.deadline), slots, cost_seen)

    rows = [by_time("old", old)]
    if old != list(DEFAULT):
        rows.append(by_time("default", DEFAULT))
    rows.append(by_time("new", found.cadence))
    if found.listening is not None and found.heard is not None:
        listening = found.listening
        rows.append(_row("listening", listening.queued, listening.working, found.heard, slots, cost_seen))
    return [*rows, *(by_time(name, waits) for name, waits in _COMPARED.items())]


def _plot(found: _Learned, old: Sequence[int]) -> str:
    if found.listening is not None and found.times is not None:
        return plot_listening(found.times, found.listening, found.deadline)
    return plot(found.distribution, old, found.cadence, found.deadline)


def _store(s3: "S3Client", bucket: str, name: str, found: _Learned, runs: Sequence[Run], now: float) -> None:
    learned.store(
        s3,
        bucket,
        learned.learned(
            name,
            found.cadence,
            found.distribution,
            found.performance,
            deadline=found.deadline,
            created=now,
            runs=[run.run_id for run in runs],
            weight=found.limit.weight,
            max_polls=found.limit.max_polls,
            service=found.service,
            listening=found.listening,
            queue=found.times.queue if found.listening is not None and found.times is not None else None,
            work=found.times.work if found.listening is not None and found.times is not None else None,
        ),
    )


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


def _limit(arguments: argparse.Namespace, *, queue: bool) -> _Limit:
    if arguments.weight:
        return _Limit(weight=arguments.weight)
    if arguments.max_requests:
        return _Limit(max_requests=(arguments.slots, arguments.max_requests))
    if queue and not arguments.max_polls:
        return _Limit(weight=WEIGHT)
    return _Limit(max_polls=arguments.max_polls or MAX_POLLS)


def _old(runs: Sequence[Run], service: str) -> list[int]:
    """The cadence of the newest of the runs, by elapsed time."""
    found = (run.cadences.get(service) or (run.cadence if service in run.services else ()) for run in runs)
    return next((list(cadence) for cadence in found if cadence), list(registry.find(service).cadence))


def _seen_cost(entries: Sequence[Entry]) -> tuple[float, float] | None:
    """Mean polls of the combinations that were run, and what AWS took for each; None of none."""
    ended = [entry for entry in entries if entry.ended_at is not None]
    if not ended:
        return None
    used = cost.usage(ended, planning=0.0)
    return fmean(entry.polls for entry in ended), used.usd / len(ended)


def _row(
    name: str,
    waits: Sequence[int],
    working: Sequence[Sequence[int]],
    found: Performance,
    slots: int,
    seen: tuple[float, float] | None,
) -> Row:
    usd = None if seen is None else 1000 * (seen[1] + (found.polls - seen[0]) * cost.USD_PER_POLL)
    return Row(
        name=name,
        cadence=list(waits),
        working=[list(one) for one in working],
        polls=found.polls,
        delay=found.delay,
        tasks_per_hour=found.tasks_per_hour(slots),
        requests_per_second=found.requests_per_second(slots),
        usd_per_thousand=usd,
    )


def _told(found: _Learned, runs: Sequence[Run], rows: Sequence[Row]) -> dict[str, Json]:
    distribution = found.distribution
    return {
        "service": found.service,
        "cadence": list(found.cadence),
        "listening": asdict(found.listening) if found.listening else None,
        "not_listening": found.why,
        "left_out": asdict(found.gain) if found.gain else None,
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
    found: _Learned,
    runs: Sequence[Run],
    rows: Sequence[Row],
    arguments: argparse.Namespace,
) -> None:
    distribution = found.distribution
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
    if found.times is not None:
        queue, work = found.times.queue, found.times.work
        console.print(
            f"{found.times.queued} of them queued for more than {AT_ONCE:g} s: half of all begin within "
            f"{queue.quantile(0.5):.1f} s, 95 % within {queue.quantile(0.95):.1f} s; half are worked on for "
            f"{work.quantile(0.5):.1f} s",
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
    _show_choice(console, found)
    if arguments.store:
        console.print(
            f'stored as {learned.key(arguments.store)}: "cadence": "{arguments.store}" in a manifest uses it',
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if arguments.plot:
        console.print(f"drawn in {arguments.plot}", markup=False, highlight=False, soft_wrap=True)


def _show_choice(console: Console, found: _Learned) -> None:
    """Which of the two is the learned one, and why."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if found.listening is None or found.gain is None:
        say(f"by elapsed time: {found.why}")
        say(f'"cadence": {list(found.cadence)}')
        return
    before, after = found.gain.by_time, found.gain.listening
    say(
        f"listening: on tasks that were left out, delay and polls are {after:.2f} a task, {before:.2f} by time "
        f"({after / before - 1:+.0%})"
    )
    say(f"while queued: {', '.join(map(str, found.listening.queued))} s")
    say(f"at work, never seen queued: {', '.join(map(str, found.listening.working[0]))} s")
    if len(found.listening.working) > 1:
        say(f"at work, seen queued once: {', '.join(map(str, found.listening.working[1]))} s")
    say("a manifest names it once it is stored (--store NAME)")


def _name(text: str) -> str:
    try:
        return TypeAdapter[str](Id).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: lower-case letters, digits and hyphens, at most 63, the first not a hyphen"
        ) from None
