"""S3's objects, read at once: no HTTP, no signature, and no checksum of bytes that never left this process.

The objects are moto's own and everything else sees them. Whatever is not plainly understood here, and every refusal,
is left to moto to answer; where both answer, a test holds them together.
"""

from collections.abc import Mapping
from datetime import UTC
from types import SimpleNamespace
from typing import Any

from botocore.response import StreamingBody
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import MockRawResponse
from moto.s3.models import FakeKey, s3_backends

OPERATIONS = ("GetObject",)

_KNOWN_PARAMETERS = frozenset({"Bucket", "Key", "VersionId", "IfMatch", "ChecksumMode"})

_KNOWN_HEADERS = {
    "etag": "ETag",
    "last-modified": "LastModified",
    "content-length": "ContentLength",
    "content-type": "ContentType",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-version-id": "VersionId",
    # Not in the parsed answer: moto repeats what came with the upload.
    "x-amz-sdk-checksum-algorithm": None,
    "x-amz-content-sha256": None,
}
"""Headers of an object's answer, and the names of those that botocore shows."""


def answer(context: Mapping[str, Any]) -> tuple[SimpleNamespace, dict[str, Any]] | None:
    """The answer to GetObject in the form that botocore passes on, or None when it is moto's to answer.

    `context` is botocore's own of the call. It keeps the call's parameters there for a bucket of another region.
    """
    parameters = context.get("s3_redirect", {}).get("params")
    if parameters is None or not _KNOWN_PARAMETERS.issuperset(parameters):
        return None
    key = _found(parameters)
    if key is None:
        return None
    headers = {name.lower(): str(value) for name, value in {**key.response_dict, **key.metadata}.items()}
    if not _KNOWN_HEADERS.keys() >= headers.keys():
        return None
    told = {shown: headers[name] for name, shown in _KNOWN_HEADERS.items() if shown and name in headers}
    data = key.value
    answered: dict[str, Any] = {
        **told,
        **_checksum(key, parameters),
        "AcceptRanges": "bytes",
        "LastModified": key.last_modified.replace(microsecond=0, tzinfo=UTC),
        "ContentLength": len(data),
        "Metadata": {},
        "Body": StreamingBody(MockRawResponse(data), len(data)),
        "ResponseMetadata": {
            "RequestId": "00000000000000000000000000000000000000000000000000",
            "HTTPStatusCode": 200,
            "HTTPHeaders": {**headers, "accept-ranges": "bytes"},
            "RetryAttempts": 0,
        },
    }
    return SimpleNamespace(status_code=200, headers={}), answered


def _found(parameters: Mapping[str, Any]) -> Any:
    """The object that is plainly meant, as moto keeps it; None where there is none or more is to be said."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(parameters["Bucket"])
    versions = [] if bucket is None else bucket.keys.getlist(parameters["Key"], [])
    wanted = parameters.get("VersionId")
    found = versions[-1:] if wanted is None else [one for one in versions if str(one.version_id) == wanted][:1]
    if not found or not isinstance(found[0], FakeKey) or found[0].multipart:
        return None
    if "IfMatch" in parameters and parameters["IfMatch"] not in (found[0].etag, found[0].etag.strip('"')):
        return None
    return found[0]


def _checksum(key: Any, parameters: Mapping[str, Any]) -> dict[str, str]:
    if parameters.get("ChecksumMode") != "ENABLED" or not key.checksum_algorithm:
        return {}
    told = {f"Checksum{key.checksum_algorithm.upper()}": key.checksum_value}
    return told | ({"ChecksumType": key.checksum_type} if key.checksum_type else {})
