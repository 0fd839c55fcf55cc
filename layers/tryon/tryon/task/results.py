"""Results into S3: streamed, checked on the way, written once."""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, NoReturn, cast

import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock
from tryon.objects import StorageUnavailableError
from tryon.result_formats import EXTENSIONS, ResultFormat
from tryon.service import Candidate
from tryon.stored import Stored
from tryon.task.fetch.download import MAX_SECONDS, open_result
from tryon.task.fetch.errors import FetchError, ResultGoneError, WrongLengthError
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.stream import CHUNK_BYTES, MAX_BYTES, ResultStream, recognise, stream_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, PutObjectRequestTypeDef

# S3's smallest part; only a result of unannounced length is gathered this far.
PART_BYTES = 5 * 1024 * 1024
# S3 refuses chunks below 8 KB in a streamed upload, all but the last; network pieces come in any size.
_BLOCK_BYTES = 64 * 1024


def client_config() -> Config:
    """The settings under which an S3 client can send a stream that it cannot rewind.

    The payload's own signature needs the whole body before the first byte. Over https nothing is lost: TLS
    protects the body, and `store` asks S3 to check a SHA-256 that follows it.
    """
    return Config(s3={"payload_signing_enabled": False}, request_checksum_calculation="when_required")


def download(  # noqa: PLR0913 - its parts, by name
    session: requests.Session,
    s3: "S3Client",
    candidate: Candidate,
    *,
    policy: OriginPolicy,
    clock: Clock,
    bucket: str,
    key: Callable[[ResultFormat], str],
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> Stored:
    """Bring one candidate into S3, under the key that belongs to the format its bytes have.

    A host that announced a wrong length is asked a second time, and its picture stored without one. Raises the
    `FetchError` subclasses or `StorageUnavailableError`.
    """

    def bring(*, trust_length: bool) -> Stored:
        with _source(session, candidate, policy, clock, max_bytes, max_seconds) as stream:
            length = stream.content_length if trust_length else None
            return store(s3, replace(stream, content_length=length), bucket=bucket, key=key(stream.format))

    try:
        return bring(trust_length=True)
    except WrongLengthError:
        return bring(trust_length=False)


def _source(
    session: requests.Session,
    candidate: Candidate,
    policy: OriginPolicy,
    clock: Clock,
    max_bytes: int,
    max_seconds: float,
) -> AbstractContextManager[ResultStream]:
    if candidate.url is not None:
        return open_result(
            session, candidate.url, policy=policy, clock=clock, max_bytes=max_bytes, max_seconds=max_seconds
        )
    if candidate.data is not None:
        return nullcontext(stream_of(candidate.data, max_bytes=max_bytes))
    raise ResultGoneError("the service gave neither an address nor the bytes of this result")


def find(s3: "S3Client", bucket: str, prefix: str) -> dict[int, Stored]:
    """The results that lie under a combination's prefix already, by their candidates' numbers.

    An earlier call left them; whatever format each has, it is that candidate's result and is not fetched again.
    """
    try:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    except (ClientError, BotoCoreError) as error:
        _raise_named(error)
    found: dict[int, Stored] = {}
    for item in listed.get("Contents", []):
        number = _CANDIDATE.fullmatch(item["Key"].removeprefix(prefix))
        if number and int(number[1]) not in found:
            found[int(number[1])] = _already_stored(s3, bucket, item["Key"])
    return found


_CANDIDATE = re.compile(rf"([1-9][0-9]{{0,2}})\.(?:{'|'.join(EXTENSIONS.values())})")


def store(s3: "S3Client", stream: ResultStream, *, bucket: str, key: str) -> Stored:
    """Write a result under a key that nothing has yet, and say what is there.

    An object that is there already stays, unread as to whether it is the same: a key belongs to one candidate
    of one task, so the first complete write is the result, and a Download that runs again after a success
    costs neither a second version nor a changed picture. S3 shows a write whole or not at all. The client is
    made with `client_config()`. Raises `StorageUnavailableError`, and what reading the stream raises.
    """
    body = _Body(stream)
    content_type = f"image/{stream.format}"
    try:
        if stream.content_length is not None:
            _put(s3, body, stream.content_length, content_type, bucket=bucket, key=key)
        else:
            _put_in_parts(s3, body, content_type, bucket=bucket, key=key)
    except (ClientError, BotoCoreError, FetchError) as error:
        if body.failure is not None:
            # botocore wraps it as a transport error of its own.
            raise body.failure from None
        if _code(error) == "PreconditionFailed":
            return _already_stored(s3, bucket, key)
        _raise_named(error)
    return Stored(key, body.count, body.sha256.hexdigest(), stream.format, stream.width, stream.height)


class _Body:
    """A stream as botocore reads it, measured as it passes."""

    def __init__(self, stream: ResultStream) -> None:
        self._stream = stream
        self._held = bytearray()
        self.count = 0
        self.sha256 = hashlib.sha256()
        self.failure: FetchError | None = None

    def __len__(self) -> int:
        # botocore before 1.44 announces a streamed upload's size only when it can ask the body for it.
        return self._stream.content_length or 0

    def __bool__(self) -> bool:
        return True

    def read(self, amount: int | None = None) -> bytes:
        if amount is None or amount < 0:
            return b"".join(iter(lambda: self.take(_BLOCK_BYTES), b""))
        return self.take(min(amount, _BLOCK_BYTES))

    def take(self, amount: int) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        length = self._stream.content_length
        try:
            # The last announced byte is given away only when nothing follows it: S3 would take the picture then.
            while len(self._held) < amount or self.count == length:
                piece = next(self._stream.chunks, b"")
                if not piece:
                    break
                self.count += len(piece)
                self.sha256.update(piece)
                self._held += piece
            if length is not None and (self.count > length or (len(self._held) < amount and self.count < length)):
                raise WrongLengthError(f"{self.count} bytes came of a picture announced with {length}")
        except FetchError as error:
            self.failure = error
            raise
        block = bytes(self._held[:amount])
        del self._held[:amount]
        return block


def _put(s3: "S3Client", body: "_Body | bytes", length: int, content_type: str, *, bucket: str, key: str) -> None:
    request: PutObjectRequestTypeDef = {
        "Bucket": bucket,
        "Key": key,
        "Body": cast("IO[bytes]", body),  # botocore asks for no more than `read`
        "ContentLength": length,
        "ContentType": content_type,
        "IfNoneMatch": "*",
    }
    # A checksum that follows the body needs TLS, one before it needs the body twice. Plain http is this
    # machine only.
    if s3.meta.endpoint_url.startswith("https:"):
        request["ChecksumAlgorithm"] = "SHA256"
    s3.put_object(**request)


def _put_in_parts(s3: "S3Client", body: _Body, content_type: str, *, bucket: str, key: str) -> None:
    # S3 wants a size before the first byte. Without one, the least that can be held is one part.
    block = body.take(PART_BYTES)
    if len(block) < PART_BYTES:
        _put(s3, block, len(block), content_type, bucket=bucket, key=key)
        return
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type, ChecksumAlgorithm="SHA256")
    try:
        parts: list[CompletedPartTypeDef] = []
        while block:
            number = len(parts) + 1
            part = s3.upload_part(
                Bucket=bucket,
                Key=key,
                UploadId=upload["UploadId"],
                PartNumber=number,
                Body=block,
                ChecksumAlgorithm="SHA256",
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
            block = body.take(PART_BYTES)
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload["UploadId"],
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except BaseException:
        # Parts of an open upload are billed and seen by nobody. When S3 is what failed, the lifecycle rule does it.
        with suppress(ClientError, BotoCoreError):
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])
        raise


def _already_stored(s3: "S3Client", bucket: str, key: str) -> Stored:
    # Read back rather than asked for: the object's own bytes are the only account of them that every store
    # gives.
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        stream = recognise(answer["Body"].iter_chunks(CHUNK_BYTES), "S3", answer["ContentLength"])
        body = _Body(stream)
        while body.take(_BLOCK_BYTES):
            pass
    except (ClientError, BotoCoreError) as error:
        _raise_named(error)
    return Stored(key, body.count, body.sha256.hexdigest(), stream.format, stream.width, stream.height)


def _code(error: Exception) -> str:
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


def _raise_named(error: Exception) -> NoReturn:
    """Transient errors under one name; the rest (rights, no such bucket) as they are."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        # 409: another write of the same key was under way.
        if status < 500 and status not in (408, 409, 429) and _code(error) not in _TRANSIENT_CODES:
            raise error
        raise StorageUnavailableError(f"S3 did not take the result: {_code(error) or status}") from error
    raise StorageUnavailableError(f"S3 did not take the result: {type(error).__name__}") from error


_TRANSIENT_CODES = {
    "BadDigest",
    "IncompleteBody",
    "RequestTimeout",
    "SlowDown",
    "XAmzContentChecksumMismatch",
}
