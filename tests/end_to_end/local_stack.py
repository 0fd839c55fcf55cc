"""`tryon local up` in a process of its own, as a person starts it."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tryon_local.app import ROOT

START_SECONDS = 90.0
"""Of real time, until the stack must be up on a busy machine."""


@contextmanager
def local_up(speed: float, faults: Path | None = None) -> Iterator[tuple[int, str]]:
    """The port of a stack that is up until the block ends, and what it printed; it must end with 0 on Ctrl-C."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "tryon_cli.main", "local", "up", "--port", str(port), "--speed", f"{speed:g}"]
    command += [] if faults is None else ["--faults", str(faults)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as out:
            process = subprocess.Popen([*command, "--console-port", "0"], stdout=out, stderr=out, cwd=ROOT)
        try:
            end = time.monotonic() + START_SECONDS
            while "secret key" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
            yield port, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, log.read_text()
