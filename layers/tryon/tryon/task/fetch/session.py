"""A session that reaches nothing but public addresses of those hosts, and whose connections can be cut."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from tryon.task.fetch.addresses import IPAddress, is_public
from tryon.task.fetch.errors import ResultRefusedError, ResultUnavailableError
from tryon.task.fetch.origins import Address, OriginPolicy

SOCKET_SECONDS = 30.0

# A host with many addresses may not multiply the connect time-out by their number.
_MAX_ADDRESSES_TRIED = 3

Resolver = Callable[..., list[Any]]
"""`socket.getaddrinfo`, or a fake with its shape."""

Connector = Callable[[str, int, float], socket.socket]
"""Opens a TCP connection to a numeric address and port, with a time-out in seconds."""


def _connect(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


class Cutter:
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


asking: ContextVar[Cutter | None] = ContextVar("asking", default=None)


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
            cutter = asking.get()
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


class Raw:
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
            raw = Raw(connection)
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
