import json
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from tests.golden import FOLDER
from tryon.planning.manifest import json_schema
from tryon.reporting import summary
from tryon_cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("of", ["manifest", "summary", "review", "judge"])
def test_the_published_schema_is_the_codes_own(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Regenerate it with `tryon schema OF > docs/OF.schema.json`."""
    assert main(["schema", of]) == 0
    assert (ROOT / "docs" / f"{of}.schema.json").read_text("utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("name", ["plain", "retry", "variants"])
def test_the_summaries_of_runs_fit_theirs(name: str) -> None:
    copy = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    found = [copy["summary"]] if name != "retry" else [copy["first"]["summary"], copy["again"]["summary"]]
    validator = Draft202012Validator(summary.json_schema())
    for one in found:
        validator.validate(one)
    with pytest.raises(ValidationError, match="'many' is not"):
        validator.validate({**found[0], "succeeded": "many"})


@pytest.mark.parametrize("path", sorted((ROOT / "samples").glob("manifest*.json")), ids=lambda path: path.name)
def test_the_samples_fit_it(path: Path) -> None:
    Draft202012Validator(json_schema()).validate(json.loads(path.read_text()))


def test_it_tells_an_editor_what_is_wrong_and_what_each_field_means() -> None:
    wrong = {"models": [{"id": "A", "image": "a.jpg"}], "garments": [{"id": "x", "type": "hat"}], "modles": 1}
    found = {error.json_path for error in Draft202012Validator(json_schema()).iter_errors(wrong)}
    assert {"$", "$.models[0].id", "$.garments[0].type", "$.garments[0]"} <= found
    assert all("description" in field for field in cast("Any", json_schema()["properties"]).values())
