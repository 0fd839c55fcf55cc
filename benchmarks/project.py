"""This project as a contestant: its real workflow and handlers, in virtual time."""

import contextlib
import io
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.orders import START, Order, service
from tryon.state.entry import Entry
from tryon_local.app import LocalApp
from tryon_local.clock import VirtualClock
from tryon_local.service.volcengine.standin import StandIn


@dataclass(frozen=True)
class Run:
    """One run of an order: seconds from the manifest to the last picture in S3, its summary and its entries."""

    seconds: float
    summary: dict[str, Any]
    entries: list[Entry]
    transitions: float


def runs(
    order: Order,
    seed: int,
    *,
    slots: int,
    cadence: Sequence[int] | None = None,
    at_once: int = 1,
    lambda_seconds: float = 0.0,
    parameters: dict[str, str] | None = None,
) -> tuple[list[Run], StandIn]:
    """Run an order `at_once` times side by side; `lambda_seconds` is what every call of a function takes besides."""
    clock = VirtualClock(START)
    standin = service(clock, seed, slots=slots, count=order.count)
    with _quiet(), LocalApp(standin, clock=clock, slots=slots, parameters=parameters) as app:
        if lambda_seconds:
            app.stack.functions.before_invoke.append(lambda name, event: clock.sleep(lambda_seconds))
        for key, data in order.pictures().items():
            app.put(key, data)
        with clock.attached():  # all at the same moment
            for i in range(at_once):
                manifest = order.manifest(name=f"run {i}", **({"cadence": list(cadence)} if cadence else {}))
                app.put(f"manifests/run-{i}.json", json.dumps(manifest).encode())
        ended = []
        for execution in app.stack.executions():
            app.stack.wait(execution, patience=600)
            children = app.stack.children(execution)
            charged = sum(_charged(child.events) for child in children)
            item = next(run for run in app.ledger.runs(100) if run.execution == execution)
            entries = list(app.ledger.entries(item.run_id))
            summary = json.loads(app.get(f"runs/{item.run_id}/summary.json"))
            last = max(entry.finished_at or START for entry in entries)
            ended.append(Run(last - START, summary, entries, charged / len(children)))
    return ended, standin


def _charged(events: Sequence[dict[str, Any]]) -> int:
    """A child's state transitions as they are charged: its start, each state that it enters, and each retry."""
    kinds = Counter(event["type"] for event in events)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    return 1 + entered + kinds["TaskScheduled"] - kinds["TaskStateEntered"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the functions log and what moto has to say of itself."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
