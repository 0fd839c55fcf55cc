"""Step Functions' API about executions: a map's children among them, history in pages, names for the nameless."""

import uuid
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from .journal import Child
from .patching import replaces
from .session import Session

_RESPONSE = "moto.stepfunctions.responses:StepFunctionResponse"

# What AWS returns of a history when it is not asked for a number.
_EVENTS_A_PAGE = 100


@replaces(
    "parser.models:StepFunctionsParserBackend.start_execution",
    "(self, state_machine_arn, name, execution_input, trace_header)",
)
def _start(session: Session, original: Any) -> Any:
    # The original calls every execution without a name `None`.
    def start_execution(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: Any = None,
    ) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)

    return start_execution


@replaces(f"{_RESPONSE}.stop_execution", "(self)")
def _stop(session: Session, original: Any) -> Any:
    # The original forgets the error and the cause.
    def stop_execution(self: Any) -> ActionResult:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(session.datetime_now(), self._get_param("error"), self._get_param("cause"))
        return ActionResult({"stopDate": execution.stop_date})

    return stop_execution


@replaces(f"{_RESPONSE}.describe_execution", "(self)")
def _describe(session: Session, original: Any) -> Any:
    def describe_execution(self: Any) -> ActionResult:
        arn = self._get_param("executionArn")
        child = session.journal.get(arn)
        if child is not None:
            return ActionResult(_described(child))
        execution = self.stepfunction_backend.describe_execution(arn)
        # The original leaves out when a timed out execution stopped, and re-spells the output.
        return ActionResult(
            {name: value for name, value in execution.to_describe_output().items() if value is not None}
        )

    return describe_execution


def _described(child: Child) -> dict[str, Any]:
    described: dict[str, Any] = {
        "executionArn": child.arn,
        "stateMachineArn": child.state_machine_arn,
        "name": child.name,
        "status": child.status,
        "startDate": child.start,
        "input": to_json_str(child.input, separators=(",", ":")),
        "mapRunArn": child.map_run_arn,
    }
    if child.stop is not None:
        described["stopDate"] = child.stop
    if child.status == "SUCCEEDED":
        described["output"] = to_json_str(child.output, separators=(",", ":"))
    described.update(
        {name: value for name, value in (("error", child.error), ("cause", child.cause)) if value is not None}
    )
    return described


@replaces(f"{_RESPONSE}.list_executions", "(self)")
def _list(session: Session, original: Any) -> Any:
    def list_executions(self: Any) -> ActionResult:
        map_run_arn = self._get_param("mapRunArn")
        if map_run_arn is None:
            answer: ActionResult = original(self)
            return answer
        wanted = self._get_param("statusFilter")
        children = [child for child in session.journal.of_map_run(map_run_arn) if wanted in (None, child.status)]
        page, token = _page(self, children, default=100)
        listed = []
        for child in page:
            described = _described(child)
            for name in ("input", "output", "error", "cause"):
                described.pop(name, None)
            listed.append(described)
        return ActionResult({"executions": listed, "nextToken": token})

    return list_executions


@replaces(f"{_RESPONSE}.get_execution_history", "(self)")
def _history(session: Session, original: Any) -> Any:
    def get_execution_history(self: Any) -> ActionResult:
        arn = self._get_param("executionArn")
        child = session.journal.get(arn)
        if child is not None:
            events = child.history.get_event_history()
        else:
            events = self.stepfunction_backend.describe_execution(arn).to_history_output()["events"]
        if self._get_param("reverseOrder"):
            events = events[::-1]
        page, token = _page(self, events, default=_EVENTS_A_PAGE)
        return ActionResult({"events": page, "nextToken": token})

    return get_execution_history


def _page(response: Any, everything: list[Any], default: int) -> tuple[list[Any], str | None]:
    token = response._get_param("nextToken")
    try:
        first = int(token) if token else 0
    except ValueError:
        raise JsonRESTError("InvalidToken", "Invalid Token: 'Invalid token'") from None
    last = first + int(response._get_param("maxResults") or default)
    return everything[first:last], str(last) if last < len(everything) else None
