"""A run's item and the run that is read from it."""

import json
from typing import Any

import pytest

from tests.doubles import outcome
from tryon.state.run import LearnedFrom, Reason, Run, RunStatus, Spread, read_run

LEARNED = LearnedFrom("spring", 1.0, 120, 2.5, 1.5, 27.0, tuple(float(i) for i in range(19)))
ENDED = outcome(
    "PARTIAL", error="States.Runtime", cause="because", polls=Spread(4.0, 4.0, 6.0, 6.0),
    reasons=(Reason("TaskFailedError", 1, ("anna__01-shirt__default",), "x"),),
)  # fmt: skip


@pytest.mark.parametrize(
    "run",
    [
        Run("run-1"),
        Run("run-1", execution="e", name="spring", bucket="b", manifest_key="k", manifest_version="v", started_at=7.0),
        Run("run-1", cadence=(5, 8), learned=LEARNED, notes=("a", "b"), retry_of="run-0", total=0, nothing_left=()),
        Run("run-1", halt_error="ServiceAccessError", halt_cause="no such key", planned_at=9.5, repaired_by=("r",)),
        Run("run-1", RunStatus.REJECTED, error="ManifestError", cause="models: is missing"),
        Run("run-1", RunStatus.PARTIAL, total=10, error=ENDED.error, cause=ENDED.cause, outcome=ENDED),
    ],
)
def test_a_run_reads_back_from_its_item(run: Run) -> None:
    item: dict[str, Any] = json.loads(json.dumps(run.as_item()))
    if run.nothing_left is not None:
        item["nothing_left"] = list(run.nothing_left)
    assert read_run(item) == run


def test_what_is_not_known_is_not_in_the_item() -> None:
    assert Run("run-1").as_item() == {"run_id": "run-1", "status": "RUNNING", "started_at": 0.0}


def test_a_runs_states_are_told_apart() -> None:
    rejected = Run("run-1", RunStatus.REJECTED)
    opened = Run("run-1", bucket="b", started_at=100.0)
    planned = Run("run-1", bucket="b", started_at=100.0, planned_at=103.0)
    assert [(run.opened, run.planned, run.running, run.planning_seconds) for run in (rejected, opened, planned)] == [
        (False, False, False, 0.0),
        (True, False, True, 0.0),
        (True, True, True, 3.0),
    ]
    assert Run("run-1", halt_error="A", halt_cause="b").halted == "A: b"
