"""Many slots and few requests: who finds no request left has a turn, and comes for it once."""

from collections import Counter

from tests.workflow.pipeline import manifest, running
from tryon_local.service.faults import Fault, Takes

SLOTS = 40
PARAMETERS = {"PaceSeconds": "0", "RequestsPerSecond": "0.5"}


def test_each_request_has_a_turn_that_nobody_asks_for_twice() -> None:
    with running(slots=SLOTS, parameters=PARAMETERS) as pipeline:
        pipeline.put_pictures(1, 60)
        calls: Counter[str] = Counter()
        pipeline.app.stack.functions.before_invoke.append(lambda name, _: calls.update([name]))
        began = pipeline.clock.now()
        ended = pipeline.run(manifest(1, 60))
        seconds = pipeline.clock.now() - began
        requests = sum(kind.total() for kind in (pipeline.standin.requests.submit, pipeline.standin.requests.result))
    assert ended.errors == {}
    # All of the rate is used (0.5 a second, less its margin of a tenth), but for the start and the last poll.
    assert requests / seconds > 0.42
    # A request that has to wait takes two calls: one that books it and one that makes it.
    assert calls["SubmitFunction"] + calls["PollFunction"] <= 2 * requests
    # Nobody goes back to the gate.
    assert calls["ReserveFunction"] <= 60 + 40


def test_resumed_tasks_and_new_ones_share_the_requests() -> None:
    with running(slots=SLOTS, parameters=PARAMETERS, faults=[Fault("task", Takes(400.0))]) as pipeline:
        pipeline.put_pictures(1, 60)
        execution = pipeline.start_and(manifest(1, 60), 200, pipeline.stop)
        pipeline.app.stack.wait(pipeline.ending(execution))
        first = pipeline.ended(execution)
        pipeline.standin.faults.clear()
        pipeline.clock.sleep(3600)
        paid = pipeline.paid()
        retry = pipeline.app.get(f"runs/{first.run_id}/retry-manifest.json")
        ended = pipeline.run(retry)
        assert ended.errors == {}
        assert paid + pipeline.paid() == 60
