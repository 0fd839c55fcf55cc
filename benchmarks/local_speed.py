"""What the local stack takes for a run, against another checkout's: seconds of CPU, memory, calls of boto3.

`python -m benchmarks.local_speed [--combinations N] [--against FOLDER] [--rounds N]` drives that many combinations
through the real state machine and handlers in virtual time, each checkout in child processes of its own and in turn, so
that what else the machine does meets both. FOLDER has a virtual environment of its own in `.venv`, or shares this one.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = 0.4
"""Of the CPU and the memory of commit 73b67d5, by issue 25."""

GARMENTS = 9
SLOTS = 20
_CHILD = "--measured-here"


@dataclass(frozen=True)
class Measured:
    """One run of one checkout: seconds of CPU from manifest to end, the process's peak in MB, and what was called."""

    cpu: float
    peak: float
    combinations: int
    calls: Mapping[str, int]
    functions: Mapping[str, int]


def measure(folder: Path, combinations: int) -> Measured:
    """Run a checkout's stack in a process of its own; raises RuntimeError when its run does not succeed."""
    own = folder / ".venv" / "bin" / "python"
    paths = [str(folder), str(folder / "src"), str(folder / "layers" / "tryon")]
    # -P: or this folder's modules would hide others of their names.
    command = [str(own) if own.is_file() else sys.executable, "-P", __file__, _CHILD, str(combinations)]
    ended = subprocess.run(  # noqa: S603 - ourselves
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"the run of {folder} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))


def _measured_here(combinations: int) -> Measured:
    """The run itself, with no more than both checkouts have; ends this process when it does not succeed."""
    # Here, because they are the checkout's that is measured.
    from botocore.client import ClientCreator

    from tests.workflow.pipeline import manifest, running

    calls: Counter[str] = Counter()
    creator: Any = ClientCreator
    original = creator._create_api_method

    def counting(self: Any, py_operation_name: str, operation_name: str, service_model: Any) -> Any:
        method = original(self, py_operation_name, operation_name, service_model)

        # The method that a handler calls: below it a checkout may do what it likes.
        @functools.wraps(method)
        def counted(*args: Any, **kwargs: Any) -> Any:
            calls[f"{service_model.service_name}.{operation_name}"] += 1
            return method(*args, **kwargs)

        return counted

    creator._create_api_method = counting
    models = -(-combinations // GARMENTS)
    parameters = {"MaxCombinations": "100000", "RequestsPerSecond": "0", "PaceSeconds": "0"}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        running(slots=SLOTS, parameters=parameters, requests_per_second=None) as pipeline,
    ):
        pipeline.put_pictures(models, GARMENTS)
        begun = time.process_time()
        pipeline.drop(manifest(models, GARMENTS))
        (execution,) = pipeline.app.stack.executions()
        status = pipeline.app.stack.wait(execution, patience=24 * 3600)["status"]
        cpu = time.process_time() - begun
        functions = {name: one.metrics.invocations for name, one in pipeline.app.stack.functions.items()}
    if status != "SUCCEEDED":
        sys.exit(f"the run ended as {status}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(cpu, peak, models * GARMENTS, calls, functions)


def table(here: Sequence[Measured], there: Sequence[Measured]) -> str:
    """The ratios and the counts, as Markdown; of several rounds the median."""
    cpu, cpu_there = (statistics.median(one.cpu for one in some) for some in (here, there))
    peak, peak_there = (statistics.median(one.peak for one in some) for some in (here, there))
    lines = [f"{here[0].combinations} combinations, {SLOTS} slots, {len(here)} rounds", ""]
    lines += ["| | here | there | here / there | target |", "|---|---:|---:|---:|---|"]
    for name, ours, theirs, unit in (("CPU", cpu, cpu_there, "s"), ("peak", peak, peak_there, "MB")):
        ratio = ours / theirs
        met = "met" if ratio <= TARGET else "missed"
        lines.append(f"| {name} | {ours:.1f} {unit} | {theirs:.1f} {unit} | {ratio:.2f} | {TARGET}: {met} |")
    lines += ["", "| calls | here | there |", "|---|---:|---:|"]
    for what in ("functions", "calls"):
        ours_, theirs_ = getattr(here[0], what), getattr(there[0], what)
        lines += [f"| {name} | {ours_.get(name, 0)} | {theirs_.get(name, 0)} |" for name in sorted({*ours_, *theirs_})]
    return "\n".join(lines)


def main() -> int:
    if sys.argv[1:2] == [_CHILD]:
        warnings.simplefilter("ignore")
        print(json.dumps(vars(_measured_here(int(sys.argv[2])))))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_speed", description=__doc__)
    parser.add_argument("--combinations", type=int, default=10_000)
    parser.add_argument("--against", type=Path, help="another checkout; without one this one's figures only")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    here, there = [], []
    for _ in range(chosen.rounds):
        here.append(measure(ROOT, chosen.combinations))
        if chosen.against is not None:
            there.append(measure(chosen.against.resolve(), chosen.combinations))
    if chosen.against is None:
        print(json.dumps([vars(one) for one in here], indent=1))
    else:
        print(table(here, there))
    return 0


if __name__ == "__main__":
    sys.exit(main())
