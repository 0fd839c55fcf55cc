"""The pictures that a manifest names: which are files here, whether they can be used, under which keys they go."""

import difflib
import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from typing import get_args

from tryon.json_types import Json
from tryon.pictures.formats import FORMATS, HEAD_BYTES, looks_like, recognise_format, sentence
from tryon.pictures.images import MAX_INPUT_BYTES, ImageError, prepare
from tryon.planning.manifest import MAX_PROBLEMS, ImageKind

PREFIX = "inputs/"
"""Where pictures go: nothing under it starts a run."""

MAX_KEY_BYTES = 1024
"""Longest key that S3 takes."""

MAX_CANDIDATES = 5000
"""Files that are looked at for a name like one that is missing."""

_KINDS = get_args(ImageKind)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class LocalPicture:
    """A file that goes up: its key, its size in bytes, and whether it is outside of the manifest's folder."""

    path: Path
    key: str
    format: str
    sha256: str
    bytes: int
    outside: bool

    @property
    def media_type(self) -> str:
        return FORMATS[self.format].media_type


def named(manifest: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The field and the text of each image that a manifest's JSON names, before the manifest was checked."""
    for kind in _KINDS:
        entries = manifest.get(kind)
        for i, entry in enumerate(entries if isinstance(entries, list) else []):
            image = entry.get("image") if isinstance(entry, dict) else None
            if isinstance(image, str):
                yield f"{kind}[{i}].image", image


def renamed(manifest: Mapping[str, Json], names: Callable[[str], str]) -> dict[str, Json]:
    """The manifest's JSON with other names for its images."""

    def entry(given: Json) -> Json:
        image = given.get("image") if isinstance(given, dict) else None
        return {**given, "image": names(image)} if isinstance(given, dict) and isinstance(image, str) else given

    lists = ((kind, manifest.get(kind)) for kind in _KINDS)
    return {**manifest, **{kind: [entry(one) for one in given] for kind, given in lists if isinstance(given, list)}}


def find(image: str, folder: Path) -> Path | None:
    """The file that an image of a manifest in `folder` names; None when there is none here."""
    if "\0" in image or _ADDRESS.match(image):
        return None
    # The same letters may be written in two ways: a Mac's archive has one, the manifest the other. And file names are
    # UTF-8, whatever code page the system is set to.
    names = (image, *(unicodedata.normalize(form, image) for form in ("NFC", "NFD")))
    for form in dict.fromkeys(os.fsdecode(name.encode()) for name in names):
        paths = [folder / form]
        if form.startswith("~"):
            paths.append(Path(os.path.expanduser(form)))  # noqa: PTH111 Path's raises for a user that is not known
        for path in paths:
            try:
                if path.is_file():
                    return path
            except OSError:  # a name that is too long, a folder that is closed
                continue
    return None


def is_path(image: str) -> bool:
    """Whether an image can only be a file here: no key in a bucket is written so."""
    return not _ADDRESS.match(image) and (image.startswith(("/", "~")) or bool({".", ".."} & set(image.split("/"))))


def look(path: Path, image: str, folder: Path) -> LocalPicture:
    """A local file as a picture by its first bytes; raises `ImageError` for anything else and OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        found = recognise_format(head)
        if found is None:
            prepare(head, name=image)
            raise ImageError(image, "is no picture")
        size = os.fstat(file.fileno()).st_size
        if size > MAX_INPUT_BYTES:
            raise ImageError(image, f"is larger than {MAX_INPUT_BYTES // 1_000_000} MB")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    outside = not path.resolve().is_relative_to(folder.resolve())
    return LocalPicture(path, key_of(digest, path.name), found, digest, size, outside)


def no_picture(path: Path) -> str | None:
    """Why a file is no picture for a manifest; None if it is one."""
    try:
        text_of(path)
        if not path.is_file():
            return "is no file" if path.exists() else "is a link that leads nowhere"
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if recognise_format(head) is not None:
        return None
    looks = looks_like(head)
    return "is empty" if not head else f"is not a {sentence()} picture" + (f": it looks like {looks}" if looks else "")


def text_of(path: PurePath) -> str:
    """A path as UTF-8 reads it, whatever code page the system is set to; raises UnicodeDecodeError."""
    return os.fsencode(path.as_posix()).decode("utf-8")


def path_from(out: Path, folder: Path, picture: Path) -> str:
    """The path from a manifest's folder `out` to a file of `folder`, an absolute one where there is none (a drive)."""
    # The folders' links are followed, for `..` is taken after them; the picture's own are not.
    inside = picture.is_relative_to(folder)
    there = folder.resolve() / picture.relative_to(folder) if inside else picture.absolute()
    try:
        path = text_of(PurePath(os.path.relpath(there, out.resolve())))
    except ValueError:
        return text_of(there)
    return f"./{path}" if path.startswith("~") else path


def key_of(sha256: str, name: str) -> str:
    """The key of a picture: by its content, so that two folders' `anna.jpg` never meet, and by its name for people."""
    start = f"{PREFIX}{sha256[:16]}-"
    return start + cleaned(name, MAX_KEY_BYTES - len(start))


def cleaned(name: str, most: int) -> str:
    """A file's name as a part of a key, of at most so many bytes: characters that are not seen replaced."""
    shown = "".join(
        char if char.isprintable() else " " if unicodedata.category(char) == "Zs" else "-"
        for char in unicodedata.normalize("NFC", name).replace("/", "-").replace("\\", "-")
    )
    suffix = PurePosixPath(shown).suffix.encode()[:16]
    data = shown.encode()
    if len(data) <= most:
        return shown
    return (data[: most - len(suffix)] + suffix).decode(errors="ignore")


def nearest(image: str, folder: Path) -> str | None:
    """The file here that the writer of `image` may have meant, as it would stand in the manifest."""
    if is_path(image):
        beside = (folder / os.path.expanduser(image)).parent  # noqa: PTH111 as above
        start = image.rpartition("/")[0] + "/" if "/" in image else ""
        names = [start + name for name in _files(beside, deep=False)]
    else:
        names = list(_files(folder, deep=True))
    wanted = image.replace("\\", "/").casefold()
    same = [name for name in names if PurePosixPath(name.casefold()).name == PurePosixPath(wanted).name]
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(wanted, [name.casefold() for name in same] or list(folded), n=1)
    return folded[near[0]] if near else same[0] if same else None


def hint(image: str, folder: Path, number: int) -> str:
    """`nearest` as the end of a sentence; of many problems only the first have one, since each takes a while."""
    near = nearest(image, folder) if number < MAX_PROBLEMS else None
    return f"; did you mean {near!r}?" if near else ""


@cache
def _files(folder: Path, *, deep: bool) -> tuple[str, ...]:
    """The names of pictures in a folder; hidden ones are left out."""

    def walk(at: Path) -> Iterator[str]:
        try:
            with os.scandir(at) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            return
        for entry in found:
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                if Path(entry.name).suffix.lower() in _EXTENSIONS:
                    yield Path(entry.path).relative_to(folder).as_posix()
            elif deep and entry.is_dir(follow_symlinks=False):
                yield from walk(Path(entry.path))

    return tuple(islice(walk(folder), MAX_CANDIDATES))


_EXTENSIONS = frozenset(extension for found in FORMATS.values() for extension in found.extensions)
