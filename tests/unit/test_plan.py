import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tryon.keys import Picture, RunFolder
from tryon.planning import plan
from tryon.planning.manifest import Manifest, ManifestError
from tryon.planning.plan import Combination, check_polls, check_size, count, decode, encode, for_all

MODELS = [{"id": "anna", "image": "a.jpg"}, {"id": "ben", "image": "b.jpg"}]
GARMENTS = [
    {"id": "linen-shirt", "image": "s.png", "type": "upper"},
    {"id": "chinos", "image": "c.png", "type": "lower"},
    {"id": "coat", "image": "k.png", "type": "full"},
]
OUTFITS = [{"id": "office", "upper": "linen-shirt", "lower": "chinos"}]
PICTURES = {id_: Picture(bucket="pictures", key=id_) for id_ in ("anna", "ben", "linen-shirt", "chinos", "coat")}


def manifest(**changes: Any) -> Manifest:
    return Manifest.model_validate({"models": MODELS, "garments": GARMENTS, **changes})


def expand(
    found: Manifest, models: Mapping[str, Picture], garments: Mapping[str, Picture], **more: Any
) -> Iterator[Combination]:
    return plan.expand(found, for_all(found, models), for_all(found, garments), **more)


def ids(found: Manifest) -> list[str]:
    return [combination.id for combination in expand(found, PICTURES, PICTURES)]


def test_every_model_wears_every_garment_in_the_manifests_order() -> None:
    assert ids(manifest()) == [
        "anna__01-linen-shirt__default",
        "anna__02-chinos__default",
        "anna__03-coat__default",
        "ben__01-linen-shirt__default",
        "ben__02-chinos__default",
        "ben__03-coat__default",
    ]


def test_an_outfit_is_worn_like_a_garment_and_numbered_after_them() -> None:
    *_, last = expand(manifest(outfits=OUTFITS), PICTURES, PICTURES)
    assert last.id == "ben__04-office__default"
    assert [(g.id, g.type) for g in last.garments] == [("linen-shirt", "upper"), ("chinos", "lower")]


def test_variants_multiply_and_change_only_what_they_name() -> None:
    found = list(
        expand(
            manifest(parameters={"steps": 20}, variants={"a": {}, "b": {"mask": "tight"}}, models=MODELS[:1]),
            PICTURES,
            PICTURES,
        )
    )
    assert [c.variant for c in found] == ["a", "b"] * 3
    told = [c.parameters.model_dump() for c in found]
    assert (told[0]["mask"], told[1]["mask"]) == ("loose", "tight")
    assert {one["steps"] for one in told} == {20}


def test_a_cadence_that_would_outgrow_an_execution_s_history_is_refused() -> None:
    check_polls([1], 2000)
    check_polls([1, 1, 2], 3600)
    with pytest.raises(ManifestError, match=r"cadence: asks 3,600 times until the deadline of 3,600 s"):
        check_polls([1], 3600)


def test_combinations_named_one_by_one_keep_the_numbers_of_their_garments() -> None:
    assert ids(manifest(combinations=[{"model": "ben", "garment": "coat"}])) == ["ben__03-coat__default"]


def test_the_count_is_known_without_expanding() -> None:
    for found in (
        manifest(),
        manifest(outfits=OUTFITS, variants={"a": {}, "b": {}}),
        manifest(variants={"a": {}, "b": {}}, combinations=[{"model": "ben", "garment": "coat"}]),
        manifest(variants={"a": {}, "b": {}}, combinations=[{"model": "ben", "garment": "coat", "variant": "b"}]),
    ):
        assert count(found) == len(ids(found))


def test_more_combinations_than_the_stack_runs_are_refused() -> None:
    assert check_size(manifest(), 6) == 6
    with pytest.raises(ManifestError, match="combinations: 6 are asked for, this stack runs at most 5"):
        check_size(manifest(), 5)


def test_a_combination_named_twice_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"combinations\[1\]: is the same as combinations\[0\]"):
        check_size(manifest(combinations=[{"model": "ben", "garment": "coat"}] * 2), 10)


def test_the_plan_is_one_json_array_that_reads_back() -> None:
    combinations = list(
        expand(manifest(variants={"b": {"mask": "tight"}}), PICTURES, PICTURES, paid={("anna", "coat", "b"): "7"})
    )
    data = b"".join(encode(iter(combinations)))
    assert isinstance(json.loads(data), list)
    assert decode(data) == combinations
    assert combinations[2].task_id == "7"


def test_numbers_are_wide_enough_to_sort() -> None:
    garments = [{"id": f"g{i}", "image": "x.png", "type": "upper"} for i in range(120)]
    found = Manifest.model_validate({"models": MODELS[:1], "garments": garments})
    pictures = {f"g{i}": Picture(bucket="b", key="k") for i in range(120)}
    names = [c.id for c in expand(found, PICTURES, pictures)]
    assert names[0] == "anna__001-g0__default"
    assert names == sorted(names)


def test_results_lie_where_the_contract_says() -> None:
    assert (
        RunFolder("20261123T090000Z-lookbook-1a2b3c4d").result("anna", "anna__01-linen-shirt__default", 1)
        == "runs/20261123T090000Z-lookbook-1a2b3c4d/results/anna/anna__01-linen-shirt__default__1.png"
    )
