"""What the stack keeps, hides and forgets, read from the template as CloudFormation gets it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tryon_local.app import ROOT
from tryon_local.aws.template import expand

HOLDS_RESULTS = {"Bucket", "LedgerTable", "ServiceSecret", "FashnSecret", "FalSecret"}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    resources: dict[str, Any] = expand(ROOT / "template.yaml")["Resources"]
    return resources


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def test_deleting_the_stack_loses_no_result(resources: Mapping[str, Any]) -> None:
    # But on a stack whose creation failed: kept, they would be in the way of the next try.
    kept = {name for name, resource in resources.items() if resource.get("DeletionPolicy") == "RetainExceptOnCreate"}
    assert kept == HOLDS_RESULTS
    assert {name for name in kept if resources[name].get("UpdateReplacePolicy") == "Retain"} == HOLDS_RESULTS


def test_the_bucket_is_private_encrypted_and_versioned(resources: Mapping[str, Any]) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_no_lifecycle_rule_deletes_a_current_picture(resources: Mapping[str, Any]) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert [rule for rule in rules if "ExpirationInDays" in rule or "ExpirationDate" in rule] == []


@pytest.mark.parametrize(
    ("policy", "guarded"),
    [
        ("BucketPolicy", "AWS::S3::Bucket"),
        ("DeadLetterQueuePolicy", "AWS::SQS::Queue"),
        ("TopicPolicy", "AWS::SNS::Topic"),
        ("AlarmTopicPolicy", "AWS::SNS::Topic"),
    ],
)
def test_calls_in_clear_are_denied(policy: str, guarded: str, resources: Mapping[str, Any]) -> None:
    statements = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    (deny,) = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert deny["Principal"] == "*"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert of_type(resources, guarded)


def test_tables_are_encrypted_and_can_be_turned_back(resources: Mapping[str, Any]) -> None:
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_every_log_group_forgets(resources: Mapping[str, Any]) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert len(groups) == 10
    assert {json.dumps(group["RetentionInDays"]) for group in groups.values()} == {'{"Ref": "LogRetentionDays"}'}


def test_states_data_is_logged_for_errors_only(resources: Mapping[str, Any]) -> None:
    (machine,) = of_type(resources, "AWS::StepFunctions::StateMachine").values()
    assert machine["LoggingConfiguration"]["Level"] == "ERROR"


def test_everything_that_runs_is_traced(resources: Mapping[str, Any]) -> None:
    functions = of_type(resources, "AWS::Lambda::Function")
    assert {function["TracingConfig"]["Mode"] for function in functions.values()} == {"Active"}
    (machine,) = of_type(resources, "AWS::StepFunctions::StateMachine").values()
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_a_stopped_run_is_ended_when_no_function_of_it_can_still_run(resources: Mapping[str, Any]) -> None:
    states = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())["States"]
    children = ("ReserveFunction", "SubmitFunction", "PollFunction", "DownloadFunction")
    longest = max(resources[name]["Properties"]["Timeout"] for name in children)
    assert longest < states["Settle"]["Seconds"] <= longest + 60


def test_an_event_that_starts_no_run_is_kept(resources: Mapping[str, Any]) -> None:
    rules = of_type(resources, "AWS::Events::Rule").values()
    assert len(rules) == 6
    for rule in rules:
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert resources["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * 86400


def test_a_limit_on_heavy_functions_is_kept_only_when_asked_for() -> None:
    functions = of_type(expand(ROOT / "template.yaml")["Resources"], "AWS::Lambda::Function")
    limited = {name for name, function in functions.items() if "ReservedConcurrentExecutions" in function}
    assert limited == {"PlanFunction", "CompareFunction", "SummarizeFunction"}
    for name in limited:
        condition, _, otherwise = functions[name]["ReservedConcurrentExecutions"]["Fn::If"]
        assert (condition, otherwise) == ("LimitsHeavy", {"Ref": "AWS::NoValue"})


def test_what_costs_money_carries_the_projects_tag(resources: Mapping[str, Any]) -> None:
    tagged = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::Lambda::Function")
    for kind in (*tagged, "AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine"):
        for name, properties in of_type(resources, kind).items():
            assert {"Key": "project", "Value": "tryon"} in properties.get("Tags", []), name


def test_every_alarm_tells_somebody_and_is_explained(resources: Mapping[str, Any]) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    told = (ROOT / "docs" / "operations.md").read_text()
    assert len(alarms) == 9
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert f"### {alarm['AlarmName']['Fn::Sub'].removeprefix('${AWS::StackName}-')}" in told


def test_the_dashboard_is_json_and_shows_every_alarm(resources: Mapping[str, Any]) -> None:
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(body.replace("${DeadlineSeconds}", "300"))["widgets"]
    (shown,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    named = {a["AlarmName"]["Fn::Sub"] for a in of_type(resources, "AWS::CloudWatch::Alarm").values()}
    assert {arn.rpartition(":alarm:")[2] for arn in shown} == named
