"""Time and peak memory of `make run`, its drawing processes included.

`python -m benchmarks.make_run [SPEED ...]` prints a line of a Markdown table for each speed; Linux only.

Memory is the proportional set size of `tryon local run` and of every process that it starts, read together some
ten times a second: pages that several share are counted once in all. Where the kernel tells none, it is the
resident set, which counts them for each.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROC = Path("/proc")
SPEEDS = (10.0, 60.0)
INTERVAL = 0.1
"""Seconds between two readings; what a peak between them held is missed."""


@dataclass(frozen=True)
class Measured:
    """One run: seconds here and of the workflow, peaks in MB of all its processes at once and of the first."""

    speed: float
    wall: float
    workflow: float
    tree: float
    main: float

    def __str__(self) -> str:
        return f"| {self.speed:g} | {self.wall:.1f} | {self.workflow:.0f} | {self.tree:.0f} | {self.main:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and peak memory of `make run`.")
    parser.add_argument("speeds", nargs="*", type=float, default=SPEEDS, metavar="SPEED")
    parser.add_argument("--manifest", type=Path, default=ROOT / "samples" / "manifest.json")
    parser.add_argument("--slots", type=int, default=6)
    options = parser.parse_args()
    if not PROC.is_dir():
        parser.error("memory is read from /proc, which this machine does not have")
    print("| speed | wall s | workflow s | peak MB, all processes | peak MB, main process |")
    print("|--:|--:|--:|--:|--:|", flush=True)
    for speed in options.speeds:
        print(measure(options.manifest, speed, options.slots), flush=True)


def measure(manifest: Path, speed: float, slots: int) -> Measured:
    """Run a manifest as `make run` does and watch it; raises RuntimeError when it does not succeed."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "tryon_cli.main", "local", "run", str(manifest)]
        command += ["--speed", f"{speed:g}", "--slots", str(slots), "--out", out]
        # As in the Makefile: without it, each drawing process may have to compile what it imports.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        began = time.monotonic()
        with (Path(out) / "said").open("w+") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env=environment)  # noqa: S603 - ourselves
            tree = first = 0
            try:
                while process.poll() is None:
                    held = {pid: memory(pid) for pid in family(process.pid)}
                    tree, first = max(tree, sum(held.values())), max(first, held.get(process.pid, 0))
                    time.sleep(INTERVAL)
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait(30)
            wall = time.monotonic() - began
            said.seek(0)
            if process.returncode != 0:
                raise RuntimeError(f"the run at speed {speed:g} ended with {process.returncode}:\n{said.read()}")
        (summary,) = Path(out).glob("*/summary.json")
        workflow = float(json.loads(summary.read_text(encoding="utf-8"))["seconds"])
    return Measured(speed, wall, workflow, tree / 1e6, first / 1e6)


def family(pid: int) -> list[int]:
    """A process and all that come from it and live."""
    parents: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                # The name, in parentheses, may hold blanks; the parent is the second field after it.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found.extend(parents.get(each, []))
    return found


def memory(pid: int) -> int:
    """Bytes of a process, 0 of one that has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    main()
