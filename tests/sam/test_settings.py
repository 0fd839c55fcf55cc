"""`samconfig.toml.example` as SAM's own reader sees it: build and deploy agree, and nothing is missing."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

from sam.toolchain import Toolchain
from tryon_local.app import ROOT
from tryon_local.aws.template import load

EXAMPLE = ROOT / "samconfig.toml.example"

READ = """
import json, sys
from samcli.lib.config.samconfig import SamConfig
from samcli.cli.types import CfnParameterOverridesType
config = SamConfig(*sys.argv[1:3])
told = config.get_all(["deploy"], "parameters")["parameter_overrides"]
CfnParameterOverridesType().convert(told, None, None)
print(json.dumps([config.get_all([name], "parameters") for name in ("build", "deploy")]))
"""


def read(tools: Toolchain, folder: Path) -> list[dict[str, Any]]:
    shutil.copy(EXAMPLE, folder / "samconfig.toml")
    answer: list[dict[str, Any]] = json.loads(tools.python_of_sam("-c", READ, str(folder), "samconfig.toml"))
    return answer


def test_build_and_deploy_get_the_same_parameters(tools: Toolchain, tmp_path: Path) -> None:
    build, deploy = read(tools, tmp_path)
    assert build["parameter_overrides"] == deploy["parameter_overrides"]
    assert "Architecture=x86_64" in build["parameter_overrides"]
    assert (deploy["stack_name"], deploy["capabilities"], deploy["resolve_s3"]) == ("tryon", "CAPABILITY_IAM", True)


def test_parameters_stand_in_one_place_and_are_the_templates() -> None:
    written = tomllib.loads(EXAMPLE.read_text())["default"]
    assert [name for name, table in written.items() if "parameter_overrides" in table["parameters"]] == ["global"]
    known = load(ROOT / "template.yaml")["Parameters"]
    for override in written["global"]["parameters"]["parameter_overrides"]:
        name, _, value = override.partition("=")
        assert str(known[name]["Default"]) == value, f"{name} is {known[name]['Default']} in the template"


def test_the_file_with_an_address_is_ignored_by_git() -> None:
    assert "samconfig.toml" in (ROOT / ".gitignore").read_text().split()
