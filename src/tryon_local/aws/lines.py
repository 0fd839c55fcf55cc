"""What handlers print while they work for executions: kept on disk for whoever looks at one, the newest of all."""

import threading
from array import array
from dataclasses import dataclass

from tryon_local.aws.shelf import Shelf

MAX_BYTES = 1_000_000_000
"""Of all lines that are kept, on disk: some three million, which a hundred thousand combinations write."""

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

    Beyond `most` bytes the oldest lines go, whosever they are.
    """

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._shelf = Shelf(most)
        self._places: dict[str, array[int]] = {}

    def add(self, execution: str, line: Line) -> None:
        """Keep a line, its beginning where it is long; metrics in CloudWatch's embedded format are no lines."""
        text = line.text
        if text.startswith(_METRICS):
            return
        if len(text) > MAX_LINE:
            text = f"{text[: MAX_LINE - 2]} …"
        place = self._shelf.put([line.at, line.function, line.request_id, line.event, text])
        with self._lock:
            # An array: two numbers a line, and no object for each.
            self._places.setdefault(execution, array("q")).extend(place)

    def of(self, execution: str) -> list[Line]:
        """An execution's lines, the first one first."""
        with self._lock:
            numbers = list(self._places.get(execution, ()))
        found = []
        for place in zip(numbers[::2], numbers[1::2], strict=True):
            try:
                found.append(Line(*self._shelf.get(place)))
            except KeyError:
                # It was among the oldest.
                continue
        return found
