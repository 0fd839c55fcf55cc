"""An execution's history as people read it: which states it passed, how long each took, what happened when."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tryon_local.console.layout import edge_id

MAX_DETAIL = 6000
"""Characters of one detail that are shown; a picture's bytes are in no event, so that little is ever longer."""

_FAILURES = frozenset(
    {
        "TaskFailed",
        "TaskStartFailed",
        "TaskSubmitFailed",
        "TaskTimedOut",
        "LambdaFunctionFailed",
        "LambdaFunctionScheduleFailed",
        "LambdaFunctionStartFailed",
        "LambdaFunctionTimedOut",
        "MapRunFailed",
        "EvaluationFailed",
    }
)
_ENDS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})


@dataclass(frozen=True)
class Visit:
    """One stay in a state; times are seconds since the epoch, `left` is None while it lasts.

    `attempts` counts a Task's calls, `error` is the last one's if it failed.
    """

    state: str
    entered: float
    left: float | None = None
    attempts: int = 0
    error: str | None = None


def visits(events: Iterable[Mapping[str, Any]]) -> list[Visit]:
    """The states that an execution has been in, from its events as `GetExecutionHistory` gives them."""
    found: list[Visit] = []
    state, entered, attempts, error = "", 0.0, 0, None
    for event in events:
        kind, at = str(event["type"]), _seconds(event["timestamp"])
        if state and (kind.endswith("StateEntered") or kind in _ENDS):
            # A state that a Catch leads out of may have no exit of its own.
            found.append(Visit(state, entered, at, attempts, error))
            state = ""
        if kind.endswith("StateEntered"):
            state, entered, attempts, error = event["stateEnteredEventDetails"]["name"], at, 0, None
        elif kind == "TaskScheduled":
            attempts += 1
            error = None
        elif kind in _FAILURES:
            error = _details(event).get("error") or kind
        elif kind.endswith("StateExited") and state:
            found.append(Visit(state, entered, at, attempts, error))
            state = ""
    if state:
        found.append(Visit(state, entered, None, attempts, error))
    return found


def lines(path: Sequence[Visit]) -> Iterator[str]:
    """The graph's lines that a path went along, each as often as it did."""
    for here, there in pairwise(path):
        yield edge_id(here.state, there.state, caught=here.error is not None)


def told(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events for the page: time, type, the state it happened in, error and cause, variables, and all other details."""
    state = ""
    found = []
    for event in events:
        kind = str(event["type"])
        details = {name: value for name, value in _details(event).items() if not name.endswith("Details")}
        if kind.endswith("StateEntered"):
            state = details["name"]
        assigned = details.pop("assignedVariables", None) or {}
        found.append(
            {
                "id": event["id"],
                "at": _seconds(event["timestamp"]),
                "type": kind,
                "state": "" if kind.startswith("Execution") else state,
                "error": details.pop("error", None),
                "cause": _cause(details.pop("cause", None)),
                "assigned": {name: _shown(value) for name, value in assigned.items()},
                "details": {name: _shown(value) for name, value in details.items() if name != "name"},
            }
        )
    return found


def _cause(cause: str | None) -> str | None:
    """A failed function's cause is JSON with a message in it; anything else is the cause itself."""
    parsed = _parsed(cause)
    message = parsed.get("errorMessage") if isinstance(parsed, dict) else None
    return message if isinstance(message, str) else cause


def _shown(value: Any) -> str:
    """A detail as text, JSON with line breaks."""
    parsed = _parsed(value)
    if isinstance(parsed, dict) and "Cause" in parsed:
        # What is caught has a failed function's cause as JSON in JSON.
        parsed = {**parsed, "Cause": _parsed(parsed["Cause"])}
    text = parsed if isinstance(parsed, str) else json.dumps(parsed, indent=1, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]} … ({len(text):,} characters)"


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What belongs to the event's type, under whatever name it is."""
    return next((value for name, value in event.items() if name.endswith("EventDetails") and value), {})


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 3)
