"""A run's verdicts as a file in S3: one JSON object a line, the first about all of them, in the plan's order.

`tryon checks calibrate` and `tryon retry --flagged` read it, and so does the report. A line names its result's key, by
which a verdict is found again in the galleries of the runs that a retry repairs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TextIO

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tryon import objects
from tryon.checks.records import Finding, Judged, Verdict
from tryon.json_types import Json, UnreadableError, validated
from tryon.keys import RunFolder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FORMAT = "tryon-checks"
VERSION = 1
_PLACES = 4
"""Decimal places of shares of a side and of scores."""


class Head(BaseModel):
    """The first line: what the verdicts rest on.

    `limits` names the limits, `learned` is when they were learned (seconds since the epoch), None before any were.
    """

    model_config = ConfigDict(frozen=True)

    format: str = FORMAT
    version: int = VERSION
    run_id: str
    limits: str = "default"
    learned: float | None = None


def write(head: Head, verdicts: Iterable[tuple[str, Verdict]], out: TextIO) -> Iterator[Verdict]:
    """Write the file while the verdicts pass, each with its result's key."""
    out.write(head.model_dump_json() + "\n")
    for key, verdict in verdicts:
        out.write(json.dumps({"key": key, **_plain(verdict)}, separators=(",", ":"), ensure_ascii=False) + "\n")
        yield verdict


def _plain(verdict: Verdict) -> dict[str, Json]:
    told: dict[str, Json] = {
        "n": verdict.n,
        "candidate": verdict.candidate,
        "state": verdict.state.value,
        "findings": [_finding(finding) for finding in verdict.findings],
        "not_comparable": [{"check": one.check.value, "why": one.why} for one in verdict.not_comparable],
        "unchecked": verdict.unchecked,
        "suspicion": round(verdict.suspicion, _PLACES),
        "odder_than": verdict.odder_than,
        "of": verdict.of,
        "outline": [[_rounded(point) for point in polygon] for polygon in verdict.outline],
        "model_box": None if verdict.model_box is None else _rounded(verdict.model_box),
        "result_box": None if verdict.result_box is None else _rounded(verdict.result_box),
        "face": verdict.face.value,
        "scores": {check.value: round(score, _PLACES) for check, score in verdict.scores.items()},
        "judge": None if verdict.judge is None else judge_of(verdict.judge),
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def judge_of(judged: Judged) -> dict[str, Json]:
    """What the owner's own judge answered, in its own words and numbers."""
    flags: list[Json] = [
        {name: value for name, value in asdict(flag).items() if value is not None} for flag in judged.flags
    ]
    return {"scores": dict(judged.scores), "flags": flags}


def _finding(finding: Finding) -> dict[str, Json]:
    told: dict[str, Json] = {
        "check": finding.check.value,
        "score": round(finding.score, _PLACES),
        "flagged": finding.flagged,
        "note": finding.note,
    }
    return {name: value for name, value in told.items() if value not in ("", False)}


def _rounded(numbers: Iterable[float]) -> list[Json]:
    return [round(number, _PLACES) for number in numbers]


@cache
def _verdict() -> "TypeAdapter[Verdict]":
    return TypeAdapter(Verdict)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts by their results' keys, kept as text until one is asked for: a run may have 100,000."""

    heads: tuple[Head, ...] = ()
    lines: Mapping[str, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def of(self, key: str) -> Verdict | None:
        """The verdict on the result under a key, None where there is none or it cannot be read."""
        line = self.lines.get(key)
        if line is None:
            return None
        try:
            return validated(_verdict(), json.loads(line), "a verdict")
        except (UnreadableError, ValueError):
            return None

    def all(self) -> Iterator[tuple[str, Verdict]]:
        """All that can be read, in the file's order, each with its result's key."""
        for key in self.lines:
            verdict = self.of(key)
            if verdict is not None:
                yield key, verdict

    def with_those_of(self, other: "Verdicts") -> "Verdicts":
        """These and another run's."""
        return Verdicts((*self.heads, *other.heads), {**self.lines, **other.lines})


def read(s3: "S3Client", bucket: str, key: str, only: Set[str] | None = None) -> Verdicts | None:
    """A run's verdicts, None where its results were never compared. Raises `UnreadableError`.

    Those on `only` these results are kept, by their keys, where not all are wanted.
    """
    try:
        data = objects.read(s3, bucket, key)
    except ClientError as error:
        if not objects.is_missing(error):
            raise
        return None
    return loads(data, only)


def read_all(s3: "S3Client", bucket: str, runs: Iterable[str], *, only: Set[str] | None = None) -> Verdicts | None:
    """What the checks say of the results of several runs, given by their ids; None where nothing can be read.

    What cannot be read is left out: a page or a report is worth more than its checks.
    """
    found = Verdicts()
    for run_id in dict.fromkeys(runs):
        with suppress(ClientError, BotoCoreError, UnreadableError):
            found = found.with_those_of(read(s3, bucket, RunFolder(run_id).checks, only) or Verdicts())
    return found if found.heads else None


def loads(data: bytes, only: Set[str] | None = None) -> Verdicts:
    """The verdicts of a file's bytes, or those on `only` some results. Raises `UnreadableError` for no such file."""
    first, *lines = data.splitlines() or [b""]
    try:
        head = Head.model_validate_json(first)
        if (head.format, head.version) != (FORMAT, VERSION):
            raise ValueError(f"it has the format {head.format} {head.version}")
        keyed = ((_key(line), line) for line in lines)
        return Verdicts((head,), {key: line for key, line in keyed if only is None or key in only})
    except ValueError as error:
        raise UnreadableError(f"checks.jsonl cannot be read: {str(error)[:200]}") from None


def _key(line: bytes) -> str:
    # The key is the line's first field, and no key holds a quote: parsing 100,000 lines twice would take seconds.
    beginning, _, rest = line.partition(b'{"key":"')
    key, found, _ = rest.partition(b'"')
    if beginning or not found:
        raise ValueError("a line names no result")
    return key.decode()
