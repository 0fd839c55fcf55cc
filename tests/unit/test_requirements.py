"""One list of dependencies: what pyproject.toml asks for is what requirements/ pins and what the layers bring."""

import re
import tomllib
from collections.abc import Iterable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lint.lock import SOURCES
from tryon_local.app import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED: dict[str, list[str]] = {
    "pyproject.toml": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
    **PROJECT["dependency-groups"],
}


def pinned(file: str) -> dict[str, str]:
    """Versions by package; a file pins each once for every Python and system."""
    found = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def asked(source: Iterable[str]) -> list[str]:
    """The requirements that a file of pins is made from."""
    return [one for word in source if word in ASKED for one in ASKED[word]]


@pytest.mark.parametrize("file", [file for file in SOURCES if file.startswith("requirements/")])
def test_what_is_asked_for_is_pinned_at_a_version_that_fits(file: str) -> None:
    versions = pinned(file)
    wanted = [Requirement(one) for one in asked(SOURCES[file])]
    assert wanted
    for one in wanted:
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), f"{one}: make lock"


def test_every_list_of_requirements_comes_from_the_project() -> None:
    assert {f"requirements/{path.name}" for path in (ROOT / "requirements").iterdir()} <= set(SOURCES)
    assert {word for source in SOURCES.values() for word in source if word in ASKED} == set(ASKED)


@pytest.mark.parametrize("layer", [file for file in SOURCES if file.startswith("layers/")])
def test_a_layer_brings_the_versions_that_are_tested(layer: str) -> None:
    tested = pinned("requirements/test.txt")
    brought = pinned(layer)
    assert brought
    assert {name: version for name, version in brought.items() if tested.get(name) != version} == {}


@pytest.mark.parametrize("file", SOURCES)
def test_every_pin_has_a_hash_and_no_place_to_load_from(file: str) -> None:
    text = (ROOT / file).read_text()
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "://" not in text
