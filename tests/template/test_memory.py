"""The functions' memory in the template against what the code allows itself."""

import re

from tryon.pictures import images, thumbnails
from tryon.planning import intake
from tryon_local.app import ROOT
from tryon_local.aws.template import expand, sources

MIB = 1 << 20
PLAN_ITSELF = 210_000_000
"""Peak of Plan's process without pictures: `python -m benchmarks.scale plan 100000`."""
DOWNLOAD_ITSELF = 120_000_000
"""The same for Download: `python -m benchmarks.memory`."""


def test_no_function_has_more_memory_than_a_new_account_allows() -> None:
    assert max(source.memory for source in sources(ROOT / "template.yaml").values()) <= 3008


def test_pictures_leave_plan_a_fifth_of_its_memory_whatever_its_readers_meet() -> None:
    memory = sources(ROOT / "template.yaml")["PlanFunction"].memory * MIB
    assert 0.8 * memory >= PLAN_ITSELF + intake.READERS * images.MAX_INPUT_BYTES + images.BUDGET_BYTES


def test_a_copy_leaves_download_a_fifth_of_its_memory() -> None:
    memory = sources(ROOT / "template.yaml")["DownloadFunction"].memory * MIB
    assert 0.8 * memory >= DOWNLOAD_ITSELF + thumbnails.MAX_BYTES + thumbnails.MAX_MEMORY


def test_the_largest_picture_that_is_read_is_the_largest_that_the_code_takes() -> None:
    parameter = expand(ROOT / "template.yaml")["Parameters"]["MaxImageBytes"]
    assert parameter["Default"] == parameter["MaxValue"] == images.MAX_INPUT_BYTES


def test_plan_keeps_one_heap_for_all_its_threads() -> None:
    variables = expand(ROOT / "template.yaml")["Resources"]["PlanFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["MALLOC_ARENA_MAX"] == "1"


def test_the_page_of_memory_has_the_codes_limits_and_no_function_above_four_fifths() -> None:
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
    for what, most in images.MOST_PIXELS.items():
        assert f"| {what} | {most // 10**6} million |" in page, "run: python -m benchmarks.memory"
    shares = [int(share) for share in re.findall(r"MiB \| (\d+)% \|", page)]
    assert len(shares) >= 6
    assert max(shares) <= 80
