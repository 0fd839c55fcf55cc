"""The ports that the stack on this machine listens on, taken and free."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.pipeline import START
from tryon_local.app import ROOT
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import VirtualClock

COMMAND = [sys.executable, "-m", "tryon_cli.main", "local"]


@pytest.mark.parametrize("option", ["--port", "--console-port"])
def test_a_port_that_is_taken_ends_the_command_with_one_line_that_names_it(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": "0", "--console-port": "0", option: str(port)}
        words = [word for pair in ports.items() for word in pair]
        ended = subprocess.run([*COMMAND, "up", *words], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert f"port {port} on 127.0.0.1 cannot be used: address already in use" in line
    assert line.endswith(f"another with {option}")


def test_one_port_for_two_things_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    words = ["up", "--port", port, "--console-port", port]
    ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.endswith("choose another with --console-port\n")


def test_a_run_on_a_taken_port_ends_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["run", "samples/manifest.json", "--out", str(tmp_path), "--port", str(taken.getsockname()[1])]
        ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("choose another with --port\n")


def test_a_port_is_free_again_after_the_stack() -> None:
    with LocalStack(ROOT, clock=VirtualClock(START), port=0) as first:
        port = int(first.url.rpartition(":")[2])
    with LocalStack(ROOT, clock=VirtualClock(START), port=port) as second:
        assert second.url == first.url
