"""A ledger, a gate and a service without AWS and without a network."""

import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import requests
from moto import mock_aws

from tryon.clock import Clock
from tryon.keys import Picture
from tryon.planning.manifest import Manifest
from tryon.planning.plan import Combination, WornGarment
from tryon.reporting import summary
from tryon.service import (
    Balance,
    Candidate,
    Submission,
    Submitted,
    TaskResult,
    TaskStatus,
    TaskTimes,
    TryOnService,
    registry,
)
from tryon.service.errors import TaskError
from tryon.service.secret import Keys
from tryon.service.volcengine.credentials import Credentials
from tryon.state.entry import Entry
from tryon.state.gate import Gate, GateLimits
from tryon.state.ledger import Ledger
from tryon.state.run import AwsCost, Cost, Outcome, RunStatus
from tryon.stored import Stored


class HandClock:
    """A clock that stands still until a test turns it; sleeping turns it too, in any thread.

    Each look may cost `step` seconds; a `running` one goes on by itself, from the real time; one that is not `patient`
    lets nobody sleep.
    """

    def __init__(
        self, start: float = 1_790_000_000.0, *, step: float = 0.0, running: bool = False, patient: bool = True
    ) -> None:
        self.time = 0.0 if running else start
        self.slept: list[float] = []
        self._step = step
        self._running = running
        self._patient = patient
        self._lock = threading.Lock()

    def now(self) -> float:
        self.time += self._step
        return self.time + (time.time() if self._running else 0.0)

    def sleep(self, seconds: float) -> None:
        assert self._patient, "this one never waits"
        with self._lock:
            self.slept.append(seconds)
            self.time += max(0.0, seconds)


RUN = "20261123T090000Z-lookbook-1a2b3c4d"

AWS = AwsCost(0.01, 0.001, 12.0, 120, 60, 9.5, 200, 100, 30, 60)


def outcome(status: str | RunStatus, **different: Any) -> Outcome:
    """How a run of ten ended, nine of them with a picture."""
    known = Outcome(
        status=RunStatus(status), ended_at=2000.0, seconds=252.0, total=10, succeeded=9, failed=1, tasks=10,
        tasks_unknown=0, bytes=1000, pictures=9, cost=Cost(9.0, "CNY", 1.0, AWS),
    )  # fmt: skip
    return replace(known, **different)


def stored(key: str, **different: Any) -> Stored:
    """A result as it is in S3."""
    return replace(Stored(key, 2_000_000, "0" * 64, "png", 1440, 1920), **different)


def read_manifest(raw: Mapping[str, Any]) -> Manifest:
    """A manifest with one model and one garment where it names none."""
    least = {
        "models": [{"id": "anna", "image": "a.jpg"}],
        "garments": [{"id": "shirt", "image": "s.jpg", "type": "upper"}],
    }
    return Manifest.model_validate(least | dict(raw))


def combination(n: int = 1, task_id: str | None = None, doubted_task: str | None = None) -> Combination:
    picture = Picture(bucket="pictures", key="a.jpg")
    return Combination(
        n=n,
        model="anna",
        worn=f"{n:02d}-garment{n}",
        variant="default",
        model_picture=picture,
        garments=[WornGarment(id=f"garment{n}", type="upper", picture=picture)],
        task_id=task_id,
        doubted_task=doubted_task,
    )


def table_of(entries: Iterable[Entry]) -> str:
    """combinations.csv as text, without its byte order mark."""
    out = io.StringIO()
    for _ in summary.table(entries, out):
        pass
    return out.getvalue().removeprefix("\ufeff")


def submission(_: Combination) -> Submission:
    return Submission(model=b"model", garments=(), parameters=combination().parameters)


class FakeService:
    """Counts the tasks it makes: each is one payment. `before` and `after` may raise around the making.

    `asked` are the tasks that it was asked after, and `CHECK` for the free question.
    """

    CHECK = "the free question"
    capabilities = registry.find(registry.FIRST)

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.answer: TaskResult | Exception = TaskResult(TaskStatus.GENERATING, "r")
        self.balance: Balance | None = None

    def submit(self, submission: Submission) -> Submitted:
        self.before()
        self.tasks.append(f"task-{len(self.tasks) + 1}")
        self.after()
        return Submitted(self.tasks[-1], "request-1")

    def result(self, task_id: str) -> TaskResult:
        self.asked.append(task_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def check(self) -> Balance | None:
        self.asked.append(self.CHECK)
        if isinstance(self.answer, Exception) and not isinstance(self.answer, TaskError):
            raise self.answer
        return self.balance


def volcengine(
    client: str,
    session: requests.Session,
    *,
    credentials: Keys[Credentials],
    clock: Clock,
    endpoint: str = "",
    timeout: tuple[float, float] = registry.TIMEOUT,
    region: str = "",
) -> TryOnService:
    """The client called `signed` or `sdk`, as the registry builds it."""
    return registry.build(
        registry.find(registry.FIRST),
        session,
        credentials=credentials,
        clock=clock,
        endpoint=endpoint,
        timeout=timeout,
        options={"client": client, "region": region},
    )


def done(latency: float = 27.0) -> TaskResult:
    times = TaskTimes(received_at=1000.0, processed_at=1001.0, finished_at=1000.0 + latency)
    return TaskResult(TaskStatus.DONE, "r", (Candidate(url="https://cdn.example.com/1.png", seed=7),), times)


@contextmanager
def ledger_and_gate(clock: HandClock) -> Iterator[tuple[Ledger, Gate]]:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "kind", "run_id")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "runs",
                    "KeySchema": [
                        {"AttributeName": "kind", "KeyType": "HASH"},
                        {"AttributeName": "run_id", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        client.create_table(
            TableName="gate",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        gate = Gate(
            client,
            "gate",
            account="service",
            limits=GateLimits(slots=1, pace=0, lease=360),
            clock=clock,
            wake=lambda token, start, now: True,
        )
        yield Ledger(client, "ledger", clock), gate
