"""Ids made of what people call things, and the names that stand beside them."""

import re
import unicodedata

from tryon.planning.manifest import MAX_NAME
from tryon.text import misleads

MAX_ID = 58
"""Longest id made of a name; an id may have five characters more, for a number that makes it another."""

_INDIVISIBLE = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Latin letters that Unicode does not take apart into one without an accent and the accent."""


def plain(name: str) -> str:
    """A name in the letters of an id, without its accents; empty where it has no Latin letter and no digit."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_INDIVISIBLE))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:MAX_ID].rstrip("-")


def identifier(name: str, taken: set[str]) -> str:
    """An id made of a name, unlike those already taken, to which it is added."""
    base = plain(name) or "picture"
    found, n = base, 1
    while found in taken:
        n += 1
        found = f"{base}-{n}"
    taken.add(found)
    return found


def display_name(text: str, id_: str) -> str:
    """A text as the name beside the id that was made of it; empty where the id has all of its letters and digits."""
    letters = "".join(char for char in unicodedata.normalize("NFC", text).casefold() if char.isalnum())
    if letters == id_.replace("-", ""):
        return ""
    return "".join(char for char in text if not misleads(char))[:MAX_NAME].strip()
