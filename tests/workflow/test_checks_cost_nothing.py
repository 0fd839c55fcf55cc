"""A check that breaks, hangs or flags costs no picture, no slot and no money, and what it did not see is said."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.histories import LEASE
from tests.workflow.pipeline import Ended, Pipeline, manifest, running
from tryon.checks import comparing, looking
from tryon.checks.records import Evidence, Finding, Verdict
from tryon.checks.vocabulary import Check, State
from tryon_local.aws.functions import KilledError

GARMENTS = 6


@pytest.fixture(scope="module")
def stage() -> Iterator[Pipeline]:
    with running(slots=2) as found:
        found.put_pictures(1, GARMENTS)
        yield found


@pytest.fixture
def pipeline(stage: Pipeline) -> Iterator[Pipeline]:
    stage.notifications()
    stage.paid()
    yield stage
    stage.app.stack.functions.before_invoke.clear()
    stage.clock.sleep(LEASE)


def seconds(ended: Ended) -> float:
    return float((ended.execution["stopDate"] - ended.execution["startDate"]).total_seconds())


def run(pipeline: Pipeline) -> Ended:
    """A run of all garments that is whole, and paid once."""
    ended = pipeline.run(manifest(1, GARMENTS, cadence=[28, 5]))
    assert (ended.status, ended.execution["status"], ended.errors) == ("SUCCEEDED", "SUCCEEDED", {})
    assert (pipeline.paid(), len(ended.results)) == (GARMENTS, GARMENTS)
    assert "retry-manifest.json" not in {key.rpartition("/")[2] for key in ended.keys}
    children = pipeline.app.stack.children(str(ended.execution["executionArn"]))
    assert {child.status for child in children} == {"SUCCEEDED"}
    return ended


def checks(ended: Ended) -> dict[str, Any]:
    assert ended.summary is not None
    found: dict[str, Any] = ended.summary["checks"]
    return found


def break_(pipeline: Pipeline, broken: str, how: Any) -> None:
    def hook(function: str, event: Any) -> None:
        if function == broken:
            how()

    pipeline.app.stack.functions.before_invoke.append(hook)


def raising(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("function", ["CheckFunction", "CompareFunction"])
@pytest.mark.parametrize("error", [RuntimeError("no room left"), KilledError()])
def test_a_broken_check_leaves_results_unchecked_and_nothing_else(
    pipeline: Pipeline, function: str, error: BaseException
) -> None:
    break_(pipeline, function, raising(error))
    ended = run(pipeline)
    assert (checks(ended)["checked"], checks(ended)["unchecked"], checks(ended)["flagged"]) == (0, GARMENTS, 0)
    (notification,) = ended.notifications
    assert f"unchecked: {GARMENTS}" in json.loads(notification["Message"]).get("default", notification["Message"]) or (
        json.loads(notification["Message"])["flagged"] == 0
    )


def test_the_summary_names_the_error_that_ended_the_comparison(pipeline: Pipeline) -> None:
    break_(pipeline, "CompareFunction", raising(RuntimeError("no room left")))
    (reason,) = checks(run(pipeline))["unchecked_reasons"]
    assert reason == {"check": "", "says": "the results were not compared (RuntimeError)", "count": GARMENTS}


def test_a_check_that_hangs_keeps_no_slot_from_the_next(pipeline: Pipeline) -> None:
    """Each check takes all of its time; the run takes no longer than by what the last ones take."""
    plain = seconds(run(pipeline))
    pipeline.clock.sleep(LEASE)
    break_(pipeline, "CheckFunction", lambda: pipeline.clock.sleep(600))
    assert seconds(run(pipeline)) <= plain + 26


def test_a_flag_fails_hides_and_pays_nothing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(pipeline)

    def all_flagged(evidence: Iterator[Evidence], **_: Any) -> Iterator[Verdict]:
        found = list(evidence)
        for one in found:
            finding = Finding(Check.BLANK, 9.0, flagged=True)
            yield Verdict(one.n, one.candidate, State.FLAGGED, (finding,), suspicion=9.0, of=len(found))

    monkeypatch.setattr(comparing, "compare", all_flagged)
    flagged = run(pipeline)
    assert checks(flagged)["flagged"] == GARMENTS
    assert plain.summary is not None
    assert flagged.summary is not None
    for name in ("status", "total", "succeeded", "failed", "reasons", "pictures", "pictures_lost", "tasks", "cost"):
        assert (name, flagged.summary[name]) == (name, plain.summary[name]) or name == "cost"
    assert flagged.summary["cost"]["service"] == plain.summary["cost"]["service"]
    assert [entry.status for entry in flagged.entries] == [entry.status for entry in plain.entries]
    page = pipeline.app.get(f"runs/{flagged.run_id}/index.html").decode()
    assert page.count('"state":"flagged"') == GARMENTS


def test_what_is_measured_is_never_the_outcomes_business(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_measuring", raising(MemoryError()))
    assert checks(run(pipeline))["unchecked"] == GARMENTS
