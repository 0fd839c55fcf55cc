"""A manifest that cannot be run: one clear message, everywhere a person looks, and nothing submitted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, manifest, running


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with running(parameters={"MaxCombinations": "20", "MaxImageBytes": "100000"}) as found:
        found.put_pictures(2, 3)
        found.app.put("inputs/text.png", b"this is no picture")
        found.app.put("inputs/huge.jpg", b"\xff\xd8\xff" + bytes(150_000))
        yield found


def garments(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": "g0", "image": "inputs/g0.jpg", "type": "upper", **changes}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{not json", "not JSON"),
        (manifest(1, 1, modles=[]), "modles: is not a known field; did you mean 'models'?"),
        (manifest(1, 1, garments=[{"image": "inputs/g0.jpg", "type": "upper"}]), "garments[0].id: is missing"),
        (manifest(1, 1, garments=garments() * 2), "garments[1].id: 'g0' is already the id"),
        (manifest(1, 1, garments=garments(type="hat")), "garments[0].type: must be 'upper', 'lower' or 'full'"),
        (manifest(1, 1, garments=garments(image="inputs/nowhere.jpg")), "garments[0].image: 'inputs/nowhere.jpg' is not there"),
        (manifest(1, 1, garments=garments(image="inputs/text.png")), "garments[0].image: "),
        (manifest(1, 1, garments=garments(image="inputs/huge.jpg")), "garments[0].image: 'inputs/huge.jpg' has 150,003 bytes"),
        (manifest(1, 1, combinations=[]), "combinations: must hold at least one entry"),
        (manifest(1, 1, garments=[]), "garments: must hold at least one entry"),
        (manifest(2, 3, variants={v: {} for v in "abcd"}), "combinations: 24 are asked for, this stack runs at most 20"),
        (b" " * 30_000_000, "30,000,000 bytes, at most 8,000,000"),
        (json.dumps(manifest(1, 1)).encode() + b" " * 10_000_000, "bytes, at most 8,000,000 are read"),
        (manifest(1, 1, garments=garments(id="../g0")), "garments[0].id: '../g0' is not an id"),
        (manifest(1, 1, garments=garments(id="a/b")), "garments[0].id: 'a/b' is not an id"),
        (manifest(1, 1, garments=garments(id="a\x07")), "garments[0].id: "),
        (manifest(1, 1, garments=garments(id="a" * 300)), "garments[0].id: "),
    ],
)  # fmt: skip
def test_it_is_told_in_the_execution_in_the_ledger_and_in_the_notification(
    pipeline: Pipeline, content: Any, message: str
) -> None:
    ended = pipeline.run(content)
    assert (ended.execution["status"], ended.execution["error"]) == ("FAILED", "ManifestError")
    assert message in ended.execution["cause"]
    assert (ended.status, ended.item["error"]) == ("REJECTED", "ManifestError")
    assert message in ended.item["cause"]
    (notification,) = ended.notifications
    told = json.loads(notification["Message"])
    assert told["status"] == notification["MessageAttributes"]["status"]["Value"] == "REJECTED"
    assert message in told["cause"]
    assert pipeline.payments == 0
    assert ended.results == []
    assert ended.entries == []


def test_every_mistake_in_the_pictures_is_told_at_once(pipeline: Pipeline) -> None:
    content = manifest(2, 1)
    content["models"][0]["image"] = "inputs/nowhere.jpg"
    content["garments"][0]["image"] = "inputs/text.png"
    ended = pipeline.run(content)
    assert "models[0].image" in ended.item["cause"]
    assert "garments[0].image" in ended.item["cause"]


def test_a_file_that_is_no_manifest_starts_nothing(pipeline: Pipeline) -> None:
    before = pipeline.app.stack.executions()
    pipeline.app.put("manifests/readme.md", b"hello")
    pipeline.app.put("inputs/other.json", b"{}")
    assert pipeline.app.stack.executions() == before
