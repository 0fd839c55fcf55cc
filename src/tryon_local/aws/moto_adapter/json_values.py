"""What the interpreter does to JSON all the time, in its usual forms: to copy it, to write it, to measure it."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.eval.program_state import ProgramRunning

from .patching import replaces
from .session import Session

_SCALARS = frozenset({str, int, float, bool, type(None)})


def copied(value: Any) -> Any:
    """A deep copy; of lists and dictionaries without the search for what is in them twice."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {name: one if type(one) in _SCALARS else copied(one) for name, one in value.items()}
    if kind is list:
        return [one if type(one) in _SCALARS else copied(one) for one in value]
    if kind is ProgramRunning:
        state = ProgramRunning()
        state._next_state_name, state._next_field_name = value._next_state_name, value._next_field_name
        return state
    return copy.deepcopy(value)


@replaces("parser.asl.eval.environment:copy")
@replaces("parser.asl.eval.event.event_manager:copy")
@replaces("parser.asl.eval.states:copy")
@replaces("parser.asl.component.state.exec.state_task.service.state_task_service:copy")
def _copy(session: Session, original: Any) -> Any:
    return SimpleNamespace(deepcopy=copied)


@replaces("parser.asl.utils.encoding:to_json_str", "(obj, separators)", spread=True)
def _to_json(session: Session, original: Any) -> Any:
    # The original makes an encoder for each text.
    encoders: dict[Any, Callable[[Any], str]] = {
        separators: json.JSONEncoder(default=_default, separators=separators).encode
        for separators in (None, (",", ":"))
    }

    def to_json_str(obj: Any, separators: tuple[str, str] | None = None) -> str:
        encode = encoders.get(separators)
        return original(obj, separators) if encode is None else encode(obj)

    return to_json_str


def _default(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


@replaces("parser.asl.eval.event.event_manager:iso_8601_datetime_with_milliseconds", "(value)")
def _moment(session: Session, original: Any) -> Any:
    # Many events have one moment.
    last: tuple[Any, str] = (None, "")

    def iso_8601_datetime_with_milliseconds(value: datetime | None = None) -> str:
        nonlocal last
        known, text = last
        if value is None or value.tzinfo is not UTC:
            told: str = original(value)
            return told
        if value != known:
            text = value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
            last = value, text
        return text

    return iso_8601_datetime_with_milliseconds


@replaces("parser.asl.component.eval_component:EvalComponent.eval", "(self, env)")
def _eval(session: Session, original: Any) -> Any:
    # The original also asks for each step whether it is to be logged, and logs what every level passes on.
    def evaluate(self: Any, env: Any) -> None:
        state = env._program_state
        if isinstance(state, ProgramRunning):
            name = self._field_name()
            if name is not None:
                state.next_field_name = name
            self._eval_body(env)

    return evaluate
