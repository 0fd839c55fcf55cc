"""Builds with one safeguard taken away: each breaks what the safeguard is there for.

What these tests show is that the matrix of docs/reliability.md and the rules checked by `histories` can see what
they are there to see. The first part takes from each fault of the matrix its own safeguard, which `weakenings`
names; the second plays histories that are none of the matrix's faults.
"""

from collections.abc import Iterator

import pytest

from benchmarks.reliability import FAULTS, SLOTS, confirm
from tests.workflow.histories import FORGOTTEN, History, Theatre, theatre
from tests.workflow.weakenings import WITHOUT, without
from tryon.reporting import retry
from tryon.state import ledger
from tryon.state.entry import Entry, Status
from tryon.state.ledger import Ledger
from tryon_local.aws.faults import AwsFault, Refused, Unanswered
from tryon_local.service.faults import Answer, Fault, Silence


@pytest.fixture(scope="module")
def used_stage() -> Iterator[Theatre]:
    with theatre(SLOTS) as found:
        yield found


@pytest.fixture
def stage(used_stage: Theatre) -> Iterator[Theatre]:
    yield used_stage
    # What a weak build leaves behind, slots above all, must not meet the next one.
    used_stage.wait(FORGOTTEN)


def test_every_fault_of_the_matrix_has_a_safeguard() -> None:
    assert list(WITHOUT) == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_breaks_the_build_without_its_safeguard(stage: Theatre, fault: str) -> None:
    with without(WITHOUT[fault], stage), pytest.raises(AssertionError):
        confirm(fault, stage)


def holds(stage: Theatre, history: History) -> None:
    stage.play(history).check()


def breaks(stage: Theatre, history: History, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        stage.play(history).check()


def test_a_lease_without_an_end_outlives_its_run(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = History(service=(Fault("submit", Silence(processed=True), nth=(1,)),))
    holds(stage, silent)
    monkeypatch.setattr("tryon.wiring.state.LEASE_MARGIN", 1e4)
    # Functions hold a gate only for one call: the next run's has the longer lease.
    breaks(stage, silent, "a lease outlived its time")


def test_a_retry_that_repeats_unknown_outcomes_is_seen(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = History(service=(Fault("submit", Silence(processed=True), nth=(1,)),))
    original = retry.repeats
    monkeypatch.setattr(retry, "repeats", lambda entry: original(entry, include_unknown=True))
    breaks(stage, silent, "a retry manifest for nothing")


def test_a_retry_that_forgets_paid_tasks_is_seen(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = History(aws=(AwsFault("s3.PutObject", Refused("SlowDown", 503), (), by="DownloadFunction"),))
    holds(stage, lost)
    monkeypatch.setattr(retry, "resumable", lambda *_: False)
    breaks(stage, lost, "a paid task was paid again")


def test_an_outcome_that_nobody_gives_is_seen(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    unrecorded = History(
        service=(Fault("submit", Answer(50411)),),
        aws=(AwsFault("dynamodb.UpdateItem", Refused("ProvisionedThroughputExceededException"), (), by="states"),),
    )
    holds(stage, unrecorded)
    monkeypatch.setattr(Ledger, "failed", lambda *_: None)
    with pytest.raises(AssertionError):
        stage.play(unrecorded).check()


def test_a_success_that_a_late_failure_overwrites_is_seen(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = History(aws=(AwsFault("dynamodb.UpdateItem", Unanswered(), (), by="DownloadFunction"),))
    holds(stage, lost)

    def overwritten(item: object) -> Entry:
        entry = original(item)  # type: ignore[arg-type]
        return entry if entry.status is not Status.SUCCEEDED else Entry(**{**vars(entry), "status": Status.FAILED})

    original = ledger.read_entry  # type: ignore[attr-defined]
    monkeypatch.setattr(ledger, "read_entry", overwritten)
    with pytest.raises(AssertionError):
        stage.play(lost).check()
