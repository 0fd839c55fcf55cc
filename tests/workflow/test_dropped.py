"""Manifests and pictures as people drop them: any name, any order, any mistake; somebody is told, or a run starts."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.workflow.pipeline import Ended, Pipeline, manifest, picture, running
from tryon.planning.manifest import COMPLETE, MAX_TEXT, ManifestError, parse
from tryon_local.app import ROOT
from tryon_local.aws.faults import AwsFault, AwsFaults, Refused


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with running(parameters={"InputBuckets": "Old_Catalogue,plain"}) as found:
        found.put_pictures(1, 2)
        yield found


def put(pipeline: Pipeline, key: str, content: Any, metadata: Mapping[str, str] | None = None) -> list[str]:
    """Put an object as another program would; returns the executions that it starts."""
    before = set(pipeline.app.stack.executions())
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    pipeline.app.stack.client("s3").put_object(
        Bucket=pipeline.app.bucket, Key=key, Body=body, Metadata=dict(metadata or {})
    )
    return [*set(pipeline.app.stack.executions()) - before]


def run(pipeline: Pipeline, key: str, content: Any, metadata: Mapping[str, str] | None = None) -> Ended:
    (execution,) = put(pipeline, key, content, metadata)
    return pipeline.ended(execution)


def seconds(ended: Ended) -> float:
    """How long an execution took, in its own time."""
    return float((ended.execution["stopDate"] - ended.execution["startDate"]).total_seconds())


def calls(pipeline: Pipeline, ended: Ended) -> int:
    """How often the execution asked Plan."""
    history = pipeline.app.stack.client("stepfunctions").get_execution_history(
        executionArn=ended.execution["executionArn"], maxResults=1000
    )["events"]
    return sum(
        entered["stateEnteredEventDetails"]["name"] == "Plan"
        for entered in history
        if entered["type"] == "TaskStateEntered"
    )


def of_pictures(*names: str) -> dict[str, Any]:
    """A manifest of one garment and a model for each picture."""
    wanted = manifest(1, 1)
    wanted["models"] = [{"id": f"m{i}", "image": name} for i, name in enumerate(names)]
    return wanted


KEYS = (
    "inputs/Screenshot 2026-05-01 at 9.41.00\u202fAM.png",
    "inputs/\U0001f469\u200d\U0001f4bb.jpg",
    "inputs/non\u00a0breaking.jpg",
    "inputs/全角\u3000空白.jpg",
    "inputs/private \uf8ff use.jpg",
    "inputs/zero\u200bwidth and soft\u00adhyphen \ufeff.jpg",
    "inputs/नमस्\u200cते (1).jpg",
)


def test_keys_with_what_cameras_telephones_and_people_put_into_names_are_taken(pipeline: Pipeline) -> None:
    for key in KEYS:
        pipeline.app.put(key, picture(1))
    ended = run(pipeline, "manifests/keys.json", of_pictures(*KEYS))
    assert (ended.status, len(ended.results)) == ("SUCCEEDED", len(KEYS))


@pytest.mark.parametrize("char", ["\n", "\x07", "\u2028", "\u202e", "\u200f", "\x85"])
def test_a_key_that_misleads_is_refused_with_its_field_and_code_point(pipeline: Pipeline, char: str) -> None:
    ended = run(pipeline, "manifests/misleading.json", of_pictures(f"inputs/a{char}b.jpg"))
    assert (
        f"models[0].image: 'inputs/a\\u{ord(char):04x}b.jpg' must not hold the control character U+{ord(char):04X}"
        in str(ended.item["cause"])
    )


@pytest.mark.parametrize("lies", ["NFD", "NFC"])
def test_a_picture_is_found_under_its_key_in_another_normal_form(pipeline: Pipeline, lies: Any) -> None:
    named: Any = {"NFD": "NFC", "NFC": "NFD"}[lies]
    pipeline.app.put(unicodedata.normalize(lies, f"inputs/Noël-Å-{lies}.jpg"), picture(1))
    ended = run(
        pipeline, "manifests/forms.json", of_pictures(unicodedata.normalize(named, f"inputs/Noël-Å-{lies}.jpg"))
    )
    assert ended.status == "SUCCEEDED"


def test_a_picture_in_no_normal_form_is_missing_and_the_message_says_so(pipeline: Pipeline) -> None:
    ended = run(pipeline, "manifests/forms.json", of_pictures("inputs/Zoë.jpg"), COMPLETE)
    assert "models[0].image: 'inputs/Zoë.jpg' is not there, in no Unicode normal form" in ended.item["cause"]


def test_a_picture_in_a_bucket_with_an_old_name_is_taken(pipeline: Pipeline) -> None:
    s3 = pipeline.app.stack.client("s3")
    s3.create_bucket(Bucket="Old_Catalogue")
    s3.put_object(Bucket="Old_Catalogue", Key="Anna.jpg", Body=picture(3))
    assert run(pipeline, "manifests/old.json", of_pictures("s3://Old_Catalogue/Anna.jpg")).status == "SUCCEEDED"


def test_an_archived_picture_and_a_missing_one_are_named_at_once(pipeline: Pipeline) -> None:
    s3 = pipeline.app.stack.client("s3")
    for name, kept in (("ice", "GLACIER"), ("deep", "DEEP_ARCHIVE")):
        s3.put_object(Bucket=pipeline.app.bucket, Key=f"inputs/{name}.jpg", Body=picture(1), StorageClass=kept)
    ended = run(pipeline, "manifests/ice.json", of_pictures("inputs/ice.jpg", "inputs/gone.jpg", "inputs/deep.jpg"))
    cause = str(ended.item["cause"])
    assert (ended.status, seconds(ended) < 5) == ("REJECTED", True)
    assert "models[0].image: 'inputs/ice.jpg' is archived (in storage class GLACIER" in cause
    assert "models[1].image: 'inputs/gone.jpg' is not there" in cause
    assert "models[2].image: 'inputs/deep.jpg' is archived (in storage class DEEP_ARCHIVE" in cause


@pytest.mark.parametrize("code", ["KMS.DisabledException", "PermanentRedirect", "InvalidRequest", "SomethingNew"])
def test_whatever_s3_refuses_a_picture_for_is_the_pictures_problem(pipeline: Pipeline, code: str) -> None:
    # The first call reads the manifest, the second and third the model and the garment.
    with AwsFaults(AwsFault("s3.GetObject", Refused(code, 400), nth=(2,))).on(pipeline.app.stack):
        ended = run(pipeline, "manifests/refused.json", manifest(1, 1))
    assert (ended.status, ended.item["error"]) == ("REJECTED", "ManifestError")
    assert "].image: 'inputs/" in ended.item["cause"]
    assert code in ended.item["cause"]


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500), ("RequestTimeout", 400)])
def test_trouble_of_s3_is_worth_another_try(pipeline: Pipeline, code: str, status: int) -> None:
    with AwsFaults(AwsFault("s3.GetObject", Refused(code, status), nth=(2,))).on(pipeline.app.stack):
        ended = run(pipeline, "manifests/trouble.json", manifest(1, 1))
    assert ended.status == "SUCCEEDED"


@pytest.mark.parametrize("after", [4, 31, 57])
def test_pictures_that_land_after_their_manifest_are_waited_for(pipeline: Pipeline, after: float) -> None:
    late = f"inputs/late-{after}.jpg"
    with pipeline.clock.attached():
        (execution,) = put(pipeline, f"manifests/late-{after}.json", of_pictures("inputs/m0.jpg", late, f"{late}.png"))
        pipeline.clock.sleep(after)
        pipeline.app.put(late, picture(1))
        pipeline.app.put(f"{late}.png", picture(2))
    ended = pipeline.ended(execution)
    assert (ended.status, len(ended.results)) == ("SUCCEEDED", 3)
    assert calls(pipeline, ended) <= after / 5 + 2


def test_pictures_that_never_land_are_all_named_after_a_minute(pipeline: Pipeline) -> None:
    ended = run(pipeline, "manifests/never.json", of_pictures("inputs/m0.jpg", "inputs/never.jpg", "inputs/ever.jpg"))
    assert (ended.status, ended.item["error"]) == ("REJECTED", "ManifestError")
    assert 60 <= seconds(ended) < 90
    assert "models[1].image: 'inputs/never.jpg' is not there" in ended.item["cause"]
    assert "models[2].image: 'inputs/ever.jpg' is not there" in ended.item["cause"]
    assert len(ended.notifications) == 1


def test_a_key_that_s3_does_not_tell_is_waited_for_too(pipeline: Pipeline) -> None:
    # Whoever may not list a bucket is told 403 for a key that is not there.
    with AwsFaults(AwsFault("s3.GetObject", Refused("AccessDenied", 403), nth=(2, 3))).on(pipeline.app.stack):
        ended = run(pipeline, "manifests/forbidden.json", manifest(1, 1))
    assert (ended.status, calls(pipeline, ended)) == ("SUCCEEDED", 2)


def test_another_mistake_beside_a_missing_picture_is_told_at_once_with_it(pipeline: Pipeline) -> None:
    pipeline.app.put("inputs/notes.png", b"no picture")
    ended = run(pipeline, "manifests/both.json", of_pictures("inputs/nowhere.jpg", "inputs/notes.png"))
    assert (ended.status, seconds(ended) < 5) == ("REJECTED", True)
    assert "models[0].image: 'inputs/nowhere.jpg' is not there" in ended.item["cause"]
    assert "models[1].image: " in ended.item["cause"]


def test_a_late_picture_that_is_none_is_told_as_soon_as_it_is_there(pipeline: Pipeline) -> None:
    with pipeline.clock.attached():
        (execution,) = put(pipeline, "manifests/late.json", of_pictures("inputs/broken.jpg", "inputs/nowhere.jpg"))
        pipeline.clock.sleep(12)
        pipeline.app.put("inputs/broken.jpg", b"no picture")
    ended = pipeline.ended(execution)
    assert (ended.status, 12 <= seconds(ended) < 20) == ("REJECTED", True)
    assert "models[0].image: " in ended.item["cause"]
    assert "models[1].image: 'inputs/nowhere.jpg' is not there" in ended.item["cause"]


def test_nothing_is_waited_for_when_the_manifest_says_that_its_pictures_are_there(pipeline: Pipeline) -> None:
    ended = run(pipeline, "manifests/marked.json", of_pictures("inputs/nowhere.jpg"), COMPLETE)
    assert (ended.status, seconds(ended) < 5) == ("REJECTED", True)
    assert "models[0].image: 'inputs/nowhere.jpg' is not there" in ended.item["cause"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_nothing_is_waited_for_when_the_event_is_of_another_hour(pipeline: Pipeline, hours: int) -> None:
    key = f"old/{hours}.json"
    version = pipeline.app.put(key, json.dumps(of_pictures("inputs/nowhere.jpg")).encode())
    event = json.loads((ROOT / "events" / "s3-object-created.json").read_text())
    event["time"] = f"{datetime.fromtimestamp(pipeline.clock.now() + hours * 3600, UTC):%Y-%m-%dT%H:%M:%SZ}"
    event["detail"]["bucket"]["name"] = pipeline.app.bucket
    event["detail"]["object"] |= {"key": key, "version-id": version}
    started = pipeline.app.stack.client("stepfunctions").start_execution(
        stateMachineArn=pipeline.app.stack.outputs["StateMachineArn"], input=json.dumps(event)
    )
    ended = pipeline.ended(started["executionArn"])
    assert (ended.status, seconds(ended) < 5) == ("REJECTED", True)


@pytest.mark.parametrize(
    "name",
    ["spring.JSON", "spring.Json", "spring.json.txt", "Spring.JSON.TXT", "spring.txt", "spring.yaml", "spring.json5"],
)
def test_a_manifest_runs_however_its_name_ends_and_the_run_is_named_without_the_ending(
    pipeline: Pipeline, name: str
) -> None:
    ended = run(pipeline, f"manifests/{name}", manifest(1, 1))
    assert (ended.status, ended.item["name"].lower()) == ("SUCCEEDED", "spring")
    assert ended.run_id.split("-")[1:-1] == ["spring"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spring.yaml", b"models:\n  - id: anna\n"),
        ("spring.YML", b"models: []"),
        ("spring.txt", b"[]"),
        ("spring.csv", b"id,image\nanna,inputs/anna.jpg\n"),
        ("spring.xlsx", b"PK\x03\x04\xff\xfe"),
        ("spring.jsonl", b'{"models": []}\n{"models": []}\n'),
        ("spring.json5", b"{models: [], // all\n}"),
        ("spring.TXT", b"{" * 100_000),
        ("spring.CSV", b"," * 26_000_000),
        ("spr\ning \u202e.txt", b"hello"),
    ],
)
def test_what_is_no_json_is_rejected_in_one_line_that_says_what_is_wanted(
    pipeline: Pipeline, name: str, content: bytes
) -> None:
    ended = run(pipeline, f"manifests/{name}", content)
    cause = str(ended.item["cause"])
    shown = name.replace("\n", "\\u000a").replace("\u202e", "\\u202e")
    assert (ended.status, ended.item["error"], ended.execution["cause"]) == ("REJECTED", "ManifestError", cause)
    assert cause == (
        f"manifests/{shown} is no JSON file: a manifest is one JSON object, such as "
        '{"models": […], "garments": […]}, in a file whose name ends in .json'
    )
    (notification,) = ended.notifications
    assert json.loads(notification["Message"])["cause"] == cause


@pytest.mark.parametrize("key", ["manifests/._spring.json", "manifests/.json", "manifests/.git/config.json"])
def test_a_hidden_file_starts_no_run(pipeline: Pipeline, key: str) -> None:
    (execution,) = put(pipeline, key, manifest(1, 1))
    ended = pipeline.app.stack.wait(execution)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"status": "NOTHING_TO_START"})
    assert pipeline.run_of(execution) is None
    assert pipeline.notifications() == []


@pytest.mark.parametrize("key", ["manifests/2026/", "manifests/.DS_Store", "manifests/anna.jpg", "manifests/x.PNG"])
def test_folders_and_pictures_beside_manifests_start_nothing(pipeline: Pipeline, key: str) -> None:
    assert put(pipeline, key, picture(1)) == []


LONG = '\U0001f469\x07\\"' * 15

REFUSALS = {
    "one key 60,000 times": b'{"models": [], ' + b'"a":1,' * 60_000 + b'"a":1}',
    "one key 60,000 times, with long values": b'{"models": [], ' + b'"a":"%s",' % (b"x" * 90) * 60_000 + b'"a":1}',
    "100,000 entries without anything": b'{"models": [' + b"{}," * 99_999 + b"{}]}",
    "100,000 unknown fields": b"{" + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}",
    "unknown fields with long names": json.dumps({f"{i}{'ü' * 5_000}": 1 for i in range(30)}).encode(),
    "long keys of pictures": json.dumps(of_pictures(*(f"inputs/{i}{'ü' * 480}.jpg" for i in range(40)))).encode(),
    "characters that are escaped": json.dumps(of_pictures(*(f"inputs/{i}{LONG}.jpg" for i in range(40)))).encode(),
    "100,000 brackets": b'{"models": ' + b"[" * 100_000,
    "nested as deeply as Python reads": b'{"models": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a name of megabytes": json.dumps({**manifest(1, 1), "name": "x" * 5_000_000}).encode(),
    "an id of megabytes": json.dumps({**manifest(1, 1), "outfits": [{"id": "x" * 5_000_000}]}).encode(),
    "a schema of megabytes": json.dumps({**manifest(1, 1), "$schema": "x" * 5_000_000}).encode(),
    "millions of values": b'{"retry_of": "x", "models": [' + b"[]," * 5_000_000 + b"[]]}",
}  # fmt: skip


@pytest.mark.parametrize("content", REFUSALS.values(), ids=REFUSALS)
def test_however_much_is_wrong_the_refusal_is_short_recorded_and_told(pipeline: Pipeline, content: bytes) -> None:
    ended = run(pipeline, "manifests/wrong.json", content, COMPLETE)
    assert (ended.status, ended.item["error"], ended.execution["error"]) == (
        "REJECTED",
        "ManifestError",
        "ManifestError",
    )
    assert len(json.dumps(ended.item["cause"])) <= MAX_TEXT
    (notification,) = ended.notifications
    assert json.loads(notification["Message"])["cause"] == ended.item["cause"] == ended.execution["cause"]
    try:
        parse(content, bucket=pipeline.app.bucket)
    except ManifestError as error:
        assert ended.item["cause"] == str(error)


@pytest.mark.parametrize(
    ("text", "length"),
    [("E", 300_000), ('\\"}', 9_000), ("\x01\x02", 9_000), ("\u2028é\U0001f469", 9_000), ('", "errorType": "', 9_000)],
)
def test_an_error_of_plan_is_recorded_as_it_was_said_and_cut(pipeline: Pipeline, text: str, length: int) -> None:
    code = text * (length // len(text))
    fault = AwsFault("dynamodb.UpdateItem", Refused(code), nth=(), by="PlanFunction")
    with AwsFaults(fault).on(pipeline.app.stack):
        ended = run(pipeline, "manifests/failing.json", manifest(1, 1))
    assert (ended.status, ended.item["error"]) == ("FAILED", "ClientError")
    assert ended.item["cause"] == f"An error occurred ({code}"[:8_000]
    assert len(ended.notifications) == 1
