import io
import json
from hashlib import sha256
from typing import Any

import pytest
import requests
import urllib3
from urllib3.exceptions import IncompleteRead, MaxRetryError, NewConnectionError, ReadTimeoutError

from tests.doubles import HandClock
from tests.service.standin_client import HOST, SHIRT, START, TROUSERS, Client, order, signed_headers
from tryon_local.service.faults import (
    Answer,
    Call,
    Cut,
    Fails,
    Fault,
    FaultPlan,
    Late,
    Mislabel,
    NoConnection,
    Page,
    Redirect,
    Reset,
    Silence,
    Slow,
    Takes,
    Wire,
)
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn


def client_of(*faults: Fault, **options: Any) -> Client:
    settings = {"picture": pixel, "latency": lambda new: 20.0, "requests_per_second": None, "slots": 100}
    return Client(StandIn(HandClock(START), faults=FaultPlan(*faults), **(settings | options)))


def url_of(client: Client) -> str:
    task_id = client.task()
    client.standin.clock.sleep(20)
    return str(client.data(task_id)["image_urls"][0])


# --- what reaches the client ---------------------------------------------------------------------------------


def test_any_code_can_be_answered_to_any_call() -> None:
    client = client_of(Fault("submit", Answer(50500)), Fault("result", Answer(50501, http=503)))
    assert (client.submit().status_code, client.submit().json()["code"]) == (500, 50500)
    assert (client.result("1").status_code, client.result("1").json()["code"]) == (503, 50501)
    assert client.standin.tasks == ()
    assert client.standin.requests.submit == {"50500": 2}


def test_the_gateways_codes_come_in_its_own_form() -> None:
    client = client_of(Fault("submit", Answer(100018)))
    answer = client.submit()
    assert answer.status_code == 429
    error = answer.json()["ResponseMetadata"]["Error"]
    assert (error["CodeN"], error["Code"]) == (100018, "FlowLimitExceeded")
    assert answer.json()["ResponseMetadata"]["Action"] == "CVSubmitTask"


@pytest.mark.parametrize("retry_after", [None, "3", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_429_comes_with_and_without_a_time(retry_after: str | None) -> None:
    client = client_of(Fault("result", Answer(50429, retry_after=retry_after)))
    assert client.result("1").headers.get("Retry-After") == retry_after


def test_a_bare_429_has_no_code_at_all() -> None:
    client = client_of(Fault("submit", Page(http=429, body="", retry_after="2")))
    answer = client.submit()
    assert (answer.status_code, answer.content, answer.headers["Retry-After"]) == (429, b"", "2")


@pytest.mark.parametrize("call", ["submit", "result"])
def test_a_page_can_come_with_200(call: Any) -> None:
    client = client_of(Fault(call, Page()))
    answer = client.submit() if call == "submit" else client.result("1")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.text.startswith("<html>")


def test_a_body_can_be_empty() -> None:
    assert client_of(Fault("submit", Page(body=""))).submit().content == b""


def test_a_page_after_the_call_leaves_a_task_that_nobody_knows() -> None:
    client = client_of(Fault("submit", Page(http=502, processed=True)))
    assert client.submit().status_code == 502
    assert len(client.standin.tasks) == 1


def test_an_error_after_the_call_leaves_a_task_too() -> None:
    client = client_of(Fault("submit", Answer(50500, processed=True)))
    assert client.submit().json()["code"] == 50500
    assert len(client.standin.tasks) == 1


def test_a_right_answer_can_come_under_a_wrong_type() -> None:
    client = client_of(Fault("submit", Mislabel("text/html")), Fault("download", Mislabel("text/html")))
    answer = client.submit()
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.json()["code"] == 10000
    assert client.session.get(url_of(client)).headers["Content-Type"] == "text/html"


def test_a_refused_connection_leaves_the_request_unsent() -> None:
    client = client_of(Fault("submit", NoConnection()))
    body = io.BytesIO(json.dumps(order()).encode())
    headers = signed_headers(body.getvalue(), action="CVSubmitTask", at=client.standin.clock.now())
    with pytest.raises(requests.ConnectionError) as error:
        client.post("CVSubmitTask", b"", headers=headers, data=body)
    refused = error.value.args[0]
    assert isinstance(refused, MaxRetryError)
    assert isinstance(refused.reason, NewConnectionError)
    assert body.tell() == 0
    assert client.standin.tasks == ()


def test_a_connection_can_time_out() -> None:
    client = client_of(Fault("submit", NoConnection(timeout=True)))
    with pytest.raises(requests.ConnectTimeout):
        client.submit(timeout=(3.05, 30))
    assert client.passed == pytest.approx(3.05)


@pytest.mark.parametrize(
    ("action", "paid", "share"),
    [(Reset(), 0, 1.0), (Reset(processed=True), 1, 1.0), (Reset(unread=True), 0, 0.5)],
)
def test_a_reset_comes_before_or_after_the_task_was_made(action: Wire, paid: int, share: float) -> None:
    client = client_of(Fault("submit", action))
    body = io.BytesIO(json.dumps(order()).encode())
    headers = signed_headers(body.getvalue(), action="CVSubmitTask", at=client.standin.clock.now())
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        client.post("CVSubmitTask", b"", headers=headers, data=body)
    assert len(client.standin.tasks) == paid
    assert body.tell() == int(len(body.getvalue()) * share)


@pytest.mark.parametrize(("processed", "paid"), [(False, 0), (True, 1)])
def test_a_read_times_out_before_or_after_the_task_was_made(processed: bool, paid: int) -> None:
    client = client_of(Fault("submit", Silence(processed=processed)))
    with pytest.raises(requests.ReadTimeout):
        client.submit(timeout=(3, 30))
    assert client.passed == 30
    assert len(client.standin.tasks) == paid


def test_a_client_without_a_timeout_waits_for_an_hour() -> None:
    client = client_of(Fault("submit", Silence()))
    with pytest.raises(requests.ConnectionError):
        client.submit(timeout=None)
    assert client.passed == 3600


def test_a_late_answer_is_waited_for_up_to_the_timeout() -> None:
    client = client_of(Fault("submit", Late(29)), Fault("result", Late(31)))
    assert client.submit(timeout=30).json()["code"] == 10000
    assert client.passed == 29
    with pytest.raises(requests.ReadTimeout):
        client.result("1", timeout=30)
    assert client.passed == 59


def test_an_answer_cut_short_ends_before_its_announced_length() -> None:
    client = client_of(Fault("submit", Cut()))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.submit()
    assert len(client.standin.tasks) == 1


def test_an_answer_cut_short_can_look_whole() -> None:
    client = client_of(Fault("submit", Cut(keep=0.9, declared=False)))
    answer = client.submit()
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(answer.content))
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_cut_download_breaks_off_in_the_stream() -> None:
    client = client_of(Fault("download", Cut(keep=0.5)))
    answer = client.session.get(url_of(client), stream=True)
    announced = int(answer.headers["Content-Length"])
    pieces: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        pieces.extend(answer.iter_content(16))
    assert len(b"".join(pieces)) <= announced // 2


@pytest.mark.parametrize("reading", ["read", "read(8)", "read1"])
def test_the_raw_stream_reads_as_from_a_socket(reading: str) -> None:
    client = client_of()
    raw = client.session.get(url_of(client), stream=True).raw
    assert isinstance(raw, urllib3.HTTPResponse)
    data = b""
    while piece := {"read": raw.read, "read(8)": lambda: raw.read(8), "read1": raw.read1}[reading]():
        data += piece
    assert data.startswith(b"\x89PNG")
    assert data.endswith(b"IEND\xaeB`\x82")


def test_reading_a_cut_download_whole_says_so() -> None:
    client = client_of(Fault("download", Cut(keep=0.5)))
    raw = client.session.get(url_of(client), stream=True).raw
    with pytest.raises(urllib3.exceptions.ProtocolError) as error:
        raw.read()
    assert isinstance(error.value.args[1], IncompleteRead) or "IncompleteRead" in str(error.value)


def test_a_slow_download_takes_its_time_piece_by_piece() -> None:
    client = client_of(Fault("download", Slow(seconds=80, pieces=8)))
    url = url_of(client)
    before = client.standin.clock.now()
    answer = client.session.get(url, stream=True, timeout=30)
    assert client.standin.clock.now() == before
    arrived = []
    while piece := answer.raw.read1(65536):
        arrived.append((client.standin.clock.now() - before, len(piece)))
    assert [at for at, _ in arrived] == pytest.approx([10, 20, 30, 40, 50, 60, 70, 80])


def test_a_download_that_stalls_longer_than_the_timeout_fails() -> None:
    client = client_of(Fault("download", Slow(seconds=100, pieces=2)))
    url = url_of(client)
    before = client.standin.clock.now()
    answer = client.session.get(url, stream=True, timeout=30)
    with pytest.raises(ReadTimeoutError):
        answer.raw.read()
    assert client.standin.clock.now() - before == 30


def test_an_error_page_can_come_instead_of_a_picture() -> None:
    client = client_of(Fault("download", Page(content_type="image/png")))
    answer = client.session.get(url_of(client))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.content.startswith(b"<html>")


def test_a_download_can_be_redirected() -> None:
    client = client_of(Fault("download", Redirect("https://elsewhere.test/x.png")))
    answer = client.session.get(url_of(client), allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.test/x.png")
    assert client.standin.tasks[0].downloads == 0


# --- when ------------------------------------------------------------------------------------------------------


def test_a_fault_can_strike_the_nth_calls_only() -> None:
    client = client_of(Fault("result", Answer(50500), nth=(1, 3)))
    assert [client.result("1").json()["code"] for _ in range(4)] == [50500, 10000, 50500, 10000]
    assert client.standin.faults.struck == (2,)


def test_a_fault_can_strike_the_nth_call_of_each_combination() -> None:
    client = client_of(Fault("submit", Answer(50500), nth=(1,), each=True))
    shirt, trousers = order((SHIRT, "upper")), order((TROUSERS, "bottom"))
    seen = [client.submit(body).json()["code"] for body in (shirt, trousers, shirt, trousers)]
    assert seen == [50500, 50500, 10000, 10000]


def test_a_fault_can_strike_one_picture_through_all_its_calls() -> None:
    bad = sha256(TROUSERS).hexdigest()
    client = client_of(*(Fault(call, Answer(50501), image=bad) for call in ("submit", "result")))
    assert client.submit(order((SHIRT, "upper"), (TROUSERS, "bottom"))).json()["code"] == 50501
    task_id = client.task(order((SHIRT, "upper")))
    assert client.data(task_id)["status"] == "in_queue"
    client.standin.faults.clear()
    bad_id = client.task(order((TROUSERS, "bottom")))
    client.standin.faults.add(Fault("result", Answer(50501), image=bad))
    assert client.result(bad_id).json()["code"] == 50501
    assert client.result(task_id).json()["code"] == 10000


def test_a_fault_can_strike_the_polls_of_one_task() -> None:
    client = client_of(Fault("result", Answer(50500), task=2, nth=(1, 2)))
    one, two = client.task(), client.task()
    assert [client.result(one).json()["code"] for _ in range(2)] == [10000, 10000]
    assert [client.result(two).json()["code"] for _ in range(3)] == [50500, 50500, 10000]


def test_a_fault_can_strike_the_downloads_of_one_task() -> None:
    client = client_of(Fault("download", Page(http=500), task=2))
    assert [client.session.get(url_of(client)).status_code for _ in range(3)] == [200, 500, 200]


def test_a_fault_can_strike_by_any_condition_on_the_combination() -> None:
    def wears_trousers(call: Call) -> bool:
        return call.combination is not None and call.combination.garments[0][1] == "bottom"

    client = client_of(Fault("task", Fails(50411), when=wears_trousers))
    good, bad = client.task(order((SHIRT, "upper"))), client.task(order((TROUSERS, "bottom")))
    client.standin.clock.sleep(20)
    assert client.result(good).json()["code"] == 10000
    assert client.result(bad).json()["code"] == 50411


def test_a_condition_may_look_at_what_the_stand_in_has_seen() -> None:
    client = client_of()
    standin = client.standin
    standin.faults.add(Fault("task", Takes(1), when=lambda call: len(standin.tasks) == 1))
    client.task()
    client.task()
    assert [task.finished_at - task.submitted_at for task in standin.tasks] == [20, 1]


def test_chance_is_repeatable_and_about_right() -> None:
    def struck(seed: int) -> list[bool]:
        client = client_of(faults_seed=seed)
        return [client.submit(order(config={"seed": number})).json()["code"] == 50500 for number in range(100)]

    def client_of(faults_seed: int) -> Client:
        plan = FaultPlan(Fault("submit", Answer(50500), chance=0.3), seed=faults_seed)
        return Client(StandIn(HandClock(START), picture=pixel, slots=999, requests_per_second=None, faults=plan))

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 15 < sum(struck(1)) < 45


def test_of_two_faults_on_one_call_the_first_acts_and_both_count() -> None:
    client = client_of(Fault("result", Answer(50500), nth=(1,)), Fault("result", Answer(50501), nth=(1, 2)))
    assert [client.result("1").json()["code"] for _ in range(3)] == [50500, 50501, 10000]


def test_faults_can_come_and_go() -> None:
    client = client_of()
    assert client.result("1").json()["code"] == 10000
    client.standin.faults.add(Fault("result", Answer(50500)))
    assert client.result("1").json()["code"] == 50500
    client.standin.faults.clear()
    assert client.result("1").json()["code"] == 10000


def test_a_fate_cannot_happen_to_a_call_nor_an_accident_to_a_task() -> None:
    with pytest.raises(ValueError, match="'fails' cannot happen to a result"):
        Fault("result", Fails(50411))
    with pytest.raises(ValueError, match="'reset' cannot happen to a task"):
        Fault("task", Reset())
    with pytest.raises(ValueError, match="unread"):
        Reset(processed=True, unread=True)


def test_a_fault_on_a_call_that_cannot_be_read_still_strikes() -> None:
    client = client_of(Fault("submit", Answer(50500), chance=1), Fault("submit", Answer(50501), image="0"))
    answer = client.session.post(f"https://{HOST}/?Action=CVSubmitTask", data=b"{")
    assert answer.json()["code"] == 50500
