"""What a function's cold start imports: CPU seconds and modules of each handler's file, the least of five processes.

    python -m benchmarks.imports [ROOT]

`ROOT` is another checkout to compare with, such as a worktree of an older commit; absolute times are this machine's.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ("plan", "reserve", "submit", "poll", "download", "check", "compare", "summarize", "gallery")
TRIES = 5

_ENVIRONMENT = {
    "LEDGER_TABLE": "l", "GATE_TABLE": "g", "SLOTS": "1", "PACE_SECONDS": "0", "REQUESTS_PER_SECOND": "1",
    "DEADLINE_SECONDS": "300", "PATIENCE_SECONDS": "3600", "CADENCE": "5", "MAX_COMBINATIONS": "200",
    "MAX_IMAGE_BYTES": "1000", "INPUT_BUCKETS": "", "RESULT_ORIGINS": "https://x.example.com",
    "SERVICE_CLIENT": "signed", "SERVICE_ENDPOINT": "https://x.example", "SERVICE_REGION": "r", "SERVICE_SECRET": "s",
    "PRICE_PER_TASK": "1", "CURRENCY": "CNY", "POWERTOOLS_SERVICE_NAME": "t", "POWERTOOLS_METRICS_NAMESPACE": "t",
    "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
_SCRIPT = "import time, sys; import app; print(time.process_time(), len(sys.modules))"


def measure(root: Path, function: str) -> tuple[float, int]:
    """The least CPU seconds of a process that imports a handler, the interpreter's start included, and its modules."""
    path = os.pathsep.join(str(root / part) for part in ("layers/tryon", f"functions/{function}"))
    found = []
    for _ in range(TRIES):
        done = subprocess.run(  # noqa: S603 - this interpreter, on a script of ours
            [sys.executable, "-c", _SCRIPT],
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seconds, modules = done.stdout.split()[-2:]
        found.append((float(seconds), int(modules)))
    return min(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, help="another checkout to compare with")
    other = parser.parse_args().root
    table = Table("function", "CPU s", "modules", *(("CPU s there", "modules there", "ratio") if other else ()))
    for function in FUNCTIONS:
        seconds, modules = measure(ROOT, function)
        row = [function, f"{seconds:.3f}", str(modules)]
        if other:
            there, theirs = measure(other.resolve(), function)
            row += [f"{there:.3f}", str(theirs), f"{seconds / there:.2f}"]
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
