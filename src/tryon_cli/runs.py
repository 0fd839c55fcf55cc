"""`tryon list` and `tryon open`: what ran, and its gallery."""

import argparse
import sys
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tryon.keys import RunFolder
from tryon.state.run import RunStatus
from tryon_cli.options import json_option, print_json, stack_options, target, whole
from tryon_cli.run import newest
from tryon_cli.saving import Saved, save
from tryon_cli.target import TargetError

LINK_SECONDS = 12 * 3600
"""How long a gallery's link works at most. It ends with the credentials that signed it: those of a role or of single
sign-on last 1 to 12 hours."""

MOST_RUNS = 10_000
"""The newest runs among which those that are going on are looked for: an execution lasts two weeks at most."""

MAX_LEFT_OUT = 20
"""Objects that are named when they cannot be saved."""

_COLOURS = {RunStatus.SUCCEEDED: "green", RunStatus.PARTIAL: "yellow", RunStatus.RUNNING: "cyan"}


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `list` and `open`."""
    parser = commands.add_parser("list", help="the newest runs and how they ended")
    parser.add_argument("--limit", type=whole(1), default=20, metavar="N", help="how many (%(default)s)")
    parser.add_argument(
        "--running", action="store_true", help="only runs that are going on; exit code 1 when there are any"
    )
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=list_runs)

    parser = commands.add_parser(
        "open",
        help="open a run's gallery",
        description="Open a run's gallery by a link that works for 12 hours, or until your session's credentials end.",
    )
    parser.add_argument("run_id", nargs="?", help="the newest run when left out")
    parser.add_argument("--print", action="store_true", help="print the link and open nothing")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="copy the run's files there and open from disk")
    stack_options(parser)
    parser.set_defaults(command=open_gallery)


def list_runs(arguments: argparse.Namespace, console: Console) -> int:
    """Print the newest runs; 1 when some are going on and the question was for those."""
    ledger = target(arguments).ledger
    runs = ledger.runs(MOST_RUNS if arguments.running else arguments.limit)
    if arguments.running:
        runs = [run for run in runs if run.running]
    code = 1 if arguments.running and runs else 0
    if arguments.json:
        print_json(console, [run.as_item() for run in runs])
        return code
    view = Table("run", "status", "pictures", "time s", "cost", box=None, header_style="bold")
    for run in runs:
        outcome = run.outcome
        view.add_row(
            run.run_id,
            f"[{_COLOURS.get(run.status, 'red')}]{run.status}[/]" + (" [green]repaired[/]" if run.repaired_by else ""),
            f"{outcome.succeeded} of {outcome.total}" if outcome else "",
            f"{outcome.seconds:.0f}" if outcome else "",
            f"{outcome.cost.service:.2f} {outcome.cost.currency}" if outcome else "",
        )
    console.print(view)
    return code


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
