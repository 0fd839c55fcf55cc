import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.doubles import HandClock
from tryon.planning.manifest import Manifest, ManifestError
from tryon.planning.plan import Key
from tryon.reporting import retry
from tryon.state.entry import Entry, Status
from tryon.state.run import Run, RunStatus

RAW = {
    "models": [{"id": "anna", "image": "a.jpg"}],
    "garments": [{"id": "shirt", "image": "s.jpg", "type": "upper"}],
    "outfits": [{"id": "office", "upper": "shirt", "lower": "chinos"}],
}
ORIGINAL = Manifest.model_validate(RAW)


def entry(n: int = 1, worn: str = "01-shirt", **changes: object) -> Entry:
    base = Entry(n=n, id=f"anna__{worn}__default", model="anna", worn=worn, variant="default", status=Status.FAILED)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_only_what_failed_is_wanted_again() -> None:
    wanted = retry.manifest(
        ORIGINAL,
        "run-1",
        [
            entry(1, status=Status.SUCCEEDED),
            entry(2, "02-linen-shirt", error="TaskFailedError"),
            entry(3, "03-office", error="NotStartedError", status=Status.PLANNED),
        ],
    )
    assert wanted is not None
    assert json.loads(wanted.encode()) == {
        **RAW,
        "combinations": [{"model": "anna", "garment": "linen-shirt"}, {"model": "anna", "outfit": "office"}],
        "retry_of": "run-1",
    }


def test_a_whole_run_has_no_retry() -> None:
    assert retry.manifest(ORIGINAL, "run-1", [entry(status=Status.SUCCEEDED)]) is None


def test_an_unknown_outcome_is_repeated_only_when_asked_for() -> None:
    unknown = entry(error="SubmitOutcomeUnknownError", submitting_at=1_790_000_000.0)
    assert retry.manifest(ORIGINAL, "run-1", [unknown]) is None
    assert retry.manifest(ORIGINAL, "run-1", [unknown], include_unknown=True) is not None


def test_a_submit_that_was_cut_off_is_unknown_whatever_the_error_is_called() -> None:
    cut_off = entry(error="Runtime.ExitError", submitting_at=1_790_000_000.0)
    assert retry.manifest(ORIGINAL, "run-1", [cut_off]) is None


def test_an_unknown_outcome_whose_task_became_known_is_resumed() -> None:
    known = entry(error="SubmitOutcomeUnknownError", submitting_at=1_790_000_000.0, task_id="task-1")
    assert retry.manifest(ORIGINAL, "run-1", [known]) is not None


def test_only_tasks_that_the_service_still_keeps_and_that_may_have_a_picture_are_resumed(clock: HandClock) -> None:
    now = clock.now()
    entries = [
        entry(1, "01-late", task_id="t1", submitted_at=now - 600, error="TaskDeadlineError"),
        entry(2, "02-refused", task_id="t2", submitted_at=now - 600, error="InputRefusedError"),
        entry(3, "03-old", task_id="t3", submitted_at=now - 12 * 3600, error="TaskDeadlineError"),
        entry(4, "04-never", error="NotStartedError"),
        entry(5, "05-lost-download", task_id="t5", submitted_at=now - 600, error="ResultUnavailableError"),
        entry(6, "06-whole", task_id="t6", submitted_at=now - 600, status=Status.SUCCEEDED),
    ]
    assert look_back(entries, now=now).paid == {
        ("anna", "late", "default"): "t1",
        ("anna", "lost-download", "default"): "t5",
    }


NAMED = [{"model": "anna", "garment": name} for name in ("shirt", "unknown")]
UNKNOWN = entry(2, "02-unknown", error="SubmitOutcomeUnknownError", submitting_at=1.0)


@dataclass
class Runs:
    """A ledger of runs: each its status, the run that it repeats and its entries; claims on the first run.

    `unseen` are runs that the index does not show yet.
    """

    runs: dict[str, tuple[str, str | None, list[Entry]]]
    claims: dict[Key, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    def run(self, run_id: str) -> Run | None:
        if run_id not in self.runs:
            return None
        status, retry_of, _ = self.runs[run_id]
        return Run(run_id, RunStatus(status), retry_of=retry_of)

    def entries(self, run_id: str) -> Iterator[Entry]:
        return iter(self.runs[run_id][2])

    def retries_since(self, run_id: str) -> Iterator[Run]:
        for other in sorted(self.runs):
            run = self.run(other)
            if other > run_id and other not in self.unseen and run is not None and run.retry_of:
                yield run

    def repair_claims(self, first: str) -> dict[Key, str]:
        return self.claims


def look_back(
    entries: list[Entry],
    *,
    now: float = 0.0,
    run: str = "PARTIAL",
    before: list[Entry] | None = None,
    retry_of: str = "run-1",
    combinations: object = "all",
) -> retry.Earlier:
    runs = {"run-1": (run, "run-0" if before else None, entries), "run-0": ("PARTIAL", None, before or [])}
    return seen_from(Runs(runs), retry_of, [e.worn[3:] for e in entries], now=now, combinations=combinations)


def seen_from(
    runs: Runs, retry_of: str, garments: list[str], *, now: float = 0.0, me: str = "", combinations: object = "all"
) -> retry.Earlier:
    """What a retry of `retry_of` is told that asks for those garments on anna."""
    wanted = Manifest.model_validate(
        {
            "models": RAW["models"],
            "garments": [{"id": id_, "image": "g.jpg", "type": "upper"} for id_ in garments],
            "retry_of": retry_of,
            "combinations": combinations,
        },
    )
    return retry.look_back(wanted, runs, now, me=me)  # type: ignore[arg-type]


def of(worn: str) -> Key:
    return ("anna", worn, "default")


def test_what_has_a_picture_or_may_be_billed_is_done() -> None:
    entries = [entry(1, status=Status.SUCCEEDED), UNKNOWN, entry(3, "03-failed", error="TaskFailedError")]
    assert look_back(entries).done == {("anna", "shirt", "default"), ("anna", "unknown", "default")}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"retry_of": "typo"}, "retry_of: 'typo' is no run of this stack"),
        ({"run": "RUNNING"}, "retry_of: run-1 has not ended"),
    ],
)
def test_nothing_is_bought_that_a_retry_cannot_mean(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        look_back([entry(1, status=Status.SUCCEEDED), UNKNOWN], **asked)


def test_a_retry_of_a_retry_knows_what_the_first_run_did_and_the_latest_outcome_counts() -> None:
    now = 1_790_000_000.0
    late = {"submitted_at": now - 600, "error": "TaskDeadlineError"}
    first = [
        entry(1, status=Status.SUCCEEDED),
        entry(2, "02-mended", task_id="t2", **late),
        entry(3, "03-still-late", task_id="t3", **late),
    ]
    second = [entry(1, "01-mended", status=Status.SUCCEEDED), entry(2, "02-still-late", task_id="t3", **late)]
    found = look_back(second, before=first, now=now)
    assert found.done == {("anna", "shirt", "default"), ("anna", "mended", "default")}
    assert found.paid == {("anna", "still-late", "default"): "t3"}


def test_an_unknown_outcome_is_done_again_where_it_is_named() -> None:
    assert look_back([UNKNOWN], combinations=NAMED[1:]).done == frozenset()


def test_what_is_named_and_has_its_picture_is_left_out_and_who_has_it_is_named() -> None:
    found = look_back([entry(1, status=Status.SUCCEEDED), UNKNOWN], combinations=NAMED)
    assert (found.done, found.by) == ({of("shirt")}, {"run-1"})


# --- runs that repeat the same run ---

LATE: dict[str, Any] = {"error": "TaskDeadlineError"}
GONE: dict[str, Any] = {"error": "TaskExpiredError"}


def family(*retries: tuple[str, str, str, list[Entry]], **more: Any) -> Runs:
    """A first run that failed at a, b and c, and its retries: id, status, what they repeat, entries."""
    first = [entry(n, f"{n:02d}-{name}", error="TaskFailedError") for n, name in enumerate("abc", start=1)]
    runs = {"0-first": ("FAILED", None, first)}
    return Runs(runs | {run_id: (status, of_, entries) for run_id, status, of_, entries in retries}, **more)


def test_a_sibling_that_ended_keeps_its_pictures() -> None:
    runs = family(
        ("1-a", "PARTIAL", "0-first", [entry(1, "01-a", status=Status.SUCCEEDED), entry(2, "02-b", error="E")])
    )
    found = seen_from(runs, "0-first", ["a", "b", "c"])
    assert (found.first, found.done, found.by) == ("0-first", {of("a")}, {"1-a"})


def test_a_sibling_that_runs_has_all_that_it_repeats() -> None:
    planned = [entry(1, "01-a", status=Status.PLANNED), entry(2, "02-b", error="TaskFailedError")]
    found = seen_from(family(("1-a", "RUNNING", "0-first", planned)), "0-first", ["a", "b", "c"])
    assert (found.done, found.by) == ({of("a"), of("b")}, {"1-a"})


def test_a_sibling_that_has_claimed_and_not_planned_yet_has_what_it_claimed() -> None:
    runs = family(("1-a", "RUNNING", "0-first", []), claims={of("c"): "1-a"}, unseen={"1-a"})
    found = seen_from(runs, "0-first", ["a", "b", "c"])
    assert (found.done, found.by, found.free) == ({of("c")}, {"1-a"}, {})


def test_a_retry_that_is_planned_again_does_not_stand_in_its_own_way() -> None:
    now = 1_790_000_000.0
    runs = family(("2-me", "RUNNING", "0-first", [entry(1, "01-a", status=Status.PLANNED)]), claims={of("a"): "2-me"})
    late = [entry(1, "01-a", task_id="t1", submitted_at=now - 900, **LATE)]
    runs.runs["1-b"] = ("FAILED", "0-first", late)
    found = seen_from(runs, "0-first", ["a"], me="2-me", now=now)
    assert (found.done, found.by, found.free) == (frozenset(), frozenset(), {of("a"): "2-me"})
    assert found.paid == {of("a"): "t1"}, "although its own entry has no task yet"


def test_claims_of_a_retry_that_ended_without_a_picture_are_void() -> None:
    runs = family(
        ("1-a", "FAILED", "0-first", [entry(1, "01-a", error="TaskFailedError")]),
        ("2-rejected", "REJECTED", "0-first", []),
        claims={of("a"): "1-a", of("b"): "2-rejected"},
    )
    found = seen_from(runs, "0-first", ["a", "b"])
    assert (found.done, found.free) == (frozenset(), {of("a"): "1-a", of("b"): "2-rejected"})


def test_a_retry_of_a_retry_is_found_whoever_it_names() -> None:
    runs = family(
        ("1-a", "FAILED", "0-first", [entry(1, "01-a", error="TaskFailedError")]),
        ("2-of-a", "SUCCEEDED", "1-a", [entry(1, "01-a", status=Status.SUCCEEDED)]),
        ("3-other", "SUCCEEDED", "somebody-else", [entry(1, "01-b", status=Status.SUCCEEDED)]),
    )
    found = seen_from(runs, "0-first", ["a", "b"])
    assert (found.done, found.by) == ({of("a")}, {"2-of-a"})
    assert [run.run_id for run in retry.descendants(runs, "0-first")] == ["1-a", "2-of-a"]  # type: ignore[arg-type]


def test_descendants_are_found_by_their_claims_and_when_a_clock_went_back() -> None:
    runs = family(
        ("2-a", "FAILED", "0-first", []),
        ("1-younger", "FAILED", "2-a", []),
        ("3-new", "RUNNING", "1-younger", []),
        claims={of("a"): "3-new", of("b"): "gone"},
        unseen={"3-new"},
    )
    found = retry.descendants(runs, "0-first")  # type: ignore[arg-type]
    assert [run.run_id for run in found] == ["1-younger", "2-a", "3-new"]


def test_a_retry_in_doubt_is_not_done_again_by_naming_the_first_run() -> None:
    in_doubt = entry(1, "01-a", error="SubmitOutcomeUnknownError", submitting_at=1.0)
    runs = family(("1-a", "FAILED", "0-first", [in_doubt]))
    named = [{"model": "anna", "garment": "a"}]
    assert seen_from(runs, "0-first", ["a"], combinations=named).done == {of("a")}
    assert seen_from(runs, "1-a", ["a"], combinations=named).done == frozenset(), "where that very retry is named"


def test_a_task_of_a_sibling_is_resumed_and_of_several_the_latest() -> None:
    now = 1_790_000_000.0
    runs = family(
        ("1-a", "FAILED", "0-first", [entry(1, "01-a", task_id="t1", submitted_at=now - 900, **LATE)]),
        ("2-b", "FAILED", "0-first", [entry(1, "01-a", task_id="t2", submitted_at=now - 100, **LATE)]),
    )
    assert seen_from(runs, "0-first", ["a"], now=now).paid == {of("a"): "t2"}


def test_a_task_that_was_only_not_found_is_doubted_and_one_that_expired_is_gone() -> None:
    now = 1_790_000_000.0
    entries = [
        entry(1, "01-a", task_id="t1", submitted_at=now - 900, not_found_at=now - 100, **GONE),
        entry(2, "02-b", task_id="t2", submitted_at=now - 900, **GONE),
        entry(3, "03-c", task_id="t3", submitted_at=now - 12 * 3600, not_found_at=now - 100, **GONE),
    ]
    found = seen_from(Runs({"0-first": ("FAILED", None, entries)}), "0-first", ["a", "b", "c"], now=now)
    assert (found.doubted, found.paid) == ({of("a"): "t1"}, {})


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_picture_is_never_replaced_by_a_later_outcome(status: Status) -> None:
    first = [entry(1, "01-a", status=Status.SUCCEEDED, bytes=1), entry(2, "02-b", error="E")]
    later = [entry(1, "01-a", status=status, bytes=2), entry(2, "02-b", status=Status.SUCCEEDED)]
    merged = list(retry.Merged(first, later))
    assert [(e.status, e.bytes) for e in merged] == [(Status.SUCCEEDED, 1), (Status.SUCCEEDED, 0)]


@pytest.mark.parametrize("status", [Status.PLANNED, Status.SUBMITTING, Status.SUBMITTED])
def test_what_a_running_retry_has_not_ended_stays_as_it_was(status: Status) -> None:
    first = [entry(1, "01-a", error="TaskFailedError"), entry(2, "02-b", error="TaskFailedError")]
    later = [entry(1, "01-a", status=status), entry(2, "02-b", status=Status.SUCCEEDED)]
    assert [(e.status, e.error) for e in retry.Merged(first, later)] == [
        (Status.FAILED, "TaskFailedError"),
        (Status.SUCCEEDED, None),
    ]


def test_a_run_is_repaired_by_its_own_retries_and_theirs() -> None:
    runs = family(
        ("1-a", "PARTIAL", "0-first", [entry(1, "01-a", status=Status.SUCCEEDED), entry(2, "02-b", error="E")]),
        ("2-b", "SUCCEEDED", "1-a", [entry(1, "01-b", status=Status.SUCCEEDED)]),
        ("3-c", "SUCCEEDED", "0-first", [entry(1, "01-c", status=Status.SUCCEEDED)]),
    )
    for run_id, by, whole in [("0-first", ["1-a", "2-b", "3-c"], True), ("1-a", ["2-b"], True), ("3-c", [], True)]:
        entries, found = retry.repaired(runs, run_id, lambda one: runs.runs[one][2])  # type: ignore[arg-type]
        assert (found, all(e.status is Status.SUCCEEDED for e in entries)) == (by, whole), run_id


def test_a_retrys_outcomes_stand_in_the_first_runs_places() -> None:
    first = [entry(1, status=Status.SUCCEEDED), entry(2, "02-coat", error="TaskFailedError")]
    later = [entry(1, "02-coat", status=Status.SUCCEEDED)]
    merged = retry.Merged(first, later)
    assert [(e.n, e.id, e.status) for e in merged] == [
        (1, "anna__01-shirt__default", Status.SUCCEEDED),
        (2, "anna__02-coat__default", Status.SUCCEEDED),
    ]


class Passing:
    """Entries that can be read again; says how far it was read."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.ahead = 0

    def __iter__(self) -> Iterator[Entry]:
        for number, one in enumerate(self.entries, start=1):
            self.ahead = number
            yield one


def test_a_rearranged_retry_still_finds_its_places_and_an_ordered_one_is_never_held() -> None:
    names = [f"{n:02d}-g{n}" for n in range(1, 40)]
    first = [entry(n, worn, error="TaskFailedError") for n, worn in enumerate(names, start=1)]
    again = [entry(n, worn, status=Status.SUCCEEDED) for n, worn in enumerate(names[::3], start=1)]
    expected = [(n, worn, n % 3 == 1) for n, worn in enumerate(names, start=1)]
    for later in (again, again[::-1]):
        merged = retry.Merged(first, later)
        for _ in range(2):
            assert [(e.n, e.worn, e.status is Status.SUCCEEDED) for e in merged] == expected
    passing = Passing(again)
    for n, _ in enumerate(retry.Merged(first, passing), start=1):
        if n > 1:
            assert passing.ahead == (n + 2) // 3, "no further than the run itself"


def test_the_manifest_written_while_entries_pass_is_the_same() -> None:
    entries = [
        entry(1, status=Status.SUCCEEDED),
        entry(2, "02-coat", error="TaskFailedError"),
        entry(3, "03-office", error="SubmitOutcomeUnknownError", submitting_at=1.0),
        entry(4, "03-office", error="NotStartedError"),
    ]
    for some in (entries, entries[:1], entries[:2]):
        for original in (RAW, {**RAW, "combinations": [{"model": "x", "garment": "y"}], "name": "Ü"}):
            out, manifest = io.StringIO(), Manifest.model_validate(original)
            assert list(retry.write(manifest, "run-1", some, out)) == some
            written, wanted = out.getvalue(), retry.manifest(manifest, "run-1", some)
            assert (json.loads(written) if written else None) == (json.loads(wanted.encode()) if wanted else None)
