"""Pictures as a service sends them, whole from the first byte to the last, of any size and made of nothing."""

import struct
import zlib


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG_HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1440, 1920, 8, 2, 0, 0, 0))


def png(content: bytes = bytes(20_000)) -> bytes:
    """A PNG of 1440 x 1920 pixels by its header, with that content in one chunk."""
    return PNG_HEAD + chunk(b"IDAT", content) + chunk(b"IEND")


def segment(marker: int, content: bytes = b"") -> bytes:
    """One marker segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def jpeg(scan: bytes = bytes(200), *, thumbnail: bytes = b"") -> bytes:
    """A JPEG of 1440 x 1920 pixels with that coded data, and a thumbnail's file inside its first segment."""
    frame = struct.pack(">BHHB", 8, 1920, 1440, 3) + bytes(9)
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + thumbnail)
        + b"\xff"  # a fill byte
        + segment(0xC0, frame)
        + segment(0xDA, bytes(10))
        + scan
        + b"\xff\xd9"
    )


def webp(content: bytes = bytes(8) + b"\x9f\x05\x00\x7f\x07\x00", kind: bytes = b"VP8X") -> bytes:
    """A WebP with one chunk, which says 1440 x 1920 pixels."""
    body = b"WEBP" + kind + content
    return b"RIFF" + struct.pack("<I", len(body)) + body
