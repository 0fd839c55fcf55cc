"""The layout is the architecture: who may import whom, and where names must agree."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tryon.service import registry

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "tryon" / "tryon"


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        (
            "layers/tryon",
            {
                "tryon_local",
                "tryon_cli",
                "tryon_client",
                "functions",
                "tests",
                "benchmarks",
                "aws_lambda_powertools",
                "moto",
                "rich",
            },
        ),
        ("functions", {"tryon_local", "tryon_cli", "tryon_client", "sam", "tests", "benchmarks", "moto", "rich"}),
        ("src/tryon_local", {"tryon_cli", "tryon_client", "sam", "tests", "benchmarks", "functions"}),
        ("src/tryon_cli", {"tryon_client", "sam", "tests", "benchmarks", "functions"}),
        ("src/tryon_client", {"sam", "tests", "benchmarks", "functions"}),
    ],
)
def test_nobody_imports_what_it_must_not_know(folder: str, forbidden: set[str]) -> None:
    wrong = {str(path.relative_to(ROOT)): imports(path) & forbidden for path in sources(folder)}
    assert {path: names for path, names in wrong.items() if names} == {}


FLOORS = (
    {"service", "pictures"},
    {"planning"},
    {"state"},
    {"task", "learning"},
    {"checks"},
    {"reporting"},
    {"plan_run", "events"},
    {"wiring"},
)
"""The layer's rooms from the ground up: a room uses those below it. Everything else in it is the ground floor."""


def floor(module: str) -> int:
    room = module.split(".")[1] if "." in module else ""
    return next((number for number, rooms in enumerate(FLOORS, start=1) if room in rooms), 0)


def used(path: Path) -> Iterator[str]:
    """The layer's modules that a file imports, in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tryon":
            yield from (f"tryon.{alias.name}" for alias in node.names) if node.module == "tryon" else (node.module,)


def test_a_room_of_the_layer_uses_its_own_floor_only_within_itself_and_none_above() -> None:
    """The folders read like the state machine, and a function imports no more than its own steps."""
    for path in LAYER.rglob("*.py"):
        own = "tryon." + ".".join(path.relative_to(LAYER).with_suffix("").parts)
        for other in used(path):
            same_room = own.split(".")[1] == other.split(".")[1]
            assert floor(other) == 0 or same_room or floor(other) < floor(own), f"{own} imports {other}"


def test_every_room_stands_on_a_floor() -> None:
    rooms = {path.parent.name for path in LAYER.glob("*/__init__.py")}
    assert rooms - {"web"} <= set().union(*FLOORS)


def test_the_layer_reads_no_environment_and_knows_no_lambda_event() -> None:
    for path in LAYER.rglob("*.py"):
        text = path.read_text()
        assert "os.environ" not in text, path
        assert "getenv" not in text, path
        assert "LambdaContext" not in text, path


def test_a_services_words_live_in_its_folder() -> None:
    """Its name stands in the registry besides, in its one line and in what a plan of before means."""
    words = re.compile(r"dressing_diffusion|CVSubmitTask|CVGetResult|req_key", re.IGNORECASE)
    names = re.compile(rf"\b({'|'.join(registry.SERVICES)})\b", re.IGNORECASE)
    folders = {LAYER / "service" / name for name in registry.SERVICES}
    outside = [path for path in LAYER.rglob("*.py") if path.parent not in folders]
    assert [path for path in outside if words.search(path.read_text())] == []
    assert {path.name for path in outside if names.search(path.read_text())} <= {
        "registry.py",
        "capabilities.py",
        "manifest.py",
        "plan.py",
    }
    for name in registry.SERVICES:
        others = re.compile(rf"tryon\.service\.({'|'.join(set(registry.SERVICES) - {name}) or '-'})\b")
        assert [path for path in (LAYER / "service" / name).rglob("*.py") if others.search(path.read_text())] == []


def test_a_handler_reads_as_a_table_of_contents() -> None:
    for path in sources("functions"):
        (handler,) = [
            node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name == "handler"
        ]
        assert (handler.end_lineno or 0) - handler.lineno < 40, path
        assert len(path.read_text().splitlines()) <= 60, path


def test_a_handler_reads_no_environment_when_it_is_imported() -> None:
    """It hands `os.environ` on: settings are read at the first call, where an error reaches the state machine."""
    for path in sources("functions"):
        reads = re.findall(r"os\.environ\b(?!\))|getenv|model_validate", path.read_text())
        assert reads == [], path


def machine() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())
    return found


def test_the_machine_says_the_calibrated_numbers_where_it_waits() -> None:
    comment = machine()["States"]["TryOn"]["ItemProcessor"]["States"]["Wait"]["Comment"]
    assert "5, 8, 10, 8, 10 s" in comment
    assert "300 s" in comment
