"""Results on their way into S3, with moto in process and fakes where a failure has to be staged."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
import requests
import urllib3
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from requests.adapters import BaseAdapter, HTTPAdapter

from tests.doubles import HandClock
from tests.result_pictures import PNG_HEAD, jpeg, png, webp
from tryon.result_formats import EXTENSIONS, ResultFormat
from tryon.service import Candidate
from tryon.stored import Stored
from tryon.task.fetch.errors import (
    FetchError,
    NotAnImageError,
    ResultGoneError,
    ResultRefusedError,
    ResultUnavailableError,
    WrongLengthError,
)
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session
from tryon.task.fetch.stream import ResultStream, recognise
from tryon.task.results import PART_BYTES, StorageUnavailableError, client_config, download, find, store  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "results"
KEY = "runs/r1/results/anna/anna__01-shirt__a__1.png"
POLICY = OriginPolicy.parse("https://*.example.com")
URL = "https://cdn.example.com/a.png?signature=s3cret"
PNG = png(bytes(range(256)) * 400)
LARGE = png(bytes(range(256)) * (2 * PART_BYTES // 256 + 100))


@pytest.fixture
def s3() -> "Iterator[S3Client]":
    with mock_aws():
        client = boto3.client("s3", config=client_config())
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def pieces(data: bytes, size: int = 3_000, failure: Exception | None = None) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
    if failure is not None:
        raise failure


def stream(data: bytes = PNG, *, length: int | None = -1, failure: Exception | None = None) -> ResultStream:
    return recognise(pieces(data, failure=failure), "cdn.example.com", len(data) if length == -1 else length)


def content(s3: "S3Client", key: str = KEY) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(s3: "S3Client") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


# --- storing ---


@pytest.mark.parametrize(
    ("data", "announced"),
    [(PNG, True), (PNG, False), (LARGE, True), (LARGE, False)],
    ids=lambda value: str(value)[:8],
)
def test_a_result_lies_in_s3_as_it_came_and_is_described_as_it_lies(
    s3: "S3Client", data: bytes, announced: bool
) -> None:
    stored = store(s3, stream(data, length=-1 if announced else None), bucket=BUCKET, key=KEY)
    assert content(s3) == data
    assert (stored.key, stored.bytes, stored.sha256) == (KEY, len(data), hashlib.sha256(data).hexdigest())
    assert (stored.format, stored.width, stored.height) == ("png", 1440, 1920)
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ContentType"] == "image/png"
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_s3_is_given_a_checksum_that_it_keeps_with_the_result(s3: "S3Client") -> None:
    store(s3, stream(), bucket=BUCKET, key=KEY)
    kept = s3.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert base64.b64decode(kept) == hashlib.sha256(PNG).digest()


@pytest.mark.parametrize("length", [-1, None])
def test_a_result_that_is_there_already_stays_and_is_described(s3: "S3Client", length: int | None) -> None:
    first = store(s3, stream(length=length), bucket=BUCKET, key=KEY)
    again = store(s3, stream(PNG[:-1], length=length), bucket=BUCKET, key=KEY)
    assert again == first
    assert content(s3) == PNG
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


def test_a_large_result_that_is_there_already_leaves_no_open_upload(s3: "S3Client") -> None:
    first = store(s3, stream(LARGE, length=None), bucket=BUCKET, key=KEY)
    assert store(s3, stream(LARGE, length=None), bucket=BUCKET, key=KEY) == first
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_result_that_breaks_off_leaves_nothing(s3: "S3Client", announced: bool) -> None:
    failure = ResultUnavailableError("cdn.example.com broke off")
    cut = LARGE[: PART_BYTES + 1000]
    with pytest.raises(ResultUnavailableError) as caught:
        store(s3, stream(cut, length=len(LARGE) if announced else None, failure=failure), bucket=BUCKET, key=KEY)
    assert caught.value is failure
    assert keys(s3) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_host_that_breaks_off_is_not_taken_for_s3_breaking_off() -> None:
    failure = ResultUnavailableError("cdn.example.com broke off")
    with pytest.raises(ResultUnavailableError) as caught:
        store(FakeS3().client, stream(length=9_000_000, failure=failure), bucket=BUCKET, key=KEY)
    assert caught.value is failure


def test_missing_rights_or_a_missing_bucket_are_told_as_they_are(s3: "S3Client") -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        store(s3, stream(), bucket="no-such-bucket", key=KEY)


class FakeS3:
    """Takes a result the way botocore's connection does: in small reads."""

    def __init__(self, endpoint: str = "https://s3.example.com", failures: tuple[Exception, ...] = ()) -> None:
        self.meta = SimpleNamespace(endpoint_url=endpoint)
        self.failures = list(failures)
        self.request: dict[str, Any] = {}
        self.blocks: list[bytes] = []
        self.watch: Callable[[int], None] = lambda taken: None

    def put_object(self, *, Body: Any, **request: Any) -> dict[str, Any]:  # noqa: N803 boto3's own spelling
        self.request = request
        if self.failures:
            raise self.failures.pop(0)
        self.blocks = []
        if isinstance(Body, bytes):
            self.blocks = [Body]
            return {}
        assert len(Body) == request["ContentLength"]
        try:
            while block := Body.read(1024 * 1024):
                self.blocks.append(block)
                self.watch(sum(map(len, self.blocks)))
        except Exception as error:
            raise HTTPClientError(error=error) from error  # as botocore does with whatever breaks a request
        return {}

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)


def test_a_result_is_never_held_whole_and_its_blocks_are_as_large_as_s3_wants() -> None:
    drawn = 0

    def counted() -> Iterator[bytes]:
        nonlocal drawn
        for piece in pieces(LARGE, 1_000):
            drawn += len(piece)
            yield piece

    s3 = FakeS3()
    ahead: list[int] = []
    s3.watch = lambda taken: ahead.append(drawn - taken)
    store(s3.client, recognise(counted(), "host", len(LARGE)), bucket=BUCKET, key=KEY)
    assert s3.body == LARGE
    assert max(ahead) <= 8192
    assert max(map(len, s3.blocks)) <= 64 * 1024
    assert min(map(len, s3.blocks[:-1])) >= 8192


def test_over_plain_http_no_checksum_is_asked_for_since_it_would_need_the_body_twice() -> None:
    for endpoint, algorithm in (("http://127.0.0.1:5000", None), ("https://s3.example.com", "SHA256")):
        s3 = FakeS3(endpoint)
        store(s3.client, stream(), bucket=BUCKET, key=KEY)
        assert s3.request.get("ChecksumAlgorithm") == algorithm
        assert s3.request["IfNoneMatch"] == "*"


def refusal(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "failure",
    [
        refusal("InternalError", 500),
        refusal("SlowDown", 503),
        refusal("ConditionalRequestConflict", 409),
        refusal("RequestTimeout", 400),
        refusal("BadDigest", 400),
        EndpointConnectionError(endpoint_url="https://s3.example.com"),
    ],
    ids=repr,
)
def test_a_passing_weakness_of_s3_has_a_name_of_its_own(failure: Exception) -> None:
    with pytest.raises(StorageUnavailableError):
        store(FakeS3(failures=(failure,)).client, stream(), bucket=BUCKET, key=KEY)
    with pytest.raises(ClientError):
        store(FakeS3(failures=(refusal("AccessDenied", 403),)).client, stream(), bucket=BUCKET, key=KEY)


# --- downloading ---


class Host(BaseAdapter):
    """A host that answers with each status in turn, the last one again and again; 0 breaks off half-way."""

    def __init__(self, *statuses: int, body: bytes = PNG, announced: int | None = None) -> None:
        super().__init__()
        self.statuses = list(statuses)
        self.body = body
        self.announced = len(body) if announced is None else announced
        self.asked = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.asked += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        sent = self.body[: len(self.body) // 2] if status == 0 else self.body
        raw = urllib3.HTTPResponse(
            body=BytesIO(sent),
            status=status or 200,
            preload_content=False,
        )
        # urllib3 would read no further than this; the guarded adapter leaves it to the reader.
        raw.headers["Content-Length"] = str(self.announced)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def key_of(found: ResultFormat) -> str:
    return KEY.removesuffix("png") + EXTENSIONS[found]


def downloaded(s3: "S3Client", host: Host, clock: HandClock) -> Stored:
    session = guarded_session(POLICY)
    session.mount("https://", host)
    return download(session, s3, Candidate(url=URL), policy=POLICY, clock=clock, bucket=BUCKET, key=key_of)


@pytest.mark.parametrize(
    ("host", "error"),
    [
        (Host(302), ResultRefusedError),
        (Host(403), ResultGoneError),
        (Host(200, body=b"<html>Service unavailable</html>"), NotAnImageError),
        (Host(503), ResultUnavailableError),
        (Host(0), ResultUnavailableError),
    ],
)
def test_a_download_that_fails_leaves_nothing_and_says_why(
    s3: "S3Client", clock: HandClock, host: Host, error: type[FetchError]
) -> None:
    with pytest.raises(error):
        downloaded(s3, host, clock)
    assert (host.asked, clock.slept) == (1, [])
    assert keys(s3) == []


@pytest.mark.parametrize("body", [PNG, LARGE], ids=["one part", "several parts"])
@pytest.mark.parametrize("wrong", [-1, 1, -70_000, 70_000])
def test_a_picture_of_a_wrong_length_is_stored_whole_all_the_same(
    s3: "S3Client", clock: HandClock, body: bytes, wrong: int
) -> None:
    host = Host(200, body=body, announced=len(body) + wrong)
    stored = downloaded(s3, host, clock)
    assert (stored.bytes, content(s3), host.asked) == (len(body), body, 2)
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


@pytest.mark.parametrize("announced", [len(PNG) - 1, len(PNG) + 1, 65_536, 40_000])
def test_s3_is_never_given_all_the_bytes_that_a_wrong_length_promised(announced: int) -> None:
    """With them it would take a cut picture for the whole one, and keep it."""
    taken: list[int] = []
    s3 = FakeS3()
    s3.watch = taken.append
    # As the guarded download does, no piece reaches across the announced end.
    cut = chain(pieces(PNG[:announced], 4096), pieces(PNG[announced:]))
    with pytest.raises(WrongLengthError):
        store(s3.client, recognise(cut, "host", announced), bucket=BUCKET, key=KEY)
    assert max(taken, default=0) < announced


@pytest.mark.parametrize("body", [PNG, jpeg(), webp()], ids=["png", "jpeg", "webp"])
def test_a_result_has_the_extension_and_type_of_what_it_is(s3: "S3Client", clock: HandClock, body: bytes) -> None:
    stored = downloaded(s3, Host(200, body=body), clock)
    assert stored.key == key_of(stored.format)
    assert keys(s3) == [stored.key]
    assert s3.head_object(Bucket=BUCKET, Key=stored.key)["ContentType"] == f"image/{stored.format}"


def test_what_an_earlier_call_stored_is_found_with_all_that_is_known_of_it(s3: "S3Client", clock: HandClock) -> None:
    first = downloaded(s3, Host(200, body=jpeg()), clock)
    others = ("__11.png", "__2.gif", "__0.png", "__x.png", "__2.png.part", "_1.png")
    for other in others:
        s3.put_object(Bucket=BUCKET, Key=KEY.removesuffix("__1.png") + other, Body=PNG)
    found = find(s3, BUCKET, KEY.removesuffix("1.png"))
    assert found.keys() == {1, 11}
    assert found[1] == first


def test_rights_that_are_missing_are_told_and_a_passing_weakness_is_named(s3: "S3Client") -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        find(s3, "no-such-bucket", "runs/")


def test_bytes_inside_the_answer_are_stored_without_asking_anyone(s3: "S3Client", clock: HandClock) -> None:
    session = guarded_session(POLICY)
    stored = download(session, s3, Candidate(data=PNG), policy=POLICY, clock=clock, bucket=BUCKET, key=key_of)
    assert (stored.bytes, content(s3)) == (len(PNG), PNG)
    for candidate, error in (
        (Candidate(data=b"<html>"), NotAnImageError),
        (Candidate(data=b""), NotAnImageError),
        (Candidate(data=PNG[:-1]), ResultUnavailableError),
        (Candidate(), ResultGoneError),
    ):
        with pytest.raises(error):
            download(session, s3, candidate, policy=POLICY, clock=clock, bucket=BUCKET, key=lambda _: "other")
    with pytest.raises(ResultRefusedError):
        download(
            session,
            s3,
            Candidate(data=PNG),
            policy=POLICY,
            clock=clock,
            bucket=BUCKET,
            key=lambda _: "other",
            max_bytes=9,
        )
    assert keys(s3) == [KEY]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=70_000), max_size=8), st.booleans())
def test_however_a_result_is_cut_on_the_way_it_arrives_the_same(cuts: list[bytes], announced: bool) -> None:
    data = PNG_HEAD + b"".join(cuts)
    s3 = FakeS3()
    source = recognise(iter([PNG_HEAD, *cuts]), "host", len(data) if announced else None)
    stored = store(s3.client, source, bucket=BUCKET, key=KEY)
    assert s3.body == data
    assert (stored.bytes, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())
