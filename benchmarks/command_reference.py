"""Write docs/cli.md from the command's own options: `python -m benchmarks.command_reference`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from tryon_cli.main import parser

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

INTRODUCTION = """# Command reference

Written by `python -m benchmarks.command_reference` from the command's own options; a test compares them.
[command.md](command.md) says how the commands work together. Exit codes: 0 all well, 1 something failed, 2 the input
was wrong, 130 interrupted.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_commands(parser(), "tryon")])


def _commands(one: argparse.ArgumentParser, name: str) -> Iterator[str]:
    groups = [action for action in one._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups or name == "tryon":
        yield from _command(one, name)
    for group in groups:
        said = {choice.dest: choice.help for choice in group._choices_actions}
        for word, inner in group.choices.items():
            # A command that needs no description is described by its line in the list.
            inner.description = inner.description or _sentence(said.get(word) or "")
            yield from _commands(inner, f"{name} {word}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _command(one: argparse.ArgumentParser, name: str) -> Iterator[str]:
    yield f"## `{name}`\n"
    if one.description:
        yield f"{one.description}\n"
    rows = [action for action in one._actions if _is_shown(action)]
    if rows:
        yield "| | |\n|---|---|"
        for action in rows:
            text = " ".join((action.help or "").split())
            told = text % {**vars(action), "prog": name} if "%" in text else text
            yield f"| `{_spelt(action)}` | {told.replace('|', chr(92) + '|')} |"
        yield ""


def _is_shown(action: argparse.Action) -> bool:
    hidden = isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    return not hidden and action.help is not argparse.SUPPRESS


def _spelt(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    if not action.option_strings:
        return f"[{name}]" if action.nargs in ("?", "*") else name
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    value = name if action.metavar else name.upper()
    return ", ".join(f"{option} {value}" for option in action.option_strings)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
