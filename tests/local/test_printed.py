"""Who writes to standard output while a stack runs: handlers, other code, a progress display."""

import io
import sys
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.live import Live

from tryon_local.aws.printed import printing_to


class Nobody:
    """Functions of which none runs in this thread."""

    def writes_log(self, line: str) -> bool:
        return False


@pytest.mark.parametrize("closing", ["the display first", "the stack first"])
def test_a_progress_display_on_a_terminal_shows_what_is_printed(closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    stack = printing_to(Nobody())
    stack.__enter__()
    display = Live("1 of 18", console=Console(force_terminal=True, color_system=None), auto_refresh=False)
    display.start()
    assert sys.stdout is not terminal  # The display leads what is printed to itself, and itself writes here.
    print("a line")  # noqa: T201 - the very thing
    ends: list[Callable[[], object]] = [display.stop, lambda: stack.__exit__(None, None, None)]
    if closing == "the stack first":
        ends.reverse()
        ends.insert(1, lambda: print("the last line"))  # noqa: T201 - the very thing
    for end in ends:
        end()
    print("afterwards")  # noqa: T201 - the very thing
    shown = terminal.getvalue()
    assert shown.count("a line") == 1
    assert "1 of 18" in shown
    assert shown.count("the last line") == (closing == "the stack first")
    assert shown.endswith("afterwards\n")
