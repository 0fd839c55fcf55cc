"""A run's numbers, all of them measured in the run."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, quantiles
from typing import Any

from tryon import cost
from tryon.drift import drift
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


@dataclass(frozen=True)
class Reason:
    """Why combinations failed: the error's name, how often, one of them and its cause."""

    error: str
    count: int
    example: str
    cause: str


def reasons(entries: Iterable[Entry]) -> list[Reason]:
    """The errors of failed entries, commonest first."""
    counts: Counter[str] = Counter()
    examples: dict[str, Entry] = {}
    for entry in entries:
        if entry.status is Status.FAILED and entry.error:
            counts[entry.error] += 1
            examples.setdefault(entry.error, entry)
    return [
        Reason(error, count, examples[error].id, (examples[error].cause or "")[:300])
        for error, count in counts.most_common()
    ]


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


def summarize(
    run: Mapping[str, Any],
    entries: Sequence[Entry],
    *,
    now: float,
    price: float,
    currency: str,
    error: str | None = None,
    cause: str | None = None,
) -> dict[str, Any]:
    """The content of summary.json, from the run's item and its final entries. Times are in seconds.

    `cost.service` is `price` times the tasks this run started: what the service bills. A submit whose outcome
    is unknown counts in `tasks_unknown` and may be billed too. `drift` compares with what a learned cadence was
    learned from.
    """
    succeeded = [entry for entry in entries if entry.status is Status.SUCCEEDED]
    started = sum(1 for entry in entries if entry.task_id is not None and not entry.resumed)
    unknown = sum(entry.outcome_unknown for entry in entries)
    first = min((entry.submitted_at for entry in entries if entry.submitted_at is not None), default=None)
    origin = run.get("learned")
    status = run_status(len(entries), len(succeeded), error)
    if error is None and status is RunStatus.FAILED:
        error, cause = AllFailedError.__name__, f"none of {len(entries)} combinations has a picture"
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
        "started_at": run["started_at"],
        "ended_at": round(now, 3),
        "seconds": round(now - run["started_at"], 1),
        "seconds_from_first_submit": None if first is None else round(now - first, 1),
        "total": len(entries),
        "succeeded": len(succeeded),
        "failed": len(entries) - len(succeeded),
        "reasons": [asdict(reason) for reason in reasons(entries)],
        "pictures": sum(len(entry.results) for entry in succeeded),
        "bytes": sum(entry.bytes for entry in succeeded),
        "cadence": run.get("cadence"),
        "cadence_name": origin["name"] if origin else None,
        "drift": drift(origin, entries) if origin else None,
        "polls": spread([entry.polls for entry in entries if entry.ended_at is not None]),
        "latency": spread([entry.latency for entry in entries if entry.latency is not None]),
        "delay": spread([entry.delay for entry in entries if entry.delay is not None]),
        "tasks": started,
        "tasks_unknown": unknown,
        "cost": {
            "service": round(price * started, 2),
            "currency": currency,
            "price_per_task": price,
            "aws": cost.aws(entries, planning=run.get("planned_at", run["started_at"]) - run["started_at"]),
        },
    }


def recount(told: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """A summary whose counts and reasons are those of other entries: a run's after a retry repaired it.

    What was measured in the run itself stays as it was told.
    """
    succeeded = sum(entry.status is Status.SUCCEEDED for entry in entries)
    return {
        **told,
        "status": run_status(len(entries), succeeded, told["error"] if succeeded < len(entries) else None).value,
        "succeeded": succeeded,
        "failed": len(entries) - succeeded,
        "reasons": [asdict(reason) for reason in reasons(entries)],
    }


COLUMNS = (
    "n",
    "id",
    "model",
    "worn",
    "variant",
    "status",
    "task_id",
    "submits",
    "submitted_at",
    "polls",
    "latency",
    "delay",
    "bytes",
    "results",
    "error",
    "cause",
    "step",
)
"""The columns of combinations.csv."""


def table(entries: Iterable[Entry]) -> str:
    """combinations.csv: one line a combination."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        row = {name: getattr(entry, name) for name in COLUMNS} | {
            "results": " ".join(result["key"] for result in entry.results)
        }
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    """A spreadsheet runs a text cell that begins like a formula; an apostrophe makes it plain text."""
    if isinstance(value, str):
        plain = "'" + value if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
        # `csv` puts no quotes around a lone carriage return, which readers then take for the end of the line.
        return plain.replace("\r\n", "\n").replace("\r", "\n")
    return "" if value is None else value
