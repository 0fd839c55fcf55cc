"""Slots and pace, shared by all runs of an account.

One DynamoDB item an account holds who has a slot and until when, who waits for one, when the next submit may start,
and whether the service refuses submits at present. Every change reads the item, decides with the pure functions below
and writes it back on the condition that nobody else did meanwhile, so a slot and its place in the pace are taken in
one write.

A child of the Map does not ask again and again: it waits on a task token, and whoever frees a slot hands it to
the longest waiting child and wakes it. Leases and the waiting state's own time-out make up for a crash between
any two of these steps.

While the service refuses submits the gate lets one probe through at a time, after pauses that grow. So trouble of the
account costs time, and no combination its tries. The first submit that the service takes ends the trouble.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from tryon.clock import Clock
from tryon.json_types import Json
from tryon.objects import code_of, may_pass
from tryon.state.ends import Ends
from tryon.state.items import from_item, to_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

_TICK = 0.001
"""Seconds to which the item keeps times."""

MAX_WRITES = 100
"""Lost races after which a change gives up; at the service's 2 requests a second one loss is rare."""

MAX_CONTENTION = 10.0
"""Seconds after which a change gives up too: a longer wait is the state machine's."""

MAX_WAITERS = 100
"""Children that the item names as waiting: DynamoDB takes 400 KB an item and charges a unit a KB written, and a task
token has up to 2,048 characters (668 in those seen). Who finds no place asks again when its state times out."""

MAX_PAUSE = 300.0
"""Seconds that nothing makes the gate wait longer than: neither what the service asks for nor a row of refusals. A
pause in the item that is longer, from whatever cause, is cut when it is read."""

MAX_TURN_WAIT = 5.0
"""Seconds that a function waits for its turn; a longer wait goes back to the state machine."""

MAX_TURN_AHEAD = 240.0
"""Seconds ahead to which turns are booked: at two requests a second one for each child of the largest run (300), and
less than the deadline of a task that waits for its first poll."""

TURN_KEPT = 3.0
"""Seconds after which a booked turn that nobody came for is over: a function may start cold."""

PROBE_SECONDS = 150.0
"""How long a probe may take to say what became of its submit: a submit's function is dead after 110 s. After that
another one probes."""

_START_SECONDS = 0.5
"""Estimate: from the end of a Wait state until its next function runs."""

_RESUME_SHARE = 0.5
"""Part of the request rate at which tasks that need no slot begin to be asked after."""

MAX_RESUME_WAIT = 1800.0
"""Seconds ahead to which such tasks are spread: several of the largest runs at the default rate."""


class GateError(Exception):
    """The gate's item could not be changed."""


class SlotLostError(Exception):
    """The slot is not this submit's any more, or the service is in trouble and another submit probes it.

    Nothing was sent: the combination asks for a slot again.
    """


class TurnLaterError(Exception):
    """The account's next free request is more than a few seconds away, by `seconds`.

    `booked` says whether it is kept for who asked, who then comes again in `again_in` seconds: early by as much as
    Step Functions and Lambda take to start a function, since a turn that was missed may crowd the next ones. The state
    machine reads that number from the message.
    """

    def __init__(self, seconds: float, *, booked: bool = False) -> None:
        self.seconds = seconds
        self.booked = booked
        self.again_in = max(0, math.floor(seconds - _START_SECONDS))
        super().__init__(f"the account's next request is due in {self.again_in} s")


class Refusal(StrEnum):
    """What kind of trouble a submit met; decides how long the gate pauses."""

    BUSY = "busy"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SILENT = "silent"
    ACCESS = "access"


_FIRST_PAUSE: dict[Refusal, tuple[float, float]] = {
    # Who else holds a slot of the account holds it for a task of about 27 s.
    Refusal.BUSY: (10.0, 2.0),
    Refusal.THROTTLED: (2.0, 2.0),
    # A 5xx may be billed, so that a combination has seven tries: 5, 15, 45, 135, 300, 300 s reach over ten minutes.
    Refusal.UNAVAILABLE: (5.0, 3.0),
    Refusal.SILENT: (5.0, 3.0),
    # The fourth submit comes after more than the two minutes in which a change of keys passes.
    Refusal.ACCESS: (10.0, 3.0),
}
"""Seconds of the first pause, and by how much each next one is longer."""


def pause_after(kind: Refusal, count: int) -> float:
    """Seconds without a submit after that many refusals in a row."""
    first, factor = _FIRST_PAUSE[kind]
    return float(min(MAX_PAUSE, first * factor ** min(count - 1, 20)))


@dataclass(frozen=True)
class Waiter:
    """A child that waits for a slot, the token that wakes it, and which of its state's tries asks."""

    holder: str
    token: str
    ask: int = 0


@dataclass(frozen=True)
class Grant:
    """A slot given to a waiter, who may start at `start` and has it until `end` (seconds since the epoch)."""

    holder: str
    token: str
    start: float
    end: float


@dataclass(frozen=True)
class Trouble:
    """The service refuses submits: since when (seconds since the epoch), how many in a row, what it said last.

    One `probe` at a time, a holder, may submit until `probe_end`. `access` counts the refusals in a row, submits and
    free questions, that were about keys, rights, money or nothing known, since `access_since`; `submits` counts the
    submits among them.
    """

    kind: Refusal
    since: float
    count: int
    word: str = ""
    probe: str = ""
    probe_end: float = 0.0
    access: int = 0
    access_since: float = 0.0
    submits: int = 0


@dataclass(frozen=True)
class GateState:
    """The gate's item: `holders` maps a holder to the end of its lease, `ends` a run to what its last tasks took."""

    holders: Mapping[str, float] = field(default_factory=dict)
    waiters: tuple[Waiter, ...] = ()
    next_start: float = 0.0
    trouble: Trouble | None = None
    ends: Mapping[str, Ends] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True)
class Held:
    """What a submit that begins now learns of the gate: the trouble that it probes, None when there is none, and
    whether its run's tasks take other times than those that its cadence was learned from."""

    trouble: Trouble | None
    outgrown: bool


@dataclass(frozen=True)
class _Turns:
    """An account's other two items: the times of its last and its booked requests, or of the next task to resume.

    `polls` are booked requests that are questions, which a submit may overtake.
    """

    turns: list[float] = field(default_factory=list)
    booked: Mapping[str, float] = field(default_factory=dict)
    polls: Mapping[str, float] = field(default_factory=dict)
    next_start: float = 0.0
    version: int = 0


@cache
def _gate_state() -> "TypeAdapter[GateState]":
    return TypeAdapter(GateState)


@cache
def _turns() -> "TypeAdapter[_Turns]":
    return TypeAdapter(_Turns)


@dataclass(frozen=True)
class GateLimits:
    """How many tasks the account may run, seconds between two submits, and a lease's length in seconds."""

    slots: int
    pace: float
    lease: float


@dataclass(frozen=True)
class RequestLimit:
    """At most `count` requests to the service in any `seconds`."""

    count: int
    seconds: float


def next_turn(turns: Sequence[float], now: float, limit: RequestLimit) -> float:
    """When the next request may be made, after those in `turns`, the latest last.

    A window and not a distance: the submit that follows the poll which freed its slot need not wait. Turns that lie
    further ahead than any that is ever booked are no turns: a clock that was wrong once stops nobody.
    """
    ahead = now + MAX_TURN_AHEAD + limit.seconds
    turns = [turn for turn in turns if turn <= ahead]
    earliest = max(now, turns[-1]) if turns else now
    return earliest if len(turns) < limit.count else max(earliest, turns[-limit.count] + limit.seconds)


def _alive(booked: Mapping[str, float], now: float) -> dict[str, float]:
    """Booked turns that are not over, and no further ahead than any that is booked."""
    return {who: turn for who, turn in booked.items() if now - TURN_KEPT <= turn <= now + MAX_TURN_AHEAD}


def overtake(polls: Mapping[str, float], turn: float, now: float) -> tuple[float, dict[str, float]]:
    """The turn of a submit that was next at `turn`, before those of `polls` that wait for theirs; these move back.

    A submit always ends an idle slot's time, a poll only where its task has ended. The times of requests stay the same.
    Polls that the state machine keeps until their turn keep it: they would come for it in vain.
    """
    waiting = sorted((at, who) for who, at in polls.items() if now <= at < min(turn, now + MAX_TURN_WAIT))
    times = [*(at for at, _ in waiting), turn]
    return times[0], {**polls, **{who: later for (_, who), later in zip(waiting, times[1:], strict=True)}}


def admit(state: GateState, now: float, limits: GateLimits) -> tuple[GateState, list[Grant]]:
    """Drop leases that ended and give free slots to the longest waiting, each at its turn in the pace.

    In trouble one waiter at a time gets a slot, as the probe.
    """
    holders = {holder: end for holder, end in state.holders.items() if end > now}
    waiters = list(state.waiters)
    next_start = min(state.next_start, now + MAX_PAUSE + limits.slots * limits.pace)
    trouble = state.trouble
    grants: list[Grant] = []
    while waiters and len(holders) < limits.slots:
        if trouble is not None and not _may_probe(trouble, holders, now, next_start):
            break
        waiter = waiters.pop(0)
        start = max(now, next_start)
        next_start = start + limits.pace
        grant = Grant(waiter.holder, waiter.token, start, start + limits.lease)
        holders[grant.holder] = grant.end
        grants.append(grant)
        if trouble is not None:
            trouble = replace(trouble, probe=waiter.holder, probe_end=start + PROBE_SECONDS)
    state = replace(state, holders=holders, waiters=tuple(waiters), next_start=next_start, trouble=trouble)
    return state, grants


def _may_probe(trouble: Trouble, holders: dict[str, float], now: float, next_start: float) -> bool:
    if trouble.probe in holders and trouble.probe_end > now:
        return False
    # While tasks of ours run, the end of one is when a full service has room: the pause is not waited out in a slot.
    return trouble.kind is not Refusal.BUSY or not holders or next_start <= now


def hold(state: GateState, holder: str, now: float, limits: GateLimits) -> GateState | None:
    """A holder is about to submit: its lease covers the task from now on. None when it may not submit.

    In trouble only the probe may; another holder takes the probe's place when there is none and the pause is over.
    """
    if state.holders.get(holder, 0.0) <= now:
        return None
    trouble = state.trouble
    if trouble is not None and trouble.probe != holder:
        others = {other: end for other, end in state.holders.items() if end > now and other != holder}
        if not _may_probe(trouble, others, now, state.next_start) or state.next_start - limits.pace > now:
            return None
        trouble = replace(trouble, probe=holder, probe_end=now + PROBE_SECONDS)
    end = max(state.holders[holder], now + limits.lease)
    return replace(state, holders={**state.holders, holder: end}, trouble=trouble)


def refuse(
    state: GateState, holder: str, kind: Refusal, now: float, *, pause: float | None, word: str, submit: bool
) -> GateState:
    """The service refused: one more in the row; nobody starts within the pause. `submit` is false for a question.

    In trouble the probe's refusals count. Another's submit began before the trouble and says nothing new: the probe
    goes on, and no pause grows.
    """
    old = state.trouble
    count = (old.count if old else 0) + 1
    if old is not None and old.probe != holder:
        trouble, count = old, old.count
    else:
        access = kind is Refusal.ACCESS
        going_on = access and old is not None and old.access > 0
        trouble = Trouble(
            kind,
            since=old.since if old else now,
            count=count,
            word=word,
            access=(old.access if going_on and old else 0) + 1 if access else 0,
            access_since=old.access_since if going_on and old else now,
            submits=((old.submits if going_on and old else 0) + submit) if access else 0,
        )
    # What the service asks for is the least. One that answers now this, now that, waits as long as one that does not.
    seconds = min(MAX_PAUSE, max(pause or 0.0, pause_after(kind, count)))
    return replace(state, trouble=trouble, next_start=max(state.next_start, now + seconds))


def renew(state: GateState, waiter: Waiter, now: float, limits: GateLimits) -> tuple[GateState, Grant]:
    """Grant a holder its slot once more, with a lease that covers the task it is about to start."""
    old = state.holders[waiter.holder]
    start = max(now, old - limits.lease)
    grant = Grant(waiter.holder, waiter.token, start, max(start + limits.lease, old + _TICK))
    return replace(state, holders={**state.holders, grant.holder: grant.end}), grant


def withdraw(state: GateState, grant: Grant) -> GateState:
    """Take a grant back that reached nobody, unless its holder has asked again meanwhile."""
    if abs(state.holders.get(grant.holder, 0.0) - grant.end) > _TICK / 2:
        return state
    return replace(state, holders={other: end for other, end in state.holders.items() if other != grant.holder})


def enqueue(state: GateState, waiter: Waiter) -> GateState:
    """Put a waiter at the end of the queue, or give its new token the place that it has.

    A token of an earlier try, which a late call brings, changes nothing. A queue of `MAX_WAITERS` is left as it is:
    its length is no less than what slots can serve before the waiter asks again, unless they are many and several
    runs share them.
    """
    if any(other.holder == waiter.holder for other in state.waiters):
        queue = tuple(
            waiter if other.holder == waiter.holder and other.ask <= waiter.ask else other for other in state.waiters
        )
        return replace(state, waiters=queue)
    if len(state.waiters) >= MAX_WAITERS:
        return state
    return replace(state, waiters=(*state.waiters, waiter))


def run_of(holder: str) -> str:
    """The run whose combination holds a slot under this name."""
    return holder.partition("#")[0]


def free(state: GateState, holder: str) -> GateState:
    """Take a holder's slot, or its place in the queue, away."""
    return replace(
        state,
        holders={other: end for other, end in state.holders.items() if other != holder},
        waiters=tuple(waiter for waiter in state.waiters if waiter.holder != holder),
    )


class Gate:
    """The gate of one account.

    `wake(token, start, now)` wakes a waiting child, whose submit may start at `start`, in seconds since the epoch, and
    returns whether the child still listened. `requests` is the rate of the service's requests; `polls` that of its
    questions, where the service counts those apart.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        account: str,
        limits: GateLimits,
        clock: Clock,
        wake: Callable[[str, float, float], bool],
        requests: RequestLimit | None = None,
        polls: RequestLimit | Literal["shared"] | None = "shared",
    ) -> None:
        self._client = client
        self._table = table
        self._account = account
        self._limits = limits
        self._clock = clock
        self._wake = wake
        self._requests = requests
        self._polls = polls

    def now(self) -> float:
        """The time by which the gate counts, in seconds since the epoch."""
        return self._clock.now()

    def reserve(self, holder: str, token: str, ask: int = 0) -> None:
        """Ask for a slot; `token` is woken now or when one is free. A holder that asks again keeps its slot.

        `ask` numbers the tries of one waiting state: a late call of an earlier one does not take the token's place.
        """
        waiter = Waiter(holder, token, ask)
        renewed = False

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            nonlocal renewed
            renewed = state.holders.get(holder, 0.0) > now
            if renewed:
                state, grant = renew(state, waiter, now, self._limits)
                return state, [grant]
            return admit(enqueue(state, waiter), now, self._limits)

        grants = self._change(change)
        if renewed:
            # A child that does not listen has been woken before: its slot is in use, and stays its own.
            self._wake(token, grants[0].start, self._clock.now())
        else:
            self._deliver(grants)

    def pass_through(self, token: str) -> None:
        """Wake a child that needs no slot, because its task is already paid for and only asked after.

        Many of them begin one after the other, at half of the request rate: all at once would wait for their turns
        longer than a function lives.
        """
        self._wake(token, self._resume_at(), self._clock.now())

    def _resume_at(self) -> float:
        limit, _ = self._turns_of(poll=True)
        if limit is None:
            return self._clock.now()
        key = f"{self._account}#resumed"
        distance = limit.seconds / limit.count / _RESUME_SHARE
        for attempt in self._attempts(f"the next start of account {self._account!r} could not be booked"):
            resumed = _turns().validate_python(self._item(key))
            now = self._clock.now()
            start = max(now, min(resumed.next_start, now + MAX_RESUME_WAIT))
            if self._put(key, {"next_start": start + distance}, resumed.version):
                return start
            self._back_off(attempt)
        raise AssertionError("the attempts end with an error")

    def hold(self, holder: str) -> Held:
        """Say that a submit begins now; returns the trouble that it probes, and whether its cadence is outgrown.

        The lease then covers the task until its deadline. Raises `SlotLostError` when the slot is not the holder's
        any more, or when it is another's turn to probe; the slot is free then.
        """
        held: GateState | None = None

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            nonlocal held
            held = hold(state, holder, now, self._limits)
            if held is not None:
                return held, []
            return admit(free(state, holder), now, self._limits)

        self._deliver(self._change(change))
        if held is None:
            raise SlotLostError("the slot was given back before the submit: the combination waits for another one")
        return Held(held.trouble, held.ends.get(run_of(holder), Ends()).outgrown)

    def release(
        self,
        holder: str,
        *,
        ended: bool = False,
        pause: float = 0.0,
        note: Callable[[Ends], Ends] | None = None,
    ) -> None:
        """Free a slot and hand it on; nobody starts within `pause` seconds. Harmless when nothing was held.

        `ended` says that the holder's task has ended at the service: one that was full has room now. `note` adds what
        it took to its run's ends.
        """

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            held = holder in state.holders
            state = free(state, holder)
            if held and note is not None:
                run = run_of(holder)
                state = replace(state, ends={**state.ends, run: note(state.ends.get(run, Ends()))})
            if ended and held and state.trouble is not None and state.trouble.kind is Refusal.BUSY:
                state = replace(state, next_start=min(state.next_start, now))
            if pause:
                state = replace(state, next_start=max(state.next_start, now + pause))
            return admit(state, now, self._limits)

        self._deliver(self._change(change))

    def refused(
        self,
        holder: str,
        kind: Refusal,
        *,
        pause: float | None = None,
        word: str = "",
        submit: bool = True,
        keep: bool = False,
    ) -> Trouble:
        """The service refused a submit, or the question before it: free the slot, pause, let one probe at a time go on.

        `pause` is what the service asks for, in seconds; `keep` keeps the slot, for a submit whose task may exist.
        """
        after: GateState | None = None

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            nonlocal after
            state = state if keep else free(state, holder)
            after = refuse(state, holder, kind, now, pause=pause, word=word, submit=submit)
            return admit(after, now, self._limits)

        self._deliver(self._change(change))
        if after is None or after.trouble is None:
            raise AssertionError("the change ran")
        return after.trouble

    def accepted(self) -> None:
        """The service took a submit, or judged its picture: the trouble is over, whoever waits goes on."""

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            if state.trouble is None:
                return state, []
            return admit(replace(state, trouble=None, next_start=min(state.next_start, now)), now, self._limits)

        self._deliver(self._change(change))

    def release_run(self, prefix: str, *, keep: frozenset[str] = frozenset()) -> None:
        """Free all that holders beginning with `prefix` still have, except `keep`: what a run leaves behind."""

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            state = replace(
                state, ends={run: ends for run, ends in state.ends.items() if not f"{run}#".startswith(prefix)}
            )
            for holder in [*state.holders, *(waiter.holder for waiter in state.waiters)]:
                if holder.startswith(prefix) and holder not in keep:
                    state = free(state, holder)
            return admit(state, now, self._limits)

        self._deliver(self._change(change))

    def take_turn(self, who: str = "", *, poll: bool = False, start: float = 0.0) -> None:
        """Wait until the account's next request is due, so that all runs together keep the service's rate.

        `start` is when a submit may start by the pace, in seconds since the epoch: less than a second from now, since
        the state machine waited for the whole ones.

        `poll` says that it is a question, which some services count apart from submits. Where they are counted
        together, a submit goes before the questions of others that still wait for their turn.

        Raises `TurnLaterError` when that is more than a few seconds away. The turn is then booked for `who`, if it is
        within `MAX_TURN_AHEAD`, and is taken when `who` comes again at that time: whoever asks twice has one turn.
        """
        self._clock.sleep(min(1.0, max(0.0, start - self._clock.now())))
        limit, key = self._turns_of(poll=poll)
        if limit is None:
            return
        began = self._clock.now()
        while True:
            turn, may_move = self._next_turn(who, key, limit, poll=poll)
            seconds = turn - self._clock.now()
            if may_move and turn - began > 2 * MAX_TURN_WAIT and seconds > 1 + _START_SECONDS:
                # Overtaken again and again: the state machine waits more cheaply, a whole second at least.
                raise TurnLaterError(seconds, booked=True)
            self._clock.sleep(max(0.0, seconds))
            if not may_move:
                return

    def _next_turn(self, who: str, key: str, limit: RequestLimit, *, poll: bool) -> tuple[float, bool]:
        """When the next request is due, in seconds since the epoch, and whether a submit may still take that turn."""
        moves = bool(who) and poll and self._polls == "shared"
        for attempt in self._attempts(f"the requests of account {self._account!r} could not be put in turn"):
            requests = _turns().validate_python(self._item(key))
            now = self._clock.now()
            turns, booked, polls = requests.turns, _alive(requests.booked, now), _alive(requests.polls, now)
            mine = polls if moves else booked
            turn = mine.pop(who, None) if who else None
            if turn is None:
                turn = next_turn(turns, now, limit)
                turns = [*turns, turn][-limit.count :]
                if not poll:
                    turn, polls = overtake(polls, turn, now)
            elif turn - now > MAX_TURN_WAIT:
                raise TurnLaterError(turn - now, booked=True)
            elif moves and turn > now:
                return turn, True
            later, waits = turn - now > MAX_TURN_WAIT, moves and turn > now
            if later and (not who or turn - now > MAX_TURN_AHEAD):
                raise TurnLaterError(turn - now)
            if later or waits:
                mine[who] = turn
            kept: dict[str, Json] = {"turns": turns}
            kept |= {name: waiting for name, waiting in (("booked", booked), ("polls", polls)) if waiting}
            if self._put(key, kept, requests.version):
                if later:
                    raise TurnLaterError(turn - now, booked=True)
                return turn, waits
            self._back_off(attempt)
        raise AssertionError("the attempts end with an error")

    def _turns_of(self, *, poll: bool) -> tuple[RequestLimit | None, str]:
        """The rate of submits or of questions, and the item that keeps their turns."""
        if poll and self._polls != "shared":
            return self._polls, f"{self._account}#polls"
        return self._requests, f"{self._account}#requests"

    def state(self) -> GateState:
        """The item as it stands."""
        return _gate_state().validate_python(self._item(self._account))

    def _item(self, key: str) -> dict[str, Json]:
        answer = self._client.get_item(TableName=self._table, Key=to_item({"pk": key}), ConsistentRead=True)
        return from_item(answer.get("Item", {}))

    def _attempts(self, failure: str) -> Iterator[int]:
        """Numbers of tries, until there were too many or they took too long; then raises `GateError`."""
        began = self._clock.now()
        for attempt in range(MAX_WRITES):
            if self._clock.now() - began > MAX_CONTENTION:
                break
            yield attempt
        raise GateError(failure)

    def _change(self, change: Callable[[GateState, float], tuple[GateState, list[Grant]]]) -> list[Grant]:
        for attempt in self._attempts(f"the gate of account {self._account!r} changed again and again meanwhile"):
            before = self.state()
            after, grants = change(before, self._clock.now())
            if after == before or self._write(after, before.version):
                return grants
            self._back_off(attempt)
        raise AssertionError("the attempts end with an error")

    def _write(self, state: GateState, version: int) -> bool:
        changed: dict[str, Json] = {
            "holders": state.holders,
            "waiters": [asdict(waiter) for waiter in state.waiters],
            "next_start": state.next_start,
        }
        if state.trouble is not None:
            changed["trouble"] = {**asdict(state.trouble), "kind": state.trouble.kind.value}
        if state.ends:
            changed["ends"] = {run: asdict(ends) for run, ends in state.ends.items()}
        return self._put(self._account, changed, version)

    def _put(self, key: str, attributes: Mapping[str, Json], version: int) -> bool:
        """Replace an item that is still at `version`; False when another writer was first."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=to_item({"pk": key, **attributes, "version": version + 1}),
                ConditionExpression="attribute_not_exists(pk) OR version = :version",
                ExpressionAttributeValues=to_item({":version": version}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _back_off(self, attempt: int) -> None:
        self._clock.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - jitter, no secret

    def _deliver(self, grants: list[Grant]) -> None:
        for grant in grants:
            if not self._wake(grant.token, grant.start, self._clock.now()):
                # The child stopped waiting: its slot goes to the next one, who is woken in turn.
                self._take_back(grant)

    def _take_back(self, grant: Grant) -> None:
        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            return admit(withdraw(state, grant), now, self._limits)

        self._deliver(self._change(change))


def waker(client: "SFNClient") -> Callable[[str, float, float], bool]:
    """Wake a child through its task token: False for a child that no longer waits.

    The child is told for how many whole seconds its state machine waits, and from when on its submit may start, in
    seconds since the epoch: Submit waits for the rest.

    Raises `GateError` where Step Functions refuses the call for now. botocore has no class of its own for its
    throttling, and the state machine knows errors by their class.
    """

    def wake(token: str, start: float, now: float) -> bool:
        told = {"start_in": max(0, math.floor(start - now)), "start_at": round(start, 3)}
        try:
            client.send_task_success(taskToken=token, output=json.dumps(told))
        except ClientError as error:
            if code_of(error) in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                return False
            if may_pass(error):
                raise GateError(f"Step Functions wakes no child now: {error}") from error
            raise
        return True

    return wake
