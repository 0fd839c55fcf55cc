"""The page over HTTP: for this machine's own browsers, to read only."""

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tryon import web
from tryon_local.app import LocalApp
from tryon_local.callers import CheckedHandler
from tryon_local.console.runs import NotFoundError, Runs

_HOST = "127.0.0.1"
_STYLES = ("frame", "graph", "side", "one", "narrow")
_PAGE: dict[str, tuple[str, Callable[[], str]]] = {
    "/": ("html", lambda: resources.files(__package__).joinpath("page.html").read_text("utf-8")),
    "/page.css": ("css", lambda: web.style(__package__, *_STYLES)),
    "/page.js": ("js", lambda: web.script(__package__)),
}
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "csv": "text/plain; charset=utf-8",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# A gallery brings a policy of its own; this adds that it reads nothing from here, whatever is in it.
_FILE_POLICY = "connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
_PICTURE_POLICY = "default-src 'none'; sandbox"


@dataclass(frozen=True)
class Served:
    """Where the page is."""

    url: str


@contextmanager
def serve(app: LocalApp, port: int) -> Iterator[Served]:
    """Serve the page on 127.0.0.1 (any free port for 0) until the block ends. Raises OSError for a port in use."""
    try:
        server = _Server((_HOST, port), _Handler)
    except OSError as error:
        raise OSError(error.errno, f"no page can be served on {_HOST}:{port}: {error.strerror}") from None
    server.runs = Runs(app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="console", daemon=True)
    thread.start()
    try:
        yield Served(f"http://{_HOST}:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    runs: Runs

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: a browser that goes away in the middle of an answer is no news."""


@dataclass(frozen=True)
class _Answer:
    body: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK


Shown = Callable[[Runs, "re.Match[str]", int], Any]

_API: tuple[tuple[re.Pattern[str], Shown], ...] = (
    (re.compile(r"/api/machine"), lambda runs, match, after: runs.machine()),
    (re.compile(r"/api/runs"), lambda runs, match, after: runs.newest()),
    (re.compile(r"/api/runs/([^/]+)"), lambda runs, match, after: runs.run(match[1], after)),
    (re.compile(r"/api/runs/([^/]+)/events"), lambda runs, match, after: runs.events(match[1])),
    (
        re.compile(r"/api/runs/([^/]+)/combinations/(\d{1,9})"),
        lambda runs, match, after: runs.combination(match[1], int(match[2])),
    ),
)


class _Handler(CheckedHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        url = urlsplit(self.path)
        try:
            path = unquote(url.path, errors="strict")
            if path.startswith("/runs/"):
                self._send_file(path.removeprefix("/"))
            else:
                self._send(self._answer(path, url.query))
        except (NotFoundError, UnicodeDecodeError):
            self._send(_failure(HTTPStatus.NOT_FOUND, "there is no such thing here"))

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _answer(self, path: str, query: str) -> _Answer:
        if path in _PAGE:
            kind, content = _PAGE[path]
            return _Answer(content().encode(), kind)
        for pattern, shown in _API:
            match = pattern.fullmatch(path)
            if match is not None:
                after = parse_qs(query).get("after", ["0"])[0]
                content = shown(self.server.runs, match, int(after) if after.isdecimal() else 0)
                return _Answer(json.dumps(content, separators=(",", ":")).encode(), "json")
        raise NotFoundError(path)

    def _send(self, answer: _Answer) -> None:
        # The time is told beside the body, so that a body that did not change need not be sent again.
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        if answer.status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            self._head(HTTPStatus.NOT_MODIFIED, None, 0, {"ETag": tag})
            return
        self._head(answer.status, answer.kind, len(answer.body), {"ETag": tag, "Content-Security-Policy": _POLICY})
        if self.command == "GET":
            self.wfile.write(answer.body)

    def _send_file(self, key: str) -> None:
        found = self.server.runs.file(key)
        kind = key.rpartition(".")[2]
        policy = _PICTURE_POLICY if _TYPES[kind].startswith("image/") else _FILE_POLICY
        with found.body:
            self._head(HTTPStatus.OK, kind, found.size, {"Content-Security-Policy": policy})
            if self.command == "GET":
                shutil.copyfileobj(found.body, self.wfile)

    def _head(self, status: HTTPStatus, kind: str | None, length: int, more: dict[str, str]) -> None:
        self.send_response(status)
        headers = {
            "Cache-Control": "no-cache",
            "Workflow-Time": f"{self.server.runs.now:.3f}",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            **more,
        }
        if kind is not None:
            headers |= {"Content-Type": _TYPES[kind], "Content-Length": str(length)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "tryon"

    def log_message(self, *args: object) -> None:
        """Silent: the page asks twice a second."""


def _failure(status: HTTPStatus, message: str) -> _Answer:
    return _Answer(json.dumps({"error": message}).encode(), "json", status)
