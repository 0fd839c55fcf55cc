"""What a run left undone, as a manifest that does only that."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tryon.ledger import Entry, Status
from tryon.plan import DEFAULT_VARIANT

RESUMABLE_SECONDS = 11.5 * 3600
"""How long after its submit a task is resumed: the service keeps it for 12 hours."""

_ENDED_WITHOUT_PICTURE = frozenset({"InputRefusedError", "OutputRefusedError", "TaskFailedError", "TaskExpiredError"})


def manifest(
    original: Mapping[str, Any], run_id: str, entries: Iterable[Entry], *, include_unknown: bool = False
) -> dict[str, Any] | None:
    """The manifest that repeats what failed; None when nothing did or all that did is unknown.

    What may have been billed without anybody knowing is repeated only when asked for. `original` is the run's
    own manifest as it was read, so that pictures, parameters and numbers stay.
    """
    outfits = {outfit["id"] for outfit in original.get("outfits", ())}
    wanted: list[dict[str, str]] = []
    for entry in entries:
        if entry.status is Status.SUCCEEDED or (entry.outcome_unknown and not include_unknown):
            continue
        worn = worn_id(entry)
        choice = {"model": entry.model, "outfit" if worn in outfits else "garment": worn}
        if entry.variant != DEFAULT_VARIANT or DEFAULT_VARIANT in original.get("variants", {}):
            choice["variant"] = entry.variant
        wanted.append(choice)
    if not wanted:
        return None
    return {**original, "combinations": wanted, "retry_of": run_id}


def worn_id(entry: Entry) -> str:
    """The garment's or outfit's id without its number."""
    return entry.worn.partition("-")[2]


def resumable(entries: Iterable[Entry], now: float) -> dict[str, str]:
    """Tasks of an earlier run that may still have a picture: combination's id to task's id."""
    return {
        entry.id: entry.task_id
        for entry in entries
        if entry.task_id is not None
        and entry.status is not Status.SUCCEEDED
        and entry.error not in _ENDED_WITHOUT_PICTURE
        and entry.submitted_at is not None
        and now - entry.submitted_at < RESUMABLE_SECONDS
    }


def merge(first: Iterable[Entry], later: Iterable[Entry]) -> list[Entry]:
    """A run's entries with the outcomes that a retry brought; what was not repeated stays as it was."""
    outcomes = {entry.id: entry for entry in later}
    return [replace(outcomes.get(entry.id, entry), n=entry.n) for entry in first]
