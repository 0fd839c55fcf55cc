"""Learned cadences as data: one JSON object each in the stack's bucket, named by manifests."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from tryon import objects
from tryon.cadence import ListeningCadence
from tryon.learning.calibration import Distribution, Performance
from tryon.planning.manifest import Cadence, Id, Manifest, ManifestError, Problem
from tryon.service import registry
from tryon.state.run import LearnedFrom

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "cadences/"
"""Where learned cadences are in the stack's bucket."""

SHARES = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""The shares of tasks whose latencies are kept, so that later ones can be held against them."""


class LearnedCadence(BaseModel):
    """A cadence and what it was learned from, at the service of one key; times and latencies in seconds.

    `weight` (the seconds of delay that a poll is worth) or `max_polls` is what it was to keep to, `polls` and
    `delay` what it promises a task, and `quantiles` the latencies within which the `SHARES` of tasks end. Of one that
    listens `listening` are the waits, `queue_quantiles` the seconds within which those shares begin,
    `work_quantiles` those for which they are worked on, and `cadence` is what a poll is followed by that saw neither
    the queue nor work.
    """

    model_config = ConfigDict(frozen=True)

    name: Id
    service: str = registry.FIRST
    cadence: Cadence
    deadline: Annotated[int, Field(ge=1)]
    created: float
    runs: list[str]
    samples: Annotated[int, Field(ge=1)]
    exact: int
    weight: float | None = None
    max_polls: float | None = None
    polls: float
    delay: float
    mean: float
    quantiles: Annotated[list[float], Field(min_length=len(SHARES), max_length=len(SHARES))]
    listening: ListeningCadence | None = None
    queue_quantiles: Annotated[list[float], Field(max_length=len(SHARES))] = []
    work_quantiles: Annotated[list[float], Field(max_length=len(SHARES))] = []

    @field_validator("listening")
    @classmethod
    def _waits(cls, value: ListeningCadence | None) -> ListeningCadence | None:
        if value is not None:
            for waits in (value.queued, *value.working):
                _cadence().validate_python(list(waits))
            if len(value.working) != len(value.queued):
                raise ValueError("each wait while queued needs the waits that follow it at work")
        return value

    @property
    def key(self) -> str:
        return key(self.name)

    def origin(self) -> LearnedFrom:
        """What a run keeps of it, to compare its own latencies with."""
        return LearnedFrom(
            name=self.name,
            service=self.service,
            created=self.created,
            samples=self.samples,
            polls=self.polls,
            delay=self.delay,
            mean=self.mean,
            quantiles=tuple(self.quantiles),
            listening=self.listening,
            queue_quantiles=tuple(self.queue_quantiles),
            work_quantiles=tuple(self.work_quantiles),
        )


def learned(  # noqa: PLR0913 - a stored cadence has this many facts, all but four by name
    name: str,
    cadence: Sequence[int],
    distribution: Distribution,
    performance: Performance,
    *,
    deadline: int,
    created: float,
    runs: Sequence[str],
    weight: float | None = None,
    max_polls: float | None = None,
    service: str = registry.FIRST,
    listening: ListeningCadence | None = None,
    queue: Distribution | None = None,
    work: Distribution | None = None,
) -> LearnedCadence:
    """What is stored of a cadence under a name."""
    return LearnedCadence(
        name=name,
        service=service,
        cadence=list(cadence),
        deadline=deadline,
        created=round(created, 3),
        runs=list(runs),
        samples=distribution.samples,
        exact=distribution.exact,
        weight=weight,
        max_polls=max_polls,
        polls=round(performance.polls, 3),
        delay=round(performance.delay, 3),
        mean=round(distribution.mean, 3),
        quantiles=_quantiles(distribution),
        listening=listening,
        queue_quantiles=[] if queue is None else _quantiles(queue),
        work_quantiles=[] if work is None else _quantiles(work),
    )


def _quantiles(distribution: Distribution) -> list[float]:
    return [round(distribution.quantile(share), 3) for share in SHARES]


@cache
def _cadence() -> "TypeAdapter[list[int]]":
    return TypeAdapter(Cadence)


def key(name: str) -> str:
    """Where a cadence of that name is."""
    return f"{PREFIX}{name}.json"


def store(s3: "S3Client", bucket: str, cadence: LearnedCadence) -> None:
    """Keep a cadence where manifests find it; one of the same name is replaced."""
    text = cadence.model_dump_json(indent=1) + "\n"
    objects.put_text(s3, bucket, cadence.key, text, "application/json")


def load(s3: "S3Client", bucket: str, name: str) -> LearnedCadence:
    """A cadence by its name; raises `ManifestError` naming the known ones, or what is wrong with its file."""
    try:
        data = objects.get(s3, bucket, key(name))["Body"].read()
    except ClientError as error:
        if not objects.is_missing(error):
            raise
        raise ManifestError([Problem("cadence", _unknown(name, names(s3, bucket)))]) from None
    try:
        return LearnedCadence.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ManifestError(
            [Problem("cadence", f"{key(name)} is not a learned cadence: {where}: {first['msg']}")]
        ) from None


def names(s3: "S3Client", bucket: str) -> list[str]:
    """The names of all learned cadences."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
    return sorted(PurePosixPath(item["Key"]).stem for page in pages for item in page.get("Contents", []))


def resolve(
    s3: "S3Client", bucket: str, manifest: Manifest, defaults: Mapping[str, Sequence[int]]
) -> tuple[dict[str, tuple[int, ...]], LearnedCadence | None]:
    """The waits that a manifest asks for, by its services' keys, and the learned cadence that is among them.

    `defaults` are those of the services where it asks for none. Waits that it names hold for all of them; a learned
    cadence for the service that it was learned at: raises `ManifestError` where the manifest has no part in that.
    """
    keys = manifest.services()
    if isinstance(manifest.cadence, str):
        found = load(s3, bucket, manifest.cadence)
        if found.service not in keys:
            what = f"{found.name!r} was learned at {found.service}, and this manifest is for {', '.join(keys)}"
            raise ManifestError([Problem("cadence", what)])
        return {key: tuple(found.cadence if key == found.service else defaults[key]) for key in keys}, found
    return {key: tuple(manifest.cadence or defaults[key]) for key in keys}, None


def _unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"{name!r} is not the name of a learned cadence: none has been stored yet (tryon calibrate --store)"
    near = difflib.get_close_matches(name, known, n=1)
    more = f" and {len(known) - 20:,} more" if len(known) > 20 else ""
    hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known[:20]) + more
    return f"{name!r} is not the name of a learned cadence here; {hint}"
