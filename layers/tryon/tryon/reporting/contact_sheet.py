"""The contact sheet: all of a run on one labelled picture, for a mail or a wall."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from tryon.keys import RunFolder, result_copy
from tryon.reporting.summary import Summary
from tryon.state.entry import Entry, Status

MAX_COLUMNS = 24
MAX_ROWS = 24
"""Garments times variants, and models, on one sheet: 24 x 24 cells are about 4,000 x 5,000 pixels."""

_CELL = (150, 200)
_GAP = 8
_MARGIN = 28
_SIDE = 150
_TITLE = 84
_HEAD = 150
_PAPER, _WELL, _INK, _SOFT = "#f7f5f1", "#ece7df", "#1d1b19", "#605a53"
_FAILED, _FAILED_INK = "#fbecea", "#a4262c"


@dataclass(frozen=True)
class Shown:
    """What is on the sheet: rows are models, columns garments under a variant; `left_out` says what is not."""

    models: Sequence[str]
    columns: Sequence[tuple[str, str]]
    entries: Sequence[Entry]
    left_out: str


def choose(entries: Iterable[Entry]) -> Shown:
    """The run's first models and garments, as many as one sheet holds; the entries are read once."""
    rows: dict[str, None] = {}
    order: dict[str, int] = {}
    columns: dict[tuple[str, int], list[Entry]] = {}
    total = 0
    for entry in entries:
        total += 1
        column = entry.worn, order.setdefault(entry.variant, len(order))
        if len(rows) < MAX_ROWS:
            rows[entry.model] = None
        if column not in columns:
            if len(columns) == MAX_COLUMNS:
                last = max(columns)
                if column > last:
                    continue
                del columns[last]
            columns[column] = []
        if entry.model in rows:
            columns[column].append(entry)
    names = {number: variant for variant, number in order.items()}
    shown = sorted((entry for column in columns.values() for entry in column), key=lambda entry: entry.n)
    left_out = ""
    if len(shown) < total:
        left_out = f"the first {len(shown):,} of {total:,} combinations; the gallery shows all"
    return Shown(list(rows), [(worn, names[number]) for worn, number in sorted(columns)], shown, left_out)


def draw(summary: Summary, shown: Shown, copies: Mapping[str, bytes]) -> bytes:
    """The sheet as JPEG; `copies` are the thumbnails by their keys in S3."""
    width = 2 * _MARGIN + _SIDE + len(shown.columns) * (_CELL[0] + _GAP)
    height = 2 * _MARGIN + _TITLE + _HEAD + len(shown.models) * (_CELL[1] + _GAP)
    sheet = Image.new("RGB", (max(width, 640), height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _title(pen, summary, shown, sheet.width - 2 * _MARGIN)
    folder = RunFolder(summary.run_id)
    variants = len({variant for _, variant in shown.columns})
    garments = {entry.worn: entry.garments for entry in shown.entries}
    left, top = _MARGIN + _SIDE, _MARGIN + _TITLE + _HEAD
    for column, (worn, variant) in enumerate(shown.columns):
        x = left + column * (_CELL[0] + _GAP)
        photos = [copies.get(folder.input_copy("thumbnails", "garments", id_)) for id_ in garments[worn]]
        box = (_CELL[0] // max(1, len(photos)), _HEAD - 48)
        for i, data in enumerate(photos):
            _paste(sheet, data, (x + i * box[0], top - _HEAD, *box), fill=None)
        name = worn.partition("-")[2]
        _text(pen, (x, top - 42), [name, variant] if variants > 1 else [name], _CELL[0], 15)
    for row, model in enumerate(shown.models):
        y = top + row * (_CELL[1] + _GAP)
        photo = copies.get(folder.input_copy("thumbnails", "models", model))
        _paste(sheet, photo, (_MARGIN, y, _SIDE - 16, _CELL[1] - 26), fill=None)
        _text(pen, (_MARGIN, y + _CELL[1] - 20), [model], _SIDE - 16, 15)
    places = {column: number for number, column in enumerate(shown.columns)}
    rows = {model: number for number, model in enumerate(shown.models)}
    for entry in shown.entries:
        x = left + places[entry.worn, entry.variant] * (_CELL[0] + _GAP)
        y = top + rows[entry.model] * (_CELL[1] + _GAP)
        _cell(sheet, pen, entry, copies, (x, y, *_CELL))
    out = BytesIO()
    sheet.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def _title(pen: ImageDraw.ImageDraw, summary: Summary, shown: Shown, width: int) -> None:
    lines = [f"{summary.succeeded:,} of {summary.total:,} combinations have a picture"]
    if shown.left_out:
        lines.append(shown.left_out)
    _text(pen, (_MARGIN, _MARGIN - 4), [_drawable(summary.name) or summary.run_id], width, 34)
    _text(pen, (_MARGIN, _MARGIN + 42), [" · ".join(lines)], width, 17, _SOFT)


def _drawable(text: str) -> str:
    """The text if Pillow's own font has its letters, which are Latin ones; empty otherwise."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return ""
    return text if text.isprintable() else ""


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _cell(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    entry: Entry,
    copies: Mapping[str, bytes],
    box: tuple[int, int, int, int],
) -> None:
    x, y, width, _ = box
    if entry.status is not Status.SUCCEEDED:
        pen.rectangle((x, y, x + width - 1, y + box[3] - 1), _FAILED)
        _text(pen, (x + 8, y + 10), _words(entry.error or entry.status, width - 16, 14), width - 16, 14, _FAILED_INK)
        return
    copy = next((copies.get(result_copy("thumbnails", result.key)) for result in entry.results), None)
    _paste(sheet, copy, box, fill=_WELL)
    if copy is None:
        _text(pen, (x + 8, y + 10), ["no preview"], width - 16, 14, _SOFT)


def _paste(sheet: Image.Image, data: bytes | None, box: tuple[int, int, int, int], *, fill: str | None) -> None:
    """A copy in the middle of a box, whole; the box alone where there is none."""
    x, y, width, height = box
    if fill is not None:
        sheet.paste(fill, (x, y, x + width, y + height))
    if data is None:
        return
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as picture:
            picture.draft("RGB", (width, height))
            picture.thumbnail((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
    except OSError:
        return  # a damaged copy leaves its box empty


def _text(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], width: int, size: int, colour: str = _INK
) -> None:
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * (size + 4)), _fitted(line, width, size), colour, _font(size))


def _fitted(text: str, width: int, size: int) -> str:
    """A text no wider than `width` pixels, its end replaced by dots where it is."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _words(error: str, width: int, size: int) -> list[str]:
    """An error's name over several lines, broken before its capitals."""
    font = _font(size)
    lines: list[str] = [""]
    for c in error:
        if c.isupper() and font.getlength(lines[-1]) > width * 0.55:
            lines.append("")
        lines[-1] += c
    return lines
