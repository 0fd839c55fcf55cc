"""A gallery whose parts are drawn by further calls: the same pages as from one call, whatever happens to these."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.pipeline import Ended, Pipeline, drawn_in_parts, manifest, running
from tryon.reporting import galleries
from tryon_local.aws.functions import KilledError
from tryon_local.service.faults import Fails, Fault


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with running(slots=6) as found:
        found.put_pictures(2, 3)
        yield found


def pages(pipeline: Pipeline, run: Ended) -> dict[str, bytes]:
    """The index and the parts of a run's gallery, as they are now."""
    keys = [key for key in pipeline.app.keys(f"runs/{run.run_id}/") if key.endswith(".html")]
    return {key.rpartition("/")[2]: pipeline.app.get(key) for key in keys}


def data_of(page: bytes) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    return json.loads(found[1])


def pictures_of(page: bytes) -> int:
    found = re.search(r'<script type="application/json" id="embedded">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    return len(json.loads(found[1]))


def calls(seen: dict[str, list[dict[str, Any]]]) -> tuple[int, int]:
    return len(seen["SummarizeFunction"]), len(seen["GalleryFunction"])


def test_parts_are_those_that_one_call_draws(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with drawn_in_parts(), pipeline.recorded() as seen:
        run = pipeline.run(manifest(2, 3))
        assert calls(seen) == (2, 6)
        apart = pages(pipeline, run)
        assert sorted(apart) == [*(f"gallery-{n:03d}.html" for n in range(1, 7)), "index.html"]
        assert all(pictures_of(page) for page in apart.values())
        monkeypatch.setattr(galleries, "BATCH_PARTS", 4)
        for first, last in ((1, 4), (5, 6)):
            pipeline.app.stack.invoke("GalleryFunction", {"run_id": run.run_id, "first": first, "last": last})
        assert pages(pipeline, run) == apart


def test_a_run_is_said_to_have_ended_when_its_last_part_is_there(pipeline: Pipeline) -> None:
    states: list[str] = []

    def look(function: str, event: Any) -> None:
        if function == "GalleryFunction":
            run = pipeline.app.ledger.run(event["run_id"])
            assert run is not None
            states.append(run.status.value)

    pipeline.app.stack.functions.before_invoke.append(look)
    with drawn_in_parts():
        assert pipeline.run(manifest(1, 3)).status == "SUCCEEDED"
    assert states == ["RUNNING"] * 3


def test_a_few_parts_are_drawn_by_the_report_s_own_call(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with drawn_in_parts(), pipeline.recorded() as seen:
        monkeypatch.setattr(galleries, "MOST_OWN_PARTS", 6)
        run = pipeline.run(manifest(2, 3))
        assert calls(seen) == (1, 0)
    assert len(pages(pipeline, run)) == 7
    assert f"runs/{run.run_id}/gallery.json" not in run.keys


def test_a_small_run_enters_one_state_more_than_without_parts(pipeline: Pipeline) -> None:
    run = pipeline.run(manifest(1, 1))
    history = pipeline.app.stack.client("stepfunctions").get_execution_history(
        executionArn=run.execution["executionArn"], maxResults=1000
    )
    entered = [e["stateEnteredEventDetails"]["name"] for e in history["events"] if "stateEnteredEventDetails" in e]
    assert entered[entered.index("Summarize") :] == ["Summarize", "Parts?", "Notify", "Whole?", "RunEnded"]


@pytest.mark.parametrize("dead", [{1, 2, 3}, {2}], ids=["each", "one"])
def test_what_no_call_draws_is_there_without_pictures(dead: set[int], caplog: pytest.LogCaptureFixture) -> None:
    def kill(function: str, event: Any) -> None:
        if function == "GalleryFunction" and event["first"] in dead:
            raise KilledError

    lines: list[str] = []
    with drawn_in_parts(), running(slots=6, log=lambda _, line: lines.append(line)) as pipeline:
        pipeline.put_pictures(1, 3)
        pipeline.app.stack.functions.before_invoke.append(kill)
        run = pipeline.run(manifest(1, 3))
        assert (run.status, run.execution["status"], len(run.notifications)) == ("SUCCEEDED", "SUCCEEDED", 1)
        drawn = {name: page for name, page in pages(pipeline, run).items() if name != "index.html"}
        assert {int(name[8:11]) for name, page in drawn.items() if not pictures_of(page)} == dead
        assert all(len(data_of(page)["cells"]) == 1 for page in drawn.values())
    (reason,) = [record.reason for record in caplog.records if record.message == "no gallery"]  # type: ignore[attr-defined]
    assert reason.count(f"of {run.run_id}: ") == len(dead)
    assert sum("GalleriesFailed" in line for line in lines) == 1


def test_a_retry_s_results_are_in_the_parts_of_the_run_that_it_repairs() -> None:
    with drawn_in_parts(), running(slots=6, faults=[Fault("task", Fails(50500), task=2)]) as pipeline:
        pipeline.put_pictures(1, 3)
        first = pipeline.run(manifest(1, 3))
        assert first.status == "PARTIAL"
        before = pages(pipeline, first)
        with pipeline.recorded() as seen:
            again = pipeline.run(pipeline.app.get(f"runs/{first.run_id}/retry-manifest.json"))
            assert {event["run_id"] for event in seen["GalleryFunction"]} == {first.run_id, again.run_id}
            assert calls(seen) == (2, 4)
        after = pages(pipeline, first)
        states = [[cell["status"] for cell in data_of(page)["cells"]] for page in after.values()]
        assert states.count(["SUCCEEDED"]) == 3
        (repaired,) = [entry.n for entry in first.entries if entry.error]
        part = data_of(after[f"gallery-{repaired:03d}.html"])
        assert again.run_id in part["cells"][0]["results"][0]["file"]
        assert part["run"]["repaired_by"] == [again.run_id]
        # A call of the first run that is late by as much shows the repaired one.
        event = {"run_id": first.run_id, "first": repaired, "last": repaired}
        assert not pipeline.app.stack.invoke("GalleryFunction", event).failed
        assert pages(pipeline, first) == after != before


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"run_id": "20260101T000000Z-none-00000000", "first": 1, "last": 1}, "there is no run"),
        ({"first": 4, "last": 9}, "has no parts 4 to 9"),
    ],
)
def test_what_cannot_be_drawn_is_named_and_changes_nothing(
    pipeline: Pipeline, event: dict[str, Any], said: str
) -> None:
    with drawn_in_parts():
        run = pipeline.run(manifest(1, 3))
    before = pages(pipeline, run)
    answer = pipeline.app.stack.invoke("GalleryFunction", {"run_id": run.run_id, **event})
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == "NoGalleryError"
    assert said in json.loads(answer.payload)["errorMessage"]
    assert pages(pipeline, run) == before
