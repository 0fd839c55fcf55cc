"""What the alarms read is counted where it happens."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.workflow.pipeline import manifest, running
from tryon_local.app import ROOT
from tryon_local.aws.template import load
from tryon_local.service.faults import Answer, Fault

Log = Callable[[str, str], None]


@pytest.fixture
def counted() -> tuple[Counter[str], Log]:
    """Metrics by name, and what reads them out of the functions' lines, in CloudWatch's embedded format."""
    found: Counter[str] = Counter()

    def log(function: str, line: str) -> None:
        if not line.startswith('{"_aws"'):
            return
        written = json.loads(line)
        for group in written["_aws"]["CloudWatchMetrics"]:
            for metric in group["Metrics"]:
                found[metric["Name"]] += sum(written[metric["Name"]])

    return found, log


def test_a_rejected_manifest_is_counted_once_and_apart(counted: tuple[Counter[str], Log]) -> None:
    found, log = counted
    with running(log=log) as pipeline:
        ended = pipeline.run({"models": [], "garments": []})
        assert ended.status == "REJECTED"
    assert found["ManifestsRejected"] == 1


def test_pictures_that_are_late_reject_nothing_until_the_last_look(counted: tuple[Counter[str], Log]) -> None:
    found, log = counted
    with running(log=log) as pipeline:
        ended = pipeline.run(manifest(1, 1))
        assert ended.status == "REJECTED"
    assert found["ManifestsRejected"] == 1


@pytest.mark.parametrize(
    "fault", [Fault("result", Answer(100009)), Fault("submit", Answer(100009))], ids=["Plan", "Submit"]
)
def test_wrong_keys_are_counted_wherever_they_are_met(fault: Fault, counted: tuple[Counter[str], Log]) -> None:
    found, log = counted
    with running(log=log, faults=[fault]) as pipeline:
        pipeline.put_pictures(1, 1)
        pipeline.run(manifest(1, 1))
    assert found["ServiceAccessError"] >= 1
    assert found["ManifestsRejected"] == 0


def test_the_alarm_of_failed_runs_leaves_rejections_out() -> None:
    alarm: Any = load(ROOT / "template.yaml")["Resources"]["RunFailedAlarm"]["Properties"]
    metrics = {one["Id"]: one for one in alarm["Metrics"]}
    assert metrics["broken"]["Expression"] == "FILL(failed, 0) - FILL(rejected, 0)"
    assert [name for name, one in metrics.items() if one["ReturnData"]] == ["broken"]
    assert metrics["failed"]["MetricStat"]["Metric"]["MetricName"] == "ExecutionsFailed"
    assert metrics["rejected"]["MetricStat"]["Metric"]["MetricName"] == "ManifestsRejected"
