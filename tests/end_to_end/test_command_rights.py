"""docs/policies: each allows the calls that its commands really make, and little else.

The local stack asks nobody for rights. Every call of the command to it is recorded here and held against the statements
of a policy, the way that IAM reads them; a link that is signed counts as the call that it allows.
"""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.client
import botocore.signers
import pytest

from tests.end_to_end.local_stack import local_up
from tests.workflow.pipeline import picture
from tests.workflow.test_permissions import S3_ACTIONS
from tryon.checks.limits import key as limits_key
from tryon.learning.learned import key as cadence_key
from tryon_cli.main import main
from tryon_cli.target import connect
from tryon_local.app import ROOT

POLICIES = ROOT / "docs" / "policies"

SPEED = 200

COMMANDS: Mapping[str, Sequence[str]] = {
    "drop-manifests.json": ("plan", "run", "watch", "list", "show", "retry", "open"),
    "read-results.json": ("list", "show", "open", "open --save", "pick"),
    "share-runs.json": ("share", "pick sent"),
    "use-command.json": (
        *("plan", "run", "watch", "list", "show", "retry", "open", "open --save", "pick", "share", "pick sent"),
        *("retry --review", "stop", "logs", "calibrate"),
    ),
}
"""What the pages say that each policy is for."""

NOT_SEEN = {
    ("drop-manifests.json", "s3:ListBucket"),  # asked of nothing: it turns S3's 403 for a missing key into a 404
    ("drop-manifests.json", "s3:ListBucketVersions"),  # the same for a version that is gone
}
"""Allowed, and called by nobody."""


@dataclass(frozen=True)
class Call:
    """An IAM action on a resource; `prefix` is what a list was asked for."""

    action: str
    resource: str
    prefix: str = ""


def wanted(service: str, operation: str, given: Mapping[str, Any]) -> Iterator[Call]:
    """What IAM is asked for a call of the SDK."""
    if service == "s3":
        action = S3_ACTIONS.get(operation, operation)
        action += "Version" if action == "GetObject" and given.get("VersionId") else ""
        key = "" if action == "ListBucket" else f"/{given['Key']}"
        yield Call(f"s3:{action}", f"arn:aws:s3:::{given['Bucket']}{key}", given.get("Prefix", ""))
    elif service == "dynamodb":
        index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
        place = f"arn:aws:dynamodb:us-east-1:123456789012:table/{given['TableName']}{index}"
        yield Call(f"dynamodb:{operation}", place)
    elif service == "cloudformation":
        place = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{given['StackName']}/id"
        yield Call(f"cloudformation:{operation}", place)
    elif service == "stepfunctions":
        yield Call(f"states:{operation}", given["executionArn"])
    elif service == "logs":
        place = f"arn:aws:logs:us-east-1:123456789012:log-group:{given['logGroupName']}"
        yield Call(f"logs:{operation}", place)
    else:
        yield Call(f"{service}:{operation}", "*")


@dataclass
class Stack:
    """A local stack and the calls that were made by each command."""

    port: int
    calls: dict[str, set[Call]]
    ledger: str = ""
    now: set[Call] = field(default_factory=set)

    def do(self, command: str, *words: str, code: int = 0) -> None:
        """Run a command of this name with these words and keep what it called."""
        self.now = self.calls[command] = set()
        assert main([*words, "--port", str(self.port)]) == code, command


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every command, once, against one stack."""
    patch = pytest.MonkeyPatch()
    found = Stack(0, {})
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    link, form = botocore.signers.generate_presigned_url, botocore.signers.generate_presigned_post

    def called(self: Any, operation: str, given: dict[str, Any]) -> Any:
        found.now.update(wanted(self.meta.service_model.service_name, operation, given))
        return call(self, operation, given)

    def linked(self: Any, method: str, Params: Any = None, **more: Any) -> Any:  # noqa: N803 botocore's
        found.now.update(wanted("s3", {"get_object": "GetObject"}[method], Params))
        return link(self, method, Params=Params, **more)

    def formed(self: Any, bucket: str, key: str, **more: Any) -> Any:
        found.now.update(wanted("s3", "PutObject", {"Bucket": bucket, "Key": key}))
        return form(self, bucket, key, **more)

    patch.setattr(botocore.client.BaseClient, "_make_api_call", called)
    patch.setattr(botocore.signers, "generate_presigned_url", linked)
    patch.setattr(botocore.signers, "generate_presigned_post", formed)
    try:
        with local_up(SPEED) as (found.port, _):
            use(found, tmp_path_factory.mktemp("use"))
        yield found
    finally:
        patch.undo()


def use(stack: Stack, folder: Path) -> None:
    """Each command in a way that makes all of its calls."""
    for name, number in (("models/anna", 1), ("garments/upper/shirt", 101), ("garments/lower/jeans", 102)):
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    assert main(["new", str(folder)]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    found = connect("local", port=stack.port)
    stack.ledger = found.outputs["LedgerTableName"]
    found.s3.put_object(Bucket=found.bucket, Key="inputs/coat.jpg", Body=picture(103))
    manifest["garments"].append({"id": "coat", "image": "inputs/coat.jpg", "type": "full"})
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    stack.do("plan", "plan", str(path))
    stack.do("run", "run", str(path))
    path.write_text(json.dumps({**manifest, "name": "again"}))
    stack.do("watch", "watch")
    stack.do("list", "list", "--name", "x")
    stack.do("show", "show")
    stack.do("logs", "logs")
    stack.do("open", "open", "--print")
    stack.do("open --save", "open", "--save", str(folder / "out"))
    stack.do("retry", "retry")
    stack.do("calibrate", "calibrate", code=1)  # of too few tasks
    run = found.ledger.runs(1)[0]
    stack.do("share", "share", "--print")
    review = folder / "review.json"
    review.write_text(json.dumps(a_review(run.run_id)))
    key = f"reviews/{run.run_id}/review.json"
    found.s3.put_object(Bucket=found.bucket, Key=key, Body=review.read_bytes())
    stack.do("pick", "pick", str(review), "--save", str(folder / "picked"))
    stack.do("pick sent", "pick", "sent", "--run", run.run_id, "--save", str(folder / "sent"))
    stack.do("retry --review", "retry", "--review", str(review), "--yes", "--detach")
    stack.do("stop", "stop", "--yes")


def a_review(run_id: str) -> dict[str, Any]:
    """One combination picked, another rejected."""
    mark = {"model": "anna", "type": "upper", "variant": "default", "at": "2026-11-27T10:00:00.000Z", "candidate": 1}
    marks = [
        {**mark, "worn": "01-shirt", "take": 1, "mark": "pick"},
        {**mark, "worn": "02-jeans", "take": 1, "mark": "reject", "reason": "garment"},
    ]
    return {
        "format": "tryon-review", "version": 2, "run_id": run_id, "review": "r1", "reviewer": "Max",
        "preferences": [], "ratings": [], "marks": marks,
    }  # fmt: skip


def statements(name: str, stack: Stack) -> list[dict[str, Any]]:
    """A policy's statements with the local stack's names in them."""
    names = {
        "PARTITION": "aws", "REGION": "us-east-1", "ACCOUNT": "123456789012", "STACK": "tryon",
        "BUCKET": "tryon-123456789012-us-east-1", "LEDGER": stack.ledger,
    }  # fmt: skip
    text = (POLICIES / name).read_text(encoding="utf-8")
    return list(json.loads(re.sub("|".join(names), lambda word: names[word[0]], text))["Statement"])


def each(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def is_allowed(call: Call, statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows a call, as IAM reads wildcards."""
    prefixes = each(statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*"))
    return (
        call.action in each(statement["Action"])
        and any(fnmatch.fnmatchcase(call.resource, place) for place in each(statement["Resource"]))
        and any(fnmatch.fnmatchcase(call.prefix, prefix) for prefix in prefixes)
    )


def refused(calls: set[Call], found: Sequence[Mapping[str, Any]]) -> set[Call]:
    return {call for call in calls if not any(is_allowed(call, statement) for statement in found)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_policy_allows_what_its_commands_call(name: str, stack: Stack) -> None:
    found = statements(name, stack)
    wrong = {command: refused(stack.calls[command], found) for command in COMMANDS[name]}
    assert {command: calls for command, calls in wrong.items() if calls} == {}


@pytest.mark.parametrize("key", [limits_key("default"), cadence_key("spring")])
def test_what_was_learned_may_be_stored(key: str, stack: Stack) -> None:
    """`tryon calibrate --store` and `checks calibrate --store` need more tasks and reviews than a test has."""
    put = Call("s3:PutObject", f"arn:aws:s3:::tryon-123456789012-us-east-1/{key}")
    found = statements("use-command.json", stack)
    assert refused({put}, found) == set()
    assert refused({put}, [one for one in found if one["Sid"] != "LearnCadencesAndLimits"]) == {put}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_policy_allows_nothing_that_no_command_calls(name: str, stack: Stack) -> None:
    made = {call.action for command in COMMANDS[name] for call in stack.calls[command]}
    offered = {action for statement in statements(name, stack) for action in each(statement["Action"])}
    assert {(name, action) for action in offered - made} - NOT_SEEN == set()


@pytest.mark.parametrize(("sid", "command"), [("StopRuns", "stop"), ("ReadLogs", "logs"), ("ShareRuns", "share")])
def test_without_its_statement_a_command_is_refused(sid: str, command: str, stack: Stack) -> None:
    less = [statement for statement in statements("use-command.json", stack) if statement["Sid"] != sid]
    assert refused(stack.calls[command], less)


def test_the_page_names_every_policy() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8") + (ROOT / "docs" / "reviewing.md").read_text(
        encoding="utf-8"
    )
    assert [path.name for path in POLICIES.iterdir() if f"policies/{path.name}" not in page] == []
    assert set(COMMANDS) | {"deploy.json"} == {path.name for path in POLICIES.iterdir()}
