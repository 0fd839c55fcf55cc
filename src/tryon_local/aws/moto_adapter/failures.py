"""The failures that the interpreter understands, made from an error's name and its cause."""

from typing import Any

from moto.stepfunctions.parser.api import (
    EvaluationFailedEventDetails,
    ExecutionFailedEventDetails,
    HistoryEventType,
    MapRunFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails


def evaluation_failure(env: Any, cause: str) -> Exception:
    """`States.QueryEvaluationError`, entered into the history."""
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    state = env.next_state_name
    if state is not None:
        details["state"] = state
    failure: Exception = FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )
    return failure


def item_reader_failure(env: Any, cause: str) -> Exception:
    """`States.ItemReaderFailed`: the items of a distributed map could not be read."""
    return _map_run_failure(env, StatesErrorNameType.StatesItemReaderFailed, cause)


def result_writer_failure(env: Any, cause: str) -> Exception:
    """`States.ResultWriterFailed`: what the children of a distributed map returned could not be written."""
    return _map_run_failure(env, StatesErrorNameType.StatesResultWriterFailed, cause)


def _map_run_failure(env: Any, kind: StatesErrorNameType, cause: str) -> Exception:
    name = StatesErrorName(typ=kind)
    failure: Exception = FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.MapRunFailed,
            event_details=EventDetails(
                mapRunFailedEventDetails=MapRunFailedEventDetails(error=name.error_name, cause=cause)
            ),
        )
    )
    return failure


def execution_failure(env: Any, kind: StatesErrorNameType, cause: str) -> Exception:
    """A failure of the execution's own, such as `States.NoChoiceMatched`."""
    failure: Exception = FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.ExecutionFailed,
            event_details=EventDetails(
                executionFailedEventDetails=ExecutionFailedEventDetails(error=kind.to_name(), cause=cause)
            ),
        )
    )
    return failure
