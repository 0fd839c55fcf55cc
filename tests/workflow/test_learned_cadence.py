"""From runs with the default cadence to one that was learned from them, through the real workflow."""

import argparse
import io
import json
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tests.workflow.pipeline import Pipeline, manifest, running
from tryon.cadence import DEFAULT, poll_times
from tryon.reporting import cost
from tryon_cli import calibrate


def calibrated(pipeline: Pipeline, *options: str) -> tuple[int, str]:
    """`tryon calibrate` on a running pipeline: its exit code and what it printed."""
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    out = io.StringIO()
    code = calibrate.run(
        parser.parse_args(options),
        pipeline.app.ledger,
        pipeline.app.stack.client("s3"),
        pipeline.app.bucket,
        Console(file=out, width=200),
        now=pipeline.clock.now(),
    )
    return code, out.getvalue()


def charged(pipeline: Pipeline, execution: str) -> int:
    """Transitions of an execution and its children, counted in their histories as AWS charges them."""

    def entered(events: list[dict[str, Any]]) -> int:
        return sum(event["type"].endswith("StateEntered") for event in events)

    children = pipeline.app.stack.children(execution)
    pages = pipeline.app.stack.client("stepfunctions").get_paginator("get_execution_history")
    own = [event for page in pages.paginate(executionArn=execution) for event in page["events"]]
    return entered(own) + sum(1 + entered(child.events) for child in children)


# The service's rate would shift polls by fractions of a second.
UNLIMITED: dict[str, Any] = {"parameters": {"RequestsPerSecond": "0"}, "requests_per_second": None}


def test_too_few_tasks_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with running() as fresh:
        fresh.put_pictures(1, 2)
        fresh.run(manifest(1, 2))
        code, out = calibrated(fresh, "--store", "spring")
        assert (code, out) == (1, "")
        assert "2 tasks were seen to end; a cadence is learned from at least 30" in capsys.readouterr().err
        assert fresh.app.keys("cadences/") == []


def test_a_cadence_is_learned_stored_named_used_and_outgrown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random, mean = Random(1), [27.0]
    with running(slots=6, latency=lambda new: random.gauss(mean[0], 2.5), **UNLIMITED) as pipeline:
        pipeline.put_pictures(4, 9)
        first = pipeline.run(manifest(4, 9))
        assert first.item["cadence"] == list(DEFAULT)

        nothing_asked(pipeline, tmp_path)
        old_and_new(pipeline)
        stored = kept(pipeline, tmp_path)
        used(pipeline, stored)
        misspelt(pipeline)
        mean[0] = 40.0
        outgrown(pipeline)


def nothing_asked(pipeline: Pipeline, folder: Path) -> None:
    """Learning alone stores and draws nothing."""
    code, out = calibrated(pipeline)
    assert code == 0
    assert out.startswith("learned from 36 tasks of 1 run: 36 latencies told by the service, 0 known")
    assert pipeline.app.keys("cadences/") == []
    assert list(folder.iterdir()) == []


def old_and_new(pipeline: Pipeline) -> None:
    """The table sets the old cadence, the new one and fixed waits side by side."""
    code, out = calibrated(pipeline, "--json", "--slots", "6")
    assert code == 0
    told = json.loads(out)
    old, new, *fixed = told["cadences"]
    assert (old["name"], old["cadence"]) == ("old", list(DEFAULT))
    assert (new["name"], new["cadence"]) == ("new", told["cadence"])
    assert [row["name"] for row in fixed] == ["every 5 s", "every 2 s"]
    assert new["polls"] <= 2.0 < old["polls"]
    assert new["delay"] < old["delay"]
    assert new["tasks_per_hour"] > old["tasks_per_hour"]
    assert new["usd_per_thousand"] < old["usd_per_thousand"] < fixed[1]["usd_per_thousand"]


def kept(pipeline: Pipeline, folder: Path) -> Any:
    """What was asked to be stored and drawn is."""
    plot = folder / "calibration.svg"
    code, out = calibrated(pipeline, "--store", "spring", "--plot", str(plot))
    assert code == 0
    assert '"cadence": "spring"' in out
    stored = json.loads(pipeline.app.get("cadences/spring.json"))
    words = "".join(ElementTree.parse(plot).getroot().itertext())
    assert f"new polls: {', '.join(map(str, stored['cadence']))} s" in words
    assert "old polls: 5, 8, 10, 8, 10 s" in words
    return stored


def used(pipeline: Pipeline, stored: Any) -> None:
    """A run that names it polls at its times, says so, and costs what its histories say."""
    ended = pipeline.run(manifest(2, 9, cadence="spring"))
    assert ended.status == "SUCCEEDED"
    assert ended.summary is not None
    assert (ended.summary["cadence"], ended.summary["cadence_name"]) == (stored["cadence"], "spring")
    assert (ended.item["cadence"], ended.item["learned"]["name"]) == (stored["cadence"], "spring")
    times = poll_times(stored["cadence"], 300)
    for task in pipeline.standin.tasks[-18:]:
        assert [round(poll - task.submitted_at, 3) for poll in task.polls] == times[: len(task.polls)]
    assert ended.summary["polls"]["mean"] <= 2.2
    assert ended.summary["drift"]["calibrate_again"] is False
    transitions = charged(pipeline, ended.execution["executionArn"])
    assert ended.summary["cost"]["aws"]["transitions"] == transitions
    assert transitions == cost.RUN_TRANSITIONS + sum(6 + 3 * entry.polls for entry in ended.entries)


def misspelt(pipeline: Pipeline) -> None:
    """An unknown name rejects the manifest and names the field."""
    ended = pipeline.run(manifest(1, 1, cadence="sprnig"))
    assert ended.status == "REJECTED"
    assert ended.item["cause"] == "cadence: 'sprnig' is not the name of a learned cadence here; did you mean 'spring'?"
    assert ended.entries == []


def outgrown(pipeline: Pipeline) -> None:
    """When the service has become slower, the run says to calibrate again."""
    pipeline.notifications()
    ended = pipeline.run(manifest(2, 9, cadence="spring"))
    assert ended.summary is not None
    assert ended.summary["drift"]["calibrate_again"] is True
    assert ended.summary["drift"]["median_seen"] == pytest.approx(40, abs=2)
    (notification,) = ended.notifications
    assert json.loads(notification["Message"])["drift"]["calibrate_again"] is True
