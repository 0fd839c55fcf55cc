"""docs/services.md says of each service what the code has, and the table of POSTs is of the pinned packages."""

import re

import pytest

from benchmarks import sdk_posts
from tryon.service import registry
from tryon_local.app import ROOT

PAGE = sdk_posts.PLACE.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", registry.keys())
def test_each_model_has_its_line_and_names_its_parameters(key: str) -> None:
    capabilities = registry.find(key)
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{key}` |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2] == ("yes" if capabilities.outfits else "no")
    assert cells[4] == ("yes" if capabilities.seed else "no")
    assert cells[6] == f"a {capabilities.billed}"
    if key != registry.FIRST:
        assert [name for name in capabilities.parameters.model_fields if f"`{name}`" not in PAGE] == []


def test_the_table_of_posts_is_of_the_pinned_packages() -> None:
    table = sdk_posts.PLACE.text()
    measured = dict(re.findall(r"^\| `([\w-]+)` ([\w.]+) \|", table, re.MULTILINE))
    assert measured == sdk_posts.versions(), "python -m benchmarks.sdk_posts"
    assert table.count("| cut after the request | silence |") == 1


def test_the_packages_of_the_services_here_are_those_that_the_tests_use() -> None:
    tested = (ROOT / "requirements" / "test.txt").read_text()
    for name in ("volcengine", "fashn", "fal-client"):
        assert f"\n{name}=={sdk_posts.versions()[name]} " in f"\n{tested}"
