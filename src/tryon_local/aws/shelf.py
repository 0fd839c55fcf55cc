"""A file without a name, for what many executions leave and few are asked for; memory holds where each thing is."""

import json
import tempfile
import threading
import zlib
from typing import IO, Any

PLAIN_BYTES = 1_000
"""What is not larger is not compressed: it would hardly become smaller."""


class Shelf:
    """JSON values on disk, safe to share; gone with the object.

    With `most` bytes on disk the oldest values go, at least the newest half of `most` staying.
    """

    def __init__(self, most: int | None = None) -> None:
        self._half = None if most is None else most // 2
        self._lock = threading.Lock()
        self._files: list[tuple[int, IO[bytes]]] = []
        self._end = 0

    def put(self, value: Any) -> tuple[int, int]:
        """Keep a value; returns where it is. Raises OSError where the disk is full."""
        data = json.dumps(value, separators=(",", ":")).encode()
        if len(data) > PLAIN_BYTES:
            data = zlib.compress(data, 1)
        with self._lock:
            place = self._end, len(data)
            if not self._files or (self._half is not None and self._end - self._files[-1][0] >= self._half):
                self._files = [*self._files[-1:], (self._end, tempfile.TemporaryFile(prefix="tryon-", buffering=0))]  # noqa: SIM115 - it closes when nothing holds it
            self._files[-1][1].write(data)
            self._end += len(data)
        return place

    def get(self, place: tuple[int, int]) -> Any:
        """A value by where it is. Raises KeyError for one that went."""
        at, length = place
        with self._lock:
            for start, file in reversed(self._files):
                if at >= start:
                    file.seek(at - start)
                    data = file.read(length)
                    file.seek(0, 2)
                    return json.loads(data if data[:1] in (b"{", b"[") else zlib.decompress(data))
        raise KeyError(place)
