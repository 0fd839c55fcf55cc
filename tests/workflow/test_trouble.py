"""Trouble of the service, of the account or of AWS costs time, and no more than the combination that it is about."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from tests.workflow.histories import LEASE
from tests.workflow.pipeline import START, Ended, Pipeline, manifest, running
from tryon.state.entry import Entry
from tryon.state.gate import MAX_PAUSE
from tryon.state.items import to_item
from tryon_local.aws.faults import AwsFault, AwsFaults, Refused, Throttled
from tryon_local.service.faults import Answer, Fault, NoConnection, Page, Takes, Wire
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY

PATIENCE = 9000
"""Seconds for which runs wait here while everything is refused: more than the two hours that one task hangs."""

EACH = 33.0
"""Seconds that a combination takes on one slot, at most, with nothing in its way."""

HISTORY = 25_000
"""Events that Step Functions keeps of an execution, and no more."""

HALF_A_DAY = 43_200.0


@pytest.fixture(scope="module")
def stage() -> Iterator[Pipeline]:
    with running(slots=1, parameters={"PatienceSeconds": str(PATIENCE)}) as found:
        found.put_pictures(1, 8)
        yield found


@pytest.fixture
def pipeline(stage: Pipeline) -> Iterator[Pipeline]:
    """The stage, free of what the test before let happen."""
    stage.notifications()
    stage.paid()
    yield stage
    stage.standin.faults.clear()
    stage.standin.rotate(ACCESS_KEY, SECRET_KEY)
    stage.clock.sleep(LEASE)


def small(garments: int) -> dict[str, Any]:
    """A manifest with one poll a combination, that sees the end."""
    return manifest(1, garments, cadence=[28, 5])


def seconds(ended: Ended) -> float:
    """How long an execution took."""
    return float((ended.execution["stopDate"] - ended.execution["startDate"]).total_seconds())


def submits(pipeline: Pipeline) -> int:
    """Submits that the service has seen."""
    return pipeline.standin.requests.submit.total()


def warnings(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The warnings that functions logged, field by field."""
    return [vars(record) for record in caplog.records if record.levelname == "WARNING"]


def check_whole(pipeline: Pipeline, ended: Ended, garments: int) -> None:
    """Every combination has its picture and was paid once."""
    assert ended.errors == {}
    assert (ended.status, pipeline.paid()) == ("SUCCEEDED", garments)


def run_during(pipeline: Pipeline, garments: int, after: float, fault: Fault, lasting: float) -> Ended:
    """A run in which a fault of the service begins and ends."""

    def happen(execution: str) -> None:
        pipeline.standin.faults.add(fault)
        pipeline.clock.sleep(lasting)
        pipeline.standin.faults.remove(fault)

    return pipeline.ended(pipeline.start_and(small(garments), after, happen))


@pytest.mark.parametrize(
    ("answer", "garments", "after"),
    [(Answer(50429), 1, 0.0), (Answer(50430), 1, 0.0), (Answer(50500), 3, 40.0), (NoConnection(), 3, 40.0)],
    ids=str,
)
def test_ten_minutes_without_the_service_cost_ten_minutes(
    pipeline: Pipeline, answer: Wire, garments: int, after: float
) -> None:
    before = submits(pipeline)
    fault = Fault("submit", answer)
    ended = run_during(pipeline, garments, after, fault, 600.0)
    check_whole(pipeline, ended, garments)
    assert 600.0 < seconds(ended) < after + 600.0 + MAX_PAUSE + garments * EACH
    # One probe at a time, after pauses that grow: where it asked at the usual pace there would be 300.
    assert submits(pipeline) - before - garments <= 12


def test_one_task_that_hangs_costs_no_other_combination_of_an_account_of_one_slot(pipeline: Pipeline) -> None:
    pipeline.standin.faults.add(Fault("task", Takes(7200.0), nth=(1,)))
    before = submits(pipeline)
    ended = pipeline.run(small(3))
    assert list(ended.errors.values()) == ["TaskDeadlineError"]
    assert (ended.status, pipeline.paid()) == ("PARTIAL", 3)
    assert seconds(ended) < 7200.0 + MAX_PAUSE + 2 * EACH
    assert submits(pipeline) - before < 40


@pytest.mark.parametrize(
    ("function", "lasting"), [("PollFunction", 120.0), ("SubmitFunction", 300.0), ("ReserveFunction", 300.0)]
)
def test_minutes_in_which_lambda_runs_no_function_lose_nothing(
    pipeline: Pipeline, function: str, lasting: float
) -> None:
    with AwsFaults().on(pipeline.app.stack) as aws:

        def happen(execution: str) -> None:
            aws.set(AwsFault(function, Throttled(), ()))
            pipeline.clock.sleep(lasting)
            aws.set()

        ended = pipeline.ended(pipeline.start_and(small(3), 3.0, happen))
    check_whole(pipeline, ended, 3)
    assert seconds(ended) < lasting + MAX_PAUSE + 3 * EACH


ODD = [Page(http=403), Answer(100009), Answer(100010), Answer(50400), Answer(51999), Answer(59123, http=422)]


@pytest.mark.parametrize(("answer", "nth"), [*zip(ODD, (1, 3) * 3, strict=True)], ids=str)
def test_one_odd_answer_to_a_submit_ends_nothing(pipeline: Pipeline, answer: Wire, nth: int) -> None:
    pipeline.standin.faults.add(Fault("submit", answer, nth=(nth,)))
    ended = pipeline.run(small(3))
    assert pipeline.standin.faults.struck == (1,)
    check_whole(pipeline, ended, 3)


@pytest.mark.parametrize("trouble", ["no right to submit", "an empty balance", "keys revoked"])
def test_a_real_loss_of_access_halts_the_run_after_a_few_submits(pipeline: Pipeline, trouble: str) -> None:
    """It begins when one combination has its picture and the next is at the service."""
    refused: list[float] = []

    def happen(execution: str) -> None:
        nonlocal before  # type: ignore[misc]
        if trouble == "keys revoked":
            pipeline.standin.rotate("AKLTEXAMPLENEW", "another")
        else:
            code = 50400 if trouble == "no right to submit" else 51999
            pipeline.standin.faults.add(Fault("submit", Answer(code)))
        refused.append(pipeline.clock.now())
        before = submits(pipeline)

    before = 0
    ended = pipeline.ended(pipeline.start_and(small(8), 40.0, happen))
    halted = [entry for entry in ended.entries if entry.error == "RunHaltedError"]
    assert submits(pipeline) - before <= 5
    # One was at the service, one or two met the last refusals themselves.
    assert len(halted) >= 4, Counter(ended.errors.values())
    assert (ended.status, pipeline.paid()) == ("PARTIAL", 2)
    assert ended.item["ended_at"] - refused[0] >= 120.0
    assert seconds(ended) < 900.0
    named = "51999" if trouble == "an empty balance" else "50400" if trouble == "no right to submit" else "100009"
    assert all(named in str(entry.cause) for entry in halted)
    assert ended.entries[0].error is None
    (told,) = [json.loads(one["Message"]) for one in ended.notifications]
    assert told["status"] == "PARTIAL"


def events_an_hour(pipeline: Pipeline, ended: Ended) -> float:
    """How fast the longest history of a child grew."""
    children = pipeline.app.stack.children(ended.execution["executionArn"])
    child = max(children, key=lambda one: len(one.events))
    assert child.stop is not None
    return len(child.events) / (child.stop - child.start).total_seconds() * 3600


def test_a_service_that_refuses_everything_is_waited_for_with_patience_and_then_reported(pipeline: Pipeline) -> None:
    fault = Fault("submit", Answer(50429, detail="closed for the night"))
    before = submits(pipeline)
    ended = run_during(pipeline, 4, 40.0, fault, PATIENCE + 600.0)
    lost = [entry for entry in ended.entries if entry.error]
    assert {entry.error for entry in lost} == {"NotStartedError"}
    assert (len(lost), ended.status, pipeline.paid()) == (2, "PARTIAL", 2)
    assert all("the service refused every submit for 2.5 hours" in str(entry.cause) for entry in lost)
    assert all("code 50429" in str(entry.cause) for entry in lost)
    assert PATIENCE < seconds(ended) < PATIENCE + MAX_PAUSE + 300.0
    assert submits(pipeline) - before < 50
    assert events_an_hour(pipeline, ended) * HALF_A_DAY / 3600 < HISTORY / 5


TEN_YEARS = format_datetime(datetime.fromtimestamp(START + 10 * 365 * 86_400, UTC), usegmt=True)


@pytest.mark.parametrize(("asked", "nth"), [("60000", 1), ("999999999", 2), (TEN_YEARS, 1)])
def test_whatever_the_service_asks_to_wait_minutes_are_waited(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, asked: str, nth: int
) -> None:
    pipeline.standin.faults.add(Fault("submit", Answer(50429, retry_after=asked), nth=(nth,)))
    ended = pipeline.run(small(2))
    check_whole(pipeline, ended, 2)
    assert MAX_PAUSE < seconds(ended) < MAX_PAUSE + 2 * EACH + 5.0
    (warning,) = warnings(caplog)
    assert warning["said"].endswith("s, 300 s are waited)")
    assert pipeline.gate()["next_start"] < pipeline.clock.now() + MAX_PAUSE


@pytest.mark.parametrize("trouble", [False, True])
def test_a_pause_of_years_in_the_gate_heals(pipeline: Pipeline, trouble: bool) -> None:
    stack, now = pipeline.app.stack, pipeline.clock.now()
    item: dict[str, Any] = {
        "pk": "service", "version": 7, "holders": {}, "waiters": [], "next_start": now + 10 * 365 * 86_400.0
    }  # fmt: skip
    if trouble:
        item["trouble"] = {
            "kind": "throttled", "since": now, "count": 99, "word": "", "probe": "gone#1#1", "probe_end": now + 1e9,
            "access": 0, "access_since": 0.0, "submits": 0,
        }  # fmt: skip
    stack.client("dynamodb").put_item(TableName=stack.outputs["GateTableName"], Item=to_item(item))
    ended = pipeline.run(small(2))
    check_whole(pipeline, ended, 2)
    assert seconds(ended) < MAX_PAUSE + 2 * EACH + 5.0


NOT_BEGUN = {
    "S3 refuses the pictures": AwsFault("s3.GetObject", Refused("SlowDown", 503), (), "SubmitFunction", n=2),
    "Lambda runs no Submit": AwsFault("SubmitFunction", Throttled(), (), n=2),
    "DynamoDB refuses its first write": AwsFault(
        "dynamodb.UpdateItem", Refused("ThrottlingException"), (), "SubmitFunction", n=2
    ),
}


@pytest.mark.parametrize("fault", NOT_BEGUN.values(), ids=NOT_BEGUN)
def test_a_submit_that_never_reached_the_service_leaves_its_slot_to_the_next_at_once(
    pipeline: Pipeline, fault: AwsFault
) -> None:
    with AwsFaults(fault).on(pipeline.app.stack) as aws:

        def happen(execution: str) -> None:
            aws.set()

        ended = pipeline.ended(pipeline.start_and(small(4), 150.0, happen))
    check_whole(pipeline, ended, 4)
    first, _, third, fourth = ended.entries
    assert _idle(first, third) < 30.0
    assert _idle(third, fourth) < 30.0
    assert seconds(ended) < 150.0 + MAX_PAUSE


def _idle(before: Entry, after: Entry) -> float:
    """Seconds in which the one slot had no task, between two combinations."""
    assert before.ended_at is not None
    assert after.submitted_at is not None
    return after.submitted_at - before.ended_at


def said(word: str) -> Page:
    """An answer to a poll with a status of its own."""
    body = {"code": 10000, "message": "Success", "request_id": "r1", "data": {"status": word}}
    return Page(body=json.dumps(body), content_type="application/json")


@pytest.mark.parametrize(
    ("word", "error", "polls"),
    [
        ("canceled", "TaskFailedError", 1),
        (" Cancelled ", "TaskFailedError", 1),
        ("FAILED", "TaskFailedError", 1),
        ("paused", "TaskDeadlineError", 20),
        ("", "TaskDeadlineError", 20),
    ],
)
def test_a_status_is_kept_as_it_was_said(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, word: str, error: str, polls: int
) -> None:
    # The first question is Plan's.
    pipeline.standin.faults.add(Fault("result", said(word), nth=tuple(range(2, 400))))
    ended = pipeline.run(small(1))
    (entry,) = ended.entries
    assert entry.error == error
    assert entry.polls <= 2 if polls == 1 else entry.unanswered == entry.polls >= polls
    shown = repr(word.strip())
    log = warnings(caplog)
    told = [str(entry.cause), *(str(line["said"]) for line in log)]
    assert len(log) == entry.polls
    assert all(shown in one for one in told), told
    if polls > 1:
        assert shown in str(entry.said)
    assert 28.0 <= seconds(ended) < (40.0 if polls == 1 else 310.0)


@pytest.mark.parametrize(
    ("answer", "error", "named"),
    [
        (Answer(100010), "ServiceAccessError", "100010"),
        (Page(http=403), "ServiceUnavailableError", "HTTP 403"),
    ],
    ids=str,
)
def test_a_task_whose_polls_are_all_refused_says_so_at_its_deadline(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, answer: Wire, error: str, named: str
) -> None:
    pipeline.standin.faults.add(Fault("result", answer, nth=tuple(range(2, 400))))
    ended = pipeline.run(small(1))
    (entry,) = ended.entries
    assert entry.error == "TaskDeadlineError"
    assert named in str(entry.cause)
    assert named in str(entry.said)
    assert entry.unanswered == entry.polls > 10
    log = warnings(caplog)
    assert {line["error"] for line in log} == {error}
    assert all(named in line["said"] for line in log)


def test_a_child_that_waits_for_half_a_day_keeps_its_history_short(pipeline: Pipeline) -> None:
    """Another run of the account has the slot all the while."""
    stack = pipeline.app.stack
    holders = {"other#1#1": pipeline.clock.now() + HALF_A_DAY}
    item: dict[str, Any] = {"pk": "service", "version": 7, "holders": holders, "waiters": [], "next_start": 0.0}
    stack.client("dynamodb").put_item(TableName=stack.outputs["GateTableName"], Item=to_item(item))
    ended = pipeline.run(small(1))
    check_whole(pipeline, ended, 1)
    assert seconds(ended) > HALF_A_DAY
    (child,) = stack.children(ended.execution["executionArn"])
    assert len(child.events) < HISTORY / 8
