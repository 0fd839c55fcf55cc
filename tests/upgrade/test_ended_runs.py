"""A run that an older version ended: its items and its summary are still read (ended-run.json is from 73b67d5)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tryon.json_types import UnreadableError
from tryon.reporting import summary
from tryon.state.entry import Status, read_entry
from tryon.state.run import RunStatus, read_run

OLD: dict[str, Any] = json.loads((Path(__file__).parent / "ended-run.json").read_text())
(RUN_ITEM,) = (item for item in OLD["items"] if item["sk"] == "run")


def test_its_run_is_read_with_its_outcome() -> None:
    run = read_run(RUN_ITEM)
    assert (run.status, run.planned, run.opened, run.running, run.halted) == (
        RunStatus.SUCCEEDED, True, True, False, None,
    )  # fmt: skip
    assert run.outcome is not None
    assert (run.outcome.succeeded, run.outcome.total, run.outcome.cost.service) == (2, 2, 2.0)
    assert (run.outcome.pictures_lost, run.outcome.reasons) == (0, ())
    assert run.cadence == (5, 8, 10, 8, 10)


def test_its_entries_are_read_with_their_results() -> None:
    entries = [read_entry(item) for item in OLD["items"] if item is not RUN_ITEM]
    assert [(entry.n, entry.status, entry.tasks) for entry in entries] == [
        (1, Status.SUCCEEDED, (OLD["items"][0]["task_id"],)),
        (2, Status.SUCCEEDED, (OLD["items"][1]["task_id"],)),
    ]
    for entry, item in zip(entries, OLD["items"], strict=False):
        (result,) = entry.results
        assert {name: getattr(result, name) for name in item["results"][0]} == item["results"][0]
        assert result.candidate is None


def test_its_summary_is_read() -> None:
    found = summary.read(json.dumps(OLD["summary"]))
    told = json.loads(found.encode())
    assert told["cost"].pop("services") == []
    assert {name: told[name] for name in OLD["summary"]} == OLD["summary"]
    assert {name for name in told if name not in OLD["summary"]} == {"nothing_left", "notes", "pictures_lost", "checks"}


@pytest.mark.parametrize("later", [{"a_field_of_later": {"x": 1}}, {}])
def test_what_a_later_version_adds_is_passed_over(later: dict[str, Any]) -> None:
    assert read_run(RUN_ITEM | later).run_id == RUN_ITEM["run_id"]
    assert read_entry(OLD["items"][0] | later).n == 1
    assert summary.read(json.dumps(OLD["summary"] | later)).total == 2


def test_an_item_that_is_none_is_refused_by_its_field() -> None:
    with pytest.raises(UnreadableError, match=r"^run \S+ cannot be read: outcome\.succeeded: .*valid integer"):
        read_run(RUN_ITEM | {"succeeded": "many"})
    with pytest.raises(UnreadableError, match=r"^combination \S+ cannot be read: results\.0\.key: "):
        read_entry(OLD["items"][0] | {"results": [{"bytes": 1}]})
    with pytest.raises(UnreadableError, match=r"^summary\.json cannot be read: cost: "):
        summary.read(json.dumps({name: value for name, value in OLD["summary"].items() if name != "cost"}))
