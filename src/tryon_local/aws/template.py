"""template.yaml as CloudFormation: what `sam deploy` would send, made without AWS."""

import copy
import functools
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

_MANAGED_POLICIES = {
    "AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "AWSXrayWriteOnlyAccess": "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
    "AWSXRayDaemonWriteAccess": "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess",
}


@dataclass(frozen=True)
class FunctionSource:
    """Where a function's code is, and Lambda's settings for it.

    `timeout` in seconds, `memory` in MB; `reserved_concurrency` is None where the template sets none.
    """

    logical_id: str
    code: Path
    handler: str
    timeout: float
    memory: int
    reserved_concurrency: int | None


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms, such as `!Ref`."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.constructor.ConstructorError(None, None, f"!{suffix} of nothing known", node.start_mark)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load(template_path: Path) -> dict[str, Any]:
    """The template as it is written, its short forms spelt out."""
    return copy.deepcopy(_read(template_path.read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=8)
def _read(text: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with CloudFormation's tags
    return template


def expand(template_path: Path, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The plain CloudFormation that a SAM template stands for, its state machines' definitions inside.

    The code of functions and layers is a placeholder. Raises `samtranslator`'s InvalidDocumentException.
    """
    return copy.deepcopy(_expand(*_key(template_path, parameters))[0])


def sources(template_path: Path) -> dict[str, FunctionSource]:
    """Every function of the template by its logical id."""
    return dict(_expand(*_key(template_path, None))[1])


def _key(template_path: Path, parameters: Mapping[str, str] | None) -> tuple[Path, str, str]:
    root = template_path.resolve().parent
    template = load(template_path)
    read = [template_path.read_text(encoding="utf-8")]
    for resource in template["Resources"].values():
        uri = resource.get("Properties", {}).get("DefinitionUri")
        if isinstance(uri, str):
            read.append((root / uri).read_text(encoding="utf-8"))
    return template_path.resolve(), "\0".join(read), json.dumps(dict(parameters or {}), sort_keys=True)


@functools.lru_cache(maxsize=8)
def _expand(template_path: Path, _content: str, parameters: str) -> tuple[dict[str, Any], dict[str, FunctionSource]]:
    template = load(template_path)
    root = template_path.parent
    defaults = template.get("Globals", {}).get("Function", {})
    functions: dict[str, FunctionSource] = {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.setdefault("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            functions[logical_id] = _take_source(logical_id, properties, defaults, root)
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            definition = (root / properties.pop("DefinitionUri")).read_text(encoding="utf-8")
            properties["Definition"] = json.loads(definition)
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = f"s3://placeholder/{logical_id}.zip"
    defaults.pop("CodeUri", None)
    # Without a region of its own the translator would ask the machine's configuration for one.
    session = boto3.Session(region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    # It counts what it translates and complains, once it is thrown away, that nobody wanted the numbers.
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)
    expanded: dict[str, Any] = Translator(_MANAGED_POLICIES, Parser(), boto_session=session).translate(
        template, json.loads(parameters)
    )
    return expanded, functions


def _take_source(
    logical_id: str, properties: dict[str, Any], defaults: Mapping[str, Any], root: Path
) -> FunctionSource:
    code = properties.pop("CodeUri", defaults.get("CodeUri", "."))
    properties["InlineCode"] = "# in the working tree"
    concurrency = properties.get("ReservedConcurrentExecutions", defaults.get("ReservedConcurrentExecutions"))
    return FunctionSource(
        logical_id=logical_id,
        code=root / code,
        handler=properties.get("Handler", defaults.get("Handler", "app.handler")),
        timeout=float(properties.get("Timeout", defaults.get("Timeout", 3))),
        memory=int(properties.get("MemorySize", defaults.get("MemorySize", 128))),
        reserved_concurrency=concurrency if isinstance(concurrency, int) else None,
    )
