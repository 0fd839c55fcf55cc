"""`tryon logs`: what the functions wrote about a run."""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console

from tryon.json_types import Json
from tryon_cli import found as runs_found
from tryon_cli.options import json_option, print_json, run_option, stack_options, target, whole
from tryon_cli.target import Target, TargetError

_GROUP = "/aws/lambda/"
_SHOWN = ("level", "message", "combination", "error", "code", "said", "task_id", "request_id")
"""Fields of a line that are shown first; the rest of them are in the JSON."""


@dataclass(frozen=True)
class Line:
    """One line of a function's log; `at` in seconds since the epoch."""

    at: float
    function: str
    fields: Mapping[str, Json]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `logs`."""
    parser = commands.add_parser(
        "logs",
        help="what the functions wrote about a run",
        description="Print the log lines of all functions that name a run, oldest first.",
    )
    run_option(parser)
    parser.add_argument(
        "--combination", type=whole(1), metavar="N", help="only those about one combination, by its number in the plan"
    )
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=logs)


def logs(arguments: argparse.Namespace, console: Console) -> int:
    """Print a run's log lines."""
    found = target(arguments)
    run_id = runs_found.newest(found, arguments.run_id)
    run = runs_found.read(found, run_id)
    wanted: tuple[Json, ...] = ()
    if arguments.combination is not None:
        # Some functions are given the whole combination, others its number only.
        wanted = (arguments.combination, _id(found, run_id, arguments.combination))
    lines = [
        line
        for line in read(found, run_id, since=run.started_at)
        if not wanted or line.fields.get("combination") in wanted
    ]
    if arguments.json:
        print_json(console, [{"at": line.at, "function": line.function, **line.fields} for line in lines])
        return 0
    for line in lines:
        console.print(written(line), markup=False, highlight=False, soft_wrap=True)
    if not lines:
        console.print("no lines: they appear some seconds late, and are kept as long as the stack says", soft_wrap=True)
    return 0


def written(line: Line) -> str:
    """A line as people read it: time, function, then what it says."""
    said = [str(line.fields[name]) for name in ("level", "message") if line.fields.get(name)]
    more = [f"{name}={line.fields[name]}" for name in _SHOWN[2:] if line.fields.get(name) not in (None, "")]
    at = time.strftime("%H:%M:%S", time.gmtime(line.at))
    return f"{at} {line.function:<9} {' '.join([*said, *more])}"


def read(found: Target, run_id: str, *, since: float = 0.0) -> list[Line]:
    """The lines of all functions of a stack that name the run, oldest first; `since` in seconds since the epoch."""
    lines = [line for group in _groups(found) for line in _lines(found, group, run_id, since)]
    return sorted(lines, key=lambda line: line.at)


def _id(found: Target, run_id: str, n: int) -> str:
    for entry in found.ledger.entries(run_id):
        if entry.n == n:
            return entry.id
    raise TargetError(f"run {run_id} has no combination {n}")


def _groups(found: Target) -> Iterator[str]:
    pages = found.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=found.stack)
    for page in pages:
        for resource in page["StackResourceSummaries"]:
            name = resource.get("PhysicalResourceId", "")
            if resource["ResourceType"] == "AWS::Logs::LogGroup" and name.startswith(_GROUP):
                yield name


def _lines(found: Target, group: str, run_id: str, since: float) -> Iterator[Line]:
    function = group.removeprefix(_GROUP).rpartition("-")[2]
    pages = (
        found.client("logs")
        .get_paginator("filter_log_events")
        # A phrase in quotes: whatever the line's form, it names the run.
        .paginate(logGroupName=group, filterPattern=f'"{run_id}"', startTime=int(since * 1000))
    )
    for page in pages:
        for event in page["events"]:
            yield Line(event["timestamp"] / 1000, function, _fields(event["message"]))


def _fields(message: str) -> Mapping[str, Json]:
    try:
        fields = json.loads(message)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"message": message.rstrip()}
