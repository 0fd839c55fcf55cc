"""Peak memory of Poll and Download on the worst that they accept: `python -m benchmarks.answer_memory`.

Each case runs in a process of its own, which imports what the function imports and reads one answer of a server on
the loopback; what is printed is the whole process's peak. The functions have 512 MB.
"""

import argparse
import gzip
import json
import posixpath
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tryon.service.volcengine.vendor import RESULT_ANSWER_LIMIT

if TYPE_CHECKING:
    from tryon.service.volcengine.signed import SignedService

MB = 1 << 20
FUNCTION_MB = 512
FULL = RESULT_ANSWER_LIMIT - 200
ANSWER = b'{"code":10000,"data":{"status":"done","image_urls":["https://cdn.example.com/1.png"],"more":%b}}'
TEXT = b'{"code":10000,"data":{"status":"done","image_urls":[],"binary_data_base64":["%b"]},"message":"%b"}'


def _answer(body: Iterable[bytes], status: str = "200 OK", *headers: str) -> Iterator[bytes]:
    yield "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode()
    yield from body


def _endless(megabytes: int = 600) -> Iterator[bytes]:
    return repeat(bytes(MB), megabytes)


def _picture(side: int) -> bytes:
    """A PNG of that many pixels square that hardly shrinks."""
    from PIL import Image

    out = BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(out, "PNG", compress_level=0)
    return out.getvalue()


def _in_base64() -> bytes:
    import base64

    return base64.b64encode(_picture(2800))


ANSWERS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "nothing but a receipt": lambda: _answer([b'{"code":10000,"data":{"status":"generating"}}']),
    "empty objects": lambda: _answer([ANSWER % (b"[" + b"{}," * (FULL // 3) + b"{}]")]),
    "empty objects, as many as are read": lambda: _answer([ANSWER % (b"[" + b"{}," * 249_000 + b"{}]")]),
    "objects of one number, as many as are read": lambda: _answer(
        [ANSWER % (b"[" + b",".join(b'{"key-%d":%d}' % (n, n + 1000) for n in range(249_000)) + b"]")]
    ),
    "pictures in base64": lambda: _answer([TEXT % (_in_base64(), b"")]),
    "pictures in base64, one letter beyond ASCII": lambda: _answer([TEXT % (_in_base64(), "😀".encode())]),
    "one text, one letter beyond ASCII in it": lambda: _answer([TEXT % (b"", b"a" * FULL + rb"\ud83d\ude00")]),
    "gzip bomb of empty objects": lambda: _answer(
        [gzip.compress(ANSWER % (b"[" + b"{}," * (FULL // 3) + b"{}]"))], "200 OK", "Content-Encoding: gzip"
    ),
    "gzip bomb of zeros": lambda: _answer([gzip.compress(bytes(600 * MB), 1)], "200 OK", "Content-Encoding: gzip"),
    "gzip in gzip": lambda: _answer(
        [gzip.compress(gzip.compress(bytes(600 * MB), 1))], "200 OK", "Content-Encoding: gzip, gzip"
    ),
    "a redirect's endless body": lambda: _answer(_endless(), "302 Found", "Location: /"),
    "a refusal's endless body": lambda: _answer(_endless(), "500 Internal Server Error"),
    "an endless body": lambda: _answer(_endless()),
}

DOWNLOADS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "the largest that copies are made of": lambda: _announced(_sparse(4898)),
    "the largest that copies are made of, no length": lambda: _answer([_sparse(4898)]),
    "the largest that copies are made of, packed": lambda: _answer([gzip.compress(_sparse(4898), 1)]),
    "a gzip bomb": lambda: _answer([gzip.compress(_sparse(64)[:33] + b"\x7f\xff\xff\xffIDAT" + bytes(600 * MB), 1)]),
    "pictures in base64": lambda: _answer([TEXT % (_in_base64(), b"")]),
}


def _sparse(side: int) -> bytes:
    """A PNG of that many pixels square, 31 MB of it a text that no decoder needs."""
    from PIL import Image

    out = BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert("RGBA").save(out, "PNG")
    picture = out.getvalue()
    text = b"tEXt" + b"a\0" + b"b" * (31_000_000 - len(picture))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return picture[:33] + chunk + picture[33:]


def _announced(body: bytes) -> Iterator[bytes]:
    return _answer([body], "200 OK", f"Content-Length: {len(body)}")


@contextmanager
def _serving(made: Callable[[], Iterator[bytes]]) -> Iterator[int]:
    pieces = list(made())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        for piece in pieces:
                            connection.sendall(piece)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def _service(port: int) -> "SignedService":
    """The client that the functions have, in a process that has imported what they import."""
    import boto3
    import requests
    from aws_lambda_powertools import Logger, Metrics, Tracer  # noqa: F401 the functions have them too

    from tryon.clock import SystemClock
    from tryon.service.volcengine.credentials import Credentials
    from tryon.service.volcengine.signed import SignedService

    boto3.client("dynamodb", region_name="us-east-1")
    return SignedService(
        requests.Session(),
        endpoint=f"http://127.0.0.1:{port}",
        credentials=lambda: Credentials("AKLTDUMMY", "dummy-secret"),
        clock=SystemClock(),
    )


def _peak() -> float:
    """The process's own peak in MB: what `getrusage` says includes the process that started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("this machine does not tell a process's peak")


def _poll(port: int) -> str:
    try:
        result = _service(port).result("1")
    except Exception as error:  # noqa: BLE001 whatever it is, it is what the case ends in
        return type(error).__name__
    return f"{result.status}, {len(result.candidates)} pictures"


class _Store:
    """S3 as far as Download needs it, on a disk."""

    meta = SimpleNamespace(endpoint_url="https://s3.example.com")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_object(self, *, Key: str, Body: Any, **_: Any) -> None:  # noqa: N803 boto3's own spelling
        with (self._folder / posixpath.basename(Key)).open("wb") as out:
            source = BytesIO(Body) if isinstance(Body, bytes) else Body
            while block := source.read(1 << 16):
                out.write(block)

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        return {"UploadId": "u"}

    def upload_part(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        with (self._folder / posixpath.basename(Key)).open("ab") as out:
            out.write(Body)
        return {"ETag": "e", "ChecksumSHA256": "c"}

    def complete_multipart_upload(self, **_: Any) -> None: ...

    def abort_multipart_upload(self, **_: Any) -> None: ...

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Body": (self._folder / posixpath.basename(Key)).open("rb")}


def _download(port: int, *, from_address: bool) -> str:
    from tryon.clock import SystemClock
    from tryon.keys import RunFolder
    from tryon.pictures import thumbnails
    from tryon.service import Candidate
    from tryon.state.entry import Entry
    from tryon.task.download import collect
    from tryon.task.fetch.origins import OriginPolicy
    from tryon.task.fetch.session import guarded_session

    policy = OriginPolicy.parse(f"http://127.0.0.1:{port}")
    known = (Candidate(url=f"http://127.0.0.1:{port}/r.png"),) if from_address else ()
    with tempfile.TemporaryDirectory() as folder:
        store: Any = _Store(Path(folder))
        try:
            collected = collect(
                Entry(1, "a__1-b__c", "a", "1-b", "c", candidates=known),
                "task",
                folder=RunFolder("run"),
                bucket="results",
                service=_service(port),
                session=guarded_session(policy),
                s3=store,
                policy=policy,
                clock=SystemClock(),
            )
        except Exception as error:  # noqa: BLE001 whatever it is, it is what the case ends in
            return type(error).__name__
        (stored,) = collected.stored
        copied = thumbnails.of_result(store, "results", stored)
    return f"{stored.bytes / 1e6:.0f} MB stored, {'copied' if copied else 'not copied'}"


def measure(function: str, case: str) -> dict[str, Any]:
    """One case in a process of its own: its peak in MB and what came of it."""
    with _serving((ANSWERS if function == "Poll" else DOWNLOADS)[case]) as port:
        command = [sys.executable, "-m", "benchmarks.answer_memory", "--function", function, "--case", case]
        command += ["--port", str(port)]
        answer = subprocess.run(command, capture_output=True, check=True, timeout=300)  # noqa: S603
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--function", choices=["Poll", "Download"])
    parser.add_argument("--case")
    parser.add_argument("--port", type=int)
    chosen = parser.parse_args()
    if chosen.port:
        if chosen.function == "Poll":
            told = _poll(chosen.port)
        else:
            told = _download(chosen.port, from_address="base64" not in chosen.case)
        json.dump({"peak": _peak(), "told": told}, sys.stdout)
        return
    print("| function | answer | peak MB | of 512 MB | what comes of it |\n|---|---|---:|---:|---|")
    for function, cases in (("Poll", ANSWERS), ("Download", DOWNLOADS)):
        for case in cases:
            found = measure(function, case)
            share = found["peak"] * 1e6 / (FUNCTION_MB * MB)
            print(f"| {function} | {case} | {found['peak']:.0f} | {share:.0%} | {found['told']} |", flush=True)


if __name__ == "__main__":
    main()
