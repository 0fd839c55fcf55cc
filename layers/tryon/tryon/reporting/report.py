"""The end of a run: every combination gets its outcome, and the run's files are written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tryon import objects
from tryon.checks import verdict_file
from tryon.checks.verdict_file import Verdicts
from tryon.clock import Clock
from tryon.keys import RunFolder
from tryon.planning.manifest import Manifest, ManifestError, read_again
from tryon.reporting import notification, retry, summary
from tryon.reporting.checked import CheckTally
from tryon.reporting.gallery import publishing
from tryon.reporting.gallery.render import NO_CONTEXT, Context
from tryon.reporting.summary import Summary
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon.state.gate import Gate
from tryon.state.ledger import Ledger, RunEndedError
from tryon.state.run import Price, Run, RunStatus
from tryon.task.slots import holder, holders_of
from tryon.text import cut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_WHY = 1_000
"""Bytes of the reason why there is no retry manifest: a manifest may have many problems, and a mail has little room."""


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

    `costs` are the metrics of what the services charge: `Cost`, and one for each further currency, such as `CostUSD`.
    """

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
    hurry: Callable[[], bool] = lambda: False,
) -> Report:
    """Finish a run in the ledger, write its files into S3 and return what the state machine needs to notify.

    `gates` and `prices` give those of a service by its key. `uncompared` is the error that ended the comparison of
    results. `hurry` says when too little time is left to look for more pictures for the gallery. Called again, or for a
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
    original, note = _manifest(s3, run)
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
    gallery_error = _publish(s3, ledger, run, bucket, result, original, verdicts, hurry)
    _mark_repaired(ledger, run)
    # Last, because whoever watches the run takes it for the end and fetches the files.
    with suppress(RunEndedError):
        ledger.report(run_id, result.outcome)
    return _report(result, bucket, folder, gallery_error)


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


def _report(result: Summary, bucket: str, folder: RunFolder, gallery_error: str | None) -> Report:
    return Report(
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
    run: Run,
    bucket: str,
    result: Summary,
    original: Manifest | None,
    verdicts: Verdicts | None,
    hurry: Callable[[], bool],
) -> str | None:
    """Write the galleries; what went wrong comes back as text."""
    entries = _Entries(ledger, run.run_id)
    try:
        context = _context(s3, ledger, run) if run.retry_of else replace(NO_CONTEXT, verdicts=verdicts)
        publishing.publish(s3, bucket, result, entries, original, context=context, hurry=hurry)
        _publish_repaired(s3, ledger, run, hurry)
    except Exception as error:  # noqa: BLE001 - a page that cannot be drawn must not fail a run whose pictures are safe
        return f"{type(error).__name__}: {error}"
    return None


def _publish_repaired(s3: "S3Client", ledger: Ledger, run: Run, hurry: Callable[[], bool]) -> None:
    """Show a retry's results in the galleries of the runs that it repairs, the first one's included."""
    for repaired in retry.ancestors(ledger, run.run_id)[1:]:
        if repaired.outcome is None or hurry():
            return  # a gallery that shows the first outcomes is worth more than one without pictures
        entries, by = retry.repaired(ledger, repaired.run_id, lambda run_id: _Entries(ledger, run_id))
        told = _read_summary(s3, repaired.bucket, RunFolder(repaired.run_id))
        publishing.publish(
            s3,
            repaired.bucket,
            summary.recount(told, entries),
            entries,
            _manifest(s3, repaired)[0],
            context=_context(s3, ledger, repaired, by, whole=_whole(entries)),
            hurry=hurry,
        )


def _context(
    s3: "S3Client", ledger: Ledger, run: Run, repaired_by: Sequence[str] | None = None, *, whole: bool = True
) -> Context:
    """What a gallery shows of the other runs of its family: further takes beside what was rejected, and the checks.

    `repaired_by` are the runs that brought what a run lacked, if not the `whole` of it.
    """

    def entries_of(run_id: str) -> Iterable[Entry]:
        return _Entries(ledger, run_id)

    takes = retry.further_takes(ledger, run.run_id, entries_of)
    family = retry.ancestors(ledger, run.run_id)[-1].run_id
    context = Context(repaired_by if whole else [], takes, family)
    return replace(
        context, verdicts=verdict_file.read_all(s3, run.bucket, [run.run_id, *(repaired_by or ()), *context.runs])
    )


def _mark_repaired(ledger: Ledger, run: Run) -> None:
    """Note in the runs that a retry repeats, directly or not, that they are repaired, where now all have pictures."""
    for repaired in retry.ancestors(ledger, run.run_id)[1:]:
        entries, by = retry.repaired(ledger, repaired.run_id, lambda run_id: _Entries(ledger, run_id))
        if repaired.planned and _whole(entries):
            ledger.mark_repaired(repaired.run_id, by)


def _whole(entries: Iterable[Entry]) -> bool:
    return all(entry.status is Status.SUCCEEDED for entry in entries)


def _manifest(s3: "S3Client", run: Run) -> tuple[Manifest | None, list[str]]:
    """The run's manifest; None, with a note, of one that another version accepted and this one does not understand.

    The results are worth more than the garments' types and a retry manifest.
    """
    try:
        return read_again(s3, run.bucket, run.manifest_key, run.manifest_version, default_service=run.service), []
    except ManifestError as error:
        why = cut(str(error), _MAX_WHY)
        return None, [f"there is no retry manifest, because this version does not understand the manifest: {why}"]
