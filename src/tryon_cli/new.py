"""`tryon new`: a manifest from a folder of pictures."""

import argparse
import json
import mimetypes
import shlex
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path, PurePath
from typing import get_args

from rich.console import Console

from tryon.checks import judge
from tryon.json_types import Json
from tryon.parameters import GarmentType
from tryon.planning import manifest as manifests
from tryon.planning.manifest import MAX_NAME, SERVICE, ManifestError, parse
from tryon.reporting import summary
from tryon.service import registry
from tryon_cli import pictures, product_table, review, sheet
from tryon_cli.naming import display_name, identifier
from tryon_cli.options import counted
from tryon_cli.pictures import no_picture
from tryon_cli.target import TargetError

SCHEMA_NAME = "manifest.schema.json"
"""The file beside a manifest from which an editor completes and checks it."""

MAX_LOOKED_AT = 1000
"""Files that are looked at in a folder of which nothing is taken."""

MAX_LEFT_OUT = 200
"""Files that are named when they are left out; a folder of thousands shall not scroll the rest away."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `new`."""
    parser = commands.add_parser(
        "new",
        help="write a manifest from a folder of pictures, or from a spreadsheet",
        description="Write a manifest from a folder that holds models/ and garments/upper, garments/lower and "
        "garments/full. A picture is known by its first bytes; its name becomes its id. What is left out is named. "
        "With --table the garments are the rows of a spreadsheet.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help="the folder with the pictures (default with --table: the table's)"
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="take the garments from this .csv or .xlsx file: a row each with the columns image and type (upper, lower "
        "or full), and id, name and outfit if they are there; rows of type model are the models",
    )
    parser.add_argument("--sheet", metavar="NAME", help="with --table: the sheet of an .xlsx file (default: the first)")
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="with --table: a CSV file's, such as gbk (default: UTF-8, 16 or Windows-1252)",
    )
    parser.add_argument(
        "--column",
        action="append",
        type=a_column,
        metavar="FIELD=HEADING",
        help="with --table: the column of another heading, such as image='Picture file'; may be repeated",
    )
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


def a_column(text: str) -> tuple[str, str]:
    """An option that says which heading stands for which of a table's columns."""
    name, _, heading = text.partition("=")
    if name.strip() not in product_table.COLUMNS or not heading.strip():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not such as image='Picture file'; columns are {', '.join(product_table.COLUMNS)}"
        )
    return name.strip(), heading.strip()


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
                elif no_picture(inner) is None:
                    raise TargetError(f"{inner} says no type: put it into {_TYPE_FOLDERS}")
                else:
                    found.left_out[inner] = no_picture(inner) or ""
        elif path.is_dir():
            _leave_pictures(path, found)
        elif (reason := no_picture(path)) is None:
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
        elif reason := no_picture(path):
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
    number = sum(no_picture(path) is None for path in islice(inside.left_out, MAX_LOOKED_AT))
    if number:
        more = " or more" if len(inside.left_out) > MAX_LOOKED_AT else ""
        found.left_out[folder] = f"has {number}{more} pictures and is neither models/ nor garments/"


@dataclass(frozen=True)
class Made:
    """A manifest in the making: what stands in each of its lists, field by field.

    `elsewhere` are the images that are no files here.
    """

    name: str
    models: Sequence[Mapping[str, str]]
    garments: Sequence[Mapping[str, str]]
    service: str | None = None
    outfits: Sequence[Mapping[str, str]] = ()
    elsewhere: Set[str] = frozenset()

    def encode(self) -> bytes:
        """The manifest as a file; raises UnicodeEncodeError where the name or a path is not UTF-8."""
        service = {} if self.service is None else {SERVICE: self.service}
        lists = {"models": self.models, "garments": self.garments}
        outfits = {"outfits": self.outfits} if self.outfits else {}
        fields = {"$schema": f"./{SCHEMA_NAME}", "name": self.name, **service, **lists, **outfits}
        return (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode()


def manifest(folder: Path, name: str, found: Found, out: Path) -> Made:
    """A manifest of the pictures that were found, with paths as they are from the folder that `out` is in."""
    ids: dict[str, set[str]] = {"models": set(), "garments": set()}

    def entry(path: Path, kind: str) -> dict[str, str]:
        stem = PurePath(pictures.text_of(path)).stem
        id_ = identifier(stem, ids[kind])
        shown = display_name(stem, id_)
        return {"id": id_, "image": pictures.path_from(out.parent, folder, path)} | ({"name": shown} if shown else {})

    models = [entry(path, "models") for path in found.pictures["models"]]
    garments = [
        {**entry(path, "garments"), "type": kind} for kind in get_args(GarmentType) for path in found.pictures[kind]
    ]
    return Made(name, models, garments)


def schema_text() -> str:
    """The manifest's JSON Schema as a file."""
    return _text_of(manifests.json_schema())


def _text_of(schema: Mapping[str, Json]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def add_schema_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `schema`."""
    parser = commands.add_parser("schema", help="print the JSON Schema of a manifest, a summary, a review or a judge")
    parser.add_argument("of", nargs="?", choices=tuple(_SCHEMAS), default="manifest", help="which one (%(default)s)")
    parser.set_defaults(command=print_schema)


_SCHEMAS = {
    "manifest": manifests.json_schema,
    "summary": summary.json_schema,
    "review": review.json_schema,
    "judge": judge.json_schema,
}


def print_schema(arguments: argparse.Namespace, console: Console) -> int:
    """Print the schema as it is."""
    console.file.write(_text_of(_SCHEMAS[arguments.of]()))
    return 0


@dataclass(frozen=True)
class Asked:
    """What `tryon new` is asked for, by the names of its options; `column` are headings by the field they stand for."""

    folder: Path | None = None
    table: Path | None = None
    sheet: str | None = None
    encoding: str | None = None
    column: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    service: str | None = None
    out: Path | None = None
    force: bool = False


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the manifest."""
    given = {one.name: getattr(arguments, one.name) for one in fields(Asked)}
    out, made = write(Asked(**{**given, "column": dict(arguments.column or ())}), console)
    worn = len(made.garments) + len(made.outfits)
    outfits = f"{counted(len(made.outfits), 'outfit')}, " if made.outfits else ""
    console.print(
        f"{out}: {counted(len(made.models), 'model')}, {counted(len(made.garments), 'garment')}, {outfits}"
        f"{counted(len(made.models) * worn, 'combination')}\n"
        f"next: tryon run {shlex.quote(str(out))}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def write(asked: Asked, console: Console) -> tuple[Path, Made]:
    """Write a manifest, say what was left out, and return the file and what is in it.

    Raises `TargetError`, `ManifestError` and OSError for what cannot be a manifest.
    """
    folder = _folder(asked)
    if not folder.is_dir():
        raise TargetError(f"{folder} is not a folder")
    out = asked.out or folder / "manifest.json"
    if not out.parent.is_dir():
        raise TargetError(f"{out.parent} is not a folder")
    try:
        name = asked.name or pictures.text_of(PurePath(folder.resolve().name))[:MAX_NAME] or "manifest"
        if asked.table is None:
            made = _of_folder(folder, name, out, asked.service, console)
        else:
            made = _of_table(asked.table, folder, name, out, asked, console)
    except UnicodeDecodeError:
        raise TargetError(f"the path of {folder} is not UTF-8: no manifest can hold it") from None
    data = _checked(made)
    if out.exists() and not asked.force:
        raise TargetError(f"{out} is there already: --force overwrites it")
    out.write_bytes(data)
    (out.parent / SCHEMA_NAME).write_text(schema_text(), encoding="utf-8")
    return out, made


def _folder(asked: Asked) -> Path:
    """The folder with the pictures: beside the table where none is named."""
    if asked.table is not None:
        return asked.folder or asked.table.parent
    if asked.folder is None:
        raise TargetError("name a folder of pictures, or a spreadsheet with --table")
    wrong = [name for name in ("sheet", "encoding", "column") if getattr(asked, name)]
    if wrong:
        raise TargetError(f"--{wrong[0]} is for --table")
    return asked.folder


def _of_folder(folder: Path, name: str, out: Path, service: str | None, console: Console) -> Made:
    found = look(folder)
    made = replace(manifest(folder, name, found, out), service=service)
    _say_left_out(found, console)
    if not made.models or not made.garments:
        missing = "models/" if not made.models else _TYPE_FOLDERS
        raise TargetError(f"{folder} has no pictures in {missing}")
    return made


def _of_table(file: Path, folder: Path, name: str, out: Path, asked: Asked, console: Console) -> Made:
    """The rows of a table; without a row of type model, the models are those of the folder's models/."""
    read = sheet.read(file, sheet=asked.sheet, encoding=asked.encoding)
    table = product_table.Table(read, asked.column)
    found = product_table.products(table, (file.parent, folder), out.parent)
    models: Sequence[Mapping[str, str]] = found.models or _models_of(folder, name, out, console)
    if not models:
        table.refuse(0, "", f"has no row of type {product_table.MODEL}, and {folder} has no pictures in models/")
    if not found.garments:
        table.refuse(0, "", "has no garment")
    made = Made(name, models, found.garments, asked.service, found.outfits, frozenset(found.elsewhere))
    if models and found.garments:
        try:
            _checked(made)
        except ManifestError as error:
            product_table.by_row(table, found, error)
    table.check()
    for note in found.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    return made


def _models_of(folder: Path, name: str, out: Path, console: Console) -> Sequence[Mapping[str, str]]:
    """The pictures in a folder's models/, as entries of a manifest."""
    looked = Found({kind: [] for kind in ("models", *get_args(GarmentType))})
    for path in _listed(folder, looked):
        if path.is_dir() and path.name.casefold() == "models":
            _take(path, "models", looked)
    _say_left_out(looked, console)
    return manifest(folder, name, looked, out).models


def _checked(made: Made) -> bytes:
    """The manifest's bytes, once what can be wrong with it was looked at."""
    try:
        data = made.encode()
    except UnicodeEncodeError:  # of --name
        raise TargetError("the name or the folder's path is not UTF-8: choose another with --name") from None

    def with_keys(entries: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        # The pictures' paths become keys when they are uploaded.
        return [
            entry if entry["image"] in made.elsewhere else {**entry, "image": "inputs/picture"} for entry in entries
        ]

    checked = replace(made, models=with_keys(made.models), garments=with_keys(made.garments))
    parse(checked.encode(), bucket="bucket", any_bucket=True)
    return data


def _say_left_out(found: Found, console: Console) -> None:
    for path, reason in islice(found.left_out.items(), MAX_LEFT_OUT):
        console.print(f"left out: {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(found.left_out) > MAX_LEFT_OUT:
        console.print(f"left out: {len(found.left_out) - MAX_LEFT_OUT:,} more", highlight=False)
    if found.hidden:
        console.print(f"left out: {counted(found.hidden, 'file')} beginning with a dot", highlight=False)
