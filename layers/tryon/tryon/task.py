"""One combination at the service: started once, asked after until it ends."""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

import requests
from botocore.exceptions import BotoCoreError, ClientError

from tryon import results
from tryon.clock import Clock
from tryon.fetch import OriginPolicy, ResultGoneError
from tryon.gate import Gate
from tryon.ledger import Entry, Ledger, LedgerConflictError
from tryon.parameters import Parameters
from tryon.plan import Combination, RunFolder
from tryon.service import Candidate, Submission, TaskStatus, TryOnService
from tryon.service.errors import (
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskError,
    TaskExpiredError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUSY_PAUSE = 10.0
"""Seconds without a submit after a 50430: somebody outside this gate holds a slot, for a task of about 27 s."""

UNAVAILABLE_PAUSE = 5.0
"""Seconds without a submit after an internal error of the service."""

THROTTLED_PAUSE = 2.0
"""Seconds without a submit after a 50429 that names no time."""

NOT_FOUND_GRACE = 20.0
"""Seconds after the submit in which an unknown task is one that the service has not filed yet."""


PREFLIGHT_TASK = "0"
"""An id that no task has: asking for it is free and tells whether keys, clock and signature are right."""


class TaskState(StrEnum):
    """What a poll tells the state machine."""

    PENDING = "pending"
    DONE = "done"


class RunHaltedError(Exception):
    """The run goes no further: access to the service is broken, or its report is already written."""


def holder(run_id: str, n: int) -> str:
    """The name under which a combination holds its slot."""
    return f"{run_id}#{n}"


def check_access(service: TryOnService, gate: Gate) -> None:
    """Ask the service for a task that does not exist, so that broken access stops a run before it begins.

    Raises `ServiceAccessError`, or the errors that say to ask again later.
    """
    gate.take_turn()
    # Any opinion about the task itself proves that the question was let in.
    with suppress(TaskError):
        service.result(PREFLIGHT_TASK)


def start(
    combination: Combination,
    *,
    run_id: str,
    ledger: Ledger,
    gate: Gate,
    service: TryOnService,
    load: Callable[[Combination], Submission],
    refused_task: str | None = None,
) -> str:
    """Start the combination's task and return its id; called again, return the id without paying again.

    After a task whose result the service refused, `refused_task`, another one is started, with another seed.

    The slot is freed here on every answer which proves that no task exists, and kept otherwise. Raises the
    errors of `tryon.service.errors`; `SubmitOutcomeUnknownError` when an earlier call left no id behind.
    """
    n = combination.n
    if refused_task is not None:
        refused = len(ledger.replan(run_id, n, refused_task).refused_tasks)
        combination = combination.model_copy(update={"parameters": _with_another_seed(combination.parameters, refused)})
    elif combination.task_id is not None:
        ledger.resume(run_id, n, combination.task_id)
        return combination.task_id
    submission = load(combination)
    # Before the ledger says that the service is being called, so that whatever breaks here leaves no doubt.
    gate.take_turn()
    try:
        ledger.begin_submit(run_id, n)
    except LedgerConflictError as conflict:
        entry = conflict.entry
        if entry.task_id is None and entry.submitting_at is None:
            # As where somebody redrives an execution whose run was reported already.
            gate.release(holder(run_id, n))
            raise RunHaltedError(f"{entry.id} has its outcome already, without a submit: {entry.error}") from None
        return _task_of(entry)
    try:
        submitted = service.submit(submission)
    except SubmitOutcomeUnknownError:
        raise
    except ServiceError as error:
        ledger.withdraw_submit(run_id, n)
        if isinstance(error, ServiceAccessError):
            ledger.halt(run_id, type(error).__name__, str(error))
        gate.release(holder(run_id, n), pause=_pause(error))
        raise
    # The id was received and is paid for. Should the ledger be away, the state machine still carries it to the
    # first poll, which writes it down; failing here would lose it.
    with suppress(ClientError, BotoCoreError):
        ledger.submitted(run_id, n, submitted)
    return submitted.task_id


def _with_another_seed(parameters: Parameters, refused: int) -> Parameters:
    # Without a seed the service draws one for each task.
    if parameters.seed < 0:
        return parameters
    return parameters.model_copy(update={"seed": (parameters.seed + refused) % 2**32})


def _task_of(entry: Entry) -> str:
    if entry.task_id is not None:
        return entry.task_id
    raise SubmitOutcomeUnknownError(
        f"an earlier submit of {entry.id} was sent and its answer never seen: a task may exist and be billed"
    )


def _pause(error: ServiceError) -> float:
    match error:
        case ServiceBusyError():
            return BUSY_PAUSE
        case ServiceThrottledError():
            return THROTTLED_PAUSE if error.retry_after is None else error.retry_after
        case ServiceUnavailableError():
            return UNAVAILABLE_PAUSE
        case _:
            return 0.0


def look(
    run_id: str,
    n: int,
    task_id: str,
    *,
    ledger: Ledger,
    gate: Gate,
    service: TryOnService,
    now: Callable[[], float],
) -> TaskState:
    """Ask once after a task; free its slot when it has ended.

    A question without an answer is not a failed task: it counts as pending. Raises `TaskError` subclasses when
    the task ended without a picture.
    """
    gate.take_turn()
    try:
        result = service.result(task_id)
    except TaskError:
        ledger.ended(run_id, ledger.entry(run_id, n), task_id)
        gate.release(holder(run_id, n))
        raise
    except ServiceError:
        ledger.unanswered(run_id, n, task_id)
        return TaskState.PENDING
    if result.status in (TaskStatus.IN_QUEUE, TaskStatus.GENERATING):
        ledger.pending(run_id, n, task_id)
        return TaskState.PENDING
    entry = ledger.entry(run_id, n)
    # A task that was resumed was filed long ago; one submitted a moment ago may not be yet.
    filed_by = 0.0 if entry.resumed else (entry.submitted_at or now()) + NOT_FOUND_GRACE
    if result.status is TaskStatus.NOT_FOUND and now() < filed_by:
        ledger.pending(run_id, n, task_id)
        return TaskState.PENDING
    ledger.ended(run_id, entry, task_id, result)
    gate.release(holder(run_id, n))
    if result.status is TaskStatus.DONE:
        return TaskState.DONE
    raise TaskExpiredError(
        f"the service answers {result.status.value} for task {task_id}", request_id=result.request_id
    )


def collect(
    entry: Entry,
    task_id: str,
    *,
    folder: RunFolder,
    bucket: str,
    service: TryOnService,
    session: requests.Session,
    s3: "S3Client",
    policy: OriginPolicy,
    clock: Clock,
) -> list[results.Stored]:
    """Bring every candidate of an ended task into S3, from the addresses that the last poll left in the ledger.

    Asks the service again, once, when there are none (it sent the pictures themselves) or they no longer work.
    Raises the errors of `tryon.fetch` and `tryon.results`.
    """

    def store(candidates: tuple[Candidate, ...]) -> list[results.Stored]:
        if not candidates:
            raise ResultGoneError(f"task {task_id} is done and the service names no picture of it")
        return [
            results.download(
                session,
                s3,
                candidate,
                policy=policy,
                clock=clock,
                bucket=bucket,
                key=folder.result(entry.model, entry.id, i),
            )
            for i, candidate in enumerate(candidates, start=1)
        ]

    known = tuple(Candidate(url=c.get("url"), seed=c.get("seed")) for c in entry.candidates)
    if known and all(candidate.url for candidate in known):
        try:
            return store(known)
        except ResultGoneError:
            pass  # 24 hours have passed, or the service moved them
    return store(service.result(task_id).candidates)
