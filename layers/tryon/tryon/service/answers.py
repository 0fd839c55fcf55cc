"""What an answer says, read with care: whatever is wrong with it, nothing here raises, and nothing shows a secret."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from tryon.json_types import Json
from tryon.service.errors import MOST_RETRY_AFTER, ServiceError, ServiceThrottledError

# An answer holds a few hundred values, and an object takes up to thirty times its text in memory.
_MOST_VALUES = 500_000

# A larger answer is pictures: one character beyond ASCII would double or quadruple what it takes as text.
_PLAIN_TEXT_BYTES = 1 << 20


def text_of(body: bytes) -> str:
    """A body as text, whatever is wrong with its bytes."""
    if len(body) > _PLAIN_TEXT_BYTES:
        return body.decode("ascii", "ignore")
    return body.decode(json.detect_encoding(body), "replace")


# Line breaks and tabs inside texts are let through.
_DECODER = json.JSONDecoder(strict=False)


def json_object(text: str) -> Mapping[str, Json]:
    """The JSON object that a text begins with; what follows it is not looked at."""
    if text.count(",") + text.count("{") + text.count("[") > _MOST_VALUES:
        return {}
    try:
        return as_object(_DECODER.raw_decode(text.lstrip("\ufeff\x00 \t\r\n"))[0])
    except (ValueError, RecursionError):
        return {}


def as_object(value: Json) -> Mapping[str, Json]:
    """A value as an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def whole_number(value: Json) -> int | None:
    """A whole number below a billion, written as a number or as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer() and 0 <= value < 1e9:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**9 else None


def epoch_seconds(value: Json) -> float | None:
    """A time in seconds since the epoch; None for anything else."""
    # Up to the year 5138, which also refuses milliseconds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        return None
    return float(value)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as the service asks, given as a number or as a date; `headers` by names in lower case."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is GMT's, as every HTTP date is, not that of the machine's own zone.
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, moment - now) if math.isfinite(moment) else None


# Keys, tokens, signatures and addresses, all of which servers like to quote back.
_SECRET = re.compile(r"\S+://\S+|AK(?:LT|TP)\S*|(?=\S*[0-9])[A-Za-z0-9+/=_.%:-]{24,}")


def plain(text: Json, length: int = 160) -> str:
    """The server's words, safe to show: one line, printable, no addresses, no long opaque words."""
    if not isinstance(text, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in text[:4096])
    words = " ".join(_SECRET.sub("…", printable).split())
    return words if len(words) <= length else f"{words[: length - 1]}…"


MAY_FOLLOW_A_TASK = frozenset({HTTPStatus.REQUEST_TIMEOUT, 425, 499})
"""Statuses of a client's mistake that say nothing of what became of the request behind them."""

MOST_CANDIDATES = 16
"""Pictures that are read of one answer."""


class Said:
    """An answer in JSON taken apart: `fields`, empty for anything else, and `headers` by names in lower case."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.fields = json_object(text_of(body))
        self._wait = retry_after(self.headers, now)

    @property
    def reason(self) -> tuple[Json, Json]:
        """The vendor's name for what is wrong, and its sentence."""
        raise NotImplementedError

    def error(self, kind: type[ServiceError], meaning: str) -> ServiceError:
        """An error with what the answer says, none of it secret."""
        name, words = (plain(part) for part in self.reason)
        text = f"{meaning} ({', '.join(filter(None, (f'HTTP {self.status}', name, words)))})"
        error = kind(text, code=name, http_status=self.status)
        if isinstance(error, ServiceThrottledError):
            error.retry_after = None if self._wait is None else min(self._wait, MOST_RETRY_AFTER)
        return error
