"""FASHN's stand-in: its three calls, its windows, its credits and its errors."""

import base64
import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from PIL import Image
from pydantic import Field

from tryon.clock import Clock
from tryon.service import TaskStatus
from tryon_local.service.fashn import protocol
from tryon_local.service.fashn.protocol import Inputs, RefusedError
from tryon_local.service.faults import Answer, FaultPlan, Kind
from tryon_local.service.kernel import CannotDrawError, Exchange, Limits, Picture, Window, composed
from tryon_local.service.keyed import KeyedKernel
from tryon_local.service.orders import Combination, ImageGate, Order
from tryon_local.service.tasks import Latency, NewTask, Task, TaskBook, TypicalLatency
from tryon_local.service.wire import Request, Response, json_response

API_KEY = "fa-dummy-key-of-the-stand-in"
SIZE = (864, 1296)
"""Pixels that a result fits into."""

SECONDS = {"performance": 5.0, "balanced": 8.0, "quality": 14.0}
"""What a task takes in each mode, by the vendor's page."""


@dataclass(frozen=True)
class Settings(Limits):
    """What can be changed while the stand-in runs.

    `credits` is the balance, of which a picture takes one when its task ends well; `submits` and `questions` are the
    windows, requests and seconds each.
    """

    slots: Annotated[int, Field(ge=0)] = 6
    credits: Annotated[float, Field(ge=0)] = 100_000.0
    submits: tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]] = (50, 60.0)
    questions: tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]] = (50, 10.0)


@dataclass(frozen=True)
class ModeLatency:
    """Seconds by the mode that was asked for."""

    seed: int = 0

    def __call__(self, task: NewTask) -> float:
        mean = SECONDS.get(json.loads(task.combination.parameters).get("mode", "balanced"), 8.0)
        return TypicalLatency(self.seed, mean=mean, deviation=mean / 10, tail_delay=mean)(task)


class StandIn(KeyedKernel[Settings, "_Exchange"]):
    """One account at FASHN, known by its API key."""

    SCHEME = "Bearer"

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        clock: Clock,
        *,
        api_key: str = API_KEY,
        slots: int = 6,
        credits: float = 100_000.0,  # noqa: A002 - the vendor's word
        submits: tuple[int, float] = (50, 60.0),
        questions: tuple[int, float] = (50, 10.0),
        latency: Latency | None = None,
        download_seconds: tuple[float, float] = (1.0, 3.0),
        base_url: str = "https://cdn.fashn.standin.test",
        picture: Picture = composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            clock,
            Settings(
                slots=slots,
                credits=credits,
                submits=submits,
                questions=questions,
                download_seconds=download_seconds,
            ),
            latency=latency or ModeLatency(seed),
            base_url=base_url,
            picture=picture,
            faults=faults,
            seed=seed,
            api_key=api_key,
            kept=72 * 3600.0,
        )
        self._submits, self._questions, self._balances = Window(), Window(), Window()

    @property
    def balance(self) -> float:
        """Credits that are left: a task takes them at its end, and one that failed takes none."""
        with self._lock:
            return self._balance(self.clock.now())

    def _balance(self, now: float, *, running: bool = False) -> float:
        used = sum(_price(task) for task in self._book if _is_billed(task, now, running))
        return max(0.0, self._settings.credits - used)

    def _open(self, request: Request, book: TaskBook, began: float) -> "_Exchange":
        return _Exchange(request, book, began, self._gate)

    def _say(self, exchange: "_Exchange", fault: Answer) -> tuple[str, Response]:
        name = protocol.called(fault.code)
        return name, protocol.refusal(name, fault.detail, http=fault.http, retry_after=fault.retry_after)

    def _serve(self, exchange: "_Exchange") -> tuple[str, Response]:
        try:
            self._let_in(exchange)
            if exchange.kind == "submit":
                return "200", self._submit(exchange)
            if exchange.kind == "result":
                return "200", self._status(exchange)
            if exchange.request.path == protocol.CREDITS and exchange.request.method == "GET":
                return "200", self._credits()
            raise RefusedError("NotFound")
        except RefusedError as error:
            return error.name, protocol.refusal(error.name, error.detail)

    def _let_in(self, exchange: "_Exchange") -> None:
        if not self._knows(exchange.request):
            raise RefusedError("UnauthorizedAccess")
        window, (count, seconds) = {
            "submit": (self._submits, self._settings.submits),
            "result": (self._questions, self._settings.questions),
        }.get(exchange.kind or "", (self._balances, (30, 10.0)))
        with self._lock:
            if not window.admits(self.clock.now(), count, seconds):
                raise RefusedError("RateLimitExceeded")

    def _submit(self, exchange: "_Exchange") -> Response:
        order, inputs, code = exchange.order
        with self._lock:
            now = self.clock.now()
            if self._balance(now, running=True) < inputs.num_samples:
                raise RefusedError("OutOfCredits")
            if self._book.running(protocol.MODEL, now) >= self._settings.slots:
                raise RefusedError("ConcurrencyLimitExceeded")
            task = self._make(
                protocol.MODEL,
                order,
                candidates=inputs.num_samples,
                parameters=json.loads(order.combination.parameters),
                now=now,
            )
            if code != 10000:
                task.code = code
        self._keep_pace(task, now)
        return json_response(200, {"id": task.id, "error": None})

    def _status(self, exchange: "_Exchange") -> Response:
        with self._lock:
            now = self.clock.now()
            task = exchange.task
            status = TaskStatus.NOT_FOUND if task is None else task.status(now)
            if task is not None:
                task.polls.append(now)
        if task is None or status in (TaskStatus.NOT_FOUND, TaskStatus.EXPIRED):
            raise RefusedError("NotFound", "the prediction is no longer tracked")
        body: dict[str, object] = {"id": task.id, "status": "completed", "output": None, "error": None}
        if status is not TaskStatus.DONE:
            return json_response(200, {**body, "status": _word(task, status, now)})
        if task.code != 10000:
            return json_response(200, {**body, "status": "failed", "error": protocol.ended(task.code)})
        used = ((protocol.CREDITS_USED, f"{_price(task):g}"),)
        return json_response(200, {**body, "output": self._output(task, now)}, used)

    def _output(self, task: Task, now: float) -> list[str]:
        kind = str(task.parameters["output_format"])
        if task.in_base64 or task.parameters["return_base64"]:
            try:
                drawn = [self._drawn(task, number) for number in range(task.candidates)]
            except CannotDrawError as error:
                raise RefusedError("InternalServerError", str(error)) from error
            return [f"data:image/{kind};base64,{base64.b64encode(picture).decode()}" for picture in drawn]
        if task.addresses is not None:
            return list(task.addresses)
        return [self._address(task, number, now, kind) for number in range(task.candidates)]

    def _drawn(self, task: Task, number: int) -> bytes:
        drawn = super()._drawn(task, number)
        if task.parameters["output_format"] == "png" and drawn.startswith(_PIXEL):
            return drawn
        with Image.open(io.BytesIO(drawn)) as picture:
            fitted = picture.convert("RGB")
        fitted.thumbnail(SIZE)
        file = io.BytesIO()
        fitted.save(file, str(task.parameters["output_format"]).upper())
        return file.getvalue()

    def _credits(self) -> Response:
        balance = int(self.balance)
        return json_response(200, {"credits": {"total": balance, "subscription": 0, "on_demand": balance}})


# The head of a PNG of one pixel: runs in which nobody looks at the results need no other.
_PIXEL = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01"


def _price(task: Task) -> int:
    asked = task.parameters["num_samples"]
    return asked if isinstance(asked, int) else 1


def _is_billed(task: Task, now: float, running: bool) -> bool:
    if now < task.ends_at:
        return running
    return task.code == 10000


def _word(task: Task, status: TaskStatus, now: float) -> str:
    if status is TaskStatus.GENERATING:
        return "processing"
    return "starting" if now - task.submitted_at < 0.5 else "in_queue"


class _Exchange(Exchange):
    """A call of FASHN's API."""

    def __init__(self, request: Request, book: TaskBook, began: float, gate: ImageGate) -> None:
        super().__init__(request, book, began)
        self._gate = gate

    @property
    def call(self) -> Kind | None:
        path, method = self.request.path, self.request.method
        if path == protocol.RUN and method == "POST":
            return "submit"
        return "result" if path.startswith(protocol.STATUS) and method == "GET" else None

    @cached_property
    def order(self) -> tuple[Order, Inputs, int]:
        """What a submit asks for; raises `RefusedError`."""
        return protocol.read_run(protocol.read_json(self.request), self._gate)

    def asked(self) -> str | None:
        return self.request.path.removeprefix(protocol.STATUS)

    def ordered(self) -> Combination | None:
        try:
            return self.order[0].combination
        except RefusedError:
            return None
