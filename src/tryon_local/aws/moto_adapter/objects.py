"""S3's objects, read and listed at once: no HTTP, no signature, and no checksum of bytes that never left this process.

The objects are moto's own and everything else sees them. Whatever is not plainly understood here, and every refusal,
is left to moto to answer; where both answer, a test holds them together.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from botocore.response import StreamingBody
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import MockRawResponse
from moto.s3.models import FakeKey, s3_backends

OPERATIONS = ("GetObject", "ListObjectsV2")

_PAGE = 1_000
"""Keys in one answer of S3; where more are to be listed, moto cuts."""

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


Answer = tuple[SimpleNamespace, dict[str, Any]]


def answer(operation: str, context: Mapping[str, Any]) -> Answer | None:
    """The answer to a call in the form that botocore passes on, or None when it is moto's to answer.

    `context` is botocore's own of the call. It keeps the call's parameters there for a bucket of another region.
    """
    parameters = context.get("s3_redirect", {}).get("params")
    if parameters is None:
        return None
    if operation == "GetObject":
        return _get(parameters)
    # botocore asks for encoded keys by itself, and then takes the encoding away again.
    return _list(parameters) if context.get("encoding_type_auto_set") else None


def _get(parameters: Mapping[str, Any]) -> Answer | None:
    if not _KNOWN_PARAMETERS.issuperset(parameters):
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
        "LastModified": _moment(key),
        "ContentLength": len(data),
        "Metadata": {},
        "Body": StreamingBody(MockRawResponse(data), len(data)),
    }
    return _respond(answered, {**headers, "accept-ranges": "bytes"})


def _list(parameters: Mapping[str, Any]) -> Answer | None:
    if parameters.keys() != {"Bucket", "Prefix", "EncodingType"}:
        return None
    prefix = parameters["Prefix"]
    bucket = _bucket(parameters)
    if bucket is None or not prefix:
        return None
    # `list` is one step of the interpreter, so that no other thread changes the keys meanwhile.
    newest = [bucket.keys.get(name) for name in sorted(name for name in list(bucket.keys) if name.startswith(prefix))]
    found = [_shown(key) for key in newest if isinstance(key, FakeKey)]
    if len(found) > _PAGE:
        return None
    told = {"IsTruncated": False, "Name": bucket.name, "Prefix": quote(prefix), "MaxKeys": _PAGE}
    told |= {"EncodingType": "url", "KeyCount": len(found)} | ({"Contents": found} if found else {})
    return _respond(told, {"content-type": "application/xml"})


def _shown(key: Any) -> dict[str, Any]:
    shown = {"Key": quote(key.name), "LastModified": _moment(key), "ETag": key.etag, "Size": key.size}
    shown["StorageClass"] = key.storage_class
    return shown | ({"ChecksumAlgorithm": [key.checksum_algorithm]} if key.checksum_algorithm else {})


def _respond(told: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    told["ResponseMetadata"] = {
        "RequestId": "00000000000000000000000000000000000000000000000000",
        "HTTPStatusCode": 200,
        "HTTPHeaders": dict(headers),
        "RetryAttempts": 0,
    }
    return SimpleNamespace(status_code=200, headers={}), told


def _moment(key: Any) -> datetime:
    moment: datetime = key.last_modified.replace(microsecond=0, tzinfo=UTC)
    return moment


def _bucket(parameters: Mapping[str, Any]) -> Any:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(parameters["Bucket"])


def _found(parameters: Mapping[str, Any]) -> Any:
    """The object that is plainly meant, as moto keeps it; None where there is none or more is to be said."""
    bucket = _bucket(parameters)
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
