"""Text that people wrote, as it may stand in a message: on one line, nothing invisible, never too long."""

import json
import unicodedata

_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make text run in the other direction: what is shown is then not what was written."""


def misleads(char: str) -> bool:
    """Whether a character breaks the line, controls a terminal or turns the text around.

    Everything else that people's keyboards, telephones and cameras put into names passes: spaces of all widths,
    joiners, private use.
    """
    return unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _TURNS_TEXT


def on_one_line(value: str) -> str:
    """The text itself; raises ValueError that names the code point of the first character that misleads."""
    for char in value:
        if misleads(char):
            raise ValueError(f"must not hold the control character U+{ord(char):04X}")
    return value


def shown(value: object, limit: int = 60) -> str:
    """A value as it may stand in a message: what is not printable is escaped, what is over `limit` cut off."""
    text = value if isinstance(value, str) else _beginning(value, limit + 20)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: limit + 20])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(value: object, limit: int = 60) -> str:
    """The same, a text between quotes."""
    return f"'{shown(value, limit)}'" if isinstance(value, str) else shown(value, limit)


def _beginning(value: object, limit: int) -> str:
    """The first characters of a value as JSON, without making the rest: it may be megabytes, and nested deeply."""
    text = ""
    for piece in json.JSONEncoder(default=str).iterencode(value):
        text += piece
        if len(text) > limit:
            break
    return text


def escaped_bytes(text: str) -> int:
    """How many bytes a text has inside a JSON string that holds ASCII only, as Lambda and Step Functions may write."""
    return len(json.dumps(text)) - 2


def cut(text: str, limit: int) -> str:
    """The text, cut off where `escaped_bytes` would be more than `limit`."""
    if len(text) <= limit and escaped_bytes(text) <= limit:
        return text
    mark = escaped_bytes("…")
    kept, size = [], 0
    for char in text[:limit]:
        size += escaped_bytes(char)
        if size > limit - mark:
            break
        kept.append(char)
    return "".join(kept) + "…"
