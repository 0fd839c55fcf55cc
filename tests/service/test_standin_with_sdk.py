"""The vendor's own SDK, unchanged, over real loopback sockets."""

import base64
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
import requests
from volcengine.visual.VisualService import VisualService

from tests.doubles import HandClock
from tests.service.standin_client import REQ_KEY, SHIRT, TROUSERS, order, picture
from tryon.clock import SystemClock
from tryon_local.service.faults import Cut, Fault, NoConnection, Page, Reset, Silence, Slow
from tryon_local.service.pixel import pixel
from tryon_local.service.server import Served, serve
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY, StandIn

LATENCY = 27.0


@pytest.fixture
def standin() -> StandIn:
    return StandIn(HandClock(running=True), picture=pixel, latency=lambda new: LATENCY, requests_per_second=None)


@pytest.fixture
def served(standin: StandIn) -> Iterator[Served]:
    with serve(standin) as served:
        yield served


@pytest.fixture
def sdk(served: Served) -> Iterator[VisualService]:
    service = VisualService()
    service.set_ak(ACCESS_KEY)
    service.set_sk(SECRET_KEY)
    service.set_host(f"127.0.0.1:{served.port}")
    yield service
    service.session.close()


def code_in(error: pytest.ExceptionInfo[Exception]) -> int:
    """The SDK buries an error's body in the text of a bare exception."""
    body = json.loads(str(error.value).removeprefix("b'").removesuffix("'"))
    if "ResponseMetadata" in body:
        return int(body["ResponseMetadata"]["Error"]["CodeN"])
    return int(body["code"])


def result(sdk: VisualService, task_id: str, **fields: Any) -> dict[str, Any]:
    answer = sdk.cv_get_result(
        {"req_key": REQ_KEY, "task_id": task_id, "req_json": json.dumps({"return_url": True})} | fields
    )
    return dict(answer["data"])


def test_the_sdk_submits_polls_and_the_result_downloads(sdk: VisualService, standin: StandIn) -> None:
    submitted = sdk.cv_submit_task(order((SHIRT, "upper"), (TROUSERS, "bottom")))
    assert submitted["code"] == 10000
    task_id = submitted["data"]["task_id"]
    seen = []
    for wait in (0, 13, 14):
        standin.clock.sleep(wait)
        seen.append(result(sdk, task_id)["status"])
    assert seen == ["in_queue", "generating", "done"]
    (url,) = result(sdk, task_id)["image_urls"]
    answer = requests.get(url, timeout=5)
    assert answer.headers["Content-Type"] == "image/png"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.content.startswith(b"\x89PNG")
    (task,) = standin.tasks
    assert (task.id, task.outcome, len(task.polls), task.downloads) == (task_id, "done", 4, 1)


def test_base64_comes_when_no_addresses_were_asked_for(sdk: VisualService, standin: StandIn) -> None:
    task_id = sdk.cv_submit_task(order())["data"]["task_id"]
    standin.clock.sleep(LATENCY)
    data = result(sdk, task_id, req_json="{}")
    assert data["image_urls"] == []
    assert base64.b64decode(data["binary_data_base64"][0]).startswith(b"\x89PNG")


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_the_sdk_signs_pictures_of_every_size_mod_three(sdk: VisualService, padding: int) -> None:
    model = picture("red")
    model += b"\0" * ((padding - len(model)) % 3)
    assert sdk.cv_submit_task(order(model=model))["code"] == 10000


def test_the_sdk_with_a_session_token_is_accepted(sdk: VisualService) -> None:
    sdk.set_session_token("dummy-token")
    assert sdk.cv_submit_task(order())["code"] == 10000


def test_the_sdk_with_a_wrong_secret_is_refused(sdk: VisualService, standin: StandIn) -> None:
    sdk.set_sk("wrong-dummy")
    with pytest.raises(Exception, match="SignatureDoesNotMatch") as error:
        sdk.cv_submit_task(order())
    assert code_in(error) == 100010
    assert standin.tasks == ()


def test_a_second_task_is_refused_while_the_first_runs(sdk: VisualService, standin: StandIn) -> None:
    sdk.cv_submit_task(order())
    with pytest.raises(Exception, match="too many tasks") as error:
        sdk.cv_submit_task(order())
    assert code_in(error) == 50430
    standin.clock.sleep(LATENCY)
    assert sdk.cv_submit_task(order())["code"] == 10000


def test_of_six_submits_at_once_five_are_refused_over_sockets(sdk: VisualService, standin: StandIn) -> None:
    start = threading.Barrier(6)
    codes: Counter[int] = Counter()

    def submit() -> None:
        start.wait()
        try:
            codes[sdk.cv_submit_task(order())["code"]] += 1
        except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower
            codes[json.loads(str(error)[2:-1])["code"]] += 1

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {10000: 1, 50430: 5}
    assert len(standin.tasks) == 1


def test_a_page_with_200_breaks_the_sdk_as_it_does_outside(sdk: VisualService, standin: StandIn) -> None:
    standin.faults.add(Fault("submit", Page(http=200)))
    with pytest.raises(Exception, match="Expecting value"):
        sdk.cv_submit_task(order())


@pytest.mark.parametrize(("processed", "paid"), [(False, 0), (True, 1)])
def test_a_reset_is_a_reset_on_the_socket(sdk: VisualService, standin: StandIn, processed: bool, paid: int) -> None:
    standin.faults.add(Fault("submit", Reset(processed=processed)))
    with pytest.raises(Exception, match="Connection reset by peer"):
        sdk.cv_submit_task(order())
    assert len(standin.tasks) == paid


@pytest.mark.parametrize("action", [Reset(unread=True), NoConnection()])
def test_a_large_request_is_reset_before_all_of_it_left(
    served: Served, standin: StandIn, action: Reset | NoConnection
) -> None:
    standin.faults.add(Fault("submit", action))
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.settimeout(5)
        head = b"POST /?Action=CVSubmitTask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 64000000\r\n\r\n"
        with pytest.raises(ConnectionError):
            connection.sendall(head + bytes(64_000_000))
    assert standin.tasks == ()


@pytest.mark.parametrize(("processed", "paid"), [(False, 0), (True, 1)])
def test_silence_ends_in_a_read_timeout(sdk: VisualService, standin: StandIn, processed: bool, paid: int) -> None:
    standin.faults.add(Fault("submit", Silence(processed=processed)))
    sdk.set_socket_timeout(0.1)
    with pytest.raises(Exception, match="Read timed out"):
        sdk.cv_submit_task(order())
    assert len(standin.tasks) == paid


def test_the_server_ends_while_a_client_still_waits(standin: StandIn) -> None:
    standin.faults.add(Fault("result", Silence()))
    failed: list[str] = []

    def ask(url: str) -> None:
        try:
            requests.post(f"{url}/?Action=CVGetResult", timeout=30)
        except requests.ConnectionError as error:
            failed.append(type(error).__name__)

    with serve(standin) as served:
        thread = threading.Thread(target=ask, args=(served.url,))
        thread.start()
        while standin.requests.result["silence"] == 0:
            time.sleep(0.005)
    thread.join(timeout=5)
    assert failed == ["ConnectionError"]


def done(sdk: VisualService, standin: StandIn) -> str:
    task_id = sdk.cv_submit_task(order())["data"]["task_id"]
    standin.clock.sleep(LATENCY)
    return str(result(sdk, task_id)["image_urls"][0])


def test_a_cut_download_ends_before_its_announced_length(sdk: VisualService, standin: StandIn) -> None:
    standin.faults.add(Fault("download", Cut(keep=0.5)))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        requests.get(done(sdk, standin), timeout=5)


def test_a_slow_download_outlasts_the_read_timeout(sdk: VisualService, standin: StandIn) -> None:
    url = done(sdk, standin)
    standin.faults.add(Fault("download", Slow(seconds=1.0, pieces=2)))
    standin.clock = SystemClock()
    with pytest.raises(requests.ConnectionError, match="Read timed out"):
        requests.get(url, timeout=0.1)


def test_a_request_that_breaks_off_gets_no_answer(served: Served, standin: StandIn) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.settimeout(5)
        connection.sendall(b"POST /?Action=CVSubmitTask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert standin.tasks == ()


def test_a_body_in_chunks_is_refused(served: Served) -> None:
    answer = requests.post(f"{served.url}/?Action=CVSubmitTask", data=iter([b"x"]), timeout=5)
    assert answer.status_code == 411


def test_one_connection_carries_many_calls(served: Served) -> None:
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=5)) as connection:
        connection.connect()
        first = connection.sock
        for _ in range(3):
            connection.request("POST", "/?Action=CVSubmitTask", body=b"x" * 100_000)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["ResponseMetadata"]["Error"]["CodeN"]) == (401, 100003)
            assert connection.sock is first
