"""`tryon new`: a manifest from a folder of pictures."""

import argparse
import json
import mimetypes
import os
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePath
from typing import get_args

from rich.console import Console

from tryon.json_types import Json
from tryon.parameters import GarmentType
from tryon.pictures.formats import HEAD_BYTES, looks_like, recognise_format, sentence
from tryon.planning import manifest as manifests
from tryon.planning.manifest import SERVICE, parse
from tryon.reporting import summary
from tryon.service import registry
from tryon_cli import review
from tryon_cli.options import counted
from tryon_cli.target import TargetError

SCHEMA_NAME = "manifest.schema.json"
"""The file beside a manifest from which an editor completes and checks it."""

_INDIVISIBLE = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Latin letters that Unicode does not take apart into one without an accent and the accent."""

MAX_NAME = 80
"""Longest name of a manifest, in characters."""

MAX_LOOKED_AT = 1000
"""Files that are looked at in a folder of which nothing is taken."""

MAX_LEFT_OUT = 200
"""Files that are named when they are left out; a folder of thousands shall not scroll the rest away."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `new`."""
    parser = commands.add_parser(
        "new",
        help="write a manifest from a folder of pictures",
        description="Write a manifest from a folder that holds models/ and garments/upper, garments/lower and "
        "garments/full. A picture is known by its first bytes; its name becomes its id. What is left out is named.",
    )
    parser.add_argument("folder", type=Path, help="the folder with the pictures")
    parser.add_argument("--name", help="what people call the run (default: the folder's name)")
    parser.add_argument(
        "--service",
        metavar="SERVICE",
        help=f"the try-on service, {', '.join(registry.SERVICES)}, or a model of it as service/model "
        "(default: the stack's)",
    )
    parser.add_argument("--out", type=Path, help="file to write (default: manifest.json in the folder)")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it is there")
    parser.set_defaults(command=run)


def identifier(name: str, taken: set[str]) -> str:
    """An id made of a file's name without its accents, unlike those already taken."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_INDIVISIBLE))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:58].rstrip("-") or "picture"
    found, n = base, 1
    while found in taken:
        n += 1
        found = f"{base}-{n}"
    taken.add(found)
    return found


@dataclass
class Found:
    """The pictures of a folder, by `models` and by the garments' types, and why other files were left out."""

    pictures: dict[str, list[Path]]
    left_out: dict[Path, str] = field(default_factory=dict)
    hidden: int = 0


def look(folder: Path) -> Found:  # noqa: C901 - a branch for each kind of file
    """Look at every file in the folder; raises `TargetError` for a garment that says no type."""
    types = get_args(GarmentType)
    found = Found({kind: [] for kind in ("models", *types)})
    for path in _listed(folder, found):
        kind = path.name.casefold()
        if path.is_dir() and kind == "models":
            _take(path, "models", found)
        elif path.is_dir() and kind == "garments":
            for inner in _listed(path, found):
                if inner.is_dir() and inner.name.casefold() in types:
                    _take(inner, inner.name.casefold(), found)
                elif inner.is_dir():
                    _leave_all(inner, f"{inner.name}/ is none of {_TYPE_FOLDERS}", found)
                elif _reason(inner) is None:
                    raise TargetError(f"{inner} says no type: put it into {_TYPE_FOLDERS}")
                else:
                    found.left_out[inner] = _reason(inner) or ""
        elif path.is_dir():
            _leave_pictures(path, found)
        elif (reason := _reason(path)) is None:
            found.left_out[path] = f"is in neither models/ nor {_TYPE_FOLDERS}"
        elif (mimetypes.guess_type(path.name)[0] or "").startswith("image/"):
            found.left_out[path] = reason
    return found


_TYPE_FOLDERS = "garments/upper, garments/lower or garments/full"


def _listed(folder: Path, found: Found) -> list[Path]:
    """What is in a folder, by name, without what begins with a dot: a Mac's twins of pictures, settings."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        found.left_out[folder] = f"cannot be read: {error.strerror}"
        return []
    found.hidden += sum(path.name.startswith(".") and not path.is_dir() for path in paths)
    return [path for path in paths if not path.name.startswith(".")]


def _take(folder: Path, kind: str, found: Found) -> None:
    for path in _listed(folder, found):
        if path.is_dir():
            _leave_all(path, f"is in a folder inside {folder.name}/", found)
        elif reason := _reason(path):
            found.left_out[path] = reason
        else:
            found.pictures[kind].append(path)


def _leave_all(folder: Path, reason: str, found: Found) -> None:
    for path in _listed(folder, found):
        if path.is_symlink() and path.is_dir():
            found.left_out[path] = reason
        elif path.is_dir():
            _leave_all(path, reason, found)
        else:
            found.left_out[path] = reason


def _leave_pictures(folder: Path, found: Found) -> None:
    """Name another folder that has pictures, such as one of results, by their number alone."""
    inside = Found({})
    _leave_all(folder, "", inside)
    number = sum(_reason(path) is None for path in islice(inside.left_out, MAX_LOOKED_AT))
    if number:
        more = " or more" if len(inside.left_out) > MAX_LOOKED_AT else ""
        found.left_out[folder] = f"has {number}{more} pictures and is neither models/ nor garments/"


def _reason(path: Path) -> str | None:
    """Why a file is no picture for a manifest; None if it is one."""
    try:
        _text(path)
        if not path.is_file():
            return "is no file" if path.exists() else "is a link that leads nowhere"
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if recognise_format(head) is not None:
        return None
    looks = looks_like(head)
    return "is empty" if not head else f"is not a {sentence()} picture" + (f": it looks like {looks}" if looks else "")


def _text(path: PurePath) -> str:
    """A path as UTF-8 reads it, whatever code page the system is set to; raises UnicodeDecodeError."""
    return os.fsencode(path.as_posix()).decode("utf-8")


@dataclass(frozen=True)
class Made:
    """A manifest in the making: what stands in each of its lists, field by field."""

    name: str
    models: Sequence[Mapping[str, str]]
    garments: Sequence[Mapping[str, str]]
    service: str | None = None

    def encode(self) -> bytes:
        """The manifest as a file; raises UnicodeEncodeError where the name or a path is not UTF-8."""
        service = {} if self.service is None else {SERVICE: self.service}
        pictures = {"models": self.models, "garments": self.garments}
        fields = {"$schema": f"./{SCHEMA_NAME}", "name": self.name, **service, **pictures}
        return (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode()


def manifest(folder: Path, name: str, found: Found, out: Path) -> Made:
    """A manifest of the pictures that were found, with paths as they are from the folder that `out` is in."""
    ids: dict[str, set[str]] = {"models": set(), "garments": set()}
    models = [
        {"id": identifier(PurePath(_text(path)).stem, ids["models"]), "image": _from(out, folder, path)}
        for path in found.pictures["models"]
    ]
    garments = [
        {"id": identifier(PurePath(_text(path)).stem, ids["garments"]), "image": _from(out, folder, path), "type": kind}
        for kind in get_args(GarmentType)
        for path in found.pictures[kind]
    ]
    return Made(name, models, garments)


def _from(out: Path, folder: Path, picture: Path) -> str:
    """A picture's path from the manifest's folder, an absolute one where there is none (another drive)."""
    # The folders' links are followed, for `..` is taken after them; the picture's own are not.
    there = folder.resolve() / picture.relative_to(folder)
    try:
        path = _text(PurePath(os.path.relpath(there, out.parent.resolve())))
    except ValueError:
        return _text(there)
    return f"./{path}" if path.startswith("~") else path


def schema_text() -> str:
    """The manifest's JSON Schema as a file."""
    return _text_of(manifests.json_schema())


def _text_of(schema: Mapping[str, Json]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def add_schema_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `schema`."""
    parser = commands.add_parser("schema", help="print the JSON Schema of a manifest, a summary or a review")
    parser.add_argument("of", nargs="?", choices=tuple(_SCHEMAS), default="manifest", help="which one (%(default)s)")
    parser.set_defaults(command=print_schema)


_SCHEMAS = {"manifest": manifests.json_schema, "summary": summary.json_schema, "review": review.json_schema}


def print_schema(arguments: argparse.Namespace, console: Console) -> int:
    """Print the schema as it is."""
    console.file.write(_text_of(_SCHEMAS[arguments.of]()))
    return 0


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the manifest."""
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise TargetError(f"{folder} is not a folder")
    out: Path = arguments.out or folder / "manifest.json"
    if not out.parent.is_dir():
        raise TargetError(f"{out.parent} is not a folder")
    found = look(folder)
    try:
        name = arguments.name or _text(PurePath(folder.resolve().name))[:MAX_NAME] or "manifest"
        made = replace(manifest(folder, name, found, out), service=arguments.service)
    except UnicodeDecodeError:
        raise TargetError(f"the path of {folder} is not UTF-8: no manifest can hold it") from None
    _say_left_out(found, console)
    if not made.models or not made.garments:
        missing = "models/" if not made.models else _TYPE_FOLDERS
        raise TargetError(f"{folder} has no pictures in {missing}")
    data = _checked(made)
    if out.exists() and not arguments.force:
        raise TargetError(f"{out} is there already: --force overwrites it")
    out.write_bytes(data)
    (out.parent / SCHEMA_NAME).write_text(schema_text(), encoding="utf-8")
    console.print(
        f"{out}: {counted(len(made.models), 'model')}, {counted(len(made.garments), 'garment')}, "
        f"{counted(len(made.models) * len(made.garments), 'combination')}\n"
        f"next: tryon run {shlex.quote(str(out))}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _checked(made: Made) -> bytes:
    """The manifest's bytes, once what can be wrong with it (its name) was looked at."""
    try:
        data = made.encode()
    except UnicodeEncodeError:  # of --name
        raise TargetError("the name or the folder's path is not UTF-8: choose another with --name") from None

    def with_a_key(entries: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        # The pictures' paths become keys when they are uploaded.
        return [{**entry, "image": "inputs/picture"} for entry in entries]

    parse(replace(made, models=with_a_key(made.models), garments=with_a_key(made.garments)).encode(), bucket="bucket")
    return data


def _say_left_out(found: Found, console: Console) -> None:
    for path, reason in islice(found.left_out.items(), MAX_LEFT_OUT):
        console.print(f"left out: {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(found.left_out) > MAX_LEFT_OUT:
        console.print(f"left out: {len(found.left_out) - MAX_LEFT_OUT:,} more", highlight=False)
    if found.hidden:
        console.print(f"left out: {counted(found.hidden, 'file')} beginning with a dot", highlight=False)
