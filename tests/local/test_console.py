"""What the page is told of runs under way, and of ways that few combinations go."""

from collections import Counter
from typing import Any

import pytest

from tests.workflow.pipeline import manifest, running
from tryon_local.aws.stack import Child
from tryon_local.console.history import visits
from tryon_local.console.layout import edge_id
from tryon_local.console.runs import Runs
from tryon_local.service.faults import Answer, Fault, NeverDone


def execution(runs: Any, name: str) -> str:
    (found,) = [str(run["execution"]) for run in runs.newest() if run["name"] == name]
    return found


def way(runs: Any, combination: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    states = runs.machine()["states"]
    return [(states[number], entered, left) for number, entered, left, *_ in combination["path"]]


def test_a_run_under_way_shows_where_every_combination_is() -> None:
    with running(slots=2) as pipeline, pipeline.clock.attached():
        pipeline.put_pictures(1, 6)
        runs: Any = Runs(pipeline.app)
        pipeline.drop(manifest(1, 6), "live")
        pipeline.clock.sleep(7.5)
        (short,) = runs.newest()
        assert (short["status"], short["total"], short["succeeded"], short["ended"]) == ("RUNNING", 6, 0, None)
        told = runs.run(short["execution"])
        # Two have a slot, the second two seconds later; two more stand in line, the Map runs no others yet.
        assert Counter(one["status"] for one in told["combinations"]) == {"RUNNING": 4, "WAITING": 2}
        assert told["states"]["ReserveSlot"] == [2, 2, 4]
        assert told["states"]["Wait"] == [2, 2, 4]
        assert told["states"]["Poll"] == [0, 2, 2]
        assert told["states"]["TryOn"] == [1, 0, 1]
        assert "Download" not in told["states"]
        assert told["lines"][edge_id("Done?", "Wait", caught=False)] == 2
        first = told["combinations"][0]
        assert (first["n"], first["id"]) == (1, "m0__01-g0__default")
        assert way(runs, first)[3:] == [
            ("Wait", 0.0, 5.0),
            ("Poll", 5.0, 5.0),
            ("Done?", 5.0, 5.0),
            ("Wait", 5.0, None),
        ]


def test_only_what_changed_is_told_again() -> None:
    with running(slots=1) as pipeline, pipeline.clock.attached():
        pipeline.put_pictures(1, 6)
        runs: Any = Runs(pipeline.app)
        pipeline.drop(manifest(1, 6), "live")
        pipeline.clock.sleep(6)
        (short,) = runs.newest()
        first = runs.run(short["execution"])
        assert len(first["combinations"]) == 6
        assert runs.run(short["execution"], first["version"]) == {**first, "combinations": []}
        pipeline.clock.sleep(8)
        second = runs.run(short["execution"], first["version"])
        assert second["version"] > first["version"]
        assert [one["n"] for one in second["combinations"]] == [1]
        # Whoever asks for all of it, such as a second window, still gets all of it.
        assert len(runs.run(short["execution"])["combinations"]) == 6


def test_a_child_that_has_ended_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(slots=1) as pipeline, pipeline.clock.attached():
        pipeline.put_pictures(1, 6)
        runs: Any = Runs(pipeline.app)
        pipeline.drop(manifest(1, 6), "live")
        pipeline.clock.sleep(80)
        (short,) = runs.newest()
        assert short["succeeded"] == 2
        read: list[int] = []
        events = Child.events.fget  # type: ignore[attr-defined]
        assert events is not None
        monkeypatch.setattr(Child, "events", property(lambda child: [read.append(child.index), events(child)][1]))
        runs.run(short["execution"])
        # The one at the service and those in line behind it.
        assert read == [2, 3, 4]


def test_a_run_that_was_stopped_counts_as_its_record_does() -> None:
    with running(slots=2) as pipeline:
        pipeline.put_pictures(1, 6)

        told: dict[str, Any] = {}

        def stop(execution: str) -> None:
            pipeline.app.stack.client("stepfunctions").stop_execution(executionArn=execution)
            told.update(Runs(pipeline.app).run(execution.rpartition(":")[2]))

        execution = pipeline.start_and(manifest(1, 6), 40, stop)
        # Two at the service and two in line, of which none is anywhere now.
        assert (told["status"], told["causes"]) == ("RECORDING", [{"error": "ABORTED", "count": 4, "advice": None}])
        assert all(present == 0 for present, _, _ in told["states"].values())
        pipeline.app.stack.wait(pipeline.ending(execution))
        ended = pipeline.ended(execution)
        runs: Any = Runs(pipeline.app)
        (short,) = [run for run in runs.newest() if run["execution"] == execution.rpartition(":")[2]]
        counts = (ended.item["succeeded"], ended.item["failed"], ended.item["total"])
        assert counts == (2, 4, 6)
        assert (short["succeeded"], short["failed"], short["total"]) == counts


def test_a_run_is_listed_before_it_has_a_plan() -> None:
    with running() as pipeline, pipeline.clock.attached():
        runs: Any = Runs(pipeline.app)
        pipeline.drop(manifest(1, 1), "early")
        (short,) = runs.newest()
        assert (short["name"], short["status"], short["total"]) == ("early", "RUNNING", None)
        told = runs.run(short["execution"])
        assert (told["combinations"], told["files"]) == ([], [])


def test_an_event_that_came_again_is_told_apart_from_the_run() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 1)
        first = pipeline.run(manifest(1, 1), "once")
        again = pipeline.app.stack.client("stepfunctions").start_execution(
            stateMachineArn=pipeline.app.stack.outputs["StateMachineArn"], input=first.execution["input"]
        )["executionArn"]
        pipeline.app.stack.wait(again)
        repeated, run = Runs(pipeline.app).newest()
        assert (run["status"], run["total"]) == ("SUCCEEDED", 1)
        assert (repeated["status"], repeated["run_id"], repeated["total"]) == ("REPEATED", first.run_id, None)


def test_a_refused_submit_shows_as_a_loop_and_a_late_task_as_many_polls() -> None:
    faults = [
        Fault("submit", Answer(50430), nth=(1,)),
        Fault("submit", Answer(50500), nth=(2,)),
        Fault("task", NeverDone()),
    ]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 1)
        pipeline.run(manifest(1, 1), "late")
        runs: Any = Runs(pipeline.app)
        told = runs.run(execution(runs, "late"))
        assert told["lines"][edge_id("Submit", "ReserveSlot", caught=True)] == 1
        assert told["lines"][edge_id("Submit", "SubmitAgain?", caught=True)] == 1
        assert told["lines"][edge_id("SubmitAgain?", "ReserveSlot", caught=False)] == 1
        assert told["lines"][edge_id("Done?", "Explain", caught=False)] == 1
        assert told["states"]["ReserveSlot"] == [0, 1, 3]
        assert told["combinations"][0]["error"] == "TaskDeadlineError"
        assert told["states"]["Poll"][2] > 25


def test_a_step_that_timed_out_and_was_tried_again_counts_attempts_and_is_no_failure() -> None:
    with running(slots=1, faults=[Fault("task", NeverDone(), task=1)]) as pipeline:
        pipeline.put_pictures(1, 2)
        pipeline.run(manifest(1, 2), "behind")
        runs: Any = Runs(pipeline.app)
        detail = runs.combination(execution(runs, "behind"), 2)
        # In line behind the late one: asked for a slot again every two minutes.
        queued = detail["path"][0]
        asked = 1 + (queued["left"] - queued["entered"]) // 121
        assert asked > 2
        assert (queued["state"], queued["attempts"], queued["error"]) == ("ReserveSlot", asked, None)
        assert detail["path"][1]["state"] == "Pace"


class _Moment(float):
    def timestamp(self) -> float:
        return float(self)


def test_a_state_that_has_no_exit_of_its_own_ends_where_the_next_begins() -> None:
    def event(kind: str, at: float, **details: Any) -> dict[str, Any]:
        return {"id": 1, "type": kind, "timestamp": _Moment(at), **details}

    path = visits(
        [
            event("TaskStateEntered", 10, stateEnteredEventDetails={"name": "A"}),
            event("TaskScheduled", 10, taskScheduledEventDetails={"resource": "invoke"}),
            event("TaskTimedOut", 12, taskTimedOutEventDetails={}),
            event("PassStateEntered", 13, stateEnteredEventDetails={"name": "B"}),
            event("ExecutionAborted", 15, executionAbortedEventDetails={}),
        ]
    )
    assert [(v.state, v.entered, v.left, v.error) for v in path] == [("A", 10, 13, "TaskTimedOut"), ("B", 13, 15, None)]
