"""`tryon show`: one run, in words: how it stands, why combinations failed, what it cost, where its files are."""

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console

from tryon.keys import RunFolder
from tryon.state.entry import Entry, Status
from tryon.state.run import Run
from tryon_cli import found as runs_found
from tryon_cli.options import counted, duration, json_option, print_json, run_option, stack_options, target
from tryon_cli.run import paid_to
from tryon_cli.target import Target

MOST_CAUSES = 10
"""Causes that are named, the most frequent first."""

Line = tuple[str, str]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `show`."""
    parser = commands.add_parser(
        "show",
        help="one run: state, counts, causes, cost, files, execution",
        description="Say how a run stands: its state, its counts, why combinations failed, what it cost, where its "
        "files are and which execution it is.",
    )
    run_option(parser)
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=show)


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print one run."""
    found = target(arguments)
    run_id = runs_found.newest(found, arguments.run_id)
    run = runs_found.read(found, run_id)
    entries = list(found.ledger.entries(run_id))
    if arguments.json:
        print_json(console, {**run.as_item(), "counts": counts(entries), "files": files(found, run)})
        return 0
    lines = [*_head(run), *_state(run, entries), *_cost(found, run), *_checks(run), *_places(found, run)]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(f"{name:<{width}}  {value}", markup=False, highlight=False, soft_wrap=True)
    for cause in causes(entries):
        console.print(f"  {cause}", markup=False, highlight=False, soft_wrap=True)
    return 0


def counts(entries: Sequence[Entry]) -> dict[str, int]:
    """How many combinations are in each state, by its name in lower case."""
    found = Counter(entry.status for entry in entries)
    return {status.lower(): found[status] for status in Status if found[status]}


def files(found: Target, run: Run) -> dict[str, str]:
    """Where a run's files are, by what they are; empty for one that was never planned."""
    if not run.planned:
        return {}
    folder = RunFolder(run.run_id)
    named = {"plan": folder.plan}
    if run.outcome is not None:
        named |= {"summary": folder.summary, "table": folder.csv, "gallery": folder.gallery}
    return {name: f"s3://{found.bucket}/{key}" for name, key in named.items()}


def causes(entries: Sequence[Entry]) -> list[str]:
    """Why combinations failed, the most frequent first, each with a combination as an example."""
    failed = [entry for entry in entries if entry.status is Status.FAILED]
    by_error: dict[str, list[Entry]] = {}
    for entry in failed:
        by_error.setdefault(entry.error or "unknown", []).append(entry)
    ordered = sorted(by_error.items(), key=lambda item: -len(item[1]))
    told = [f"{len(of)} x {error}, such as {of[0].id}: {of[0].cause or ''}" for error, of in ordered[:MOST_CAUSES]]
    left = len(ordered) - MOST_CAUSES
    return [*told, f"and {counted(left, 'more cause')}"] if left > 0 else told


def _head(run: Run) -> Iterator[Line]:
    yield "run", run.run_id
    if run.name:
        yield "name", run.name
    yield "status", run.status + (f", repaired by {', '.join(run.repaired_by)}" if run.repaired_by else "")
    if run.started_at:
        yield "started", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.started_at))
    if run.retry_of:
        yield "retry of", run.retry_of
    if run.halted:
        yield "halted", run.halted
    if run.error:
        yield "error", f"{run.error}: {run.cause or ''}"


def _state(run: Run, entries: Sequence[Entry]) -> Iterator[Line]:
    total = run.total if run.total is not None else len(entries)
    if not total:
        return
    words = ", ".join(f"{number} {status}" for status, number in counts(entries).items())
    succeeded = sum(entry.status is Status.SUCCEEDED for entry in entries)
    yield "pictures", f"{succeeded} of {total}" + (f" ({words})" if words else "")
    tasks = sum(len(entry.tasks) for entry in entries)
    unknown = sum(entry.outcome_unknown for entry in entries)
    yield "tasks", f"{tasks} paid for" + (f", {unknown} with an unknown outcome" if unknown else "")


def _cost(found: Target, run: Run) -> Iterator[Line]:
    if run.outcome is None:
        return
    yield "took", duration(run.outcome.seconds) + (" of workflow" if found.is_local else "")
    cost = run.outcome.cost
    aws = f"AWS would take ${cost.aws.usd:.4f}" if found.is_local else f"${cost.aws.usd:.4f} to AWS"
    yield "cost", f"{paid_to(found, cost.totals)}, {aws}"


def _checks(run: Run) -> Iterator[Line]:
    if run.outcome is not None and run.outcome.checks and run.outcome.checks.line:
        yield "checks", run.outcome.checks.line


def _places(found: Target, run: Run) -> Iterator[Line]:
    if run.bucket:
        yield "manifest", f"s3://{run.bucket}/{run.manifest_key}"
    yield from files(found, run).items()
    if run.execution:
        yield "execution", run.execution
