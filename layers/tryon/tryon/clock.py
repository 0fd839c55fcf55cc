"""The time that everything shares: real on AWS, scaled or virtual on one machine."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time and the only way to wait."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock; nothing at or below zero."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
