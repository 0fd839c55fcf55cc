"""The usual stack, profile, region and port, where no option says otherwise: environment, then setting files.

`.tryon.toml` in this folder or the nearest one above is a project's, `~/.config/tryon/config.toml` a person's. A field
that both have is the project's. `$TRYON_SETTINGS` names one file that is read instead of both.
"""

import argparse
import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tryon_cli.target import LOCAL_PORT, LOCAL_STACK, TargetError

PROJECT_FILE = ".tryon.toml"

MAX_BYTES = 64_000
"""Largest setting file read."""

MOST_PORTS = 65535

FIELDS: Mapping[str, type] = {"stack": str, "profile": str, "region": str, "port": int}
"""What a setting file may say."""

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
"""Variables by which a program is somebody without a profile."""

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "stack": ("TRYON_STACK",),
    # Keys in the environment are somebody's own: a profile of a file would set them aside.
    "profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", *_SECRETS),
    "region": ("AWS_DEFAULT_REGION",),
    "port": ("TRYON_PORT",),
}
"""The environment variables that say each setting, the first before the next."""

_DEFAULTS: Mapping[str, str | int | None] = {
    "stack": LOCAL_STACK,
    "profile": None,
    "region": None,
    "port": LOCAL_PORT,
}


@dataclass(frozen=True)
class Setting:
    """A setting and where it is from: a variable, a file, or nowhere for the default."""

    value: str | int | None
    origin: str = ""


def usual() -> dict[str, Setting]:
    """All settings by name, as they are without any option; raises `TargetError` for what cannot be understood."""
    files = [(path, read(path)) for path in files_here()]
    return {name: _one(name, files) for name in FIELDS}


def _one(name: str, files: list[tuple[Path, dict[str, str | int]]]) -> Setting:
    for variable in VARIABLES[name]:
        given = os.environ.get(variable)
        if given:
            secret = "set" if variable in _SECRETS else given  # never shown
            return Setting(_port(given, f"${variable}") if name == "port" else secret, f"${variable}")
    for path, told in files:
        if name in told:
            return Setting(told[name], str(path))
    return Setting(_DEFAULTS[name])


def files_here() -> list[Path]:
    """The setting files that hold here: the project's, then the person's; or the one that `$TRYON_SETTINGS` names."""
    if named := os.environ.get("TRYON_SETTINGS"):
        return [Path(named)]
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 Path's raises where there is no home
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "tryon" / "config.toml"
    try:
        here = Path.cwd()
    except FileNotFoundError:  # a folder that was deleted
        return [configured] if configured.is_file() else []
    found = []
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            found.append(folder / PROJECT_FILE)
            break
        if folder == home:
            break  # what is above is another's
    return [*found, configured] if configured.is_file() else found


def read(path: Path) -> dict[str, str | int]:
    """A setting file's fields; raises `TargetError` that names file and line of what is wrong, and OSError."""
    if path.stat().st_size > MAX_BYTES:
        raise TargetError(f"{path}: is larger than {MAX_BYTES:,} bytes")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        told = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise TargetError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TargetError(f"{path}: is not TOML: {error}") from None
    problems = [f"{path}: {_line(text, name)}{name}: {why}" for name in told if (why := _wrong(name, told[name]))]
    if problems:
        raise TargetError("\n".join(problems[:20]))
    return told


def _wrong(name: str, value: object) -> str:
    """Why a field cannot be taken, empty where it can."""
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        return f"is not a known field; {f'did you mean {near[0]!r}?' if near else 'known are ' + ', '.join(FIELDS)}"
    if FIELDS[name] is int:
        right = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PORTS
        return "" if right else f"must be a whole number from 1 to {MOST_PORTS}"
    return "" if isinstance(value, str) and value else "must be a text, in quotes and not empty"


def _line(text: str, name: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*(\[+\s*)?[\"']?{re.escape(name)}[\"']?\s*[=.\]]", line):
            return f"line {number}: "
    return ""


def _port(text: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MOST_PORTS:
        raise TargetError(f"{where}: {text!r} is not a whole number from 1 to {MOST_PORTS}")
    return int(text)


def fill(arguments: argparse.Namespace) -> None:
    """Give each option of the stack that was left out its usual value; what is the AWS SDK's own to find stays None."""
    missing = [name for name in FIELDS if getattr(arguments, name, "") is None]
    if not missing:
        return
    told = usual()
    for name in missing:
        setattr(arguments, name, _for_option(name, told[name]))


def _for_option(name: str, setting: Setting) -> str | int | None:
    # The SDK reads its own variables, and knows that keys come before a profile.
    return None if setting.origin.startswith("$AWS_") else setting.value


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `settings`."""
    parser = commands.add_parser(
        "settings",
        help="which stack, profile, region and port are used here, and why",
        description="Say which stack, profile, region and port the commands use in this folder, and where each is "
        f"from: a variable, the nearest {PROJECT_FILE} in this folder or above, ~/.config/tryon/config.toml, or the "
        "default. Options come before all of them.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(command=show)


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print each setting with its origin."""
    from tryon_cli.options import print_json  # which uses this module

    told = usual()
    if arguments.json:
        print_json(console, {name: {"value": one.value, "origin": one.origin} for name, one in told.items()})
        return 0
    values = {name: "-" if one.value is None else str(one.value) for name, one in told.items()}
    width = max(len(value) for value in values.values())
    for name, one in told.items():
        line = f"{name:<7}  {values[name]:<{width}}  {one.origin or 'the default'}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0
