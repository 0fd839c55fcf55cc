"""A manifest that is too much for one call of Plan: further calls take in its pictures and write its entries."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, manifest, planned_in_parts, running
from tryon import plan_run
from tryon.planning import parts
from tryon.planning.manifest import Manifest
from tryon.reporting.cost import RUN_TRANSITIONS
from tryon_local.aws.functions import KilledError, RefusedError


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with running(slots=6) as found:
        found.put_pictures(2, 3)
        yield found


def calls(seen: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """What each call of Plan was for."""
    told = []
    for event in seen["PlanFunction"]:
        if event.get("part"):
            told.append(f"part {event['part']['first']}")
        elif event["written"]:
            told.append(f"after {event['written']}")
        else:
            told.append("taken" if event["taken"] else "first")
    return told


def kept(pipeline: Pipeline, run_id: str) -> dict[str, Any]:
    """What a run's plan and list of pictures say, without its own name."""
    texts = [pipeline.app.get(f"runs/{run_id}/{name}.json").decode() for name in ("plan", "pictures")]
    return dict(zip(("plan", "pictures"), [json.loads(text.replace(run_id, "RUN")) for text in texts], strict=True))


def test_a_plan_of_parts_is_the_one_that_one_call_makes(pipeline: Pipeline) -> None:
    whole = pipeline.run(manifest(2, 3))
    with planned_in_parts(), pipeline.recorded() as seen:
        apart = pipeline.run(manifest(2, 3))
    told = calls(seen)
    assert told[0] == "first"
    assert sorted(told[1:6]) == [f"part {n}" for n in range(1, 6)]
    assert told[6:] == ["taken", *(f"after {n}" for n in range(1, 6))]
    assert kept(pipeline, apart.run_id) == kept(pipeline, whole.run_id)
    assert [entry.id for entry in apart.entries] == [entry.id for entry in whole.entries]
    assert (apart.status, len(apart.notifications)) == ("SUCCEEDED", 1)


def test_a_small_manifest_is_planned_by_one_call(pipeline: Pipeline) -> None:
    with pipeline.recorded() as seen:
        run = pipeline.run(manifest(1, 1))
    assert calls(seen) == ["first"]
    history = pipeline.app.stack.client("stepfunctions").get_execution_history(
        executionArn=run.execution["executionArn"], maxResults=1000
    )
    entered = [event for event in history["events"] if "stateEnteredEventDetails" in event]
    assert len(entered) == RUN_TRANSITIONS
    assert not [key for key in run.keys if "/pictures/" in key]


def test_parts_follow_each_other_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_PICTURES", 2)

    def of(garments: int) -> list[tuple[int, int]]:
        wanted = Manifest.model_validate(manifest(1, garments))
        return [(part.first, part.last) for part in parts.parts(wanted)]

    assert of(3) == [(1, 2), (3, 4)]
    assert of(4) == [(1, 2), (3, 4), (5, 5)]
    assert of(5) == [(1, 2), (3, 4), (5, 6)]


def test_pictures_that_take_too_long_for_one_call_are_left_to_several(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand large ones are as much as several thousand usual ones."""
    monkeypatch.setattr(parts, "PART_PICTURES", 2)
    monkeypatch.setattr(plan_run, "PLAN_SECONDS", (1e6, 0.0))
    with pipeline.recorded() as seen:
        run = pipeline.run(manifest(2, 3))
    told = calls(seen)
    assert (told[0], sorted(told[1:-1]), told[-1]) == ("first", ["part 1", "part 3", "part 5"], "taken")
    assert run.status == "SUCCEEDED"


def test_pictures_for_which_no_call_has_time_are_refused_by_their_number(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_run, "PLAN_SECONDS", (1e6, 0.0))
    monkeypatch.setattr(plan_run, "PICTURES_RESERVE", 1e6)
    with pipeline.recorded() as seen:
        run = pipeline.run(manifest(2, 3))
    assert calls(seen) == ["first", "part 1", "taken"]
    assert run.status == "REJECTED"
    assert "5 pictures are named, and 0 were checked in the time that there is" in run.execution["cause"]
    assert pipeline.payments == 0


@pytest.mark.parametrize("dead", [{1, 2, 3, 4, 5}, {3}], ids=["each", "one"])
def test_what_no_call_takes_in_plan_takes_in_itself(pipeline: Pipeline, dead: set[int]) -> None:
    def kill(function: str, event: Any) -> None:
        if function == "PlanFunction" and (event.get("part") or {}).get("first") in dead:
            raise KilledError

    whole = pipeline.run(manifest(2, 3))
    pipeline.app.stack.functions.before_invoke.append(kill)
    with planned_in_parts():
        run = pipeline.run(manifest(2, 3))
    assert (run.status, len(run.notifications)) == ("SUCCEEDED", 1)
    assert kept(pipeline, run.run_id) == kept(pipeline, whole.run_id)


def test_calls_that_lambda_has_no_room_for_are_made_again(pipeline: Pipeline) -> None:
    refused: Counter[int] = Counter()

    def refuse(function: str, event: Any) -> None:
        if function == "PlanFunction" and event.get("part"):
            first = event["part"]["first"]
            refused[first] += 1
            if refused[first] <= 9:
                raise RefusedError

    pipeline.app.stack.functions.before_invoke.append(refuse)
    with planned_in_parts():
        run = pipeline.run(manifest(2, 3))
    assert run.status == "SUCCEEDED"
    assert set(refused.values()) == {10}
    parts_of = [json.loads(pipeline.app.get(key)) for key in run.keys if "/pictures/" in key]
    assert sum(len(one["pictures"]["models"]) + len(one["pictures"]["garments"]) for one in parts_of) == 5


def test_calls_that_have_no_time_leave_their_pictures_to_plan(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_run, "PICTURES_RESERVE", 1e6)
    with planned_in_parts():
        run = pipeline.run(manifest(2, 3))
    assert run.status == "SUCCEEDED"
    assert all(pipeline.app.get(key).count(b'"image"') == 0 for key in run.keys if "/pictures/" in key)


def test_a_picture_that_cannot_be_used_is_named_as_by_one_call(pipeline: Pipeline) -> None:
    pipeline.app.put("inputs/g1.jpg", b"no picture")
    whole = pipeline.run(manifest(2, 3))
    with planned_in_parts():
        apart = pipeline.run(manifest(2, 3))
    assert apart.status == whole.status == "REJECTED"
    assert "garments[1].image" in apart.execution["cause"]
    assert apart.execution["cause"] == whole.execution["cause"]
    assert pipeline.payments == 0


def test_a_picture_that_comes_late_is_waited_for_and_the_others_are_not_read_again(pipeline: Pipeline) -> None:
    late = pipeline.app.get("inputs/g2.jpg")
    pipeline.app.stack.client("s3").delete_object(Bucket=pipeline.app.bucket, Key="inputs/g2.jpg")
    asked = 0

    def bring(function: str, event: Any) -> None:
        nonlocal asked
        asked += function == "PlanFunction" and event.get("missing", "") != ""
        if asked == 2:
            pipeline.app.put("inputs/g2.jpg", late)

    pipeline.app.stack.functions.before_invoke.append(bring)
    with planned_in_parts(), pipeline.recorded() as seen:
        run = pipeline.run(manifest(2, 3))
    assert run.status == "SUCCEEDED"
    assert sum(told.startswith("part") for told in calls(seen)) == 5


def test_a_retry_in_parts_is_made_of_the_pictures_of_its_run(pipeline: Pipeline) -> None:
    first = pipeline.run(manifest(1, 2))
    pipeline.app.put("inputs/g1.jpg", pipeline.app.get("inputs/g0.jpg"))
    content = {
        **manifest(1, 2),
        "retry_of": first.run_id,
        "combinations": [{"model": "m0", "garment": "g1", "take": 2}],
    }
    with planned_in_parts():
        again = pipeline.run(content)
    assert again.status == "SUCCEEDED"
    (planned,) = kept(pipeline, again.run_id)["plan"]
    assert planned["garments"] == kept(pipeline, first.run_id)["plan"][1]["garments"]
    assert again.summary is not None
    assert any("was replaced since" in note for note in again.summary["notes"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_that_is_killed_on_its_way_writes_nothing_twice(pipeline: Pipeline, when: str) -> None:
    killed: list[int] = []

    def kill(function: str, event: Any, *_: Any) -> None:
        if function == "PlanFunction" and event["in_parts"] and event["written"] == 3 and not killed:
            killed.append(1)
            raise KilledError

    hooks = pipeline.app.stack.functions
    (hooks.before_invoke if when == "before" else hooks.after_invoke).append(kill)
    with planned_in_parts():
        run = pipeline.run(manifest(2, 3))
    assert killed
    assert run.status == "SUCCEEDED"
    assert pipeline.payments == len(run.entries) == 6
