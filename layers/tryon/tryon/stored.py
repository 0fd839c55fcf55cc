"""A result picture in S3, and one that could not be had."""

from dataclasses import asdict, dataclass

from tryon.json_types import Json
from tryon.result_formats import ResultFormat


@dataclass(frozen=True)
class Stored:
    """A result as it is in S3.

    `bytes` is its size, `sha256` in hex, `width` and `height` in pixels, None when the first bytes do not show
    them. `candidate` counts the task's results from 1; runs from before it was kept have none. `score` and `reason` are
    what the service itself said of the picture; what they mean is its own.
    """

    key: str
    bytes: int
    sha256: str
    format: ResultFormat
    width: int | None
    height: int | None
    candidate: int | None = None
    score: float | None = None
    reason: str | None = None

    def as_item(self) -> dict[str, Json]:
        """The result in plain values; what the service did not say is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in _SAID}


_SAID = ("score", "reason")


@dataclass(frozen=True)
class Lost:
    """A candidate that could not be had: its number, the error's name and why."""

    candidate: int
    error: str
    cause: str
