"""Learned cadences in the bucket, the manifests that name them, and what becomes of them when the service changes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tryon.learning import learned
from tryon.learning.calibration import evaluate, fit, observations, optimal_cadence
from tryon.learning.drift import Drift, DriftMeter
from tryon.planning.manifest import ManifestError, parse
from tryon.reporting import notification, summary
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon.state.observed import Observation
from tryon.state.run import LearnedFrom, Price, Run

BUCKET = "stack-bucket"


def ended(n: int, latency: float | None, **changes: Any) -> Entry:
    known: dict[str, Any] = {
        "status": Status.SUCCEEDED,
        "task_id": "t",
        "submits": 1,
        "submitted_at": 1000.0,
        "ended_at": 1030.0,
        "polls": 2,
        "latency": latency,
        **changes,
    }
    return Entry(n=n, id=f"a{n}", model="a", worn="01-g", variant="default", **known)


def usual(seed: int, count: int, later: float = 0.0) -> list[Entry]:
    random = Random(seed)
    return [ended(n, later + random.gauss(27, 2.5)) for n in range(1, count + 1)]


DISTRIBUTION = fit(observations(usual(1, 100)))
WAITS = optimal_cadence(DISTRIBUTION, deadline=300, max_polls=2.0)
SPRING = learned.learned(
    "spring",
    WAITS,
    DISTRIBUTION,
    evaluate(WAITS, DISTRIBUTION, 300),
    deadline=300,
    created=1_790_000_000.0,
    runs=["run-1", "run-2"],
    max_polls=2.0,
)


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def manifest(cadence: Any) -> Any:
    content = {
        "models": [{"id": "anna", "image": "a.jpg"}],
        "garments": [{"id": "shirt", "image": "s.jpg", "type": "upper"}],
        "cadence": cadence,
    }
    return parse(json.dumps(content).encode(), bucket=BUCKET)


def test_what_is_stored_comes_back_by_its_name(s3: Any) -> None:
    learned.store(s3, BUCKET, SPRING)
    assert learned.load(s3, BUCKET, "spring") == SPRING
    stored = json.loads(s3.get_object(Bucket=BUCKET, Key="cadences/spring.json")["Body"].read())
    assert stored["cadence"] == WAITS
    assert (stored["samples"], stored["runs"], stored["max_polls"]) == (100, ["run-1", "run-2"], 2.0)


def test_a_manifest_names_waits_or_a_cadence_or_neither(s3: Any) -> None:
    learned.store(s3, BUCKET, SPRING)
    usual = {registry.FIRST: [5, 8]}
    assert learned.resolve(s3, BUCKET, manifest([7, 9]), usual) == ({registry.FIRST: (7, 9)}, None)
    assert learned.resolve(s3, BUCKET, manifest("spring"), usual) == ({registry.FIRST: tuple(WAITS)}, SPRING)
    assert learned.resolve(s3, BUCKET, manifest(None), usual) == ({registry.FIRST: (5, 8)}, None)


def test_an_unknown_name_is_refused_with_the_nearest_or_all_known_ones(s3: Any) -> None:
    with pytest.raises(ManifestError, match=r"cadence: 'spring' is not .*none has been stored yet"):
        learned.resolve(s3, BUCKET, manifest("spring"), {registry.FIRST: [5]})
    learned.store(s3, BUCKET, SPRING)
    learned.store(s3, BUCKET, SPRING.model_copy(update={"name": "autumn"}))
    with pytest.raises(ManifestError, match="did you mean 'spring'"):
        learned.resolve(s3, BUCKET, manifest("sprnig"), {registry.FIRST: [5]})
    with pytest.raises(ManifestError, match="known are autumn, spring"):
        learned.resolve(s3, BUCKET, manifest("x"), {registry.FIRST: [5]})


@pytest.mark.parametrize("content", [b"", b"[27, 3]", b'{"cadence": [0]}'])
def test_a_file_that_is_no_learned_cadence_is_told_as_the_field_that_names_it(s3: Any, content: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key="cadences/spring.json", Body=content)
    with pytest.raises(ManifestError, match=r"^cadence: cadences/spring\.json is not a learned cadence"):
        learned.resolve(s3, BUCKET, manifest("spring"), {registry.FIRST: [5]})


# --- drift ---

ORIGIN = SPRING.origin()


def drift(origin: LearnedFrom, entries: list[Entry]) -> Drift | None:
    seen = DriftMeter(origin)
    for entry in entries:
        seen.add(entry)
    return seen.drift()


def test_the_same_service_raises_no_alarm() -> None:
    alarms = [drift(ORIGIN, usual(seed, count)).calibrate_again for seed in range(2, 52) for count in (10, 18, 200)]  # type: ignore[union-attr]
    assert not any(alarms)


@pytest.mark.parametrize(("later", "count"), [(8.0, 18), (-8.0, 18), (2.5, 100)])
def test_a_service_that_changed_is_noticed(later: float, count: int) -> None:
    told = drift(ORIGIN, usual(5, count, later))
    assert told is not None
    assert told.calibrate_again is True
    assert told.median_seen - told.median_learned == pytest.approx(later, abs=1.0)


def test_half_a_second_is_not_worth_a_calibration() -> None:
    told = drift(replace(ORIGIN, samples=10_000), usual(5, 2000, 0.4))
    assert told is not None
    assert told.calibrate_again is False


def test_latencies_known_between_polls_count_as_far_as_they_are_known() -> None:
    # Polled at 5, 13, 23 and 31 s: 27 s on average is among what these tasks may have taken, 18 s is not.
    def between(n: int, pending: float, seen: float) -> Entry:
        return ended(n, None, pending_at=1000.0 + pending, ended_at=1000.0 + seen)

    fitting = [between(n, 23, 31) for n in range(20)]
    sooner = [between(n, 13, 23) for n in range(20)]
    assert drift(ORIGIN, fitting).calibrate_again is False  # type: ignore[union-attr]
    assert drift(ORIGIN, sooner).calibrate_again is True  # type: ignore[union-attr]


def test_a_handful_of_tasks_says_nothing() -> None:
    assert drift(ORIGIN, usual(5, 9, 30.0)) is None


RUN = Run("run-3", name="Spring", bucket="b", manifest_key="manifests/s.json", started_at=900.0)


@pytest.mark.parametrize(("later", "said"), [(0.0, False), (8.0, True)])
def test_the_summary_and_the_message_say_when_to_calibrate_again(later: float, said: bool) -> None:
    run = replace(RUN, cadence=tuple(WAITS), learned=ORIGIN)
    told = summary.summarize(run, usual(6, 18, later), now=1200.0, prices=lambda _: Price(1.0, "CNY"))
    assert (told.cadence, told.cadence_name) == (tuple(WAITS), "spring")
    assert told.drift is not None
    assert told.drift.calibrate_again is said
    message = notification.body(told, bucket="b", prefix="runs/run-3/")
    assert ("when the cadence 'spring' was learned: calibrate again" in message) is said


def test_without_a_learned_cadence_there_is_nothing_to_drift_from() -> None:
    run = replace(RUN, cadence=(5, 8))
    told = summary.summarize(run, usual(6, 18, 8.0), now=1200.0, prices=lambda _: Price(1.0, "CNY"))
    assert (told.cadence_name, told.drift) == (None, None)
    assert "calibrate" not in notification.body(told, bucket="b", prefix="runs/run-3/")


def test_what_a_cadence_promises_is_what_it_was_judged_by() -> None:
    assert SPRING.polls <= 2.0
    seconds = [Observation(one.latency, one.latency) for one in usual(1, 100) if one.latency]
    assert SPRING.mean == pytest.approx(sum(one.low for one in seconds) / 100, abs=0.6)
