"""Further takes of a combination: their seeds, their names, what a manifest says of them."""

import json
from typing import Any

import pytest

from tests.doubles import read_manifest
from tryon.keys import Picture
from tryon.planning import plan
from tryon.planning.manifest import ManifestError, parse
from tryon.planning.takes import SEEDS, take_of, take_seed, variant_of_take
from tryon.reporting import retry
from tryon.state.entry import Entry, Status, read_entry
from tryon.state.ledger import _planned

PICTURE = Picture(bucket="b", key="k")
FIRST = "20261123T090000Z-spring-1a2b3c4d"


def manifest(**more: Any) -> dict[str, Any]:
    return {
        "models": [{"id": "anna", "image": "a.jpg"}],
        "garments": [{"id": "shirt", "image": "s.jpg", "type": "upper"}],
        "variants": {"a": {"seed": 5}, "b": {}},
    } | more


def expanded(wanted: list[dict[str, Any]], first: str | None = FIRST) -> list[plan.Combination]:
    known = read_manifest(manifest(combinations=wanted, retry_of="r"))
    return list(
        plan.expand(known, plan.for_all(known, {"anna": PICTURE}), plan.for_all(known, {"shirt": PICTURE}), first=first)
    )


def test_a_takes_seed_is_the_same_wherever_it_is_asked_for_and_another_for_each_take() -> None:
    assert take_seed(FIRST, "anna", "shirt", "a", 2) == 1_102_457_945
    seeds = {take_seed(FIRST, model, "shirt", "a", take) for model in ("anna", "ben") for take in range(2, 50)}
    assert len(seeds) == 96
    assert all(0 <= seed < SEEDS for seed in seeds)


def test_a_take_has_a_name_that_no_variant_has() -> None:
    assert [variant_of_take("a", take) for take in (1, 2, 99)] == ["a", "a#2", "a#99"]
    assert [take_of(name) for name in ("a", "a#2", "a#99")] == [("a", 1), ("a", 2), ("a", 99)]
    with pytest.raises(ManifestError, match="is not an id"):
        parse(json.dumps(manifest(variants={"a#2": {}})).encode(), bucket="b")


def test_a_further_take_has_its_own_seed_and_the_same_name() -> None:
    first, again = expanded([{"model": "anna", "garment": "shirt", "take": 3}])
    assert (first.id, again.id) == ("anna__01-shirt__a", "anna__01-shirt__b")
    assert [one.take for one in (first, again)] == [3, 3]
    assert first.parameters.model_dump()["seed"] == take_seed(FIRST, "anna", "shirt", "a", 3)
    assert again.parameters.model_dump()["seed"] == take_seed(FIRST, "anna", "shirt", "b", 3)


def test_the_first_take_keeps_the_manifests_seed() -> None:
    (only,) = expanded([{"model": "anna", "garment": "shirt", "variant": "a"}])
    assert (only.take, only.parameters.model_dump()["seed"]) == (1, 5)


def test_the_ledger_keeps_a_further_take_and_nothing_of_a_first() -> None:
    named = {"model": "anna", "garment": "shirt", "variant": "a"}
    first, again = (expanded([named | {"take": n}])[0] for n in (1, 2))
    assert _planned(first)["take"] is None
    assert read_entry({name: value for name, value in _planned(again).items() if value is not None}).take == 2


def test_one_run_makes_one_take_of_a_combination() -> None:
    wanted = [{"model": "anna", "garment": "shirt", "variant": "a", "take": take} for take in (2, 3)]
    known = read_manifest(manifest(combinations=wanted, retry_of="r"))
    with pytest.raises(ManifestError, match=r"combinations\[1\]: is the same as combinations\[0\]"):
        plan.check_size(known, 10)


def test_a_further_take_belongs_to_a_retry() -> None:
    wanted = [{"model": "anna", "garment": "shirt", "take": 2}]
    with pytest.raises(ManifestError, match=r"combinations\[0\].take: is for a retry"):
        parse(json.dumps(manifest(combinations=wanted)).encode(), bucket="b")


def test_a_take_that_failed_is_repeated_as_that_take() -> None:
    entry = Entry(
        1, "anna__01-shirt__a", "anna", "01-shirt", "a", status=Status.FAILED, error="TaskFailedError", take=2
    )
    again = retry.manifest(read_manifest(manifest()), "r2", [entry])
    assert again is not None
    assert [key for _, key in plan.named(again)] == [("anna", "shirt", "a#2")] == [retry.key(entry)]


def test_takes_of_a_run_are_a_manifest_of_their_own() -> None:
    original = read_manifest(manifest())
    again = retry.takes(original, "r1", [(("anna", "shirt", "b"), 4)])
    assert again is not None
    assert (again.retry_of, [key for _, key in plan.named(again)]) == ("r1", [("anna", "shirt", "b#4")])
    assert retry.takes(original, "r1", []) is None
