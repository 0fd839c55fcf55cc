"""What every service's stand-in is: tasks, limits, accidents, pictures to fetch, and a record of it all.

A vendor's folder gives it the words: how a call reads, what each answer looks like.
"""

import hashlib
import hmac
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from pydantic import Field

from tryon.clock import Clock
from tryon_local.clock import PacedClock
from tryon_local.service.faults import (
    Answer,
    Call,
    Cut,
    Draws,
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
from tryon_local.service.orders import Combination, Order
from tryon_local.service.tasks import Latency, Queue, Task, TaskBook, TaskRecord
from tryon_local.service.wire import NoAnswer, Request, Response

RESULTS = "/results/"
# A task that is never done does not keep an idle stack's time at its speed for half a day.
LONGEST_PACE = 600.0


class Picture(Protocol):
    """Draws a result as PNG bytes; garments carry a word for their type that `tryon_local.service.picture` knows."""

    def __call__(
        self,
        model: bytes,
        garments: Sequence[tuple[bytes, str]],
        *,
        seed: int,
        parameters: Mapping[str, object],
    ) -> bytes: ...


def composed(
    model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]
) -> bytes:
    """The usual picture."""
    # Drawing needs more of Pillow than most tests do; they bring their own picture.
    from tryon_local.service.picture import compose

    return compose(model, garments, seed=seed, parameters=parameters)


@dataclass(frozen=True)
class Limits:
    """What can be changed of any stand-in while it runs; a vendor's settings add to it.

    `slots` is the limit of tasks at once; `download_seconds` the range from which each download's time is drawn.
    """

    slots: Annotated[int, Field(ge=0)] = 1
    download_seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (1.0, 3.0)


@dataclass(frozen=True)
class RequestCounts:
    """How the calls of one kind were answered, by the vendor's codes or "reset", "200" …, and how often."""

    submit: Counter[str]
    result: Counter[str]
    download: Counter[str]
    other: Counter[str]


class CannotDrawError(ValueError):
    """Nothing can be drawn from a task's pictures."""


class Window:
    """At most so many requests in so many seconds; guarded by the stand-in's lock.

    Calls that are refused do not count: so a client that keeps asking still gets its share.
    """

    def __init__(self) -> None:
        self._accepted: deque[float] = deque()

    def admits(self, now: float, count: int, seconds: float) -> bool:
        """Whether one more is let in now, which it then is."""
        # A millisecond of grace, lest rounding refuse a client that keeps the pace exactly.
        while self._accepted and self._accepted[0] <= now - seconds + 0.001:
            self._accepted.popleft()
        if len(self._accepted) >= count:
            return False
        self._accepted.append(now)
        return True


class Exchange(ABC):
    """One request with what can be read from it, each part when it is first needed.

    `began` is when it came, in the clock's seconds.
    """

    def __init__(self, request: Request, book: TaskBook, began: float) -> None:
        self.request = request
        self.began = began
        self._book = book

    @cached_property
    def kind(self) -> Kind | None:
        """Which call it is; None for one that the service does not have."""
        return "download" if self.request.path.startswith(RESULTS) else self.call

    @property
    @abstractmethod
    def call(self) -> Kind | None:
        """The same for a call of the service's API."""

    @abstractmethod
    def asked(self) -> str | None:
        """The id of the task that a question is after, as far as it can be read."""

    @abstractmethod
    def ordered(self) -> Combination | None:
        """What a submit asks for, None for one that cannot be read."""

    @cached_property
    def found(self) -> tuple[Task, int]:
        """The task and the candidate that a download names; only for addresses that carry our signature."""
        task_id, name = self.request.path.removeprefix(RESULTS).split("/")
        task = self._book.find(task_id)
        assert task is not None  # noqa: S101 - the signature covers the task's id
        return task, int(name.partition(".")[0])

    @cached_property
    def task(self) -> Task | None:
        """The task that it is about, if there is one."""
        if self.kind == "download":
            return self._book.find(self.request.path.removeprefix(RESULTS).split("/")[0])
        task_id = self.asked() if self.kind == "result" else None
        return None if task_id is None else self._book.find(task_id)

    @property
    def task_number(self) -> int | None:
        """That task's number."""
        return None if self.task is None else self.task.number

    def combination(self) -> Combination | None:
        """What it is about."""
        if self.task is not None:
            return self.task.combination
        return self.ordered() if self.kind == "submit" else None


SettingsT = TypeVar("SettingsT", bound=Limits)
ExchangeT = TypeVar("ExchangeT", bound=Exchange)


class Kernel(ABC, Generic[SettingsT, ExchangeT]):
    """One account at a service, thread-safe, on the given clock.

    `latency` draws the seconds from submit to end of each new task; `picture` draws a result when it is fetched;
    `base_url` is the origin that result addresses begin with. `remembered` is how long tasks are, `url_life` how long
    result addresses open, in seconds.
    """

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        clock: Clock,
        settings: SettingsT,
        *,
        latency: Latency,
        base_url: str,
        picture: Picture = composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
        remembered: float = 12 * 3600.0,
        url_life: float = 24 * 3600.0,
    ) -> None:
        self.clock = clock
        self.base_url = base_url
        self.faults = faults or FaultPlan(seed=seed)
        self._latency = latency
        self._picture = picture
        self._seed = seed
        self._url_life = url_life
        self._settings = settings
        # Reentrant: a latency or a fault's condition may look at the record.
        self._lock = threading.RLock()
        self._book = TaskBook(seed, remembered)
        # Pictures by hash: a run sends the same few of them in thousands of combinations.
        self._images: dict[str, bytes] = {}
        self._counts: dict[str, Counter[str]] = {}

    @property
    @abstractmethod
    def secret(self) -> dict[str, str]:
        """What the stack's secret must hold for this account."""

    @property
    def settings(self) -> SettingsT:
        """Those in force."""
        return self._settings

    def change(self, **changes: Any) -> SettingsT:
        """Change some settings from now on; `TypeError` for one that does not exist."""
        with self._lock:
            self._settings = replace(self._settings, **changes)
            return self._settings

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
        exchange = self._open(request, self._book, self.clock.now())
        fault = None
        if exchange.kind is not None:
            fault = self.faults.on_the_wire(Call(exchange.kind, exchange.task_number, exchange.combination))
        label, response = self._meet(fault, exchange)
        with self._lock:
            self._counts.setdefault(exchange.kind or "other", Counter())[label] += 1
        return response

    @abstractmethod
    def _open(self, request: Request, book: TaskBook, began: float) -> ExchangeT:
        """The request as the vendor's words have it."""

    @abstractmethod
    def _serve(self, exchange: ExchangeT) -> tuple[str, Response]:
        """Carry a call of the API out; what its answer is counted as, and the answer."""

    @abstractmethod
    def _say(self, exchange: ExchangeT, fault: Answer) -> tuple[str, Response]:
        """The same for a fault's error, whose codes are Volcengine's, in the vendor's form."""

    @property
    @abstractmethod
    def _key(self) -> str:
        """The key in force, which signs the results' addresses."""

    def _meet(self, fault: Wire | None, exchange: ExchangeT) -> tuple[str, Response | NoAnswer]:
        if isinstance(fault, Answer | Page | Reset | Silence) and fault.processed:
            self._carry_out(exchange)
        match fault:
            case None:
                return self._carry_out(exchange)
            case Answer():
                return self._say(exchange, fault)
            case Page():
                extra = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
                return f"page {fault.http}", plain(fault.http, fault.body.encode(), fault.content_type, extra)
            case Redirect():
                return "redirect", plain(fault.http, b"", "text/html", (("Location", fault.location),))
            case NoConnection(timeout=timeout):
                return "no connection", NoAnswer.CONNECT_TIMEOUT if timeout else NoAnswer.REFUSED
            case Reset(unread=unread):
                return "reset", NoAnswer.RESET_UNREAD if unread else NoAnswer.RESET
            case Silence():
                return "silence", NoAnswer.SILENCE
            case Cut() | Slow() | Late() | Mislabel():
                label, response = self._carry_out(exchange)
                return label, _disturbed(response, fault)

    def _carry_out(self, exchange: ExchangeT) -> tuple[str, Response]:
        return self._download(exchange) if exchange.kind == "download" else self._serve(exchange)

    def _make(
        self,
        queue: str,
        order: Order,
        *,
        candidates: int,
        parameters: Mapping[str, object],
        now: float,
        queued: float = 0.0,
    ) -> Task:
        """Begin a task: one payment; called with the lock held."""
        new = self._book.next(order.combination)
        latency = self._latency(new)
        waits = self._latency.waits(new) if isinstance(self._latency, Queue) else 0.0
        task = self._book.make(
            queue,
            new,
            now,
            latency=latency - waits,
            candidates=candidates,
            fates=self.faults.fates(Call("task", new.number, lambda: order.combination)),
            parameters=parameters,
            queued=queued + waits,
        )
        for digest, data in zip(order.combination.images, order.images, strict=True):
            self._images.setdefault(digest, data)
        return task

    def _keep_pace(self, task: Task, now: float) -> None:
        if isinstance(self.clock, PacedClock):
            # A client outside may be all that waits for it.
            self.clock.keep_pace(now + min(task.latency, LONGEST_PACE))

    def _drawn(self, task: Task, number: int) -> bytes:
        """A result; raises `CannotDrawError`."""
        try:
            return self._right(task, number) if task.draws is None else self._flawed(task, task.draws, number)
        except ValueError as error:
            raise CannotDrawError(f"nothing can be drawn from these pictures: {error}") from error

    def _right(self, task: Task, number: int, garments: Sequence[str] | None = None) -> bytes:
        types = [kind for _, kind in task.combination.garments]
        worn = garments or [digest for digest, _ in task.combination.garments]
        return self._picture(
            self._images[task.combination.model],
            list(zip((self._images[digest] for digest in worn), types, strict=True)),
            seed=task.seeds()[number],
            parameters=task.parameters,
        )

    def _flawed(self, task: Task, draws: Draws, number: int) -> bytes:
        """A result with what a fault says is wrong with it; right where there is nothing yet to take that from."""
        with self._lock:
            others = [other for other in self._book.every if other.combination != task.combination]
        asked, model = task.combination, self._images[task.combination.model]
        if draws.flaw == "the same file":
            earlier = next((other for other in others if other.combination.model == asked.model), task)
            return self._right(earlier, 0)
        if draws.flaw == "another garment":
            seen = [
                digest for other in others for digest, _ in other.combination.garments if digest not in asked.images
            ]
            garment = draws.picture if draws.picture in self._images else next(iter(seen), asked.garments[0][0])
            return self._right(task, number, [garment] * len(asked.garments))
        from tryon_local.service.flaws import spoil

        drawn = self._right(task, number)
        heads = [other.combination.model for other in others if other.combination.model != asked.model]
        lender = draws.picture if draws.picture in self._images else next(iter(heads), asked.model)
        return spoil(drawn, draws.flaw, model, self._images[lender])

    def _address(self, task: Task, number: int, now: float, extension: str = "png") -> str:
        """Addresses live from the answer that names them."""
        path = f"{RESULTS}{task.id}/{number}.{extension}"
        expires = int(now + self._url_life)
        query = {"expires": expires, "signature": self._url_signature(path, str(expires))}
        return f"{self.base_url}{path}?{urlencode(query)}"

    def _url_signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key.encode(), f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()[:32]

    def _download(self, exchange: ExchangeT) -> tuple[str, Response]:
        request = exchange.request
        if request.method != "GET":
            return "405", plain(405, b"", "text/plain")
        expires = request.parameter("expires")
        expected = self._url_signature(request.path, expires)
        if not hmac.compare_digest(expected.encode(), request.parameter("signature").encode()):
            return "403", _refused_download("SignatureDoesNotMatch")
        if self.clock.now() >= float(expires):
            return "403", _refused_download("AccessDenied")
        task, number = exchange.found
        try:
            picture = self._drawn(task, number)
        except CannotDrawError as error:
            return "500", plain(500, str(error).encode(), "text/plain")
        with self._lock:
            task.downloads += 1
            low, high = self._settings.download_seconds
        random = Random(f"{self._seed}:{task.combination}:{task.attempt}:{number}:download")
        kind = "image/jpeg" if picture.startswith(b"\xff\xd8") else "image/png"
        return "200", replace(plain(200, picture, kind), seconds=random.uniform(low, high), pieces=2)


def plain(status: int, body: bytes, content_type: str, extra: tuple[tuple[str, str], ...] = ()) -> Response:
    """An answer that is no JSON."""
    return Response(status, (("Content-Type", content_type), ("Content-Length", str(len(body))), *extra), body)


def _refused_download(code: str) -> Response:
    """In the XML of object stores."""
    return plain(403, f"<Error><Code>{code}</Code></Error>".encode(), "application/xml")


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
