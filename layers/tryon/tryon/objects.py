"""Objects in S3, read at the version that was checked and written as text."""

from typing import TYPE_CHECKING

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
