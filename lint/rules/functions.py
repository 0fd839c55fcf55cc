"""Rules about functions: each has a log group that forgets, a time limit and a role that nobody shares."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.decode.cfn_yaml import load
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

Resources = Mapping[str, Mapping[str, Any]]
Problem = tuple[str, str]
"""A resource's logical id, and what is wrong with it."""


def functions(resources: Resources) -> dict[str, Mapping[str, Any]]:
    """The properties of every function by its logical id."""
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def without_log_group(resources: Resources) -> Iterator[Problem]:
    """A function that makes its own log group keeps everything for ever."""
    for name, properties in functions(resources).items():
        group = properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref", "")
        known = resources.get(group, {})
        if known.get("Type") != "AWS::Logs::LogGroup":
            yield name, "names no log group of this template in its LoggingConfig"
        elif "RetentionInDays" not in known["Properties"]:
            yield name, f"writes to {group}, which keeps everything for ever"


def without_timeout(resources: Resources) -> Iterator[Problem]:
    """The default, three seconds, is nobody's choice."""
    for name, properties in functions(resources).items():
        if "Timeout" not in properties:
            yield name, "has no Timeout of its own"


def without_role_of_its_own(resources: Resources) -> Iterator[Problem]:
    """A shared role gives each function what another one needs."""
    roles = {name: _role(properties.get("Role")) for name, properties in functions(resources).items()}
    shared = Counter(roles.values())
    for name, role in roles.items():
        if resources.get(role, {}).get("Type") != "AWS::IAM::Role":
            yield name, "has no role of this template"
        elif shared[role] > 1:
            yield name, f"shares {role} with another function"


def _role(value: Any) -> str:
    attribute = value.get("Fn::GetAtt", "") if isinstance(value, dict) else ""
    return str(attribute[0] if isinstance(attribute, list) else attribute.partition(".")[0])


class _FunctionRule(CloudFormationLintRule):  # type: ignore[misc]
    severity = "error"
    tags = ["tryon", "functions"]  # noqa: RUF012 - cfn-lint's own shape
    source_url = "docs/operations.md"

    def match(self, cfn: Template) -> list[RuleMatch]:
        # As it is written: what cfn-lint hands on has been through SAM, which fills defaults in.
        written = load(cfn.filename)["Resources"]
        return [RuleMatch(["Resources", name], f"{name} {problem}") for name, problem in type(self).check(written)]


class FunctionLogGroup(_FunctionRule):
    id = "E9101"
    shortdesc = "A function has a log group with a retention"
    description = "Every function's LoggingConfig names a log group of the template, which has a retention"
    check = staticmethod(without_log_group)


class FunctionTimeout(_FunctionRule):
    id = "E9102"
    shortdesc = "A function has a timeout"
    description = "Every function has a Timeout of its own"
    check = staticmethod(without_timeout)


class FunctionRole(_FunctionRule):
    id = "E9103"
    shortdesc = "A function has a role of its own"
    description = "Every function has a role of the template that no other function has"
    check = staticmethod(without_role_of_its_own)
