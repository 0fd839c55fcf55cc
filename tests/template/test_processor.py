"""Layers for another processor are named by the first import of a handler, before any package fails."""

import ast
import platform
from pathlib import Path

import pytest

from tryon import check_processor
from tryon_local.app import ROOT


def test_layers_for_another_processor_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "PROCESSOR").write_text("riscv64\n")
    with pytest.raises(
        ImportError, match=rf"built for riscv64 and this function runs on {platform.machine()}: .*Architecture"
    ):
        check_processor(tmp_path / "PROCESSOR")


def test_the_right_ones_and_none_at_all_are_taken(tmp_path: Path) -> None:
    check_processor(tmp_path / "PROCESSOR")
    (tmp_path / "PROCESSOR").write_text(platform.machine() + "\n")
    check_processor(tmp_path / "PROCESSOR")


@pytest.mark.parametrize("handler", sorted((ROOT / "functions").glob("*/app.py")), ids=lambda path: path.parent.name)
def test_every_handler_asks_before_it_imports_a_package(handler: Path) -> None:
    first = next(node for node in ast.parse(handler.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom))
    assert isinstance(first, ast.Import)
    assert [alias.name for alias in first.names] == ["tryon"]
