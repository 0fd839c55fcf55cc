"""Rules about the state machine's definition, which cfn-lint itself does not read."""

import ast
import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
from cfnlint.decode.cfn_yaml import load
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

AWS_ERRORS = ("States.", "Lambda.", "DynamoDB.", "Sandbox.", "SNS.", "S3.")
"""What AWS's own error names begin with."""

CODE = ("layers/tryon", "functions")
"""Where the classes are that other error names stand for."""

SERVICES = ("dynamodb", "s3", "secretsmanager", "stepfunctions")
"""Whose clients the functions use."""

EVENTS_PER_TRY = 4
"""Scheduled, started, submitted and timed out: what a try that waits for a token writes into the history."""

MOST_EVENTS = 20_000
"""For the tries of one state, of the 25,000 that a history holds."""

Definition = Mapping[str, Any]


def states(definition: Definition) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state with its name, those inside a Map's or a Parallel's included."""
    for name, state in definition["States"].items():
        yield name, state
        inner = [state.get("ItemProcessor"), *state.get("Branches", [])]
        for machine in filter(None, inner):
            yield from states(machine)


def unguarded_tasks(definition: Definition) -> Iterator[str]:
    """A task without a time limit may wait a year; one without a Catch for everything ends a run in silence."""
    for name, state in states(definition):
        if state["Type"] != "Task":
            continue
        if not {"TimeoutSeconds", "HeartbeatSeconds"} & set(state):
            yield f"task {name} has no TimeoutSeconds"
        if not state.get("Retry"):
            yield f"task {name} has no Retry"
        caught = [error for catch in state.get("Catch", []) for error in catch["ErrorEquals"]]
        if "States.ALL" not in caught:
            yield f"task {name} does not catch States.ALL"


def shadowed_variables(definition: Definition, outer: frozenset[str] = frozenset()) -> Iterator[str]:
    """AWS lets no Map or Parallel assign a variable that an outer scope assigns; moto and the validators do."""
    own: dict[str, str] = {}
    for name, state in definition["States"].items():
        rules = [*state.get("Catch", []), *state.get("Choices", [])]
        for assigned in (state.get("Assign", {}), *(rule.get("Assign", {}) for rule in rules)):
            own |= dict.fromkeys(assigned, name)
    for variable in sorted(outer & set(own)):
        yield f"state {own[variable]} assigns ${variable}, which an outer scope assigns too"
    for state in definition["States"].values():
        for machine in filter(None, [state.get("ItemProcessor"), *state.get("Branches", [])]):
            yield from shadowed_variables(machine, outer | set(own))


def unknown_errors(definition: Definition, classes: set[str]) -> Iterator[str]:
    """A misspelt name in a Retry or Catch matches nothing, and nothing says so."""
    classes = classes | library_error_classes()
    for name, state in states(definition):
        rules = [*state.get("Retry", []), *state.get("Catch", [])]
        named = {error for rule in rules for error in rule["ErrorEquals"]}
        text = json.dumps({key: value for key, value in state.items() if key not in ("ItemProcessor", "Comment")})
        named.update(re.findall(r"""(?<=['"\\])([A-Z]\w+Error)(?=['"\\])""", text))
        for error in sorted(named):
            if not error.startswith(AWS_ERRORS) and error not in classes:
                yield f"state {name} names {error}, which is no class in {' or '.join(CODE)} nor boto3's"


@functools.cache
def library_error_classes() -> frozenset[str]:
    """The names of the exceptions that boto3's clients raise in a function: botocore's own and the modelled ones."""
    session = botocore.session.get_session()
    modelled = (shape.name for name in SERVICES for shape in session.get_service_model(name).error_shapes)
    # Older botocores do not model this answer of DynamoDB.
    return frozenset({"ThrottlingException", *vars(botocore.exceptions), *modelled})


def error_classes(root: Path) -> set[str]:
    """The names of all classes in the code that end in Error."""
    return {
        node.name
        for folder in CODE
        for path in sorted((root / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }


def loose_substitutions(text: str, substitutions: Mapping[str, Any]) -> Iterator[str]:
    """Outside of quotes a substitution is no JSON; misspelt, it stays in the definition as it is written."""
    try:
        json.loads(text)
    except ValueError as error:
        yield f"the definition is no JSON as it lies there: {error}"
    found = set(re.findall(r"\$\{(\w+)\}", text))
    for name in sorted(found - set(substitutions)):
        yield f"${{{name}}} is not in DefinitionSubstitutions"
    for name in sorted(set(substitutions) - found):
        yield f"the substitution {name} is not used in the definition"


def repeated_keys(text: str) -> Iterator[str]:
    """Of two fields of one name a reader of JSON keeps one, or refuses both: which, no rule about JSON says."""
    found: list[str] = []

    def pairs(fields: list[tuple[str, Any]]) -> dict[str, Any]:
        counted = Counter(name for name, _ in fields)
        found.extend(f"{name} stands {count} times in one object" for name, count in counted.items() if count > 1)
        return dict(fields)

    json.loads(text, object_pairs_hook=pairs)
    yield from found


def impatient_tasks(definition: Definition, timeouts: Mapping[str, float]) -> Iterator[str]:
    """A task that ends before its function leaves the function running beside the retry."""
    for name, state in states(definition):
        function = str(state.get("Arguments", {}).get("FunctionName", "")).removeprefix("${").removesuffix("}")
        limit = timeouts.get(function)
        if limit is not None and state.get("TimeoutSeconds", 0) <= limit:
            yield f"task {name} waits {state['TimeoutSeconds']} s for {function}, which may take {limit} s"


def regular_expressions(text: str) -> Iterator[str]:
    """The regular expressions of every JSONata expression in a definition, as they stand between their slashes."""
    for expression in re.findall(r'"((?:[^"\\]|\\.)*)"', text):
        if expression.startswith("{%"):
            decoded = re.sub(r"'(?:[^'\\]|\\.)*'", "''", json.loads(f'"{expression}"'))
            # A slash that begins an expression stands where a value is expected; others divide.
            for found in re.finditer(r"(?:^|[(,:=?\[])\s*/((?:[^/\\\n]|\\.)+)/", decoded):
                yield found[1]


def repeated_groups(text: str) -> Iterator[str]:
    """AWS's engine is written in Java: its regular expressions take stack for each repetition of a group.

    A message of some thousand characters then ends the execution with a stack overflow, where no test of another
    engine sees it. A repeated class of characters (`[^"]*`) and a lazy dot are loops and take none.
    """
    for expression in regular_expressions(text):
        inside = re.sub(r"\\.", "\\\\", expression)
        inside = re.sub(r"\[\^?\]?[^\]]*\]", "[]", inside)
        if re.search(r"\)(?:[*+?]|\{)", inside):
            yield f"the regular expression /{expression}/ repeats a group"


def literal_partitions(text: str) -> Iterator[str]:
    """In China and in GovCloud ARNs begin in another way, and the stack is rolled back."""
    for found in sorted(set(re.findall(r"arn:aws[a-z-]*:[a-z0-9-]*", text))):
        yield f"{found} names a partition: write ${{Partition}}, or ${{AWS::Partition}} in the template"


def outer_variables(definition: Definition) -> Iterator[str]:
    """What AWS says of variables and Distributed Maps can be read so that a Map's own fields see none: it has input."""
    for name, state in definition["States"].items():
        if state["Type"] != "Map":
            continue
        for field in ("Items", "ItemReader", "ResultWriter", "ItemSelector", "ItemBatcher", "MaxConcurrency"):
            variables = {*re.findall(r"\$([a-z_]\w*)\b(?!\()", json.dumps(state.get(field, "")))} - {"states"}
            for variable in sorted(variables):
                yield f"{field} of map {name} reads ${variable}: give it to the state as input"


def endless_retries(definition: Definition) -> Iterator[str]:
    """A try writes four events and a history holds 25,000: when it is full, the execution ends uncaught."""
    for name, state in states(definition):
        attempts = sum(rule.get("MaxAttempts", 3) for rule in state.get("Retry", []))
        if attempts * EVENTS_PER_TRY > MOST_EVENTS:
            yield f"state {name} may be tried {attempts:,} times, which its history has no room for"


class WorkflowRule(CloudFormationLintRule):  # type: ignore[misc]
    id = "E9201"
    severity = "error"
    shortdesc = "The workflow is guarded"
    description = (
        "Every task has a timeout, retries and a catch for everything, and outwaits its function; every variable has "
        "one scope; every error name "
        "is a class in the code or AWS's; every substitution is quoted, known and used; no regular expression repeats "
        "a group, no object has two fields of one name, no ARN names a partition, no field of a Map reads a "
        "variable, no retry fills a history"
    )
    source_url = "docs/operations.md"
    tags = ["tryon", "workflow"]  # noqa: RUF012 - cfn-lint's own shape

    def match(self, cfn: Template) -> list[RuleMatch]:
        root = Path(cfn.filename).resolve().parent
        written = load(cfn.filename)["Resources"]
        timeouts = {
            name: resource["Properties"]["Timeout"]
            for name, resource in written.items()
            if resource["Type"] == "AWS::Serverless::Function" and "Timeout" in resource["Properties"]
        }
        template = Path(cfn.filename).read_text(encoding="utf-8")
        matches = [RuleMatch(["Resources"], problem) for problem in literal_partitions(template)]
        for name, resource in written.items():
            if resource["Type"] != "AWS::Serverless::StateMachine":
                continue
            properties = resource["Properties"]
            text = (root / properties["DefinitionUri"]).read_text(encoding="utf-8")
            problems = [*loose_substitutions(text, properties.get("DefinitionSubstitutions", {}))]
            problems += literal_partitions(text)
            if not any("no JSON" in problem for problem in problems):
                definition = json.loads(text)
                problems += unguarded_tasks(definition)
                problems += shadowed_variables(definition)
                problems += unknown_errors(definition, error_classes(root))
                problems += impatient_tasks(definition, timeouts)
                problems += repeated_groups(text)
                problems += repeated_keys(text)
                problems += outer_variables(definition)
                problems += endless_retries(definition)
            matches += [RuleMatch(["Resources", name, "Properties", "DefinitionUri"], problem) for problem in problems]
        return matches
