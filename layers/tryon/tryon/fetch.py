"""Guarded, streaming download of results: the one place that opens an address which the service chose.

An address of a result is a secret while it lives (whoever has it has the picture), so no message, cause or
log record of this module holds more of it than the host.
"""

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from tryon import inflate
from tryon.clock import Clock
from tryon.result_formats import HEAD_BYTES, End, ResultFormat, end_of, format_of, size_of

CHUNK_BYTES = 8192
SOCKET_SECONDS = 30.0
MAX_BYTES = 100_000_000
MAX_SECONDS = 120.0

# A host with many addresses may not multiply the connect time-out by their number.
_MAX_ADDRESSES_TRIED = 3
_MAX_URL_LENGTH = 8192
# How long a server may keep a connection open after everything that it announced, or after the picture's end.
_LINGER_SECONDS = 3.0


class FetchError(Exception):
    """A result could not be had; the message names the host, never the address."""


class ResultRefusedError(FetchError):
    """The guard forbids it: the address, where it leads, or what comes back. Never worth another try."""


class ResultUnavailableError(FetchError):
    """No complete answer this time: another try may get one."""


class WrongLengthError(ResultUnavailableError):
    """The picture is longer or shorter than was announced; it can be had by those who do not need its length."""


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
# Scheme, host and port in ASCII, without user info, and then nothing that could belong to them: every URL parser
# reads alike what this pattern accepts. The target is whatever a request line can carry; a fragment is never sent.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?([/?][^\x00-\x1f\x7f#]*)?(?:\#.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_NOT_FOR_A_REQUEST_LINE = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True)
class Address:
    """Where a result lies. `target` is what the request line asks for, as the service wrote it."""

    scheme: str
    host: str
    port: int
    # Whoever has it has the picture.
    target: str = field(repr=False)

    @property
    def url(self) -> str:
        """The whole address; the port only where it is not the scheme's own."""
        usual = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{self.host}{'' if self.port == usual else f':{self.port}'}{self.target}"


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
        return self.address(url).host

    def address(self, url: str) -> Address:
        """The place to ask for an address that may be fetched.

        Its target is sent byte for byte, since a signature covers how it is written. Only what a request line
        cannot carry, blanks and characters beyond ASCII, is percent-encoded as UTF-8, as browsers do; a fragment
        is left out. An http address without a port of its own is asked over https where that is allowed. Raises
        `ResultRefusedError` for an address that may not be fetched.
        """
        match = _URL.fullmatch(url) if len(url) <= _MAX_URL_LENGTH else None
        if match is None:
            raise ResultRefusedError("the result's address is not a plain http(s) URL with a host name")
        scheme, host, target = match[1].lower(), match[2].lower(), match[4] or "/"
        port = int(match[3] or (443 if scheme == "https" else 80))
        if (scheme, port) == ("http", 80) and self.match("https", host, 443) is not None:
            scheme, port = "https", 443
        if self.match(scheme, host, port) is None:
            raise ResultRefusedError(f"{scheme}://{host}:{port} is not among the origins that results may come from")
        try:
            target = _NOT_FOR_A_REQUEST_LINE.sub(lambda found: quote(found[0]), target)
        except UnicodeEncodeError:
            raise ResultRefusedError(f"the result's address at {host} holds half a character") from None
        return Address(scheme, host, port, target if target.startswith("/") else "/" + target)


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


@cache
def _trusting(authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Answer(HTTPResponse):
    """An answer whose body goes on until the server ends it; `http.client` would stop where a header says."""

    def begin(self) -> None:
        super().begin()
        if self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            return
        coding = self.headers.get("Transfer-Encoding", "").strip().lower()
        if not self.chunked and coding.endswith("chunked"):
            self.chunked, self.chunk_left = True, None
        self.length = None


class _Connection(HTTPConnection):
    """One request over a connection that the dialer made."""

    response_class = _Answer

    def __init__(self, connection: socket.socket, address: Address, timeout: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout)
        if address.scheme == "https":
            self.default_port = 443
        self.sock = connection


class _Raw:
    """The answer as `requests` wants it: status, headers and the body as it comes."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._answer = connection.getresponse()
        self.status = self._answer.status
        self.headers = urllib3.HTTPHeaderDict(self._answer.headers.items())

    def read1(self, amount: int, decode_content: bool = False) -> bytes:  # urllib3's own shape
        return self._answer.read1(amount)

    def read(self, amount: int | None = None) -> bytes:
        return self._answer.read(amount)

    def wait_at_most(self, seconds: float) -> None:
        """Give each receive that still comes so much time."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class _GuardedAdapter(BaseAdapter):
    """Sends one request over one connection, and its address as it is written.

    Not through urllib3's pools, which write an address anew (`%7e`, `{`, dots, an empty query) on its way.
    """

    def __init__(self, dialer: _Dialer) -> None:
        super().__init__()
        self._dialer = dialer

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = SOCKET_SECONDS,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        address = self._dialer.policy.address(request.url or "")
        seconds = timeout[1] if isinstance(timeout, tuple) else timeout
        plain = self._dialer.dial(address.scheme, address.host, address.port, seconds)
        try:
            if address.scheme == "https":
                # The name, not the address that was dialled, is what the certificate has to be for.
                authorities = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
                plain = _trusting(authorities).wrap_socket(plain, server_hostname=address.host)
            connection = _Connection(plain, address, seconds)
            connection.putrequest("GET", address.target, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            raw = _Raw(connection)
        except BaseException:
            plain.close()
            raise
        response = requests.Response()
        response.status_code = raw.status
        response.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        response.raw = raw
        response.url = address.url
        response.request = request
        return response

    def close(self) -> None:
        pass


class _GuardedSession(requests.Session):
    """Looks at every address before any adapter sees it, even one that a test or the local stack mounted."""

    def __init__(self, policy: OriginPolicy) -> None:
        super().__init__()
        self._policy = policy

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # requests' own types
        request.url = self._policy.address(request.url or "").url
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
    return session


# --- the download -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResultStream:
    """A picture on its way: `chunks` yields its bytes once, in pieces of about 8 KB, of 64 KB when they were packed.

    `content_length` is in bytes, as announced, None when it was not; `width` and `height` are in pixels, None
    while no piece that was read shows them. Reading `chunks` raises `FetchError` subclasses.
    """

    format: ResultFormat
    content_length: int | None
    chunks: Iterator[bytes] = field(repr=False)
    end: End = field(repr=False)
    first_size: tuple[int, int] | None = None

    @property
    def width(self) -> int | None:
        size = self.first_size or self.end.size
        return size[0] if size else None

    @property
    def height(self) -> int | None:
        size = self.first_size or self.end.size
        return size[1] if size else None


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
    with _Cutter(max_seconds) as cutter, closing(_ask(session, address, cutter, max_seconds)) as response:
        wire = _Wire(response, address.host, clock, deadline, max_bytes, cutter)
        yield _result(wire, response, address.host, max_bytes)


def _result(wire: "_Wire", response: requests.Response, host: str, max_bytes: int) -> ResultStream:
    coding = response.headers.get("Content-Encoding", "")
    pieces, packed = _unpacked(_capped(wire, host, max_bytes), coding, host, max_bytes)
    try:
        stream = recognise(pieces, host, None if packed else wire.announced)
    except NotAnImageError as error:
        unread = _UNREAD_CODINGS.intersection(inflate.names(coding))
        if unread or packed or response.status_code != HTTPStatus.OK or wire.may_be_cut:
            # None of these is the plain answer that was asked for: the next one may be.
            how = f" in the coding {', '.join(sorted(unread))}" if unread else ""
            raise ResultUnavailableError(f"{error}{how} (status {response.status_code})") from None
        raise
    return replace(stream, chunks=_whole(stream, host, wire))


_UNREAD_CODINGS = {"br", "zstd", "compress", "x-compress", "dcb", "dcz"}


def _unpacked(pieces: Iterator[bytes], coding: str, host: str, max_bytes: int) -> tuple[Iterator[bytes], bool]:
    """The content of what may be packed, and whether it was; that a picture is none of it shows in its bytes."""
    packed = False
    for _ in range(inflate.MOST_LAYERS):
        head, pieces = inflate.peeked(pieces, HEAD_BYTES)
        bits = None if format_of(head) else inflate.window(head, "" if packed else coding)
        if bits is None:
            break
        pieces, packed = _capped(_named(inflate.inflated(pieces, bits), host), host, max_bytes), True
    return pieces, packed


def _capped(pieces: Iterator[bytes], source: str, max_bytes: int) -> Iterator[bytes]:
    """Let `max_bytes` pass, to the byte, so that a picture that ends within them is not lost to what follows it."""
    room = max_bytes
    for piece in pieces:
        if room:
            yield piece[:room]
        room -= len(piece)
        if room < 0:
            raise ResultRefusedError(f"{source} sent more than {max_bytes} bytes")


def _named(pieces: Iterator[bytes], host: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except inflate.InflateError as error:
        raise ResultUnavailableError(f"{host} sent a packed body that cannot be unpacked ({error})") from None


def _whole(stream: ResultStream, source: str, wire: "_Wire | None" = None) -> Iterator[bytes]:
    """Let a picture pass; what breaks after its end breaks nothing.

    Raises `ResultUnavailableError` when the bytes end before the picture does, whatever was announced.
    """
    end, passed = stream.end, 0
    try:
        for piece in stream.chunks:
            passed += len(piece)
            yield piece
            if wire is not None and wire.told_all(picture_ended=end.seen):
                return
    except FetchError:
        if not end.seen:
            raise
    if not end.seen:
        raise ResultUnavailableError(f"{source} sent {passed} bytes, which end before the picture does")


def stream_of(data: bytes, *, max_bytes: int = MAX_BYTES) -> ResultStream:
    """The same for a picture that came inside the service's answer.

    Raises `ResultRefusedError` when it is too large and `NotAnImageError` when it is none.
    """
    if len(data) > max_bytes:
        raise ResultRefusedError(f"the result is {len(data)} bytes, more than {max_bytes}")
    view = memoryview(data)
    pieces = (bytes(view[start : start + CHUNK_BYTES]) for start in range(0, len(data), CHUNK_BYTES))
    stream = recognise(pieces, "the service", len(data))
    return replace(stream, chunks=_whole(stream, "the service"))


def _ask(session: requests.Session, address: Address, cutter: _Cutter, max_seconds: float) -> requests.Response:
    seconds = min(SOCKET_SECONDS, max_seconds)
    token = _asking.set(cutter)
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
        _asking.reset(token)
    # Raised out here, because an exception keeps the one it was raised in, and that one's text holds the
    # address.
    raise ResultUnavailableError(_broken_off(address.host, failure, cutter, max_seconds))


def _broken_off(host: str, failure: str, cutter: _Cutter, max_seconds: float) -> str:
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
        cutter: _Cutter,
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
            if isinstance(self._raw, _Raw):
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


def recognise(pieces: Iterator[bytes], source: str, length: int | None) -> ResultStream:
    """Read as many pieces as tell what picture they are of; the stream still yields all of them.

    Raises `NotAnImageError`, naming the source.
    """
    head, pieces = inflate.peeked(pieces, HEAD_BYTES)
    found = format_of(head)
    if found is None:
        raise NotAnImageError(f"{source} sent no picture but {_appearance(head)}")
    end = end_of(found)
    return ResultStream(found, length, _followed(pieces, end), end, size_of(found, head))


def _followed(pieces: Iterator[bytes], end: End) -> Iterator[bytes]:
    for piece in pieces:
        end.feed(piece)
        yield piece


def _appearance(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"": "nothing", b"<": "HTML or XML", b"{": "JSON", b"[": "JSON"}.get(text, "something else")
