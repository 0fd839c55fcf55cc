"""What comes, as a picture: recognised by its first bytes, followed to its end, never longer than allowed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from tryon import inflate
from tryon.result_formats import HEAD_BYTES, End, ResultFormat, end_of, format_of, size_of
from tryon.task.fetch.errors import FetchError, NotAnImageError, ResultRefusedError, ResultUnavailableError

CHUNK_BYTES = 8192

MAX_BYTES = 100_000_000


@dataclass(frozen=True)
class ResultStream:
    """A picture on its way: `chunks` yields its bytes once, in pieces of about 8 KB, of 64 KB when they were packed.

    `content_length` is in bytes, as announced, None when it was not; `width` and `height` are in pixels, None
    while no piece that was read shows them. Reading `chunks` raises `FetchError` subclasses.
    """

    format: ResultFormat
    content_length: int | None
    chunks: Iterator[bytes] = field(repr=False)
    end: End = field(repr=False)
    first_size: tuple[int, int] | None = None

    @property
    def width(self) -> int | None:
        size = self.first_size or self.end.size
        return size[0] if size else None

    @property
    def height(self) -> int | None:
        size = self.first_size or self.end.size
        return size[1] if size else None


def capped(pieces: Iterator[bytes], source: str, max_bytes: int) -> Iterator[bytes]:
    """Let `max_bytes` pass, to the byte, so that a picture that ends within them is not lost to what follows it."""
    room = max_bytes
    for piece in pieces:
        if room:
            yield piece[:room]
        room -= len(piece)
        if room < 0:
            raise ResultRefusedError(f"{source} sent more than {max_bytes} bytes")


class Connection(Protocol):
    """Where the bytes come from."""

    def told_all(self, *, picture_ended: bool) -> bool:
        """Whether nothing more is awaited of it."""
        ...


def whole(stream: ResultStream, source: str, connection: "Connection | None" = None) -> Iterator[bytes]:
    """Let a picture pass; what breaks after its end breaks nothing.

    Raises `ResultUnavailableError` when the bytes end before the picture does, whatever was announced.
    """
    end, passed = stream.end, 0
    try:
        for piece in stream.chunks:
            passed += len(piece)
            yield piece
            if connection is not None and connection.told_all(picture_ended=end.seen):
                return
    except FetchError:
        if not end.seen:
            raise
    if not end.seen:
        raise ResultUnavailableError(f"{source} sent {passed} bytes, which end before the picture does")


def stream_of(data: bytes, *, max_bytes: int = MAX_BYTES) -> ResultStream:
    """The same for a picture that came inside the service's answer.

    Raises `ResultRefusedError` when it is too large and `NotAnImageError` when it is none.
    """
    if len(data) > max_bytes:
        raise ResultRefusedError(f"the result is {len(data)} bytes, more than {max_bytes}")
    view = memoryview(data)
    pieces = (bytes(view[start : start + CHUNK_BYTES]) for start in range(0, len(data), CHUNK_BYTES))
    stream = recognise(pieces, "the service", len(data))
    return replace(stream, chunks=whole(stream, "the service"))


def recognise(pieces: Iterator[bytes], source: str, length: int | None) -> ResultStream:
    """Read as many pieces as tell what picture they are of; the stream still yields all of them.

    Raises `NotAnImageError`, naming the source.
    """
    head, pieces = inflate.peeked(pieces, HEAD_BYTES)
    found = format_of(head)
    if found is None:
        raise NotAnImageError(f"{source} sent no picture but {_appearance(head)}")
    end = end_of(found)
    return ResultStream(found, length, _followed(pieces, end), end, size_of(found, head))


def _followed(pieces: Iterator[bytes], end: End) -> Iterator[bytes]:
    for piece in pieces:
        end.feed(piece)
        yield piece


def _appearance(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"": "nothing", b"<": "HTML or XML", b"{": "JSON", b"[": "JSON"}.get(text, "something else")
