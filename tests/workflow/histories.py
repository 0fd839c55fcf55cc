"""Histories of runs: what goes wrong in one, and what must hold at its end whatever went wrong."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.workflow.pipeline import TYPES, Ended, Pipeline, drawn_in_parts, item_of, picture, planned_in_parts, running
from tryon.reporting import retry
from tryon.state.entry import Entry, Status
from tryon.state.gate import MAX_PAUSE
from tryon.task.slots import holder
from tryon.wiring.state import LEASE_MARGIN
from tryon_local.aws.faults import STATES, AwsFault, AwsFaults, Conflicted, Killed, Refused, Throttled, Unanswered
from tryon_local.aws.functions import RefusedError
from tryon_local.service.faults import (
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
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY

FORGOTTEN = 13 * 3600.0
"""Seconds after which no task of an earlier history is left at the service, nor any lease at the gate."""

PATIENCE = 60.0
"""Real seconds to wait for something that takes only virtual ones."""

LEASE = 300.0 + LEASE_MARGIN + MAX_PAUSE
"""Seconds after which a slot that nobody frees is free: a lease begins when its holder may, after any pause."""

PATIENCE_SECONDS = 1200
"""How long runs of histories wait while the service, or AWS, refuses everything: half a day would show no more."""

LIMITS = {
    "PlanFunction": 880.0,
    "ReserveFunction": 60.0,
    "SubmitFunction": 110.0,
    "PollFunction": 110.0,
    "DownloadFunction": 290.0,
    "CheckFunction": 20.0,
    "CompareFunction": 880.0,
    "SummarizeFunction": 880.0,
    "GalleryFunction": 880.0,
}
"""Seconds that a call of each function may last, as template.yaml says."""


@dataclass(frozen=True)
class Stopped:
    """The execution is stopped that many seconds after the manifest was dropped; so are those that end its run, until
    that many were stopped in all."""

    at: float
    times: int = 1


@dataclass(frozen=True)
class Repeated:
    """The manifest's event is delivered once more, that many seconds later."""

    at: float


@dataclass(frozen=True)
class Rotated:
    """The service's keys are replaced, in the secret that many seconds after they stopped working."""

    at: float
    late: float = 0.0


@dataclass(frozen=True)
class Outage:
    """From then on, for that many seconds, the service answers every submit so."""

    at: float
    seconds: float
    answer: Wire


Accident = Stopped | Repeated | Rotated | Outage


@dataclass(frozen=True)
class CalledAgain:
    """One call of a function is made once more, `delay` seconds later.

    Where the answer is `lost`, the first call is the late one: Lambda says that it failed, and its code still runs.
    """

    function: str
    nth: int
    delay: float
    lost: bool = False


Repair = Literal["once", "again", "together", "whole", "chain"]
"""How what is left is repeated: the retry manifest once; a second time after its end; twice at once; the whole manifest
with `retry_of`; or the retry under another fault, and then its own retry."""


@dataclass(frozen=True)
class History:
    """A small manifest and everything that goes wrong while it runs; `parts` has it planned and drawn in parts."""

    models: int = 1
    garments: int = 1
    service: tuple[Fault, ...] = ()
    aws: tuple[AwsFault, ...] = ()
    accidents: tuple[Accident, ...] = ()
    calls: tuple[CalledAgain, ...] = ()
    shared: bool = False
    beside: bool = False
    outfit: bool = False
    variants: bool = False
    cadence: tuple[int, ...] = ()
    resubmissions: int = 0
    repair: Repair = "once"
    parts: bool = False

    @property
    def total(self) -> int:
        """Combinations of each run."""
        worn = self.garments + (1 if self.outfit and self.garments > 1 else 0)
        return self.models * worn * (2 if self.variants else 1)


NTH = st.sampled_from([(1,), (2,), (1, 2), (3,), (2, 5), ()])

NOT_FOUND = json.dumps({"code": 10000, "request_id": "r", "data": {"status": "not_found"}})
CANCELED = json.dumps({"code": 10000, "request_id": "r", "data": {"status": " Canceled"}})

WIRE: st.SearchStrategy[Wire] = st.sampled_from(
    [
        Answer(50429),
        Answer(50429, retry_after="3"),
        Answer(50430),
        Answer(50500),
        Answer(50411),
        Answer(50412),
        Answer(100009),
        Answer(50400),
        Answer(51999),
        Answer(50429, retry_after="60000"),
        Page(http=403),
        Page(body=NOT_FOUND, content_type="application/json"),
        Page(body=CANCELED, content_type="application/json"),
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
# The service's page promises that there is no task behind an error code; what no client could tell is not played. Nor
# is an answer to a poll that comes to a submit.
SUBMIT_WIRE = WIRE.filter(
    lambda action: (
        not (isinstance(action, Answer) and action.processed)
        and not (isinstance(action, Page) and action.body in (NOT_FOUND, CANCELED))
    )
)
SERVICE_FAULTS = st.one_of(
    st.builds(Fault, st.just("submit"), SUBMIT_WIRE, nth=NTH, each=st.booleans()),
    st.builds(Fault, st.sampled_from(["result", "download"]), WIRE, nth=NTH, each=st.booleans()),
    st.builds(Fault, st.just("task"), FATES, nth=NTH),
)

FUNCTIONS = {
    "PlanFunction": ("GetItem", "UpdateItem", "PutItem", "TransactWriteItems", "Query"),
    "ReserveFunction": ("GetItem", "PutItem"),
    "SubmitFunction": ("GetItem", "PutItem", "UpdateItem"),
    "PollFunction": ("GetItem", "PutItem", "UpdateItem"),
    "DownloadFunction": ("GetItem", "UpdateItem"),
    "CheckFunction": ("GetItem", "UpdateItem"),
    "CompareFunction": ("GetItem", "Query"),
    "SummarizeFunction": ("GetItem", "PutItem", "UpdateItem", "Query"),
    "GalleryFunction": ("GetItem", "Query"),
    STATES: ("PutItem", "UpdateItem"),
}
"""Who calls DynamoDB, and how."""

CALLS = [
    *((f"dynamodb.{operation}", by) for by, operations in FUNCTIONS.items() for operation in operations),
    *((f"s3.{operation}", by) for operation, by in (
        ("GetObject", "PlanFunction"), ("HeadObject", "PlanFunction"), ("PutObject", "PlanFunction"),
        ("GetObject", "SubmitFunction"), ("PutObject", "DownloadFunction"), ("PutObject", "SummarizeFunction"),
        ("GetObject", "CheckFunction"), ("GetObject", "CompareFunction"), ("PutObject", "CompareFunction"),
        ("GetObject", "SummarizeFunction"), ("GetObject", STATES), ("PutObject", STATES),
        ("GetObject", "GalleryFunction"), ("PutObject", "GalleryFunction"),
    )),
    ("sfn.SendTaskSuccess", ""), ("secrets-manager.GetSecretValue", ""), ("sns.Publish", STATES),
]  # fmt: skip

GATES = ("ReserveFunction", "SubmitFunction", "PollFunction", "SummarizeFunction")
"""Who changes the gate."""

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
        n = draw(st.sampled_from([None, 1])) if function == "SubmitFunction" else None
        dead = draw(
            st.sampled_from([Killed("before"), Killed("after"), Throttled(), Throttled("ServiceException", 500)])
        )
        return AwsFault(function, dead, nth, n=n)  # type: ignore[arg-type]
    call, by = draw(st.sampled_from(CALLS))
    actions: list[Any] = [REFUSALS[call.partition(".")[0]], Unanswered()]
    if (call == "dynamodb.PutItem" and by in GATES) or (call == "dynamodb.UpdateItem" and by == "SubmitFunction"):
        # boto3 sends a write again whose answer it lost, and finds that its condition holds no more.
        actions += [Conflicted()]
    if call == "dynamodb.PutItem" and by in GATES:
        actions += [Refused("ConditionalCheckFailedException")]
    if by != STATES:
        actions += [Killed("before"), Killed("after")]
    return AwsFault(call, draw(st.sampled_from(actions)), nth, by)


MOMENTS = st.one_of(
    st.sampled_from([0.0, 1.0, 4.0, 6.0, 20.0, 33.0, 40.0, 100.0]), st.integers(0, 500).map(lambda tenth: tenth / 5)
)
ACCIDENTS = st.one_of(
    st.builds(Stopped, MOMENTS, st.sampled_from([1, 1, 2, 3])),
    st.builds(Repeated, MOMENTS),
    st.builds(Rotated, MOMENTS, st.sampled_from([0.0, 0.0, 30.0, 100.0])),
    st.builds(
        Outage,
        MOMENTS,
        st.sampled_from([60.0, 600.0]),
        st.sampled_from([Answer(50429), Answer(50430), Answer(50500), NoConnection()]),
    ),
)


@st.composite
def calls_again(draw: st.DrawFn) -> CalledAgain:
    function = draw(st.sampled_from(list(LIMITS)))
    limit = int(LIMITS[function])
    delay = draw(st.one_of(st.sampled_from([0, 1, 30, limit]), st.integers(0, limit)))
    return CalledAgain(function, draw(st.sampled_from([1, 1, 1, 2, 3])), float(delay), draw(st.booleans()))


def _rarely(value: st.SearchStrategy[Any], otherwise: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 3).flatmap(lambda n: value if n == 3 else st.just(otherwise))


SIZES = st.sampled_from([(1, 1), (1, 1), (1, 1), (1, 2), (1, 2), (2, 1), (2, 2)])
"""Models and garments, drawn as one: hypothesis likes to make two draws of a kind alike, and a run twice as dear."""
HISTORIES = st.builds(
    lambda size, **more: History(*size, **more),
    SIZES,
    service=st.lists(SERVICE_FAULTS, max_size=3).map(tuple),
    aws=st.lists(aws_faults(), max_size=2).map(tuple),
    accidents=st.one_of(st.just(()), ACCIDENTS.map(lambda accident: (accident,))),
    calls=st.one_of(st.just(()), calls_again().map(lambda call: (call,))),
    shared=st.booleans(),
    beside=_rarely(st.just(True), False),
    outfit=_rarely(st.just(True), False),
    variants=_rarely(st.just(True), False),
    cadence=_rarely(st.sampled_from([(20, 6), (1, 30), (70,)]), ()),
    resubmissions=_rarely(st.just(1), 0),
    repair=st.sampled_from(["once", "once", "again", "together", "whole", "chain"]),
    parts=_rarely(st.just(True), False),
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
        self._late: list[Any] = []

    def play(self, history: History) -> "Ending":
        """Run the history's manifest under its faults; then, without faults, what it left to be repeated."""
        with ExitStack() as several:
            if history.parts:
                several.enter_context(planned_in_parts())
                several.enter_context(drawn_in_parts())
            return self._play(history)

    def _play(self, history: History) -> "Ending":
        pipeline = self.pipeline
        # Jitter is the one thing drawn at random in a run: fixed, the same history is the same run again.
        random.seed(repr(history))
        pipeline.notifications()
        before = len(pipeline.standin.tasks)
        paid, full = pipeline.standin.payments, pipeline.standin.requests.submit["50430"]
        pipeline.standin.change(slots=max(1, self.slots - history.shared))
        content = self._manifest(history)
        pipeline.standin.faults.add(*history.service)
        self.aws.set(*history.aws)
        with self._called_again(history):
            execution = pipeline.start(content)
            accidents = [pipeline.clock.thread(self._happen, (accident, execution)) for accident in history.accidents]
            for thread in accidents:
                thread.start()
            beside = []
            if history.beside:
                with pipeline.clock.attached():
                    pipeline.clock.sleep(3.0)
                    beside = [pipeline.start(content)]
            try:
                for each in (execution, *beside):
                    pipeline.app.stack.wait(each)
                # One that comes after the run's end is a part of the history too.
                for thread in (*accidents, *self._late):
                    pipeline.clock.await_event(thread.ended, PATIENCE)
                while self._repeated:
                    pipeline.app.stack.wait(self._repeated.pop())
                ended = self._ended(execution)
                others = [self._ended(each) for each in beside]
            finally:
                self.aws.set()
                pipeline.standin.faults.clear()
                self._set_secret()
        # What functions still do that were called again is over when the longest of them is.
        self.wait(max((LIMITS[call.function] + call.delay for call in history.calls), default=0.0))
        refused = pipeline.standin.requests.submit["50430"] - full
        return Ending(self, history, content, ended, pipeline.standin.payments - paid, others, refused, before)

    @contextmanager
    def _called_again(self, history: History) -> Iterator[None]:
        """Make the history's calls once more, each in a thread that the clock waits for."""
        functions, clock = self.pipeline.app.stack.functions, self.pipeline.clock
        seen: Counter[str] = Counter()
        self._late = []

        def before(name: str, event: Any) -> None:
            seen[name] += 1
            for call in history.calls:
                if call.function != name or seen[name] != call.nth:
                    continue
                payload = json.dumps(event).encode()

                def late(call: CalledAgain = call, payload: bytes = payload) -> None:
                    clock.sleep(call.delay)
                    with suppress(ClientError):
                        functions.invoke(functions[call.function].arn, payload)

                thread = clock.thread(late, ())
                self._late.append(thread)
                thread.start()
                if call.lost:
                    raise RefusedError("ServiceException", 500)

        functions.before_invoke.append(before)
        try:
            yield
        finally:
            functions.before_invoke.remove(before)

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

    def versions(self, key: str) -> int:
        """How often an object was written."""
        s3 = self.pipeline.app.stack.client("s3")
        listed = s3.list_object_versions(Bucket=self.pipeline.app.bucket, Prefix=key)
        return len(listed.get("Versions", []))

    def _ended(self, execution: str) -> Ended | None:
        described = self.pipeline.app.stack.wait(execution)
        while described["status"] == "ABORTED":
            try:
                described = self.pipeline.app.stack.wait(self.pipeline.ending(described["executionArn"]))
            except LookupError as error:
                raise AssertionError(str(error)) from error
        if self.pipeline.run_of(execution) is not None:
            return self.pipeline.ended(execution)
        # Stopped, or refused by everything, before a run was ever opened.
        assert self.pipeline.app.stack.wait(execution)["status"] in ("ABORTED", "FAILED"), "taken, and nothing ran"
        return None

    def _manifest(self, history: History) -> dict[str, Any]:
        names: dict[str, list[str]] = {"m": [], "g": []}
        for kind, count in (("m", history.models), ("g", history.garments)):
            for _ in range(count):
                self._pictures += 1
                names[kind].append(f"{kind}{self._pictures}")
                self.pipeline.app.put(f"inputs/{kind}{self._pictures}.jpg", picture(self._pictures))
        content: dict[str, Any] = {
            "models": [{"id": name, "image": f"inputs/{name}.jpg"} for name in names["m"]],
            "garments": [
                {"id": name, "image": f"inputs/{name}.jpg", "type": TYPES[number % 3]}
                for number, name in enumerate(names["g"])
            ],
        }
        if history.outfit and history.garments > 1:
            upper, lower = names["g"][:2]
            content["outfits"] = [{"id": "both", "upper": upper, "lower": lower}]
        if history.variants:
            content["variants"] = {"a": {}, "b": {"seed": 7}}
        if history.resubmissions:
            content["resubmissions"] = history.resubmissions
        if history.cadence:
            content["cadence"] = list(history.cadence)
        return content

    def _happen(self, accident: Accident, execution: str) -> None:
        pipeline = self.pipeline
        stack = pipeline.app.stack
        states = stack.client("stepfunctions")
        pipeline.clock.sleep(accident.at)
        match accident:
            case Stopped(times=times):
                for number in range(times):
                    states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
                    if number + 1 < times:
                        try:
                            execution = pipeline.ending(execution)
                        except LookupError:
                            return  # it had ended before
                        pipeline.clock.sleep(accident.at)
            case Outage(seconds=seconds, answer=answer):
                fault = Fault("submit", answer, nth=())
                pipeline.standin.faults.add(fault)
                pipeline.clock.sleep(seconds)
                pipeline.standin.faults.remove(fault)
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
    """What a history left; `check` holds it against what must hold.

    `content` is its manifest, `ended` its run, `others` are runs of the same manifest beside it; `refused` submits
    found the service full; the service had made `before` tasks.
    """

    theatre: Theatre
    history: History
    content: Mapping[str, Any]
    ended: Ended | None
    payments: Counter[Any]
    others: Sequence[Ended | None] = ()
    refused: int = 0
    before: int = 0

    def check(self) -> None:
        """Raise AssertionError for the first thing that does not hold."""
        try:
            self._check()
        finally:
            # Whatever broke, the next history begins with a service and a gate that have forgotten this one.
            self.theatre.wait(FORGOTTEN)

    def _check(self) -> None:
        runs = [ended for ended in (self.ended, *self.others) if ended is not None]
        # By what is shown, whichever run shows it: two runs of one manifest may each buy a picture, and no more.
        refused = {task for ended in runs for entry in ended.entries for task in entry.refused_tasks}
        tasks = self.theatre.pipeline.standin.tasks[self.before :]
        again = Counter(task.combination for task in tasks if task.id in refused)
        assert all(count <= len(runs) + again[one] for one, count in self.payments.items()), "paid twice"
        assert runs or not self.payments, "paid for a run that nobody knows"
        for ended in runs:
            self._check_outcomes(ended)
        self._check_bill([entry for ended in runs for entry in ended.entries])
        self._check_notifications(runs)
        self._check_slots(runs)
        self._check_costs(runs)
        self._check_idle(runs)
        self.theatre.wait(LEASE + 5)
        assert self.theatre.holders() == set(), "a lease outlived its time"
        if self.ended is not None and self.ended.summary is not None:
            self._check_retry(self.ended, len(runs))
        for ended in runs:
            self._check_unchanged(ended)

    def _check_outcomes(self, ended: Ended) -> None:
        assert ended.status != "RUNNING", "the run ended and its record says that it runs"
        if ended.summary is None:
            # It broke before its first combination, or nothing could write its report.
            assert ended.status == "FAILED"
            return
        total = self.history.total
        assert [entry.n for entry in ended.entries] == list(range(1, total + 1))
        if "succeeded" not in ended.item:
            # What failed is the write after the report.
            assert ended.status == "FAILED"
            return
        assert {entry.status for entry in ended.entries} <= {Status.SUCCEEDED, Status.FAILED}
        good = [entry for entry in ended.entries if entry.status is Status.SUCCEEDED]
        bad = [entry for entry in ended.entries if entry.status is Status.FAILED]
        assert all(entry.error is None and entry.results for entry in good)
        assert all(entry.error and entry.cause for entry in bad), bad
        counts = (total, len(good), len(bad))
        assert counts == tuple(ended.summary[name] for name in ("total", "succeeded", "failed"))
        same = ("status", "total", "succeeded", "failed", "tasks", "tasks_unknown", "polls", "cost", "seconds")
        assert [ended.item.get(name) for name in same] == [ended.summary[name] for name in same], "item and summary"
        assert self.theatre.versions(f"runs/{ended.run_id}/summary.json") == 1, "a run was reported twice"
        stored = {result.key: result.sha256 for entry in good for result in entry.results}
        # Of a download that was cut off after its first picture the picture may lie there.
        assert set(stored) <= set(ended.results)
        for key, digest in stored.items():
            assert hashlib.sha256(self.theatre.pipeline.app.get(key)).hexdigest() == digest
        known = sum(len(entry.tasks) for entry in ended.entries)
        unknown = sum(entry.outcome_unknown for entry in ended.entries)
        assert (ended.summary["tasks"], ended.summary["tasks_unknown"]) == (known, unknown), "a task came late"
        if f"runs/{ended.run_id}/gallery.json" in ended.keys:
            outline = json.loads(self.theatre.pipeline.app.get(f"runs/{ended.run_id}/gallery.json"))
            pages = {f"runs/{ended.run_id}/{part['file']}" for part in outline["parts"]}
            assert len(pages) == total
            assert pages <= set(ended.keys), "the gallery's index leads nowhere"

    def _check_bill(self, entries: Sequence[Entry]) -> None:
        known = sum(len(entry.tasks) for entry in entries)
        unknown = sum(entry.outcome_unknown for entry in entries)
        assert known <= self.payments.total() <= known + unknown, "the bill and the ledger differ"

    def _check_notifications(self, runs: Sequence[Ended]) -> None:
        silenced = any(fault.call == "sns.Publish" and not fault.nth for fault in self.history.aws)
        if silenced:
            for ended in runs:
                assert ended.execution["status"] in ("FAILED", "ABORTED"), "nobody was told and nothing shows it"
            return
        told = [json.loads(one["Message"]) for ended in runs for one in ended.notifications]
        # An answer of SNS that was lost makes a second message, never another content.
        assert {(one["run_id"], one["status"]) for one in told} == {(ended.run_id, ended.status) for ended in runs}
        stopped = any(isinstance(accident, Stopped) for accident in self.history.accidents)
        if not stopped and not any(fault.call == "sns.Publish" for fault in self.history.aws):
            assert len(told) == len(runs), "a run was told twice"

    def _check_slots(self, runs: Sequence[Ended]) -> None:
        if all(ended.summary is not None for ended in runs):
            may = {
                holder(ended.run_id, entry.n, entry.visit)
                for ended in runs
                for entry in ended.entries
                if entry.may_still_run
            }
            assert self.theatre.holders() <= may, "a slot is held for nothing"

    def _check_costs(self, runs: Sequence[Ended]) -> None:
        """One fault costs one combination at most, an outage none; a slot has one owner."""
        history = self.history
        quiet = not history.aws and not history.calls
        if not any(isinstance(accident, Stopped | Rotated) for accident in history.accidents) and quiet:
            single = [fault for fault in history.service if len(fault.nth) == 1 and not fault.each]
            lost = sum(entry.status is not Status.SUCCEEDED for ended in runs for entry in ended.entries)
            if len(single) == len(history.service):
                assert lost <= len(single), "one fault cost more than one combination"
        answers = [fault.action for fault in history.service]
        answers += [accident.answer for accident in history.accidents if isinstance(accident, Outage)]
        # What the service may still work on after its slot's lease, or after the run, fills a place of its own; so does
        # a task whose poll was told that it has ended.
        strange = any(isinstance(accident, Stopped | Rotated) for accident in history.accidents)
        strange |= any(fault.call == "result" and isinstance(fault.action, Answer) for fault in history.service)
        if not history.shared and not strange and all(isinstance(answer, _CALM) for answer in answers):
            assert not self.refused or Answer(50430) in answers, "a slot was given twice"

    def _check_idle(self, runs: Sequence[Ended]) -> None:
        """Trouble of the first combination's submit keeps no other one waiting."""
        history = self.history
        first = all(fault.call == "SubmitFunction" and fault.n == 1 for fault in history.aws)
        if not first or history.service or history.accidents or history.calls or len(runs) > 1:
            return
        for ended in runs:
            for entry in ended.entries[1:]:
                waited = (entry.submitted_at or 0.0) - ended.item["started_at"]
                assert waited < 100.0 + 40.0 * entry.n, "a slot stood idle"

    def _check_unchanged(self, ended: Ended) -> None:
        """Nothing late has changed what was told of a run."""
        ledger = self.theatre.pipeline.app.ledger
        now = item_of(ledger.run(ended.run_id))
        assert {**now, "repaired_by": None} == {**ended.item, "repaired_by": None}, "a run changed after its end"
        assert [entry.status for entry in ledger.entries(ended.run_id)] == [entry.status for entry in ended.entries]

    def _check_retry(self, ended: Ended, bought: int) -> None:
        """What is left is completed, however it is repeated, and paid once in all."""
        pipeline = self.theatre.pipeline
        again = f"runs/{ended.run_id}/retry-manifest.json"
        left = {
            retry.key(entry): entry
            for entry in ended.entries
            if entry.status is not Status.SUCCEEDED and not entry.outcome_unknown
        }
        assert (again in ended.keys) == bool(left), "a retry manifest for nothing, or none for something"
        if not left:
            return
        # A task that never ends fills a place at the service for half a day: the account has that many more.
        pipeline.standin.change(slots=self.theatre.slots + pipeline.standin.running)
        repeated = self._repeat(ended, pipeline.app.get(again))
        entries = [entry for run in repeated for entry in run.entries]
        assert {retry.key(entry) for entry in entries} == set(left), "something else was repeated, or something not"
        last = {retry.key(entry): entry for entry in entries}
        for entry in entries:
            if entry.status is Status.SUCCEEDED:
                last[retry.key(entry)] = entry
        for entry in last.values():
            ended_at_the_service = entry.resumed and entry.error in _FATES
            assert entry.status is Status.SUCCEEDED or ended_at_the_service, (entry.id, entry.error, entry.cause)
        # A resumed task whose result the service refuses then gives way to another one, where the manifest allows it.
        resumed = {
            retry.key(entry)
            for run in repeated[:1]
            for entry in run.entries
            if entry.resumed or left[retry.key(entry)].task_id in entry.refused_tasks
        }
        asked = {retry.key(entry) for run in repeated[:1] for entry in run.entries}
        resumable = {which for which, entry in left.items() if _resumable(entry)} & asked
        doubted = {which for which, entry in left.items() if entry.not_found_at is not None}
        assert resumable <= resumed <= resumable | doubted, "a paid task was paid again, or one that cannot be resumed"
        every = [*ended.entries, *entries, *(entry for run in self.others if run for entry in run.entries)]
        dead = {task for entry in every for task in entry.refused_tasks}
        dead |= {str(entry.task_id) for entry in every if entry.error in _ENDED}
        # Pictures of many histories ago were the same.
        alive = Counter(task.combination for task in pipeline.standin.tasks[self.before :] if task.id not in dead)
        assert all(count <= bought for count in alive.values()), "a picture was bought twice"
        if all(entry.status is Status.SUCCEEDED for entry in last.values()) and len(left) == ended.summary["failed"]:  # type: ignore[index]
            marked = item_of(pipeline.app.ledger.run(ended.run_id)).get("repaired_by", [])
            assert set(marked) <= {run.run_id for run in repeated}
            assert marked, "a repaired run does not say so"

    def _repeat(self, ended: Ended, again: bytes) -> list[Ended]:
        """Repeat what is left in the history's way."""
        pipeline = self.theatre.pipeline
        match self.history.repair:
            case "again":
                first, second = pipeline.run(again), pipeline.run(again)
                left = [entry for entry in first.entries if entry.status is not Status.SUCCEEDED]
                assert len(second.entries) == len(left), "what has its picture was repeated"
                if not left:
                    assert second.status == "SUCCEEDED" == second.execution["status"]
                    assert second.item["nothing_left"] == [first.run_id]
                return [first, second]
            case "together":
                with pipeline.clock.attached():
                    first_of_two = pipeline.start(again)
                    pipeline.clock.sleep(5.0)
                    second_of_two = pipeline.start(again)
                return [pipeline.ended(first_of_two), pipeline.ended(second_of_two)]
            case "whole":
                return [pipeline.run({**self.content, "retry_of": ended.run_id})]
            case "chain":
                pipeline.standin.faults.add(Fault("submit", Answer(50411), nth=(1,)))
                first = pipeline.run(again)
                pipeline.standin.faults.clear()
                key = f"runs/{first.run_id}/retry-manifest.json"
                return [first, pipeline.run(pipeline.app.get(key))] if key in first.keys else [first]
            case _:
                return [pipeline.run(again)]


_CALM = (Answer, Fails, NoConnection, Late, Mislabel, InBase64)
"""Faults under which every task ends in its time, and is known to have ended."""

_ENDED = frozenset({"TaskExpiredError", "TaskFailedError", "InputRefusedError", "OutputRefusedError"})

_FATES = frozenset(
    {"TaskExpiredError", "TaskDeadlineError", "TaskFailedError", "ResultGoneError", "InputRefusedError",
     "OutputRefusedError", "NotAnImageError"}
)  # fmt: skip


def _resumable(entry: Entry) -> bool:
    refused = {"InputRefusedError", "OutputRefusedError", "TaskFailedError", "TaskExpiredError"}
    return entry.task_id is not None and entry.error not in refused


NO_JUDGE = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
"""A judge of results that gives no answer, in all histories: it costs none of them anything."""


@contextmanager
def theatre(slots: int, *, parameters: Mapping[str, str] | None = None) -> Iterator[Theatre]:
    """An application to play histories on."""
    given = {"PatienceSeconds": str(PATIENCE_SECONDS), "JudgeFunction": NO_JUDGE, **(parameters or {})}
    with running(slots=slots, parameters=given) as pipeline, AwsFaults().on(pipeline.app.stack) as aws:
        yield Theatre(pipeline, aws, slots)


EXAMPLES = 20
"""Histories for each number of slots; `make soak` plays thousands."""


def play_many(slots: int) -> None:
    """Play the same histories each time, others for each number of slots, and hold each against the rules."""
    with theatre(slots) as stage:

        @seed(slots)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(history=HISTORIES)
        def play(history: History) -> None:
            stage.play(history).check()

        play()
