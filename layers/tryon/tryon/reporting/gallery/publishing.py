"""A run's gallery in S3: one page where everything fits into one, an index and parts where it does not."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby, islice
from statistics import fmean
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tryon import objects
from tryon.keys import CopySize, RunFolder, result_copy
from tryon.pictures import thumbnails
from tryon.pictures.images import ImageError, thumbnail
from tryon.planning.manifest import Manifest
from tryon.reporting import contact_sheet
from tryon.reporting.batches import PART_COMBINATIONS
from tryon.reporting.gallery.outline import Outline
from tryon.reporting.gallery.render import NO_CONTEXT, Context, Measures, Pages, Part, render
from tryon.reporting.summary import Summary
from tryon.state.entry import Entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE_BYTES = 16_000_000
"""Pictures that one page carries at most; base64 makes 21 MB of them, which a telephone opens in a few seconds."""

INDEX_COMBINATIONS = 10_000
"""Combinations up to which the index shows each of them: a browser holds a row for every one."""

_MAX_WHOLE = 400
"""Pictures up to which it is tried whether all previews fit into one page: most have 40 to 100 kB."""

SHARP_RESULTS = 60
"""Results up to which the page carries copies with all pixels of the files, where they fit; each takes a moment."""

KEPT_GARMENTS = 1_000
"""Garments whose thumbnails are read once for all parts: 15 MB."""

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
    context: Context = NO_CONTEXT
    garments: dict[str, bytes] = field(default_factory=dict)

    def keys(self, size: CopySize, entries: Iterable[Entry]) -> list[str]:
        """The keys of all copies of one size, each once: models and garments first, then results in order."""
        entries = list(entries)
        keys = [self.folder.input_copy(size, "models", entry.model) for entry in entries]
        keys += [self.folder.input_copy(size, "garments", id_) for entry in entries for id_ in entry.garments]
        keys += [
            result_copy(size, result.key)
            for entry in entries
            for _, _, result in self.context.results(entry)
            if thumbnails.obstacle(result) is None
        ]
        return list(dict.fromkeys(keys))

    def read(self, keys: Iterable[str], side: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Yield key and bytes of each copy that is there; garments are kept, since every part shows the same."""
        if side is not None:
            yield from thumbnails.read(self.s3, self.bucket, keys, side=side)
            return
        keys = list(keys)
        yield from ((key, self.garments[key]) for key in keys if key in self.garments)
        prefix = posixpath.dirname(self.folder.input_copy("thumbnails", "garments", "-")) + "/"
        for key, data in thumbnails.read(self.s3, self.bucket, [key for key in keys if key not in self.garments]):
            if key.startswith(prefix) and len(self.garments) < KEPT_GARMENTS:
                self.garments[key] = data
            yield key, data


def begin(
    s3: "S3Client",
    bucket: str,
    summary: Summary,
    entries: Iterable[Entry],
    manifest: Manifest | None,
    *,
    context: Context = NO_CONTEXT,
    hurry: Callable[[], bool] = lambda: False,
) -> Outline:
    """Write index.html and the contact sheet; return what the parts that a large run needs are drawn by (`draw`).

    One page holds every preview where they fit, a couple of hundred combinations, and copies with all pixels of the
    files for up to `SHARP_RESULTS`. Beyond that the index shows all
    combinations, with pictures as large as fit, and each part some of them with previews. A run of more than
    `INDEX_COMBINATIONS` has an index of its parts alone, and parts with thumbnails: its entries are never held, but
    read once more for the parts. Every page is whole in itself, and no more than one is in memory.
    """
    folder = RunFolder(summary.run_id)
    shelf = _Shelf(s3, bucket, folder, context)
    held = list(entries) if summary.total <= INDEX_COMBINATIONS else None
    entries = entries if held is None else held
    whole = None if held is None else _whole(shelf, held)
    if held is not None and whole is not None:
        whole = _sharp(shelf, held, whole, hurry)
    watched = _Watched(folder, parted=whole is None)
    shown = contact_sheet.choose(watched.watch(entries))
    copies = dict(shelf.read(shelf.keys("thumbnails", shown.entries)))
    sheet = contact_sheet.draw(summary, shown, copies)
    s3.put_object(Bucket=bucket, Key=folder.contact_sheet, Body=sheet, ContentType="image/jpeg")
    del copies, sheet, shown
    outline = Outline(
        summary=summary,
        parts=tuple(watched.parts),
        plots=tuple(watched.measures.plots()),
        previews=held is not None,
        repaired_by=None if context.repaired_by is None else tuple(context.repaired_by),
        family=context.family,
    )
    writer = _Writer(shelf, outline, manifest)
    if held is None:
        writer.write(folder.gallery, (), {}, pages=Pages(outline.parts))
    elif whole is not None:
        writer.write(folder.gallery, held, whole)
    else:
        pictures, side = _small(shelf, held)
        writer.write(folder.gallery, held, pictures, pages=Pages(outline.parts, None, watched.part_of()), side=side)
    return outline


def draw(
    s3: "S3Client",
    bucket: str,
    outline: Outline,
    parts: Sequence[Part],
    entries: Iterable[Entry],
    manifest: Manifest | None,
    *,
    context: Context = NO_CONTEXT,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Write some of a gallery's parts, which follow each other; `entries` are those of these parts, in their order.

    Called again it writes the same. Once there is `hurry`, the parts still to come carry no pictures.
    """
    folder = RunFolder(outline.summary.run_id)
    shelf = _Shelf(s3, bucket, folder, context)
    writer = _Writer(shelf, outline, manifest)
    sizes: tuple[CopySize, ...] = ("thumbnails", "previews") if outline.previews else ("thumbnails",)
    coming = iter(entries)
    for part in parts:
        group = list(islice(coming, part.combinations))
        pictures = {} if hurry() else _pictures(shelf, group, sizes)
        writer.write(folder.gallery_part(part.number), group, pictures, pages=Pages(outline.parts, part))


@dataclass(frozen=True)
class _Writer:
    """Writes the pages of one gallery."""

    shelf: _Shelf
    outline: Outline
    manifest: Manifest | None

    def write(
        self,
        key: str,
        shown: Sequence[Entry],
        pictures: Mapping[str, bytes],
        pages: Pages | None = None,
        side: int | None = None,
    ) -> None:
        page = render(
            self.outline.summary,
            shown,
            manifest=self.manifest,
            pictures=pictures,
            plots=self.outline.plots,
            pages=pages,
            side=side,
            context=self.shelf.context,
        )
        objects.put_text(self.shelf.s3, self.shelf.bucket, key, page, "text/html; charset=utf-8")


def publish_shared(
    s3: "S3Client",
    bucket: str,
    summary: Summary,
    entries: Sequence[Entry],
    manifest: Manifest | None,
    *,
    context: Context,
) -> None:
    """Write the one page that a link is given to: all combinations, with pictures as large as fit.

    What is larger is had from the bucket by the addresses in `context.share`. At most `INDEX_COMBINATIONS`.
    """
    folder = RunFolder(summary.run_id)
    shelf = _Shelf(s3, bucket, folder, context)
    whole, side = _whole(shelf, entries), None
    if whole is None:
        whole, side = _small(shelf, entries)
    page = render(summary, entries, manifest=manifest, pictures=whole, side=side, context=context)
    objects.put_text(s3, bucket, folder.shared, page, "text/html; charset=utf-8")


class _Watched:
    """A run's parts and measures, gathered while its entries pass."""

    def __init__(self, folder: RunFolder, *, parted: bool) -> None:
        self.measures = Measures()
        self.parts: list[Part] = []
        self._folder = folder
        self._parted = parted

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Let the entries pass, a part's at a time."""
        for group in _groups(entries):
            if self._parted:
                self.parts.append(_part(self._folder, len(self.parts) + 1, group))
            for entry in group:
                self.measures.add(entry)
                yield entry

    def part_of(self) -> dict[int, int]:
        """The part of each entry, by its number in the run; the entries came in the order of their numbers."""
        return dict(enumerate((part.number for part in self.parts for _ in range(part.combinations)), start=1))


def _whole(shelf: _Shelf, entries: Sequence[Entry]) -> dict[str, bytes] | None:
    """Thumbnails and previews of everything, None where they are more than one page carries."""
    keys = [*shelf.keys("thumbnails", entries), *shelf.keys("previews", entries)]
    if len(keys) > 2 * _MAX_WHOLE:
        return None
    pictures = dict(shelf.read(keys))
    return pictures if _size(pictures) <= PAGE_BYTES else None


def _sharp(
    shelf: _Shelf, entries: Sequence[Entry], pictures: dict[str, bytes], hurry: Callable[[], bool]
) -> dict[str, bytes]:
    """The same pictures, with previews of results that have all pixels of their files, where all of these fit."""
    results = {result.key: result for entry in entries for _, _, result in shelf.context.results(entry)}
    if len(results) > SHARP_RESULTS:
        return pictures
    found = dict(pictures)
    for result in results.values():
        preview = result_copy("previews", result.key)
        longest = max(result.width or 0, result.height or 0)
        if preview not in found or longest <= thumbnails.SIDES["previews"]:
            continue
        if hurry():
            return pictures
        with suppress(ImageError, ClientError, BotoCoreError, OSError):
            data = objects.get(shelf.s3, shelf.bucket, result.key)["Body"].read()
            found[preview] = thumbnail(data, side=longest, most_memory=thumbnails.MAX_MEMORY)
        if _size(found) > PAGE_BYTES:
            return pictures
    return found


def _pictures(shelf: _Shelf, entries: Sequence[Entry], sizes: Iterable[CopySize]) -> dict[str, bytes]:
    """A part's pictures, one size after the other, until the page is full."""
    pictures: dict[str, bytes] = {}
    room = PAGE_BYTES
    for key, data in shelf.read([key for size in sizes for key in shelf.keys(size, entries)]):
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
        while rest := list(islice(own, PART_COMBINATIONS)):
            if lot and len(lot) + len(rest) > PART_COMBINATIONS:
                yield lot
                lot = []
            lot += rest
    if lot:
        yield lot


def _part(folder: RunFolder, number: int, group: Sequence[Entry]) -> Part:
    return Part(
        number,
        posixpath.basename(folder.gallery_part(number)),
        group[0].model,
        group[-1].model,
        combinations=len(group),
    )
