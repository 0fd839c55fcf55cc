"""Faults that a person writes into a file."""

import dataclasses
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.doubles import HandClock
from tests.service.standin_client import SHIRT, START, Client, order
from tryon.pictures.images import prepare
from tryon_local.service.faults import Answer, Fate, Fault, FaultFileError, FaultPlan, Wire, read_faults
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

SAMPLES = Path(__file__).parents[2] / "samples"
ONE_GARMENT = SAMPLES / "faults-one-garment.json"


def sent(image: str) -> bytes:
    """A sample picture as the service gets it."""
    return prepare((SAMPLES / image).read_bytes(), name=image).data


def test_the_sample_names_one_garment_of_the_sample_manifest_by_the_picture_that_is_there_now() -> None:
    manifest = json.loads((SAMPLES / "manifest.json").read_text())
    (fault,) = read_faults(ONE_GARMENT)
    struck = [
        garment["id"] for garment in manifest["garments"] if sha256(sent(garment["image"])).hexdigest() == fault.image
    ]
    assert struck == ["denim-jacket"]


def test_the_sample_refuses_that_garment_to_both_models_every_time_and_nobody_pays() -> None:
    faults = FaultPlan(*read_faults(ONE_GARMENT))
    client = Client(StandIn(HandClock(START), picture=pixel, requests_per_second=None, slots=99, faults=faults))
    models = [sent(f"inputs/models/{name}.jpg") for name in ("anna", "maya")]
    jacket = (sent("inputs/garments/denim-jacket.jpg"), "upper")
    for model in models * 2:
        assert client.submit(order(jacket, model=model)).json()["code"] == 50411
    assert client.standin.tasks == ()
    assert [client.submit(order((SHIRT, "upper"), model=model)).json()["code"] for model in models] == [10000, 10000]


def written(folder: Path, plan: Any) -> Path:
    path = folder / "plan.json"
    path.write_bytes(plan if isinstance(plan, bytes) else json.dumps(plan).encode())
    return path


def test_a_file_is_read_into_the_faults_that_post_would_add(tmp_path: Path) -> None:
    plan = [
        {"call": "submit", "image": "ab" * 32, "nth": [1], "action": {"type": "answer", "code": 50500}},
        {"call": "submit", "action": {"type": "answer", "code": 50411}},
    ]
    path = written(tmp_path, plan)
    assert read_faults(path) == (
        Fault("submit", Answer(50500), nth=(1,), image="ab" * 32),
        Fault("submit", Answer(50411)),
    )
    client = Client(StandIn(HandClock(START), picture=pixel))
    client.session.post("https://standin.test/_standin/faults", data=path.read_bytes())
    assert client.standin.faults.faults == read_faults(path)


ACTION = {"type": "reset"}


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (b"[", "is not JSON"),
        (b"\xff", "is not JSON"),
        ({"call": "result", "action": ACTION}, "is not a list of faults"),
        (["late"], "[0]: "),
        ([{"action": ACTION}], "[0].call: "),
        ([{"call": "result", "action": ACTION}, {"call": "polls", "action": ACTION}], "[1].call: "),
        ([{"call": "result"}], "[0].action: "),
        ([{"call": "result", "action": {"type": "explode"}}], "[0].action: "),
        ([{"call": "result", "action": {"type": "answer"}}], "[0].action.code: "),
        ([{"call": "result", "action": {"type": "answer", "code": "x"}}], "[0].action.code: "),
        ([{"call": "result", "action": {"type": "reset", "often": 1}}], "[0].action.often: "),
        ([{"call": "result", "acton": ACTION, "action": ACTION}], "[0].acton: "),
        ([{"call": "result", "nth": [1, "two"], "action": ACTION}], "[0].nth[1]: "),
        ([{"call": "result", "chance": 2, "action": ACTION}], "[0].chance: "),
        ([{"call": "submit", "image": "shirt.jpg", "action": ACTION}], "[0].image: "),
        ([{"call": "submit", "action": {"type": "fails", "code": 1}}], "[0]: 'fails' cannot happen to a submit"),
        (
            [{"call": "submit", "action": {"type": "reset", "processed": True, "unread": True}}],
            "[0].action: an unread request",
        ),
    ],
    ids=str,
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, plan: Any, named: str) -> None:
    path = written(tmp_path, plan)
    with pytest.raises(FaultFileError) as caught:
        read_faults(path)
    assert str(caught.value).startswith(f"{path}: {named}" if named.startswith("[") else f"{path} {named}")


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(FaultFileError) as caught:
        read_faults(written(tmp_path, [{"call": "polls", "action": ACTION}, {"call": "result"}]))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["[0].call", "[1].action"]


def test_the_documents_name_every_action_and_field() -> None:
    page = (SAMPLES.parent / "docs" / "local.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): set(re.findall(r"`([a-z_]+)`", columns[0])) for name, *columns in rows}
    actions = {
        action.type: {field.name for field in dataclasses.fields(action)} - {"type"}
        for action in (*get_args(Wire), *get_args(Fate))
    }
    assert {name: told[name] - {"true", "false"} for name in actions} == actions
    assert set(told) - set(actions) == {field.name for field in dataclasses.fields(Fault)} - {"when"}


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_faults(tmp_path / "nowhere.json")
