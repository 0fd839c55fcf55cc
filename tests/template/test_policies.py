"""Who may do what: every statement of the expanded template, with the reason why it is there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tryon_local.app import ROOT
from tryon_local.aws.template import expand

STARTING = ("ManifestCreated", "TextCreated", "YamlCreated", "SpreadsheetCreated")
"""The rules that start a run."""

FUNCTIONS = ("Plan", "Reserve", "Submit", "Poll", "Download", "Check", "Compare", "Summarize", "Gallery")

REASONS = {
    # role or resource policy, statement: why it is needed, and why on that much
    ("PlanRole", "ReadManifestsAndPictures"): "a manifest may name any key of its own bucket",
    ("PlanRole", "TellMissingFromForbidden"): "without it S3 answers 403 for a key that is not there",
    ("PlanRole", "WritePlanAndConvertedPictures"): "plan, learned cadence and converted pictures, under runs/",
    ("PlanRole", "WriteLedger"): "opens the run and writes its entries; reads those of the run that it repeats",
    ("PlanRole", "FindRetries"): "a retry pays for nothing that another retry has, and these are found by the index",
    ("PlanRole", "KeepTheRequestRate"): "its question whether the keys work counts against the service's rate",
    ("PlanRole", "ReadServiceKeys"): "asks the service once whether the keys work, before anything is paid",
    ("PlanRole", "ReadPicturesElsewhere"): "the buckets that the stack's own parameter names",
    (
        "ReserveRole",
        "SeeHowTheRunStands",
    ): "a run whose keys are refused starts nothing more; nor does a slot go that a task may fill",
    (
        "ReserveRole",
        "CloseVisit",
    ): "before a slot is given back its visit is closed, so that a late submit begins nothing",
    ("ReserveRole", "ChangeGate"): "takes a slot, or a place in the queue",
    ("ReserveRole", "WakeChildren"): "a free slot goes to whoever waits longest, in this state machine only",
    ("SubmitRole", "ReadPictures"): "the pictures of the combination, wherever in its bucket they lie",
    ("SubmitRole", "UpdateLedger"): "SUBMITTING before the call, SUBMITTED after it",
    ("SubmitRole", "ChangeGate"): "frees the slot when there is no task",
    ("SubmitRole", "WakeChildren"): "and hands it on",
    ("SubmitRole", "ReadServiceKeys"): "signs the call",
    ("SubmitRole", "ReadPicturesElsewhere"): "the buckets that the stack's own parameter names",
    ("PollRole", "UpdateLedger"): "counts the poll and keeps the end",
    ("PollRole", "ChangeGate"): "frees the slot of a task that has ended",
    ("PollRole", "WakeChildren"): "and hands it on",
    ("PollRole", "ReadServiceKeys"): "signs the call",
    ("DownloadRole", "WriteResultsOnce"): "results only; reading tells one that is already there",
    ("DownloadRole", "FindWhatAnEarlierTryStored"): "a repeated call fetches no picture that is there; results only",
    ("DownloadRole", "WriteCopies"): "thumbnails and previews only",
    ("DownloadRole", "UpdateLedger"): "reads where the results are, writes where they went",
    ("DownloadRole", "ReadServiceKeys"): "asks again for addresses that work no more",
    ("CheckRole", "ReadCopies"): "the small copies of results, models and garments, and nothing else",
    ("CheckRole", "KeepWhatItMeasures"): "reads which results there are, writes what was measured beside them",
    ("CheckRole", "AskJudge"): "the one function that the stack's own parameter names",
    ("CompareRole", "ReadManifestAndLimits"): "the garments' types, and the limits that reviewers set",
    ("CompareRole", "TellMissingFromForbidden"): "without it S3 answers 403 where no limits were learned yet",
    ("CompareRole", "WriteVerdicts"): "one file of a run",
    ("CompareRole", "ReadLedger"): "a run's results, and what was seen of them",
    ("SummarizeRole", "ReadManifestAndRun"): "the manifest for the retry manifest, the run's own files for galleries",
    ("SummarizeRole", "WriteReport"): "summary, table, gallery, retry manifest, under runs/",
    ("SummarizeRole", "FinishLedger"): "every combination gets an outcome, the run its numbers",
    ("SummarizeRole", "FindRetries"): "what retries repaired is shown in the galleries of the runs that they repeat",
    ("SummarizeRole", "ChangeGate"): "frees what the run still holds",
    ("SummarizeRole", "WakeChildren"): "and hands it on",
    (
        "GalleryRole",
        "ReadManifestAndCopies",
    ): "what pages show: the manifest's names, small copies, verdicts",
    ("GalleryRole", "WriteParts"): "the parts of galleries and nothing else",
    ("GalleryRole", "ReadLedger"): "the combinations of the parts, and of the runs that repair them",
    ("GalleryRole", "FindRetries"): "a run is shown as its retries repaired it",
    ("WorkflowRole", "CallFunctions"): "the nine, by name",
    ("WorkflowRole", "ReadPlan"): "the Map reads its items from the plan and nothing else",
    (
        "WorkflowRole",
        "WriteWhatChildrenReturned",
    ): "the Map's result writer, with what AWS asks for it; gathered in the state it may end the execution",
    (
        "WorkflowRole",
        "RecordOutcomes",
    ): "claims and failures are written, and a stopped run's claim read, without Lambda",
    ("WorkflowRole", "Notify"): "the run's own topic",
    ("WorkflowRole", "StartChildren"): "a distributed Map starts executions of its own machine",
    ("WorkflowRole", "WatchAndRedriveChildren"): "and follows, stops and redrives them",
    ("WorkflowRole", "DeliverLogs"): "AWS names no resource for vended log delivery",
    ("WorkflowRole", "Trace"): "AWS names no resource for X-Ray",
    **{
        (f"StateMachine{rule}Role", f"StateMachine{rule}RoleStartExecutionPolicy"): "the rule starts runs"
        for rule in STARTING
    },
    (
        "StateMachineExecutionStoppedRole",
        "StateMachineExecutionStoppedRoleStartExecutionPolicy",
    ): "and this one what ends a stopped run",
    ("BucketPolicy", "OnlyOverTls"): "nobody reads or writes in clear",
    ("TopicPolicy", "OnlyOverTls"): "nobody publishes in clear",
    ("AlarmTopicPolicy", "OnlyOverTls"): "nobody publishes in clear",
    ("AlarmTopicPolicy", "RaiseAlarms"): "this account's alarms",
    ("AlarmTopicPolicy", "TellOfReviews"): "this stack's own rule says that a review was sent",
    ("DeadLetterQueuePolicy", "OnlyOverTls"): "nobody sends or reads in clear",
    ("DeadLetterQueuePolicy", "BuryEvents"): "this stack's rules, no other",
    **{
        (f"{name}Role", sid): reason
        for name in FUNCTIONS
        for sid, reason in (("Log", "its own log group"), ("Trace", "AWS names no resource for X-Ray"))
    },
}

EVERYTHING = {
    ("WorkflowRole", "DeliverLogs"),
    ("WorkflowRole", "Trace"),
    *((f"{name}Role", "Trace") for name in FUNCTIONS),
}
"""Statements on the resource `*`: AWS offers no name for these."""

Statement = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    resources: dict[str, Any] = expand(ROOT / "template.yaml")["Resources"]
    return resources


def statements(resources: dict[str, Any]) -> Iterator[Statement]:
    """Each with the resource that it belongs to and its Sid, the policy's name where there is none."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        policies = list(properties.get("Policies", []))
        if "PolicyDocument" in properties:
            policies.append({"PolicyName": name, "PolicyDocument": properties["PolicyDocument"]})
        for policy in policies:
            held = policy["Fn::If"][1] if "Fn::If" in policy else policy
            for statement in held["PolicyDocument"]["Statement"]:
                yield name, statement.get("Sid", held["PolicyName"]), statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_statement_is_there_for_a_written_reason(resources: dict[str, Any]) -> None:
    assert {(name, sid) for name, sid, _ in statements(resources)} == set(REASONS)


def test_only_what_has_no_name_is_allowed_on_everything(resources: dict[str, Any]) -> None:
    everything = {
        (name, sid)
        for name, sid, statement in statements(resources)
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"])
    }
    assert everything == EVERYTHING


def test_no_statement_allows_a_whole_service(resources: dict[str, Any]) -> None:
    allowed = [s for _, _, s in statements(resources) if s["Effect"] == "Allow"]
    assert [action for s in allowed for action in as_list(s["Action"]) if action.endswith("*")] == []


def test_no_role_has_a_policy_that_somebody_else_changes(resources: dict[str, Any]) -> None:
    managed = {name for name, resource in resources.items() if resource.get("Properties", {}).get("ManagedPolicyArns")}
    assert managed == set()


def test_every_role_is_assumed_by_one_service(resources: dict[str, Any]) -> None:
    roles = {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    assumed = {
        name: {
            service
            for statement in properties["AssumeRolePolicyDocument"]["Statement"]
            for service in as_list(statement["Principal"]["Service"])
        }
        for name, properties in roles.items()
    }
    assert assumed.pop("WorkflowRole") == {"states.amazonaws.com"}
    for rule in (*STARTING, "ExecutionStopped"):
        assert assumed.pop(f"StateMachine{rule}Role") == {"events.amazonaws.com"}
    assert set(map(frozenset, assumed.values())) == {frozenset({"lambda.amazonaws.com"})}
    assert len(assumed) == len(FUNCTIONS)


def test_only_functions_that_talk_to_the_service_read_its_keys(resources: dict[str, Any]) -> None:
    readers = {name for name, _, s in statements(resources) if "secretsmanager:GetSecretValue" in as_list(s["Action"])}
    assert readers == {"PlanRole", "SubmitRole", "PollRole", "DownloadRole"}


def test_nobody_may_delete_pictures_results_or_what_happened(resources: dict[str, Any]) -> None:
    actions = {a for _, _, s in statements(resources) if s["Effect"] == "Allow" for a in as_list(s["Action"])}
    assert {action for action in actions if "Delete" in action} == {"logs:DeleteLogDelivery"}


def test_nothing_in_the_template_looks_like_a_key() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert json.dumps({"access_key": "set-me", "secret_key": "set-me"}) in text
    assert "AKLT" not in text
    assert "AKIA" not in text
