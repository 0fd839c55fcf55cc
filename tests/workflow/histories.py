"""Histories of runs: what goes wrong in one, and what must hold at its end whatever went wrong."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from local.aws.faults import STATES, AwsFault, AwsFaults, Killed, Refused, Throttled, Unanswered
from local.service.faults import (
    Answer,
    Candidates,
    Cut,
    Expires,
    Fails,
    Fate,
    Fault,
    HiddenAtFirst,
    InBase64,
    Late,
    Mislabel,
    NeverDone,
    NoConnection,
    Page,
    Redirect,
    Reset,
    RespData,
    Silence,
    Slow,
    Takes,
    Wire,
)
from local.service.standin import ACCESS_KEY, SECRET_KEY
from tests.workflow.pipeline import TYPES, Ended, Pipeline, picture, running
from tryon.ledger import Entry, Status
from tryon.settings import LEASE_MARGIN
from tryon.task import BUSY_PAUSE

FORGOTTEN = 13 * 3600.0
"""Seconds after which no task of an earlier history is left at the service, nor any lease at the gate."""

PATIENCE = 60.0
"""Real seconds to wait for something that takes only virtual ones."""

LEASE = 300.0 + LEASE_MARGIN + BUSY_PAUSE
"""Seconds after which a slot that nobody frees is free: a lease begins when its holder may, after any pause."""


@dataclass(frozen=True)
class Stopped:
    """Somebody stops the execution that many seconds after the manifest was dropped."""

    at: float


@dataclass(frozen=True)
class Repeated:
    """The manifest's event is delivered once more, that many seconds later."""

    at: float


@dataclass(frozen=True)
class Rotated:
    """The service's keys are replaced, in the secret that many seconds after they stopped working."""

    at: float
    late: float = 0.0


Accident = Stopped | Repeated | Rotated


@dataclass(frozen=True)
class History:
    """A small manifest and everything that goes wrong while it runs."""

    models: int = 1
    garments: int = 1
    service: tuple[Fault, ...] = ()
    aws: tuple[AwsFault, ...] = ()
    accidents: tuple[Accident, ...] = ()
    shared: bool = False


NTH = st.sampled_from([(1,), (2,), (1, 2), (3,), (2, 5), ()])

WIRE: st.SearchStrategy[Wire] = st.sampled_from(
    [
        Answer(50429),
        Answer(50429, retry_after="3"),
        Answer(50430),
        Answer(50500),
        Answer(50411),
        Answer(50412),
        Answer(50500, processed=True),
        Page(http=200),
        Page(http=502),
        Page(http=200, processed=True),
        Page(http=200, body="", content_type="application/json", processed=True),
        Redirect("https://169.254.169.254/latest/meta-data/"),
        NoConnection(),
        NoConnection(timeout=True),
        Reset(),
        Reset(unread=True),
        Reset(processed=True),
        Silence(),
        Silence(processed=True),
        Cut(0.5),
        Cut(0.9, declared=False),
        Slow(20.0),
        Slow(200.0),
        Late(8.0),
        Late(45.0),
        Mislabel("text/html"),
    ]
)
FATES: st.SearchStrategy[Fate] = st.sampled_from(
    [
        Takes(3.0),
        Takes(120.0),
        Takes(310.0),
        NeverDone(),
        Expires(),
        Expires(20.0),
        Fails(50411),
        Fails(50511),
        Fails(50520),
        Candidates(0),
        Candidates(2),
        InBase64(),
        HiddenAtFirst(polls=1),
        HiddenAtFirst(seconds=60.0),
        RespData("{"),
    ]
)
# The service's page promises that there is no task behind an error code; what no client could tell is not played.
SUBMIT_WIRE = WIRE.filter(lambda action: not (isinstance(action, Answer) and action.processed))
SERVICE_FAULTS = st.one_of(
    st.builds(Fault, st.just("submit"), SUBMIT_WIRE, nth=NTH, each=st.booleans()),
    st.builds(Fault, st.sampled_from(["result", "download"]), WIRE, nth=NTH, each=st.booleans()),
    st.builds(Fault, st.just("task"), FATES, nth=NTH),
)

FUNCTIONS = {
    "PlanFunction": ("GetItem", "UpdateItem", "PutItem", "BatchWriteItem"),
    "ReserveFunction": ("GetItem", "PutItem"),
    "SubmitFunction": ("GetItem", "PutItem", "UpdateItem"),
    "PollFunction": ("GetItem", "PutItem", "UpdateItem"),
    "DownloadFunction": ("GetItem", "UpdateItem"),
    "SummarizeFunction": ("GetItem", "PutItem", "UpdateItem", "Query"),
    STATES: ("PutItem", "UpdateItem"),
}
"""Who calls DynamoDB, and how."""

CALLS = [
    *((f"dynamodb.{operation}", by) for by, operations in FUNCTIONS.items() for operation in operations),
    *((f"s3.{operation}", by) for operation, by in (
        ("GetObject", "PlanFunction"), ("HeadObject", "PlanFunction"), ("PutObject", "PlanFunction"),
        ("GetObject", "SubmitFunction"), ("PutObject", "DownloadFunction"), ("PutObject", "SummarizeFunction"),
        ("GetObject", "SummarizeFunction"), ("GetObject", STATES), ("PutObject", STATES),
    )),
    ("sfn.SendTaskSuccess", ""), ("secrets-manager.GetSecretValue", ""), ("sns.Publish", STATES),
]  # fmt: skip

REFUSALS = {
    "dynamodb": Refused("ProvisionedThroughputExceededException"),
    "s3": Refused("SlowDown", 503),
    "sfn": Refused("ThrottlingException"),
    "sns": Refused("InternalErrorException", 500),
    "secrets-manager": Refused("InternalServiceError", 500),
}


@st.composite
def aws_faults(draw: st.DrawFn) -> AwsFault:
    nth = draw(NTH)
    if draw(st.booleans()):
        function = draw(st.sampled_from([name for name in FUNCTIONS if name != STATES]))
        dead = draw(
            st.sampled_from([Killed("before"), Killed("after"), Throttled(), Throttled("ServiceException", 500)])
        )
        return AwsFault(function, dead, nth)
    call, by = draw(st.sampled_from(CALLS))
    actions = [REFUSALS[call.partition(".")[0]], Unanswered()]
    if by != STATES:
        actions += [Killed("before"), Killed("after")]
    return AwsFault(call, draw(st.sampled_from(actions)), nth, by)


MOMENTS = st.sampled_from([0.0, 1.0, 4.0, 6.0, 20.0, 33.0, 40.0, 100.0])
ACCIDENTS = st.one_of(
    st.builds(Stopped, MOMENTS),
    st.builds(Repeated, MOMENTS),
    st.builds(Rotated, MOMENTS, st.sampled_from([0.0, 0.0, 30.0])),
)
SIZES = st.sampled_from([(1, 1), (1, 1), (1, 1), (1, 2), (1, 2), (2, 1), (2, 2)])
"""Models and garments, drawn as one: hypothesis likes to make two draws of a kind alike, and a run twice as dear."""
HISTORIES = st.builds(
    lambda size, **more: History(*size, **more),
    SIZES,
    service=st.lists(SERVICE_FAULTS, max_size=2).map(tuple),
    aws=st.lists(aws_faults(), max_size=2).map(tuple),
    accidents=st.one_of(st.just(()), ACCIDENTS.map(lambda accident: (accident,))),
    shared=st.booleans(),
)


class Theatre:
    """One running application on which one history after another is played."""

    def __init__(self, pipeline: Pipeline, aws: AwsFaults, slots: int) -> None:
        self.pipeline = pipeline
        self.aws = aws
        self.slots = slots
        self._pictures = 0
        self._keys = (ACCESS_KEY, SECRET_KEY)
        self._repeated: list[str] = []

    def play(self, history: History) -> "Ending":
        """Run the history's manifest under its faults; then, without faults, what it left to be repeated."""
        pipeline = self.pipeline
        # Jitter is the one thing drawn at random in a run: fixed, the same history is the same run again.
        random.seed(repr(history))
        pipeline.notifications()
        paid = pipeline.standin.payments
        pipeline.standin.change(slots=max(1, self.slots - history.shared))
        content = self._manifest(history)
        pipeline.standin.faults.add(*history.service)
        self.aws.set(*history.aws)
        execution = pipeline.start(content)
        accidents = [pipeline.clock.thread(self._happen, (accident, execution)) for accident in history.accidents]
        for thread in accidents:
            thread.start()
        try:
            pipeline.app.stack.wait(execution)
            # One that comes after the run's end is a part of the history too.
            for thread in accidents:
                pipeline.clock.await_event(thread.ended, PATIENCE)
            while self._repeated:
                pipeline.app.stack.wait(self._repeated.pop())
            ended = self._ended(execution)
        finally:
            self.aws.set()
            pipeline.standin.faults.clear()
            self._set_secret()
        return Ending(self, history, ended, pipeline.standin.payments - paid)

    def wait(self, seconds: float) -> None:
        """Let time pass with nobody doing anything."""
        self.pipeline.clock.sleep(seconds)

    def holders(self) -> set[str]:
        """Who holds or awaits a slot by a lease that has not ended."""
        stack = self.pipeline.app.stack
        answer = stack.client("dynamodb").get_item(
            TableName=stack.outputs["GateTableName"], Key={"pk": {"S": "service"}}, ConsistentRead=True
        )
        held: Mapping[str, Any] = answer.get("Item", {}).get("holders", {}).get("M", {})
        return {name for name, end in held.items() if float(end["N"]) > self.pipeline.clock.now()}

    def _ended(self, execution: str) -> Ended | None:
        described = self.pipeline.app.stack.wait(execution)
        if described["status"] == "ABORTED":
            self.pipeline.app.stack.wait(self.pipeline.ending(execution))
        if self.pipeline.run_of(execution) is not None:
            return self.pipeline.ended(execution)
        # Stopped, or refused by everything, before a run was ever opened.
        assert described["status"] in ("ABORTED", "FAILED"), "the manifest was taken and nothing ran"
        return None

    def _manifest(self, history: History) -> dict[str, Any]:
        names: dict[str, list[str]] = {"m": [], "g": []}
        for kind, count in (("m", history.models), ("g", history.garments)):
            for _ in range(count):
                self._pictures += 1
                names[kind].append(f"{kind}{self._pictures}")
                self.pipeline.app.put(f"inputs/{kind}{self._pictures}.jpg", picture(self._pictures))
        return {
            "models": [{"id": name, "image": f"inputs/{name}.jpg"} for name in names["m"]],
            "garments": [
                {"id": name, "image": f"inputs/{name}.jpg", "type": TYPES[number % 3]}
                for number, name in enumerate(names["g"])
            ],
        }

    def _happen(self, accident: Accident, execution: str) -> None:
        pipeline = self.pipeline
        stack = pipeline.app.stack
        states = stack.client("stepfunctions")
        pipeline.clock.sleep(accident.at)
        match accident:
            case Stopped():
                states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
            case Repeated():
                event = states.describe_execution(executionArn=execution)["input"]
                started = states.start_execution(stateMachineArn=stack.outputs["StateMachineArn"], input=event)
                self._repeated.append(started["executionArn"])
            case Rotated(late=late):
                self._keys = (ACCESS_KEY, f"{SECRET_KEY}-{self._pictures}")
                pipeline.standin.rotate(*self._keys)
                pipeline.clock.sleep(late)
                self._set_secret()

    def _set_secret(self) -> None:
        stack = self.pipeline.app.stack
        stack.client("secretsmanager").put_secret_value(
            SecretId=stack.outputs["SecretName"],
            SecretString=json.dumps(dict(zip(("access_key", "secret_key"), self._keys, strict=True))),
        )


@dataclass(frozen=True)
class Ending:
    """What a history left; `check` holds it against what must hold."""

    theatre: Theatre
    history: History
    ended: Ended | None
    payments: Counter[Any]

    def check(self) -> None:
        """Raise AssertionError for the first thing that does not hold."""
        assert set(self.payments.values()) <= {1}, f"paid twice: {sorted(self.payments.values())}"
        assert self.ended is not None or not self.payments, "paid for a run that nobody knows"
        if self.ended is not None:
            self._check_outcomes(self.ended)
            self._check_notification(self.ended)
            self._check_slots(self.ended)
        self.theatre.wait(LEASE + 5)
        assert self.theatre.holders() == set(), "a lease outlived its time"
        if self.ended is not None:
            self._check_retry(self.ended)
        self.theatre.wait(FORGOTTEN)

    def _check_outcomes(self, ended: Ended) -> None:
        assert ended.status != "RUNNING", "the run ended and its record says that it runs"
        if ended.summary is None:
            # It broke before its first combination, or nothing could write its report.
            assert ended.status == "FAILED"
            self._check_bill(ended.entries)
            return
        total = self.history.models * self.history.garments
        assert [entry.n for entry in ended.entries] == list(range(1, total + 1))
        assert {entry.status for entry in ended.entries} <= {Status.SUCCEEDED, Status.FAILED}
        good = [entry for entry in ended.entries if entry.status is Status.SUCCEEDED]
        bad = [entry for entry in ended.entries if entry.status is Status.FAILED]
        assert all(entry.error is None and entry.results for entry in good)
        assert all(entry.error and entry.cause for entry in bad), bad
        counts = (total, len(good), len(bad))
        assert counts == tuple(ended.summary[name] for name in ("total", "succeeded", "failed"))
        assert counts == tuple(ended.item.get(name) for name in ("total", "succeeded", "failed"))
        stored = {result["key"]: result["sha256"] for entry in good for result in entry.results}
        # Of a download that was cut off after its first picture the picture may lie there.
        assert set(stored) <= set(ended.results)
        for key, digest in stored.items():
            assert hashlib.sha256(self.theatre.pipeline.app.get(key)).hexdigest() == digest
        assert (ended.summary["tasks"], ended.summary["tasks_unknown"]) == self._check_bill(ended.entries)

    def _check_bill(self, entries: Sequence[Entry]) -> tuple[int, int]:
        known = sum(entry.task_id is not None for entry in entries)
        unknown = sum(entry.outcome_unknown for entry in entries)
        assert known <= self.payments.total() <= known + unknown, "the bill and the ledger differ"
        return known, unknown

    def _check_notification(self, ended: Ended) -> None:
        silenced = any(fault.call == "sns.Publish" and not fault.nth for fault in self.history.aws)
        if silenced:
            assert ended.execution["status"] in ("FAILED", "ABORTED"), "nobody was told and nothing shows it"
            return
        told = [json.loads(one["Message"]) for one in ended.notifications]
        assert {one["run_id"] for one in told} == {ended.run_id}, "nobody was told"
        # An answer of SNS that was lost makes a second message, never another content.
        assert {one["status"] for one in told} == {ended.status}

    def _check_slots(self, ended: Ended) -> None:
        may = {f"{ended.run_id}#{entry.n}" for entry in ended.entries if entry.may_still_run}
        if ended.summary is not None:
            assert self.theatre.holders() <= may, "a slot is held for nothing"

    def _check_retry(self, ended: Ended) -> None:
        pipeline = self.theatre.pipeline
        again = f"runs/{ended.run_id}/retry-manifest.json"
        left = [entry for entry in ended.entries if entry.status is not Status.SUCCEEDED and not entry.outcome_unknown]
        if ended.summary is None:
            return
        assert (again in ended.keys) == bool(left), "a retry manifest for nothing, or none for something"
        if not left:
            return
        paid = len(pipeline.standin.tasks)
        pipeline.standin.change(slots=self.theatre.slots)
        repeated = pipeline.run(pipeline.app.get(again))
        resumed = {entry.id for entry in repeated.entries if entry.resumed}
        assert {entry.id.split("__")[0] for entry in repeated.entries} == {entry.id.split("__")[0] for entry in left}
        for entry in repeated.entries:
            ended_at_the_service = entry.resumed and entry.error in _FATES
            assert entry.status is Status.SUCCEEDED or ended_at_the_service, (entry.id, entry.error, entry.cause)
        assert len(pipeline.standin.tasks) - paid == len(repeated.entries) - len(resumed)
        resumable = {entry.id for entry in left if _resumable(entry)}
        assert resumed == resumable, "a paid task was paid again, or one that cannot be resumed was"


_FATES = frozenset(
    {"TaskExpiredError", "TaskDeadlineError", "TaskFailedError", "ResultGoneError", "InputRefusedError",
     "OutputRefusedError", "NotAnImageError"}
)  # fmt: skip


def _resumable(entry: Entry) -> bool:
    refused = {"InputRefusedError", "OutputRefusedError", "TaskFailedError", "TaskExpiredError"}
    return entry.task_id is not None and entry.error not in refused


@contextmanager
def theatre(slots: int, *, parameters: Mapping[str, str] | None = None) -> Iterator[Theatre]:
    """An application to play histories on."""
    with running(slots=slots, parameters=parameters) as pipeline, AwsFaults().on(pipeline.app.stack) as aws:
        yield Theatre(pipeline, aws, slots)
