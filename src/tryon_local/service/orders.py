"""What a submit asks for, whichever service it is sent to."""

import base64
import binascii
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Combination:
    """What was asked for, by content: SHA-256 of each picture, garments with the service's word for their
    type.

    `parameters` is the whole `inference_config`, defaults filled in, as JSON with sorted keys.
    """

    model: str
    garments: tuple[tuple[str, str], ...]
    parameters: str

    @property
    def images(self) -> tuple[str, ...]:
        return (self.model, *(digest for digest, _ in self.garments))


@dataclass(frozen=True)
class Order:
    """A submit body that passed every check, with the pictures' bytes in the combination's order."""

    combination: Combination
    images: tuple[bytes, ...]


class ImageGate:
    """Looks at each picture once, by its hash, however often it is sent; `look` says the vendor's code for it."""

    def __init__(self, look: Callable[[bytes], int]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._verdicts: dict[str, int] = {}

    def verdict(self, digest: str, data: bytes) -> int:
        """The code for a picture."""
        with self._lock:
            code = self._verdicts.get(digest)
        if code is None:
            code = self._look(data)
            with self._lock:
                self._verdicts[digest] = code
        return code


UNREADABLE = 50207
"""A fault's code for a picture that nobody can decode."""


def decoded(address: str) -> bytes:
    """The bytes of a picture in a data address; none for any other text, since nothing is fetched here."""
    head, comma, data = address.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        return b""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""


def readable(data: bytes) -> int:
    """The code of a picture where size does not matter: 10000, or `UNREADABLE`."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return UNREADABLE
    return 10000
