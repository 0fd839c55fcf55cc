"""Text in CSV files that spreadsheets leave alone, and what spreadsheets make of a file, read back.

A spreadsheet reads a cell `007` as 7, `01-2024` as a date, nineteen digits as 7.39E+18, and runs one that begins with
`=`. Such text carries a leading apostrophe in the file: `'007`. Excel shows it, LibreOffice and Google Sheets may take
it for their own mark of text and hide it; all three leave the rest as it is. A program takes one leading apostrophe
off. `="007"` would look better in Excel, but it is a formula that is gone once the file is saved. The gallery's page
follows the same rule for its own CSV files (`gallery/page/spreadsheet.mjs`).
"""

import re

MARK = "'"
"""What stands before text that a spreadsheet would read as something else."""

_FORMULA = re.compile(r"[\s\ufeff]*[=+\-@＝＋－＠']|[\t\r\n]")  # noqa: RUF001 Excel takes the wide ones for the others
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W\d_]{2,}")
# fmt: off
_TRUE = {
    "true", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar", "sant", "sand", "prawda", "pravda", "igaz",
    "tosi", "adevarat", "dogru",
}
_FALSE = {
    "false", "falsch", "faux", "falso", "onwaar", "falskt", "falsk", "usann", "falsz", "nepravda", "hamis", "epatosi",
    "fals", "yanlis",
}
_VALUES = _TRUE | _FALSE | {"nan", "na", "n/a", "null", "none", "nil", "inf", "infinity"}
"""Words that a spreadsheet takes for a truth value, or a program such as pandas for a missing one or a number."""
# fmt: on


def marked(text: str) -> str:
    """Text as it stands in a cell: with the mark where a spreadsheet would read something else."""
    return MARK + text if is_doubtful(text) else text


def is_doubtful(text: str) -> bool:
    """Whether a spreadsheet might read this text as a number, a date, a truth value or a formula.

    A number or a date has a digit and at most one word (the month, in any language, or am and pm).
    """
    return (
        _FORMULA.match(text) is not None
        or (_DIGIT.search(text) is not None and len(_WORD.findall(text)) <= 1)
        or text.strip().casefold() in _VALUES
    )


def unmarked(cell: str) -> str:
    """The text of a cell, without the mark."""
    return cell.removeprefix(MARK)


def truth(cell: str) -> bool | None:
    """A truth value as spreadsheets of many languages write it, False for an empty cell; None for any other text."""
    word = unmarked(cell.strip()).casefold()
    if word in _TRUE | {"yes", "1"}:
        return True
    return False if word in _FALSE | {"no", "0", "", "fałsz", "epätosi"} else None


def whole(cell: str) -> int | None:
    """A whole number, also with a fraction of nothing and a comma before it (`4,0`); None for any other text."""
    text = unmarked(cell.strip())
    return int(text.partition(".")[0].partition(",")[0]) if re.fullmatch(r"[0-9]{1,9}([.,]0*)?", text) else None


def decoded(data: bytes) -> str:
    """The text of a file as spreadsheets save it: UTF-8, or UTF-16 that a byte order mark or its zeros tell.

    Raises UnicodeDecodeError.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if b"\x00" in data[:2]:
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    return data.decode("utf-8-sig")
