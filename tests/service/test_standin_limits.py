import threading
from collections import Counter
from typing import Any

import pytest

from tests.doubles import HandClock
from tests.service.standin_client import SHIRT, START, TROUSERS, Client, order
from tryon_local.service.faults import Fails, Fault
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn


def client_of(**options: Any) -> Client:
    settings = {"picture": pixel, "latency": lambda new: 20.0, **options}
    return Client(StandIn(HandClock(START), **settings))


def codes(client: Client, count: int, body: dict[str, Any] | None = None) -> list[int]:
    return [client.submit(body).json()["code"] for _ in range(count)]


def test_six_submits_at_once_make_one_task() -> None:
    client = client_of(requests_per_second=None)
    start = threading.Barrier(6)
    seen: Counter[tuple[int, int]] = Counter()

    def submit() -> None:
        start.wait()
        answer = client.submit()
        seen[answer.status_code, answer.json()["code"]] += 1

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {(200, 10000): 1, (429, 50430): 5}
    assert len(client.standin.tasks) == 1
    assert client.standin.requests.submit == {"10000": 1, "50430": 5}


def test_a_task_holds_its_slot_until_it_ends_however_slowly_submits_come() -> None:
    # A delay between submits does not replace a slot.
    client = client_of()
    client.task()
    for _ in range(9):
        client.standin.clock.sleep(2)
        assert client.submit().json()["code"] == 50430
    client.standin.clock.sleep(2)
    assert client.submit().json()["code"] == 10000


def test_a_task_that_fails_frees_its_slot_at_its_end() -> None:
    client = client_of()
    client.standin.faults.add(Fault("task", Fails(50411)))
    client.task()
    client.standin.clock.sleep(20)
    client.task()


def test_polls_take_no_slot() -> None:
    client = client_of(requests_per_second=None)
    task_id = client.task()
    assert [client.data(task_id)["status"] for _ in range(5)] == ["in_queue"] * 5


def test_slots_can_be_bought_while_tasks_run() -> None:
    client = client_of(requests_per_second=None)
    assert codes(client, 2) == [10000, 50430]
    client.standin.change(slots=3)
    assert codes(client, 3) == [10000, 10000, 50430]
    client.standin.change(slots=1)
    assert codes(client, 1) == [50430]
    assert client.standin.most_running == 3


def test_each_req_key_has_its_own_slots() -> None:
    client = client_of(requests_per_second=None, req_keys=("dressing_diffusionV2", "dressing_diffusion"))
    assert codes(client, 2) == [10000, 50430]
    assert codes(client, 2, order(req_key="dressing_diffusion")) == [10000, 50430]


def test_submits_and_polls_share_one_rate() -> None:
    client = client_of()
    task_id = client.task()
    client.data(task_id)
    for refused in (client.result(task_id), client.submit()):
        assert (refused.status_code, refused.json()["code"]) == (429, 50429)
    client.standin.clock.sleep(1)
    assert client.data(task_id)["status"] == "in_queue"


def test_refused_requests_do_not_count_against_the_rate() -> None:
    client = client_of()
    task_id = client.task()
    client.data(task_id)
    for _ in range(9):
        client.standin.clock.sleep(0.1)
        assert client.result(task_id).json()["code"] == 50429
    client.standin.clock.sleep(0.1)
    assert client.result(task_id).json()["code"] == 10000


def test_a_rate_below_one_a_second_is_kept_too() -> None:
    client = client_of(requests_per_second=0.5)
    task_id = client.task()
    client.standin.clock.sleep(1.9)
    assert client.result(task_id).json()["code"] == 50429
    client.standin.clock.sleep(0.1)
    assert client.result(task_id).json()["code"] == 10000


def test_a_rate_between_whole_numbers_is_kept_exactly() -> None:
    client = client_of(requests_per_second=2.5)
    task_id = client.task()
    seen = []
    for _ in range(100):
        client.standin.clock.sleep(0.1)
        seen.append(client.result(task_id).json()["code"])
    assert seen.count(10000) == pytest.approx(25, abs=2)


def test_the_rate_can_be_changed_while_it_runs() -> None:
    client = client_of(requests_per_second=1, slots=9)
    assert codes(client, 2) == [10000, 50429]
    client.standin.change(requests_per_second=4)
    assert codes(client, 4) == [10000, 10000, 10000, 50429]
    client.standin.change(requests_per_second=None)
    assert codes(client, 2) == [10000, 10000]


def test_a_request_with_a_wrong_signature_costs_nothing_of_the_rate() -> None:
    client = client_of()
    for _ in range(5):
        client.submit(secret_key="wrong-dummy")
    assert client.submit().json()["code"] == 10000


@pytest.mark.parametrize("retry_after", ["1", None])
def test_a_429_names_a_time_only_when_told_to(retry_after: str | None) -> None:
    client = client_of(retry_after=retry_after)
    client.task()
    busy, throttled = client.submit(), client.submit()
    assert (busy.json()["code"], throttled.json()["code"]) == (50430, 50429)
    assert busy.headers.get("Retry-After") == throttled.headers.get("Retry-After") == retry_after


def test_every_request_and_its_answer_is_counted() -> None:
    client = client_of(requests_per_second=None)
    task_id = client.task()
    client.submit(order((SHIRT, "lower")))
    client.submit(order((TROUSERS, "bottom")))
    client.submit(secret_key="wrong-dummy")
    client.result(task_id)
    client.standin.clock.sleep(20)
    (url,) = client.data(task_id)["image_urls"]
    client.session.get(url)
    client.session.get(url + "0")
    client.session.get("https://elsewhere.test/favicon.ico")
    counts = client.standin.requests
    assert counts.submit == {"10000": 1, "50215": 1, "50430": 1, "100010": 1}
    assert counts.result == {"10000": 2}
    assert counts.download == {"200": 1, "403": 1}
    assert counts.other.total() == 1
