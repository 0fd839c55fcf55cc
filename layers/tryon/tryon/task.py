"""One combination at the service: started once, asked after until it ends."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import requests
from botocore.exceptions import BotoCoreError, ClientError

from tryon import results
from tryon.clock import Clock
from tryon.fetch import MAX_SECONDS, FetchError, OriginPolicy, ResultGoneError, ResultUnavailableError
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


@dataclass(frozen=True)
class Lost:
    """A candidate that could not be had: its number, the error's name and why."""

    candidate: int
    error: str
    cause: str


@dataclass(frozen=True)
class Collected:
    """What came of a task's candidates: at least one picture, by candidates' numbers, and what could not be had."""

    stored: Mapping[int, results.Stored]
    lost: tuple[Lost, ...] = ()


RETRY_DELAYS = (2.0, 5.0)
"""Seconds before a candidate is tried again within a call."""

LATE_DELAYS = (15.0, 30.0, 60.0)
"""Seconds before it is tried again when others are stored: without it the combination has its outcome."""

COLLECT_SECONDS = 260.0
"""How long a call may try: a little less than the function lives."""

_LEAST_SECONDS = 10.0
_MAY_PASS = (ResultUnavailableError, results.StorageUnavailableError)


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
    seconds: float = COLLECT_SECONDS,
    delays: Sequence[float] = RETRY_DELAYS,
    late_delays: Sequence[float] = LATE_DELAYS,
) -> Collected:
    """Bring every candidate of an ended task into S3 that can be had, from the addresses that the last poll left.

    One that cannot be had costs no other: each is tried before one of them is tried again, and what an earlier call
    stored is not fetched again. Asks the service anew, once, for those that have no address (it sent the pictures
    themselves) or whose address leads to no picture. Raises the errors of `tryon.fetch` and `tryon.results` when
    there is not one picture, or when `seconds` were too few and another call will get further.
    """
    until = clock.now() + seconds
    stored = results.find(s3, bucket, folder.results(entry.model, entry.id))
    before = len(stored)
    known = {n: Candidate(url=c.get("url"), seed=c.get("seed")) for n, c in enumerate(entry.candidates, start=1)}
    failures: dict[int, Exception] = {}
    untried: set[int] = set()

    def may_pass(n: int) -> bool:
        return n not in stored and isinstance(failures.get(n), _MAY_PASS)

    def bring(candidates: Mapping[int, Candidate]) -> None:
        for n, candidate in candidates.items():
            left = until - clock.now()
            if left < _LEAST_SECONDS:
                untried.add(n)
                failures.setdefault(n, ResultUnavailableError("no time was left to fetch this result"))
                continue
            try:
                stored[n] = results.download(
                    session,
                    s3,
                    candidate,
                    policy=policy,
                    clock=clock,
                    bucket=bucket,
                    key=partial(folder.result, entry.model, entry.id, n),
                    max_seconds=min(MAX_SECONDS, left),
                )
            except (FetchError, results.StorageUnavailableError) as error:
                failures[n] = error

    def bring_again(candidates: Mapping[int, Candidate], pauses: Sequence[float]) -> None:
        for pause in pauses:
            again = {n: candidate for n, candidate in candidates.items() if may_pass(n)}
            if not again or until - clock.now() < pause + _LEAST_SECONDS:
                return
            clock.sleep(pause)
            bring(again)

    with_address = {n: candidate for n, candidate in known.items() if candidate.url and n not in stored}
    bring(with_address)
    bring_again(with_address, delays)
    refusal: ServiceError | None = None
    if not known or any(n not in stored and not may_pass(n) for n in known):
        try:
            renewed = dict(enumerate(service.result(task_id).candidates, start=1))
        except ServiceError as error:
            refusal = error
        else:
            wanted = {n: candidate for n, candidate in renewed.items() if n not in stored and not may_pass(n)}
            known |= wanted
            bring(wanted)
            bring_again(wanted, delays)
    if stored:
        bring_again(known, late_delays)
    for n in known:
        failures.setdefault(n, ResultGoneError("the service gave neither an address nor the bytes of this result"))
    missing = [n for n in sorted(known) if n not in stored]
    if not stored or (untried.intersection(missing) and len(stored) > before):
        raise _worst(task_id, [failures[n] for n in missing], refusal)
    return Collected(stored, tuple(Lost(n, type(failures[n]).__name__, str(failures[n])) for n in missing))


def _worst(task_id: str, failures: Sequence[Exception], refusal: ServiceError | None) -> Exception:
    """What a task without a picture failed of: what may pass before what will not."""
    passing = next((failure for failure in failures if isinstance(failure, _MAY_PASS)), None)
    nothing = ResultGoneError(f"task {task_id} is done and the service names no picture of it")
    return passing or refusal or next(iter(failures), nothing)
