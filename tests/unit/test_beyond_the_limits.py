"""300,000 combinations in one manifest: what does not hold is refused by its number, before anything is paid."""

import json
from typing import Any

import pytest

from tryon.planning import plan
from tryon.planning.manifest import Manifest, ManifestError, parse
from tryon_local.app import ROOT
from tryon_local.aws import template

MOST = int(template.load(ROOT / "template.yaml")["Parameters"]["MaxCombinations"]["MaxValue"])


def content(models: int, garments: int) -> dict[str, Any]:
    return {
        "models": [{"id": f"m{i}", "image": f"inputs/m{i}.jpg"} for i in range(models)],
        "garments": [{"id": f"g{i}", "image": f"inputs/g{i}.jpg", "type": "upper"} for i in range(garments)],
    }


def test_a_manifest_that_asks_for_more_than_the_parameter_allows_is_refused_by_both_numbers() -> None:
    wanted = Manifest.model_validate(content(500, 600))
    with pytest.raises(ManifestError) as refused:
        plan.check_size(wanted, MOST)
    (problem,) = refused.value.problems
    assert problem.field == "combinations"
    assert "300,000 are asked for, this stack runs at most 100,000 at once" in str(problem)
    assert "split the manifest, or raise the stack's parameter MaxCombinations" in str(problem)


def test_one_that_names_each_is_refused_by_its_bytes() -> None:
    named = [{"model": f"m{i}", "garment": f"g{j}"} for i in range(500) for j in range(600)]
    data = json.dumps({**content(500, 600), "combinations": named}).encode()
    with pytest.raises(ManifestError, match=r"has [0-9,]+ bytes, at most 8,000,000"):
        parse(data, bucket="b")
