"""The command line of tryon."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from cli import local
from cli.target import TargetError
from tryon.manifest import ManifestError


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="tryon", description="Every model wearing every garment, from a manifest in a bucket."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    here = commands.add_parser("local", help="the whole application on this machine, without an account")
    local.add_arguments(here.add_subparsers(title="commands", required=True, metavar="COMMAND"))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 all well, 1 something failed, 2 the input was wrong."""
    parsed = parser().parse_args(arguments)
    console = Console()
    errors = Console(stderr=True)
    try:
        code: int = parsed.command(parsed, console)
    except ManifestError as error:
        errors.print("[red]the manifest cannot be run:[/]")
        for problem in error.problems:
            errors.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except (TargetError, OSError) as error:
        errors.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
