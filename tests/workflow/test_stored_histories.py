"""One history for each mend that no fault of the matrix needs: it holds, and breaks its rule without the mend."""

from collections.abc import Iterator

import pytest

from tests.workflow.histories import FORGOTTEN, CalledAgain, History, Outage, Stopped, Theatre, theatre
from tests.workflow.weakenings import MENDS, without
from tryon_local.aws.faults import AwsFault, Throttled
from tryon_local.service.faults import Answer, Fails, Fault, Late, Page


def fails(code: int, *nth: int) -> Fault:
    return Fault("task", Fails(code), nth=nth)


STORED: dict[str, tuple[History, str]] = {
    "a slot belongs to one visit": (
        History(garments=4, service=(fails(50511, 1),), calls=(CalledAgain("PollFunction", 4, 70.0),), resubmissions=1),
        "a slot was given twice",
    ),
    "a run is not opened again": (
        History(calls=(CalledAgain("PlanFunction", 1, 200.0),)),
        "a run changed after its end|record says that it runs",
    ),
    "a run is reported once": (
        History(calls=(CalledAgain("SummarizeFunction", 1, 600.0),)),
        "a run was reported twice",
    ),
    "retries claim what they do": (
        History(service=(Fault("submit", Answer(50411), nth=(1,)),), repair="together"),
        "a picture was bought twice",
    ),
    "a retry sees the retries after it": (
        History(service=(Fault("submit", Answer(50411), nth=(1,)),), repair="again"),
        "what has its picture was repeated",
    ),
    "a refusal is confirmed before it ends a run": (
        History(garments=5, service=(Fault("submit", Page(http=403), nth=(1,)),)),
        "one fault cost more than one combination",
    ),
    "a repeated submit waits for the first": (
        History(
            service=(Fault("submit", Late(25.0), nth=(1,)),), calls=(CalledAgain("SubmitFunction", 1, 0.0, lost=True),)
        ),
        "a task came late",
    ),
    "a visit that failed gives its slot back": (
        History(garments=2, aws=(AwsFault("SubmitFunction", Throttled(), (), n=1),)),
        "a slot stood idle",
    ),
    "an execution that ends a run may be stopped too": (
        History(accidents=(Stopped(20.0, times=2),)),
        "nothing ends the run|record says that it runs",
    ),
    "pauses of the gate grow": (
        History(accidents=(Outage(0.0, 600.0, Answer(50500)),)),
        "one fault cost more than one combination",
    ),
}
"""By mend: a history that it is needed for, and the rule that breaks without it."""


@pytest.fixture(scope="module")
def one_slot() -> Iterator[Theatre]:
    with theatre(1) as found:
        yield found


def test_every_mend_has_a_stored_history() -> None:
    assert list(STORED) == list(MENDS)


@pytest.mark.parametrize("mend", STORED)
def test_a_stored_history_holds_and_breaks_without_its_mend(one_slot: Theatre, mend: str) -> None:
    history, rule = STORED[mend]
    one_slot.play(history).check()
    try:
        with without(MENDS[mend], one_slot), pytest.raises(AssertionError, match=rule):
            one_slot.play(history).check()
    finally:
        one_slot.wait(FORGOTTEN)
