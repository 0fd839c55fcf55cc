"""Write docs/errors.md from the layer's table of errors: `python -m benchmarks.errors`."""

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
            *errors.table(errors.COMBINATION),
            "",
            "Any other name is AWS's or Python's own: the `cause` says more, and a retry does the combination again.",
            "",
            "## What a run can end with",
            "",
            *errors.table(errors.RUN),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
