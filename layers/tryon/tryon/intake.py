"""The pictures that a manifest names: read once, checked, and laid where every submit finds them ready."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tryon import objects, thumbnails
from tryon.images import ImageError, prepare
from tryon.manifest import Manifest, ManifestError, Problem
from tryon.plan import Picture, RunFolder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

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
    s3: "S3Client", manifest: Manifest, *, bucket: str, folder: RunFolder, max_bytes: int
) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """Check every picture; return the models' and the garments' by id.

    A picture that the service takes as it is stays where it lies, pinned to the version that was checked; any
    other is converted and written to the run's folder. Raises `ManifestError` naming every field whose picture
    is missing, unreadable or too large (`max_bytes`).
    """
    max_side = max([manifest.parameters.max_side, *(variant.max_side for variant in manifest.variants.values())])

    def one(named: _Named) -> Picture | Problem:
        try:
            return _take_in_one(s3, manifest, named, bucket, folder, max_bytes, max_side)
        except _UnusableError as unusable:
            return Problem(named.field, str(unusable))

    found: dict[str, dict[str, Picture]] = {"models": {}, "garments": {}}
    problems: list[Problem] = []
    with ThreadPoolExecutor(READERS) as pool:
        named = list(_named(manifest))
        for name, picture in zip(named, pool.map(one, named), strict=True):
            if isinstance(picture, Problem):
                problems.append(picture)
            else:
                found[name.kind][name.id] = picture
    if problems:
        raise ManifestError(problems)
    return found["models"], found["garments"]


class _UnusableError(Exception):
    """Why a picture cannot be used, in the user's words."""


def _take_in_one(
    s3: "S3Client",
    manifest: Manifest,
    named: _Named,
    bucket: str,
    folder: RunFolder,
    max_bytes: int,
    max_side: int,
) -> Picture:
    source = manifest.source(named.image, bucket)
    try:
        answer = objects.get(s3, source.bucket, source.key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchBucket", "404", "AccessDenied", "403"):
            raise _UnusableError(f"{named.image!r} is not there, or may not be read ({code})") from None
        raise
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
