"""Runs that have ended, as the gallery gets them: entries, summary, manifest and small copies of pictures."""

import io
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from botocore.exceptions import ClientError
from PIL import Image, ImageDraw

from tests.doubles import read_manifest, stored
from tryon.keys import RunFolder, result_copy
from tryon.reporting import summary
from tryon.reporting.gallery import publishing
from tryon.state.entry import Entry, Status
from tryon.state.run import Price, Run

RUN = "20261123T090000Z-lookbook-1a2b3c4d"
FOLDER = RunFolder(RUN)
START = 1_795_424_400.0
TYPES = ("upper", "lower", "full")


@cache
def jpeg(width: int, height: int, number: int = 0, noise: int = 0) -> bytes:
    """A JPEG unlike any other number's; `noise` in levels makes it as large as a photograph."""
    image = Image.new("RGB", (width, height), (number * 37 % 200 + 30, number * 91 % 200 + 30, number * 53 % 200 + 30))
    if noise:
        grain = Image.frombytes("L", (width, height), random.Random(number).randbytes(width * height))
        image = Image.blend(image, Image.merge("RGB", (grain,) * 3), noise / 255)
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), "white")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


@dataclass
class Lookbook:
    """A run of that many models, garments and variants; `failures` are combinations' numbers, `notes` errors.

    `services` are those that made a variant's pictures where it was not the first one.
    """

    models: int = 2
    garments: int = 9
    variants: Sequence[str] = ()
    failures: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    name: str = "Spring lookbook"
    candidates: int = 1
    large: bool = True
    services: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.entries: list[Entry] = []
        self.pictures: dict[str, bytes] = {}
        garments = [{"id": f"garment-{j}", "image": "g.jpg", "type": TYPES[j % 3]} for j in range(self.garments)]
        self.manifest = read_manifest(
            {
                **({"garments": garments} if garments else {}),
                "variants": {name: {"mask": "tight"} if i else {} for i, name in enumerate(self.variants)},
            }
        )
        self._copy("models", [f"model-{i}" for i in range(self.models)])
        self._copy("garments", [f"garment-{j}" for j in range(self.garments)])
        width = max(2, len(str(self.garments)))
        for i in range(self.models):
            for j in range(self.garments):
                for variant in self.variants or ["default"]:
                    worn = f"{j + 1:0{width}d}-garment-{j}"
                    self._combination(f"model-{i}", worn, variant, f"garment-{j}")
        run = Run(RUN, name=self.name, bucket="b", manifest_key="manifests/a.json", started_at=START)
        self.summary = summary.summarize(run, self.entries, now=START + 252, prices=self._price)

    def _price(self, service: str) -> Price:
        return Price(0.075, "USD") if service in self.services.values() else Price(1.0, "CNY")

    def _copy(self, kind: str, ids: Sequence[str]) -> None:
        for number, id_ in enumerate(ids):
            self.pictures[FOLDER.input_copy("thumbnails", kind, id_)] = jpeg(30, 40, number)
            if self.large:
                self.pictures[FOLDER.input_copy("previews", kind, id_)] = jpeg(90, 120, number)

    def _combination(self, model: str, worn: str, variant: str, garment: str) -> None:
        n = len(self.entries) + 1
        id_ = f"{model}__{worn}__{variant}"
        common: dict[str, Any] = {
            "n": n, "id": id_, "model": model, "worn": worn, "variant": variant, "garments": (garment,),
            "task_id": f"74000000000000{n:05d}", "submits": 1, "submitted_at": START + n, "ended_at": START + n + 30,
            "polls": 4 if n % 5 else 6, "request_ids": (f"request-{n}",),
            **({"service": self.services[variant]} if variant in self.services else {}),
        }  # fmt: skip
        if n in self.failures:
            error, cause = self.failures[n]
            self.entries.append(Entry(**common, status=Status.FAILED, error=error, cause=cause, step="Submit"))
            return
        results = [stored(FOLDER.result(model, id_, i + 1)) for i in range(self.candidates)]
        for result in results:
            self.pictures[result_copy("thumbnails", result.key)] = jpeg(30, 40, n % 97)
            if self.large:
                self.pictures[result_copy("previews", result.key)] = jpeg(90, 120, n % 97)
        self.entries.append(
            Entry(
                **common,
                status=Status.SUCCEEDED,
                latency=25.0 + n % 7,
                delay=0.5 * (n % 9),
                results=tuple(results),
                bytes=sum(result.bytes for result in results),
            )
        )


class Shelf:
    """S3 as far as the gallery knows it: objects by key, reads counted, `broken` keys answer with errors."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.read: list[str] = []
        self.broken: set[str] = set()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 boto3's own names
        self.read.append(Key)
        if Key in self.broken or Key not in self.objects:
            code = "InternalError" if Key in self.broken else "NoSuchKey"
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ContentLength": len(self.objects[Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        if Key in self.broken:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject")
        self.objects[Key] = Body


def publish(
    shelf: Shelf, book: Lookbook, entries: Iterable[Entry] | None = None, *, hurry: Callable[[], bool] = lambda: False
) -> list[str]:
    """Write all pages of a run's gallery, as the run's end does; returns their keys, the index first."""
    s3, shown = cast("Any", shelf), book.entries if entries is None else entries
    begun = publishing.begin(s3, "b", book.summary, shown, book.manifest, hurry=hurry)
    if begun.parts:
        publishing.draw(s3, "b", begun, begun.parts, shown, book.manifest, hurry=hurry)
    return [FOLDER.gallery, *(FOLDER.gallery_part(part.number) for part in begun.parts), FOLDER.contact_sheet]
