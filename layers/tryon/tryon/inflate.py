"""Unpacking of gzip and deflate in small steps: whoever reads decides when it is enough."""

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

STEP_BYTES = 64 * 1024

MOST_LAYERS = 3
"""How often something packed may be packed again."""

_GZIP, _ZLIB, _RAW = 31, 15, -15


class InflateError(Exception):
    """What looked packed cannot be unpacked."""


def window(head: bytes, named: str = "") -> int | None:
    """The window bits under which `zlib` unpacks what begins like this, None when it is not packed.

    Only deflate without a header has to be named (as in a Content-Encoding header): its bytes show nothing.
    """
    if head.startswith(b"\x1f\x8b"):
        return _GZIP
    if len(head) > 1 and head[0] & 0x8F == 0x08 and int.from_bytes(head[:2], "big") % 31 == 0:
        return _ZLIB
    return _RAW if "deflate" in names(named) else None


def names(header: str) -> list[str]:
    """The codings that a Content-Encoding header lists, in small letters."""
    return [name for name in re.split(r"[,\s]+", header.lower()) if name]


def inflated(pieces: Iterable[bytes], bits: int) -> Iterator[bytes]:
    """Yield the content, at most `STEP_BYTES` at once; what is cut short ends without an error.

    Several gzip members are one content; anything else behind the end is left unread. Raises `InflateError`.
    """
    unpacker = zlib.decompressobj(bits)
    for piece in pieces:
        data, more = piece, False
        while data or more:
            if unpacker.eof:
                if bits != _GZIP or not data.startswith(b"\x1f"):
                    return
                unpacker = zlib.decompressobj(bits)
            try:
                content = unpacker.decompress(data, STEP_BYTES)
            except zlib.error as error:
                raise InflateError(str(error)) from None
            # A full step may have left content behind though it took all that was there to read.
            more = len(content) == STEP_BYTES and not unpacker.eof
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if content:
                yield content


def peeked(pieces: Iterator[bytes], amount: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `amount` bytes or a little more, fewer only when there are no more, and all pieces again."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= amount:
            break
    return head, chain((head,), pieces)
