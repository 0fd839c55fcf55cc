"""The guarded download against real servers on the loopback: what only sockets show."""

import datetime
import gzip
import logging
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.result_pictures import jpeg, png, webp
from tryon.clock import SystemClock
from tryon.task.fetch import download as fetch_download
from tryon.task.fetch.download import open_result
from tryon.task.fetch.errors import FetchError, ResultRefusedError, ResultUnavailableError
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session

PNG = png(bytes(50_000))
OK = b"HTTP/1.1 200 OK\r\n"
Script = Callable[[socket.socket], None]


@contextmanager
def server(script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free loopback port that reads a request's head and then does what the script says."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection = self.request
            connection.settimeout(5)
            with suppress(OSError):
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass
                script(connection)
                connection.shutdown(socket.SHUT_WR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield running.server_address[1]
        finally:
            # Closed while it serves, its thread would turn at full speed for as long as the process lives.
            running.shutdown()
            thread.join()


def sends(*pieces: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


def drips(start: bytes, drop: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(500):
            connection.sendall(drop)
            time.sleep(0.01)

    return script


def fetched(script: Script, **limits: Any) -> bytes:
    limits = {"max_seconds": 5.0, "clock": SystemClock(), **limits}
    with server(script) as port:
        policy = OriginPolicy.parse(f"http://127.0.0.1:{port}")
        session = guarded_session(policy)
        url = f"http://127.0.0.1:{port}/results/s3cret.png?signature=s3cret"
        with session, open_result(session, url, policy=policy, **limits) as stream:
            return b"".join(stream.chunks)


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_a_result_comes_whole_with_a_length_and_in_chunks() -> None:
    assert fetched(sends(OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG)) == PNG
    chunks = framed(PNG[:7], PNG[7:20_000], PNG[20_000:]) + b"0\r\n\r\n"
    assert fetched(sends(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunks)) == PNG


def test_the_address_is_not_in_the_log_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        fetched(sends(OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG))
        with pytest.raises(FetchError):
            fetched(sends(b"nonsense\r\n\r\n"))
        with pytest.raises(FetchError):
            fetched(sends(OK + b"broken header\r\nContent-Length: 1\r\n\r\n<"))
    assert "s3cret" not in caplog.text


def test_a_cookie_is_not_kept() -> None:
    answer = OK + b"Set-Cookie: a=b; Path=/\r\nContent-Length: %d\r\n\r\n" % len(PNG)
    with server(sends(answer, PNG)) as port:
        policy = OriginPolicy.parse(f"http://127.0.0.1:{port}")
        session = guarded_session(policy)
        with open_result(session, f"http://127.0.0.1:{port}/a", policy=policy, clock=SystemClock()):
            assert list(session.cookies) == []


def test_a_redirect_leads_nowhere() -> None:
    visits: list[bool] = []
    with server(lambda connection: visits.append(True)) as other:
        location = b"Location: http://127.0.0.1:%d/latest/meta-data/\r\n" % other
        with pytest.raises(ResultRefusedError, match="302"):
            fetched(sends(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n"))
        # An endless body of a redirect is not read either.
        with pytest.raises(ResultRefusedError, match="307"):
            fetched(drips(b"HTTP/1.1 307 Elsewhere\r\n" + location + b"\r\n", b"x"))
    assert visits == []


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG[:-1]),
        (OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG[:10]),
        (OK + b"Content-Length: 20000\r\n\r\n", PNG[:20_000]),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", framed(PNG)[:-100]),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", framed(PNG[:-1]) + b"0\r\n\r\n"),
        (OK + b"\r\n", PNG[:-1]),
        (OK + b"\r\n", PNG[:10]),
        (OK + b"\r\n",),
        (OK,),
        (),
    ],
)
def test_a_cut_answer_is_never_taken_for_a_result(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ResultUnavailableError):
        fetched(sends(*pieces))


def test_an_endless_body_ends_at_the_limit_of_bytes() -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed(start))
        block = framed(bytes(65_536))
        while sent < 64_000_000:
            connection.sendall(block)
            sent += len(block)

    start = PNG[:-12].replace(b"\x00\x00\xc3\x50IDAT", b"\x7f\xff\xff\xffIDAT")
    with pytest.raises(ResultRefusedError, match="more than 1000000"):
        fetched(endless, max_bytes=1_000_000)
    # What was under way in the sockets' buffers comes on top.
    assert sent < 16_000_000
    # Behind a picture it costs nothing but the bytes up to the limit.
    start, sent = PNG, 0
    assert fetched(endless, max_bytes=1_000_000).startswith(PNG)
    assert sent < 16_000_000


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"\r\n", PNG),
        (b"HTTP/1.0 200 OK\r\n\r\n", PNG),
        (OK + b"Content-Length: %d\r\n\r\n" % (len(PNG) + 1), PNG),
        (OK + b"Content-Length: 100\r\n\r\n", PNG),
        (OK + b"Content-Length: 0\r\n\r\n", PNG),
        (OK + b"Content-Length: 100\r\nContent-Length: 200\r\n\r\n", PNG),
        (OK + b"Content-Length: 5000000000\r\n\r\n", PNG),
        (OK + b"Content-Length: 9\r\nTransfer-Encoding: Chunked \r\n\r\n", framed(PNG) + b"0\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", framed(PNG)),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\r\n", PNG),
        (OK + b"Content-Encoding: aws-chunked\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(PNG)),
    ],
)
def test_a_whole_picture_is_taken_whatever_surrounds_it(pieces: tuple[bytes, ...]) -> None:
    assert fetched(sends(*pieces)) == PNG


@pytest.mark.parametrize("picture", [png(), jpeg(bytes(9000)), webp(bytes(9000))], ids=["png", "jpeg", "webp"])
def test_a_server_that_stays_silent_after_the_picture_is_not_waited_for(picture: bytes) -> None:
    def silent_after(head: bytes) -> Script:
        def script(connection: socket.socket) -> None:
            connection.sendall(OK + head + b"\r\n" + picture)
            with suppress(TimeoutError):
                connection.recv(1)

        return script

    started = time.monotonic()
    for head in (b"", b"Content-Length: 50\r\n", b"Content-Length: %d\r\n" % len(picture)):
        with patch.object(fetch_download, "_LINGER_SECONDS", 0.1):
            assert fetched(silent_after(head)) == picture
    assert time.monotonic() - started < 3


TARGETS = [
    "/tos/20260101-0%7Etplv-abc-image.image?x-expires=1&x-signature=Q%2Bz%3D",
    "/%7e%2f%2F%3a/%zz?a=%e4%b8%ad&b=100%",
    '/{a}|b^c[d]`e"f\'<g>?q={|}^[]"\\',
    "/a/./b/../c//d/..;x=1/?",
    "//other.example/a?b?c=d+e;f",
    "/?",
]


@pytest.mark.parametrize("target", TARGETS)
def test_an_address_is_asked_for_byte_for_byte_and_without_its_fragment(target: str) -> None:
    lines: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                lines.append(connection.recv(65536).split(b"\r\n")[0])
                connection.sendall(OK + b"\r\n" + PNG)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        policy = OriginPolicy.parse(origin)
        session = guarded_session(policy)
        with open_result(session, f"{origin}{target}#part", policy=policy, clock=SystemClock()) as stream:
            assert b"".join(stream.chunks) == PNG
        thread.join()
    assert lines == [f"GET {target} HTTP/1.1".encode()]


SILENCE: list[tuple[str, Script]] = [
    ("nothing", lambda connection: time.sleep(5)),
    ("status line", drips(b"HTTP/1.1 200 ", b"O")),
    ("headers", drips(OK, b"X-A: b\r\n")),
    ("one header", drips(OK + b"X-A: ", b"b")),
    ("interim answers", drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    ("first bytes", drips(OK + b"Content-Length: 60000\r\n\r\n", b"\x89")),
    ("body", drips(OK + b"Content-Length: 60000\r\n\r\n" + PNG[:100], b"\0")),
    ("chunk sizes", drips(OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed(PNG[:100]), b"0")),
    ("one-byte chunks", drips(OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed(PNG[:100]), framed(b"\0"))),
]


@pytest.mark.parametrize(("where", "script"), SILENCE)
def test_a_server_that_drips_is_left_when_the_time_is_up_wherever_it_drips(where: str, script: Script) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        fetched(script, max_seconds=0.2)
    assert time.monotonic() - started < 1.5
    assert isinstance(caught.value, ResultUnavailableError)


class Hasty:
    """A clock that runs a second at every look."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 1
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_the_time_is_looked_at_after_every_drop_and_not_after_every_eight_kilobytes() -> None:
    started = time.monotonic()
    with pytest.raises(ResultUnavailableError, match="too long"):
        fetched(drips(OK + b"Content-Length: 60000\r\n\r\n" + PNG[:100], b"\0"), clock=Hasty(), max_seconds=4)
    assert time.monotonic() - started < 2


# --- TLS ---


class Authority:
    """A certificate authority of the test's own, strict enough for Python 3.13 (RFC 5280)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        certificate = self._sign(
            self.name,
            self.key,
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **usage
                ),
                True,
            ),
        )
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(name, key, (x509.SubjectAlternativeName([x509.DNSName(host)]), False))
        both = self.folder / f"{host}.pem"
        both.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context


def fetched_over_tls(port: int, bundle: Path, max_seconds: float = 5.0) -> tuple[bytes, list[str]]:
    """The download of a name that resolves to a public address, at which the loopback server stands."""
    policy = OriginPolicy.parse("https://*.example.com")
    dialled: list[str] = []

    def resolve(host: str, *_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]

    def connect(address: str, _: int, timeout: float) -> socket.socket:
        dialled.append(address)
        return socket.create_connection(("127.0.0.1", port), timeout)

    with guarded_session(policy, resolver=resolve, connect=connect) as session:
        session.verify = str(bundle)
        url = "https://cdn.example.com/a.png"
        with open_result(session, url, policy=policy, clock=SystemClock(), max_seconds=max_seconds) as stream:
            return b"".join(stream.chunks), dialled


def test_tls_is_checked_against_the_name_though_the_address_is_dialled(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asked: list[str | None] = []
    context = authority.context("cdn.example.com")
    context.sni_callback = lambda _, name, __: asked.append(name)
    with server(sends(OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG), tls=context) as port:
        assert fetched_over_tls(port, authority.bundle) == (PNG, ["93.184.216.34"])
    assert asked == ["cdn.example.com"]


def test_a_certificate_for_another_name_or_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    answer = sends(OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG)
    with (
        server(answer, tls=authority.context("93.184.216.34.example.net")) as port,
        pytest.raises(ResultUnavailableError, match="SSLCertVerificationError"),
    ):
        fetched_over_tls(port, authority.bundle)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with (
        server(answer, tls=other.context("cdn.example.com")) as port,
        pytest.raises(ResultUnavailableError, match="SSLCertVerificationError"),
    ):
        fetched_over_tls(port, authority.bundle)


def test_a_server_that_drips_inside_tls_is_left_when_the_time_is_up(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with server(drips(OK + b"X-A: ", b"b"), tls=authority.context("cdn.example.com")) as port:
        started = time.monotonic()
        with pytest.raises(ResultUnavailableError):
            fetched_over_tls(port, authority.bundle, max_seconds=0.5)
        assert time.monotonic() - started < 2.5


def test_a_tls_handshake_that_never_ends_is_left_when_the_time_is_up(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def handshake_record_without_end(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")
        for _ in range(500):
            connection.sendall(b"\x02")
            time.sleep(0.01)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                handshake_record_without_end(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            started = time.monotonic()
            with pytest.raises(ResultUnavailableError):
                fetched_over_tls(running.server_address[1], authority.bundle, max_seconds=0.2)
            assert time.monotonic() - started < 1.5
        finally:
            running.shutdown()
            thread.join()
