"""Let each fault of a service happen once at each service and write what came of it into docs/reliability.md.

    python -m benchmarks.service_faults

In virtual time, through the real state machine and handlers; the faults are those of `benchmarks.reliability` that
happen at a service, and mean the same at each.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from benchmarks.reliability import FAULTS
from benchmarks.sections import DOCS, Section
from tests.workflow.pipeline import Ended, Pipeline, manifest, running
from tryon.service import registry
from tryon.state.items import from_item
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.fal import standin as fal
from tryon_local.service.fashn import standin as fashn
from tryon_local.service.pixel import pixel

PLACE = Section(DOCS / "reliability.md", "services")

SERVICE_FAULTS = {name: history.service for name, history in FAULTS.items() if history.service}
"""Those that happen at the service, by the names of the first table."""

KEYS = (registry.FIRST, "fashn/tryon-v1.6", "fal/leffa")
"""One model of each service: those of one service share its queue, its answers and its errors."""

SECONDS = 20.0
"""What a task takes at each of the others, so that the faults' times mean the same."""


def others(clock: VirtualClock) -> Mapping[str, AnyStandIn]:
    """Stand-ins of all services but the first, on this clock."""
    return {
        "fashn": fashn.StandIn(clock, picture=pixel, latency=lambda _: SECONDS),
        "fal": fal.StandIn(clock, picture=pixel, latency=lambda _: SECONDS),
    }


@dataclass(frozen=True)
class Outcome:
    """What a fault came to at one service: how the combination ended, and how many tasks were made."""

    combination: str
    tasks: int

    def __str__(self) -> str:
        return f"{self.combination}, {self.tasks or 'no'} task"


class Stage:
    """One running stack with all services; `standins` are theirs, by name."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.standins: dict[str, Any] = {"volcengine": pipeline.standin, **pipeline.app.others}
        for name, colour in (("m0", "red"), ("g0", "blue")):
            out = io.BytesIO()
            # As small as the strictest of them takes.
            Image.new("RGB", (300, 400), colour).save(out, "JPEG")
            pipeline.app.put(f"inputs/{name}.jpg", out.getvalue())

    def made(self) -> dict[str, int]:
        """Tasks that were made at each service."""
        return {name: sum(standin.payments.values()) for name, standin in self.standins.items()}

    def holders(self, key: str) -> dict[str, Any]:
        """Who holds a slot of this service's account, as the gate has it."""
        stack = self.pipeline.app.stack
        answer = stack.client("dynamodb").get_item(
            TableName=stack.outputs["GateTableName"],
            Key={"pk": {"S": registry.find(key).account}},
            ConsistentRead=True,
        )
        held = from_item(answer.get("Item", {})).get("holders")
        return dict(held) if isinstance(held, Mapping) else {}

    def play(self, key: str, fault: str) -> Outcome:
        """A run of one combination that meets this fault; raises AssertionError when a rule is broken."""
        standin = self.standins[key.partition("/")[0]]
        before = self.made()
        standin.faults.add(*SERVICE_FAULTS[fault])
        try:
            ended = self.pipeline.run(manifest(1, 1, service=key))
        finally:
            standin.faults.clear()
        paid = {name: count - before[name] for name, count in self.made().items()}
        (entry,) = ended.entries
        self._check(key, ended, paid)
        if entry.outcome_unknown:
            self._stays_unpaid(ended)
        # What the service still works on ends before the next fault.
        self.pipeline.clock.sleep(700.0)
        return Outcome(entry.error or entry.status.value.lower(), paid[key.partition("/")[0]])

    def _check(self, key: str, ended: Ended, paid: Mapping[str, int]) -> None:
        (entry,) = ended.entries
        name = key.partition("/")[0]
        may_work = bool(entry.error) and (entry.outcome_unknown or bool(entry.task_id))
        rules = {
            "it is another service's": entry.service == key,
            "a task was paid for twice": paid[name] <= 1,
            "another service was asked": not any(count for other, count in paid.items() if other != name),
            "there is not one notification": len(ended.notifications) == 1,
            "results and outcome differ": bool(ended.results) == (entry.error is None),
            # One that the service may still work on is held until its lease ends.
            "a slot stays taken": may_work or not self.holders(key),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise AssertionError(f"{key}: {', '.join(broken)}")

    def _stays_unpaid(self, ended: Ended) -> None:
        """A retry submits nothing whose outcome is unknown."""
        before = self.made()
        retry = f"runs/{ended.run_id}/retry-manifest.json"
        if retry in ended.keys:
            self.pipeline.run(self.pipeline.app.get(retry))
        if self.made() != before:
            raise AssertionError("what may have been paid was submitted again")


@contextmanager
def stage() -> Iterator[Stage]:
    """A stack with a slot more than a combination needs at each service."""
    parameters = {"FashnSlots": "2", "FalSlots": "2"}
    with running(slots=2, parameters=parameters, others=others) as pipeline:
        yield Stage(pipeline)


def table() -> str:
    """The table in Markdown."""
    warnings.simplefilter("ignore")
    lines = [f"| fault | {' | '.join(f'`{key}`' for key in KEYS)} |\n", f"|---|{'---|' * len(KEYS)}\n"]
    with contextlib.redirect_stdout(io.StringIO()), stage() as found:
        for fault in SERVICE_FAULTS:
            outcomes = [str(found.play(key, fault)) for key in KEYS]
            lines.append(f"| {fault} | {' | '.join(outcomes)} |\n")
            sys.stderr.write(lines[-1])
    return "".join(lines)


def written() -> dict[str, tuple[str, ...]]:
    """The page's outcomes by fault, in the order of `KEYS`."""
    rows = PLACE.text().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {fault: tuple(outcomes) for fault, *outcomes in cells}


def main() -> None:
    """Write the page."""
    PLACE.write(table())


if __name__ == "__main__":
    main()
