"""What `sam build` makes: complete, small, for the processor that was asked for."""

import re
import struct
from pathlib import Path

import pytest

from sam.image import ARCHITECTURE
from sam.toolchain import Toolchain
from tests.sam.conftest import CACHE, Report, build
from tryon_local.app import ROOT
from tryon_local.aws.template import load

LIMIT_MB = 250
"""Lambda's own, of a function with its layers, unpacked."""

EXPECTED_MB = {"TryonLayer": 3, "DependenciesLayer": 40, "ImagingLayer": 60, "SdkLayer": 50, "VisionLayer": 100}
"""Where a layer has grown by something that nobody meant."""

MACHINES = {62: "x86_64", 183: "arm64"}


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def machines(folder: Path) -> set[str]:
    """The processors that a folder's shared objects are for, from the header of each."""
    objects = [path for path in folder.rglob("*.so*") if path.is_file()]
    assert objects or folder.name == "TryonLayer"
    return {MACHINES[struct.unpack_from("<H", path.read_bytes()[:20], 18)[0]] for path in objects}


def test_the_template_is_valid_and_lints_clean(tools: Toolchain) -> None:
    done = tools.run("validate", "--lint", "--region", "us-east-1", cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_built_holds_no_yaml_alias_which_cloudformation_cannot_read(built: Path) -> None:
    assert not re.findall(r"^\s*(?:- |\w+: )[&*]\w+", built.read_text(), re.MULTILINE)


def test_every_layer_and_function_is_as_small_as_it_should_be(built: Path, report: Report) -> None:
    resources = load(built)["Resources"]
    sizes = {
        name: size_mb(built.parent / name)
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    report("layers, unpacked: " + ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items()))
    assert {name for name, size in sizes.items() if size > EXPECTED_MB[name]} == set()
    everything = sum(sizes.values())
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            code = size_mb(built.parent / name)
            assert code < 0.1, f"{name} has {code:.1f} MB of its own: what is shared belongs in a layer"
            assert code + everything < LIMIT_MB


def test_layers_bring_boto3_and_only_the_services_that_are_called(built: Path) -> None:
    packages = built.parent / "DependenciesLayer" / "python"
    assert (packages / "boto3").is_dir()
    services = {path.name for path in (packages / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"dynamodb", "lambda", "s3", "secretsmanager", "stepfunctions"}, (
        "lambda for a judge of one's own"
    )


def test_every_module_comes_with_its_bytecode(built: Path) -> None:
    for layer in ("TryonLayer", "DependenciesLayer", "ImagingLayer", "VisionLayer"):
        modules = list((built.parent / layer / "python").rglob("*.py"))
        lacking = [
            path for path in modules if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").exists()
        ]
        assert modules
        assert lacking == []


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_one_parameter_decides_the_processor_of_every_layer(
    architecture: str, tools: Toolchain, built: Path, report: Report
) -> None:
    template = (
        built
        if architecture == ARCHITECTURE
        else build(tools, CACHE / f"build-{architecture}", "--parameter-overrides", f"Architecture={architecture}")
    )
    layers = [
        name
        for name, resource in load(template)["Resources"].items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    ]
    found = {name: machines(template.parent / name) for name in layers}
    assert found == {name: set() if name == "TryonLayer" else {architecture} for name in layers}
    marked = (template.parent / "DependenciesLayer" / "python" / "PROCESSOR").read_text().strip()
    assert marked == {"x86_64": "x86_64", "arm64": "aarch64"}[architecture], "what platform.machine() says there"
    report(f"built for {architecture}: " + ", ".join(layers))
