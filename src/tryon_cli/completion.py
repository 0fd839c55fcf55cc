"""What the shell completes: files where a file is wanted, ids of runs where a run is."""

import argparse
from pathlib import Path

import shtab

_IDS = """tryon list --json 2>/dev/null | sed -n 's/^ *"run_id": "\\([^"]*\\)".*/\\1/p'"""

PREAMBLE = {
    "bash": f'_tryon_run_ids() {{ compgen -W "$({_IDS})" -- "$1"; }}\n',
    "zsh": f"_tryon_run_ids() {{ compadd -- $({_IDS}) }}\n",
}
"""Shell functions that complete the id of a run from the stack that `$TRYON_STACK` and `$TRYON_PORT` name."""


def complete(parser: argparse.ArgumentParser) -> None:
    """Say of every argument of a parser and of its commands what completes it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                complete(command)
        elif action.dest == "run_id":
            action.complete = {"bash": "_tryon_run_ids", "zsh": "_tryon_run_ids"}  # type: ignore[attr-defined]
        elif action.type is Path:
            action.complete = shtab.DIRECTORY if action.dest == "folder" else shtab.FILE  # type: ignore[attr-defined]
