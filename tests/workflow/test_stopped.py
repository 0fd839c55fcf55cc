"""An execution that is stopped from outside: its run ends all the same, is recorded, told and can be repeated."""

import json
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, manifest, running
from tryon.state.entry import Status
from tryon.task.slots import holder
from tryon_local.console.runs import Runs
from tryon_local.service.faults import Answer, Fault


def stop(pipeline: Pipeline, after: float, *, models: int = 1, garments: int = 2, **said: str) -> tuple[str, str]:
    """Stop a run's execution that many seconds after its manifest was dropped, and let its run be ended.

    Returns the ARNs of the execution and of the one that ended its run.
    """
    execution, ending = halt(pipeline, after, models=models, garments=garments, **said)
    pipeline.app.stack.wait(ending)
    return execution, ending


def halt(pipeline: Pipeline, after: float, *, models: int = 1, garments: int = 2, **said: str) -> tuple[str, str]:
    """Stop a run's execution; the one that will end its run has only begun."""
    stack = pipeline.app.stack
    pipeline.put_pictures(models, garments)
    # As one of the clock's threads: time would run on while a busy machine comes to the stop.
    with pipeline.clock.attached():
        pipeline.drop(manifest(models, garments))
        (execution,) = stack.executions()
        pipeline.clock.sleep(after)
        stack.client("stepfunctions").stop_execution(executionArn=execution, **said)
    return execution, pipeline.ending(execution)


def message(notifications: list[dict[str, Any]]) -> Any:
    (told,) = notifications
    return json.loads(told["Message"])


def test_its_run_is_recorded_told_and_repeated_without_paying_twice() -> None:
    with running(slots=1, latency=lambda _: 27.0) as pipeline:
        execution, _ = stop(pipeline, 45, error="Stopped", cause="the wrong photographs")
        ended = pipeline.ended(execution)
        assert (ended.execution["status"], ended.status) == ("ABORTED", "PARTIAL")
        assert [entry.status for entry in ended.entries] == [Status.SUCCEEDED, Status.FAILED]
        assert ended.entries[1].error == "TaskAbandonedError"
        assert ended.summary is not None
        assert ended.summary["error"] == "ExecutionStoppedError"
        assert ended.summary["cause"] == "the execution was stopped: the wrong photographs"
        assert message(ended.notifications)["status"] == "PARTIAL"
        paid = pipeline.payments
        repeated = pipeline.run(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
        assert [entry.status for entry in repeated.entries] == [Status.SUCCEEDED]
        assert pipeline.payments == paid == 2


def test_what_was_not_submitted_was_not_paid() -> None:
    with running(slots=1) as pipeline:
        execution, _ = stop(pipeline, 1, garments=3)
        ended = pipeline.ended(execution)
        assert (ended.status, ended.errors) == (
            "FAILED",
            {
                "m0__01-g0__default": "TaskAbandonedError",
                "m0__02-g1__default": "NotStartedError",
                "m0__03-g2__default": "NotStartedError",
            },
        )
        assert message(ended.notifications)["status"] == "FAILED"
        assert pipeline.payments == 1


def test_before_its_plan_is_whole_that_is_said() -> None:
    """Plan finds the service out of order, again and again."""
    with running(slots=1, faults=[Fault("result", Answer(50500))]) as pipeline:
        _, ending = stop(pipeline, 5)
        assert pipeline.app.stack.wait(ending)["error"] == "RunNotPlannedError"
        told = message(pipeline.notifications())
        assert (told["status"], told["error"]) == ("FAILED", "RunNotPlannedError")
        assert "ended before its plan was whole; nothing was submitted; the execution was stopped" in told["cause"]
        assert pipeline.payments == 0


def test_the_console_shows_its_end() -> None:
    with running(slots=1) as pipeline:
        runs: Any = Runs(pipeline.app)
        execution, ending = halt(pipeline, 45)
        before = {one["execution"]: one for one in runs.newest()}
        stopped, ends = (arn.rpartition(":")[2] for arn in (execution, ending))
        assert {name: one["status"] for name, one in before.items()} == {stopped: "RECORDING", ends: "ENDS_ANOTHER"}
        assert before[stopped]["manifest"] == before[ends]["manifest"]
        pipeline.app.stack.wait(ending)
        after = {one["execution"]: one for one in runs.newest()}
        assert {name: one["status"] for name, one in after.items()} == {stopped: "PARTIAL", ends: "ENDS_ANOTHER"}
        assert "Retry manifest" in {file["name"] for file in runs.run(stopped)["files"]}


def test_stopping_a_repeated_event_leaves_the_run_alone() -> None:
    with running(slots=1) as pipeline:
        stack = pipeline.app.stack
        states = stack.client("stepfunctions")
        pipeline.put_pictures(1, 1)
        with pipeline.clock.attached():
            pipeline.drop(manifest(1, 1))
            (execution,) = stack.executions()
            machine = stack.outputs["StateMachineArn"]
            event = states.describe_execution(executionArn=execution)["input"]
            again = states.start_execution(stateMachineArn=machine, input=event)["executionArn"]
            states.stop_execution(executionArn=again)
            ending = pipeline.ending(again)
        assert stack.wait(ending)["output"] == '{"status":"NOTHING_TO_END"}'
        assert pipeline.ended(execution).status == "SUCCEEDED"


@pytest.mark.parametrize("after", [4.0, 28.0, 33.5])
def test_no_slot_is_kept_but_by_what_still_runs(after: float) -> None:
    with running(slots=1) as pipeline:
        execution, _ = stop(pipeline, after)
        ended = pipeline.ended(execution)
        stack = pipeline.app.stack
        gate = stack.client("dynamodb").get_item(TableName=stack.outputs["GateTableName"], Key={"pk": {"S": "service"}})
        may = {holder(ended.run_id, entry.n, entry.visit) for entry in ended.entries if entry.may_still_run}
        assert set(gate["Item"]["holders"]["M"]) <= may
        assert gate["Item"]["waiters"] == {"L": []}
