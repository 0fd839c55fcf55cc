"""fal's adapter: what it sends, what it reads of an answer, where it asks."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.doubles import HandClock
from tests.service.contract.of_fal import API_KEYS as KEYS
from tests.service.contract.of_fal import COMPLETED, ID, receipt, said
from tests.service.contract.wire import Wire, wire
from tryon.parameters import GarmentType, ServiceParameters
from tryon.service import GarmentPicture, Submission, TryOnService, registry
from tryon.service import errors as e
from tryon.service.fal import words
from tryon.service.fal.parameters import GoogleParameters, KolorsParameters, LeffaParameters
from tryon.service.secret import ApiKey, Secret


class Same:
    """Keys that nobody changes."""

    def __call__(self) -> ApiKey:
        return KEYS

    def renew(self, refused: Secret) -> ApiKey:
        return KEYS


def sent(model: str, parameters: ServiceParameters, worn: GarmentType = "upper") -> Any:
    submission = Submission(b"\xff\xd8m", (GarmentPicture(b"\x89PNG g", worn),), parameters)
    return json.loads(words.submission_body(submission, model))


MODEL = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8m").decode()
GARMENT = "data:image/png;base64," + base64.b64encode(b"\x89PNG g").decode()


def test_each_model_is_sent_its_own_words() -> None:
    assert sent("kling-kolors", KolorsParameters()) == {"human_image_url": MODEL, "garment_image_url": GARMENT}
    assert sent("google", GoogleParameters(num_images=3)) == {
        "person_image_url": MODEL,
        "product_image_url": GARMENT,
        "num_images": 3,
    }
    assert sent("leffa", LeffaParameters(seed=7), "full") == {
        "human_image_url": MODEL,
        "garment_image_url": GARMENT,
        "garment_type": "dresses",
        "num_inference_steps": 50,
        "guidance_scale": 2.5,
        "seed": 7,
        "enable_safety_checker": True,
        "output_format": "png",
    }


def test_no_seed_is_sent_where_the_service_draws_one() -> None:
    assert "seed" not in sent("leffa", LeffaParameters())
    assert LeffaParameters().with_another_seed(3) == LeffaParameters()
    assert LeffaParameters(seed=2**32 - 1).with_another_seed(2).seed == 1


def test_a_task_makes_as_many_pictures_as_it_is_asked_for() -> None:
    assert [one.pictures for one in (KolorsParameters(), GoogleParameters(num_images=4), LeffaParameters())] == [
        1,
        4,
        1,
    ]
    assert {one.key: one.candidates for one in registry.models("fal")} == {
        "fal/kling-kolors": 1,
        "fal/google": 4,
        "fal/leffa": 1,
    }
    assert {one.account for one in registry.models("fal")} == {"fal"}


Client = tuple[Wire, TryOnService]
SUBMISSION = Submission(b"\xff\xd8m", (GarmentPicture(b"\x89PNG g", "upper"),), LeffaParameters())


@pytest.fixture
def client() -> Iterator[Client]:
    with wire() as server, requests.Session() as session:
        yield (
            server,
            registry.build(
                registry.find("fal/leffa"),
                session,
                credentials=Same(),
                clock=HandClock(1_790_000_000.0, patient=False),
                endpoint=server.endpoint,
                options={"api_endpoint": server.endpoint},
            ),
        )


def test_the_path_that_the_queue_names_is_asked_and_the_key_goes_with_it(client: Client) -> None:
    server, service = client
    path = f"fal-ai/leffa-next/v2/requests/{ID}"
    server.say(said({"request_id": ID, "response_url": f"{server.endpoint}/{path}"}))
    submitted = service.submit(SUBMISSION)
    assert submitted.oddity == ""
    server.say(COMPLETED, said({"image": {"url": "https://v3.fal.media/one.png"}}))
    service.result(submitted.task_id)
    assert [request.path for request in server.came] == [
        "/fal-ai/leffa/virtual-tryon",
        f"/{path}/status",
        f"/{path}",
    ]
    assert {request.headers["authorization"] for request in server.came} == {f"Key {KEYS.api_key}"}


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/fal-ai/leffa/requests/" + ID,
        "http://127.0.0.1:1/fal-ai/leffa/requests/" + ID,
        "{own}/admin",
        "{own}/fal-ai/leffa/../../requests/" + ID,
        "{own}/fal-ai/leffa/requests/another-id",
        "//[",
    ],
)
def test_an_address_that_leads_elsewhere_costs_nothing_and_is_counted(client: Client, address: str) -> None:
    server, service = client
    server.say(said({"request_id": ID, "response_url": address.format(own=server.endpoint)}))
    submitted = service.submit(SUBMISSION)
    assert submitted.task_id == f"fal-ai:leffa:requests:{ID}"
    assert submitted.oddity == "ForeignAddress"


def test_a_receipt_without_addresses_is_whole(client: Client) -> None:
    server, service = client
    server.say(said({"request_id": ID, "error": "slow today"}, 500))
    submitted = service.submit(SUBMISSION)
    assert (submitted.task_id, submitted.oddity) == (f"fal-ai:leffa:requests:{ID}", "")


def test_the_free_question_names_the_model_and_says_when_it_is_gone(client: Client) -> None:
    server, service = client
    server.say(said({"prices": [{"endpoint_id": "fal-ai/another"}]}))
    with pytest.raises(e.ServiceAccessError, match="fal-ai/leffa/virtual-tryon: it may be retired"):
        service.check()
    assert server.came[0].path == "/v1/models/pricing?endpoint_id=fal-ai%2Fleffa%2Fvirtual-tryon"


def test_a_refusal_says_the_models_own_reason() -> None:
    body = {"detail": [{"loc": ["body"], "msg": "The content was flagged.", "type": "content_policy_violation"}]}
    with pytest.raises(e.InputRefusedError, match="content_policy_violation, The content was flagged") as caught:
        words.read_result_answer(422, {}, json.dumps(body).encode(), now=0.0)
    assert caught.value.code == "content_policy_violation"


def test_what_broke_outside_of_the_model_is_named_by_a_header_too() -> None:
    with pytest.raises(e.TaskFailedError, match="startup_timeout"):
        words.read_result_answer(504, {"X-Fal-Error-Type": "startup_timeout"}, b"", now=0.0)


def test_a_runner_that_failed_is_an_end_that_needs_no_second_question(client: Client) -> None:
    server, service = client
    server.say(said({"status": "COMPLETED", "error": "words", "error_type": "runner_server_error"}))
    with pytest.raises(e.TaskFailedError, match="runner_server_error, words"):
        service.result(f"fal-ai:leffa:requests:{ID}")
    assert len(server.came) == 1


def test_each_candidate_keeps_its_number() -> None:
    images = [{"url": "https://v3.fal.media/0.png"}, 7, {"url": None}, {"url": "https://v3.fal.media/3.png"}]
    result = words.read_result_answer(200, {}, json.dumps({"images": images, "seed": 5}).encode(), now=0.0)
    assert [one.url for one in result.candidates] == [
        "https://v3.fal.media/0.png",
        None,
        None,
        "https://v3.fal.media/3.png",
    ]
    assert result.candidates[0].seed == 5


def test_a_receipt_of_another_host_names_the_usual_place() -> None:
    read = words.read_submit_answer(200, {}, receipt("google").body, model="google", host="127.0.0.1:9", now=0.0)
    assert read.task_id == f"google:virtual-try-on:requests:{ID}"
