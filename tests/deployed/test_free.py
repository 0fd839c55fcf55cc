"""What can be proved of a deployed stack without a task at the service."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tryon_cli.target import Target
from tryon_local.app import ROOT
from tryon_local.aws.template import load

Ask = Callable[..., Any]

MACHINE = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())
CHILD = MACHINE["States"]["TryOn"]["ItemProcessor"]["States"]


@pytest.fixture
def machine(target: Target, ask: Ask) -> Any:
    return ask("stepfunctions", "describe_state_machine", stateMachineArn=target.outputs["StateMachineArn"])


def test_the_definition_is_valid_to_step_functions_itself(machine: Any, ask: Ask) -> None:
    told = ask("stepfunctions", "validate_state_machine_definition", definition=machine["definition"], type="STANDARD")
    assert [one for one in told["diagnostics"] if one["severity"] == "ERROR"] == []


@pytest.mark.parametrize("message", ["m" * 30_000, '"' * 15_000, "\\" * 15_000], ids=["plain", "quotes", "backslashes"])
def test_a_long_message_is_taken_out_of_a_cause(message: str, machine: Any, ask: Ask) -> None:
    expression = CHILD["Explain"]["Assign"]["reason"].replace("$failure.Cause", "$states.input.Cause")
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"reason": expression}, "End": True}
    cause = json.dumps({"errorMessage": message, "errorType": "FetchError"})
    told = ask(
        "stepfunctions",
        "test_state",
        definition=json.dumps(state),
        roleArn=machine["roleArn"],
        input=json.dumps({"Cause": cause}),
    )
    assert told["status"] == "SUCCEEDED", told
    assert json.loads(told["output"])["reason"] == message[:2000]


def test_reserve_may_wake_a_child_of_the_map(target: Target, ask: Ask) -> None:
    listed = ask("cloudformation", "list_stack_resources", StackName=target.stack)["StackResourceSummaries"]
    (name,) = [one["PhysicalResourceId"] for one in listed if one["LogicalResourceId"] == "ReserveFunction"]
    role = ask("lambda", "get_function_configuration", FunctionName=name)["Role"]
    arn = target.outputs["StateMachineArn"]
    told = ask(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=role,
        ActionNames=["states:SendTaskSuccess"],
        ResourceArns=[arn, f"{arn}/TryOn"],
    )
    assert {one["EvalDecision"] for one in told["EvaluationResults"]} == {"allowed"}


def test_every_alarm_is_there_and_tells_the_topic(target: Target, ask: Ask) -> None:
    topic = target.outputs["AlarmTopicArn"]
    # By the topic: a stack whose name begins with this one's has alarms of that beginning too.
    named = ask("cloudwatch", "describe_alarms", AlarmNamePrefix=f"{target.stack}-")["MetricAlarms"]
    own = [one for one in named if one["AlarmActions"] == [topic]]
    known = load(ROOT / "template.yaml")["Resources"].values()
    assert len(own) == sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in known)
    assert all(one["ActionsEnabled"] for one in own)


@pytest.mark.parametrize("topic", ["TopicArn", "AlarmTopicArn"])
def test_every_subscription_is_confirmed(topic: str, target: Target, ask: Ask) -> None:
    subscribed = ask("sns", "list_subscriptions_by_topic", TopicArn=target.outputs[topic])["Subscriptions"]
    if not subscribed:
        pytest.skip(f"nothing is subscribed to {topic}")
    assert [one["Endpoint"] for one in subscribed if one["SubscriptionArn"] == "PendingConfirmation"] == []


def test_the_bucket_reports_to_eventbridge_and_is_closed(target: Target, ask: Ask) -> None:
    told = ask("s3", "get_bucket_notification_configuration", Bucket=target.bucket)
    if target.is_local and "EventBridgeConfiguration" not in told:
        pytest.skip("the local AWS reports every object without being told to")
    assert "EventBridgeConfiguration" in told
    assert ask("s3", "get_bucket_versioning", Bucket=target.bucket)["Status"] == "Enabled"
    closed = ask("s3", "get_public_access_block", Bucket=target.bucket)["PublicAccessBlockConfiguration"]
    assert all(closed.values())


def test_the_dead_letter_queue_is_empty(target: Target, ask: Ask) -> None:
    told = ask(
        "sqs",
        "get_queue_attributes",
        QueueUrl=target.outputs["DeadLetterQueueUrl"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    assert told["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_the_keys_are_set(target: Target, ask: Ask) -> None:
    told = ask("secretsmanager", "describe_secret", SecretId=target.outputs["SecretName"])
    versions = [stages for stages in told.get("VersionIdsToStages", {}).values() if "AWSCURRENT" in stages]
    assert len(versions) == 1
