"""S3's objects are read and listed twice over, at once and by moto: both must say the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tryon_local.aws.moto_adapter import objects
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
    """What both ways say to the same call, and whether the first was answered at once."""
    answered = []
    original = objects.answer
    with monkeypatch.context() as patched:
        patched.setattr(objects, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
        fast = told(s3, request, operation)
    with monkeypatch.context() as patched:
        patched.setattr(objects, "answer", lambda *_: None)
        slow = told(s3, request, operation)
    return fast, slow, answered[0] is not None


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
    answered = []
    original = objects.answer
    monkeypatch.setattr(objects, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
    told(shelf, request_)
    assert answered == [None]


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
