"""`make lock`: the files of pinned requirements, each with what it is made from.

`requirements/` comes from pyproject.toml. The layers' lists are those that `sam build` installs: they take the versions
of requirements/test.txt, so that what is tested is what is deployed.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent

SOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "requirements/tools.txt": ("--group", "tools"),
        "requirements/run.txt": ("pyproject.toml", "--extra", "local", "--extra", "xlsx"),
        "requirements/test.txt": ("pyproject.toml", "--extra", "local", "--extra", "xlsx", "--group", "test"),
        "requirements/tools-audit.txt": ("--group", "tools-audit"),
        "requirements/tools-checks.txt": ("--group", "tools-checks"),
        "requirements/tools-lambda.txt": ("--group", "tools-lambda"),
        "requirements/tools-lint.txt": ("--group", "tools-lint"),
        "requirements/tools-sdks.txt": ("--group", "tools-sdks"),
        "requirements/tools-sam.txt": ("--group", "tools-sam"),
        "layers/dependencies/requirements.txt": ("layers/dependencies/requirements.in", "-c", "requirements/test.txt"),
        "layers/imaging/requirements.txt": ("layers/imaging/requirements.in", "-c", "requirements/test.txt"),
        "layers/vision/requirements.txt": ("layers/vision/requirements.in", "-c", "requirements/test.txt"),
        "layers/sdk/requirements.txt": ("layers/sdk/requirements.in", "-c", "requirements/test.txt"),
    }
)
"""A file of pinned requirements: what `uv pip compile` makes it from."""

OPTIONS = (
    *("--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-annotate", "--no-header", "--no-emit-index-url"),
)


def main() -> int:
    """Pin all of them; versions that still fit are kept."""
    uv = Path(sys.executable).with_name("uv")
    for file, source in SOURCES.items():
        print(file)
        command: list[str | Path] = [uv, "pip", "compile", *OPTIONS, *source, "--output-file", file]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
