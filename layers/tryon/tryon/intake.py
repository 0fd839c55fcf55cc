"""The pictures that a manifest names: read once, checked, and laid where every submit finds them ready."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from tryon import objects, plan, thumbnails
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


class KeptPicture(BaseModel):
    """A picture that a run is made of: its name in the manifest, what it was read from, and what the service gets.

    `source` and `picture` are the same place, unless the picture was converted; `source` is not known of runs made
    before it was kept.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    source: Picture | None
    picture: Picture


Kept = Mapping[tuple[str, str], KeptPicture]
"""Pictures by kind (models or garments) and id."""


@dataclass(frozen=True)
class Intake:
    """The pictures of a manifest, by id, and what is to be said of them."""

    models: dict[str, KeptPicture] = field(default_factory=dict)
    garments: dict[str, KeptPicture] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def pictures(self, kind: str) -> dict[str, Picture]:
        """What the service gets of the models or the garments, by id."""
        return {id_: kept.picture for id_, kept in getattr(self, kind).items()}

    def encode(self) -> str:
        """What a retry reads again."""
        return json.dumps(
            {
                kind: {id_: kept.model_dump(exclude_none=True) for id_, kept in getattr(self, kind).items()}
                for kind in ("models", "garments")
            },
            ensure_ascii=False,
            indent=1,
        )


def kept_by(s3: "S3Client", run: Mapping[str, Any]) -> Kept:
    """The pictures that an earlier run was made of, `run` being its item; none of a run that had no plan."""
    folder = RunFolder(run["run_id"])
    try:
        raw = json.loads(objects.read(s3, run["bucket"], folder.pictures))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return _kept_in_plan(s3, run, folder)
    return {
        (kind, id_): KeptPicture(source=kept.pop("source", None), **kept)
        for kind, pictures in raw.items()
        for id_, kept in pictures.items()
    }


def _kept_in_plan(s3: "S3Client", run: Mapping[str, Any], folder: RunFolder) -> Kept:
    """From the plan of a run that kept no list of its pictures."""
    try:
        combinations = plan.decode(objects.read(s3, run["bucket"], folder.plan))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return {}
    data = objects.read(s3, run["bucket"], run["manifest_key"], run.get("manifest_version"))
    manifest = Manifest.model_validate(json.loads(data.decode("utf-8-sig")))
    images = {(named.kind, named.id): named.image for named in _named(manifest)}
    found = {}
    for combination in combinations:
        worn = [("models", combination.model, combination.model_picture)]
        worn += [("garments", garment.id, garment.picture) for garment in combination.garments]
        for kind, id_, picture in worn:
            if (kind, id_) in images:
                found[kind, id_] = KeptPicture(image=images[kind, id_], source=None, picture=picture)
    return found


def take_in(
    s3: "S3Client", manifest: Manifest, *, bucket: str, folder: RunFolder, max_bytes: int, kept: Kept | None = None
) -> Intake:
    """Check every picture that the manifest names.

    A picture that the service takes as it is stays where it lies, pinned to the bytes that were checked; any other is
    converted and written to the run's folder, and that copy pinned. `kept` are the pictures of the run that this one
    repeats: one that the manifest names as that run did is taken as it was then. Raises `ManifestError` naming every
    field whose picture is missing, unreadable or too large (`max_bytes`).
    """
    max_side = max([manifest.parameters.max_side, *(variant.max_side for variant in manifest.variants.values())])

    def one(named: _Named) -> tuple[KeptPicture, str] | Problem:
        try:
            known = (kept or {}).get((named.kind, named.id))
            if known is not None and known.image == named.image:
                return _take_again(s3, manifest, named, known, bucket, folder)
            return _take_in_one(s3, manifest, named, bucket, folder, max_bytes, max_side), ""
        except _UnusableError as unusable:
            return Problem(named.field, str(unusable))

    found = Intake()
    problems: list[Problem] = []
    with ThreadPoolExecutor(READERS) as pool:
        named = list(_named(manifest))
        for name, taken in zip(named, pool.map(one, named), strict=True):
            if isinstance(taken, Problem):
                problems.append(taken)
                continue
            picture, note = taken
            getattr(found, name.kind)[name.id] = picture
            found.notes.extend([note] if note else [])
    if problems:
        raise ManifestError(problems)
    return found


def _take_again(
    s3: "S3Client", manifest: Manifest, named: _Named, known: KeptPicture, bucket: str, folder: RunFolder
) -> tuple[KeptPicture, str]:
    """A picture as the earlier run had it, and what is to be said where there is a newer one."""
    try:
        data = objects.read_pinned(s3, known.picture)
    except objects.PictureChangedError as error:
        raise _UnusableError(
            f"{named.image!r} cannot be had any more as the run had it: {error}; `tryon retry --new-pictures` takes "
            "the newest one"
        ) from None
    thumbnails.of_input(s3, bucket, folder, named.kind, named.id, data)
    if known.source is None:
        return known, ""
    place = manifest.source(named.image, bucket)
    try:
        newest = objects.pin(s3.head_object(Bucket=place.bucket, Key=place.key))
    except ClientError:
        return known, f"{named.field}: {named.image!r} is gone; the picture of the first run is used"
    if newest == known.source.model_dump(include={"version", "etag"}, exclude_none=True):
        return known, ""
    return known, (
        f"{named.field}: {named.image!r} was replaced since; the picture of the first run is used "
        "(`tryon retry --new-pictures` takes the newest one)"
    )


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
) -> KeptPicture:
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
    place = Picture(bucket=source.bucket, key=source.key, **objects.pin(answer))
    if picture.untouched:
        return KeptPicture(image=named.image, source=place, picture=place)
    key = folder.input(named.kind, named.id, {"jpeg": "jpg"}.get(picture.format, picture.format))
    put = s3.put_object(Bucket=bucket, Key=key, Body=picture.data, ContentType=f"image/{picture.format}")
    return KeptPicture(image=named.image, source=place, picture=Picture(bucket=bucket, key=key, **objects.pin(put)))
