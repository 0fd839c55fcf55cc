"""Put a manifest's pictures and then the manifest itself into a stack's bucket."""

import hashlib
import json
import mimetypes
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.target import Claim, Target, TargetError
from tryon.manifest import ManifestError, parse

CLAIM_SECONDS = 60.0
"""How long an execution may take to claim a manifest, in real seconds, before something is said to be wrong."""


def local_pictures(manifest: dict[str, Any], folder: Path) -> dict[str, Path]:
    """The pictures that a manifest names by a path that is a file here: the name in the manifest to the file."""
    found: dict[str, Path] = {}
    for kind in ("models", "garments"):
        entries = manifest.get(kind)
        for entry in entries if isinstance(entries, list) else []:
            image = entry.get("image") if isinstance(entry, dict) else None
            if isinstance(image, str) and "://" not in image and (path := folder / image).is_file():
                found[image] = path
    return found


def key_of(image: str, path: Path) -> str:
    """The key under which a local picture goes: its own name if that can be one, else one made of its bytes."""
    if not image.startswith("/") and not {".", ".."} & set(image.split("/")):
        return image
    return f"inputs/{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}-{path.name}"


def drop(target: Target, path: Path) -> tuple[str, str]:
    """Upload what a manifest names, then the manifest; returns its key and version.

    Raises `ManifestError` before anything is uploaded when the manifest itself is wrong; what only the stack
    can know (pictures that lie in the bucket already) is checked there.
    """
    data = path.read_bytes()
    try:
        raw = json.loads(data)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        parse(data, bucket=target.bucket)
        raise AssertionError("parse accepts only objects")
    pictures = local_pictures(raw, path.parent)
    keys = {image: key_of(image, file) for image, file in pictures.items()}
    if any(image != key for image, key in keys.items()):
        for kind in ("models", "garments"):
            for entry in raw.get(kind, []):
                entry["image"] = keys.get(entry["image"], entry["image"])
        data = json.dumps(raw, ensure_ascii=False, indent=1).encode()
    _check(data, target.bucket)
    for image, file in pictures.items():
        _upload(target, keys[image], file)
    key = f"manifests/{path.name}"
    answer = target.s3.put_object(Bucket=target.bucket, Key=key, Body=data, ContentType="application/json")
    return key, answer["VersionId"]


def _check(data: bytes, bucket: str) -> None:
    try:
        parse(data, bucket=bucket)
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
