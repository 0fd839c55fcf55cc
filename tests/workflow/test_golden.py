"""What runs leave is what they left before: a change of the code's shape changes no file, no item and no event."""

import json

import pytest

from tests.golden import FOLDER, copies, masked

CASES = ("plain", "retry", "variants")


@pytest.fixture(scope="module")
def now() -> dict[str, object]:
    return dict(copies())


@pytest.mark.parametrize("name", CASES)
def test_a_run_leaves_what_it_left_before(name: str, now: dict[str, object]) -> None:
    before = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert now[name] == before, "meant? then python -m tests.golden"


def test_every_copy_is_compared(now: dict[str, object]) -> None:
    assert set(now) == set(CASES) == {path.stem for path in FOLDER.glob("*.json")}


def test_only_identifiers_are_masked() -> None:
    assert masked("20260921T141320Z-run-1-77399500#1") == "20260921T141320Z-run-1-RUN#1"
    assert masked('"latency": 27.0, "sha256": "01b622b4d9e4882cca62b4eae431ed5b"') == (
        '"latency": 27.0, "sha256": "01b622b4d9e4882cca62b4eae431ed5b"'
    )
