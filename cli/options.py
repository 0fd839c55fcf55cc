"""Options that several commands share, and how they print."""

import argparse
import json
import os
from typing import Any

from rich.console import Console

from cli.target import LOCAL_PORT, LOCAL_STACK, Target, connect


def stack_options(parser: argparse.ArgumentParser) -> None:
    """Which stack a command speaks to, in the words of the AWS CLI."""
    group = parser.add_argument_group("stack")
    group.add_argument(
        "--stack",
        default=os.environ.get("TRYON_STACK", LOCAL_STACK),
        help="name of a deployed stack, or 'local' for the one of `tryon local up` (default: $TRYON_STACK or local)",
    )
    group.add_argument("--profile", help="AWS profile, as for the AWS CLI")
    group.add_argument("--region", help="AWS region, as for the AWS CLI")
    group.add_argument("--port", type=int, default=LOCAL_PORT, help="port of the local stack (%(default)s)")


def json_option(parser: argparse.ArgumentParser) -> None:
    """Machine-readable output."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def target(arguments: argparse.Namespace) -> Target:
    """The stack that the options name; raises `TargetError` when it cannot be reached."""
    return connect(arguments.stack, profile=arguments.profile, region=arguments.region, port=arguments.port)


def print_json(console: Console, value: Any) -> None:
    """JSON as it is, without colours or wrapping, so that other programs can read it."""
    console.file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
