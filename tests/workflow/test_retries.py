"""Retries, by whomever and however often: what has its picture, or may have been paid, is not bought again."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.histories import LEASE, NOT_FOUND
from tests.workflow.pipeline import Ended, Pipeline, item_of, manifest, picture, running
from tryon_local.aws.faults import AwsFault, AwsFaults, Killed
from tryon_local.service.faults import Answer, Fault, HiddenAtFirst, Page, Silence, Takes


@pytest.fixture(scope="module")
def stage() -> Iterator[Pipeline]:
    """Two slots of ours, and more at the service; a bucket whose objects have no versions."""
    with running(slots=2, service_slots=20, parameters={"InputBuckets": "catalogue"}) as found:
        found.app.stack.client("s3").create_bucket(Bucket="catalogue")
        yield found


@pytest.fixture
def pipeline(stage: Pipeline) -> Iterator[Pipeline]:
    """The stage, free of what the test before let happen, with pictures of its own."""
    stage.put_pictures(1, 3)
    stage.notifications()
    stage.paid()
    yield stage
    stage.app.stack.functions.before_invoke.clear()
    stage.standin.faults.clear()
    stage.clock.sleep(LEASE)


def small(garments: int = 2, **more: Any) -> dict[str, Any]:
    """A manifest with one poll a combination, that sees the end."""
    return manifest(1, garments, cadence=[28, 5], **more)


def fails_first(pipeline: Pipeline, garments: int = 2, **more: Any) -> Ended:
    """A run whose first combination the service refuses, without a task."""
    pipeline.standin.faults.add(Fault("submit", Answer(50411), nth=(1,)))
    ended = pipeline.run(small(garments, **more))
    pipeline.standin.faults.clear()
    assert (ended.status, pipeline.paid()) == ("PARTIAL", garments - 1)
    return ended


def again(pipeline: Pipeline, run: Ended) -> bytes:
    """The retry manifest of a run."""
    return pipeline.app.get(f"runs/{run.run_id}/retry-manifest.json")


def repaired_by(pipeline: Pipeline, run: Ended) -> list[str] | None:
    item = item_of(pipeline.app.ledger.run(run.run_id))
    # However it was repaired, what it reported stays.
    assert {**item, "repaired_by": None} == {**run.item, "repaired_by": None}
    return item.get("repaired_by")


def check_nothing_left(pipeline: Pipeline, run: Ended, by: list[Ended]) -> None:
    """A retry without anything to do is recorded, told and green, and pays nothing."""
    assert (run.status, run.execution["status"], run.entries) == ("SUCCEEDED", "SUCCEEDED", [])
    assert run.item["nothing_left"] == sorted(one.run_id for one in by)
    assert run.summary is not None
    assert (run.summary["total"], run.summary["cost"]["service"]) == (0, 0)
    (told,) = [one for one in run.notifications if run.run_id in one["Message"]]
    assert told["Subject"].endswith(": nothing left to do")
    assert pipeline.paid() == 0


def pictures_sent(pipeline: Pipeline, last: int = 1) -> set[str]:
    """Hashes of the pictures that the service got with the last tasks."""
    return {digest for task in pipeline.standin.tasks[-last:] for digest in task.combination.images}


def digest(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()


@pytest.mark.parametrize("apart", [0.0, 20.0])
def test_two_retries_of_a_run_buy_each_combination_once(pipeline: Pipeline, apart: float) -> None:
    """At once each has looked at what is left before the other takes anything."""
    first = fails_first(pipeline)
    stack = pipeline.app.stack

    def slow(model: Any, **_: Any) -> None:
        if stack.functions.calling() == "PlanFunction" and model.name == "UpdateItem":
            pipeline.clock.sleep(5.0)

    with stack.watched("before-call", slow), pipeline.clock.attached():
        executions = [pipeline.start(again(pipeline, first))]
        pipeline.clock.sleep(apart)
        executions.append(pipeline.start(again(pipeline, first)))
        pipeline.clock.sleep(60.0)
    one, two = (pipeline.ended(execution) for execution in executions)
    assert [one.status, two.status] == ["SUCCEEDED", "SUCCEEDED"]
    # At once, either of them may be the one that does it.
    assert sorted([len(one.entries), len(two.entries)]) == [0, 1]
    doer, other = (one, two) if one.entries else (two, one)
    assert other.item["nothing_left"] == [doer.run_id]
    assert pipeline.paid() == 1
    assert repaired_by(pipeline, first) in ([doer.run_id], sorted([one.run_id, two.run_id]))


def test_a_retry_manifest_put_again_after_its_end_has_nothing_to_do(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    retried = pipeline.run(again(pipeline, first))
    assert (retried.status, pipeline.paid(), repaired_by(pipeline, first)) == ("SUCCEEDED", 1, [retried.run_id])
    check_nothing_left(pipeline, pipeline.run(again(pipeline, first)), [retried])
    check_nothing_left(pipeline, pipeline.run(again(pipeline, first), "another-name"), [retried])
    assert retried.run_id in (repaired_by(pipeline, first) or [])


def test_a_retry_of_a_retry_repairs_all_that_it_goes_back_to(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    pipeline.standin.faults.add(Fault("submit", Answer(50411), nth=(1,)))
    second = pipeline.run(again(pipeline, first))
    pipeline.standin.faults.clear()
    assert (second.status, repaired_by(pipeline, first)) == ("FAILED", None)
    third = pipeline.run(again(pipeline, second))
    assert (third.status, third.item["retry_of"], pipeline.paid()) == ("SUCCEEDED", second.run_id, 1)
    assert repaired_by(pipeline, second) == [third.run_id]
    assert repaired_by(pipeline, first) == [second.run_id, third.run_id]
    # Neither the first run's manifest nor the second's buys anything now.
    check_nothing_left(pipeline, pipeline.run(again(pipeline, first)), [third])
    check_nothing_left(pipeline, pipeline.run(again(pipeline, second)), [third])


def test_the_whole_manifest_as_a_retry_does_only_what_is_left(pipeline: Pipeline) -> None:
    first = fails_first(pipeline, 3)
    whole = pipeline.run(small(3, retry_of=first.run_id))
    assert (whole.status, [entry.garments for entry in whole.entries], pipeline.paid()) == (
        "SUCCEEDED",
        [next(entry.garments for entry in first.entries if entry.error)],
        1,
    )
    check_nothing_left(pipeline, pipeline.run(small(3, retry_of=first.run_id)), [first, whole])
    assert whole.run_id in (repaired_by(pipeline, first) or [])


def test_a_running_retry_holds_what_it_does_and_a_stopped_one_frees_it(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    # Nothing of the retry is submitted before it is stopped.
    pipeline.standin.faults.add(Fault("submit", Answer(50429)))
    with pipeline.clock.attached():
        stopped = pipeline.start(again(pipeline, first))
        pipeline.clock.sleep(15.0)
        beside = pipeline.start(again(pipeline, first))
        pipeline.clock.sleep(15.0)
        ender = pipeline.stop(stopped)
    held = pipeline.ended(beside)
    pipeline.app.stack.wait(ender)
    running_one = pipeline.ended(stopped)
    assert held.item["nothing_left"] == [running_one.run_id]
    assert list(running_one.errors.values()) == ["NotStartedError"]
    assert (held.status, pipeline.paid()) == ("SUCCEEDED", 0)
    pipeline.standin.faults.clear()
    retried = pipeline.run(again(pipeline, first))
    assert (retried.status, len(retried.entries), pipeline.paid()) == ("SUCCEEDED", 1, 1)


def test_an_outcome_unknown_in_a_retry_is_bought_by_no_other_unasked(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    pipeline.standin.faults.add(Fault("submit", Silence(processed=True), nth=(1,)))
    doubtful = pipeline.run(again(pipeline, first))
    pipeline.standin.faults.clear()
    assert (list(doubtful.errors.values()), pipeline.paid()) == (["SubmitOutcomeUnknownError"], 1)
    assert f"runs/{doubtful.run_id}/retry-manifest.json" not in doubtful.keys
    check_nothing_left(pipeline, pipeline.run(again(pipeline, first)), [doubtful])
    # Named by a person, as `tryon retry --include-unknown` does, it is done again.
    asked = {**json.loads(again(pipeline, first)), "retry_of": doubtful.run_id}
    named = pipeline.run(asked)
    assert (named.status, len(named.entries), pipeline.paid()) == ("SUCCEEDED", 1, 1)


def test_retries_made_before_there_were_claims_count_too(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    retried = pipeline.run(again(pipeline, first))
    assert pipeline.paid() == 1
    _delete_claims(pipeline, first)
    check_nothing_left(pipeline, pipeline.run(again(pipeline, first)), [retried])


def _delete_claims(pipeline: Pipeline, first: Ended) -> None:
    stack = pipeline.app.stack
    table, dynamodb = stack.outputs["LedgerTableName"], stack.client("dynamodb")
    found = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"repair#{first.run_id}"}},
    )["Items"]
    assert found
    for item in found:
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def test_a_late_task_is_resumed_by_one_retry_only(pipeline: Pipeline) -> None:
    pipeline.standin.faults.add(Fault("task", Takes(400.0), nth=(1,)))
    first = pipeline.run(small())
    assert (list(first.errors.values()), pipeline.paid()) == (["TaskDeadlineError"], 2)
    pipeline.clock.sleep(200.0)
    with pipeline.clock.attached():
        executions = [pipeline.start(again(pipeline, first)), pipeline.start(again(pipeline, first))]
    runs = [pipeline.ended(execution) for execution in executions]
    assert [run.status for run in runs] == ["SUCCEEDED"] * 2
    (entry,) = [entry for run in runs for entry in run.entries]
    assert (entry.resumed, pipeline.paid()) == (True, 0)


@pytest.mark.parametrize("cadence", [[20, 6], [70]])
def test_a_task_that_is_not_found_for_a_moment_is_not_written_off(pipeline: Pipeline, cadence: list[int]) -> None:
    pipeline.standin.faults.add(Fault("task", HiddenAtFirst(polls=1), nth=(1,)))
    ended = pipeline.run(manifest(1, 2, cadence=cadence))
    assert (ended.status, ended.errors, pipeline.paid()) == ("SUCCEEDED", {}, 2)


def test_a_resumed_task_that_is_not_found_for_a_moment_is_not_written_off(pipeline: Pipeline) -> None:
    pipeline.standin.faults.add(Fault("task", Takes(400.0), nth=(1,)))
    first = pipeline.run(small(1))
    pipeline.clock.sleep(200.0)
    pipeline.paid()
    # The first question is the second Plan's.
    pipeline.standin.faults.add(Fault("result", _not_found(), nth=(2, 3)))
    retried = pipeline.run(again(pipeline, first))
    (entry,) = retried.entries
    assert (retried.status, entry.resumed, entry.polls, pipeline.paid()) == ("SUCCEEDED", True, 3, 0)


def _not_found() -> Page:
    return Page(body=NOT_FOUND, content_type="application/json")


@pytest.mark.parametrize("known", [True, False])
def test_before_it_pays_again_a_retry_asks_once_more_for_a_task_that_was_not_found(
    pipeline: Pipeline, known: bool
) -> None:
    pipeline.standin.faults.add(Fault("result", _not_found(), nth=tuple(range(2, 100))))
    first = pipeline.run(small(1))
    assert (list(first.errors.values()), pipeline.paid()) == (["TaskExpiredError"], 1)
    pipeline.standin.faults.clear()
    if not known:
        pipeline.clock.sleep(3600.0)
        # Plan's question, and the one before the submit.
        pipeline.standin.faults.add(Fault("result", _not_found(), nth=(1, 2)))
    retried = pipeline.run(again(pipeline, first))
    (entry,) = retried.entries
    assert (retried.status, entry.resumed) == ("SUCCEEDED", known)
    assert pipeline.paid() == (0 if known else 1)


def test_a_picture_without_versions_that_is_replaced_after_the_check_is_not_sent(pipeline: Pipeline) -> None:
    s3 = pipeline.app.stack.client("s3")
    s3.put_object(Bucket="catalogue", Key="anna.jpg", Body=picture(7))
    wanted = small(3)
    wanted["models"][0]["image"] = "s3://catalogue/anna.jpg"
    ended = pipeline.ended(
        pipeline.start_and(
            wanted, 5.0, lambda execution: s3.put_object(Bucket="catalogue", Key="anna.jpg", Body=picture(99))
        )
    )
    assert digest(99) not in pictures_sent(pipeline, 3)
    assert {entry.error for entry in ended.entries if entry.error} == {"PictureChangedError"}
    assert all("s3://catalogue/anna.jpg was replaced" in str(e.cause) for e in ended.entries if e.error)
    assert pipeline.paid() == sum(entry.error is None for entry in ended.entries) == 2
    assert not pipeline.gate()["holders"]
    # The picture as it was is gone: the retry says so by name, and pays nothing.
    refused = pipeline.run(again(pipeline, ended))
    assert (refused.status, pipeline.paid()) == ("REJECTED", 0)
    assert (
        "models[0].image: 's3://catalogue/anna.jpg' cannot be had any more as the run had it" in refused.item["cause"]
    )
    fresh = pipeline.run({**json.loads(again(pipeline, ended)), "new_pictures": True})
    assert (fresh.status, digest(99) in pictures_sent(pipeline), pipeline.paid()) == ("SUCCEEDED", True, 1)


def _replaced(pipeline: Pipeline) -> Ended:
    """A run of which one combination is left, and whose model's picture was replaced since."""
    first = fails_first(pipeline)
    pipeline.app.put("inputs/m0.jpg", picture(50))
    return first


@pytest.mark.parametrize("new", [False, True])
def test_a_retry_uses_the_pictures_of_the_run_and_says_where_there_are_newer_ones(
    pipeline: Pipeline, new: bool
) -> None:
    first = _replaced(pipeline)
    retried = pipeline.run({**json.loads(again(pipeline, first)), **({"new_pictures": True} if new else {})})
    assert (retried.status, pipeline.paid()) == ("SUCCEEDED", 1)
    sent = pictures_sent(pipeline)
    assert (digest(0) in sent, digest(50) in sent) == (not new, new)
    notes = retried.item.get("notes", [])
    assert len(notes) == (0 if new else 1)
    for note in notes:
        assert note.startswith(
            "models[0].image: 'inputs/m0.jpg' was replaced since; the picture of the first run is used"
        )
    assert retried.summary is not None
    assert retried.summary["notes"] == notes
    # People read it in the notification too.
    report = json.loads(
        pipeline.app.stack.invoke(
            "SummarizeFunction", {"run_id": retried.run_id, "bucket": pipeline.app.bucket}
        ).payload
    )
    assert all(note in json.loads(report["notification"]["message"])["email"] for note in notes)


def test_a_picture_under_another_name_is_taken_as_it_is_now(pipeline: Pipeline) -> None:
    first = _replaced(pipeline)
    pipeline.app.put("inputs/other.jpg", picture(60))
    wanted = json.loads(again(pipeline, first))
    wanted["models"][0]["image"] = "inputs/other.jpg"
    retried = pipeline.run(wanted)
    assert (retried.status, digest(60) in pictures_sent(pipeline), retried.item.get("notes", [])) == (
        "SUCCEEDED",
        True,
        [],
    )


def test_a_source_that_was_deleted_is_kept_by_its_version(pipeline: Pipeline) -> None:
    first = fails_first(pipeline)
    pipeline.app.stack.client("s3").delete_object(Bucket=pipeline.app.bucket, Key="inputs/m0.jpg")
    retried = pipeline.run(again(pipeline, first))
    assert (retried.status, digest(0) in pictures_sent(pipeline), pipeline.paid()) == ("SUCCEEDED", True, 1)
    assert retried.item["notes"] == ["models[0].image: 'inputs/m0.jpg' is gone; the picture of the first run is used"]


def test_a_picture_whose_version_is_gone_is_refused_by_name_and_nothing_is_paid(pipeline: Pipeline) -> None:
    first = _replaced(pipeline)
    _delete_versions(pipeline, "inputs/m0.jpg")
    refused = pipeline.run(again(pipeline, first))
    assert (refused.status, refused.item["error"], pipeline.paid()) == ("REJECTED", "ManifestError", 0)
    assert "models[0].image: 'inputs/m0.jpg' cannot be had any more as the run had it" in refused.item["cause"]
    assert "tryon retry --new-pictures" in refused.item["cause"]
    # The refused retry holds nothing: another one may do it.
    pipeline.app.put("inputs/m0.jpg", picture(0))
    fresh = pipeline.run({**json.loads(again(pipeline, first)), "new_pictures": True})
    assert (fresh.status, pipeline.paid()) == ("SUCCEEDED", 1)


def _delete_versions(pipeline: Pipeline, key: str) -> None:
    s3 = pipeline.app.stack.client("s3")
    for version in s3.list_object_versions(Bucket=pipeline.app.bucket, Prefix=key)["Versions"]:
        s3.delete_object(Bucket=pipeline.app.bucket, Key=key, VersionId=version["VersionId"])


def test_the_pictures_of_a_run_that_kept_no_list_are_found_in_its_plan(pipeline: Pipeline) -> None:
    first = _replaced(pipeline)
    pipeline.app.stack.client("s3").delete_object(Bucket=pipeline.app.bucket, Key=f"runs/{first.run_id}/pictures.json")
    retried = pipeline.run(again(pipeline, first))
    assert (retried.status, pipeline.paid()) == ("SUCCEEDED", 1)
    sent = pictures_sent(pipeline)
    assert (digest(0) in sent, digest(50) in sent) == (True, False)


@pytest.mark.parametrize("stopped", ["rejected", "before its plan"])
def test_a_run_that_was_never_planned_is_retried_as_a_whole(pipeline: Pipeline, stopped: str) -> None:
    if stopped == "rejected":
        first = pipeline.run(b'{"modles": []}')
        assert first.status == "REJECTED"
    else:
        with AwsFaults(AwsFault("PlanFunction", Killed("before"), ())).on(pipeline.app.stack):
            first = pipeline.run(small())
        assert first.status == "FAILED"
    retried = pipeline.run(small(retry_of=first.run_id))
    assert (retried.status, len(retried.entries), pipeline.paid()) == ("SUCCEEDED", 2, 2)
