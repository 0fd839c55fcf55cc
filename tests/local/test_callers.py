"""The servers on this machine answer its own programs, and no page that a browser here has from elsewhere."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tryon_local.app import LocalApp
from tryon_local.callers import refusal
from tryon_local.clock import PacedClock
from tryon_local.console.server import serve as serve_console
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

BUCKET = "pictures"
KEY = "inputs/anna.jpg"
SCAN = (b'{"TableName": "%s"}', "DynamoDB_20120810.Scan")
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def app() -> Iterator[LocalApp]:
    clock = PacedClock(100)
    with LocalApp(StandIn(clock, picture=pixel), clock=clock, port=0) as running:
        running.put(KEY, b"a person")
        yield running


@pytest.fixture(scope="module")
def ports(app: LocalApp) -> Iterator[dict[str, int]]:
    with serve_console(app, 0) as console:
        urls = {"stack": app.stack.url, "stand-in": app.service_url, "console": console.url}
        yield {name: int(url.rpartition(":")[2]) for name, url in urls.items()}


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def requests_of(app: LocalApp) -> dict[str, tuple[str, str, bytes | None]]:
    """What a page might want of each server: to read, and to change."""
    return {
        "stack": (f"/{app.bucket}/{KEY}", f"/{app.bucket}/manifests/x.json", b"{}"),
        "stand-in": ("/_standin/settings", "/_standin/settings", b'{"activated": false}'),
        "console": ("/api/runs", "/api/runs", b"{}"),
    }


FOREIGN = {
    "a page of another site": {"Origin": EVIL},
    "a page without an origin of its own": {"Origin": "null"},
    "a page of another server here": {"Origin": "http://localhost:3000"},
    "a name that begins like this machine's": {"Origin": "http://127.0.0.1.evil.example:{port}"},
    "a picture in a page of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a name made to mean this machine": {"Host": "evil.example:{port}"},
    "such a name, its page from there too": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "such a name with this machine's in front": {"Host": "localhost.evil.example"},
    "such a name with this machine's behind a user": {"Host": "evil.example:80@localhost:{port}"},
    "the address that means all": {"Host": "0.0.0.0:{port}"},
    "no name": {"Host": ""},
}


@pytest.mark.parametrize("server", ["stack", "stand-in", "console"])
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_page_from_elsewhere_reads_and_changes_nothing(
    app: LocalApp, ports: dict[str, int], server: str, headers: dict[str, str]
) -> None:
    read, change, body = requests_of(app)[server]
    sent: dict[str, Any] = {name: value.format(port=ports[server]) for name, value in headers.items()}
    tries = [
        ask(ports[server], read, **sent),
        ask(ports[server], read, "HEAD", **sent),
        ask(ports[server], change, "POST", body, Content_Type="text/plain", **sent),
        ask(ports[server], change, "PUT", body, **sent),
        ask(ports[server], change, "DELETE", **sent),
        ask(ports[server], change, "OPTIONS", Access_Control_Request_Method="PUT", **sent),
    ]
    assert [status for status, _, _ in tries] == [403] * 6
    assert not any(name.startswith("access-control") for _, told, _ in tries for name in told)
    assert not any(b"person" in got or b"activated" in got for _, _, got in tries)
    assert app.standin.settings.activated
    assert app.keys("manifests/") == []
    assert app.keys("inputs/") == [KEY]


def test_a_table_a_queue_and_the_time_are_as_closed_as_the_bucket(app: LocalApp, ports: dict[str, int]) -> None:
    table = app.stack.outputs["LedgerTableName"].encode()
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Host": "evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        dynamodb = {"X_Amz_Target": SCAN[1], "Content_Type": "application/x-amz-json-1.0"}
        assert ask(ports["stack"], "/", "POST", SCAN[0] % table, **dynamodb, **headers)[0] == 403
        assert ask(ports["stack"], "/?Action=ListQueues&Version=2012-11-05", **headers)[0] == 403  # type: ignore[arg-type]
        assert ask(ports["stack"], "/moto-api/reset", "POST", b"", **headers)[0] == 403
        assert ask(ports["stack"], "/_tryon/clock", **headers)[0] == 403  # type: ignore[arg-type]


def test_a_large_body_of_a_refused_caller_does_not_hide_the_answer(app: LocalApp, ports: dict[str, int]) -> None:
    for server in ports:
        status, _, told = ask(ports[server], "/", "POST", bytes(900_000), Origin=EVIL)
        assert (status, b"other origins" in told) == (403, True)


def link(app: LocalApp) -> str:
    s3 = boto3.client("s3", endpoint_url=app.stack.url, region_name="us-east-1")
    signed: str = s3.generate_presigned_url("get_object", Params={"Bucket": app.bucket, "Key": KEY})
    return signed.removeprefix(app.stack.url)


def test_a_link_to_a_gallery_opens_and_its_page_reads_from_where_it_came(app: LocalApp, ports: dict[str, int]) -> None:
    s3 = boto3.client("s3", endpoint_url=app.stack.url, region_name="us-east-1")
    path = s3.generate_presigned_url("get_object", Params={"Bucket": app.bucket, "Key": KEY}).partition(app.stack.url)[
        2
    ]
    for host in ("127.0.0.1", "localhost"):
        own = f"{host}:{ports['stack']}"
        for headers in (
            {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"},
            {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors", "Origin": f"http://{own}"},
        ):
            assert ask(ports["stack"], path, Host=own, **headers)[::2] == (200, b"a person")  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_boto3_reads_and_writes(app: LocalApp, ports: dict[str, int], host: str) -> None:
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{ports['stack']}", region_name="us-east-1")
    s3.put_object(Bucket=app.bucket, Key="outputs/mine", Body=b"mine")
    assert s3.get_object(Bucket=app.bucket, Key="outputs/mine")["Body"].read() == b"mine"


def test_a_bucket_answers_under_its_own_name(app: LocalApp, ports: dict[str, int]) -> None:
    host = f"{app.bucket}.localhost:{ports['stack']}"
    path = link(app).removeprefix(f"/{app.bucket}")
    assert ask(ports["stack"], path, Host=host)[::2] == (200, b"a person")
    assert ask(ports["stack"], path, Host=f"{app.bucket}.evil.example:{ports['stack']}")[0] == 403


def test_curl_and_the_vendors_sdk_need_no_origin(app: LocalApp, ports: dict[str, int]) -> None:
    assert json.loads(ask(ports["stand-in"], "/_standin/settings")[2])["activated"] is True
    assert ask(ports["console"], "/api/runs")[0] == 200


HERE = [
    "localhost",
    "localhost:1",
    "LOCALHOST:4577",
    "127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:4577",
    "b.localhost:1",
]
ELSEWHERE = [
    "example.com",
    "localhost.example.com",
    "xlocalhost",
    "127.0.0.1.nip.io",
    "b.127.0.0.1",
    "[::2]",
    "::1",
    "localhost:port",
    "localhost:1:2",
    "localhost/",
    "a b.localhost",
    "user@localhost",
    "localhost,evil.example",
    "host.docker.internal",
    "",
]


@pytest.mark.parametrize("host", HERE)
def test_names_of_this_machine_are_answered_on_any_port(host: str) -> None:
    assert refusal([("Host", host)]) is None
    assert refusal([("host", host), ("ORIGIN", f"http://{host}"), ("Sec-Fetch-Site", "same-origin")]) is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_all_other_names_are_refused(host: str) -> None:
    assert "names of its own machine" in (refusal([("Host", host)]) or "")


def test_a_name_that_a_server_was_given_is_answered_too() -> None:
    for host in ("host.docker.internal:4577", "pictures.host.docker.internal"):
        assert refusal([("Host", host)], ["host.docker.internal"]) is None
    assert refusal([("Host", "172.17.0.1:4577")], ["172.17.0.1"]) is None
    assert refusal([("Host", "b.172.17.0.1:4577")], ["172.17.0.1"]) is not None


def test_what_is_said_twice_is_refused() -> None:
    assert refusal([("Host", "localhost"), ("Host", "localhost")]) is not None
    assert refusal([("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://localhost")]) is not None
    assert refusal([]) is not None
