"""S3's objects are put, read and listed at once, on the way or by moto: all must say the same."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tryon_local.aws.moto_adapter import at_once, objects
from tryon_local.aws.stack import LocalStack

BUCKET = "shelf"
NOISE = frozenset({"RequestId", "HTTPHeaders", "ChecksumAlgorithm"})
"""What no two answers have alike, or what only says that a checksum was looked at."""


@pytest.fixture
def shelf(stack: LocalStack) -> Iterator[Any]:
    """An S3 client, and a bucket with versions."""
    s3 = stack.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield s3
    for one in [
        *(listed := s3.list_object_versions(Bucket=BUCKET)).get("Versions", []),
        *listed.get("DeleteMarkers", []),
    ]:
        s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


def told(s3: Any, request: dict[str, Any], operation: str = "get_object") -> Any:
    try:
        answer = getattr(s3, operation)(Bucket=BUCKET, **request)
    except ClientError as error:
        answer = {**error.response, "Body": None}
    metadata = answer["ResponseMetadata"]
    answer["ResponseMetadata"] = {name: value for name, value in metadata.items() if name not in NOISE}
    body = answer.pop("Body", None)
    return answer, None if body is None else body.read()


def both(
    s3: Any, monkeypatch: pytest.MonkeyPatch, request: dict[str, Any], operation: str = "get_object"
) -> tuple[Any, Any, bool]:
    """What is said at once and what moto says to the same call, and whether the first was answered at once."""
    answered: list[Any] = []
    with monkeypatch.context() as patched:
        for name in ("read", "listed", "put"):
            original = getattr(objects, name)
            patched.setattr(objects, name, noting(original, answered))
        fast = told(s3, request, operation)
        if operation != "put_object":
            with at_once.watched():
                assert told(s3, request, operation) == fast
    with monkeypatch.context() as patched, at_once.watched():
        patched.setattr(objects, "answer", lambda *_: None)
        slow = told(s3, request, operation)
    return fast, slow, bool(answered) and all(isinstance(one, tuple) for one in answered)


def noting(original: Callable[..., Any], answers: list[Any]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        answers.append(original(*args, **kwargs))
        return answers[-1]

    return noted


def test_an_object_is_read_at_once_as_moto_reads_it(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shelf.put_object(Bucket=BUCKET, Key="a b/ü?.jpg", Body=b"first", ContentType="image/jpeg")
    second = shelf.put_object(Bucket=BUCKET, Key="a b/ü?.jpg", Body=b"second")
    for request in (
        {},
        {"VersionId": first["VersionId"]},
        {"VersionId": second["VersionId"]},
        {"IfMatch": second["ETag"]},
        {"IfMatch": first["ETag"], "VersionId": first["VersionId"]},
        {"ChecksumMode": "ENABLED"},
    ):
        fast, slow, at_once = both(shelf, monkeypatch, {"Key": "a b/ü?.jpg", **request})
        assert fast == slow
        assert at_once
    assert fast[1] == b"second"


def test_an_empty_object_and_one_without_a_checksum_are_read_alike(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    shelf.put_object(Bucket=BUCKET, Key="sha", Body=b"x" * 100_000, ChecksumAlgorithm="SHA256")
    for key in ("empty", "sha"):
        fast, slow, at_once = both(shelf, monkeypatch, {"Key": key})
        assert fast == slow
        assert at_once


@pytest.mark.parametrize(
    "request_",
    [
        {"Key": "none"},
        {"Key": "gone"},
        {"Key": "here", "VersionId": "11111111-1111-4111-8111-111111111111"},
        {"Key": "here", "IfMatch": '"other"'},
        {"Key": "here", "IfNoneMatch": '"other"'},
        {"Key": "here", "Range": "bytes=1-2"},
        {"Key": "noted"},
        {"Key": "cold"},
        {"Key": "parts"},
    ],
)
def test_what_is_not_plain_is_motos_to_answer(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
) -> None:
    shelf.put_object(Bucket=BUCKET, Key="here", Body=b"here")
    shelf.put_object(Bucket=BUCKET, Key="gone", Body=b"gone")
    shelf.delete_object(Bucket=BUCKET, Key="gone")
    shelf.put_object(Bucket=BUCKET, Key="noted", Body=b"noted", Metadata={"note": "x"}, CacheControl="no-store")
    shelf.put_object(Bucket=BUCKET, Key="cold", Body=b"cold", StorageClass="GLACIER")
    upload = shelf.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = shelf.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    shelf.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload=parts)
    answered: list[Any] = []
    for name in ("read", "answer"):
        monkeypatch.setattr(objects, name, noting(getattr(objects, name), answered))
    told(shelf, request_)
    assert set(answered) == {None}


def test_a_bucket_that_is_not_there_is_motos_to_miss(stack: LocalStack) -> None:
    client = stack.client("s3")
    with pytest.raises(client.exceptions.NoSuchBucket):
        client.get_object(Bucket="nowhere", Key="x")


@pytest.mark.parametrize(
    ("request_", "at_once"),
    [
        ({"Prefix": "a/"}, True),
        ({"Prefix": "a/ü ?"}, True),
        ({"Prefix": "none/"}, True),
        ({"Prefix": "many/"}, True),
        ({"Prefix": "a/", "MaxKeys": 1}, False),
        ({"Prefix": "a/", "Delimiter": "/"}, False),
        ({"Prefix": "a/", "StartAfter": "a/b"}, False),
        ({"Prefix": "a/", "EncodingType": "url"}, False),
        ({"Prefix": ""}, False),
        ({}, False),
    ],
)
def test_keys_are_listed_alike(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], at_once: bool
) -> None:
    for key in ("a/ü ?.jpg", "a/b", "a/c/d", "ab", *(f"many/{number}" for number in range(12))):
        shelf.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    shelf.put_object(Bucket=BUCKET, Key="a/b", Body=b"again")
    shelf.put_object(Bucket=BUCKET, Key="a/gone", Body=b"gone")
    shelf.delete_object(Bucket=BUCKET, Key="a/gone")
    fast, slow, was_at_once = both(shelf, monkeypatch, request_, "list_objects_v2")
    assert fast == slow
    assert was_at_once is at_once


def test_a_list_longer_than_a_page_is_motos_to_cut(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        shelf.put_object(Bucket=BUCKET, Key=f"many/{number}", Body=b"")
    monkeypatch.setattr(objects, "_PAGE", 3)
    fast, slow, at_once = both(shelf, monkeypatch, {"Prefix": "many/"}, "list_objects_v2")
    assert fast == slow
    assert not at_once


PUTS: list[dict[str, Any]] = [
    {},
    {"Body": b"some", "ContentType": "image/jpeg"},
    {"Body": b"", "IfNoneMatch": "*"},
    {"Body": b"some", "ChecksumAlgorithm": "SHA256", "ContentLength": 4},
    {"Body": b"some", "ChecksumAlgorithm": "CRC32", "ContentType": "text/html; charset=utf-8"},
]


@pytest.mark.parametrize("more", PUTS, ids=range(len(PUTS)))
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("key", ["plain.jpg", "a b/ü?+%20&#~.jpg", "deep//er/./x"])
def test_an_object_is_put_at_once_as_moto_puts_it(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, key: str, streamed: bool, more: dict[str, Any]
) -> None:
    seen = []
    for way in ("fast", "slow"):
        request = {**more, "Key": f"{way}/{key}"}
        if streamed and "Body" in request:
            request["Body"] = io.BytesIO(request["Body"])
        answers: list[Any] = []
        with monkeypatch.context() as patched, at_once.watched() if way == "slow" else nullcontext():
            patched.setattr(objects, "put", noting(objects.put, answers))
            answer, _ = told(shelf, request, "put_object")
        assert [isinstance(one, tuple) for one in answers] == ([True] if way == "fast" else [])
        version = answer.pop("VersionId")
        with at_once.watched():
            # By moto: it shows headers that no answer given at once would.
            head = shelf.head_object(Bucket=BUCKET, Key=request["Key"], ChecksumMode="ENABLED")
            (listed,) = shelf.list_objects_v2(Bucket=BUCKET, Prefix=request["Key"])["Contents"]
        assert head.pop("VersionId") == version
        assert listed.pop("Key") == request["Key"]
        for one in (head, listed):
            one.pop("LastModified")
        head.pop("ResponseMetadata")
        read = shelf.get_object(Bucket=BUCKET, Key=request["Key"])["Body"].read()
        seen.append((answer, head, listed, read))
    assert seen[0] == seen[1]
    assert seen[0][3] == more.get("Body", b"")


@pytest.mark.parametrize(
    "more",
    [
        {"Metadata": {"note": "x"}},
        {"CacheControl": "no-store"},
        {"StorageClass": "GLACIER"},
        {"IfNoneMatch": '"other"'},
        {"ChecksumAlgorithm": "SHA1"},
        {"ContentType": "image/jpeg\n"},
        {"Body": "text"},
        {"ContentLength": "four"},
        {"ContentLength": 3},
        {"Key": "/leading"},
        {"Key": "x" * 1025},
        {"Bucket": "nowhere"},
        {"Surprise": 1},
    ],
    ids=str,
)
def test_a_put_that_is_not_plain_is_botocores_and_motos(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    def outcome() -> Any:
        try:
            return shelf.put_object(**{"Bucket": BUCKET, "Key": "k", "Body": b"some", **more})["ETag"]
        except (BotoCoreError, ClientError, ValueError) as error:
            return str(error)

    answers: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(objects, "put", noting(objects.put, answers))
        fast = outcome()
    assert not any(isinstance(one, tuple) for one in answers)
    with at_once.watched():
        assert outcome() == fast


def test_a_put_onto_what_is_there_is_refused_with_its_body_read(shelf: Any) -> None:
    shelf.put_object(Bucket=BUCKET, Key="taken", Body=b"first")
    for body in (b"second", io.BytesIO(b"second")):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            shelf.put_object(Bucket=BUCKET, Key="taken", Body=body, IfNoneMatch="*")
    assert shelf.get_object(Bucket=BUCKET, Key="taken")["Body"].read() == b"first"


def test_a_bucket_whose_policy_forbids_it_takes_no_object(shelf: Any) -> None:
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/kept/*"}
    shelf.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    try:
        shelf.put_object(Bucket=BUCKET, Key="free", Body=b"")
        with pytest.raises(ClientError, match="403"):
            shelf.put_object(Bucket=BUCKET, Key="kept/x", Body=b"")
    finally:
        shelf.delete_bucket_policy(Bucket=BUCKET)


def test_a_body_that_breaks_leaves_nothing(shelf: Any) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise EOFError("cut")

    with pytest.raises(EOFError, match="cut"):
        shelf.put_object(Bucket=BUCKET, Key="broken", Body=Broken())
    assert "Contents" not in shelf.list_objects_v2(Bucket=BUCKET, Prefix="broken")
