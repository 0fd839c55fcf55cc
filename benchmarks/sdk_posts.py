"""How many POSTs each vendor's own package sends for one submit when its answer is lost, refused or late.

    python -m benchmarks.sdk_posts

Writes the table in docs/services.md. The packages and their pins are in requirements/tools-sdks.txt; they are installed
into .cache/sdks, since no function and no test needs them. Everything stays on this machine.
"""

import http.server
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.sdk_submit import PACKAGES
from benchmarks.sections import DOCS, Section

ROOT = Path(__file__).resolve().parents[1]
PLACE = Section(DOCS / "services.md", "posts")
PINS = ROOT / "requirements" / "tools-sdks.txt"
ENVIRONMENT = ROOT / ".cache" / "sdks"

_NGINX = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
_ANSWERS: dict[str, tuple[int, bytes]] = {
    "500": (500, b'{"error": "InternalServerError", "message": "dummy"}'),
    "502, nginx's page": (502, _NGINX),
    "503": (503, b'{"error": "Unavailable", "message": "dummy"}'),
    "429": (429, b'{"error": "RateLimitExceeded", "message": "dummy"}'),
}
ACCIDENTS = ("cut after the request", "silence", *_ANSWERS)
"""What the server does with a POST that it has read whole."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, accident: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accident = accident
        self.posts = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what is measured."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.posts += 1
        self.close_connection = True
        if self.server.accident == "silence":
            self.server.ended.wait(30)
        elif self.server.accident in _ANSWERS:
            status, body = _ANSWERS[self.server.accident]
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if body is _NGINX else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            # No time to linger: the client sees a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(accident: str) -> Iterator[_Server]:
    """A server on this machine with which every POST meets this accident."""
    with _Server(accident) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def submit(python: Path, package: str, port: int) -> int:
    """One submit through a package; returns how many connections it asked for."""
    done = subprocess.run(  # noqa: S603 - our own script
        [python, "-m", "benchmarks.sdk_submit", package, f"http://127.0.0.1:{port}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    asked, _, outcome = done.stdout.strip().splitlines()[-1].partition(" ")
    print(f"  {package}: {outcome}")
    return int(asked)


def posts(python: Path, package: str, accident: str) -> int:
    """POSTs that arrive whole for one submit."""
    with serving(accident) as server:
        submit(python, package, server.server_address[1])
        return server.posts


def refused(python: Path, package: str) -> int:
    """Connections that are asked for, for one submit, where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return submit(python, package, nobody.getsockname()[1])


def installed() -> Path:
    """The interpreter of an environment with the pinned packages."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], check=True)  # noqa: S603
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, PINS], check=True)  # noqa: S603
    return python


def versions() -> dict[str, str]:
    """The pinned version of each package."""
    pins = (line.split()[0].split("==") for line in PINS.read_text().splitlines() if "==" in line)
    return {name: version for name, version in pins if name in PACKAGES}


def table(python: Path) -> str:
    """The table in Markdown."""
    pinned = versions()
    heads = ["the vendor's package", *ACCIDENTS, "refused: connections"]
    lines = [" | ".join(heads), "|".join("---" for _ in heads)]
    for package in PACKAGES:
        print(package)
        counts = [posts(python, package, accident) for accident in ACCIDENTS]
        lines.append(" | ".join([f"`{package}` {pinned[package]}", *map(str, counts), str(refused(python, package))]))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines) + "\n"


def main() -> None:
    """Measure and write."""
    text = table(installed())
    PLACE.write(text)
    print(text)


if __name__ == "__main__":
    main()
