"""The end of a run: every combination gets its outcome, and the run's files are written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tryon import notification, objects, retry, summary
from tryon.clock import Clock
from tryon.gallery import publishing
from tryon.gate import Gate
from tryon.ledger import Entry, Ledger, Status
from tryon.plan import RunFolder
from tryon.task import holder

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
    "polls",
    "latency",
    "delay",
    "cost",
    "reasons",
)


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
) -> dict[str, Any]:
    """Finish a run in the ledger, write its files into S3 and return what the state machine needs to notify."""
    run = ledger.run(run_id)
    if run is None:
        raise KeyError(f"run {run_id} was never planned")
    for entry in ledger.entries(run_id):
        if entry.status in summary.OUTCOME_OF_UNFINISHED:
            ledger.failed(run_id, entry.n, *summary.OUTCOME_OF_UNFINISHED[entry.status])
    entries = list(ledger.entries(run_id))
    gate.release_run(
        holder(run_id, 0).removesuffix("0"),
        # What the service may still work on fills its slots too: the lease's end frees those.
        keep=frozenset(holder(run_id, entry.n) for entry in entries if entry.may_still_run),
    )
    result = summary.summarize(
        run,
        entries,
        now=clock.now(),
        price=price,
        currency=currency,
        error=failure.error if failure else None,
        cause=failure.cause if failure else None,
    )
    folder = RunFolder(run_id)
    objects.put_text(s3, bucket, folder.csv, summary.table(entries), "text/csv; charset=utf-8")
    original = _manifest(s3, run)
    if any(entry.status is not Status.SUCCEEDED for entry in entries):
        again = retry.manifest(original, run_id, entries)
        if again is not None:
            objects.put_text(
                s3,
                bucket,
                folder.retry_manifest,
                json.dumps(again, indent=1, ensure_ascii=False),
                "application/json",
            )
            result["retry_manifest"] = folder.retry_manifest
    objects.put_text(s3, bucket, folder.summary, json.dumps(result, indent=1, ensure_ascii=False), "application/json")
    ledger.update_run(run_id, **{name: result[name] for name in _RUN_ITEM_FIELDS})
    gallery_error = _publish(s3, ledger, run, bucket, result, entries, original)
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


def _publish(
    s3: "S3Client",
    ledger: Ledger,
    run: Mapping[str, Any],
    bucket: str,
    result: Mapping[str, Any],
    entries: Sequence[Entry],
    original: Mapping[str, Any],
) -> str | None:
    """Write the galleries; what went wrong comes back as text."""
    try:
        publishing.publish(s3, bucket, result, entries, original)
        _publish_repaired(s3, ledger, run, entries)
    except Exception as error:  # noqa: BLE001 - a page that cannot be drawn must not fail a run whose pictures are safe
        return f"{type(error).__name__}: {error}"
    return None


def _publish_repaired(s3: "S3Client", ledger: Ledger, run: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Show a retry's results in the galleries of the runs that it repairs, the first one's included."""
    seen = {run["run_id"]}
    while (repaired_id := run.get("retry_of")) and repaired_id not in seen:
        seen.add(repaired_id)
        repaired = ledger.run(repaired_id)
        if repaired is None or "succeeded" not in repaired:
            return
        entries = retry.merge(ledger.entries(repaired_id), entries)
        folder = RunFolder(repaired_id)
        told = json.loads(objects.get(s3, repaired["bucket"], folder.summary)["Body"].read())
        publishing.publish(s3, repaired["bucket"], summary.recount(told, entries), entries, _manifest(s3, repaired))
        run = repaired


def _manifest(s3: "S3Client", run: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = objects.get(s3, run["bucket"], run["manifest_key"], run.get("manifest_version"))
    manifest: Mapping[str, Any] = json.loads(answer["Body"].read().decode("utf-8-sig"))
    return manifest
