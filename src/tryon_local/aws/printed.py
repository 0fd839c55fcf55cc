"""What handlers print and log: it goes to their stack, and everything else to this process's standard output."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Protocol, TextIO

from aws_lambda_powertools import Logger


class TakesLines(Protocol):
    """The functions of a stack."""

    def writes_log(self, line: str) -> bool:
        """Take a line that a handler of theirs printed; False when the calling thread runs none."""


class _Printed:
    """Standard output, except for what handlers print.

    One for the process: a logging handler keeps the stream that it was made with, for all stacks to come.
    """

    def __init__(self) -> None:
        self.functions: TakesLines | None = None
        self.before: TextIO = sys.stdout

    def write(self, text: str) -> int:
        if self.functions is None or not self.functions.writes_log(text):
            self.console.write(text)
        return len(text)

    @property
    def console(self) -> TextIO:
        """Where all else goes: what was standard output before a stack took its place, or is now that none runs.

        While a stack runs, never what is standard output now: a progress display puts a stream there that writes here.
        """
        now: Any = sys.stdout
        if self.functions is None and now is not self and getattr(now, "rich_proxied_file", now) is not self:
            self.before = now
        return self.before

    def __getattr__(self, name: str) -> Any:
        return getattr(self.console, name)


_printed: Any = _Printed()


@contextlib.contextmanager
def printing_to(functions: TakesLines) -> Iterator[None]:
    """Lead what these functions print to them."""
    before = _printed.console
    _printed.functions = functions
    sys.stdout = _printed
    try:
        yield
    finally:
        _printed.functions = None
        if sys.stdout is _printed:
            sys.stdout = before


def lead_loggers(module: ModuleType) -> None:
    """Lead a handler's logger here: it has the stream that was standard output when the first of its name was made."""
    for logger in vars(module).values():
        if isinstance(logger, Logger):
            for handler in logger.handlers:
                if isinstance(handler, logging.StreamHandler):
                    handler.setStream(_printed)
