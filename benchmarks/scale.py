"""How size costs: many combinations through the whole workflow, and the two functions that see all of a run.

`python -m benchmarks.scale run 1000` drives that many combinations through the real state machine and handlers in
virtual time; `python -m benchmarks.scale plan 100000` and `summarize 100000` call one handler in a process of its
own, with AWS as `benchmarks.wire` has it (`plan 100000 --models 20` has 5,020 pictures); `python -m benchmarks.scale
growth 10000` does all of it from 18 to 100,000, the workflow up to 10,000, draws the plot and writes the tables of
docs/scale.md. `python -m benchmarks.scale limits` writes there how near 100,000 and 300,000 come to each limit.
"""

import argparse
import contextlib
import importlib
import io
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from benchmarks import wire
from benchmarks.environment import ENVIRONMENT
from benchmarks.peak import peak
from benchmarks.sections import DOCS, Section
from tryon.pictures import thumbnails
from tryon.plan_run import ENTRIES_RESERVE
from tryon.planning.intake import READERS
from tryon.planning.manifest import MAX_BYTES, MAX_RETRY_BYTES, Manifest
from tryon.planning.parts import many
from tryon.planning.parts import parts as parts_of
from tryon.reporting import batches, cost
from tryon.state.entry import read_entry
from tryon.state.items import from_item
from tryon.state.ledger import MOST_ENTRIES, TRANSACTION
from tryon_local.aws import template

ROOT = Path(__file__).resolve().parent.parent
PLOT = ROOT / "docs" / "scale.svg"
PLACE = Section(DOCS / "scale.md", "limits")
RUNS, FUNCTIONS = Section(DOCS / "scale.md", "runs"), Section(DOCS / "scale.md", "functions")
MODELS_OF_MANY = 20
"""Models of the run whose pictures are too many for one call: 5,020 at 100,000 combinations."""

SIZES = (18, 100, 1_000, 10_000, 100_000)
COLOURS = ("#1b6ca8", "#c8553d", "#999", "#2b8a3e")

MB_A_CORE = 1_769
"""The memory at which a function has one core of Lambda's, by its documentation; here no faster than this machine's."""

WRITES_PER_SECOND = 1_000
"""What DynamoDB writes to one partition, in units of 1 KB; a run's entries lie in one."""


def workflow(combinations: int, slots: int) -> dict[str, Any]:
    """Run that many combinations; wall and virtual seconds, the process's peak in MB, the largest state in bytes."""
    # Here, because it brings all of the local stack along, which the measured functions do without.
    from tests.workflow.pipeline import manifest, running

    size = wire.Size.of(combinations)
    content = manifest(size.models, size.garments)
    parameters = {"MaxCombinations": "100000", "RequestsPerSecond": "0", "PaceSeconds": "0"}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        running(slots=slots, parameters=parameters, requests_per_second=None) as pipeline,
    ):
        pipeline.put_pictures(size.models, size.garments)
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
            "succeeded": item.outcome.succeeded if item.outcome else 0,
            "wall_seconds": round(wall, 1),
            "workflow_seconds": round(virtual),
            "peak_mb": _peak_mb(),
            "largest_child_input_bytes": max(len(json.dumps(child.input)) for child in children),
            "all_child_outputs_bytes": sum(len(json.dumps(child.output)) for child in children),
            "billed_ms": {name: function.metrics.billed_ms for name, function in pipeline.app.stack.functions.items()},
        }


def _peak_mb() -> int:
    return peak() // 2**20


def planning(size: wire.Size) -> dict[str, Any]:
    """Call Plan in processes of their own that find AWS on the wire; see `_call`.

    Where it leaves its pictures to further calls, `part` is one of these, and `last` the one that finds what all left.
    """
    first = _alone("plan", size, {}, _PLANNED)
    kept, left = first.pop("kept"), first.pop("left")
    if not left:
        return first
    one = _alone("plan", size, kept, {**_PLANNED, "part": left[0]})
    # The others' files are as this one's, for their own pictures.
    (mine,) = (json.loads(text) for name, text in one.pop("kept").items() if name == f"{left[0]['first']:06d}.json")
    template_of = next(iter(mine["pictures"]["models"].values()))
    named = [*(("models", f"m{i}") for i in range(size.models)), *(("garments", f"g{i}") for i in range(size.garments))]
    files = {}
    for part in left:
        pictures: dict[str, dict[str, Any]] = {"models": {}, "garments": {}}
        for kind, id_ in named[part["first"] - 1 : part["last"]]:
            pictures[kind][id_] = {**template_of, "image": f"inputs/{id_}.jpg"}
        files[f"{part['first']:06d}.json"] = json.dumps({"pictures": pictures, "notes": []}).encode()
    last = _alone("plan", size, files, {**_PLANNED, "taken": True})
    for each in (one, last):
        for name in ("kept", "left"):
            each.pop(name, None)
    return {**first, "parts": len(left), "part": one, "last": last}


def summarizing(size: wire.Size) -> dict[str, Any]:
    """Call Summarize as `planning` does Plan.

    By `gallery` one of the calls that draw a large gallery's parts, and by `end` the one that says that the run has
    ended.
    """
    passed = {"bucket": wire.BUCKET, "parts_later": True}
    first = _alone("summarize", size, {}, passed)
    kept, left = first.pop("kept"), first.pop("left")
    if not left:
        return first
    one = _alone("gallery", size, kept, left[0])
    last = _alone("summarize", size, kept, {"bucket": wire.BUCKET, "undrawn": []})
    undrawn = _alone("summarize", size, kept, {"bucket": wire.BUCKET, "undrawn": left})
    ends = {"end": last, "end_undrawn": undrawn}
    for each in (one, *ends.values()):
        each.pop("kept"), each.pop("left")
    return {**first, "galleries": len(left), "gallery": one, **ends}


_PLANNED: Mapping[str, Any] = {
    "bucket": wire.BUCKET, "key": wire.MANIFEST, "version": "v", "execution": "e", "time": "2026-11-23T09:00:00Z",
    "in_parts": True,
}  # fmt: skip


def _alone(name: str, size: wire.Size, kept: Mapping[str, bytes], passed: Mapping[str, Any]) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_call, (name, size, kept, passed))


def _call(name: str, size: wire.Size, kept: Mapping[str, bytes], passed: Mapping[str, Any]) -> dict[str, Any]:
    """One call of a real handler: calls to AWS, bytes, seconds of CPU, peak in MB, and what that is on Lambda.

    `lambda_seconds` is the CPU's at the function's share of a core, the calls' by `wire.LATENCY_MS`, and for Plan
    no less than what DynamoDB writes to one partition. Plan's one request to the service is left out. `kept` are
    objects that earlier calls wrote, `left` what the call leaves to further ones.
    """
    aws = wire.Wire(size, planned=name != "plan", kept=kept)
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, str(ROOT / "functions" / name))
    with contextlib.redirect_stdout(io.StringIO()):  # its logger keeps the stream
        module = importlib.import_module("app")
    session = boto3.Session(region_name="us-east-1")
    session.events.register_last("before-send", aws)  # type: ignore[arg-type]
    boto3.DEFAULT_SESSION = session
    if name == "plan":
        module.submit.check_access = lambda *_: None
    elif "undrawn" not in passed:
        wire.verdicts(size)  # before the clock starts: on AWS it is there
    source = template.sources(ROOT / "template.yaml")[f"{name.capitalize()}Function"]
    started, begun = time.process_time(), time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        answer = module.handler({"run_id": wire.RUN, **passed}, _Context(begun + source.timeout))
    cpu = time.process_time() - started
    if answer.get("gallery_error") and not passed.get("undrawn"):
        raise RuntimeError(answer["gallery_error"])
    traffic = aws.traffic
    waiting = traffic.seconds(READERS if name == "plan" else thumbnails.READERS)
    # A transaction counts each write twice.
    waiting = max(waiting, 2 * TRANSACTION * traffic.calls["TransactWriteItems"] / WRITES_PER_SECOND)
    return {
        "combinations": size.total,
        "calls": dict(traffic.calls),
        "largest_request_bytes": dict(traffic.largest_request),
        "largest_answer_bytes": dict(traffic.largest_answer),
        "answer_bytes": len(json.dumps(answer)),
        "cpu_seconds": round(cpu, 2),
        "lambda_seconds": round(waiting + cpu / min(1.0, source.memory / MB_A_CORE), 1),
        "limit_seconds": source.timeout,
        "peak_mb": _peak_mb(),
        "limit_mb": source.memory,
        "left": answer.get("batches") or answer.get("parts") or [],
        "kept": aws.kept,
    }


@dataclass(frozen=True)
class _Context:
    """What a handler asks of Lambda."""

    deadline: float
    function_name: str = "large"
    memory_limit_in_mb: str = "0"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:large"
    aws_request_id: str = "1"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.deadline - time.monotonic()))


def usd(combinations: int) -> float:
    """What AWS takes for a run of that size, by the entries on the wire."""
    size = wire.Size.of(combinations)
    meter = cost.Meter()
    for n in range(1, size.total + 1):
        meter.add(read_entry(from_item(wire.entry(n, size))))
    return meter.usage(planning=1.0).usd


def plot(panels: Sequence[tuple[str, str, Mapping[str, Sequence[tuple[float, float]]]]]) -> str:
    """Panels side by side, each a title, a unit and lines by their names, all axes logarithmic, as SVG."""
    width, height, edge = 560, 380, 62
    sizes = [size for _, _, lines in panels for line in lines.values() for size, _ in line]
    left, right = math.log10(min(sizes)), math.log10(max(sizes))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width * len(panels)} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for number, (title, unit, lines) in enumerate(panels):
        values = [value for line in lines.values() for _, value in line]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

        def at(size: float, value: float, start: int = number * width, low: int = low, high: int = high) -> str:
            across = (math.log10(size) - left) / (right - left)
            up = (math.log10(value) - low) / (high - low)
            return f"{start + edge + across * (width - 2 * edge):.1f},{height - edge - up * (height - 2 * edge):.1f}"

        x, y = at(min(sizes), 10.0**high).split(",")
        parts.append(f'<text x="{x}" y="{float(y) - 16}" font-weight="bold">{title}</text>')
        for power in range(low, high + 1):
            x, y = at(min(sizes), 10.0**power).split(",")
            end = at(max(sizes), 10.0**power).split(",")[0]
            parts.append(f'<line x1="{x}" x2="{end}" y1="{y}" y2="{y}" stroke="#ddd"/>')
            parts.append(f'<text x="{float(x) - 6}" y="{float(y) + 4}" text-anchor="end">{10.0**power:g} {unit}</text>')
        for size in (18, 100, 1_000, 10_000, 100_000):
            x, y = at(size, 10.0**low).split(",")
            parts.append(f'<text x="{x}" y="{float(y) + 20}" text-anchor="middle">{size:,}</text>')
        for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
            path = " ".join(at(size, value) for size, value in line)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            x, y = at(*line[-1]).split(",")
            parts.append(f'<text x="{x}" y="{float(y) - 8}" text-anchor="end" fill="{colour}">{name}</text>')
    return "".join([*parts, "</svg>\n"])


def limits(sizes: Sequence[int] = (100_000, 300_000)) -> str:
    """What binds at each size, as a table: what is reached of each limit, or by what it is missed."""
    sized = {n: wire.Size.of(n) for n in sizes}
    last = {n: read_entry(from_item(wire.entry(n - n % wire.FAILED, size))) for n, size in sized.items()}
    repeated = {
        n: len(json.dumps({"model": e.model, "garment": e.worn.partition("-")[2]})) + 5 for n, e in last.items()
    }
    parts = {n: math.ceil(n / batches.PART_COMBINATIONS) for n in sizes}

    def writing(n: int) -> int:
        # A transaction counts each write twice.
        return math.ceil(2 * n / WRITES_PER_SECOND / (880 - ENTRIES_RESERVE))

    def taking(size: wire.Size) -> int:
        manifest = Manifest.model_validate_json(size.manifest())
        return len(parts_of(manifest)) if many(manifest) else 0

    maximum = int(template.load(ROOT / "template.yaml")["Parameters"]["MaxCombinations"]["MaxValue"])
    rows: list[tuple[str, float, Callable[[int], float]]] = [
        ("the parameter MaxCombinations", maximum, lambda n: n),
        ("calls of Plan that write the entries: events of a history, 7 each", 25_000, lambda n: 7 * writing(n)),
        ("digits of an entry's key: entries", MOST_ENTRIES, lambda n: n),
        ("bytes of a retry manifest, all failed", MAX_RETRY_BYTES, lambda n: n * repeated[n]),
        ("bytes of a manifest that names each", MAX_BYTES, lambda n: n * repeated[n]),
        ("calls for parts of the pictures: events of a history, 8 each", 25_000, lambda n: 8 * taking(sized[n])),
        ("items of a Distributed Map", 100_000_000, lambda n: n),
        ("calls of Gallery: events of a history, 8 each", 25_000, lambda n: 8 * cost.batches_of(n)),
        ("bytes of the batches in a state", 262_144, lambda n: 80 * cost.batches_of(n)),
        ("bytes of the gallery's index", 16_000_000, lambda n: 110 * parts[n]),
        ("seconds of the execution, 27 s each on 10 slots", 14 * 86_400, lambda n: 2.7 * n),
        ("seconds of the execution, 5 requests each at 2 a second", 14 * 86_400, lambda n: 2.5 * n),
    ]
    lines = ["| limit | it is | " + " | ".join(f"at {n:,}" for n in sizes) + " |", "|---|---:|" + "---:|" * len(sizes)]
    for what, limit, used in rows:
        cells = [f"{used(n):,.0f} ({used(n) / limit:.0%}{', refused' if used(n) > limit else ''})" for n in sizes]
        lines.append(f"| {what} | {limit:,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def growth(run_up_to: int) -> dict[int, dict[str, Any]]:
    """Everything at every size; the whole workflow only as far as wanted, since it takes 40 ms a combination."""
    found: dict[int, dict[str, Any]] = {
        size: {
            "plan": planning(wire.Size.of(size)),
            "summarize": summarizing(wire.Size.of(size)),
            "usd": round(usd(size), 4),
        }
        for size in SIZES
    }
    found[SIZES[-1]]["pictures"] = planning(wire.Size.of(SIZES[-1], MODELS_OF_MANY))
    for size in SIZES:
        if size <= run_up_to:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found[size]["run"] = pool.apply(workflow, (size, 10))
    return found


def functions_table(found: Mapping[int, Mapping[str, Any]]) -> str:
    """What each call asks of AWS, and how near it comes to what Lambda gives it, as a table."""
    lines = [
        "| combinations | call | DynamoDB calls | S3 reads | S3 writes | largest request | largest answer "
        "| handler's answer | CPU | on Lambda, of 880 s | peak | memory |",
        "|---:|---|" + "---:|" * 10,
    ]
    rows = [(size, "Plan", one["plan"]) for size, one in found.items()]
    for size, one in found.items():
        if "pictures" in one:
            many = one["pictures"]
            rows += [
                (size, "Plan, too many pictures", many),
                (size, f"Plan, a part of them, of {many['parts']}", many["part"]),
                (size, "Plan, all parts taken in", many["last"]),
            ]
    for size, one in found.items():
        whole = one["summarize"]
        rows.append((size, "Summarize", whole))
        if "gallery" in whole:
            rows += [
                (size, f"Gallery, one of {whole['galleries']}", whole["gallery"]),
                (size, "End, every part drawn", whole["end"]),
                (size, "End, no part drawn", whole["end_undrawn"]),
            ]
    for size, name, one in rows:
        calls = one["calls"]
        cells = (
            f"{size:,}",
            name,
            f"{sum(n for call, n in calls.items() if call not in ('GetObject', 'PutObject')):,}",
            f"{calls.get('GetObject', 0):,}",
            f"{calls.get('PutObject', 0):,}",
            f"{max(one['largest_request_bytes'].values()) / 1e6:.2g} MB",
            f"{max(one['largest_answer_bytes'].values()) / 1e6:.2g} MB",
            f"{one['answer_bytes']:,} B",
            f"{one['cpu_seconds']:.3g} s",
            f"{one['lambda_seconds']:,.0f} s ({one['lambda_seconds'] / one['limit_seconds']:.0%})",
            f"{one['peak_mb']} MB",
            f"{one['limit_mb']} MB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def runs_table(found: Mapping[int, Mapping[str, Any]]) -> str:
    """What whole runs took, as a table."""
    lines = [
        "| combinations | succeeded | workflow time | wall time | the process's peak | largest input of a child "
        "| all children's outputs | AWS |",
        "|---:|" + "---:|" * 7,
    ]
    for size, one in found.items():
        run = one.get("run")
        cells = (
            (
                f"{run['succeeded']:,}",
                f"{run['workflow_seconds']:,} s",
                f"{run['wall_seconds']:,.0f} s",
                f"{run['peak_mb']:,} MB",
                f"{run['largest_child_input_bytes']} B",
                f"{run['all_child_outputs_bytes']:,} B",
            )
            if run
            else ("not run",) + ("",) * 5
        )
        lines.append(f"| {size:,} | {' | '.join(cells)} | ${one['usd']:.3g} |")
    return "\n".join(lines) + "\n"


def drawn(found: Mapping[int, Mapping[str, Any]]) -> str:
    """The plot of all that."""

    def line(of: Callable[[Mapping[str, Any]], float]) -> list[tuple[float, float]]:
        return [(size, of(one)) for size, one in found.items()]

    seconds = {
        "Plan on Lambda": line(lambda one: one["plan"]["lambda_seconds"]),
        "Summarize on Lambda": line(lambda one: one["summarize"]["lambda_seconds"]),
        "Lambda's 15 minutes": [(size, 900.0) for size in found],
        "the run, 10 slots": [(n, one["run"]["workflow_seconds"]) for n, one in found.items() if "run" in one],
    }
    memory = {
        "Plan": line(lambda one: one["plan"]["peak_mb"]),
        "Summarize": line(lambda one: one["summarize"]["peak_mb"]),
    }
    return plot(
        [("Time", "s", seconds), ("Memory", "MB", memory), ("AWS", "$", {"a run": line(lambda one: one["usd"])})]  # type: ignore[list-item]
    )


def main() -> int:
    """Measure and print JSON; `growth` draws as well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("what", choices=["run", "plan", "summarize", "growth", "limits"])
    parser.add_argument("combinations", type=int, nargs="?", default=1_000)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--models", type=int, help="of `plan`: how many, so that pictures are as many as wanted")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    match chosen.what:
        case "limits":
            PLACE.write(limits())
            return 0
        case "run":
            found: Any = workflow(chosen.combinations, chosen.slots)
        case "growth":
            found = growth(chosen.combinations)
            PLOT.write_text(drawn(found))
            RUNS.write(runs_table(found))
            FUNCTIONS.write(functions_table(found))
        case "plan":
            found = planning(wire.Size.of(chosen.combinations, chosen.models))
        case _:
            found = summarizing(wire.Size.of(chosen.combinations))
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
