"""The look at a combination's results: whatever fails, each result is measured or says why it is not."""

import sys
from collections.abc import Iterator
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from PIL import Image

from tests.doubles import RUN, HandClock, combination, ledger_and_gate, stored
from tryon.checks.looking import Looked, look
from tryon.keys import RunFolder, result_copy
from tryon.state.ledger import Ledger
from tryon.state.looks import Look, Looks

BUCKET = "bucket"
FOLDER = RunFolder(RUN)
PICTURE = BytesIO()
Image.new("RGB", (1200, 1600), "teal").save(PICTURE, "JPEG")
KEYS = [FOLDER.result("anna", "anna__01-garment1__default", n) for n in (1, 2)]


class Measures(ModuleType):
    """Stands in for the module that needs numpy."""

    def __init__(self, fails: Exception | None = None) -> None:
        super().__init__("tryon.checks.measures")
        self.fails = fails
        self.sizes: list[tuple[int, int]] = []
        self.GarmentPhotograph = SimpleNamespace
        self.Options = SimpleNamespace

    def measure(self, picture: Any, model: Any, garments: Any, options: Any, faces: Any = None) -> Any:
        self.sizes.append(picture.size)
        if self.fails:
            raise self.fails
        return SimpleNamespace(dumps=lambda: b"measured")


class Bench:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.looks = Looks(boto3.client("dynamodb"), "ledger")
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE.getvalue())

    def put_all(self) -> None:
        self.put(FOLDER.input_copy("previews", "models", "anna"), FOLDER.input_copy("previews", "garments", "garment1"))
        self.put(*(result_copy("previews", key) for key in KEYS))

    def look(self) -> Looked:
        return look(RUN, combination(1), bucket=BUCKET, ledger=self.ledger, looks=self.looks, s3=self.s3)

    @property
    def kept(self) -> list[Look]:
        return list(self.looks.of_results(RUN))


@pytest.fixture
def bench(clock: HandClock) -> Iterator[Bench]:
    with ledger_and_gate(clock) as (ledger, _):
        ledger.add(RUN, [combination(1)])
        ledger.succeeded(RUN, 1, [stored(key, candidate=n) for n, key in enumerate(KEYS, start=1)])
        yield Bench(ledger)


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> Measures:
    module = Measures()
    monkeypatch.setattr(module, "GarmentPhotograph", lambda image, type: (image, type))  # noqa: A006
    monkeypatch.setitem(sys.modules, "tryon.checks.measures", module)
    return module


def test_each_result_is_measured_at_no_more_than_900_pixels(bench: Bench, measures: Measures) -> None:
    bench.put_all()
    assert bench.look() == Looked(2)
    assert bench.kept == [Look(1, n, measurements=b"measured") for n in (1, 2)]
    assert measures.sizes == [(675, 900)] * 2


def test_without_the_layer_results_say_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryon.checks.measures", None)
    bench.put_all()
    assert bench.look().unchecked == ((1, "no vision layer"), (2, "no vision layer"))
    assert [one.unchecked for one in bench.kept] == ["no vision layer"] * 2


def test_one_result_without_a_copy_costs_no_other(bench: Bench, measures: Measures) -> None:
    bench.put_all()
    bench.s3.delete_object(Bucket=BUCKET, Key=result_copy("previews", KEYS[0]))
    assert bench.look() == Looked(1, ((1, "no small copy was made of it"),))


def test_without_its_models_copy_nothing_is_measured(bench: Bench, measures: Measures) -> None:
    bench.put(*(result_copy("previews", key) for key in KEYS))
    assert {why for _, why in bench.look().unchecked} == {"no small copy was made of the model's photograph"}


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("/opt/secret"), ZeroDivisionError()])
def test_whatever_a_measure_raises_is_named_and_no_more_of_it_kept(
    bench: Bench, measures: Measures, error: Exception
) -> None:
    bench.put_all()
    measures.fails = error
    assert [why for _, why in bench.look().unchecked] == [f"the check failed with {type(error).__name__}"] * 2
    assert [one.measurements for one in bench.kept] == [None, None]
    assert bench.ledger.entry(RUN, 1).status == "SUCCEEDED"
