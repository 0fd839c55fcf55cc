"""S3's objects, put, read and listed at once: no HTTP, no signature, no checksum that only a wire would need.

The objects are moto's own and everything else sees them. Whatever is not plainly understood here, and every refusal,
is left to moto to answer; where both answer, a test holds them together.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from botocore.response import StreamingBody
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import MockRawResponse
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeKey, s3_backends

OPERATIONS = ("GetObject", "ListObjectsV2")

_PAGE = 1_000
"""Keys in one answer of S3; where more are to be listed, moto cuts."""

_KNOWN_PARAMETERS = frozenset({"Bucket", "Key", "VersionId", "IfMatch", "ChecksumMode"})

_KNOWN_OF_A_PUT = frozenset(
    {"Bucket", "Key", "Body", "ContentType", "ContentLength", "IfNoneMatch", "ChecksumAlgorithm"}
)
_PLAIN_TYPE = re.compile(r"[a-z0-9.+/; =-]+", re.IGNORECASE | re.ASCII)
_PLAIN_KEY = re.compile(r"(?!/)[^\x00-\x1f\\]+")
_LONGEST_KEY = 1024

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


@dataclass(frozen=True)
class Consumed:
    """A call that is moto's to answer, its body read already: the parameters to call it with."""

    parameters: Mapping[str, Any]


def answer(operation: str, context: Mapping[str, Any]) -> Answer | None:
    """The answer to a call in the form that botocore passes on, or None when it is moto's to answer.

    `context` is botocore's own of the call. It keeps the call's parameters there for a bucket of another region.
    """
    parameters = context.get("s3_redirect", {}).get("params")
    if parameters is None:
        return None
    if operation == "GetObject":
        return read(parameters)
    # botocore asks for encoded keys by itself, and then takes the encoding away again.
    if not context.get("encoding_type_auto_set"):
        return None
    return listed({name: value for name, value in parameters.items() if name != "EncodingType"}, encoded=True)


def read(parameters: Mapping[str, Any]) -> Answer | None:
    """The answer to `GetObject`."""
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


def listed(parameters: Mapping[str, Any], *, encoded: bool) -> Answer | None:
    """The answer to `ListObjectsV2`, its keys encoded as in a URL or not."""
    if parameters.keys() != {"Bucket", "Prefix"}:
        return None
    prefix = parameters["Prefix"]
    bucket = _bucket(parameters)
    if bucket is None or not prefix:
        return None
    # `list` is one step of the interpreter, so that no other thread changes the keys meanwhile.
    newest = [bucket.keys.get(name) for name in sorted(name for name in list(bucket.keys) if name.startswith(prefix))]
    spell = quote if encoded else str
    found = [_shown(key, spell) for key in newest if isinstance(key, FakeKey)]
    if len(found) > _PAGE:
        return None
    told = {"IsTruncated": False, "Name": bucket.name, "Prefix": spell(prefix), "MaxKeys": _PAGE}
    told |= {"EncodingType": "url", "KeyCount": len(found)} | ({"Contents": found} if found else {})
    return _respond(told, {"content-type": "application/xml"})


def put(parameters: Mapping[str, Any], *, checksum_by_itself: bool) -> Answer | Consumed | None:
    """The answer to `PutObject`; `checksum_by_itself` where botocore adds one that was not asked for."""
    bucket = _bucket_to_put_into(parameters)
    algorithm = parameters.get("ChecksumAlgorithm", "CRC32" if checksum_by_itself else "")
    body = parameters.get("Body", b"")
    if bucket is None or algorithm not in _CHECKSUMS or not (isinstance(body, bytes) or hasattr(body, "read")):
        return None
    if not isinstance(body, bytes):
        body = body.read()
    # Only now: while a body comes piece by piece, another may have come.
    taken = "IfNoneMatch" in parameters and _found(parameters) is not None
    if taken or not isinstance(body, bytes) or parameters.get("ContentLength", len(body)) != len(body):
        return Consumed({**parameters, "Body": body})
    checksum = base64.b64encode(_CHECKSUMS[algorithm](body)).decode()
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    new = backend.put_object(bucket.name, parameters["Key"], body, storage="STANDARD", checksum_value=checksum or None)
    new.set_acl(bucket.acl)
    new.checksum_algorithm = algorithm or None
    if "ContentType" in parameters:
        new.set_metadata({"Content-Type": parameters["ContentType"]})
    headers = {name.lower(): value for name, value in new.response_dict.items() if name != "content-length"}
    told = {shown: headers[name] for name, shown in _KNOWN_HEADERS.items() if shown and name in headers}
    told.pop("LastModified", None)
    return _respond(told | ({f"Checksum{algorithm}": checksum} if algorithm else {}), headers)


def _bucket_to_put_into(parameters: Mapping[str, Any]) -> Any:
    """The bucket, if there is nothing about it or the object that botocore or moto would have to look at."""
    if not _KNOWN_OF_A_PUT.issuperset(parameters) or parameters.get("IfNoneMatch", "*") != "*":
        return None
    kind, key = parameters.get("ContentType", "-"), parameters.get("Key")
    if not isinstance(kind, str) or not _PLAIN_TYPE.fullmatch(kind):
        return None
    if not isinstance(key, str) or not _PLAIN_KEY.fullmatch(key) or len(key.encode()) > _LONGEST_KEY:
        return None
    bucket = _bucket(parameters)
    if bucket is None or bucket.logging or bucket.object_lock_enabled or not _may_put(bucket, key):
        return None
    return bucket


def _may_put(bucket: Any, key: str) -> bool:
    """Whether moto asks nothing of who puts it; a bucket's policy may."""
    permission = bucket.get_permission("s3:PutObject", f"arn:{bucket.partition}:s3:::{bucket.name}/{key}")
    return bool(permission != PermissionResult.DENIED)


def _crc32(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


_CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: b"",
    "CRC32": _crc32,
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def _shown(key: Any, spell: Callable[[str], str]) -> dict[str, Any]:
    shown = {"Key": spell(key.name), "LastModified": _moment(key), "ETag": key.etag, "Size": key.size}
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
