"""`tryon calibrate` keeps the tasks of different services apart."""

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from tests.doubles import outcome
from tests.unit.test_listening import drawn, polled
from tryon.learning import learned
from tryon.service import registry
from tryon.state.entry import Entry
from tryon.state.run import Run, RunStatus
from tryon_cli import calibrate
from tryon_cli.target import TargetError

FASHN = registry.find("fashn").key


class History:
    """A ledger with one run, whose tasks are these."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def each_run(self, limit: int) -> list[Run]:
        return [Run("run-1", RunStatus.SUCCEEDED, cadences={FASHN: (9, 9)}, outcome=outcome("SUCCEEDED"))]

    def entries(self, run_id: str) -> Sequence[Entry]:
        return self._entries


def of(service: str, seed: int, count: int, share: float) -> list[Entry]:
    tasks = [polled(*one, told=True) for one in drawn(seed, count, share=share)]
    return [Entry(**{**vars(task), "service": service}) for task in tasks]


BOTH = [*of(registry.FIRST, 1, 40, 0.0), *of(FASHN, 2, 200, 1.0)]


def calibrated(entries: Sequence[Entry], *options: str, s3: Any = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    out = io.StringIO()
    history: Any = History(entries)
    arguments = parser.parse_args(["--json", *options])
    assert calibrate.run(arguments, history, s3, "pictures", Console(file=out), now=5.0, deadline=250) == 0
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def test_where_the_runs_used_several_services_one_is_named() -> None:
    with pytest.raises(TargetError, match=rf"^the runs used {FASHN}, {registry.FIRST}: --service says whose"):
        calibrated(BOTH)
    with pytest.raises(TargetError, match="'fashion' is no service"):
        calibrated(BOTH, "--service", "fashion")


def test_each_service_is_learned_from_its_own_tasks() -> None:
    first, other = (calibrated(BOTH, "--service", name) for name in ("volcengine", "fashn"))
    assert (first["service"], first["samples"], first["listening"]) == (registry.FIRST, 40, None)
    assert first["not_listening"].startswith("0 tasks were seen in the queue after 5 s")
    assert (other["service"], other["samples"]) == (FASHN, 200)
    assert other["listening"]["queued"]
    assert other["cadences"][0]["cadence"] == [9, 9]
    names = ["old", "default", "new", "listening", "every 5 s", "every 2 s"]
    assert [row["name"] for row in other["cadences"]] == names


def test_the_only_service_need_not_be_named_and_is_stored(tmp_path: Path) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="pictures")
        calibrated(of(FASHN, 2, 200, 1.0), "--store", "queue", s3=s3)
        found = learned.load(s3, "pictures", "queue")
    assert (found.service, found.deadline) == (FASHN, registry.find("fashn").deadline)
    assert found.listening is not None
    assert len(found.queue_quantiles) == len(found.quantiles) == len(learned.SHARES)
    assert found.origin().listening == found.listening


def test_a_limit_of_polls_is_kept_by_the_one_that_listens() -> None:
    told = calibrated(of(FASHN, 2, 200, 1.0), "--max-polls", "5")
    (listening,) = (row for row in told["cadences"] if row["name"] == "listening")
    assert listening["polls"] <= 5.0
