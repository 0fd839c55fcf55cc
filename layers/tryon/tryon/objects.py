"""Objects in S3, read at the version that was checked and written as text."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any, TextIO

from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from tryon.keys import Picture


class PictureChangedError(Exception):
    """A picture that was checked cannot be read any more as it was then: it was replaced or deleted since."""


class StorageUnavailableError(Exception):
    """S3 would not give or take a picture just now: later it may."""


_PASSING = frozenset(
    {
        "SlowDown",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "OperationAborted",
        "InternalError",
        "ServiceUnavailable",
        "TemporaryRedirect",
        # The function's own credentials, of which a new environment has new ones.
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
    }
)
"""What S3 answers with a status below 500 and would not answer for ever: codes of its table of errors."""


def code_of(error: ClientError) -> str:
    """S3's own name for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Whether S3 said that nothing is there; who may not list the bucket is told something else."""
    return code_of(error) in ("NoSuchKey", "404")


def may_pass(error: ClientError) -> bool:
    """Whether the same question may have another answer soon: then it is no fault of the picture."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = code_of(error)
    # Where an answer has no body, botocore takes the status for the code.
    status = int(code) if code.isdigit() else status
    return status >= 500 or status in (408, 429) or code in _PASSING or "throttl" in code.lower()


def get(s3: "S3Client", bucket: str, key: str, version: str | None = None) -> "GetObjectOutputTypeDef":
    """Open an object, the newest version unless one is named."""
    if version:
        return s3.get_object(Bucket=bucket, Key=key, VersionId=version)
    return s3.get_object(Bucket=bucket, Key=key)


def pin(answer: Mapping[str, Any]) -> dict[str, str]:
    """What pins the bytes that S3 just gave or took: their version, in a bucket without versions their ETag."""
    version = answer.get("VersionId")
    # A bucket whose versions were suspended calls each new object's version "null".
    if version and version != "null":
        return {"version": version}
    etag = answer.get("ETag")
    return {"etag": etag} if etag else {}


def get_pinned(s3: "S3Client", picture: "Picture") -> "GetObjectOutputTypeDef":
    """Open a picture as it was when it was checked.

    Raises `PictureChangedError` when that is not to be had any more, `StorageUnavailableError` when S3 is busy.
    """
    place = f"s3://{picture.bucket}/{picture.key}"
    try:
        if picture.version:
            return s3.get_object(Bucket=picture.bucket, Key=picture.key, VersionId=picture.version)
        if picture.etag:
            return s3.get_object(Bucket=picture.bucket, Key=picture.key, IfMatch=picture.etag)
        # A plan of a version of this stack that pinned only versions.
        return s3.get_object(Bucket=picture.bucket, Key=picture.key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("PreconditionFailed", "412"):
            raise PictureChangedError(f"{place} was replaced after it was checked") from None
        if code in ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "MethodNotAllowed", "405"):
            raise PictureChangedError(f"{place} is not there any more as it was when it was checked ({code})") from None
        if may_pass(error):
            raise StorageUnavailableError(f"{place} could not be read just now ({code})") from None
        raise
    except (EndpointConnectionError, HTTPClientError) as error:
        raise StorageUnavailableError(f"{place} could not be read just now ({type(error).__name__})") from None


def read_pinned(s3: "S3Client", picture: "Picture") -> bytes:
    """A picture's bytes as they were when they were checked; raises the errors of `get_pinned`."""
    body = get_pinned(s3, picture)["Body"]
    try:
        data: bytes = body.read()
    except (HTTPClientError, IncompleteReadError, ResponseStreamingError) as error:
        raise StorageUnavailableError(
            f"s3://{picture.bucket}/{picture.key} broke off ({type(error).__name__})"
        ) from None
    return data


def read(s3: "S3Client", bucket: str, key: str, version: str | None = None) -> bytes:
    """An object's bytes, of the newest version unless one is named."""
    data: bytes = get(s3, bucket, key, version)["Body"].read()
    return data


def put_text(s3: "S3Client", bucket: str, key: str, text: str, content_type: str) -> None:
    """Write text as UTF-8."""
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type)


def put_new_text(s3: "S3Client", bucket: str, key: str, text: str, content_type: str) -> bool:
    """Write text as UTF-8 where nothing is yet; False, and nothing is changed, where something is."""
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "412"):
            return False
        raise
    return True


SPOOL_BYTES = 4_000_000
"""What a file that grows line by line holds in memory; the rest is in /tmp, of which Lambda gives 512 MB."""


@contextmanager
def spool() -> Iterator[TextIO]:
    """A file for text that is written piece by piece and put as a whole."""
    with (
        tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as binary,
        TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True) as text,
    ):
        yield text


def put_spool(s3: "S3Client", bucket: str, key: str, text: TextIO, content_type: str) -> bool:
    """Put what was spooled; False, and nothing is put, when that is nothing."""
    text.flush()
    binary: IO[bytes] = text.buffer
    if binary.tell() == 0:
        return False
    binary.seek(0)
    s3.put_object(Bucket=bucket, Key=key, Body=binary, ContentType=content_type)
    return True
