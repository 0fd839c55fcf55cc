"""A result picture in S3, and one that could not be had."""

from dataclasses import dataclass

from tryon.result_formats import ResultFormat


@dataclass(frozen=True)
class Stored:
    """A result as it is in S3.

    `bytes` is its size, `sha256` in hex, `width` and `height` in pixels, None when the first bytes do not show
    them. `candidate` counts the task's results from 1; runs from before it was kept have none.
    """

    key: str
    bytes: int
    sha256: str
    format: ResultFormat
    width: int | None
    height: int | None
    candidate: int | None = None


@dataclass(frozen=True)
class Lost:
    """A candidate that could not be had: its number, the error's name and why."""

    candidate: int
    error: str
    cause: str
