"""What a run left undone, as a manifest that does only that."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TextIO

from tryon.ledger import Entry, Status
from tryon.plan import DEFAULT_VARIANT

RESUMABLE_SECONDS = 11.5 * 3600
"""How long after its submit a task is resumed: the service keeps it for 12 hours."""

_ENDED_WITHOUT_PICTURE = frozenset({"InputRefusedError", "OutputRefusedError", "TaskFailedError", "TaskExpiredError"})


def repeats(entry: Entry, *, include_unknown: bool = False) -> bool:
    """Whether a retry does this combination again: what may have been billed unseen only when asked for."""
    return entry.status is not Status.SUCCEEDED and (include_unknown or not entry.outcome_unknown)


def manifest(
    original: Mapping[str, Any], run_id: str, entries: Iterable[Entry], *, include_unknown: bool = False
) -> dict[str, Any] | None:
    """The manifest that repeats what failed; None when nothing did or all that did is unknown.

    What may have been billed without anybody knowing is repeated only when asked for. `original` is the run's
    own manifest as it was read, so that pictures, parameters and numbers stay.
    """
    choice = _chooser(original)
    wanted = [choice(entry) for entry in entries if repeats(entry, include_unknown=include_unknown)]
    return {**original, "combinations": wanted, "retry_of": run_id} if wanted else None


def write(original: Mapping[str, Any], run_id: str, entries: Iterable[Entry], out: TextIO) -> Iterator[Entry]:
    """Write that manifest while the entries pass, one combination a line; nothing when there is none."""
    choice = _chooser(original)
    begun = False
    for entry in entries:
        if repeats(entry):
            if not begun:
                head = {**original, "retry_of": run_id}
                head.pop("combinations", None)
                out.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}"))
            out.write(',\n "combinations": [\n  ' if not begun else ",\n  ")
            out.write(json.dumps(choice(entry), ensure_ascii=False))
            begun = True
        yield entry
    if begun:
        out.write("\n ]\n}\n")


def _chooser(original: Mapping[str, Any]) -> Callable[[Entry], dict[str, str]]:
    """How the manifest names an entry's combination."""
    outfits = {outfit["id"] for outfit in original.get("outfits", ())}
    default_is_named = DEFAULT_VARIANT in original.get("variants", {})

    def choice(entry: Entry) -> dict[str, str]:
        worn = worn_id(entry)
        chosen = {"model": entry.model, "outfit" if worn in outfits else "garment": worn}
        return {**chosen, "variant": entry.variant} if entry.variant != DEFAULT_VARIANT or default_is_named else chosen

    return choice


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


@dataclass(frozen=True)
class Merged:
    """A run's entries with the outcomes that a retry brought; what was not repeated stays as it was.

    Both are read again for each iteration. While the retry keeps the run's order, as its manifest does unless
    somebody rearranged it, no more than one of its entries is held.
    """

    first: Iterable[Entry]
    later: Iterable[Entry]

    def __iter__(self) -> Iterator[Entry]:
        repeated = {entry.id for entry in self.later}
        later = iter(self.later)
        waiting: dict[str, Entry] = {}
        for entry in self.first:
            if entry.id in repeated:
                while entry.id not in waiting:
                    outcome = next(later)
                    waiting[outcome.id] = outcome
                yield replace(waiting.pop(entry.id), n=entry.n)
            else:
                yield entry
