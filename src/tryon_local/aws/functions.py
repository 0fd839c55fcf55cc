"""Lambda functions: the handlers as they lie in the working tree, run as Lambda would run them."""

import decimal
import importlib.util
import itertools
import json
import math
import os
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import requests
from botocore.exceptions import ClientError

from tryon_local.aws.lines import Line, Lines
from tryon_local.aws.moto_adapter import Caller, Invocation
from tryon_local.aws.printed import lead_loggers
from tryon_local.aws.template import FunctionSource
from tryon_local.clock import DeadlinePassedError, Owner, ScaledClock, VirtualClock

MAX_PAYLOAD_BYTES = 6_291_556

BeforeInvoke = Callable[[str, Any], None]
AfterInvoke = Callable[[str, Any, Any], None]
Log = Callable[[str, str], None]
Remote = Callable[[str, bytes], Invocation]


class RefusedError(Exception):
    """Raised by a hook: the Lambda service itself refuses the call, as when it throttles.

    `code` as in Lambda's API, without the `Lambda.` that Step Functions puts in front.
    """

    def __init__(self, code: str = "TooManyRequestsException", status: int = 429) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class KilledError(BaseException):
    """Raised by a hook: the function's environment dies, before it ran, on its way or with its answer unsent.

    No `except Exception` of a handler catches it, as none catches a real end.
    """


class MissingNameError(RuntimeError):
    """A handler's module lacks a name that the local stack has to replace."""


@runtime_checkable
class Wired(Protocol):
    """What a handler's module may keep its parts in, made at their first use of these three (`tryon.wiring`)."""

    environ: Mapping[str, str]
    clock: Any
    transports: Mapping[str, requests.adapters.BaseAdapter]


class _TimedOutError(BaseException):
    """Ends what a function does after its time was up; no `except Exception` catches it."""


@dataclass
class FunctionMetrics:
    """What one function was asked to do; `billed_ms` in the clock's time, each call rounded up."""

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    billed_ms: int = 0


@dataclass
class LocalFunction:
    """One function of the stack: its source, its name at AWS, and its environment as resolved there."""

    source: FunctionSource
    name: str
    arn: str
    environment: Mapping[str, str]
    metrics: FunctionMetrics = field(default_factory=FunctionMetrics)

    @property
    def logical_id(self) -> str:
        return self.source.logical_id


class LambdaContext:
    """What Lambda passes to a handler as its second argument."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, function: LocalFunction, request_id: str, deadline: float, now: Callable[[], float]) -> None:
        self.function_name = function.name
        self.invoked_function_arn = function.arn
        self.memory_limit_in_mb = str(function.source.memory)
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = f"local/[$LATEST]{request_id.replace('-', '')}"
        self._deadline, self._now = deadline, now

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self._now()) * 1000))


class _Sandbox:
    """One call's surroundings: when its time is up, and whether it is."""

    def __init__(self, function: LocalFunction, clock: ScaledClock | VirtualClock, caller: Caller | None) -> None:
        self.function = function
        self.caller = caller
        self.clock = clock
        self.request_id = str(uuid.uuid4())
        self.started = clock.now()
        self.deadline = self.started + function.source.timeout
        self.killed = False
        self.answer: Invocation | None = None
        self.refusal: ClientError | None = None
        self.done = clock.event()

    def check(self) -> None:
        if self.killed or self.clock.now() > self.deadline:
            raise _TimedOutError


class Functions(Mapping[str, LocalFunction]):
    """The stack's functions by their logical ids, and the way to call them.

    Hooks in `before_invoke` and `after_invoke` see every call and may raise `RefusedError`, `KilledError`
    or whatever the handler might raise; they may also let the clock sleep. With a `remote`, handlers run there:
    it is called with a logical id and a payload, and the hooks in `after_invoke` see nothing.

    `lines` keeps what handlers print while they work for an execution's task.
    """

    def __init__(
        self,
        functions: Mapping[str, LocalFunction],
        clock: ScaledClock | VirtualClock,
        transports: Mapping[str, requests.adapters.BaseAdapter],
        owner: Owner,
        log: Log | None = None,
        remote: Remote | None = None,
    ) -> None:
        self.before_invoke: list[BeforeInvoke] = []
        self.after_invoke: list[AfterInvoke] = []
        self.lines = Lines()
        self._functions = dict(functions)
        self._by_name = {function.name: function for function in functions.values()}
        self._clock = clock
        self._transports = dict(transports)
        self._owner = owner
        self._log = log
        self._remote = remote
        self._local = threading.local()
        self._lock = threading.Lock()
        self._idle: dict[str, list[Callable[[Any, Any], Any]]] = {name: [] for name in functions}
        self._busy: dict[str, int] = dict.fromkeys(functions, 0)

    def __getitem__(self, logical_id: str) -> LocalFunction:
        return self._functions[logical_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def invoke(self, name_or_arn: str, payload: bytes, caller: Caller | None = None) -> Invocation:
        """Call a function as Lambda does, for an execution's task if any: JSON in, JSON out, its time limited.

        Raises ClientError for what the Lambda service itself refuses.
        """
        function = self._find(name_or_arn)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise _client_error("RequestTooLargeException", 413, f"{len(payload)} byte payload is too large")
        limit = function.source.reserved_concurrency
        with self._lock:
            if limit is not None and self._busy[function.logical_id] >= limit:
                function.metrics.throttles += 1
                raise _client_error("TooManyRequestsException", 429, "Rate Exceeded.")
            self._busy[function.logical_id] += 1
            function.metrics.invocations += 1
        sandbox = _Sandbox(function, self._clock, caller)
        with self._clock.visited():
            self._clock.thread(self._run, (sandbox, payload), owner=self._owner).start()
            if not sandbox.done.wait(function.source.timeout):
                sandbox.killed = True
        if sandbox.refusal is not None:
            raise sandbox.refusal
        return sandbox.answer if sandbox.answer is not None and not sandbox.killed else _timed_out(sandbox)

    def check(self) -> None:
        """Stop the calling function from touching AWS once its time is up."""
        sandbox: _Sandbox | None = getattr(self._local, "sandbox", None)
        if sandbox is not None:
            sandbox.check()

    def calling(self) -> str | None:
        """The logical id of the function that the calling thread runs, None when it runs none."""
        sandbox: _Sandbox | None = getattr(self._local, "sandbox", None)
        return None if sandbox is None else sandbox.function.logical_id

    def writes_log(self, line: str) -> bool:
        """Take a line that a handler printed; False when the calling thread runs no handler."""
        sandbox: _Sandbox | None = getattr(self._local, "sandbox", None)
        if sandbox is None:
            return False
        if self._log is not None:
            self._log(sandbox.function.logical_id, line)
        if sandbox.caller is not None and line.strip():
            name, request = sandbox.function.logical_id, sandbox.request_id
            self.lines.add(
                sandbox.caller.execution, Line(self._clock.now(), name, request, sandbox.caller.event, line.rstrip())
            )
        return True

    def _find(self, name_or_arn: str) -> LocalFunction:
        name = name_or_arn.split(":function:")[-1].split(":")[0]
        if name not in self._by_name:
            raise _client_error("ResourceNotFoundException", 404, f"Function not found: {name_or_arn}")
        return self._by_name[name]

    def _run(self, sandbox: _Sandbox, payload: bytes) -> None:
        self._local.sandbox = sandbox
        metrics = sandbox.function.metrics
        try:
            with self._clock.deadline(sandbox.deadline):
                sandbox.answer = self._answer(sandbox, payload)
        except (DeadlinePassedError, _TimedOutError):
            sandbox.answer = _timed_out(sandbox)
        except ClientError as refusal:
            sandbox.refusal = refusal
        finally:
            self._local.sandbox = None
            seconds = min(self._clock.now(), sandbox.deadline) - sandbox.started
            with self._lock:
                self._busy[sandbox.function.logical_id] -= 1
                if sandbox.refusal is not None:
                    metrics.throttles += 1
                else:
                    metrics.billed_ms += max(1, math.ceil(round(seconds * 1000, 6)))
                    metrics.errors += 1 if sandbox.answer is None or sandbox.answer.failed else 0
            sandbox.done.set()

    def _answer(self, sandbox: _Sandbox, payload: bytes) -> Invocation:
        function = sandbox.function
        logical_id = function.logical_id
        event = json.loads(payload)
        context = LambdaContext(function, sandbox.request_id, sandbox.deadline, self._clock.now)
        try:
            for before in self.before_invoke:
                before(logical_id, event)
            if self._remote is not None:
                return self._remote(logical_id, payload)
            with self._instance(function) as handler:
                result = handler(event, context)
            for after in self.after_invoke:
                after(logical_id, event, result)
        except RefusedError as refused:
            raise _client_error(refused.code, refused.status, "Rate Exceeded.") from refused
        except KilledError:
            message = f"RequestId: {sandbox.request_id} Error: Runtime exited with error: signal: killed"
            return _failure("Runtime.ExitError", message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
            return _failure(type(error).__name__, str(error), sandbox.request_id, error)
        try:
            answer = json.dumps(result, default=_as_json).encode()
        except (TypeError, ValueError) as error:
            message = f"Unable to marshal response: {error}"
            return _failure("Runtime.MarshalError", message, sandbox.request_id)
        if len(answer) > MAX_PAYLOAD_BYTES:
            return _failure(
                "Function.ResponseSizeTooLarge",
                f"Response payload size ({len(answer)} bytes) exceeded maximum allowed payload size "
                f"({MAX_PAYLOAD_BYTES} bytes).",
            )
        return Invocation(answer, failed=False)

    @contextmanager
    def _instance(self, function: LocalFunction) -> Iterator[Callable[[Any, Any], Any]]:
        """One copy of the handler's module for one call: Lambda runs no two calls at once in the same one."""
        with self._lock:
            idle = self._idle[function.logical_id]
            handler = idle.pop() if idle else None
        if handler is None:
            handler = self._load(function)
        yield handler
        # Not after a failure that is no exception's: an environment whose time was up is never used again.
        with self._lock:
            idle.append(handler)

    def _load(self, function: LocalFunction) -> Callable[[Any, Any], Any]:
        module_name, _, attribute = function.source.handler.rpartition(".")
        path = function.source.code / f"{module_name.replace('.', '/')}.py"
        unique = f"_local_function_{function.logical_id}_{next(_numbers)}"
        spec = importlib.util.spec_from_file_location(unique, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ModuleNotFoundError(f"{function.logical_id} has no handler file at {path}")
        module = importlib.util.module_from_spec(spec)
        with _as_at_import(function):
            spec.loader.exec_module(module)
        lead_loggers(module)
        self._inject(module, path, function)
        handler: Callable[[Any, Any], Any] = getattr(module, attribute)
        return handler

    def _inject(self, module: ModuleType, path: Any, function: LocalFunction) -> None:
        """Give the module the stack's clock and transports: to its `wiring`, or to its own clock and sessions."""
        names = vars(module)
        for wired in (value for value in names.values() if isinstance(value, Wired)):
            wired.environ, wired.clock, wired.transports = function.environment, self._clock, self._transports
        if "clock" in names:
            names["clock"] = self._clock
        elif "SystemClock" in names:
            raise MissingNameError(f"{path} uses a SystemClock but has no module-level `clock` to replace")
        if not self._transports:
            return
        sessions = [value for value in names.values() if isinstance(value, requests.Session)]
        if not sessions and "requests" in names:
            raise MissingNameError(f"{path} imports requests but has no module-level session to mount on")
        for session in sessions:
            for prefix, transport in self._transports.items():
                session.mount(prefix, transport)


_numbers = itertools.count(1)
_import_lock = threading.RLock()


def await_imports() -> None:
    """Wait until no handler's module is being imported, which changes this process's environment meanwhile."""
    with _import_lock:
        pass


@contextmanager
def _as_at_import(function: LocalFunction) -> Iterator[None]:
    """The process as the handler's module expects it while it is imported: its environment, its folder."""
    with _import_lock:
        saved = dict(os.environ)
        os.environ.update(function.environment)
        os.environ.update(AWS_LAMBDA_FUNCTION_NAME=function.name, AWS_LAMBDA_FUNCTION_VERSION="$LATEST")
        sys.path.insert(0, str(function.source.code))
        try:
            yield
        finally:
            sys.path.remove(str(function.source.code))
            for name in set(os.environ) - set(saved):
                del os.environ[name]
            os.environ.update(saved)


def _failure(kind: str, message: str, request_id: str | None = None, error: BaseException | None = None) -> Invocation:
    told: dict[str, Any] = {"errorMessage": message, "errorType": kind}
    if request_id is not None:
        told["requestId"] = request_id
        # Without the frame of the caller: on Lambda the trace begins at the handler.
        frames = traceback.extract_tb(error.__traceback__)[1:] if error is not None else []
        told["stackTrace"] = traceback.format_list(frames)
    return Invocation(json.dumps(told).encode(), failed=True)


def _timed_out(sandbox: _Sandbox) -> Invocation:
    seconds = sandbox.function.source.timeout
    return _failure(
        "Sandbox.Timedout", f"RequestId: {sandbox.request_id} Error: Task timed out after {seconds:.2f} seconds"
    )


def _client_error(code: str, status: int, message: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": str(uuid.uuid4())},
    }
    return ClientError(response, "Invoke")


def _as_json(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
