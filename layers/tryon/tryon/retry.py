"""What a run left undone, as a manifest that does only that."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from tryon import plan
from tryon.ledger import Entry, Ledger, RunStatus, Status
from tryon.manifest import Manifest, ManifestError, Problem
from tryon.plan import DEFAULT_VARIANT, Key

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


def key(entry: Entry) -> Key:
    """Which combination an entry is of, whatever numbers the garments have."""
    return entry.model, worn_id(entry), entry.variant


@dataclass(frozen=True)
class Earlier:
    """What an earlier run means for one that repeats it.

    `done` has a picture, or may have been billed unseen; `paid` are the tasks that may still have a picture.
    """

    done: frozenset[Key] = frozenset()
    paid: Mapping[Key, str] = field(default_factory=dict)


def look_back(wanted: Manifest, ledger: Ledger, now: float) -> Earlier:
    """What the run left that `wanted` repeats, and what the runs left that this one repeated itself.

    Of a combination that several of them did, the latest counts. Raises `ManifestError` for a run that is not known
    or has not ended, and for a combination that is named though it has a picture. One that may have been billed
    unseen is done again where it is named.
    """
    seen: dict[Key, Entry] = {}
    known: set[str] = set()
    run_id = wanted.retry_of
    while run_id is not None and run_id not in known:
        known.add(run_id)
        run = ledger.run(run_id)
        if run is None:
            raise ManifestError([Problem("retry_of", f"{run_id!r} is no run of this stack")])
        if run["status"] == RunStatus.RUNNING:
            raise ManifestError([Problem("retry_of", f"{run_id} has not ended: what it leaves is not known yet")])
        for entry in ledger.entries(run_id):
            seen.setdefault(key(entry), entry)
        run_id = run.get("retry_of")
    for i, named in plan.named(wanted):
        if named in seen and seen[named].status is Status.SUCCEEDED:
            raise ManifestError([Problem(f"combinations[{i}]", "has its picture; without retry_of it is paid anew")])
    return Earlier(
        done=frozenset(which for which, entry in seen.items() if not repeats(entry)),
        paid={which: entry.task_id for which, entry in seen.items() if entry.task_id and resumable(entry, now)},
    )


def resumable(entry: Entry, now: float) -> bool:
    """Whether the entry's task may still have a picture that the service keeps."""
    return (
        entry.status is not Status.SUCCEEDED
        and entry.error not in _ENDED_WITHOUT_PICTURE
        and entry.submitted_at is not None
        and now - entry.submitted_at < RESUMABLE_SECONDS
    )


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
