"""How size costs: many combinations through the whole workflow, and the two functions that see all of a run.

`python -m benchmarks.scale run 1000` drives that many combinations through the real state machine and handlers in
virtual time; `python -m benchmarks.scale functions 100000` measures planning and summarizing alone, each in a
process of its own; `python -m benchmarks.scale growth` measures both functions at 18 to 100,000 and draws the plot.
"""

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.workflow.pipeline import manifest, running
from tryon import manifest as manifests
from tryon import plan, retry, summary
from tryon.ledger import Entry, Status

PLOT = Path(__file__).resolve().parent.parent / "docs" / "scale.svg"
SIZES = (18, 100, 1_000, 10_000, 100_000)


def workflow(combinations: int, slots: int) -> dict[str, Any]:
    """Run that many combinations; wall and virtual seconds, the process's peak in MB, the largest state in bytes."""
    models = max(1, math.isqrt(combinations))
    garments = -(-combinations // models)
    pairs = [(f"m{i}", f"g{j}") for i in range(models) for j in range(garments)][:combinations]
    content = manifest(models, garments, combinations=[{"model": m, "garment": g} for m, g in pairs])
    parameters = {"MaxCombinations": "100000", "RequestsPerSecond": "0", "PaceSeconds": "0"}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        running(slots=slots, parameters=parameters, requests_per_second=None) as pipeline,
    ):
        pipeline.put_pictures(models, garments)
        started, clock = time.monotonic(), pipeline.clock.now()
        pipeline.drop(content)
        (execution,) = pipeline.app.stack.executions()
        described = pipeline.app.stack.wait(execution, patience=24 * 3600)
        wall, virtual = time.monotonic() - started, pipeline.clock.now() - clock
        children = pipeline.app.stack.children(execution)
        (item,) = pipeline.app.ledger.runs()
        return {
            "combinations": combinations,
            "slots": slots,
            "status": described["status"],
            "succeeded": item["succeeded"],
            "wall_seconds": round(wall, 1),
            "workflow_seconds": round(virtual),
            "peak_mb": _peak_mb(),
            "largest_child_input_bytes": max(len(json.dumps(child.input)) for child in children),
            "all_child_outputs_bytes": sum(len(json.dumps(child.output)) for child in children),
            "billed_ms": {name: function.metrics.billed_ms for name, function in pipeline.app.stack.functions.items()},
        }


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _large(combinations: int) -> manifests.Manifest:
    models = max(1, math.isqrt(combinations // 4))
    garments = -(-combinations // models)
    data = json.dumps(manifest(models, garments)).encode()
    return manifests.parse(data, bucket="pictures")


def _planned(combinations: int) -> Iterator[plan.Combination]:
    found = _large(combinations)
    sources = {image.id: plan.Picture(bucket="pictures", key=f"inputs/{image.id}.jpg") for image in found.models}
    worn = {image.id: plan.Picture(bucket="pictures", key=f"inputs/{image.id}.jpg") for image in found.garments}
    return plan.expand(found, sources, worn, {})


def planning(combinations: int) -> dict[str, int]:
    """Expand and serialize a plan as the Plan function does, keeping nothing: its bytes and its combinations."""
    size = count = 0
    for combination in _planned(combinations):
        size += len(combination.model_dump_json())
        count += 1
    return {"combinations": count, "plan_bytes": size}


def _entries(combinations: int) -> Iterator[Entry]:
    for c in _planned(combinations):
        result = {"key": f"runs/r/results/{c.model}/{c.id}__1.png", "bytes": 1_500_000, "sha256": "0" * 64}
        entry = Entry(
            n=c.n,
            id=c.id,
            model=c.model,
            worn=c.worn,
            variant=c.variant,
            status=Status.SUCCEEDED,
            task_id=f"{c.n:020d}",
            submits=1,
            submitting_at=1.0,
            submitted_at=2.0,
            polls=4,
            ended_at=30.0,
            latency=27.0,
            delay=2.0,
            results=(result,),
            bytes=1_500_000,
        )
        failed = {"status": Status.FAILED, "error": "TaskFailedError", "cause": "x" * 200, "results": ()}
        yield entry if c.n % 20 else replace(entry, **failed)  # type: ignore[arg-type]


def summarizing(combinations: int) -> dict[str, int]:
    """All entries in memory, summary, table and retry manifest, as the Summarize function makes them."""
    entries = list(_entries(combinations))
    run = {"run_id": "r", "name": "r", "bucket": "b", "manifest_key": "k", "started_at": 0.0}
    told = summary.summarize(run, entries, now=100.0, price=0.2, currency="CNY")
    table = summary.table(entries)
    again = retry.manifest({"models": [], "garments": []}, "r", entries)
    return {"summary_bytes": len(json.dumps(told)), "csv_bytes": len(table), "retry_bytes": len(json.dumps(again))}


def measured(work: Callable[[int], dict[str, int]], combinations: int) -> dict[str, Any]:
    """Do the work in a process of its own: what it says, its seconds of CPU and its peak in MB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (work, combinations))


def _measure(work: Callable[[int], dict[str, int]], combinations: int) -> dict[str, Any]:
    before, started = _peak_mb(), time.process_time()
    found = work(combinations)
    return {"cpu_seconds": round(time.process_time() - started, 2), "peak_mb": _peak_mb(), "start_mb": before, **found}


def functions(combinations: int) -> dict[str, Any]:
    """Both functions that see all of a run."""
    return {"planning": measured(planning, combinations), "summarizing": measured(summarizing, combinations)}


def plot(sizes: Sequence[int], seconds: dict[str, Sequence[float]]) -> str:
    """Seconds against combinations, both logarithmic, as SVG."""
    width, height, edge = 640, 360, 56
    low, high = -3, 3
    step_x = (width - 2 * edge) / math.log10(sizes[-1] / sizes[0])

    def at(size: int, value: float) -> tuple[float, float]:
        x = edge + math.log10(size / sizes[0]) * step_x
        y = height - edge - (math.log10(max(value, 10**low)) - low) / (high - low) * (height - 2 * edge)
        return round(x, 1), round(y, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for size in sizes:
        x, y = at(size, 10**low)
        parts.append(f'<text x="{x}" y="{y + 20}" text-anchor="middle">{size:,}</text>')
    for power in range(low, high + 1):
        x, y = at(sizes[0], 10.0**power)
        parts.append(f'<line x1="{x}" x2="{width - edge}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g} s</text>')
    for (name, values), colour in zip(seconds.items(), ("#1b6ca8", "#c8553d"), strict=True):
        points = [at(size, value) for size, value in zip(sizes, values, strict=True)]
        line = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = points[-1]
        parts.append(f'<text x="{x}" y="{y - 8}" text-anchor="end" fill="{colour}">{name}</text>')
    return "".join([*parts, "</svg>\n"])


def main() -> int:
    """Measure and print JSON; `growth` draws as well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("what", choices=["run", "functions", "growth"])
    parser.add_argument("combinations", type=int, nargs="?", default=1_000)
    parser.add_argument("--slots", type=int, default=10)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    match chosen.what:
        case "run":
            print(json.dumps(workflow(chosen.combinations, chosen.slots), indent=1))
        case "functions":
            print(json.dumps(functions(chosen.combinations), indent=1))
        case _:
            found = {size: functions(size) for size in SIZES}
            print(json.dumps(found, indent=1))
            lines = {name: [found[size][name]["cpu_seconds"] for size in SIZES] for name in ("planning", "summarizing")}
            PLOT.write_text(plot(SIZES, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
