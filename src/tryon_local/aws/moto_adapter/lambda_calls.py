"""Lambda: who calls a function, a state or a client, reaches the stack's own functions."""

import json
from typing import Any

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError

from .patching import replaces
from .session import Session

_EVAL = "parser.asl.component.state.exec.state_task.lambda_eval_utils"


@replaces(f"{_EVAL}:_invoke_lambda_function", "(parameters, region, state_credentials)")
def _invoke_from_state(session: Session, original: Any) -> Any:
    def invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
        answer = session.invoke(parameters["FunctionName"], parameters.get("Payload") or b"{}")
        response: dict[str, Any] = {
            "ExecutedVersion": "$LATEST",
            "Payload": json.loads(answer.payload),
            "StatusCode": 200,
        }
        if answer.failed:
            response["FunctionError"] = "Unhandled"
        return response

    return invoke


@replaces(
    "moto.awslambda_simple.models:LambdaSimpleBackend.invoke",
    "(self, function_name, qualifier, body, headers, response_headers)",
)
def _invoke_from_client(session: Session, original: Any) -> Any:
    def invoke(
        self: Any, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> bytes:
        payload = body.encode() if isinstance(body, str) else bytes(body or b"{}")
        if headers.get("X-Amz-Invocation-Type") == "Event":
            session.clock.thread(session.invoke, (function_name, payload), owner=session.owner).start()
            return b""
        try:
            answer = session.invoke(function_name, payload)
        except ClientError as refusal:
            error = refusal.response["Error"]
            raised = JsonRESTError(error["Code"], error["Message"])
            raised.code = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
            raise raised from refusal
        response_headers["x-amz-executed-version"] = "$LATEST"
        if answer.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer.payload

    return invoke
