"""What reviewers found: exports of the gallery, read and counted.

An export is a JSON file (UTF-8):

    {"format": "tryon-review", "version": 1,
     "run_id": "20261123T090000Z-spring-1a2b3c4d",
     "review": "9f2c41d07e55a310",         drawn at random when a browser's review began
     "reviewer": "Lin",                    may be empty
     "exported_at": "2026-11-23T10:00:00.000Z",
     "variants": ["a", "b"],
     "preferences": [{"model": "anna", "worn": "01-linen-shirt", "type": "upper",
                      "shown": ["b", "a"],   from left to right
                      "preferred": "a",      null when both are equal
                      "blind": true, "at": "2026-11-23T09:58:12.000Z"}],
     "ratings": [{"model": "anna", "worn": "01-linen-shirt", "type": "upper", "variant": "a",
                  "stars": 4, "blind": false, "at": "2026-11-23T09:59:40.000Z"}]}

or a CSV file of the same judgements, a line each, with the columns of `COLUMNS`: `preferred` is a variant or `=`,
`shown` holds variants separated by blanks, and a rating has `variant` and `stars` instead of the two. `type` is
upper, lower, full, outfit or empty. Text that a spreadsheet would read as something else carries a leading apostrophe
(`tryon.reporting.spreadsheet`); a spreadsheet may have saved the file again, with its own delimiter, encoding and
words.
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import sqrt
from statistics import fmean
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tryon.reporting.spreadsheet import decoded, is_doubtful, truth, unmarked, whole

MAX_BYTES = 50_000_000
"""Largest export read: 10,000 preferences and as many ratings have about 5 MB."""

SIGNIFICANT = 0.05
"""The probability, under equal variants, below which a lead counts as won."""

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
"""The columns of a CSV export."""

_Z95 = 1.959964
_EQUAL = "="

_Text = Annotated[str, Field(max_length=256)]
_Name = Annotated[str, Field(min_length=1, max_length=256)]
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
    """One pair judged: the variants shown, from left to right, and the one preferred, None for neither."""

    model_config = _MODEL

    model: _Name
    worn: _Name
    type: _Text = ""
    shown: Annotated[tuple[_Name, ...], Field(min_length=2, max_length=100)]
    preferred: _Name | None
    blind: bool = False
    at: _Text = ""

    @model_validator(mode="after")
    def _preferred_was_shown(self) -> "Preference":
        if len(set(self.shown)) < len(self.shown):
            raise ValueError("shows one variant twice")
        if self.preferred is not None and self.preferred not in self.shown:
            raise ValueError(f"prefers {self.preferred!r}, which was not shown")
        return self


class Rating(BaseModel):
    """One picture rated, from 1 to 5 stars."""

    model_config = _MODEL

    model: _Name
    worn: _Name
    type: _Text = ""
    variant: _Name
    stars: Annotated[int, Field(ge=1, le=5)]
    blind: bool = False
    at: _Text = ""


class Review(BaseModel):
    """What one reviewer exported of one run."""

    model_config = _MODEL

    format: Literal["tryon-review"]
    version: Literal[1]
    run_id: _Name
    review: _Name
    reviewer: _Text = ""
    preferences: tuple[Preference, ...] = ()
    ratings: tuple[Rating, ...] = ()
    _doubts: tuple[Doubt, ...] = PrivateAttr(())

    def __eq__(self, other: object) -> bool:
        """Whether they say the same, whatever files they were in."""
        return isinstance(other, Review) and self.model_dump() == other.model_dump()

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """The cells that only another file of the run can confirm."""
        return self._doubts

    @property
    def judged(self) -> Iterator[Preference | Rating]:
        """All judgements."""
        yield from self.preferences
        yield from self.ratings

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
    if raw.get("version") != 1:
        raise ExportError(f"{name}: was exported by another version of the gallery ({raw.get('version')!r})")
    return raw


def _from_csv(text: str, name: str, doubts: list[Doubt]) -> Any:
    lines, delimiter, before = _table(text)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True, restval="")
    review: dict[str, Any] = {"format": "tryon-review", "version": 1, "preferences": [], "ratings": []}
    try:
        reader.fieldnames = [field.strip().casefold() for field in reader.fieldnames or ()]
        missing = [column for column in COLUMNS if column not in reader.fieldnames]
        if missing:
            raise ExportError(f"{name}: is no review of the gallery: it has no column {missing[0]!r}")
        for row in reader:
            cells = _Cells(name, before + reader.line_num, {column: row[column].strip() for column in COLUMNS})
            if not any(cells.row.values()):
                continue  # spreadsheets save rows that were once filled
            own = {column: cells.text(column) for column in ("run_id", "review", "reviewer")}
            if any(review.setdefault(column, value) != value for column, value in own.items()):
                raise ExportError(f"{name}: line {cells.line} is of another review; compare the files one by one")
            judgement: dict[str, Any] = {
                "model": cells.id("model", _ID),
                "worn": cells.id("worn", _WORN),
                "type": cells.text("type"),
                "at": cells.time("at"),
                "blind": cells.truth("blind"),
            }
            if cells.row["stars"]:
                rating = {"variant": cells.id("variant", _ID), "stars": cells.whole("stars")}
                review["ratings"].append(judgement | rating)
            else:
                preferred = cells.text("preferred")
                shown = cells.text("shown").split()
                review["preferences"].append(
                    judgement | {"preferred": None if preferred == _EQUAL else preferred, "shown": shown}
                )
            doubts.extend(cells.doubts)
    except csv.Error as error:
        raise ExportError(f"{name}: line {before + reader.line_num} is not CSV: {error}") from None
    if "run_id" not in review:
        raise ExportError(f"{name}: holds no judgement")
    return review


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
        return unmarked(self.row[column])

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


@dataclass(frozen=True)
class Tally:
    """How often the one was better, the other, and neither."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    @property
    def decided(self) -> int:
        return self.wins + self.losses

    @property
    def rate(self) -> float | None:
        """Wins of what was decided, None when nothing was."""
        return self.wins / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The rate's 95 % confidence interval: Wilson's score interval, J. Am. Stat. Assoc. 22 (1927)."""
        if self.rate is None:
            return None
        n, z = self.decided, _Z95
        middle = (self.rate + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(self.rate * (1 - self.rate) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def p_value(self) -> float:
        """How likely a lead at least as large is when neither is better: the exact two-sided sign test."""
        n = self.decided
        term = below = 1
        for i in range(min(self.wins, self.losses)):
            term = term * (n - i) // (i + 1)
            below += term
        return min(1.0, 2 * below / (1 << n))


@dataclass(frozen=True)
class Duel:
    """Two variants against each other: `first`'s wins, in combinations.

    `votes` counts single judgements. `p_value` is the sign test's, adjusted after Holm when there are more duels.
    """

    first: str
    second: str
    tally: Tally
    votes: Tally
    by_type: Mapping[str, Tally]
    p_value: float

    @property
    def leader(self) -> str | None:
        """The variant with more wins, None when they have as many."""
        if self.tally.wins == self.tally.losses:
            return None
        return self.first if self.tally.wins > self.tally.losses else self.second

    @property
    def winner(self) -> str | None:
        """The leader, if its lead is more than chance."""
        return self.leader if self.p_value < SIGNIFICANT else None


@dataclass(frozen=True)
class Stars:
    """A variant's ratings: how many, and their mean."""

    count: int
    mean: float


@dataclass(frozen=True)
class Comparison:
    """What all reviews say together.

    `superseded` judgements were replaced by a later one of the same person. `agreement` is the share of pairs of
    reviewers who judged one combination alike, None when none was judged twice. `first_shown` counts, in blind
    judgements of two, those for the left picture: far from even, it shows a habit and not the pictures.
    """

    runs: tuple[str, ...]
    reviewers: int
    judgements: int
    superseded: int
    blind: int
    combinations: int
    variants: tuple[str, ...]
    duels: tuple[Duel, ...]
    ratings: Mapping[str, Stars]
    agreement: float | None
    first_shown: Tally

    @property
    def winner(self) -> str | None:
        """The variant that beats every other one by more than chance."""
        for variant in self.variants:
            own = [duel for duel in self.duels if variant in (duel.first, duel.second)]
            if own and len(own) == len(self.variants) - 1 and all(duel.winner == variant for duel in own):
                return variant
        return None

    @property
    def verdict(self) -> str:
        """One sentence for a reader."""
        if not self.duels:
            return "Nothing was compared: the reviews hold no preference between two variants."
        if self.winner is not None:
            own = (duel for duel in self.duels if self.winner in (duel.first, duel.second))
            return "; ".join(_said(duel, self.winner) for duel in own) + "."
        if len(self.duels) == 1:
            (duel,) = self.duels
            if duel.leader is None:
                return f"No winner: {duel.first} and {duel.second} were preferred equally often."
            return f"No winner yet: {_said(duel, duel.leader)}, which may be chance."
        return "No variant beats every other by more than chance."


def _said(duel: Duel, variant: str) -> str:
    tally = duel.tally if variant == duel.first else Tally(duel.tally.losses, duel.tally.wins, duel.tally.ties)
    low, high = tally.interval or (0.0, 1.0)
    other = duel.second if variant == duel.first else duel.first
    verb = "beats" if duel.winner == variant else "leads"
    return (
        f"{variant} {verb} {other} in {tally.wins} of {tally.decided} combinations "
        f"({100 * (tally.rate or 0):.0f} %, 95 % interval {100 * low:.0f}–{100 * high:.0f} %, p = {duel.p_value:.2g})"
    )


_Key = tuple[str, str, str]


def compare(exports: Iterable[Review]) -> Comparison:
    """Count what reviewers preferred.

    A combination is won by the variant that most of its reviewers preferred: several votes on one pair of pictures
    are one piece of evidence, and only different combinations count as further ones. Each person has one vote a
    combination, the latest. Raises `ExportError` for an id that a spreadsheet may have changed and that no other file
    of the run knows.
    """
    reviews = list(exports)
    _check_doubts(reviews)
    votes: dict[tuple[_Key, str], Preference] = {}
    stars: dict[tuple[_Key, str, str], Rating] = {}
    given = 0
    for review in reviews:
        for preference in review.preferences:
            given += 1
            _latest(votes, ((review.run_id, preference.model, preference.worn), review.who), preference)
        for rating in review.ratings:
            given += 1
            _latest(stars, ((review.run_id, rating.model, rating.worn), rating.variant, review.who), rating)
    by_combination: dict[_Key, list[Preference]] = defaultdict(list)
    for (key, _), preference in votes.items():
        by_combination[key].append(preference)
    shown = {variant for preference in votes.values() for variant in preference.shown}
    rated = {rating.variant for rating in stars.values()}
    judged: list[Preference | Rating] = [*votes.values(), *stars.values()]
    return Comparison(
        runs=tuple(sorted({review.run_id for review in reviews})),
        reviewers=len({review.who for review in reviews if review.preferences or review.ratings}),
        judgements=len(judged),
        superseded=given - len(judged),
        blind=sum(judgement.blind for judgement in judged),
        combinations=len(by_combination),
        variants=tuple(sorted(shown)),
        duels=_adjusted(list(_duels(sorted(shown), list(by_combination.values())))),
        ratings={variant: _stars(variant, stars.values()) for variant in sorted(rated)},
        agreement=_agreement(by_combination.values()),
        first_shown=_first_shown(votes.values()),
    )


def _check_doubts(reviews: Sequence[Review]) -> None:
    """Hold each doubtful cell against what the other files of its run name there."""
    for review in reviews:
        others = [other for other in reviews if other is not review and other.run_id == review.run_id]
        for doubt in review.doubts if others else ():
            known = sorted({name for other in others for name in _named(other, doubt.column)})
            if doubt.text not in known:
                like = [name for name in known if _digits(name) == _digits(doubt.text)]
                raise ExportError(
                    f"{doubt.file}: line {doubt.line}, column {doubt.column!r}: {doubt.text!r} is in no other file of "
                    f"run {review.run_id}, and a spreadsheet may have changed it"
                    + (f"; was it {like[0]!r}?" if like else "")
                    + " (compare the JSON export, which nothing changes)"
                )


def _named(review: Review, column: str) -> Iterator[str]:
    """What a review names in a column."""
    for judgement in review.judged:
        if column == "variant" and isinstance(judgement, Preference):
            yield from judgement.shown
        else:
            yield getattr(judgement, column)


def _digits(text: str) -> list[int]:
    """The numbers in a text, which stay when a spreadsheet takes zeros away."""
    return [int(number) for number in re.findall(r"[0-9]{1,18}", text)]


def _latest(kept: dict[Any, Any], key: Any, judgement: Preference | Rating) -> None:
    # ISO 8601 in UTC, as browsers write it, sorts as text.
    if key not in kept or kept[key].at <= judgement.at:
        kept[key] = judgement


def _duels(variants: Sequence[str], judged: Sequence[Sequence[Preference]]) -> Iterator[Duel]:
    for first, second in combinations(variants, 2):
        verdicts: Counter[tuple[str, int]] = Counter()
        votes: Counter[int] = Counter()
        for preferences in judged:
            own = [_vote(preference, first, second) for preference in preferences]
            counted = [vote for vote in own if vote is not None]
            if counted:
                votes.update(counted)
                balance = sum(counted)
                verdicts[preferences[0].type, (balance > 0) - (balance < 0)] += 1
        if verdicts:
            types = sorted({type_ for type_, _ in verdicts})
            tally = _tally({side: sum(verdicts[type_, side] for type_ in types) for side in (1, -1, 0)})
            by_type = {type_: _tally({side: verdicts[type_, side] for side in (1, -1, 0)}) for type_ in types}
            yield Duel(first, second, tally, _tally(votes), by_type, tally.p_value)


def _vote(preference: Preference, first: str, second: str) -> int | None:
    """1 for the first, -1 for the second, 0 for neither; None where a third one won or one was not shown."""
    if first not in preference.shown or second not in preference.shown:
        return None
    return {first: 1, second: -1, None: 0}.get(preference.preferred)


def _tally(counts: Mapping[int, int]) -> Tally:
    return Tally(counts.get(1, 0), counts.get(-1, 0), counts.get(0, 0))


def _adjusted(duels: Sequence[Duel]) -> tuple[Duel, ...]:
    """Holm's correction (Scand. J. Stat. 6, 1979): of many duels one looks decided by chance alone."""
    order = sorted(range(len(duels)), key=lambda i: duels[i].p_value)
    least, adjusted = 0.0, dict.fromkeys(order, 1.0)
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(duels) - rank) * duels[i].p_value))
        adjusted[i] = least
    return tuple(
        Duel(duel.first, duel.second, duel.tally, duel.votes, duel.by_type, adjusted[i]) for i, duel in enumerate(duels)
    )


def _stars(variant: str, ratings: Iterable[Rating]) -> Stars:
    own = [rating.stars for rating in ratings if rating.variant == variant]
    return Stars(len(own), fmean(own))


def _agreement(judged: Iterable[Sequence[Preference]]) -> float | None:
    alike = [a.preferred == b.preferred for preferences in judged for a, b in combinations(preferences, 2)]
    return fmean(alike) if alike else None


def _first_shown(preferences: Iterable[Preference]) -> Tally:
    counts: Counter[int] = Counter()
    for preference in preferences:
        if preference.blind and len(preference.shown) == 2:
            counts[_vote(preference, *preference.shown) or 0] += 1
    return _tally(counts)
