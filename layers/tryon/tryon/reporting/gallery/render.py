"""The page that reviewers look at: one file that holds its pictures and asks nobody for anything."""

import base64
import hashlib
import io
import json
import posixpath
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from html import escape
from importlib import resources

from PIL import Image

from tryon import web
from tryon.checks.verdict_file import Verdicts
from tryon.errors import ADVICE
from tryon.json_types import Json
from tryon.keys import RunFolder, result_copy
from tryon.pictures.thumbnails import obstacle
from tryon.planning.manifest import DEFAULT_VARIANT, VARIANT_NAME, ImageKind, Manifest
from tryon.planning.plan import Key
from tryon.reporting import checked
from tryon.reporting.summary import Summary
from tryon.service import registry
from tryon.state.entry import Entry
from tryon.stored import Stored

NO_PICTURES: Mapping[str, bytes] = {}

_STYLES = ("frame", "toolbar", "grid", "viewer", "sheet", "narrow", "print")
_BARS = 16


@dataclass(frozen=True)
class Part:
    """One of the further pages of a large run: its number, counted from 1, its file and what it shows."""

    number: int
    file: str
    first: str
    last: str
    combinations: int


@dataclass(frozen=True)
class Upload:
    """A signed form: where it is posted to, its fields, what the key begins with, and most bytes of the file."""

    url: str
    fields: Mapping[str, str]
    prefix: str
    most: int


@dataclass(frozen=True)
class Share:
    """What a shared page was signed with: the bucket's host, until when, full-size files by key, and the upload."""

    host: str
    until: str
    full: Mapping[str, str]
    upload: Upload


@dataclass(frozen=True)
class Context:
    """What a page knows besides its run.

    `repaired_by` names the retries that brought what the run lacked. `takes` are all takes of the combinations that
    have several, from whatever run, by key without a take. `family` is the run that this one goes back to: its
    reviews are this one's. `share` makes the page one that a link is given to. `verdicts` are what the automatic checks
    say of results.
    """

    repaired_by: Sequence[str] | None = None
    takes: Mapping[Key, Sequence[Entry]] = field(default_factory=dict)
    family: str | None = None
    share: Share | None = None
    verdicts: Verdicts | None = None

    @property
    def runs(self) -> list[str]:
        """The runs that made the takes."""
        of = {result.key.split("/")[1] for takes in self.takes.values() for one in takes for result in one.results}
        return sorted(of)

    def results(self, entry: Entry) -> list[tuple[int, int, Stored]]:
        """The pictures of an entry's combination, of all takes: take, candidate and what is stored."""
        takes = self.takes.get((entry.model, entry.worn.partition("-")[2], entry.variant), (entry,))
        return [
            # Runs from before it was kept have no number: their place is it.
            (one.take, result.candidate or n, result)
            for one in takes
            for n, result in enumerate(one.results, start=1)
        ]


NO_CONTEXT = Context()


@dataclass(frozen=True)
class Pages:
    """The pages that a gallery has besides its index; `shown` is the part that is rendered, None for the index."""

    parts: Sequence[Part] = ()
    shown: Part | None = None
    part_of: Mapping[int, int] = field(default_factory=dict)


def render(
    summary: Summary,
    entries: Sequence[Entry],
    *,
    manifest: Manifest | None = None,
    pictures: Mapping[str, bytes] = NO_PICTURES,
    plots: Sequence["Histogram | None"] | None = None,
    pages: Pages | None = None,
    side: int | None = None,
    context: Context = NO_CONTEXT,
) -> str:
    """A page of a run's folder: a row a model, a column a garment, a cell a combination.

    `manifest` names the garments' types and the variants' parameters;
    `pictures` are the small copies by their keys in S3, and what is missing is shown in words. Results may lie in
    another run's folder, such as a retry's. `plots` (`Measures.plots`) are the whole run's where `entries` are a part.
    `side` is the copies' longest side in pixels where they are smaller than thumbnails.
    """
    if plots is None:
        measures = Measures()
        for entry in entries:
            measures.add(entry)
        plots = measures.plots()
    content = _Content(summary, entries, manifest, pictures, plots, pages or Pages(), side, context)
    style, script = web.style(__package__, *_STYLES), web.script(__package__)
    pieces = {
        "policy": _policy(style, script, context.share),
        # ASCII, since a name may hold half a surrogate pair, which no encoding takes.
        "title": escape(summary.name).encode("ascii", "xmlcharrefreplace").decode(),
        "style": style,
        "script": script,
        "data": _json(content.data()),
        "pictures": _json(content.embedded),
    }
    return re.sub(r"<!--([a-z]+)-->", lambda found: pieces[found[1]], _template())


@cache
def _template() -> str:
    return resources.files(__package__).joinpath("page.html").read_text("utf-8")


def _policy(style: str, script: str, share: Share | None) -> str:
    """What the page may do: run its own script and style, show pictures it holds, and those beside it on a disk.

    A shared page has the bucket's own host in the disk's place, for its pictures and for the review that it sends.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            f"img-src data: {share.host}" if share else "img-src data: file:",
            *([f"connect-src {share.host}"] if share else []),
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Json) -> str:
    """JSON that may stand in a script element: no character in it can end the element or begin a comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class _Content:
    """A page's data, gathered while its pictures are numbered."""

    def __init__(
        self,
        summary: Summary,
        entries: Sequence[Entry],
        manifest: Manifest | None,
        pictures: Mapping[str, bytes],
        plots: Sequence["Histogram | None"],
        pages: Pages,
        side: int | None,
        context: Context,
    ) -> None:
        self._summary = summary
        self._entries = entries
        self._manifest = manifest
        self._pictures = pictures
        self._plots = plots
        self._pages = pages
        self._side = side
        self._context = context
        self._folder = RunFolder(summary.run_id)
        self._names: dict[str, str] = {}
        self._people: dict[str, str] = {}
        self._variant_names = manifest.variant_names() if manifest is not None else {}
        if manifest is not None:
            self._people = {one.id: one.name for one in manifest.models if one.name}
            self._names = {one.id: one.name for one in manifest.garments if one.name}
            self._names |= {one.id: one.name for one in manifest.outfits if one.name}
        self._numbers: dict[str, int] = {}
        self.embedded: list[str] = []

    def data(self) -> dict[str, Json]:
        models = _numbered(entry.model for entry in self._entries)
        worn = _numbered(sorted({entry.worn for entry in self._entries}))
        variants = _numbered([*self._known_variants(), *(entry.variant for entry in self._entries)])
        return {
            "run": {name: value for name, value in asdict(self._summary).items() if name in _RUN_FIELDS}
            | {"repaired_by": self._context.repaired_by, "family": self._context.family},
            "plots": [None if plot is None else _plot(plot) for plot in self._plots],
            "pages": self._page_list(),
            "side": self._side,
            "share": self._share(),
            "advice": dict(ADVICE),
            "models": [{"id": id_, **_named(self._people, id_), **self._input("models", id_)} for id_ in models],
            "worn": self._worn(worn),
            "variants": [
                {"id": id_, "says": self._difference(id_), **_named(self._variant_names, id_), **self._service(id_)}
                for id_ in variants
            ],
            "cells": [self._cell(entry, models, worn, variants) for entry in self._entries],
        }

    def _share(self) -> dict[str, Json] | None:
        share = self._context.share
        if share is None:
            return None
        upload = share.upload
        return {
            "until": share.until,
            "full": {self._file(key): address for key, address in share.full.items()},
            "send": {"url": upload.url, "fields": {**upload.fields}, "prefix": upload.prefix, "most": upload.most},
        }

    def _file(self, key: str) -> str:
        """A file's place beside the page."""
        return posixpath.relpath(key, self._folder.prefix)

    def _page_list(self) -> dict[str, Json]:
        index = posixpath.basename(self._folder.gallery)
        return {
            "index": index,
            "shown": self._pages.shown.number if self._pages.shown else None,
            "parts": [
                {"file": part.file, "first": part.first, "last": part.last, "combinations": part.combinations}
                for part in self._pages.parts
            ],
        }

    def _known_variants(self) -> list[str]:
        used = {entry.variant for entry in self._entries}
        return [name for name in (self._manifest.variants if self._manifest else ()) if name in used]

    def _difference(self, variant: str) -> str:
        """A variant's parameters in words: those that it changes."""
        changes = self._manifest.variants.get(variant, {}) if self._manifest else {}
        if variant == DEFAULT_VARIANT and not changes:
            return ""
        kept = {name: value for name, value in changes.items() if name != VARIANT_NAME}
        words = (f"{name.replace('_', ' ')} {_said(value)}" for name, value in kept.items())
        return ", ".join(words) or "no changes"

    def _service(self, variant: str) -> dict[str, Json]:
        """The key of the service that made a variant's pictures, where a run has more than the first service's."""
        made = {entry.variant: entry.service for entry in self._entries}
        return {"service": made[variant]} if set(made.values()) != {registry.FIRST} and variant in made else {}

    def _worn(self, worn: Mapping[str, int]) -> list[dict[str, Json]]:
        types = {garment.id: garment.type for garment in (self._manifest.garments if self._manifest else ())}
        parts = {entry.worn: entry.garments for entry in self._entries}
        return [
            {
                "id": id_,
                "name": self._names.get(id_.partition("-")[2]) or id_.partition("-")[2] or id_,
                "number": id_.partition("-")[0],
                "type": "outfit" if len(parts[id_]) > 1 else types.get(next(iter(parts[id_]), "")),
                "garments": [
                    {
                        "id": garment,
                        "type": types.get(garment),
                        **_named(self._names, garment),
                        **self._input("garments", garment),
                    }
                    for garment in parts[id_]
                ],
            }
            for id_ in worn
        ]

    def _cell(
        self, entry: Entry, models: Mapping[str, int], worn: Mapping[str, int], variants: Mapping[str, int]
    ) -> dict[str, Json]:
        cell: dict[str, Json] = {
            "id": entry.id,
            "n": entry.n,
            "m": models[entry.model],
            "w": worn[entry.worn],
            "v": variants[entry.variant],
            "status": entry.status.value,
            "polls": entry.polls,
            "latency": entry.latency,
            "delay": entry.delay,
            "submits": entry.submits if entry.submits > 1 else None,
            "refused": len(entry.refused_tasks) or None,
            "resumed": entry.resumed or None,
            "part": self._pages.part_of.get(entry.n) if self._pages.shown is None else None,
            "results": [self._result(*result) for result in self._context.results(entry)],
            "lost": [{"candidate": one.candidate, "error": one.error, "cause": one.cause[:300]} for one in entry.lost],
        }
        if entry.error:
            cell |= {"error": entry.error, "cause": (entry.cause or "")[:1000], "step": entry.step}
            cell |= {"task": entry.task_id, "requests": list(entry.request_ids)}
        return {name: value for name, value in cell.items() if value not in (None, [])}

    def _result(self, take: int, candidate: int, result: Stored) -> dict[str, Json]:
        shown: dict[str, Json] = {
            "take": take if take > 1 else None,
            "candidate": candidate,
            "file": self._file(result.key),
            "bytes": result.bytes,
            "width": result.width,
            "height": result.height,
            "thumb": self._picture(result_copy("thumbnails", result.key)),
            "large": self._picture(result_copy("previews", result.key)),
        }
        verdict = self._context.verdicts.of(result.key) if self._context.verdicts else None
        if verdict is not None:
            shown["check"] = checked.shown(verdict)
        if shown["thumb"] is None and shown["large"] is None:
            shown["note"] = obstacle(result)
        return {name: value for name, value in shown.items() if value is not None}

    def _input(self, kind: ImageKind, id_: str) -> dict[str, Json]:
        thumbnail = self._folder.input_copy("thumbnails", kind, id_)
        shown: dict[str, Json] = {
            "thumb": self._picture(thumbnail),
            "large": self._picture(self._folder.input_copy("previews", kind, id_)),
            "ratio": _ratio(self._pictures.get(thumbnail)),
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _picture(self, key: str) -> int | None:
        """The number under which a copy is embedded, None when there is none; each is embedded once."""
        data = self._pictures.get(key)
        if data is None:
            return None
        if key not in self._numbers:
            self._numbers[key] = len(self.embedded)
            self.embedded.append(base64.b64encode(data).decode())
        return self._numbers[key]


def _named(names: Mapping[str, str], id_: str) -> dict[str, Json]:
    """The display name of what has an id, where the manifest gives one."""
    return {"name": names[id_]} if id_ in names else {}


def _ratio(copy: bytes | None) -> float | None:
    """A copy's width to its height, None of none: only its head is read."""
    if copy is None:
        return None
    try:
        with Image.open(io.BytesIO(copy), formats=["JPEG", "WEBP"]) as image:
            return round(image.width / image.height, 4)
    except OSError:
        return None


_RUN_FIELDS = (
    # Of the summary, what the page shows.
    "run_id",
    "name",
    "status",
    "error",
    "cause",
    "retry_of",
    "retry_manifest",
    "started_at",
    "seconds",
    "total",
    "succeeded",
    "failed",
    "reasons",
    "pictures",
    "pictures_lost",
    "bytes",
    "polls",
    "latency",
    "delay",
    "tasks",
    "tasks_unknown",
    "cost",
    "cadence",
    "checks",
)


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bars of one width: the first bar begins at `first`."""

    name: str
    unit: str
    first: float
    step: float
    counts: Sequence[int]


class Measures:
    """What the plots of a run are drawn from, added up entry by entry: three numbers of each are kept."""

    def __init__(self) -> None:
        self._latency, self._polls, self._delay = array("d"), array("l"), array("d")

    def add(self, entry: Entry) -> None:
        """Take in what was measured of an entry."""
        if entry.latency is not None:
            self._latency.append(entry.latency)
        if entry.polls:
            self._polls.append(entry.polls)
        if entry.delay is not None:
            self._delay.append(entry.delay)

    def plots(self) -> list[Histogram | None]:
        """The page's plots, None of what was never measured."""
        return [
            _histogram("Latency", "s", self._latency),
            _histogram("Polls", "", self._polls),
            _histogram("Seen after", "s", self._delay),
        ]


def _plot(histogram: Histogram) -> dict[str, Json]:
    told = asdict(histogram)
    return {"from": told.pop("first"), **told}


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _said(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _histogram(name: str, unit: str, values: Sequence[float]) -> Histogram | None:
    """Counts of values in bars of one width, a round number; None of none."""
    if not values:
        return None
    low, high = min(values), max(values)
    step = next(step for step in _STEPS if (high // step) - (low // step) < _BARS)
    first = int(low // step)
    counts = [0] * (int(high // step) - first + 1)
    for value in values:
        counts[int(value // step) - first] += 1
    return Histogram(name, unit, first * step, step, counts)


_STEPS = tuple(factor * 10**power for power in range(18) for factor in (1, 2, 5))
