"""What `sam local` answers, and what is made of it."""

import json
from pathlib import Path

import pytest

from sam.containers import judged, localized


@pytest.mark.parametrize("body", [b'{"state": "done"}', b"null", b'"text"', b"[1]"])
def test_an_answer_of_any_shape_is_a_success(body: bytes) -> None:
    answer = judged(body)
    assert (answer.payload, answer.failed) == (body, False)


def test_an_error_is_known_by_its_shape_alone() -> None:
    body = json.dumps({"errorType": "ServiceBusyError", "errorMessage": "busy"}).encode()
    assert judged(body).failed
    assert judged(body).payload == body


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"Function 'PollFunction' timed out after 110 seconds", "Sandbox.Timedout"), (b"", "Runtime.ExitError")],
)
def test_what_is_no_json_gets_the_name_that_lambda_gives_it(body: bytes, kind: str) -> None:
    answer = judged(body)
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == kind


def test_functions_get_the_stacks_own_environment_and_its_endpoint(tmp_path: Path) -> None:
    built = tmp_path / "template.yaml"
    built.write_text(
        "Globals: {Function: {Runtime: python3.13, Environment: {Variables: {SLOTS: !Ref Slots}}}}\n"
        "Resources:\n"
        "  PollFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: PollFunction, Role: !GetAtt R.Arn}}\n"
        "  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: Layer}}\n"
        "  Table: {Type: AWS::DynamoDB::Table}\n"
    )
    local = localized(built, {"PollFunction": {"SLOTS": "2"}}, "http://host.docker.internal:5000")
    template = json.loads(local.read_text())
    assert local.parent == built.parent
    assert set(template["Resources"]) == {"PollFunction", "Layer"}
    assert template["Resources"]["PollFunction"]["Properties"] == {
        "CodeUri": "PollFunction",
        "Environment": {"Variables": {"SLOTS": "2", "AWS_ENDPOINT_URL": "http://host.docker.internal:5000"}},
    }
    assert template["Globals"]["Function"] == {"Runtime": "python3.13"}
