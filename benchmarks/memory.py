"""The memory of the six functions at the worst that they accept, and of the largest picture of each format.

`python -m benchmarks.memory` measures every row in a process of its own and writes docs/memory.md; it takes some
minutes and 6 GB, most of it to make the pictures. `python -m benchmarks.memory table` prints the
functions' table only. Limits are read from the code and the template, so that a changed one is measured as it is.
"""

import argparse
import base64
import contextlib
import importlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environment import ENVIRONMENT
from benchmarks.peak import peak
from tryon.pictures import images, thumbnails
from tryon.pictures.formats import FORMATS
from tryon.planning import intake, manifest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "memory.md"
MIB = 1 << 20
SHARE = 0.8


# --- pictures of the largest size ---


def _square(pixels: int) -> tuple[int, int]:
    side = int(pixels**0.5)
    return side, pixels // side


def _soft(size: tuple[int, int], mode: str) -> Any:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    small = Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3))
    if mode == "RGBA":
        small.putalpha(small.convert("L"))
    return small.convert(mode).resize(size, Image.Resampling.BILINEAR)


def _saved(path: Path, size: tuple[int, int], encoding: str, mode: str = "RGB", **options: Any) -> None:
    _soft(size, mode).save(path, encoding, **options)


def _png(path: Path, size: tuple[int, int], _: str) -> None:
    """A PNG with alpha, written row by row."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    squeeze, row = zlib.compressobj(1), b"\0" + random.Random(1).randbytes(4 * 64) * (size[0] // 64 + 1)
    rows = b"".join(squeeze.compress(row[: 1 + 4 * size[0]]) for _ in range(size[1])) + squeeze.flush()
    head = struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def _heic(path: Path, size: tuple[int, int], mode: str) -> None:
    import pillow_heif

    row = b"".join((8 * x % 65536).to_bytes(2, "little") * (4 if mode == "RGBA" else 3) for x in range(size[0]))
    made = pillow_heif.from_bytes(f"{mode};16", size, row * size[1])
    made.save(path, quality=30, chroma=444, enc_params={"preset": "ultrafast"})


@dataclass(frozen=True)
class Largest:
    """The largest picture of a kind: how it is made, and what it counts as in `images.MOST_PIXELS`."""

    what: str
    limit: str
    build: Callable[[Path, tuple[int, int], str], None]
    mode: str = "RGB"
    share: float = 1.0


def _jpeg(path: Path, size: tuple[int, int], mode: str) -> None:
    _saved(path, size, "JPEG", mode, quality=85)


def _jpeg_in_scans(path: Path, size: tuple[int, int], mode: str) -> None:
    _saved(path, size, "JPEG", mode, quality=85, progressive=True, subsampling="4:4:4")


def _webp(path: Path, size: tuple[int, int], mode: str) -> None:
    _saved(path, size, "WEBP", mode, lossless=True, quality=0, method=0)


def _avif(path: Path, size: tuple[int, int], mode: str) -> None:
    _saved(path, size, "AVIF", mode, speed=10, subsampling="4:4:4")


LARGEST = (
    Largest("JPEG in one scan", "JPEG", _jpeg),
    Largest("JPEG, progressive, 4:4:4", "JPEG in several scans", _jpeg_in_scans),
    Largest("JPEG, progressive, 4:4:4, CMYK", "JPEG in several scans", _jpeg_in_scans, "CMYK"),
    Largest("PNG with alpha", "PNG", _png),
    Largest("WebP, lossless, with alpha", "WebP", _webp, "RGBA"),
    Largest("HEIC, 10 bits, 4:4:4", "HEIC", _heic),
    # With alpha it takes a third more, so fewer fit.
    Largest("HEIC, 10 bits, 4:4:4, with alpha", "HEIC", _heic, "RGBA", 0.75),
    Largest("AVIF, 4:4:4", "AVIF", _avif),
    Largest("AVIF, 4:4:4, with alpha", "AVIF", _avif, "RGBA"),
)


# --- one measurement in a process of its own ---


def _measure(row: str, folder: str) -> dict[str, Any]:
    """What a row found, with `peak` in bytes; called in a fresh process."""
    kind, _, name = row.partition(":")
    if kind == "make":
        one = LARGEST[int(name)]
        path = Path(folder) / f"{name}.picture"
        size = _square(int(images.MOST_PIXELS[one.limit] * one.share))
        one.build(path, size, one.mode)
        return {"size": size}
    if kind == "picture":
        data = (Path(folder) / f"{name}.picture").read_bytes()
        before, started = peak(), time.process_time()
        picture = images.prepare(data, name=name)
        seconds = time.process_time() - started
        return {"taken": peak() - before, "seconds": seconds, "sent": len(picture.data), "file": len(data)}
    return {"what": FUNCTIONS[name](Path(folder))}


def fresh(row: str, folder: Path) -> dict[str, Any]:
    """Measure a row in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--row", row, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=1200)  # noqa: S603 - ourselves
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- the functions ---


def _app(name: str) -> Any:
    """A function's module as Lambda imports it, with its parts made."""
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("RESULT_ORIGINS", "https://results.example.test")
    sys.path.insert(0, str(ROOT / "functions" / name))
    with contextlib.redirect_stdout(io.StringIO()):
        module = importlib.import_module("app")
    for part in ("s3", "ledger", "gate", "service", "session"):
        getattr(module.wiring, part, None)
    return module


class _Shelf:
    """S3 with the pictures of a folder under numbers, each made as long as the longest that is read."""

    def __init__(self, files: list[Path], length: int) -> None:
        self.files, self.length = files, length

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 boto3's name
        data = self.files[int(Key.partition(".")[0]) % len(self.files)].read_bytes()
        # What follows a picture's end is cut off, but held until then.
        data += bytes(self.length - len(data))
        return {"ContentLength": len(data), "Body": io.BytesIO(data), "VersionId": "1", "ETag": '"e"'}

    def put_object(self, **_: Any) -> dict[str, Any]:
        return {}


def _plan_pictures(folder: Path) -> str:
    _app("plan")
    files = sorted(folder.glob("*.picture"))
    names = [{"id": f"g{i}", "image": f"{i}.png", "type": "upper"} for i in range(1, len(files))]
    wanted = manifest.Manifest.model_validate({"models": [{"id": "m", "image": "0.png"}], "garments": names})
    from tryon.keys import RunFolder

    shelf: Any = _Shelf(files, images.MAX_INPUT_BYTES)
    refused = 0
    try:
        intake.take_in(intake.Inputs(shelf, wanted, "b", RunFolder("r"), images.MAX_INPUT_BYTES))
    except manifest.ManifestError as error:
        refused = len(error.problems)
    return (
        f"the {len(files)} largest pictures at once, each a file of {images.MAX_INPUT_BYTES // 10**6} MB"
        f"{f' ({refused} refused by name)' if refused else ''}"
    )


def _plan_manifest(_: Path) -> str:
    _app("plan")
    head = b'{"retry_of": "20261123T090000Z-large-1a2b3c4d", "models": [{"id": "m", "image": "m.jpg"}], "garments": ['
    entries, size, n = [], len(head), 0
    while size < manifest.MAX_RETRY_BYTES - 200:
        entries.append(b'{"id":"g%d","image":"g%d.jpg","type":"upper"}' % (n, n))
        size, n = size + len(entries[-1]) + 1, n + 1
    data = head + b",".join(entries) + b"]}"
    problems = ""
    try:
        manifest.parse(data, bucket="b")
    except manifest.ManifestError:
        problems = ", refused"
    return f"a manifest of {len(data) / 1e6:.0f} MB with {n:,} garments{problems}"


SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
body = open(sys.argv[1], "rb").read()
class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def _answering(body: Path) -> Iterator[int]:
    """A server in a process of its own that answers every POST with a file; yields its port."""
    command = [sys.executable, "-c", SERVER, str(body)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    try:
        if server.stdout is None:
            raise RuntimeError("the server has no output")
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait()


def _client(client: str, port: int) -> Any:
    import requests

    from tryon.clock import SystemClock
    from tryon.service import registry
    from tryon.service.secret import Secret
    from tryon.service.volcengine.credentials import Credentials

    class Keys:
        def __call__(self) -> Credentials:
            return Credentials("AKLTEXAMPLEDUMMY", "dummy-secret")

        def renew(self, refused: Secret) -> Credentials:
            return self()

    endpoint = f"http://127.0.0.1:{port}"
    return registry.build(
        registry.find(registry.FIRST),
        requests.Session(),
        credentials=Keys(),
        clock=SystemClock(),
        endpoint=endpoint,
        options={"client": client},
    )


def _large_answer(folder: Path) -> Path:
    """The longest answer to a poll that is read, with a picture in base64, as a file."""
    from tryon.service.volcengine import vendor

    frame = b'{"code":10000,"data":{"status":"done","binary_data_base64":["'
    text = base64.b64encode(random.Random(1).randbytes((vendor.RESULT_ANSWER_LIMIT - len(frame) - 10) // 4 * 3))
    path = folder / "large.answer"
    path.write_bytes(frame + text + b'"]}}')
    return path


def _asking(name: str, client: str) -> Callable[[Path], str]:
    def measure(folder: Path) -> str:
        _app(name)
        path = folder / "large.answer"
        with _answering(path) as port:
            _client(client, port).result("1")
        return f"an answer of {path.stat().st_size / 1e6:.0f} MB, client `{client}`"

    return measure


def _submitting(client: str) -> Callable[[Path], str]:
    def measure(folder: Path) -> str:
        _app("submit")
        from tryon.service import GarmentPicture, Submission
        from tryon.service.volcengine.parameters import Parameters

        receipt = folder / "receipt.answer"
        with _answering(receipt) as port:
            pictures = [random.Random(n).randbytes(images.USUAL.max_bytes) for n in range(3)]
            garments = tuple(GarmentPicture(picture, "upper") for picture in pictures[1:])
            _client(client, port).submit(Submission(pictures[0], garments, Parameters()))
        return f"a model and two garments of {images.USUAL.max_bytes / 1e6:.0f} MB each, client `{client}`"

    return measure


def _copying(encoding: str, most: int) -> Callable[[Path], str]:
    def measure(folder: Path) -> str:
        _app("download")
        data = (folder / f"{encoding}.result").read_bytes()
        data += bytes(max(0, thumbnails.MAX_BYTES - len(data)))
        copies = thumbnails.copies(data)
        return f"copies of a {encoding} of {most / 1e6:.0f} million pixels and {len(data) / 1e6:.0f} MB ({len(copies)})"

    return measure


def _reserving(_: Path) -> str:
    app = _app("reserve")
    from botocore.awsrequest import AWSResponse

    from tryon.state.items import from_item

    # DynamoDB's own limit for an item.
    holders = {f"h{n}": {"N": "1700000000.123"} for n in range(400_000 // 32)}
    body = json.dumps({"Item": {"pk": {"S": "account"}, "holders": {"M": holders}}}).encode()

    class Raw(io.BytesIO):
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield self.read()

    client = app.wiring.dynamodb
    client.meta.events.register_last("before-send", lambda request, **_: AWSResponse(request.url, 200, {}, Raw(body)))  # type: ignore[arg-type]
    from_item(client.get_item(TableName="gate", Key={"pk": {"S": "account"}})["Item"])
    return f"a gate of {len(body) / 1000:.0f} KB"


def _summarizing(_: Path) -> str:
    raise AssertionError("scale measures it")


FUNCTIONS: dict[str, Callable[[Path], str]] = {
    "Reserve": _reserving,
    "Plan": _plan_pictures,
    "Plan, manifest": _plan_manifest,
    "Submit": _submitting("signed"),
    "Submit, SDK": _submitting("sdk"),
    "Poll": _asking("poll", "signed"),
    "Poll, SDK": _asking("poll", "sdk"),
    "Download": _asking("download", "signed"),
    "Download, SDK": _asking("download", "sdk"),
    "Download, copies": _copying("PNG", thumbnails.MAX_PIXELS),
    "Download, copies of WebP": _copying("WEBP", thumbnails.MAX_PIXELS_OF_WEBP),
    "Summarize": _summarizing,
}
SUMMARIZED = 10_000


@dataclass(frozen=True)
class Row:
    """A function at its worst: what it was given, peak and memory in bytes."""

    name: str
    what: str
    peak: int
    memory: int

    @property
    def share(self) -> float:
        return self.peak / self.memory


def function_rows(folder: Path) -> Iterator[Row]:
    """Every function at the worst that it accepts; the folder holds the largest pictures."""
    # Here, because what they bring along is no function's.
    from benchmarks import scale, wire
    from tryon_local.aws import template

    sources = template.sources(ROOT / "template.yaml")
    _large_answer(folder)
    (folder / "receipt.answer").write_bytes(b'{"code": 10000, "data": {"task_id": "1"}}')
    for encoding, most in (("PNG", thumbnails.MAX_PIXELS), ("WEBP", thumbnails.MAX_PIXELS_OF_WEBP)):
        made = _soft(_square(most), "RGBA")
        options = {"compress_level": 1} if encoding == "PNG" else {"lossless": True, "quality": 0, "method": 0}
        made.save(folder / f"{encoding}.result", encoding, **options)
    for name in FUNCTIONS:
        memory = sources[f"{name.partition(',')[0]}Function"].memory * MIB
        if name == "Summarize":
            peak_bytes = scale.summarizing(wire.Size.of(SUMMARIZED))["peak_mb"] * MIB
            yield Row(name, f"{SUMMARIZED:,} combinations", peak_bytes, memory)
        else:
            found = fresh(f"function:{name}", folder)
            yield Row(name, found["what"], found["peak"], memory)


def picture_rows(folder: Path) -> Iterator[str]:
    """The largest picture of each kind, made in the folder and kept there."""
    for number, one in enumerate(LARGEST):
        width, height = fresh(f"make:{number}", folder)["size"]
        found = fresh(f"picture:{number}", folder)
        yield (
            f"| {one.what} | {width:,} × {height:,} | {width * height / 1e6:,.0f} million | "
            f"{found['file'] / 1e6:,.1f} MB | {found['taken'] / 1e6:,.0f} MB | {found['seconds']:.0f} s |"
        )


def table(rows: list[Row]) -> str:
    lines = [
        f"| {row.name} | {row.what} | {row.peak / MIB:,.0f} MiB | {row.memory // MIB:,} MiB | {row.share:.0%} |"
        for row in rows
    ]
    return "\n".join(["| function | worst accepted input | peak | has | share |", "|---|---|---:|---:|---:|", *lines])


def page(pictures: list[str], rows: list[Row]) -> str:
    """The whole page."""
    limits = "\n".join(f"| {what} | {most // 10**6} million |" for what, most in images.MOST_PIXELS.items())
    largest = "\n".join(pictures)
    return f"""# Memory

Written by `python -m benchmarks.memory`, which measures each row in a process of its own.

## The functions

Each function at the worst that it accepts. No function may use more than {SHARE:.0%} of its memory, and none has
more than 3,008 MiB, the most that a new AWS account allows.

{table(rows)}

## The largest pictures

A picture may have at most so many pixels, by what it is:

| picture | pixels |
|---|---:|
{limits}

A kind that takes more memory for each pixel, such as a HEIC with alpha, may have fewer. The error says how many. The
file may have {images.MAX_INPUT_BYTES // 10**6} MB ({", ".join(FORMATS)} alike).

All readers of Plan share one budget of {images.BUDGET_BYTES / 1e6:,.0f} MB for decoding. What a picture takes is known
from its header; it waits until so much is free, and is refused by name when it could never be. "Memory" is what
the process's peak rose by, the file not counted; "time" is of one core of the machine that measured.

| picture | size | pixels | file | memory | time |
|---|---|---:|---:|---:|---:|
{largest}

Fine JPEGs of studio cameras have 40 to 70 MB at 102 million pixels and up to 100 MB at 151 million, so
`MaxImageBytes` is {images.MAX_INPUT_BYTES // 10**6} MB by default. Each of Plan's {intake.READERS} readers may hold
one: {intake.READERS * images.MAX_INPUT_BYTES // 10**6} MB besides the budget and 210 MB of the process itself.
"""


def main() -> int:
    """Measure, and write the page or print the functions' table; 1 when a function has used too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("what", choices=["page", "table"], nargs="?", default="page")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.row:
        found = _measure(chosen.row, chosen.folder)
        print(json.dumps({"peak": peak(), **found}))
        return 0
    with tempfile.TemporaryDirectory() as name:
        pictures = list(picture_rows(Path(name)))
        rows = list(function_rows(Path(name)))
    if chosen.what == "page":
        PAGE.write_text(page(pictures, rows), encoding="utf-8")
    print(table(rows))
    return int(any(row.share > SHARE for row in rows))


if __name__ == "__main__":
    sys.exit(main())
