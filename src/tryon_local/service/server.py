"""The stand-in on a loopback socket, where resets and cut bodies really happen."""

import socket
import struct
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tryon_local.callers import CheckedHandler
from tryon_local.service import admin
from tryon_local.service.wire import NoAnswer, Request, Response, pieces

# SO_LINGER with no time to linger: closing sends a reset instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Served:
    """Where the stand-in listens."""

    url: str
    port: int


@contextmanager
def serve(
    standin: admin.AnyStandIn,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    names: Collection[str] = (),
    own_results: bool = True,
) -> Iterator[Served]:
    """Serve on an address of this machine (any free port for 0) until the block ends.

    Callers may use the machine's usual names, `host` and `names`. `own_results` makes result addresses begin with
    the server's own.
    """
    server = _Server((host, port), _Handler)
    server.standin = standin
    server.names = (host, *names)
    number = server.server_address[1]
    served = Served(f"http://{host}:{number}", number)
    if own_results:
        standin.base_url = served.url
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="standin", daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    standin: admin.AnyStandIn
    names: Collection[str] = ()

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self.to_reset: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        if request not in self.to_reset:
            super().shutdown_request(request)
            return
        self.to_reset.discard(request)
        with suppress(OSError):
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # Not shut down first: that would send an orderly end before the reset.
        request.close()

    def hang_up(self) -> None:
        """Wake every thread that waits on a client."""
        with self._connections_lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(CheckedHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; Nagle would hold the second until the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    @property
    def names(self) -> Collection[str]:  # type: ignore[override]
        return self.server.names

    def _respond(self) -> None:
        if self.headers.get("Transfer-Encoding"):
            # The service's own SDK never sends chunks, and a body that is not read would be the next request.
            self.close_connection = True
            self._deliver(Response(411, (("Content-Length", "0"),), b""))
            return
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, tuple(self.headers.items()), lambda: self._read_body(length))
        answer = admin.handle(self.server.standin, request)
        if answer not in (NoAnswer.RESET_UNREAD, NoAnswer.REFUSED, NoAnswer.CONNECT_TIMEOUT):
            # Closing with unread bytes would reset the connection under an answer on its way.
            _ = request.body
        if isinstance(answer, Response):
            self._deliver(answer)
            return
        self.close_connection = True
        if answer is NoAnswer.SILENCE:
            # Until the client gives up or the server ends.
            with suppress(OSError):
                while self.connection.recv(65536):
                    pass
            return
        self.server.to_reset.add(self.connection)

    def _read_body(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client went away in the middle of its request")
        return body

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _respond  # noqa: N815 - http.server's names

    def _deliver(self, answer: Response) -> None:
        clock = self.server.standin.clock
        clock.sleep(answer.wait)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        for seconds, part in pieces(answer):
            clock.sleep(seconds)
            self.wfile.write(part)
        if answer.sent is not None:
            self.close_connection = True

    def version_string(self) -> str:
        return "standin"

    def log_message(self, *args: object) -> None:
        """Silent: result addresses are secrets, and `GET /_standin/requests` says what happened."""
