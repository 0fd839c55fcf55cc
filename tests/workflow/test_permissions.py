"""Each function's role allows the calls that the function makes, and little else: held against real runs.

moto asks nobody for permission. Here every call that a handler makes is held against the statements of its role
in the expanded template, the way that IAM reads them.
"""

import json
import re
import threading
from collections.abc import Mapping
from typing import Any

import botocore.client
import pytest

from tests.workflow.pipeline import Pipeline, drawn_in_parts, manifest, running
from tryon_local.app import ROOT
from tryon_local.aws.template import expand
from tryon_local.service.faults import Answer, Fails, Fault

S3_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
}
"""Calls that IAM knows by another name."""

NOT_SEEN = {
    ("PlanRole", "s3:ListBucket"),  # is never called: it turns the 403 for a missing key into a 404
    ("DownloadRole", "s3:AbortMultipartUpload"),  # for pictures larger than a test's
    ("DownloadRole", "s3:GetObject"),  # for a result that an earlier try has stored
    ("DownloadRole", "secretsmanager:GetSecretValue"),  # for addresses that work no more
    ("SubmitRole", "s3:GetObject"),  # for pictures that were converted, which no version pins
    ("CompareRole", "s3:ListBucket"),  # asked of no bucket: it decides what S3 answers for limits that are not there
    ("SummarizeRole", "dynamodb:PutItem"),  # for slots that a broken run still holds
    ("SummarizeRole", "states:SendTaskSuccess"),  # and for who waits for them
}
"""Allowed, and not met in these runs."""

Call = tuple[str, str, str]
"""Who made it, which IAM action it is, on which resource."""


class Recorder:
    """Listens to every call to AWS that this process makes while the tests' runs go on."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self.calls: set[Call] = set()

    def hear(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        function = self.pipeline and self.pipeline.app.stack.functions.calling()
        if function is None and threading.current_thread().name.startswith("ThreadPoolExecutor"):
            function = "PlanFunction"  # the only one that reads side by side
        if function:
            role = function.removesuffix("Function") + "Role"
            self.calls.update((role, *wanted) for wanted in _wanted(service, operation, parameters))


def _wanted(service: str, operation: str, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    if service == "s3":
        action = S3_ACTIONS.get(operation, operation)
        if action == "GetObject" and parameters.get("VersionId"):
            action = "GetObjectVersion"
        key = "" if action == "ListBucket" else "/" + parameters["Key"]
        return [(f"s3:{action}", f"arn:aws:s3:::{parameters['Bucket']}{key}")]
    if operation == "TransactWriteItems":
        # IAM knows no transactions, only what is in them.
        return sorted(
            {
                (f"dynamodb:{act}Item", f"table/{a['TableName']}")
                for w in parameters["TransactItems"]
                for act, a in w.items()
            }
        )
    if service == "dynamodb":
        tables = parameters.get("RequestItems") or {parameters["TableName"]: None}
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        return [(f"dynamodb:{operation}", f"table/{table}{index}") for table in tables]
    if service == "stepfunctions":
        return [(f"states:{operation}", "stateMachine:tryon")]
    return [(f"{service}:{operation}", str(parameters.get("SecretId", "")))]


def _allowed(pipeline: Pipeline) -> dict[str, list[tuple[str, str]]]:
    """Each function's role's actions, with a pattern of what they are allowed on."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, resource in expand(ROOT / "template.yaml")["Resources"].items():
        if resource["Type"] != "AWS::IAM::Role" or name == "WorkflowRole" or name.startswith("StateMachine"):
            continue
        for policy in resource["Properties"]["Policies"]:
            for statement in policy.get("PolicyDocument", {"Statement": []})["Statement"]:
                for action in _each(statement["Action"]):
                    for allowed in _each(statement["Resource"]):
                        # The secret of a service that is switched off, as all but the first are here.
                        if "Fn::If" not in allowed:
                            found.setdefault(name, []).append((action, _pattern(allowed, pipeline)))
    return found


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pattern(resource: Any, pipeline: Pipeline) -> str:
    """A resource as IAM would see it, `*` standing for anything."""
    physical = pipeline.app.stack.resources

    def named(logical_id: str) -> str:
        name = physical[logical_id]
        return f"arn:aws:s3:::{name}" if logical_id == "Bucket" else f"table/{name}"

    if isinstance(resource, str):
        text = resource
    elif "Ref" in resource:
        text = physical[resource["Ref"]]
    elif "Fn::GetAtt" in resource:
        logical_id = resource["Fn::GetAtt"][0]
        text = named(logical_id) if logical_id in ("Bucket", "LedgerTable", "GateTable") else logical_id
    else:
        text = resource["Fn::Sub"].replace("${Bucket.Arn}", named("Bucket"))
        text = text.replace("${LedgerTable.Arn}", named("LedgerTable"))
        if ":stateMachine:" in text:
            text = "stateMachine:" + text.rpartition(":stateMachine:")[2].replace("${AWS::StackName}", "tryon")
    return re.escape(text).replace(r"\*", ".*")


def refused(calls: set[Call], allowed: Mapping[str, list[tuple[str, str]]]) -> set[Call]:
    """The calls that no statement of their role allows."""
    return {
        (role, action, resource)
        for role, action, resource in calls
        if not any(action == a and re.fullmatch(pattern, resource) for a, pattern in allowed[role])
    }


def test_roles_allow_what_their_functions_do_and_little_else(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    original = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def record(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        recorder.hear(self.meta.service_model.service_name, operation, parameters)
        return original(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", record)
    faults = [
        Fault("submit", Answer(50430), nth=(2,)),
        Fault("task", Fails(50500), task=3),
    ]
    with drawn_in_parts(), running(slots=2, faults=faults) as pipeline:
        recorder.pipeline = pipeline
        pipeline.put_pictures(2, 2)
        first = pipeline.run(manifest(2, 2))
        assert first.status == "PARTIAL"
        again = json.loads(pipeline.app.get(f"runs/{first.run_id}/retry-manifest.json"))
        assert pipeline.run(again).status == "SUCCEEDED"
        allowed = _allowed(pipeline)

    assert {role for role, _, _ in recorder.calls} == set(allowed)
    assert refused(recorder.calls, allowed) == set()
    made = {(role, action) for role, action, _ in recorder.calls}
    offered = {(role, a) for role, found in allowed.items() for a, _ in found if not a.startswith(("logs:", "xray:"))}
    assert offered - made - NOT_SEEN == set()
    # The check sees what it should: without one statement the same calls are refused.
    less = {**allowed, "PollRole": [(a, p) for a, p in allowed["PollRole"] if a != "dynamodb:UpdateItem"]}
    assert {(role, action) for role, action, _ in refused(recorder.calls, less)} == {
        ("PollRole", "dynamodb:UpdateItem")
    }
