"""A result that the service refuses is tried again with another seed: only when asked for, and only so often."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.workflow.pipeline import Ended, Pipeline, manifest, running
from tryon.reporting.cost import transitions
from tryon.state.entry import Entry, Status
from tryon_local.service.faults import Answer, Expires, Fails, Fault, NeverDone, Page, Silence, Takes


def refused(*nth: int, code: int = 50511) -> Fault:
    return Fault("task", Fails(code), nth=nth)


def run(pipeline: Pipeline, **more: Any) -> tuple[Ended, Entry]:
    pipeline.put_pictures(1, 1)
    ended = pipeline.run(manifest(1, 1, **more))
    (entry,) = ended.entries
    return ended, entry


def seeds(pipeline: Pipeline) -> list[int]:
    return [json.loads(task.combination.parameters)["seed"] for task in pipeline.standin.tasks]


def holders(pipeline: Pipeline) -> Any:
    stack = pipeline.app.stack
    gate = stack.client("dynamodb").get_item(TableName=stack.outputs["GateTableName"], Key={"pk": {"S": "service"}})
    return gate["Item"]["holders"]


@pytest.mark.parametrize("code", [50511, 50519])
def test_another_seed_is_tried_and_paid(code: int) -> None:
    with running(slots=1, faults=[refused(1, 2, code=code)]) as pipeline:
        ended, entry = run(pipeline, resubmissions=2, parameters={"seed": 2**32 - 1})
        assert (entry.status, entry.error) == (Status.SUCCEEDED, None)
        assert [*entry.refused_tasks, entry.task_id] == [task.id for task in pipeline.standin.tasks]
        assert seeds(pipeline) == [2**32 - 1, 0, 1]
        assert ended.summary is not None
        assert (ended.summary["tasks"], ended.summary["status"]) == (3, "SUCCEEDED")
        assert pipeline.payments == 3


def test_a_seed_left_to_the_service_stays_so() -> None:
    with running(slots=1, faults=[refused(1)]) as pipeline:
        _, entry = run(pipeline, resubmissions=1)
        assert entry.status is Status.SUCCEEDED
        assert seeds(pipeline) == [-1, -1]


@pytest.mark.parametrize(("allowed", "payments"), [(0, 1), (1, 2), (3, 4)])
def test_it_ends_when_the_manifest_says_so(allowed: int, payments: int) -> None:
    with running(slots=1, faults=[refused()]) as pipeline:
        ended, entry = run(pipeline, resubmissions=allowed)
        assert (entry.status, entry.error) == (Status.FAILED, "OutputRefusedError")
        assert (pipeline.payments, len(entry.tasks)) == (payments, payments)
        assert ended.summary is not None
        assert ended.summary["tasks"] == payments
        assert holders(pipeline) == {"M": {}}


@pytest.mark.parametrize("fault", [Fails(50411), Fails(50520), Expires()])
def test_no_other_failure_is_paid_again(fault: Any) -> None:
    with running(slots=1, faults=[Fault("task", fault)]) as pipeline:
        _, entry = run(pipeline, resubmissions=3)
        assert entry.status is Status.FAILED
        assert pipeline.payments == 1


def test_a_second_submit_whose_answer_is_lost_is_an_unknown_outcome() -> None:
    faults = [refused(1), Fault("submit", Silence(processed=True), nth=(2,))]
    with running(slots=1, faults=faults) as pipeline:
        ended, entry = run(pipeline, resubmissions=3)
        assert (entry.error, entry.outcome_unknown) == ("SubmitOutcomeUnknownError", True)
        assert pipeline.payments == 2
        assert ended.summary is not None
        assert (ended.summary["tasks"], ended.summary["tasks_unknown"]) == (1, 1)


def test_a_refused_submit_in_between_costs_nothing() -> None:
    faults = [refused(1), Fault("submit", Answer(50430), nth=(2, 3))]
    with running(slots=1, faults=faults) as pipeline:
        _, entry = run(pipeline, resubmissions=1)
        assert (entry.status, len(entry.refused_tasks), pipeline.payments) == (Status.SUCCEEDED, 1, 2)


def test_a_late_second_task_is_resumed_and_counted_where_it_was_paid() -> None:
    with running(slots=1, faults=[refused(1), Fault("task", NeverDone(), nth=(2,))]) as pipeline:
        ended, entry = run(pipeline, resubmissions=1)
        assert entry.error == "TaskDeadlineError"
        assert ended.summary is not None
        assert ended.summary["tasks"] == 2
        pipeline.standin.faults.clear()
        repeated = pipeline.run(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
        assert repeated.entries[0].adopted_task == entry.task_id
        assert pipeline.payments == 2
        assert repeated.summary is not None
        assert repeated.summary["tasks"] == 0


def test_a_resumed_task_whose_result_is_refused_is_replaced_within_a_slot() -> None:
    with running(slots=1, faults=[Fault("task", Takes(350.0), nth=(1,)), refused(1)]) as pipeline:
        ended, entry = run(pipeline, resubmissions=1)
        assert entry.error == "TaskDeadlineError"
        pipeline.clock.sleep(400.0)
        functions = pipeline.app.stack.functions
        calls: Counter[str] = Counter()
        functions.before_invoke.append(lambda name, event: calls.update([name]))
        repeated = pipeline.run(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
        (again,) = repeated.entries
        assert (again.status, again.refused_tasks) == (Status.SUCCEEDED, (entry.task_id,))
        assert pipeline.payments == 2
        assert (calls["ReserveFunction"], calls["SubmitFunction"]) == (2, 2)
        assert holders(pipeline) == {"M": {}}


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        (refused(1), 1),
        (refused(), 0),
        (refused(), 1),
        (Fault("task", Fails(50411)), 0),
        (Fault("task", Expires()), 0),
        (Fault("task", NeverDone()), 0),
        (Fault("submit", Answer(50412)), 0),
        (Fault("submit", Answer(50430), nth=(1, 2)), 0),
        (Fault("download", Page(404)), 0),
    ],
    ids=["another seed", "refused", "refused twice", "fails", "expires", "late", "bad input", "busy", "gone"],
)
def test_the_transitions_in_the_summary_are_those_that_were_made(fault: Fault, again: int) -> None:
    with running(slots=1, faults=[fault]) as pipeline:
        ended, entry = run(pipeline, resubmissions=again)
        (child,) = pipeline.app.stack.children(ended.execution["executionArn"])
        events = [event for event in child.events if event["type"].endswith("StateEntered")]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events]
        # A refusal for a full service goes back to the gate without SubmitAgain?, which the formula counts.
        busy = max(0, entry.submits - 1 - len(entry.refused_tasks)) - entered.count("SubmitAgain?")
        assert transitions(entry) == 1 + len(entered) + busy, entered
