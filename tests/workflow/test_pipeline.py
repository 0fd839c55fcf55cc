"""A manifest's way through the real state machine and the real handlers, in virtual time."""

import csv
import hashlib
import io
import json
from collections import Counter
from typing import Any

import pytest

from tests.workflow.pipeline import START, Pipeline, manifest, picture, running
from tryon.cadence import DEADLINE, DEFAULT, poll_times
from tryon.state.entry import Status
from tryon_local.service.faults import (
    Answer,
    Candidates,
    Expires,
    Fails,
    Fate,
    Fault,
    HiddenAtFirst,
    InBase64,
    Kind,
    NeverDone,
    NoConnection,
    Page,
    Reset,
    Silence,
    Wire,
)


def garment(number: int) -> str:
    """How a fault plan names a garment: by its picture's hash."""
    return hashlib.sha256(picture(100 + number)).hexdigest()


def transitions(pipeline: Pipeline, execution: str) -> list[int]:
    """States entered by each child of an execution."""
    return [
        sum(event["type"].endswith("StateEntered") for event in child.events)
        for child in pipeline.app.stack.children(execution)
    ]


def test_two_models_wear_nine_garments() -> None:
    with running() as pipeline:
        pipeline.put_pictures(2, 9)
        ended = pipeline.run(manifest(name="Spring lookbook"), "Spring Look")

        assert ended.execution["status"] == "SUCCEEDED"
        assert json.loads(ended.execution["output"]) == {"run_id": ended.run_id, "status": "SUCCEEDED"}
        assert ended.run_id.startswith("20260921T141320Z-spring-look-")
        expected = {
            f"runs/{ended.run_id}/results/m{m}/m{m}__{g + 1:02d}-g{g}__default__1.png"
            for m in range(2)
            for g in range(9)
        }
        assert set(ended.results) == expected
        # What S3, the ledger, the summary and the service's own books say is the same.
        assert ended.summary is not None
        assert ended.summary["succeeded"] == ended.summary["total"] == 18 == ended.item["succeeded"]
        assert {result.key for entry in ended.entries for result in entry.results} == expected
        assert ended.summary["tasks"] == pipeline.payments == 18
        assert ended.summary["bytes"] == sum(len(pipeline.app.get(key)) for key in expected)
        for entry in ended.entries:
            assert hashlib.sha256(pipeline.app.get(entry.results[0].key)).hexdigest() == entry.results[0].sha256
        assert {f"runs/{ended.run_id}/{name}" for name in ("plan.json", "combinations.csv", "index.html")} <= set(
            ended.keys
        )
        rows = list(
            csv.DictReader(io.StringIO(pipeline.app.get(f"runs/{ended.run_id}/combinations.csv").decode("utf-8-sig")))
        )
        assert len(rows) == 18
        assert {row["status"] for row in rows} == {"SUCCEEDED"}


def test_every_model_is_paired_with_every_garment_once() -> None:
    with running() as pipeline:
        pipeline.put_pictures(2, 3)
        pipeline.run(manifest(2, 3))
        pairs = Counter((task.combination.model, task.combination.garments[0]) for task in pipeline.standin.tasks)
        types = ("upper", "bottom", "full")
        assert pairs == {
            (hashlib.sha256(picture(m)).hexdigest(), (garment(g), types[g])): 1 for m in range(2) for g in range(3)
        }


def test_the_service_is_never_asked_for_more_than_it_allows() -> None:
    with running(slots=3) as pipeline:
        pipeline.put_pictures(2, 9)
        pipeline.run(manifest())
        assert pipeline.standin.most_running == 3
        asked = pipeline.standin.requests.submit + pipeline.standin.requests.result
        assert not {"50429", "50430"} & set(asked)


def test_polls_fall_where_the_calibrated_cadence_puts_them() -> None:
    with running(slots=1, latency=lambda new: 40.0) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1))
        (task,) = pipeline.standin.tasks
        offsets = [round(poll - task.submitted_at) for poll in task.polls]
        assert offsets == poll_times(DEFAULT, DEADLINE)[:5] == [5, 13, 23, 31, 41]
        (entry,) = ended.entries
        assert entry.polls == 5
        assert entry.delay == pytest.approx(1.0, abs=0.3)


def test_a_manifest_may_bring_its_own_cadence() -> None:
    with running(slots=1, latency=lambda new: 20.0) as pipeline:
        pipeline.put_pictures(1, 1)
        pipeline.run(manifest(1, 1, cadence=[7]))
        (task,) = pipeline.standin.tasks
        assert [round(poll - task.submitted_at) for poll in task.polls] == [7, 14, 21]


def test_a_combination_takes_five_states_and_three_a_poll() -> None:
    """ReserveSlot, Pace, Submit, Download and Check once; Wait, Poll and Done? each poll."""
    with running(slots=2) as pipeline:
        pipeline.put_pictures(2, 2)
        ended = pipeline.run(manifest(2, 2))
        assert transitions(pipeline, ended.execution["executionArn"]) == [
            5 + 3 * entry.polls for entry in ended.entries
        ]


def test_the_same_event_twice_runs_once() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 2)
        ended = pipeline.run(manifest(1, 2))
        event = ended.execution["input"]
        again = pipeline.app.stack.client("stepfunctions").start_execution(
            stateMachineArn=pipeline.app.stack.outputs["StateMachineArn"], input=event
        )["executionArn"]
        described = pipeline.app.stack.wait(again)
        assert described["status"] == "SUCCEEDED"
        assert json.loads(described["output"]) == {"status": "ALREADY_CLAIMED"}
        assert pipeline.payments == 2
        assert pipeline.notifications() == []
        assert len(pipeline.app.ledger.runs(10)) == 1


def test_a_new_version_of_a_manifest_is_a_new_run() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 1)
        first = pipeline.run(manifest(1, 1), "same")
        second = pipeline.run(manifest(1, 1), "same")
        assert first.run_id != second.run_id
        assert pipeline.payments == 2


def test_one_broken_garment_costs_its_own_combinations_only() -> None:
    with running(faults=[Fault("task", Fails(50411), image=garment(4))]) as pipeline:
        pipeline.put_pictures(2, 9)
        ended = pipeline.run(manifest())
        assert ended.status == "PARTIAL"
        assert ended.execution["status"] == "SUCCEEDED"
        assert ended.summary is not None
        assert (ended.summary["succeeded"], ended.summary["failed"]) == (16, 2)
        assert ended.errors == {
            "m0__05-g4__default": "InputRefusedError",
            "m1__05-g4__default": "InputRefusedError",
        }
        assert len(ended.results) == 16
        (notification,) = ended.notifications
        message = json.loads(notification["Message"])
        assert (message["status"], message["succeeded"], message["failed"]) == ("PARTIAL", 16, 2)
        assert message["reasons"][0]["error"] == "InputRefusedError"
        assert notification["MessageAttributes"]["status"]["Value"] == "PARTIAL"
        assert "16 of 18, 2 failed" in notification["Subject"]
        failed = [child for child in pipeline.app.stack.children(ended.execution["executionArn"]) if child.error]
        assert [child.error for child in failed] == ["InputRefusedError"] * 2


def test_nothing_succeeding_is_a_failed_execution() -> None:
    with running(faults=[Fault("task", Fails(50412))]) as pipeline:
        pipeline.put_pictures(1, 2)
        ended = pipeline.run(manifest(1, 2))
        assert ended.status == "FAILED"
        assert (ended.execution["status"], ended.execution["error"]) == ("FAILED", "AllFailedError")
        assert json.loads(ended.notifications[0]["Message"])["status"] == "FAILED"


FAILING: list[tuple[Kind, Wire | Fate, str, int]] = [
    ("task", Fails(50411), "InputRefusedError", 1),
    ("task", Fails(50511), "OutputRefusedError", 1),
    ("task", Fails(50520), "TaskFailedError", 1),
    ("submit", Answer(50411), "InputRefusedError", 0),
    ("submit", Answer(50500), "ServiceUnavailableError", 0),
    ("submit", Silence(processed=True), "SubmitOutcomeUnknownError", 1),
    ("submit", Reset(processed=True), "SubmitOutcomeUnknownError", 1),
    ("submit", Page(processed=True), "SubmitOutcomeUnknownError", 1),
    # The service takes others meanwhile, so that nothing is wrong but with this one: it waits for half a day.
    ("submit", NoConnection(), "NotStartedError", 0),
    ("task", Expires(), "TaskExpiredError", 1),
    ("task", NeverDone(), "TaskDeadlineError", 1),
    ("download", Page(http=200), "NotAnImageError", 1),
    ("download", Page(http=503), "ResultUnavailableError", 1),
]
"""What strikes a garment, the error that this is called, and how often it is paid for."""

PASSING: list[tuple[Kind, Wire | Fate, tuple[int, ...]]] = [
    ("submit", Answer(50429, retry_after="3"), (1, 2)),
    ("submit", Answer(50430), (1, 2, 3)),
    ("submit", Answer(50500), (1,)),
    ("submit", NoConnection(), (1,)),
    ("result", Answer(50500), (2, 3)),
    ("result", Answer(50429), (2,)),
    ("result", Page(http=502), (2,)),
    ("result", Silence(), (2,)),
    ("result", Reset(), (2,)),
    ("task", HiddenAtFirst(polls=1), ()),
    ("download", Page(http=503), (1,)),
    ("download", Reset(), (1, 2)),
    ("task", InBase64(), ()),
]
"""What strikes a garment, and which of its calls."""


def paid(pipeline: Pipeline, garments: int) -> list[int]:
    """How often each garment was paid for."""
    tasks = Counter(task.combination.garments[0][0] for task in pipeline.standin.tasks)
    assert tasks.total() == pipeline.payments
    return [tasks[garment(number)] for number in range(garments)]


def test_a_failure_has_its_name_is_paid_at_most_once_and_harms_no_other() -> None:
    """One run, a fault for each garment, and one garment that nothing strikes."""
    faults = [Fault(call, action, image=garment(number)) for number, (call, action, *_) in enumerate(FAILING)]
    count = len(FAILING) + 1
    with running(faults=faults) as pipeline:
        pipeline.put_pictures(1, count)
        ended = pipeline.run(manifest(1, count))
        found = [(entry.status, entry.error) for entry in ended.entries]
        assert found == [*((Status.FAILED, error) for *_, error, _ in FAILING), (Status.SUCCEEDED, None)]
        assert all(entry.cause for entry in ended.entries if entry.error)
        assert paid(pipeline, count) == [*(payments for *_, payments in FAILING), 1]
        children = pipeline.app.stack.children(ended.execution["executionArn"])
        assert [child.error for child in children[:-1]] == [error for *_, error, _ in FAILING]
        assert children[-1].status == "SUCCEEDED"


def test_what_passes_is_waited_out_and_paid_once() -> None:
    """One run, a fault for each garment."""
    faults = [Fault(call, action, image=garment(i), nth=nth) for i, (call, action, nth) in enumerate(PASSING)]
    count = len(PASSING)
    with running(faults=faults) as pipeline:
        pipeline.put_pictures(1, count)
        ended = pipeline.run(manifest(1, count))
        assert ended.errors == {}
        assert ended.status == "SUCCEEDED"
        assert all(pipeline.standin.faults.struck), "a fault that never struck proves nothing"
        assert paid(pipeline, count) == [1] * count


def test_all_candidates_are_stored() -> None:
    with running(slots=1, faults=[Fault("task", Candidates(3))]) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1))
        assert [key.rpartition("__")[2] for key in ended.results] == ["1.png", "2.png", "3.png"]


def test_a_late_task_ends_at_the_deadline_and_is_resumed_by_the_retry_without_paying_again() -> None:
    with running(slots=2, latency=lambda new: 340.0 if new.number == 1 else 27.0) as pipeline:
        pipeline.put_pictures(1, 3)
        ended = pipeline.run(manifest(1, 3))
        (late,) = [entry for entry in ended.entries if entry.error]
        assert late.error == "TaskDeadlineError"
        assert str(late.task_id) in (late.cause or "")
        assert ended.status == "PARTIAL"

        again = json.loads(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
        assert again["retry_of"] == ended.run_id
        assert len(again["combinations"]) == 1
        repeated = pipeline.run(again, "again")
        assert repeated.status == "SUCCEEDED"
        assert [entry.task_id for entry in repeated.entries] == [late.task_id]
        assert repeated.entries[0].resumed
        assert pipeline.payments == 3
        assert repeated.summary is not None
        assert repeated.summary["cost"]["service"] == 0


def test_a_manifest_put_again_as_a_retry_pays_only_for_what_is_left() -> None:
    faults = [Fault("submit", Silence(processed=True), nth=(1,)), Fault("task", Fails(50520), task=2)]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 4)
        first = pipeline.run(manifest(1, 4))
        assert first.status == "PARTIAL"
        paid = pipeline.payments
        # A garment more, in front, so that all numbers differ.
        whole = manifest(1, 4)
        whole["garments"].insert(0, whole["garments"].pop())
        again = pipeline.run({**whole, "retry_of": first.run_id})
        failed = next(entry for entry in first.entries if entry.error == "TaskFailedError")
        assert [entry.garments for entry in again.entries] == [failed.garments]
        assert pipeline.payments == paid + 1

        once_more = pipeline.run({**whole, "retry_of": again.run_id})
        assert (once_more.status, once_more.execution["status"], once_more.entries) == ("SUCCEEDED", "SUCCEEDED", [])
        assert once_more.item["nothing_left"] == sorted({first.run_id, again.run_id})
        (told,) = [json.loads(one["Message"]) for one in once_more.notifications if once_more.run_id in one["Message"]]
        assert told["status"] == "SUCCEEDED"
        refused = pipeline.run({**whole, "retry_of": "typo"})
        assert refused.status == "REJECTED"
        assert "is no run of this" in refused.item["cause"]
        assert pipeline.payments == paid + 1


def test_the_deadline_is_the_clock_s_and_no_sum_of_waits() -> None:
    """Sixty polls that take half a minute each would ask for half an hour, and outlast the slot's lease."""
    # The first question is Plan's, whether the keys work.
    faults = [Fault("task", NeverDone()), Fault("result", Silence(), nth=tuple(range(2, 100)))]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1, cadence=[5]))
        (entry,) = ended.entries
        assert entry.error == "TaskDeadlineError"
        (child,) = pipeline.app.stack.children(ended.execution["executionArn"])
        assert child.stop is not None
        # The last poll starts within a second of the deadline, and is waited for.
        assert 300 <= (child.stop - child.start).total_seconds() <= 301 + 30
        assert entry.polls < 15


def test_an_unknown_outcome_is_left_out_of_the_retry() -> None:
    faults = [Fault("submit", Silence(processed=True), nth=(1,)), Fault("task", Fails(50520), task=2)]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 3)
        ended = pipeline.run(manifest(1, 3))
        assert sorted(filter(None, ended.errors.values())) == ["SubmitOutcomeUnknownError", "TaskFailedError"]
        again = json.loads(pipeline.app.get(f"runs/{ended.run_id}/retry-manifest.json"))
        assert [choice["garment"] for choice in again["combinations"]] == [
            entry.garments[0] for entry in ended.entries if entry.error == "TaskFailedError"
        ]


def test_no_slot_is_held_after_a_run() -> None:
    faults = [Fault("task", Fails(50520), task=2), Fault("submit", Answer(50411), nth=(3,))]
    with running(slots=2, faults=faults) as pipeline:
        pipeline.put_pictures(2, 3)
        pipeline.run(manifest(2, 3))
        gate = pipeline.app.stack.client("dynamodb").get_item(
            TableName=pipeline.app.stack.outputs["GateTableName"], Key={"pk": {"S": "service"}}
        )["Item"]
        assert gate["holders"] == {"M": {}}
        assert gate["waiters"] == {"L": []}


def test_broken_keys_stop_a_run_before_anything_is_submitted() -> None:
    with running() as pipeline:
        pipeline.put_pictures(2, 9)
        pipeline.app.stack.client("secretsmanager").put_secret_value(
            SecretId=pipeline.app.stack.outputs["SecretName"],
            SecretString=json.dumps({"access_key": "AKLTEXAMPLEWRONG", "secret_key": "wrong"}),
        )
        ended = pipeline.run(manifest())
        assert (ended.status, ended.item["error"]) == ("FAILED", "ServiceAccessError")
        assert "100009" in ended.item["cause"]
        assert ended.execution["error"] == "ServiceAccessError"
        assert pipeline.payments == 0
        assert json.loads(ended.notifications[0]["Message"])["error"] == "ServiceAccessError"


def test_access_lost_on_the_way_halts_what_has_not_started() -> None:
    faults = [Fault("submit", Answer(100013), nth=tuple(range(3, 100)))]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(2, 6)
        ended = pipeline.run(manifest(2, 6))
        errors = Counter(ended.errors.values())
        assert ended.summary is not None
        assert ended.summary["succeeded"] == 2
        # Submitted once more with the keys read anew, then never again.
        assert errors["RunHaltedError"] >= 8
        assert errors["ServiceAccessError"] + errors["RunHaltedError"] == 10


def test_a_run_that_breaks_in_the_middle_is_recorded_and_told() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 2)

        def broken(function: str, event: Any) -> None:
            if function == "SummarizeFunction":
                raise RuntimeError("no room left")

        pipeline.app.stack.functions.before_invoke.append(broken)
        ended = pipeline.run(manifest(1, 2))
        assert (ended.execution["status"], ended.status) == ("FAILED", "FAILED")
        (notification,) = ended.notifications
        assert json.loads(notification["Message"])["status"] == "FAILED"
        assert len(ended.results) == 2


def test_a_shared_account_is_waited_for() -> None:
    """Somebody else takes the only slot: 50430 until it is free again, and no combination is lost."""
    with running(slots=2, service_slots=1) as pipeline:
        pipeline.put_pictures(1, 4)
        ended = pipeline.run(manifest(1, 4))
        assert ended.status == "SUCCEEDED"
        assert pipeline.payments == 4
        assert pipeline.standin.requests.submit["50430"] > 0


def test_an_outfit_is_submitted_with_both_garments_in_order() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 2)
        content = manifest(1, 2, outfits=[{"id": "office", "upper": "g0", "lower": "g1"}])
        content["combinations"] = [{"model": "m0", "outfit": "office"}]
        ended = pipeline.run(content)
        assert ended.status == "SUCCEEDED"
        (task,) = pipeline.standin.tasks
        assert task.combination.garments == ((garment(0), "upper"), (garment(1), "bottom"))


def test_variants_reach_the_service_as_its_own_parameters() -> None:
    with running() as pipeline:
        pipeline.put_pictures(1, 1)
        pipeline.run(manifest(1, 1, variants={"a": {}, "b": {"mask": "tight", "keep_hands": True}}))
        sent = sorted((t.parameters["tight_mask"], t.parameters["keep_hand"]) for t in pipeline.standin.tasks)
        assert sent == [("loose", False), ("tight", True)]
        assert all(task.parameters["do_sr"] for task in pipeline.standin.tasks)


def test_the_clock_starts_where_the_tests_say() -> None:
    with running() as pipeline:
        assert pipeline.clock.now() >= START


def test_a_retrys_results_appear_in_the_first_runs_gallery() -> None:
    faults = [Fault("task", Fails(50520), task=2)]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 2)
        first = pipeline.run(manifest(1, 2))
        page = pipeline.app.get(f"runs/{first.run_id}/index.html").decode()
        (failed,) = [entry for entry in first.entries if entry.error]
        assert "50520" in (failed.cause or "")
        assert "50520" in page
        again = pipeline.app.get(f"runs/{first.run_id}/retry-manifest.json")
        second = pipeline.run(again, "again")
        assert second.status == "SUCCEEDED"
        page = pipeline.app.get(f"runs/{first.run_id}/index.html").decode()
        assert "50520" not in page
        assert second.run_id in page
