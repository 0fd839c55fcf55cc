"""Lambda's side: what a handler is given, what becomes of what it returns or raises, and when it is ended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.machines import Machines
from tryon_local.aws.functions import KilledError, RefusedError
from tryon_local.aws.stack import LocalStack


def answer(stack: LocalStack, event: Any, function: str = "Worker") -> Any:
    invocation = stack.invoke(function, event)
    return json.loads(invocation.payload)


def test_a_handler_sees_its_environment_as_cloudformation_resolved_it(stack: LocalStack) -> None:
    told = answer(stack, {"do": "describe"})
    assert told["table"] == stack.outputs["Table"]
    assert told["greeting"] == "hello"
    assert stack.functions["Worker"].environment["SECRET"] == stack.resources["Secret"]


def test_a_functions_environment_is_there_while_it_is_imported_and_only_then(stack: LocalStack) -> None:
    assert answer(stack, {"do": "describe"})["secret_in_environment"] is False


def test_a_handler_is_told_who_it_is_and_how_long_it_has(stack: LocalStack) -> None:
    told = answer(stack, {"do": "describe"})
    function = stack.functions["Worker"]
    assert (told["function"], told["arn"], told["memory"]) == (function.name, function.arn, "512")
    assert told["left"] == 30_000
    assert told["request"] != answer(stack, {"do": "describe"})["request"]
    assert answer(stack, {"do": "sleep", "seconds": 12})["left"] == 18_000


def test_what_is_no_json_is_no_answer(stack: LocalStack) -> None:
    told = answer(stack, {"do": "unserialisable"})
    assert told["errorType"] == "Runtime.MarshalError"


def test_a_function_is_ended_at_its_timeout_in_virtual_time(machines: Machines) -> None:
    ended = machines.run({"Task": machines.task({"do": "sleep", "seconds": 31})})
    assert (ended.status, ended.error, ended.seconds) == ("FAILED", "Sandbox.Timedout", 30.0)
    cause = json.loads(ended.cause or "")
    assert cause["errorMessage"].endswith("Error: Task timed out after 30.00 seconds")


def test_a_function_that_was_ended_touches_nothing_any_more(machines: Machines) -> None:
    def written() -> tuple[bool, bool]:
        found = machines.stack.client("ssm").describe_parameters()["Parameters"]
        return machines.item("tidied") is not None, "tidied" in {parameter["Name"] for parameter in found}

    machines.run({"Task": machines.task({"do": "sleep_and_tidy", "seconds": 31, "then_write": "tidied"})})
    machines.run({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}})
    assert written() == (False, False)
    machines.run({"Task": machines.task({"do": "sleep_and_tidy", "seconds": 29, "then_write": "tidied"})})
    assert written() == (True, True)


def test_a_payload_may_be_as_large_as_lambda_allows(stack: LocalStack) -> None:
    assert len(answer(stack, {"do": "big", "bytes": 6_200_000})) == 6_200_000
    told = answer(stack, {"do": "big", "bytes": 6_300_000})
    assert told["errorType"] == "Function.ResponseSizeTooLarge"
    with pytest.raises(ClientError) as refused:
        stack.invoke("Worker", {"x": "y" * 6_300_000})
    assert refused.value.response["Error"]["Code"] == "RequestTooLargeException"


def test_calls_at_the_same_time_never_share_a_copy_of_the_module(machines: Machines) -> None:
    each = machines.each({"Task": machines.task({"do": "sleep", "seconds": 5})})
    before = len(machines.stack.functions._idle["Worker"])
    machines.run({"Each": each}, {"items": list(range(before + 4))})
    assert len(machines.stack.functions._idle["Worker"]) == before + 4
    machines.run({"Each": each}, {"items": list(range(before + 4))})
    assert len(machines.stack.functions._idle["Worker"]) == before + 4


# ---------------------------------------------------------------- hooks


@pytest.fixture
def hooked(stack: LocalStack) -> Iterator[LocalStack]:
    yield stack
    stack.functions.before_invoke.clear()
    stack.functions.after_invoke.clear()


def test_hooks_see_what_goes_in_and_what_comes_out(hooked: LocalStack) -> None:
    seen: list[Any] = []
    hooked.functions.before_invoke.append(lambda function, event: seen.append((function, dict(event))))
    hooked.functions.after_invoke.append(lambda function, event, result: seen.append((function, result)))
    hooked.invoke("Worker", {"a": 1})
    assert seen == [("Worker", {"a": 1}), ("Worker", {"a": 1})]


def test_a_throttled_call_fails_as_lambdas_error_and_runs_nothing(hooked: LocalStack, machines: Machines) -> None:
    refusals = iter([True, True, False])

    def throttle(function: str, event: Any) -> None:
        if next(refusals):
            raise RefusedError("TooManyRequestsException")

    hooked.functions.before_invoke.append(throttle)
    policy = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "BackoffRate": 2}
    ended = machines.run({"Task": machines.task({"a": 1}, Retry=[policy])})
    assert (ended.output, ended.seconds) == ({"a": 1}, 3.0)


@pytest.mark.parametrize(("when", "written"), [("before", False), ("after", True)])
def test_a_function_killed_before_or_after_its_work_fails_alike(
    hooked: LocalStack, machines: Machines, when: str, written: bool
) -> None:
    def kill(*_: Any) -> None:
        raise KilledError

    hooks: list[Any] = getattr(hooked.functions, f"{when}_invoke")
    hooks.append(kill)
    payload = {"do": "sleep", "seconds": 1, "then_write": f"killed-{when}"}
    ended = machines.run({"Task": machines.task(payload)})
    assert ended.error == "Runtime.ExitError"
    assert (machines.item(f"killed-{when}") is not None) is written


def test_no_handler_survives_being_killed_by_catching_exceptions() -> None:
    assert not issubclass(KilledError, Exception)


def test_a_hook_may_fail_a_call_by_any_name_and_take_time(hooked: LocalStack, machines: Machines) -> None:
    class PretendedError(Exception):
        pass

    def late(function: str, event: Any) -> None:
        hooked.clock.sleep(4)
        raise PretendedError("so it is")

    hooked.functions.before_invoke.append(late)
    ended = machines.run({"Task": machines.task({})})
    assert (ended.error, ended.seconds) == ("PretendedError", 4.0)


def test_a_function_is_called_through_lambdas_api_too(stack: LocalStack) -> None:
    client = stack.client("lambda")
    name = stack.resources["Worker"]
    response = client.invoke(FunctionName=name, Payload=json.dumps({"a": 1}))
    assert (json.load(response["Payload"]), response["StatusCode"]) == ({"a": 1}, 200)
    assert "FunctionError" not in response
    failed = client.invoke(FunctionName=name, Payload=json.dumps({"do": "fail"}))
    assert (failed["FunctionError"], json.load(failed["Payload"])["errorType"]) == ("Unhandled", "CustomError")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")
