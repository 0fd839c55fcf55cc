"""Why a slot idles: the time of each slot, from the manifests to the last picture, cut at what histories and the
service noted.

Nothing is estimated, and nothing is left over: the causes of one account add up to slots × makespan.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tryon_local.aws.moto_adapter.journal import Child
from tryon_local.service.tasks import TaskRecord


class Cause(StrEnum):
    """What a second of a slot goes by."""

    WORK = "work"
    """A task of it runs at the service."""

    CADENCE = "cadence"
    """Its task has ended, and the next poll is not due."""

    FUNCTIONS = "functions"
    """Poll, the hand-over and Submit take their time."""

    PACE = "pace"
    """Submits keep their distance."""

    POLL_TURN = "a poll's turn"
    """Its task has ended, and the poll that will see it waits for the account's request rate."""

    SUBMIT_TURN = "a submit's turn"
    """The next submit waits for the account's request rate."""

    NO_CHILD = "no child waits"
    """The Map runs no child that could take it: some are in Download and Check."""

    START = "start"
    """The run has not come to its first child yet."""

    OVER = "nothing left"
    """All is submitted; other slots work on, or the last picture is downloaded."""


Spent = dict[Cause, float]
"""Seconds by cause."""


class FunctionTimes:
    """What each call of a function took before it did anything, in the order of the calls of one combination."""

    def __init__(self) -> None:
        self._taken: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)

    def note(self, name: str, event: Mapping[str, Any], seconds: float) -> None:
        n = event["n"] if "n" in event else event.get("combination", {}).get("n")
        if n is not None:
            self._taken[name, event["run_id"], n].append(seconds)

    def of(self, name: str, run_id: str, n: int) -> Iterator[float]:
        return iter(self._taken[name, run_id, n])


@dataclass(frozen=True)
class Visit:
    """A combination's way through a slot, all in seconds since the epoch.

    `before` and `after` cut the time from `granted` to the submit and from the task's end to `released`: a cause, and
    until when it lasted.
    """

    account: str
    started: float
    granted: float
    submitted: float
    ended: float
    released: float
    before: tuple[tuple[Cause, float], ...] = field(repr=False)
    after: tuple[tuple[Cause, float], ...] = field(repr=False)


class _Reading:
    """What a child's history has said so far; each method takes an event of one state, and when that was entered."""

    def __init__(self, tasks: Mapping[str, TaskRecord], submits: Iterator[float], polls: Iterator[float]) -> None:
        self.before: list[tuple[Cause, float]] = []
        self.after: list[tuple[Cause, float]] = []
        self.granted = self.released = 0.0
        self.record: TaskRecord | None = None
        self._tasks, self._submits, self._polls = tasks, submits, polls
        self._start_at = 0.0
        self._paced, self._waits = Cause.PACE, Cause.CADENCE

    def reserve_slot(self, event: dict[str, Any], entered: float, at: float) -> None:
        if event["type"] == "TaskSucceeded":
            self.granted = at
            self._start_at = json.loads(event["taskSucceededEventDetails"]["output"])["start_at"]

    def pace(self, event: dict[str, Any], entered: float, at: float) -> None:
        if event["type"] == "WaitStateExited":
            self.before.append((self._paced, at))

    def submit(self, event: dict[str, Any], entered: float, at: float) -> None:
        if event["type"] not in ("TaskSucceeded", "TaskFailed"):
            return
        called = entered + next(self._submits)
        self.before += [(Cause.FUNCTIONS, called), (Cause.PACE, max(called, min(self._start_at, at)))]
        if event["type"] == "TaskSucceeded":
            self.record = self._tasks[_payload(event)["task_id"]]
            self.before.append((Cause.SUBMIT_TURN, self.record.submitted_at))
        # Failed, it goes to Pace once more until its turn.
        self._paced = Cause.SUBMIT_TURN

    def wait(self, event: dict[str, Any], entered: float, at: float) -> None:
        if event["type"] == "WaitStateExited":
            self.after.append((self._waits, at))

    def poll(self, event: dict[str, Any], entered: float, at: float) -> None:
        if event["type"] != "TaskSucceeded" or self.record is None:
            return
        said = _payload(event)
        self._waits = Cause.POLL_TURN if "again_in" in said else Cause.CADENCE
        seen = self.record.polls[-1] if said["state"] == "done" else at
        called = entered + next(self._polls)
        self.after += [(Cause.FUNCTIONS, called), (Cause.POLL_TURN, seen), (Cause.FUNCTIONS, at)]
        self.released = at


def _payload(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event["taskSucceededEventDetails"]["output"])["Payload"]
    return found


def visit(child: Child, tasks: Mapping[str, TaskRecord], taken: FunctionTimes) -> Visit:
    """Read a child's history; it ran without a refusal and without a retry."""
    given = child.input if isinstance(child.input, dict) else json.loads(child.input)
    run_id, n = given["run_id"], given["combination"]["n"]
    found = _Reading(tasks, taken.of("SubmitFunction", run_id, n), taken.of("PollFunction", run_id, n))
    reads = {
        "ReserveSlot": found.reserve_slot,
        "Pace": found.pace,
        "Submit": found.submit,
        "Wait": found.wait,
        "Poll": found.poll,
    }
    state, entered = "", 0.0
    for event in child.events:
        at = event["timestamp"].timestamp()
        if event["type"].endswith("StateEntered"):
            state, entered = event["stateEnteredEventDetails"]["name"], at
        if state in reads:
            reads[state](event, entered, at)
    if found.record is None:
        raise RuntimeError(f"{child.name} submitted nothing: {child.status}, {child.error}")
    return Visit(
        account=given["combination"]["service"],
        started=child.start.timestamp(),
        granted=found.granted,
        submitted=found.record.submitted_at,
        ended=found.record.finished_at,
        released=max(found.released, found.record.finished_at),
        before=tuple(found.before),
        after=tuple(found.after),
    )


def spent(visits: Iterable[Visit], *, slots: int, began: float, over: float) -> Spent:
    """The seconds of an account's slots from `began` to `over`, by cause; a slot goes to who is woken first."""
    found: Spent = defaultdict(float)
    free = [began] * slots
    first = [True] * slots
    for one in sorted(visits, key=lambda one: (one.granted, one.submitted)):
        slot = free.index(min(free))
        at = free[slot]
        # Histories keep milliseconds: a child may seem to be woken just before the slot was free.
        granted = max(at, one.granted)
        waits = Cause.START if first[slot] else Cause.NO_CHILD
        hand_over = [(waits, min(granted, max(at, one.started))), (Cause.FUNCTIONS, granted)]
        at = _cut(found, at, [*hand_over, *one.before], one.submitted)
        found[Cause.WORK] += one.ended - at
        free[slot] = _cut(found, one.ended, one.after, one.released)
        first[slot] = False
    found[Cause.OVER] += sum(over - at for at in free)
    return found


def _cut(found: Spent, at: float, steps: Sequence[tuple[Cause, float]], end: float) -> float:
    """Add each step's share of the time from `at` to `end`; returns `end`."""
    for cause, until in steps:
        if min(until, end) > at:
            found[cause] += min(until, end) - at
            at = min(until, end)
    if end > at:
        found[Cause.FUNCTIONS] += end - at
    return max(at, end)
