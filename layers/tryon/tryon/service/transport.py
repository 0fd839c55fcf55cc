"""One request to a service: sent once, never redirected, its answer limited in size.

Whichever client makes the request, it leaves through here, so that all know the same about what was sent.
"""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException

import requests
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from tryon.inflate import MOST_LAYERS, InflateError, inflated, peeked, window
from tryon.service.errors import (
    ServiceAccessError,
    ServiceError,
    ServiceUnavailableError,
    ServiceUnreachableError,
    SubmitOutcomeUnknownError,
)

# What requests, urllib3, http.client and the system raise between them; RequestException is an OSError.
_BROKEN = (OSError, HTTPError, HTTPException, ValueError)

REFUSAL_LIMIT = 64 * 1024
"""Bytes that are read of an answer without success: a code and a sentence have a few hundred."""

_BLOCK_BYTES = 8192

_ENDPOINT = re.compile(r"(?:(https?)://)?((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)/?")


@dataclass(frozen=True)
class Answer:
    """What came back, readable or not; `body` ends where the connection broke or at the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """Not even a status line came back; `sent` is whether the whole request had left."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


def post(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    timeout: tuple[float, float],
    limit: int,
    reuse: bool,
) -> Answer:
    """POST `body` as it is; `timeout` is connect and read in seconds, `limit` the bytes of answer to read, unpacked.

    Of a refusal `REFUSAL_LIMIT` bytes are read, of a redirect nothing. Without `reuse` the connection is closed
    afterwards. Raises `NoAnswerError`.
    """
    # From a file object a body leaves in blocks, each with a timeout to itself, while one sendall of 20 MB
    # would get the connect timeout for all of it. And how far it was read proves what cannot have arrived.
    outgoing = io.BytesIO(body)
    try:
        return _exchange(session, "POST", url, headers, outgoing, timeout=timeout, limit=limit, reuse=reuse)
    except _BROKEN as error:
        # Not by the error's name: a TLS handshake that stalls is a ReadTimeout too.
        raise NoAnswerError(type(error).__name__, sent=outgoing.tell() >= len(body)) from error


def get(
    session: requests.Session, url: str, headers: Mapping[str, str], *, timeout: tuple[float, float], limit: int
) -> Answer:
    """Ask a question, as `post` sends, over a connection that is kept; raises `NoAnswerError`."""
    try:
        return _exchange(session, "GET", url, headers, None, timeout=timeout, limit=limit, reuse=True)
    except _BROKEN as error:
        raise NoAnswerError(type(error).__name__, sent=True) from error


def _exchange(
    session: requests.Session,
    method: str,
    url: str,
    headers: Mapping[str, str],
    outgoing: io.BytesIO | None,
    *,
    timeout: tuple[float, float],
    limit: int,
    reuse: bool,
) -> Answer:
    if not reuse:
        # A connection kept over a Lambda's freeze may be dead unnoticed: a submission sent into it would get
        # no answer and count as one whose outcome is unknown.
        headers = {**headers, "Connection": "close"}
    # Prepared outside the session: its .netrc look-up would open a file and overwrite the signature.
    request = requests.Request(method, url, headers=dict(headers), data=outgoing).prepare()
    settings = session.merge_environment_settings(url, {}, True, None, None)
    # By the adapter, because a session reads a redirect's body whole, even when it does not follow it.
    response = session.get_adapter(url).send(request, timeout=timeout, **settings)  # type: ignore[arg-type] # `verify` is never None here
    with response:
        status = response.status_code
        if 300 <= status < 400:
            return Answer(status, response.headers, b"")
        body = _read(response, limit if status < 300 else min(limit, REFUSAL_LIMIT))
        return Answer(status, response.headers, body)


def submit_failure(error: NoAnswerError) -> ServiceError:
    """What a submit without an answer means: a task may exist only if the whole request had left."""
    if error.sent:
        return SubmitOutcomeUnknownError(
            f"the submission was sent and no answer came ({error}): a task may exist and be billed"
        )
    return ServiceUnreachableError(f"the submission could not be sent ({error}): no task was made")


def result_failure(error: NoAnswerError) -> ServiceError:
    """What a poll without an answer means: nothing about the task."""
    return ServiceUnavailableError(f"the service gave no answer about the task ({error})")


def origin(endpoint: str) -> tuple[str, str]:
    """Scheme and host[:port] of the stack's parameter; https unless it says http.

    Raises `ServiceAccessError`: with a wrong address no call can succeed.
    """
    address = _ENDPOINT.fullmatch(endpoint)
    if not address:
        raise ServiceAccessError("the endpoint must be a bare address such as https://service.example")
    return address[1] or "https", address[2]


def _read(response: requests.Response, limit: int) -> bytes:
    received = bytearray()
    # An answer that breaks off is kept as far as it came: its status still counts, a whole task_id in it too.
    with contextlib.suppress(*_BROKEN, InflateError):
        pieces, coding = _pieces(response), response.headers.get("Content-Encoding", "")
        for _ in range(MOST_LAYERS):
            head, pieces = peeked(pieces, 2)
            bits = window(head, coding)
            if bits is None:
                break
            pieces, coding = inflated(pieces, bits), ""
        for piece in pieces:
            received += piece[: limit - len(received)]
            if len(received) == limit:
                break
    return bytes(received)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    # What is packed is unpacked here: urllib3 takes its word for it from a header, and whole pieces at once.
    raw = {"decode_content": False} if isinstance(response.raw, HTTPResponse) else {}
    while block := response.raw.read1(_BLOCK_BYTES, **raw):
        yield block
