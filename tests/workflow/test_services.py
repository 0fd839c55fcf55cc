"""Runs of several services: each by its own rules, neither in the other's way."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.pipeline import TYPES, Pipeline, manifest, running
from tryon_cli.main import main
from tryon_local.clock import VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.fashn.standin import StandIn as Fashn
from tryon_local.service.pixel import pixel

AB = {"a": {}, "b": {"service": "fashn", "mode": "quality"}}
FASHN = "fashn/tryon-v1.6"
FIRST = "volcengine/dressing-diffusion-v2"


def fashn(**settings: Any) -> Any:
    def made(clock: VirtualClock) -> Mapping[str, AnyStandIn]:
        return {"fashn": Fashn(clock, picture=pixel, latency=lambda _: 12.0, **settings)}

    return made


@pytest.fixture
def both() -> Iterator[Pipeline]:
    with running(slots=2, parameters={"FashnSlots": "6"}, others=fashn()) as pipeline:
        pipeline.put_pictures(2, 9)
        yield pipeline


def rejected(pipeline: Pipeline, content: Mapping[str, Any]) -> str:
    ended = pipeline.run(content)
    assert ended.status == "REJECTED"
    return str(ended.item["cause"])


def test_a_run_of_two_services_pays_each_its_part_in_its_own_currency(both: Pipeline) -> None:
    ended = both.run(manifest(2, 3, variants=AB))
    assert (ended.status, ended.errors) == ("SUCCEEDED", {})
    assert Counter((entry.variant, entry.service) for entry in ended.entries) == {("a", FIRST): 6, ("b", FASHN): 6}
    assert (both.payments, len(both.app.others["fashn"].tasks)) == (6, 6)
    assert ended.summary is not None
    services = {one["service"]: one for one in ended.summary["cost"]["services"]}
    assert (services[FIRST]["cost"], services[FIRST]["currency"], services[FIRST]["unit"]) == (6.0, "CNY", "task")
    assert (services[FASHN]["cost"], services[FASHN]["currency"], services[FASHN]["unit"]) == (0.45, "USD", "picture")
    assert ended.summary["cost"]["service"] == 6.0
    assert both.app.others["fashn"].most_running <= 6
    assert both.standin.most_running <= 2
    plan = json.loads(both.app.get(f"runs/{ended.run_id}/plan.json"))
    assert {item["variant"]: item["service"] for item in plan} == {"a": FIRST, "b": FASHN}
    # Six slots of 12 s are thirteen times as fast as two of 27 s: theirs come first.
    assert [item["variant"] for item in plan[:4]] == ["b"] * 4


def test_who_reads_a_run_sees_which_service_made_what(both: Pipeline, tmp_path: Path, capsys: Any) -> None:
    ended = both.run(manifest(1, 3, variants=AB))
    assert ended.summary is not None
    sides = {one["variant"]: one for one in ended.summary["variants"]}
    assert (sides["a"]["service"], sides["a"]["cost"], sides["a"]["currency"]) == (FIRST, 3.0, "CNY")
    assert (sides["b"]["service"], sides["b"]["cost"], sides["b"]["succeeded"]) == (FASHN, 0.225, 3)
    (message,) = [json.loads(one["Message"]) for one in ended.notifications]
    assert [(one["service"], one["currency"]) for one in message["services"]] == [(FIRST, "CNY"), (FASHN, "USD")]
    rows = list(csv.DictReader(io.StringIO(both.app.get(f"runs/{ended.run_id}/combinations.csv").decode("utf-8-sig"))))
    assert {row["variant"]: row["service"] for row in rows} == {"a": FIRST, "b": FASHN}
    page = both.app.get(f"runs/{ended.run_id}/index.html").decode()
    assert f'{{"id":"b","says":"service fashn, mode quality","service":"{FASHN}"}}' in page
    # One reviewer prefers the second service's picture each time.
    review = {
        "format": "tryon-review", "version": 1, "run_id": ended.run_id, "review": "r1", "reviewer": "ines",
        "exported_at": "", "variants": ["a", "b"], "ratings": [],
        "preferences": [
            {"model": "m0", "worn": f"{n:02d}-g{n - 1}", "type": type_, "shown": ["a", "b"], "preferred": "b",
             "blind": True, "at": f"2026-11-27T09:{n:02d}:00.000Z"}
            for n, type_ in enumerate(TYPES, start=1)
        ],
    }  # fmt: skip
    (tmp_path / "review.json").write_text(json.dumps(review))
    (tmp_path / "summary.json").write_text(json.dumps(ended.summary))
    arguments = ["compare", str(tmp_path / "review.json"), "--summary", str(tmp_path / "summary.json")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"a is {FIRST}: 3 of 3 made, 3.00 CNY" in said
    assert f"b is {FASHN}: 3 of 3 made, 0.23 USD" in said


def test_a_stack_without_the_first_service_knows_only_the_other() -> None:
    parameters = {"Slots": "0", "FashnSlots": "6", "DefaultService": "fashn"}
    with running(slots=0, service_slots=1, parameters=parameters, others=fashn()) as pipeline:
        pipeline.put_pictures(1, 2)
        ended = pipeline.run(manifest(1, 2, parameters={"num_samples": 2}))
        assert (ended.status, ended.errors) == ("SUCCEEDED", {})
        assert len(ended.results) == 4
        assert ended.summary is not None
        assert (ended.summary["cost"]["service"], ended.summary["cost"]["currency"]) == (0.3, "USD")
        assert pipeline.standin.requests.result.total() == 0, "nobody asked the service that is switched off"
        said = rejected(pipeline, manifest(1, 2, service="volcengine"))
        assert said == "service: this stack has fashn; volcengine/dressing-diffusion-v2 needs the parameter Slots"


def test_what_a_service_cannot_do_is_refused_before_anything_is_paid(both: Pipeline) -> None:
    said = rejected(both, manifest(1, 3, variants={"a": {}, "b": {"service": "fashn", "mask": "tight"}}))
    assert said.startswith("variants.b.mask: fashn has no mask; it has garment_photo_type, mode, moderation_level, ")
    outfits = [{"id": "office", "upper": "g0", "lower": "g1"}]
    said = rejected(both, manifest(1, 3, variants=AB, outfits=outfits))
    assert said == (
        "outfits[0]: variant b's service fashn wears one garment at a time; list combinations for the variants that can"
    )
    only_a = [{"model": "m0", "outfit": "office", "variant": "a"}, {"model": "m0", "garment": "g0", "variant": "b"}]
    ended = both.run(manifest(1, 3, variants=AB, outfits=outfits, combinations=only_a))
    assert ended.status == "SUCCEEDED"
    said = rejected(both, manifest(1, 3, service="fashion"))
    assert "service: 'fashion'" in said
    assert "is no service; known are volcengine, fashn" in said
    said = rejected(both, manifest(1, 3, service="fal"))
    assert "fal" in said


def test_nothing_is_inherited_by_another_service(both: Pipeline) -> None:
    ended = both.run(manifest(1, 1, parameters={"mask": "tight", "seed": 7}, variants=AB))
    plan = {item["variant"]: item for item in json.loads(both.app.get(f"runs/{ended.run_id}/plan.json"))}
    assert plan["a"]["parameters"] == {"mask": "tight", "seed": 7}
    assert plan["b"]["parameters"] == {"mode": "quality"}


def test_a_balance_that_is_too_small_is_told_with_both_numbers() -> None:
    with running(slots=2, parameters={"FashnSlots": "6"}, others=fashn(credits=4.0)) as pipeline:
        pipeline.put_pictures(2, 3)
        said = rejected(pipeline, manifest(2, 3, variants=AB))
        assert said == "fashn needs 6 credits, 4 are left: buy more, or ask for fewer combinations"
        assert pipeline.payments == 0


def test_an_account_without_credits_stops_its_own_combinations_and_no_others() -> None:
    with running(slots=2, parameters={"FashnSlots": "2"}, others=fashn()) as pipeline:
        pipeline.put_pictures(2, 9)
        other = pipeline.app.others["fashn"]

        def spent(function: str, _: Any) -> None:
            if "Submit" in function and len(other.tasks) >= 4:
                other.change(credits=0.0)

        pipeline.app.stack.functions.before_invoke.append(spent)
        ended = pipeline.run(manifest(2, 9, variants=AB))
        assert ended.status == "PARTIAL"
        outcomes = Counter((entry.variant, entry.status.value) for entry in ended.entries)
        assert outcomes["a", "SUCCEEDED"] == 18
        assert outcomes["b", "FAILED"] >= 10
        causes = Counter(entry.error for entry in ended.entries if entry.status.value == "FAILED")
        assert causes.keys() <= {"ServiceAccessError", "RunHaltedError"}
        assert causes["RunHaltedError"] >= 8


def test_a_retry_goes_to_the_service_that_made_the_rest(both: Pipeline) -> None:
    ended = both.run(manifest(1, 3, variants=AB))
    other = {"a": {"service": "fashn"}, "b": {"service": "fashn"}}
    said = rejected(both, manifest(1, 3, variants=other, retry_of=ended.run_id))
    assert said == f"retry_of: variant a was made by {FIRST}, this manifest says {FASHN}"
