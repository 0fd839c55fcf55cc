"""A child's history has room for 25,000 events: a child that waits for days ends in its record, far below that."""

from typing import Any

import pytest

from tests.workflow.pipeline import manifest, running
from tryon.state import gate
from tryon.state.entry import Status
from tryon.task import slots
from tryon.task.slots import MOST_WAIT
from tryon_local.service.faults import Answer, Fault

MOST_EVENTS = 20_000


def events(pipeline: Any, execution: str) -> int:
    (child,) = pipeline.app.stack.children(execution)
    return len(child.events)


def test_a_child_that_waits_in_the_queue_for_days_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "admit", lambda state, *_: (state, []))  # a slot is never free
    with running(slots=1) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1))
        (entry,) = ended.entries
        assert (entry.status, entry.error, entry.step) == (Status.FAILED, "NotStartedError", "ReserveSlot")
        assert entry.cause == "no slot was free for 4 days; nothing was paid"
        assert pipeline.payments == 0
        assert MOST_WAIT <= ended.summary["seconds"] < MOST_WAIT + 600  # type: ignore[index]
        assert 10_000 < events(pipeline, ended.execution["executionArn"]) < MOST_EVENTS


@pytest.mark.parametrize("code", [50430, 50500])
def test_a_child_that_is_refused_for_days_is_recorded(code: int) -> None:
    days = 2 * 86_400
    faults = [Fault("submit", Answer(code))]
    with running(slots=1, faults=faults, parameters={"PatienceSeconds": str(days)}) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1))
        (entry,) = ended.entries
        assert entry.status is Status.FAILED
        assert pipeline.payments == 0
        assert events(pipeline, ended.execution["executionArn"]) < MOST_EVENTS


def test_a_child_whose_slot_is_lost_again_and_again_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> Any:
        raise gate.SlotLostError("the slot was given back before the submit")

    monkeypatch.setattr(gate.Gate, "hold", lost)
    monkeypatch.setattr(slots, "MOST_WAIT", MOST_WAIT / 4)
    with running(slots=1) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1))
        (entry,) = ended.entries
        assert (entry.status, entry.error) == (Status.FAILED, "NotStartedError")
        assert events(pipeline, ended.execution["executionArn"]) < MOST_EVENTS / 4
