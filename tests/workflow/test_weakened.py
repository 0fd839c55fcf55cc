"""Builds with one safeguard taken away: each breaks the rule that the safeguard is there for.

What these tests show is that the rules checked by `histories` can see what they are there to see.
"""

from collections.abc import Iterator

import pytest

from local.aws.faults import AwsFault, Killed, Refused, Unanswered
from local.service.faults import Answer, Fails, Fault, Silence
from tests.workflow.histories import History, Repeated, Theatre, theatre
from tryon import ledger, retry, task
from tryon.gate import Gate
from tryon.ledger import Entry, Ledger, Status
from tryon.service.errors import ServiceUnavailableError, SubmitOutcomeUnknownError


@pytest.fixture
def stage() -> Iterator[Theatre]:
    with theatre(2) as found:
        yield found


def holds(stage: Theatre, history: History) -> None:
    stage.play(history).check()


def breaks(stage: Theatre, history: History, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        stage.play(history).check()


CUT_OFF = History(aws=(AwsFault("SubmitFunction", Killed("after")),))
"""The function dies with the task made and its answer to the state machine unsent."""


def test_a_submit_that_does_not_ask_the_ledger_pays_twice(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    holds(stage, CUT_OFF)
    monkeypatch.setattr(Ledger, "begin_submit", lambda *_: None)
    breaks(stage, CUT_OFF, "paid twice")


def test_an_unknown_outcome_taken_for_none_pays_twice(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = History(service=(Fault("submit", Silence(processed=True), nth=(1,)),))
    holds(stage, silent)

    submit = task.start

    def sure(*args: object, **kwargs: object) -> str:
        try:
            return submit(*args, **kwargs)  # type: ignore[arg-type]
        except SubmitOutcomeUnknownError as error:
            kwargs["ledger"].withdraw_submit(kwargs["run_id"], 1)  # type: ignore[attr-defined]
            raise ServiceUnavailableError(str(error)) from error

    monkeypatch.setattr(task, "start", sure)
    breaks(stage, silent, "paid twice")


def test_a_run_without_a_claim_is_paid_for_each_event(stage: Theatre) -> None:
    twice = History(accidents=(Repeated(1.0),))
    holds(stage, twice)
    ledger_table = stage.pipeline.app.stack.outputs["LedgerTableName"]
    client = stage.pipeline.app.stack.client("dynamodb")

    def forget(function: str, event: object) -> None:
        for item in client.scan(TableName=ledger_table)["Items"]:
            if item["pk"]["S"].startswith("claim#"):
                client.delete_item(TableName=ledger_table, Key={name: item[name] for name in ("pk", "sk")})

    stage.pipeline.app.stack.functions.before_invoke.append(forget)
    with pytest.raises(AssertionError):
        stage.play(twice).check()


def test_a_slot_that_the_end_does_not_free_is_held_for_nothing(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = History(service=(Fault("task", Fails(50520), nth=(1,)),))
    holds(stage, failing)
    monkeypatch.setattr(Gate, "release", lambda *_, **__: None)
    monkeypatch.setattr(Gate, "release_run", lambda *_, **__: None)
    breaks(stage, failing, "a slot is held for nothing")


def test_a_lease_without_an_end_outlives_its_run(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = History(service=(Fault("submit", Silence(processed=True), nth=(1,)),))
    holds(stage, silent)
    monkeypatch.setattr("tryon.settings.LEASE_MARGIN", 1e6)
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
    monkeypatch.setattr(retry, "resumable", lambda *_: {})
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

    original = ledger._entry
    monkeypatch.setattr(ledger, "_entry", overwritten)
    with pytest.raises(AssertionError):
        stage.play(lost).check()
