"""Options that several commands share, and how they print."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.console import Console

from tryon_cli import settings
from tryon_cli.settings import MOST_PORTS
from tryon_cli.target import LOCAL_PORT, LOCAL_STACK, Target, TargetError, connect

MOST_SLOTS = 200
"""Of the template's parameter `Slots`, which begins at 1."""

LOG_WIDTH = 140
"""Columns where no terminal says how many there are: a log wants whole lines."""


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """What reads an option that is a whole number from `least` to `most`, without an end for None."""
    wanted = f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} or more"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return read


def positive(text: str) -> float:
    """An option that is a number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def not_negative(text: str) -> float:
    """An option that is 0 or a number above it."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 0 or more")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def counted(number: int, thing: str) -> str:
    """A number of things, in words: one of them has no plural."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def stack_options(parser: argparse.ArgumentParser) -> None:
    """Which stack a command speaks to, in the words of the AWS CLI."""
    group = parser.add_argument_group("stack")
    group.add_argument(
        "--stack",
        help="name of a deployed stack, or 'local' for the one of `tryon local up` (default: $TRYON_STACK, a setting "
        "file's, or local)",
    )
    group.add_argument("--profile", help="AWS profile, as for the AWS CLI (default: $AWS_PROFILE or a setting file's)")
    group.add_argument(
        "--region",
        help="AWS region, as for the AWS CLI (default: $AWS_DEFAULT_REGION, a setting file's, or the profile's)",
    )
    group.add_argument(
        "--port",
        type=whole(1, MOST_PORTS),
        metavar="PORT",
        help=f"port of the local stack (default: $TRYON_PORT, a setting file's, or {LOCAL_PORT})",
    )


def run_option(parser: argparse.ArgumentParser) -> None:
    """Which run a command is about; `tryon_cli.found.newest` finds it."""
    parser.add_argument("run_id", nargs="?", help="an id or how it begins; the newest run when left out")


def confirm(question: str, console: Console, *, refusal: str, yes: str, at_stake: str = "") -> None:
    """Ask, and return for a yes; raises `TargetError` with the refusal for anything else.

    Without a terminal nobody is asked: the error says what is at stake and what `--yes` does.
    """
    if not sys.stdin.isatty():
        raise TargetError(f"{refusal}: {at_stake}there is no terminal to ask in; --yes {yes}")
    console.print(f"{question} [y/N] ", end="", markup=False, highlight=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise TargetError(refusal)


def json_option(parser: argparse.ArgumentParser) -> None:
    """Machine-readable output."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def target(arguments: argparse.Namespace) -> Target:
    """The stack that the options name; raises `TargetError` when it cannot be reached."""
    return reach(stack=arguments.stack, profile=arguments.profile, region=arguments.region, port=arguments.port)


def reach(
    *, stack: str | None = None, profile: str | None = None, region: str | None = None, port: int | None = None
) -> Target:
    """A stack, by the settings for what is not given; raises `TargetError` when it cannot be reached."""
    given = argparse.Namespace(stack=stack, profile=profile, region=region, port=port)
    settings.fill(given)
    found = connect(given.stack, profile=given.profile, region=given.region, port=given.port)
    return replace(found, options=_local_words(given.port)) if found.is_local else found


def _local_words(port: int) -> str:
    """The options by which a command means the local stack on a port, where the settings mean another one."""
    told = settings.usual()
    stack = "" if told["stack"].value == LOCAL_STACK else f" --stack {LOCAL_STACK}"
    # With a setting of its own another terminal, or another folder, would meet the default.
    return stack + ("" if port == LOCAL_PORT == told["port"].value else f" --port {port}")


def print_json(console: Console, value: Any) -> None:
    """JSON as it is, without colours or wrapping, so that other programs can read it."""
    encoding = str(getattr(console.file, "encoding", None) or "utf-8").lower().replace("-", "")
    # In another code page a letter that it lacks would end the command, and readers expect UTF-8.
    console.file.write(json.dumps(value, indent=1, ensure_ascii=encoding != "utf8") + "\n")


def said(arguments: argparse.Namespace, console: Console) -> Console:
    """Where text for people goes: with --json standard output holds nothing but JSON."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH) if arguments.json else console


def duration(seconds: float) -> str:
    """Seconds in words: `33 s`, `5 min 3 s`, `2 h 4 min`."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
