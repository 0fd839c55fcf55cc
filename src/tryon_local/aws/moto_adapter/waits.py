"""Waiting: every wait, back-off, thread and time stamp of the interpreter goes by the stack's clock."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError

from tryon_local.clock import ClockThread, DeadlinePassedError

from .failures import evaluation_failure
from .patching import replaces
from .session import Session

_WAIT = "parser.asl.component.state.wait.wait_function"
_EXECUTE = "parser.asl.component.state.exec"

# Below this a difference of two times since the epoch is rounding, not time.
_RESOLUTION_SECONDS = 1e-6


@replaces(f"{_WAIT}.wait_function:WaitFunction._wait_interval", "(self, env, wait_seconds)")
def _wait_interval(session: Session, original: Any) -> Any:
    def wait_interval(self: Any, env: Any, wait_seconds: float) -> None:
        until = session.clock.now() + wait_seconds
        while env.is_running() and (left := until - session.clock.now()) > _RESOLUTION_SECONDS:
            env.program_state_event.wait(left)

    return wait_interval


@replaces(f"{_WAIT}.seconds:SecondsJSONata._get_wait_seconds", "(self, env)")
def _wait_seconds(session: Session, original: Any) -> Any:
    def get_wait_seconds(self: Any, env: Any) -> int:
        return whole_number(env, self.string_jsonata, "Seconds", at_least=0)

    return get_wait_seconds


@replaces(f"{_WAIT}.timestamp:Timestamp._get_wait_seconds", "(self, env)")
def _wait_timestamp(session: Session, original: Any) -> Any:
    def get_wait_seconds(self: Any, env: Any) -> float:
        self.string.eval(env=env)
        text = env.stack.pop()
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except (AttributeError, ValueError):
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in text:
            raise evaluation_failure(
                env,
                "The Timestamp parameter does not reference a valid ISO-8601 extended offset date-time format "
                f"string: {text}",
            )
        return moment.timestamp() - session.clock.now()

    return get_wait_seconds


def whole_number(env: Any, expression: Any, field: str, at_least: int) -> int:
    """The integer that a JSONata expression gives for a field; AWS takes no other number there."""
    expression.eval(env=env)
    value = env.stack.pop()
    if isinstance(value, bool) or not isinstance(value, int):
        raise evaluation_failure(
            env,
            f"The JSONata expression '{expression.expression}' specified for the field '{field}' returned an "
            f"unexpected result type. Expected 'integer', but was '{type(value).__name__}' for value: {value}",
        )
    if value < at_least:
        raise evaluation_failure(
            env,
            f"The JSONata expression '{expression.expression}' specified for the field '{field}' returned a "
            f"value outside the acceptable range, got: {value}",
        )
    return value


@replaces(
    "parser.asl.component.common.timeouts.timeout:TimeoutSecondsJSONata._eval_seconds",
    "(self, env)",
)
def _timeout_seconds(session: Session, original: Any) -> Any:
    def eval_seconds(self: Any, env: Any) -> int:
        return whole_number(env, self.string_jsonata, "TimeoutSeconds", at_least=1)

    return eval_seconds


@replaces(f"{_EXECUTE}.state_map.max_concurrency:MaxConcurrencyJSONata._eval_max_concurrency", "(self, env)")
def _max_concurrency(session: Session, original: Any) -> Any:
    def eval_max_concurrency(self: Any, env: Any) -> int:
        return whole_number(env, self.string_jsonata, "MaxConcurrency", at_least=0)

    return eval_max_concurrency


@replaces("parser.asl.component.common.retry.retrier_decl:time")
@replaces(f"{_EXECUTE}.state_task.service.state_task_service_callback:time")
def _time(session: Session, original: Any) -> Any:
    return SimpleNamespace(sleep=session.clock.sleep, time=session.clock.now)


@replaces(f"{_EXECUTE}.state_map.iteration.inline_iteration_component:threading")
@replaces(f"{_EXECUTE}.state_map.iteration.itemprocessor.map_run_record:threading")
@replaces(f"{_EXECUTE}.state_map.iteration.job:threading")
@replaces(f"{_EXECUTE}.state_parallel.branch_worker:threading")
@replaces(f"{_EXECUTE}.state_parallel.branches_decl:threading")
@replaces(f"{_EXECUTE}.state_task.service.state_task_service_callback:threading")
@replaces("parser.asl.eval.environment:threading")
def _threading(session: Session, original: Any) -> Any:
    return SimpleNamespace(
        Event=session.clock.event,
        Thread=_thread_factory(session),
        Lock=original.Lock,
        RLock=original.RLock,
    )


@replaces("parser.asl.eval.callback.callback:Event")
def _event(session: Session, original: Any) -> Any:
    return session.clock.event


def _thread_factory(session: Session) -> Callable[..., ClockThread]:
    def thread(
        target: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        daemon: bool | None = None,
    ) -> ClockThread:
        return session.clock.thread(target, args, kwargs)

    return thread


@replaces(f"{_EXECUTE}.state_parallel.branch_worker:BranchWorker._thread_routine", "(self)")
def _branch_routine(session: Session, original: Any) -> Any:
    # The original logs the operating system's number of a thread, which a clock's thread does not have.
    def thread_routine(self: Any) -> None:
        self._program.eval(self.env)
        self._branch_worker_comm.on_terminated(env=self.env)

    return thread_routine


@replaces("parser.asl.component.state.state:datetime")
@replaces(f"{_EXECUTE}.state_map.iteration.itemprocessor.map_run_record:datetime")
@replaces("parser.backend.execution:datetime")
@replaces("parser.models:datetime")
@replaces("parser.asl.eval.event.event_manager:datetime")
def _datetime(session: Session, original: Any) -> Any:
    class ClockDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return session.datetime_now()

    return SimpleNamespace(datetime=ClockDatetime, timezone=original.timezone, timedelta=timedelta, UTC=UTC)


@replaces("moto.stepfunctions.models:utcnow", "()")
def _utcnow(session: Session, original: Any) -> Any:
    return session.datetime_now


def run_within(session: Session, seconds: float, work: Callable[[], None]) -> None:
    """Do a state's work, and raise the interpreter's own timeout when a wait in it goes past its time."""
    at = session.clock.now() + seconds
    try:
        with session.clock.deadline(at):
            work()
    except DeadlinePassedError as passed:
        if passed.at != at:
            raise
        raise EvalTimeoutError from passed
