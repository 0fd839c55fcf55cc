"""The local S3 holds an upload by a form against its signed policy."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tryon_local.aws.moto_adapter.post_policy import PolicyError, check_form

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
POLICY = {
    "expiration": "2026-11-27T10:00:00Z",
    "conditions": [
        {"bucket": "b"},
        {"Content-Type": "application/json"},
        ["content-length-range", 2, 100],
        ["starts-with", "$key", "reviews/run/"],
        ["eq", "$x-amz-date", "20261127T080000Z"],
    ],
}
FORM = {
    "key": "reviews/run/r1.json",
    "Content-Type": "application/json",
    "x-amz-date": "20261127T080000Z",
    "X-Amz-Signature": "dummy",
}

IGNORED: Any = {"x-ignore-me": "x"}


def answer(size: int = 50, bucket: str = "b", policy: Any = POLICY, now: datetime = NOW, **form: str) -> str:
    fields = {**FORM, **form, "policy": base64.b64encode(json.dumps(policy).encode()).decode()}
    try:
        check_form(fields, size, bucket, now)
    except PolicyError as error:
        return f"{error.status} {error.code}: {error}"
    return "taken"


def test_a_form_within_its_policy_is_taken() -> None:
    assert answer() == answer(size=2) == answer(size=100) == answer(**IGNORED) == "taken"


@pytest.mark.parametrize(
    ("different", "said"),
    [
        (
            {"key": "manifests/a.json"},
            '403 AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts',
        ),
        ({"Content-Type": "text/html"}, "403 AccessDenied: Invalid according to Policy: Policy Condition failed"),
        ({"x-amz-date": ""}, "403 AccessDenied: Invalid according to Policy: Policy Condition failed"),
        ({"bucket": "another"}, "403 AccessDenied: Invalid according to Policy: Policy Condition failed"),
        ({"acl": "public-read"}, "403 AccessDenied: Invalid according to Policy: Extra input fields: acl"),
        ({"size": 101}, "400 EntityTooLarge: "),
        ({"size": 1}, "400 EntityTooSmall: "),
        (
            {"now": datetime(2026, 11, 27, 10, tzinfo=UTC)},
            "403 AccessDenied: Invalid according to Policy: Policy expired",
        ),
        ({"policy": {"conditions": []}}, "400 InvalidPolicyDocument: "),
        ({"policy": {**POLICY, "conditions": [["near", "$key", "reviews/run/"]]}}, "403 AccessDenied: "),
    ],
)
def test_a_form_beyond_its_policy_is_refused(different: Any, said: str) -> None:
    assert answer(**different).startswith(said)
