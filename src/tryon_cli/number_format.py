"""A cell's number or date as a spreadsheet shows it, from its number format: `00123`, `Jan-24`, `000-00-0000`.

The format's codes are those of ECMA-376 part 1, 18.8.30 and 18.8.31. What is shown differently from computer to
computer, or no more holds what was typed, is refused instead of guessed: it would become an id.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

MOST_DIGITS = 15
"""Digits of a whole number that a spreadsheet keeps."""

SYSTEM_DATES = frozenset({"mm-dd-yy", "m/d/yy h:mm"})
"""openpyxl's names of the built-in formats 14 and 22, which each computer shows as its region says."""

AS_TEXT = "format the column as text and type it again"

_SHORTENED = f"is shown with an exponent, which keeps no digits: {AS_TEXT}"

_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)" | \\(?P<escaped>.) | _(?P<space>.) | \*(?P<fill>.) | \[(?P<bracket>[^\]]*)\]
    | (?P<general>General) | (?P<exponent>[eE][+-]) | (?P<half>AM/PM|A/P)
    | (?P<date>y+|m+|d+|h+|s+) | (?P<digit>[0\#?]) | (?P<mark>[.,%@/]) | (?P<literal>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


class NotShownError(Exception):
    """Why it cannot be said how a cell is shown, as the end of a sentence about the cell."""


@dataclass(frozen=True)
class Token:
    """A piece of a format: what it is, by the names of `_TOKEN`'s groups, and its text."""

    kind: str
    text: str


def shown(value: object, number_format: str) -> str:
    """A cell's value in that format; an empty text for None. Raises `NotShownError`."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime | date | time):
        return _shown_date(value, number_format)
    if isinstance(value, int | float):
        return _shown_number(value, number_format)
    raise NotShownError(f"is a length of time: {AS_TEXT}")


def general(value: float) -> str:
    """A number in the format General, whole numbers with all their digits; raises `NotShownError`."""
    if float(value).is_integer():
        if abs(value) >= 10**MOST_DIGITS:
            raise NotShownError(f"has more digits than the {MOST_DIGITS} that a spreadsheet keeps: {AS_TEXT}")
        return str(int(value))
    text = format(value, ".10g")
    if "e" in text:
        raise NotShownError(_SHORTENED)
    return text


def _sections(number_format: str) -> list[list[Token]]:
    """The format's parts for positive numbers, negative ones, zero and text."""
    found: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(number_format):
        kind = match.lastgroup or "literal"
        text = match.group(kind)
        if kind == "literal" and text == ";":
            found.append([])
        else:
            found[-1].append(Token(kind, text))
    return found


def _cleaned(tokens: list[Token]) -> list[Token]:
    """Without colours and languages; a currency's sign is a literal. Raises `NotShownError` for conditions."""
    found = []
    for token in tokens:
        if token.kind == "fill":
            continue
        if token.kind == "space":
            found.append(Token("literal", " "))
        elif token.kind in ("quoted", "escaped"):
            found.append(Token("literal", token.text))
        elif token.kind != "bracket":
            found.append(token)
        elif token.text.startswith("$"):
            sign = token.text[1:].partition("-")[0]
            found += [Token("literal", sign)] if sign else []
        elif not re.fullmatch(r"[A-Za-z]{3,7}|Color ?\d+", token.text, re.IGNORECASE):
            raise NotShownError(f"has the format [{token.text}], which is not read here: {AS_TEXT}")
    return found


def _shown_number(value: float, number_format: str) -> str:
    sections = _sections(number_format)
    section, sign = sections[0], "-" if value < 0 else ""
    if value < 0 and len(sections) > 1:
        section, sign = sections[1], ""
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    tokens = _cleaned(section)
    kinds = {token.kind for token in tokens}
    if "exponent" in kinds:
        raise NotShownError(_SHORTENED)
    if kinds & {"date", "half"} or any(token == Token("mark", "/") for token in tokens):
        raise NotShownError(f"has the format {number_format!r}, which is not read here: {AS_TEXT}")
    if not kinds & {"digit", "general"} and Token("mark", "@") not in tokens:
        return sign + "".join(token.text for token in tokens) if tokens else general(value)
    if "digit" not in kinds:
        plain = general(abs(value))
        return sign + "".join(plain if token.kind in ("general", "mark") else token.text for token in tokens)
    return (sign + _filled(abs(value), tokens)).strip()


def _filled(value: float, tokens: list[Token]) -> str:
    """A number's digits in the places of a format."""
    digits = [i for i, token in enumerate(tokens) if token.kind == "digit"]
    dot = next((i for i, token in enumerate(tokens) if token == Token("mark", ".")), len(tokens))
    whole_places = [i for i in digits if i < dot]
    fraction_places = [i for i in digits if i > dot]
    commas = [i for i, token in enumerate(tokens) if token == Token("mark", ",")]
    last_whole = whole_places[-1] if whole_places else -1
    thousands = any(i < last_whole for i in commas)
    number = Decimal(repr(value)).scaleb(2 * sum(token == Token("mark", "%") for token in tokens))
    number = number.scaleb(-3 * sum(last_whole < i < dot for i in commas))
    number = number.quantize(Decimal(1).scaleb(-len(fraction_places)), rounding=ROUND_HALF_UP)
    whole, _, fraction = f"{number:f}".partition(".")
    if len(whole) > MOST_DIGITS:
        raise NotShownError(f"has more digits than the {MOST_DIGITS} that a spreadsheet keeps: {AS_TEXT}")
    told = _whole(whole.lstrip("0"), [tokens[i].text for i in whole_places], thousands=thousands)
    placed = dict(zip(whole_places, told, strict=True))
    placed |= _fraction(fraction, fraction_places, tokens)
    texts = []
    for i, token in enumerate(tokens):
        if token.kind == "digit":
            texts.append(placed[i])
        elif token != Token("mark", ","):
            texts.append(token.text)
    return "".join(texts)


def _whole(digits: str, places: list[str], *, thousands: bool) -> list[str]:
    """What stands in each place before the point, from the left: the first has all digits that the rest leave."""
    empty = {"0": "0", "?": " ", "#": ""}
    told: list[str] = []
    left, given = digits, 0
    for number, place in enumerate(reversed(places)):
        taken = left if number == len(places) - 1 else left[-1:]
        left = left[: len(left) - len(taken)]
        text = ""
        for digit in reversed(taken or empty[place]):
            text = digit + ("," if thousands and given and given % 3 == 0 and digit.isdigit() else "") + text
            given += 1
        told.append(text)
    return told[::-1]


def _fraction(digits: str, places: list[int], tokens: list[Token]) -> dict[int, str]:
    """What stands in each place after the point: zeros at the end only where the format wants them."""
    found: dict[int, str] = {}
    needed = False
    for i, digit in reversed(list(zip(places, digits, strict=True))):
        needed = needed or digit != "0" or tokens[i].text == "0"
        found[i] = digit if needed else " " if tokens[i].text == "?" else ""
    return found


def _shown_date(value: datetime | date | time, number_format: str) -> str:
    if number_format.lower() in SYSTEM_DATES or "[$-f" in number_format.lower():
        raise NotShownError(f"is a date that each computer shows as its region says: {AS_TEXT}")
    tokens = _cleaned(_sections(number_format)[0])
    dates = [i for i, token in enumerate(tokens) if token.kind == "date"]
    if not dates:
        raise NotShownError(f"is a date with the format {number_format!r}: {AS_TEXT}")
    half = any(token.kind == "half" for token in tokens)
    texts = []
    for i, token in enumerate(tokens):
        if token.kind == "date":
            texts.append(_part(value, _code(tokens, dates, i), half=half))
        elif token.kind == "half":
            hour = getattr(value, "hour", 0)
            texts.append(("AM" if hour < 12 else "PM")[: 1 if len(token.text) == 3 else 2])
        else:
            texts.append(token.text)
    return "".join(texts)


def _code(tokens: list[Token], dates: list[int], i: int) -> str:
    """A date token's code, minutes as `n`: an `m` after hours or before seconds."""
    code = tokens[i].text.lower()
    if code not in ("m", "mm"):
        return code
    at = dates.index(i)
    before = tokens[dates[at - 1]].text.lower() if at else ""
    after = tokens[dates[at + 1]].text.lower() if at + 1 < len(dates) else ""
    return code.replace("m", "n") if before.startswith("h") or after.startswith("s") else code


def _part(value: datetime | date | time, code: str, *, half: bool) -> str:
    """One part of a date, with names of months and days in English."""
    day = value if isinstance(value, date) else date(1900, 1, 1)
    moment = value if isinstance(value, datetime | time) else time()
    hour = (moment.hour + 11) % 12 + 1 if half else moment.hour
    names = {"m": _MONTHS[day.month - 1], "d": _DAYS[day.weekday()]}
    numbers = {"m": day.month, "d": day.day, "h": hour, "n": moment.minute, "s": moment.second}
    letter = code[0]
    if letter == "y":
        return f"{day.year % 100:02}" if len(code) <= 2 else f"{day.year:04}"
    if len(code) > 2 and letter in names:
        return {3: names[letter][:3], 5: names[letter][:1]}.get(len(code), names[letter])
    return f"{numbers[letter]:02}" if len(code) > 1 else str(numbers[letter])


# fmt: off
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# fmt: on
