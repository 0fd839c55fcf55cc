"""A server on this machine that answers as it is told, counts what came, and breaks off where it is told to."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Its bytes on the wire."""
        lines = [f"HTTP/1.1 {self.status} Said"]
        given = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), "Connection": "close"}
        lines += [f"{name}: {value}" for name, value in (given | dict(self.headers)).items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Cut:
    """An answer that ends after a part of its bytes, by an orderly end or a reset."""

    reply: Reply
    keep: float
    reset: bool = False


@dataclass(frozen=True)
class Silence:
    """No answer, until the client gives up."""


Action = Reply | Cut | Silence


@dataclass(frozen=True)
class Request:
    """What came: the request line, the headers in lower case, the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Answers with what it is told, one action a request, the last one for ever; `came` is all that was asked."""

    def __init__(self) -> None:
        self.came: list[Request] = []
        self._script: list[Action] = [Reply(status=500)]
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def posts(self) -> int:
        """How many POSTs came."""
        return sum(request.method == "POST" for request in self.came)

    def say(self, *actions: Action) -> None:
        """Answer so from now on."""
        with self._lock:
            self._script = list(actions)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """A client that gave up may be ahead of a busy machine's server."""
        for _ in range(1000):
            if happened():
                return
            time.sleep(0.01)
        raise AssertionError("it did not happen")

    def close(self) -> None:
        """End it."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _read(connection)
            if request is None:
                return
            with self._lock:
                self.came.append(request)
                action = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            self._act(connection, action)

    def _act(self, connection: socket.socket, action: Action) -> None:
        match action:
            case Silence():
                connection.recv(1)  # returns when the client hangs up
            case Cut(reply, keep, reset):
                data = reply.encoded()
                connection.sendall(data[: int(len(data) * keep)])
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Reply():
                connection.sendall(action.encoded())


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        piece = connection.recv(65_536)
        if not piece:
            return None
        body += piece
    return Request(method, path, headers, body)


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """A wire, ended at the end."""
    made = Wire()
    try:
        yield made
    finally:
        made.close()
