"""One attempt at one address, within its time."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPException

import requests
import urllib3

from tryon import inflate
from tryon.clock import Clock
from tryon.result_formats import HEAD_BYTES, format_of
from tryon.task.fetch.errors import NotAnImageError, ResultGoneError, ResultRefusedError, ResultUnavailableError
from tryon.task.fetch.origins import Address, OriginPolicy
from tryon.task.fetch.session import SOCKET_SECONDS, Cutter, Raw, asking
from tryon.task.fetch.stream import CHUNK_BYTES, MAX_BYTES, ResultStream, capped, recognise, whole

MAX_SECONDS = 120.0

# How long a server may keep a connection open after everything that it announced, or after the picture's end.
_LINGER_SECONDS = 3.0


@contextmanager
def open_result(
    session: requests.Session,
    url: str,
    *,
    policy: OriginPolicy,
    clock: Clock,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> Iterator[ResultStream]:
    """Open a result for reading once, and close it at the end.

    Whether it is a picture, how it is packed and whether it is whole is read from its bytes; what the headers say
    of it is a hint. `max_bytes` bounds what is received and what is unpacked, `max_seconds` everything from the
    connection to the last byte. Raises `ResultRefusedError`, `ResultUnavailableError`, `ResultGoneError` or
    `NotAnImageError`, then and while reading.
    """
    address = policy.address(url)
    deadline = clock.now() + max_seconds
    with Cutter(max_seconds) as cutter, closing(_ask(session, address, cutter, max_seconds)) as response:
        wire = _Wire(response, address.host, clock, deadline, max_bytes, cutter)
        yield _result(wire, response, address.host, max_bytes)


def _result(wire: "_Wire", response: requests.Response, host: str, max_bytes: int) -> ResultStream:
    coding = response.headers.get("Content-Encoding", "")
    pieces, packed = _unpacked(capped(wire, host, max_bytes), coding, host, max_bytes)
    try:
        stream = recognise(pieces, host, None if packed else wire.announced)
    except NotAnImageError as error:
        unread = _UNREAD_CODINGS.intersection(inflate.names(coding))
        if unread or packed or response.status_code != HTTPStatus.OK or wire.may_be_cut:
            # None of these is the plain answer that was asked for: the next one may be.
            how = f" in the coding {', '.join(sorted(unread))}" if unread else ""
            raise ResultUnavailableError(f"{error}{how} (status {response.status_code})") from None
        raise
    return replace(stream, chunks=whole(stream, host, wire))


_UNREAD_CODINGS = {"br", "zstd", "compress", "x-compress", "dcb", "dcz"}


def _unpacked(pieces: Iterator[bytes], coding: str, host: str, max_bytes: int) -> tuple[Iterator[bytes], bool]:
    """The content of what may be packed, and whether it was; that a picture is none of it shows in its bytes."""
    packed = False
    for _ in range(inflate.MOST_LAYERS):
        head, pieces = inflate.peeked(pieces, HEAD_BYTES)
        bits = None if format_of(head) else inflate.window(head, "" if packed else coding)
        if bits is None:
            break
        pieces, packed = capped(_named(inflate.inflated(pieces, bits), host), host, max_bytes), True
    return pieces, packed


def _named(pieces: Iterator[bytes], host: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except inflate.InflateError as error:
        raise ResultUnavailableError(f"{host} sent a packed body that cannot be unpacked ({error})") from None


def _ask(session: requests.Session, address: Address, cutter: Cutter, max_seconds: float) -> requests.Response:
    seconds = min(SOCKET_SECONDS, max_seconds)
    token = asking.set(cutter)
    headers = {**session.headers, "Accept-Encoding": "identity", "Accept": "image/*", "Connection": "close"}
    try:
        # Not `session.get`: tracers such as X-Ray's wrap it, and record the address and the errors that hold it.
        # The address is set after `prepare`, which would write it anew.
        request = requests.Request("GET", f"{address.scheme}://{address.host}/", headers=headers).prepare()
        request.url = address.url
        response = session.send(request, stream=True, timeout=(seconds, seconds))
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        failure = type(error).__name__
    else:
        return _accepted(response, address.host)
    finally:
        asking.reset(token)
    # Raised out here, because an exception keeps the one it was raised in, and that one's text holds the
    # address.
    raise ResultUnavailableError(_broken_off(address.host, failure, cutter, max_seconds))


def _broken_off(host: str, failure: str, cutter: Cutter, max_seconds: float) -> str:
    if cutter.fired:
        return f"{host} took longer than {max_seconds:g} s"
    return f"{host} did not answer in full ({failure})"


def _accepted(response: requests.Response, host: str) -> requests.Response:
    status = response.status_code
    if 200 <= status < 300:
        return response
    response.close()
    if 300 <= status < 400:
        raise ResultRefusedError(f"{host} answered {status}: redirects are not followed")
    if 400 <= status < 500 and status not in _PASSING_STATUSES:
        raise ResultGoneError(f"{host} answered {status}: the result's address works no more")
    raise ResultUnavailableError(f"{host} answered {status}")


# Timed out, conflict, misdirected, locked, too early, too many: none of them is about the address.
_PASSING_STATUSES = (408, 409, 421, 423, 425, 429)


class _Wire:
    """A body's bytes as they come, within the time allowed; what was announced about them is kept beside."""

    def __init__(
        self,
        response: requests.Response,
        host: str,
        clock: Clock,
        deadline: float,
        max_bytes: int,
        cutter: Cutter,
    ) -> None:
        self._raw = response.raw
        self._host = host
        self._clock = clock
        self._deadline = deadline
        self._cutter = cutter
        self._received = 0
        self._chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        self.announced = None if self._chunked else _announced(response.headers, max_bytes)

    @property
    def may_be_cut(self) -> bool:
        """Whether nothing but the connection's end says where the body ends, and hardly anything came."""
        return not self._chunked and self.announced is None and self._received < HEAD_BYTES

    def told_all(self, *, picture_ended: bool) -> bool:
        """Whether nothing more is to be waited for: the picture and what was announced are there.

        Where only one of them is, what still comes has a few seconds.
        """
        announced = self.announced is not None and self._received >= self.announced
        if announced or (picture_ended and self.announced is None):
            if isinstance(self._raw, Raw):
                self._raw.wait_at_most(_LINGER_SECONDS)
            if picture_ended:
                self._deadline = min(self._deadline, self._clock.now() + _LINGER_SECONDS)
        return announced and picture_ended

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        failure = ""
        piece = b""
        # Never across the announced end, so that what comes after it can be told apart.
        left = (self.announced or 0) - self._received
        try:
            # `read1` returns after one receive; `read` would wait for the whole 8 KB before the time can be
            # checked.
            piece = self._raw.read1(min(CHUNK_BYTES, left) if left > 0 else CHUNK_BYTES, decode_content=False)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            failure = type(error).__name__
        if self._cutter.fired or self._clock.now() > self._deadline:
            raise ResultUnavailableError(f"{self._host} took too long: {self._received} bytes came in the time allowed")
        if failure:
            raise ResultUnavailableError(f"{self._host} broke off after {self._received} bytes ({failure})")
        if not piece:
            if self.announced is not None and self._received < self.announced:
                raise ResultUnavailableError(
                    f"{self._host} sent {self._received} bytes of the {self.announced} announced"
                )
            raise StopIteration
        self._received += len(piece)
        return piece


def _announced(headers: Mapping[str, str], max_bytes: int) -> int | None:
    """The length that is worth believing: one number, even if it is repeated, of no more than may come."""
    lengths = {text.strip() for text in headers.get("Content-Length", "").split(",")}
    text = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,15}", text) or int(text) > max_bytes:
        return None
    return int(text)
