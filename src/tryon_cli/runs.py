"""`tryon list` and `tryon open`: what ran, and its gallery."""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tryon.json_types import UnreadableError
from tryon.keys import RunFolder
from tryon.state.run import Run, RunStatus
from tryon_cli.found import newest
from tryon_cli.options import json_option, print_json, run_option, stack_options, target, whole
from tryon_cli.plan import money
from tryon_cli.saving import Saved, save
from tryon_cli.target import Target, TargetError

LINK_SECONDS = 12 * 3600
"""How long a gallery's link works at most. It ends with the credentials that signed it: those of a role or of single
sign-on last 1 to 12 hours."""

MOST_RUNS = 10_000
"""The newest runs among which those that are going on are looked for: an execution lasts two weeks at most."""

MAX_LEFT_OUT = 20
"""Objects that are named when they cannot be saved."""

_TITLES = ("run", "name", "status", "pictures", "time s", "cost")
_COLOURS = {RunStatus.SUCCEEDED: "green", RunStatus.PARTIAL: "yellow", RunStatus.RUNNING: "cyan"}


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `list` and `open`."""
    parser = commands.add_parser("list", help="the newest runs and how they ended")
    parser.add_argument("--limit", type=whole(1), default=20, metavar="N", help="how many (%(default)s)")
    parser.add_argument(
        "--running", action="store_true", help="only runs that are going on; exit code 1 when there are any"
    )
    parser.add_argument(
        "--status",
        action="append",
        type=str.upper,
        choices=[str(status) for status in RunStatus],
        help="only runs with this status; may be repeated",
    )
    parser.add_argument("--since", type=a_day, metavar="DATE", help="only runs begun since then, UTC: 2026-11-27")
    parser.add_argument("--name", metavar="TEXT", help="only runs whose name has this in it")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=list_runs)

    parser = commands.add_parser(
        "open",
        help="open a run's gallery",
        description="Open a run's gallery by a link that works for 12 hours, or until your session's credentials end.",
    )
    run_option(parser)
    parser.add_argument("--print", action="store_true", help="print the link and open nothing")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="copy the run's files there and open from disk")
    stack_options(parser)
    parser.set_defaults(command=open_gallery)


def list_runs(arguments: argparse.Namespace, console: Console) -> int:
    """Print the newest runs; 1 when some are going on and the question was for those."""
    found = target(arguments)
    narrowed = arguments.running or arguments.status or arguments.since or arguments.name
    runs, damaged = _read(found, MOST_RUNS if narrowed else arguments.limit)
    runs = [run for run in runs if _is_wanted(run, arguments)][: None if arguments.running else arguments.limit]
    for error in damaged:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
    code = 1 if arguments.running and runs else 0
    if arguments.json:
        print_json(console, [run.as_item() for run in runs])
        return code
    rows = [(run.run_id, *_cells(run)) for run in runs]
    titles = (*_TITLES[:-1], "cost, not real") if found.is_local else _TITLES
    if _width(titles, rows) > console.width:
        for run_id, name, status, pictures, seconds, cost in rows:
            cells = [status, pictures, seconds and f"{seconds} s", cost, name]
            console.print(run_id, highlight=False, soft_wrap=True)
            console.print("  " + ", ".join(filter(None, cells)), highlight=False, soft_wrap=True)
        return code
    view = Table(*titles, box=None, header_style="bold")
    for row in rows:
        view.add_row(*row)
    console.print(view)
    return code


def _width(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns that a table of these takes: the id is what every other command is given, and is never cut."""
    columns = zip(titles, *rows, strict=True)
    return sum(max(Text.from_markup(cell).cell_len for cell in column) + 2 for column in columns)


def _read(found: Target, limit: int) -> tuple[list[Run], list[UnreadableError]]:
    """The newest runs, and what is wrong with those that cannot be read: one damaged run hides no other."""
    runs, damaged = [], []
    for each in found.ledger.each_run(limit):
        if isinstance(each, UnreadableError):
            damaged.append(each)
        else:
            runs.append(each)
    return runs, damaged


def _is_wanted(run: Run, arguments: argparse.Namespace) -> bool:
    if arguments.running and not run.running:
        return False
    if arguments.status and run.status not in arguments.status:
        return False
    if arguments.since and run.started_at < arguments.since:
        return False
    return not arguments.name or arguments.name.casefold() in run.name.casefold()


def _cells(run: Run) -> tuple[str, ...]:
    outcome = run.outcome
    return (
        escape(run.name),
        f"[{_COLOURS.get(run.status, 'red')}]{run.status}[/]" + (" [green]repaired[/]" if run.repaired_by else ""),
        f"{outcome.succeeded} of {outcome.total}" if outcome else "",
        f"{outcome.seconds:.0f}" if outcome else "",
        money(outcome.cost.totals) if outcome else "",
    )


def a_day(text: str) -> float:
    """An option that is a day or a moment in UTC, such as 2026-11-27 or 2026-11-27T08:00; seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-11-27") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def open_gallery(arguments: argparse.Namespace, console: Console) -> int:
    """Open or print the gallery's address."""
    found = target(arguments)
    run_id = newest(found, arguments.run_id)
    run = found.ledger.run(run_id)
    if run is None or run.outcome is None:
        raise TargetError(f"run {run_id} is {run.status.lower() if run else 'unknown'}: it has no gallery")
    if arguments.save:
        saved = save(found, run_id, arguments.save)
        say_left_out(saved, Console(stderr=True))
        address = (saved.folder / "index.html").resolve().as_uri()
    else:
        address = found.s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": found.bucket, "Key": RunFolder(run_id).gallery},
            ExpiresIn=LINK_SECONDS,
        )
    console.print(address, highlight=False, soft_wrap=True)
    if not arguments.print and sys.stdout.isatty():
        webbrowser.open(address)
    return 0


def say_left_out(saved: Saved, console: Console) -> None:
    """Name the objects that were not written, and why."""
    if len(saved.left_out) > MAX_LEFT_OUT:
        console.print(f"{len(saved.left_out):,} objects were left out, such as", highlight=False)
    for key, reason in [*saved.left_out.items()][:MAX_LEFT_OUT]:
        shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in key[:200])
        console.print(f"left out: {shown}: {reason}", markup=False, highlight=False, soft_wrap=True)
