from collections.abc import Iterator

import pytest

from tests.conftest import HandClock
from tests.unit.fakes import RUN, combination, ledger_and_gate
from tryon.items import from_item, to_item
from tryon.ledger import Ledger, LedgerConflictError, LedgerWriteError, Status
from tryon.service import Submitted


@pytest.fixture
def ledger(clock: HandClock) -> Iterator[Ledger]:
    with ledger_and_gate(clock) as (ledger, _):
        yield ledger


def test_entries_come_back_in_the_plans_order_over_many_batches(ledger: Ledger) -> None:
    ledger.add(RUN, [combination(n) for n in range(1, 61)])
    entries = list(ledger.entries(RUN))
    assert [entry.n for entry in entries] == list(range(1, 61))
    assert {entry.status for entry in entries} == {Status.PLANNED}
    assert entries[4].id == combination(5).id
    assert entries[4].garments == ("garment5",)


def test_two_runs_do_not_see_each_others_entries(ledger: Ledger) -> None:
    ledger.add("run-a", [combination(1)])
    ledger.add("run-b", [combination(1), combination(2)])
    assert len(list(ledger.entries("run-a"))) == 1


def test_only_one_submit_can_begin(ledger: Ledger) -> None:
    ledger.add(RUN, [combination()])
    ledger.begin_submit(RUN, 1)
    with pytest.raises(LedgerConflictError) as conflict:
        ledger.begin_submit(RUN, 1)
    assert conflict.value.entry.status is Status.SUBMITTING


def test_a_submit_of_what_was_never_planned_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(KeyError, match="no combination 9"):
        ledger.begin_submit(RUN, 9)


def test_success_is_final(ledger: Ledger) -> None:
    ledger.add(RUN, [combination()])
    ledger.begin_submit(RUN, 1)
    ledger.submitted(RUN, 1, Submitted("task-1", "request-1"))
    ledger.succeeded(RUN, 1, [{"key": "k.png", "bytes": 5}], 5)
    ledger.failed(RUN, 1, "TaskDeadlineError", "late")
    entry = ledger.entry(RUN, 1)
    assert (entry.status, entry.error, entry.results[0]["key"]) == (Status.SUCCEEDED, None, "k.png")


def test_the_addresses_of_results_are_forgotten_once_they_are_stored(ledger: Ledger) -> None:
    ledger.add(RUN, [combination()])
    ledger.ended(RUN, ledger.entry(RUN, 1), "task-1")
    ledger.succeeded(RUN, 1, [], 0)
    assert ledger.entry(RUN, 1).candidates == ()


def test_runs_are_listed_newest_first(ledger: Ledger) -> None:
    for run_id in ("20260101T000000Z-a-0", "20260301T000000Z-c-0", "20260201T000000Z-b-0"):
        ledger.open_run(run_id, name=run_id)
    assert [run["run_id"][:6] for run in ledger.runs(2)] == ["202603", "202602"]


def test_a_run_that_is_not_halted_goes_on(ledger: Ledger) -> None:
    ledger.open_run(RUN, name="lookbook")
    assert ledger.halted(RUN) is None


def test_entries_that_dynamodb_kept_refusing_are_not_lost_in_silence(
    ledger: Ledger, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(RequestItems: dict[str, object]) -> dict[str, object]:  # noqa: N803 - boto3's name
        return {"UnprocessedItems": RequestItems}

    monkeypatch.setattr(ledger._client, "batch_write_item", refuse)
    with pytest.raises(LedgerWriteError, match="1 entries"):
        ledger.add(RUN, [combination()])
    assert sum(clock.slept) > 20


def test_a_batch_taken_in_part_is_sent_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = ledger._client.batch_write_item, []

    def refuse_some(RequestItems: dict[str, list[object]]) -> dict[str, object]:  # noqa: N803 - boto3's name
        calls.append(len(RequestItems["ledger"]))
        write(RequestItems={"ledger": RequestItems["ledger"][:20]})
        rest = RequestItems["ledger"][20:]
        return {"UnprocessedItems": {"ledger": rest} if rest else {}}

    monkeypatch.setattr(ledger._client, "batch_write_item", refuse_some)
    ledger.add(RUN, [combination(n) for n in range(1, 26)])
    assert calls == [25, 5]
    assert len(list(ledger.entries(RUN))) == 25


def test_values_survive_the_way_through_dynamodb() -> None:
    values = {"text": "é", "whole": 3, "part": 1790000000.125, "list": [1.5, {"a": True}], "none": None}
    assert from_item(to_item(values)) == {key: value for key, value in values.items() if value is not None}
