"""The guard around results' addresses, with a fake resolver and fake transports: no sockets."""

import gzip
import ipaddress
import logging
import socket
import struct
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter, HTTPAdapter

from tests.doubles import HandClock
from tests.result_pictures import chunk, jpeg, png, webp
from tryon.task.fetch import session as fetch_session
from tryon.task.fetch import stream
from tryon.task.fetch.addresses import is_public
from tryon.task.fetch.download import open_result
from tryon.task.fetch.errors import (
    FetchError,
    NotAnImageError,
    ResultGoneError,
    ResultRefusedError,
    ResultUnavailableError,
)
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session
from tryon.task.fetch.stream import ResultStream, stream_of

POLICY = OriginPolicy.parse("https://*.example.com https://one.example.org http://127.0.0.1:8000")
URL = "https://cdn.example.com/results/s3cret-path.png?signature=s3cret-signature"
URL_WITH_USER = URL.replace("cdn.", "s3cret-user:s3cret-word@cdn.")
PNG = png()
PUBLIC = "93.184.216.34"


@dataclass
class Served(BaseAdapter):
    """Answers every request with the same response, and remembers what was asked."""

    body: bytes = PNG
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    late_headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.asked.append(str(request.url))
        self.received.append((dict(request.headers), kwargs))
        headers = dict(self.headers)
        if self.length is not None:
            headers["Content-Length"] = str(len(self.body) if self.length < 0 else self.length)
        self.source = Counted(self.body)
        raw = urllib3.HTTPResponse(
            body=self.source,
            headers=headers,
            status=self.status,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
        )
        # urllib3 itself reads these, and refuses what the guarded adapter lets through.
        raw.headers.update(self.late_headers)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


class Counted(BytesIO):
    read_so_far = 0

    def read1(self, size: int | None = -1, /) -> bytes:
        piece = super().read1(-1 if size is None else size)
        self.read_so_far += len(piece)
        return piece

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.read_so_far += len(piece)
        return piece


def session_with(adapter: BaseAdapter) -> requests.Session:
    session = guarded_session(POLICY, resolver=unreachable, connect=unreachable)
    session.mount("https://", adapter)
    return session


def unreachable(*args: Any) -> Any:
    raise AssertionError("the network was asked")


def fetched(adapter: Served, url: str = URL, **limits: Any) -> tuple[ResultStream, bytes]:
    limits.setdefault("clock", HandClock(1_000.0))
    with open_result(session_with(adapter), url, policy=POLICY, **limits) as stream:
        return stream, b"".join(stream.chunks)


class Net:
    """A resolver and a connector that remember; every connection is refused after it was noted."""

    def __init__(self, *addresses: str) -> None:
        self.answers: list[tuple[str, ...]] = [addresses]
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def resolve(self, host: str, port: int, family: int, kind: int) -> list[Any]:
        self.resolved.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, kind, 6, "", (address, port)) for address in answer
        ]

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        self.connected.append((address, port))
        raise ConnectionRefusedError

    def get(self, url: str, policy: OriginPolicy = POLICY) -> None:
        session = guarded_session(policy, resolver=self.resolve, connect=self.connect)
        with open_result(session, url, policy=policy, clock=HandClock(1_000.0)):
            raise AssertionError("nothing can be fetched here")


# --- which origins may be listed ---


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example.com",
        "https://*.example.com,https://cdn.example.org",
        "https://cdn.example.com:443",
        "http://127.0.0.1:8000",
        "http://host.docker.internal:8000\nhttps://a.example.com",
    ],
)
def test_an_origin_may_be_a_host_a_domain_or_a_local_stand_in(text: str) -> None:
    assert OriginPolicy.parse(text).origins


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "*",
        "https://*",
        "https://*.com",
        "https://com",
        "https://*.*.example.com",
        "https://exa*mple.com",
        "http://cdn.example.com",
        "https://cdn.example.com:8443",
        "https://cdn.example.com/",
        "https://cdn.example.com/path",
        "https://user@cdn.example.com",
        "https://CDN.example.com",
        "https://cdn.example.com.",
        "https://93.184.216.34",
        "https://0x7f.0.0.1",
        "https://127.0.0.1",
        "https://[::1]",
        "http://127.0.0.1",
        "http://*.127.0.0.1:80",
        "http://127.0.0.2:8000",
        "http://localhost:8000",
        "http://10.0.0.1:8000",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:080",
        "https://host.docker.internal:8000",
        "https://bücher.example",
    ],
)
def test_any_other_origin_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"origin|https|port|label"):
        OriginPolicy.parse(text)


# --- which addresses may be asked ---


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://cdn.example.com/a.png", "cdn.example.com"),
        ("https://a.b.example.com/a.png?x=@:!$&'()*+,;=%2F~", "a.b.example.com"),
        ("HTTPS://CDN.Example.COM:443/A.PNG", "cdn.example.com"),
        ("https://one.example.org?x=1", "one.example.org"),
        ("https://one.example.org", "one.example.org"),
        ("http://127.0.0.1:8000/a.png", "127.0.0.1"),
        ("http://cdn.example.com/a.png", "cdn.example.com"),
        ("https://cdn.example.com/#fragment", "cdn.example.com"),
        ("https://cdn.example.com/a b/é.png", "cdn.example.com"),
    ],
)
def test_an_address_of_a_listed_origin_passes(url: str, host: str) -> None:
    assert POLICY.vet(url) == host


REFUSED_URLS = [
    "",
    "cdn.example.com/a.png",
    "//cdn.example.com/a.png",
    "ftp://cdn.example.com/a.png",
    "file:///etc/passwd",
    "https:/cdn.example.com/",
    "https:cdn.example.com",
    "https://example.com/",
    "https://one.example.org.evil.net/",
    "https://cdn.example.com.evil.net/",
    "https://evilexample.com/",
    "https://sub.one.example.org/",
    "https://.example.com/",
    "https://a..example.com/",
    "https://-a.example.com/",
    "https://*.example.com/",
    "https://a_b.example.com/",
    "https://cdn.example.com./",
    "https://cdn.example.com:8443/",
    "https://cdn.example.com:80/",
    "http://cdn.example.com:443/",
    "http://cdn.example.com:8080/",
    "http://one.example.org.evil.net/",
    "https://cdn.example.com/\ud800.png",
    "https://cdn.example.com/a\tb.png",
    "https://cdn.example.com:/",
    "https://cdn.example.com:0443/",
    "https://cdn.example.com:443443/",
    "https://user@cdn.example.com/",
    "https://user:pass@cdn.example.com/",
    "https://cdn.example.com@evil.net/",
    "https://evil.net#@cdn.example.com/",
    "https://evil.net?@cdn.example.com/",
    "https://evil.net\\@cdn.example.com/",
    "https://cdn.example.com\\@evil.net/",
    " https://cdn.example.com/",
    "https://cdn.example.com/\n",
    "https://cdn.exam\tple.com/",
    "https://cdn.example.com\r\nHost: evil.net/",
    "https://cdn。example。com/",
    "https://ⓒdn.example.com/",
    "https://cdn.example.com%2eevil.net/",
    "https://%63dn.example.com/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1/",
    "https://127.0.0.1:8000/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fd00:ec2::254]/",
    "https://localhost/",
    "http://127.0.0.1/",
    "http://127.0.0.1:8001/",
    "http://127.0.0.2:8000/",
    "http://127.1:8000/",
    "http://2130706433:8000/",
    "http://localhost:8000/",
    "http://host.docker.internal:8000/",
    "https://cdn.example.com/" + "a" * 9000,
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_any_other_address_is_refused_before_the_network_is_asked(url: str) -> None:
    with (
        pytest.raises(ResultRefusedError),
        open_result(session_with(Served()), url, policy=POLICY, clock=HandClock(1_000.0)),
    ):
        pass


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_the_session_alone_lets_no_adapter_see_an_unlisted_place(url: str) -> None:
    served = Served()
    session = session_with(served)
    for prefix in ("http://", "https://evil", "http://127.0.0.1:8001"):
        session.mount(prefix, served)
    with suppress(ResultRefusedError, requests.RequestException):
        session.get(url)
    # requests may have written the address anew (a space as %20), but to a listed place or not at all.
    assert all(POLICY.vet(asked) in ("cdn.example.com", "one.example.org") for asked in served.asked)


WRITTEN = [
    ("/0%7Etplv-abc-image.image?x-expires=1&x-signature=Q%2Bz%3D", None),
    ("/%7e%2f%2F%3a?a=%e4%b8%ad", None),
    ('/{a}|b^c[d]`e"f\'<g>?q={|}^[]"\\', None),
    ("/a/./b/../c//d/?", None),
    ("//cdn/a?", None),
    ("?x=1;y=2&z=a+b", "/?x=1;y=2&z=a+b"),
    ("/a?b?c=%zz&d=100%", None),
    ("/a.png#fragment?x", "/a.png"),
    ("", "/"),
    ("/春/a b?c=é\u2028", "/%E6%98%A5/a%20b?c=%C3%A9%E2%80%A8"),
]


@pytest.mark.parametrize(("written", "sent"), WRITTEN)
def test_the_target_is_what_the_service_wrote(written: str, sent: str | None) -> None:
    wanted = written if sent is None else sent
    assert POLICY.address(f"https://cdn.example.com{written}").target == wanted
    served = Served()
    fetched(served, url=f"https://cdn.example.com{written}")
    assert served.asked == [f"https://cdn.example.com{wanted}"]


@pytest.mark.parametrize("port", ["", ":80"])
def test_a_plain_address_of_an_allowed_host_is_asked_over_tls(port: str) -> None:
    net = Net(PUBLIC)
    with pytest.raises(ResultUnavailableError):
        net.get(f"http://cdn.example.com{port}/a.png")
    assert net.connected == [(PUBLIC, 443)]


# --- where a name may lead ---

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:a9fe:a9fe::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
EMBEDDINGS: list[Callable[[int], int]] = [
    lambda v4: (0xFFFF << 32) | v4,
    lambda v4: (0x64FF9B << 96) | v4,
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_to_a_non_public_address_is_refused_unconnected(address: str) -> None:
    net = Net(address)
    with pytest.raises(ResultRefusedError, match=r"cdn\.example\.com leads to"):
        net.get(URL)
    assert net.connected == []


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"])
def test_a_name_that_leads_to_a_public_address_is_connected_there(address: str) -> None:
    net = Net(address)
    with pytest.raises(ResultUnavailableError):
        net.get(URL)
    assert net.connected == [(str(ipaddress.ip_address(address)), 443)]


def test_one_private_address_among_public_ones_refuses_them_all() -> None:
    net = Net(PUBLIC, "2606:4700::1111", "10.0.0.7")
    with pytest.raises(ResultRefusedError):
        net.get(URL)
    assert net.connected == []


def test_a_name_that_changes_its_address_after_the_look_is_connected_to_what_was_seen() -> None:
    net = Net()
    net.answers = [(PUBLIC,), ("127.0.0.1",)]
    with pytest.raises(ResultUnavailableError):
        net.get(URL)
    assert (net.resolved, net.connected) == (["cdn.example.com"], [(PUBLIC, 443)])


def test_a_name_without_an_address_may_have_one_later() -> None:
    with pytest.raises(ResultUnavailableError, match="no address"):
        Net().get(URL)

    def fails(*args: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with (
        pytest.raises(ResultUnavailableError, match="no address"),
        open_result(guarded_session(POLICY, resolver=fails), URL, policy=POLICY, clock=HandClock(1_000.0)),
    ):
        pass


def test_a_host_with_many_addresses_is_tried_at_three() -> None:
    net = Net(*(f"93.184.216.{n}" for n in range(1, 9)))
    with pytest.raises(ResultUnavailableError):
        net.get(URL)
    assert len(net.connected) == 3


def test_a_private_address_passes_only_for_the_local_origin_that_was_listed() -> None:
    local = OriginPolicy.parse("http://127.0.0.1:8000 http://host.docker.internal:9000 https://*.example.com")
    for url, address, port in (
        ("http://127.0.0.1:8000/a.png", "127.0.0.1", 8000),
        ("http://host.docker.internal:9000/a.png", "172.17.0.1", 9000),
    ):
        net = Net(address)
        with pytest.raises(ResultUnavailableError):
            net.get(url, local)
        assert net.connected == [(address, port)]
    for url, address in (
        ("https://cdn.example.com/a.png", "127.0.0.1"),
        ("http://host.docker.internal:9000/a.png", "169.254.169.254"),
        ("http://host.docker.internal:9000/a.png", PUBLIC),
    ):
        net = Net(address)
        with pytest.raises(ResultRefusedError):
            net.get(url, local)
        assert net.connected == []


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    for embed in EMBEDDINGS:
        assert is_public(ipaddress.IPv6Address(embed(int(address)))) == is_public(address)
    for tunnel in ((0x2002 << 112) | (int(address) << 80), (0x20010000 << 96) | (int(address) << 64)):
        assert not is_public(ipaddress.IPv6Address(tunnel))


@settings(deadline=None)
@given(st.ip_addresses())
def test_what_counts_as_public_is_never_more_than_the_standard_library_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


SCRAP_WORDS = (
    "http https :// / \\ @ : # ? . % [ ] * 127.0.0.1 8000 443 cdn example com evil.net localhost 0x7f.1 2130706433 "
    "::1 169.254.169.254 。 ⓔ"
)
SCRAPS = st.sampled_from([*SCRAP_WORDS.split(), "\t", "\n", " "])
ADDRESSES = st.one_of(st.ip_addresses().map(str), st.sampled_from(NOT_PUBLIC), st.just(PUBLIC))


@settings(deadline=None)
@given(
    st.one_of(st.text(), st.lists(SCRAPS, max_size=12).map("".join), st.just(URL)),
    st.lists(ADDRESSES, max_size=3),
)
def test_no_address_of_any_shape_gets_past_the_guard_to_a_place_that_is_not_public(
    url: str, addresses: list[str]
) -> None:
    policy = OriginPolicy.parse("https://*.example.com https://cdn.example")
    net = Net(*addresses)
    with pytest.raises((ResultRefusedError, ResultUnavailableError)):
        net.get(url, policy)
    assert all(is_public(ipaddress.ip_address(address)) and port == 443 for address, port in net.connected)
    assert all(policy.match("https", host, 443) for host in net.resolved)


# --- what the environment may not change ---


def test_proxies_and_certificates_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    net = Net(PUBLIC)
    with pytest.raises(ResultUnavailableError):
        net.get(URL)
    assert net.connected == [(PUBLIC, 443)]

    served = Served()
    session_with(served).get(URL, proxies={"https": "http://10.0.0.1:3128"}, verify=False)
    assert served.received[0][1]["proxies"] == {}
    assert served.received[0][1]["verify"] is True


def test_passwords_of_the_environment_are_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login me password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    served = Served()
    fetched(served)
    session_with(served).get(URL)
    assert all("Authorization" not in headers for headers, _ in served.received)


def test_a_redirect_is_refused_without_reading_its_body() -> None:
    served = Served(status=302, headers={"Location": "https://cdn.example.com/other"}, body=bytes(1_000_000))
    with pytest.raises(ResultRefusedError, match="302"):
        fetched(served)
    assert served.asked == [URL]
    assert served.source.read_so_far == 0


# --- what comes back ---


def test_a_result_comes_whole_in_small_pieces_with_its_format_and_size() -> None:
    served = Served()
    with open_result(session_with(served), URL, policy=POLICY, clock=HandClock(1_000.0)) as stream:
        assert (stream.format, stream.width, stream.height) == ("png", 1440, 1920)
        assert stream.content_length == len(PNG)
        assert served.source.read_so_far <= 8192
        pieces = list(stream.chunks)
    assert b"".join(pieces) == PNG
    assert max(map(len, pieces)) <= 8192
    headers, options = served.received[0]
    assert headers["Accept-Encoding"] == "identity"
    assert options["timeout"] == (30.0, 30.0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PNG, ("png", 1440, 1920)),
        (jpeg(), ("jpeg", 1440, 1920)),
        (jpeg(thumbnail=jpeg(bytes(9000))), ("jpeg", 1440, 1920)),
        (webp(), ("webp", 1440, 1920)),
        (webp(bytes(10) + struct.pack("<HH", 1440, 1920), b"VP8 "), ("webp", 1440, 1920)),
        (webp(bytes(4) + b"\x2f" + struct.pack("<I", 1439 | 1919 << 14) + bytes(9), b"VP8L"), ("webp", 1440, 1920)),
        (webp(bytes(4), b"VP8 "), ("webp", None, None)),
        (jpeg(thumbnail=bytes(60_000)), ("jpeg", 1440, 1920)),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(body: bytes, expected: tuple[str, int | None, int | None]) -> None:
    stream, data = fetched(Served(body, headers={"Content-Type": "text/html"}))
    assert (stream.format, stream.width, stream.height) == expected
    assert data == body


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"<html>An error</html>", "HTML or XML"),
        (b'\xef\xbb\xbf <?xml version="1.0"?><Error/>', "HTML or XML"),
        (b'{"error": "expired"}', "JSON"),
        (b"", "nothing"),
        (b"\x89PNG\r\n\x1a\nnot a header", "something else"),
        (b"GIF89a" + bytes(50), "something else"),
        (b"RIFF\0\0\0\0WAVE", "something else"),
    ],
)
def test_an_answer_that_is_no_picture_is_named_for_what_it_is(body: bytes, seen: str) -> None:
    with pytest.raises(NotAnImageError, match=rf"cdn\.example\.com sent no picture but {seen}"):
        fetched(Served(body, headers={"Content-Type": "image/png"}))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ResultRefusedError),
        (307, ResultRefusedError),
        (400, ResultGoneError),
        (403, ResultGoneError),
        (404, ResultGoneError),
        (410, ResultGoneError),
        (408, ResultUnavailableError),
        (409, ResultUnavailableError),
        (423, ResultUnavailableError),
        (429, ResultUnavailableError),
        (500, ResultUnavailableError),
        (503, ResultUnavailableError),
    ],
)
def test_a_status_says_whether_another_try_can_help(status: int, error: type[FetchError]) -> None:
    with pytest.raises(error, match=str(status)):
        fetched(Served(status=status))


@pytest.mark.parametrize("status", [200, 201, 203, 205, 206, 226, 299])
def test_any_success_that_carries_a_whole_picture_is_the_picture(status: int) -> None:
    assert fetched(Served(status=status))[1] == PNG


@pytest.mark.parametrize("status", [203, 204, 206])
@pytest.mark.parametrize("body", [b"", b"<html>later</html>", PNG[5000:], PNG[:5000]], ids=range(4))
def test_another_success_without_a_whole_picture_is_asked_again(status: int, body: bytes) -> None:
    with pytest.raises(ResultUnavailableError):
        fetched(Served(body, status=status))


PLAIN = [
    "aws-chunked",
    "identity",
    "utf-8",
    "binary",
    "AWS-Chunked,identity",
    "gzip",
    "br",
    "",
    " , ",
    "none",
    "deflate",
]


@pytest.mark.parametrize("coding", PLAIN)
@pytest.mark.parametrize("body", [PNG, jpeg(), webp()], ids=["png", "jpeg", "webp"])
def test_a_plain_picture_is_taken_whatever_its_coding_is_called(coding: str, body: bytes) -> None:
    stream, data = fetched(Served(body, headers={"Content-Encoding": coding}))
    assert (data, stream.content_length) == (body, len(body))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = [
    ("gzip", gzip.compress(PNG)),
    ("GZip", gzip.compress(PNG)),
    ("x-gzip, aws-chunked", gzip.compress(PNG)),
    ("", gzip.compress(PNG)),
    ("gzip, gzip", gzip.compress(gzip.compress(PNG))),
    ("gzip", gzip.compress(PNG[:7000]) + gzip.compress(PNG[7000:])),
    ("gzip", gzip.compress(PNG) + bytes(100)),
    ("deflate", zlib.compress(PNG)),
    ("deflate", raw_deflate(PNG)),
    ("utf-8", zlib.compress(PNG)),
]


@pytest.mark.parametrize(("coding", "body"), PACKED, ids=range(len(PACKED)))
def test_a_packed_picture_is_unpacked(coding: str, body: bytes) -> None:
    stream, data = fetched(Served(body, headers={"Content-Encoding": coding}))
    assert (stream.format, stream.content_length, stream.width) == ("png", None, 1440)
    assert data == PNG


def test_what_is_unpacked_is_bounded_too() -> None:
    bomb = gzip.compress(png(bytes(30_000_000)))
    with pytest.raises(ResultRefusedError, match="more than 1000000"):
        fetched(Served(bomb, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000)
    served = Served(gzip.compress(bomb), headers={"Content-Encoding": "gzip, gzip"})
    with pytest.raises(ResultRefusedError):
        fetched(served, max_bytes=1_000_000)


@pytest.mark.parametrize("coding", ["br", "zstd", "aws-chunked, BR"])
def test_a_coding_that_is_not_read_here_may_be_another_one_next_time(coding: str) -> None:
    with pytest.raises(ResultUnavailableError, match=coding.lower().rpartition(", ")[2]):
        fetched(Served(b"\x1b\x00\xf8" + bytes(500), headers={"Content-Encoding": coding}))


@pytest.mark.parametrize(
    "body",
    [gzip.compress(PNG)[:60], b"\x1f\x8b" + bytes(500), gzip.compress(PNG)[:-20]],
    ids=["cut", "broken", "cut late"],
)
def test_a_packed_body_that_is_cut_or_broken_is_asked_again(body: bytes) -> None:
    with pytest.raises(ResultUnavailableError):
        fetched(Served(body, headers={"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("picture", [PNG, jpeg(bytes(5000)), webp(bytes(5000))], ids=["png", "jpeg", "webp"])
@pytest.mark.parametrize("length", ["honest", "none", "too long", "too short", "repeated", "two", "words", "minus"])
def test_a_picture_is_whole_when_its_bytes_say_so_whatever_length_was_announced(picture: bytes, length: str) -> None:
    size = len(picture)
    announced = {
        "honest": f"{size}",
        "none": None,
        "too long": f"{size + 1000}",
        "too short": f"{size - 1000}",
        "repeated": f"{size}, {size}",
        "two": f"{size}, 7",
        "words": "1e3",
        "minus": "-1",
    }[length]
    served = Served(picture, length=None)
    served.late_headers = {} if announced is None else {"Content-Length": announced}
    assert fetched(served)[1] == picture
    served.body = picture[: size // 2]
    with pytest.raises(ResultUnavailableError):
        fetched(served)


@pytest.mark.parametrize("picture", [PNG, jpeg(), webp()], ids=["png", "jpeg", "webp"])
def test_a_picture_that_its_store_holds_only_in_part_is_seen_to_be_cut(picture: bytes) -> None:
    for kept in (len(picture) // 2, len(picture) - 1):
        with pytest.raises(ResultUnavailableError, match="end before the picture does"):
            fetched(Served(picture[:kept]))
        with pytest.raises(ResultUnavailableError, match="end before the picture does"):
            b"".join(stream_of(picture[:kept]).chunks)


def test_the_end_of_something_inside_is_not_the_pictures_end() -> None:
    whole = jpeg(b"\x12\xff\x00\xff\xd0\x34\xff\xff", thumbnail=jpeg())
    for kept in range(40, len(whole)):
        with pytest.raises(ResultUnavailableError):
            b"".join(stream_of(whole[:kept]).chunks)
    assert b"".join(stream_of(whole).chunks) == whole
    # IEND in a text before the picture's own.
    late = png().replace(chunk(b"IEND"), chunk(b"tEXt", chunk(b"IEND")) + chunk(b"IEND"))
    with pytest.raises(ResultUnavailableError):
        b"".join(stream_of(late[:-12]).chunks)


@pytest.mark.parametrize("picture", [PNG, jpeg(), webp()], ids=["png", "jpeg", "webp"])
def test_what_follows_a_picture_is_kept_and_costs_nothing(picture: bytes) -> None:
    body = picture + b"\0" * 3000
    assert fetched(Served(body))[1] == body
    assert b"".join(stream_of(body).chunks) == body
    # Not even when it is more than may come.
    assert fetched(Served(body, length=None), max_bytes=len(picture) + 100)[1].startswith(picture)


def test_too_many_bytes_are_refused_when_announced_and_when_not() -> None:
    with pytest.raises(ResultRefusedError, match="more than 20000"):
        fetched(Served(), max_bytes=20_000)
    chunked = Served(length=None, headers={"Transfer-Encoding": "chunked"})
    # BytesIO stands for what http.client hands over: the body without its chunks' frames.
    with pytest.raises(ResultRefusedError, match="more than 20000"):
        fetched(chunked, max_bytes=20_000)
    assert fetched(chunked, max_bytes=len(PNG))[0].content_length is None


def test_a_length_that_is_not_true_does_not_make_a_picture_too_large() -> None:
    stream, data = fetched(Served(length=10**12))
    assert (data, stream.content_length) == (PNG, None)


def test_a_drip_ends_when_the_time_is_up() -> None:
    with pytest.raises(ResultUnavailableError, match="too long"):
        fetched(Served(bytes(0) + PNG), clock=HandClock(1_000.0, step=3), max_seconds=5)
    assert fetched(Served(), clock=HandClock(1_000.0, step=3), max_seconds=50)[1] == PNG


def test_socket_time_outs_are_never_longer_than_the_whole_time() -> None:
    served = Served()
    fetched(served, max_seconds=4)
    assert served.received[0][1]["timeout"] == (4, 4)


# --- secrets ---


class Breaking(Served):
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise requests.ConnectionError(f"Max retries exceeded with url: {request.url}", request=request)


def failing() -> Iterator[tuple[str, Callable[[], object]]]:
    yield "transport", lambda: fetched(Breaking())
    yield "status", lambda: fetched(Served(status=403))
    yield "server", lambda: fetched(Served(status=500))
    yield "redirect", lambda: fetched(Served(status=302, headers={"Location": URL}))
    yield "page", lambda: fetched(Served(b"<html>"))
    yield "short", lambda: fetched(Served(PNG[:-1]))
    yield "slow", lambda: fetched(Served(), clock=HandClock(1_000.0, step=3), max_seconds=5)
    yield "private", lambda: Net("127.0.0.1").get(URL)
    yield "refused", lambda: Net(PUBLIC).get(URL)
    yield "unlisted", lambda: fetched(Served(), url=URL.replace("cdn.example.com", "evil.net"))
    yield "user", lambda: fetched(Served(), url=URL_WITH_USER)


@pytest.mark.parametrize(("kind", "fail"), list(failing()))
def test_no_message_cause_or_log_record_holds_more_of_an_address_than_its_host(
    kind: str, fail: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(FetchError) as caught:
        fail()
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    error: BaseException | None = caught.value
    while error is not None:
        told += repr(error)
        error = error.__context__
    assert "s3cret" not in told
    if kind != "user":
        assert "cdn.example.com" in str(caught.value) or "evil.net" in str(caught.value)


def test_a_tracer_that_wraps_the_sessions_methods_sees_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"recorded: {args} {kwargs}")

    # The two that X-Ray's SDK wraps.
    monkeypatch.setattr(requests.Session, "request", traced)
    monkeypatch.setattr(requests.Session, "prepare_request", traced)
    assert fetched(Served())[1] == PNG


# --- bytes that came inside the service's answer ---


def test_bytes_from_the_answer_itself_pass_the_same_checks() -> None:
    stream = stream_of(PNG)
    assert (stream.format, stream.content_length, stream.width) == ("png", len(PNG), 1440)
    assert b"".join(stream.chunks) == PNG
    with pytest.raises(NotAnImageError, match="the service sent no picture but HTML"):
        stream_of(b"<html>")
    with pytest.raises(NotAnImageError):
        stream_of(b"")
    with pytest.raises(ResultRefusedError, match="more than 100"):
        stream_of(PNG, max_bytes=100)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"RIFF1234WEBP", PNG[:16]]))
def test_arbitrary_bytes_are_a_stream_or_a_named_error(data: bytes, start: bytes) -> None:
    try:
        stream = stream_of(start + data)
        assert b"".join(stream.chunks) == start + data
    except (NotAnImageError, ResultUnavailableError):
        return


def test_limits_are_those_of_the_documents() -> None:
    assert (stream.CHUNK_BYTES, fetch_session.SOCKET_SECONDS) == (8192, 30.0)
