"""The real state machine and handlers in virtual time, with the service's stand-in: what workflow tests drive."""

import io
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tryon import plan_run
from tryon.planning import parts
from tryon.reporting import galleries
from tryon.reporting.gallery import publishing
from tryon.state.entry import Entry
from tryon.state.items import from_item
from tryon.state.run import Run
from tryon_local.app import ROOT, LocalApp
from tryon_local.aws.functions import RefusedError
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.faults import Fault, FaultPlan
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

START = 1_790_000_000.0
TYPES = ("upper", "lower", "full")


def picture(number: int) -> bytes:
    """A small JPEG unlike any other number's."""
    out = io.BytesIO()
    Image.new("RGB", (256, 320), (number * 37 % 256, number * 91 % 256, number * 53 % 256)).save(out, "JPEG")
    return out.getvalue()


def manifest(models: int = 2, garments: int = 9, /, **more: Any) -> dict[str, Any]:
    """A manifest of that many models and garments, of all types in turn."""
    return {
        "models": [{"id": f"m{i}", "image": f"inputs/m{i}.jpg"} for i in range(models)],
        "garments": [{"id": f"g{i}", "image": f"inputs/g{i}.jpg", "type": TYPES[i % 3]} for i in range(garments)],
        **more,
    }


@dataclass
class Ended:
    """A run that has ended, and everything it left."""

    run_id: str
    execution: Mapping[str, Any]
    item: Mapping[str, Any]
    entries: list[Entry]
    keys: list[str]
    summary: Mapping[str, Any] | None
    notifications: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.item["status"])

    @property
    def errors(self) -> dict[str, str | None]:
        return {entry.id: entry.error for entry in self.entries if entry.error}

    @property
    def results(self) -> list[str]:
        return [key for key in self.keys if key.split("/")[2] == "results"]


def item_of(run: Run | None) -> dict[str, Any]:
    """A run as `tryon list --json` shows it."""
    item: dict[str, Any] = json.loads(json.dumps(run.as_item() if run else {}))
    return item


class Pipeline:
    """A running application whose clock jumps over every wait."""

    def __init__(self, app: LocalApp, standin: StandIn, clock: VirtualClock, queue: str) -> None:
        self.app = app
        self.standin = standin
        self.clock = clock
        self._queue = queue
        self._names = 0
        self._counted = 0

    def put_pictures(self, models: int, garments: int) -> None:
        for i in range(models):
            self.app.put(f"inputs/m{i}.jpg", picture(i))
        for i in range(garments):
            self.app.put(f"inputs/g{i}.jpg", picture(100 + i))

    def drop(self, content: Mapping[str, Any] | bytes, name: str | None = None) -> tuple[str, str]:
        """Put a manifest; returns its key and version."""
        self._names += 1
        key = f"manifests/{name or f'run-{self._names}'}.json"
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return key, self.app.put(key, data)

    def run(self, content: Mapping[str, Any] | bytes, name: str | None = None) -> Ended:
        """Drop a manifest and wait until its run has ended."""
        return self.ended(self.start(content, name))

    def start(self, content: Mapping[str, Any] | bytes, name: str | None = None) -> str:
        """Drop a manifest; returns the execution that it starts."""
        before = self._newest()
        self.drop(content, name)
        (execution,) = self._newest() - before
        return execution

    def start_and(self, content: Mapping[str, Any] | bytes, after: float, act: Callable[[str], object]) -> str:
        """Drop a manifest, and do something with its execution that many seconds later; returns the execution."""
        # As one of the clock's threads: time would run on while a busy machine comes to the act.
        with self.clock.attached():
            execution = self.start(content)
            self.clock.sleep(after)
            act(execution)
        return execution

    def stop(self, execution: str) -> str:
        """Stop an execution; returns the one that ends its run, which has only begun."""
        self.app.stack.client("stepfunctions").stop_execution(executionArn=execution)
        return self.ending(execution)

    @contextmanager
    def recorded(self) -> Iterator[dict[str, list[dict[str, Any]]]]:
        """The events of all calls made meanwhile, by function."""
        seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
        hooks = self.app.stack.functions.before_invoke

        def note(function: str, event: Any) -> None:
            seen[function].append(json.loads(json.dumps(event)))

        hooks.append(note)
        try:
            yield seen
        finally:
            hooks.remove(note)

    @contextmanager
    def called_again(
        self, function: str, delay: float, *, nth: int = 1, n: int | None = None, lost: float | None = None
    ) -> Iterator[None]:
        """The `nth` call of a function, for combination number `n` if given, is made once more `delay` seconds later.

        With `lost` Lambda says after that many seconds that the call failed, while the one made once more, which stands
        for it, still runs.
        """
        count = 0
        hooks = self.app.stack.functions.before_invoke

        def twice(called: str, event: Any) -> None:
            nonlocal count
            if called != function or n not in (None, event.get("n", (event.get("combination") or {}).get("n"))):
                return
            count += 1
            if count != nth:
                return
            copy = json.loads(json.dumps(event))

            def twin() -> None:
                self.clock.sleep(delay)
                with suppress(ClientError):
                    self.app.stack.invoke(function, copy)

            self.clock.thread(twin, ()).start()
            if lost is not None:
                self.clock.sleep(lost)
                raise RefusedError("ServiceException", 500)

        hooks.append(twice)
        try:
            yield
        finally:
            hooks.remove(twice)

    def gate(self) -> dict[str, Any]:
        """The gate's item as it stands, without its version."""
        stack = self.app.stack
        answer = stack.client("dynamodb").get_item(
            TableName=stack.outputs["GateTableName"], Key={"pk": {"S": "service"}}, ConsistentRead=True
        )
        return {
            name: value for name, value in from_item(answer.get("Item", {})).items() if name not in ("pk", "version")
        }

    def ending(self, stopped: str) -> str:
        """The execution that ends the run of one that was stopped."""
        states = self.app.stack.client("stepfunctions")
        for _ in range(5):  # the event comes when the execution has ended, not before
            for arn in self._newest():
                event = json.loads(states.describe_execution(executionArn=arn)["input"])
                if event["source"] == "aws.states" and event["detail"]["executionArn"] == stopped:
                    return arn
            self.clock.sleep(1)
        raise LookupError(f"nothing ends the run of {stopped}")

    def ended(self, execution: str) -> Ended:
        described = self.app.stack.wait(execution)
        ledger = self.app.ledger
        run_id = self.run_of(execution)
        assert run_id is not None, described
        keys = self.app.keys(f"runs/{run_id}/")
        summary = f"runs/{run_id}/summary.json"
        return Ended(
            run_id,
            described,
            item_of(ledger.run(run_id)),
            list(ledger.entries(run_id)),
            keys,
            json.loads(self.app.get(summary)) if summary in keys else None,
            self.notifications(),
        )

    def run_of(self, execution: str) -> str | None:
        """The run that an execution has opened, None if it has opened none."""
        described = self.app.stack.client("stepfunctions").describe_execution(executionArn=execution)
        told = json.loads(described.get("output", "{}"))
        if "run_id" in told:
            return str(told["run_id"])
        claimed = self._claimed(execution, json.loads(described["input"])["detail"])
        if claimed is not None:
            return claimed if self.app.ledger.run(claimed) else None
        for run in self.app.ledger.runs(1000):
            if run.execution == execution:
                return run.run_id
        return None

    def _claimed(self, execution: str, event: Mapping[str, Any]) -> str | None:
        # Read by its key, where looking through all runs would take longer with each run.
        claim = self.app.stack.client("dynamodb").get_item(
            TableName=self.app.stack.outputs["LedgerTableName"],
            Key={
                "pk": {"S": f"claim#{event['bucket']['name']}/{event['object']['key']}"},
                "sk": {"S": event["object"]["version-id"]},
            },
        )
        item = claim.get("Item", {})
        return str(item["run_id"]["S"]) if item.get("execution") == {"S": execution} else None

    def notifications(self) -> list[dict[str, Any]]:
        """What a queue subscribed to the topic has received, and takes away."""
        sqs, found = self.app.stack.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    def _newest(self) -> set[str]:
        # Not all: after hundreds of runs, listing them would take longer than the next run.
        listed = self.app.stack.client("stepfunctions").list_executions(
            stateMachineArn=self.app.stack.outputs["StateMachineArn"], maxResults=20
        )
        return {execution["executionArn"] for execution in listed["executions"]}

    @property
    def payments(self) -> int:
        """Tasks that the service made: each is paid for."""
        return sum(self.standin.payments.values())

    def paid(self) -> int:
        """Tasks that the service made since this was asked the last time."""
        before, self._counted = self._counted, self.payments
        return self._counted - before


def drawn_in_parts() -> AbstractContextManager[None]:
    """Galleries of any size are drawn by further calls, each of them a part, and each part a combination."""
    return _with(
        (publishing, "_MAX_WHOLE", 0),
        (publishing, "PART_COMBINATIONS", 1),
        (galleries, "MOST_OWN_PARTS", 0),
        (galleries, "BATCH_PARTS", 1),
    )


def planned_in_parts() -> AbstractContextManager[None]:
    """Manifests of any size are planned by several calls: each picture is a part, and each call writes one entry."""
    return _with(
        (parts, "MOST_OWN_PICTURES", 0),
        (parts, "PART_PICTURES", 1),
        (plan_run, "ENTRIES_AT_ONCE", 1),
        (plan_run, "ENTRIES_RESERVE", math.inf),
    )


@contextmanager
def _with(*values: tuple[ModuleType, str, float]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in values:
            patch.setattr(module, name, value)
        yield


@contextmanager
def running(
    *,
    slots: int = 6,
    service_slots: int | None = None,
    faults: Sequence[Fault] = (),
    latency: Callable[[Any], float] | None = None,
    parameters: Mapping[str, str] | None = None,
    log: Callable[[str, str], None] | None = None,
    root: Path = ROOT,
    others: Callable[[VirtualClock], Mapping[str, AnyStandIn]] = lambda _: {},
    **standin: Any,
) -> Iterator[Pipeline]:
    """A pipeline with a queue that listens to its topic; `service_slots` differ where an account is shared.

    `others` makes stand-ins of further services, by name; their slots are parameters. `log` gets each line that a
    function writes, after the function's name; `root` has the template and its files.
    `standin` are the service's own settings.
    """
    clock = VirtualClock(START)
    service = StandIn(
        clock,
        slots=service_slots or slots,
        latency=latency or (lambda new: 27.0),
        faults=FaultPlan(*faults),
        **({"picture": pixel} | standin),
    )
    with LocalApp(
        service, clock=clock, slots=slots, parameters=parameters, log=log, root=root, others=others(clock)
    ) as app:
        sqs = app.stack.client("sqs")
        queue = sqs.create_queue(QueueName="listener")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        app.stack.client("sns").subscribe(TopicArn=app.stack.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
        yield Pipeline(app, service, clock, queue)
