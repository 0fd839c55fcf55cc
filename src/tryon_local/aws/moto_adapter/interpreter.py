"""The run of a state machine: executions, states, attempts and what moto gets wrong about them."""

import functools
import json
import threading
from typing import Any

from moto.stepfunctions.parser.api import (
    ExecutionAbortedEventDetails,
    ExecutionFailedEventDetails,
    ExecutionStartedEventDetails,
    ExecutionSucceededEventDetails,
    HistoryEventExecutionDataDetails,
    HistoryEventType,
    StateEnteredEventDetails,
    StateExitedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramError,
    ProgramRunning,
    ProgramStopped,
    ProgramTimedOut,
)
from moto.stepfunctions.parser.asl.eval.states import StateData
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from tryon_local.clock import CancelledError, DeadlinePassedError

from .callbacks import attempt_with_token
from .events import tell_execution_status
from .failures import evaluation_failure, execution_failure
from .patching import replaces
from .session import Session, json_default
from .waits import run_within

_NOT_TRUNCATED = HistoryEventExecutionDataDetails(truncated=False)
_WRITTEN = "what was written last, and its text"
_PENDING_ASSIGNMENTS = "assignments that take effect when the state ends"
_OUTPUT_EVALUATED = "the state's Output was evaluated with its result"

# A quarter of what a state may hand on, whose text has a space after each comma and colon.
_PLAINLY_SMALL_CHARACTERS = 64 * 1024


# ---------------------------------------------------------------- executions


@replaces("parser.backend.execution_worker:ExecutionWorker._get_evaluation_environment", "(self)")
def _environment(session: Session, original: Any) -> Any:
    def get_evaluation_environment(self: Any) -> Any:
        env = original(self)
        execution = env.states.context_object.context_object_data["Execution"]
        # moto leaves a datetime there, which no JSON can hold.
        execution["StartTime"] = json_default(execution["StartTime"])
        return env

    return get_evaluation_environment


@replaces("parser.backend.execution_worker:ExecutionWorker.start", "(self)")
def _start_worker(session: Session, original: Any) -> Any:
    def start(self: Any) -> None:
        # Made here, not in the thread: whoever started the execution may stop it at once.
        self.env = self._get_evaluation_environment()
        self.env._program_state = ProgramRunning()
        arn = self._evaluation_details.execution_details.arn
        self.thread = session.clock.thread(self._execution_logic, owner=session.execution_owner(arn))
        self.thread.start()

    return start


@replaces("parser.backend.execution_worker:ExecutionWorker._execution_logic", "(self)")
def _execution_logic(session: Session, original: Any) -> Any:
    def execution_logic(self: Any) -> None:
        details = self._evaluation_details.execution_details
        env = self.env
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=HistoryEventType.ExecutionStarted,
            event_details=started_details(details.inpt, details.role_arn),
            update_source_event_id=False,
        )
        try:
            self._get_evaluation_entrypoint().eval(env)
            self._execution_communication.terminated()
        finally:
            session.end_of(details.arn).set()
        if not isinstance(env.program_state(), ProgramStopped):
            tell_execution_status(session, details.arn)

    return execution_logic


def started_details(execution_input: Any, role_arn: str) -> Any:
    return EventDetails(
        executionStartedEventDetails=ExecutionStartedEventDetails(
            input=to_json_str(execution_input), inputDetails=_NOT_TRUNCATED, roleArn=role_arn
        )
    )


@replaces("parser.backend.execution:Execution.stop", "(self, stop_date, error, cause)")
def _stop_execution(session: Session, original: Any) -> Any:
    def stop(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
        end = session.end_of(self.exec_arn)
        if end.is_set():
            return
        self.exec_worker.env.set_stop(stop_date=stop_date, error=error, cause=cause)
        session.clock.end(session.execution_owner(self.exec_arn))
        if not end.is_set():
            # Stopped before its first step.
            publish_end(self.exec_worker.env)
            self.exec_worker._execution_communication.terminated()
            end.set()
        self.error, self.cause = error or None, cause or None
        tell_execution_status(session, self.exec_arn)

    return stop


@replaces("parser.asl.component.program.program:Program.eval", "(self, env)")
def _run_program(session: Session, original: Any) -> Any:
    def run(self: Any, env: Any) -> None:
        env.next_state_name = self.start_at.start_at_name
        # moto starts a thread for each program, which for a map is one for each item.
        if self.timeout_seconds is None:
            EvalComponent.eval(self, env)
            return
        at = session.clock.now() + self.timeout_seconds.timeout_seconds
        try:
            with session.clock.deadline(at):
                EvalComponent.eval(self, env)
        except DeadlinePassedError as passed:
            if passed.at != at:
                raise
            env.set_timed_out()
            execution = env.states.context_object.context_object_data["Execution"]
            session.clock.cancel(session.execution_owner(execution["Id"]))

    def eval_program(self: Any, env: Any) -> None:
        if env.is_frame():
            run(self, env)
            return
        try:
            run(self, env)
        except CancelledError:
            if not isinstance(env.program_state(), ProgramStopped):
                raise
        publish_end(env)

    return eval_program


def publish_end(env: Any) -> None:
    """Enter an execution's last event into its history."""
    state = env.program_state()
    if isinstance(state, ProgramError):
        kind = HistoryEventType.ExecutionFailed
        error = state.error or {}
        details = EventDetails(
            executionFailedEventDetails=ExecutionFailedEventDetails(
                **{name: error[name] for name in ("error", "cause") if error.get(name) is not None}
            )
        )
    elif isinstance(state, ProgramStopped):
        kind = HistoryEventType.ExecutionAborted
        env.event_history_context.source_event_id = 0
        details = EventDetails(
            executionAbortedEventDetails=ExecutionAbortedEventDetails(error=state.error, cause=state.cause)
        )
    elif isinstance(state, ProgramTimedOut):
        kind = HistoryEventType.ExecutionTimedOut
        details = EventDetails(executionTimedOutEventDetails={})
    else:
        kind = HistoryEventType.ExecutionSucceeded
        details = EventDetails(
            executionSucceededEventDetails=ExecutionSucceededEventDetails(
                output=to_json_str(env.states.get_input(), separators=(",", ":")),
                outputDetails=_NOT_TRUNCATED,
            )
        )
    env.event_manager.add_event(context=env.event_history_context, event_type=kind, event_details=details)


@replaces("parser.asl.component.program.program:Program._eval_body", "(self, env)")
def _run_states(session: Session, original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        try:
            while env.is_running():
                self._get_state(env.next_state_name).eval(env)
                env.stack.clear()
                env.heap.clear()
        except FailureEventException as failure:
            _fail(env, failure.get_execution_failed_event_details())
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this execution and no other
            name = StatesErrorNameType.StatesRuntime.to_name()
            _fail(env, ExecutionFailedEventDetails(error=name, cause=f"{type(error).__name__}({error})"))

    return eval_body


def _fail(env: Any, error: ExecutionFailedEventDetails) -> None:
    # A stop interrupts what a state waits for: what breaks then is not why the execution ended.
    with env._state_mutex:
        if env.is_running():
            env.set_error(error=error)


# ---------------------------------------------------------------- states


@replaces("parser.asl.component.state.state:CommonStateField._eval_body", "(self, env)")
def _run_state(session: Session, original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        entered = StateEnteredEventDetails(name=self.name, input=_input_text(env), inputDetails=_NOT_TRUNCATED)
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=self.state_entered_event_type,
            event_details=EventDetails(stateEnteredEventDetails=entered),
        )
        env.states.context_object.context_object_data["State"] = StateData(
            EnteredTime=json_default(session.datetime_now()), Name=self.name
        )
        self._eval_state_input(env=env)
        try:
            self._eval_state(env)
            if not isinstance(env.program_state(), ProgramRunning):
                return
            self._eval_state_output(env=env)
        except FailureEventException as failure:
            _enter_evaluation_failure(self, env, failure.failure_event)
            raise
        text = _input_text(env)
        if len(text) > _PLAINLY_SMALL_CHARACTERS:
            self._verify_size_quota(env=env, value=env.states.get_input())
        for name, value in env.heap.pop(_PENDING_ASSIGNMENTS, {}).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        self._set_next(env)
        if self.state_exited_event_type is not None:
            exited = StateExitedEventDetails(name=self.name, output=text, outputDetails=_NOT_TRUNCATED)
            assigned = env.variable_store.get_assigned_variables()
            env.variable_store.reset_tracing()
            if assigned:
                exited.update(assignedVariables=assigned, assignedVariablesDetails={"truncated": False})
            env.event_manager.add_event(
                context=env.event_history_context,
                event_type=self.state_exited_event_type,
                event_details=EventDetails(stateExitedEventDetails=exited),
            )

    return eval_body


def _input_text(env: Any) -> str:
    """A state's input as its events show it: one state's output is the next one's input, and is written once."""
    states = env.states
    value = states._states_data["input"]
    known, text = states.__dict__.get(_WRITTEN, (None, ""))
    if value is None or known is not value:
        text = to_json_str(value, separators=(",", ":"))
        states.__dict__[_WRITTEN] = value, text
    return str(text)


def _enter_evaluation_failure(state: Any, env: Any, failure: Any) -> None:
    # States that can be retried have entered it themselves, once for each attempt.
    if failure.event_type == HistoryEventType.EvaluationFailed and not isinstance(state, ExecutionState):
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=failure.event_type,
            event_details=failure.event_details,
        )


@replaces("parser.asl.component.common.assign.assign_decl:AssignDecl._eval_body", "(self, env)")
def _assign(session: Session, original: Any) -> Any:
    # On AWS `Assign` and `Output` both see the variables as they were when the state began.
    def eval_body(self: Any, env: Any) -> None:
        pending: dict[str, Any] = {}
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            pending.update(env.stack.pop())
        env.heap[_PENDING_ASSIGNMENTS] = pending

    return eval_body


@replaces("parser.asl.component.state.exec.execute_state:ExecutionState._evaluate_with_timeout", "(self, env)")
def _attempt(session: Session, original: Any) -> Any:
    # moto runs each attempt in a thread of its own, to be able to leave it when its time is up.
    def evaluate_with_timeout(self: Any, env: Any) -> None:
        self.timeout.eval(env=env)
        seconds = env.stack.pop()
        env.heap.pop(_PENDING_ASSIGNMENTS, None)
        with attempt_with_token(session, self, env):
            frame = env.open_frame()
            frame.states.reset(input_value=env.states.get_input())
            frame.stack = list(env.stack)
            try:
                if self.timeout.is_default_value():
                    self._eval_execution(frame)
                else:
                    run_within(session, seconds, lambda: self._eval_execution(frame))
            finally:
                frame.set_ended()
                env.close_frame(frame)
        result = frame.stack.pop()
        if self._is_language_query_jsonpath():
            env.stack.append(result)
            _finish_jsonpath(self, env)
            return
        env.states.set_result(result)
        if self.assign_decl:
            self.assign_decl.eval(env=env)
        # Here and not after the state, so that a failing Output can be retried and caught as on AWS.
        if self.output:
            self.output.eval(env=env)
        else:
            env.states.reset(input_value=result)
        env.heap[_OUTPUT_EVALUATED] = True

    return evaluate_with_timeout


def _finish_jsonpath(state: Any, env: Any) -> None:
    if state.assign_decl:
        state.assign_decl.eval(env=env)
    if state.result_selector:
        state.result_selector.eval(env=env)
    if state.result_path:
        state.result_path.eval(env)


@replaces("parser.asl.component.state.exec.execute_state:ExecutionState._eval_state_output", "(self, env)")
def _state_output(session: Session, original: Any) -> Any:
    def eval_state_output(self: Any, env: Any) -> None:
        if not env.heap.pop(_OUTPUT_EVALUATED, False):
            original(self, env)

    return eval_state_output


@replaces("parser.asl.component.state.exec.execute_state:ExecutionState._handle_catch", "(self, env, failure_event)")
def _catch(session: Session, original: Any) -> Any:
    def handle_catch(self: Any, env: Any, failure_event: Any) -> None:
        env.heap.pop(_PENDING_ASSIGNMENTS, None)
        original(self, env, failure_event)

    return handle_catch


@replaces("parser.asl.component.common.error_name.error_equals_decl:ErrorEqualsDecl._eval_body", "(self, env)")
def _error_equals(session: Session, original: Any) -> Any:
    # Neither is covered by States.ALL: AWS calls the one terminal and ends the execution for the other.
    beyond_all = {
        StatesErrorNameType.StatesStatesDataLimitExceeded.to_name(),
        StatesErrorNameType.StatesRuntime.to_name(),
    }

    def eval_body(self: Any, env: Any) -> None:
        error_name = env.stack[-1]
        original(self, env)
        named = error_name in self.error_names
        if error_name is not None and error_name.error_name in beyond_all and not named:
            env.stack[-1] = False

    return eval_body


@replaces("parser.asl.component.common.error_name.custom_error_name:CustomErrorName.__init__", "(self, error_name)")
def _custom_error_name(session: Session, original: Any) -> Any:
    # moto refuses names that begin with `States.`, and with them every failure that a child passes on.
    def init(self: Any, error_name: str | None) -> None:
        ErrorName.__init__(self, error_name=error_name)

    return init


@replaces("parser.asl.component.state.choice.state_choice:StateChoice._eval_state", "(self, env)")
def _choose(session: Session, original: Any) -> Any:
    # The original fails without a match as `States.Runtime`, and takes a rule that leads where the default
    # leads for the default.
    def eval_state(self: Any, env: Any) -> None:
        for rule in self.choices_decl.rules:
            rule.eval(env)
            if env.stack.pop() is True:
                env.stack.append(rule.next_stmt.name)
                return
        if self.default_state is None:
            raise execution_failure(
                env,
                StatesErrorNameType.StatesNoChoiceMatched,
                f"Failed to transition out of the state '{self.name}'. The state does not point to a next state.",
            )
        if self.assign_decl:
            self.assign_decl.eval(env=env)
        if self.output:
            self.output.eval(env=env)
        env.stack.append(self.default_state.state_name)

    return eval_state


@replaces("parser.asl.component.state.choice.state_choice:StateChoice._eval_state_output", "(self, env)")
def _leave_choice(session: Session, original: Any) -> Any:
    def eval_state_output(self: Any, env: Any) -> None:
        next_state = env.stack.pop()
        if self._is_language_query_jsonpath():
            CommonStateField._eval_state_output(self, env=env)
        env.next_state_name = next_state

    return eval_state_output


@replaces("parser.asl.component.state.choice.comparison.comparison:ConditionStringJSONata._eval_body", "(self, env)")
def _condition(session: Session, original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        self.string_jsonata.eval(env=env)
        if not isinstance(env.stack[-1], bool):
            raise evaluation_failure(
                env,
                f"The JSONata expression '{self.string_jsonata.expression}' specified for the field 'Condition' "
                f"returned an unexpected result type. Expected 'boolean', but was for value: {env.stack[-1]}",
            )

    return eval_body


# ---------------------------------------------------------------- parsing and threads


_parse_lock = threading.Lock()


@replaces("parser.asl.parse.asl_parser:AmazonStateLanguageParser.parse", "(definition)")
def _parse(session: Session, original: Any) -> Any:
    return staticmethod(functools.partial(_parse_once, original))


def _parse_once(original: Any, definition: str) -> Any:
    # A lock, because the parser keeps its state in a class attribute: parses in two threads spoil each other.
    with _parse_lock:
        return _parsed(original, definition)


@functools.lru_cache(maxsize=64)
def _parsed(original: Any, definition: str) -> Any:
    Preprocessor._query_language_per_scope.clear()
    try:
        text = json.dumps(_as_the_grammar_knows_it(json.loads(definition)))
    except ValueError:
        text = definition
    return original(text)


def _as_the_grammar_knows_it(node: Any) -> Any:
    """The definition in the words of moto's grammar.

    It knows a ToleratedFailurePercentage only as a decimal, and no Arguments of a ResultWriter.
    """
    if isinstance(node, dict):
        return {name: _field_as_the_grammar_knows_it(name, value) for name, value in node.items()}
    if isinstance(node, list):
        return [_as_the_grammar_knows_it(item) for item in node]
    return node


def _field_as_the_grammar_knows_it(name: str, value: Any) -> Any:
    if name == "ToleratedFailurePercentage" and isinstance(value, int):
        return float(value)
    if name == "ResultWriter" and isinstance(value, dict):
        return {"Parameters" if inner == "Arguments" else inner: told for inner, told in value.items()}
    return _as_the_grammar_knows_it(value)


class _Forgetful(list[Any]):
    def append(self, thread: Any) -> None:
        """Keep nothing: a list of every thread that ever ran is memory that never comes back."""


@replaces("parser.utils:TMP_THREADS", spread=True)
def _threads_kept(session: Session, original: Any) -> Any:
    return _Forgetful()
