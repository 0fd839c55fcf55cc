"""What happened to each combination: one DynamoDB item a combination, one a run, one a manifest claimed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tryon.clock import Clock
from tryon.items import from_item, to_item
from tryon.plan import Combination
from tryon.service import Submitted, TaskResult

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SLACK = 60.0
"""Seconds by which the service's clock and this one may disagree on how long a task took."""

KEPT = 12 * 3600.0
"""Seconds for which the service keeps a task: one that an earlier run started took no longer."""

RUN_INDEX = "runs"
"""The index that lists runs by id; only a run's own item carries its key attribute `kind`."""


class Status(StrEnum):
    """Where a combination is. SUBMITTING is written before the service is called, SUBMITTED after it."""

    PLANNED = "PLANNED"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RunStatus(StrEnum):
    """How a run stands or ended; REJECTED runs never reached the service."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    REJECTED = "REJECTED"


@dataclass(frozen=True)
class Entry:
    """A combination's line in the ledger. Times are seconds since the epoch, `latency` and `delay` seconds.

    `latency` is the service's own, from receipt to the end, when it gave its times; `delay` is from the end
    until a poll saw it, by the same times; `pending_at` is the last poll that saw the task unfinished.
    `lost` are the candidates that could not be had beside those in `results`, each with number, error and cause.
    `refused_tasks` are those whose results the service refused and that were followed by another, `adopted_task`
    is the one that an earlier run paid for.
    """

    n: int
    id: str
    model: str
    worn: str
    variant: str
    garments: tuple[str, ...] = ()
    status: Status = Status.PLANNED
    task_id: str | None = None
    submits: int = 0
    submitting_at: float | None = None
    submitted_at: float | None = None
    polls: int = 0
    pending_at: float | None = None
    ended_at: float | None = None
    latency: float | None = None
    delay: float | None = None
    candidates: tuple[Mapping[str, Any], ...] = ()
    results: tuple[Mapping[str, Any], ...] = ()
    lost: tuple[Mapping[str, Any], ...] = ()
    bytes: int = 0
    finished_at: float | None = None
    error: str | None = None
    cause: str | None = None
    step: str | None = None
    request_ids: tuple[str, ...] = ()
    resumed: bool = False
    refused_tasks: tuple[str, ...] = ()
    adopted_task: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that this run started and that are paid for, as far as their ids were received."""
        known = (*self.refused_tasks, self.task_id)
        return tuple(task for task in known if task is not None and task != self.adopted_task)

    @property
    def outcome_unknown(self) -> bool:
        """Whether a submit was begun whose answer nobody saw: a task may exist and be billed."""
        return self.task_id is None and self.submitting_at is not None

    @property
    def may_still_run(self) -> bool:
        """Whether the service may still work on a task of this entry, which then still fills a slot."""
        return self.outcome_unknown or (self.task_id is not None and self.ended_at is None)


def _run_key(run_id: str) -> dict[str, Any]:
    return to_item({"pk": f"run#{run_id}", "sk": "run"})


def _entry_key(run_id: str, n: int) -> dict[str, Any]:
    return to_item({"pk": f"run#{run_id}", "sk": f"combination#{n:06d}"})


_OF_ONE_TASK = (
    "submitting_at",
    "submitted_at",
    "pending_at",
    "ended_at",
    "latency",
    "delay",
    "candidates",
    "resumed",
)
_LISTS = ("garments", "candidates", "results", "lost", "request_ids", "refused_tasks")


def _entry(item: Mapping[str, Any]) -> Entry:
    known = {name: value for name, value in item.items() if name in Entry.__dataclass_fields__}
    known.update({name: tuple(known[name]) for name in _LISTS if name in known})
    return Entry(**{**known, "status": Status(known["status"])})


class LedgerConflictError(Exception):
    """A combination is not in the state that this step may follow; `entry` is how it stands."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"combination {entry.id} is {entry.status}")
        self.entry = entry


class Ledger:
    """The ledger in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def open_run(self, run_id: str, **attributes: Any) -> None:
        """Write a run's item as RUNNING with the given attributes."""
        self._update(
            _run_key(run_id),
            {"kind": "run", "run_id": run_id, "status": RunStatus.RUNNING, **attributes},
        )

    def update_run(self, run_id: str, **attributes: Any) -> None:
        """Set attributes of a run's item."""
        self._update(_run_key(run_id), attributes)

    def run(self, run_id: str) -> dict[str, Any] | None:
        """A run's item, None when there is none."""
        answer = self._client.get_item(TableName=self._table, Key=_run_key(run_id), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs' items, newest first."""
        answer = self._client.query(
            TableName=self._table,
            IndexName=RUN_INDEX,
            KeyConditionExpression="kind = :run",
            ExpressionAttributeValues=to_item({":run": "run"}),
            ScanIndexForward=False,
            Limit=limit,
        )
        return [from_item(item) for item in answer["Items"]]

    def halt(self, run_id: str, error: str, cause: str) -> None:
        """Keep a run's other combinations from starting: every one would fail alike."""
        self._update(_run_key(run_id), {"halt_error": error, "halt_cause": cause})

    def halted(self, run_id: str) -> str | None:
        """Why a run was halted, None while it was not."""
        answer = self._client.get_item(
            TableName=self._table, Key=_run_key(run_id), ProjectionExpression="halt_error, halt_cause"
        )
        item = from_item(answer.get("Item", {}))
        return f"{item['halt_error']}: {item['halt_cause']}" if "halt_error" in item else None

    def add(self, run_id: str, combinations: Iterable[Combination]) -> None:
        """Write combinations as PLANNED, 25 at a time."""
        pending = iter(combinations)
        while batch := list(islice(pending, 25)):
            requests: Any = [
                {"PutRequest": {"Item": {**_entry_key(run_id, c.n), **to_item(_planned(c))}}} for c in batch
            ]
            for attempt in range(10):
                answer = self._client.batch_write_item(RequestItems={self._table: requests})
                requests = answer.get("UnprocessedItems", {}).get(self._table, [])
                if not requests:
                    break
                self._clock.sleep(min(10.0, 0.1 * 2**attempt))
            else:
                raise LedgerWriteError(f"{len(requests)} entries of run {run_id} could not be written")

    def entry(self, run_id: str, n: int) -> Entry:
        """One combination's entry; raises KeyError when it was never planned."""
        answer = self._client.get_item(TableName=self._table, Key=_entry_key(run_id, n), ConsistentRead=True)
        if "Item" not in answer:
            raise KeyError(f"run {run_id} has no combination {n}")
        return _entry(from_item(answer["Item"]))

    def entries(self, run_id: str) -> Iterator[Entry]:
        """A run's entries in the plan's order, read page by page."""
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :run AND begins_with(sk, :combination)",
            ExpressionAttributeValues=to_item({":run": f"run#{run_id}", ":combination": "combination#"}),
            ConsistentRead=True,
        ):
            for item in page["Items"]:
                yield _entry(from_item(item))

    def begin_submit(self, run_id: str, n: int) -> None:
        """PLANNED becomes SUBMITTING; raises `LedgerConflictError` from any other state."""
        self._step(
            run_id,
            n,
            {"status": Status.SUBMITTING, "submitting_at": self._clock.now()},
            condition="#status = :planned",
            values={":planned": Status.PLANNED},
            count="submits",
        )

    def withdraw_submit(self, run_id: str, n: int) -> None:
        """SUBMITTING becomes PLANNED again: the service's answer proved that there is no task."""
        self._step(
            run_id,
            n,
            {"status": Status.PLANNED},
            condition="#status = :submitting",
            values={":submitting": Status.SUBMITTING},
            remove=("submitting_at",),
        )

    def submitted(self, run_id: str, n: int, submitted: Submitted) -> None:
        """Keep the task's id, whatever else was written meanwhile: it is what was paid for."""
        self._step(
            run_id,
            n,
            {
                "status": Status.SUBMITTED,
                "task_id": submitted.task_id,
                "submitted_at": self._clock.now(),
                "request_ids": (submitted.request_id,),
            },
        )

    def resume(self, run_id: str, n: int, task_id: str) -> None:
        """Adopt a task of an earlier run as this combination's own."""
        self._step(
            run_id,
            n,
            {
                "status": Status.SUBMITTED,
                "task_id": task_id,
                "adopted_task": task_id,
                "submitted_at": self._clock.now(),
                "resumed": True,
            },
        )

    def replan(self, run_id: str, n: int, refused_task: str) -> Entry:
        """SUBMITTED becomes PLANNED again after the service refused the task's result; called again, nothing changes.

        Returns the entry as it is then.
        """
        entry = self.entry(run_id, n)
        if entry.task_id != refused_task:
            return entry
        with suppress(LedgerConflictError):
            self._step(
                run_id,
                n,
                {"status": Status.PLANNED, "refused_tasks": [*entry.refused_tasks, refused_task]},
                condition="#status = :submitted AND #task_id = :refused",
                values={":submitted": Status.SUBMITTED, ":refused": refused_task},
                remove=("task_id", *_OF_ONE_TASK),
            )
        return self.entry(run_id, n)

    def pending(self, run_id: str, n: int, task_id: str) -> None:
        """Count a poll that saw the task unfinished."""
        self._polled(run_id, n, task_id, {"pending_at": self._clock.now()})

    def unanswered(self, run_id: str, n: int, task_id: str) -> None:
        """Count a poll that got no answer."""
        self._polled(run_id, n, task_id, {})

    def ended(self, run_id: str, entry: Entry, task_id: str, result: TaskResult | None = None) -> None:
        """Count the poll that saw the end, with the service's own times where it gave them."""
        now = self._clock.now()
        seen: dict[str, Any] = {"ended_at": now}
        if result is not None:
            seen["candidates"] = [
                {"url": candidate.url, "seed": candidate.seed} if candidate.url else {"seed": candidate.seed}
                for candidate in result.candidates
            ]
            latency = None if result.times is None else result.times.latency
            # A time that is longer than the task can have lasted is no time: one would spoil every mean of the run.
            longest = KEPT if entry.resumed else now - (entry.submitted_at or now) + SLACK
            if latency is not None and entry.submitted_at is not None and latency <= longest:
                seen["latency"] = latency
                # Both ends by one clock each: the service's clock need not agree with this one.
                seen["delay"] = max(0.0, now - entry.submitted_at - latency) if not entry.resumed else None
        self._polled(run_id, entry.n, task_id, seen)

    def _polled(self, run_id: str, n: int, task_id: str, seen: Mapping[str, Any]) -> None:
        # A poll knows the task's id from the state machine: it mends an entry whose submit could not be written.
        # One that was slow to die must not touch an entry that has its outcome.
        with suppress(LedgerConflictError):
            self._step(
                run_id,
                n,
                {"task_id": task_id, "status": Status.SUBMITTED, **seen},
                condition="NOT #status IN (:succeeded, :failed) AND NOT contains(refused_tasks, :task_id)",
                values={":succeeded": Status.SUCCEEDED, ":failed": Status.FAILED},
                count="polls",
            )

    def succeeded(
        self,
        run_id: str,
        n: int,
        results: Iterable[Mapping[str, Any]],
        size: int,
        lost: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """The results lie in S3: their keys and checksums, their size together in bytes, and what could not be had."""
        self._step(
            run_id,
            n,
            {
                "status": Status.SUCCEEDED,
                "results": list(results),
                "lost": list(lost) or None,
                "bytes": size,
                "finished_at": self._clock.now(),
            },
            remove=("candidates", "error", "cause", "step"),
        )

    def failed(self, run_id: str, n: int, error: str, cause: str) -> None:
        """Give an entry that nobody ended its outcome, unless it succeeded after all."""
        with suppress(LedgerConflictError):
            self._step(
                run_id,
                n,
                {"status": Status.FAILED, "error": error, "cause": cause},
                condition="NOT #status IN (:succeeded, :failed)",
                values={":succeeded": Status.SUCCEEDED, ":failed": Status.FAILED},
            )

    def _step(
        self,
        run_id: str,
        n: int,
        attributes: Mapping[str, Any],
        *,
        condition: str = "attribute_exists(pk)",
        values: Mapping[str, Any] | None = None,
        count: str | None = None,
        remove: tuple[str, ...] = (),
    ) -> None:
        try:
            self._update(
                _entry_key(run_id, n),
                attributes,
                condition=condition,
                values=values,
                count=count,
                remove=remove,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise LedgerConflictError(self.entry(run_id, n)) from None

    def _update(
        self,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        count: str | None = None,
        remove: tuple[str, ...] = (),
    ) -> None:
        given = {name: value for name, value in attributes.items() if value is not None}
        names = {f"#{name}": name for name in [*given, *remove]}
        if condition and "#status" in condition:
            names["#status"] = "status"
        parts = []
        if given:
            parts.append("SET " + ", ".join(f"#{name} = :{name}" for name in given))
        if remove:
            parts.append("REMOVE " + ", ".join(f"#{name}" for name in remove))
        bound = {f":{name}": value for name, value in given.items()} | dict(values or {})
        if count:
            parts.append(f"ADD #{count} :one")
            names[f"#{count}"] = count
            bound[":one"] = 1
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": dict(key),
            "UpdateExpression": " ".join(parts),
        }
        if names:
            request["ExpressionAttributeNames"] = names
        if bound:
            request["ExpressionAttributeValues"] = to_item(bound)
        if condition:
            request["ConditionExpression"] = condition
        self._client.update_item(**request)


class LedgerWriteError(Exception):
    """DynamoDB kept refusing a batch of entries."""


def _planned(combination: Combination) -> dict[str, Any]:
    return {
        "n": combination.n,
        "id": combination.id,
        "model": combination.model,
        "worn": combination.worn,
        "variant": combination.variant,
        "garments": [garment.id for garment in combination.garments],
        "status": Status.PLANNED,
    }
