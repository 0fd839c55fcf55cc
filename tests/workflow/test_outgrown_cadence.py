"""A run whose tasks take other times than its cadence was learned from follows the default one before it is over."""

import pytest

from benchmarks.listening import EVERY, NONE, Scenario, learned_from, lesson
from tests.workflow.pipeline import manifest, running
from tests.workflow.test_learned_cadence import UNLIMITED
from tryon.cadence import DEFAULT, poll_times
from tryon.learning import learned
from tryon.service import registry
from tryon.state.ends import WINDOW

SLOTS = 3


@pytest.mark.parametrize("scenario", [NONE, EVERY], ids=["by elapsed time", "listening"])
def test_later_submits_follow_the_default(scenario: Scenario) -> None:
    stored = learned_from(lesson(scenario, 1, 200, told=True), "spring")
    assert (stored.listening is not None) == (scenario is EVERY)
    with running(slots=SLOTS, latency=lambda new: 58.0, **UNLIMITED) as pipeline:
        learned.store(pipeline.app.stack.client("s3"), pipeline.app.bucket, stored)
        pipeline.put_pictures(4, 9)
        ended = pipeline.run(manifest(4, 9, cadence="spring"))
        assert ended.status == "SUCCEEDED"
        offsets = [[round(at - task.submitted_at, 3) for at in task.polls] for task in pipeline.standin.tasks]
        first = stored.listening.queued[0] if stored.listening else stored.cadence[0]
        usual = poll_times(DEFAULT, 300)[: len(offsets[-1])]
        assert {polls[0] for polls in offsets[:WINDOW]} == {first}
        assert offsets[WINDOW + SLOTS :] == [usual] * (36 - WINDOW - SLOTS)
        # What the run kept at the gate goes with it.
        gate = pipeline.app.stack.client("dynamodb").get_item(
            TableName=pipeline.app.stack.outputs["GateTableName"], Key={"pk": {"S": registry.FIRST_ACCOUNT}}
        )
        assert "ends" not in gate["Item"]


def test_a_cadence_that_suits_is_followed_to_the_end() -> None:
    stored = learned_from(lesson(NONE, 1, 200, told=True), "spring")
    table = stored.quantiles
    with running(slots=SLOTS, latency=lambda new: table[new.number % len(table)], **UNLIMITED) as pipeline:
        learned.store(pipeline.app.stack.client("s3"), pipeline.app.bucket, stored)
        pipeline.put_pictures(3, 9)
        ended = pipeline.run(manifest(3, 9, cadence="spring"))
        assert ended.status == "SUCCEEDED"
        assert {round(task.polls[0] - task.submitted_at) for task in pipeline.standin.tasks} == {stored.cadence[0]}
