"""Guarded, streaming download of results: the one place that opens an address which somebody else chose.

An address of a result is a secret while it lives (whoever has it has the picture), so no message, cause or
log record of this module holds more of it than the host.
"""

import ipaddress
import logging
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from itertools import chain
from types import TracebackType
from typing import Any, Literal, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tryon.clock import Clock

ResultFormat = Literal["png", "jpeg", "webp"]

CHUNK_BYTES = 8192
SOCKET_SECONDS = 30.0
MAX_BYTES = 100_000_000
MAX_SECONDS = 120.0

# A host with many addresses may not multiply the connect time-out by their number.
_MAX_ADDRESSES_TRIED = 3
_MAX_URL_LENGTH = 8192
# Enough for the size fields of PNG (24 bytes) and WebP (30).
_HEAD_BYTES = 64


class FetchError(Exception):
    """A result could not be had; the message names the host, never the address."""


class ResultRefusedError(FetchError):
    """The guard forbids it: the address, where it leads, or what comes back. Never worth another try."""


class ResultUnavailableError(FetchError):
    """No complete answer this time: another try may get one."""


class ResultGoneError(FetchError):
    """The address works no more (403, 404, 410 …): only a new one from the service can help."""


class NotAnImageError(FetchError):
    """What came back is no PNG, JPEG or WebP, whatever its status and content type say."""


# --- addresses ----------------------------------------------------------------------------------------------

# The IANA special-purpose registries (RFC 6890 and its updates), written out because `ipaddress.is_global`
# differs between Python 3.11, 3.12 and 3.13. 168.63.129.16 is Azure's host channel on a public number; the
# other clouds' metadata services live in link-local, CGNAT, 192.0.0.0/24 and fc00::/7, all covered by the
# ranges.
_FORBIDDEN_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Global unicast is 2000::/3 and nothing else; out of it go the protocol assignments (Teredo among them), the
# documentation ranges and 6to4. No picture host lives behind a tunnel, so tunnels are refused whole, whatever
# IPv4 address they carry.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_V6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet, so that nothing of ours can be behind it.

    IPv4-mapped and NAT64 addresses count as the IPv4 address inside; 6to4, Teredo and local NAT64 are never
    public.
    """
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded_v4(address)
        if embedded is None:
            return address in _GLOBAL_V6 and not any(address in network for network in _FORBIDDEN_V6)
        address = embedded
    return not any(address in network for network in _FORBIDDEN_V4)


def _embedded_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    # In a VPC with IPv6 only, every IPv4 host of the internet is reached by its NAT64 address.
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


# --- the policy ---------------------------------------------------------------------------------------------

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: this alone keeps out dotted, decimal, octal and hexadecimal IPv4 forms.
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_LOCAL_HOSTS = ("127.0.0.1", "host.docker.internal")
_ORIGIN = re.compile(r"(https?)://(\*\.)?([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?")
# No user info, brackets, backslash, fragment, white space or character outside ASCII: what this pattern
# accepts, every URL parser reads alike.
_URL = re.compile(r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?(?:[/?][!-\"$-\[\]-~]*)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """A place that results may come from; `subdomains` means every host below `host`, not `host` itself."""

    scheme: str
    host: str
    port: int
    subdomains: bool = False

    @property
    def local(self) -> bool:
        """Whether this is a stand-in on the developer's machine, which may have a private address."""
        return self.host in _LOCAL_HOSTS

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != (self.scheme, self.port):
            return False
        if self.subdomains:
            return host.endswith(f".{self.host}") and _HOST.fullmatch(host) is not None
        return host == self.host


@dataclass(frozen=True)
class OriginPolicy:
    """The only origins that results are fetched from."""

    origins: tuple[Origin, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a list of origins, separated by commas or white space.

        `https://cdn.example.com` is that host; `https://*.example.com` every host below it; plain http only
        as `http://127.0.0.1:<port>` or `http://host.docker.internal:<port>`, for a stand-in of the service.
        Raises `ValueError` naming the origin that is none of these, or when there is none at all.
        """
        origins = tuple(_origin(item) for item in re.split(r"[,\s]+", text.strip()) if item)
        if not origins:
            raise ValueError("no origin is allowed, so no result could be fetched")
        return cls(origins)

    def match(self, scheme: str, host: str, port: int) -> Origin | None:
        """The listed origin that covers a place, if any."""
        return next((origin for origin in self.origins if origin.covers(scheme, host, port)), None)

    def vet(self, url: str) -> str:
        """The host of an address that may be fetched.

        Raises `ResultRefusedError` for any other.
        """
        match = _URL.fullmatch(url) if len(url) <= _MAX_URL_LENGTH else None
        if match is None:
            raise ResultRefusedError("the result's address is not a plain http(s) URL with a host name")
        scheme, host = match[1].lower(), match[2].lower()
        port = int(match[3] or (443 if scheme == "https" else 80))
        if self.match(scheme, host, port) is None:
            raise ResultRefusedError(f"{scheme}://{host}:{port} is not among the origins that results may come from")
        return host


def _origin(text: str) -> Origin:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an origin such as https://*.example.com")
    scheme, wildcard, host, port = match.groups()
    if host in _LOCAL_HOSTS:
        if scheme != "http" or wildcard or port is None or int(port) > 65535:
            raise ValueError(f"{text!r}: a stand-in's origin is written as http://{host}:<port>")
        return Origin("http", host, int(port))
    if scheme != "https":
        raise ValueError(f"{text!r}: results come over https only")
    if port not in (None, "443"):
        raise ValueError(f"{text!r}: results come from port 443 only")
    # `*.com` would let anybody in.
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r}: the host must be a name of at least two labels, and no number")
    return Origin("https", host, 443, subdomains=wildcard is not None)


# --- the session --------------------------------------------------------------------------------------------

Resolver = Callable[..., list[Any]]
"""`socket.getaddrinfo`, or a fake with its shape."""

Connector = Callable[[str, int, float], socket.socket]
"""Opens a TCP connection to a numeric address and port, with a time-out in seconds."""


def _connect(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


class _Cutter:
    """Ends a download's connections when its time is up, wherever they block.

    A socket's time-out starts anew with every byte, so a server that drips its TLS handshake or its headers
    would hold the caller for hours before the first chunk could be timed. Duplicated descriptors, because TLS
    takes over the first one.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.fired = False

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            if not self._sockets:
                self._timer.start()
            self._sockets.append(connection.dup())

    def _cut(self) -> None:
        with self._lock:
            self.fired = True
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()


_asking: ContextVar[_Cutter | None] = ContextVar("_asking", default=None)


def _keep_addresses_out(record: logging.LogRecord) -> bool:
    return _asking.get() is None


@dataclass(frozen=True)
class _Dialer:
    """Turns a host into a connection to an address of it that was looked at first."""

    policy: OriginPolicy
    resolver: Resolver
    connect: Connector

    def dial(self, scheme: str, host: str, port: int, timeout: float) -> socket.socket:
        origin = self.policy.match(scheme, host, port)
        if origin is None:
            raise ResultRefusedError(f"{host} is not among the origins that results may come from")
        addresses = self._addresses(host, port)
        for address in addresses:
            if not (_may_be_local(address) if origin.local else is_public(address)):
                raise ResultRefusedError(f"{host} leads to {address}, where no result can come from")
        failure = ""
        for address in addresses[:_MAX_ADDRESSES_TRIED]:
            try:
                # The address itself, not the name: a second look-up could answer differently (DNS rebinding).
                connection = self.connect(str(address), port, timeout)
            except OSError as error:
                failure = type(error).__name__
                continue
            cutter = _asking.get()
            if cutter is not None:
                cutter.watch(connection)
            return connection
        raise ResultUnavailableError(f"{host} cannot be connected to ({failure})")

    def _addresses(self, host: str, port: int) -> list[IPAddress]:
        try:
            answers = self.resolver(host, port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            answers = []
        addresses = [
            ipaddress.ip_address(sockaddr[0])
            for family, _, _, _, sockaddr in answers
            if family in (socket.AF_INET, socket.AF_INET6)
        ]
        if not addresses:
            raise ResultUnavailableError(f"{host} has no address now")
        return addresses


def _may_be_local(address: IPAddress) -> bool:
    # A listed stand-in is on this machine or its container bridge; link-local is where metadata services are.
    return (address.is_loopback or address.is_private) and not (
        address.is_link_local or address.is_unspecified or address.is_multicast
    )


def _guarded_pools(dialer: _Dialer) -> dict[str, type[HTTPConnectionPool]]:
    # `_new_conn` is where urllib3 resolves and connects; TLS comes after it and still checks `self.host`.
    def seconds(connection: HTTPConnection) -> float:
        timeout = connection.timeout
        return float(timeout) if isinstance(timeout, int | float) else SOCKET_SECONDS

    class PlainConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return dialer.dial("http", self.host, self.port or 80, seconds(self))

    class TLSConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return dialer.dial("https", self.host, self.port or 443, seconds(self))

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    return {"http": PlainPool, "https": TLSPool}


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, dialer: _Dialer) -> None:
        self._dialer = dialer
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # the types are requests' own
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self._dialer)


class _GuardedSession(requests.Session):
    """Looks at every address before any adapter sees it, even one that a test or the local stack mounted."""

    def __init__(self, policy: OriginPolicy) -> None:
        super().__init__()
        self._policy = policy

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # requests' own types
        self._policy.vet(request.url or "")
        kwargs.update(allow_redirects=False, verify=self.verify, proxies={})
        return super().send(request, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> None:
        # Even unfollowed, requests would read a redirect's whole body into memory to prepare the next
        # request.
        return None


def guarded_session(
    policy: OriginPolicy, *, resolver: Resolver = socket.getaddrinfo, connect: Connector = _connect
) -> requests.Session:
    """A session that reaches only what a policy allows, at addresses that were looked at before connecting.

    No redirects, no proxies or other settings from the environment, no cookies, no retries. Another adapter
    may be mounted on an origin; the policy holds for it too.
    """
    session = _GuardedSession(policy)
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    adapter = _GuardedAdapter(_Dialer(policy, resolver, connect))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # urllib3 logs path and query: of each request at DEBUG, of one with broken headers at WARNING.
    for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_keep_addresses_out)
    return session


# --- the download -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResultStream:
    """A picture on its way: `chunks` yields its bytes once, in pieces of about 8 KB.

    `content_length` is in bytes, None when it was not announced; `width` and `height` are in pixels, None
    when the first piece does not show them. Reading `chunks` raises `FetchError` subclasses.
    """

    format: ResultFormat
    content_length: int | None
    chunks: Iterator[bytes] = field(repr=False)
    width: int | None = None
    height: int | None = None


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

    `max_seconds` bounds everything from the connection to the last byte. Raises `ResultRefusedError`,
    `ResultUnavailableError`, `ResultGoneError` or `NotAnImageError`, then and while reading.
    """
    host = policy.vet(url)
    deadline = clock.now() + max_seconds
    with _Cutter(max_seconds) as cutter, closing(_ask(session, url, host, cutter, max_seconds)) as response:
        length = _announced_length(response, host, max_bytes)
        pieces = _pieces(response.raw, host, length, clock, deadline, max_bytes, cutter)
        yield recognise(pieces, host, length)


def stream_of(data: bytes, *, max_bytes: int = MAX_BYTES) -> ResultStream:
    """The same for a picture that came inside the service's answer.

    Raises `ResultRefusedError` when it is too large and `NotAnImageError` when it is none.
    """
    if len(data) > max_bytes:
        raise ResultRefusedError(f"the result is {len(data)} bytes, more than {max_bytes}")
    view = memoryview(data)
    pieces = (bytes(view[start : start + CHUNK_BYTES]) for start in range(0, len(data), CHUNK_BYTES))
    return recognise(pieces, "the service", len(data))


def _ask(session: requests.Session, url: str, host: str, cutter: _Cutter, max_seconds: float) -> requests.Response:
    seconds = min(SOCKET_SECONDS, max_seconds)
    token = _asking.set(cutter)
    headers = {**session.headers, "Accept-Encoding": "identity", "Accept": "image/*"}
    try:
        # Not `session.get`: tracers such as X-Ray's wrap it, and record the address and the errors that hold it.
        request = requests.Request("GET", url, headers=headers).prepare()
        response = session.send(request, stream=True, timeout=(seconds, seconds))
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        failure = type(error).__name__
    else:
        return _accepted(response, host)
    finally:
        _asking.reset(token)
    # Raised out here, because an exception keeps the one it was raised in, and that one's text holds the
    # address.
    raise ResultUnavailableError(_broken_off(host, failure, cutter, max_seconds))


def _broken_off(host: str, failure: str, cutter: _Cutter, max_seconds: float) -> str:
    if cutter.fired:
        return f"{host} took longer than {max_seconds:g} s"
    return f"{host} did not answer in full ({failure})"


def _accepted(response: requests.Response, host: str) -> requests.Response:
    status = response.status_code
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if status == 200 and encoding in ("", "identity"):
        return response
    response.close()
    if status == 200:
        raise ResultRefusedError(f"{host} sent an encoded body, though none was asked for")
    if 300 <= status < 400:
        raise ResultRefusedError(f"{host} answered {status}: redirects are not followed")
    if 400 <= status < 500 and status not in (408, 425, 429):
        raise ResultGoneError(f"{host} answered {status}: the result's address works no more")
    raise ResultUnavailableError(f"{host} answered {status}")


def _announced_length(response: requests.Response, host: str, max_bytes: int) -> int | None:
    if response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
        return None
    text = response.headers.get("Content-Length", "").strip()
    if not re.fullmatch(r"[0-9]{1,15}", text):
        # Without either, a cut connection would look like the end of the picture.
        raise ResultUnavailableError(f"{host} announced neither a length nor chunks")
    length = int(text)
    if length > max_bytes:
        raise ResultRefusedError(f"{host} announced {length} bytes, more than {max_bytes}")
    return length


def _pieces(
    raw: urllib3.HTTPResponse,
    host: str,
    length: int | None,
    clock: Clock,
    deadline: float,
    max_bytes: int,
    cutter: _Cutter,
) -> Iterator[bytes]:
    received = 0
    while True:
        failure = ""
        piece = b""
        try:
            # `read1` returns after one receive; `read` would wait for the whole 8 KB before the time can be
            # checked.
            piece = raw.read1(CHUNK_BYTES, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failure = type(error).__name__
        if cutter.fired or clock.now() > deadline:
            raise ResultUnavailableError(f"{host} took too long: {received} bytes came in the time allowed")
        if failure:
            raise ResultUnavailableError(f"{host} broke off after {received} bytes ({failure})")
        if not piece:
            break
        received += len(piece)
        if received > max_bytes:
            raise ResultRefusedError(f"{host} sent more than {max_bytes} bytes")
        yield piece
    if length is not None and received != length:
        raise ResultUnavailableError(f"{host} sent {received} bytes of the {length} announced")


def recognise(pieces: Iterator[bytes], source: str, length: int | None) -> ResultStream:
    """Read as many pieces as tell what picture they are of; the stream still yields all of them.

    Raises `NotAnImageError`, naming the source.
    """
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    found = _format_of(head)
    if found is None:
        raise NotAnImageError(f"{source} sent no picture but {_appearance(head)}")
    width, height = _SIZES[found](head) or (None, None)
    return ResultStream(found, length, chain((head,), pieces), width, height)


def _format_of(head: bytes) -> ResultFormat | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def _appearance(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"": "nothing", b"<": "HTML or XML", b"{": "JSON", b"[": "JSON"}.get(text, "something else")


def _png_size(head: bytes) -> tuple[int, int] | None:
    return struct.unpack_from(">II", head, 16) if len(head) >= 24 else None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


_SIZES: dict[ResultFormat, Callable[[bytes], tuple[int, int] | None]] = {
    "png": _png_size,
    "jpeg": _jpeg_size,
    "webp": _webp_size,
}
