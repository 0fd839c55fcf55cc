"""S3's GetObject is answered twice over, at once and by moto: both must say the same."""

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


def told(s3: Any, request: dict[str, Any]) -> Any:
    try:
        answer = s3.get_object(Bucket=BUCKET, **request)
    except ClientError as error:
        answer = {**error.response, "Body": None}
    metadata = answer["ResponseMetadata"]
    answer["ResponseMetadata"] = {name: value for name, value in metadata.items() if name not in NOISE}
    body = answer.pop("Body")
    return answer, None if body is None else body.read()


def both(s3: Any, monkeypatch: pytest.MonkeyPatch, request: dict[str, Any]) -> tuple[Any, Any, bool]:
    """What both ways say to the same call, and whether the first was answered at once."""
    answered = []
    original = objects.answer
    with monkeypatch.context() as patched:
        patched.setattr(objects, "answer", lambda context: answered.append(original(context)) or answered[-1])
        fast = told(s3, request)
    with monkeypatch.context() as patched:
        patched.setattr(objects, "answer", lambda _: None)
        slow = told(s3, request)
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
    monkeypatch.setattr(objects, "answer", lambda context: answered.append(original(context)) or answered[-1])
    told(shelf, request_)
    assert answered == [None]


def test_a_bucket_that_is_not_there_is_motos_to_miss(stack: LocalStack) -> None:
    client = stack.client("s3")
    with pytest.raises(client.exceptions.NoSuchBucket):
        client.get_object(Bucket="nowhere", Key="x")
