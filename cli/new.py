"""`tryon new`: a manifest from a folder of pictures."""

import argparse
import json
import re
import unicodedata
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from cli.options import counted
from cli.target import TargetError
from tryon.manifest import json_schema, parse
from tryon.parameters import GarmentType

SCHEMA_NAME = "manifest.schema.json"
"""The file beside a manifest from which an editor completes and checks it."""

_INDIVISIBLE = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Latin letters that Unicode does not take apart into one without an accent and the accent."""

PICTURES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `new`."""
    parser = commands.add_parser(
        "new",
        help="write a manifest from a folder of pictures",
        description="Write a manifest from a folder that holds models/ and garments/upper, garments/lower and "
        "garments/full. A picture's name becomes its id.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", help="what people call the run (default: the folder's name)")
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


def manifest(folder: Path, name: str) -> dict[str, Any]:
    """A manifest of everything in the folder; raises `TargetError` when something is not where it belongs."""

    def pictures(of: Path) -> list[Path]:
        return sorted(path for path in of.glob("*") if path.suffix.lower() in PICTURES)

    taken: dict[str, set[str]] = {"models": set(), "garments": set()}
    models = [
        {"id": identifier(path.stem, taken["models"]), "image": path.relative_to(folder).as_posix()}
        for path in pictures(folder / "models")
    ]
    garments = [
        {
            "id": identifier(path.stem, taken["garments"]),
            "image": path.relative_to(folder).as_posix(),
            "type": kind,
        }
        for kind in get_args(GarmentType)
        for path in pictures(folder / "garments" / kind)
    ]
    stray = pictures(folder / "garments")
    if stray:
        raise TargetError(f"{stray[0]} says no type: put it into garments/upper, garments/lower or garments/full")
    if not models or not garments:
        missing = "models/" if not models else "garments/upper, garments/lower or garments/full"
        raise TargetError(f"{folder} has no pictures in {missing}")
    return {"$schema": f"./{SCHEMA_NAME}", "name": name, "models": models, "garments": garments}


def schema_text() -> str:
    """The manifest's JSON Schema as a file."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def add_schema_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `schema`."""
    parser = commands.add_parser("schema", help="print the manifest's JSON Schema, for editors")
    parser.set_defaults(command=print_schema)


def print_schema(arguments: argparse.Namespace, console: Console) -> int:
    """Print the schema as it is."""
    console.file.write(schema_text())
    return 0


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the manifest."""
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise TargetError(f"{folder} is not a folder")
    found = manifest(folder, arguments.name or folder.resolve().name)
    out: Path = arguments.out or folder / "manifest.json"
    data = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    parse(data.encode(), bucket="bucket")
    if out.exists() and not arguments.force:
        raise TargetError(f"{out} is there already: --force overwrites it")
    out.write_text(data)
    (out.parent / SCHEMA_NAME).write_text(schema_text())
    console.print(
        f"{out}: {counted(len(found['models']), 'model')}, {counted(len(found['garments']), 'garment')}, "
        f"{counted(len(found['models']) * len(found['garments']), 'combination')}\nnext: tryon run {out}",
        highlight=False,
    )
    return 0
