from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from tests.doubles import RUN, HandClock, combination, ledger_and_gate, outcome, stored
from tryon.planning.plan import Key
from tryon.service import Candidate, Submitted, TaskResult, TaskStatus, TaskTimes
from tryon.state.entry import Entry, RefusedSubmit, Status
from tryon.state.items import from_item, to_item
from tryon.state.ledger import Ledger, LedgerConflictError, LedgerWriteError, RunEndedError, Standing
from tryon.state.run import Run, RunStatus


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


@pytest.mark.parametrize(("first", "last", "found"), [(1, None, (1, 60)), (11, 20, (11, 20)), (51, None, (51, 60))])
def test_some_of_the_entries_come_by_their_numbers(ledger: Ledger, first: int, last: int | None, found: Any) -> None:
    ledger.add(RUN, [combination(n) for n in range(1, 61)])
    assert [entry.n for entry in ledger.entries(RUN, first, last)] == list(range(found[0], found[1] + 1))


def test_two_runs_do_not_see_each_others_entries(ledger: Ledger) -> None:
    ledger.add("run-a", [combination(1)])
    ledger.add("run-b", [combination(1), combination(2)])
    assert len(list(ledger.entries("run-a"))) == 1


def test_a_submit_of_what_was_never_planned_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(KeyError, match="no combination 9"):
        ledger.begin_submit(RUN, 9, 1)


def test_the_addresses_of_results_are_forgotten_once_they_are_stored(ledger: Ledger) -> None:
    ledger.add(RUN, [combination()])
    ledger.ended(RUN, ledger.entry(RUN, 1), "task-1")
    ledger.succeeded(RUN, 1, [])
    assert ledger.entry(RUN, 1).candidates == ()


def test_what_the_service_said_of_a_candidate_waits_for_its_download(ledger: Ledger) -> None:
    said = (Candidate(url="https://r.example/1.png", seed=7, score=0.83, reason="hands"), Candidate(data=b"picture"))
    ledger.add(RUN, [combination()])
    ledger.ended(RUN, ledger.entry(RUN, 1), "task-1", TaskResult(TaskStatus.DONE, "r", said))
    assert ledger.entry(RUN, 1).candidates == (said[0], Candidate())


def test_a_result_keeps_what_the_service_said_of_it(ledger: Ledger) -> None:
    results = (stored("a.png", score=0.83, reason="hands"), stored("b.png", width=None))
    ledger.add(RUN, [combination()])
    ledger.succeeded(RUN, 1, results)
    assert ledger.entry(RUN, 1).results == results


# --- each state, and what each call makes of it: twice, late, out of turn ---

STATES: dict[str, Callable[[Ledger, str], Any]] = {
    "planned": lambda ledger, run: None,
    "closed 1": lambda ledger, run: ledger.close_visit(run, 1, 1) and None,
    "submitting 1": lambda ledger, run: ledger.begin_submit(run, 1, 1),
    "refused 1": lambda ledger, run: (
        ledger.begin_submit(run, 1, 1),
        ledger.withdraw_submit(run, 1, 1, "ServiceBusyError", "full"),
    )[0],
    "submitted 1": lambda ledger, run: (ledger.begin_submit(run, 1, 1), ledger.submitted(run, 1, 1, TASK_1))[0],  # type: ignore[has-type]
    "resumed": lambda ledger, run: ledger.resume(run, 1, "old"),
    "succeeded": lambda ledger, run: (
        STATES["submitted 1"](ledger, run),
        ledger.succeeded(run, 1, [stored("k.png", bytes=5)]),
    )[0],
    "failed": lambda ledger, run: ledger.failed(run, 1, "NotStartedError", "late"),
    "failed in doubt": lambda ledger, run: (
        ledger.begin_submit(run, 1, 1),
        ledger.failed(run, 1, "SubmitOutcomeUnknownError", "?"),
    )[0],
    "failed with task": lambda ledger, run: (
        STATES["submitted 1"](ledger, run),
        ledger.failed(run, 1, "TaskDeadlineError", "late"),
    )[0],
}
TASK_1, TASK_2 = Submitted("task-1", "request-1"), Submitted("task-2", "request-2")
CALLS: dict[str, Callable[[Ledger, str], object]] = {
    "begin 1": lambda ledger, run: ledger.begin_submit(run, 1, 1),
    "begin 2": lambda ledger, run: ledger.begin_submit(run, 1, 2),
    "begin 2 after refused 1": lambda ledger, run: ledger.begin_submit(run, 1, 2, refused_visit=1),
    "begin 3 after refused 2": lambda ledger, run: ledger.begin_submit(run, 1, 3, refused_visit=2),
    "withdraw 1": lambda ledger, run: ledger.withdraw_submit(run, 1, 1, "ServiceBusyError", "full"),
    "withdraw 2": lambda ledger, run: ledger.withdraw_submit(run, 1, 2),
    "close 1": lambda ledger, run: ledger.close_visit(run, 1, 1),
    "submitted 1": lambda ledger, run: ledger.submitted(run, 1, 1, TASK_1),
    "submitted 2": lambda ledger, run: ledger.submitted(run, 1, 2, TASK_2),
    "resume": lambda ledger, run: ledger.resume(run, 1, "old"),
    "replan": lambda ledger, run: ledger.replan(run, 1, "task-1"),
    "poll": lambda ledger, run: ledger.pending(run, 1, "task-1", TaskStatus.GENERATING),
    "poll of another task": lambda ledger, run: ledger.ended(run, ledger.entry(run, 1), "task-9"),
    "success": lambda ledger, run: ledger.succeeded(run, 1, [stored("k.png", bytes=5)]),
    "failure": lambda ledger, run: ledger.failed(run, 1, "TaskAbandonedError", "stopped"),
}
Outcome = tuple[Status, int, str | None, bool]
"""Status, visit, task, whether its submit is in doubt."""

P, SING, SUB, OK, F = Status.PLANNED, Status.SUBMITTING, Status.SUBMITTED, Status.SUCCEEDED, Status.FAILED
AS_IT_WAS, CONFLICT = "as it was", "conflict"
TABLE: dict[str, dict[str, Outcome | str]] = {
    "planned": {
        "begin 1": (SING, 1, None, True),
        "begin 2": (SING, 2, None, True),
        "begin 2 after refused 1": (SING, 2, None, True),
        "begin 3 after refused 2": (SING, 3, None, True),
        "withdraw 1": AS_IT_WAS,
        "withdraw 2": AS_IT_WAS,
        "close 1": (P, 1, None, False),
        "submitted 1": AS_IT_WAS,
        "submitted 2": AS_IT_WAS,
        "resume": (SUB, 0, "old", False),
        "replan": AS_IT_WAS,
        "poll": (SUB, 0, "task-1", False),
        "poll of another task": (SUB, 0, "task-9", False),
        "success": (OK, 0, None, False),
        "failure": (F, 0, None, False),
    },
    "closed 1": {
        "begin 1": CONFLICT,
        "begin 2": (SING, 2, None, True),
        "begin 2 after refused 1": (SING, 2, None, True),
        "begin 3 after refused 2": (SING, 3, None, True),
        "withdraw 1": AS_IT_WAS,
        "withdraw 2": AS_IT_WAS,
        "close 1": AS_IT_WAS,
        "submitted 1": AS_IT_WAS,
        "submitted 2": AS_IT_WAS,
        "resume": (SUB, 1, "old", False),
        "replan": AS_IT_WAS,
        "poll": (SUB, 1, "task-1", False),
        "poll of another task": (SUB, 1, "task-9", False),
        "success": (OK, 1, None, False),
        "failure": (F, 1, None, False),
    },
    "submitting 1": {
        "begin 1": CONFLICT,
        "begin 2": CONFLICT,
        "begin 2 after refused 1": (SING, 2, None, True),
        "begin 3 after refused 2": CONFLICT,
        "withdraw 1": (P, 1, None, False),
        "withdraw 2": AS_IT_WAS,
        "close 1": AS_IT_WAS,
        "submitted 1": (SUB, 1, "task-1", False),
        "submitted 2": AS_IT_WAS,
        "resume": CONFLICT,
        "replan": AS_IT_WAS,
        "poll": (SUB, 1, "task-1", False),
        "poll of another task": (SUB, 1, "task-9", False),
        "success": (OK, 1, None, True),
        "failure": (F, 1, None, True),
    },
    "refused 1": {
        "begin 1": CONFLICT,
        "begin 2": (SING, 2, None, True),
        "begin 2 after refused 1": (SING, 2, None, True),
        "begin 3 after refused 2": (SING, 3, None, True),
        "withdraw 1": AS_IT_WAS,
        "withdraw 2": AS_IT_WAS,
        "close 1": AS_IT_WAS,
        "submitted 1": AS_IT_WAS,
        "submitted 2": AS_IT_WAS,
        "resume": (SUB, 1, "old", False),
        "replan": AS_IT_WAS,
        "poll": (SUB, 1, "task-1", False),
        "poll of another task": (SUB, 1, "task-9", False),
        "success": (OK, 1, None, False),
        "failure": (F, 1, None, False),
    },
    "submitted 1": {
        **dict.fromkeys(("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2"), CONFLICT),
        **dict.fromkeys(("withdraw 1", "withdraw 2", "close 1", "submitted 1", "submitted 2", "poll"), AS_IT_WAS),
        "resume": CONFLICT,
        "replan": (P, 1, None, False),
        "poll of another task": AS_IT_WAS,
        "success": (OK, 1, "task-1", False),
        "failure": (F, 1, "task-1", False),
    },
    "resumed": {
        **dict.fromkeys(("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2"), CONFLICT),
        **dict.fromkeys(("withdraw 1", "withdraw 2", "close 1", "submitted 1", "submitted 2", "poll"), AS_IT_WAS),
        "resume": AS_IT_WAS,
        "replan": AS_IT_WAS,
        "poll of another task": AS_IT_WAS,
        "success": (OK, 0, "old", False),
        "failure": (F, 0, "old", False),
    },
    "succeeded": {
        **dict.fromkeys(CALLS, AS_IT_WAS),
        **dict.fromkeys(
            ("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2", "resume"), CONFLICT
        ),
    },
    "failed": {
        **dict.fromkeys(CALLS, AS_IT_WAS),
        **dict.fromkeys(
            ("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2", "resume", "success"), CONFLICT
        ),
        "submitted 1": (F, 0, "task-1", False),
        "submitted 2": (F, 0, "task-2", False),
    },
    "failed in doubt": {
        **dict.fromkeys(CALLS, AS_IT_WAS),
        **dict.fromkeys(
            ("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2", "resume", "success"), CONFLICT
        ),
        "withdraw 1": (F, 1, None, False),
        "submitted 1": (F, 1, "task-1", False),
        "submitted 2": (F, 1, "task-2", False),
    },
    "failed with task": {
        **dict.fromkeys(CALLS, AS_IT_WAS),
        **dict.fromkeys(
            ("begin 1", "begin 2", "begin 2 after refused 1", "begin 3 after refused 2", "resume", "success"), CONFLICT
        ),
    },
}


def standing_of(entry: Entry) -> Outcome:
    return entry.status, entry.visit, entry.task_id, entry.outcome_unknown


@pytest.mark.parametrize("state", STATES)
def test_a_status_goes_only_forward_whatever_comes_late(ledger: Ledger, state: str) -> None:
    for call, expected in TABLE[state].items():
        ledger.add(call, [combination()])
        STATES[state](ledger, call)
        before = ledger.entry(call, 1)
        try:
            CALLS[call](ledger, call)
            conflict = False
        except LedgerConflictError as error:
            conflict = True
            assert error.entry == before, call
        after = ledger.entry(call, 1)
        assert conflict is (expected == CONFLICT), call
        assert standing_of(after) == (standing_of(before) if isinstance(expected, str) else expected), call
        if before.status in (Status.SUCCEEDED, Status.FAILED):
            # What was learned late may be added; the outcome and all that it says stays.
            said = ("error", "cause", "results", "bytes", "polls", "ended_at")
            assert [getattr(after, name) for name in said] == [getattr(before, name) for name in said], call
    assert TABLE[state].keys() == CALLS.keys()


def test_what_was_learned_late_reaches_the_retry(ledger: Ledger, clock: HandClock) -> None:
    ledger.add(RUN, [combination()])
    STATES["failed in doubt"](ledger, RUN)
    clock.time += 90
    ledger.submitted(RUN, 1, 1, TASK_1)
    entry = ledger.entry(RUN, 1)
    assert (entry.tasks, entry.submitted_at, entry.request_ids) == (("task-1",), clock.time, ("request-1",))
    assert entry.may_still_run


def test_a_poll_that_wrote_the_tasks_id_first_leaves_the_submit_its_time(ledger: Ledger, clock: HandClock) -> None:
    ledger.add(RUN, [combination()])
    ledger.begin_submit(RUN, 1, 1)
    ledger.pending(RUN, 1, "task-1", TaskStatus.GENERATING)
    ledger.submitted(RUN, 1, 1, TASK_1)
    assert ledger.entry(RUN, 1).submitted_at == clock.time
    clock.time += 5
    ledger.submitted(RUN, 1, 1, TASK_1)
    assert ledger.entry(RUN, 1).submitted_at == clock.time - 5


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        ("ServiceBusyError", False),
        ("RefusalUnconfirmedError", False),
        ("UnknownRefusalError", False),
        ("ServiceUnreachableError", False),
        ("SubmitOutcomeUnknownError", True),
        ("Sandbox.Timedout", True),
        ("TaskFailedError", True),
    ],
)
def test_a_lost_withdrawal_is_made_up_for_by_an_error_that_proves_no_task(
    ledger: Ledger, error: str, unknown: bool
) -> None:
    ledger.add(RUN, [combination()])
    ledger.begin_submit(RUN, 1, 1)
    ledger.failed(RUN, 1, error, "")
    entry = ledger.entry(RUN, 1)
    assert (entry.outcome_unknown, entry.may_still_run) == (unknown, unknown)


def test_a_refusal_is_kept_until_the_next_submit(ledger: Ledger) -> None:
    ledger.add(RUN, [combination()])
    STATES["refused 1"](ledger, RUN)
    assert ledger.entry(RUN, 1).refusal == RefusedSubmit("ServiceBusyError", "full")
    ledger.begin_submit(RUN, 1, 2)
    entry = ledger.entry(RUN, 1)
    assert (entry.refusal, entry.submits) == (None, 2)


def test_what_polls_say_is_kept_and_counted(ledger: Ledger, clock: HandClock) -> None:
    ledger.add(RUN, [combination()])
    STATES["submitted 1"](ledger, RUN)
    ledger.unanswered(RUN, 1, "task-1", "ServiceUnavailableError: paused")
    ledger.not_found(RUN, 1, "task-1", 123.0)
    entry = ledger.entry(RUN, 1)
    assert (entry.said, entry.unanswered, entry.polls, entry.not_found_at) == (
        "ServiceUnavailableError: paused",
        1,
        2,
        123.0,
    )
    ledger.pending(RUN, 1, "task-1", TaskStatus.GENERATING)
    entry = ledger.entry(RUN, 1)
    assert (entry.not_found_at, entry.polls, entry.unanswered) == (None, 3, 1)


IN_QUEUE, AT_WORK = TaskStatus.IN_QUEUE, TaskStatus.GENERATING


@pytest.mark.parametrize(
    ("seen", "queued", "working"),
    [
        ((IN_QUEUE, IN_QUEUE), 10, None),
        ((AT_WORK, AT_WORK), None, 5),
        ((IN_QUEUE, AT_WORK, AT_WORK), 5, 10),
        ((IN_QUEUE, AT_WORK, IN_QUEUE), 15, None),
        ((AT_WORK, IN_QUEUE, AT_WORK), 10, 15),
    ],
)
def test_the_queue_was_seen_last_and_the_work_first(
    ledger: Ledger, clock: HandClock, seen: tuple[TaskStatus, ...], queued: int | None, working: int | None
) -> None:
    ledger.add(RUN, [combination()])
    STATES["submitted 1"](ledger, RUN)
    began = clock.time
    for status in seen:
        clock.time += 5
        ledger.pending(RUN, 1, "task-1", status)
    entry = ledger.entry(RUN, 1)
    assert (entry.queued_at, entry.working_at) == tuple(
        None if after is None else began + after for after in (queued, working)
    )
    assert (entry.pending_at, entry.polls) == (clock.time, len(seen))


def test_another_seed_begins_without_the_times_of_the_task_before_it(ledger: Ledger, clock: HandClock) -> None:
    ledger.add(RUN, [combination()])
    STATES["submitted 1"](ledger, RUN)
    ledger.pending(RUN, 1, "task-1", IN_QUEUE)
    ledger.pending(RUN, 1, "task-1", AT_WORK)
    ledger.ended(RUN, ledger.entry(RUN, 1), "task-1", _timed(10.0, 12.0, 30.0))
    entry = ledger.replan(RUN, 1, "task-1")
    assert (entry.queued_at, entry.working_at, entry.processed_at) == (None, None, None)


def _timed(received: float, processed: float, finished: float) -> TaskResult:
    return TaskResult(TaskStatus.DONE, "r", times=TaskTimes(received, processed, finished))


@pytest.mark.parametrize(
    ("times", "waited"),
    [((10.0, 12.5, 35.0), 2.5), ((10.0, 10.0, 35.0), 0.0), ((10.0, 9.0, 35.0), None), ((10.0, 36.0, 35.0), None)],
    ids=["in the queue", "at once", "before it was received", "after its end"],
)
def test_when_the_work_began_is_the_services_word_by_this_clock(
    ledger: Ledger, clock: HandClock, times: tuple[float, float, float], waited: float | None
) -> None:
    ledger.add(RUN, [combination()])
    STATES["submitted 1"](ledger, RUN)
    submitted = clock.time
    clock.time += 31
    ledger.ended(RUN, ledger.entry(RUN, 1), "task-1", _timed(*times))
    entry = ledger.entry(RUN, 1)
    assert (entry.latency, entry.processed_at) == (25.0, None if waited is None else submitted + waited)


# --- runs ---


def test_runs_are_listed_newest_first(ledger: Ledger) -> None:
    for run_id in ("20260101T000000Z-a-0", "20260301T000000Z-c-0", "20260201T000000Z-b-0"):
        ledger.open_run(Run(run_id, execution="e", name=run_id))
    assert [run.run_id[:6] for run in ledger.runs(2)] == ["202603", "202602"]


def test_retries_are_found_from_a_run_on(ledger: Ledger) -> None:
    for run_id, retry_of in (("1-old", "0"), ("2-first", None), ("3-plain", None), ("4-a", "2-first"), ("5-b", "4-a")):
        ledger.open_run(Run(run_id, execution="e", retry_of=retry_of))
    assert [run.run_id for run in ledger.retries_since("2-first")] == ["4-a", "5-b"]


def test_a_run_that_is_not_halted_goes_on(ledger: Ledger) -> None:
    ledger.open_run(Run(RUN, execution="e", started_at=7.0))
    assert ledger.standing(RUN) == Standing(None, 7.0)
    ledger.halt(RUN, "ServiceAccessError", "no such key")
    assert ledger.standing(RUN) == Standing("ServiceAccessError: no such key", 7.0)


def test_halting_a_run_that_was_never_opened_makes_none(ledger: Ledger) -> None:
    with pytest.raises(ClientError):
        ledger.halt(RUN, "ServiceAccessError", "")
    assert ledger.run(RUN) is None


def test_a_run_is_opened_again_by_its_own_execution_only(ledger: Ledger) -> None:
    ledger.open_run(Run(RUN, execution="mine", total=3))
    ledger.open_run(Run(RUN, execution="mine", total=3))
    with pytest.raises(RunEndedError):
        ledger.open_run(Run(RUN, execution="another", total=4))
    opened = ledger.run(RUN)
    assert opened is not None
    assert opened.total == 3


@pytest.mark.parametrize(
    "late",
    [
        lambda ledger: ledger.open_run(Run(RUN, execution="mine", total=9)),
        lambda ledger: ledger.plan_done(RUN, total=9),
        lambda ledger: ledger.report(RUN, outcome(RunStatus.FAILED)),
    ],
)
@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.REJECTED])
def test_a_run_that_has_ended_stays_as_it_ended(
    ledger: Ledger, status: RunStatus, late: Callable[[Ledger], None]
) -> None:
    ledger.open_run(Run(RUN, execution="mine"))
    ledger.plan_done(RUN, total=3)
    ledger.report(RUN, outcome(status))
    before = ledger.run(RUN)
    with pytest.raises(RunEndedError):
        late(ledger)
    assert ledger.run(RUN) == before


def test_what_repaired_a_run_is_noted_beside_its_outcome(ledger: Ledger) -> None:
    with pytest.raises(RunEndedError):
        ledger.mark_repaired(RUN, ["r"])
    assert ledger.run(RUN) is None
    ledger.open_run(Run(RUN, execution="mine"))
    ledger.report(RUN, outcome(RunStatus.PARTIAL))
    ledger.mark_repaired(RUN, ["r1", "r2"])
    run = ledger.run(RUN)
    assert run is not None
    assert (run.status, run.repaired_by) == (RunStatus.PARTIAL, ("r1", "r2"))


# --- many items at once ---


def counted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each transaction holds."""
    write, sizes = ledger._client.transact_write_items, []

    def transact(TransactItems: list[Any]) -> Any:  # noqa: N803 - boto3's name
        sizes.append(len(TransactItems))
        return write(TransactItems=TransactItems)

    monkeypatch.setattr(ledger._client, "transact_write_items", transact)
    return sizes


def test_entries_are_written_a_hundred_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = counted(ledger, monkeypatch)
    ledger.add(RUN, (combination(n) for n in range(1, 231)))
    assert sizes == [100, 100, 30]
    assert len(list(ledger.entries(RUN))) == 230


def test_adding_again_writes_over_no_entry_and_fills_what_is_missing(ledger: Ledger) -> None:
    """As when Plan dies in the middle, or runs a second time while submits have begun."""
    ledger.add(RUN, [combination(n) for n in (2, 3)])
    ledger.begin_submit(RUN, 2, 1)
    ledger.submitted(RUN, 2, 1, TASK_1)
    ledger.failed(RUN, 3, "NotStartedError", "")
    kept = [ledger.entry(RUN, n) for n in (2, 3)]
    for _ in range(2):
        ledger.add(RUN, [combination(n) for n in range(1, 6)])
        assert [entry.n for entry in ledger.entries(RUN)] == [1, 2, 3, 4, 5]
        assert [ledger.entry(RUN, n) for n in (2, 3)] == kept


def cancelled(*codes: str) -> ClientError:
    reasons: Any = [{"Code": code} for code in codes]
    return ClientError(
        {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "CancellationReasons": reasons},
        "TransactWriteItems",
    )


@pytest.mark.parametrize("code", ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"])
def test_a_busy_table_is_asked_again_and_then_named(
    ledger: Ledger, clock: HandClock, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    write, left = ledger._client.transact_write_items, [3]

    def busy(**request: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise cancelled("None", code)
        return write(**request)

    monkeypatch.setattr(ledger._client, "transact_write_items", busy)
    ledger.add(RUN, [combination(1), combination(2)])
    assert len(list(ledger.entries(RUN))) == 2
    left[0] = 1000
    with pytest.raises(LedgerWriteError, match="2 items"):
        ledger.add("another", [combination(1), combination(2)])
    assert sum(clock.slept) > 20


def test_another_refusal_of_a_transaction_is_raised(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "TransactWriteItems")

    def deny(**_: Any) -> None:
        raise denied

    monkeypatch.setattr(ledger._client, "transact_write_items", deny)
    with pytest.raises(ClientError, match="AccessDenied"):
        ledger.add(RUN, [combination()])


# --- claims ---

KEYS: list[Key] = [("anna", f"g{n}", "default") for n in range(120)]


def test_each_combination_is_one_retrys_alone(ledger: Ledger) -> None:
    assert ledger.claim_repairs(RUN, "retry-1", KEYS[:3], {}) == frozenset()
    assert ledger.claim_repairs(RUN, "retry-2", KEYS[2:], {}) == {KEYS[2]}
    claims = ledger.repair_claims(RUN)
    assert {key: claims[key] for key in KEYS[:4]} == dict(
        zip(KEYS[:4], ["retry-1", "retry-1", "retry-1", "retry-2"], strict=True)
    )
    assert len(claims) == len(KEYS)
    assert ledger.repair_claims("another") == {}


def test_a_retry_that_plans_again_keeps_its_own_claims(ledger: Ledger) -> None:
    for _ in range(2):
        assert ledger.claim_repairs(RUN, "retry-1", KEYS, {}) == frozenset()


def test_a_void_claim_is_taken_over_by_one_retry_only(ledger: Ledger) -> None:
    ledger.claim_repairs(RUN, "retry-1", KEYS[:2], {})
    void = dict.fromkeys(KEYS[:2], "retry-1")
    assert ledger.claim_repairs(RUN, "retry-2", KEYS[:1], void) == frozenset()
    assert ledger.claim_repairs(RUN, "retry-3", KEYS[:2], void) == {KEYS[0]}
    assert ledger.repair_claims(RUN) == {KEYS[0]: "retry-2", KEYS[1]: "retry-3"}


def test_values_survive_the_way_through_dynamodb() -> None:
    values: dict[str, Any] = {"text": "é", "whole": 3, "part": 1790000000.125, "list": [1.5, {"a": True}], "none": None}
    assert from_item(to_item(values)) == {key: value for key, value in values.items() if value is not None}


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(endpoint_url="dynamodb"),
        ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem"),
        ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem"),  # botocore tried once more
    ],
    ids=["closed", "500", "tried again"],
)
@pytest.mark.parametrize("written", [True, False])
def test_a_submit_knows_whether_its_own_write_is_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: Exception, written: bool
) -> None:
    ledger.add(RUN, [combination(1)])
    update = ledger._client.update_item

    def lost(**request: Any) -> None:
        if written:
            update(**request)
        raise error

    monkeypatch.setattr(ledger._client, "update_item", lost)
    if written:
        ledger.begin_submit(RUN, 1, 1)
    else:
        with pytest.raises((LedgerConflictError, ClientError, BotoCoreError)):
            ledger.begin_submit(RUN, 1, 1)
    assert ledger.entry(RUN, 1).status is (Status.SUBMITTING if written else Status.PLANNED)


def test_a_submit_does_not_take_anothers_write_for_its_own(ledger: Ledger) -> None:
    ledger.add(RUN, [combination(1)])
    ledger.begin_submit(RUN, 1, 1)
    with pytest.raises(LedgerConflictError):
        ledger.begin_submit(RUN, 1, 1)
