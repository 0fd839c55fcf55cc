"""Every result held against the others of its row (same model) and its column (same garment), in bounded memory.

Rows are compared as they come, since the plan goes model by model; of each result a few hundred bytes stay for its
column and its verdict. Without numpy what needs it is unchecked, and the rest is compared all the same.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from types import ModuleType

from tryon.checks import facts, outlines
from tryon.checks.limits import DEFAULT, Limits
from tryon.checks.outlines import Polygon
from tryon.checks.records import Box, Evidence, Finding, Judged, NotComparable, Place, Verdict
from tryon.checks.vocabulary import NO_LAYER, Check, FaceState, State
from tryon.pictures.signature import Signature

_HELD = 6_000
"""Candidates whose measurements are in memory at once: 8 kB each."""

_REDRAWN = 0.5
"""Share of the model's edges that most of a row finds again; below it a service redraws the whole picture."""

_GREYS = 2.0
"""Grey levels of two miniatures that count as much as a Delta E of the map of changes."""

_KEPT = 4.0
"""What edges of the photograph that are found again count when nothing may have been put on."""

_CLEARLY = 1.0
"""Delta E by which one of two results that look alike has the other's colours more than the other has its own."""

_FINDINGS = 3

_GEOMETRY = (Check.CROPPED, Check.ZOOMED, Check.SHIFTED, Check.CHANGED_BESIDE, Check.NOTHING_APPLIED)
_COLUMN = (Check.OTHER_GARMENT, Check.OTHER_COLOURS, Check.TEXTURE_LOST)

_FACE = (Check.FACE_DIFFERS, Check.FACE_COLOURS, Check.FACE_SMOOTHED)

_INSTEAD: Mapping[Check, tuple[Check, ...]] = {
    Check.BLANK: tuple(check for check in Check if check not in (Check.BLANK, Check.SAME_FILE)),
    Check.CUT_OFF: (Check.BLURRED, Check.CHANGED_BESIDE, Check.WRONG_PART, *_COLUMN, *_FACE),
    Check.BLURRED: (Check.TEXTURE_LOST, *_FACE),
    Check.CROPPED: (Check.STRETCHED, Check.ZOOMED, Check.SHIFTED, Check.CHANGED_BESIDE, Check.WRONG_PART, *_FACE),
    Check.STRETCHED: (Check.ZOOMED, Check.SHIFTED, Check.CHANGED_BESIDE, Check.WRONG_PART, *_FACE),
    Check.ZOOMED: (Check.SHIFTED, Check.CHANGED_BESIDE, Check.WRONG_PART, *_FACE),
    Check.SHIFTED: (Check.CHANGED_BESIDE, Check.WRONG_PART, *_FACE),
    Check.NOTHING_APPLIED: _COLUMN,
    Check.WRONG_PART: (Check.NOTHING_APPLIED, Check.CHANGED_BESIDE, *_COLUMN),
    Check.OTHER_GARMENT: (Check.OTHER_COLOURS, Check.TEXTURE_LOST),
    Check.ANOTHER_PERSON: _FACE,
    Check.FACE_DIFFERS: (Check.FACE_COLOURS, Check.FACE_SMOOTHED),
}
"""What a flag explains: the others need not be said as well."""


@dataclass
class _Held:
    """What stays of a candidate until its verdict."""

    n: int
    candidate: int
    model: str
    worn: str
    kind: str
    service: str
    sha256: str
    unchecked: str | None
    scores: dict[Check, float] = field(default_factory=dict)
    why_not: dict[Check, str] = field(default_factory=dict)
    notes: dict[Check, str] = field(default_factory=dict)
    face: FaceState = FaceState.OFF
    face_box: Box | None = None
    place: Place | None = None
    outline: bytes = b""
    palette: bytes = b""
    detail: bytes = b""
    garment: bytes = b""
    judged: bytes = b""
    apart: bytes = b""
    beside: tuple[str, ...] = ()


def compare(
    evidence: Iterable[Evidence], *, models: Mapping[str, Signature], limits: Limits = DEFAULT
) -> Iterator[Verdict]:
    """A verdict for each candidate, in the order in which they come: the plan's, so that rows are together.

    `models` are the signatures of the models' photographs by id. What a row or column is too small for is not
    comparable; what could not be measured is unchecked. Memory grows by less than 2 kB a candidate.
    """
    held = _rows(evidence, models)
    _same_files(held)
    vision = _vision("columns")
    if vision is not None:
        _columns(held, vision)
    verdicts = [_verdict(one, limits) for one in held]
    order = sorted(verdict.suspicion for verdict in verdicts if verdict.state is not State.UNCHECKED)
    for line, verdict in zip(held, verdicts, strict=True):
        told = replace(verdict, judge=Judged.loads(line.judged)) if line.judged else verdict
        if verdict.state is State.UNCHECKED:
            yield told
        else:
            yield told.ranked(bisect_left(order, verdict.suspicion), len(order))


def _vision(name: str) -> ModuleType | None:
    """A module that needs numpy; None where the layer `vision` is not."""
    try:
        if name == "rows":
            from tryon.checks import rows

            return rows
        from tryon.checks import columns

        return columns
    except ImportError:
        return None


# --- rows ---------------------------------------------------------------------------------------------------


_Row = list[tuple[_Held, Evidence]]


def _rows(evidence: Iterable[Evidence], models: Mapping[str, Signature]) -> list[_Held]:
    held: list[_Held] = []
    waiting: dict[tuple[str, str], _Row] = defaultdict(list)
    count = 0
    for one in evidence:
        if count >= _HELD:
            here = waiting.pop((one.service, one.model), [])
            _compare_all(waiting.values(), models)
            waiting.clear()
            if len(here) >= _HELD // 2:
                _compare_all([here], models)
                here = []
            if here:
                waiting[one.service, one.model] = here
            count = len(here)
        line = _Held(one.n, one.candidate, one.model, one.worn, one.kind, one.service, one.sha256, one.unchecked)
        held.append(line)
        waiting[one.service, one.model].append((line, one))
        count += 1
    _compare_all(waiting.values(), models)
    return held


def _compare_all(rows: Iterable[_Row], models: Mapping[str, Signature]) -> None:
    for row in rows:
        for line, one in row:
            _alone(line, one, models.get(one.model))
        _together(row)


def _alone(line: _Held, one: Evidence, model: Signature | None) -> None:
    """What needs no other result."""
    if one.judged is not None:
        line.scores[Check.JUDGED] = float(bool(one.judged.flags))
        line.notes[Check.JUDGED] = "; ".join(flag.reason for flag in one.judged.flags)
        line.judged = one.judged.dumps()
    if one.signature is not None and model is not None:
        line.scores |= facts.of_signature(one.signature, model)
        line.scores[Check.NOTHING_APPLIED] = facts.unapplied(facts.applied(one.signature, model) / _GREYS)
    found = one.measurements
    if found is None:
        return
    rounded = one.signature is not None and model is not None and facts.rounded(one.signature, model)
    line.scores |= facts.of_place(found, rounded=rounded)
    line.place, line.garment = found.place, found.palette
    line.face, line.face_box = found.face.state, found.face.box


def _together(row: _Row) -> None:
    """What the results of a row say of each other."""
    vision = _vision("rows")
    pairs = [(line, one.measurements) for line, one in row if one.measurements is not None]
    if not pairs:
        return
    if vision is None:
        for line, _ in pairs:
            line.unchecked = line.unchecked or NO_LAYER
        return
    kinds, garments = [line.kind for line, _ in pairs], [line.worn for line, _ in pairs]
    every = vision.look([found for _, found in pairs], kinds, garments)
    beside = {places: tuple(garments[i] for i in places) for places in {looked.beside for looked in every}}
    for (line, _), looked in zip(pairs, every, strict=True):
        # What is kept to the pixel shows in the miniatures, what was rendered anew in the map of changes.
        least = line.scores.get(Check.NOTHING_APPLIED, -math.inf)
        line.scores |= looked.scores
        line.scores[Check.NOTHING_APPLIED] = max(least, looked.scores[Check.NOTHING_APPLIED]) + _KEPT * looked.kept
        line.why_not |= looked.why_not
        line.outline, line.palette, line.detail = looked.outline, looked.palette, looked.detail
        line.apart, line.beside = looked.apart, beside[looked.beside]
    if median(found.found for _, found in pairs) < _REDRAWN:
        for line, _ in pairs:
            for check in _GEOMETRY:
                line.scores.pop(check, None)
                line.why_not[check] = "the service redraws the whole picture"


# --- the whole run ------------------------------------------------------------------------------------------


def _same_files(held: Sequence[_Held]) -> None:
    by_file: dict[str, list[_Held]] = defaultdict(list)
    for line in held:
        by_file[line.sha256].append(line)
    for same in by_file.values():
        for line in same:
            line.scores[Check.SAME_FILE] = float(len(same) - 1)
            others = [f"combination {other.n} ({other.worn})" for other in same if other is not line]
            if others:
                more = f" and {len(others) - 3} more" if len(others) > 3 else ""
                line.notes[Check.SAME_FILE] = "also " + ", ".join(others[:3]) + more


_Garment = tuple[str, str, str]
"""Service, type and what is worn."""


def _columns(held: Sequence[_Held], columns: ModuleType) -> None:
    by_garment: dict[_Garment, list[_Held]] = defaultdict(list)
    for line in held:
        if line.palette:
            by_garment[line.service, line.kind, line.worn].append(line)
    photographs = {key: column[0].garment for key, column in by_garment.items()}
    usual = {
        key: columns.usual([line.palette for line in column])
        for key, column in by_garment.items()
        if len(column) > columns.LEAST_PEERS
    }
    claims: list[_Claim] = []
    for key, column in by_garment.items():
        own = columns.distances([line.palette for line in column], photographs[key])
        _nearer(column, own, _others(photographs, key), Check.UNLIKE_PHOTOGRAPH, columns)
        if key in usual:
            claims += _column(column, _others(usual, key), columns)
        else:
            for line in column:
                line.why_not |= dict.fromkeys(_COLUMN, f"{len(column)} in this column")
    _settle(claims)


def _others(palettes: Mapping[_Garment, bytes], key: _Garment) -> dict[str, bytes]:
    """The palettes of the run's other garments of a type, by name."""
    return {other[2]: its for other, its in palettes.items() if other[:2] == key[:2] and other != key}


@dataclass(frozen=True)
class _Claim:
    """A result that looks like one of another garment in its own row: how much so, and how much nearer its colours."""

    line: _Held
    garment: str
    score: float
    nearer: float


def _column(column: Sequence[_Held], others: Mapping[str, bytes], columns: ModuleType) -> Iterator[_Claim]:
    """What the results of a garment say of each other."""
    own = columns.colours([line.palette for line in column])
    lost = columns.texture([line.detail for line in column])
    for line, apart, less in zip(column, own, lost, strict=True):
        line.scores[Check.OTHER_COLOURS] = float(apart)
        line.scores[Check.TEXTURE_LOST] = float(less)
    _nearer(column, own, others, Check.OTHER_GARMENT, columns)
    alike = columns.look_alike([line.apart for line in column], [line.beside for line in column], column[0].worn)
    for line, apart, score, name in zip(column, own, *alike, strict=True):
        if score > 0 and name in others:
            nearer = float(apart - columns.distances([line.palette], others[name])[0])
            if nearer > 0:
                yield _Claim(line, name, float(score), nearer)


def _settle(claims: Iterable[_Claim]) -> None:
    """Of two results of a row that look alike, the one whose colours are the other's; both where that is not clear."""
    of_garment: dict[tuple[str, str, str, str], list[_Claim]] = defaultdict(list)
    for one in claims:
        line = one.line
        of_garment[line.service, line.model, line.kind, line.worn].append(one)
    for (service, model, kind, worn), some in of_garment.items():
        for one in some:
            of_other = of_garment.get((service, model, kind, one.garment), ())
            others = [other.nearer for other in of_other if other.garment == worn]
            before = one.line.scores.get(Check.OTHER_GARMENT, -math.inf)
            if one.score > before and one.nearer > max(others, default=0.0) - _CLEARLY:
                one.line.scores[Check.OTHER_GARMENT], one.line.notes[Check.OTHER_GARMENT] = one.score, one.garment


def _nearer(
    column: Sequence[_Held], own: Sequence[float], others: Mapping[str, bytes], check: Check, columns: ModuleType
) -> None:
    """How much nearer each result is to another garment than to its own."""
    if not others:
        return
    names = list(others)
    nearest, which = columns.nearest([line.palette for line in column], list(others.values()))
    for line, apart, near, other in zip(column, own, nearest, which, strict=True):
        line.scores[check] = float(apart - near)
        line.notes[check] = names[other]


# --- verdicts -----------------------------------------------------------------------------------------------


def _verdict(line: _Held, limits: Limits) -> Verdict:
    scores = line.scores
    flagged = {check for check, score in scores.items() if limits.flags(check, score)}
    explained = {other for check in flagged for other in _INSTEAD.get(check, ())}
    flagged -= explained
    surprises = {check: limits.relative(check, score) for check, score in scores.items() if check not in explained}
    ordered = sorted(surprises, key=lambda check: (check not in flagged, -surprises[check]))[:_FINDINGS]
    findings = tuple(
        Finding(check, round(surprises[check], 3), check in flagged, line.notes.get(check, ""))
        for check in ordered
        if check in flagged or surprises[check] > 0
    )
    highest = max(surprises.values(), default=0.0)
    missing = tuple(NotComparable(check, why) for check, why in sorted(line.why_not.items()))
    outline, boxes = _shown(line, flagged)
    return Verdict(
        n=line.n,
        candidate=line.candidate,
        state=_state(line, bool(flagged), bool(missing)),
        findings=findings,
        not_comparable=missing,
        unchecked=line.unchecked,
        suspicion=max(1.0, highest) if flagged else min(0.999, highest),
        outline=outline,
        model_box=boxes[0],
        result_box=boxes[1],
        face=line.face,
        scores=scores,
    )


def _state(line: _Held, flagged: bool, missing: bool) -> State:
    if flagged:
        return State.FLAGGED
    if line.unchecked:
        return State.UNCHECKED
    return State.NOT_COMPARABLE if missing else State.CLEAR


_Shown = tuple[tuple[Polygon, ...], tuple[Box | None, Box | None]]


def _shown(line: _Held, flagged: set[Check]) -> _Shown:
    """The outlines of what is odd, and the part of both pictures to look at."""
    judged = Judged.loads(line.judged).flags if Check.JUDGED in flagged else ()
    outline = tuple(outlines.of_box(flag.box) for flag in judged if flag.box is not None)
    if line.place is None:
        return outline, (None, None)
    if flagged & {*_FACE, Check.ANOTHER_PERSON} and line.face_box is not None:
        face = _wider(line.face_box)
        there = facts.moved(face, line.place)
        if not outline:
            return (), (face, there)
        around = outlines.around((*outline, outlines.of_box(there)), 0)
    else:
        if Check.CHANGED_BESIDE in flagged:
            outline = (*outlines.polygons(line.outline, line.place), *outline)
        around = outlines.around(outline)
    return outline, (None if around is None else facts.moved_back(around, line.place), around)


def _wider(box: Box) -> Box:
    """A face with its head around it."""
    left, top, right, bottom = box
    across, tall = 0.5 * (right - left), 0.6 * (bottom - top)
    return facts.within((left - across, top - tall, right + across, bottom + tall))
