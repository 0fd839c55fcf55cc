"""A run is watched until its execution has ended, with a record or without one."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tests.doubles import outcome
from tests.unit.stack import FakeStack, fake_stack
from tryon.state.run import Run
from tryon_cli import watch as module
from tryon_cli.target import TargetError, connect
from tryon_cli.watch import RECORD_SECONDS, SETTLE_SECONDS, watch

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:tryon:one"


@dataclass
class StepFunctions:
    """Answers what an execution is; each question takes so many seconds of the workflow's time."""

    stack: FakeStack
    answers: list[Mapping[str, Any]]
    asked: int = 0

    def describe_execution(self, executionArn: str) -> Mapping[str, Any]:  # noqa: N803 - boto3's own name
        assert executionArn == EXECUTION
        self.asked += 1
        self.stack.clock.sleep(30.0)
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if "refused" in answer:
            raise ClientError({"Error": {"Code": answer["refused"]}}, "DescribeExecution")
        return answer


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.0)
    looks = iter(range(200))

    def sleep(seconds: float) -> None:
        assert next(looks, None) is not None, "watched without an end"

    monkeypatch.setattr(module.time, "sleep", sleep)  # type: ignore[attr-defined]
    with fake_stack() as found:
        yield found


def watched(
    stack: FakeStack, *answers: Mapping[str, Any], execution: str | None = EXECUTION
) -> tuple[Any, StepFunctions]:
    functions = StepFunctions(stack, list(answers))
    clients = {"stepfunctions": functions}
    seen = replace(stack, client=lambda service: clients.get(service) or boto3.client(service))  # type: ignore[call-overload]
    return watch(seen, "one", Console(file=io.StringIO()), execution=execution, interval=0.001), functions


@pytest.mark.parametrize("recorded", [False, True], ids=["no item", "an item that says RUNNING"])
@pytest.mark.parametrize(
    ("status", "patience"),
    [
        ("FAILED", RECORD_SECONDS),
        ("SUCCEEDED", RECORD_SECONDS),
        ("ABORTED", SETTLE_SECONDS),
        ("TIMED_OUT", SETTLE_SECONDS),
    ],
)
def test_an_execution_that_ended_without_a_record_ends_the_watch(
    status: str, patience: float, recorded: bool, stack: FakeStack
) -> None:
    if recorded:
        stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))
    began = stack.clock.now()
    with pytest.raises(
        TargetError, match=rf"ended as {status} .*States.QueryEvaluationError: stack overflow.*{EXECUTION}"
    ):
        watched(
            stack,
            {"status": "RUNNING"},
            {"status": status, "error": "States.QueryEvaluationError", "cause": "stack overflow"},
            execution=None if recorded else EXECUTION,
        )
    assert patience <= stack.clock.now() - began <= patience + 120


def test_a_run_that_is_recorded_late_is_followed_to_its_end(stack: FakeStack) -> None:
    stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))

    class Reporting(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            stack.ledger.report("one", outcome("PARTIAL"))
            return "SUCCEEDED"

    ended, functions = watched(stack, Reporting(status=""))
    assert (ended.status, functions.asked) == ("PARTIAL", 1)


def test_without_the_right_to_ask_the_ledger_alone_is_read(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))
    looks = iter(range(5))

    def sleep(seconds: float) -> None:
        if next(looks) == 3:
            stack.ledger.report("one", outcome("SUCCEEDED"))

    monkeypatch.setattr(module.time, "sleep", sleep)  # type: ignore[attr-defined]
    ended, functions = watched(stack, {"refused": "AccessDeniedException"})
    assert (ended.status, functions.asked) == ("SUCCEEDED", 1)


def test_a_question_that_is_refused_for_now_is_asked_again(stack: FakeStack) -> None:
    with pytest.raises(TargetError, match="ended as FAILED"):
        watched(stack, {"refused": "ThrottlingException"}, {"refused": "503"}, {"status": "FAILED"})


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_links_are_signed_with_version_4(region: str, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {
        name: {"Value": "v"} for name in ("BucketName", "LedgerTableName", "StateMachineArn")
    }}  # fmt: skip

    boto3.client("cloudformation", region_name=region).create_stack(StackName="shop", TemplateBody=json.dumps(template))
    found = connect("shop", region=region)
    link = found.s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}, ExpiresIn=60)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert "AWSAccessKeyId" not in link
