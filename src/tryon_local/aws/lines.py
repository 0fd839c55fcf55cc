"""What handlers print while they work for executions: kept for whoever looks at one, the newest of all."""

import threading
from collections import deque
from dataclasses import dataclass, replace

MAX_CHARACTERS = 8_000_000
"""Characters of all lines that are kept: some 20,000 lines, which a thousand combinations write."""

MAX_LINE = 4_000
"""Characters of one line."""

_METRICS = '{"_aws":'


@dataclass(frozen=True)
class Line:
    """One line; `at` in the stack's time, in seconds since the epoch.

    `function` is a logical id, `request_id` of one call of it, `event` the id of the last event in the execution's
    history before that call.
    """

    at: float
    function: str
    request_id: str
    event: int
    text: str


class Lines:
    """Lines by the ARN of the execution that they were written for; safe to share.

    Beyond `most` characters the oldest lines go, whosever they are.
    """

    def __init__(self, most: int = MAX_CHARACTERS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._order: deque[str] = deque()
        self._lines: dict[str, deque[Line]] = {}
        self._characters = 0

    def add(self, execution: str, line: Line) -> None:
        """Keep a line, its beginning where it is long; metrics in CloudWatch's embedded format are no lines."""
        if line.text.startswith(_METRICS):
            return
        if len(line.text) > MAX_LINE:
            line = replace(line, text=f"{line.text[: MAX_LINE - 2]} …")
        with self._lock:
            self._order.append(execution)
            self._lines.setdefault(execution, deque()).append(line)
            self._characters += len(line.text)
            while self._characters > self._most:
                self._forget(self._order.popleft())

    def of(self, execution: str) -> list[Line]:
        """An execution's lines, the first one first."""
        with self._lock:
            return list(self._lines.get(execution, ()))

    def _forget(self, execution: str) -> None:
        lines = self._lines[execution]
        self._characters -= len(lines.popleft().text)
        if not lines:
            del self._lines[execution]
