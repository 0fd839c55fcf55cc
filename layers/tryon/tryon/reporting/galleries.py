"""Which galleries a run's end writes: its own, and those of the runs that it repairs; their parts, in batches.

A few parts are drawn by whoever writes the report. Many are left to further calls, a batch each: none of them needs to
know who else draws, and each may come twice or late, because it shows a run as it is then.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from tryon import objects
from tryon.checks import verdict_file
from tryon.checks.verdict_file import Verdicts
from tryon.keys import RunFolder
from tryon.planning.manifest import Manifest, ManifestError, read_again
from tryon.planning.plan import Key
from tryon.reporting import retry, summary
from tryon.reporting.batches import BATCH_PARTS, MOST_OWN_PARTS, Batch
from tryon.reporting.gallery import outline, publishing
from tryon.reporting.gallery.outline import Outline
from tryon.reporting.gallery.render import Context
from tryon.reporting.summary import Summary
from tryon.state.entry import Entry, Status
from tryon.state.ledger import Ledger
from tryon.state.run import Run
from tryon.text import cut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_WHY = 1_000
"""Bytes of the reason why there is no retry manifest: a manifest may have many problems, and a mail has little room."""


@dataclass(frozen=True)
class Entries:
    """A run's entries, read from the ledger page by page each time."""

    ledger: Ledger
    run_id: str

    def __iter__(self) -> Iterator[Entry]:
        return self.ledger.entries(self.run_id)


@dataclass(frozen=True)
class _Gallery:
    """A gallery whose index is written, and what its parts are drawn of."""

    bucket: str
    outline: Outline
    entries: Iterable[Entry]
    manifest: Manifest | None
    context: Context


def publish(
    s3: "S3Client",
    ledger: Ledger,
    run: Run,
    result: Summary,
    manifest: Manifest | None,
    verdicts: Verdicts | None,
    *,
    hurry: Callable[[], bool],
    parts_later: bool,
) -> tuple[list[Batch], str | None]:
    """Write a run's gallery and those of the runs that it repairs.

    Returns the batches that are left to further calls, none unless `parts_later` allows it and there are many; and
    what went wrong, as text: a page that cannot be drawn must not fail a run whose pictures are safe.
    """
    begun: list[_Gallery] = []
    problem = None
    try:
        for gallery in _begin(s3, ledger, run, result, manifest, verdicts, hurry):
            begun.append(gallery)  # noqa: PERF402 - those that were begun stay, whatever becomes of the next
    except Exception as error:  # noqa: BLE001 - see above
        problem = f"{type(error).__name__}: {error}"
    try:
        if parts_later and sum(len(one.outline.parts) for one in begun) > MOST_OWN_PARTS:
            for one in begun:
                _store(s3, one)
            return [batch for one in begun for batch in _batches(one.outline)], problem
        for one in begun:
            publishing.draw(
                s3, one.bucket, one.outline, one.outline.parts, one.entries, one.manifest,
                context=one.context, hurry=hurry,
            )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - see above
        problem = f"{type(error).__name__}: {error}"
    return [], problem


def draw(s3: "S3Client", ledger: Ledger, batch: Batch, *, hurry: Callable[[], bool] = lambda: False) -> int:
    """Draw a batch of a gallery's parts, showing the run as it is now; returns how many.

    Once there is `hurry`, the parts still to come carry no pictures. Raises `NoGalleryError`, and whatever AWS answers.
    """
    run = ledger.run(batch.run_id)
    if run is None:
        raise NoGalleryError(f"there is no run {batch.run_id}")
    told = outline.read(objects.read(s3, run.bucket, RunFolder(run.run_id).outline))
    parts = told.parts[batch.first - 1 : batch.last]
    if not parts:
        raise NoGalleryError(f"the gallery of {batch.run_id} has no parts {batch.first} to {batch.last}")
    entries, takes = _shown(ledger, run, *told.numbers(parts))
    keys = {
        result.key
        for entry in (*entries, *(take for several in takes.values() for take in several))
        for result in entry.results
    }
    runs = sorted({key.split("/")[1] for key in keys})
    verdicts = verdict_file.read_all(s3, run.bucket, runs, only=keys)
    context = Context(told.repaired_by, takes, told.family, verdicts=verdicts)
    publishing.draw(s3, run.bucket, told, parts, entries, manifest_of(s3, run)[0], context=context, hurry=hurry)
    return len(parts)


class NoGalleryError(Exception):
    """What is to be drawn is not there: the run is not known, or its gallery has no such parts."""


def _store(s3: "S3Client", one: _Gallery) -> None:
    if one.outline.parts:
        key = RunFolder(one.outline.summary.run_id).outline
        objects.put_text(s3, one.bucket, key, one.outline.encode(), "application/json")


def _batches(of: Outline) -> Iterator[Batch]:
    numbers = iter([part.number for part in of.parts])
    while batch := list(islice(numbers, BATCH_PARTS)):
        yield Batch(run_id=of.summary.run_id, first=batch[0], last=batch[-1])


def _begin(
    s3: "S3Client",
    ledger: Ledger,
    run: Run,
    result: Summary,
    manifest: Manifest | None,
    verdicts: Verdicts | None,
    hurry: Callable[[], bool],
) -> Iterator[_Gallery]:
    """Write the index of a run's gallery, then those of the runs that it repairs, the first one's included."""

    def written(
        run: Run, told: Summary, entries: Iterable[Entry], original: Manifest | None, context: Context
    ) -> _Gallery:
        begun = publishing.begin(s3, run.bucket, told, entries, original, context=context, hurry=hurry)
        return _Gallery(run.bucket, begun, entries, original, context)

    own = _context(s3, ledger, run) if run.retry_of else Context(verdicts=verdicts)
    yield written(run, result, Entries(ledger, run.run_id), manifest, own)
    for repaired in retry.ancestors(ledger, run.run_id)[1:]:
        if repaired.outcome is None or hurry():
            return  # a gallery that shows the first outcomes is worth more than one without pictures
        entries, by = retry.repaired(ledger, repaired.run_id, lambda run_id: Entries(ledger, run_id))
        told = summary.read(objects.read(s3, repaired.bucket, RunFolder(repaired.run_id).summary))
        context = _context(s3, ledger, repaired, by, whole=whole(entries))
        yield written(repaired, summary.recount(told, entries), entries, manifest_of(s3, repaired)[0], context)


def _context(
    s3: "S3Client", ledger: Ledger, run: Run, repaired_by: Sequence[str] | None = None, *, whole: bool = True
) -> Context:
    """What a gallery shows of the other runs of its family: further takes beside what was rejected, and the checks.

    `repaired_by` are the runs that brought what a run lacked, if not the `whole` of it.
    """
    takes = retry.further_takes(ledger, run.run_id, lambda run_id: Entries(ledger, run_id))
    family = retry.ancestors(ledger, run.run_id)[-1].run_id
    context = Context(repaired_by if whole else [], takes, family)
    return replace(
        context, verdicts=verdict_file.read_all(s3, run.bucket, [run.run_id, *(repaired_by or ()), *context.runs])
    )


def _shown(ledger: Ledger, run: Run, first: int, last: int) -> tuple[list[Entry], dict[Key, tuple[Entry, ...]]]:
    """What a run's gallery shows of some of its combinations: each with what its retries brought, and further takes."""
    own = list(ledger.entries(run.run_id, first, last))
    wanted = {retry.any_take(entry) for entry in own}
    read: dict[str, list[Entry]] = {run.run_id: own}

    def entries_of(run_id: str) -> list[Entry]:
        if run_id not in read:
            read[run_id] = [entry for entry in ledger.entries(run_id) if retry.any_take(entry) in wanted]
        return read[run_id]

    entries, _ = retry.repaired(ledger, run.run_id, entries_of)
    return list(entries), retry.further_takes(ledger, run.run_id, entries_of)


def whole(entries: Iterable[Entry]) -> bool:
    """Whether every combination has its picture."""
    return all(entry.status is Status.SUCCEEDED for entry in entries)


def manifest_of(s3: "S3Client", run: Run) -> tuple[Manifest | None, list[str]]:
    """The run's manifest; None, with a note, of one that another version accepted and this one does not understand.

    The results are worth more than the garments' types and a retry manifest.
    """
    try:
        return read_again(s3, run.bucket, run.manifest_key, run.manifest_version, default_service=run.service), []
    except ManifestError as error:
        why = cut(str(error), _MAX_WHY)
        return None, [f"there is no retry manifest, because this version does not understand the manifest: {why}"]
