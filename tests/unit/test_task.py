"""A combination is paid for once, whatever breaks and wherever."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.conftest import HandClock
from tests.unit.fakes import RUN, FakeService, combination, done, ledger_and_gate, submission
from tryon import task
from tryon.gate import Gate
from tryon.ledger import Ledger, Status
from tryon.plan import Combination
from tryon.service import Submission, TaskResult, TaskStatus
from tryon.service.errors import (
    InputRefusedError,
    OutputRefusedError,
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskExpiredError,
    TaskFailedError,
)
from tryon.task import RunHaltedError, TaskState


class Crash(BaseException):
    """The process is gone: nothing after this line ran."""


def crash() -> None:
    raise Crash


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@dataclass
class Bench:
    """One planned combination that holds the only slot."""

    clock: HandClock
    ledger: Ledger
    gate: Gate
    service: FakeService

    def start(
        self,
        which: Combination | None = None,
        load: Callable[[Combination], Submission] = submission,
        refused_task: str | None = None,
    ) -> str:
        return task.start(
            which or combination(),
            run_id=RUN,
            ledger=self.ledger,
            gate=self.gate,
            service=self.service,
            load=load,
            refused_task=refused_task,
        )

    def look(self, task_id: str = "task-1") -> TaskState:
        return task.look(
            RUN,
            1,
            task_id,
            ledger=self.ledger,
            gate=self.gate,
            service=self.service,
            now=self.clock.now,
        )

    @property
    def holders(self) -> set[str]:
        return set(self.gate.state().holders)


@pytest.fixture
def bench(clock: HandClock) -> Iterator[Bench]:
    with ledger_and_gate(clock) as (ledger, gate):
        ledger.open_run(RUN, name="lookbook")
        ledger.add(RUN, [combination()])
        gate.reserve(f"{RUN}#1", "token")
        yield Bench(clock, ledger, gate, FakeService())


def test_a_submit_leaves_the_tasks_id_in_the_ledger_and_keeps_the_slot(bench: Bench) -> None:
    assert bench.start() == "task-1"
    entry = bench.ledger.entry(RUN, 1)
    assert (entry.status, entry.task_id, entry.submits) == (Status.SUBMITTED, "task-1", 1)
    assert bench.holders == {f"{RUN}#1"}


def test_a_repeated_submit_finds_the_task_and_pays_nothing(bench: Bench) -> None:
    assert [bench.start(), bench.start()] == ["task-1", "task-1"]
    assert bench.service.tasks == ["task-1"]


def test_a_crash_before_the_first_write_is_repeated_and_paid_once(bench: Bench) -> None:
    with pytest.raises(Crash):
        bench.start(load=lambda _: crash())  # type: ignore[arg-type, return-value]
    assert bench.start() == "task-1"
    assert len(bench.service.tasks) == 1


def test_a_crash_after_the_first_write_is_never_submitted_again(bench: Bench) -> None:
    bench.service.before = crash
    with pytest.raises(Crash):
        bench.start()
    bench.service.before = lambda: None
    with pytest.raises(SubmitOutcomeUnknownError, match="may exist"):
        bench.start()
    assert bench.service.tasks == []


def test_a_crash_after_the_call_is_never_paid_twice(bench: Bench) -> None:
    bench.service.after = crash
    with pytest.raises(Crash):
        bench.start()
    bench.service.after = lambda: None
    with pytest.raises(SubmitOutcomeUnknownError):
        bench.start()
    assert len(bench.service.tasks) == 1


def test_a_ledger_that_fails_after_the_call_loses_no_task(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id was received: it goes on in the state machine, and the next poll writes it down."""

    def unavailable(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="dynamodb")

    monkeypatch.setattr(bench.ledger, "submitted", unavailable)
    task_id = bench.start()
    assert task_id == "task-1"
    monkeypatch.undo()
    bench.look(task_id)
    entry = bench.ledger.entry(RUN, 1)
    assert (entry.status, entry.task_id) == (Status.SUBMITTED, "task-1")


def test_a_read_time_out_is_an_unknown_outcome_and_keeps_the_slot(bench: Bench) -> None:
    bench.service.after = raising(SubmitOutcomeUnknownError("read timed out"))
    with pytest.raises(SubmitOutcomeUnknownError):
        bench.start()
    bench.service.after = lambda: None
    with pytest.raises(SubmitOutcomeUnknownError):
        bench.start()
    assert len(bench.service.tasks) == 1
    assert bench.holders == {f"{RUN}#1"}


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (ServiceBusyError("50430"), task.BUSY_PAUSE),
        (ServiceThrottledError("50429", retry_after=17.0), 17.0),
        (ServiceThrottledError("50429"), task.THROTTLED_PAUSE),
        (ServiceUnavailableError("50500"), task.UNAVAILABLE_PAUSE),
        (InputRefusedError("50411"), 0.0),
    ],
)
def test_an_answer_that_proves_no_task_frees_entry_and_slot_and_tells_the_gate_when_to_go_on(
    bench: Bench, error: ServiceError, pause: float
) -> None:
    bench.service.before = raising(error)
    with pytest.raises(type(error)):
        bench.start()
    assert bench.ledger.entry(RUN, 1).status is Status.PLANNED
    assert bench.holders == set()
    if pause:
        assert bench.gate.state().next_start == pytest.approx(bench.clock.now() + pause)
    bench.service.before = lambda: None
    assert bench.start() == "task-1"


def test_broken_access_halts_the_run(bench: Bench) -> None:
    bench.service.before = raising(ServiceAccessError("the signature is wrong (100010)"))
    with pytest.raises(ServiceAccessError):
        bench.start()
    assert bench.ledger.halted(RUN) == "ServiceAccessError: the signature is wrong (100010)"


def test_a_task_of_an_earlier_run_is_adopted_and_nothing_is_submitted(bench: Bench) -> None:
    assert bench.start(combination(task_id="old-task")) == "old-task"
    assert bench.service.tasks == []
    assert bench.ledger.entry(RUN, 1).resumed


def test_a_poll_of_an_unfinished_task_counts_and_keeps_the_slot(bench: Bench) -> None:
    bench.start()
    assert bench.look() is TaskState.PENDING
    assert bench.ledger.entry(RUN, 1).polls == 1
    assert bench.holders


def test_a_latency_longer_than_the_task_can_have_lasted_is_not_believed(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 31
    bench.service.answer = done(latency=9e10)
    assert bench.look() is TaskState.DONE
    entry = bench.ledger.entry(RUN, 1)
    assert (entry.latency, entry.delay) == (None, None)


def test_the_poll_that_sees_the_end_frees_the_slot_and_measures(bench: Bench) -> None:
    bench.start()
    bench.clock.time += 31
    bench.service.answer = done(latency=27.0)
    assert bench.look() is TaskState.DONE
    entry = bench.ledger.entry(RUN, 1)
    assert (entry.polls, entry.latency, entry.delay) == (1, 27.0, 4.0)
    assert entry.candidates[0]["url"] == "https://cdn.example.com/1.png"
    assert bench.holders == set()


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailableError("502"),
        ServiceThrottledError("50429"),
        ServiceAccessError("keys were rotated"),
    ],
)
def test_a_question_without_an_answer_is_not_a_failed_task(bench: Bench, error: ServiceError) -> None:
    bench.start()
    bench.service.answer = error
    assert bench.look() is TaskState.PENDING
    entry = bench.ledger.entry(RUN, 1)
    assert (entry.status, entry.polls) == (Status.SUBMITTED, 1)
    assert bench.holders


def test_a_task_that_failed_frees_its_slot(bench: Bench) -> None:
    bench.start()
    bench.service.answer = TaskFailedError("50520")
    with pytest.raises(TaskFailedError):
        bench.look()
    assert bench.holders == set()


def test_a_combination_that_has_its_outcome_is_not_started_and_not_in_doubt(bench: Bench) -> None:
    bench.ledger.failed(RUN, 1, "TaskAbandonedError", "stopped")
    with pytest.raises(RunHaltedError, match="TaskAbandonedError"):
        bench.start()
    assert bench.service.tasks == []
    assert bench.holders == set()


@pytest.fixture
def refused(bench: Bench) -> Bench:
    """The first task's result was refused, and the manifest allows another one."""
    bench.start()
    bench.service.answer = OutputRefusedError("50511")
    with pytest.raises(OutputRefusedError):
        bench.look()
    bench.gate.reserve(f"{RUN}#1", "token")
    return bench


def test_after_a_refused_result_another_task_is_started_once(refused: Bench) -> None:
    assert [refused.start(refused_task="task-1"), refused.start(refused_task="task-1")] == ["task-2", "task-2"]
    entry = refused.ledger.entry(RUN, 1)
    assert (entry.status, entry.task_id, entry.refused_tasks) == (Status.SUBMITTED, "task-2", ("task-1",))
    assert (entry.ended_at, entry.submits) == (None, 2)


@pytest.mark.parametrize("moment", ["load", "before", "after"])
def test_a_crash_in_the_second_submit_is_never_paid_twice(refused: Bench, moment: str) -> None:
    service = refused.service
    if moment == "load":
        with pytest.raises(Crash):
            refused.start(load=lambda _: crash(), refused_task="task-1")  # type: ignore[arg-type, return-value]
        assert refused.start(refused_task="task-1") == "task-2"
    else:
        setattr(service, moment, crash)
        with pytest.raises(Crash):
            refused.start(refused_task="task-1")
        setattr(service, moment, lambda: None)
        with pytest.raises(SubmitOutcomeUnknownError):
            refused.start(refused_task="task-1")
    assert len(service.tasks) <= 2
    assert refused.ledger.entry(RUN, 1).refused_tasks == ("task-1",)


def test_a_poll_of_the_refused_task_that_comes_late_touches_nothing(refused: Bench) -> None:
    refused.start(refused_task="task-1")
    before = refused.ledger.entry(RUN, 1)
    refused.ledger.pending(RUN, 1, "task-1")
    assert refused.ledger.entry(RUN, 1) == before


def test_a_second_task_keeps_the_grace_of_a_new_one(bench: Bench) -> None:
    """The first was resumed, and would have had none."""
    adopted = combination(task_id="old-task")
    bench.start(adopted)
    bench.service.answer = OutputRefusedError("50511")
    with pytest.raises(OutputRefusedError):
        bench.look("old-task")
    task_id = bench.start(adopted, refused_task="old-task")
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    assert bench.look(task_id) is TaskState.PENDING
    assert bench.ledger.entry(RUN, 1).tasks == ("task-1",)


def test_not_found_just_after_the_submit_is_a_task_not_yet_filed(bench: Bench) -> None:
    bench.start()
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    bench.clock.time += task.NOT_FOUND_GRACE - 1
    assert bench.look() is TaskState.PENDING
    bench.clock.time += 2
    with pytest.raises(TaskExpiredError):
        bench.look()


def test_expired_is_the_end_at_once(bench: Bench) -> None:
    bench.start()
    bench.service.answer = TaskResult(TaskStatus.EXPIRED, "r")
    with pytest.raises(TaskExpiredError):
        bench.look()
    assert bench.holders == set()


def test_a_resumed_task_that_is_not_found_has_no_grace(bench: Bench) -> None:
    bench.start(combination(task_id="old-task"))
    bench.service.answer = TaskResult(TaskStatus.NOT_FOUND, "r")
    with pytest.raises(TaskExpiredError):
        bench.look("old-task")


@pytest.mark.parametrize("answer", [TaskResult(TaskStatus.NOT_FOUND, "r"), TaskFailedError("50400")])
def test_access_is_proved_by_any_answer_about_the_task(bench: Bench, answer: TaskResult | Exception) -> None:
    bench.service.answer = answer
    task.check_access(bench.service, bench.gate)


def test_broken_access_is_told_before_anything_is_submitted(bench: Bench) -> None:
    bench.service.answer = ServiceAccessError("no such key (100009)")
    with pytest.raises(ServiceAccessError):
        task.check_access(bench.service, bench.gate)


def test_a_poll_that_was_slow_to_die_does_not_undo_an_outcome(bench: Bench) -> None:
    bench.start()
    bench.ledger.succeeded(RUN, 1, [{"key": "k"}], 3)
    bench.look()
    assert bench.ledger.entry(RUN, 1).status is Status.SUCCEEDED
