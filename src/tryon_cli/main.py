"""The command line of tryon."""

import argparse
import io
import sys
from collections.abc import Sequence
from importlib.metadata import version

import shtab
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from tryon.json_types import UnreadableError
from tryon.planning.manifest import ManifestError
from tryon_cli import (
    calibrate,
    checks,
    compare,
    completion,
    local,
    logs,
    new,
    pick,
    plan,
    remake,
    run,
    runs,
    settings,
    share,
    show,
    stop,
)
from tryon_cli.options import LOG_WIDTH
from tryon_cli.target import TargetError


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="tryon",
        description="Every model wearing every garment, from a manifest in a bucket.",
        epilog="Start with `tryon new FOLDER`, then `tryon plan` and `tryon run`.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('tryon')}")
    shtab.add_argument_to(
        top,
        "--print-completion",
        help="print a completion script for this shell",
        preamble=completion.PREAMBLE,
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    new.add_parser(commands)
    new.add_schema_parser(commands)
    plan.add_parser(commands)
    run.add_parsers(commands)
    remake.extend_parser(commands.choices["retry"])
    runs.add_parsers(commands)
    show.add_parser(commands)
    logs.add_parser(commands)
    stop.add_parser(commands)
    share.add_parser(commands)
    pick.add_parser(commands)
    compare.add_parser(commands)
    calibrate.add_parser(commands)
    checks.add_parser(commands)
    settings.add_parser(commands)
    here = commands.add_parser("local", help="the whole application on this machine, without an account")
    local.add_arguments(here.add_subparsers(title="commands", required=True, metavar="COMMAND"))
    completion.complete(top)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 all well, 1 something failed, 2 the input was wrong."""
    parsed = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's code page lacks shall not end the command.
            stream.reconfigure(errors="backslashreplace")
    # Without a terminal there is no width to fit into.
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    errors = Console(stderr=True)
    try:
        settings.fill(parsed)
        code: int = parsed.command(parsed, console)
    except ManifestError as error:
        errors.print("[red]the manifest cannot be run:[/]")
        for problem in error.problems:
            errors.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except (TargetError, UnreadableError, OSError, ClientError, BotoCoreError) as error:
        errors.print(_reason(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt as error:
        errors.print(str(error) or "interrupted", markup=False, highlight=False, soft_wrap=True)
        return 130
    return code


def _reason(error: Exception) -> str:
    """What went wrong, in a line: of a file, its name and then the system's word for it, without the number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


if __name__ == "__main__":
    sys.exit(main())
