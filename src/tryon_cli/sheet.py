"""The rows of a table that a spreadsheet saved, CSV or .xlsx, as texts that are what the spreadsheet shows."""

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tryon.planning.manifest import MAX_ENTRIES
from tryon.reporting.spreadsheet import decoded
from tryon_cli.number_format import NotShownError, shown
from tryon_cli.target import TargetError

MAX_BYTES = 64_000_000
"""Largest CSV file read."""

MAX_INFLATED = 100_000_000
"""Most bytes of an .xlsx file's parts together once unpacked; pictures that are stored as they are do not count."""

MAX_COLUMNS = 200
"""Columns that are read."""

WESTERN = "cp1252"
"""What Excel writes for "CSV" in western countries: Latin-1 with more letters."""

_MEDIA = "xl/media/"

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,  # the XML parser's
    NotImplementedError,
    RuntimeError,
)
"""What openpyxl and zipfile raise for files that are damaged or something else."""


@dataclass(frozen=True)
class Row:
    """A row by its number in the spreadsheet, 1 the first; `unclear` says why cells cannot be read, by column."""

    number: int
    cells: Sequence[str]
    unclear: dict[int, str] = field(default_factory=dict)

    def cell(self, column: int) -> str:
        return self.cells[column] if column < len(self.cells) else ""


@dataclass(frozen=True)
class Sheet:
    """A table's rows that hold anything, and what a person should know of how they were read.

    `delimited` says that a row may have more cells than it should, as in a CSV file.
    """

    name: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    delimited: bool = False


def letters(column: int) -> str:
    """A column's name in a spreadsheet, from its number, 0 the first: A, Z, AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def read(path: Path, *, sheet: str | None = None, encoding: str | None = None) -> Sheet:
    """A table by its first bytes, whatever it is called; raises `TargetError` for what is none, and OSError.

    `sheet` names one of an .xlsx file, the first that is seen by default; `encoding` is a CSV file's.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return _from_workbook(path, sheet)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise TargetError(f"{path}: is an old .xls file or has a password: save it as .xlsx or CSV without one")
    if sheet is not None:
        raise TargetError(f"{path}: is no .xlsx file: --sheet names nothing in it")
    if path.stat().st_size > MAX_BYTES:
        raise TargetError(f"{path}: is larger than {MAX_BYTES // 1_000_000} MB")
    return _from_text(path, encoding)


# --- CSV ---


def _from_text(path: Path, encoding: str | None) -> Sheet:
    text, notes = _decoded(path, encoding)
    rest = text.removeprefix("\ufeff")
    first, _, after = rest.partition("\n")
    delimiter = ""
    number = 0
    if told := re.fullmatch(r'"?sep=(.)?"?', first.rstrip("\r"), re.IGNORECASE):  # a line of Excel's own
        rest, delimiter, number = after, told[1] or "", 1
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=delimiter or _delimiter(rest), strict=True)
    rows = []
    try:
        for cells in reader:
            number += 1
            if any(cell.strip() for cell in cells):
                rows.append(Row(number, cells))
                _check_size(path, rows)
    except csv.Error as error:
        raise TargetError(f"{path}: row {number + 1} is not CSV: {error}") from None
    return Sheet(str(path), rows, notes, delimited=True)


def _decoded(path: Path, encoding: str | None) -> tuple[str, list[str]]:
    data = path.read_bytes()
    if encoding is not None:
        try:
            return data.decode(encoding), []
        except LookupError:
            raise TargetError(f"{encoding!r} is no encoding that is known here, such as utf-8, cp1252, gbk") from None
        except UnicodeDecodeError as error:
            raise TargetError(f"{path}: is not {encoding} text (byte {error.start})") from None
    try:
        return decoded(data), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(WESTERN), [f"{path} is not UTF-8: it was read as Windows-1252; --encoding names another"]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TargetError(
            f"{path}: is neither UTF-8 nor Windows-1252 text (line {line}): name its --encoding, or save it as "
            "'CSV UTF-8'"
        ) from None


def _delimiter(text: str) -> str:
    """What stands most often between the cells of the first line that holds anything; quoted cells do not count."""
    first = next((line for line in text.splitlines() if line.strip(" ,;\t|")), "")
    bare = re.sub(r'"[^"]*"?', "", first)
    return max(",;\t|", key=bare.count)


def _check_size(path: Path, rows: Sequence[Row]) -> None:
    if len(rows) > MAX_ENTRIES + 1:
        raise TargetError(f"{path}: has more than {MAX_ENTRIES:,} rows")


# --- .xlsx ---


def _from_workbook(path: Path, sheet: str | None) -> Sheet:
    if find_spec("openpyxl") is None:
        raise TargetError(
            f"{path}: .xlsx files need the extra `xlsx` (pip install 'tryon[xlsx]'); or save the sheet as CSV"
        )
    import openpyxl

    try:
        _check_parts(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it leaves out, such as drop-down lists
            # A file's name without the extension .xlsx is not taken; the file is.
            with path.open("rb") as file, closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
                found, notes = _worksheet(book, path, sheet)
                rows, computed = _rows(path, found)
            with path.open("rb") as file, closing(openpyxl.load_workbook(file, read_only=True)) as book:
                _mark_formulas(book[found.title], rows, computed)
    except _BROKEN as error:
        raise TargetError(f"{path}: cannot be read as an .xlsx file: {error or type(error).__name__}") from None
    kept = [row for row in rows if row.unclear or any(text.strip() for text in row.cells)]
    if len(kept) > MAX_ENTRIES + 1:
        raise TargetError(f"{path}: has more than {MAX_ENTRIES:,} rows")
    return Sheet(f"{path}, sheet {found.title!r}", kept, notes)


def _check_parts(path: Path) -> None:
    """Raises `TargetError` for an archive that would unpack to too much, or is of another program."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names and "[Content_Types].xml" not in names:
        raise TargetError(f"{path}: is no .xlsx file: save it as .xlsx or CSV")
    # No more than these bytes is ever unpacked of a part, whatever it holds.
    size = sum(part.file_size for part in parts if not _is_stored_picture(part))
    if size > MAX_INFLATED:
        raise TargetError(f"{path}: unpacks to {size:,} bytes, at most {MAX_INFLATED:,} are read")


def _is_stored_picture(part: zipfile.ZipInfo) -> bool:
    return part.filename.startswith(_MEDIA) and part.file_size <= 2 * part.compress_size


def _worksheet(book: Any, path: Path, sheet: str | None) -> tuple[Any, list[str]]:
    """The sheet of that name, or the first that is not hidden, and a note where there are several."""
    titles = [one.title for one in book.worksheets]
    if sheet is not None:
        if sheet not in titles:
            raise TargetError(f"{path}: has no sheet {sheet!r}; it has {', '.join(titles)}")
        found, notes = book[sheet], []
    else:
        seen = [one for one in book.worksheets if one.sheet_state == "visible"] or book.worksheets
        if not seen:
            raise TargetError(f"{path}: has no sheet")
        found = seen[0]
        notes = [f"{path} has {len(titles)} sheets: {found.title!r} was read; --sheet names another"] * (len(seen) > 1)
    return found, notes


def _cells(sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    sheet.reset_dimensions()  # what a file says of its own size need not be so
    return enumerate(sheet.iter_rows(max_row=MAX_ENTRIES + 3, max_col=MAX_COLUMNS), start=1)


def _rows(path: Path, sheet: Any) -> tuple[list[Row], set[tuple[int, int]]]:
    """All rows, and the empty cells whose formula has an empty text for its value, by row and column."""
    rows: list[Row] = []
    computed: set[tuple[int, int]] = set()
    for number, row in _cells(sheet):
        texts: list[str] = []
        unclear: dict[int, str] = {}
        for column, cell in enumerate(row):
            try:
                text = _text(cell)
            except NotShownError as error:
                text, unclear[column] = "", str(error)
            if not text and cell.data_type == "str":
                computed.add((number, column))
            texts.append(text)
        while texts and not texts[-1] and len(texts) - 1 not in unclear:
            texts.pop()
        rows.append(Row(number, texts, unclear))
    return rows, computed


def _text(cell: Any) -> str:
    if cell.data_type == "e":
        raise NotShownError(f"holds the error {cell.value}")
    value = cell.value
    if isinstance(value, str):
        # A character that XML cannot hold is written so, a line break of Windows for one.
        return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), value)
    return shown(value, cell.number_format or "General")


def _mark_formulas(sheet: Any, rows: Sequence[Row], computed: set[tuple[int, int]]) -> None:
    """Note each cell as unclear that holds a formula whose value the file does not have."""
    for (number, cells), row in zip(_cells(sheet), rows, strict=False):
        for column, cell in enumerate(cells):
            if cell.data_type == "f" and not row.cell(column) and (number, column) not in computed:
                row.unclear.setdefault(column, _NO_VALUE)


_NO_VALUE = "holds a formula whose value the file does not have: open it in a spreadsheet and save it"
