import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.conftest import HandClock
from tryon import retry
from tryon.ledger import Entry, Status
from tryon.manifest import Manifest, ManifestError

ORIGINAL = {
    "models": [{"id": "anna", "image": "a.jpg"}],
    "garments": [{"id": "shirt", "image": "s.jpg", "type": "upper"}],
    "outfits": [{"id": "office", "upper": "shirt", "lower": "chinos"}],
}


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
    assert wanted == {
        **ORIGINAL,
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
    """A ledger of runs: each its status, the run that it repeats and its entries."""

    runs: dict[str, tuple[str, str | None, list[Entry]]]

    def run(self, run_id: str) -> dict[str, str] | None:
        if run_id not in self.runs:
            return None
        status, retry_of, _ = self.runs[run_id]
        return {"status": status} | ({"retry_of": retry_of} if retry_of else {})

    def entries(self, run_id: str) -> Iterator[Entry]:
        return iter(self.runs[run_id][2])


def look_back(
    entries: list[Entry],
    *,
    now: float = 0.0,
    run: str = "PARTIAL",
    before: list[Entry] | None = None,
    retry_of: str = "run-1",
    combinations: object = "all",
) -> retry.Earlier:
    garments = [{"id": e.worn[3:], "image": "g.jpg", "type": "upper"} for e in entries]
    wanted = Manifest.model_validate(
        {"models": ORIGINAL["models"], "garments": garments, "retry_of": retry_of, "combinations": combinations},
    )
    runs = {"run-1": (run, "run-0" if before else None, entries), "run-0": ("PARTIAL", None, before or [])}
    return retry.look_back(wanted, Runs(runs), now)  # type: ignore[arg-type]


def test_what_has_a_picture_or_may_be_billed_is_done() -> None:
    entries = [entry(1, status=Status.SUCCEEDED), UNKNOWN, entry(3, "03-failed", error="TaskFailedError")]
    assert look_back(entries).done == {("anna", "shirt", "default"), ("anna", "unknown", "default")}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"retry_of": "typo"}, "retry_of: 'typo' is no run of this stack"),
        ({"run": "RUNNING"}, "retry_of: run-1 has not ended"),
        ({"combinations": NAMED}, r"combinations\[0\]: has its picture"),
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
    look_back([UNKNOWN], combinations=NAMED[1:])


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
        for original in (ORIGINAL, {**ORIGINAL, "combinations": [{"model": "x", "garment": "y"}], "name": "Ü"}):
            out = io.StringIO()
            assert list(retry.write(original, "run-1", some, out)) == some
            written = out.getvalue()
            assert (json.loads(written) if written else None) == retry.manifest(original, "run-1", some)
