"""Further takes of a combination: what was made is not wanted, so it is made again with another seed.

Take 1 is a run's own. Take k of a combination has one name in the claims of all runs that go back to the same first
run, and one seed: however often, by whom and in which order it is asked for, it is paid once.
"""

import hashlib

MAX_TAKES = 99
"""Most takes of a combination."""

SEEDS = 2**31
"""Seeds are below this: every service with a seed takes these."""

_MARK = "#"
"""Between a variant and its take; no id holds it."""


def take_seed(first: str, model: str, worn: str, variant: str, take: int) -> int:
    """The seed of a combination's take, 0 to `SEEDS` - 1, from the run that all its retries go back to.

    `worn` is the garment's or outfit's id without its number.
    """
    text = "|".join((first, model, worn, variant, str(take)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % SEEDS


def variant_of_take(variant: str, take: int) -> str:
    """A variant as a combination's key names it: by itself for the first take."""
    return variant if take == 1 else f"{variant}{_MARK}{take}"


def take_of(variant: str) -> tuple[str, int]:
    """The variant and the take that such a name says."""
    name, _, take = variant.partition(_MARK)
    return name, int(take or 1)
