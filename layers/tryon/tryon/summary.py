"""A run's numbers, all of them measured in the run."""

import csv
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, quantiles
from typing import Any, TextIO

from tryon import cost, spreadsheet
from tryon.drift import Drift
from tryon.ledger import Entry, RunStatus, Status

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


@dataclass
class Reason:
    """Why combinations failed: the error's name, how often, the first of them by id and the first one's cause."""

    error: str
    count: int
    examples: list[str]
    cause: str


class Reasons:
    """The errors of failed entries, added up entry by entry."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}

    def add(self, entry: Entry) -> None:
        """Count an entry if it failed."""
        if entry.status is Status.FAILED and entry.error:
            reason = self._reasons.setdefault(entry.error, Reason(entry.error, 0, [], (entry.cause or "")[:300]))
            reason.count += 1
            if reason.count <= MAX_EXAMPLES:
                reason.examples.append(entry.id)

    def told(self) -> list[dict[str, Any]]:
        """The reasons for a summary, commonest first."""
        return [asdict(one) for one in sorted(self._reasons.values(), key=lambda reason: -reason.count)]


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, median, 95th percentile and largest of some seconds or counts; None of none."""
    if not values:
        return None
    if len(values) == 1:
        p50 = p95 = values[0]
    else:
        cuts = quantiles(values, n=20, method="inclusive")
        p50, p95 = cuts[9], cuts[18]
    return {
        name: round(v, 2) for name, v in (("mean", fmean(values)), ("p50", p50), ("p95", p95), ("max", max(values)))
    }


def run_status(total: int, succeeded: int, error: str | None) -> RunStatus:
    """SUCCEEDED when whole, FAILED when nothing came of it, PARTIAL between."""
    if succeeded == total and error is None:
        return RunStatus.SUCCEEDED
    return RunStatus.PARTIAL if succeeded else RunStatus.FAILED


class _Tally:
    """A run's numbers, added up entry by entry: of each entry no more than its three measures is kept."""

    def __init__(self, origin: Mapping[str, Any] | None) -> None:
        self.total = self.succeeded = self.tasks = self.unknown = self.pictures = self.lost = self.bytes = 0
        self.first_submit: float | None = None
        self.polls, self.latency, self.delay = array("l"), array("d"), array("d")
        self.reasons = Reasons()
        self.meter = cost.Meter()
        self.drift = Drift(origin) if origin else None

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
        self.reasons.add(entry)
        self.meter.add(entry)
        if self.drift is not None:
            self.drift.add(entry)


def summarize(
    run: Mapping[str, Any],
    entries: Iterable[Entry],
    *,
    now: float,
    price: float,
    currency: str,
    error: str | None = None,
    cause: str | None = None,
) -> dict[str, Any]:
    """The content of summary.json, from the run's item and its final entries, read once. Times are in seconds.

    `pictures_lost` counts pictures that could not be had beside others of the same combination. `cost.service` is
    `price` times the tasks this run started: what the service bills. A submit whose outcome is unknown counts in
    `tasks_unknown` and may be billed too. `drift` compares with what a learned cadence was learned from.
    """
    origin = run.get("learned")
    tally = _Tally(origin)
    for entry in entries:
        tally.add(entry)
    first = tally.first_submit
    status = run_status(tally.total, tally.succeeded, error)
    if error is None and status is RunStatus.FAILED:
        error, cause = AllFailedError.__name__, f"none of {tally.total} combinations has a picture"
    return {
        "run_id": run["run_id"],
        "name": run["name"],
        "status": status.value,
        "error": error,
        "cause": cause,
        "manifest": {
            "bucket": run["bucket"],
            "key": run["manifest_key"],
            "version": run.get("manifest_version"),
        },
        "execution": run.get("execution"),
        "retry_of": run.get("retry_of"),
        "nothing_left": run.get("nothing_left"),
        "notes": run.get("notes", []),
        "started_at": run["started_at"],
        "ended_at": round(now, 3),
        "seconds": round(now - run["started_at"], 1),
        "seconds_from_first_submit": None if first is None else round(now - first, 1),
        "total": tally.total,
        "succeeded": tally.succeeded,
        "failed": tally.total - tally.succeeded,
        "reasons": tally.reasons.told(),
        "pictures": tally.pictures,
        "pictures_lost": tally.lost,
        "bytes": tally.bytes,
        "cadence": run.get("cadence"),
        "cadence_name": origin["name"] if origin else None,
        "drift": tally.drift.told() if tally.drift else None,
        "polls": spread(tally.polls),
        "latency": spread(tally.latency),
        "delay": spread(tally.delay),
        "tasks": tally.tasks,
        "tasks_unknown": tally.unknown,
        "cost": {
            "service": round(price * tally.tasks, 2),
            "currency": currency,
            "price_per_task": price,
            "aws": tally.meter.told(planning=run.get("planned_at", run["started_at"]) - run["started_at"]),
        },
    }


def recount(told: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """A summary whose counts and reasons are those of other entries: a run's after a retry repaired it.

    What was measured in the run itself stays as it was told.
    """
    total = succeeded = 0
    reasons = Reasons()
    for entry in entries:
        total += 1
        succeeded += entry.status is Status.SUCCEEDED
        reasons.add(entry)
    return {
        **told,
        "status": run_status(total, succeeded, told["error"] if succeeded < total else None).value,
        "succeeded": succeeded,
        "failed": total - succeeded,
        "reasons": reasons.told(),
    }


COLUMNS = (
    "n",
    "id",
    "model",
    "worn",
    "variant",
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
)
"""The columns of combinations.csv."""


def table(entries: Iterable[Entry], out: TextIO) -> Iterator[Entry]:
    """Write combinations.csv, one line a combination, while the entries pass.

    It begins with a byte order mark, without which Excel takes it for the machine's own code page; text that a
    spreadsheet would read as something else is marked (`spreadsheet.marked`).
    """
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        row = {name: getattr(entry, name) for name in COLUMNS} | {
            "refused_tasks": " ".join(entry.refused_tasks),
            "results": " ".join(result["key"] for result in entry.results),
            "lost": "; ".join(f"{one['candidate']} {one['error']}: {one['cause']}" for one in entry.lost),
        }
        writer.writerow([_cell(row[name]) for name in COLUMNS])
        yield entry


def _cell(value: object) -> object:
    if isinstance(value, str):
        # `csv` puts no quotes around a lone carriage return, which readers then take for the end of the line.
        return spreadsheet.marked(value).replace("\r\n", "\n").replace("\r", "\n")
    return "" if value is None else value
