"""The vendor's own package, unchanged but for the address that it hard-codes, against fal's stand-in over sockets."""

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import fal_client
import pytest
import requests
from PIL import Image

from tests.doubles import HandClock
from tests.service.standin_client import picture
from tryon.service.fal.capabilities import MODEL_IDS
from tryon_local.service.fal.standin import API_KEY, StandIn
from tryon_local.service.faults import Answer, Expires, Fails, Fault, Reset
from tryon_local.service.pixel import pixel
from tryon_local.service.server import Served, serve

SECONDS = 20.0


def address(colour: str) -> str:
    return "data:image/png;base64," + base64.b64encode(picture(colour)).decode()


PERSON, GARMENT = address("red"), address("blue")
INPUTS: dict[str, dict[str, Any]] = {
    "kling-kolors": {"human_image_url": PERSON, "garment_image_url": GARMENT},
    "google": {"person_image_url": PERSON, "product_image_url": GARMENT},
    "leffa": {"human_image_url": PERSON, "garment_image_url": GARMENT, "garment_type": "dresses"},
}


@pytest.fixture
def standin() -> StandIn:
    return StandIn(HandClock(running=True), picture=pixel, latency=lambda new: SECONDS, slots=2)


@pytest.fixture
def served(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serve(standin) as served:
        monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"{served.url}/")
        # What it waits between two of its ten tries is no part of what is looked at.
        monkeypatch.setattr("fal_client.client._get_retry_delay", lambda *_: 0.0)
        yield served


@pytest.fixture
def client(served: Served) -> fal_client.SyncClient:
    return fal_client.SyncClient(key=API_KEY)


def submit(client: fal_client.SyncClient, model: str = "leffa", **more: object) -> fal_client.SyncRequestHandle:
    return client.submit(MODEL_IDS[model], INPUTS[model] | more)


def get(handle: fal_client.SyncRequestHandle) -> Any:
    return handle.get(interval=0.0)


def test_the_models_are_those_of_the_adapter() -> None:
    from tryon_local.service.fal.protocol import MODELS

    assert set(MODELS) == set(MODEL_IDS.values())
    assert MODEL_IDS == {
        "kling-kolors": "fal-ai/kling/v1-5/kolors-virtual-try-on",
        "google": "google/virtual-try-on",
        "leffa": "fal-ai/leffa/virtual-tryon",
    }


@pytest.mark.parametrize("model", MODEL_IDS)
def test_the_package_submits_polls_and_the_result_downloads(
    client: fal_client.SyncClient, standin: StandIn, model: str
) -> None:
    handle = submit(client, model)
    owner, alias = MODEL_IDS[model].split("/")[:2]
    assert re.fullmatch(rf"http://127.0.0.1:\d+/{owner}/{alias}/requests/{handle.request_id}", handle.response_url)
    seen = [handle.status()]
    for wait in (3.0, 17.5):
        standin.clock.sleep(wait)
        seen.append(handle.status())
    assert [type(status) for status in seen] == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]
    result = get(handle)
    image = result["images"][0] if model == "google" else result["image"]
    assert requests.get(image["url"], timeout=5).content.startswith(b"\x89PNG")


def test_what_is_over_the_limit_waits_in_the_queue(client: fal_client.SyncClient, standin: StandIn) -> None:
    handles = [submit(client, human_image_url=address(colour)) for colour in ("red", "green", "blue", "black")]
    standin.clock.sleep(3.0)
    assert isinstance(handles[1].status(), fal_client.InProgress)
    assert [handle.status() for handle in handles[2:]] == [fal_client.Queued(0), fal_client.Queued(1)]
    standin.clock.sleep(SECONDS)
    assert isinstance(handles[0].status(), fal_client.Completed)
    assert isinstance(handles[3].status(), fal_client.InProgress)
    standin.clock.sleep(SECONDS)
    assert isinstance(handles[3].status(), fal_client.Completed)


def test_several_pictures_and_their_format(client: fal_client.SyncClient, standin: StandIn) -> None:
    several, jpeg = submit(client, "google", num_images=3), submit(client, output_format="jpeg")
    standin.clock.sleep(SECONDS)
    assert len({image["url"] for image in get(several)["images"]}) == 3
    with Image.open(io.BytesIO(requests.get(get(jpeg)["image"]["url"], timeout=5).content)) as drawn:
        assert drawn.format == "JPEG"


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        call()
    detail = caught.value.response.json()["detail"]
    return caught.value.status_code, detail[0]["type"] if isinstance(detail, list) else ""


def test_each_refusal_is_one_that_the_package_takes(client: fal_client.SyncClient, standin: StandIn) -> None:
    assert refused(lambda: submit(client, garment_type="hats")) == (422, "literal_error")
    assert refused(lambda: submit(client, mask="loose")) == (422, "extra_forbidden")
    assert refused(lambda: client.submit("fal-ai/nobody", {}))[0] == 404
    standin.change(retired=(MODEL_IDS["leffa"],))
    assert refused(lambda: submit(client))[0] == 404
    standin.change(retired=(), locked=True)
    assert refused(lambda: submit(client))[0] == 403
    standin.change(locked=False)
    standin.rotate("another-dummy:key")
    assert refused(lambda: submit(client))[0] == 401
    assert standin.tasks == ()


def test_a_model_says_in_its_result_why_it_failed(client: fal_client.SyncClient, standin: StandIn) -> None:
    standin.faults.add(Fault("task", Fails(50411), task=1), Fault("task", Fails(50500), task=2))
    moderated, broken, unread = submit(client), submit(client), submit(client, human_image_url="https://example.com/a")
    standin.clock.sleep(2 * SECONDS)
    assert refused(lambda: get(moderated)) == (422, "content_policy_violation")
    assert refused(lambda: get(broken)) == (500, "internal_server_error")
    assert refused(lambda: get(unread)) == (422, "image_load_error")


def test_a_task_is_asked_for_at_its_own_address_until_it_is_forgotten(
    client: fal_client.SyncClient, standin: StandIn
) -> None:
    standin.faults.add(Fault("task", Expires(after=100.0)))
    handle = submit(client)
    other = client.get_handle(MODEL_IDS["google"], handle.request_id)
    assert refused(other.status)[0] == 404
    assert client.get_handle(MODEL_IDS["leffa"], handle.request_id).status() == handle.status()
    standin.clock.sleep(100.0)
    assert refused(handle.status)[0] == 404


def test_prices_are_asked_for_with_the_key(served: Served, standin: StandIn) -> None:
    def ask(key: str) -> requests.Response:
        asked = f"{served.url}/v1/models/pricing?endpoint_id={MODEL_IDS['google']},nobody"
        return requests.get(asked, headers={"Authorization": f"Key {key}"}, timeout=5)

    assert [price["endpoint_id"] for price in ask(API_KEY).json()["prices"]] == [MODEL_IDS["google"]]
    assert ask("x").status_code == 401


def test_a_fault_file_of_another_service_has_the_same_meaning_here(
    client: fal_client.SyncClient, standin: StandIn
) -> None:
    for code, status in ((50500, 500), (100009, 401), (50411, 422)):
        standin.faults.add(Fault("submit", Answer(code), nth=(1,)))
        assert refused(lambda: submit(client))[0] == status
        standin.faults.clear()


def test_the_package_pays_ten_times_for_answers_that_were_lost(client: fal_client.SyncClient, standin: StandIn) -> None:
    standin.faults.add(Fault("submit", Reset(processed=True)))
    with pytest.raises(Exception, match=r".*"):
        submit(client)
    assert len(standin.tasks) == 10
