"""A combination at the service: started once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from tryon import objects
from tryon.planning.plan import Combination
from tryon.service import Balance, GarmentPicture, Submission, TaskStatus, TryOnService
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
    UnknownRefusalError,
)
from tryon.state.entry import Entry, RefusedSubmit, Status
from tryon.state.gate import Gate, GateError, Refusal, SlotLostError, Trouble, TurnLaterError
from tryon.state.ledger import Ledger, LedgerConflictError
from tryon.task.slots import RunHaltedError, holder, requester

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


SUBMIT_DEAD_SECONDS = 115.0
"""Seconds after which a Submit that began is dead: its function's time limit is 110 s."""

CONFIRM_SECONDS = 120.0
"""Seconds over which refusals that would end a run must repeat: keys are switched off before their successors are in
the secret, a firewall's page passes."""

CONFIRM_SUBMITS = 3
"""Submits in a row whose refusal ends a run where the free question is answered."""

MOST_REFUSALS = 5
"""Refusals of that kind after which a combination ends by itself, where others pass meanwhile."""


class SubmitUnansweredError(Exception):
    """An earlier call of the same Submit may still run: what became of it is not known before it is dead."""


@dataclass(frozen=True)
class Started:
    """A combination's task, the seconds since its submit, and what was odd about the receipt: a word for a metric.

    `outgrown` says that the run's tasks take other times than its cadence was learned from: it follows the default one.
    """

    task_id: str
    seconds: float = 0.0
    oddity: str = ""
    outgrown: bool = False


def check_access(service: TryOnService, gate: Gate) -> Balance | None:
    """Ask the service its free question, so that broken access stops a run before it begins.

    Returns what is left of a prepaid account.

    Raises `ServiceAccessError`, or the errors that say to ask again later.
    """
    try:
        gate.take_turn(poll=True)
    except TurnLaterError as later:
        raise ServiceThrottledError(str(later)) from later
    return service.check()


def start(  # noqa: C901, PLR0913 - paid once: the order of these steps is the point, and is read in one place; its parts, by name
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
    start_at: float = 0.0,
) -> Started:
    """Start the combination's task and return its id; called again, return the id without paying again.

    `visit` numbers the combination's visits, `refused_visit` is the last one of which the state machine knows that the
    service refused its submit, `refusals` how many of those count. After a task whose result the service refused,
    `refused_task`, another one is started, with another seed. Nothing is sent before `start_at`, in seconds since the
    epoch, which is less than a second away.

    The slot is freed here before every error which proves that no task exists, and kept otherwise. Raises the
    errors of `tryon.service.errors`; `SlotLostError` where the combination must ask for a slot again;
    `SubmitUnansweredError` while an earlier call may still run, and `SubmitOutcomeUnknownError` when one left no id
    behind; `RunHaltedError` where the combination has its outcome.
    """
    n = combination.n
    me = holder(run_id, n, visit)
    if refused_task is not None:
        refused = len(ledger.replan(run_id, n, refused_task).refused_tasks)
        combination = combination.model_copy(update={"parameters": combination.parameters.with_another_seed(refused)})
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
        gate.take_turn(requester(run_id, n), start=start_at)
        adopted = _asked_once_more(combination, service)
        if adopted is not None:
            return _resume(adopted, run_id, n, ledger, now)
        held = gate.hold(me)
        trouble = held.trouble
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
        confirmed, told = _after_refusal(error, me, gate, trouble, refusals)
        if confirmed:
            _halt(run_id, ledger, service, error)
        raise told from error
    # The id was received and is paid for. Should the ledger be away, the state machine still carries it to the
    # first poll, which writes it down; failing here would lose it.
    with suppress(ClientError, BotoCoreError):
        ledger.submitted(run_id, n, visit, submitted)
    if trouble is not None:
        with suppress(ClientError, BotoCoreError, GateError):
            gate.accepted()
    return Started(submitted.task_id, oddity=submitted.oddity, outgrown=held.outgrown)


def load(s3: "S3Client", combination: Combination) -> Submission:
    """What the service is sent for a combination, read from S3; raises the errors of `objects.read_pinned`."""
    pictures = [combination.model_picture, *(garment.picture for garment in combination.garments)]
    model, *garments = [objects.read_pinned(s3, picture) for picture in pictures]
    return Submission(
        model=model,
        garments=tuple(
            GarmentPicture(data, garment.type) for data, garment in zip(garments, combination.garments, strict=True)
        ),
        parameters=combination.parameters,
    )


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
    halted = ledger.standing(run_id, service.capabilities.account).halted
    if halted is not None:
        # It waited at the gate when the run was halted.
        gate.release(me)
        raise RunHaltedError(f"the run was stopped before this combination: {halted}")
    try:
        check_access(service, gate)
    except ServiceAccessError as error:
        trouble = gate.refused(me, Refusal.ACCESS, word=str(error), submit=False)
        if _lasting(trouble, gate):
            _halt(run_id, ledger, service, error)
        raise RefusalUnconfirmedError(str(error), code=error.code, request_id=error.request_id) from error
    except ServiceError:
        pass  # no answer: the submit itself will show


def _lasting(trouble: Trouble, gate: Gate) -> bool:
    return gate.now() - trouble.access_since >= CONFIRM_SECONDS


def _halt(run_id: str, ledger: Ledger, service: TryOnService, error: ServiceError) -> NoReturn:
    """Keep the run's other combinations of this account from starting; those of others go on."""
    ledger.halt(run_id, type(error).__name__, str(error), account=service.capabilities.account)
    raise error


def _after_refusal(
    error: ServiceError, me: str, gate: Gate, trouble: Trouble | None, refusals: int
) -> tuple[bool, Exception]:
    """Free the slot and let the gate pause as the refusal asks.

    Returns whether the refusal is confirmed as one that halts the run, and what the state machine is told.
    """
    word = str(error)
    match error:
        case ServiceBusyError():
            gate.refused(me, Refusal.BUSY, word=word)
        case ServiceThrottledError():
            gate.refused(me, Refusal.THROTTLED, pause=error.retry_after, word=word)
        case ServiceAccessError() | UnknownRefusalError():
            after = gate.refused(me, Refusal.ACCESS, word=word)
            if after.submits >= CONFIRM_SUBMITS and _lasting(after, gate):
                return True, error
            if refusals + 1 < MOST_REFUSALS:
                return False, RefusalUnconfirmedError(word, code=error.code, request_id=error.request_id)
        case TaskError():
            # An opinion about this picture: the service works.
            gate.release(me)
            if trouble is not None:
                gate.accepted()
        case _:
            gate.refused(me, Refusal.UNAVAILABLE, word=word)
    return False, error
