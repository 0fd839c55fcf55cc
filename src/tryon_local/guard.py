"""No connection from this process leaves the machine while a stack runs in it."""

import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from typing import Any

_NAMES = ("localhost", "ip6-localhost", socket.gethostname())
_lock = threading.Lock()
_allowed: list[Collection[str]] = []
_hooked = False


class ForeignAddressError(RuntimeError):
    """Raised instead of a connection to another machine; no OSError, which clients would take for a bad network."""

    def __init__(self, address: str) -> None:
        super().__init__(f"the local stack reaches only this machine: a connection to {address} was refused")


@contextlib.contextmanager
def only_this_machine(names: Collection[str] = ()) -> Iterator[None]:
    """Within it, every connection, datagram and question about a name of another machine raises `ForeignAddressError`.

    `names` are names and addresses of this machine besides its loopback's.
    """
    global _hooked
    with _lock:
        _allowed.append(names)
        if not _hooked:
            # It cannot be taken away again; it asks nothing while nothing is guarded.
            sys.addaudithook(_hear)
            _hooked = True
    try:
        yield
    finally:
        with _lock:
            _allowed.remove(names)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _allowed or not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        # A Unix socket's address is a path, a connected socket's none.
        if isinstance(address, tuple) and not is_this_machine(str(address[0])):
            raise ForeignAddressError(":".join(map(str, address[:2])))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name and not is_this_machine(name):
            port = arguments[1] if event == "socket.getaddrinfo" else None
            raise ForeignAddressError(name if port is None else f"{name}:{port}")


def is_this_machine(host: str) -> bool:
    """Whether a name or an address means this machine: the loopback's, or one that a guard was given."""
    name = host.lower().rstrip(".").partition("%")[0]
    if name in _NAMES or name.endswith(".localhost") or any(name in names for names in _allowed):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address.is_unspecified
