"""`tryon local run` as a person uses it."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tryon_local.app import ROOT

COMMAND = [sys.executable, "-m", "tryon_cli.main", "local", "run"]
SAMPLES = ROOT / "samples"


def test_a_file_of_faults_costs_the_combinations_that_it_names(tmp_path: Path) -> None:
    content = json.loads((SAMPLES / "manifest.json").read_text())
    content["models"] = content["models"][:1]
    content["garments"] = [
        garment for garment in content["garments"] if garment["id"] in ("linen-shirt", "denim-jacket")
    ]
    for entry in (*content["models"], *content["garments"]):
        entry["image"] = str(SAMPLES / entry["image"])
    path = tmp_path / "two.json"
    path.write_text(json.dumps(content))
    words = [str(path), "--out", str(tmp_path), "--speed", "60", "--faults", str(SAMPLES / "faults-one-garment.json")]
    ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=180, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 of 2 succeeded" in ended.stdout
    assert "1 failure, as --faults asks: exit code 0" in ended.stdout
    lost = [line.partition(":")[0] for line in ended.stdout.splitlines() if ": InputRefusedError: " in line]
    assert lost == ["anna__02-denim-jacket__default"]


def test_a_terminal_shows_the_progress_and_the_end(tmp_path: Path) -> None:
    """On a terminal the progress is drawn anew again and again, which no other test of a command sees."""
    mine, its = pty.openpty()
    words = [str(SAMPLES / "manifest-one.json"), "--out", str(tmp_path), "--speed", "200"]
    process = subprocess.Popen([*COMMAND, *words], stdin=its, stdout=its, stderr=its, cwd=ROOT)
    os.close(its)
    stop = threading.Timer(180, process.kill)
    stop.start()
    shown = bytearray()
    try:
        # Linux ends the reading with an error when the last writer has gone.
        with contextlib.suppress(OSError):
            while part := os.read(mine, 65536):
                shown += part
        assert process.wait(30) == 0, shown.decode()
    finally:
        stop.cancel()
        process.kill()
        process.wait(10)
        os.close(mine)
    text = shown.decode()
    assert "uploading: 2 of 2 pictures" in text
    assert "0 of 1, 1 " in text
    assert "nothing stands out in 1 of 1" in text


def test_a_run_can_be_stopped_on_its_way(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = [str(SAMPLES / "manifest.json"), "--out", str(tmp_path), "--speed", "1"]
    with log.open("w") as out:
        process = subprocess.Popen([*COMMAND, *words], stdout=out, stderr=out, cwd=ROOT)
    try:
        end = time.monotonic() + 60
        while "became run" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait(10)
    assert log.read_text().endswith("interrupted; the run ended with its stack\n")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_everything_at_once_while_pictures_are_drawn(tmp_path: Path, times: int) -> None:
    log = tmp_path / "log"
    words = [str(SAMPLES / "manifest.json"), "--out", str(tmp_path / "out"), "--speed", "500", "--slots", "18"]
    with log.open("w") as out:
        # A group of its own, as a terminal gives a command: Ctrl-C goes to all of it.
        process = subprocess.Popen([*COMMAND, *words], stdout=out, stderr=out, cwd=ROOT, start_new_session=True)
    try:
        end = time.monotonic() + 150
        while len(_group(process.pid)) < 3:  # itself, the tracker of its resources and at least one that draws
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)
        assert process.wait(15) == (130 if times == 1 else -signal.SIGINT)
        end = time.monotonic() + 10
        while _group(process.pid):
            assert time.monotonic() < end, f"orphans: {_group(process.pid)}"
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    told = log.read_text()
    assert "Traceback" not in told
    assert "Error" not in told
    if times == 1:
        assert told.endswith("interrupted; the run ended with its stack\n")


def _group(leader: int) -> list[int]:
    """The processes of a group that are not only waited for by their parent."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, group, state in lines if int(group) == leader and not state.startswith("Z")]
