"""The picture formats that are taken, by their first bytes: one list for the stack, the command and the documents.

Nothing here decodes a picture or imports a library that does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PictureFormat:
    """A format that is taken: its name in words, usual extensions (lower case, with the dot), its media type."""

    name: str
    extensions: tuple[str, ...]
    media_type: str


FORMATS: Mapping[str, PictureFormat] = MappingProxyType(
    {
        found.name: found
        for found in (
            PictureFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "image/jpeg"),
            PictureFormat("PNG", (".png", ".apng"), "image/png"),
            PictureFormat("WebP", (".webp",), "image/webp"),
            PictureFormat("HEIC", (".heic", ".heif", ".hif"), "image/heic"),
            PictureFormat("AVIF", (".avif",), "image/avif"),
        )
    }
)
"""Every format that is taken, by its name. A file is known by its bytes; the extensions are for people."""

HEAD_BYTES = 256
"""How many of a file's first bytes `recognise_format` and `looks_like` need."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"}

_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF or camera raw file"),
    (b"MM\x00*", "a TIFF or camera raw file"),
    (b"II+\x00", "a TIFF or camera raw file"),
    (b"MM\x00+", "a TIFF or camera raw file"),
    (b"IIU\x00", "a camera raw file"),
    (b"IIRO", "a camera raw file"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x05\x16\x07", "the twin that a Mac writes beside a file"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"PK", "a ZIP archive"),
    (b"<", "HTML, XML or SVG"),
    (b"\xef\xbb\xbf<", "HTML, XML or SVG"),
    (b"{", "JSON"),
)


def recognise_format(head: bytes) -> str | None:
    """The name of the format (a key of `FORMATS`) of a file that begins so; None for all that is not taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(PNG_SIGNATURE):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    brands = _brands(head)
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIC"
    return None


def looks_like(head: bytes) -> str | None:
    """What a file that begins so probably is, in a reader's words, when it is no picture that is taken."""
    if recognise_format(head) is not None:
        return None
    if brands := _brands(head):
        return "a camera raw file" if b"crx " in brands else "a video or another file in a film's container"
    return next((words for start, words in _OTHERS if head.startswith(start)), None)


def sentence() -> str:
    """The formats as words in a sentence: "JPEG, PNG, … or AVIF"."""
    *first, last = FORMATS
    return f"{', '.join(first)} or {last}"


def _brands(head: bytes) -> set[bytes]:
    # ISO/IEC 14496-12, 4.3: the major brand, then the compatible ones after a version.
    if head[4:8] != b"ftyp":
        return set()
    brands = head[8 : min(int.from_bytes(head[:4], "big"), HEAD_BYTES)]
    return {brands[at : at + 4] for at in range(0, len(brands), 4) if at != 4}
