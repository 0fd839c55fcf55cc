"""How much memory all threads together may take for pictures, and how it goes back when a picture is done."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 1 << 20


class Budget:
    """A number of bytes that threads share: who wants more than is left waits until others are done."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def share(self, amount: int) -> Iterator[None]:
        """Hold `amount` bytes, at most the total, for as long as the block runs."""
        amount = min(amount, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + amount <= self.total)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()


def give_back_what_is_freed() -> bool:
    """Have the C library return large blocks to the system as soon as they are freed; says whether it could.

    glibc keeps what a thread freed for that thread alone, and raises the size from which it does not up to 32 MiB
    with every large block that is freed (mallopt(3), M_MMAP_THRESHOLD): four threads that decode one after the
    other then hold four pictures. Other C libraries have no `mallopt`, and need none.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # Setting the threshold also ends its rise.
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE)) and bool(mallopt(_M_ARENA_MAX, 1))
