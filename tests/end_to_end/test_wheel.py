"""The package as a stranger installs it: a wheel in an empty environment, against a stack that runs elsewhere."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.local_stack import local_up
from tests.workflow.pipeline import picture
from tryon_local.app import ROOT
from tryon_local.environment import found

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# Nothing of the checkout, and nothing that a machine's settings would change.
BARE = {"PATH": os.environ["PATH"], "HOME": os.devnull, "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Of a copy of what is committed or could be: setuptools leaves folders beside what it builds.
    source = folder / "source"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    wanted = ["src", "layers/tryon", "*.toml", "*.md"]
    listed = subprocess.run([*listing, *wanted], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in [*filter(None, listed.stdout.split("\0")), "LICENSE"]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir", "-q"]
    subprocess.run([*build, "-w", folder, source], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def tryon(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command: in an environment with what the wheel declares, in the versions that are tested here."""
    home = tmp_path_factory.mktemp("bare") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, home], env=found(), check=True)
    python = home / "bin" / "python"
    pinned = home / "constraints.txt"
    # Without their hashes: those of a wheel built a moment ago are in no list.
    text = (ROOT / "requirements" / "run.txt").read_text()
    pinned.write_text("\n".join(re.findall(r"^([\w.-]+==[^ \\]+)", text, re.MULTILINE)))
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, "-c", pinned, wheel], env=found(), check=True)
    return home / "bin" / "tryon"


def run(tryon: Path, *arguments: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [tryon, *arguments], cwd=cwd, env=BARE, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """Where a stack started from the checkout listens."""
    with local_up(200) as (free, _):
        yield str(free)


def test_the_wheel_has_no_top_level_name_but_the_projects_own(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {"tryon", "tryon_cli", "tryon_client", "tryon_local", f"tryon-{VERSION}.dist-info"}


def test_the_wheel_has_the_pages_the_types_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("src", "layers/tryon"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".mjs", ".css", ".html", ".typed"} and "egg-info" not in str(path):
                assert str(path.relative_to(ROOT / folder)) in names
    assert f"tryon-{VERSION}.dist-info/licenses/LICENSE" in names


def test_it_says_its_version(tryon: Path, tmp_path: Path) -> None:
    assert run(tryon, "--version", cwd=tmp_path) == f"tryon {VERSION}\n"


def test_a_manifest_is_made_planned_and_run_on_a_stack(tryon: Path, port: str, tmp_path: Path) -> None:
    for place, number in (("models/anna.jpg", 1), ("garments/upper/shirt.jpg", 101)):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(picture(number))
    run(tryon, "new", ".", "--out", "m.json", cwd=tmp_path)
    assert '"$schema"' in run(tryon, "schema", cwd=tmp_path)
    assert "1 combination" in run(tryon, "plan", "m.json", "--port", port, cwd=tmp_path)
    assert "1 of 1" in run(tryon, "run", "m.json", "--port", port, "--yes", cwd=tmp_path)
    assert "index.html" in run(tryon, "open", "--print", "--port", port, cwd=tmp_path)


def test_the_local_stack_outside_of_a_checkout_is_refused_in_a_sentence(tryon: Path, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    for arguments in (("local", "up"), ("local", "run", "m.json")):
        said = run(tryon, *arguments, cwd=tmp_path, code=2)
        assert "needs a checkout of the project" in said
        assert "Traceback" not in said
