"""FASHN's adapter: what it sends, what it reads of an answer, and that both are the vendor's own words."""

import base64
import json
from typing import Any, get_args, get_type_hints

import pytest
from fashn.types import prediction_run_params, prediction_status_response

from tryon.parameters import GarmentType
from tryon.service import Balance, GarmentPicture, Submission, TaskStatus, registry
from tryon.service import errors as e
from tryon.service.fashn import words
from tryon.service.fashn.parameters import Parameters

INPUTS = get_type_hints(prediction_run_params.TryOnRequestInputs)
"""The vendor's own types of the model's inputs."""

OURS = {"model_image", "garment_image", "category", "return_base64"}


def sent(parameters: Parameters | None = None, worn: GarmentType = "upper", model: bytes = b"\xff\xd8m") -> Any:
    submission = Submission(model, (GarmentPicture(b"\x89PNG g", worn),), parameters or Parameters())
    return json.loads(words.submission_body(submission, "tryon-v1.6"))


def read(body: Any, **headers: str) -> Any:
    return words.read_status_answer(200, headers, json.dumps(body).encode(), now=0.0)


def done(output: Any, **headers: str) -> Any:
    return read({"id": "x", "status": "completed", "output": output, "error": None}, **headers)


def test_every_input_is_one_that_the_vendor_types() -> None:
    assert sent()["inputs"].keys() == INPUTS.keys() - {"webhook_url"}
    assert Parameters.model_fields.keys() == INPUTS.keys() - OURS


@pytest.mark.parametrize("name", ["mode", "garment_photo_type", "moderation_level", "output_format"])
def test_the_values_are_the_vendors(name: str) -> None:
    assert set(get_args(Parameters.model_fields[name].annotation)) == set(get_args(INPUTS[name]))


def test_numbers_and_switches_have_the_vendors_types() -> None:
    for name in ("num_samples", "seed", "segmentation_free"):
        assert Parameters.model_fields[name].annotation is INPUTS[name]


def test_states_and_errors_are_those_that_the_vendor_types() -> None:
    states = get_args(prediction_status_response.PredictionStatusResponse.model_fields["status"].annotation)
    assert words.STATES.keys() | words.ENDS == set(states)
    assert words.TASK_ERRORS.keys() == set(get_args(prediction_status_response.Error.model_fields["name"].annotation))


def test_the_model_is_one_that_the_vendor_types() -> None:
    (model,) = get_args(
        get_args(get_type_hints(prediction_run_params.TryOnRequest, include_extras=True)["model_name"])[0]
    )
    assert model == registry.find("fashn").model == "tryon-v1.6"


@pytest.mark.parametrize(("worn", "category"), [("upper", "tops"), ("lower", "bottoms"), ("full", "one-pieces")])
def test_the_garments_type_is_always_sent(worn: GarmentType, category: str) -> None:
    assert sent(worn=worn)["inputs"]["category"] == category
    assert category in get_args(INPUTS["category"])


def test_pictures_leave_as_data_addresses_of_their_own_format() -> None:
    large = bytes(range(256)) * 1000
    inputs = sent(model=b"\xff\xd8" + large)["inputs"]
    head, data = inputs["model_image"].split(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data, validate=True) == b"\xff\xd8" + large
    assert inputs["garment_image"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG g").decode()


def test_results_are_asked_for_by_address_since_bytes_are_kept_for_an_hour_only() -> None:
    assert sent()["inputs"]["return_base64"] is False


def test_all_parameters_arrive() -> None:
    own = Parameters(
        mode="quality",
        garment_photo_type="flat-lay",
        moderation_level="conservative",
        num_samples=3,
        seed=7,
        segmentation_free=False,
        output_format="jpeg",
    )
    assert own.model_dump().items() <= sent(own)["inputs"].items()
    assert own.pictures == 3
    assert own.with_another_seed(2).seed == 9
    assert Parameters(seed=2**32 - 1).with_another_seed(1).seed == 0


def test_an_id_beside_an_error_is_kept() -> None:
    body = json.dumps({"id": "abc-1", "error": "slow"}).encode()
    assert words.read_submit_answer(500, {}, body, now=0.0).task_id == "abc-1"


def test_the_pause_that_a_429_asks_for_is_kept_and_bounded() -> None:
    body = json.dumps({"error": "RateLimitExceeded", "message": "m"}).encode()
    for asked, kept in (("7", 7.0), ("86400", 300.0)):
        with pytest.raises(e.ServiceThrottledError) as caught:
            words.read_submit_answer(429, {"Retry-After": asked}, body, now=0.0)
        assert caught.value.retry_after == kept


def test_what_was_billed_is_what_the_answer_says() -> None:
    assert done(["https://cdn.fashn.ai/a.png"], **{"X-Fashn-Credits-Used": "3"}).billed == 3.0
    for odd in ("", "many", "-1", "nan"):
        assert done(["https://cdn.fashn.ai/a.png"], **{"x-fashn-credits-used": odd}).billed is None
    assert done(["https://cdn.fashn.ai/a.png"]).billed is None


def test_every_sample_is_a_candidate_and_keeps_its_number() -> None:
    png = base64.b64encode(b"png").decode()
    found = done(
        ["https://cdn.fashn.ai/0.png", 7, f"data:image/png;base64,{png}", "data:image/png;base64,%%"]
    ).candidates
    assert [(one.url, one.data) for one in found] == [
        ("https://cdn.fashn.ai/0.png", None),
        (None, None),
        (None, b"png"),
        (None, None),
    ]
    assert len(done(["https://cdn.fashn.ai/0.png"] * 40).candidates) == 16


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("starting", TaskStatus.IN_QUEUE),
        ("in_queue", TaskStatus.IN_QUEUE),
        (" Processing ", TaskStatus.GENERATING),
    ],
)
def test_each_state_has_its_place(word: str, status: TaskStatus) -> None:
    assert read({"id": "x", "status": word}).status is status


def test_the_balance_is_the_total() -> None:
    body = json.dumps({"credits": {"total": 112, "subscription": 100, "on_demand": 12}}).encode()
    assert words.read_credits_answer(200, {}, body, now=0.0) == Balance(112.0)
    assert words.read_credits_answer(200, {}, b'{"credits": {"left": 3}}', now=0.0) is None


def test_out_of_credits_is_no_pause_for_a_question() -> None:
    body = json.dumps({"error": "OutOfCredits", "message": "m"}).encode()
    with pytest.raises(e.ServiceUnavailableError):
        words.read_status_answer(429, {}, body, now=0.0)
