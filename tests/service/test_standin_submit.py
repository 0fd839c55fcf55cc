import base64
import io
import json
import zlib
from hashlib import sha256
from typing import Any

import pytest
from PIL import Image

from tests.doubles import HandClock
from tests.service.standin_client import (
    HOST,
    MODEL,
    REQ_KEY,
    SHIRT,
    START,
    TROUSERS,
    Client,
    order,
    picture,
    signed_headers,
)
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn


@pytest.fixture
def client() -> Client:
    return Client(StandIn(HandClock(START), picture=pixel, requests_per_second=None, slots=100))


def refusal(client: Client, body: dict[str, Any]) -> tuple[int, int]:
    answer = client.submit(body)
    content = answer.json()
    assert content["data"] is None
    assert content["status"] == content["code"]
    assert client.standin.tasks == ()
    return answer.status_code, content["code"]


def test_a_task_is_made_and_remembered_with_what_was_asked(client: Client) -> None:
    config = {"do_sr": True, "tight_mask": "bbox", "seed": 7}
    answer = client.submit(order((SHIRT, "upper"), (TROUSERS, "bottom"), config=config)).json()
    assert answer["code"] == 10000
    assert answer["message"] == "Success"
    assert answer["request_id"]
    (task,) = client.standin.tasks
    assert answer["data"] == {"task_id": task.id}
    assert task.combination.model == sha256(MODEL).hexdigest()
    assert task.combination.garments == (
        (sha256(SHIRT).hexdigest(), "upper"),
        (sha256(TROUSERS).hexdigest(), "bottom"),
    )
    assert task.submitted_at == client.standin.clock.now()
    assert dict(task.parameters) == {
        "do_sr": True,
        "keep_head": True,
        "keep_hand": False,
        "keep_foot": False,
        "keep_upper": False,
        "keep_lower": False,
        "tight_mask": "bbox",
        "seed": 7,
        "num_steps": 16,
        "p_bbox_iou_ratio": 0.3,
        "p_bbox_expand_ratio": 1.1,
        "max_process_side_length": 1920,
    }


def test_every_task_counts_as_a_payment_for_its_combination(client: Client) -> None:
    for garment in (SHIRT, SHIRT, TROUSERS):
        client.task(order((garment, "full")))
    assert sorted(client.standin.payments.values()) == [1, 2]
    assert [(task.number, task.attempt) for task in client.standin.tasks] == [(1, 1), (2, 2), (3, 1)]


@pytest.mark.parametrize("kind", ["upper", "bottom", "full"])
def test_each_garment_type_of_the_service_passes(client: Client, kind: str) -> None:
    assert client.submit(order((SHIRT, kind))).json()["code"] == 10000


@pytest.mark.parametrize("kind", ["lower", "Upper", "", "dress"])
def test_other_garment_types_are_refused(client: Client, kind: str) -> None:
    assert refusal(client, order((SHIRT, kind))) == (400, 50215)


def test_a_garment_without_a_type_is_refused(client: Client) -> None:
    assert refusal(client, order(garment={"data": [{}]})) == (400, 50215)


@pytest.mark.parametrize(
    "config",
    [
        {"num_steps": 7},
        {"num_steps": 51},
        {"num_steps": 16.5},
        {"p_bbox_iou_ratio": -0.1},
        {"p_bbox_iou_ratio": 1.1},
        {"p_bbox_expand_ratio": 0.9},
        {"p_bbox_expand_ratio": 1.6},
        {"max_process_side_length": 1079},
        {"max_process_side_length": 4097},
        {"tight_mask": "lose"},
        {"do_sr": "true"},
        {"seed": "1"},
        {"keep_hands": True},
    ],
    ids=str,
)
def test_parameters_out_of_range_or_unknown_are_refused(client: Client, config: dict[str, Any]) -> None:
    assert refusal(client, order(config=config)) == (400, 50215)


@pytest.mark.parametrize(
    "config",
    [
        {"num_steps": 8},
        {"num_steps": 50},
        {"p_bbox_iou_ratio": 0},
        {"p_bbox_iou_ratio": 1.0},
        {"p_bbox_expand_ratio": 1},
        {"p_bbox_expand_ratio": 1.5},
        {"max_process_side_length": 1080},
        {"max_process_side_length": 4096},
    ],
    ids=str,
)
def test_parameters_at_the_ends_of_their_ranges_pass(client: Client, config: dict[str, Any]) -> None:
    assert client.submit(order(config=config)).json()["code"] == 10000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_pictures_must_be_the_model_and_each_garment(client: Client, count: int) -> None:
    pictures = [base64.b64encode(SHIRT).decode()] * count
    assert refusal(client, order(binary_data_base64=pictures)) == (400, 50215)


def test_three_garments_are_refused(client: Client) -> None:
    assert refusal(client, order(*[(SHIRT, "upper")] * 3)) == (400, 50215)


def test_addresses_instead_of_pictures_cannot_be_fetched(client: Client) -> None:
    assert refusal(client, order(req_image_store_type=1)) == (400, 50220)
    garment = {"type": "upper", "url": "https://pictures.test/shirt.png"}
    named = {"model": {"url": "https://pictures.test/anna.png"}, "garment": {"data": [garment]}}
    body = {"req_key": REQ_KEY, "req_image_store_type": 1, **named}
    assert refusal(client, body) == (400, 50220)
    del body["req_image_store_type"]
    assert refusal(client, body) == (400, 50220)


def test_a_mask_by_address_cannot_be_fetched_and_is_not_ignored(client: Client) -> None:
    masked = {"protect_mask_url": "https://pictures.test/mask.png"}
    assert refusal(client, order() | {"model": masked}) == (400, 50220)
    assert client.submit(order() | {"model": {"url": "", "protect_mask_url": ""}}).json()["code"] == 10000


def test_addresses_are_what_the_service_expects_when_nothing_is_said(client: Client) -> None:
    body = order()
    del body["req_image_store_type"]
    assert refusal(client, body) == (400, 50220)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + base64.b64encode(MODEL).decode(),
        "not base64!",
        base64.encodebytes(MODEL).decode(),
        "YWJj",
        "",
    ],
    ids=["data address", "no base64", "base64 in lines", "no picture", "nothing"],
)
def test_what_is_no_base64_of_a_picture_cannot_be_decoded(client: Client, text: str) -> None:
    shirt = base64.b64encode(SHIRT).decode()
    assert refusal(client, order(binary_data_base64=[text, shirt])) == (400, 50207)


@pytest.mark.parametrize("form", ["WEBP", "GIF", "BMP"])
def test_other_formats_than_jpeg_and_png_cannot_be_decoded(client: Client, form: str) -> None:
    assert refusal(client, order(model=picture("red", form))) == (400, 50207)
    assert refusal(client, order((picture("red", form), "upper"))) == (400, 50207)


def test_jpeg_passes(client: Client) -> None:
    assert client.submit(order(model=picture("red", "JPEG"))).json()["code"] == 10000


def test_a_picture_cut_short_cannot_be_decoded(client: Client) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    assert refusal(client, order(model=buffer.getvalue()[:-200])) == (400, 50207)


def test_a_picture_of_five_megabytes_is_too_large_and_one_byte_less_is_not(client: Client) -> None:
    largest = MODEL + b"\0" * (4_999_999 - len(MODEL))
    assert refusal(client, order(model=largest + b"\0")) == (400, 50205)
    assert client.submit(order(model=largest)).json()["code"] == 10000


def test_a_picture_with_a_side_of_4096_is_too_large_and_one_pixel_less_is_not(client: Client) -> None:
    assert refusal(client, order(model=picture("red", size=(1, 4096)))) == (400, 50205)
    assert refusal(client, order((picture("red", size=(4096, 1)), "upper"))) == (400, 50205)
    assert client.submit(order(model=picture("red", size=(4095, 4095)))).json()["code"] == 10000


def test_a_picture_too_large_to_open_is_too_large(client: Client) -> None:
    # A header that claims 20,000 pixels a side.
    claimed = bytearray(MODEL)
    claimed[16:24] = (20_000).to_bytes(4) * 2
    claimed[29:33] = zlib.crc32(claimed[12:29]).to_bytes(4)
    assert refusal(client, order(model=bytes(claimed))) == (400, 50205)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"], ids=repr)
def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    answer = client.post("CVSubmitTask", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 50215)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_that_is_not_sent_as_json_is_refused(client: Client, kind: str) -> None:
    answer = client.submit(extra={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, 50215)
    assert client.standin.tasks == ()


def test_json_may_be_sent_with_its_character_set(client: Client) -> None:
    assert client.submit(extra={"Content-Type": "Application/JSON; charset=utf-8"}).json()["code"] == 10000


@pytest.mark.parametrize("req_key", ["dressing_diffusion", "", None, 7])
def test_another_req_key_has_no_access(client: Client, req_key: object) -> None:
    assert refusal(client, order(req_key=req_key)) == (401, 50400)


def test_a_service_that_is_not_activated_gives_no_access(client: Client) -> None:
    client.standin.change(activated=False)
    assert refusal(client, order()) == (401, 50400)


def test_another_action_or_version_has_no_access(client: Client) -> None:
    body = json.dumps(order()).encode()
    for action, version in (("CVProcess", "2022-08-31"), ("CVSubmitTask", "2020-08-26"), ("", "2022-08-31")):
        answer = client.post(action, body, version=version)
        assert (answer.status_code, answer.json()["code"]) == (401, 50400), (action, version)
    assert client.standin.tasks == ()


def test_another_method_or_path_has_no_access(client: Client) -> None:
    headers = signed_headers(b"", action="CVSubmitTask", at=client.standin.clock.now())
    address = f"https://{HOST}/elsewhere?Action=CVSubmitTask&Version=2022-08-31"
    # Signed for "/" and POST: the signature is refused first.
    assert client.session.get(address, headers=headers).status_code == 401


def test_the_same_orders_give_the_same_ids_seeds_and_latencies() -> None:
    def run() -> list[object]:
        client = Client(StandIn(HandClock(START), picture=pixel, requests_per_second=None, slots=9, seed=3))
        for garment in (SHIRT, TROUSERS, SHIRT):
            client.task(order((garment, "full")))
        return [(task.id, task.finished_at) for task in client.standin.tasks]

    assert run() == run()
    assert len({REQ_KEY, *map(str, run())}) == 4
