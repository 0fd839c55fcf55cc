"""Runs that began before a deployment: the definition of the last release goes on with today's functions.

AWS keeps a running execution on the definition that it began with, and changes its functions at once. What travels
between them may only gain fields with defaults. `definition.asl.json` is the last release's.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.pipeline import Ended, Pipeline, drawn_in_parts, manifest, planned_in_parts, running
from tryon.state.entry import Status
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
    # Filled in when the last release was deployed; today's template has no such number for the definition.
    text = LAST.read_text(encoding="utf-8").replace("${Deadline}", "300")
    (folder / "statemachine" / "tryon.asl.json").write_text(text, encoding="utf-8")
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


def test_a_large_run_of_the_last_release_is_planned_and_drawn_by_one_call_each(root: Path) -> None:
    with planned_in_parts(), drawn_in_parts(), running(root=root) as pipeline, pipeline.recorded() as seen:
        pipeline.put_pictures(1, 2)
        ended = pipeline.run(manifest(1, 2))
        assert (ended.status, len(ended.notifications)) == ("SUCCEEDED", 1)
        assert {f"runs/{ended.run_id}/gallery-{n:03d}.html" for n in (1, 2)} <= set(ended.keys)
        assert len(seen["PlanFunction"]) == 1
        assert len(seen["SummarizeFunction"]) == 1
        assert "GalleryFunction" not in seen


ITEMS = json.loads(LAST.with_name("items.json").read_text())
"""What the last release wrote: the attributes of a combination, a run and a waiter at the gate."""


def make_old(pipeline: Pipeline) -> None:
    """Everything that is stored, as the last release would have written it: what it did not know goes."""
    stack = pipeline.app.stack
    dynamodb: Any = stack.client("dynamodb")
    ledger, gate = stack.outputs["LedgerTableName"], stack.outputs["GateTableName"]
    for item in dynamodb.scan(TableName=ledger)["Items"]:
        kind = "combination" if item["sk"]["S"].startswith("combination#") else item["sk"]["S"]
        if kind in ITEMS:
            kept = {name: value for name, value in item.items() if name in ITEMS[kind]}
            dynamodb.put_item(TableName=ledger, Item=kept)
    item = dynamodb.get_item(TableName=gate, Key={"pk": {"S": "service"}}).get("Item")
    if item is not None:
        item.pop("trouble", None)
        for waiter in item["waiters"]["L"]:
            waiter["M"] = {name: waiter["M"][name] for name in ITEMS["waiter"]}
        dynamodb.put_item(TableName=gate, Item=item)
    for key in ("service#requests", "service#resumed"):
        dynamodb.delete_item(TableName=gate, Key={"pk": {"S": key}})


@pytest.mark.parametrize(
    ("function", "nth"),
    [
        ("ReserveFunction", 1),
        ("ReserveFunction", 2),
        ("SubmitFunction", 1),
        ("SubmitFunction", 2),
        ("PollFunction", 1),
        ("PollFunction", 3),
        ("DownloadFunction", 1),
        ("DownloadFunction", 2),
        ("SummarizeFunction", 1),
    ],
    ids=str,
)
def test_a_deployment_at_any_moment_of_a_run_costs_nothing(function: str, nth: int, root: Path) -> None:
    calls: Counter[str] = Counter()
    with running(slots=1, root=root) as pipeline:

        def deployed(name: str, event: Any) -> None:
            calls[name] += 1
            if (name, calls[name]) == (function, nth):
                make_old(pipeline)

        pipeline.app.stack.functions.before_invoke.append(deployed)
        pipeline.put_pictures(1, 3)
        ended = pipeline.run(manifest(1, 3))
        assert [(entry.status, entry.error) for entry in ended.entries] == [(Status.SUCCEEDED, None)] * 3
        assert pipeline.payments == 3
        assert ended.summary is not None
        assert ended.summary["seconds"] < 140, "a slot stood idle"
        assert len(ended.notifications) == 1
        stored = pipeline.app.stack.client("dynamodb").get_item(
            TableName=pipeline.app.stack.outputs["GateTableName"], Key={"pk": {"S": "service"}}
        )
        assert stored["Item"]["holders"] == {"M": {}}


@pytest.mark.parametrize("at", [1.0, 4.0, 12.0, 33.0])
def test_a_run_of_the_last_release_that_is_stopped_is_ended_and_reported(at: float, root: Path) -> None:
    with running(slots=1, root=root) as pipeline:
        pipeline.put_pictures(1, 2)
        enders: list[str] = []

        def deployed_and_stopped(execution: str) -> None:
            make_old(pipeline)
            enders.append(pipeline.stop(execution))

        execution = pipeline.start_and(manifest(1, 2), at, deployed_and_stopped)
        pipeline.app.stack.wait(enders[0])
        ended = pipeline.ended(execution)
        assert ended.item["status"] in ("FAILED", "PARTIAL")
        assert pipeline.payments == (2 if at > 30 else 1)
        assert len(ended.notifications) == 1


def test_a_manifest_of_the_last_release_that_cannot_be_run_is_rejected(root: Path) -> None:
    with running(root=root) as pipeline:
        ended = pipeline.run(manifest(1, 1))
        assert (ended.status, ended.item["error"]) == ("REJECTED", "ManifestError")
        assert "inputs/m0.jpg" in ended.item["cause"]
