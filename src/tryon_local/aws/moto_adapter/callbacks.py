"""Task tokens: each attempt has its own, and whoever sends one too late is told so."""

import base64
import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcome,
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
)
from moto.stepfunctions.parser.asl.eval.states import TaskData

from .patching import replaces
from .session import Session

# As long as AWS's own are: an item or a message that holds some of them fills up as it would there.
_TOKEN_BYTES = 512


@replaces("parser.asl.eval.states:ContextObject.update_task_token", "(self)")
def _new_token(session: Session, original: Any) -> Any:
    def update_task_token(self: Any) -> str:
        token = "AQC" + base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()
        self.context_object_data["Task"] = TaskData(Token=token)
        return token

    return update_task_token


@contextlib.contextmanager
def attempt_with_token(session: Session, state: Any, env: Any) -> Iterator[None]:
    """Give one attempt at a `.waitForTaskToken` state its token; for any other state do nothing.

    moto makes one token for all attempts: a second one would find the first one's outcome.
    """
    waits = (
        isinstance(state, StateTaskServiceCallback) and state.resource.condition == ResourceCondition.WaitForTaskToken
    )
    if not waits:
        yield
        return
    # moto has made one for all of them.
    made = env.states.context_object.context_object_data.get("Task")
    if made is not None:
        env.callback_pool_manager._pool.pop(made["Token"], None)
    token = env.states.context_object.update_task_token()
    session.tokens[token] = env.callback_pool_manager.add(token)
    try:
        yield
    finally:
        # By their hashes: a token has 700 characters, and nobody waits for it any more.
        session.past_tokens.add(hash(token))
        del session.tokens[token]
        env.callback_pool_manager._pool.pop(token, None)
        env.states.context_object.context_object_data.pop("Task", None)


@replaces("parser.models:StepFunctionsParserBackend.send_task_success", "(self, task_token, outcome)")
def _send_success(session: Session, original: Any) -> Any:
    def send_task_success(self: Any, task_token: str, outcome: str) -> None:
        _deliver(session, task_token, CallbackOutcomeSuccess(callback_id=task_token, output=outcome))

    return send_task_success


@replaces("parser.models:StepFunctionsParserBackend.send_task_failure", "(self, task_token, error, cause)")
def _send_failure(session: Session, original: Any) -> Any:
    def send_task_failure(self: Any, task_token: str, error: str | None = None, cause: str | None = None) -> None:
        _deliver(session, task_token, CallbackOutcomeFailure(callback_id=task_token, error=error, cause=cause))

    return send_task_failure


@replaces("moto.stepfunctions.responses:StepFunctionResponse.send_task_failure", "(self)")
def _send_failure_response(session: Session, original: Any) -> Any:
    from moto.core.responses import EmptyResult

    # The original forgets the cause.
    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return EmptyResult()

    return send_task_failure


@replaces("parser.models:StepFunctionsParserBackend.send_task_heartbeat", "(self, task_token)")
def _send_heartbeat(session: Session, original: Any) -> Any:
    def send_task_heartbeat(self: Any, task_token: str) -> None:
        _endpoint(session, task_token).notify_heartbeat()

    return send_task_heartbeat


def succeed(session: Session, token: str, output: str) -> bool:
    """Give a waiting child its result; False where nothing waits for that token, which moto says as AWS does."""
    endpoint = session.tokens.get(token)
    if endpoint is None or endpoint.get_outcome() is not None:
        return False
    endpoint.notify(CallbackOutcomeSuccess(callback_id=token, output=output))
    return True


def _deliver(session: Session, token: str, outcome: CallbackOutcome) -> None:
    _endpoint(session, token).notify(outcome)


def _endpoint(session: Session, token: str) -> Any:
    endpoint = session.tokens.get(token)
    if endpoint is None and hash(token) not in session.past_tokens:
        raise JsonRESTError("InvalidToken", "Invalid Token: 'Invalid token'")
    if endpoint is None or endpoint.get_outcome() is not None:
        raise JsonRESTError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    return endpoint
