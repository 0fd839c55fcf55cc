"""Functions that are called twice at once, late, or after the run's end, and executions that are stopped at any moment.

Lambda and Step Functions promise no less than one call and no more than some: what was paid, recorded and told stays.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from tests.workflow.histories import LEASE, LIMITS
from tests.workflow.pipeline import Ended, Pipeline, drawn_in_parts, item_of, manifest, picture, running
from tryon.state.entry import Status
from tryon_local.aws.faults import STATES, AwsFault, AwsFaults, Killed, Refused
from tryon_local.service.faults import Answer, Fails, Fault, Late, Page, Takes, Wire

HOUR = 3600.0

SAME = ("status", "error", "cause", "ended_at", "seconds", "total", "succeeded", "failed", "tasks", "tasks_unknown",
        "bytes", "pictures", "pictures_lost", "polls", "latency", "delay", "cost", "reasons")  # fmt: skip
"""What a run's item and its summary both say."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Pipeline]:
    """One slot of ours, and more at the service, so that a second task at once would be made."""
    with running(slots=1, service_slots=20) as found:
        found.put_pictures(1, 4)
        yield found


@pytest.fixture
def pipeline(stage: Pipeline) -> Iterator[Pipeline]:
    """The stage, free of what the test before let happen."""
    hooks = stage.app.stack.functions.before_invoke
    stage.notifications()
    stage.paid()
    yield stage
    hooks.clear()
    stage.standin.faults.clear()
    stage.clock.sleep(LEASE)


@pytest.fixture(autouse=True)
def in_parts(request: pytest.FixtureRequest) -> Iterator[None]:
    """A gallery is drawn in parts where the function that draws them is called again."""
    function = getattr(request.node, "callspec", None) and request.node.callspec.params.get("function")
    with drawn_in_parts() if function == "GalleryFunction" else nullcontext():
        yield


def small(garments: int = 3, **more: Any) -> dict[str, Any]:
    """A manifest with one poll a combination, that sees the end: half a minute each on one slot."""
    return manifest(1, garments, cadence=[28, 5], **more)


def free(pipeline: Pipeline) -> bool:
    """Whether nobody holds or awaits a slot."""
    gate = pipeline.gate()
    held = [holder for holder, end in gate["holders"].items() if end > pipeline.clock.now()]
    return not held and not gate["waiters"] and "trouble" not in gate


def told(ended: Ended) -> list[tuple[str, str]]:
    """The notifications of a run: id and status."""
    messages = [json.loads(one["Message"]) for one in ended.notifications]
    return [(message["run_id"], message["status"]) for message in messages]


def check_told_once(ended: Ended, status: str) -> None:
    """The run's item, its summary and its one notification say the same."""
    assert ended.summary is not None
    assert (ended.status, told(ended)) == (status, [(ended.run_id, status)])
    assert {name: ended.item.get(name) for name in SAME} == {name: ended.summary[name] for name in SAME}


@contextmanager
def unchanged(pipeline: Pipeline, ended: Ended) -> Iterator[None]:
    """What happens within changes nothing of what the run left, and nobody is told anything more."""

    def left() -> list[Any]:
        ledger = pipeline.app.ledger
        # A late download may store its picture, which no report names.
        files = [key for key in pipeline.app.keys(f"runs/{ended.run_id}/") if key.count("/") == 2]
        told = [pipeline.app.get(key) for key in files if key.endswith((".json", ".csv"))]
        return [pipeline.payments, ledger.run(ended.run_id), list(ledger.entries(ended.run_id)), files, told]

    pipeline.notifications()
    before = left()
    yield
    assert left() == before
    assert pipeline.notifications() == []
    assert free(pipeline)


def error_of(pipeline: Pipeline, function: str, event: dict[str, Any]) -> str:
    """The name of the error that a call ends with."""
    answer = pipeline.app.stack.invoke(function, event)
    assert answer.failed, answer.payload
    return str(json.loads(answer.payload)["errorType"])


def run_paid_once(pipeline: Pipeline) -> Ended:
    """A run of three, checked."""
    ended = pipeline.run(small())
    check_told_once(ended, "SUCCEEDED")
    assert [(entry.status, entry.submits, len(entry.results)) for entry in ended.entries] == [
        (Status.SUCCEEDED, 1, 1)
    ] * 3
    assert (pipeline.paid(), pipeline.standin.most_running) == (3, 1)
    return ended


@pytest.mark.parametrize("function", LIMITS)
def test_calls_at_once_do_what_one_does(pipeline: Pipeline, function: str) -> None:
    """Three: one beside the first, and one that Step Functions makes because the first one's answer was lost."""
    with pipeline.called_again(function, 0.0), pipeline.called_again(function, 0.0, lost=1.0):
        ended = run_paid_once(pipeline)
    with unchanged(pipeline, ended):
        pipeline.clock.sleep(LIMITS[function])


@pytest.mark.parametrize("function", LIMITS)
def test_a_late_call_changes_nothing(pipeline: Pipeline, function: str) -> None:
    """Half a minute late, while the next combination runs, and by the function's time limit."""
    limit = LIMITS[function]
    with pipeline.called_again(function, 35.0), pipeline.called_again(function, limit):
        ended = run_paid_once(pipeline)
        with unchanged(pipeline, ended):
            pipeline.clock.sleep(2 * limit)
    assert pipeline.standin.most_running == 1


@pytest.fixture(scope="module")
def reported(stage: Pipeline) -> tuple[Ended, dict[str, list[dict[str, Any]]]]:
    """A run whose gallery is drawn in parts, and all calls that it made."""
    with drawn_in_parts(), stage.recorded() as calls:
        stage.paid()
        return run_paid_once(stage), calls


@pytest.mark.parametrize("function", LIMITS)
def test_calls_after_the_end_change_nothing(
    pipeline: Pipeline, reported: tuple[Ended, dict[str, list[dict[str, Any]]]], function: str
) -> None:
    ended, calls = reported
    assert calls[function]
    with unchanged(pipeline, ended):
        for event in calls[function]:
            assert not pipeline.app.stack.invoke(function, event).failed or function in (
                "PlanFunction",
                "SubmitFunction",
            )


@pytest.mark.parametrize("delay", [0.0, 35.0, LIMITS["SummarizeFunction"]])
def test_a_run_that_was_drawn_in_parts_is_ended_once(pipeline: Pipeline, delay: float) -> None:
    """Summarize's second call, which says that the run has ended, comes again; once its answer was lost before."""
    with (
        drawn_in_parts(),
        pipeline.called_again("SummarizeFunction", delay, nth=2),
        pipeline.called_again("SummarizeFunction", delay, nth=2, lost=1.0),
    ):
        ended = run_paid_once(pipeline)
        with unchanged(pipeline, ended):
            pipeline.clock.sleep(2 * LIMITS["SummarizeFunction"])
    assert {f"runs/{ended.run_id}/gallery-{n:03d}.html" for n in (1, 2, 3)} <= set(ended.keys)


def test_an_execution_that_is_stopped_while_parts_are_drawn_leaves_them_to_the_one_that_ends_its_run(
    pipeline: Pipeline,
) -> None:
    executions: list[str] = []
    states = pipeline.app.stack.client("stepfunctions")

    def stop(function: str, event: Any) -> None:
        if function == "GalleryFunction" and len(executions) == 1:
            executions.append("stopped")
            stopping = pipeline.clock.thread(lambda: states.stop_execution(executionArn=executions[0]), ())
            stopping.start()
            pipeline.clock.sleep(1)

    pipeline.app.stack.functions.before_invoke.append(stop)
    with drawn_in_parts():
        with pipeline.clock.attached():
            executions.append(pipeline.start(small()))
        assert pipeline.app.stack.wait(executions[0])["status"] == "ABORTED"
        pipeline.app.stack.wait(pipeline.ending(executions[0]))
        ended = pipeline.ended(executions[0])
    check_told_once(ended, "SUCCEEDED")
    assert {f"runs/{ended.run_id}/gallery-{n:03d}.html" for n in (1, 2, 3)} <= set(ended.keys)


def test_a_plan_made_again_between_a_payment_and_its_record_pays_nothing_again(pipeline: Pipeline) -> None:
    fault = AwsFault("dynamodb.UpdateItem", Killed("before"), (2,), by="SubmitFunction")
    with AwsFaults(fault).on(pipeline.app.stack):
        calls: list[tuple[str, Any]] = []

        def before(function: str, event: Any) -> None:
            calls.append((function, json.loads(json.dumps(event))))
            if function == "SubmitFunction" and [name for name, _ in calls].count(function) == 2:
                pipeline.app.stack.invoke("PlanFunction", calls[0][1])

        pipeline.app.stack.functions.before_invoke.append(before)
        ended = pipeline.run(manifest(1, 1))
        assert pipeline.paid() == 1
        assert ended.errors == {"m0__01-g0__default": "SubmitOutcomeUnknownError"}


@pytest.mark.parametrize(("answers_after", "lost"), [(28.0, 27.0)])
def test_a_submit_whose_answer_lambda_lost_is_waited_for_and_its_task_kept(
    pipeline: Pipeline, answers_after: float, lost: float
) -> None:
    faults = [Fault("submit", Late(answers_after), nth=(1,))]
    pipeline.standin.faults.add(*faults)
    with pipeline.called_again("SubmitFunction", 0.0, lost=lost):
        ended = pipeline.run(manifest(1, 2))
    check_told_once(ended, "SUCCEEDED")
    assert (pipeline.paid(), pipeline.standin.most_running) == (2, 1)
    assert ended.summary is not None
    assert (ended.summary["tasks"], ended.summary["tasks_unknown"]) == (2, 0)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(50430), Status.SUCCEEDED),
        (Answer(50500), Status.SUCCEEDED),
        (Page(http=403), Status.SUCCEEDED),
        (Answer(50411), Status.FAILED),
    ],
    ids=str,
)
def test_a_refusal_whose_record_is_lost_leaves_no_doubt(pipeline: Pipeline, answer: Wire, status: Status) -> None:
    lost = AwsFault("dynamodb.UpdateItem", Refused("ThrottlingException"), (2,), "SubmitFunction")
    faults = [Fault("submit", answer, nth=(1,))]
    pipeline.standin.faults.add(*faults)
    with AwsFaults(lost).on(pipeline.app.stack):
        ended = pipeline.run(manifest(1, 2))
        assert sorted(entry.status for entry in ended.entries) == sorted([status, Status.SUCCEEDED])
        assert ended.summary is not None
        assert (ended.summary["tasks"], ended.summary["tasks_unknown"]) == (pipeline.paid(), 0)
        # What failed is in the retry manifest: nothing of it may have been billed.
        assert (f"runs/{ended.run_id}/retry-manifest.json" in ended.keys) is (status is Status.FAILED)


@pytest.mark.parametrize("delay", [70.0])
def test_a_late_poll_of_a_refused_result_frees_no_slot_of_the_next_try(pipeline: Pipeline, delay: float) -> None:
    faults = [Fault("task", Fails(50511), nth=(1,))]
    pipeline.standin.faults.add(*faults)
    with pipeline.called_again("PollFunction", delay, nth=4, n=1):
        ended = pipeline.run(manifest(1, 4, resubmissions=1))
    check_told_once(ended, "SUCCEEDED")
    assert pipeline.standin.faults.struck == (1,)
    assert (pipeline.paid(), pipeline.standin.most_running) == (5, 1)


PLAN_STOPS = {
    "before it begins": "",
    "before the entries are written": "TransactWriteItems",
    "before it says that the plan is whole": "UpdateItem",
}


@pytest.mark.parametrize("operation", PLAN_STOPS.values(), ids=PLAN_STOPS)
def test_a_plan_that_ends_after_its_run_was_ended_opens_nothing(pipeline: Pipeline, operation: str) -> None:
    """Its execution is stopped 30 s after the drop; the run is ended 300 s later, Plan goes on after 700 s."""
    stack = pipeline.app.stack
    calls: list[str] = []

    def slow(model: Any, **_: Any) -> None:
        if stack.functions.calling() == "PlanFunction":
            calls.append(model.name)
            # The second write of the run's item is the one that says so.
            if calls.count(operation) == (2 if operation == "UpdateItem" else 1) and model.name == operation:
                pipeline.clock.sleep(700.0)

    def before(function: str, event: Any) -> None:
        if function == "PlanFunction" and not operation:
            pipeline.clock.sleep(700.0)

    stack.functions.before_invoke.append(before)
    ender: list[str] = []
    with stack.watched("before-call", slow):
        pipeline.start_and(manifest(1, 2), 30.0, lambda execution: ender.append(pipeline.stop(execution)))
        assert stack.wait(ender[0])["error"] == "RunNotPlannedError"
        (run,) = pipeline.app.ledger.runs(1)
        assert (run.status, run.error) == ("FAILED", "RunNotPlannedError")
        (notified,) = pipeline.notifications()
        assert json.loads(notified["Message"])["status"] == "FAILED"
        pipeline.clock.sleep(HOUR)
    assert operation == "" or operation in calls
    assert pipeline.app.ledger.runs(1) == [run]
    assert (pipeline.notifications(), pipeline.paid()) == ([], 0)
    # All of it, since nothing was ever planned.
    again = pipeline.run({**manifest(1, 2), "retry_of": run.run_id})
    assert (again.status, pipeline.paid()) == ("SUCCEEDED", 2)


def test_a_plan_that_comes_after_a_rejection_opens_nothing(pipeline: Pipeline) -> None:
    wrong = manifest(1, 1)
    wrong["models"][0]["image"] = "inputs/late.jpg"
    with pipeline.recorded() as calls:
        rejected = pipeline.run(wrong)
    assert (rejected.status, told(rejected)) == ("REJECTED", [(rejected.run_id, "REJECTED")])
    pipeline.app.put("inputs/late.jpg", picture(9))
    with unchanged(pipeline, rejected):
        assert error_of(pipeline, "PlanFunction", calls["PlanFunction"][-1]) == "RunEndedError"


def test_a_plan_and_a_report_that_come_after_a_failed_run_change_nothing(pipeline: Pipeline) -> None:
    pipeline.standin.rotate("AKLTEXAMPLENEW", "another")
    with pipeline.recorded() as calls:
        failed = pipeline.run(manifest(1, 1))
    assert (failed.status, told(failed)) == ("FAILED", [(failed.run_id, "FAILED")])
    secret = json.dumps({"access_key": "AKLTEXAMPLENEW", "secret_key": "another"})
    stack = pipeline.app.stack
    stack.client("secretsmanager").put_secret_value(SecretId=stack.outputs["SecretName"], SecretString=secret)
    report = {"run_id": failed.run_id, "bucket": pipeline.app.bucket, "failure": {}}
    pipeline.notifications()
    for function, event, error in (
        ("PlanFunction", calls["PlanFunction"][-1], "RunEndedError"),
        ("SummarizeFunction", report, "RunNotPlannedError"),
    ):
        assert error_of(pipeline, function, event) == error
    assert (item_of(pipeline.app.ledger.run(failed.run_id)), list(pipeline.app.ledger.entries(failed.run_id))) == (
        failed.item,
        [],
    )
    assert (pipeline.notifications(), pipeline.paid()) == ([], 0)


@pytest.mark.parametrize("failure", [{}, {"Error": "ExecutionStoppedError", "Cause": "the execution was stopped"}])
def test_a_report_that_comes_late_says_what_was_reported(pipeline: Pipeline, failure: dict[str, str]) -> None:
    ended = pipeline.run(manifest(1, 2))
    with unchanged(pipeline, ended):
        answer = pipeline.app.stack.invoke(
            "SummarizeFunction", {"run_id": ended.run_id, "bucket": pipeline.app.bucket, "failure": failure}
        )
        assert not answer.failed
        report = json.loads(answer.payload)
        assert (report["status"], report["error"], report["failed"]) == ("SUCCEEDED", "", 0)


def test_a_download_that_comes_after_the_report_of_its_failure_leaves_it(pipeline: Pipeline) -> None:
    pipeline.standin.faults.add(Fault("download", Page(http=503)))
    with pipeline.recorded() as calls:
        ended = pipeline.run(manifest(1, 1))
    pipeline.standin.faults.clear()
    assert list(ended.errors.values()) == ["ResultUnavailableError"]
    with unchanged(pipeline, ended):
        assert error_of(pipeline, "DownloadFunction", calls["DownloadFunction"][-1]) == "LedgerConflictError"
    repeated = pipeline.run(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
    assert (repeated.status, repeated.entries[0].resumed, pipeline.paid()) == ("SUCCEEDED", True, 1)


def test_polls_that_come_after_a_task_was_given_up_leave_it_so(pipeline: Pipeline) -> None:
    pipeline.standin.faults.add(Fault("task", Takes(400.0)))
    with pipeline.recorded() as calls:
        ended = pipeline.run(manifest(1, 1))
    pipeline.standin.faults.clear()
    assert list(ended.errors.values()) == ["TaskDeadlineError"]
    with unchanged(pipeline, ended):
        # The service's slot is taken until the task ends; ours is held by the lease as long.
        for wait in (1.0, 200.0):
            pipeline.clock.sleep(wait)
            assert not pipeline.app.stack.invoke("PollFunction", calls["PollFunction"][-1]).failed


def stopped(pipeline: Pipeline, after: float, garments: int = 2) -> tuple[Ended, dict[str, list[dict[str, Any]]]]:
    """A run whose execution was stopped, ended by another one, and the calls that it made."""
    enders: list[str] = []
    with pipeline.recorded() as calls:
        execution = pipeline.start_and(
            manifest(1, garments), after, lambda execution: enders.append(pipeline.stop(execution))
        )
        pipeline.app.stack.wait(enders[0])
    ended = pipeline.ended(execution)
    # The task that was abandoned holds its slot until its lease ends.
    pipeline.clock.sleep(LEASE)
    return ended, calls


def test_submits_that_come_after_the_end_of_a_stopped_run_start_nothing(pipeline: Pipeline) -> None:
    ended, calls = stopped(pipeline, 20.0, garments=4)
    assert [entry.error for entry in ended.entries] == ["TaskAbandonedError", *["NotStartedError"] * 3]
    paid, model = pipeline.payments, calls["SubmitFunction"][0]
    waiting = [event for event in calls["ReserveFunction"] if event["combination"]["n"] > 1]
    assert waiting
    with unchanged(pipeline, ended):
        for event in waiting:
            late = {**model, "combination": event["combination"], "visit": event["visit"]}
            assert error_of(pipeline, "SubmitFunction", late) == "RunHaltedError"
            # Whoever asks for a slot with a token that nobody waits for leaves none behind.
            pipeline.app.stack.invoke("ReserveFunction", event)
    assert pipeline.payments == paid


def test_a_late_request_for_a_slot_costs_another_run_nothing(pipeline: Pipeline) -> None:
    _, calls = stopped(pipeline, 20.0, garments=4)
    late = calls["ReserveFunction"][-1]

    def ask(execution: str) -> None:
        assert len(pipeline.gate()["holders"]) == 1
        assert not pipeline.app.stack.invoke("ReserveFunction", late).failed
        assert late["token"] in [waiter["token"] for waiter in pipeline.gate()["waiters"]]

    other = pipeline.ended(pipeline.start_and(manifest(1, 3), 10.0, ask))
    check_told_once(other, "SUCCEEDED")
    seconds = (other.execution["stopDate"] - other.execution["startDate"]).total_seconds()
    assert seconds < 3 * 33, "a dead token delayed others"
    assert free(pipeline)


@pytest.mark.parametrize("again", [900.0])
def test_the_event_of_a_stop_that_comes_twice_ends_a_run_once(pipeline: Pipeline, again: float) -> None:
    stack = pipeline.app.stack
    states = stack.client("stepfunctions")
    with pipeline.clock.attached():
        execution = pipeline.start(manifest(1, 2))
        pipeline.clock.sleep(40.0)
        ender = pipeline.stop(execution)
        event = states.describe_execution(executionArn=ender)["input"]
        pipeline.clock.sleep(again)
        machine = stack.outputs["StateMachineArn"]
        second = states.start_execution(stateMachineArn=machine, input=event)["executionArn"]
    assert json.loads(stack.wait(second)["output"]) == {"status": "NOTHING_TO_END"}
    stack.wait(ender)
    check_told_once(pipeline.ended(execution), "PARTIAL")


@pytest.mark.parametrize("times", [3])
def test_however_often_the_one_that_ends_a_run_is_stopped_the_run_is_ended_once(pipeline: Pipeline, times: int) -> None:
    with pipeline.clock.attached():
        execution = pipeline.start(manifest(1, 2))
        pipeline.clock.sleep(40.0)
        ender = pipeline.stop(execution)
        for _ in range(times):
            pipeline.clock.sleep(100.0)  # while it lets functions come to their ends
            ender = pipeline.stop(ender)
    assert pipeline.app.stack.wait(ender)["status"] == "SUCCEEDED"
    ended = pipeline.ended(execution)
    check_told_once(ended, "PARTIAL")
    assert [entry.status for entry in ended.entries] == [Status.SUCCEEDED, Status.FAILED]
    with unchanged(pipeline, ended):
        pipeline.clock.sleep(HOUR)


@pytest.mark.parametrize("times", [1, 2, 4])
def test_ends_of_a_run_that_are_stopped_before_they_begin_are_followed_by_another(
    pipeline: Pipeline, times: int
) -> None:
    with pipeline.clock.attached():
        execution = ender = pipeline.start(manifest(1, 1))
        pipeline.clock.sleep(10.0)
        for _ in range(times + 1):
            ender = pipeline.stop(ender)  # at the moment at which it starts
    pipeline.app.stack.wait(ender)
    check_told_once(pipeline.ended(execution), "FAILED")


@pytest.mark.parametrize("times", [3])
def test_a_stop_after_the_report_leaves_it_and_somebody_is_told(pipeline: Pipeline, times: int) -> None:
    """SNS is down when the run has its report; the execution, and those that end its run, are stopped meanwhile."""
    down = AwsFault("sns.Publish", Refused("InternalError", 500), (), STATES)
    with AwsFaults(down).on(pipeline.app.stack) as aws:
        with pipeline.clock.attached():
            execution = ender = pipeline.start(manifest(1, 1))
            pipeline.clock.sleep(100.0)
            run_id = pipeline.run_of(execution)
            assert run_id is not None
            reported = pipeline.app.ledger.run(run_id)
            for number in range(times):
                ender = pipeline.stop(ender)
                if number + 1 < times:
                    pipeline.clock.sleep(320.0)
            aws.set()
        pipeline.app.stack.wait(ender)
        ended = pipeline.ended(execution)
        check_told_once(ended, "SUCCEEDED")
        assert ended.item == item_of(reported)


@pytest.mark.parametrize("after", [1.0, 31.5, 62.0])
def test_a_stop_at_any_moment_ends_in_one_report(pipeline: Pipeline, after: float) -> None:
    enders: list[str] = []
    pipeline.start_and(manifest(1, 2), after, lambda execution: enders.append(pipeline.stop(execution)))
    pipeline.app.stack.wait(enders[0])
    (run,) = pipeline.app.ledger.runs(1)
    messages = [json.loads(one["Message"]) for one in pipeline.notifications()]
    assert [(one["run_id"], one["status"]) for one in messages] == [(run.run_id, run.status)]
    assert run.status in ("FAILED", "PARTIAL", "SUCCEEDED")
    entries = list(pipeline.app.ledger.entries(run.run_id))
    assert {entry.status for entry in entries} <= {Status.SUCCEEDED, Status.FAILED}
    assert pipeline.paid() == sum(entry.task_id is not None for entry in entries)
