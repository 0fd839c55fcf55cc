"""`tryon new --table`: garments, types, outfits and names from a spreadsheet's columns; errors by row and column."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePath
from typing import get_args

from tryon.parameters import GarmentType
from tryon.planning.manifest import MAX_PROBLEMS, ManifestError, Problem
from tryon.reporting.spreadsheet import unmarked
from tryon.text import cut, quoted, shown
from tryon_cli import pictures
from tryon_cli.naming import display_name, identifier, plain
from tryon_cli.number_format import AS_TEXT
from tryon_cli.options import counted
from tryon_cli.sheet import Row, Sheet, letters
from tryon_cli.target import TargetError

COLUMNS = ("id", "image", "type", "name", "outfit")
"""The columns that mean something, whatever their order and case; `image` and `type` must be there."""

NEEDED = ("image", "type")

MODEL = "model"
"""The type of a row that is a person and no garment."""

TYPES = (*get_args(GarmentType), MODEL)

MAX_SHOWN = 80
"""Characters of a cell in a message."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHORTENED = re.compile(r"[+-]?\d([.,]\d+)?E[+-]?\d{2,}", re.IGNORECASE)
"""How a spreadsheet shows a long number in a narrow column, and saves it as CSV."""

Place = tuple[int, str]
"""A row's number and the column's field."""

Entry = dict[str, str]


@dataclass
class Products:
    """A table as entries of a manifest's lists; `places` has each list's rows in its entries' order.

    `elsewhere` are the images that are no files here.
    """

    models: list[Entry] = field(default_factory=list)
    garments: list[Entry] = field(default_factory=list)
    outfits: list[Entry] = field(default_factory=list)
    places: dict[str, list[int]] = field(default_factory=lambda: {"models": [], "garments": [], "outfits": []})
    elsewhere: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Table:
    """A sheet with its columns found: reads cells, and collects what is wrong with them by row and column.

    `renamed` are headings that stand for a column: `{"image": "Picture file"}`. Raises `TargetError` for a sheet
    without the columns that it needs.
    """

    def __init__(self, sheet: Sheet, renamed: Mapping[str, str] | None = None) -> None:
        if not sheet.rows:
            raise TargetError(f"{sheet.name}: is empty")
        self.sheet = sheet
        self.rows = sheet.rows[1:]
        self.problems: dict[Place, str] = {}
        head = [" ".join(unmarked(cell).split()) for cell in sheet.rows[0].cells]
        self.columns = _columns(sheet, head, renamed or {})
        self.width = len(head)
        used = set(self.columns.values())
        self.unused = [cell for column, cell in enumerate(head) if cell and column not in used]

    def text(self, row: Row, name: str) -> str:
        """A cell's text as it is shown, without the blanks around it; what cannot be read is noted."""
        column = self.columns.get(name)
        if column is None:
            return ""
        if column in row.unclear:
            self.refuse(row, name, row.unclear[column])
            return ""
        text = row.cell(column).strip()
        return text if name == "image" else " ".join(unmarked(text).split())

    def refuse(self, row: Row | int, name: str, why: str) -> None:
        """Note what is wrong with a cell, once."""
        self.problems.setdefault((row if isinstance(row, int) else row.number, name), why)

    def check_width(self, row: Row) -> None:
        """Note a row with more cells than there are headings: a delimiter in a text without quotes shifts them."""
        more = [letters(i) for i, cell in enumerate(row.cells) if i >= self.width and cell.strip()]
        if more and self.sheet.delimited:
            self.refuse(row, "", f"has more cells than there are headings ({more[0]}): does a text need quotes?")

    def check(self) -> None:
        """Raises `TargetError` with all that was noted, the first rows first."""
        if not self.problems:
            return
        ordered = sorted(self.problems.items(), key=lambda one: (one[0][0], self.columns.get(one[0][1], -1)))
        told = [f"{self._where(place)}: {why}" for place, why in ordered[:MAX_PROBLEMS]]
        left = len(ordered) - len(told)
        more = [f"and {left:,} more problem{'s' if left > 1 else ''}"] if left else []
        raise TargetError("\n  ".join([f"{self.sheet.name}: no manifest is written:", *told, *more]))

    def _where(self, place: Place) -> str:
        number, name = place
        column = self.columns.get(name)
        return (f"row {number}" if number else "the table") + (
            f", column {letters(column)} ({name})" if column is not None else ""
        )


def _columns(sheet: Sheet, head: Sequence[str], renamed: Mapping[str, str]) -> dict[str, int]:
    """Which column each field is; raises `TargetError` for one that is missing or there twice."""
    folded = [cell.casefold() for cell in head]
    wanted = {name: " ".join(renamed.get(name, name).split()) for name in COLUMNS}
    found, problems = {}, []
    for name, heading in wanted.items():
        number = folded.count(heading.casefold())
        if number > 1:
            problems.append(f"has {number} columns {heading!r}")
        elif number:
            found[name] = folded.index(heading.casefold())
        elif name in NEEDED or name in renamed:
            near = difflib.get_close_matches(heading.casefold(), [cell for cell in folded if cell], n=1)
            likely = f"; did you mean {head[folded.index(near[0])]!r}?" if near else ""
            problems.append(f"has no column {heading!r}{likely}")
    if problems:
        there = ", ".join(shown(cell, MAX_SHOWN) for cell in head if cell) or "none"
        raise TargetError(
            f"{sheet.name}: {'; '.join(problems)}. Row {sheet.rows[0].number}, the first that is not empty, has the "
            f"headings: {cut(there, 1000)}. --column image='Picture file' says that another heading is meant"
        )
    return found


def products(table: Table, folders: Sequence[Path], out: Path) -> Products:
    """The entries of a table; `Table.problems` has what is wrong with it.

    Pictures are looked for in `folders`, and named as a manifest in the folder `out` names them.
    """
    found = Products()
    taken: dict[str, dict[str, int]] = {"models": {}, "garments": {}}
    members: dict[str, list[tuple[int, Entry]]] = {}
    unclear: set[str] = set()
    images = _Images(table, folders, out)
    for row in table.rows:
        before = len(table.problems)
        table.check_width(row)
        kind = _kind(table, row)
        key = "models" if kind == MODEL else "garments"
        entry = {"image": images.named(row)} | ({} if kind == MODEL else {"type": kind})
        labels = _labels(table, row, kind)
        entry |= _names(table, row, taken[key])
        if len(table.problems) > before:
            unclear.update(labels)
            continue
        (found.models if kind == MODEL else found.garments).append(entry)
        found.places[key].append(row.number)
        for label in labels:
            members.setdefault(label, []).append((row.number, entry))
    known = {entry["id"]: number for entry, number in zip(found.garments, found.places["garments"], strict=True)}
    for label, own in members.items():
        if label not in unclear:  # what it lacks may be in the row that is refused
            _add_outfit(table, found, label, own, known)
    found.elsewhere += images.elsewhere
    found.notes += _notes(table, found)
    return found


def _kind(table: Table, row: Row) -> str:
    text = table.text(row, "type")
    kind = text.casefold()
    if kind in TYPES:
        return kind
    if not text:
        table.refuse(row, "type", f"is empty: it must be {_alternatives(TYPES)}")
    else:
        near = difflib.get_close_matches(kind, TYPES, n=1)
        likely = f"; did you mean {near[0]!r}?" if near else ""
        table.refuse(row, "type", f"{quoted(text, MAX_SHOWN)} is not {_alternatives(TYPES)}{likely}")
    return ""


def _alternatives(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


class _Images:
    """The pictures of a table: `elsewhere` are those that are no files here."""

    def __init__(self, table: Table, folders: Sequence[Path], out: Path) -> None:
        self._table, self._folders, self._out = table, tuple(dict.fromkeys(folders)), out
        self.elsewhere: list[str] = []

    def named(self, row: Row) -> str:
        """A row's picture as a manifest names it: a file's path; a key or an `s3://` address as it is."""
        table, text = self._table, self._table.text(row, "image")
        if not text:
            table.refuse(row, "image", "is empty: a file's path, a key in the bucket or an s3:// address is needed")
            return ""
        for form in dict.fromkeys((text, text.replace("\\", "/"))):  # Windows writes paths so
            for folder in self._folders:
                if (path := pictures.find(form, folder)) is not None:
                    return self._file(row, path, folder)
        if re.match(r"https?://", text, re.IGNORECASE):
            table.refuse(
                row, "image", f"{quoted(text, MAX_SHOWN)} is an address on the web: save the picture as a file"
            )
        elif pictures.is_path(text) or re.match(r"[A-Za-z]:[\\/]", text):
            hint = pictures.hint(text, self._folders[0], len(table.problems))
            table.refuse(row, "image", f"{quoted(text, MAX_SHOWN)} is no file here{hint}")
        else:
            self.elsewhere.append(text)
        return text

    def _file(self, row: Row, path: Path, folder: Path) -> str:
        if (why := pictures.no_picture(path)) is not None:
            self._table.refuse(row, "image", f"{path} {why}")
            return ""
        return pictures.path_from(self._out, folder, path)


def _labels(table: Table, row: Row, kind: str) -> list[str]:
    """The outfits that a garment belongs to."""
    text = table.text(row, "outfit")
    labels = list(dict.fromkeys(label.strip() for label in re.split("[;|]", text) if label.strip()))
    if labels and kind not in ("upper", "lower", ""):
        table.refuse(row, "outfit", f"a row of type {kind} is in no outfit: one is an upper and a lower garment")
    return labels


def _names(table: Table, row: Row, taken: dict[str, int]) -> Entry:
    """A row's id, and its name: without one, the text of an id that cannot be an id as it is."""
    text, name = table.text(row, "id"), table.text(row, "name")
    if not text:
        text = PurePath(table.text(row, "image").replace("\\", "/")).stem
        id_ = identifier(text if plain(text) else f"row-{row.number}", set(taken))
    else:
        id_ = text if _ID.fullmatch(text) else plain(text)
        if _SHORTENED.fullmatch(text):
            table.refuse(row, "id", f"{quoted(text)} is a number that a spreadsheet has shortened: {AS_TEXT}")
        elif not id_:
            why = "has no letter or digit that an id can have: leave it empty, and put it into a column 'name'"
            table.refuse(row, "id", f"{quoted(text, MAX_SHOWN)} {why}")
        elif id_ in taken:
            as_id = "" if id_ == text else f" becomes {id_!r}, which"
            table.refuse(row, "id", f"{quoted(text, MAX_SHOWN)}{as_id} is the id of row {taken[id_]} already")
    taken.setdefault(id_, row.number)
    name = name or display_name(text, id_)
    return {"id": id_} | ({"name": name} if name else {})


def _add_outfit(
    table: Table, found: Products, label: str, own: Sequence[tuple[int, Entry]], known: dict[str, int]
) -> None:
    """An upper and a lower garment that have the same text in the column `outfit`; `known` are the rows of ids."""
    told, first = quoted(label, MAX_SHOWN), own[0][0]
    parts: Entry = {}
    for part in ("upper", "lower"):
        rows = [(number, entry["id"]) for number, entry in own if entry["type"] == part]
        for number, _ in rows[1:]:
            table.refuse(number, "outfit", f"{told} has its {part} garment in row {rows[0][0]} already")
        if rows:
            parts[part] = rows[0][1]
        else:
            table.refuse(first, "outfit", f"{told} has no {part} garment: another row must name it")
    id_, name = plain(label), ""
    if not id_:
        table.refuse(first, "outfit", f"{told} has no letter or digit that an id can have: a-z, 0-9")
    elif id_ in known:
        table.refuse(first, "outfit", f"{told} has the id {id_!r}, which row {known[id_]} has already")
    known.setdefault(id_, first)
    if len(parts) == 2:
        name = display_name(label, id_)
        found.outfits.append({"id": id_, **parts} | ({"name": name} if name else {}))
        found.places["outfits"].append(first)


def _notes(table: Table, found: Products) -> Iterator[str]:
    elsewhere = found.elsewhere
    yield from table.sheet.notes
    if table.unused:
        named = ", ".join(quoted(heading, MAX_SHOWN) for heading in islice(table.unused, MAX_PROBLEMS))
        yield f"columns left out: {named}" + (", …" if len(table.unused) > MAX_PROBLEMS else "")
    images = Counter(entry["image"] for entry in found.garments)
    again = sum(number - 1 for number in images.values())
    if again:
        have = "has" if again == 1 else "have"
        yield f"{counted(again, 'garment')} {have} the picture of another one: each is made and paid for"
    if elsewhere:
        named = ", ".join(shown(image, MAX_SHOWN) for image in elsewhere[:3]) + (", …" if len(elsewhere) > 3 else "")
        yield (
            f"{counted(len(elsewhere), 'picture')} {'is' if len(elsewhere) == 1 else 'are'} no file here and taken for "
            f"a key or an address, which `tryon plan` looks for: {named}"
        )


def by_row(table: Table, found: Products, error: ManifestError) -> None:
    """Note what a manifest made of a table is refused for, by the row and column that it comes from."""
    for problem in error.problems:
        place = _place(problem, found)
        table.refuse(place[0], place[1], problem.message) if place else table.refuse(0, "", str(problem))


def _place(problem: Problem, found: Products) -> Place | None:
    match = re.match(r"(models|garments|outfits)\[(\d+)\](?:\.(\w+))?", problem.field)
    if match is None or int(match[2]) >= len(found.places[match[1]]):
        return None
    name = "outfit" if match[1] == "outfits" else match[3] or "id"
    return found.places[match[1]][int(match[2])], name
