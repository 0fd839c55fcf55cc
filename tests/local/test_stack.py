"""A stack's life: what is created, how an uploaded manifest starts a run, and that nothing is left behind."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.core.models import botocore_stubber

from tests.local.machines import APP, START
from tryon_local.aws import template
from tryon_local.aws.stack import LocalStack, StackError
from tryon_local.clock import ScaledClock, VirtualClock
from tryon_local.service.transport import StandInAdapter
from tryon_local.service.volcengine.standin import StandIn


@pytest.fixture
def stack() -> Iterator[LocalStack]:
    with LocalStack(APP, clock=VirtualClock(START)) as running:
        yield running


def drop(stack: LocalStack, items: list[dict[str, Any]], key: str = "manifests/m.json") -> None:
    stack.client("s3").put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=json.dumps(items).encode())


def letters(stack: LocalStack) -> list[dict[str, Any]]:
    received = stack.client("sqs").receive_message(
        QueueUrl=stack.resources["DeadLetters"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(received.get("Messages", []))


def test_whom_the_stack_answers_has_no_proxy_and_nobody_looks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    transports = {"https://service.test/api": StandInAdapter(StandIn(VirtualClock(START)))}
    with LocalStack(APP, clock=VirtualClock(START), transports=transports), monkeypatch.context() as patched:
        assert requests.utils.get_environ_proxies("https://elsewhere.test/") in ({}, {"no": os.environ["no_proxy"]})
        patched.setattr(requests.utils, "proxy_bypass", lambda host: pytest.fail(f"{host} was looked for"))
        assert requests.utils.get_environ_proxies("https://service.test/api/x") == {}
    assert dict(os.environ) == before


def test_everything_the_template_describes_is_there(stack: LocalStack) -> None:
    assert set(stack.outputs) == {"Bucket", "Machine", "Table", "DeadLetters"}
    bucket = stack.outputs["Bucket"]
    assert stack.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    plain = stack.client("s3").get_bucket_versioning(Bucket=stack.resources["PlainBucket"])
    assert "Status" not in plain
    table = stack.client("dynamodb").describe_table(TableName=stack.outputs["Table"])["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["kinds"]
    secret = stack.client("secretsmanager").get_secret_value(SecretId="tryon/keys")
    assert (secret["SecretString"], secret["ARN"]) == ('{"key": "set-me"}', stack.resources["Secret"])
    generated = stack.client("secretsmanager").get_secret_value(SecretId=stack.resources["GeneratedSecret"])
    assert {"user", "password"} == set(json.loads(generated["SecretString"]))
    setting = stack.client("ssm").get_parameter(Name="/tryon/setting")["Parameter"]["Value"]
    assert setting == "hello"
    assert "EmailSubscription" not in stack.resources


def test_parameters_secrets_region_and_name_are_the_callers() -> None:
    with LocalStack(
        APP,
        clock=VirtualClock(START),
        parameters={"Greeting": "good morning", "Email": "a@example.com"},
        secrets={"Secret": "AKLTEXAMPLEDUMMY"},
        region="eu-west-1",
        name="other",
    ) as stack:
        secret = stack.client("secretsmanager").get_secret_value(SecretId="other/keys")
        assert secret["SecretString"] == "AKLTEXAMPLEDUMMY"
        assert json.loads(stack.invoke("Worker", {"do": "describe"}).payload)["greeting"] == "good morning"
        assert stack.outputs["Machine"] == "arn:aws:states:eu-west-1:123456789012:stateMachine:other"


def test_a_manifest_in_the_bucket_runs_from_end_to_end(stack: LocalStack) -> None:
    items = [{"id": f"i{i}", "work": {"do": "fail"} if i == 3 else {}} for i in range(8)]
    clock = stack.clock
    began = clock.now()
    drop(stack, items)
    (arn,) = stack.executions()
    ended = stack.wait(arn)
    assert json.loads(ended["output"])["done"] == 7
    children = stack.children(arn)
    assert Counter(child.status for child in children) == {"SUCCEEDED": 7, "FAILED": 1}
    assert (children[3].error, children[0].output) == ("CustomError", {"id": "i0", "polls": 3})
    # Three slots: three rounds of 5 + 8 + 10 s, in which the failed one takes no time.
    assert clock.now() - began == pytest.approx(69.0, abs=0.01)
    gate = stack.client("dynamodb").get_item(TableName=stack.outputs["Table"], Key={"pk": {"S": "gate"}})
    assert json.loads(gate["Item"]["state"]["S"]) == {"holders": [], "waiting": [], "most": 3}


def test_the_event_says_what_awss_says() -> None:
    with LocalStack(APP, clock=VirtualClock(START)) as stack:
        drop(stack, [], "manifests/deep/a b.json")
        drop(stack, [], "manifests/deep/a b.json")
        events = [
            json.loads(stack.client("stepfunctions").describe_execution(executionArn=arn)["input"])
            for arn in stack.executions()
        ]
        head = stack.client("s3").head_object(Bucket=stack.outputs["Bucket"], Key="manifests/deep/a b.json")
        newest = events[-1]["detail"]["object"]
        assert newest == {
            "key": "manifests/deep/a b.json",
            "size": 2,
            "etag": head["ETag"].strip('"'),
            "version-id": head["VersionId"],
            "sequencer": newest["sequencer"],
        }
        first = events[0]
        assert (first["source"], first["detail-type"]) == ("aws.s3", "Object Created")
        assert (first["time"], first["region"]) == ("2026-09-21T14:13:20Z", "us-east-1")
        assert first["detail"]["reason"] == "PutObject"
        assert first["detail"]["bucket"] == {"name": stack.outputs["Bucket"]}
        assert len({event["id"] for event in events}) == 2
        assert len({event["detail"]["object"]["version-id"] for event in events}) == 2
        assert events[0]["detail"]["object"]["sequencer"] < newest["sequencer"]


@pytest.mark.parametrize("key", ["manifests/a.txt", "other/a.json", "manifests.json", "runs/manifests/a.json"])
def test_only_what_the_rule_asks_for_starts_a_run(stack: LocalStack, key: str) -> None:
    before = stack.executions()
    drop(stack, [], key)
    assert stack.executions() == before


def test_a_bucket_that_tells_nobody_starts_nothing(stack: LocalStack) -> None:
    before = stack.executions()
    stack.client("s3").put_object(Bucket=stack.resources["PlainBucket"], Key="manifests/a.json", Body=b"[]")
    assert stack.executions() == before


def test_an_event_that_comes_twice_is_claimed_once(stack: LocalStack) -> None:
    drop(stack, [{"id": "only"}], "manifests/twice.json")
    first = stack.executions()[-1]
    event = stack.client("stepfunctions").describe_execution(executionArn=first)["input"]
    again = stack.client("stepfunctions").start_execution(stateMachineArn=stack.outputs["Machine"], input=event)[
        "executionArn"
    ]
    outputs = [json.loads(stack.wait(arn)["output"]) for arn in (first, again)]
    assert [output.get("status", "RAN") for output in outputs] == ["RAN", "REPEATED"]


def test_an_event_whose_target_is_gone_goes_to_the_dead_letter_queue() -> None:
    with LocalStack(APP, clock=VirtualClock(START)) as stack:
        stack.client("stepfunctions").delete_state_machine(stateMachineArn=stack.outputs["Machine"])
        drop(stack, [])
        (letter,) = letters(stack)
        assert json.loads(letter["Body"])["detail"]["object"]["key"] == "manifests/m.json"
        told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
        assert told["TARGET_ARN"] == stack.outputs["Machine"]
        assert ":rule/" in told["RULE_ARN"]
        assert told["ERROR_CODE"] == "StateMachineDoesNotExist"


def test_a_run_that_fails_is_no_dead_letter(stack: LocalStack) -> None:
    stack.client("s3").put_object(Bucket=stack.outputs["Bucket"], Key="manifests/bad.json", Body=b"this is no JSON")
    assert stack.wait(stack.executions()[-1])["status"] == "FAILED"
    assert letters(stack) == []


def test_a_disabled_rule_starts_nothing() -> None:
    with LocalStack(APP, clock=VirtualClock(START)) as stack:
        (rule,) = stack.client("events").list_rules()["Rules"]
        stack.client("events").disable_rule(Name=rule["Name"])
        drop(stack, [])
        assert stack.executions() == []


def test_two_runs_in_virtual_time_pass_through_the_same_events() -> None:
    def run() -> list[tuple[Any, ...]]:
        with LocalStack(APP, clock=VirtualClock(START)) as stack:
            drop(stack, [{"id": f"i{i}", "work": {"do": "sleep", "seconds": i % 3}} for i in range(12)])
            (arn,) = stack.executions()
            stack.wait(arn)
            return [
                (child.input["item"]["id"], event["type"], event["timestamp"])
                for child in stack.children(arn)
                for event in child.events
            ]

    assert run() == run()


def test_a_stack_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    before = dict(os.environ)
    session = boto3.DEFAULT_SESSION
    for _ in range(2):
        with LocalStack(APP, clock=VirtualClock(START)) as stack:
            assert stack.executions() == []
            assert "AWS_PROFILE" not in os.environ
            drop(stack, [{"id": "left waiting", "work": {"do": "sleep", "seconds": 20}}])
            assert len(stack.executions()) == 1
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION is session
    assert botocore_stubber.enabled is False
    from moto.stepfunctions.parser.asl.component.program.program import Program

    assert Program.eval.__module__.startswith("moto.")


def test_what_still_waits_when_a_stack_ends_never_wakes() -> None:
    clock = VirtualClock(START)
    with LocalStack(APP, clock=clock) as stack, clock.attached():
        drop(stack, [{"id": "late", "work": {"do": "sleep", "seconds": 20, "then_write": "late"}}])
        clock.sleep(5)
    with LocalStack(APP, clock=clock) as stack:
        with clock.attached():
            clock.sleep(100)
        items = stack.client("dynamodb").scan(TableName=stack.outputs["Table"])["Items"]
        assert items == []
    assert clock._threads == set()


def test_an_execution_that_never_ends_is_told_and_not_waited_for(stack: LocalStack) -> None:
    with pytest.raises(StackError, match="never ends"):
        stack.wait("arn:aws:states:us-east-1:123456789012:execution:tryon:nobody")


def test_two_stacks_at_once_are_refused(stack: LocalStack) -> None:
    with pytest.raises(RuntimeError, match="in use"), LocalStack(APP, clock=VirtualClock(START)):
        pass
    assert stack.client("s3").list_buckets()["Buckets"]


def test_the_same_application_runs_in_scaled_time() -> None:
    # The workflow's shortest time-out is then two real seconds, which even a loaded machine keeps.
    with LocalStack(APP, clock=ScaledClock(5)) as stack:
        drop(stack, [{"id": f"i{i}", "work": {"do": "fail"} if i == 0 else {}} for i in range(4)])
        (arn,) = stack.executions()
        ended = stack.wait(arn)
        assert json.loads(ended["output"])["done"] == 3
        assert (ended["stopDate"] - ended["startDate"]).total_seconds() > 23
        assert Counter(child.status for child in stack.children(arn)) == {"SUCCEEDED": 3, "FAILED": 1}


def test_a_scaled_execution_can_be_stopped_and_its_stack_ended_while_it_waits() -> None:
    # It would take four minutes: no machine is so slow that it ends by itself before it is stopped.
    with LocalStack(APP, clock=ScaledClock(0.1)) as stack:
        drop(stack, [{"id": "i"}])
        (arn,) = stack.executions()
        stack.client("stepfunctions").stop_execution(executionArn=arn)
        assert stack.wait(arn)["status"] == "ABORTED"
        drop(stack, [{"id": "j"}])
    assert stack.clock._threads == set()


def test_a_template_expands_to_plain_cloudformation_without_aws() -> None:
    expanded = template.expand(APP / "template.yaml", {"Greeting": "x"})
    kinds = Counter(resource["Type"] for resource in expanded["Resources"].values())
    assert kinds["AWS::Lambda::Function"] == 2
    assert kinds["AWS::StepFunctions::StateMachine"] == 1
    assert not [kind for kind in kinds if kind.startswith("AWS::Serverless")]
    (machine,) = [r for r in expanded["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
    assert "Claim" in json.dumps(machine["Properties"])


def test_an_expanded_template_is_the_callers_to_change() -> None:
    template.expand(APP / "template.yaml")["Resources"].clear()
    assert template.expand(APP / "template.yaml")["Resources"]


def test_functions_are_read_with_their_defaults() -> None:
    sources = template.sources(APP / "template.yaml")
    assert (sources["Worker"].timeout, sources["Worker"].memory) == (30.0, 512)
    assert (sources["Keeper"].timeout, sources["Keeper"].memory) == (60.0, 128)
    assert sources["Keeper"].reserved_concurrency == 50
    assert sources["Worker"].code == Path(APP / "worker")
