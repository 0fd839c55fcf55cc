"""The samples can be run as they are in the tree."""

from pathlib import Path

import pytest

from tryon.pictures import images
from tryon.planning import manifest, plan

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PICTURES = {path.stem: path for path in SAMPLES.glob("inputs/*/*") if path.suffix in {".jpg", ".png"}}


def test_there_are_two_models_and_nine_garments() -> None:
    assert len(list(SAMPLES.glob("inputs/models/*"))) == 2
    assert len(list(SAMPLES.glob("inputs/garments/*"))) == 9
    assert len(PICTURES) == 11


@pytest.mark.parametrize(
    ("file", "combinations"), [("manifest.json", 18), ("manifest-ab.json", 12), ("manifest-one.json", 1)]
)
def test_a_sample_manifest_can_be_planned(file: str, combinations: int) -> None:
    parsed = manifest.parse((SAMPLES / file).read_bytes(), bucket="samples")
    assert plan.count(parsed) == combinations
    named = [entry.image for entry in parsed.models] + [entry.image for entry in parsed.garments]
    assert all((SAMPLES / key).is_file() for key in named)


def test_the_lookbook_has_three_garments_of_each_type() -> None:
    parsed = manifest.parse((SAMPLES / "manifest.json").read_bytes(), bucket="samples")
    assert parsed.name == "spring-lookbook"
    assert len(parsed.models) == 2
    assert sorted(garment.type for garment in parsed.garments) == ["full"] * 3 + ["lower"] * 3 + ["upper"] * 3


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_every_kept_picture_goes_to_the_service_unchanged(name: str) -> None:
    data = PICTURES[name].read_bytes()
    assert images.prepare(data, name=name).data == data


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in PICTURES.values()) < 1_500_000
