"""Small copies of pictures: made where a picture is already in hand, read where a page is written."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image, WebPImagePlugin

from tryon import objects
from tryon.keys import CopySize, RunFolder, result_copy
from tryon.pictures.images import USUAL, ImageError, thumbnail
from tryon.pictures.signature import signature
from tryon.stored import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIDES: Mapping[CopySize, int] = {"thumbnails": 320, "previews": 900}
"""Longest side of each copy in pixels: a portrait is 240 pixels wide in a grid, and fills a telephone."""

MAX_BYTES = 32_000_000
MAX_PIXELS = 20_000_000
MAX_PIXELS_OF_WEBP = 9_000_000
"""Largest result that a copy is made of; a WebP's decoder holds the picture five times. The service's own limit is
4096 x 4096 pixels."""

MAX_MEMORY = 260_000_000
"""Bytes that making a copy may take: Download has 512 MiB, and holds the result of 32 MB besides."""

READERS = 10
"""Copies read at once: as many connections as one client keeps."""

# A JPEG's tables alone have 600 bytes, half of a picture this small. Imported by name, or Pillow would import all
# of its forty formats to find it.
_SHRUNK_FORMAT = WebPImagePlugin.WebPImageFile.format


def obstacle(result: Stored) -> str | None:
    """Why no copy is made of a result, in a reader's words; None when one is."""
    if result.bytes > MAX_BYTES:
        return f"No preview: the file has {result.bytes / 1e6:.0f} MB, copies are made up to {MAX_BYTES // 10**6} MB."
    if result.width is None or result.height is None:
        return "No preview: the file does not say how large the picture is."
    most = MAX_PIXELS_OF_WEBP if result.key.endswith(".webp") else MAX_PIXELS
    if result.width * result.height > most:
        return f"No preview: {result.width} × {result.height} pixels are more than {most // 10**6} million."
    if min(result.width, result.height) < USUAL.min_side:
        return f"No preview: the picture has only {result.width} × {result.height} pixels."
    return None


def copies(data: bytes) -> dict[CopySize, bytes]:
    """Both copies of a picture, JPEG. Raises `ImageError`."""
    preview = thumbnail(data, side=SIDES["previews"], most_memory=MAX_MEMORY)
    return {"previews": preview, "thumbnails": thumbnail(preview, side=SIDES["thumbnails"])}


Keep = Callable[[bytes], None]
"""What keeps a picture's signature, as it is stored; it may fail, which costs the signature alone."""


def of_input(
    s3: "S3Client", bucket: str, folder: RunFolder, kind: str, picture_id: str, data: bytes, *, keep: Keep | None = None
) -> None:
    """Write the copies of an input picture as it is sent; without them the gallery shows its name alone.

    `keep` is given the picture's signature.
    """
    with suppress(ImageError, ClientError, BotoCoreError):
        made = copies(data)
        for size, copy in made.items():
            _put(s3, bucket, folder.input_copy(size, kind, picture_id), copy)
        _look(made["previews"], lambda: _size(data), keep)


def of_result(s3: "S3Client", bucket: str, result: Stored, *, keep: Keep | None = None) -> bool:
    """Write the copies of a result that is in S3; says whether they were made, and never fails.

    It is read again: what streams into S3 is held nowhere on its way. `keep` is given the picture's signature.
    """
    if obstacle(result) is not None:
        return False
    try:
        data = objects.get(s3, bucket, result.key)["Body"].read()
        made = copies(data)
        for size, copy in made.items():
            _put(s3, bucket, result_copy(size, result.key), copy)
    except Exception:  # noqa: BLE001 the picture itself is safe in S3; nothing about its copy may cost it
        return False
    _look(made["previews"], lambda: (result.width or 0, result.height or 0), keep)
    return True


def _look(preview: bytes, size: Callable[[], tuple[int, int]], keep: Keep | None) -> None:
    """Give `keep` the signature of a picture by its preview, and never fail."""
    if keep is None:
        return
    with suppress(Exception), Image.open(BytesIO(preview), formats=["JPEG"]) as image:
        keep(signature(image, size()).dumps())


def _size(sent: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(sent), formats=["JPEG", "PNG"]) as image:
        return image.size


def _put(s3: "S3Client", bucket: str, key: str, data: bytes) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="image/jpeg")


def read(s3: "S3Client", bucket: str, keys: Iterable[str], *, side: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield key and bytes of each copy that is there, in the order given; shrunk to `side` pixels if one is given."""

    def one(key: str) -> tuple[str, bytes | None]:
        # No picture is a lesser evil than no page: whatever keeps one away leaves its cell with words.
        with suppress(ClientError, BotoCoreError, OSError):
            data = objects.get(s3, bucket, key)["Body"].read()
            return key, data if side is None else shrink(data, side)
        return key, None

    with ThreadPoolExecutor(READERS) as pool:
        for key, data in pool.map(one, keys):
            if data is not None:
                yield key, data


def shrink(data: bytes, side: int) -> bytes:
    """A smaller copy of a copy, WebP, no side above `side` pixels. Raises OSError."""
    out = BytesIO()
    with Image.open(BytesIO(data), formats=["JPEG", "WEBP"]) as image:
        image.draft("RGB", (side, side))
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.save(out, _SHRUNK_FORMAT, quality=55, method=2)
    return out.getvalue()
