"""fal's stand-in: its queue, its prices, and three models behind it."""

import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from PIL import Image
from pydantic import Field

from tryon.clock import Clock
from tryon.service import TaskStatus
from tryon_local.service.fal import protocol
from tryon_local.service.fal.protocol import MODELS, Inputs, RefusedError
from tryon_local.service.faults import Answer, FaultPlan, Kind
from tryon_local.service.kernel import Exchange, Limits, Picture, composed
from tryon_local.service.keyed import KeyedKernel
from tryon_local.service.orders import Combination, ImageGate, Order
from tryon_local.service.tasks import Latency, Task, TaskBook, TypicalLatency
from tryon_local.service.wire import Request, Response, json_response

API_KEY = "dummy-id:dummy-key-of-the-stand-in"
QUEUE = "queue"


@dataclass(frozen=True)
class Settings(Limits):
    """What can be changed while the stand-in runs.

    `slots` is how many requests are in progress at once: the others wait in the queue, none is refused. `locked` is an
    account without money; `retired` are models that are gone; `address_host` is the origin of the addresses in answers,
    when it is not the one that was asked.
    """

    slots: Annotated[int, Field(ge=1)] = 2
    locked: bool = False
    retired: tuple[str, ...] = ()
    address_host: str = ""


class StandIn(KeyedKernel[Settings, "_Exchange"]):
    """One account at fal, known by its key; queue and prices answer at the same address."""

    SCHEME = "Key"

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        clock: Clock,
        *,
        api_key: str = API_KEY,
        slots: int = 2,
        latency: Latency | None = None,
        download_seconds: tuple[float, float] = (1.0, 3.0),
        base_url: str = "https://files.fal.standin.test",
        picture: Picture = composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            clock,
            Settings(slots=slots, download_seconds=download_seconds),
            latency=latency or TypicalLatency(seed, mean=20.0),
            base_url=base_url,
            picture=picture,
            faults=faults,
            seed=seed,
            api_key=api_key,
            kept=24 * 3600.0,
        )

    def _open(self, request: Request, book: TaskBook, began: float) -> "_Exchange":
        return _Exchange(request, book, began, self._gate)

    def _say(self, exchange: "_Exchange", fault: Answer) -> tuple[str, Response]:
        status, detail, error_type = protocol.queue_error(fault.code, fault.detail)
        status = fault.http or status
        return str(status), protocol.refusal(status, detail, error_type, retry_after=fault.retry_after)

    def _serve(self, exchange: "_Exchange") -> tuple[str, Response]:
        try:
            self._let_in(exchange)
            if exchange.kind == "submit":
                answer = self._submit(exchange)
            elif exchange.kind == "result":
                answer = self._question(exchange)
            elif exchange.request.path == protocol.PRICING:
                answer = self._prices(exchange.request.parameter("endpoint_id").split(","))
            else:
                raise RefusedError(404, "Not found")
        except RefusedError as error:
            return str(error.status), protocol.refusal(error.status, error.detail, error.error_type)
        return str(answer.status), answer

    def _let_in(self, exchange: "_Exchange") -> None:
        if not self._knows(exchange.request):
            raise RefusedError(401, "Authentication is required to access this resource")
        if self._settings.locked and exchange.kind != "result":
            raise RefusedError(403, "User is locked. Reason: Exhausted balance.")

    def _prices(self, model_ids: list[str]) -> Response:
        known = [one for one in model_ids if one in MODELS and one not in self._settings.retired]
        prices = [
            {"endpoint_id": one, "unit_price": MODELS[one].price, "unit": "image", "currency": "USD"} for one in known
        ]
        return json_response(200, {"prices": prices, "next_cursor": None, "has_more": False})

    def _submit(self, exchange: "_Exchange") -> Response:
        model_id = exchange.model_id
        if model_id not in MODELS or model_id in self._settings.retired:
            raise RefusedError(404, f"Application {model_id!r} not found")
        order, inputs, code = exchange.order
        with self._lock:
            now = self.clock.now()
            waits = self._book.wait(QUEUE, now, self._settings.slots)
            task = self._make(
                QUEUE,
                order,
                candidates=inputs.pictures,
                parameters=json.loads(order.combination.parameters),
                now=now,
                queued=waits,
            )
            if code != 10000:
                task.code = code
        self._keep_pace(task, now)
        return json_response(200, {**self._addresses(exchange, task), "queue_position": self._position(task, now)})

    def _addresses(self, exchange: "_Exchange", task: Task) -> dict[str, object]:
        origin = self._settings.address_host or f"http://{exchange.request.lowered.get('host', '')}"
        owner, alias = str(task.parameters["model"]).split("/")[:2]
        address = f"{origin}/{owner}/{alias}/requests/{task.id}"
        return {
            "request_id": task.id,
            "status": "IN_QUEUE",
            "response_url": address,
            "status_url": f"{address}/status",
            "cancel_url": f"{address}/cancel",
        }

    def _position(self, task: Task, now: float) -> int:
        return sum(1 for other in self._book if other.number < task.number and other.processed_at > now)

    def _question(self, exchange: "_Exchange") -> Response:
        asks_state = exchange.request.path.endswith("/status")
        with self._lock:
            now = self.clock.now()
            task = exchange.task
            status = TaskStatus.NOT_FOUND if task is None else task.status(now)
            if task is not None and asks_state:
                task.polls.append(now)
        if task is None or status in (TaskStatus.NOT_FOUND, TaskStatus.EXPIRED) or not exchange.is_home_of(task):
            raise RefusedError(404, "Request not found")
        if asks_state:
            return self._state(exchange, task, status, now)
        if status is not TaskStatus.DONE:
            raise RefusedError(400, "Request is still in progress")
        if task.code != 10000:
            raise RefusedError(*protocol.ended(task.code))
        return json_response(200, self._result(task, now))

    def _state(self, exchange: "_Exchange", task: Task, status: TaskStatus, now: float) -> Response:
        body = self._addresses(exchange, task)
        if status is TaskStatus.IN_QUEUE:
            return json_response(202, {**body, "queue_position": self._position(task, now)})
        if status is TaskStatus.GENERATING:
            return json_response(202, {**body, "status": "IN_PROGRESS", "logs": None})
        seconds = task.finished_at - task.processed_at
        return json_response(
            200, {**body, "status": "COMPLETED", "logs": None, "metrics": {"inference_time": round(seconds, 3)}}
        )

    def _result(self, task: Task, now: float) -> dict[str, object]:
        kind = str(task.parameters.get("output_format", "png"))
        addresses = task.addresses
        if addresses is None:
            addresses = tuple(self._address(task, number, now, kind) for number in range(task.candidates))
        images = [{"url": address, "content_type": f"image/{kind}"} for address in addresses]
        if MODELS[str(task.parameters["model"])].several:
            return {"images": images}
        return {"image": images[0] if images else None, "seed": task.seed}

    def _drawn(self, task: Task, number: int) -> bytes:
        drawn = super()._drawn(task, number)
        if task.parameters.get("output_format") != "jpeg":
            return drawn
        file = io.BytesIO()
        with Image.open(io.BytesIO(drawn)) as picture:
            picture.convert("RGB").save(file, "JPEG")
        return file.getvalue()


class _Exchange(Exchange):
    """A call of fal's queue."""

    def __init__(self, request: Request, book: TaskBook, began: float, gate: ImageGate) -> None:
        super().__init__(request, book, began)
        self._gate = gate

    @cached_property
    def _parts(self) -> list[str]:
        return self.request.path.strip("/").split("/")

    @property
    def model_id(self) -> str:
        """The model that a submit is for."""
        return "/".join(self._parts)

    @property
    def call(self) -> Kind | None:
        if self.request.method == "POST":
            return "submit"
        is_task = len(self._parts) in (4, 5) and self._parts[2] == "requests" and self._parts[4:] in ([], ["status"])
        return "result" if is_task and self.request.method == "GET" else None

    @cached_property
    def order(self) -> tuple[Order, Inputs, int]:
        """What a submit asks for; raises `RefusedError`."""
        inputs = protocol.read_inputs(MODELS[self.model_id], self.request)
        order, code = protocol.read_order(inputs, self.model_id, self._gate)
        return order, inputs, code

    def asked(self) -> str | None:
        return self._parts[3]

    def is_home_of(self, task: Task) -> bool:
        """Whether the task is asked for at its own model's address."""
        return str(task.parameters["model"]).split("/")[:2] == self._parts[:2]

    def ordered(self) -> Combination | None:
        if self.model_id not in MODELS:
            return None
        try:
            return self.order[0].combination
        except RefusedError:
            return None
