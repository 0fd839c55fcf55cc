"""Write docs/errors.md from the layer's table of errors: `python -m benchmarks.errors`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tryon import errors

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Errors",
            "",
            "Written by `python -m benchmarks.errors` from `layers/tryon/tryon/errors.py`; a test compares them.",
            "",
            "## What a combination can end with",
            "",
            *_table(errors.COMBINATION),
            "",
            "Any other name is AWS's or Python's own: the `cause` says more, and a retry does the combination again.",
            "",
            "## What a run can end with",
            "",
            *_table(errors.RUN),
            "",
        ]
    )


def _table(meanings: Mapping[str, errors.Meaning]) -> Iterator[str]:
    yield "| error | means | paid | what to do |"
    yield "|---|---|---|---|"
    for name, one in meanings.items():
        yield f"| `{name}` | {one.means} | {one.paid} | {one.advice} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
