"""What passes between a client and the stand-in, on a socket or without one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived; the body is read when it is first asked for.

    `target` is the request line's, percent-encoded; `headers` keep their order and their spelling.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    read: Callable[[], bytes]

    @cached_property
    def body(self) -> bytes:
        return self.read()

    @cached_property
    def path(self) -> str:
        """The path with its percent-encoding undone."""
        return unquote(urlsplit(self.target).path) or "/"

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The query's decoded pairs, in their order."""
        return tuple(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def lowered(self) -> dict[str, str]:
        """The headers by lower-case name; of a repeated one the last."""
        return {name.lower(): value for name, value in self.headers}

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, empty when it is missing."""
        return next((value for key, value in self.query if key == name), "")


def request(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Request:
    """A request whose body is at hand."""
    return Request(method, target, tuple((headers or {}).items()), lambda: body)


@dataclass(frozen=True)
class Response:
    """One HTTP answer and how it travels.

    `wait` is in seconds of the clock before the first byte, `seconds` the time that the body then takes in
    `pieces` equal parts; `sent` is how many bytes of the body arrive before the connection closes, None for
    all.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wait: float = 0.0
    seconds: float = 0.0
    pieces: int = 1
    sent: int | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def json_response(status: int, body: object, extra: tuple[tuple[str, str], ...] = ()) -> Response:
    """A JSON body with its length and type."""
    data = json.dumps(body, ensure_ascii=False).encode()
    return Response(
        status,
        (("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(data))), *extra),
        data,
    )


class NoAnswer(Enum):
    """The ways in which a client gets no answer at all."""

    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect timeout"
    RESET = "reset"
    RESET_UNREAD = "reset unread"
    SILENCE = "silence"


def pieces(response: Response) -> Iterator[tuple[float, bytes]]:
    """The body's parts, each with the seconds to wait before it."""
    body = response.body if response.sent is None else response.body[: response.sent]
    count = max(1, min(response.pieces, len(body)))
    for number in range(count):
        start, end = len(body) * number // count, len(body) * (number + 1) // count
        yield response.seconds / count, body[start:end]
