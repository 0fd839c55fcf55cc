"""The parts of a manifest's pictures that calls of their own take in, where there are thousands."""

from pydantic import BaseModel, ConfigDict

from tryon.planning.manifest import Manifest

MOST_OWN_PICTURES = 1_000
"""Pictures up to which one call takes them in itself: 300 s at 0.3 s each."""

PART_PICTURES = 100
"""Pictures that one further call takes in: 30 s, and what is large may take 25 times as long."""


class Part(BaseModel):
    """Pictures that a call of its own takes in, from `first` to `last` as the manifest names them, counted from 1."""

    model_config = ConfigDict(frozen=True)

    first: int
    last: int


def many(manifest: Manifest) -> bool:
    """Whether a manifest has more pictures than one call should take in."""
    return _named(manifest) > MOST_OWN_PICTURES


def parts(manifest: Manifest) -> list[Part]:
    """The parts of a manifest's pictures."""
    named = _named(manifest)
    return [Part(first=n, last=min(n + PART_PICTURES - 1, named)) for n in range(1, named + 1, PART_PICTURES)]


def _named(manifest: Manifest) -> int:
    return sum(1 for _ in manifest.images())
