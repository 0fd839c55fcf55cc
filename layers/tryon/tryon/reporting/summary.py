"""A run's numbers, all of them measured in the run."""

import csv
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from statistics import fmean, quantiles
from typing import Annotated, Literal, TextIO

from pydantic import Field, TypeAdapter

from tryon.checks.verdict_file import Verdicts
from tryon.json_types import Json, validated
from tryon.learning.drift import Drift, DriftMeter
from tryon.reporting import checked, cost, spreadsheet
from tryon.reporting.checked import CheckTally
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon.state.run import Checks, Cost, Outcome, Price, Reason, Run, RunStatus, ServiceCost, Spread

OUTCOME_OF_UNFINISHED: Mapping[Status, tuple[str, str]] = {
    Status.PLANNED: (
        "NotStartedError",
        "the run ended before this combination was submitted; nothing was paid",
    ),
    Status.SUBMITTING: (
        "SubmitOutcomeUnknownError",
        "the run ended while the submit's answer was awaited: a task may exist and be billed",
    ),
    Status.SUBMITTED: (
        "TaskAbandonedError",
        "the run ended before the task's result was stored; a retry resumes it",
    ),
}
"""What a combination is given that nothing in the run gave an outcome."""


class AllFailedError(Exception):
    """Not one combination of a run has a picture; the state machine fails with this name."""


MAX_EXAMPLES = 10
"""Combinations that a reason names; all of them are in combinations.csv."""


@dataclass(frozen=True)
class ManifestPlace:
    """Where a run's manifest is, and which version of it the run is of."""

    bucket: str
    key: str
    version: str | None = None


@dataclass(frozen=True)
class VariantOutcome:
    """What came of a variant: which service made it, how many of its combinations, and what it cost.

    `refused` are those whose input or result the service refused.
    """

    variant: str
    service: str
    succeeded: int
    failed: int
    refused: int
    cost: float
    currency: str


@dataclass(frozen=True)
class Summary:
    """The content of summary.json. Times are in seconds, `started_at` and `ended_at` since the epoch."""

    run_id: str
    name: Annotated[str, Field(description="What people call the run.")]
    status: Annotated[RunStatus, Field(description="SUCCEEDED when whole, FAILED when nothing came of it, or PARTIAL.")]
    error: Annotated[str | None, Field(description="What broke the run itself, null where nothing did.")]
    cause: str | None
    manifest: ManifestPlace
    started_at: float
    ended_at: float
    seconds: Annotated[float, Field(description="From the manifest's claim to the report.")]
    seconds_from_first_submit: float | None
    total: Annotated[int, Field(description="Combinations that the run was to make.")]
    succeeded: int
    failed: int
    reasons: Annotated[tuple[Reason, ...], Field(description="Why combinations failed, commonest first.")]
    pictures: Annotated[int, Field(description="Result pictures in S3.")]
    bytes: int
    polls: Annotated[Spread | None, Field(description="Of the tasks that were seen to end.")]
    latency: Annotated[Spread | None, Field(description="From receipt to the end, by the service's own times.")]
    delay: Annotated[Spread | None, Field(description="From a task's end until a poll saw it.")]
    tasks: Annotated[int, Field(description="Tasks that this run started: what the service bills.")]
    tasks_unknown: Annotated[int, Field(description="Submits whose outcome is unknown, which may be billed too.")]
    cost: Cost
    execution: Annotated[str | None, Field(description="The ARN of the run's execution.")] = None
    retry_of: Annotated[str | None, Field(description="The run that this one repeats.")] = None
    nothing_left: Annotated[
        tuple[str, ...] | None, Field(description="Where a retry had nothing to do: the runs that have it done.")
    ] = None
    notes: Annotated[tuple[str, ...], Field(description="What is to be said of the pictures and of the manifest.")] = ()
    pictures_lost: Annotated[
        int, Field(description="Pictures that could not be had beside others of their combination.")
    ] = 0
    cadence: Annotated[tuple[int, ...] | None, Field(description="Seconds before each poll.")] = None
    cadence_name: str | None = None
    drift: Annotated[Drift | None, Field(description="Against what a learned cadence was learned from.")] = None
    variants: Annotated[
        tuple[VariantOutcome, ...], Field(description="What came of each variant, left out where there is one.")
    ] = ()
    retry_manifest: Annotated[
        str | None, Field(description="The key of the manifest that repeats what failed; left out where nothing is.")
    ] = None
    checks: Annotated[
        Checks | None, Field(description="What the automatic checks say; null of runs from before there were any.")
    ] = None

    @property
    def outcome(self) -> Outcome:
        """What the run's item in the ledger keeps of it."""
        return Outcome(**{field.name: getattr(self, field.name) for field in fields(Outcome)})

    def encode(self) -> str:
        """The file's text."""
        told = asdict(self)
        if self.retry_manifest is None:
            del told["retry_manifest"]
        if not self.variants:
            del told["variants"]
        return json.dumps(told, indent=1, ensure_ascii=False)


def read(data: str | bytes) -> Summary:
    """A summary from its file, also from one that an older version wrote.

    Raises `UnreadableError` for anything else, and ValueError for what is no JSON.
    """
    return validated(_summary(), json.loads(data), "summary.json")


@cache
def _summary() -> "TypeAdapter[Summary]":
    return TypeAdapter(Summary)


def json_schema() -> dict[str, Json]:
    """The JSON Schema of summary.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_summary().json_schema(mode="serialization"),
        "title": "tryon summary",
    }


class Reasons:
    """The errors of failed entries, added up entry by entry."""

    def __init__(self) -> None:
        self._causes: dict[str, str] = {}
        self._examples: dict[str, list[str]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Count an entry if it failed."""
        if entry.status is Status.FAILED and entry.error:
            self._causes.setdefault(entry.error, (entry.cause or "")[:300])
            self._counts[entry.error] += 1
            if self._counts[entry.error] <= MAX_EXAMPLES:
                self._examples.setdefault(entry.error, []).append(entry.id)

    def commonest(self) -> tuple[Reason, ...]:
        """The reasons, commonest first."""
        return tuple(
            Reason(error, count, tuple(self._examples[error]), self._causes[error])
            for error, count in self._counts.most_common()
        )


def spread(values: Sequence[float]) -> Spread | None:
    """Mean, median, 95th percentile and largest of some seconds or counts; None of none."""
    if not values:
        return None
    if len(values) == 1:
        p50 = p95 = values[0]
    else:
        cuts = quantiles(values, n=20, method="inclusive")
        p50, p95 = cuts[9], cuts[18]
    return Spread(mean=round(fmean(values), 2), p50=round(p50, 2), p95=round(p95, 2), max=round(max(values), 2))


def run_status(total: int, succeeded: int, error: str | None) -> RunStatus:
    """SUCCEEDED when whole, FAILED when nothing came of it, PARTIAL between."""
    if succeeded == total and error is None:
        return RunStatus.SUCCEEDED
    return RunStatus.PARTIAL if succeeded else RunStatus.FAILED


_REFUSED = frozenset({"InputRefusedError", "OutputRefusedError"})


class _Bill:
    """What a run's entries of one service are billed for."""

    def __init__(self) -> None:
        self.tasks = self.succeeded = self.failed = self.refused = 0
        self.billed = 0.0

    def add(self, entry: Entry) -> None:
        self.tasks += len(entry.tasks)
        self.succeeded += entry.status is Status.SUCCEEDED
        self.failed += entry.status is Status.FAILED
        self.refused += entry.error in _REFUSED
        self.billed += billed(entry)

    def cost(self, key: str, price: Price) -> ServiceCost:
        """Its line of the summary."""
        return ServiceCost(
            service=key,
            tasks=self.tasks,
            billed=self.billed,
            unit=_unit(key),
            price=price.amount,
            currency=price.currency,
            cost=round(price.amount * self.billed, 4),
            succeeded=self.succeeded,
            failed=self.failed,
        )


def _unit(key: str) -> Literal["task", "picture"]:
    try:
        return registry.find(key).billed
    except registry.UnknownServiceError:
        return "task"


def billed(entry: Entry) -> float:
    """How many units of its service a combination is billed for, as far as is known: tasks, or pictures.

    By the credits that the service said it took, where it did; else by the pictures of a task that has some.
    """
    if _unit(entry.service) == "task":
        return len(entry.tasks)
    if not entry.tasks:
        return 0.0  # resumed: an earlier run paid
    one = registry.find(entry.service)
    if entry.billed is not None and one.credits:
        return entry.billed / one.credits
    return float(len(entry.results) + len(entry.lost) or len(entry.candidates))


class _Tally:
    """A run's numbers, added up entry by entry: of each entry no more than its three measures is kept."""

    def __init__(self, run: Run) -> None:
        self.total = self.succeeded = self.tasks = self.unknown = self.pictures = self.lost = self.bytes = 0
        self.first_submit: float | None = None
        self.polls, self.latency, self.delay = array("l"), array("d"), array("d")
        self.reasons = Reasons()
        self.meter = cost.Meter()
        self.drift = DriftMeter(run.learned) if run.learned else None
        self.bills: dict[str, _Bill] = {key: _Bill() for key in run.services}
        self.variants: dict[tuple[str, str], _Bill] = {}

    def add(self, entry: Entry) -> None:
        self.total += 1
        if entry.status is Status.SUCCEEDED:
            self.succeeded += 1
            self.pictures += len(entry.results)
            self.lost += len(entry.lost)
            self.bytes += entry.bytes
        self.tasks += len(entry.tasks)
        self.unknown += entry.outcome_unknown
        if entry.submitted_at is not None:
            self.first_submit = min(entry.submitted_at, self.first_submit or entry.submitted_at)
        if entry.ended_at is not None:
            self.polls.append(entry.polls)
        if entry.latency is not None:
            self.latency.append(entry.latency)
        if entry.delay is not None:
            self.delay.append(entry.delay)
        self.bills.setdefault(entry.service, _Bill()).add(entry)
        self.variants.setdefault((entry.variant, entry.service), _Bill()).add(entry)
        self.reasons.add(entry)
        self.meter.add(entry)
        if self.drift is not None:
            self.drift.add(entry)


def summarize(
    run: Run,
    entries: Iterable[Entry],
    *,
    now: float,
    prices: Callable[[str], Price],
    error: str | None = None,
    cause: str | None = None,
) -> Summary:
    """A run's summary, from its final entries, read once.

    `prices` gives what a service charges by its key; the cost is that times what the service bills. `error` and `cause`
    are what broke the run itself.
    """
    tally = _Tally(run)
    for entry in entries:
        tally.add(entry)
    first = tally.first_submit
    status = run_status(tally.total, tally.succeeded, error)
    if error is None and status is RunStatus.FAILED:
        error, cause = AllFailedError.__name__, f"none of {tally.total} combinations has a picture"
    return Summary(
        run_id=run.run_id,
        name=run.name,
        status=status,
        error=error,
        cause=cause,
        manifest=ManifestPlace(run.bucket, run.manifest_key, run.manifest_version),
        execution=run.execution,
        retry_of=run.retry_of,
        nothing_left=run.nothing_left,
        notes=run.notes,
        started_at=run.started_at,
        ended_at=round(now, 3),
        seconds=round(now - run.started_at, 1),
        seconds_from_first_submit=None if first is None else round(now - first, 1),
        total=tally.total,
        succeeded=tally.succeeded,
        failed=tally.total - tally.succeeded,
        reasons=tally.reasons.commonest(),
        pictures=tally.pictures,
        pictures_lost=tally.lost,
        bytes=tally.bytes,
        cadence=run.cadence or None,
        cadence_name=run.learned.name if run.learned else None,
        drift=tally.drift.drift() if tally.drift else None,
        polls=spread(tally.polls),
        latency=spread(tally.latency),
        delay=spread(tally.delay),
        tasks=tally.tasks,
        tasks_unknown=tally.unknown,
        cost=_cost(tally, prices, run),
        variants=tuple(_variants(tally, prices)),
    )


def _cost(tally: _Tally, prices: Callable[[str], Price], run: Run) -> Cost:
    bills = tuple(bill.cost(key, _price(prices, key)) for key, bill in tally.bills.items())
    first = bills[0]
    return Cost(
        service=round(sum(bill.cost for bill in bills if bill.currency == first.currency), 2),
        currency=first.currency,
        price_per_task=first.price,
        aws=tally.meter.cost(planning=run.planning_seconds),
        services=bills,
    )


def _variants(tally: _Tally, prices: Callable[[str], Price]) -> Iterator[VariantOutcome]:
    for (variant, key), bill in tally.variants.items() if len(tally.variants) > 1 else ():
        cost = bill.cost(key, _price(prices, key))
        yield VariantOutcome(variant, key, bill.succeeded, bill.failed, bill.refused, cost.cost, cost.currency)


def _price(prices: Callable[[str], Price], key: str) -> Price:
    """A service's price; nothing of one that is gone."""
    try:
        return prices(key)
    except registry.UnknownServiceError:
        return Price(0.0, "XXX")


def recount(told: Summary, entries: Iterable[Entry]) -> Summary:
    """A summary whose counts and reasons are those of other entries: a run's after a retry repaired it.

    What was measured in the run itself stays as it was reported.
    """
    total = succeeded = 0
    reasons = Reasons()
    for entry in entries:
        total += 1
        succeeded += entry.status is Status.SUCCEEDED
        reasons.add(entry)
    return replace(
        told,
        status=run_status(total, succeeded, told.error if succeeded < total else None),
        succeeded=succeeded,
        failed=total - succeeded,
        reasons=reasons.commonest(),
    )


COLUMNS = (
    "n",
    "id",
    "model",
    "worn",
    "variant",
    "service",
    "status",
    "task_id",
    "refused_tasks",
    "submits",
    "submitted_at",
    "polls",
    "latency",
    "delay",
    "bytes",
    "results",
    "lost",
    "error",
    "cause",
    "step",
    "check",
    "suspicion",
    "flags",
)
"""The columns of combinations.csv."""


def table(
    entries: Iterable[Entry], out: TextIO, verdicts: Verdicts | None = None, checks: CheckTally | None = None
) -> Iterator[Entry]:
    """Write combinations.csv, one line a combination, while the entries pass; `checks` adds their verdicts up.

    It begins with a byte order mark, without which Excel takes it for the machine's own code page; text that a
    spreadsheet would read as something else is marked (`spreadsheet.marked`).
    """
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        found = checked.of_entry(entry, verdicts)
        if checks is not None:
            checks.add(entry, found)
        row = {name: getattr(entry, name, None) for name in COLUMNS} | {
            "refused_tasks": " ".join(entry.refused_tasks),
            "results": " ".join(result.key for result in entry.results),
            "lost": "; ".join(f"{one.candidate} {one.error}: {one.cause}" for one in entry.lost),
            **checked.cells(found),
        }
        writer.writerow([_cell(row[name]) for name in COLUMNS])
        yield entry


def _cell(value: str | float | None) -> str | float:
    if isinstance(value, str):
        # `csv` puts no quotes around a lone carriage return, which readers then take for the end of the line.
        return spreadsheet.marked(value).replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return "" if value is None else value
