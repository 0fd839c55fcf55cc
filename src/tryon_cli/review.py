"""What reviewers said: exports of the gallery, read, and the one answer to whether a picture is approved.

An export is a JSON file (UTF-8), of which docs/review.schema.json is the schema:

    {"format": "tryon-review", "version": 2,
     "run_id": "20261123T090000Z-spring-1a2b3c4d",
     "review": "9f2c41d07e55a310",         drawn at random when a browser's review began
     "reviewer": "Lin",                    may be empty
     "exported_at": "2026-11-23T10:00:00.000Z",
     "variants": ["a", "b"],
     "preferences": [{"model": "anna", "worn": "01-linen-shirt", "type": "upper",
                      "shown": ["b", "a"],   from left to right
                      "preferred": "a",      null when both are equal, or both bad
                      "both_bad": false, "repeat": false,
                      "blind": true, "at": "2026-11-23T09:58:12.000Z"}],
     "ratings": [{"model": "anna", "worn": "01-linen-shirt", "type": "upper", "variant": "a",
                  "take": 1, "candidate": 1, "stars": 4, "blind": false, "at": "2026-11-23T09:59:40.000Z"}],
     "marks": [{"model": "anna", "worn": "01-linen-shirt", "type": "upper", "variant": "a", "take": 1, "candidate": 1,
                "mark": "reject",            or pick
                "reason": "colour",          of REASONS, or null
                "note": "too green", "blind": false, "at": "2026-11-23T10:00:02.000Z"}]}

or a CSV file of the same judgements, a line each, with the columns of `COLUMNS`: `preferred` is a variant, `=` or `!`
where both are bad, `shown` holds variants separated by blanks, and a rating has `variant` and `stars` instead of the
two, a mark `variant` and `mark`. Version 1 knows no marks, candidates and takes: its ratings are of the first. `type`
is upper, lower, full, outfit or empty. Text that a spreadsheet would read as something else carries a leading
apostrophe (`tryon.reporting.spreadsheet`); a spreadsheet may have saved the file again, with its own delimiter,
encoding and words.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tryon.reporting.spreadsheet import decoded, is_doubtful, truth, unmarked, whole

MAX_BYTES = 50_000_000
"""Largest export read: 10,000 preferences and as many ratings have about 5 MB."""

APPROVED_STARS = 4
"""Stars from which a picture without a mark counts as approved."""

Reason = Literal["garment", "colour", "print", "fit", "hands", "face", "background", "crop"]
"""Why a picture is rejected: the garment is another one, its colour, print or logo, length or fit, hands, face,
background, crop."""

REASONS: tuple[Reason, ...] = get_args(Reason)

COLUMNS = (
    "run_id",
    "review",
    "reviewer",
    "model",
    "worn",
    "type",
    "preferred",
    "shown",
    "variant",
    "stars",
    "blind",
    "at",
)
"""The columns of a CSV export, as version 1 has them."""

MORE_COLUMNS = ("take", "candidate", "mark", "reason", "note", "repeat")
"""The columns that version 2 has besides."""

_EQUAL = "="
_BOTH_BAD = "!"

_Text = Annotated[str, Field(max_length=256)]
_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Number = Annotated[int, Field(ge=1, le=1000)]
_MODEL = ConfigDict(frozen=True)


_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
_WORN = re.compile(r"[0-9]+-[a-z0-9][a-z0-9-]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)?")


class ExportError(Exception):
    """A file that is no export of the gallery, or that a spreadsheet changed; the message names file and place."""


@dataclass(frozen=True)
class Doubt:
    """A cell of a CSV file that a spreadsheet may have changed: `007` and `7` look alike to it."""

    file: str
    line: int
    column: str
    text: str


class Preference(BaseModel):
    """One pair judged: the variants shown, from left to right, and the one preferred, None for neither.

    A `repeat` is no vote: it shows whether the reviewer chooses the same again.
    """

    model_config = _MODEL

    model: _Name
    worn: _Name
    type: _Text = ""
    shown: Annotated[tuple[_Name, ...], Field(min_length=2, max_length=100)]
    preferred: _Name | None
    both_bad: Annotated[bool, Field(description="Whether none can be used; nothing is preferred then.")] = False
    repeat: Annotated[bool, Field(description="Whether the pair was shown a second time, to learn how steady.")] = False
    blind: bool = False
    at: _Text = ""

    @model_validator(mode="after")
    def _preferred_was_shown(self) -> "Preference":
        if len(set(self.shown)) < len(self.shown):
            raise ValueError("shows one variant twice")
        if self.both_bad and self.preferred is not None:
            raise ValueError(f"prefers {self.preferred!r} although both are bad")
        if self.preferred is not None and self.preferred not in self.shown:
            raise ValueError(f"prefers {self.preferred!r}, which was not shown")
        return self


class _OfPicture(BaseModel):
    """One candidate of one take of a combination."""

    model_config = _MODEL

    model: _Name
    worn: _Name
    type: _Text = ""
    variant: _Name
    take: Annotated[_Number, Field(description="1 is the run's own, further ones were made of what was rejected.")] = 1
    candidate: _Number = 1

    @property
    def picture(self) -> "Picture":
        """Which picture of the run it is."""
        return Picture(self.model, self.worn, self.variant, self.take, self.candidate)


class Rating(_OfPicture):
    """One picture rated, from 1 to 5 stars."""

    stars: Annotated[int, Field(ge=1, le=5)]
    blind: bool = False
    at: _Text = ""


class Mark(_OfPicture):
    """One picture picked or rejected."""

    mark: Literal["pick", "reject"]
    reason: Reason | None = None
    note: Annotated[str, Field(max_length=2000)] = ""
    blind: bool = False
    at: _Text = ""


class Review(BaseModel):
    """What one reviewer exported of one run."""

    model_config = ConfigDict(frozen=True, title="tryon review")

    format: Literal["tryon-review"]
    version: Literal[1, 2]
    run_id: _Name
    review: _Name
    reviewer: _Text = ""
    preferences: tuple[Preference, ...] = ()
    ratings: tuple[Rating, ...] = ()
    marks: tuple[Mark, ...] = ()
    _doubts: tuple[Doubt, ...] = PrivateAttr(())

    def __eq__(self, other: object) -> bool:
        """Whether they say the same, whatever files they were in."""
        return isinstance(other, Review) and self._said() == other._said()

    def _said(self) -> dict[str, Any]:
        return self.model_dump(exclude={"version"})

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """The cells that only another file of the run can confirm."""
        return self._doubts

    @property
    def judged(self) -> Iterator[Preference | Rating | Mark]:
        """All judgements."""
        yield from self.preferences
        yield from self.ratings
        yield from self.marks

    @property
    def who(self) -> str:
        """One name is one person, on however many machines; who gave none is told by the review."""
        return self.reviewer.strip().casefold() or f"#{self.review}"


def read_export(data: bytes, name: str) -> Review:
    """Read an export, JSON or CSV; `name` is the file's. Raises `ExportError`."""
    if len(data) > MAX_BYTES:
        raise ExportError(f"{name}: has {len(data):,} bytes, at most {MAX_BYTES:,} are read")
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        raise ExportError(
            f"{name}: is not UTF-8 text (byte {error.start}); a spreadsheet saves it so as 'CSV UTF-8'"
        ) from None
    if not text.strip():
        raise ExportError(f"{name}: is empty")
    doubts: list[Doubt] = []
    raw = _from_json(text, name) if text.lstrip()[0] in "{[" else _from_csv(text, name, doubts)
    try:
        review = Review.model_validate(raw)
    except ValidationError as error:
        raise ExportError(f"{name}: {_problem(error)}") from None
    review._doubts = tuple(doubts)
    return review


def _from_json(text: str, name: str) -> Any:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{name}: is not JSON: {error}") from None
    if not isinstance(raw, dict) or raw.get("format") != "tryon-review":
        raise ExportError(f'{name}: is no review of the gallery: "format" is not "tryon-review"')
    if raw.get("version") not in (1, 2):
        raise ExportError(f"{name}: was exported by another version of the gallery ({raw.get('version')!r})")
    return raw


def _from_csv(text: str, name: str, doubts: list[Doubt]) -> Any:
    lines, delimiter, before = _table(text)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True, restval="")
    review: dict[str, Any] = {"format": "tryon-review", "version": 2, "preferences": [], "ratings": [], "marks": []}
    try:
        reader.fieldnames = [field.strip().casefold() for field in reader.fieldnames or ()]
        missing = [column for column in COLUMNS if column not in reader.fieldnames]
        if missing:
            raise ExportError(f"{name}: is no review of the gallery: it has no column {missing[0]!r}")
        columns = [*COLUMNS, *(column for column in MORE_COLUMNS if column in reader.fieldnames)]
        for row in reader:
            cells = _Cells(name, before + reader.line_num, {column: row[column].strip() for column in columns})
            if not any(cells.row.values()):
                continue  # spreadsheets save rows that were once filled
            own = {column: cells.text(column) for column in ("run_id", "review", "reviewer")}
            if any(review.setdefault(column, value) != value for column, value in own.items()):
                raise ExportError(f"{name}: line {cells.line} is of another review; compare the files one by one")
            kind, judgement = _judgement(cells)
            review[kind].append(judgement)
            doubts.extend(cells.doubts)
    except csv.Error as error:
        raise ExportError(f"{name}: line {before + reader.line_num} is not CSV: {error}") from None
    if "run_id" not in review:
        raise ExportError(f"{name}: holds no judgement")
    return review


def _judgement(cells: "_Cells") -> tuple[str, dict[str, Any]]:
    """The list that a row belongs to, and what it says."""
    judgement: dict[str, Any] = {
        "model": cells.id("model", _ID),
        "worn": cells.id("worn", _WORN),
        "type": cells.text("type"),
        "at": cells.time("at"),
        "blind": cells.truth("blind"),
    }
    if not cells.row["stars"] and not cells.row.get("mark"):
        preferred, shown = cells.text("preferred"), cells.text("shown").split()
        judgement |= {"preferred": None if preferred in (_EQUAL, _BOTH_BAD) else preferred, "shown": shown}
        repeat = bool(cells.row.get("repeat")) and cells.truth("repeat")
        return "preferences", judgement | {"both_bad": preferred == _BOTH_BAD, "repeat": repeat}
    judgement["variant"] = cells.id("variant", _ID)
    judgement |= {column: cells.whole(column) for column in ("take", "candidate") if cells.row.get(column)}
    if cells.row["stars"]:
        return "ratings", judgement | {"stars": cells.whole("stars")}
    reason = cells.text("reason") or None
    return "marks", judgement | {"mark": cells.text("mark"), "reason": reason, "note": cells.text("note")}


def _table(text: str) -> tuple[io.StringIO, str, int]:
    """The lines from the head on, their delimiter, and how many lines were before."""
    rest = text.lstrip()
    before = text[: len(text) - len(rest)].count("\n")
    first, _, after = rest.partition("\n")
    if re.fullmatch(r'"?sep=.?"?', first.rstrip("\r"), re.IGNORECASE):  # a line of Excel's own
        rest, before = after, before + 1
        first = rest.partition("\n")[0]
    # Spreadsheets save with the delimiter of their country.
    return io.StringIO(rest), max(",;\t", key=first.count), before


@dataclass
class _Cells:
    """A row of a CSV file, read cell by cell; errors name file, line and column."""

    name: str
    line: int
    row: Mapping[str, str]
    doubts: list[Doubt] = field(default_factory=list)

    def text(self, column: str) -> str:
        return unmarked(self.row.get(column, ""))

    def id(self, column: str, pattern: re.Pattern[str]) -> str:
        """An id; what is none was made of one by a spreadsheet, and what might be changed is doubted."""
        cell, text = self.row[column], self.text(column)
        if not pattern.fullmatch(text):
            self._refuse(column, f"is not the id of a {_THINGS[column]}: has a spreadsheet changed it?")
        if cell == text and is_doubtful(text):
            self.doubts.append(Doubt(self.name, self.line, column, text))
        return text

    def time(self, column: str) -> str:
        text = self.text(column)
        if text[:1].isdigit() and not _TIME.fullmatch(text):
            self._refuse(column, "is not a time such as 2026-11-23T09:58:12.000Z: has a spreadsheet changed it?")
        return text

    def truth(self, column: str) -> bool:
        value = truth(self.row[column])
        if value is None:
            self._refuse(column, "is neither true nor false")
        return value

    def whole(self, column: str) -> int:
        value = whole(self.row[column])
        if value is None:
            self._refuse(column, "is not a whole number")
        return value

    def _refuse(self, column: str, reason: str) -> NoReturn:
        shown = self.row[column][:60]
        raise ExportError(f"{self.name}: line {self.line}, column {column!r}: {shown!r} {reason}")


_THINGS = {"model": "model", "worn": "garment or outfit with its number", "variant": "variant"}


def _problem(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    message = detail["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {message}{more}" if where else message + more


class Verdict(StrEnum):
    """What the reviewers together say of a picture."""

    APPROVED = "approved"
    REJECTED = "rejected"
    DISPUTED = "disputed"


@dataclass(frozen=True, order=True)
class Picture:
    """One candidate of one take of a combination; both count from 1."""

    model: str
    worn: str
    variant: str
    take: int = 1
    candidate: int = 1


@dataclass(frozen=True)
class Opinion:
    """What was said of a picture: the verdict, by how many, and for which reasons it was rejected.

    `reasons` holds each rejecting reviewer's reason once: a reject speaks against the check of its reason alone, and
    one without a reason against none.
    """

    verdict: Verdict
    approved: int
    rejected: int
    reasons: frozenset[Reason]
    notes: tuple[str, ...]


def opinions(reviews: Iterable[Review]) -> dict[Picture, Opinion]:
    """What the reviews of one run say of each picture that they judge.

    A reviewer approves what he picked, or gave at least `APPROVED_STARS` and did not reject; each has one vote on a
    picture, the newest. More votes one way decide, as many both ways are a dispute. Few stars alone say nothing. This
    is the one place that says what is approved.
    """
    marks: dict[tuple[Picture, str], Mark] = {}
    stars: dict[tuple[Picture, str], Rating] = {}
    for review in reviews:
        for mark in review.marks:
            newest(marks, (mark.picture, review.who), mark)
        for rating in review.ratings:
            newest(stars, (rating.picture, review.who), rating)
    votes: dict[Picture, list[Mark | None]] = defaultdict(list)
    for (picture, _), mark in marks.items():
        votes[picture].append(mark)
    for (picture, who), rating in stars.items():
        if rating.stars >= APPROVED_STARS and (picture, who) not in marks:
            votes[picture].append(None)
    return {picture: _opinion(given) for picture, given in votes.items()}


def _opinion(given: list[Mark | None]) -> Opinion:
    rejects = [mark for mark in given if mark is not None and mark.mark == "reject"]
    rejected, approved = len(rejects), len(given) - len(rejects)
    verdict = Verdict.DISPUTED
    if rejected != approved:
        verdict = Verdict.REJECTED if rejected > approved else Verdict.APPROVED
    return Opinion(
        verdict,
        approved,
        rejected,
        frozenset(mark.reason for mark in rejects if mark.reason),
        tuple(mark.note for mark in given if mark is not None and mark.note),
    )


_K = TypeVar("_K")
_J = TypeVar("_J", Preference, Rating, Mark)


def newest(kept: dict[_K, _J], key: _K, judgement: _J) -> None:
    """Keep the newer one of two judgements of the same thing."""
    # ISO 8601 in UTC, as browsers write it, sorts as text.
    if key not in kept or kept[key].at <= judgement.at:
        kept[key] = judgement


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an export."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Review.model_json_schema()}
