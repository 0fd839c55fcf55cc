"""What may go wrong on AWS's side: a function that dies or is refused, a call to AWS that fails or is not answered."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

from tryon_local.aws.functions import KilledError, RefusedError
from tryon_local.aws.stack import LocalStack

STATES = "states"
"""Who calls AWS when the state machine itself does."""


@dataclass(frozen=True)
class Killed:
    """The function's environment dies: before or after the whole of its work, or one of its calls to AWS."""

    when: Literal["before", "after"] = "before"


@dataclass(frozen=True)
class Throttled:
    """The Lambda service refuses to call the function."""

    code: str = "TooManyRequestsException"
    status: int = 429


@dataclass(frozen=True)
class Refused:
    """AWS answers the call with an error, after all that boto3 retries by itself. Nothing was carried out."""

    code: str
    status: int = 400


@dataclass(frozen=True)
class Unanswered:
    """AWS carries the call out and its answer is lost."""


@dataclass(frozen=True)
class Conflicted:
    """AWS carries a conditional write out, its answer is lost, and boto3's second try finds that its condition holds
    no more."""


@dataclass(frozen=True)
class AwsFault:
    """One thing that goes wrong on AWS's side, and when.

    `call` is a function's logical id, or an operation as botocore's events spell it, such as `dynamodb.PutItem`.
    Of the calls made `by` a function, by the state machine (`STATES`) or by
    anyone (empty), and for combination number `n` if given, it strikes those whose count from 1 is in `nth`,
    all when that is empty.
    """

    call: str
    action: Killed | Throttled | Refused | Unanswered | Conflicted
    nth: tuple[int, ...] = (1,)
    by: str = ""
    n: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.action, Throttled if "." in self.call else Refused | Unanswered | Conflicted):
            raise ValueError(f"{type(self.action).__name__} cannot happen to {self.call}")


class AwsFaults:
    """The faults in force on one stack; what the main thread calls is never struck."""

    def __init__(self, *faults: AwsFault) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._stack: LocalStack | None = None
        self.set(*faults)

    def set(self, *faults: AwsFault) -> None:
        """Put these faults in force and no others, all counts anew."""
        with self._lock:
            self._faults = faults
            self._counts: Counter[int] = Counter()
            self._struck: Counter[int] = Counter()

    @property
    def struck(self) -> tuple[int, ...]:
        """How often each fault has struck, in their order."""
        with self._lock:
            return tuple(self._struck[number] for number in range(len(self._faults)))

    @contextmanager
    def on(self, stack: LocalStack) -> Iterator["AwsFaults"]:
        """Let the faults happen on a stack."""
        functions = stack.functions
        self._stack = stack
        functions.before_invoke.append(self._before_invoke)
        functions.after_invoke.append(self._after_invoke)
        with ExitStack() as hooks:
            hooks.enter_context(stack.watched("before-call", self._before_call))
            hooks.enter_context(stack.watched("after-call", self._after_call))
            try:
                yield self
            finally:
                functions.before_invoke.remove(self._before_invoke)
                functions.after_invoke.remove(self._after_invoke)
                self._stack = None

    def _before_invoke(self, function: str, event: Any) -> None:
        self._local.n = _number(event)
        # Decided once, before the call: a death after it belongs to this same call.
        self._local.fate = self._striking(function, "", self._local.n)
        match self._local.fate:
            case Killed("before"):
                raise KilledError
            case Throttled(code, status):
                raise RefusedError(code, status)

    def _after_invoke(self, function: str, event: Any, result: Any) -> None:
        if self._local.fate == Killed("after"):
            raise KilledError

    def _before_call(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        context["fault"] = None
        if self._stack is None or threading.current_thread() is threading.main_thread():
            return None
        function = self._stack.functions.calling()
        # A thread that a handler started by itself is neither the handler's own nor the state machine's.
        states = self._stack.clock.is_working() and function is None
        operation = f"{model.service_model.service_id.hyphenize()}.{model.name}"
        n = self._local.n if function else None
        action = self._striking(operation, function or (STATES if states else "?"), n)
        if action == Killed("before"):
            raise KilledError
        if isinstance(action, Refused):
            error = {"Code": action.code, "Message": HTTPStatus(action.status).phrase}
            metadata = {"HTTPStatusCode": action.status, "RequestId": "FAULT", "HTTPHeaders": {}, "RetryAttempts": 0}
            return SimpleNamespace(status_code=action.status), {"Error": error, "ResponseMetadata": metadata}
        context["fault"] = action
        return None

    def _after_call(self, model: Any, context: Mapping[str, Any], **_: Any) -> None:
        if context.get("fault") == Killed("after"):
            raise KilledError
        if isinstance(context.get("fault"), Unanswered):
            raise ReadTimeoutError(endpoint_url="https://aws.standin.test")
        if isinstance(context.get("fault"), Conflicted):
            code = "ConditionalCheckFailedException"
            raise ClientError({"Error": {"Code": code, "Message": "The conditional request failed"}}, model.name)

    def _striking(self, call: str, by: str, n: int | None) -> Any:
        with self._lock:
            for number, fault in enumerate(self._faults):
                if fault.call != call or fault.by not in ("", by) or fault.n not in (None, n):
                    continue
                self._counts[number] += 1
                if not fault.nth or self._counts[number] in fault.nth:
                    self._struck[number] += 1
                    return fault.action
        return None


def _number(event: Any) -> int | None:
    """The combination that a function is called for, None for one that serves a whole run."""
    if not isinstance(event, dict):
        return None
    n = event.get("n", (event.get("combination") or {}).get("n"))
    return n if isinstance(n, int) else None
