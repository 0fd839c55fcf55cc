"""Both clients on a wire without sockets: what leaves, what is made of what comes back."""

import gzip
import hashlib
import io
import json
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from volcengine.visual.VisualService import VisualService

from tests.doubles import HandClock, volcengine
from tryon.service import GarmentPicture, Submission, TryOnService
from tryon.service.errors import (
    ServiceAccessError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    ServiceUnreachableError,
    SubmitOutcomeUnknownError,
    TaskFailedError,
)
from tryon.service.secret import Secret
from tryon.service.volcengine import vendor
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.parameters import Parameters
from tryon.service.volcengine.sdk import SdkService
from tryon.service.volcengine.signature import sign
from tryon.service.volcengine.signed import SignedService

KEYS = Credentials("AKLTEXAMPLEDUMMY", "dummy-secret", "dummy-token")
SUBMISSION = Submission(b"model", (GarmentPicture(b"shirt", "upper"), GarmentPicture(b"skirt", "lower")), Parameters())
RECEIPT = b'{"code": 10000, "data": {"task_id": "T-1"}, "request_id": "R-1"}'
QUEUED = b'{"code": 10000, "data": {"status": "in_queue"}, "request_id": "R-2"}'
BAD_KEYS = b'{"ResponseMetadata": {"Error": {"CodeN": 100010, "Message": "no match"}}}'


@dataclass
class Reply:
    """An answer as it comes over the wire; `declared` is the Content-Length, `breaks` ends it by a reset."""

    body: bytes = RECEIPT
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    breaks: bool = False


@dataclass
class Failure:
    """No answer: the wire breaks after `taken` bytes of the request's body, all of it for None."""

    error: Exception
    taken: int | None = 0


class Body(io.RawIOBase):
    """A reply's body in small pieces, counting what was taken."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self._source = io.BytesIO(reply.body)
        self._breaks = reply.breaks
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self._source.read(min(len(buffer), 4096))
        if not piece and self._breaks:
            raise ConnectionResetError(104, "Connection reset by peer")
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


@dataclass
class Sent:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    timeout: Any
    verify: Any


class Wire(BaseAdapter):
    """Answers with what it was given, the last one for ever, and keeps what was sent."""

    def __init__(self, *replies: Reply | Failure) -> None:
        super().__init__()
        self._replies = list(replies or [Reply()])
        self._lock = threading.Lock()
        self.sent: list[Sent] = []
        self.bodies: list[Body] = []

    def send(self, request: Any, **how: Any) -> requests.Response:  # type: ignore[override]
        with self._lock:
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Failure):
            request.body.read(-1 if reply.taken is None else reply.taken)
            raise reply.error
        self.sent.append(
            Sent(
                request.method,
                request.url,
                {name: str(value) for name, value in request.headers.items()},
                request.body.read(),
                how["timeout"],
                how["verify"],
            )
        )
        self.bodies.append(Body(reply))
        length = len(reply.body) if reply.declared is None else reply.declared
        raw = urllib3.HTTPResponse(
            body=io.BufferedReader(self.bodies[-1], 1),
            headers={"Content-Length": str(length)} | reply.headers,
            status=reply.status,
            preload_content=False,
            decode_content=False,
            enforce_content_length=True,
            request_method="POST",
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def on(wire: Wire) -> requests.Session:
    session = requests.Session()
    session.mount("https://", wire)
    session.mount("http://", wire)
    return session


@pytest.fixture(params=[SignedService, SdkService])
def client(request: pytest.FixtureRequest) -> Callable[..., TryOnService]:
    def make(session: requests.Session | Wire, **options: Any) -> TryOnService:
        settings = {
            "endpoint": "https://service.example",
            "credentials": lambda: KEYS,
            "clock": HandClock(1_767_355_200.0, patient=False),
        }
        service: TryOnService = request.param(
            on(session) if isinstance(session, Wire) else session, **settings | options
        )
        return service

    return make


Client = Callable[..., TryOnService]


# What leaves


@pytest.mark.parametrize("size", [3000, 3001, 3002])
def test_what_was_hashed_is_what_is_sent_and_the_signature_is_right(client: Client, size: int) -> None:
    wire = Wire()
    submission = Submission(b"\x89" * size, (GarmentPicture(b"\xff" * (size + 1), "lower"),), Parameters())
    client(wire).submit(submission)
    [sent] = wire.sent
    assert sent.method == "POST"
    assert sent.url == "https://service.example/?Action=CVSubmitTask&Version=2022-08-31"
    assert json.loads(sent.body) == vendor.encode_submission(submission)
    assert sent.headers["X-Content-Sha256"] == hashlib.sha256(sent.body).hexdigest()
    assert int(sent.headers["Content-Length"]) == len(sent.body)
    expected = sign(
        "POST",
        sent.url,
        {"Content-Type": "application/json"},
        sent.body,
        when=stamp(sent.headers["X-Date"]),
        credentials=KEYS,
        region="cn-north-1",
        service="cv",
    )
    assert expected.items() <= sent.headers.items()


def stamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_the_question_names_the_task_and_is_signed(client: Client) -> None:
    wire = Wire(Reply(QUEUED))
    client(wire).result("7392616336519610409")
    [sent] = wire.sent
    assert sent.url == "https://service.example/?Action=CVGetResult&Version=2022-08-31"
    assert json.loads(sent.body) == vendor.encode_query("7392616336519610409")
    assert sent.headers["X-Content-Sha256"] == hashlib.sha256(sent.body).hexdigest()
    assert sent.headers["X-Security-Token"] == "dummy-token"


def test_another_region_is_signed_for(client: Client) -> None:
    wire = Wire(Reply(QUEUED))
    client(wire, region="ap-southeast-1").result("T-1")
    assert "/ap-southeast-1/cv/request," in wire.sent[0].headers["Authorization"]


def test_the_time_limits_are_the_projects_and_can_be_set(client: Client) -> None:
    wire = Wire()
    client(wire).submit(SUBMISSION)
    client(wire, timeout=(1.0, 2.0)).submit(SUBMISSION)
    assert [sent.timeout for sent in wire.sent] == [(3.05, 30), (1.0, 2.0)]


@pytest.mark.parametrize(
    ("endpoint", "begins"),
    [
        ("service.example", "https://service.example/?"),
        ("https://service.example/", "https://service.example/?"),
        ("service.example:8443", "https://service.example:8443/?"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/?"),
        ("https://[::1]:8443", "https://[::1]:8443/?"),
    ],
)
def test_the_connection_is_encrypted_unless_the_endpoint_says_http(client: Client, endpoint: str, begins: str) -> None:
    wire = Wire()
    client(wire, endpoint=endpoint).submit(SUBMISSION)
    assert wire.sent[0].url.startswith(begins)
    assert wire.sent[0].headers["Host"] == begins.split("/")[2]
    assert wire.sent[0].verify


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://service.example",
        "https://",
        "https://service.example/path",
        "https://service.example?x=1",
        "https://service.example#x",
        "https://user:word@service.example",
        "https://service.example:port",
        "https://[::1",
        "two words",
        "https://service.example\nX-Date: 1",
    ],
)
def test_an_endpoint_that_is_no_bare_address_stops_the_run(client: Client, endpoint: str) -> None:
    with pytest.raises(ServiceAccessError, match="endpoint"):
        client(Wire(), endpoint=endpoint)


def test_nothing_of_the_session_or_the_machine_goes_along(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine service.example login me password word\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    wire = Wire(Reply(headers={"Set-Cookie": "session=1; Path=/"}), Reply())
    session = on(wire)
    session.headers["X-Stray"] = "unsigned"
    session.auth = ("me", "word")
    service = client(session)
    service.submit(SUBMISSION)
    service.submit(SUBMISSION)
    for sent in wire.sent:
        assert sent.headers["Authorization"].startswith("HMAC-SHA256 Credential=AKLTEXAMPLEDUMMY/")
        assert not {"X-Stray", "Cookie"} & sent.headers.keys()


def test_a_submission_leaves_no_connection_behind_that_a_later_one_could_die_on(client: Client) -> None:
    wire = Wire(Reply(), Reply(QUEUED))
    service = client(wire)
    service.submit(SUBMISSION)
    service.result("T-1")
    assert [sent.headers.get("Connection") for sent in wire.sent] == ["close", None]


# What comes back


def test_receipt_and_state_are_read(client: Client) -> None:
    service = client(Wire(Reply(), Reply(QUEUED)))
    assert service.submit(SUBMISSION).task_id == "T-1"
    assert service.result("T-1").request_id == "R-2"


def test_an_error_code_keeps_its_status_and_headers(client: Client) -> None:
    wire = Wire(Reply(b'{"code": 50429, "message": "slow down"}', 429, {"Retry-After": "7"}))
    with pytest.raises(ServiceThrottledError, match="50429") as caught:
        client(wire).submit(SUBMISSION)
    assert caught.value.retry_after == 7.0
    assert caught.value.http_status == 429


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: Client, status: int) -> None:
    wire = Wire(Reply(b"", status, {"Location": "https://elsewhere.example/"}))
    with pytest.raises(SubmitOutcomeUnknownError):
        client(wire).submit(SUBMISSION)
    with pytest.raises(ServiceUnavailableError):
        client(wire).result("T-1")
    assert [sent.url.split("/")[2] for sent in wire.sent] == ["service.example"] * 2


@pytest.mark.parametrize("status", [300, 302, 304, 399])
def test_nothing_is_read_of_a_redirect(client: Client, status: int) -> None:
    wire = Wire(Reply(RECEIPT * 100_000, status, {"Location": "https://elsewhere.example/"}))
    with pytest.raises(SubmitOutcomeUnknownError):
        client(wire).submit(SUBMISSION)
    assert wire.bodies[0].taken == 0


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502, 599])
def test_of_a_refusal_no_more_is_read_than_a_code_and_a_sentence_need(client: Client, status: int) -> None:
    wire = Wire(Reply(b'{"code": 50511, "message": "refused"}' + b" " * (20 << 20), status))
    for call in (lambda: client(wire).submit(SUBMISSION), lambda: client(wire).result("T-1")):
        with pytest.raises(ServiceError, match="refused"):
            call()
    assert all(body.taken <= 80 << 10 for body in wire.bodies)


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "aws-chunked", "", "br"])
def test_what_is_packed_is_known_by_its_bytes_and_bounded_in_every_layer(client: Client, coding: str) -> None:
    for packed in (gzip.compress(RECEIPT), gzip.compress(gzip.compress(RECEIPT)), zlib.compress(RECEIPT), RECEIPT):
        wire = Wire(Reply(packed, headers={"Content-Encoding": coding}))
        assert client(wire).submit(SUBMISSION).task_id == "T-1"
    bomb = gzip.compress(gzip.compress(b" " * (200 << 20), 1))
    wire = Wire(Reply(bomb, headers={"Content-Encoding": coding}))
    tracemalloc.start()
    try:
        with pytest.raises(SubmitOutcomeUnknownError):
            client(wire).submit(SUBMISSION)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


RESET = requests.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset"))


@pytest.mark.parametrize(
    "failure",
    [
        Failure(requests.ConnectionError("refused")),
        Failure(requests.ConnectTimeout("timed out")),
        Failure(requests.exceptions.SSLError("handshake")),
        Failure(requests.ReadTimeout("handshake")),
        Failure(requests.exceptions.ProxyError("proxy")),
        Failure(requests.exceptions.InvalidURL("url")),
        Failure(urllib3.exceptions.LocationParseError("url")),
        Failure(RESET, taken=100),
    ],
)
def test_a_submission_that_did_not_leave_whole_made_no_task(client: Client, failure: Failure) -> None:
    with pytest.raises(ServiceUnreachableError, match="no task was made"):
        client(Wire(failure)).submit(SUBMISSION)


@pytest.mark.parametrize(
    "failure",
    [
        Failure(requests.ReadTimeout("timed out"), taken=None),
        Failure(RESET, taken=None),
        Failure(requests.exceptions.SSLError("bad record"), taken=None),
        Failure(urllib3.exceptions.ProtocolError("bad status line"), taken=None),
        Failure(OSError("anything"), taken=None),
    ],
)
def test_a_submission_that_left_whole_and_got_no_answer_may_exist(client: Client, failure: Failure) -> None:
    with pytest.raises(SubmitOutcomeUnknownError, match="may exist"):
        client(Wire(failure)).submit(SUBMISSION)


@pytest.mark.parametrize("taken", [0, None])
def test_a_question_without_an_answer_says_nothing_of_the_task(client: Client, taken: int | None) -> None:
    for error in (RESET, requests.ReadTimeout("timed out"), requests.ConnectTimeout("timed out")):
        with pytest.raises(ServiceUnavailableError):
            client(Wire(Failure(error, taken))).result("T-1")


def test_a_failure_is_told_without_the_keys(client: Client) -> None:
    echo = requests.ConnectionError("Authorization: HMAC-SHA256 Credential=AKLTEXAMPLEDUMMY, Signature=abc")
    for taken in (0, None):
        with pytest.raises(Exception, match="ConnectionError") as caught:
            client(Wire(Failure(echo, taken))).submit(SUBMISSION)
        assert "AKLT" not in str(caught.value)


def test_an_answer_cut_short_leaves_the_outcome_unknown(client: Client) -> None:
    for reply in (
        Reply(RECEIPT[:30], declared=len(RECEIPT)),
        Reply(RECEIPT[:30], breaks=True),
        Reply(RECEIPT[:30]),
    ):
        with pytest.raises(SubmitOutcomeUnknownError):
            client(Wire(reply)).submit(SUBMISSION)


def test_a_task_id_that_came_before_the_cut_is_kept(client: Client) -> None:
    for reply in (Reply(declared=len(RECEIPT) + 100), Reply(declared=len(RECEIPT) + 1, breaks=True)):
        assert client(Wire(reply)).submit(SUBMISSION).task_id == "T-1"


def test_an_answer_without_end_is_read_up_to_the_limit(client: Client) -> None:
    wire = Wire(Reply(b" " * (3 << 20)))
    with pytest.raises(SubmitOutcomeUnknownError):
        client(wire).submit(SUBMISSION)
    assert wire.bodies[0].taken <= vendor.SUBMIT_ANSWER_LIMIT + (64 << 10)


def test_a_compressed_answer_without_end_is_read_up_to_the_limit(client: Client) -> None:
    bomb = gzip.compress(b" " * (200 << 20), 1)
    wire = Wire(Reply(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(SubmitOutcomeUnknownError):
        client(wire).submit(SUBMISSION)
    assert wire.bodies[0].taken < len(bomb) // 10


def test_a_compressed_answer_is_read(client: Client) -> None:
    wire = Wire(Reply(gzip.compress(RECEIPT), headers={"Content-Encoding": "gzip"}))
    assert client(wire).submit(SUBMISSION).task_id == "T-1"


# Many at once


def test_every_call_in_many_threads_is_signed_with_its_own_keys(client: Client) -> None:
    wire = Wire(Reply(QUEUED))
    session = on(wire)
    services = {
        name: client(session, credentials=lambda name=name: Credentials(f"AKLTDUMMY{name}", f"dummy-secret-{name}"))
        for name in "abcdef"
    }

    def ask(name: str) -> None:
        for _ in range(10):
            services[name].result(f"task-of-{name}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in services for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wire.sent) == 120
    for sent in wire.sent:
        name = json.loads(sent.body)["task_id"][-1]
        expected = sign(
            "POST",
            sent.url,
            {"Content-Type": "application/json"},
            sent.body,
            when=stamp(sent.headers["X-Date"]),
            credentials=Credentials(f"AKLTDUMMY{name}", f"dummy-secret-{name}"),
            region="cn-north-1",
            service="cv",
        )
        assert sent.headers["Authorization"] == expected["Authorization"]


# The SDK's own faults


def test_the_sdks_singleton_is_neither_used_nor_touched() -> None:
    stranger = VisualService()
    stranger.set_ak("stranger")
    wire = Wire(Reply(QUEUED))
    service = SdkService(
        on(wire),
        endpoint="https://service.example",
        credentials=lambda: KEYS,
        clock=HandClock(1_767_355_200.0, patient=False),
    )
    service.result("T-1")
    assert stranger.service_info.credentials.ak == "stranger"
    assert stranger.service_info.scheme == "http"
    VisualService()
    service.result("T-1")
    assert all("Credential=AKLTEXAMPLEDUMMY/" in sent.headers["Authorization"] for sent in wire.sent)
    assert len(wire.sent) == 2


def test_the_sdk_finds_no_keys_in_the_environment_or_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".volc").mkdir()
    (tmp_path / ".volc/config").write_text('{"ak": "from-file", "sk": "from-file"}', "utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    wire = Wire(Reply(QUEUED))
    for name in ("unset", "VOLC_ACCESSKEY"):
        monkeypatch.setenv(name, "from-environment")
        monkeypatch.setenv("VOLC_SECRETKEY", "from-environment")
        SdkService(
            on(wire),
            endpoint="https://service.example",
            credentials=lambda: KEYS,
            clock=HandClock(1_767_355_200.0, patient=False),
        ).result("T-1")
    assert all("Credential=AKLTEXAMPLEDUMMY/" in sent.headers["Authorization"] for sent in wire.sent)


def test_a_missing_sdk_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "volcengine.visual.VisualService", None)
    with pytest.raises(ServiceAccessError, match="layer"):
        SdkService(
            on(Wire()),
            endpoint="https://service.example",
            credentials=lambda: KEYS,
            clock=HandClock(1_767_355_200.0, patient=False),
        )


def test_an_sdk_that_fails_by_itself_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VisualService, "get_api_info", staticmethod(dict))
    wire = Wire()
    service = SdkService(
        on(wire),
        endpoint="https://service.example",
        credentials=lambda: KEYS,
        clock=HandClock(1_767_355_200.0, patient=False),
    )
    with pytest.raises(ServiceUnavailableError, match=r"SDK: Exception.*no task was made"):
        service.submit(SUBMISSION)
    assert wire.sent == []


def test_an_sdk_that_calls_nothing_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VisualService, "cv_submit_task", lambda _self, _form: {"code": 10000})
    service = SdkService(
        on(Wire()),
        endpoint="https://service.example",
        credentials=lambda: KEYS,
        clock=HandClock(1_767_355_200.0, patient=False),
    )
    with pytest.raises(ServiceUnavailableError):
        service.submit(SUBMISSION)


def test_what_the_sdk_swallows_while_an_answer_is_read_leaves_the_outcome_unknown() -> None:
    wire = Wire(Failure(MemoryError(), taken=None))
    service = SdkService(
        on(wire),
        endpoint="https://service.example",
        credentials=lambda: KEYS,
        clock=HandClock(1_767_355_200.0, patient=False),
    )
    with pytest.raises(SubmitOutcomeUnknownError):
        service.submit(SUBMISSION)


# Which client, and keys that change


class RotatingCredentials:
    """Hands out the first keys until it is told that they were refused."""

    def __init__(self, *keys: Credentials) -> None:
        self._keys = list(keys)

    def __call__(self) -> Credentials:
        return self._keys[0]

    def renew(self, refused: Secret) -> Credentials:
        assert refused == self._keys[0]
        if len(self._keys) > 1:
            self._keys.pop(0)
        return self._keys[0]


NEW_KEYS = Credentials("AKLTNEWDUMMY", "dummy-secret-2")


@pytest.mark.parametrize("name", ["signed", "sdk"])
def test_rotated_keys_are_taken_up_within_the_call(name: str) -> None:
    for first, call in ((RECEIPT, "submit"), (QUEUED, "result")):
        wire = Wire(Reply(BAD_KEYS, 401), Reply(first))
        service = volcengine(
            name,
            on(wire),
            credentials=RotatingCredentials(KEYS, NEW_KEYS),
            clock=HandClock(1_767_355_200.0, patient=False),
        )
        getattr(service, call)(SUBMISSION if call == "submit" else "T-1")
        used = [sent.headers["Authorization"].split("Credential=")[1].split("/")[0] for sent in wire.sent]
        assert used == ["AKLTEXAMPLEDUMMY", "AKLTNEWDUMMY"]


@pytest.mark.parametrize("name", ["signed", "sdk"])
def test_wrong_keys_are_tried_once_and_new_ones_once(name: str) -> None:
    for credentials, calls in ((RotatingCredentials(KEYS), 1), (RotatingCredentials(KEYS, NEW_KEYS, KEYS), 2)):
        wire = Wire(Reply(BAD_KEYS, 401))
        service = volcengine(name, on(wire), credentials=credentials, clock=HandClock(1_767_355_200.0, patient=False))
        with pytest.raises(ServiceAccessError):
            service.submit(SUBMISSION)
        assert len(wire.sent) == calls


def test_no_other_failure_is_ever_tried_twice() -> None:
    for reply, kind in (
        (Reply(b"", 502), SubmitOutcomeUnknownError),
        (Reply(b'{"code": 50500}', 500), ServiceUnavailableError),
        (Reply(b'{"code": 50522}', 400), TaskFailedError),
    ):
        wire = Wire(reply)
        service = volcengine(
            "signed",
            on(wire),
            credentials=RotatingCredentials(KEYS, NEW_KEYS),
            clock=HandClock(1_767_355_200.0, patient=False),
        )
        with pytest.raises(kind):
            service.submit(SUBMISSION)
        assert len(wire.sent) == 1


def test_the_stacks_default_endpoint_is_the_real_service() -> None:
    wire = Wire()
    volcengine(
        "signed", on(wire), credentials=RotatingCredentials(KEYS), clock=HandClock(1_767_355_200.0, patient=False)
    ).submit(SUBMISSION)
    assert wire.sent[0].url.startswith("https://visual.volcengineapi.com/?Action=")


@pytest.mark.parametrize("name", ["signed", "sdk"])
def test_the_name_chooses_who_signs(name: str) -> None:
    wire = Wire()
    volcengine(
        name, on(wire), credentials=RotatingCredentials(KEYS), clock=HandClock(1_767_355_200.0, patient=False)
    ).submit(SUBMISSION)
    assert ("volc-sdk" in wire.sent[0].headers.get("User-Agent", "")) == (name == "sdk")


def test_a_client_of_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ServiceAccessError, match="signed, sdk"):
        volcengine(
            "boto", on(Wire()), credentials=RotatingCredentials(KEYS), clock=HandClock(1_767_355_200.0, patient=False)
        )
