"""A service that is added is a folder, a name in the registry and its blocks in the template: shown with a toy."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import toy
from tests.workflow.pipeline import Pipeline, manifest, running
from tryon_local.aws.template import load
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.fashn.standin import StandIn as Fashn
from tryon_local.service.faults import Fault, Silence
from tryon_local.service.pixel import pixel


def standins(clock: VirtualClock) -> Mapping[str, AnyStandIn]:
    return {"toy": Fashn(clock, picture=pixel, latency=lambda _: 9.0)}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with toy.installed():
        yield toy.project(tmp_path)


@pytest.fixture
def pipeline(root: Path) -> Iterator[Pipeline]:
    with running(slots=1, root=root, others=standins, parameters={"ToySlots": "3"}) as found:
        found.put_pictures(1, 6)
        yield found


def test_its_blocks_in_the_template_are_shaped_like_the_others(root: Path) -> None:
    template = load(root / "template.yaml")
    assert template["Parameters"]["ToySlots"]["Default"] == 0
    assert "Name" not in template["Resources"]["ToySecret"]["Properties"]
    assert template["Resources"]["ToySecret"]["Condition"] == "HasToy"
    assert {"TOY_SLOTS", "TOY_SECRET"} <= template["Globals"]["Function"]["Environment"]["Variables"].keys()


def test_it_runs_beside_the_first_service(pipeline: Pipeline) -> None:
    ended = pipeline.run(manifest(1, 4, variants={"a": {}, "b": {"service": "toy"}}))
    assert (ended.status, ended.errors) == ("SUCCEEDED", {})
    assert Counter(entry.service for entry in ended.entries)[toy.KEY] == 4
    assert len(pipeline.app.others["toy"].tasks) == 4


def test_a_submit_that_nobody_answers_is_never_sent_again(pipeline: Pipeline) -> None:
    other = pipeline.app.others["toy"]
    other.faults.add(Fault("submit", Silence(processed=True), nth=(1,)))
    ended = pipeline.run(manifest(1, 2, service="toy"))
    assert ended.status == "PARTIAL"
    assert Counter(entry.error for entry in ended.entries) == {"SubmitOutcomeUnknownError": 1, None: 1}
    assert len(other.tasks) == 2
