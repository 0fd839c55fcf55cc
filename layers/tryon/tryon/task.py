"""One combination at the service: started once, asked after until it ends."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import requests
from botocore.exceptions import BotoCoreError, ClientError

from tryon import results
from tryon.clock import Clock
from tryon.entry import Entry, RefusedSubmit, Status
from tryon.fetch import MAX_SECONDS, FetchError, OriginPolicy, ResultGoneError, ResultUnavailableError
from tryon.gate import Gate, GateError, Refusal, SlotLostError, Trouble, TurnLaterError
from tryon.ledger import Ledger, LedgerConflictError
from tryon.objects import StorageUnavailableError
from tryon.parameters import Parameters
from tryon.plan import Combination, RunFolder
from tryon.service import Candidate, Submission, TaskStatus, TryOnService
from tryon.service import errors as service_errors
from tryon.service.errors import (
    RefusalUnconfirmedError,
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnreachableError,
    SubmitOutcomeUnknownError,
    TaskError,
    TaskExpiredError,
    UnknownRefusalError,
)
from tryon.stored import Lost, Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOT_FOUND_SECONDS = 60.0
"""Seconds over which the service must say that it does not know a task before that is an end: it files a task a moment
after it takes it, and a node that lags behind has been seen to know nothing for a while."""

SUBMIT_DEAD_SECONDS = 115.0
"""Seconds after which a Submit that began is dead: its function's time limit is 110 s."""

CONFIRM_SECONDS = 120.0
"""Seconds over which refusals that would end a run must repeat: keys are switched off before their successors are in
the secret, a firewall's page passes."""

CONFIRM_SUBMITS = 3
"""Submits in a row whose refusal ends a run where the free question is answered."""

MOST_REFUSALS = 5
"""Refusals of that kind after which a combination ends by itself, where others pass meanwhile."""

MOST_WAIT = 4 * 86_400.0
"""Seconds that a combination waits for its first submit, over all its visits to the gate: its history has room for
25,000 events, and two minutes of waiting take four."""

PREFLIGHT_TASK = "0"
"""An id that no task has: asking for it is free and shows whether keys, clock and signature are right."""


class TaskState(StrEnum):
    """What a poll reports to the state machine."""

    PENDING = "pending"
    DONE = "done"


class RunHaltedError(Exception):
    """The run goes no further: access to the service is broken, or its report is already written."""


class NotStartedError(Exception):
    """The combination was never submitted: the service refused every submit for too long, or the run ended before."""


class SubmitUnansweredError(Exception):
    """An earlier call of the same Submit may still run: what became of it is not known before it is dead."""


@dataclass(frozen=True)
class Started:
    """A combination's task, and the seconds since its submit."""

    task_id: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Look:
    """What one poll saw: the task's state, and what the service said where that was not understood.

    `again_in` is set where nothing was asked, because the account's requests are all taken for now: seconds.
    """

    state: TaskState
    said: str = ""
    error: ServiceError | None = None
    again_in: float | None = None


def holder(run_id: str, n: int, visit: int) -> str:
    """The name under which a combination holds its slot: each visit to the gate has its own.

    So a late call of one visit frees no slot of the next. The first visit's has no number: that is the name which an
    execution holds that began before visits had one.
    """
    return f"{holders_of(run_id)}{n}" + (f"#{visit}" if visit > 1 else "")


def holders_of(run_id: str) -> str:
    """What the names of all holders of a run begin with."""
    return f"{run_id}#"


def requester(run_id: str, n: int) -> str:
    """The name under which a combination's next request to the service is booked."""
    return f"{run_id}#{n}"


def check_access(service: TryOnService, gate: Gate) -> None:
    """Ask the service for a task that does not exist, so that broken access stops a run before it begins.

    Raises `ServiceAccessError`, or the errors that say to ask again later.
    """
    try:
        gate.take_turn()
    except TurnLaterError as later:
        raise ServiceThrottledError(str(later)) from later
    # Any opinion about the task itself proves that the question was let in.
    with suppress(TaskError):
        service.result(PREFLIGHT_TASK)


def ask_for_slot(
    combination: Combination,
    token: str,
    *,
    run_id: str,
    visit: int,
    ask: int,
    refused_task: str,
    waiting_since: float,
    ledger: Ledger,
    gate: Gate,
    clock: Clock,
    patience: float,
) -> None:
    """Ask the gate for a slot for one visit; `token` is woken when there is one.

    A task of an earlier run needs no slot, but the one that replaces it does: `refused_task` says that there is one.
    `waiting_since` is when the combination first asked, in seconds since the epoch; `patience` is how many seconds
    the service may refuse all submits before the run gives up. Raises `RunHaltedError` where the run goes no further
    and `NotStartedError` where the wait was too long.
    """
    standing = ledger.standing(run_id)
    if standing.halted is not None:
        raise RunHaltedError(f"the run was stopped before this combination: {standing.halted}")
    if combination.task_id is not None and not refused_task:
        gate.pass_through(token)
        return
    now = clock.now()
    trouble = gate.state().trouble
    if trouble is not None and now - max(trouble.since, standing.started_at) > patience:
        raise NotStartedError(
            f"the service refused every submit for {patience / 3600:.1f} hours, nothing was paid; it said last: "
            f"{trouble.word}"
        )
    if now - waiting_since > MOST_WAIT:
        raise NotStartedError(f"no slot was free for {MOST_WAIT / 86_400:.0f} days; nothing was paid")
    gate.reserve(holder(run_id, combination.n, visit), token, ask)


def give_slot_back(run_id: str, n: int, visit: int, *, ledger: Ledger, gate: Gate) -> Entry:
    """Free the slot of a visit that failed, unless a task may be running in it; returns the combination's entry.

    Closes the visit first, so that a call of its Submit that is still on its way can begin nothing without the slot.
    """
    entry = ledger.close_visit(run_id, n, visit)
    if not entry.may_still_run:
        gate.release(holder(run_id, n, visit))
    return entry


def start(
    combination: Combination,
    *,
    run_id: str,
    visit: int,
    ledger: Ledger,
    gate: Gate,
    service: TryOnService,
    load: Callable[[Combination], Submission],
    now: Callable[[], float],
    refusals: int = 0,
    refused_visit: int = 0,
    refused_task: str | None = None,
) -> Started:
    """Start the combination's task and return its id; called again, return the id without paying again.

    `visit` numbers the combination's visits, `refused_visit` is the last one of which the state machine knows that the
    service refused its submit, `refusals` how many of those count. After a task whose result the service refused,
    `refused_task`, another one is started, with another seed.

    The slot is freed here before every error which proves that no task exists, and kept otherwise. Raises the
    errors of `tryon.service.errors`; `SlotLostError` where the combination must ask for a slot again;
    `SubmitUnansweredError` while an earlier call may still run, and `SubmitOutcomeUnknownError` when one left no id
    behind; `RunHaltedError` where the combination has its outcome.
    """
    n = combination.n
    me = holder(run_id, n, visit)
    if refused_task is not None:
        refused = len(ledger.replan(run_id, n, refused_task).refused_tasks)
        combination = combination.model_copy(update={"parameters": _with_another_seed(combination.parameters, refused)})
    elif combination.task_id is not None:
        return _resume(combination.task_id, run_id, n, ledger, now)

    def earlier(entry: Entry) -> Started | None:
        try:
            return _found(entry, visit, refused_visit, now())
        except (SlotLostError, TaskError, RunHaltedError):
            if not entry.may_still_run:
                gate.release(me)
            raise

    found = earlier(ledger.entry(run_id, n))
    if found is not None:
        return found
    try:
        submission = load(combination)
        # Before the ledger says that the service is being called, so that whatever breaks here leaves no doubt.
        gate.take_turn(requester(run_id, n))
        adopted = _asked_once_more(combination, service)
        if adopted is not None:
            return _resume(adopted, run_id, n, ledger, now)
        trouble = gate.hold(me)
    except TurnLaterError as later:
        if later.booked:
            # Nobody else has a request earlier: the slot waits for the turn, and idles for nothing.
            raise
        gate.release(me, pause=later.seconds)
        raise SlotLostError(str(later)) from later
    except ServiceError as error:
        gate.refused(me, Refusal.UNAVAILABLE, word=str(error))
        raise
    except Exception:
        gate.release(me)
        raise
    if trouble is not None and trouble.access:
        _confirm_access(run_id, me, ledger, gate, service)
    try:
        ledger.begin_submit(run_id, n, visit, refused_visit)
    except LedgerConflictError as conflict:
        found = earlier(conflict.entry)
        if found is None:
            raise
        return found
    try:
        submitted = service.submit(submission)
    except SubmitOutcomeUnknownError as error:
        # The slot stays, for a task may run in it.
        gate.refused(me, Refusal.SILENT, word=str(error), keep=True)
        raise
    except ServiceError as error:
        # Lost, this write is made up for by the state machine, which learns of the refusal from the error.
        with suppress(ClientError, BotoCoreError):
            ledger.withdraw_submit(run_id, n, visit, type(error).__name__, str(error))
        raise _after_refusal(error, run_id, me, ledger, gate, trouble, refusals) from error
    # The id was received and is paid for. Should the ledger be away, the state machine still carries it to the
    # first poll, which writes it down; failing here would lose it.
    with suppress(ClientError, BotoCoreError):
        ledger.submitted(run_id, n, visit, submitted)
    if trouble is not None:
        with suppress(ClientError, BotoCoreError, GateError):
            gate.accepted()
    return Started(submitted.task_id)


def _found(entry: Entry, visit: int, refused_visit: int, now: float) -> Started | None:
    """What an earlier call left: its task, its error, or None where there is nothing against a submit."""
    if entry.status in (Status.FAILED, Status.SUCCEEDED):
        # As where an execution is redriven whose run was reported already.
        raise RunHaltedError(f"{entry.id} has its outcome already: {entry.error or 'it has its picture'}")
    if entry.task_id is not None:
        return Started(entry.task_id, max(0.0, now - (entry.submitted_at or now)))
    if entry.status is Status.PLANNED:
        if entry.visit < visit:
            return None
        refusal = entry.refusal or RefusedSubmit(cause="its slot was given back")
        error = getattr(service_errors, refusal.error, None)
        if isinstance(error, type) and issubclass(error, TaskError) and error is not UnknownRefusalError:
            raise error(refusal.cause)
        raise SlotLostError(f"this visit has ended: {refusal.cause}")
    if refused_visit and entry.visit == refused_visit:
        return None
    if entry.submitting_at is not None and now - entry.submitting_at < SUBMIT_DEAD_SECONDS:
        raise SubmitUnansweredError(f"an earlier call of this submit of {entry.id} may still run")
    raise SubmitOutcomeUnknownError(
        f"an earlier submit of {entry.id} was sent and its answer never seen: a task may exist and be billed"
    )


def _resume(task_id: str, run_id: str, n: int, ledger: Ledger, now: Callable[[], float]) -> Started:
    try:
        ledger.resume(run_id, n, task_id)
    except LedgerConflictError as conflict:
        found = _found(conflict.entry, 0, 0, now())
        if found is None:
            raise
        return found
    return Started(task_id)


def _asked_once_more(combination: Combination, service: TryOnService) -> str | None:
    """The task of an earlier run that the service did not know then, if it knows it now.

    The question shares the turn of the submit that follows: it is asked again where the submit had to wait.
    """
    if combination.doubted_task is None:
        return None
    try:
        status = service.result(combination.doubted_task).status
    except TaskError:
        return None
    except ServiceError as error:
        # Nothing was sent that could be billed, and nothing may be before this is known.
        raise ServiceUnreachableError(
            f"whether task {combination.doubted_task} exists is not known: {error}"
        ) from error
    return None if status in (TaskStatus.NOT_FOUND, TaskStatus.EXPIRED) else combination.doubted_task


def _confirm_access(run_id: str, me: str, ledger: Ledger, gate: Gate, service: TryOnService) -> None:
    """Ask the free question before one more submit: refused too, over two minutes, the run goes no further."""
    halted = ledger.standing(run_id).halted
    if halted is not None:
        # It waited at the gate when the run was halted.
        gate.release(me)
        raise RunHaltedError(f"the run was stopped before this combination: {halted}")
    try:
        check_access(service, gate)
    except ServiceAccessError as error:
        trouble = gate.refused(me, Refusal.ACCESS, word=str(error), submit=False)
        _halt_if(_lasting(trouble, gate), run_id, ledger, error)
        raise RefusalUnconfirmedError(str(error), code=error.code, request_id=error.request_id) from error
    except ServiceError:
        pass  # no answer: the submit itself will show


def _lasting(trouble: Trouble, gate: Gate) -> bool:
    return gate.now() - trouble.access_since >= CONFIRM_SECONDS


def _halt_if(confirmed: bool, run_id: str, ledger: Ledger, error: ServiceError) -> None:
    if confirmed:
        ledger.halt(run_id, type(error).__name__, str(error))
        raise error


def _after_refusal(
    error: ServiceError, run_id: str, me: str, ledger: Ledger, gate: Gate, trouble: Trouble | None, refusals: int
) -> Exception:
    """Free the slot, let the gate pause as the refusal asks, and return what the state machine is told."""
    word = str(error)
    match error:
        case ServiceBusyError():
            gate.refused(me, Refusal.BUSY, word=word)
        case ServiceThrottledError():
            gate.refused(me, Refusal.THROTTLED, pause=error.retry_after, word=word)
        case ServiceAccessError() | UnknownRefusalError():
            after = gate.refused(me, Refusal.ACCESS, word=word)
            _halt_if(after.submits >= CONFIRM_SUBMITS and _lasting(after, gate), run_id, ledger, error)
            if refusals + 1 < MOST_REFUSALS:
                return RefusalUnconfirmedError(word, code=error.code, request_id=error.request_id)
        case TaskError():
            # An opinion about this picture: the service works.
            gate.release(me)
            if trouble is not None:
                gate.accepted()
        case _:
            gate.refused(me, Refusal.UNAVAILABLE, word=word)
    return error


def _with_another_seed(parameters: Parameters, refused: int) -> Parameters:
    # Without a seed the service draws one for each task.
    if parameters.seed < 0:
        return parameters
    return parameters.model_copy(update={"seed": (parameters.seed + refused) % 2**32})


def look(
    run_id: str,
    n: int,
    visit: int,
    task_id: str,
    *,
    ledger: Ledger,
    gate: Gate,
    service: TryOnService,
    now: Callable[[], float],
    deferrals: int = 0,
) -> Look:
    """Ask once after a task; free its slot when it has ended.

    A question without an answer is not a failed task: it counts as pending, and what came is kept. So is one for
    which the account has no request left in the next seconds; `deferrals` is how often that was so in a row. Raises
    `TaskError` subclasses when the task ended without a picture.
    """
    me = holder(run_id, n, visit)
    try:
        gate.take_turn(requester(run_id, n))
    except TurnLaterError as later:
        again_in = later.again_in if later.booked else _spread(later.seconds, deferrals)
        return Look(TaskState.PENDING, again_in=again_in)
    try:
        result = service.result(task_id)
    except TaskError:
        ledger.ended(run_id, ledger.entry(run_id, n), task_id)
        gate.release(me, ended=True)
        raise
    except ServiceError as error:
        said = f"{type(error).__name__}: {error}"
        ledger.unanswered(run_id, n, task_id, said)
        return Look(TaskState.PENDING, said, error)
    if result.status in (TaskStatus.IN_QUEUE, TaskStatus.GENERATING):
        ledger.pending(run_id, n, task_id)
        return Look(TaskState.PENDING)
    entry = ledger.entry(run_id, n)
    if result.status is TaskStatus.NOT_FOUND:
        # Kept in the ledger, since each poll is another call of the function.
        since = now() if entry.not_found_at is None or entry.task_id != task_id else entry.not_found_at
        ledger.not_found(run_id, n, task_id, since)
        if now() - since < NOT_FOUND_SECONDS:
            return Look(TaskState.PENDING, "the service does not know the task")
    ledger.ended(run_id, entry, task_id, result)
    gate.release(me, ended=True)
    if result.status is TaskStatus.DONE:
        return Look(TaskState.DONE)
    raise TaskExpiredError(
        f"the service answers {result.status.value} for task {task_id}", request_id=result.request_id
    )


def _spread(seconds: float, deferrals: int) -> float:
    """Seconds until a poll tries again for which the account has no request left: longer each time, never together."""
    longest = min(120.0, 8.0 * 2**deferrals)
    return seconds + random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret


@dataclass(frozen=True)
class Collected:
    """What came of a task's candidates: at least one picture, in the candidates' order, and what could not be had."""

    stored: tuple[Stored, ...]
    lost: tuple[Lost, ...] = ()


RETRY_DELAYS = (2.0, 5.0)
"""Seconds before a candidate is tried again within a call."""

PATIENT_TRIES = 4
"""Calls in which a candidate whose trouble may pass keeps the others waiting; after them its loss is recorded."""

COLLECT_SECONDS = 260.0
"""How long a call may try: a little less than the function lives."""

_LEAST_SECONDS = 10.0
_MAY_PASS = (ResultUnavailableError, StorageUnavailableError)


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
    tries: int = PATIENT_TRIES,
) -> Collected:
    """Bring every candidate of an ended task into S3 that can be had, from the addresses that the last poll left.

    One that cannot be had costs no other: each is tried before one of them is tried again, and what an earlier call
    stored is not fetched again. Asks the service anew, once, for those that have no address (it sent the pictures
    themselves) or whose address leads to no picture. Raises the errors of `tryon.fetch` and `tryon.results` when
    there is not one picture, or when another call may get further: `seconds` were too few, or a candidate's trouble may
    pass and `tries`, the calls before this one, were few.
    """
    until = clock.now() + seconds
    stored = results.find(s3, bucket, folder.results(entry.model, entry.id))
    before = len(stored)
    known = dict(enumerate(entry.candidates, start=1))
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
            except (FetchError, StorageUnavailableError) as error:
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
    for n in known:
        failures.setdefault(n, ResultGoneError("the service gave neither an address nor the bytes of this result"))
    missing = [n for n in sorted(known) if n not in stored]
    waits = tries < PATIENT_TRIES and any(may_pass(n) for n in missing)
    if not stored or waits or (untried.intersection(missing) and len(stored) > before):
        raise _worst(task_id, [failures[n] for n in missing], refusal)
    found = tuple(replace(stored[n], candidate=n) for n in sorted(stored))
    return Collected(found, tuple(Lost(n, type(failures[n]).__name__, str(failures[n])) for n in missing))


def _worst(task_id: str, failures: Sequence[Exception], refusal: ServiceError | None) -> Exception:
    """What a task without a picture failed of: what may pass before what will not."""
    passing = next((failure for failure in failures if isinstance(failure, _MAY_PASS)), None)
    nothing = ResultGoneError(f"task {task_id} is done and the service names no picture of it")
    return passing or refusal or next(iter(failures), nothing)
