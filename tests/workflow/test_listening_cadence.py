"""From runs at a service whose tasks queue to a cadence that listens, through the real workflow."""

import json
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.workflow.pipeline import Pipeline, manifest, running
from tests.workflow.test_learned_cadence import UNLIMITED, calibrated
from tryon.cadence import DEFAULT, ListeningCadence, poll_times
from tryon_local.service.tasks import NewTask, Queue

RANDOM = Random(3)


def work(_: NewTask) -> float:
    return max(1.0, RANDOM.gauss(25, 2.5))


@pytest.mark.parametrize("told", [True, False], ids=["with the service's times", "by polls alone"])
def test_a_cadence_that_listens_is_learned_stored_named_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    if not told:
        monkeypatch.setattr("tryon.service.volcengine.vendor._times", lambda details: None)
    with running(slots=20, latency=Queue(work, mean=60.0, seed=1), **UNLIMITED) as pipeline:
        pipeline.put_pictures(7, 9)
        first = pipeline.run(manifest(7, 9))
        assert first.item["cadence"] == list(DEFAULT)
        assert any(entry.processed_at is not None for entry in first.entries) == told
        stored = learned(pipeline, tmp_path)
        used(pipeline, stored)


def learned(pipeline: Pipeline, folder: Path) -> Any:
    plot = folder / "listening.svg"
    code, out = calibrated(pipeline, "--json", "--store", "queue", "--plot", str(plot))
    told = json.loads(out)
    assert (code, told["not_listening"]) == (0, "")
    old, new, listening, *_ = told["cadences"]
    assert [row["name"] for row in (old, new, listening)] == ["old", "new", "listening"]
    assert listening["polls"] + listening["delay"] < 0.8 * (new["polls"] + new["delay"])
    assert told["left_out"]["listening"] < 0.85 * told["left_out"]["by_time"]
    words = "".join(ElementTree.parse(plot).getroot().itertext())
    assert "polls while queued: " in words
    assert "never seen queued: " in words
    stored = json.loads(pipeline.app.get("cadences/queue.json"))
    assert stored["listening"] == told["listening"]
    assert (stored["polls"], stored["delay"]) == pytest.approx((listening["polls"], listening["delay"]), abs=1e-3)
    _, text = calibrated(pipeline)
    assert "listening: on tasks that were left out, delay and polls are " in text
    assert "while queued: " in text
    return stored


def used(pipeline: Pipeline, stored: Any) -> None:
    """Each poll of the next run falls where what the polls before it saw puts it."""
    made = len(pipeline.standin.tasks)
    ended = pipeline.run(manifest(2, 9, cadence="queue"))
    assert (ended.status, ended.item["learned"]["name"]) == ("SUCCEEDED", "queue")
    cadence = ListeningCadence(tuple(stored["listening"]["queued"]), tuple(map(tuple, stored["listening"]["working"])))
    tasks = pipeline.standin.tasks[made:]
    begins = {entry.task_id: entry for entry in ended.entries}
    assert len(tasks) == 18
    for task in tasks:
        entry = begins[task.id]
        polls = [round(at - task.submitted_at, 3) for at in task.polls]
        queued = poll_times(cadence.queued, 300)
        seen = sum(at <= (entry.queued_at or 0.0) - task.submitted_at + 0.01 for at in queued)
        expected = queued[: seen + 1]
        waits = list(cadence.working[min(seen, len(cadence.working) - 1)])
        while len(expected) < len(polls):
            expected.append(expected[-1] + (waits.pop(0) if len(waits) > 1 else waits[0]))
        assert polls == [min(at, 300) for at in expected[: len(polls)]]
    default = 60 / 10 + 5
    assert ended.summary is not None
    assert ended.summary["polls"]["mean"] < 0.75 * default
