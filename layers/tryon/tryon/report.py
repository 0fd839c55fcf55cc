"""The end of a run: every combination gets its outcome, and the run's files are written."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tryon import notification, objects, retry, summary
from tryon.clock import Clock
from tryon.gallery import publishing
from tryon.gate import Gate
from tryon.ledger import Entry, Ledger, RunEndedError, RunStatus, Status
from tryon.plan import RunFolder
from tryon.task import holder, holders_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_RUN_ITEM_FIELDS = (
    "status",
    "error",
    "cause",
    "ended_at",
    "seconds",
    "total",
    "succeeded",
    "failed",
    "tasks",
    "tasks_unknown",
    "bytes",
    "pictures",
    "pictures_lost",
    "polls",
    "latency",
    "delay",
    "cost",
    "reasons",
)


class RunNotPlannedError(Exception):
    """There is no whole plan to report on: the run ended before."""


class ExecutionStoppedError(Exception):
    """Somebody stopped the run's execution, or its time was up; the state machine names it so."""


@dataclass(frozen=True)
class Failure:
    """What broke the run itself."""

    error: str
    cause: str


def write_report(
    s3: "S3Client",
    ledger: Ledger,
    gate: Gate,
    *,
    run_id: str,
    bucket: str,
    clock: Clock,
    price: float,
    currency: str,
    failure: Failure | None,
    hurry: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Finish a run in the ledger, write its files into S3 and return what the state machine needs to notify.

    `hurry` says when too little time is left to look for more pictures for the gallery. Called again, or for a run
    that was stopped after its report, it returns what was reported and changes nothing. Raises `RunNotPlannedError`.
    """
    folder = RunFolder(run_id)
    run = ledger.run(run_id)
    if run is not None and "ended_at" in run:
        return _answer(_read_summary(s3, bucket, folder), bucket, folder, None)
    if run is None or "planned_at" not in run:
        told = f"; {failure.cause}" if failure else ""
        raise RunNotPlannedError(f"run {run_id} ended before its plan was whole; nothing was submitted{told}")
    if run["status"] != RunStatus.RUNNING:
        raise RunNotPlannedError(f"run {run_id} was recorded as {run['status']} without a report")
    keep = set()
    for entry in ledger.entries(run_id):
        if entry.status in summary.OUTCOME_OF_UNFINISHED:
            ledger.failed(run_id, entry.n, *summary.OUTCOME_OF_UNFINISHED[entry.status])
        if entry.may_still_run:
            keep.add(holder(run_id, entry.n, entry.visit))
    # What the service may still work on fills its slots too: the lease's end frees those.
    gate.release_run(holders_of(run_id), keep=frozenset(keep))
    original = _manifest(s3, run)
    with objects.spool() as table, objects.spool() as again:
        # All three from one reading, so that they agree whatever is written to the ledger meanwhile.
        passing = summary.table(ledger.entries(run_id), table)
        passing = retry.write(original, run_id, passing, again)
        result = summary.summarize(
            run,
            passing,
            now=clock.now(),
            price=price,
            currency=currency,
            error=failure.error if failure else None,
            cause=failure.cause if failure else None,
        )
        objects.put_spool(s3, bucket, folder.csv, table, "text/csv; charset=utf-8")
        if objects.put_spool(s3, bucket, folder.retry_manifest, again, "application/json"):
            result["retry_manifest"] = folder.retry_manifest
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if not objects.put_new_text(s3, bucket, folder.summary, text, "application/json"):
        # Another call was faster, or an earlier one died after this: its numbers are the run's.
        result = _read_summary(s3, bucket, folder)
    gallery_error = _publish(s3, ledger, run, bucket, result, original, hurry)
    _mark_repaired(ledger, run)
    # Last, because whoever watches the run takes it for the end and fetches the files.
    with suppress(RunEndedError):
        ledger.report(run_id, **{name: result[name] for name in _RUN_ITEM_FIELDS})
    return _answer(result, bucket, folder, gallery_error)


def _read_summary(s3: "S3Client", bucket: str, folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(objects.read(s3, bucket, folder.summary))
    return found


def _answer(result: Mapping[str, Any], bucket: str, folder: RunFolder, gallery_error: str | None) -> dict[str, Any]:
    return {
        "status": result["status"],
        "gallery_error": gallery_error,
        "error": result["error"] or "",
        "cause": result["cause"] or "",
        "failed": result["failed"],
        "cost": result["cost"]["service"],
        "notification": {
            "subject": notification.subject(result),
            "message": notification.message(result, bucket=bucket, prefix=folder.prefix),
        },
    }


@dataclass(frozen=True)
class _Entries:
    """A run's entries, read from the ledger page by page each time."""

    ledger: Ledger
    run_id: str

    def __iter__(self) -> Iterator[Entry]:
        return self.ledger.entries(self.run_id)


def _publish(
    s3: "S3Client",
    ledger: Ledger,
    run: Mapping[str, Any],
    bucket: str,
    result: Mapping[str, Any],
    original: Mapping[str, Any],
    hurry: Callable[[], bool],
) -> str | None:
    """Write the galleries; what went wrong comes back as text."""
    entries = _Entries(ledger, run["run_id"])
    try:
        publishing.publish(s3, bucket, result, entries, original, hurry=hurry)
        _publish_repaired(s3, ledger, run, hurry)
    except Exception as error:  # noqa: BLE001 - a page that cannot be drawn must not fail a run whose pictures are safe
        return f"{type(error).__name__}: {error}"
    return None


def _publish_repaired(s3: "S3Client", ledger: Ledger, run: Mapping[str, Any], hurry: Callable[[], bool]) -> None:
    """Show a retry's results in the galleries of the runs that it repairs, the first one's included."""
    for repaired in retry.ancestors(ledger, run["run_id"])[1:]:
        if "succeeded" not in repaired or hurry():
            return  # a gallery that shows the first outcomes is worth more than one without pictures
        entries, by = retry.repaired(ledger, repaired["run_id"], lambda run_id: _Entries(ledger, run_id))
        told = _read_summary(s3, repaired["bucket"], RunFolder(repaired["run_id"]))
        publishing.publish(
            s3,
            repaired["bucket"],
            summary.recount(told, entries) | {"repaired_by": by if _whole(entries) else []},
            entries,
            _manifest(s3, repaired),
            hurry=hurry,
        )


def _mark_repaired(ledger: Ledger, run: Mapping[str, Any]) -> None:
    """Note in the runs that a retry repeats, directly or not, that they are repaired, where now all have pictures."""
    for repaired in retry.ancestors(ledger, run["run_id"])[1:]:
        entries, by = retry.repaired(ledger, repaired["run_id"], lambda run_id: _Entries(ledger, run_id))
        if "planned_at" in repaired and _whole(entries):
            ledger.mark_repaired(repaired["run_id"], by)


def _whole(entries: Iterable[Entry]) -> bool:
    return all(entry.status is Status.SUCCEEDED for entry in entries)


def _manifest(s3: "S3Client", run: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = objects.get(s3, run["bucket"], run["manifest_key"], run.get("manifest_version"))
    manifest: Mapping[str, Any] = json.loads(answer["Body"].read().decode("utf-8-sig"))
    return manifest
