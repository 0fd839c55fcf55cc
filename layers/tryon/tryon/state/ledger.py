"""What happened to each combination: one DynamoDB item a combination, one a run, one a manifest claimed."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock
from tryon.json_types import Json, UnreadableError
from tryon.planning.plan import Combination, Key
from tryon.service import Candidate, Submitted, TaskResult, TaskStatus, registry
from tryon.state.entry import Entry, RefusedSubmit, Status, read_entry
from tryon.state.items import from_item, to_item
from tryon.state.run import Outcome, Run, RunStatus, halted_attribute, read_run
from tryon.stored import Lost, Stored

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        PutItemInputTypeDef,
        TransactWriteItemTypeDef,
        UpdateItemInputTypeDef,
    )

    Item = Mapping[str, AttributeValueTypeDef]

SLACK = 60.0
"""Seconds by which the service's clock and this one may disagree on how long a task took."""

RUN_INDEX = "runs"
"""The index that lists runs by id; only a run's own item carries its key attribute `kind`."""


_NAMED = re.compile(r"#(\w+)")

TRANSACTION = 100
"""Items that DynamoDB writes in one transaction."""


def _run_key(run_id: str) -> "Item":
    return to_item({"pk": f"run#{run_id}", "sk": "run"})


MOST_ENTRIES = 999_999
"""Of a run: the digits that sort an entry's key."""


def _entry_name(n: int) -> str:
    return f"combination#{n:06d}"


def _entry_key(run_id: str, n: int) -> "Item":
    return to_item({"pk": f"run#{run_id}", "sk": _entry_name(n)})


_OF_ONE_TASK = (
    "submitting_at",
    "submitted_at",
    "pending_at",
    "queued_at",
    "working_at",
    "processed_at",
    "ended_at",
    "latency",
    "delay",
    "candidates",
    "resumed",
    "not_found_at",
)


@dataclass(frozen=True)
class Standing:
    """Why a run was halted for an account, None while it was not, and when it started (seconds since the epoch)."""

    halted: str | None
    started_at: float


@dataclass(frozen=True)
class Claim:
    """What a manifest's version became: the run, and the ARN of its execution."""

    run_id: str
    execution: str


def claim_key(bucket: str, key: str, version: str) -> "Item":
    """The key of a manifest's claim, as the state machine writes it: by version, without versions by ETag."""
    return to_item({"pk": f"claim#{bucket}/{key}", "sk": version})


class LedgerConflictError(Exception):
    """A combination is not in the state that this step may follow; `entry` is how it stands."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"combination {entry.id} is {entry.status}")
        self.entry = entry


class RunEndedError(Exception):
    """The run has ended, or belongs to another execution: a late call changes nothing of it."""


class Ledger:
    """The ledger in one DynamoDB table.

    Any call may come twice, late, or after its successor. So each write names the state that it replaces: a status
    goes only forward, and an outcome stays. What was learned late, such as a task's id, is kept beside the outcome.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def open_run(self, run: Run) -> None:
        """Write a run's item as RUNNING.

        Raises `RunEndedError` where the run has ended, or is another execution's.
        """
        self._update_run(
            run.run_id,
            {"kind": "run", **run.as_item()},
            condition="attribute_not_exists(pk) OR (#status = :running AND #execution = :execution)",
            values={":running": RunStatus.RUNNING},
        )

    def plan_done(self, run_id: str, total: int, nothing_left: Iterable[str] | None = None) -> None:
        """Note that a run's plan and entries are whole; raises `RunEndedError` where the run has ended meanwhile."""
        self._update_run(
            run_id,
            {
                "planned_at": self._clock.now(),
                "total": total,
                "nothing_left": None if nothing_left is None else list(nothing_left),
            },
            condition="#status = :running",
            values={":running": RunStatus.RUNNING},
        )

    def report(self, run_id: str, outcome: Outcome) -> None:
        """Write a run's outcome, once; raises `RunEndedError` where it has one."""
        self._update_run(
            run_id, asdict(outcome), condition="#status = :running", values={":running": RunStatus.RUNNING}
        )

    def mark_repaired(self, run_id: str, by: Iterable[str]) -> None:
        """Note by which runs every combination of a run that has ended has its picture; its status stays."""
        self._update_run(run_id, {"repaired_by": list(by)}, condition="attribute_exists(pk)")

    def _update_run(
        self, run_id: str, attributes: Mapping[str, Json], *, condition: str, values: Mapping[str, Json] | None = None
    ) -> None:
        try:
            self._update(_run_key(run_id), attributes, condition=condition, values=values)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise RunEndedError(f"run {run_id} has ended, or belongs to another execution") from None

    def run(self, run_id: str) -> Run | None:
        """A run, None when there is none of that id."""
        answer = self._client.get_item(TableName=self._table, Key=_run_key(run_id), ConsistentRead=True)
        return read_run(from_item(answer["Item"])) if "Item" in answer else None

    def claim(self, bucket: str, key: str, version: str) -> Claim | None:
        """What a manifest's version became, None while no execution has claimed it."""
        answer = self._client.get_item(TableName=self._table, Key=claim_key(bucket, key, version), ConsistentRead=True)
        found = from_item(answer.get("Item", {}))
        return Claim(str(found["run_id"]), str(found["execution"])) if found else None

    def runs(self, limit: int = 20) -> list[Run]:
        """The newest runs, newest first."""
        return [read_run(item) for item in self._newest(limit)]

    def each_run(self, limit: int = 20) -> Iterator[Run | UnreadableError]:
        """The newest runs, newest first; in place of one whose item is damaged the error that says so."""
        for item in self._newest(limit):
            try:
                yield read_run(item)
            except UnreadableError as error:
                yield error

    def run_ids(self, *, limit: int, prefix: str = "") -> list[str]:
        """The ids of the newest runs that begin so, newest first, whatever else their items hold."""
        return [str(item["run_id"]) for item in self._newest(limit, prefix)]

    def _newest(self, limit: int, prefix: str = "") -> Iterator[dict[str, Json]]:
        """The items of the newest runs."""
        begins = " AND begins_with(run_id, :prefix)" if prefix else ""
        values = {":run": "run", **({":prefix": prefix} if prefix else {})}
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=RUN_INDEX,
            KeyConditionExpression=f"kind = :run{begins}",
            ExpressionAttributeValues=to_item(values),
            ScanIndexForward=False,
            # A page has 1 MB at most, whatever the limit.
            PaginationConfig={"MaxItems": limit, "PageSize": min(limit, 1000)},
        ):
            for item in page["Items"]:
                yield from_item(item)

    def retries_since(self, run_id: str) -> Iterator[Run]:
        """The runs that are newer than `run_id` and repeat one, oldest first.

        From the index, which may not show a run of the last seconds yet.
        """
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=RUN_INDEX,
            KeyConditionExpression="kind = :run AND run_id > :oldest",
            FilterExpression="attribute_exists(retry_of)",
            ExpressionAttributeValues=to_item({":run": "run", ":oldest": run_id}),
        ):
            for item in page["Items"]:
                yield read_run(from_item(item))

    def halt(self, run_id: str, error: str, cause: str, *, account: str = registry.FIRST_ACCOUNT) -> None:
        """Keep a run's other combinations of an account from starting: every one would fail alike."""
        why: dict[str, Json] = {halted_attribute(account): f"{error}: {cause}"}
        if account == registry.FIRST_ACCOUNT:
            why = {"halt_error": error, "halt_cause": cause}
        self._update(_run_key(run_id), why, condition="attribute_exists(pk)")

    def standing(self, run_id: str, account: str = registry.FIRST_ACCOUNT) -> Standing:
        """How a run stands for a combination that is about to ask for a slot of an account."""
        answer = self._client.get_item(
            TableName=self._table,
            Key=_run_key(run_id),
            ProjectionExpression="halt_error, halt_cause, started_at, #halted",
            ExpressionAttributeNames={"#halted": halted_attribute(account)},
        )
        run = read_run({"run_id": run_id, **from_item(answer.get("Item", {}))})
        return Standing(run.halted_at(account), run.started_at)

    def add(self, run_id: str, combinations: Iterable[Combination]) -> None:
        """Write combinations as PLANNED where there is no entry yet, `TRANSACTION` at a time."""
        for _ in self._put_new({**_entry_key(run_id, c.n), **to_item(_planned(c))} for c in combinations):
            pass

    def claim_repairs(self, first: str, run_id: str, keys: Iterable[Key], free: Mapping[Key, str]) -> frozenset[Key]:
        """Claim combinations of the run `first` for the retry `run_id`; returns those that another retry has.

        `free` names the runs whose claims are void, because they ended without a picture or a possible task.
        """
        claims: dict[str, Key] = {_claim_name(key): key for key in keys}
        items = ({**_claim_key(first, name), **to_item({"run_id": run_id, "at": self._clock.now()})} for name in claims)
        taken = set()
        for item in self._put_new(items):
            key = claims[item["sk"]["S"]]
            holders = [run_id, *([free[key]] if key in free else [])]
            if not self._put_if(item, holders):
                taken.add(key)
        return frozenset(taken)

    def repair_claims(self, first: str) -> dict[Key, str]:
        """Which retry claimed each combination of the run `first` last."""
        found = {}
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :first",
            ExpressionAttributeValues=to_item({":first": f"repair#{first}"}),
            ConsistentRead=True,
        ):
            for item in map(from_item, page["Items"]):
                model, worn, variant = str(item["sk"]).split("/")
                found[model, worn, variant] = str(item["run_id"])
        return found

    def _put_new(self, items: "Iterable[Item]") -> "Iterator[Item]":
        """Put items where nothing is yet, and yield those where something is.

        In transactions, which one such item fails as a whole: the others are then put one by one.
        """
        pending = iter(items)
        while batch := list(islice(pending, TRANSACTION)):
            if self._put_together(batch):
                continue
            for item in batch:
                if not self._put_if(item, ()):
                    yield item

    def _put_together(self, batch: "Sequence[Item]") -> bool:
        puts: Sequence[TransactWriteItemTypeDef] = [
            {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
            for item in batch
        ]
        for attempt in range(10):
            try:
                self._client.transact_write_items(TransactItems=puts)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if "ConditionalCheckFailed" in reasons:
                    return False
                # Another writer was at one of the items, or the table is busy.
                self._clock.sleep(min(5.0, 0.1 * 2**attempt))
            else:
                return True
        raise LedgerWriteError(f"{len(batch)} items could not be written")

    def _put_if(self, item: "Item", holders: Iterable[str]) -> bool:
        """Put an item where nothing is, or where what is there belongs to one of the runs; False elsewhere."""
        values = {f":holder{i}": holder for i, holder in enumerate(holders)}
        request: PutItemInputTypeDef = {"TableName": self._table, "Item": item}
        request["ConditionExpression"] = " OR ".join(
            ["attribute_not_exists(pk)", *(f"run_id = {name}" for name in values)]
        )
        if values:
            request["ExpressionAttributeValues"] = to_item(values)
        try:
            self._client.put_item(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def entry(self, run_id: str, n: int) -> Entry:
        """One combination's entry; raises KeyError when it was never planned."""
        answer = self._client.get_item(TableName=self._table, Key=_entry_key(run_id, n), ConsistentRead=True)
        if "Item" not in answer:
            raise KeyError(f"run {run_id} has no combination {n}")
        return read_entry(from_item(answer["Item"]))

    def entries(self, run_id: str, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """A run's entries in the order of their numbers, read page by page; those from `first` to `last` alone."""
        which, values = "begins_with(sk, :first)", {":first": "combination#"}
        if (first, last) != (1, None):
            which = "sk BETWEEN :first AND :last"
            values = {":first": _entry_name(first), ":last": _entry_name(MOST_ENTRIES if last is None else last)}
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=f"pk = :run AND {which}",
            ExpressionAttributeValues=to_item({":run": f"run#{run_id}", **values}),
            ConsistentRead=True,
        ):
            for item in page["Items"]:
                yield read_entry(from_item(item))

    def begin_submit(self, run_id: str, n: int, visit: int, refused_visit: int = 0) -> None:
        """PLANNED becomes SUBMITTING, for a visit that is newer than any that submitted.

        `refused_visit` is one of which the state machine knows that the service refused its submit: should the write
        that says so be lost, SUBMITTING of that visit is as good as PLANNED. Raises `LedgerConflictError` from any
        other state.
        """
        call = secrets.token_hex(8)
        try:
            self._step(
                run_id,
                n,
                {"status": Status.SUBMITTING, "submitting_at": self._clock.now(), "visit": visit, "submit_call": call},
                condition="(#status = :planned AND (attribute_not_exists(#visit) OR #visit < :visit)) "
                "OR (#status = :submitting AND #visit = :refused_visit)",
                values={":planned": Status.PLANNED, ":submitting": Status.SUBMITTING, ":refused_visit": refused_visit},
                count="submits",
                remove=("refusal",),
            )
        except (LedgerConflictError, ClientError, BotoCoreError):
            # DynamoDB's answer may be lost and not the write, which botocore then makes again: nothing is in doubt.
            if not self._began(run_id, n, call):
                raise

    def _began(self, run_id: str, n: int, call: str) -> bool:
        entry = self.entry(run_id, n)
        return entry.status is Status.SUBMITTING and entry.submit_call == call

    def withdraw_submit(self, run_id: str, n: int, visit: int, error: str = "", cause: str = "") -> None:
        """SUBMITTING becomes PLANNED again: the service's answer, an error, proved that there is no task.

        An entry that has its outcome keeps it, and is in no doubt any more.
        """
        refusal = asdict(RefusedSubmit(error, cause))
        try:
            self._step(
                run_id,
                n,
                {"status": Status.PLANNED, "refusal": refusal},
                condition="#status = :submitting AND #visit = :visit",
                values={":submitting": Status.SUBMITTING, ":visit": visit},
                remove=("submitting_at",),
            )
        except LedgerConflictError as conflict:
            if conflict.entry.status is not Status.FAILED:
                return
            with suppress(LedgerConflictError):
                self._step(
                    run_id,
                    n,
                    {"refusal": refusal},
                    condition="#status = :failed AND #visit = :visit AND attribute_not_exists(task_id)",
                    values={":failed": Status.FAILED, ":visit": visit},
                    remove=("submitting_at",),
                )

    def close_visit(self, run_id: str, n: int, visit: int) -> Entry:
        """Keep a visit that has not submitted from doing so late; returns the entry as it is then."""
        with suppress(LedgerConflictError):
            self._step(
                run_id,
                n,
                {"visit": visit},
                condition="#status = :planned AND (attribute_not_exists(#visit) OR #visit < :visit)",
                values={":planned": Status.PLANNED},
            )
        return self.entry(run_id, n)

    def submitted(self, run_id: str, n: int, visit: int, submitted: Submitted) -> None:
        """Keep the task's id, which is what was paid for: beside the outcome where the entry has one already."""
        facts: dict[str, Json] = {
            "task_id": submitted.task_id,
            "submitted_at": self._clock.now(),
            "request_ids": (submitted.request_id,),
        }
        try:
            self._step(
                run_id,
                n,
                {"status": Status.SUBMITTED, **facts},
                condition="#status = :submitting AND #visit = :visit",
                values={":submitting": Status.SUBMITTING, ":visit": visit},
            )
        except LedgerConflictError:
            with suppress(LedgerConflictError):
                self._step(
                    run_id,
                    n,
                    facts,
                    condition="#status IN (:failed, :submitted) AND attribute_not_exists(submitted_at) "
                    "AND (attribute_not_exists(#task_id) OR #task_id = :task_id)",
                    values={":failed": Status.FAILED, ":submitted": Status.SUBMITTED},
                )

    def resume(self, run_id: str, n: int, task_id: str) -> None:
        """Adopt a task of an earlier run as this combination's own; called again, nothing changes.

        Raises `LedgerConflictError` where the combination has another task or its outcome.
        """
        try:
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
                condition="#status = :planned",
                values={":planned": Status.PLANNED},
            )
        except LedgerConflictError as conflict:
            if conflict.entry.status is not Status.SUBMITTED or conflict.entry.task_id != task_id:
                raise

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

    def pending(self, run_id: str, n: int, task_id: str, status: TaskStatus) -> Entry | None:
        """Count a poll that saw the task unfinished: in the queue still, or at work and since when that is seen.

        A task that is back in the queue has not begun. Returns the entry as it is then, None where the poll is late.
        """
        now = self._clock.now()
        if status is TaskStatus.IN_QUEUE:
            seen = {"pending_at": now, "queued_at": now}
            return self._polled(run_id, n, task_id, seen, remove=("not_found_at", "working_at"))
        seen = {"pending_at": now, "working_at": now}
        return self._polled(run_id, n, task_id, seen, once=("working_at",), remove=("not_found_at",))

    def not_found(self, run_id: str, n: int, task_id: str, since: float) -> None:
        """Count a poll to which the service said that it does not know the task; it began to say so at `since`."""
        self._polled(run_id, n, task_id, {"not_found_at": since})

    def unanswered(self, run_id: str, n: int, task_id: str, said: str) -> None:
        """Count a poll whose answer says nothing about the task, and keep what it said."""
        self._polled(run_id, n, task_id, {"said": said}, count=("polls", "unanswered"))

    def ended(self, run_id: str, entry: Entry, task_id: str, result: TaskResult | None = None) -> Entry | None:
        """Count the poll that saw the end, with the service's own times where it gave them.

        Returns the entry as it is then, None where the poll is late.
        """
        now = self._clock.now()
        seen: dict[str, Json] = {"ended_at": now}
        if result is not None:
            seen["billed"] = result.billed
            seen["candidates"] = [_candidate(candidate) for candidate in result.candidates]
            latency = None if result.times is None else result.times.latency
            # A time that is longer than the task can have lasted is no time: one would spoil every mean of the run.
            # A service keeps a task for some hours: one that an earlier run started took no longer.
            longest = (
                registry.find(entry.service).task_kept if entry.resumed else now - (entry.submitted_at or now) + SLACK
            )
            if latency is not None and entry.submitted_at is not None and latency <= longest:
                seen["latency"] = latency
                # Both ends by one clock each: the service's clock need not agree with this one.
                seen["delay"] = max(0.0, now - entry.submitted_at - latency) if not entry.resumed else None
                waited = None if result.times is None else result.times.waited
                seen["processed_at"] = None if waited is None else entry.submitted_at + waited
        return self._polled(run_id, entry.n, task_id, seen)

    def _polled(
        self,
        run_id: str,
        n: int,
        task_id: str,
        seen: Mapping[str, Json],
        *,
        once: tuple[str, ...] = (),
        count: tuple[str, ...] = ("polls",),
        remove: tuple[str, ...] = (),
    ) -> Entry | None:
        # A poll knows the task's id from the state machine: it mends an entry whose submit could not be written.
        # One that was slow to die must not touch an entry that has its outcome, or another task.
        with suppress(LedgerConflictError):
            written = self._step(
                run_id,
                n,
                {"task_id": task_id, "status": Status.SUBMITTED, **seen},
                condition="NOT #status IN (:succeeded, :failed) AND NOT contains(refused_tasks, :task_id) "
                "AND (attribute_not_exists(#task_id) OR #task_id = :task_id)",
                values={":succeeded": Status.SUCCEEDED, ":failed": Status.FAILED},
                once=once,
                count=count,
                remove=remove,
            )
            return read_entry(written)
        return None

    def succeeded(
        self,
        run_id: str,
        n: int,
        results: Iterable[Stored],
        lost: Iterable[Lost] = (),
    ) -> None:
        """Keep the results that are in S3, and what could not be had.

        Raises `LedgerConflictError` where the combination was given another outcome before: a retry then resumes
        the task, and pays nothing.
        """
        stored = list(results)
        try:
            self._step(
                run_id,
                n,
                {
                    "status": Status.SUCCEEDED,
                    "results": [one.as_item() for one in stored],
                    "lost": [asdict(one) for one in lost] or None,
                    "bytes": sum(one.bytes for one in stored),
                    "finished_at": self._clock.now(),
                },
                condition="#status <> :status AND #status <> :failed",
                values={":failed": Status.FAILED},
                remove=("candidates", "error", "cause", "step"),
            )
        except LedgerConflictError as conflict:
            if conflict.entry.status is not Status.SUCCEEDED:
                raise

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
        attributes: Mapping[str, Json],
        *,
        condition: str = "attribute_exists(pk)",
        values: Mapping[str, Json] | None = None,
        once: tuple[str, ...] = (),
        count: str | tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
    ) -> dict[str, Json]:
        try:
            return self._update(
                _entry_key(run_id, n),
                attributes,
                condition=condition,
                values=values,
                once=once,
                count=count,
                remove=remove,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise LedgerConflictError(self.entry(run_id, n)) from None

    def _update(
        self,
        key: "Item",
        attributes: Mapping[str, Json],
        *,
        condition: str | None = None,
        values: Mapping[str, Json] | None = None,
        once: tuple[str, ...] = (),
        count: str | tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
    ) -> dict[str, Json]:
        """Change an item; returns it as it is then, which costs nothing beside the write."""
        given = {name: value for name, value in attributes.items() if value is not None}
        names = {f"#{name}": name for name in [*given, *remove]}
        names.update({f"#{name}": name for name in _NAMED.findall(condition or "")})
        parts = []
        if given:
            # What is written once stays as the first call wrote it.
            kept = {name: f"if_not_exists(#{name}, :{name})" for name in once}
            parts.append("SET " + ", ".join(f"#{name} = {kept.get(name, f':{name}')}" for name in given))
        if remove:
            parts.append("REMOVE " + ", ".join(f"#{name}" for name in remove))
        bound = {f":{name}": value for name, value in given.items()} | dict(values or {})
        counts = (count,) if isinstance(count, str) else count
        if counts:
            parts.append("ADD " + ", ".join(f"#{name} :one" for name in counts))
            names.update({f"#{name}": name for name in counts})
            bound[":one"] = 1
        request: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": " ".join(parts),
            "ReturnValues": "ALL_NEW",
        }
        if names:
            request["ExpressionAttributeNames"] = names
        if bound:
            request["ExpressionAttributeValues"] = to_item(bound)
        if condition:
            request["ConditionExpression"] = condition
        return from_item(self._client.update_item(**request).get("Attributes", {}))


class LedgerWriteError(Exception):
    """DynamoDB kept refusing a batch of entries."""


def _claim_name(key: Key) -> str:
    return "/".join(key)


def _claim_key(first: str, name: str) -> "Item":
    return to_item({"pk": f"repair#{first}", "sk": name})


def _candidate(candidate: Candidate) -> dict[str, Json]:
    """What the last poll leaves of a candidate: never its bytes, which an item could not hold."""
    known: dict[str, Json] = {"url": candidate.url, "score": candidate.score, "reason": candidate.reason}
    return {"seed": candidate.seed, **{name: value for name, value in known.items() if value is not None}}


def _planned(combination: Combination) -> dict[str, Json]:
    return {
        "n": combination.n,
        "id": combination.id,
        "service": combination.service,
        "model": combination.model,
        "worn": combination.worn,
        "variant": combination.variant,
        "garments": [garment.id for garment in combination.garments],
        "status": Status.PLANNED,
        "take": combination.take if combination.take > 1 else None,
    }
