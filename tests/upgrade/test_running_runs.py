"""Runs that began before a deployment: the definition of the last release goes on with today's functions.

AWS keeps a running execution on the definition that it began with, and changes its functions at once. What travels
between them may only gain fields with defaults. `definition.asl.json` is the last release's.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.pipeline import Ended, manifest, running
from tryon.ledger import Status
from tryon_local.app import ROOT
from tryon_local.service.faults import Answer, Expires, Fails, Fault, NeverDone, Silence

LAST = Path(__file__).with_name("definition.asl.json")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the last release's definition."""
    folder = tmp_path_factory.mktemp("last")
    for name in ("functions", "layers"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "template.yaml", folder)
    (folder / "statemachine").mkdir()
    shutil.copy(LAST, folder / "statemachine" / "tryon.asl.json")
    return folder


def unknown(ended: Ended) -> bool:
    return any(entry.outcome_unknown for entry in ended.entries)


@pytest.mark.parametrize(
    ("faults", "outcomes", "paid"),
    [
        ([], [None, None], 2),
        # The last release numbers no visits: a second submit looks like a call that comes twice,
        # is not made, and the retry manifest has its combination.
        ([Fault("submit", Answer(50430), nth=(1,))], ["SlotLostError", None], 1),
        ([Fault("submit", Answer(50411), nth=(1,))], ["InputRefusedError", None], 1),
        ([Fault("submit", Silence(processed=True), nth=(1,))], ["SubmitOutcomeUnknownError", None], 2),
        ([Fault("task", Fails(50520), nth=(1,))], ["TaskFailedError", None], 2),
        ([Fault("task", Expires(), nth=(1,))], ["TaskExpiredError", None], 2),
        ([Fault("task", NeverDone(), nth=(1,))], ["TaskDeadlineError", None], 2),
        ([Fault("download", Answer(100009), nth=(1,))], [None, None], 2),
    ],
    ids=["well", "busy", "refused", "unknown", "fails", "expires", "late", "download again"],
)
def test_a_run_of_the_last_release_ends_paid_once(
    faults: list[Fault], outcomes: list[str | None], paid: int, root: Path
) -> None:
    with running(slots=1, service_slots=2, faults=faults, root=root) as pipeline:
        pipeline.put_pictures(1, 2)
        ended = pipeline.run(manifest(1, 2))
        assert sorted(str(entry.error) for entry in ended.entries) == sorted(map(str, outcomes))
        assert pipeline.payments == paid
        assert len(ended.notifications) == 1
        assert (f"runs/{ended.run_id}/retry-manifest.json" in ended.keys) == (
            outcomes[0] is not None and not unknown(ended)
        )
        (child, *_) = pipeline.app.stack.children(ended.execution["executionArn"])
        states = json.dumps(child.events, default=str)
        assert '"Explain"' not in states, "today's definition ran"
        assert all(entry.results for entry in ended.entries if entry.status is Status.SUCCEEDED)


def test_a_run_of_the_last_release_that_is_stopped_is_ended_and_reported(root: Path) -> None:
    with running(slots=1, root=root) as pipeline:
        pipeline.put_pictures(1, 2)
        execution = pipeline.start(manifest(1, 2))
        pipeline.clock.sleep(20.0)
        states: Any = pipeline.app.stack.client("stepfunctions")
        states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
        pipeline.app.stack.wait(pipeline.ending(execution))
        ended = pipeline.ended(execution)
        assert ended.item["status"] == "FAILED"
        assert pipeline.payments == 1
        assert len(ended.notifications) == 1


def test_a_manifest_of_the_last_release_that_cannot_be_run_is_rejected(root: Path) -> None:
    with running(root=root) as pipeline:
        ended = pipeline.run(manifest(1, 1))
        assert (ended.status, ended.item["error"]) == ("REJECTED", "ManifestError")
        assert "inputs/m0.jpg" in ended.item["cause"]
