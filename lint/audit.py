"""The pinned packages against the list of known vulnerabilities, where that list can be had."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

EXEMPT: Mapping[str, str] = {}
"""Vulnerabilities that do not concern this project: each id with its reason."""

SECONDS = 180
"""For one file of requirements; an unreachable list must not hold up the other checks."""


def audit(tool: Path, files: Iterable[Path]) -> bool:
    """Ask `pip-audit` about each file; False when a pinned version has a known vulnerability.

    A list that cannot be reached is no failure: a message says how many packages were not looked up.
    """
    clean = True
    asked: set[str] = set()
    looked_up: set[str] = set()
    for file in files:
        asked |= pinned(file)
        for package in _answer(tool, file):
            if "skip_reason" not in package:
                looked_up.add(package["name"])
            for vulnerability in package.get("vulns", ()):
                if not _exempt(vulnerability):
                    clean = False
                    print(describe(file, package, vulnerability))
    if missed := asked - looked_up:
        print(f"audit: {len(missed)} of {len(asked)} packages not looked up: the vulnerability list is out of reach")
    return clean


def pinned(file: Path) -> set[str]:
    """Names of the packages that a file of requirements pins."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}


def describe(file: Path, package: Mapping[str, Any], vulnerability: Mapping[str, Any]) -> str:
    """One line: where it is pinned, what is wrong with it and the version that mends it."""
    mended = ", ".join(vulnerability.get("fix_versions", ())) or "no version yet"
    return f"{file}: {package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}"


def _exempt(vulnerability: Mapping[str, Any]) -> bool:
    return not EXEMPT.keys().isdisjoint({vulnerability["id"], *vulnerability.get("aliases", ())})


def _answer(tool: Path, file: Path) -> list[dict[str, Any]]:
    command: list[str | Path] = [tool, "--requirement", file, "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"audit: {file.name}: {type(error).__name__}", file=sys.stderr)
        return []
    packages: list[dict[str, Any]] = answer["dependencies"]
    return packages
