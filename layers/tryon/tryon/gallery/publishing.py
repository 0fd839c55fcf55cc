"""A run's gallery in S3: one page where everything fits into one, an index and parts where it does not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from posixpath import basename
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tryon import contact_sheet, objects, thumbnails
from tryon.gallery import Pages, Part, render
from tryon.ledger import Entry
from tryon.plan import CopySize, RunFolder, result_copy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE_BYTES = 16_000_000
"""Pictures that one page carries at most; base64 makes 21 MB of them, which a telephone opens in a few seconds."""

_MAX_WHOLE = 400
"""Pictures up to which it is tried whether all previews fit into one page: most have 40 to 100 kB."""

PART_COMBINATIONS = 200
"""Combinations in a part: 16 MB at 80 kB a preview."""

_SIDES = (None, 192, 128, 96, 64)
"""Longest sides tried for the pictures of a large run's index, None for the thumbnails as they are."""

_SAMPLE = 40
"""Pictures that are looked at to tell how large all of them are."""


@dataclass(frozen=True)
class _Shelf:
    """Where the copies lie that a page shows."""

    s3: "S3Client"
    bucket: str
    folder: RunFolder

    def keys(self, size: CopySize, entries: Iterable[Entry]) -> list[str]:
        """The keys of all copies of one size, each once: models and garments first, then results in order."""
        entries = list(entries)
        keys = [self.folder.input_copy(size, "models", entry.model) for entry in entries]
        keys += [self.folder.input_copy(size, "garments", id_) for entry in entries for id_ in entry.garments]
        keys += [
            result_copy(size, result["key"])
            for entry in entries
            for result in entry.results
            if thumbnails.obstacle(result) is None
        ]
        return list(dict.fromkeys(keys))

    def read(self, keys: Iterable[str], side: int | None = None) -> Iterator[tuple[str, bytes]]:
        return thumbnails.read(self.s3, self.bucket, keys, side=side)


def publish(
    s3: "S3Client",
    bucket: str,
    summary: Mapping[str, Any],
    entries: Sequence[Entry],
    manifest: Mapping[str, Any],
) -> list[str]:
    """Write index.html, the parts that a large run needs and the contact sheet; return their keys, the index first.

    One page holds every preview where they fit, a couple of hundred combinations. Beyond that the index shows all
    combinations, with pictures as large as fit, and each part some of them with previews. Every page is whole in
    itself, and no more than one is held in memory.
    """
    folder = RunFolder(summary["run_id"])
    shelf = _Shelf(s3, bucket, folder)
    written = [folder.gallery]
    whole = _whole(shelf, entries)
    if whole is not None:
        page = render(summary, entries, manifest=manifest, pictures=whole)
        objects.put_text(s3, bucket, folder.gallery, page, "text/html; charset=utf-8")
    else:
        groups = list(_groups(entries))
        parts = [_part(folder, number, group) for number, group in enumerate(groups, start=1)]
        pictures, side = _small(shelf, entries)
        part_of = {entry.n: part.number for part, group in zip(parts, groups, strict=True) for entry in group}
        page = render(
            summary, entries, manifest=manifest, pictures=pictures, pages=Pages(parts, None, part_of), side=side
        )
        objects.put_text(s3, bucket, folder.gallery, page, "text/html; charset=utf-8")
        del pictures, page
        for part, group in zip(parts, groups, strict=True):
            key = folder.gallery_part(part.number)
            page = render(
                summary,
                group,
                manifest=manifest,
                pictures=_both(shelf, group),
                everyone=entries,
                pages=Pages(parts, part),
            )
            objects.put_text(s3, bucket, key, page, "text/html; charset=utf-8")
            written.append(key)
    shown = contact_sheet.choose(entries)
    copies = dict(shelf.read(shelf.keys("thumbnails", shown.entries)))
    sheet = contact_sheet.draw(summary, shown, copies)
    s3.put_object(Bucket=bucket, Key=folder.contact_sheet, Body=sheet, ContentType="image/jpeg")
    return [*written, folder.contact_sheet]


def _whole(shelf: _Shelf, entries: Sequence[Entry]) -> dict[str, bytes] | None:
    """Thumbnails and previews of everything, None where they are more than one page carries."""
    keys = [*shelf.keys("thumbnails", entries), *shelf.keys("previews", entries)]
    if len(keys) > 2 * _MAX_WHOLE:
        return None
    pictures = dict(shelf.read(keys))
    return pictures if _size(pictures) <= PAGE_BYTES else None


def _both(shelf: _Shelf, entries: Sequence[Entry]) -> dict[str, bytes]:
    """A part's pictures: thumbnails first, then previews, until the page is full."""
    pictures: dict[str, bytes] = {}
    room = PAGE_BYTES
    for key, data in shelf.read([*shelf.keys("thumbnails", entries), *shelf.keys("previews", entries)]):
        room -= len(data)
        if room < 0:
            break
        pictures[key] = data
    return pictures


def _small(shelf: _Shelf, entries: Sequence[Entry]) -> tuple[dict[str, bytes], int | None]:
    """Pictures of everything for an index, as large as fit, and their longest side; None for whole thumbnails."""
    keys = shelf.keys("thumbnails", entries)
    some = [data for _, data in shelf.read(keys[:: max(1, len(keys) // _SAMPLE)])]
    for side in _SIDES:
        sample = some if side is None else [thumbnails.shrink(data, side) for data in some]
        if not sample or fmean(map(len, sample)) * len(keys) > PAGE_BYTES:
            continue
        pictures = dict(shelf.read(keys, side))
        if _size(pictures) <= PAGE_BYTES:
            return pictures, side
    return {}, _SIDES[-1]


def _size(pictures: Mapping[str, bytes]) -> int:
    return sum(map(len, pictures.values()))


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries in lots of a part's size: model by model, a model cut only where it has more than a part holds."""
    lot: list[Entry] = []
    for _, own in groupby(entries, key=lambda entry: entry.model):
        rest = list(own)
        if lot and len(lot) + len(rest) > PART_COMBINATIONS:
            yield lot
            lot = []
        while len(rest) > PART_COMBINATIONS:
            yield rest[:PART_COMBINATIONS]
            rest = rest[PART_COMBINATIONS:]
        lot += rest
    if lot:
        yield lot


def _part(folder: RunFolder, number: int, group: Sequence[Entry]) -> Part:
    return Part(number, basename(folder.gallery_part(number)), group[0].model, group[-1].model, combinations=len(group))
