"""The try-on service's stand-in: its protocol, limits, latency and accidents, and a record of it all.

What the vendor's pages leave open is named where it was decided, here or in `tryon_local.service.protocol`.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Annotated, Any, Protocol
from urllib.parse import urlencode

from pydantic import Field

from tryon.clock import Clock
from tryon.service import TaskStatus
from tryon_local.clock import PacedClock
from tryon_local.service import protocol, signature
from tryon_local.service.faults import (
    Answer,
    Call,
    Cut,
    FaultPlan,
    Kind,
    Late,
    Mislabel,
    NoConnection,
    Page,
    Redirect,
    Reset,
    Silence,
    Slow,
    Wire,
)
from tryon_local.service.protocol import REQ_KEY, Combination, Order, RefusedError
from tryon_local.service.tasks import Latency, Task, TaskBook, TaskRecord, TypicalLatency
from tryon_local.service.wire import NoAnswer, Request, Response

ACCESS_KEY = "AKLTEXAMPLEDUMMY"
SECRET_KEY = "dummy-secret-of-the-stand-in"  # noqa: S105 - opens nothing
RESULTS = "/results/"
URL_LIFE = 24 * 3600.0
# A task that is never done does not keep an idle stack's time at its speed for half a day.
LONGEST_PACE = 600.0


class Picture(Protocol):
    """Draws a result as PNG bytes; garments carry the service's word for their type."""

    def __call__(
        self,
        model: bytes,
        garments: Sequence[tuple[bytes, str]],
        *,
        seed: int,
        parameters: Mapping[str, object],
    ) -> bytes: ...


def _composed(
    model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]
) -> bytes:
    # Drawing needs more of Pillow than most tests do; they bring their own picture.
    from tryon_local.service.picture import compose

    return compose(model, garments, seed=seed, parameters=parameters)


@dataclass(frozen=True)
class Settings:
    """What can be changed while the stand-in runs.

    `slots` is the limit of tasks at once for one `req_key`, `requests_per_second` that of submit and result
    together (None: unlimited); `retry_after` is the header that goes with a 429; `download_seconds` the range
    from which each download's time is drawn; `candidates` the pictures of a task; `activated` and
    `authorised` take away the service (50400) and the key's rights (100013).
    """

    slots: Annotated[int, Field(ge=0)] = 1
    requests_per_second: Annotated[float, Field(gt=0)] | None = 2.0
    retry_after: str | None = None
    download_seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (1.0, 3.0)
    candidates: Annotated[int, Field(ge=0)] = 1
    activated: bool = True
    authorised: bool = True


@dataclass(frozen=True)
class RequestCounts:
    """How the calls of one kind were answered: "10000", "50430", "reset", "200" …, and how often."""

    submit: Counter[str]
    result: Counter[str]
    download: Counter[str]
    other: Counter[str]


class StandIn:
    """One account at the service, thread-safe, on the given clock.

    `latency` draws the seconds from submit to end of each new task; `picture` draws a result when it is
    fetched; `base_url` is the origin that result addresses begin with. `max_skew` is in seconds, None for
    clients that sign by another clock; it may be changed at any time.
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
        picture: Picture = _composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
        max_skew: float | None = signature.MAX_SKEW,
        req_keys: Sequence[str] = (REQ_KEY,),
    ) -> None:
        self.clock = clock
        self.base_url = base_url
        self.max_skew = max_skew
        self.faults = faults or FaultPlan(seed=seed)
        self._secrets = {access_key: secret_key}
        self._latency = latency or TypicalLatency(seed)
        self._picture = picture
        self._seed = seed
        self._req_keys = frozenset(req_keys)
        self._settings = Settings(
            slots=slots,
            requests_per_second=requests_per_second,
            retry_after=retry_after,
            download_seconds=download_seconds,
            candidates=candidates,
        )
        # Reentrant: a latency or a fault's condition may look at the record.
        self._lock = threading.RLock()
        self._book = TaskBook(seed)
        self._gate = protocol.ImageGate()
        # Pictures by hash: a run sends the same few of them in thousands of combinations.
        self._images: dict[str, bytes] = {}
        self._accepted: deque[float] = deque()
        self._counts: dict[str, Counter[str]] = {}
        self._answered = 0

    @property
    def settings(self) -> Settings:
        return self._settings

    def change(self, **changes: Any) -> Settings:
        """Change some settings from now on; `TypeError` for one that does not exist."""
        with self._lock:
            self._settings = replace(self._settings, **changes)
            return self._settings

    @property
    def keys(self) -> tuple[str, str]:
        """The access key and the secret key that are in force."""
        with self._lock:
            return next(iter(self._secrets.items()))

    def rotate(self, access_key: str, secret_key: str) -> None:
        """Take these keys from now on and no others."""
        with self._lock:
            self._secrets = {access_key: secret_key}

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        """Every task made, in the order of making: each is one payment."""
        with self._lock:
            return self._book.records(self.clock.now())

    @property
    def payments(self) -> Counter[Combination]:
        """How many tasks were made for each combination."""
        with self._lock:
            return self._book.payments()

    @property
    def requests(self) -> RequestCounts:
        """How every request was answered."""
        with self._lock:
            return RequestCounts(
                *(Counter(self._counts.get(kind, ())) for kind in ("submit", "result", "download", "other"))
            )

    @property
    def running(self) -> int:
        """Tasks that run now and fill a place each."""
        with self._lock:
            return self._book.running_in_all(self.clock.now())

    @property
    def most_running(self) -> int:
        """The most tasks that ever ran at once."""
        with self._lock:
            return self._book.most_running

    def handle(self, request: Request) -> Response | NoAnswer:
        """Answer one request; what takes time is written in the answer, for whoever delivers it."""
        exchange = _Exchange(request, self._gate, self._book, self.clock.now())
        fault = None
        if exchange.kind is not None:
            fault = self.faults.on_the_wire(Call(exchange.kind, exchange.task_number, exchange.combination))
        label, response = self._meet(fault, exchange)
        with self._lock:
            self._counts.setdefault(exchange.kind or "other", Counter())[label] += 1
        return response

    def _meet(self, fault: Wire | None, exchange: "_Exchange") -> tuple[str, Response | NoAnswer]:
        if isinstance(fault, Answer | Page | Reset | Silence) and fault.processed:
            self._carry_out(exchange)
        match fault:
            case None:
                return self._carry_out(exchange)
            case Answer():
                return str(fault.code), self._answer(
                    exchange, fault.code, http=fault.http, retry_after=fault.retry_after, detail=fault.detail
                )
            case Page():
                extra = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
                return f"page {fault.http}", _plain(fault.http, fault.body.encode(), fault.content_type, extra)
            case Redirect():
                return "redirect", _plain(fault.http, b"", "text/html", (("Location", fault.location),))
            case NoConnection(timeout=timeout):
                return "no connection", NoAnswer.CONNECT_TIMEOUT if timeout else NoAnswer.REFUSED
            case Reset(unread=unread):
                return "reset", NoAnswer.RESET_UNREAD if unread else NoAnswer.RESET
            case Silence():
                return "silence", NoAnswer.SILENCE
            case Cut() | Slow() | Late() | Mislabel():
                label, response = self._carry_out(exchange)
                return label, _disturbed(response, fault)

    def _carry_out(self, exchange: "_Exchange") -> tuple[str, Response]:
        if exchange.kind == "download":
            return self._download(exchange)
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
        """Calls refused for the rate do not count: so a client that keeps asking still gets its share."""
        with self._lock:
            rate = self._settings.requests_per_second
            if rate is None:
                return
            now = self.clock.now()
            count = max(1, int(rate))
            # A millisecond of grace, lest rounding refuse a client that keeps the pace exactly.
            while self._accepted and self._accepted[0] <= now - count / rate + 0.001:
                self._accepted.popleft()
            if len(self._accepted) >= count:
                raise RefusedError(50429)
            self._accepted.append(now)

    def _submit(self, req_key: str, order: Order) -> dict[str, object]:
        with self._lock:
            now = self.clock.now()
            settings = self._settings
            if self._book.running(req_key, now) >= settings.slots:
                raise RefusedError(50430)
            new = self._book.next(order.combination)
            task = self._book.make(
                req_key,
                new,
                now,
                latency=self._latency(new),
                candidates=settings.candidates,
                fates=self.faults.fates(Call("task", new.number, lambda: order.combination)),
                parameters=json.loads(order.combination.parameters),
            )
            for digest, data in zip(order.combination.images, order.images, strict=True):
                self._images.setdefault(digest, data)
        if isinstance(self.clock, PacedClock):
            # A client outside may be all that waits for it.
            self.clock.keep_pace(now + min(task.latency, LONGEST_PACE))
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
            pictures = [self._drawn(task, number) for number in numbers]
            return _task_data(TaskStatus.DONE, pictures=pictures, resp_data=resp_data)
        urls = task.addresses
        if urls is None:
            urls = tuple(self._address(task, number, now) for number in numbers)
        return _task_data(TaskStatus.DONE, urls, resp_data=resp_data)

    def _drawn(self, task: Task, number: int) -> bytes:
        model, *garments = (self._images[digest] for digest in task.combination.images)
        types = (kind for _, kind in task.combination.garments)
        try:
            return self._picture(
                model,
                list(zip(garments, types, strict=True)),
                seed=task.seeds()[number],
                parameters=task.parameters,
            )
        except ValueError as error:
            raise RefusedError(50501, f"nothing can be drawn from these pictures: {error}") from error

    def _address(self, task: Task, number: int, now: float) -> str:
        """Addresses live for 24 h from the answer that names them."""
        path = f"{RESULTS}{task.id}/{number}.png"
        expires = int(now + URL_LIFE)
        query = {"expires": expires, "signature": self._url_signature(path, str(expires))}
        return f"{self.base_url}{path}?{urlencode(query)}"

    def _url_signature(self, path: str, expires: str) -> str:
        secret = next(iter(self._secrets.values()))
        return hmac.new(secret.encode(), f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()[:32]

    def _download(self, exchange: "_Exchange") -> tuple[str, Response]:
        request = exchange.request
        if request.method != "GET":
            return "405", _plain(405, b"", "text/plain")
        expires = request.parameter("expires")
        expected = self._url_signature(request.path, expires)
        if not hmac.compare_digest(expected.encode(), request.parameter("signature").encode()):
            return "403", _refused_download("SignatureDoesNotMatch")
        if self.clock.now() >= float(expires):
            return "403", _refused_download("AccessDenied")
        task, number = exchange.found
        try:
            picture = self._drawn(task, number)
        except RefusedError as error:
            return "500", _plain(500, str(error).encode(), "text/plain")
        with self._lock:
            task.downloads += 1
            low, high = self._settings.download_seconds
        random = Random(f"{self._seed}:{task.combination}:{task.attempt}:{number}:download")
        return "200", replace(_plain(200, picture, "image/png"), seconds=random.uniform(low, high), pieces=2)

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


class _Exchange:
    """One request with what can be read from it, each part when it is first needed.

    `began` is when it came, in the clock's seconds.
    """

    def __init__(self, request: Request, gate: protocol.ImageGate, book: TaskBook, began: float) -> None:
        self.request = request
        self.began = began
        self._gate = gate
        self._book = book

    @cached_property
    def action(self) -> str:
        return self.request.parameter("Action")

    @cached_property
    def kind(self) -> Kind | None:
        if self.request.path.startswith(RESULTS):
            return "download"
        if self.action == protocol.SUBMIT:
            return "submit"
        return "result" if self.action == protocol.RESULT else None

    @cached_property
    def json(self) -> dict[str, object]:
        return protocol.read_json(self.request)

    @cached_property
    def order(self) -> Order:
        return protocol.read_submit(self.json, self._gate)

    @cached_property
    def found(self) -> tuple[Task, int]:
        """The task and the candidate that a download names; only for addresses that carry our signature."""
        task_id, name = self.request.path.removeprefix(RESULTS).split("/")
        task = self._book.find(task_id)
        assert task is not None  # noqa: S101 - the signature covers the task's id
        return task, int(name.removesuffix(".png"))

    @cached_property
    def task(self) -> Task | None:
        if self.kind == "download":
            return self._book.find(self.request.path.removeprefix(RESULTS).split("/")[0])
        if self.kind == "result":
            try:
                return self._book.find(str(self.json.get("task_id")))
            except RefusedError:
                return None
        return None

    @property
    def task_number(self) -> int | None:
        return None if self.task is None else self.task.number

    def combination(self) -> Combination | None:
        if self.task is not None:
            return self.task.combination
        if self.kind != "submit":
            return None
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


def _plain(status: int, body: bytes, content_type: str, extra: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, (("Content-Type", content_type), ("Content-Length", str(len(body))), *extra), body)


def _refused_download(code: str) -> Response:
    """In the XML of object stores."""
    return _plain(403, f"<Error><Code>{code}</Code></Error>".encode(), "application/xml")


def _disturbed(response: Response, fault: Cut | Slow | Late | Mislabel) -> Response:
    match fault:
        case Cut(keep=keep, declared=declared):
            sent = int(len(response.body) * keep)
            if declared:
                return replace(response, sent=sent)
            return _with_header(replace(response, body=response.body[:sent]), "Content-Length", str(sent))
        case Slow(seconds=seconds, pieces=pieces):
            return replace(response, seconds=seconds, pieces=pieces)
        case Late(seconds=seconds):
            return replace(response, wait=seconds)
        case Mislabel(content_type=content_type):
            return _with_header(response, "Content-Type", content_type)


def _with_header(response: Response, name: str, value: str) -> Response:
    return replace(response, headers=tuple((key, value if key == name else old) for key, old in response.headers))
