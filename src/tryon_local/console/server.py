"""The page over HTTP: for this machine's own browsers, to read, and to do what its actions are.

Whatever changes something is a POST with a body of JSON and, in a header of its own, the token that the page was
served with: no form and no page of another origin can send that header without being asked first, and no such
question is answered. `CheckedHandler` refuses foreign names and origins before.
"""

import hashlib
import hmac
import json
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tryon import web
from tryon_local.app import LocalApp
from tryon_local.callers import CheckedHandler
from tryon_local.console.actions import Actions, Offer, RefusedError
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

PROOF = "Tryon-Token"
_PLACE = "{token}"
_MOST_SENT = 4096
_JSON = "application/json"


@dataclass(frozen=True)
class Served:
    """Where the page is."""

    url: str


@contextmanager
def serve(app: LocalApp, port: int, actions: Actions | None = None) -> Iterator[Served]:
    """Serve the page on 127.0.0.1 (any free port for 0) until the block ends. Raises OSError for a port in use.

    Without `actions` it is there to read only.
    """
    try:
        server = _Server((_HOST, port), _Handler)
    except OSError as error:
        raise OSError(error.errno, f"no page can be served on {_HOST}:{port}: {error.strerror}") from None
    server.runs, server.actions = Runs(app), actions
    server.token = secrets.token_urlsafe(32) if actions else ""
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
    actions: Actions | None
    token: str

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


_ACTION = re.compile(r"/api/runs/([\w.-]+)/(stop|retry)", re.ASCII)
"""The address of an action on a run, by the run's id: GET for its offer, POST to do it."""

_OFFERS: dict[str, Callable[[Actions, str], Offer]] = {
    "stop": lambda actions, run_id: actions.price_of_stop(run_id),
    "retry": lambda actions, run_id: actions.price_of_retry(run_id),
}
_DEEDS: dict[str, Callable[[Actions, str, str], str]] = {
    "stop": lambda actions, run_id, mark: actions.stop(run_id, mark),
    "retry": lambda actions, run_id, mark: actions.retry(run_id, mark),
}


class _UnfitError(Exception):
    """A request that changes something is not as the page sends it."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


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
        except RefusedError as refused:
            self._send(_failure(HTTPStatus.CONFLICT, str(refused)))

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _answer(self, path: str, query: str) -> _Answer:
        if path in _PAGE:
            kind, content = _PAGE[path]
            text = content()
            return _Answer((text.replace(_PLACE, self.server.token) if kind == "html" else text).encode(), kind)
        for pattern, shown in _API:
            match = pattern.fullmatch(path)
            if match is not None:
                after = parse_qs(query).get("after", ["0"])[0]
                content = shown(self.server.runs, match, int(after) if after.isdecimal() else 0)
                return _Answer(json.dumps(content, separators=(",", ":")).encode(), "json")
        offered = _ACTION.fullmatch(path)
        if offered is not None and self.server.actions is not None:
            offer = _OFFERS[offered[2]](self.server.actions, offered[1])
            return _Answer(json.dumps(asdict(offer), separators=(",", ":")).encode(), "json")
        raise NotFoundError(path)

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        # Whatever is refused may leave a body unread behind it.
        self.close_connection = True
        try:
            self._send(self._done())
        except NotFoundError:
            self._send(_failure(HTTPStatus.NOT_FOUND, "there is no such thing here"))
        except _UnfitError as unfit:
            self._send(_failure(unfit.status, str(unfit)))
        except RefusedError as refused:
            self._send(_failure(HTTPStatus.CONFLICT, str(refused)))

    def _done(self) -> _Answer:
        """Do what was asked for; raises NotFoundError, _UnfitError or RefusedError."""
        sent = self._sent()
        wanted = _ACTION.fullmatch(self.path)
        if wanted is None or self.server.actions is None:
            raise NotFoundError(self.path)
        execution = _DEEDS[wanted[2]](self.server.actions, wanted[1], sent)
        return _Answer(json.dumps({"execution": execution.rpartition(":")[2]}).encode(), "json")

    def _sent(self) -> str:
        """The mark of the offer in the body, once it is known to come from the page."""
        token = self.server.token
        if not token or not hmac.compare_digest(self.headers.get(PROOF, "").encode(), token.encode()):
            raise _UnfitError(HTTPStatus.FORBIDDEN, "this comes from no page that this server brought: load it anew")
        if self.headers.get_content_type() != _JSON:
            raise _UnfitError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {_JSON}")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_SENT:
            raise _UnfitError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body must have up to {_MOST_SENT} bytes")
        try:
            mark = json.loads(self.rfile.read(int(length)))["mark"]
        except (ValueError, KeyError, TypeError):
            mark = None
        if not isinstance(mark, str):
            raise _UnfitError(HTTPStatus.BAD_REQUEST, "the body must have the mark of an offer")
        return mark

    def _send(self, answer: _Answer) -> None:
        # The time is told beside the body, so that a body that did not change need not be sent again.
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        if self.command != "POST" and answer.status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            self._head(HTTPStatus.NOT_MODIFIED, None, 0, {"ETag": tag})
            return
        self._head(answer.status, answer.kind, len(answer.body), {"ETag": tag, "Content-Security-Policy": _POLICY})
        if self.command != "HEAD":
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
