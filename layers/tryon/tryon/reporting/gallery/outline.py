"""What the parts of a large gallery need to know of the whole: kept in S3 for the calls that draw them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import accumulate

from pydantic import TypeAdapter

from tryon.json_types import validated
from tryon.reporting.gallery.render import Histogram, Part
from tryon.reporting.summary import Summary


@dataclass(frozen=True)
class Outline:
    """A gallery's parts and what each page says of the whole run; the content of gallery.json.

    `previews` says whether parts carry previews besides thumbnails. `repaired_by` names the retries that brought what
    the run lacked, `family` the run that it goes back to: both are None of a run that has no retries and is none.
    """

    summary: Summary
    parts: tuple[Part, ...]
    plots: tuple[Histogram | None, ...]
    previews: bool
    repaired_by: tuple[str, ...] | None = None
    family: str | None = None

    def encode(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def numbers(self, parts: Sequence[Part]) -> tuple[int, int]:
        """The numbers of the first and the last combination of some parts that follow each other."""
        ends = [0, *accumulate(part.combinations for part in self.parts)]
        return ends[parts[0].number - 1] + 1, ends[parts[-1].number]


def read(data: str | bytes) -> Outline:
    """An outline from its file. Raises `UnreadableError` for anything else, and ValueError for what is no JSON."""
    return validated(_outline(), json.loads(data), "gallery.json")


@cache
def _outline() -> "TypeAdapter[Outline]":
    return TypeAdapter(Outline)
