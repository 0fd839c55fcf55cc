"""Lambda: who calls a function, a state or a client, reaches the stack's own functions."""

import json
from typing import Any

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils import LambdaFunctionErrorException

from .patching import replaces
from .session import Caller, Session

_EVAL = "parser.asl.component.state.exec.state_task.lambda_eval_utils"


@replaces(f"{_EVAL}:execute_lambda_function_integration", "(env, parameters, region, state_credentials)")
def _invoke_from_state(session: Session, original: Any) -> Any:
    def invoke(env: Any, parameters: dict[str, Any], region: str, state_credentials: Any) -> None:
        execution = env.states.context_object.context_object_data["Execution"]["Id"]
        caller = Caller(execution, env.event_history_context.source_event_id)
        answer = session.invoke(parameters["FunctionName"], parameters.get("Payload") or b"{}", caller)
        payload = json.loads(answer.payload)
        if answer.failed:
            raise LambdaFunctionErrorException("Unhandled", json.dumps(payload, separators=(",", ":")))
        env.stack.append({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200})

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
            session.clock.thread(session.invoke, (function_name, payload, None), owner=session.owner).start()
            return b""
        try:
            answer = session.invoke(function_name, payload, None)
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
