"""Objects in S3, read at the version that was checked and written as text."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


def get(s3: "S3Client", bucket: str, key: str, version: str | None = None) -> "GetObjectOutputTypeDef":
    """Open an object, the newest version unless one is named."""
    if version:
        return s3.get_object(Bucket=bucket, Key=key, VersionId=version)
    return s3.get_object(Bucket=bucket, Key=key)


def read(s3: "S3Client", bucket: str, key: str, version: str | None = None) -> bytes:
    """An object's bytes, of the newest version unless one is named."""
    data: bytes = get(s3, bucket, key, version)["Body"].read()
    return data


def put_text(s3: "S3Client", bucket: str, key: str, text: str, content_type: str) -> None:
    """Write text as UTF-8."""
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type)


SPOOL_BYTES = 4_000_000
"""What a file that grows line by line holds in memory; the rest lies in /tmp, of which Lambda gives 512 MB."""


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
