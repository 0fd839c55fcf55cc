"""What the ledger knows of a run's results, put together for `compare`: each entry's results with what was seen."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from pydantic import ValidationError

from tryon.checks import judge
from tryon.checks.judge import Answer, Judgement
from tryon.checks.records import Evidence, Judged, Measurements, MeasurementsError, Objection
from tryon.pictures.signature import Signature, SignatureError
from tryon.pictures.thumbnails import obstacle
from tryon.planning.manifest import Manifest
from tryon.state.entry import Entry
from tryon.state.looks import Look
from tryon.stored import Stored

NO_COPY = "no small copy was made of it"
NOT_ENDED = "its check did not end"
DAMAGED = "what was kept of it cannot be read"


def kinds(manifest: Manifest | None) -> dict[str, str]:
    """The types of a manifest's garments, by id."""
    return {garment.id: garment.type for garment in (manifest.garments if manifest else ())}


def gather(entries: Iterable[Entry], looks: Iterable[Look], types: Mapping[str, str]) -> Iterator[tuple[str, Evidence]]:
    """The evidence on each result in the plan's order, with the result's key; one entry is held at a time.

    Entries and looks come in the order of their combinations. `types` are the garments' by id.
    """
    seen = ((n, list(group)) for n, group in groupby(looks, key=lambda look: look.n))
    n, waiting = next(seen, (0, []))
    for entry in entries:
        while n and n < entry.n:
            n, waiting = next(seen, (0, []))
        of_entry = {look.candidate: look for look in waiting} if n == entry.n else {}
        kind = "outfit" if len(entry.garments) > 1 else types.get(next(iter(entry.garments), ""), "")
        for place, result in enumerate(entry.results, start=1):
            candidate = result.candidate or place
            yield result.key, _evidence(entry, result, candidate, kind, of_entry.get(candidate))


def _evidence(entry: Entry, result: Stored, candidate: int, kind: str, look: Look | None) -> Evidence:
    signature, measurements, unchecked = None, None, None
    if look is None:
        unchecked = NO_COPY if obstacle(result) else NOT_ENDED
    else:
        try:
            signature = None if look.signature is None else Signature.loads(look.signature)
            measurements = None if look.measurements is None else Measurements.loads(look.measurements)
        except (SignatureError, MeasurementsError):
            unchecked = DAMAGED
        else:
            unchecked = None if measurements else look.unchecked or NOT_ENDED
    judgement = _judgement(look)
    return Evidence(
        n=entry.n,
        candidate=candidate,
        model=entry.model,
        worn=entry.worn,
        kind=kind,
        sha256=result.sha256,
        service=getattr(entry, "service", ""),
        signature=signature,
        measurements=measurements,
        unchecked=unchecked or judgement.failed or None,
        judged=None if judgement.answer is None else _judged(judgement.answer),
    )


def _judgement(look: Look | None) -> Judgement:
    """What the owner's judge said; nothing where it was not asked."""
    if look is None or look.judged is None:
        return Judgement()
    try:
        return judge.read(look.judged)
    except ValidationError:
        return Judgement(failed=DAMAGED)


def _judged(answer: Answer) -> Judged:
    return Judged(answer.scores, tuple(Objection(flag.reason, flag.score, flag.box) for flag in answer.flags))
