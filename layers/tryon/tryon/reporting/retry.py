"""What a run left undone, as a manifest that does only that."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from tryon.errors import ENDS_TASK, FORGOTTEN
from tryon.planning import plan
from tryon.planning.manifest import DEFAULT_VARIANT, Manifest, ManifestError, Problem, Wanted
from tryon.planning.plan import Key
from tryon.planning.takes import variant_of_take
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon.state.ledger import Ledger
from tryon.state.run import Run

RESUME_MARGIN = 1800.0
"""Seconds before a service forgets a task from which on it is not resumed any more."""


def repeats(entry: Entry, *, include_unknown: bool = False) -> bool:
    """Whether a retry does this combination again: what may have been billed unseen only when asked for."""
    return entry.status is not Status.SUCCEEDED and (include_unknown or not entry.outcome_unknown)


def manifest(
    original: Manifest, run_id: str, entries: Iterable[Entry], *, include_unknown: bool = False
) -> Manifest | None:
    """The manifest that repeats what failed; None when nothing did or all that did is unknown.

    What may have been billed without anybody knowing is repeated only when asked for. `original` is the run's
    own manifest, so that pictures, parameters and numbers stay.
    """
    choice = _chooser(original)
    wanted = [choice(entry) for entry in entries if repeats(entry, include_unknown=include_unknown)]
    return original.model_copy(update={"combinations": wanted, "retry_of": run_id}) if wanted else None


def write(original: Manifest, run_id: str, entries: Iterable[Entry], out: TextIO) -> Iterator[Entry]:
    """Write that manifest while the entries pass, one combination a line; nothing when there is none."""
    choice = _chooser(original)
    begun = False
    for entry in entries:
        if repeats(entry):
            if not begun:
                head = original.model_copy(update={"retry_of": run_id}).encode(leaving_out={"combinations"})
                out.write(head.removesuffix("\n}"))
            out.write(',\n "combinations": [\n  ' if not begun else ",\n  ")
            out.write(json.dumps(choice(entry).model_dump(exclude_unset=True), ensure_ascii=False))
            begun = True
        yield entry
    if begun:
        out.write("\n ]\n}\n")


def _chooser(original: Manifest) -> Callable[[Entry], Wanted]:
    """How the manifest names an entry's combination."""
    outfits = frozenset(outfit.id for outfit in original.outfits)

    def choice(entry: Entry) -> Wanted:
        return _wanted(original, outfits, (entry.model, worn_id(entry), entry.variant), entry.take)

    return choice


def _wanted(original: Manifest, outfits: Set[str], key: Key, take: int) -> Wanted:
    model, worn, variant = key
    chosen: dict[str, Any] = {"model": model, "outfit" if worn in outfits else "garment": worn}
    if variant != DEFAULT_VARIANT or DEFAULT_VARIANT in original.variants:
        chosen["variant"] = variant
    if take > 1:
        chosen["take"] = take
    return Wanted(**chosen)


def takes(original: Manifest, run_id: str, wanted: Iterable[tuple[Key, int]]) -> Manifest | None:
    """The manifest that makes further takes of combinations of a run, None of none.

    Each comes with its number, 2 or more. `original` is the run's own manifest.
    """
    outfits = frozenset(outfit.id for outfit in original.outfits)
    chosen = [_wanted(original, outfits, which, take) for which, take in wanted]
    return original.model_copy(update={"combinations": chosen, "retry_of": run_id}) if chosen else None


def worn_id(entry: Entry) -> str:
    """The garment's or outfit's id without its number."""
    return entry.worn.partition("-")[2]


def key(entry: Entry) -> Key:
    """Which combination an entry is of, whatever numbers the garments have."""
    return entry.model, worn_id(entry), variant_of_take(entry.variant, entry.take)


class NothingLeftError(Exception):
    """A retry has nothing to do: every combination that it names has its picture, or another run is making it.

    No failure: the run is recorded, reported and pays nothing.
    """


@dataclass(frozen=True)
class Earlier:
    """What the earlier runs of a family mean for one that repeats one of them.

    `first` is the run that all of them go back to. `done` has a picture, may have been billed unseen, or is being made
    by a retry that has not ended; `by` names the runs that have what was wanted. `paid` are the tasks that may still
    have a picture,
    `doubted` those that the service said not to know. `free` are combinations whose claims are void, with the runs
    that claimed them.
    """

    first: str | None = None
    done: frozenset[Key] = frozenset()
    by: frozenset[str] = frozenset()
    paid: Mapping[Key, str] = field(default_factory=dict)
    doubted: Mapping[Key, str] = field(default_factory=dict)
    free: Mapping[Key, str] = field(default_factory=dict)


def ancestors(ledger: Ledger, run_id: str) -> list[Run]:
    """The run and those that it repeats, the first one last; empty where there is no such run."""
    found: list[Run] = []
    while (run := ledger.run(run_id)) is not None and run_id not in {one.run_id for one in found}:
        found.append(run)
        if not run.retry_of:
            break
        run_id = run.retry_of
    return found


def descendants(ledger: Ledger, first: str) -> list[Run]:
    """All runs that repeat the run `first`, directly or through others, oldest first.

    Found by the index, and by the claims of those that it may not show yet. Retries made before there were claims
    are in the index.
    """
    runs = {run.run_id: run for run in ledger.retries_since(first)}
    for run_id in set(ledger.repair_claims(first).values()) - runs.keys():
        run = ledger.run(run_id)
        if run is not None:
            runs[run_id] = run
    known, found = {first}, []
    waiting = [runs[run_id] for run_id in sorted(runs)]
    # Ids sort by time, and a retry is younger than what it repeats; a clock that went back costs another round.
    while members := [run for run in waiting if run.retry_of in known]:
        found += members
        known |= {run.run_id for run in members}
        waiting = [run for run in waiting if run.run_id not in known]
    return sorted(found, key=lambda run: run.run_id)


def look_back(wanted: Manifest, ledger: Ledger, now: float, *, me: str = "") -> Earlier:  # noqa: C901 - one decision on each combination of a family of runs
    """What the run left that `wanted` repeats, what the runs left that this one repeated itself, and their retries.

    Of a combination that several of them did, a picture counts most, then the latest. Raises `ManifestError` for a run
    that is not known or has not ended. One that may have been billed unseen is done again where it is named, unless a
    retry of it is in doubt too. `me` is the retry itself, should it be planned again.
    """
    if wanted.retry_of is None:
        return Earlier()
    before = ancestors(ledger, wanted.retry_of)
    if not before:
        raise ManifestError([Problem("retry_of", f"{wanted.retry_of!r} is no run of this stack")])
    for run in before:
        if run.running:
            raise ManifestError([Problem("retry_of", f"{run.run_id} has not ended: what it leaves is not known yet")])
    first = before[-1].run_id
    older = {run.run_id for run in before}
    family = [*reversed(before), *(run for run in descendants(ledger, first) if run.run_id not in older)]
    claims = ledger.repair_claims(first)
    named = {key for _, key in plan.named(wanted)}
    latest: dict[Key, tuple[str, Entry]] = {}
    for run in family:
        if run.run_id == me:
            continue
        for entry in ledger.entries(run.run_id):
            old = latest.get(key(entry))
            if old is None or old[1].status is not Status.SUCCEEDED:
                latest[key(entry)] = (run.run_id, entry)
    running = {run.run_id for run in family if run.running} - {me}
    done: dict[Key, str] = {which: run_id for which, run_id in claims.items() if run_id in running}
    for which, (run_id, entry) in latest.items():
        asked_for = which in named and run_id in older
        if entry.status is Status.SUCCEEDED or run_id in running or (entry.outcome_unknown and not asked_for):
            done[which] = run_id
    _same_services(wanted, [entry for _, entry in latest.values()])
    left = {which: entry for which, (_, entry) in latest.items() if which not in done}
    return Earlier(
        first=first,
        done=frozenset(done),
        by=frozenset(done[which] for which in plan.keys(wanted) if which in done),
        paid={which: e.task_id for which, e in left.items() if e.task_id and resumable(e, now)},
        doubted={which: e.task_id for which, e in left.items() if e.task_id and doubted(e, now)},
        free={which: run_id for which, run_id in claims.items() if which not in done},
    )


def _same_services(wanted: Manifest, entries: Iterable[Entry]) -> None:
    """Raise `ManifestError` for a variant that another service made: its tasks cannot be asked for at this one."""
    asked = {name: settings.service for name, settings in wanted.settings().items()}
    made = {entry.variant: entry.service for entry in entries}
    problems = [
        Problem("retry_of", f"variant {name} was made by {made[name]}, this manifest says {key}")
        for name, key in asked.items()
        if made.get(name, key) != key
    ]
    if problems:
        raise ManifestError(problems)


def doubted(entry: Entry, now: float) -> bool:
    """Whether the entry's task was written off only because the service said that it does not know it."""
    return entry.error in FORGOTTEN and entry.not_found_at is not None and _kept(entry, now)


def _kept(entry: Entry, now: float) -> bool:
    """Whether the service still keeps the entry's task."""
    try:
        kept = registry.find(entry.service).task_kept
    except registry.UnknownServiceError:
        return False
    return entry.submitted_at is not None and now - entry.submitted_at < kept - RESUME_MARGIN


def resumable(entry: Entry, now: float) -> bool:
    """Whether the entry's task may still have a picture that the service keeps."""
    return entry.status is not Status.SUCCEEDED and entry.error not in ENDS_TASK and _kept(entry, now)


@dataclass(frozen=True)
class Merged:
    """A run's entries with the outcomes that a retry brought.

    What was not repeated stays as it was, and so does what has its picture or is still being repeated.

    Both are read again for each iteration. While the retry keeps the run's order, as its manifest does unless
    a person rearranged it, no more than one of its entries is held.
    """

    first: Iterable[Entry]
    later: Iterable[Entry]

    def __iter__(self) -> Iterator[Entry]:
        repeated = {key(entry) for entry in self.later}
        later = iter(self.later)
        waiting: dict[Key, Entry] = {}
        for entry in self.first:
            which = key(entry)
            if which in repeated and entry.status is not Status.SUCCEEDED:
                while which not in waiting:
                    outcome = next(later)
                    waiting[key(outcome)] = outcome
                found = waiting.pop(which)
                ended = found.status in (Status.SUCCEEDED, Status.FAILED)
                # The numbers of garments are the run's own: a retry of a changed manifest may have others.
                yield replace(found, n=entry.n, id=entry.id, worn=entry.worn) if ended else entry
            else:
                yield entry


def repaired(
    ledger: Ledger, run_id: str, entries_of: Callable[[str], Iterable[Entry]]
) -> tuple[Iterable[Entry], list[str]]:
    """A run's entries with all that its retries brought, and those retries' ids, oldest first.

    Runs of further takes repair nothing: what they brought is beside what was there (`further_takes`).
    """
    later: list[str] = []
    merged = entries_of(run_id)
    known = {run_id}
    for run in descendants(ledger, ancestors(ledger, run_id)[-1].run_id):
        if run.run_id != run_id and run.retry_of in known:
            known.add(run.run_id)
            if all(entry.take > 1 for entry in entries_of(run.run_id)):
                continue
            later.append(run.run_id)
            merged = Merged(merged, entries_of(later[-1]))
    return merged, later


def further_takes(
    ledger: Ledger, run_id: str, entries_of: Callable[[str], Iterable[Entry]]
) -> dict[Key, tuple[Entry, ...]]:
    """All takes that the family of a run has pictures of, by combination, for those of which there are several.

    The keys name no take; a combination's takes come in the order of their numbers.
    """
    family = [*(run.run_id for run in ancestors(ledger, run_id))]
    family += [run.run_id for run in descendants(ledger, family[-1])] if family else []
    several: set[Key] = set()
    for one in family:
        several |= {any_take(entry) for entry in entries_of(one) if entry.take > 1 and entry.results}
    found: dict[Key, dict[int, Entry]] = {}
    for one in dict.fromkeys(family) if several else ():
        for entry in entries_of(one):
            if entry.results and (which := any_take(entry)) in several:
                found.setdefault(which, {})[entry.take] = entry
    return {which: tuple(of[take] for take in sorted(of)) for which, of in found.items()}


def any_take(entry: Entry) -> Key:
    """Which combination an entry is of, whichever of its takes."""
    return entry.model, worn_id(entry), entry.variant
