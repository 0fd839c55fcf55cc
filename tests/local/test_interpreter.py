"""What the interpreter must do as AWS does it, of the parts of the language that the workflow uses."""

import contextlib
import json
import threading
import traceback
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import (
    IterationWorker,
)

from tests.local.machines import START, Machines

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def only(value: Any) -> dict[str, Any]:
    return {"Only": {**PASS, "Output": value}}


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$states.input.a", 1),
        ("$states.input.nothing", None),
        ("{'kept': $states.input.nothing}", {"kept": None}),
        ("6 / 2", 3),
        ("1 / 4", 0.25),
        ("[1..3].($ * 2)", [2, 4, 6]),
        ("$count($states.input.list[$ > 1])", 2),
        ("[$states.input.list[$ > 5]]", []),
        ("$exists($states.input.missing) ? 1 : 2", 2),
        ("$partition($states.input.list, 2)", [[1, 2], [3]]),
        ("$range(1, 9, 4)", [1, 5, 9]),
        ("$hash('hi', 'SHA-256')", "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"),
        ("$parse('{\"x\": [null]}')", {"x": [None]}),
        ("$length($uuid())", 36),
        ("$random(7) = $random(7)", True),
        ("$string($states.input.list)", "[1,2,3]"),
        ("$replace('A b/c', /[^a-z]+/, '-')", "-b-c"),
        ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
        ("$states.input.`odd-name`", "x"),
        ("($n := 2; $n + 1)", 3),
        ("$type($states.context.Execution.StartTime)", "string"),
        ("$states.context.Execution.Input.a", 1),
        ("$states.context.State.Name", "Only"),
        ("$states.context.StateMachine.Name ~> $contains('machine')", True),
    ],
)
def test_an_expression_has_its_value(machines: Machines, expression: str, value: Any) -> None:
    given = {"a": 1, "nothing": None, "list": [1, 2, 3], "odd-name": "x"}
    ended = machines.run(only(f"{{% {expression} %}}"), given)
    assert (ended.status, ended.output) == ("SUCCEEDED", value), ended.cause


@pytest.mark.parametrize(
    "expression", ["$states.input.missing", "$error('boom')", "$nosuch()", "function($x){$x}", "$unassigned"]
)
def test_an_expression_that_fails_or_finds_nothing_fails_the_state(machines: Machines, expression: str) -> None:
    ended = machines.run(only({"deep": [f"{{% {expression} %}}"]}))
    assert (ended.status, ended.error) == ("FAILED", "States.QueryEvaluationError")
    assert "EvaluationFailed" in ended.types


def test_the_clock_is_the_time_in_expressions(machines: Machines) -> None:
    ended = machines.run(
        {
            "Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Only"},
            **only({"now": "{% $now() %}", "millis": "{% $millis() %}", "year": "{% $now('[Y]') %}"}),
        }
    )
    now = datetime.fromisoformat(ended.output["now"])
    assert ended.seconds == 3600
    assert now.timestamp() * 1000 == pytest.approx(ended.output["millis"], abs=1)
    assert now.timestamp() == pytest.approx(machines.stack.clock.now(), abs=0.001)
    assert ended.output["year"] == str(now.year)


def test_assign_and_output_both_see_the_variables_as_they_were(machines: Machines) -> None:
    ended = machines.run(
        {
            "First": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Second"},
            "Second": {
                "Type": "Pass",
                "Assign": {"n": "{% $n + 1 %}", "before": "{% $n %}"},
                "Output": {"seen": "{% $n %}"},
                "Next": "Third",
            },
            "Third": {**PASS, "Output": {"seen": "{% $states.input.seen %}", "n": "{% $n %}", "b": "{% $before %}"}},
        }
    )
    assert ended.output == {"seen": 1, "n": 2, "b": 1}


def test_a_task_assigns_from_its_result_and_its_output_sees_the_old_variables(machines: Machines) -> None:
    ended = machines.run(
        {
            "First": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Task"},
            "Task": machines.task(
                {"n": 5},
                Assign={"n": "{% $states.result.Payload.n %}"},
                Output={"old": "{% $n %}", "given": "{% $states.input %}"},
                Next="Last",
            ),
            "Last": {**PASS, "Output": {"old": "{% $states.input.old %}", "n": "{% $n %}"}},
        },
        {"a": 1},
    )
    assert ended.output == {"old": 1, "n": 5}


# ---------------------------------------------------------------- choices, fails, waits


@pytest.mark.parametrize(("n", "chosen"), [(1, "few"), (5, "some"), (50, "many")])
def test_a_choice_takes_the_first_rule_that_holds(machines: Machines, n: int, chosen: str) -> None:
    ended = machines.run(
        {
            "Choose": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input.n < 3 %}", "Output": "few", "Next": "End"},
                    {"Condition": "{% $states.input.n < 10 %}", "Assign": {"v": "some"}, "Next": "Variable"},
                ],
                "Output": "many",
                "Default": "End",
            },
            "Variable": {**PASS, "Output": "{% $v %}"},
            "End": PASS,
        },
        {"n": n},
    )
    assert ended.output == chosen


def test_a_choice_without_a_match_fails_by_its_own_name(machines: Machines) -> None:
    ended = machines.run(
        {
            "Choose": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "End"}]},
            "End": PASS,
        }
    )
    assert (ended.status, ended.error) == ("FAILED", "States.NoChoiceMatched")


def test_a_condition_that_is_no_boolean_is_an_error_and_not_a_no(machines: Machines) -> None:
    ended = machines.run(
        {
            "Choose": {"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "End"}], "Default": "End"},
            "End": PASS,
        }
    )
    assert ended.error == "States.QueryEvaluationError"


def test_a_fail_state_takes_its_error_and_cause_from_expressions(machines: Machines) -> None:
    ended = machines.run(
        {"Fail": {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'since ' & $states.input.c %}"}},
        {"e": "MyError", "c": "then"},
    )
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "MyError", "since then")
    assert ended.types[-2:] == ["FailStateEntered", "ExecutionFailed"]


@pytest.mark.parametrize(
    ("field", "value", "seconds"),
    [
        ("Seconds", 40, 40),
        ("Seconds", "{% [5, 8, 10][$states.input.i] %}", 8),
        ("Seconds", "{% 0 %}", 0),
        ("Timestamp", "{% $fromMillis($millis() + 90500) %}", 90.5),
        ("Timestamp", "2001-01-01T00:00:00Z", 0),
    ],
)
def test_a_wait_takes_as_long_as_it_says_in_virtual_time(
    machines: Machines, field: str, value: Any, seconds: float
) -> None:
    ended = machines.run({"Wait": {"Type": "Wait", field: value, "End": True}}, {"i": 1})
    assert (ended.status, ended.output) == ("SUCCEEDED", {"i": 1})
    assert ended.seconds == pytest.approx(seconds, abs=0.002)


@pytest.mark.parametrize("value", ["{% 1.5 %}", "{% '5' %}", "{% -1 %}"])
def test_a_wait_takes_whole_seconds_only(machines: Machines, value: str) -> None:
    ended = machines.run({"Wait": {"Type": "Wait", "Seconds": value, "End": True}})
    assert ended.error == "States.QueryEvaluationError"


@pytest.mark.parametrize("value", ["{% 1.5 %}", "{% '5' %}", "{% 0 %}"])
def test_a_timeout_is_at_least_one_whole_second(machines: Machines, value: str) -> None:
    ended = machines.run({"Task": machines.task({}, TimeoutSeconds=value)})
    assert ended.error == "States.QueryEvaluationError"


@pytest.mark.parametrize("value", ["{% 1.5 %}", "{% '5' %}", "{% -1 %}"])
def test_a_concurrency_is_a_whole_number(machines: Machines, value: str) -> None:
    ended = machines.run({"Each": machines.each({"Own": PASS}, MaxConcurrency=value)}, {"items": [1]})
    assert ended.error == "States.QueryEvaluationError"


# ---------------------------------------------------------------- tasks, retries, catches


def test_a_task_gets_all_of_lambdas_answer(machines: Machines) -> None:
    ended = machines.run({"Task": machines.task({"a": [None, 1]}, Output="{% $states.result %}")})
    assert ended.output == {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": {"a": [None, 1]}}
    assert [kind for kind in ended.types if kind.startswith("Task")] == [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
    ]


def test_an_exceptions_class_is_the_errors_name_and_its_trace_begins_at_the_handler(machines: Machines) -> None:
    ended = machines.run({"Task": machines.task({"do": "fail", "message": "not today"})})
    assert (ended.status, ended.error) == ("FAILED", "CustomError")
    cause = json.loads(ended.cause or "")
    assert list(cause) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (cause["errorMessage"], cause["errorType"]) == ("not today", "CustomError")
    assert "worker/app.py" in cause["stackTrace"][0]
    assert "do_fail" in cause["stackTrace"][-1]


def retry(*errors: str, **fields: Any) -> dict[str, Any]:
    return {"ErrorEquals": list(errors), "IntervalSeconds": 2, "MaxAttempts": 3, **fields}


@pytest.mark.parametrize(
    ("policy", "failures", "seconds"),
    [
        ({"BackoffRate": 3}, 2, 2 + 6),
        ({"BackoffRate": 1}, 3, 6),
        ({"BackoffRate": 10, "MaxDelaySeconds": 5}, 3, 2 + 5 + 5),
    ],
)
def test_a_retry_waits_as_its_policy_says(
    machines: Machines, policy: dict[str, Any], failures: int, seconds: float, request: pytest.FixtureRequest
) -> None:
    payload = {"do": "fail_at_first", "id": request.node.name, "failures": failures}
    ended = machines.run({"Task": machines.task(payload, Retry=[retry("CustomError", **policy)])})
    assert (ended.status, ended.output["attempt"]) == ("SUCCEEDED", failures + 1)
    assert ended.seconds == pytest.approx(seconds, abs=0.01)


def test_full_jitter_waits_at_most_what_the_policy_says(machines: Machines) -> None:
    payload = {"do": "fail_at_first", "id": "jitter", "failures": 3}
    policy = retry("States.ALL", BackoffRate=1, JitterStrategy="FULL")
    ended = machines.run({"Task": machines.task(payload, Retry=[policy])})
    assert ended.output["attempt"] == 4
    assert 0 < ended.seconds < 6


def test_retries_run_out_and_the_last_error_stands(machines: Machines) -> None:
    payload = {"do": "fail_at_first", "id": "exhausted", "failures": 9}
    ended = machines.run({"Task": machines.task(payload, Retry=[retry("CustomError", BackoffRate=1)])})
    assert (ended.status, ended.error) == ("FAILED", "CustomError")
    assert machines.item("exhausted") == {"pk": "exhausted", "attempts": "4"}


def test_the_retry_count_is_in_the_context(machines: Machines) -> None:
    payload = {"do": "fail_at_first", "id": "counted", "failures": "{% 2 - $states.context.State.RetryCount %}"}
    ended = machines.run({"Task": machines.task(payload, Retry=[retry("CustomError")])})
    assert ended.output["attempt"] == 2


def test_max_attempts_of_zero_retries_nothing(machines: Machines) -> None:
    payload = {"do": "fail_at_first", "id": "zero", "failures": 1}
    policies = [retry("CustomError", MaxAttempts=0), retry("States.ALL")]
    ended = machines.run({"Task": machines.task(payload, Retry=policies)})
    assert (ended.status, machines.item("zero")) == ("FAILED", {"pk": "zero", "attempts": "1"})


def test_a_catch_assigns_from_the_error_and_goes_on_with_its_own_output(machines: Machines) -> None:
    ended = machines.run(
        {
            "Task": machines.task(
                {"do": "fail", "message": "why"},
                Catch=[
                    {"ErrorEquals": ["Other"], "Next": "Wrong"},
                    {
                        "ErrorEquals": ["CustomError"],
                        "Assign": {"error": "{% $states.errorOutput.Error %}"},
                        "Output": {"cause": "{% $parse($states.errorOutput.Cause).errorMessage %}"},
                        "Next": "Right",
                    },
                ],
            ),
            "Right": {**PASS, "Output": {"error": "{% $error %}", "cause": "{% $states.input.cause %}"}},
            "Wrong": {"Type": "Fail"},
        }
    )
    assert ended.output == {"error": "CustomError", "cause": "why"}


def test_a_catch_without_output_passes_the_error_on(machines: Machines) -> None:
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "End"}]
    ended = machines.run({"Task": machines.task({"do": "fail"}, Catch=catch), "End": PASS})
    assert ended.output["Error"] == "CustomError"


def test_a_failing_output_can_be_caught_and_assigns_nothing(machines: Machines) -> None:
    ended = machines.run(
        {
            "First": {"Type": "Pass", "Assign": {"v": "old"}, "Next": "Task"},
            "Task": machines.task(
                {},
                Assign={"v": "new"},
                Output="{% $states.result.missing %}",
                Catch=[{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "End"}],
            ),
            "End": {**PASS, "Output": "{% $v %}"},
        }
    )
    assert ended.output == "old"


def test_too_large_a_result_is_caught_by_its_name_and_not_by_all(machines: Machines) -> None:
    def caught_by(name: str) -> dict[str, Any]:
        catch = [{"ErrorEquals": [name], "Output": "caught", "Next": "End"}]
        return {"Task": machines.task({"do": "big", "bytes": 300_000}, Catch=catch), "End": PASS}

    ended = machines.run(caught_by("States.ALL"))
    assert (ended.status, ended.error) == ("FAILED", "States.DataLimitExceeded")
    assert machines.run(caught_by("States.DataLimitExceeded")).output == "caught"


def test_a_task_that_takes_too_long_times_out_at_its_second(machines: Machines) -> None:
    ended = machines.run({"Task": machines.task({"do": "sleep", "seconds": 20}, TimeoutSeconds=7)})
    assert (ended.status, ended.error, ended.seconds) == ("FAILED", "States.Timeout", 7.0)
    assert "TaskTimedOut" in ended.types


def test_a_function_goes_on_after_the_task_that_called_it_timed_out(machines: Machines) -> None:
    payload = {"do": "sleep", "seconds": 20, "then_write": "late"}
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Wait"}]
    ended = machines.run(
        {
            "Task": machines.task(payload, TimeoutSeconds=7, Catch=catch),
            "Wait": {"Type": "Wait", "Seconds": 60, "End": True},
        }
    )
    assert ended.seconds == 67.0
    assert machines.item("late") is not None


def test_a_task_exactly_on_time_is_on_time(machines: Machines) -> None:
    ended = machines.run({"Task": machines.task({"do": "sleep", "seconds": 7}, TimeoutSeconds=7)})
    assert (ended.status, ended.seconds) == ("SUCCEEDED", 7.0)


@pytest.mark.parametrize("errors", [["States.Timeout"], ["States.ALL"]])
def test_a_timeout_is_retried_by_name_and_by_all_but_not_as_a_failed_task(
    machines: Machines, errors: list[str]
) -> None:
    task = machines.task(
        {"do": "sleep", "seconds": 20},
        TimeoutSeconds="{% $states.context.State.RetryCount = 0 ? 5 : 25 %}",
        Retry=[retry("States.TaskFailed"), retry(*errors, BackoffRate=1)],
    )
    ended = machines.run({"Task": task})
    assert (ended.status, ended.seconds) == ("SUCCEEDED", 5.0 + 2 + 20)


def test_a_workflow_that_takes_too_long_times_out_whatever_it_waits_for(machines: Machines) -> None:
    for waiting in (
        {"Wait": {"Type": "Wait", "Seconds": 500, "End": True}},
        {"Task": machines.task({"do": "sleep", "seconds": 29})},
        {"Ask": machines.asking({"do": "keep_token", "id": "unused"})},
        {"Each": machines.each({"Wait": {"Type": "Wait", "Seconds": 500, "End": True}})},
    ):
        ended = machines.run(waiting, {"items": [1, 2]}, TimeoutSeconds=20)
        assert (ended.status, ended.seconds, ended.types[-1]) == ("TIMED_OUT", 20.0, "ExecutionTimedOut")


# ---------------------------------------------------------------- callbacks


def test_a_state_is_woken_by_whoever_has_its_token(machines: Machines) -> None:
    with machines.stack.clock.attached():
        arn = machines.start({"Ask": machines.asking({"do": "keep_token", "id": "kept"}, TimeoutSeconds=600)})
        machines.stack.clock.sleep(100)
        machines.stack.invoke("Worker", {"do": "wake", "id": "kept", "with": 5})
    ended = machines.end(arn)
    assert (ended.output, ended.seconds) == ({"answered": 5}, 100.0)
    assert "TaskSubmitted" in ended.types


def test_a_token_answered_before_the_call_returns_is_not_lost(machines: Machines) -> None:
    ended = machines.run({"Ask": machines.asking({"do": "call_back", "with": "early", "stay": 9})})
    assert (ended.output, ended.seconds) == ({"answered": "early"}, 9.0)


def test_a_failure_sent_with_a_token_has_its_name_and_cause(machines: Machines) -> None:
    ended = machines.run({"Ask": machines.asking({"do": "call_back_failure"})})
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "NotToday", "because")


def test_a_call_that_fails_is_not_waited_for(machines: Machines) -> None:
    ended = machines.run({"Ask": machines.asking({"do": "fail"}, TimeoutSeconds=600)})
    assert (ended.error, ended.seconds) == ("CustomError", 0.0)


def test_a_state_nobody_answers_times_out_and_each_attempt_has_a_token_of_its_own(machines: Machines) -> None:
    ended = machines.run(
        {
            "Ask": machines.asking(
                {"do": "keep_token", "id": "{% 'attempt-' & $string($states.context.State.RetryCount) %}"},
                TimeoutSeconds=50,
                Retry=[retry("States.Timeout", MaxAttempts=1)],
            )
        }
    )
    assert (ended.status, ended.error, ended.seconds) == ("FAILED", "States.Timeout", 102.0)
    first, second = machines.item("attempt-0"), machines.item("attempt-1")
    assert first is not None
    assert second is not None
    assert first["token"] != second["token"]


def test_the_second_attempt_waits_for_its_own_answer(machines: Machines) -> None:
    arn = machines.start(
        {
            "Ask": machines.asking(
                {"do": "keep_token", "id": "again"},
                TimeoutSeconds=50,
                Retry=[retry("States.Timeout", MaxAttempts=1)],
            )
        }
    )
    with machines.stack.clock.attached():
        machines.stack.clock.sleep(60)
        machines.stack.invoke("Worker", {"do": "wake", "id": "again", "with": 2})
    ended = machines.end(arn)
    assert (ended.status, ended.output, ended.seconds) == ("SUCCEEDED", {"answered": 2}, 60.0)


def test_a_token_is_refused_once_it_is_spent_or_unknown(machines: Machines) -> None:
    states = machines.stack.client("stepfunctions")
    machines.run({"Ask": machines.asking({"do": "keep_token", "id": "spent"}, TimeoutSeconds=10)})
    spent = (machines.item("spent") or {})["token"]
    with pytest.raises(ClientError) as refused:
        states.send_task_success(taskToken=spent, output="{}")
    assert refused.value.response["Error"]["Code"] == "TaskTimedOut"
    assert isinstance(refused.value, states.exceptions.TaskTimedOut)
    with pytest.raises(ClientError) as refused:
        states.send_task_failure(taskToken="no token at all")
    assert refused.value.response["Error"]["Code"] == "InvalidToken"


def test_a_token_answered_twice_is_refused_the_second_time(machines: Machines) -> None:
    states = machines.stack.client("stepfunctions")
    with machines.stack.clock.attached():
        arn = machines.start({"Ask": machines.asking({"do": "keep_token", "id": "twice"})})
        machines.stack.clock.sleep(1)
        token = (machines.item("twice") or {})["token"]
        states.send_task_success(taskToken=token, output='"first"')
        with pytest.raises(states.exceptions.TaskTimedOut):
            states.send_task_success(taskToken=token, output='"second"')
    assert machines.end(arn).output == "first"


@pytest.mark.parametrize(("every", "status"), [(5, "SUCCEEDED"), (15, "FAILED")])
def test_heartbeats_keep_a_waiting_state_alive(machines: Machines, every: int, status: str) -> None:
    keep = machines.asking({"do": "keep_token", "id": "beating"}, HeartbeatSeconds=10, TimeoutSeconds=500)
    states = machines.stack.client("stepfunctions")
    with machines.stack.clock.attached():
        arn = machines.start({"Ask": keep})
        machines.stack.clock.sleep(1)
        token = (machines.item("beating") or {})["token"]
        for _ in range(4):
            machines.stack.clock.sleep(every)
            with contextlib.suppress(states.exceptions.TaskTimedOut):
                states.send_task_heartbeat(taskToken=token)
        with contextlib.suppress(states.exceptions.TaskTimedOut):
            states.send_task_success(taskToken=token, output="{}")
    assert machines.end(arn).status == status


def test_tokens_are_as_long_as_they_are_on_aws(machines: Machines) -> None:
    machines.run({"Ask": machines.asking({"do": "keep_token", "id": "long"}, TimeoutSeconds=1)})
    assert 500 < len((machines.item("long") or {})["token"]) <= 1024


# ---------------------------------------------------------------- distributed maps


def test_every_item_runs_as_an_execution_of_its_own(machines: Machines) -> None:
    ended = machines.run(
        {
            "Each": machines.each(
                {
                    "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Own"},
                    "Own": {
                        **PASS,
                        "Output": {"x": "{% $states.input.x %}", "id": "{% $states.context.Execution.Id %}"},
                    },
                },
                ItemSelector={"x": "{% $states.context.Map.Item.Value %}"},
            )
        },
        {"items": [10, 20, 30]},
    )
    children = machines.stack.children(ended.arn)
    assert [child.input for child in children] == [{"x": 10}, {"x": 20}, {"x": 30}]
    assert ended.output == [{"x": child.input["x"], "id": child.arn} for child in children]
    assert {child.status for child in children} == {"SUCCEEDED"}
    assert {(child.stop - child.start).total_seconds() for child in children if child.stop} == {5.0}
    assert [event["type"] for event in children[1].events] == [
        "ExecutionStarted",
        "WaitStateEntered",
        "WaitStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in children[1].events] == [1, 2, 3, 4, 5, 6]
    assert children[0].events[0]["timestamp"].tzinfo == UTC
    assert "WaitStateEntered" not in ended.types
    assert ended.seconds == 5.0


def test_children_wait_for_each_other_only_as_far_as_the_concurrency_asks(machines: Machines) -> None:
    for concurrency, seconds in ((1, 60.0), (2, 30.0), (4, 20.0), (0, 10.0), ("{% 3 %}", 20.0)):
        ended = machines.run(
            {"Each": machines.each({"Wait": {"Type": "Wait", "Seconds": 10, "End": True}}, MaxConcurrency=concurrency)},
            {"items": [1, 2, 3, 4, 5, 6]},
        )
        assert (ended.status, ended.seconds) == ("SUCCEEDED", seconds)


def test_a_child_sees_none_of_the_outer_variables(machines: Machines) -> None:
    ended = machines.run(
        {
            "First": {"Type": "Pass", "Assign": {"outer": 1}, "Output": "{% $states.input %}", "Next": "Each"},
            "Each": machines.each(
                {"Look": {**PASS, "Output": "{% $outer %}"}},
                ItemSelector={"passed": "{% $outer %}"},
                ToleratedFailurePercentage=100,
            ),
        },
        {"items": [1]},
    )
    (child,) = machines.stack.children(ended.arn)
    assert (child.input, child.status, child.error) == ({"passed": 1}, "FAILED", "States.QueryEvaluationError")


FAIL_SOME = {
    "Choose": {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input.bad %}", "Next": "Fail"}],
        "Default": "Fine",
    },
    "Fail": {"Type": "Fail", "Error": "BadItem", "Cause": "{% 'item ' & $states.input.i %}"},
    "Fine": {**PASS, "Output": "{% $states.input.i %}"},
}
ITEMS = [{"i": 0, "bad": False}, {"i": 1, "bad": True}, {"i": 2, "bad": False}, {"i": 3, "bad": True}]


@pytest.mark.parametrize("tolerance", [{"ToleratedFailurePercentage": 100}, {"ToleratedFailureCount": 2}])
def test_tolerated_failures_cost_their_own_children_only(machines: Machines, tolerance: dict[str, Any]) -> None:
    ended = machines.run({"Each": machines.each(FAIL_SOME, **tolerance)}, {"items": ITEMS})
    assert (ended.status, ended.output) == ("SUCCEEDED", [0, 2])
    children = machines.stack.children(ended.arn)
    assert [(child.status, child.error, child.cause) for child in children] == [
        ("SUCCEEDED", None, None),
        ("FAILED", "BadItem", "item 1"),
        ("SUCCEEDED", None, None),
        ("FAILED", "BadItem", "item 3"),
    ]
    assert children[1].events[-1]["type"] == "ExecutionFailed"


def test_a_map_may_fail_in_all_of_its_children(machines: Machines) -> None:
    each = machines.each(FAIL_SOME, ToleratedFailurePercentage=100)
    ended = machines.run({"Each": each}, {"items": [ITEMS[1], ITEMS[3]]})
    assert (ended.status, ended.output) == ("SUCCEEDED", [])


@pytest.mark.parametrize("tolerance", [{}, {"ToleratedFailurePercentage": 25}, {"ToleratedFailureCount": 1}])
def test_one_failure_too_many_fails_the_map_by_its_own_name(machines: Machines, tolerance: dict[str, Any]) -> None:
    catch = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Output": "caught", "Next": "End"}]
    ended = machines.run(
        {"Each": machines.each(FAIL_SOME, Catch=catch, Next="End", **tolerance), "End": PASS}, {"items": ITEMS}
    )
    assert (ended.status, ended.output) == ("SUCCEEDED", "caught")
    assert "MapRunFailed" in ended.types


def test_a_timeout_inside_a_child_keeps_its_name(machines: Machines) -> None:
    each = machines.each(
        {"Task": machines.task({"do": "sleep", "seconds": 20}, TimeoutSeconds=3)}, ToleratedFailurePercentage=100
    )
    ended = machines.run({"Each": each}, {"items": [1]})
    assert [child.error for child in machines.stack.children(ended.arn)] == ["States.Timeout"]
    assert ended.seconds == 3.0


def test_items_come_from_a_json_file_in_s3(machines: Machines) -> None:
    bucket = machines.stack.outputs["Bucket"]
    machines.stack.client("s3").put_object(Bucket=bucket, Key="plans/p.json", Body=json.dumps(ITEMS))
    each = machines.each(
        {"Own": PASS},
        ItemReader={
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "{% $states.input.key %}"},
        },
        ItemSelector={"i": "{% $states.context.Map.Item.Value.i %}", "n": "{% $states.context.Map.Item.Index %}"},
    )
    del each["Items"]
    ended = machines.run({"Each": each}, {"bucket": bucket, "key": "plans/p.json"})
    assert ended.output == [{"i": i, "n": i} for i in range(4)]
    missing = machines.run({"Each": each}, {"bucket": bucket, "key": "plans/none.json"})
    assert missing.status == "FAILED"


def writing(machines: Machines, bucket: str) -> dict[str, Any]:
    return machines.each(
        FAIL_SOME,
        ToleratedFailurePercentage=100,
        ResultWriter={
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": bucket, "Prefix": "{% $states.input.prefix %}"},
        },
    )


def test_what_children_returned_lies_in_s3_and_not_in_the_state(machines: Machines) -> None:
    bucket, s3 = machines.stack.outputs["Bucket"], machines.stack.client("s3")
    ended = machines.run({"Each": writing(machines, bucket)}, {"items": ITEMS, "prefix": "kept/here"})
    details = ended.output["ResultWriterDetails"]
    assert set(ended.output) == {"MapRunArn", "ResultWriterDetails"}
    assert details["Bucket"] == bucket
    assert details["Key"].startswith("kept/here/")

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    files = read(details["Key"])["ResultFiles"]
    assert files["PENDING"] == []
    (succeeded,), (failed,) = files["SUCCEEDED"], files["FAILED"]
    assert succeeded["Size"] == s3.head_object(Bucket=bucket, Key=succeeded["Key"])["ContentLength"]
    assert [(one["Status"], one["Output"]) for one in read(succeeded["Key"])] == [
        ("SUCCEEDED", "0"),
        ("SUCCEEDED", "2"),
    ]
    assert [(one["Error"], one["Cause"], json.loads(one["Input"])["i"]) for one in read(failed["Key"])] == [
        ("BadItem", "item 1", 1),
        ("BadItem", "item 3", 3),
    ]


def test_a_result_that_cannot_be_written_has_an_error_of_its_own(machines: Machines) -> None:
    each = writing(machines, "no-such-bucket-anywhere")
    each.pop("End")
    each |= {
        "Catch": [{"ErrorEquals": ["States.ResultWriterFailed"], "Output": "caught", "Next": "End"}],
        "Next": "End",
    }
    ended = machines.run({"Each": each, "End": PASS}, {"items": ITEMS, "prefix": "kept"})
    assert ended.output == "caught"
    assert {child.status for child in machines.stack.children(ended.arn)} == {"SUCCEEDED", "FAILED"}


def test_an_item_selector_that_finds_nothing_fails_the_map_and_not_a_child(machines: Machines) -> None:
    each = machines.each({"Own": PASS}, ItemSelector={"x": "{% $missing %}"}, ToleratedFailurePercentage=100)
    ended = machines.run({"Each": each}, {"items": [1]})
    assert (ended.status, ended.error) == ("FAILED", "States.QueryEvaluationError")
    assert machines.stack.children(ended.arn) == []


def test_a_map_over_nothing_ends_at_once(machines: Machines) -> None:
    ended = machines.run({"Each": machines.each({"Own": PASS})}, {"items": []})
    assert (ended.status, ended.output) == ("SUCCEEDED", [])


@pytest.mark.parametrize("worker", [DistributedItemProcessorWorker, IterationWorker])
def test_a_worker_goes_no_deeper_with_every_item(machines: Machines, worker: Any) -> None:
    depths = set()

    class Worker:
        _env = _job_pool = SimpleNamespace(
            open_inner_frame=lambda: SimpleNamespace(event_history_context=SimpleNamespace(last_published_event_id=1)),
            close_frame=lambda frame: None,
            delete_frame=lambda frame: None,
            close_job=lambda job: None,
            next_job=lambda: next(jobs, None),  # type: ignore[has-type]
            event_history_context=SimpleNamespace(),
        )

        def _eval_job(self, env: Any, job: Any) -> None:
            depths.add(len(traceback.extract_stack(limit=200)))

        def stopped(self) -> bool:
            return False

        _eval_pool = worker._eval_pool

    jobs = iter([SimpleNamespace(job_output=None) for _ in range(50)])
    Worker()._eval_pool(next(jobs), Worker._env)
    assert len(depths) == 1


def test_children_are_found_through_the_api_as_on_aws(machines: Machines) -> None:
    ended = machines.run({"Each": machines.each(FAIL_SOME, ToleratedFailurePercentage=100)}, {"items": ITEMS})
    states = machines.stack.client("stepfunctions")
    (run,) = states.list_map_runs(executionArn=ended.arn)["mapRuns"]
    described = states.describe_map_run(mapRunArn=run["mapRunArn"])
    assert described["status"] == "SUCCEEDED"
    counted = {name: n for name, n in described["itemCounts"].items() if n}
    assert counted == {"failed": 2, "succeeded": 2, "total": 4, "resultsWritten": 2}
    failed = states.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED")["executions"]
    assert [execution["name"] for execution in failed] == [
        child.name for child in machines.stack.children(ended.arn) if child.status == "FAILED"
    ]
    child = states.describe_execution(executionArn=failed[0]["executionArn"])
    assert (child["status"], child["error"], json.loads(child["input"])) == ("FAILED", "BadItem", ITEMS[1])
    last = states.get_execution_history(executionArn=failed[0]["executionArn"], reverseOrder=True)["events"][0]
    assert last["type"] == "ExecutionFailed"


def test_a_history_comes_in_pages(machines: Machines) -> None:
    loop = {
        "Count": {"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}"}, "Next": "Again?"},
        "Again?": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.n < 100 %}", "Next": "Count"}],
            "Default": "End",
        },
        "End": PASS,
    }
    ended = machines.run(loop, {"n": 0})
    states = machines.stack.client("stepfunctions")
    page = states.get_execution_history(executionArn=ended.arn, maxResults=7)
    assert [event["id"] for event in page["events"]] == list(range(1, 8))
    assert [event["id"] for event in ended.events] == list(range(1, 405))


def test_an_inline_map_and_parallel_branches_share_the_parents_history(machines: Machines) -> None:
    ended = machines.run(
        {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3, "End": True}}},
                    {
                        "StartAt": "M",
                        "States": {
                            "M": {
                                "Type": "Map",
                                "Items": "{% [1, 2, 3] %}",
                                "MaxConcurrency": 2,
                                "ItemProcessor": {
                                    "StartAt": "W",
                                    "States": {"W": {"Type": "Wait", "Seconds": 4, "End": True}},
                                },
                                "End": True,
                            }
                        },
                    },
                ],
                "End": True,
            }
        },
        {"a": 1},
    )
    assert (ended.output, ended.seconds) == ([{"a": 1}, [1, 2, 3]], 8.0)
    assert ended.types.count("WaitStateEntered") == 4


# ---------------------------------------------------------------- integrations


def test_a_conditional_put_that_loses_is_caught_by_its_name(machines: Machines) -> None:
    def put(**more: Any) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:putItem",
            "Arguments": {
                "TableName": machines.stack.outputs["Table"],
                "Item": {"pk": {"S": "claimed"}, "by": {"S": "{% $states.context.Execution.Id %}"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            },
            "Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Output": "lost", "Next": "End"}],
            **more,
        }

    states = {"Put": put(Next="Won"), "Won": {**PASS, "Output": "won"}, "End": PASS}
    assert [machines.run(states).output, machines.run(states).output] == ["won", "lost"]


def test_an_item_is_updated_from_the_workflow(machines: Machines) -> None:
    ended = machines.run(
        {
            "Update": {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:updateItem",
                "Arguments": {
                    "TableName": machines.stack.outputs["Table"],
                    "Key": {"pk": {"S": "updated"}},
                    "UpdateExpression": "SET #s = :s ADD n :one",
                    "ExpressionAttributeNames": {"#s": "status"},
                    "ExpressionAttributeValues": {":s": {"S": "{% $states.input.s %}"}, ":one": {"N": "1"}},
                    "ReturnValues": "ALL_NEW",
                },
                "Output": "{% $states.result.Attributes.n.N %}",
                "End": True,
            }
        },
        {"s": "FAILED"},
    )
    assert ended.output == "1"
    assert machines.item("updated") == {"pk": "updated", "status": "FAILED", "n": "1"}


def test_a_message_is_published_with_its_attributes(machines: Machines) -> None:
    sqs, sns = machines.stack.client("sqs"), machines.stack.client("sns")
    queue = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = machines.stack.resources["Topic"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    machines.run(
        {
            "Publish": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sns:publish",
                "Arguments": {
                    "TopicArn": topic,
                    "Subject": "{% 'run ' & $states.input.id %}",
                    "Message": {"id": "{% $states.input.id %}"},
                    "MessageAttributes": {"status": {"DataType": "String", "StringValue": "PARTIAL"}},
                },
                "End": True,
            }
        },
        {"id": "7"},
    )
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Subject"], json.loads(body["Message"])) == ("run 7", {"id": "7"})
    assert body["MessageAttributes"] == {"status": {"Type": "String", "Value": "PARTIAL"}}


# ---------------------------------------------------------------- executions


@pytest.mark.parametrize("kind", ["wait", "task", "token", "children", "retry"])
def test_stopping_an_execution_ends_whatever_it_waits_for(machines: Machines, kind: str) -> None:
    waiting: dict[str, Any] = {
        "wait": {"Wait": {"Type": "Wait", "Seconds": 1000, "End": True}},
        "task": {"Task": machines.task({"do": "sleep", "seconds": 29})},
        "token": {"Ask": machines.asking({"do": "keep_token", "id": "stopped"})},
        "children": {"Each": machines.each({"Ask": machines.asking({"do": "keep_token", "id": "stopped-child"})})},
        "retry": {"Task": machines.task({"do": "fail"}, Retry=[retry("States.ALL", IntervalSeconds=900)])},
    }[kind]
    states = machines.stack.client("stepfunctions")
    # Started as one of the clock's threads: time would run on, to the end of what is waited for, on a busy machine.
    with machines.stack.clock.attached():
        arn = machines.start(waiting, {"items": [1, 2, 3]})
        machines.stack.clock.sleep(10)
        states.stop_execution(executionArn=arn, error="Stopped", cause="by hand")
        ended = machines.end(arn)
    assert (ended.status, ended.error, ended.cause, ended.seconds) == ("ABORTED", "Stopped", "by hand", 10.0)
    assert ended.types[-1] == "ExecutionAborted"
    assert {child.status for child in machines.stack.children(arn)} <= {"ABORTED"}


def test_stopping_an_execution_that_has_ended_changes_nothing(machines: Machines) -> None:
    ended = machines.run({"Only": PASS})
    machines.stack.client("stepfunctions").stop_execution(executionArn=ended.arn)
    assert machines.end(ended.arn).status == "SUCCEEDED"


def test_executions_without_names_do_not_share_one(machines: Machines) -> None:
    states = machines.stack.client("stepfunctions")
    machine = machines.stack.client("stepfunctions").create_state_machine(
        name="nameless",
        definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": PASS}}),
        roleArn="arn:aws:iam::123456789012:role/any",
    )["stateMachineArn"]
    arns = {states.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(3)}
    assert len(arns) == 3
    for arn in arns:
        machines.stack.wait(arn)


def test_times_are_the_clocks(machines: Machines) -> None:
    ended = machines.run({"Wait": {"Type": "Wait", "Seconds": 30, "End": True}})
    described = machines.stack.client("stepfunctions").describe_execution(executionArn=ended.arn)
    assert described["startDate"].timestamp() >= START
    assert described["stopDate"].timestamp() == pytest.approx(machines.stack.clock.now(), abs=0.001)
    waited = ended.events[-1]["timestamp"] - ended.events[0]["timestamp"]
    assert waited.total_seconds() == 30.0


@pytest.mark.parametrize(("stopped", "errors"), [(True, []), (False, ["States.Runtime"])])
def test_what_breaks_because_of_a_stop_leaves_the_execution_stopped(
    machines: Machines, stopped: bool, errors: list[str]
) -> None:
    found: list[str] = []

    class Env:
        next_state_name = "Wait"
        _state_mutex = threading.RLock()
        running = True

        def is_running(self) -> bool:
            return self.running

        def set_error(self, error: Any) -> None:
            found.append(error["error"])
            self.running = False

    class State:
        def eval(self, env: Env) -> None:
            env.running = not stopped
            raise RuntimeError("interrupted")

    Program._eval_body(SimpleNamespace(_get_state=lambda name: State()), Env())
    assert found == errors
