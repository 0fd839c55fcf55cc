"""Where things are in S3: every key of a run, made in this one place, and the pins of pictures."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from tryon.result_formats import EXTENSIONS, ResultFormat

if TYPE_CHECKING:
    pass


CopySize = Literal["thumbnails", "previews"]
"""The two sizes that a picture is shown in: in a grid, and large."""

_FROZEN = ConfigDict(frozen=True)


class Picture(BaseModel):
    """A picture in S3 that the service takes as it is.

    `version` pins the bytes that were checked; in a bucket without versions `etag` does.
    """

    model_config = _FROZEN

    bucket: str
    key: str
    version: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class RunFolder:
    """Every key of a run, made in this one place from checked ids."""

    run_id: str

    @property
    def prefix(self) -> str:
        return f"runs/{self.run_id}/"

    @property
    def plan(self) -> str:
        return self.prefix + "plan.json"

    @property
    def pictures(self) -> str:
        """Which bytes each picture of the manifest was, for the runs that repeat this one."""
        return self.prefix + "pictures.json"

    def pictures_part(self, first: int) -> str:
        """What a call of its own took in of the pictures, from the one of that number on, which counts from 1."""
        return f"{self.prefix}pictures/{first:06d}.json"

    @property
    def children(self) -> str:
        """Under which the Map leaves what its child executions returned."""
        return self.prefix + "children"

    @property
    def summary(self) -> str:
        return self.prefix + "summary.json"

    @property
    def csv(self) -> str:
        return self.prefix + "combinations.csv"

    @property
    def checks(self) -> str:
        """What the automatic checks say of each result, a line each."""
        return self.prefix + "checks.jsonl"

    @property
    def gallery(self) -> str:
        return self.prefix + "index.html"

    @property
    def outline(self) -> str:
        """What the calls that draw a large gallery's parts need to know of the whole."""
        return self.prefix + "gallery.json"

    @property
    def retry_manifest(self) -> str:
        return self.prefix + "retry-manifest.json"

    @property
    def shared(self) -> str:
        """The page that reviewers get one link to."""
        return self.prefix + "shared.html"

    @property
    def reviews(self) -> str:
        """What the keys of reviews that shared pages send begin with."""
        return f"reviews/{self.run_id}/"

    @property
    def contact_sheet(self) -> str:
        return self.prefix + "contact-sheet.jpg"

    def gallery_part(self, number: int) -> str:
        """Where a further page of a large run's gallery goes; parts count from 1."""
        return f"{self.prefix}gallery-{number:03d}.html"

    def input(self, kind: str, picture_id: str, extension: str, service: str = "") -> str:
        """Where a converted input picture goes; `kind` is models or garments, `service` a key; none is the first's."""
        return f"{self.prefix}inputs/{f'{service}/' if service else ''}{kind}/{picture_id}.{extension}"

    def input_copy(self, size: CopySize, kind: str, picture_id: str) -> str:
        """Where a small copy of an input picture goes; `kind` is models or garments."""
        return f"{self.prefix}{size}/{kind}/{picture_id}.jpg"

    def results(self, model: str, combination_id: str) -> str:
        """What the keys of a combination's results begin with."""
        return f"{self.prefix}results/{model}/{combination_id}__"

    def result(self, model: str, combination_id: str, candidate: int, found: ResultFormat = "png") -> str:
        """Where a combination's result goes; candidates count from 1, PNG is what the service promises."""
        return f"{self.results(model, combination_id)}{candidate}.{EXTENSIONS[found]}"


def result_copy(size: CopySize, result_key: str) -> str:
    """Where a small copy of a result goes: into the folder of the run that the result is in."""
    run, _, rest = result_key.partition("/results/")
    return f"{run}/{size}/results/{PurePosixPath(rest).with_suffix('.jpg')}"
