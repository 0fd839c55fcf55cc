"""Volcengine's stand-in: its calls, its limits and its codes.

What the vendor's pages leave open is named where it was decided, here or in
`tryon_local.service.volcengine.protocol`.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated

from pydantic import Field

from tryon.clock import Clock
from tryon.service import TaskStatus
from tryon_local.service.faults import Answer, FaultPlan, Kind
from tryon_local.service.kernel import CannotDrawError, Exchange, Kernel, Limits, Picture, Window, composed
from tryon_local.service.orders import Combination, ImageGate, Order
from tryon_local.service.tasks import Latency, Task, TaskBook, TypicalLatency
from tryon_local.service.volcengine import protocol, signature
from tryon_local.service.volcengine.protocol import REQ_KEY, RefusedError
from tryon_local.service.wire import Request, Response

ACCESS_KEY = "AKLTEXAMPLEDUMMY"
SECRET_KEY = "dummy-secret-of-the-stand-in"  # noqa: S105 - opens nothing


@dataclass(frozen=True)
class Settings(Limits):
    """What can be changed while the stand-in runs.

    `slots` is the limit for one `req_key`; `requests_per_second` that of submit and result together (None: unlimited);
    `retry_after` is the header that goes with a 429; `candidates` the pictures of a task; `activated` and `authorised`
    take away the service (50400) and the key's rights (100013).
    """

    requests_per_second: Annotated[float, Field(gt=0)] | None = 2.0
    retry_after: str | None = None
    candidates: Annotated[int, Field(ge=0)] = 1
    activated: bool = True
    authorised: bool = True


class StandIn(Kernel[Settings, "_Exchange"]):
    """One account at Volcengine.

    `max_skew` is in seconds, None for clients that sign by another clock; it may be changed at any time.
    """

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        clock: Clock,
        *,
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
        slots: int = 1,
        requests_per_second: float | None = 2.0,
        retry_after: str | None = None,
        latency: Latency | None = None,
        download_seconds: tuple[float, float] = (1.0, 3.0),
        candidates: int = 1,
        base_url: str = "https://results.standin.test",
        picture: Picture = composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
        max_skew: float | None = signature.MAX_SKEW,
        req_keys: Sequence[str] = (REQ_KEY,),
    ) -> None:
        super().__init__(
            clock,
            Settings(
                slots=slots,
                requests_per_second=requests_per_second,
                retry_after=retry_after,
                download_seconds=download_seconds,
                candidates=candidates,
            ),
            latency=latency or TypicalLatency(seed),
            base_url=base_url,
            picture=picture,
            faults=faults,
            seed=seed,
        )
        self.max_skew = max_skew
        self._secrets = {access_key: secret_key}
        self._req_keys = frozenset(req_keys)
        self._gate = ImageGate(protocol.verdict)
        self._window = Window()
        self._answered = 0

    @property
    def keys(self) -> tuple[str, str]:
        """The access key and the secret key that are in force."""
        with self._lock:
            return next(iter(self._secrets.items()))

    @property
    def secret(self) -> dict[str, str]:
        """What the stack's secret must hold for this account."""
        access_key, secret_key = self.keys
        return {"access_key": access_key, "secret_key": secret_key}

    def rotate(self, access_key: str, secret_key: str) -> None:
        """Take these keys from now on and no others."""
        with self._lock:
            self._secrets = {access_key: secret_key}

    @property
    def _key(self) -> str:
        return next(iter(self._secrets.values()))

    def _open(self, request: Request, book: TaskBook, began: float) -> "_Exchange":
        return _Exchange(request, book, began, self._gate)

    def _say(self, exchange: "_Exchange", fault: Answer) -> tuple[str, Response]:
        return str(fault.code), self._answer(
            exchange, fault.code, http=fault.http, retry_after=fault.retry_after, detail=fault.detail
        )

    def _serve(self, exchange: "_Exchange") -> tuple[str, Response]:
        try:
            return "10000", self._answer(exchange, 10000, data=self._call(exchange))
        except RefusedError as error:
            limited = error.code in (50429, 50430)
            return str(error.code), self._answer(
                exchange,
                error.code,
                detail=error.detail,
                retry_after=self._settings.retry_after if limited else None,
            )
        except _TaskFailedError as failed:
            data = _task_data(TaskStatus.DONE)
            return str(failed.code), self._answer(exchange, failed.code, http=failed.http, data=data)

    def _answer(
        self,
        exchange: "_Exchange",
        code: int,
        *,
        data: object = None,
        detail: str = "",
        http: int | None = None,
        retry_after: str | None = None,
    ) -> Response:
        return protocol.answer(
            code,
            self._request_id(),
            data=data,
            detail=detail,
            http=http,
            retry_after=retry_after,
            action=exchange.action,
            elapsed=self.clock.now() - exchange.began,
        )

    def _call(self, exchange: "_Exchange") -> dict[str, object]:
        request = exchange.request
        signature.verify(request, self._secrets, self.clock.now(), max_skew=self.max_skew)
        settings = self._settings
        if not settings.authorised:
            raise RefusedError(100013, f"the key may not call {exchange.action}")
        if request.method != "POST" or request.path != "/" or exchange.kind is None:
            raise RefusedError(50400, f"no action {exchange.action!r} at {request.method} {request.path}")
        if request.parameter("Version") != protocol.VERSION:
            raise RefusedError(50400, f"no version {request.parameter('Version')!r} of {exchange.action}")
        body = exchange.json
        req_key = body.get("req_key")
        if not isinstance(req_key, str) or req_key not in self._req_keys or not settings.activated:
            raise RefusedError(50400, f"req_key {req_key!r} is not activated")
        self._count_against_the_rate()
        if exchange.kind == "submit":
            return self._submit(req_key, exchange.order)
        return self._result(protocol.read_result(body))

    def _count_against_the_rate(self) -> None:
        with self._lock:
            rate = self._settings.requests_per_second
            if rate is None:
                return
            count = max(1, int(rate))
            if not self._window.admits(self.clock.now(), count, count / rate):
                raise RefusedError(50429)

    def _submit(self, req_key: str, order: Order) -> dict[str, object]:
        with self._lock:
            now = self.clock.now()
            settings = self._settings
            if self._book.running(req_key, now) >= settings.slots:
                raise RefusedError(50430)
            task = self._make(
                req_key,
                order,
                candidates=settings.candidates,
                parameters=json.loads(order.combination.parameters),
                now=now,
            )
        self._keep_pace(task, now)
        return {"task_id": task.id}

    def _result(self, question: protocol.Question) -> dict[str, object]:
        with self._lock:
            now = self.clock.now()
            task = self._book.find(question.task_id)
            status = TaskStatus.NOT_FOUND if task is None else task.status(now)
            if task is not None:
                task.polls.append(now)
        if task is None or status is not TaskStatus.DONE:
            return _task_data(status)
        if task.code != 10000:
            raise _TaskFailedError(task.code, task.http)
        return self._done(task, question, now)

    def _done(self, task: Task, question: protocol.Question, now: float) -> dict[str, object]:
        numbers = range(task.candidates)
        resp_data = _resp_data(task) if task.resp_data is None else task.resp_data
        if task.in_base64 or not question.return_url:
            try:
                pictures = [self._drawn(task, number) for number in numbers]
            except CannotDrawError as error:
                raise RefusedError(50501, str(error)) from error
            return _task_data(TaskStatus.DONE, pictures=pictures, resp_data=resp_data)
        urls = task.addresses
        if urls is None:
            urls = tuple(self._address(task, number, now) for number in numbers)
        return _task_data(TaskStatus.DONE, urls, resp_data=resp_data)

    def _request_id(self) -> str:
        """Like the service's: the time in its own zone, then hexadecimal digits; unlike it, repeatable."""
        with self._lock:
            self._answered += 1
            count = self._answered
        time = datetime.fromtimestamp(self.clock.now(), UTC) + timedelta(hours=8)
        digits = hashlib.sha256(f"{self._seed}:{count}".encode()).hexdigest()[:20].upper()
        return f"{time:%Y%m%d%H%M%S}{digits}"


class _TaskFailedError(Exception):
    def __init__(self, code: int, http: int) -> None:
        super().__init__(code)
        self.code = code
        self.http = http


def _task_data(
    status: TaskStatus, urls: Sequence[str] = (), pictures: Sequence[bytes] = (), resp_data: str = ""
) -> dict[str, object]:
    return {
        "status": str(status),
        "image_urls": list(urls),
        "binary_data_base64": [base64.b64encode(picture).decode() for picture in pictures],
        "resp_data": resp_data,
    }


class _Exchange(Exchange):
    """A call of Volcengine's API."""

    def __init__(self, request: Request, book: TaskBook, began: float, gate: ImageGate) -> None:
        super().__init__(request, book, began)
        self._gate = gate

    @cached_property
    def action(self) -> str:
        return self.request.parameter("Action")

    @property
    def call(self) -> Kind | None:
        if self.action == protocol.SUBMIT:
            return "submit"
        return "result" if self.action == protocol.RESULT else None

    @cached_property
    def json(self) -> dict[str, object]:
        return protocol.read_json(self.request)

    @cached_property
    def order(self) -> Order:
        return protocol.read_submit(self.json, self._gate)

    def asked(self) -> str | None:
        try:
            return str(self.json.get("task_id"))
        except RefusedError:
            return None

    def ordered(self) -> Combination | None:
        try:
            return self.order.combination
        except RefusedError:
            return None


def _resp_data(task: Task) -> str:
    """Times in seconds since the epoch, the stages between them, and one entry a candidate.

    The vendor's page names the contents; the unit and the keys `stages` and `results` were decided here.
    """
    first, last = task.processed_at, task.finished_at
    return json.dumps(
        {
            "received_at": round(task.submitted_at, 3),
            "processed_at": round(first, 3),
            "finished_at": round(last, 3),
            "stages": {
                "preprocess": round((last - first) * 0.2, 3),
                "diffusion": round((last - first) * 0.7, 3),
                "postprocess": round((last - first) * 0.1, 3),
            },
            "results": [
                {"inference_config": {"seed": seed}, "score": score, "reason": ""}
                for seed, score in zip(task.seeds(), task.scores, strict=True)
            ],
        }
    )
