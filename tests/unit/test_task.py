"""A combination is paid for once, whatever breaks and wherever."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.doubles import RUN, FakeService, HandClock, combination, done, ledger_and_gate, outcome, stored, submission
from tryon.objects import PictureChangedError
from tryon.planning.plan import Combination
from tryon.service import Submission, Submitted, TaskResult, TaskStatus
from tryon.service.errors import (
    InputRefusedError,
    OutputRefusedError,
    RefusalUnconfirmedError,
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    ServiceUnreachableError,
    SubmitOutcomeUnknownError,
    TaskExpiredError,
    TaskFailedError,
    UnknownRefusalError,
)
from tryon.state.entry import Entry, RefusedSubmit, Status
from tryon.state.gate import Gate, Refusal, RequestLimit, SlotLostError, TurnLaterError
from tryon.state.ledger import Ledger, LedgerConflictError
from tryon.state.run import LearnedFrom, Run, RunStatus
from tryon.task import poll, slots, submit
from tryon.task.poll import TaskState
from tryon.task.slots import NotStartedError, RunHaltedError
from tryon.task.submit import Started, SubmitUnansweredError


class Crash(BaseException):
    """The process is gone: nothing after this line ran."""


def crash(*_: object) -> Any:
    raise Crash


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


UNAVAILABLE = EndpointConnectionError(endpoint_url="dynamodb")
"""What boto3 raises when DynamoDB cannot be reached."""


@dataclass
class Bench:
    """One planned combination that holds the only slot, on its first visit."""

    clock: HandClock
    ledger: Ledger
    gate: Gate
    service: FakeService
    woken: list[tuple[str, int]] = field(default_factory=list)

    def start(
        self,
        which: Combination | None = None,
        load: Callable[[Combination], Submission] = submission,
        *,
        visit: int = 1,
        **known: Any,
    ) -> str:
        return self.started(which, load, visit=visit, **known).task_id

    def started(
        self,
        which: Combination | None = None,
        load: Callable[[Combination], Submission] = submission,
        *,
        visit: int = 1,
        **known: Any,
    ) -> Started:
        return submit.start(
            which or combination(),
            run_id=RUN,
            visit=visit,
            ledger=self.ledger,
            gate=self.gate,
            service=self.service,
            load=load,
            now=self.clock.now,
            **known,
        )

    def look(
        self, task_id: str = "task-1", visit: int = 1, deferrals: int = 0, learned: LearnedFrom | None = None
    ) -> poll.Look:
        return poll.look(
            RUN,
            1,
            visit,
            task_id,
            ledger=self.ledger,
            gate=self.gate,
            service=self.service,
            now=self.clock.now,
            deferrals=deferrals,
            learned=learned,
        )

    def wake(self, token: str, start: float, now: float) -> bool:
        self.woken.append((token, round(max(0.0, start - now))))
        return True

    def reserve(self, visit: int = 1, n: int = 1) -> None:
        self.gate.reserve(slots.holder(RUN, n, visit), f"token-{n}-{visit}")

    @property
    def entry(self) -> Entry:
        return self.ledger.entry(RUN, 1)

    @property
    def holders(self) -> set[str]:
        return set(self.gate.state().holders)

    @property
    def halted(self) -> str | None:
        return self.ledger.standing(RUN).halted


@pytest.fixture
def bench(clock: HandClock) -> Iterator[Bench]:
    with ledger_and_gate(clock) as (ledger, gate):
        ledger.open_run(Run(RUN, execution="e", started_at=clock.time))
        ledger.add(RUN, [combination(n) for n in (1, 2)])
        found = Bench(clock, ledger, gate, FakeService())
        gate._wake = found.wake
        found.reserve()
        yield found


ME = slots.holder(RUN, 1, 1)


def test_a_submit_leaves_the_tasks_id_in_the_ledger_and_keeps_the_slot(bench: Bench) -> None:
    assert bench.start() == "task-1"
    assert (bench.entry.status, bench.entry.task_id, bench.entry.submits) == (Status.SUBMITTED, "task-1", 1)
    assert bench.holders == {ME}


def test_a_repeated_submit_finds_the_task_and_pays_nothing(bench: Bench) -> None:
    assert bench.started() == Started("task-1", 0.0)
    bench.clock.time += 40
    assert bench.started() == Started("task-1", 40.0)
    assert bench.service.tasks == ["task-1"]


def test_a_repeated_submit_does_not_lengthen_the_time_that_a_task_has(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 100
    assert bench.started(visit=2, refused_visit=1) == Started("task-1", 100.0)


def test_a_crash_before_the_first_write_is_repeated_and_paid_once(bench: Bench) -> None:
    with pytest.raises(Crash):
        bench.start(load=crash)
    assert bench.start() == "task-1"
    assert len(bench.service.tasks) == 1


@pytest.mark.parametrize(("moment", "paid"), [("before", 0), ("after", 1)])
def test_a_submit_that_died_is_waited_for_and_never_paid_twice(bench: Bench, moment: str, paid: int) -> None:
    setattr(bench.service, moment, crash)
    with pytest.raises(Crash):
        bench.start()
    setattr(bench.service, moment, lambda: None)
    bench.clock.time += submit.SUBMIT_DEAD_SECONDS - 1
    with pytest.raises(SubmitUnansweredError):
        bench.start()
    bench.clock.time += 1
    for visit in (1, 2):
        with pytest.raises(SubmitOutcomeUnknownError, match="may exist"):
            bench.start(visit=visit)
    assert len(bench.service.tasks) == paid
    assert bench.holders == {ME}, "a task may run in it"


def test_a_first_call_that_was_slow_leaves_its_task_to_the_second(bench: Bench) -> None:
    bench.ledger.begin_submit(RUN, 1, 1)
    with pytest.raises(SubmitUnansweredError):
        bench.start()
    bench.ledger.submitted(RUN, 1, 1, Submitted("task-of-the-first", "r"))
    bench.clock.time += submit.SUBMIT_DEAD_SECONDS
    assert bench.started() == Started("task-of-the-first", submit.SUBMIT_DEAD_SECONDS)
    assert bench.service.tasks == []


def test_a_ledger_that_fails_after_the_call_loses_no_task(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id was received: it goes on in the state machine, and the next poll writes it down."""
    monkeypatch.setattr(bench.ledger, "submitted", raising(UNAVAILABLE))
    task_id = bench.start()
    assert task_id == "task-1"
    monkeypatch.undo()
    bench.look(task_id)
    assert (bench.entry.status, bench.entry.task_id) == (Status.SUBMITTED, "task-1")


def test_a_read_time_out_is_an_unknown_outcome_and_keeps_the_slot(bench: Bench) -> None:
    bench.service.after = raising(SubmitOutcomeUnknownError("read timed out"))
    with pytest.raises(SubmitOutcomeUnknownError):
        bench.start()
    bench.service.after = lambda: None
    bench.clock.time += submit.SUBMIT_DEAD_SECONDS
    with pytest.raises(SubmitOutcomeUnknownError):
        bench.start()
    assert len(bench.service.tasks) == 1
    assert bench.holders == {ME}
    trouble = bench.gate.state().trouble
    assert trouble is not None
    assert trouble.kind is Refusal.SILENT


@pytest.mark.parametrize(
    ("error", "kind", "pause"),
    [
        (ServiceBusyError("50430"), Refusal.BUSY, 10.0),
        (ServiceThrottledError("50429", retry_after=17.0), Refusal.THROTTLED, 17.0),
        (ServiceThrottledError("50429"), Refusal.THROTTLED, 2.0),
        (ServiceUnavailableError("50500"), Refusal.UNAVAILABLE, 5.0),
        (ServiceUnreachableError("no route"), Refusal.UNAVAILABLE, 5.0),
        (ServiceAccessError("100009"), Refusal.ACCESS, 10.0),
        (UnknownRefusalError("59999"), Refusal.ACCESS, 10.0),
    ],
)
def test_an_answer_that_proves_no_task_frees_entry_and_slot_and_makes_the_gate_pause(
    bench: Bench, error: ServiceError, kind: Refusal, pause: float
) -> None:
    bench.service.before = raising(error)
    told = RefusalUnconfirmedError if kind is Refusal.ACCESS else type(error)
    with pytest.raises(told, match=str(error)):
        bench.start()
    assert bench.entry.status is Status.PLANNED
    assert (bench.entry.refusal or RefusedSubmit()).error == type(error).__name__
    state = bench.gate.state()
    assert state.holders == {}
    assert state.next_start == pytest.approx(bench.clock.now() + pause)
    assert state.trouble is not None
    assert (state.trouble.kind, state.trouble.word) == (kind, str(error))
    bench.service.before = lambda: None
    bench.reserve(2)
    bench.clock.time += pause
    assert bench.start(visit=2, refused_visit=1) == "task-1"
    assert bench.gate.state().trouble is None


@pytest.mark.parametrize("error", [InputRefusedError("50411"), OutputRefusedError("50511"), TaskFailedError("50512")])
def test_an_opinion_about_the_picture_is_no_trouble_and_ends_what_trouble_there_was(
    bench: Bench, error: ServiceError
) -> None:
    bench.gate.refused("another", Refusal.UNAVAILABLE, pause=5)
    bench.clock.time += 6
    bench.service.before = raising(error)
    with pytest.raises(type(error)):
        bench.start()
    state = bench.gate.state()
    assert (state.holders, state.trouble) == ({}, None)
    with pytest.raises(type(error), match=str(error)):
        bench.start()  # the call repeated: the answer is the same, and nothing is sent
    assert bench.service.tasks == []


@pytest.mark.parametrize(
    "error", [ServiceBusyError("50430"), ServiceAccessError("100010"), UnknownRefusalError("50999")]
)
def test_a_repeated_call_of_a_refused_visit_sends_nothing_and_asks_for_another_slot(
    bench: Bench, error: ServiceError
) -> None:
    bench.service.before = raising(error)
    with pytest.raises(ServiceError):
        bench.start()
    bench.service.before = lambda: None
    bench.reserve(2, n=2)
    before = bench.gate.state()
    with pytest.raises(SlotLostError, match="this visit has ended"):
        bench.start()
    assert bench.service.tasks == []
    assert bench.gate.state() == before


def test_a_refusal_that_could_not_be_written_down_is_known_to_the_next_visit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.ledger, "withdraw_submit", raising(UNAVAILABLE))
    bench.service.before = raising(ServiceBusyError("50430"))
    with pytest.raises(ServiceBusyError):
        bench.start()
    assert (bench.entry.status, bench.holders) == (Status.SUBMITTING, set())
    bench.service.before = lambda: None
    bench.reserve(2)
    with pytest.raises(SubmitUnansweredError):
        bench.start(visit=2)  # were it not known
    assert bench.start(visit=2, refused_visit=1) == "task-1"
    assert (bench.entry.visit, bench.entry.submits) == (2, 2)


def test_a_visit_whose_slot_was_given_away_sends_nothing(bench: Bench) -> None:
    bench.clock.time += 361
    with pytest.raises(SlotLostError):
        bench.start()
    assert (bench.service.tasks, bench.entry.status) == ([], Status.PLANNED)


@pytest.mark.parametrize(
    "error", [PictureChangedError("replaced"), UNAVAILABLE, ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")]
)
def test_whatever_breaks_before_the_call_frees_the_slot_and_leaves_no_doubt(bench: Bench, error: Exception) -> None:
    with pytest.raises(type(error)):
        bench.start(load=raising(error))
    assert (bench.entry.status, bench.entry.visit, bench.holders) == (Status.PLANNED, 0, set())


def test_a_submit_waits_in_its_slot_for_the_turn_that_is_booked(bench: Bench) -> None:
    bench.gate._requests = RequestLimit(1, 6.0)
    bench.gate.take_turn()
    for _ in range(2):
        with pytest.raises(TurnLaterError, match="due in 5 s"):
            bench.start()
    assert (bench.entry.status, bench.holders, bench.service.tasks) == (Status.PLANNED, {ME}, [])
    bench.clock.time += 6
    assert bench.start() == "task-1"


def test_no_request_left_for_the_submit_gives_the_slot_back(bench: Bench) -> None:
    bench.gate._requests = RequestLimit(1, 1000.0)
    bench.gate.take_turn()
    with pytest.raises(SlotLostError, match="due in 999 s"):
        bench.start()
    assert (bench.entry.status, bench.holders, bench.service.tasks) == (Status.PLANNED, set(), [])


def test_in_trouble_only_the_probe_is_sent(bench: Bench) -> None:
    bench.gate.refused("another", Refusal.UNAVAILABLE, pause=50)
    with pytest.raises(SlotLostError):
        bench.start()
    assert (bench.service.tasks, bench.holders) == ([], set())


# --- refusals that end a run, once confirmed ---


class Confirming:
    """A combination that is refused on each visit, which comes at the time that the gate says."""

    def __init__(self, bench: Bench, n: int = 1) -> None:
        self.bench = bench
        self.n = n
        self.visit = 1
        self.refusals = 0
        self.began = bench.clock.time

    def refused(self, error: Exception | None, question: Exception | TaskResult) -> type[Exception]:
        """One more visit; what Submit raised."""
        bench = self.bench
        if self.visit > 1:
            bench.gate.reserve(slots.holder(RUN, self.n, self.visit), "token")
            bench.clock.time = max(bench.clock.time, bench.gate.state().next_start)
        bench.service.before = raising(error) if error else lambda: None
        bench.service.answer = question
        with pytest.raises(ServiceError) as caught:
            bench.start(combination(self.n), visit=self.visit, refusals=self.refusals, refused_visit=self.visit - 1)
        self.visit += 1
        self.refusals += caught.type in (RefusalUnconfirmedError, ServiceUnavailableError)
        return caught.type


ACCESS, ANSWERED = ServiceAccessError("no such key (100009)"), TaskResult(TaskStatus.NOT_FOUND, "r")


def test_one_refusal_about_access_halts_nothing(bench: Bench) -> None:
    assert Confirming(bench).refused(ACCESS, ACCESS) is RefusalUnconfirmedError
    assert bench.halted is None


def test_the_free_question_confirms_within_a_few_minutes_and_then_the_run_is_halted(bench: Bench) -> None:
    visits, raised = Confirming(bench), []
    while bench.halted is None:
        raised.append(visits.refused(ACCESS, ACCESS))
    assert raised == [RefusalUnconfirmedError] * 3 + [ServiceAccessError]
    assert submit.CONFIRM_SECONDS <= bench.clock.time - visits.began < 300
    assert bench.entry.submits == 1, "the others ask the free question first"
    assert bench.service.asked == [FakeService.CHECK] * 3
    assert bench.halted == "ServiceAccessError: no such key (100009)"


def test_keys_that_work_again_within_the_two_minutes_lose_nothing(bench: Bench) -> None:
    visits = Confirming(bench)
    for _ in range(2):
        visits.refused(ACCESS, ACCESS)
    bench.reserve(3)
    bench.clock.time = bench.gate.state().next_start
    bench.service.before, bench.service.answer = lambda: None, ANSWERED
    assert bench.start(visit=3, refused_visit=2, refusals=2) == "task-1"
    assert (bench.halted, bench.gate.state().trouble) == (None, None)


@pytest.mark.parametrize("error", [ACCESS, UnknownRefusalError("no balance (59001)")])
def test_where_the_question_is_answered_three_submits_in_a_row_over_two_minutes_halt(
    bench: Bench, error: ServiceError
) -> None:
    visits, raised = Confirming(bench), []
    while bench.halted is None:
        raised.append(visits.refused(error, ANSWERED))
    assert raised == [RefusalUnconfirmedError] * 3 + [type(error)]
    assert bench.clock.time - visits.began >= submit.CONFIRM_SECONDS
    assert bench.entry.submits == 4
    assert bench.halted == f"{type(error).__name__}: {error}"


def test_other_trouble_between_starts_the_row_again(bench: Bench) -> None:
    first, second = Confirming(bench), Confirming(bench, n=2)
    first.refused(ACCESS, ANSWERED)
    bench.gate.reserve(slots.holder(RUN, 2, 1), "token")
    bench.clock.time += 200
    second.refused(ServiceBusyError("50430"), ANSWERED)
    bench.clock.time += 200
    for _ in range(2):
        first.refused(ACCESS, ANSWERED)
        assert bench.halted is None


def test_a_combination_ends_by_itself_after_its_fifth_refusal(bench: Bench) -> None:
    visits, raised = Confirming(bench), []
    for _ in range(submit.MOST_REFUSALS):
        raised.append(visits.refused(ACCESS, ANSWERED))
        bench.gate.accepted()  # another's submit passes meanwhile
    assert raised == [RefusalUnconfirmedError] * 4 + [ServiceAccessError]
    assert bench.halted is None


@pytest.mark.parametrize("silent", [ServiceUnavailableError("502"), ServiceThrottledError("50429")])
def test_a_question_without_an_answer_confirms_nothing_and_the_submit_shows(bench: Bench, silent: ServiceError) -> None:
    visits = Confirming(bench)
    visits.refused(ACCESS, silent)
    assert visits.refused(ACCESS, silent) is RefusalUnconfirmedError
    assert bench.entry.submits == 2


def test_a_run_that_is_halted_asks_for_no_more_slots(bench: Bench) -> None:
    bench.ledger.halt(RUN, "ServiceAccessError", "no such key")
    with pytest.raises(RunHaltedError, match="no such key"):
        ask(bench, n=2)


# --- asking for a slot ---


def ask(bench: Bench, which: Combination | None = None, *, n: int = 1, visit: int = 1, **changes: Any) -> None:
    slots.ask_for_slot(
        which or combination(n),
        "token",
        run_id=RUN,
        visit=visit,
        **{
            "ask": 0,
            "refused_task": "",
            "waiting_since": bench.clock.time,
            "ledger": bench.ledger,
            "gate": bench.gate,
            "clock": bench.clock,
            "patience": 3600.0,
            **changes,
        },
    )


def test_a_visit_waits_under_its_own_name(bench: Bench) -> None:
    ask(bench, n=2, visit=7, ask=3)
    assert [(w.holder, w.token, w.ask) for w in bench.gate.state().waiters] == [(slots.holder(RUN, 2, 7), "token", 3)]


def test_a_task_that_is_only_asked_after_needs_no_slot(bench: Bench) -> None:
    ask(bench, combination(2, task_id="old-task"))
    assert bench.woken[-1] == ("token", 0)
    assert bench.holders == {ME}
    assert bench.gate.state().waiters == ()


def test_the_task_that_replaces_one_needs_a_slot(bench: Bench) -> None:
    ask(bench, combination(2, task_id="old-task"), refused_task="old-task", visit=2)
    assert [waiter.holder for waiter in bench.gate.state().waiters] == [slots.holder(RUN, 2, 2)]


def test_trouble_is_waited_out_with_patience_and_then_named(bench: Bench) -> None:
    bench.gate.refused(ME, Refusal.UNAVAILABLE, word="internal error (50500)")
    bench.clock.time += 3600
    ask(bench)
    bench.clock.time += 1
    with pytest.raises(NotStartedError, match=r"for 1.0 hours.*internal error \(50500\)"):
        ask(bench)


def test_trouble_that_is_older_than_the_run_counts_from_its_start(bench: Bench) -> None:
    bench.gate.refused(ME, Refusal.UNAVAILABLE)
    bench.clock.time += 9 * 3600
    bench.ledger.open_run(Run("young", execution="e", started_at=bench.clock.time))
    bench.clock.time += 3600
    slots.ask_for_slot(
        combination(),
        "token",
        run_id="young",
        visit=1,
        ask=0,
        refused_task="",
        waiting_since=bench.clock.time,
        ledger=bench.ledger,
        gate=bench.gate,
        clock=bench.clock,
        patience=3600,
    )


def test_waiting_for_days_ends_with_its_reason(bench: Bench) -> None:
    ask(bench, n=2, waiting_since=bench.clock.time - slots.MOST_WAIT)
    with pytest.raises(NotStartedError, match="no slot was free for 4 days"):
        ask(bench, n=2, waiting_since=bench.clock.time - slots.MOST_WAIT - 1)


# --- giving a slot back ---


def give_back(bench: Bench, visit: int = 1) -> Entry:
    return slots.give_slot_back(RUN, 1, visit, ledger=bench.ledger, gate=bench.gate)


def test_a_visit_that_was_given_up_begins_nothing_late(bench: Bench) -> None:
    assert give_back(bench).status is Status.PLANNED
    assert bench.holders == set()
    bench.reserve(2)
    with pytest.raises(SlotLostError):
        bench.start()
    assert (bench.service.tasks, bench.holders) == ([], {slots.holder(RUN, 1, 2)})
    assert bench.start(visit=2) == "task-1"


def test_a_late_call_that_passed_its_first_look_is_stopped_by_the_ledger(bench: Bench) -> None:
    def given_up(which: Combination) -> Submission:
        give_back(bench)
        bench.reserve(1)  # the slot alone would let it pass
        return submission(which)

    with pytest.raises(SlotLostError):
        bench.start(load=given_up)
    assert (bench.service.tasks, bench.holders) == ([], set())


@pytest.mark.parametrize("state", ["a submit is open", "a task runs"])
def test_a_slot_in_which_a_task_may_run_stays(bench: Bench, state: str) -> None:
    if state == "a submit is open":
        bench.ledger.begin_submit(RUN, 1, 1)
    else:
        bench.start()
    give_back(bench)
    assert bench.holders == {ME}


def test_the_slot_of_an_ended_task_is_freed_again(bench: Bench) -> None:
    bench.start()
    bench.ledger.ended(RUN, bench.entry, "task-1")
    assert give_back(bench).status is Status.SUBMITTED
    assert bench.holders == set()


# --- tasks of earlier runs ---


def test_a_task_of_an_earlier_run_is_adopted_and_nothing_is_submitted(bench: Bench) -> None:
    assert [bench.start(combination(task_id="old-task")) for _ in range(2)] == ["old-task"] * 2
    assert bench.service.tasks == []
    assert bench.entry.resumed
    assert bench.entry.tasks == ()


def test_a_task_cannot_be_adopted_by_a_combination_that_has_its_outcome(bench: Bench) -> None:
    bench.ledger.failed(RUN, 1, "TaskAbandonedError", "stopped")
    with pytest.raises(RunHaltedError, match="TaskAbandonedError"):
        bench.start(combination(task_id="old-task"))


@pytest.mark.parametrize("status", [TaskStatus.IN_QUEUE, TaskStatus.GENERATING, TaskStatus.DONE])
def test_a_doubted_task_that_is_known_after_all_is_adopted(bench: Bench, status: TaskStatus) -> None:
    bench.service.answer = TaskResult(status, "r")
    assert bench.start(combination(doubted_task="old-task")) == "old-task"
    assert (bench.service.tasks, bench.service.asked, bench.entry.adopted_task) == ([], ["old-task"], "old-task")


@pytest.mark.parametrize(
    "answer",
    [TaskResult(TaskStatus.NOT_FOUND, "r"), TaskResult(TaskStatus.EXPIRED, "r"), TaskFailedError("50520")],
)
def test_a_doubted_task_that_is_not_to_be_had_is_paid_anew(bench: Bench, answer: Any) -> None:
    bench.service.answer = answer
    assert bench.start(combination(doubted_task="old-task")) == "task-1"


@pytest.mark.parametrize("silent", [ServiceUnavailableError("502"), ServiceAccessError("100010")])
def test_while_it_is_not_known_whether_a_doubted_task_exists_nothing_is_paid(
    bench: Bench, silent: ServiceError
) -> None:
    bench.service.answer = silent
    with pytest.raises(ServiceUnreachableError, match="whether task old-task exists is not known"):
        bench.start(combination(doubted_task="old-task"))
    assert (bench.service.tasks, bench.entry.status, bench.holders) == ([], Status.PLANNED, set())
    assert bench.gate.state().trouble is not None


# --- polls ---


def test_a_poll_of_an_unfinished_task_counts_and_keeps_the_slot(bench: Bench) -> None:
    bench.start()
    assert bench.look() == poll.Look(TaskState.PENDING)
    assert bench.entry.polls == 1
    assert bench.holders == {ME}


def test_what_a_poll_saw_is_written_with_its_count_and_asks_dynamodb_for_nothing_more(bench: Bench) -> None:
    bench.start()
    called: list[str] = []

    def count(params: dict[str, Any], model: Any, **_: object) -> None:
        if json.loads(params["body"])["TableName"] == "ledger":
            called.append(model.name)

    bench.ledger._client.meta.events.register("before-call.dynamodb", count)
    submitted = bench.clock.time
    for status in (TaskStatus.IN_QUEUE, TaskStatus.GENERATING, TaskStatus.GENERATING):
        bench.clock.time += 5
        bench.service.answer = TaskResult(status, "r")
        bench.look()
    assert called == ["UpdateItem"] * 3
    bench.clock.time += 16
    bench.service.answer = done(latency=27.0)
    bench.look()
    assert called[3:] == ["GetItem", "UpdateItem"]
    entry = bench.entry
    assert (entry.queued_at, entry.working_at) == (submitted + 5, submitted + 10)
    assert entry.processed_at == submitted + 1


def test_a_learned_cadence_costs_no_call_of_the_gate_or_the_ledger_more(bench: Bench) -> None:
    """What the run's tasks took is kept and read in the writes that submits and polls make anyway."""
    called: list[str] = []
    for client in (bench.ledger._client, bench.gate._client):
        client.meta.events.register("before-call.dynamodb", lambda model, **_: called.append(model.name), unique_id="x")

    def calls(learned: LearnedFrom | None, visit: int) -> list[str]:
        called.clear()
        bench.service.answer = TaskResult(TaskStatus.GENERATING, "r")
        task = bench.start(visit=visit)
        bench.look(task, visit, learned=learned)
        bench.clock.time += 27
        bench.service.answer = done(latency=27.0)
        bench.look(task, visit, learned=learned)
        return list(called)

    origin = LearnedFrom("x", 0.0, 200, 2.0, 1.5, 27.0, tuple(20.0 + at for at in range(19)))
    without = calls(None, 1)
    assert bench.gate.state().ends == {}
    bench.ledger.replan(RUN, 1, "task-1")
    bench.reserve(2)
    assert calls(origin, 2) == without
    assert [len(ends.places) for ends in bench.gate.state().ends.values()] == [1]


def test_a_latency_longer_than_the_task_can_have_lasted_is_not_believed(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 31
    bench.service.answer = done(latency=9e10)
    assert bench.look().state is TaskState.DONE
    assert (bench.entry.latency, bench.entry.delay) == (None, None)


def test_the_poll_that_sees_the_end_frees_the_slot_and_measures(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 31
    bench.service.answer = done(latency=27.0)
    assert bench.look().state is TaskState.DONE
    assert (bench.entry.polls, bench.entry.latency, bench.entry.delay) == (1, 27.0, 4.0)
    assert bench.entry.candidates[0].url == "https://cdn.example.com/1.png"
    assert bench.holders == set()


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailableError("502"),
        ServiceThrottledError("50429"),
        ServiceAccessError("keys were rotated"),
    ],
)
def test_a_question_without_an_answer_is_not_a_failed_task_and_what_came_is_kept(
    bench: Bench, error: ServiceError
) -> None:
    bench.start()
    bench.service.answer = error
    said = f"{type(error).__name__}: {error}"
    assert bench.look() == poll.Look(TaskState.PENDING, said, error)
    assert (bench.entry.status, bench.entry.polls, bench.entry.unanswered) == (Status.SUBMITTED, 1, 1)
    assert bench.entry.said == said
    assert bench.holders == {ME}


@pytest.mark.parametrize("error", [TaskFailedError("50520"), OutputRefusedError("50511"), InputRefusedError("50411")])
def test_a_task_that_failed_frees_its_slot(bench: Bench, error: ServiceError) -> None:
    bench.start()
    bench.service.answer = error
    with pytest.raises(type(error)):
        bench.look()
    assert bench.holders == set()
    assert bench.entry.ended_at == bench.clock.time


def test_the_end_of_a_task_makes_room_at_a_busy_service(bench: Bench) -> None:
    bench.start()
    bench.reserve(1, n=2)
    bench.gate.refused("another", Refusal.BUSY, pause=250)
    bench.service.answer = done()
    bench.look()
    assert bench.woken[-1] == ("token-2-1", 0)


def test_a_poll_for_which_no_request_is_left_asks_nothing_and_comes_later_and_later(bench: Bench) -> None:
    bench.start()
    bench.gate._requests = RequestLimit(1, 900.0)
    bench.gate.take_turn()
    for deferrals, least, most in [(0, 4, 8), (1, 8, 16), (3, 32, 64), (9, 60, 120), (500, 60, 120)]:
        look = bench.look(deferrals=deferrals)
        assert look.state is TaskState.PENDING
        assert look.again_in is not None
        assert least <= look.again_in - 900.0 <= most
    assert (bench.service.asked, bench.entry.polls) == ([], 0)


def test_a_poll_comes_again_at_the_turn_that_is_booked_for_it(bench: Bench) -> None:
    bench.start()
    bench.gate._requests = RequestLimit(1, 9.5)
    bench.gate.take_turn()
    assert [bench.look().again_in, bench.look(deferrals=5).again_in] == [9.0, 9.0]
    bench.clock.time += 9
    begun = bench.clock.time
    assert bench.look().again_in is None
    assert (bench.clock.time - begun, bench.entry.polls) == (0.5, 1)


def test_a_combination_that_has_its_outcome_is_not_started_and_not_in_doubt(bench: Bench) -> None:
    bench.ledger.failed(RUN, 1, "TaskAbandonedError", "stopped")
    with pytest.raises(RunHaltedError, match="TaskAbandonedError"):
        bench.start()
    assert bench.service.tasks == []
    assert bench.holders == set()


@pytest.fixture
def refused(bench: Bench) -> Bench:
    """The first task's result was refused, and the manifest allows another one, on the second visit."""
    bench.start()
    bench.service.answer = OutputRefusedError("50511")
    with pytest.raises(OutputRefusedError):
        bench.look()
    bench.reserve(2)
    return bench


AGAIN: dict[str, Any] = {"visit": 2, "refused_task": "task-1"}


def test_after_a_refused_result_another_task_is_started_once(refused: Bench) -> None:
    assert [refused.start(**AGAIN), refused.start(**AGAIN)] == ["task-2", "task-2"]
    entry = refused.entry
    assert (entry.status, entry.task_id, entry.refused_tasks) == (Status.SUBMITTED, "task-2", ("task-1",))
    assert (entry.ended_at, entry.submits) == (None, 2)


@pytest.mark.parametrize("moment", ["load", "before", "after"])
def test_a_crash_in_the_second_submit_is_never_paid_twice(refused: Bench, moment: str) -> None:
    service = refused.service
    if moment == "load":
        with pytest.raises(Crash):
            refused.start(load=crash, **AGAIN)
        assert refused.start(**AGAIN) == "task-2"
    else:
        setattr(service, moment, crash)
        with pytest.raises(Crash):
            refused.start(**AGAIN)
        setattr(service, moment, lambda: None)
        refused.clock.time += submit.SUBMIT_DEAD_SECONDS
        with pytest.raises(SubmitOutcomeUnknownError):
            refused.start(**AGAIN)
    assert len(service.tasks) <= 2
    assert refused.entry.refused_tasks == ("task-1",)


def test_a_poll_of_the_refused_task_that_comes_late_touches_nothing(refused: Bench) -> None:
    refused.start(**AGAIN)
    before, holders = refused.entry, refused.holders
    with pytest.raises(OutputRefusedError):
        refused.look("task-1", visit=1)
    assert (refused.entry, refused.holders) == (before, holders)
    assert holders == {slots.holder(RUN, 1, 2)}


# --- not found ---


def test_not_found_is_believed_when_it_was_said_for_a_minute(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 200
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    assert bench.look() == poll.Look(TaskState.PENDING, "the service does not know the task")
    bench.clock.time += FakeService.capabilities.filed_within - 1
    assert bench.look().state is TaskState.PENDING
    assert bench.holders == {ME}
    bench.clock.time += 1
    with pytest.raises(TaskExpiredError, match="not_found"):
        bench.look()
    assert bench.holders == set()


def test_a_task_that_is_seen_between_is_not_lost_and_its_minute_begins_anew(bench: Bench) -> None:
    bench.start()
    for _ in range(3):
        bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
        bench.look()
        bench.clock.time += FakeService.capabilities.filed_within - 1
        bench.service.answer = TaskResult(TaskStatus.GENERATING, "r")
        bench.look()
        bench.clock.time += 2


def test_an_answer_that_says_nothing_does_not_stop_the_minute(bench: Bench) -> None:
    bench.start()
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    bench.look()
    bench.clock.time += FakeService.capabilities.filed_within
    bench.service.answer = ServiceUnavailableError("502")
    bench.look()
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    with pytest.raises(TaskExpiredError):
        bench.look()


def test_a_resumed_task_has_its_minute_too(bench: Bench) -> None:
    bench.start(combination(task_id="old-task"))
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    assert bench.look("old-task").state is TaskState.PENDING
    bench.clock.time += FakeService.capabilities.filed_within
    with pytest.raises(TaskExpiredError):
        bench.look("old-task")


def test_a_second_task_has_a_minute_of_its_own(bench: Bench) -> None:
    adopted = combination(task_id="old-task")
    bench.start(adopted)
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    bench.look("old-task")
    bench.clock.time += FakeService.capabilities.filed_within - 1
    bench.service.answer = OutputRefusedError("50511")
    with pytest.raises(OutputRefusedError):
        bench.look("old-task")
    bench.reserve(2)
    task_id = bench.start(adopted, visit=2, refused_task="old-task")
    bench.clock.time += 30
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    assert bench.look(task_id, visit=2).state is TaskState.PENDING
    assert bench.entry.tasks == ("task-1",)


def test_expired_is_the_end_at_once(bench: Bench) -> None:
    bench.start()
    bench.service.answer = TaskResult(TaskStatus.EXPIRED, "r")
    with pytest.raises(TaskExpiredError):
        bench.look()
    assert bench.holders == set()


def test_broken_access_is_told_before_anything_is_submitted(bench: Bench) -> None:
    bench.service.answer = ServiceAccessError("no such key (100009)")
    with pytest.raises(ServiceAccessError):
        submit.check_access(bench.service, bench.gate)


def test_a_question_that_has_no_turn_is_asked_later(bench: Bench) -> None:
    bench.gate._requests = RequestLimit(1, 30.0)
    bench.gate.take_turn()
    with pytest.raises(ServiceThrottledError, match="due in 29 s"):
        submit.check_access(bench.service, bench.gate)
    assert bench.service.asked == []


def test_a_poll_that_was_slow_to_die_does_not_undo_an_outcome(bench: Bench) -> None:
    bench.start()
    bench.ledger.succeeded(RUN, 1, [stored("k")])
    bench.look()
    assert bench.entry.status is Status.SUCCEEDED


def test_a_picture_that_comes_after_the_report_is_left_to_the_retry(bench: Bench) -> None:
    bench.start()
    bench.ledger.report(RUN, outcome(RunStatus.FAILED))
    bench.ledger.failed(RUN, 1, "TaskAbandonedError", "stopped")
    with pytest.raises(LedgerConflictError):
        bench.ledger.succeeded(RUN, 1, [stored("k")])
    assert (bench.entry.status, bench.entry.task_id) == (Status.FAILED, "task-1")
