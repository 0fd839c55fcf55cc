"""Whatever goes wrong at one of several services: each combination is paid once, by its own, and in its own slots."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from tests import toy
from tests.workflow.histories import FORGOTTEN
from tests.workflow.pipeline import TYPES, Ended, Pipeline, running
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.fal.standin import StandIn as Fal
from tryon_local.service.fashn.standin import StandIn as Fashn
from tryon_local.service.faults import (
    Candidates,
    Cut,
    Fault,
    Late,
    NoConnection,
    Page,
    Redirect,
    Reset,
    Silence,
    Slow,
    Takes,
)
from tryon_local.service.pixel import pixel

SLOTS = {"service": 1, "fashn": 2, "toy": 3, "fal": 2}
"""By account."""

MIXES = st.sampled_from(
    [("", "fashn"), ("fashn",), ("fashn", "toy"), ("toy", "", "fashn"), ("fal/leffa", "fashn"), ("", "fal/google"),
     ("fal/kling-kolors", "toy")]
)  # fmt: skip
"""The services of a manifest's variants, by name or key; the first one is named by none."""

WIRES = st.sampled_from(
    [
        Page(http=502), Page(http=200), Page(http=200, processed=True), NoConnection(), NoConnection(timeout=True),
        Reset(), Reset(processed=True), Silence(), Silence(processed=True), Cut(0.5), Late(45.0), Slow(20.0),
        Redirect("https://169.254.169.254/latest/meta-data/"),
    ]
)  # fmt: skip
NTH = st.sampled_from([(1,), (2,), (1, 2), ()])
FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from(["submit", "result"]), WIRES, nth=NTH),
    st.builds(Fault, st.just("task"), st.sampled_from([Takes(3.0), Takes(120.0), Candidates(0)]), nth=NTH),
)


def photograph(number: int) -> bytes:
    """A JPEG unlike any other number's, large enough for every service."""
    out = io.BytesIO()
    Image.new("RGB", (300, 400), (number * 37 % 256, number * 91 % 256, number * 53 % 256)).save(out, "JPEG")
    return out.getvalue()


@dataclass(frozen=True)
class Mixed:
    """A manifest whose variants go to several services, and what goes wrong at each (`at`, a variant's number)."""

    services: tuple[str, ...]
    garments: int
    faults: tuple[tuple[int, Fault], ...]


HISTORIES = st.builds(
    Mixed, MIXES, st.integers(1, 2), st.lists(st.tuples(st.integers(0, 2), FAULTS), max_size=3).map(tuple)
)


def standins(clock: VirtualClock) -> Mapping[str, AnyStandIn]:
    return {
        "fashn": Fashn(clock, slots=SLOTS["fashn"], picture=pixel, latency=lambda _: 12.0),
        "toy": Fashn(clock, slots=SLOTS["toy"], picture=pixel, latency=lambda _: 9.0, seed=1),
        "fal": Fal(clock, slots=SLOTS["fal"], picture=pixel, latency=lambda _: 15.0),
    }


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with toy.installed():
        root: Path = toy.project(tmp_path_factory.mktemp("toy"))
        slots = {f"{name.capitalize()}Slots": str(SLOTS[name]) for name in ("fashn", "toy", "fal")}
        with running(slots=SLOTS["service"], root=root, others=standins, parameters=slots) as found:
            yield found


@contextmanager
def faulty(pipeline: Pipeline, history: Mixed) -> Iterator[None]:
    for at, fault in history.faults:
        standin(pipeline, history.services[at % len(history.services)]).faults.add(fault)
    try:
        yield
    finally:
        for name in history.services:
            standin(pipeline, name).faults.clear()


def standin(pipeline: Pipeline, name: str) -> AnyStandIn:
    return pipeline.app.others[name.partition("/")[0]] if name else pipeline.standin


def own_id(task_id: str | None) -> str:
    """What the stand-in calls a task: fal's are known by where they are asked for."""
    return (task_id or "").rpartition(":")[2]


def play(pipeline: Pipeline, history: Mixed, numbers: Iterator[int]) -> None:
    """Run a history, then without faults what it left, and hold both against the rules."""
    before = {name: len(standin(pipeline, name).tasks) for name in history.services}
    names = [f"g{next(numbers)}" for _ in range(history.garments)]
    for name in names:
        pipeline.app.put(f"inputs/{name}.jpg", photograph(int(name[1:])))
    pipeline.app.put("inputs/m.jpg", photograph(0))
    content: dict[str, Any] = {
        "models": [{"id": "m", "image": "inputs/m.jpg"}],
        "garments": [{"id": g, "image": f"inputs/{g}.jpg", "type": TYPES[i % 3]} for i, g in enumerate(names)],
        "variants": {f"v{i}": {"service": name} if name else {} for i, name in enumerate(history.services)},
    }
    with faulty(pipeline, history):
        ended = pipeline.run(content)
    assert len(ended.entries) == history.garments * len(history.services)
    repeated = None
    key = f"runs/{ended.run_id}/retry-manifest.json"
    if key in ended.keys:
        repeated = pipeline.run(pipeline.app.get(key))
    runs = [ended, *([repeated] if repeated else [])]
    for i, name in enumerate(history.services):
        check(pipeline, name, f"v{i}", runs, before[name])
    for run in runs:
        check_report(run)
    if repeated:
        left = [entry for entry in repeated.entries if entry.status is not Status.SUCCEEDED]
        assert all(entry.resumed for entry in left), [(entry.id, entry.error, entry.cause) for entry in left]
    pipeline.clock.sleep(FORGOTTEN)


def check(pipeline: Pipeline, name: str, variant: str, runs: list[Ended], before: int) -> None:
    """What went to one service was made there, was paid once, and held its slots alone."""
    made = standin(pipeline, name).tasks[before:]
    entries: list[Entry] = [entry for run in runs for entry in run.entries if entry.variant == variant]
    assert {entry.service.partition("/")[0] for entry in entries} <= {(name or registry.FIRST).partition("/")[0]}
    assert {own_id(task) for entry in entries for task in entry.tasks} <= {task.id for task in made}, (
        "at another service"
    )
    known, unknown = sum(len(entry.tasks) for entry in entries), sum(entry.outcome_unknown for entry in entries)
    assert known <= len(made) <= known + unknown, "the bill and the ledger differ"
    ended = {own_id(entry.task_id) for entry in entries if entry.error == "TaskFailedError"}
    alive = Counter(task.combination for task in made if task.id not in ended)
    assert all(count == 1 for count in alive.values()), "a picture was bought twice"
    assert standin(pipeline, name).most_running <= SLOTS[name.partition("/")[0] or "service"], "a slot was given twice"


def check_report(run: Ended) -> None:
    assert run.summary is not None
    assert {entry.status for entry in run.entries} <= {Status.SUCCEEDED, Status.FAILED}
    told = {one["service"]: one for one in run.summary["cost"]["services"]}
    by: Counter[str] = Counter()
    for entry in run.entries:
        by[entry.service] += len(entry.tasks)
    assert {key: one["tasks"] for key, one in told.items()} == {key: by[key] for key in told}
    assert set(by) <= set(told)


def test_whatever_goes_wrong_at_one_service_the_rules_hold_at_each(pipeline: Pipeline) -> None:
    numbers = iter(range(1, 1_000_000))

    @seed(20)
    @settings(max_examples=18, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(history=HISTORIES)
    def each(history: Mixed) -> None:
        play(pipeline, history, numbers)

    each()
