"""Peak memory of downloads into S3, against their size: `python -m benchmarks.download_memory`.

A host and an S3 stand-in run here on the loopback. Each download runs in a process of its own, whose peak is read
after a first small download has loaded everything. The stand-in checks the SHA-256 that follows a body.
"""

import argparse
import base64
import datetime
import hashlib
import ipaddress
import json
import resource
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, cast

SIZES_MB = (4, 32, 128)
WAYS = ("https", "http", "unannounced", "plain script")
HEAD = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 1440, 1920, 8, 2, 0, 0, 0) + bytes(4)
END = bytes(4) + struct.pack(">I4sI", 0, b"IEND", 0xAE426082)
BLOCK = bytes(range(256)) * 256


class Servers(BaseHTTPRequestHandler):
    """GET /<bytes>[/chunked] sends a picture of that size; PUT and POST take one and forget it."""

    protocol_version = "HTTP/1.1"
    received = 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        pass

    def do_GET(self) -> None:
        size, chunked = int(self.path.split("/")[1]), self.path.endswith("/chunked")
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))))
        self.end_headers()
        for piece in picture(size):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in self.path:
            self.answer(b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        else:
            self.answer(b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def do_PUT(self) -> None:
        source = cast("BinaryIO", self.rfile)
        # "Expect: 100-continue" was answered by the base class.
        if self.headers.get("Transfer-Encoding") == "chunked":
            sent, announced = taken_from_chunks(source)
        else:
            sent, announced = taken(source, int(self.headers["Content-Length"])), None
        if announced not in (None, sent):
            self.send_error(400, "BadDigest")
            return
        self.answer(b"", ("x-amz-checksum-sha256", sent))

    def answer(self, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(200)
        for name, value in (("ETag", '"e"'), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def picture(size: int) -> Iterator[bytes]:
    """A PNG's head, filler and end, without ever holding it."""
    left = size - len(HEAD) - 8 - len(END)
    yield HEAD + struct.pack(">I4s", left, b"IDAT")
    while left:
        yield BLOCK[: min(left, len(BLOCK))]
        left -= min(left, len(BLOCK))
    yield END


def taken(source: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while size:
        piece = source.read(min(size, len(BLOCK)))
        digest.update(piece)
        size -= len(piece)
    return base64.b64encode(digest.digest()).decode()


class Unframed:
    """HTTP's chunks taken off, one after the other."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.held = b""

    def more(self) -> bool:
        size = int(self.source.readline(), 16)
        self.held += self.source.read(size)
        self.source.readline()
        return size > 0

    def line(self) -> bytes:
        while b"\r\n" not in self.held and self.more():
            pass
        line, _, self.held = self.held.partition(b"\r\n")
        return line

    def bytes(self, size: int) -> bytes:
        while len(self.held) < size and self.more():
            pass
        data, self.held = self.held[:size], self.held[size:]
        return data


def taken_from_chunks(source: BinaryIO) -> tuple[str, str]:
    """The body's SHA-256 and the one that AWS's own chunks announce in their trailer."""
    body, digest = Unframed(source), hashlib.sha256()
    while size := int(body.line(), 16):
        digest.update(body.bytes(size))
        body.bytes(2)
    name, _, announced = body.line().partition(b":")
    while body.more():
        pass
    mine = base64.b64encode(digest.digest()).decode()
    # A plain script's client announces a CRC instead.
    return mine, announced.strip().decode() if name == b"x-amz-checksum-sha256" else mine


def certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        # Python 3.13 checks by the letter of RFC 5280.
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file


@contextmanager
def served(tls: Path | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Servers) as server:
        server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def download(way: str, size: int, host: int, sink: str, trusted: str) -> None:
    """One download in the way that is measured."""
    import boto3

    from tryon.clock import SystemClock
    from tryon.service import Candidate
    from tryon.task import results
    from tryon.task.fetch.origins import OriginPolicy
    from tryon.task.fetch.session import guarded_session

    url = f"http://127.0.0.1:{host}/{size}" + ("/chunked" if way == "unannounced" else "")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    place = {"endpoint_url": sink, "verify": trusted or None}
    if way == "plain script":
        import requests

        body = requests.get(url, timeout=60).content
        boto3.client("s3", **keys, **place).put_object(Bucket="results", Key="a.png", Body=body)  # type: ignore[call-overload]
        return
    s3 = boto3.client("s3", config=results.client_config(), **keys, **place)  # type: ignore[call-overload]
    policy = OriginPolicy.parse(f"http://127.0.0.1:{host}")
    stored = results.download(
        guarded_session(policy),
        s3,
        Candidate(url=url),
        policy=policy,
        clock=SystemClock(),
        bucket="results",
        key=lambda _: "a.png",
        max_bytes=1 << 30,
    )
    if stored.bytes != size:
        raise SystemExit(f"{stored.bytes} bytes were stored, not {size}")


def peak() -> float:
    """The process's peak so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(way: str, size: int, host: int, sink: str, trusted: str) -> None:
    """In the process of its own: print what a download adds to the peak."""
    download(way, 65_536, host, sink, trusted)
    before = peak()
    download(way, size, host, sink, trusted)
    json.dump({"before": before, "added": peak() - before}, sys.stdout)


def run(ways: tuple[str, ...] = WAYS, sizes_mb: tuple[int, ...] = SIZES_MB) -> dict[tuple[str, int], float]:
    """What each download adds to its process's peak, in MB, by way and size in MB."""
    added: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        trusted = certificate(Path(folder))
        with served() as plain, served(trusted) as secure:
            for way in ways:
                for size in sizes_mb:
                    sink = f"http://127.0.0.1:{plain}" if way == "http" else f"https://127.0.0.1:{secure}"
                    command = [sys.executable, "-m", "benchmarks.download_memory", "--way", way]
                    command += ["--bytes", str(size * 1_000_000), "--host", str(plain), "--sink", sink]
                    command += ["--trusted", str(trusted)]
                    answer = subprocess.run(command, capture_output=True, check=True, timeout=120)  # noqa: S603
                    added[way, size] = json.loads(answer.stdout)["added"]
    return added


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way")
    parser.add_argument("--bytes", type=int)
    parser.add_argument("--host", type=int)
    parser.add_argument("--sink")
    parser.add_argument("--trusted", default="")
    chosen = parser.parse_args()
    if chosen.way:
        measure(chosen.way, chosen.bytes, chosen.host, chosen.sink, chosen.trusted)
        return
    added = run()
    print("| MB added to the peak by a download of | " + " | ".join(f"{size} MB" for size in SIZES_MB) + " |")
    print("|---|" + "---:|" * len(SIZES_MB))
    for way in WAYS:
        print(f"| {way} | " + " | ".join(f"{added[way, size]:.1f}" for size in SIZES_MB) + " |")


if __name__ == "__main__":
    main()
