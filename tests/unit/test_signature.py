"""The signature, against vectors made with the vendor's signer and against that signer itself."""

import base64
import json
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from volcengine.auth.SignerV4 import SignerV4
from volcengine.auth.SignParam import SignParam
from volcengine.Credentials import Credentials as SdkCredentials

from tryon.service import GarmentPicture, Submission
from tryon.service.volcengine import signature, vendor
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.parameters import Parameters
from tryon.service.volcengine.signature import sign

GOLDEN = json.loads((Path(__file__).parents[1] / "data/signing-vectors.json").read_text("utf-8"))
VECTORS = [pytest.param(vector, id=vector["name"]) for vector in GOLDEN["vectors"]]
KEYS = Credentials("AKLTEXAMPLEDUMMY", "dummy-secret")
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
URL = "https://service.example/?Action=CVSubmitTask&Version=2022-08-31"


def headers_for(body: bytes, when: datetime | float = NOON) -> dict[str, str]:
    return sign(
        "POST",
        URL,
        {"Content-Type": "application/json"},
        body,
        when=when,
        credentials=KEYS,
        region="cn-north-1",
        service="cv",
    )


@pytest.mark.parametrize("vector", VECTORS)
def test_the_golden_vectors_are_met_header_by_header(vector: dict[str, Any]) -> None:
    headers = sign(
        vector["method"],
        f"{vector['scheme']}://{vector['host']}{vector['path']}?{urlencode(vector['query'])}",
        {"Content-Type": vector["content_type"]} if vector["content_type"] else {},
        vector["body_utf8"].encode(),
        when=datetime.strptime(vector["x_date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        credentials=Credentials(GOLDEN["access_key"], GOLDEN["secret_key"], vector["session_token"]),
        region=vector["region"],
        service=vector["service"],
    )
    assert headers == vector["request_headers"] | {"Authorization": vector["authorization"]}


@pytest.mark.parametrize("vector", VECTORS)
def test_each_step_of_the_golden_vectors_is_met(vector: dict[str, Any]) -> None:
    lowered = {name.lower(): value for name, value in vector["request_headers"].items()}
    canonical = signature.canonical_request(
        vector["method"],
        urlsplit(f"https://{vector['host']}{vector['path']}?{urlencode(vector['query'])}"),
        {name: lowered[name] for name in vector["signed_headers"].split(";")},
        vector["body_sha256"],
    )
    date = vector["x_date"][:8]
    scope = f"{date}/{vector['region']}/{vector['service']}/request"
    key = signature.signing_key(GOLDEN["secret_key"], date, vector["region"], vector["service"])
    assert canonical == vector["canonical_request"]
    assert signature.string_to_sign(vector["x_date"], scope, canonical) == vector["string_to_sign"]
    assert key.hex() == vector["signing_key_hex"]


def by_the_sdk(
    method: str,
    host: str,
    path: str,
    query: dict[str, list[str]],
    headers: dict[str, str],
    body: bytes,
    when: datetime,
    keys: Credentials,
) -> str:
    """The Authorization that the vendor's signer makes."""
    param = SignParam()
    param.method, param.host, param.path, param.body, param.date = method, host, path, body, when
    param.query = OrderedDict(query)
    param.header_list = OrderedDict(headers | {"Host": host})
    credentials = SdkCredentials(keys.access_key, keys.secret_key, "cv", "cn-north-1", keys.session_token)
    return str(SignerV4.sign_only(param, credentials).authorization)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
KEY_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@settings(max_examples=500, deadline=None)
@given(
    method=st.sampled_from(["POST", "GET", "PUT"]),
    host=st.sampled_from(["service.example", "service.example:443", "10.0.0.1:80", "localhost:8443"]),
    path=st.lists(TEXT, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    query=st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=3), max_size=5),
    content_type=st.sampled_from(["application/json", "application/json; charset=utf-8", " text/plain  "]),
    extra=st.dictionaries(st.from_regex(r"(X|x|Other)-[A-Z][a-z0-9]{0,6}", fullmatch=True), HEADER_TEXT, max_size=4),
    body=st.binary(max_size=300),
    when=st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    keys=st.builds(Credentials, KEY_TEXT, KEY_TEXT, st.one_of(st.just(""), KEY_TEXT)),
)
@example(
    "POST",
    "service.example",
    "/a b~c/é+%",
    {"~-_.": ["a b+c", "", "=&"], "Z": ["服装"]},
    "x",
    {},
    b"",
    NOON,
    KEYS,
)
def test_the_vendors_signer_agrees_on_any_request(  # noqa: PLR0913 - a case has many parts
    method: str,
    host: str,
    path: str,
    query: dict[str, list[str]],
    content_type: str,
    extra: dict[str, str],
    body: bytes,
    when: datetime,
    keys: Credentials,
) -> None:
    # The vendor's signer looks for "X-" as it is spelt; ours takes header names as HTTP does.
    named = {"Content-Type": content_type} | {name.replace("x-", "X-"): value for name, value in extra.items()}
    url = f"https://{host}{quoted(path)}?{urlencode(query, doseq=True)}"
    for longer in (body, body + b"\x00", body + b"\xff\xff"):
        ours = sign(
            method,
            url,
            {"Content-Type": content_type} | extra,
            longer,
            when=when,
            credentials=keys,
            region="cn-north-1",
            service="cv",
        )
        assert ours["Authorization"] == by_the_sdk(method, host, path, query, named, longer, when, keys)


def quoted(path: str) -> str:
    # Every byte but the slashes, so that a path is seen to be decoded and encoded once.
    return "".join(char if char == "/" else "".join(f"%{byte:02X}" for byte in char.encode()) for char in path)


@settings(max_examples=500, deadline=None)
@given(model=st.binary(max_size=200), garment=st.binary(max_size=200))
def test_the_vendors_signer_agrees_on_submissions_of_every_size_modulo_three(model: bytes, garment: bytes) -> None:
    for padded in (model, model + b"\x00", model + b"\x00\x00"):
        submission = Submission(padded, (GarmentPicture(garment, "lower"),), Parameters())
        body = vendor.submission_body(submission)
        ours = headers_for(body)
        theirs = by_the_sdk(
            "POST",
            "service.example",
            "/",
            {"Action": ["CVSubmitTask"], "Version": ["2022-08-31"]},
            {"Content-Type": "application/json"},
            body,
            NOON,
            KEYS,
        )
        assert ours["Authorization"] == theirs


@pytest.mark.parametrize("size", [300, 301, 302])
def test_one_changed_byte_of_base64_padding_breaks_the_signature(size: int) -> None:
    body = json.dumps({"picture": base64.b64encode(bytes(size)).decode()}).encode()
    stripped = body.replace(b"=", b"")
    same = headers_for(body)["Authorization"] == headers_for(stripped)["Authorization"]
    assert same == (size % 3 == 0)


def test_the_given_headers_are_sent_along_and_left_as_they_were() -> None:
    given_headers = {
        "content-type": "application/json",
        "Accept": "*/*",
        "authorization": "old",
        "x-date": "old",
    }
    before = dict(given_headers)
    sent = sign("POST", URL, given_headers, b"", when=NOON, credentials=KEYS, region="r", service="s")
    assert given_headers == before
    assert sent["Accept"] == "*/*"
    assert sent["Host"] == "service.example"
    assert "old" not in sent.values()
    assert "SignedHeaders=content-type;host;x-content-sha256;x-date," in sent["Authorization"]


def test_seconds_and_datetimes_in_any_zone_mean_the_same_time() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert headers_for(b"", NOON) == headers_for(b"", tokyo) == headers_for(b"", NOON.timestamp() + 0.9)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        headers_for(b"", NOON.replace(tzinfo=None))


def test_the_secret_and_the_users_part_of_the_address_are_not_sent() -> None:
    sent = sign("GET", "https://me:word@h.example/", {}, b"", when=NOON, credentials=KEYS, region="r", service="s")
    assert sent["Host"] == "h.example"
    assert not any("dummy-secret" in value or "word" in value for value in sent.values())
