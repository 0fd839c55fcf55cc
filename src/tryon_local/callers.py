"""Who may ask the servers on this machine: its own programs, and pages that these servers brought themselves.

A browser on this machine is a caller too, and runs pages of anybody's. Such a page may send requests to any port
here, and a name of its own, made to mean this machine, lets it read the answers (DNS rebinding). Both show in
headers that a page cannot set: `Host` holds the name that was asked for, `Origin` and `Sec-Fetch-Site` where the
page came from. The AWS CLI, boto3 and curl send neither of the last two.
"""

import re
from collections.abc import Collection, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?", re.ASCII)
_MOST_READ = 1 << 20
_PIECE = 1 << 16


def refusal(headers: Iterable[tuple[str, str]], names: Collection[str] = ()) -> str | None:
    """Why a request is not answered, None if it is; `names` of this machine are known besides its usual ones.

    A name stands for every name below it too, as `localhost` for a bucket's `pictures.localhost`. A page is at home
    only where it was loaded from: name and port of its origin are those that it asks for.
    """
    found: dict[str, list[str]] = {"host": [], "origin": [], "sec-fetch-site": []}
    for name, value in headers:
        if name.lower() in found:
            found[name.lower()].append(value.strip().lower())
    hosts, origins, sites = found.values()
    if len(hosts) != 1 or not _is_here(hosts[0], names):
        return "this server answers only under the names of its own machine, such as localhost"
    if any(origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}") for origin in origins) or len(origins) > 1:
        return "this server answers no pages of other origins"
    if "cross-site" in sites:
        return "this server answers no pages of other sites"
    return None


def _is_here(host: str, names: Collection[str]) -> bool:
    told = _HOST.fullmatch(host)
    if told is None:
        return False
    known = (*_NAMES, *(name.lower() for name in names))
    # An address has no names below it.
    return told[1] in known or any(told[1].endswith(f".{name}") for name in known if not name[-1:].isdigit())


class CheckedHandler(BaseHTTPRequestHandler):
    """Answers 403, by whatever method, to a caller who may not ask."""

    names: Collection[str] = ()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        why = refusal(self.headers.items(), self.names)
        if why is None:
            return True
        self.close_connection = True
        drain(self.rfile, self.headers.get("Content-Length"))
        body = f"{why}\n".encode()
        self.send_response(HTTPStatus.FORBIDDEN)
        for name, value in (*_REFUSED_HEADERS, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return False


_REFUSED_HEADERS = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)


def refused(environ: dict[str, Any], start_response: Any, names: Collection[str] = ()) -> list[bytes] | None:
    """The same for a WSGI application: its answer to a caller who may not ask, None for all others."""
    headers = ((name[5:].replace("_", "-"), str(value)) for name, value in environ.items() if name.startswith("HTTP_"))
    why = refusal(headers, names)
    if why is None:
        return None
    drain(environ["wsgi.input"], environ.get("CONTENT_LENGTH"))
    body = f"{why}\n".encode()
    start_response("403 Forbidden", [*_REFUSED_HEADERS, ("Content-Length", str(len(body)))])
    return [body]


def drain(body: Any, announced: str | None) -> None:
    """Read what a refused caller sends, up to a bound: closing with unread bytes would reset the answer away."""
    left = min(int(announced), _MOST_READ) if announced is not None and announced.isdecimal() else 0
    while left > 0:
        piece = body.read(min(left, _PIECE))
        if not piece:
            return
        left -= len(piece)
