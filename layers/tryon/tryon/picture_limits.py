"""What a service takes as an input picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureLimits:
    """Bytes of the file, sides in pixels, and formats, `jpeg` or `png`, that a service takes as they are."""

    max_bytes: int
    min_side: int
    max_side: int
    formats: frozenset[str] = frozenset({"jpeg", "png"})
