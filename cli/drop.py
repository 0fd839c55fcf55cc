"""Put a manifest's pictures and then the manifest itself into a stack's bucket."""

import hashlib
import json
import mimetypes
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.target import Claim, Target, TargetError
from tryon.manifest import ManifestError, parse

CLAIM_SECONDS = 60.0
"""How long an execution may take to claim a manifest, in real seconds, before something is said to be wrong."""


@dataclass(frozen=True)
class Draft:
    """A manifest that was read and checked, and the files that go with it, by the keys they will have."""

    name: str
    data: bytes
    pictures: Mapping[str, Path]


def local_pictures(manifest: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The pictures that a manifest names by a path that is a file here: the name in the manifest to the file."""
    return {
        entry["image"]: path
        for entry in _with_images(manifest)
        if "://" not in entry["image"] and (path := folder / entry["image"]).is_file()
    }


def _with_images(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("models", "garments"):
        entries = manifest.get(kind)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("image"), str):
                yield entry


def key_of(image: str, path: Path) -> str:
    """The key under which a local picture goes: its own name if that can be one, else one made of its bytes."""
    if not image.startswith("/") and not {".", ".."} & set(image.split("/")):
        return image
    return f"inputs/{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}-{path.name}"


def read(path: Path) -> Draft:
    """Read and check a manifest, without a stack.

    Raises OSError when it cannot be read and `ManifestError` when it is wrong in itself; what only the stack can
    know (pictures that lie in its bucket, other buckets that it may read) is checked there.
    """
    data = path.read_bytes()
    try:
        raw = json.loads(data)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        parse(data, bucket="bucket")
        raise AssertionError("parse accepts only objects")
    pictures = local_pictures(raw, path.parent)
    keys = {image: key_of(image, file) for image, file in pictures.items()}
    if any(image != key for image, key in keys.items()):
        for entry in _with_images(raw):
            entry["image"] = keys.get(entry["image"], entry["image"])
        data = json.dumps(raw, ensure_ascii=False, indent=1).encode()
    _check(data)
    return Draft(path.name, data, {keys[image]: file for image, file in pictures.items()})


def drop(target: Target, draft: Draft) -> tuple[str, str]:
    """Upload what a manifest names, then the manifest; returns its key and version."""
    for key, file in draft.pictures.items():
        _upload(target, key, file)
    key = f"manifests/{draft.name}"
    answer = target.s3.put_object(Bucket=target.bucket, Key=key, Body=draft.data, ContentType="application/json")
    return key, answer["VersionId"]


def _check(data: bytes) -> None:
    try:
        parse(data, bucket="bucket")
    except ManifestError as error:
        # Which other buckets may be read is the stack's to say.
        wrong = [problem for problem in error.problems if "may read" not in problem.message]
        if wrong:
            raise ManifestError(wrong) from None


def _upload(target: Target, key: str, file: Path) -> None:
    data = file.read_bytes()
    try:
        there = target.s3.head_object(Bucket=target.bucket, Key=key)
        if there["ETag"].strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest():
            return
    except ClientError:
        pass
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    target.s3.put_object(Bucket=target.bucket, Key=key, Body=data, ContentType=media_type)


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
        "dead-letter queue and at the executions of its state machine"
    )
