"""What is kept of a look at a result, and how it is stored: distances and small maps, no face and no vector of one."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from tryon.checks.vocabulary import Check, FaceState, State
from tryon.pictures.signature import COLUMNS, ROWS, Signature

CELLS = COLUMNS * ROWS
BAND_COLUMNS, BAND_ROWS, BANDS = COLUMNS // 2, ROWS // 2, 3
"""The map of detail: three scales, in cells of twice the side."""
DIRECTIONS, QUANTILES = 18, 16
"""A palette: so many quantiles of a garment's colours along so many directions of Lab."""

MAX_BYTES = 5_000
"""Most bytes of stored measurements."""

_MAPS = {
    "change": CELLS,
    "colours": 3 * CELLS,
    "detail": BANDS * BAND_COLUMNS * BAND_ROWS,
    "palette": DIRECTIONS * QUANTILES,
}

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in shares of a picture's sides."""

Place = tuple[float, float, float, float]
"""a, b, tx, ty: a model's point (x, y) is at (a x + tx, b y + ty) of the result, in shares of the sides."""

Point = tuple[float, float]
"""x and y in shares of a picture's sides."""


class MeasurementsError(Exception):
    """Stored bytes are no measurements that this version reads."""


@dataclass(frozen=True)
class FaceMeasures:
    """How a result's face differs from its model's; the faces themselves are not kept.

    `likeness` is the correlation of structure, 1 for the same; `colour` a difference in Delta E; `detail` the
    logarithm of the ratio of fine detail. `distance` is the network's, None without it. `box` is where the model's
    face is in the model's photograph.
    """

    state: FaceState
    likeness: float | None = None
    colour: float | None = None
    detail: float | None = None
    distance: float | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Measurements:
    """What the function Check measured of one result, in the frame of its model's photograph.

    `place` are a, b, tx, ty: the model's point (x, y) is at (a x + tx, b y + ty) of the result, all in shares of the
    sides; `found` is the share of the model's edges that were found there. `aspect` is the logarithm of the
    result's proportions over the model's. The maps have one byte a cell, row by row: `change` in quarters of a Delta E,
    `colours` the result's Lab, `detail` the logarithms of detail in three bands. `palette` is the garment's own, from
    its photograph. `head_kept` says that the service was told to keep the head.
    """

    place: Place
    found: float
    aspect: float
    change: bytes = field(repr=False)
    colours: bytes = field(repr=False)
    detail: bytes = field(repr=False)
    palette: bytes = field(repr=False)
    face: FaceMeasures = FaceMeasures(FaceState.OFF)
    head_kept: bool = True

    def dumps(self) -> bytes:
        """As stored: less than `MAX_BYTES`."""
        values = asdict(self)
        maps = {name: values.pop(name) for name in _MAPS}
        head = json.dumps(values, separators=(",", ":")).encode()
        return b"M1" + len(head).to_bytes(2, "big") + head + zlib.compress(b"".join(maps.values()), 6)

    @staticmethod
    def loads(data: bytes) -> "Measurements":
        """Read what `dumps` wrote. Raises `MeasurementsError`."""
        try:
            if data[:2] != b"M1":
                raise ValueError("another version")
            end = 4 + int.from_bytes(data[2:4], "big")
            values = json.loads(data[4:end])
            body = zlib.decompressobj().decompress(data[end:], sum(_MAPS.values()) + 1)
            if len(body) != sum(_MAPS.values()):
                raise ValueError("maps of another size")
            start = 0
            for name, length in _MAPS.items():
                values[name] = body[start : start + length]
                start += length
            face = values.pop("face")
            face["state"] = FaceState(face["state"])
            face["box"] = None if face["box"] is None else tuple(face["box"])
            values["place"] = tuple(values["place"])
            return Measurements(**values, face=FaceMeasures(**face))
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise MeasurementsError(f"{len(data)} bytes are no measurements: {error}") from None


@dataclass(frozen=True)
class Objection:
    """What the owner's own judge has against a result: why, how odd it finds that, and where in the result."""

    reason: str
    score: float | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Judged:
    """The answer of the owner's own judge: numbers by name, as it gave them, and what it has against the result."""

    scores: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[Objection, ...] = ()

    def dumps(self) -> bytes:
        """As it is held while a run is compared: a few hundred bytes for a few numbers."""
        flags = [[flag.reason, flag.score, flag.box] for flag in self.flags]
        return json.dumps([dict(self.scores), flags], separators=(",", ":")).encode()

    @staticmethod
    def loads(data: bytes) -> "Judged":
        """Read what `dumps` wrote."""
        scores, flags = json.loads(data)
        return Judged(
            scores, tuple(Objection(why, score, None if box is None else tuple(box)) for why, score, box in flags)
        )


@dataclass(frozen=True)
class Evidence:
    """One candidate of a run, as `compare` takes it.

    `n` is its combination, `kind` the garment's type (`upper`, `lower`, `full`; `outfit` for two), `service` the one
    that drew it: results of different services are never held against each other. `signature` and `measurements` are
    None where there are none, and `unchecked` says why in a few words. `judged` is the answer of the owner's own judge,
    None where it was not asked or gave none.
    """

    n: int
    candidate: int
    model: str
    worn: str
    kind: str
    sha256: str
    service: str = ""
    signature: Signature | None = None
    measurements: Measurements | None = None
    unchecked: str | None = None
    judged: Judged | None = None


@dataclass(frozen=True)
class Finding:
    """One check of one result: `score` in units of its limit, so that above 1 is beyond it; `flagged` marks a reason.

    `note` says what else a reader needs, as "combination 12, candidate 1".
    """

    check: Check
    score: float
    flagged: bool = False
    note: str = ""


@dataclass(frozen=True)
class NotComparable:
    """A check that could not look, and why: "2 in this column"."""

    check: Check
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the checks say of one candidate.

    `findings` has the flagged ones first, then those with the highest scores, three at most. `suspicion` orders
    results, 0 to 1 and above where flagged; `odder_than` others of `of` compared ones are less suspicious. `outline`
    are polygons around what is odd, in the result's shares; `model_box` and `result_box` the same part of both
    pictures. `scores` are the checks' own numbers, larger for odder: what limits are learned from. `judge` is what the
    owner's own judge answered, None without one.
    """

    n: int
    candidate: int
    state: State
    findings: tuple[Finding, ...] = ()
    not_comparable: tuple[NotComparable, ...] = ()
    unchecked: str | None = None
    suspicion: float = 0.0
    odder_than: int = 0
    of: int = 0
    outline: tuple[tuple[Point, ...], ...] = ()
    model_box: Box | None = None
    result_box: Box | None = None
    face: FaceState = FaceState.OFF
    scores: Mapping[Check, float] = field(default_factory=dict)
    judge: Judged | None = None

    @property
    def reasons(self) -> tuple[Check, ...]:
        """Why it is flagged; none when it is not."""
        return tuple(finding.check for finding in self.findings if finding.flagged)

    def ranked(self, odder_than: int, of: int) -> "Verdict":
        """The same with its place among the others."""
        return replace(self, odder_than=odder_than, of=of)
