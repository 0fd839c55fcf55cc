"""The state machine's definition as it is deployed: `python -m lint.definition > definition.json`.

With an account, `aws stepfunctions validate-state-machine-definition --definition file://definition.json` checks it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tryon_local.app import ROOT
from tryon_local.aws.template import load

ACCOUNT, REGION, PARTITION = "123456789012", "us-east-1", "aws"
"""Where the printed definition would be, in which no name of a function or a table is real."""


def definitions() -> Iterator[tuple[str, str]]:
    """The logical id of each state machine in the template, and its definition."""
    described = load(ROOT / "template.yaml")
    for name, resource in described["Resources"].items():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            yield name, deployed(resource["Properties"], described["Parameters"])


def deployed(properties: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """A definition with its substitutions' values: parameters' defaults, and a name for every resource."""
    text: str = (ROOT / properties["DefinitionUri"]).read_text(encoding="utf-8")
    for name, value in properties["DefinitionSubstitutions"].items():
        text = text.replace(f"${{{name}}}", _value(name, value, parameters))
    json.loads(text)
    return text


def _value(name: str, value: Any, parameters: Mapping[str, Any]) -> str:
    if isinstance(value, dict) and value.get("Ref") == "AWS::Partition":
        return PARTITION
    if isinstance(value, dict) and value.get("Ref") in parameters:
        return str(parameters[value["Ref"]].get("Default", name))
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        return f"arn:{PARTITION}:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:{name}" if name == "Topic" else name


def main() -> None:
    for _, definition in definitions():
        print(definition)


if __name__ == "__main__":
    main()
