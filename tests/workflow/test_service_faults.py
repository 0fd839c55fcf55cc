"""docs/reliability.md says what each service's faults come to; fal's three models share an account and a queue."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.service_faults import KEYS, SERVICE_FAULTS, Stage, stage, written
from tests.workflow.pipeline import Ended, manifest
from tryon.service.fal.capabilities import MODEL_IDS

SAMPLED = (
    "submit: 500, once",
    "submit: silence, task made",
    "submit: input refused",
    "task: result refused by the service",
    "task: done after the deadline",
)
"""A few of the lines, chosen so that the services differ in most; the script plays them all."""

MODELS = {
    "a": {"service": "fal/kling-kolors"},
    "b": {"service": "fal/google", "num_images": 2},
    "c": {"service": "fal/leffa"},
}


@pytest.fixture(scope="module")
def found() -> Iterator[Stage]:
    with stage() as found:
        yield found


def test_the_page_has_a_line_for_every_fault_of_a_service() -> None:
    assert list(written()) == list(SERVICE_FAULTS)
    assert {len(outcomes) for outcomes in written().values()} == {len(KEYS)}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("fault", SAMPLED)
def test_a_line_of_the_page_is_what_happens(found: Stage, fault: str, key: str) -> None:
    assert str(found.play(key, fault)) == written()[fault][KEYS.index(key)]


def run(found: Stage, **more: Any) -> Ended:
    return found.pipeline.run(manifest(1, 1, **more))


def test_three_models_share_an_account_and_have_a_price_each(found: Stage) -> None:
    ended = run(found, variants=MODELS)
    assert (ended.status, len(ended.results)) == ("SUCCEEDED", 4)
    assert Counter(entry.service for entry in ended.entries) == Counter(f"fal/{model}" for model in MODEL_IDS)
    assert found.standins["fal"].most_running <= 2
    assert ended.summary is not None
    costs = {one["service"]: one["cost"] for one in ended.summary["cost"]["services"]}
    assert costs == {"fal/kling-kolors": 0.07, "fal/google": 0.15, "fal/leffa": 0.1}


def test_a_receipt_that_names_another_host_costs_nothing_and_is_counted(
    found: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    fal = found.standins["fal"]
    capsys.readouterr()
    fal.change(address_host="https://elsewhere.example.com")
    try:
        ended = run(found, service="fal/leffa")
    finally:
        fal.change(address_host="")
    assert (ended.status, len(ended.results)) == ("SUCCEEDED", 1)
    assert '"ForeignAddress":[1' in capsys.readouterr().out.replace(" ", "")


def test_a_retired_model_is_named_before_anything_is_paid(found: Stage) -> None:
    fal, before = found.standins["fal"], found.made()
    fal.change(retired=(MODEL_IDS["google"],))
    try:
        ended = run(found, variants=MODELS)
    finally:
        fal.change(retired=())
    assert ended.status == "FAILED"
    assert MODEL_IDS["google"] in json.dumps(ended.item)
    assert found.made() == before
