"""The samples: what lies in the tree is what the script draws, and can be run as it lies there."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from samples import make
from samples.figures import FIGURES
from samples.wardrobe import WARDROBE
from tryon import images, manifest, plan

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PICTURES = {name: SAMPLES / "inputs" / "models" / f"{name}.jpg" for name in FIGURES} | {
    name: SAMPLES / "inputs" / "garments" / piece.file for name, piece in WARDROBE.items()
}


def drawn(name: str, reduction: int = 1) -> Image.Image:
    return make.model(name, reduction) if name in FIGURES else make.garment(name, reduction)


def kept(name: str, size: tuple[int, int]) -> Image.Image:
    with Image.open(PICTURES[name]) as picture:
        return picture.convert("RGB").resize(size, Image.Resampling.BOX)


def unlike(first: Image.Image, second: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


@pytest.mark.parametrize("name", ["anna", "striped-tee"])
def test_the_script_draws_the_kept_picture_to_the_pixel(name: str) -> None:
    picture = drawn(name)
    tolerance = 1.2 if PICTURES[name].suffix == ".jpg" else 0.05
    assert unlike(picture, kept(name, picture.size)) < tolerance


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_every_kept_picture_is_the_scripts_own(name: str) -> None:
    small = drawn(name, 4)
    rivals = [other for other in PICTURES if (other in FIGURES) == (name in FIGURES)]
    distances = {other: unlike(small, kept(other, small.size)) for other in rivals}
    assert min(distances, key=lambda other: distances[other]) == name
    assert distances[name] < 6


def test_drawing_twice_gives_the_same_pixels() -> None:
    for name in ("maya", "summer-dress"):
        assert drawn(name, 4).tobytes() == drawn(name, 4).tobytes()


def test_the_manifests_in_the_tree_are_the_scripts_own() -> None:
    for file, content in make.manifests().items():
        assert json.loads((SAMPLES / file).read_text()) == content


@pytest.mark.parametrize(("file", "combinations"), [("manifest.json", 18), ("manifest-ab.json", 12)])
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
