"""Put a manifest's pictures and then the manifest itself into a stack's bucket."""

import hashlib
import json
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from tryon.json_types import Json
from tryon.pictures.images import ImageError, prepare
from tryon.planning import intake
from tryon.planning.manifest import (
    COMPLETE,
    MAX_BYTES,
    SERVICE,
    Manifest,
    ManifestError,
    Problem,
    parse,
    read_json,
)
from tryon.service import registry
from tryon.state.ledger import Claim
from tryon_cli import pictures
from tryon_cli.pictures import LocalPicture
from tryon_cli.target import Target, TargetError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CLAIM_SECONDS = 60.0
"""How long an execution may take to claim a manifest, in real seconds, before something is said to be wrong."""

_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_ASKED_AT_ONCE = 8

_UPLOADED_AT_ONCE = 4
"""Each is in memory while it goes up."""

_Stack = TypeVar("_Stack", bound=Target | None)


@dataclass(frozen=True)
class Draft:
    """A manifest that was read and checked with the pictures that are files here.

    `data` names those by the keys that they will have. `local` has them by the name in the file, `elsewhere` every
    other image with the first field that names it, `converted` what the stack will do to a local one.
    """

    name: str
    data: bytes
    folder: Path
    manifest: Manifest
    local: Mapping[str, LocalPicture]
    elsewhere: Mapping[str, str]
    converted: Mapping[str, tuple[str, ...]]

    @property
    def pictures(self) -> dict[str, Path]:
        """The files to upload, by key."""
        return {picture.key: picture.path for picture in self.local.values()}

    @property
    def outside(self) -> list[Path]:
        """The files to upload that are outside of the manifest's folder."""
        return list(dict.fromkeys(picture.path for picture in self.local.values() if picture.outside))


def default_service(stack: Target | None) -> str:
    """The key of the service that a manifest means at a stack which names none; the first one without a stack."""
    named = stack.parameters().get("DefaultService", registry.FIRST) if stack else registry.FIRST
    return registry.find(named).key


def read(path: Path, stack: Target | None = None, *, service: str = "") -> Draft:
    """Read and check a manifest and the pictures that are files here.

    The key `service` says which service it means that names none, or else the `stack`.

    Raises OSError when it cannot be read and `ManifestError` with all that is wrong with it or with a picture. What
    only the stack can know (pictures in its bucket, other buckets that it may read) is checked by `check`.
    """
    data = path.read_bytes()
    raw = read_json(data)
    if not isinstance(raw, dict):
        parse(data, bucket="bucket")
        raise AssertionError("parse accepts only objects")
    local, elsewhere, fields, problems = _sorted_out(raw, path.parent)
    if local or problems:

        def key(image: str) -> str:
            if image in local:
                return local[image].key
            return image if image in elsewhere else f"{pictures.PREFIX}refused"  # reported already

        data = _encoded(pictures.renamed(raw, key))
    try:
        default = service or default_service(stack)
        manifest = parse(data, bucket="bucket", any_bucket=True, default_service=default)
    except ManifestError as error:
        raise ManifestError([*error.problems, *problems]) from None
    converted, unusable = _prepared(manifest, local, fields)
    if problems or unusable:
        raise ManifestError([*problems, *unusable])
    return Draft(_key_name(path.name), data, path.parent, manifest, local, elsewhere, converted)


def read_for(path: Path, stack: Callable[[], _Stack]) -> tuple[Draft, _Stack]:
    """A manifest, read as the stack reads it which `stack` finds, and that stack.

    What is wrong with the manifest is said before a stack is looked for, unless that stack may understand it.
    """
    try:
        draft = read(path)
    except ManifestError as wrong:
        if not _may_mean_another(read_json(path.read_bytes())):
            raise
        try:
            found = stack()
        except TargetError:
            raise wrong from None
        if default_service(found) == registry.FIRST:
            raise
        return read(path, found), found
    found = stack()
    return (draft if default_service(found) == registry.FIRST else read(path, found)), found


def _may_mean_another(raw: Json) -> bool:
    """Whether a manifest leaves its service to the stack, and says what only some services understand."""
    own = {"parameters", "variants", "outfits"}
    return isinstance(raw, Mapping) and SERVICE not in raw and not own.isdisjoint(raw)


def _sorted_out(
    raw: Mapping[str, Json], folder: Path
) -> tuple[dict[str, LocalPicture], dict[str, str], dict[str, str], list[Problem]]:
    """The images that are files here, those that are not, the first field of each, and what cannot be used."""
    local: dict[str, LocalPicture] = {}
    elsewhere: dict[str, str] = {}
    fields: dict[str, str] = {}
    problems: list[Problem] = []
    for name, image in pictures.named(raw):
        if image in fields:
            continue
        fields[image] = name
        path = pictures.find(image, folder)
        try:
            if path is not None:
                local[image] = pictures.look(path, image, folder)
            elif pictures.is_path(image):
                hint = pictures.hint(image, folder, len(problems))
                problems.append(Problem(name, f"{image!r} is no file here{hint}"))
            else:
                elsewhere[image] = name
        except ImageError as error:
            problems.append(Problem(name, str(error)))
        except OSError as error:
            problems.append(Problem(name, f"{image}: cannot be read: {error.strerror}"))
    return local, elsewhere, fields, problems


def _encoded(raw: Mapping[str, Json]) -> bytes:
    """JSON that people can read, unless that makes it too large or is nested too deeply for it."""
    try:
        data = json.dumps(raw, ensure_ascii=False, indent=1).encode()
    except RecursionError:
        data = b""
    return data if 0 < len(data) <= MAX_BYTES // 2 else json.dumps(raw, ensure_ascii=False).encode()


def _prepared(
    manifest: Manifest, local: Mapping[str, LocalPicture], fields: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """What the stack will convert, and what it would refuse: each picture is made ready as it would be there."""
    seen: dict[str, tuple[str, ...]] = {}
    converted: dict[str, tuple[str, ...]] = {}
    problems = []
    wanted = dict.fromkeys(intake.demands(manifest).values())
    for image, picture in local.items():
        try:
            if picture.key not in seen:
                data = picture.path.read_bytes()
                changes: list[str] = []
                for demand in wanted:
                    prepared = prepare(data, name=image, max_side=demand.side, limits=demand.limits)
                    changes += () if prepared.untouched else prepared.changes
                seen[picture.key] = tuple(dict.fromkeys(changes))
        except ImageError as error:
            problems.append(Problem(fields[image], str(error)))
        else:
            if seen[picture.key]:
                converted[image] = seen[picture.key]
    return converted, problems


def _key_name(name: str) -> str:
    """A manifest's file name under `manifests/`, where only names that end in `.json` start a run."""
    stem = name[: -len(".json")] if name.lower().endswith(".json") else name
    most = pictures.MAX_KEY_BYTES - len("manifests/.json")
    return f"{pictures.cleaned(stem.lstrip('.') or 'manifest', most)}.json"


@dataclass(frozen=True)
class InBucket:
    """The images that a draft takes from buckets: those that are there, and those that could not be asked for."""

    there: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    missing: tuple[Problem, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether every one is known to be there."""
        return not self.unknown and not self.missing


def look(target: Target, draft: Draft) -> InBucket:
    """Ask for each image that is no file here."""
    s3 = target.s3

    def one(item: tuple[str, str]) -> bool | None:
        source = draft.manifest.source(item[0], target.bucket)
        return _is_there(s3, source.bucket, source.key)

    there: list[str] = []
    unknown: list[str] = []
    missing: list[Problem] = []
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        for (image, name), answer in zip(draft.elsewhere.items(), pool.map(one, draft.elsewhere.items()), strict=True):
            if answer:
                there.append(image)
            elif answer is None:
                unknown.append(image)
            else:
                hint = pictures.hint(image, draft.folder, len(missing))
                where = "is not there" if "://" in image else f"is no file here and is not in s3://{target.bucket}"
                missing.append(Problem(name, f"{image!r} {where}{hint}"))
    return InBucket(tuple(there), tuple(unknown), tuple(missing))


def _is_there(s3: "S3Client", bucket: str, key: str) -> bool | None:
    """Whether an object is there, None when that is not told: S3 says 403 to whoever may not list."""
    for form in dict.fromkeys((key, *(unicodedata.normalize(form, key) for form in ("NFC", "NFD")))):
        try:
            s3.head_object(Bucket=bucket, Key=form)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchBucket"):
                return None
        else:
            return True
    return False


def check(target: Target, draft: Draft) -> InBucket:
    """Hold a draft against its stack before anything is uploaded; raises `ManifestError` with all that is wrong."""
    parameters = target.parameters()
    buckets = [name.strip() for name in parameters.get("InputBuckets", "").split(",") if name.strip()]
    parse(draft.data, bucket=target.bucket, allowed_buckets=buckets, default_service=default_service(target))
    found = look(target, draft)
    most = int(parameters.get("MaxImageBytes", "0"))
    large = list(_too_large(draft, most)) if most else []
    if found.missing or large:
        raise ManifestError([*large, *found.missing])
    return found


def _too_large(draft: Draft, most: int) -> Iterator[Problem]:
    fields = {named.image: named.field for named in draft.manifest.images()}
    for image, picture in draft.local.items():
        if picture.bytes > most:
            yield Problem(
                fields[picture.key], f"{image!r} has {picture.bytes:,} bytes, at most {most:,} are read by this stack"
            )


@dataclass(frozen=True)
class Uploaded:
    """How many pictures were put, and how many were there already with the same content."""

    new: int
    there: int


def upload(target: Target, draft: Draft, said: Callable[[int, int], None] = lambda _number, _bytes: None) -> Uploaded:
    """Put the pictures that are files here where they are not yet; `said` hears of how many, and bytes, are done."""
    s3 = target.s3
    by_key = {picture.key: picture for picture in draft.local.values()}
    new, done = 0, 0
    pool = ThreadPoolExecutor(_UPLOADED_AT_ONCE)
    try:
        running = {pool.submit(_upload, s3, target.bucket, picture): picture for picture in by_key.values()}
        for number, future in enumerate(as_completed(running), start=1):
            new += future.result()
            done += running[future].bytes
            said(number, done)
    finally:
        # What was not begun when one failed, or when somebody interrupts, is not begun any more.
        pool.shutdown(cancel_futures=True)
    return Uploaded(new, len(by_key) - new)


def put(target: Target, draft: Draft, *, complete: bool) -> tuple[str, str]:
    """Put the manifest, which starts its run; returns its key and version."""
    key = f"manifests/{draft.name}"
    answer = target.s3.put_object(
        Bucket=target.bucket,
        Key=key,
        Body=draft.data,
        ContentType="application/json",
        Metadata=COMPLETE if complete else {},
    )
    return key, answer["VersionId"]


def drop(target: Target, draft: Draft) -> tuple[str, str]:
    """Upload what a manifest names, then the manifest; returns its key and version."""
    upload(target, draft)
    return put(target, draft, complete=look(target, draft).complete)


def _upload(s3: "S3Client", bucket: str, picture: LocalPicture) -> bool:
    """Whether the picture had to be put."""
    data = picture.path.read_bytes()
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise TargetError(f"{picture.path} was changed while it was uploaded: start again")
    try:
        there = s3.head_object(Bucket=bucket, Key=picture.key)
    except ClientError:
        pass
    else:
        # An ETag is the content's MD5 only where neither KMS nor several parts made it.
        same = there["ETag"].strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()
        same = same or there.get("Metadata", {}).get("sha256") == picture.sha256
        if same and there["ContentLength"] == len(data) and there.get("StorageClass") not in _ARCHIVES:
            return False
    s3.put_object(
        Bucket=bucket,
        Key=picture.key,
        Body=data,
        ContentType=picture.media_type,
        Metadata={"sha256": picture.sha256},
    )
    return True


def await_claim(target: Target, key: str, version: str) -> Claim:
    """Wait until an execution has claimed a dropped manifest."""
    end = time.monotonic() + CLAIM_SECONDS
    while time.monotonic() < end:
        claim = target.claim(key, version)
        if claim is not None:
            return claim
        time.sleep(0.2)
    raise TargetError(
        f"no execution claimed s3://{target.bucket}/{key} within {CLAIM_SECONDS:.0f} s: look at the stack's "
        "dead-letter queue and at the executions of its state machine; in the first five minutes of a new stack its "
        "bucket reports nothing yet: run the command again then"
    )
