"""This project as a contestant: its real workflow and handlers, in virtual time."""

import contextlib
import io
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.orders import START, Order, service
from tryon.state.entry import Entry
from tryon_local.app import LocalApp
from tryon_local.aws.moto_adapter.journal import Child
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.volcengine.standin import StandIn


@dataclass(frozen=True)
class Run:
    """One run of an order: seconds from the manifest to the last picture in S3, its summary, entries and children."""

    seconds: float
    summary: dict[str, Any]
    entries: list[Entry]
    transitions: float
    children: list[Child]


def runs(  # noqa: PLR0913 - its parts, by name
    order: Order,
    seed: int,
    *,
    slots: int,
    cadence: Sequence[int] | str | None = None,
    at_once: int = 1,
    call_seconds: float | Callable[[str, Any], float] = 0.0,
    parameters: dict[str, str] | None = None,
    standin: Callable[[VirtualClock], StandIn] | None = None,
    others: Callable[[VirtualClock], Mapping[str, AnyStandIn]] | None = None,
    files: Mapping[str, bytes] | None = None,
    asked: Mapping[str, Any] | None = None,
) -> tuple[list[Run], StandIn]:
    """Run an order `at_once` times side by side; `call_seconds` is what every call of a function takes besides, the
    same always or as it says of the function's name and event. `cadence` are waits, or a stored cadence's name.

    `asked` goes into the manifests; `standin` and `others` make the services, where they are not the usual one alone;
    `files` are in the bucket before, by key.
    """
    clock = VirtualClock(START)
    made = standin(clock) if standin else service(clock, seed, slots=slots, count=order.count)
    beside = others(clock) if others else {}
    with _quiet(), LocalApp(made, clock=clock, slots=slots, parameters=parameters, others=beside) as app:
        takes = call_seconds if callable(call_seconds) else lambda name, event: call_seconds
        if call_seconds:
            app.stack.functions.before_invoke.append(lambda name, event: clock.sleep(takes(name, event)))
        for key, data in {**order.pictures(), **(files or {})}.items():
            app.put(key, data)
        with clock.attached():  # all at the same moment
            for i in range(at_once):
                named = cadence if isinstance(cadence, str) else list(cadence or ())
                wanted = {**(asked or {}), **({"cadence": named} if named else {})}
                manifest = order.manifest(name=f"run {i}", **wanted)
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
            ended.append(Run(last - START, summary, entries, charged / len(children), children))
    return ended, made


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
