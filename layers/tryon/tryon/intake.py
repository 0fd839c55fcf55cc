"""The pictures that a manifest names: read once, checked, and laid where every submit finds them ready."""

import unicodedata
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tryon import objects, thumbnails
from tryon.images import ImageError, prepare
from tryon.manifest import MAX_SHOWN_KEY, ImageSource, Manifest, ManifestError, PicturesMissingError, Problem
from tryon.plan import Picture, RunFolder
from tryon.text import quoted, shown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

READERS = 4
"""Pictures read at once: S3 answers in tens of milliseconds, decoding fills one core."""


@dataclass(frozen=True)
class _Named:
    field: str
    kind: str
    id: str
    image: str


def _named(manifest: Manifest) -> Iterator[_Named]:
    for i, model in enumerate(manifest.models):
        yield _Named(f"models[{i}].image", "models", model.id, model.image)
    for i, garment in enumerate(manifest.garments):
        yield _Named(f"garments[{i}].image", "garments", garment.id, garment.image)


def take_in(
    s3: "S3Client",
    manifest: Manifest,
    *,
    bucket: str,
    folder: RunFolder,
    max_bytes: int,
    awaited: Collection[str] = (),
    note: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """Check every picture; return the models' and the garments' by id.

    A picture that the service takes as it is stays where it lies, pinned to the version that was checked; any
    other is converted and written to the run's folder. `note` hears of a picture that was found though its key is
    spelled differently. Raises `ManifestError` naming every field whose picture is missing, unreadable or too
    large (`max_bytes`); `PicturesMissingError` when all that is wrong is that some are not there. The fields that
    such an error named last time are `awaited`: they are looked at first, and the others only when all of these are
    there, so that looking again costs little.
    """
    max_side = max([manifest.parameters.max_side, *(variant.max_side for variant in manifest.variants.values())])

    def one(named: _Named) -> Picture | _UnusableError:
        try:
            return _take_in_one(s3, manifest, named, bucket, folder, max_bytes, max_side, note)
        except _UnusableError as unusable:
            return unusable

    found: dict[str, dict[str, Picture]] = {"models": {}, "garments": {}}
    unusable: dict[str, _UnusableError] = {}
    everything = list(_named(manifest))
    with ThreadPoolExecutor(READERS) as pool:
        for asked in (True, False):
            named = [name for name in everything if (name.field in awaited) is asked]
            for name, picture in zip(named, pool.map(one, named), strict=True):
                if isinstance(picture, _UnusableError):
                    unusable[name.field] = picture
                else:
                    found[name.kind][name.id] = picture
            if unusable:
                break
    if unusable:
        problems = [Problem(field, str(error)) for field, error in unusable.items()]
        missing = all(isinstance(error, _MissingError) for error in unusable.values())
        raise PicturesMissingError(problems) if missing else ManifestError(problems)
    return found["models"], found["garments"]


class _UnusableError(Exception):
    """Why a picture cannot be used, in the user's words."""


class _MissingError(_UnusableError):
    """The picture is not there, as far as this stack may see."""


def _take_in_one(
    s3: "S3Client",
    manifest: Manifest,
    named: _Named,
    bucket: str,
    folder: RunFolder,
    max_bytes: int,
    max_side: int,
    note: Callable[[str], None],
) -> Picture:
    wanted = manifest.source(named.image, bucket)
    source, answer = _open(s3, wanted, named.image)
    if source != wanted:
        note(f"{named.field}: {quoted(named.image, MAX_SHOWN_KEY)} lies under a key in another Unicode normal form")
    if answer["ContentLength"] > max_bytes:
        answer["Body"].close()
        raise _UnusableError(f"{named.image!r} has {answer['ContentLength']:,} bytes, at most {max_bytes:,} are read")
    try:
        picture = prepare(answer["Body"].read(), name=named.image, max_side=max_side)
    except ImageError as error:
        raise _UnusableError(str(error)) from None
    thumbnails.of_input(s3, bucket, folder, named.kind, named.id, picture.data)
    if picture.untouched:
        return Picture(bucket=source.bucket, key=source.key, version=answer.get("VersionId"))
    key = folder.input(named.kind, named.id, {"jpeg": "jpg"}.get(picture.format, picture.format))
    s3.put_object(Bucket=bucket, Key=key, Body=picture.data, ContentType=f"image/{picture.format}")
    return Picture(bucket=bucket, key=key)


def _open(s3: "S3Client", source: ImageSource, image: str) -> tuple[ImageSource, "GetObjectOutputTypeDef"]:
    """Open a picture, under its key in another Unicode normal form when there is nothing under the key itself.

    A Mac writes letters with accents as two code points where other machines write one; both look the same.
    """
    forms = {unicodedata.normalize(form, source.key) for form in ("NFC", "NFD")} - {source.key}
    try:
        return source, objects.get(s3, source.bucket, source.key)
    except ClientError as error:
        refused = _refused(source, image, error, forms)
    for key in sorted(forms):
        if isinstance(refused, _MissingError):
            try:
                return replace(source, key=key), objects.get(s3, source.bucket, key)
            except ClientError as error:
                refused = _refused(source, image, error, forms)
    raise refused


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

_MISSING = frozenset({"NoSuchKey", "404", "NotFound", "AccessDenied", "403", "Forbidden"})
"""What S3 answers where nothing is. Whoever may not list a bucket is told 403 for that too."""


_ELSEWHERE = frozenset(
    {
        "PermanentRedirect",
        "Redirect",
        "301",
        "307",
        "308",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    }
)
"""What S3 answers where a bucket is not; botocore has followed it to where the bucket should be by then."""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _may_pass(error: ClientError) -> bool:
    """Whether the same question may have another answer soon: then it is no fault of the picture."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = _code(error)
    return status >= 500 or status in (408, 429) or code in _PASSING or "throttl" in code.lower()


def _refused(source: ImageSource, image: str, error: ClientError, forms: Collection[str]) -> _UnusableError:
    """S3's refusal to hand a picture out, in the user's words; raises the error itself when it may pass.

    `forms` are the other spellings that are looked for.
    """
    if _may_pass(error):
        raise error
    code, named, bucket = _code(error), quoted(image, MAX_SHOWN_KEY), quoted(source.bucket)
    said = str(error.response.get("Error", {}).get("Message", ""))
    if code.startswith("KMS") or "kms:" in said.lower():
        return _UnusableError(
            f"{named} is encrypted with a KMS key that this stack may not use, or that is switched off ({code}): "
            "let the stack's roles decrypt with it, or store the picture without it"
        )
    if code in _MISSING:
        spelled = ", in no Unicode normal form of its key (NFC, NFD)" if forms else ""
        return _MissingError(f"{named} is not there{spelled}, or may not be read ({code})")
    if code == "InvalidObjectState":
        where = error.response.get("Error", {}).get("StorageClass") or error.response.get("StorageClass")
        kept = f"in storage class {shown(where)}" if where else "in a storage class"
        return _UnusableError(f"{named} is archived ({kept}, {code}): restore it first")
    if code == "InvalidRequest":
        return _UnusableError(
            f"{named} cannot be read without more than its key ({code}): it may be encrypted with a key of your own "
            "(SSE-C); store it without one"
        )
    if code == "NoSuchBucket":
        return _UnusableError(f"{named}: there is no bucket {bucket} ({code})")
    if code == "InvalidBucketName":
        return _UnusableError(f"{named}: {bucket} is not the name of a bucket ({code})")
    if code in _ELSEWHERE:
        return _UnusableError(
            f"{named}: bucket {bucket} cannot be reached from this stack's region ({code}): "
            "copy the picture into a bucket that can"
        )
    return _UnusableError(f"{named} cannot be read ({code}{': ' if said else ''}{shown(said, 200)})")
