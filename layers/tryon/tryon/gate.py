"""Slots and pace, shared by all runs of an account.

One DynamoDB item an account holds who has a slot and until when, who waits for one, and when the next submit
may start. Every change reads the item, decides with the pure functions below and writes it back on the
condition that nobody else did meanwhile, so a slot and its place in the pace are taken in one write.

A child of the Map does not ask again and again: it waits on a task token, and whoever frees a slot hands it to
the longest waiting child and wakes it. Leases and the waiting state's own time-out make up for a crash between
any two of these steps.
"""

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tryon.clock import Clock
from tryon.items import from_item, to_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

_TICK = 0.001
"""Seconds to which the item keeps times."""

MAX_WRITES = 100
"""Lost races after which a change gives up; at the service's 2 requests a second one loss is rare."""

MAX_WAITERS = 100
"""Children that the item names as waiting: DynamoDB takes 400 KB an item and charges a unit a KB written, and a task
token has up to 2,048 characters (668 in those seen). Who finds no place asks again when its state times out."""


class GateError(Exception):
    """The gate's item could not be changed."""


@dataclass(frozen=True)
class Waiter:
    """A child that waits for a slot, and the token that wakes it."""

    holder: str
    token: str


@dataclass(frozen=True)
class Grant:
    """A slot given to a waiter, who may start at `start` and has it until `end` (seconds since the epoch)."""

    holder: str
    token: str
    start: float
    end: float


@dataclass(frozen=True)
class GateState:
    """The gate's item: `holders` maps a holder to the end of its lease."""

    holders: dict[str, float]
    waiters: tuple[Waiter, ...] = ()
    next_start: float = 0.0
    version: int = 0


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

    A window and not a distance: the submit that follows the poll which freed its slot need not wait.
    """
    earliest = max(now, turns[-1]) if turns else now
    return earliest if len(turns) < limit.count else max(earliest, turns[-limit.count] + limit.seconds)


def admit(state: GateState, now: float, limits: GateLimits) -> tuple[GateState, list[Grant]]:
    """Drop leases that ended and give free slots to the longest waiting, each at its turn in the pace."""
    holders = {holder: end for holder, end in state.holders.items() if end > now}
    waiters = list(state.waiters)
    next_start = state.next_start
    grants: list[Grant] = []
    while waiters and len(holders) < limits.slots:
        waiter = waiters.pop(0)
        start = max(now, next_start)
        next_start = start + limits.pace
        grant = Grant(waiter.holder, waiter.token, start, start + limits.lease)
        holders[grant.holder] = grant.end
        grants.append(grant)
    return replace(state, holders=holders, waiters=tuple(waiters), next_start=next_start), grants


def renew(state: GateState, waiter: Waiter, now: float, limits: GateLimits) -> tuple[GateState, Grant]:
    """Grant a holder its slot once more, with a lease that covers the task it is about to start.

    The new lease's end is never the old one's: whoever still means to take the old grant back finds it gone.
    """
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

    A queue of `MAX_WAITERS` is left as it is: its length is no less than what slots can serve before the waiter
    asks again, unless they are many and several runs share them.
    """
    if any(other.holder == waiter.holder for other in state.waiters):
        queue = tuple(waiter if other.holder == waiter.holder else other for other in state.waiters)
        return replace(state, waiters=queue)
    if len(state.waiters) >= MAX_WAITERS:
        return state
    return replace(state, waiters=(*state.waiters, waiter))


def free(state: GateState, holder: str) -> GateState:
    """Take a holder's slot, or its place in the queue, away."""
    return replace(
        state,
        holders={other: end for other, end in state.holders.items() if other != holder},
        waiters=tuple(waiter for waiter in state.waiters if waiter.holder != holder),
    )


class Gate:
    """The gate of one account.

    `wake(token, seconds)` tells a waiting child to start after that many whole seconds and says whether the
    child still listened.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        account: str,
        limits: GateLimits,
        clock: Clock,
        wake: Callable[[str, int], bool],
        requests: RequestLimit | None = None,
    ) -> None:
        self._client = client
        self._table = table
        self._account = account
        self._limits = limits
        self._clock = clock
        self._wake = wake
        self._requests = requests

    def reserve(self, holder: str, token: str) -> None:
        """Ask for a slot; `token` is woken now or when one is free. A holder that asks again keeps its slot."""
        waiter = Waiter(holder, token)

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            if state.holders.get(holder, 0.0) > now:
                state, grant = renew(state, waiter, now, self._limits)
                return state, [grant]
            return admit(enqueue(state, waiter), now, self._limits)

        self._deliver(self._change(change))

    def pass_through(self, token: str) -> None:
        """Wake a child that needs no slot, because its task is already paid for and only asked after."""
        self._wake(token, 0)

    def release(self, holder: str, *, pause: float = 0.0) -> None:
        """Free a slot and hand it on; nobody starts within `pause` seconds. Harmless when nothing was held."""

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            state = replace(free(state, holder), next_start=max(state.next_start, now + pause if pause else 0))
            return admit(state, now, self._limits)

        self._deliver(self._change(change))

    def release_run(self, prefix: str, *, keep: frozenset[str] = frozenset()) -> None:
        """Free all that holders beginning with `prefix` still have, except `keep`: what a run leaves behind."""

        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            for holder in [*state.holders, *(waiter.holder for waiter in state.waiters)]:
                if holder.startswith(prefix) and holder not in keep:
                    state = free(state, holder)
            return admit(state, now, self._limits)

        self._deliver(self._change(change))

    def take_turn(self) -> None:
        """Wait until the account's next request is due, so that all runs together keep the service's rate."""
        if self._requests is None:
            return
        key = f"{self._account}#requests"
        for attempt in range(MAX_WRITES):
            answer = self._client.get_item(TableName=self._table, Key=to_item({"pk": key}), ConsistentRead=True)
            item = from_item(answer.get("Item", {}))
            now = self._clock.now()
            turn = next_turn(item.get("turns", []), now, self._requests)
            turns = [*item.get("turns", []), turn][-self._requests.count :]
            if self._put(key, {"turns": turns}, item.get("version", 0)):
                self._clock.sleep(turn - now)
                return
            self._back_off(attempt)
        raise GateError(f"the requests of account {self._account!r} could not be put in turn")

    def state(self) -> GateState:
        """The item as it stands."""
        answer = self._client.get_item(TableName=self._table, Key=to_item({"pk": self._account}), ConsistentRead=True)
        item = from_item(answer.get("Item", {}))
        return GateState(
            holders=item.get("holders", {}),
            waiters=tuple(Waiter(**waiter) for waiter in item.get("waiters", [])),
            next_start=item.get("next_start", 0.0),
            version=item.get("version", 0),
        )

    def _change(self, change: Callable[[GateState, float], tuple[GateState, list[Grant]]]) -> list[Grant]:
        for attempt in range(MAX_WRITES):
            before = self.state()
            after, grants = change(before, self._clock.now())
            if after == before or self._write(after, before.version):
                return grants
            self._back_off(attempt)
        raise GateError(f"the gate of account {self._account!r} changed {MAX_WRITES} times while being changed")

    def _write(self, state: GateState, version: int) -> bool:
        waiters = [{"holder": waiter.holder, "token": waiter.token} for waiter in state.waiters]
        changed = {"holders": state.holders, "waiters": waiters, "next_start": state.next_start}
        return self._put(self._account, changed, version)

    def _put(self, key: str, attributes: dict[str, Any], version: int) -> bool:
        """Replace an item that is still at `version`; False when somebody else was first."""
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
            seconds = max(0, math.ceil(grant.start - self._clock.now()))
            if not self._wake(grant.token, seconds):
                # The child stopped waiting: its slot goes to the next one, who is woken in turn.
                self._take_back(grant)

    def _take_back(self, grant: Grant) -> None:
        def change(state: GateState, now: float) -> tuple[GateState, list[Grant]]:
            return admit(withdraw(state, grant), now, self._limits)

        self._deliver(self._change(change))


def waker(client: "SFNClient") -> Callable[[str, int], bool]:
    """Wake a child through its task token; a child that no longer waits is told apart, not an error."""

    def wake(token: str, seconds: int) -> bool:
        try:
            client.send_task_success(taskToken=token, output=json.dumps({"start_in": seconds}))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                return False
            raise
        return True

    return wake
