"""The end of a run: every combination gets its outcome, and the run's files are written."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tryon import objects
from tryon.checks import verdict_file
from tryon.clock import Clock
from tryon.json_types import Json
from tryon.keys import RunFolder
from tryon.reporting import galleries, notification, retry, summary
from tryon.reporting.batches import Batch
from tryon.reporting.checked import CheckTally
from tryon.reporting.galleries import Entries
from tryon.reporting.summary import Summary
from tryon.service import registry
from tryon.state.gate import Gate
from tryon.state.ledger import Ledger, RunEndedError
from tryon.state.run import Price, Run, RunStatus
from tryon.task.slots import holder, holders_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RunNotPlannedError(Exception):
    """There is no whole plan to report on: the run ended before."""


class ExecutionStoppedError(Exception):
    """Somebody stopped the run's execution, or its time was up; the state machine names it so."""


@dataclass(frozen=True)
class Failure:
    """What broke the run itself."""

    error: str
    cause: str


@dataclass(frozen=True)
class Notification:
    """What SNS is given: a line for a mailbox, and the message in its forms."""

    subject: str
    message: str


@dataclass(frozen=True)
class Report:
    """What the state machine needs of a run that has ended; `gallery_error` is why there is no gallery.

    `batches` are what is left to be drawn of galleries (`Batch`, in plain values): while there are any, the run has not
    ended. `costs` are the metrics of what the services charge: `Cost`, and one for each further currency, such as
    `CostUSD`.
    """

    batches: list[dict[str, Json]]
    status: RunStatus
    gallery_error: str | None
    error: str
    cause: str
    failed: int
    costs: dict[str, float]
    notification: Notification


def write_report(  # noqa: PLR0913 - what a report is made of, by name
    s3: "S3Client",
    ledger: Ledger,
    gates: Callable[[str], Gate],
    *,
    run_id: str,
    bucket: str,
    clock: Clock,
    prices: Callable[[str], Price],
    failure: Failure | None,
    uncompared: str = "",
    parts_later: bool = False,
    hurry: Callable[[], bool] = lambda: False,
) -> Report:
    """Finish a run in the ledger, write its files into S3 and return what the state machine needs to notify.

    `gates` and `prices` give those of a service by its key. `uncompared` is the error that ended the comparison of
    results. `hurry` says when too little time is left to look for more pictures for the gallery. Where `parts_later`
    allows it, a gallery of many parts is left to further calls, and `end_report` ends the run. Called again, or for a
    run that was stopped after its report, it returns what was reported and changes nothing. Raises
    `RunNotPlannedError`.
    """
    folder = RunFolder(run_id)
    run = ledger.run(run_id)
    if run is not None and run.outcome is not None:
        return _report(_read_summary(s3, bucket, folder), bucket, folder, None)
    if run is None or not run.planned:
        told = f"; {failure.cause}" if failure else ""
        raise RunNotPlannedError(f"run {run_id} ended before its plan was whole; nothing was submitted{told}")
    if not run.running:
        raise RunNotPlannedError(f"run {run_id} was recorded as {run.status} without a report")
    _finish(ledger, run_id, gates)
    original, note = galleries.manifest_of(s3, run)
    verdicts = verdict_file.read_all(s3, bucket, [run_id])
    checks = CheckTally(verdicts, uncompared)
    with objects.spool() as table, objects.spool() as again:
        # All three from one reading, so that they agree whatever is written to the ledger meanwhile.
        passing = summary.table(ledger.entries(run_id), table, verdicts, checks)
        if original is not None:
            passing = retry.write(original, run_id, passing, again)
        result = summary.summarize(
            replace(run, notes=(*run.notes, *note)),
            passing,
            now=clock.now(),
            prices=prices,
            error=failure.error if failure else None,
            cause=failure.cause if failure else None,
        )
        result = replace(result, checks=checks.checks)
        objects.put_spool(s3, bucket, folder.csv, table, "text/csv; charset=utf-8")
        if objects.put_spool(s3, bucket, folder.retry_manifest, again, "application/json"):
            result = replace(result, retry_manifest=folder.retry_manifest)
    if not objects.put_new_text(s3, bucket, folder.summary, result.encode(), "application/json"):
        # Another call was faster, or an earlier one died after this: its numbers are the run's.
        result = _read_summary(s3, bucket, folder)
    batches, gallery_error = galleries.publish(
        s3, ledger, run, result, original, verdicts, hurry=hurry, parts_later=parts_later
    )
    if not batches:
        _end(ledger, run, result)
    return _report(result, bucket, folder, gallery_error, batches)


def end_report(s3: "S3Client", ledger: Ledger, *, run_id: str, bucket: str, undrawn: Sequence[Batch]) -> Report:
    """Say that a run whose gallery's parts were drawn by further calls has ended; return what is to be notified.

    Parts that no call could draw (`undrawn`) are written without pictures, so that every link leads somewhere. Called
    again, or late, it returns what was reported and changes nothing. Raises `RunNotPlannedError`.
    """
    folder = RunFolder(run_id)
    run = ledger.run(run_id)
    if run is not None and run.outcome is not None:
        return _report(_read_summary(s3, bucket, folder), bucket, folder, None)
    if run is None or not run.running:
        raise RunNotPlannedError(f"run {run_id} was recorded as {run.status if run else 'nothing'} without a report")
    problems = [f"parts {batch.first} to {batch.last} of {batch.run_id}: {batch.error}" for batch in undrawn]
    for batch in undrawn:
        try:
            galleries.draw(s3, ledger, batch, hurry=lambda: True)
        except Exception as error:  # noqa: BLE001 - a page that cannot be drawn must not fail a run
            problems.append(f"{type(error).__name__}: {error}")
    result = _read_summary(s3, bucket, folder)
    _end(ledger, run, result)
    return _report(result, bucket, folder, "; ".join(problems) or None)


def _end(ledger: Ledger, run: Run, result: Summary) -> None:
    _mark_repaired(ledger, run)
    # Last, because whoever watches the run takes it for the end and fetches the files.
    with suppress(RunEndedError):
        ledger.report(run.run_id, result.outcome)


def _finish(ledger: Ledger, run_id: str, gates: Callable[[str], Gate]) -> None:
    """Give every combination its outcome, and back the slots that the run has no use for any more."""
    keep = set()
    services = {registry.FIRST}
    for entry in ledger.entries(run_id):
        if entry.status in summary.OUTCOME_OF_UNFINISHED:
            ledger.failed(run_id, entry.n, *summary.OUTCOME_OF_UNFINISHED[entry.status])
        services.add(entry.service)
        if entry.may_still_run:
            keep.add(holder(run_id, entry.n, entry.visit))
    # What the service may still work on fills its slots too: the lease's end frees those.
    for gate in _gates_of(services, gates):
        gate.release_run(holders_of(run_id), keep=frozenset(keep))


def _gates_of(services: Iterable[str], gates: Callable[[str], Gate]) -> list[Gate]:
    """The gates of the services' accounts, each once; of a service that is gone there is none."""
    found = {}
    for key in services:
        with suppress(registry.UnknownServiceError):
            found[registry.find(key).account] = gates(key)
    return list(found.values())


def _read_summary(s3: "S3Client", bucket: str, folder: RunFolder) -> Summary:
    return summary.read(objects.read(s3, bucket, folder.summary))


def _report(
    result: Summary, bucket: str, folder: RunFolder, gallery_error: str | None, batches: Sequence[Batch] = ()
) -> Report:
    return Report(
        batches=[batch.model_dump(exclude_none=True) for batch in batches],
        status=result.status,
        gallery_error=gallery_error,
        error=result.error or "",
        cause=result.cause or "",
        failed=result.failed,
        costs={"Cost" if one == result.cost.currency else f"Cost{one}": v for one, v in result.cost.totals.items()},
        notification=Notification(
            subject=notification.subject(result),
            message=notification.message(result, bucket=bucket, prefix=folder.prefix),
        ),
    )


def _mark_repaired(ledger: Ledger, run: Run) -> None:
    """Note in the runs that a retry repeats, directly or not, that they are repaired, where now all have pictures."""
    for repaired in retry.ancestors(ledger, run.run_id)[1:]:
        entries, by = retry.repaired(ledger, repaired.run_id, lambda run_id: Entries(ledger, run_id))
        if repaired.planned and galleries.whole(entries):
            ledger.mark_repaired(repaired.run_id, by)
