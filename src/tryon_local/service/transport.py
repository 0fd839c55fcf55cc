"""The stand-in behind `requests`, in process: no socket, the same answers and the same accidents."""

import http.client
import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
)

from tryon.clock import Clock
from tryon_local.service import admin
from tryon_local.service.wire import NoAnswer, Request, Response, pieces

# What a client without a time-out waits for an answer that never comes, before the connection is closed.
PATIENCE = 3600.0


class StandInAdapter(BaseAdapter):
    """Answers whatever a session sends through it; mount it for the service's address and for the results'.

    Waiting is `clock.sleep`: an answer that is due after the read time-out raises `ReadTimeout` when that
    time has passed. Bodies come through urllib3's own reader, so a cut one raises what it raises on a socket.
    """

    def __init__(self, standin: admin.AnyStandIn) -> None:
        super().__init__()
        self._standin = standin
        self._builder = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        connect_timeout, read_timeout = _seconds(timeout)
        clock = self._standin.clock
        outgoing = _Outgoing(request.body)
        answer = admin.handle(self._standin, _received(request, outgoing))
        outgoing.leave(answer)
        if isinstance(answer, NoAnswer):
            raise _accident(answer, request, clock, connect_timeout, read_timeout)
        if read_timeout is not None and answer.wait > read_timeout:
            clock.sleep(read_timeout)
            raise requests.exceptions.ReadTimeout("Read timed out.", request=request)
        clock.sleep(answer.wait)
        raw = urllib3.HTTPResponse(
            body=_Body(answer, clock, read_timeout),
            headers=urllib3.HTTPHeaderDict(answer.headers),
            status=answer.status,
            preload_content=False,
            enforce_content_length=True,
            request_method=request.method,
        )
        return self._builder.build_response(request, raw)

    def close(self) -> None:
        self._builder.close()


class _Outgoing:
    """The body that a client hands over: of a file it takes what would have left."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._start = body.tell() if hasattr(body, "tell") else 0

    def read(self) -> bytes:
        body = self._body
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            return body.encode()
        return b"" if body is None else body if isinstance(body, bytes) else b"".join(body)

    def leave(self, answer: Response | NoAnswer) -> None:
        """Put the file where this answer, or this accident, finds the client's sending."""
        if not hasattr(self._body, "seek"):
            return
        end = self._body.seek(0, io.SEEK_END)
        if answer in (NoAnswer.REFUSED, NoAnswer.CONNECT_TIMEOUT):
            self._body.seek(self._start)
        elif answer is NoAnswer.RESET_UNREAD:
            self._body.seek((self._start + end) // 2)


class _Body(io.RawIOBase):
    """A body that arrives piece by piece on the clock, to be read as from `http.client`."""

    def __init__(self, answer: Response, clock: Clock, read_timeout: float | None) -> None:
        super().__init__()
        self._pieces = pieces(answer)
        self._missing = int(answer.header("Content-Length") or 0)
        self._clock = clock
        self._read_timeout = read_timeout
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._buffer:
            upcoming = next(self._pieces, None)
            if upcoming is None:
                return 0
            seconds, self._buffer = upcoming
            if self._read_timeout is not None and seconds > self._read_timeout:
                self._clock.sleep(self._read_timeout)
                raise TimeoutError("timed out")
            self._clock.sleep(seconds)
        count = min(len(buffer), len(self._buffer))
        buffer[:count] = self._buffer[:count]
        self._buffer = self._buffer[count:]
        self._missing -= count
        return count

    def read1(self, size: int = -1, /) -> bytes:
        """What one read of the socket would bring."""
        return self.read(size if size >= 0 else 65536) or b""

    def readall(self) -> bytes:
        data = super().readall()
        if self._missing > 0:
            raise http.client.IncompleteRead(data, self._missing)
        return data


def _received(request: requests.PreparedRequest, outgoing: _Outgoing) -> Request:
    """The request as it would arrive, with the Host header that goes out without being asked for."""
    headers = tuple((str(name), _text(value)) for name, value in request.headers.items())
    if not any(name.lower() == "host" for name, _ in headers):
        headers = (("Host", urlsplit(request.url or "").netloc), *headers)
    return Request(request.method or "GET", request.path_url, headers, outgoing.read)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _seconds(timeout: Any) -> tuple[float | None, float | None]:
    if isinstance(timeout, tuple):
        connect, read = timeout
        return connect, read
    return timeout, timeout


def _accident(
    answer: NoAnswer,
    request: requests.PreparedRequest,
    clock: Clock,
    connect_timeout: float | None,
    read_timeout: float | None,
) -> requests.exceptions.RequestException:
    """The exception that the same accident on a socket ends in, after the time that it takes there."""
    host = urlsplit(request.url or "").hostname or ""
    connection: Any = urllib3.connection.HTTPConnection(host)
    pool = urllib3.HTTPConnectionPool(host)
    match answer:
        case NoAnswer.REFUSED:
            refused = NewConnectionError(connection, "[Errno 111] Connection refused")
            return requests.exceptions.ConnectionError(MaxRetryError(pool, request.path_url, refused), request=request)
        case NoAnswer.CONNECT_TIMEOUT:
            clock.sleep(PATIENCE if connect_timeout is None else connect_timeout)
            late = ConnectTimeoutError(connection, "timed out")
            return requests.exceptions.ConnectTimeout(MaxRetryError(pool, request.path_url, late), request=request)
        case NoAnswer.SILENCE if read_timeout is not None:
            clock.sleep(read_timeout)
            return requests.exceptions.ReadTimeout("Read timed out.", request=request)
        case NoAnswer.SILENCE:
            clock.sleep(PATIENCE)
            return _aborted(request)
        case NoAnswer.RESET | NoAnswer.RESET_UNREAD:
            return _aborted(request)


def _aborted(request: requests.PreparedRequest) -> requests.exceptions.ConnectionError:
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)
