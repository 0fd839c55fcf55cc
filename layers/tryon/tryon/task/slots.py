"""A combination and the gate: it asks for a slot, and gives it back."""

from typing import TYPE_CHECKING

from tryon.clock import Clock
from tryon.planning.plan import Combination
from tryon.service import registry
from tryon.state.entry import Entry
from tryon.state.gate import Gate
from tryon.state.ledger import Ledger

if TYPE_CHECKING:
    pass


MOST_WAIT = 4 * 86_400.0
"""Seconds that a combination waits for its first submit, over all its visits to the gate: its history has room for
25,000 events, and two minutes of waiting take four."""


class RunHaltedError(Exception):
    """The run goes no further: access to the service is broken, or its report is already written."""


class NotStartedError(Exception):
    """The combination was never submitted: the service refused every submit for too long, or the run ended before."""


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


def ask_for_slot(  # noqa: PLR0913 - its parts, by name
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
    standing = ledger.standing(run_id, registry.find(combination.service).account)
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
