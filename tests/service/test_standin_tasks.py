import base64
import io
import json
import statistics
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.doubles import HandClock
from tests.service.standin_client import (
    MODEL,
    REQ_KEY,
    SHIRT,
    START,
    TROUSERS,
    Client,
    order,
)
from tryon_local.service.faults import (
    Addresses,
    Candidates,
    Expires,
    Fails,
    Fate,
    Fault,
    HiddenAtFirst,
    InBase64,
    NeverDone,
    RespData,
    Takes,
)
from tryon_local.service.orders import Combination
from tryon_local.service.pixel import pixel
from tryon_local.service.tasks import NewTask, TypicalLatency
from tryon_local.service.volcengine.standin import StandIn

HOUR = 3600.0


def client_of(**options: Any) -> Client:
    settings = {"picture": pixel, "latency": lambda new: 20.0, "requests_per_second": None, **options}
    return Client(StandIn(HandClock(START), **settings))


@pytest.fixture
def client() -> Client:
    return client_of()


def fated(*fates: Fate, **options: Any) -> Client:
    client = client_of(**options)
    client.standin.faults.add(*(Fault("task", fate) for fate in fates))
    return client


def wait(client: Client, seconds: float) -> None:
    client.standin.clock.sleep(seconds)


def test_a_task_is_queued_then_generated_then_done(client: Client) -> None:
    task_id = client.task()
    seen = []
    for seconds in (0, 1.9, 0.1, 17.9, 0.1):
        wait(client, seconds)
        seen.append(client.data(task_id)["status"])
    assert seen == ["in_queue", "in_queue", "generating", "generating", "done"]
    (task,) = client.standin.tasks
    assert [poll - START for poll in task.polls] == pytest.approx([0, 1.9, 2, 19.9, 20])
    assert task.outcome == "done"


def test_a_pending_task_has_no_pictures_and_no_times(client: Client) -> None:
    data = client.data(client.task())
    assert (data["image_urls"], data["binary_data_base64"], data["resp_data"]) == ([], [], "")


def test_a_task_that_nobody_made_is_not_found(client: Client) -> None:
    assert client.data("7418048504813240370")["status"] == "not_found"


def test_a_task_is_forgotten_after_twelve_hours(client: Client) -> None:
    task_id = client.task()
    wait(client, 12 * HOUR)
    assert client.data(task_id)["status"] == "done"
    wait(client, 1)
    assert client.data(task_id)["status"] == "not_found"


def test_times_in_resp_data_are_those_of_the_task(client: Client) -> None:
    task_id = client.task()
    wait(client, 300)
    times = json.loads(client.data(task_id)["resp_data"])
    assert [times[name] - START for name in ("received_at", "processed_at", "finished_at")] == [0, 2, 20]


def test_resp_data_tells_the_seed_that_was_drawn(client: Client) -> None:
    task_id = client.task(order(config={"seed": -1}))
    wait(client, 20)
    (result,) = json.loads(client.data(task_id)["resp_data"])["results"]
    assert result["inference_config"]["seed"] >= 0
    assert 0 < result["score"] <= 1


def test_an_asked_seed_is_used(client: Client) -> None:
    task_id = client.task(order(config={"seed": 77}))
    wait(client, 20)
    (result,) = json.loads(client.data(task_id)["resp_data"])["results"]
    assert result["inference_config"]["seed"] == 77


@pytest.mark.parametrize("return_url", [False, None])
def test_without_asking_for_addresses_only_base64_comes(client: Client, return_url: bool | None) -> None:
    task_id = client.task()
    wait(client, 20)
    data = client.data(task_id, return_url=return_url)
    assert data["image_urls"] == []
    assert base64.b64decode(data["binary_data_base64"][0]).startswith(b"\x89PNG")


@pytest.mark.parametrize("wishes", [{"return_url": True}, "{", "[]", 7])
def test_req_json_must_be_json_in_a_string(client: Client, wishes: object) -> None:
    body = json.dumps({"req_key": REQ_KEY, "task_id": client.task(), "req_json": wishes}).encode()
    assert client.post("CVGetResult", body).json()["code"] == 50215


def test_a_task_id_must_be_a_string(client: Client) -> None:
    body = json.dumps({"req_key": REQ_KEY, "task_id": 7418048504813240370}).encode()
    assert client.post("CVGetResult", body).json()["code"] == 50215


def test_asking_under_another_req_key_has_no_access(client: Client) -> None:
    body = json.dumps({"req_key": "dressing_diffusion", "task_id": client.task()}).encode()
    assert client.post("CVGetResult", body).json()["code"] == 50400


def urls(client: Client, body: dict[str, Any] | None = None) -> list[str]:
    task_id = client.task(body)
    wait(client, 20)
    return list(client.data(task_id)["image_urls"])


def test_a_result_is_the_picture_of_what_was_asked(client: Client) -> None:
    (url,) = urls(client, order((SHIRT, "upper"), (TROUSERS, "bottom"), config={"seed": 5}))
    answer = client.session.get(url)
    (task,) = client.standin.tasks
    drawn = pixel(MODEL, [(SHIRT, "upper"), (TROUSERS, "bottom")], seed=5, parameters=task.parameters)
    assert answer.content == drawn
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(len(drawn))
    assert task.downloads == 1


def test_pictures_are_drawn_only_when_someone_fetches_them() -> None:
    drawn = []

    def draw(*args: Any, **options: Any) -> bytes:
        drawn.append(options["seed"])
        return pixel(*args, **options)

    client = client_of(picture=draw)
    (url,) = urls(client)
    assert drawn == []
    client.session.get(url)
    assert len(drawn) == 1


def test_what_cannot_be_drawn_is_an_error_of_the_service() -> None:
    def fail(*args: Any, **options: Any) -> bytes:
        raise ValueError("no outfit")

    client = client_of(picture=fail)
    (url,) = urls(client)
    answer = client.session.get(url)
    assert answer.status_code == 500
    assert "no outfit" in answer.text
    answer = client.result(client.standin.tasks[0].id, return_url=False)
    assert (answer.status_code, answer.json()["code"]) == (500, 50501)


def on_white(box: tuple[int, int, int, int], colour: str, size: tuple[int, int]) -> bytes:
    image = Image.new("RGB", size, "white")
    image.paste(colour, box)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_stand_in_left_to_itself_draws_a_try_on() -> None:
    client = Client(StandIn(HandClock(START), latency=lambda new: 20.0))
    shirt = on_white((10, 10, 50, 50), "blue", (60, 60))
    figure = on_white((30, 10, 50, 110), "red", (80, 120))
    (url,) = urls(client, order((shirt, "upper"), model=figure))
    drawn = Image.open(io.BytesIO(client.session.get(url).content)).convert("RGB")
    assert drawn.height > 120
    red, green, blue = drawn.getpixel((drawn.width // 2, drawn.height // 4))  # type: ignore[misc]
    assert blue > max(red, green)


def test_result_addresses_live_on_the_stand_ins_own_origin() -> None:
    (url,) = urls(client_of(base_url="https://elsewhere.test:8443"))
    assert urlsplit(url).netloc == "elsewhere.test:8443"


def test_a_result_address_dies_after_a_day(client: Client) -> None:
    (url,) = urls(client)
    wait(client, 24 * HOUR - 1)
    assert client.session.get(url).status_code == 200
    wait(client, 1)
    answer = client.session.get(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/xml")


@pytest.mark.parametrize("other", ["expires=1", "expires=99999999999", "signature=0"])
def test_a_result_address_cannot_be_altered(client: Client, other: str) -> None:
    (url,) = urls(client)
    name, _, value = other.partition("=")
    kept = [pair for pair in urlsplit(url).query.split("&") if not pair.startswith(name)]
    altered = f"{url.partition('?')[0]}?{'&'.join([*kept, f'{name}={value}'])}"
    assert client.session.get(altered).status_code == 403


def test_nobody_guesses_a_result_address(client: Client) -> None:
    urls(client)
    assert client.session.get("https://results.standin.test/results/1/0.png").status_code == 403


def test_downloads_take_one_to_three_seconds_of_the_clock() -> None:
    client = client_of(slots=50)
    taken = []
    for seed in range(40):
        (url,) = urls(client, order(config={"seed": seed}))
        before = client.standin.clock.now()
        client.session.get(url)
        taken.append(client.standin.clock.now() - before)
    assert min(taken) >= 1
    assert max(taken) <= 3
    assert max(taken) - min(taken) > 1


def test_an_answer_says_how_long_the_call_took_on_the_clock() -> None:
    def slowly(model: bytes, garments: object, **options: object) -> bytes:
        client.standin.clock.sleep(1.25)  # type: ignore[attr-defined]
        return MODEL

    client = client_of(picture=slowly)
    submitted = client.submit().json()
    wait(client, 20)
    drawn = client.result(submitted["data"]["task_id"], return_url=False).json()
    assert [answer["time_elapsed"] for answer in (submitted, drawn)] == ["0.000000ms", "1250.000000ms"]
    refused = client.submit(order((SHIRT, "hat"))).json()
    assert (refused["code"], refused["time_elapsed"]) == (50215, "0.000000ms")


def test_several_candidates_are_several_pictures() -> None:
    client = client_of(candidates=3)
    found = urls(client)
    assert len({client.session.get(url).content for url in found}) == 3
    results = json.loads(client.data(client.standin.tasks[0].id)["resp_data"])["results"]
    assert len({result["inference_config"]["seed"] for result in results}) == 3


def test_a_task_that_fails_answers_400_with_its_code_on_the_result_call() -> None:
    client = fated(Fails(50511))
    task_id = client.task()
    assert client.data(task_id)["status"] == "in_queue"
    wait(client, 20)
    answer = client.result(task_id)
    assert (answer.status_code, answer.json()["code"]) == (400, 50511)
    assert answer.json()["data"]["status"] == "done"
    assert answer.json()["data"]["image_urls"] == []
    (task,) = client.standin.tasks
    assert (task.outcome, task.code) == ("failed", 50511)


def test_a_failed_task_may_answer_with_any_status() -> None:
    client = fated(Fails(50500, http=500))
    task_id = client.task()
    wait(client, 20)
    assert client.result(task_id).status_code == 500


def test_an_expired_task_frees_its_slot_and_stays_expired() -> None:
    client = fated(Expires(after=10))
    task_id = client.task()
    wait(client, 9)
    assert client.data(task_id)["status"] == "generating"
    wait(client, 1)
    assert client.data(task_id)["status"] == "expired"
    assert client.standin.tasks[0].outcome == "expired"
    client.task()
    wait(client, 20)
    assert client.data(task_id)["status"] == "expired"


def test_a_task_that_is_never_done_holds_its_slot_until_it_is_forgotten() -> None:
    client = fated(NeverDone())
    task_id = client.task()
    wait(client, 12 * HOUR - 1)
    assert client.data(task_id)["status"] == "generating"
    assert client.submit().json()["code"] == 50430
    wait(client, 2)
    assert client.data(task_id)["status"] == "not_found"
    assert client.standin.tasks[0].outcome == "forgotten"
    assert client.submit().json()["code"] == 10000


def test_a_task_can_be_hidden_for_its_first_polls() -> None:
    client = fated(HiddenAtFirst(polls=2))
    task_id = client.task()
    assert [client.data(task_id)["status"] for _ in range(3)] == ["not_found", "not_found", "in_queue"]


def test_a_task_can_be_hidden_for_its_first_seconds() -> None:
    client = fated(HiddenAtFirst(seconds=3))
    task_id = client.task()
    assert client.data(task_id)["status"] == "not_found"
    wait(client, 3)
    assert client.data(task_id)["status"] == "generating"


def test_a_done_task_may_have_no_candidate() -> None:
    client = fated(Candidates(0))
    task_id = client.task()
    wait(client, 20)
    data = client.data(task_id)
    assert (data["status"], data["image_urls"], data["binary_data_base64"]) == ("done", [], [])


def test_base64_can_come_although_addresses_were_asked_for() -> None:
    client = fated(InBase64(), Candidates(2))
    task_id = client.task()
    wait(client, 20)
    data = client.data(task_id)
    assert data["image_urls"] == []
    assert len(set(data["binary_data_base64"])) == 2


def test_resp_data_and_addresses_can_be_anything() -> None:
    client = fated(RespData("<none>"), Addresses(("http://169.254.169.254/latest",)))
    task_id = client.task()
    wait(client, 20)
    data = client.data(task_id)
    assert data["resp_data"] == "<none>"
    assert data["image_urls"] == ["http://169.254.169.254/latest"]


def test_one_task_can_be_given_its_own_latency() -> None:
    client = client_of(slots=2)
    client.standin.faults.add(Fault("task", Takes(5), task=2))
    client.task()
    client.task()
    assert [task.finished_at - START for task in client.standin.tasks] == [20, 5]


def test_a_latency_may_hang_on_the_task() -> None:
    client = client_of(slots=3, latency=lambda new: 10.0 * new.number + new.attempt)
    for garment in (SHIRT, TROUSERS, SHIRT):
        client.task(order((garment, "full")))
    assert [task.finished_at - START for task in client.standin.tasks] == [11, 21, 32]


def test_typical_latencies_lie_around_27_seconds_with_a_long_tail() -> None:
    latency = TypicalLatency(seed=1)
    drawn = [latency(NewTask(number, Combination("m", (), str(number)), 1)) for number in range(4000)]
    assert 26.8 < statistics.median(drawn) < 27.4
    late = sum(seconds > 27 + 4 * 2.5 for seconds in drawn) / len(drawn)
    assert 0.02 < late < 0.06
    assert max(drawn) > 80
    assert statistics.stdev(seconds for seconds in drawn if seconds < 35) == pytest.approx(2.6, abs=0.3)


def test_a_drawn_latency_does_not_hang_on_the_order_of_arrival() -> None:
    latency = TypicalLatency(seed=1)
    one = Combination("m", (), "{}")
    assert latency(NewTask(1, one, 1)) == latency(NewTask(9, one, 1))
    assert latency(NewTask(1, one, 1)) != latency(NewTask(2, one, 2))
    assert latency(NewTask(1, one, 1)) != TypicalLatency(seed=2)(NewTask(1, one, 1))
