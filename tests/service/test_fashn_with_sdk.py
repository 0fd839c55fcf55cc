"""The vendor's own package, unchanged, against FASHN's stand-in over real loopback sockets.

What the stand-in answers is what the package takes; and what the package does with a lost answer is why it is used in
tests only.
"""

import base64
import io
from collections.abc import Iterator
from typing import cast

import fashn
import pytest
import requests
from fashn.types.prediction_run_params import TryOnRequestInputs
from PIL import Image

from tests.doubles import HandClock
from tests.service.standin_client import picture
from tryon_local.service.fashn.standin import API_KEY, StandIn
from tryon_local.service.faults import Answer, Expires, Fails, Fault, Reset
from tryon_local.service.pixel import pixel
from tryon_local.service.server import Served, serve

SECONDS = 8.0
Credits = dict[str, dict[str, int]]


def address(colour: str) -> str:
    return "data:image/png;base64," + base64.b64encode(picture(colour)).decode()


INPUTS: TryOnRequestInputs = {"model_image": address("red"), "garment_image": address("blue"), "category": "tops"}


@pytest.fixture
def standin() -> StandIn:
    return StandIn(HandClock(running=True), picture=pixel, latency=lambda new: SECONDS)


@pytest.fixture
def served(standin: StandIn) -> Iterator[Served]:
    with serve(standin) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[fashn.Fashn]:
    with fashn.Fashn(api_key=API_KEY, base_url=served.url, max_retries=0) as client:
        yield client


def run(client: fashn.Fashn, **more: object) -> str:
    return client.predictions.run(model_name="tryon-v1.6", inputs=cast("TryOnRequestInputs", {**INPUTS, **more})).id


def name_of(error: fashn.APIStatusError) -> str:
    assert isinstance(error.body, dict)
    return str(error.body["error"])


def test_the_package_submits_polls_and_the_result_downloads(client: fashn.Fashn, standin: StandIn) -> None:
    task_id = run(client)
    seen = [client.predictions.status(task_id).status]
    for wait in (0.6, 2.4, 5.5):
        standin.clock.sleep(wait)
        seen.append(client.predictions.status(task_id).status)
    assert seen == ["starting", "in_queue", "processing", "completed"]
    answer = client.predictions.with_raw_response.status(task_id)
    assert answer.headers["x-fashn-credits-used"] == "1"
    output = answer.parse().output
    assert output is not None
    downloaded = requests.get(output[0], timeout=5)
    assert downloaded.headers["Content-Type"] == "image/png"
    assert downloaded.content.startswith(b"\x89PNG")
    assert standin.tasks[0].combination.garments[0][1] == "upper"


def test_several_samples_are_several_pictures_and_cost_as_much(client: fashn.Fashn, standin: StandIn) -> None:
    task_id = run(client, num_samples=3, output_format="jpeg")
    standin.clock.sleep(SECONDS)
    output = client.predictions.status(task_id).output
    assert output is not None
    assert len(set(output)) == 3
    data = requests.get(output[2], timeout=5).content
    with Image.open(io.BytesIO(data)) as drawn:
        assert drawn.format == "JPEG"
    assert standin.balance == 100_000 - 3


def test_results_in_base64_are_data_addresses(client: fashn.Fashn, standin: StandIn) -> None:
    task_id = run(client, return_base64=True)
    standin.clock.sleep(SECONDS)
    (text,) = client.predictions.status(task_id).output or []
    assert text.startswith("data:image/png;base64,")


def test_three_meanings_of_a_429(client: fashn.Fashn, standin: StandIn) -> None:
    standin.change(slots=1)
    run(client)
    with pytest.raises(fashn.RateLimitError) as busy:
        run(client)
    standin.change(slots=6, credits=1)
    with pytest.raises(fashn.RateLimitError) as poor:
        run(client)
    standin.change(credits=100.0, submits=(4, 60.0))
    run(client)
    with pytest.raises(fashn.RateLimitError) as fast:
        run(client)
    assert [name_of(error.value) for error in (busy, poor, fast)] == [
        "ConcurrencyLimitExceeded",
        "OutOfCredits",
        "RateLimitExceeded",
    ]
    standin.clock.sleep(60.1)
    run(client)


def test_questions_have_a_window_of_their_own(client: fashn.Fashn, standin: StandIn) -> None:
    standin.change(questions=(2, 10.0))
    task_id = run(client)
    for _ in range(2):
        client.predictions.status(task_id)
    with pytest.raises(fashn.RateLimitError):
        client.predictions.status(task_id)
    run(client)


def test_a_failed_task_costs_nothing(client: fashn.Fashn, standin: StandIn) -> None:
    standin.faults.add(Fault("task", Fails(50411)))
    task_id = run(client)
    standin.clock.sleep(SECONDS)
    status = client.predictions.status(task_id)
    assert (status.status, status.output) == ("failed", None)
    assert status.error is not None
    assert status.error.name == "ContentModerationError"
    assert standin.balance == 100_000


@pytest.mark.parametrize("address", ["https://example.com/model.jpg", "data:image/png;base64,bm8gcGljdHVyZQ=="])
def test_a_picture_that_cannot_be_loaded_ends_its_task(client: fashn.Fashn, standin: StandIn, address: str) -> None:
    task_id = run(client, model_image=address)
    standin.clock.sleep(SECONDS)
    error = client.predictions.status(task_id).error
    assert error is not None
    assert error.name == "ImageLoadError"


@pytest.mark.parametrize(
    "inputs", [{"category": "hats"}, {"num_samples": 5}, {"mask": "loose"}, {"model_image": None}, {"seed": -1}]
)
def test_inputs_that_do_not_fit_are_refused(client: fashn.Fashn, standin: StandIn, inputs: dict[str, object]) -> None:
    with pytest.raises(fashn.BadRequestError):
        run(client, **inputs)
    assert standin.tasks == ()


def test_another_model_and_another_task_are_not_found(client: fashn.Fashn) -> None:
    with pytest.raises(fashn.NotFoundError):
        client.predictions.run(model_name="tryon-max", inputs={"model_image": "x", "product_image": "y"})
    with pytest.raises(fashn.NotFoundError):
        client.predictions.status("nobody")


def test_a_wrong_key_is_refused(served: Served, standin: StandIn) -> None:
    with fashn.Fashn(api_key="fa-another-dummy", base_url=served.url, max_retries=0) as other:
        with pytest.raises(fashn.AuthenticationError):
            run(other)
        standin.rotate("fa-another-dummy")
        assert run(other)


def test_the_balance_is_what_is_left(client: fashn.Fashn, standin: StandIn) -> None:
    run(client, num_samples=2)
    assert client.get("/v1/credits", cast_to=Credits)["credits"]["total"] == 100_000
    standin.clock.sleep(SECONDS)
    assert client.get("/v1/credits", cast_to=Credits)["credits"]["total"] == 99_998


def test_a_task_is_forgotten(client: fashn.Fashn, standin: StandIn) -> None:
    standin.faults.add(Fault("task", Expires(after=100.0)))
    task_id = run(client)
    standin.clock.sleep(100.0)
    with pytest.raises(fashn.NotFoundError):
        client.predictions.status(task_id)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (50430, fashn.RateLimitError),
        (50500, fashn.InternalServerError),
        (100009, fashn.AuthenticationError),
        (50215, fashn.BadRequestError),
    ],
)
def test_a_fault_file_of_another_service_has_the_same_meaning_here(
    client: fashn.Fashn, standin: StandIn, code: int, kind: type[fashn.APIStatusError]
) -> None:
    standin.faults.add(Fault("submit", Answer(code), nth=(1,)))
    with pytest.raises(kind):
        run(client)
    assert run(client)


def test_the_package_pays_again_for_an_answer_that_was_lost(served: Served, standin: StandIn) -> None:
    standin.faults.add(Fault("submit", Reset(processed=True), nth=(1,)))
    with fashn.Fashn(api_key=API_KEY, base_url=served.url, max_retries=1) as client:
        run(client)
    assert len(standin.tasks) == 2
