import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tryon.manifest import json_schema

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_schema_is_the_codes_own() -> None:
    """Regenerate it with `tryon schema > docs/manifest.schema.json`."""
    assert json.loads((ROOT / "docs" / "manifest.schema.json").read_text()) == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize("path", sorted((ROOT / "samples").glob("manifest*.json")), ids=lambda path: path.name)
def test_the_samples_fit_it(path: Path) -> None:
    Draft202012Validator(json_schema()).validate(json.loads(path.read_text()))


def test_it_tells_an_editor_what_is_wrong_and_what_each_field_means() -> None:
    wrong = {"models": [{"id": "A", "image": "a.jpg"}], "garments": [{"id": "x", "type": "hat"}], "modles": 1}
    found = {error.json_path for error in Draft202012Validator(json_schema()).iter_errors(wrong)}
    assert {"$", "$.models[0].id", "$.garments[0].type", "$.garments[0]"} <= found
    assert all("description" in field for field in json_schema()["properties"].values())
