"""Copy a run's files out of the bucket, into one folder and nowhere else: anybody may have named the objects."""

import errno
import os
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tryon.keys import RunFolder
from tryon_cli.target import Target, TargetError

MAX_NAME_BYTES = 255
"""Longest name of a file or folder on the usual file systems."""

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³")}
"""Names of devices on Windows, whatever extension follows."""


@dataclass(frozen=True)
class Saved:
    """Where a run's files are, and why objects were left out, by key."""

    folder: Path
    left_out: dict[str, str]


class _UnsafeError(Exception):
    """Why an object is not written."""


def save(found: Target, run_id: str, out: Path) -> Saved:  # noqa: C901 - a branch for each way in which an object cannot be a file
    """Copy a run's files into `out`/`run_id`."""
    try:
        _check_name(run_id)
    except _UnsafeError as error:
        raise TargetError(f"run {run_id!r} cannot be saved: its id {error}") from None
    s3, prefix = found.s3, RunFolder(run_id).prefix
    out.mkdir(parents=True, exist_ok=True)
    root = out.resolve()
    written: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=found.bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            key = item["Key"]
            if key.endswith("/") and item["Size"] == 0:
                continue  # what a console puts there for a folder
            try:
                path = _place(root, [run_id, *key.removeprefix(prefix).split("/")])
                alike = written.setdefault(_folded(path), key)
                if alike != key:
                    raise _UnsafeError(f"is the same name as {alike} on some file systems")
                with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                    try:
                        shutil.copyfileobj(s3.get_object(Bucket=found.bucket, Key=key)["Body"], file)
                        file.close()
                        Path(file.name).chmod(0o666 & ~_UMASK)
                        # Takes the place of a link instead of following it.
                        Path(file.name).replace(path)
                    except BaseException:
                        Path(file.name).unlink(missing_ok=True)
                        raise
            except _UnsafeError as error:
                left_out[key] = str(error)
            except (IsADirectoryError, NotADirectoryError, FileExistsError):
                left_out[key] = "is a file and a folder at once"
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                left_out[key] = "has a path that is too long"
    return Saved(out / run_id, left_out)


def _umask() -> int:
    """The process's own; it can only be asked for by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


def _place(root: Path, parts: list[str]) -> Path:
    """Where an object goes; its folders are made one by one, and none of them may be a link."""
    for part in parts:
        _check_name(part)
    at = root
    for part in parts[:-1]:
        at /= part
        if at.is_symlink():
            raise _UnsafeError(f"{at} is a link")
        at.mkdir(exist_ok=True)
    return at / parts[-1]


def _check_name(part: str) -> None:
    if not part:
        raise _UnsafeError("has a folder or file without a name")
    if part in (".", ".."):
        raise _UnsafeError("leads out of its folder")
    if any(char in '/\\:*?"<>|' or not char.isprintable() for char in part):
        raise _UnsafeError("has a character that no file name has everywhere")
    if part[-1] in ". " or part.partition(".")[0].rstrip().casefold() in RESERVED:
        raise _UnsafeError("is a name that Windows reserves")
    if len(part.encode()) > MAX_NAME_BYTES:
        raise _UnsafeError("has a name that is too long")


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()
