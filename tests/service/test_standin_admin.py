import json
from typing import Any

import pytest

from tests.doubles import HandClock
from tests.service.standin_client import START, Client
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

ADDRESS = "https://standin.test/_standin"


@pytest.fixture
def client() -> Client:
    return Client(StandIn(HandClock(START), picture=pixel, latency=lambda new: 20.0, requests_per_second=None))


def test_settings_can_be_read_and_changed_in_part(client: Client) -> None:
    before = client.session.get(f"{ADDRESS}/settings").json()
    assert before["slots"] == 1
    after = client.session.post(f"{ADDRESS}/settings", json={"slots": 3, "retry_after": "2"}).json()
    assert after == {**before, "slots": 3, "retry_after": "2"}
    assert (client.standin.settings.slots, client.standin.settings.retry_after) == (3, "2")


@pytest.mark.parametrize(
    "body", ['{"slot": 3}', '{"slots": "many"}', '{"slots": -1}', '{"download_seconds": [1]}', "[]", "{"]
)
def test_settings_that_make_no_sense_change_nothing(client: Client, body: str) -> None:
    before = client.standin.settings
    answer = client.session.post(f"{ADDRESS}/settings", data=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert client.standin.settings == before


def test_tasks_and_requests_can_be_read(client: Client) -> None:
    task_id = client.task()
    client.submit()
    (task,) = client.session.get(f"{ADDRESS}/tasks").json()
    assert (task["id"], task["outcome"], task["polls"]) == (task_id, "pending", [])
    assert task["combination"]["garments"][0][1] == "upper"
    assert task["parameters"]["tight_mask"] == "loose"
    seen = client.session.get(f"{ADDRESS}/requests").json()
    assert seen["submit"] == {"10000": 1, "50430": 1}
    assert (seen["tasks"], seen["most_running"]) == (1, 1)


FAULTS: list[dict[str, Any]] = [
    {"call": "submit", "nth": [1], "action": {"type": "answer", "code": 50500}},
    {"call": "result", "action": {"type": "page", "http": 502}},
    {"call": "result", "action": {"type": "reset", "processed": True}},
    {"call": "result", "action": {"type": "silence"}},
    {"call": "submit", "action": {"type": "no connection", "timeout": True}},
    {"call": "result", "action": {"type": "late", "seconds": 3}},
    {"call": "download", "action": {"type": "redirect", "location": "https://elsewhere.test/"}},
    {"call": "download", "action": {"type": "cut", "keep": 0.1}},
    {"call": "download", "action": {"type": "slow", "seconds": 60}},
    {"call": "download", "chance": 0.5, "action": {"type": "mislabel"}},
    {"call": "task", "image": "ab" * 32, "action": {"type": "fails", "code": 50511}},
    {"call": "task", "task": 2, "action": {"type": "never done"}},
    {"call": "task", "each": True, "action": {"type": "takes", "seconds": 1}},
    {"call": "task", "action": {"type": "expires", "after": 10}},
    {"call": "task", "action": {"type": "candidates", "count": 4}},
    {"call": "task", "action": {"type": "in base64"}},
    {"call": "task", "action": {"type": "hidden at first", "polls": 2}},
    {"call": "task", "action": {"type": "resp data", "text": "x"}},
    {"call": "task", "action": {"type": "addresses", "urls": ["http://10.0.0.1/"]}},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["action"]["type"])
def test_every_fault_can_be_set_over_http(client: Client, fault: dict[str, Any]) -> None:
    (shown,) = client.session.post(f"{ADDRESS}/faults", json=fault).json()
    assert shown.items() >= {key: value for key, value in fault.items() if key != "action"}.items()
    assert shown["action"].items() >= fault["action"].items()
    # What is shown can be posted again.
    del shown["struck"]
    assert len(client.session.post(f"{ADDRESS}/faults", json=[shown]).json()) == 2
    one, two = client.standin.faults.faults
    assert one == two


def test_a_fault_set_over_http_strikes_and_can_be_taken_back(client: Client) -> None:
    client.session.post(f"{ADDRESS}/faults", json=FAULTS[0])
    assert [client.submit().json()["code"] for _ in range(2)] == [50500, 10000]
    (shown,) = client.session.get(f"{ADDRESS}/faults").json()
    assert shown["struck"] == 1
    assert client.session.delete(f"{ADDRESS}/faults").json() == []
    assert client.standin.faults.faults == ()


@pytest.mark.parametrize(
    "fault",
    [
        {"call": "result", "action": {"type": "fails", "code": 50411}},
        {"call": "polls", "action": {"type": "reset"}},
        {"call": "result", "action": {"type": "explode"}},
        {"call": "result", "action": {"type": "reset", "unknown": 1}},
        {"call": "result", "acton": {"type": "reset"}},
        {"call": "result", "action": {"type": "reset"}, "when": "print"},
        {"call": "result", "action": {"type": "reset"}, "chance": 2},
        {"call": "result", "action": {"type": "reset", "processed": True, "unread": True}},
    ],
    ids=json.dumps,
)
def test_a_fault_that_makes_no_sense_is_refused(client: Client, fault: dict[str, Any]) -> None:
    answer = client.session.post(f"{ADDRESS}/faults", json=fault)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert client.standin.faults.faults == ()


def test_an_unknown_address_is_not_found(client: Client) -> None:
    assert client.session.get(f"{ADDRESS}/nothing").status_code == 404
    assert client.session.put(f"{ADDRESS}/settings").status_code == 404
