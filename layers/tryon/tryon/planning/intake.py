"""The pictures that a manifest names: read once, checked, and laid where every submit finds them ready."""

import json
import unicodedata
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from tryon import objects
from tryon.keys import Picture, RunFolder
from tryon.picture_limits import PictureLimits
from tryon.pictures import thumbnails
from tryon.pictures.images import ImageError, prepare
from tryon.planning.manifest import (
    MAX_SHOWN_KEY,
    ImageKind,
    ImageSource,
    Manifest,
    ManifestError,
    NamedImage,
    PicturesMissingError,
    Problem,
)
from tryon.planning.parts import Part, parts
from tryon.service import registry
from tryon.text import quoted, shown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

READERS = 4
"""Pictures read at once: S3 answers in tens of milliseconds, decoding fills one core."""


class KeptPicture(BaseModel):
    """A picture that a run is made of: its name in the manifest, what it was read from, and what the service gets.

    `source` and `picture` are the same place, unless the picture was converted; `source` is not known of runs made
    before it was kept. `picture` is for the run's first service, `others` are for those, by key, that need another
    copy of the same bytes.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    source: Picture | None = None
    picture: Picture
    others: dict[str, Picture] = {}

    def of(self, service: str) -> Picture:
        """What the service of a key gets."""
        return self.others.get(service, self.picture)


class KeptPictures(BaseModel):
    """The pictures that a run is made of, by id; the content of pictures.json."""

    models: dict[str, KeptPicture] = {}
    garments: dict[str, KeptPicture] = {}

    def of(self, kind: ImageKind) -> dict[str, KeptPicture]:
        """The models' or the garments'."""
        return self.models if kind == "models" else self.garments

    def encode(self) -> str:
        """The file's text."""
        told = self.model_dump(exclude_none=True)
        for kept in (*told["models"].values(), *told["garments"].values()):
            if not kept["others"]:
                del kept["others"]
        return json.dumps(told, ensure_ascii=False, indent=1)


@dataclass(frozen=True)
class Intake:
    """The pictures of a manifest, and what is to be said of them.

    `signatures` are, as stored, of the pictures that a small copy could be made of.
    """

    pictures: KeptPictures = field(default_factory=KeptPictures)
    notes: list[str] = field(default_factory=list)
    signatures: dict[tuple[ImageKind, str], bytes] = field(default_factory=dict)

    def keep(self, named: NamedImage, picture: KeptPicture, note: str) -> None:
        """Add a picture, and what is to be said of it."""
        self.pictures.of(named.kind)[named.id] = picture
        if note:
            self.notes.append(note)

    def for_service(self, kind: ImageKind, service: str) -> dict[str, Picture]:
        """What the service of a key gets of the models or the garments, by id."""
        return {id_: kept.of(service) for id_, kept in self.pictures.of(kind).items()}


class TakenPart(BaseModel):
    """What the call for a part leaves in S3: the pictures that can be used, and what is to be said of them."""

    pictures: KeptPictures
    notes: list[str]


@dataclass(frozen=True)
class Demand:
    """What a service takes as it is: the longest side in pixels that its parameters ask for, and its limits."""

    side: int
    limits: PictureLimits


def demands(manifest: Manifest) -> dict[str, Demand]:
    """What each of the manifest's services takes, by key."""
    found: dict[str, Demand] = {}
    for asked in manifest.settings().values():
        limits = registry.find(asked.service).pictures
        side = min(asked.parameters.longest_side or limits.max_side, limits.max_side)
        if asked.service in found:
            side = max(side, found[asked.service].side)
        found[asked.service] = Demand(side, limits)
    return {key: found[key] for key in manifest.services()}


@dataclass(frozen=True)
class Inputs:
    """The pictures of a manifest, where copies of them go, and the most bytes of one.

    `kept` are the pictures of the run that this one repeats: one that the manifest names as that run did is taken as it
    was then.
    """

    s3: "S3Client"
    manifest: Manifest
    bucket: str
    folder: RunFolder
    max_bytes: int
    kept: KeptPictures | None = None

    @cached_property
    def wanted(self) -> Mapping[str, Demand]:
        """What each of the manifest's services takes, by key."""
        return demands(self.manifest)

    def take(self, named: NamedImage, found: Intake) -> "tuple[KeptPicture, str] | _UnusableError":
        """Take one in, with what is to be said of it; its signature is found then."""

        def copy(named: NamedImage, data: bytes) -> None:
            keep = partial(found.signatures.__setitem__, (named.kind, named.id))
            thumbnails.of_input(self.s3, self.bucket, self.folder, named.kind, named.id, data, keep=keep)

        try:
            known = self.kept.of(named.kind).get(named.id) if self.kept else None
            if known is not None and known.image == named.image:
                return _take_again(self.s3, self.manifest, named, known, self.bucket, copy)
            into = _Place(self.bucket, self.folder, self.wanted, copy)
            return _take_in_one(self.s3, self.manifest, named, into, self.max_bytes)
        except _UnusableError as unusable:
            return unusable


def take_in(
    inputs: Inputs,
    *,
    awaited: Collection[str] = (),
    taken: Intake | None = None,
    late: Callable[[], bool] = lambda: False,
) -> Intake:
    """Check every picture that the manifest names.

    A picture that a service takes as it is stays where it is, pinned to the bytes that were checked; any other is
    converted and written to the run's folder, and that copy pinned: one for all services that take the same. Those that
    were `taken` before are not looked at again. Raises `ManifestError` naming every field whose picture is missing,
    unreadable or too large; `PicturesMissingError` when all that is wrong is that some are not there. The fields that
    such an error named last time are `awaited`: they are looked at first, and the others only when all of these are
    there, so that looking again costs little. Once it is `late`, it raises `NoTimeError`, with the number of pictures
    that there was time for.
    """
    found = taken or Intake()
    everything = list(inputs.manifest.images())
    left = [named for named in everything if named.id not in found.pictures.of(named.kind)]

    def one(named: NamedImage) -> tuple[KeptPicture, str] | _UnusableError:
        _check_time(late(), len(everything), found.pictures)
        return inputs.take(named, found)

    unusable: dict[str, _UnusableError] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for asked in (True, False):
            here = [named for named in left if (named.field in awaited) is asked]
            for named, picture in zip(here, pool.map(one, here), strict=True):
                if isinstance(picture, _UnusableError):
                    unusable[named.field] = picture
                else:
                    found.keep(named, *picture)
            if unusable:
                break
    if unusable:
        problems = [Problem(field, str(error)) for field, error in unusable.items()]
        missing = all(isinstance(error, _MissingError) for error in unusable.values())
        raise PicturesMissingError(problems) if missing else ManifestError(problems)
    return found


def take_part(inputs: Inputs, part: Part, *, late: Callable[[], bool] = lambda: False) -> Intake:
    """Take in a part of the pictures, and leave in S3 what came of it.

    What cannot be used, or is not reached before it is `late`, is left to `take_in`, which says why.
    """
    found = Intake()
    here = list(inputs.manifest.images())[part.first - 1 : part.last]
    with ThreadPoolExecutor(READERS) as pool:
        taken = pool.map(lambda named: None if late() else inputs.take(named, found), here)
        for named, picture in zip(here, taken, strict=True):
            if picture is not None and not isinstance(picture, _UnusableError):
                found.keep(named, *picture)
    key = inputs.folder.pictures_part(part.first)
    text = TakenPart(pictures=found.pictures, notes=found.notes).model_dump_json(exclude_none=True)
    objects.put_text(inputs.s3, inputs.bucket, key, text, "application/json")
    return found


def taken_in_parts(inputs: Inputs) -> Intake:
    """What the calls for the parts took in; nothing of a part whose call failed."""
    found = Intake()
    for part in parts(inputs.manifest):
        try:
            text = objects.read(inputs.s3, inputs.bucket, inputs.folder.pictures_part(part.first))
        except ClientError as error:
            if not objects.is_missing(error):
                raise
            continue
        part_of = TakenPart.model_validate_json(text)
        found.pictures.models.update(part_of.pictures.models)
        found.pictures.garments.update(part_of.pictures.garments)
        found.notes.extend(part_of.notes)
    return found


class NoTimeError(ManifestError):
    """The pictures are more than there is time for."""


def _check_time(late: bool, named: int, taken: KeptPictures) -> None:
    """Refuse a manifest whose pictures are more than there is time for."""
    if late:
        checked = len(taken.models) + len(taken.garments)
        said = f"{named:,} pictures are named, and {checked:,} were checked in the time that there is"
        raise NoTimeError([Problem("", f"{said}: split the manifest, or name smaller pictures")])


_Copy = Callable[[NamedImage, bytes], None]


def _take_again(
    s3: "S3Client", manifest: Manifest, named: NamedImage, known: KeptPicture, bucket: str, copy: _Copy
) -> tuple[KeptPicture, str]:
    """A picture as the earlier run had it, and what is to be said where there is a newer one."""
    try:
        data = objects.read_pinned(s3, known.picture)
    except objects.PictureChangedError as error:
        raise _UnusableError(
            f"{named.image!r} cannot be had any more as the run had it: {error}; `tryon retry --new-pictures` takes "
            "the newest one"
        ) from None
    copy(named, data)
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


class _MissingError(_UnusableError):
    """The picture is not there, as far as this stack may see."""


def _take_in_one(
    s3: "S3Client",
    manifest: Manifest,
    named: NamedImage,
    into: "_Place",
    max_bytes: int,
) -> tuple[KeptPicture, str]:
    wanted = manifest.source(named.image, into.bucket)
    source, answer = _open(s3, wanted, named.image)
    note = ""
    if source != wanted:
        note = f"{named.field}: {quoted(named.image, MAX_SHOWN_KEY)} is under a key in another Unicode normal form"
    if answer["ContentLength"] > max_bytes:
        answer["Body"].close()
        raise _UnusableError(f"{named.image!r} has {answer['ContentLength']:,} bytes, at most {max_bytes:,} are read")
    place = Picture(bucket=source.bucket, key=source.key, **objects.pin(answer))
    copies = _copies(s3, named, answer["Body"].read(), into)
    pictures = {service: made or place for service, made in copies.items()}
    first = next(iter(pictures.values()))
    others = {service: picture for service, picture in pictures.items() if picture != first}
    return KeptPicture(image=named.image, source=place, picture=first, others=others), note


@dataclass(frozen=True)
class _Place:
    """Where the copies of pictures go: those for the services by what each takes, and the small ones."""

    bucket: str
    folder: RunFolder
    wanted_by: Mapping[str, Demand]
    small: _Copy


def _copies(s3: "S3Client", named: NamedImage, data: bytes, into: _Place) -> dict[str, Picture | None]:
    """The copy of a picture that each service gets, None where it takes the picture as it is."""
    made: dict[Demand, Picture | None] = {}
    for number, (service, demand) in enumerate(into.wanted_by.items()):
        if demand in made:
            continue
        try:
            picture = prepare(data, name=named.image, max_side=demand.side, limits=demand.limits)
        except ImageError as error:
            raise _UnusableError(str(error)) from None
        if not number:
            into.small(named, picture.data)
        made[demand] = None
        if not picture.untouched:
            extension = {"jpeg": "jpg"}.get(picture.format, picture.format)
            key = into.folder.input(named.kind, named.id, extension, service if service != registry.FIRST else "")
            put = s3.put_object(Bucket=into.bucket, Key=key, Body=picture.data, ContentType=f"image/{picture.format}")
            made[demand] = Picture(bucket=into.bucket, key=key, **objects.pin(put))
    return {service: made[demand] for service, demand in into.wanted_by.items()}


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


def _refused(source: ImageSource, image: str, error: ClientError, forms: Collection[str]) -> _UnusableError:
    """S3's refusal to hand a picture out, in the user's words; raises the error itself when it may pass.

    `forms` are the other spellings that are looked for.
    """
    if objects.may_pass(error):
        raise error
    code, named, bucket = objects.code_of(error), quoted(image, MAX_SHOWN_KEY), quoted(source.bucket)
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
