"""The project's own lint rules: clean on the template as it is, and each finds what it is for."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lint.rules import functions as function_rules
from lint.rules import workflow as workflow_rules
from tryon_local.app import ROOT
from tryon_local.aws.template import load

Change = Callable[[dict[str, Any]], None]
TEXT = (ROOT / "statemachine" / "tryon.asl.json").read_text()


@pytest.fixture
def resources() -> dict[str, Any]:
    return copy.deepcopy(load(ROOT / "template.yaml")["Resources"])


@pytest.fixture
def definition() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(TEXT)
    return loaded


FUNCTION_RULES = (
    function_rules.without_log_group,
    function_rules.without_timeout,
    function_rules.without_role_of_its_own,
)


@pytest.mark.parametrize("rule", FUNCTION_RULES)
def test_the_template_keeps_every_rule_about_functions(
    rule: Callable[[Any], Iterator[tuple[str, str]]], resources: dict[str, Any]
) -> None:
    assert list(rule(resources)) == []


def test_a_function_without_a_log_group_of_the_template_is_found(resources: dict[str, Any]) -> None:
    del resources["PollFunction"]["Properties"]["LoggingConfig"]
    assert [name for name, _ in function_rules.without_log_group(resources)] == ["PollFunction"]


def test_a_log_group_that_keeps_everything_is_found(resources: dict[str, Any]) -> None:
    del resources["PollLogs"]["Properties"]["RetentionInDays"]
    assert [name for name, _ in function_rules.without_log_group(resources)] == ["PollFunction"]


def test_a_function_with_the_default_timeout_is_found(resources: dict[str, Any]) -> None:
    del resources["PlanFunction"]["Properties"]["Timeout"]
    assert [name for name, _ in function_rules.without_timeout(resources)] == ["PlanFunction"]


def test_two_functions_with_one_role_are_found(resources: dict[str, Any]) -> None:
    resources["PollFunction"]["Properties"]["Role"] = resources["SubmitFunction"]["Properties"]["Role"]
    found = {name for name, _ in function_rules.without_role_of_its_own(resources)}
    assert found == {"PollFunction", "SubmitFunction"}


def test_a_function_whose_role_sam_would_make_is_found(resources: dict[str, Any]) -> None:
    del resources["PollFunction"]["Properties"]["Role"]
    assert [name for name, _ in function_rules.without_role_of_its_own(resources)] == ["PollFunction"]


def test_the_workflow_keeps_every_rule(resources: dict[str, Any], definition: dict[str, Any]) -> None:
    substitutions = resources["StateMachine"]["Properties"]["DefinitionSubstitutions"]
    timeouts = {name: f["Timeout"] for name, f in function_rules.functions(resources).items()}
    assert len(timeouts) == 9
    assert list(workflow_rules.unguarded_tasks(definition)) == []
    assert list(workflow_rules.unknown_errors(definition, workflow_rules.error_classes(ROOT))) == []
    assert list(workflow_rules.shadowed_variables(definition)) == []
    assert list(workflow_rules.loose_substitutions(TEXT, substitutions)) == []
    assert list(workflow_rules.impatient_tasks(definition, timeouts)) == []
    assert list(workflow_rules.repeated_groups(TEXT)) == []
    assert list(workflow_rules.repeated_keys(TEXT)) == []
    assert list(workflow_rules.literal_partitions(TEXT)) == []
    assert list(workflow_rules.literal_partitions((ROOT / "template.yaml").read_text())) == []
    assert list(workflow_rules.outer_variables(definition)) == []
    assert list(workflow_rules.endless_retries(definition)) == []


def inner(definition: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(workflow_rules.states(definition))[name]
    return found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda task: task.pop("TimeoutSeconds"), "task Submit has no TimeoutSeconds"),
        (lambda task: task.pop("Retry"), "task Submit has no Retry"),
        (lambda task: task["Catch"].pop(), "task Submit does not catch States.ALL"),
    ],
)
def test_an_unguarded_task_inside_the_map_is_found(change: Change, problem: str, definition: dict[str, Any]) -> None:
    change(inner(definition, "Submit"))
    assert list(workflow_rules.unguarded_tasks(definition)) == [problem]


@pytest.mark.parametrize("place", ["Submit", "its Catch", "its Choices"])
def test_a_variable_of_two_scopes_is_found(place: str, definition: dict[str, Any]) -> None:
    where = {
        "Submit": inner(definition, "Submit"),
        "its Catch": inner(definition, "Submit")["Catch"][0],
        "its Choices": inner(definition, "Done?")["Choices"][0],
    }
    where[place].setdefault("Assign", {})["run_id"] = "x"
    (problem,) = workflow_rules.shadowed_variables(definition)
    assert "assigns $run_id, which an outer scope assigns too" in problem


def test_a_misspelt_error_is_found_in_retries_catches_and_expressions(definition: dict[str, Any]) -> None:
    classes = workflow_rules.error_classes(ROOT)
    submit = inner(definition, "Submit")
    submit["Retry"][0]["ErrorEquals"] = ["ServiceBsyError", "ConnectTimeoutError", "ThrottlingException"]
    submit["Assign"]["x"] = "{% $failure.Error = 'ServiceBuzyError' %}"
    found = list(workflow_rules.unknown_errors(definition, classes))
    assert len(found) == 2
    assert all("state Submit names ServiceB" in problem for problem in found)


def test_a_substitution_out_of_quotes_unknown_or_unused_is_found() -> None:
    known = {"Cadence": 1}
    assert list(workflow_rules.loose_substitutions('{"a": "${Cadence}"}', known)) == []
    assert "no JSON" in next(workflow_rules.loose_substitutions('{"a": ${Cadence}}', known))
    assert list(workflow_rules.loose_substitutions('{"a": "${Cadense} ${Cadence}"}', known)) == [
        "${Cadense} is not in DefinitionSubstitutions"
    ]
    assert list(workflow_rules.loose_substitutions("{}", known)) == [
        "the substitution Cadence is not used in the definition"
    ]


def test_a_task_that_gives_up_before_its_function_is_found(definition: dict[str, Any]) -> None:
    inner(definition, "Poll")["TimeoutSeconds"] = 110
    assert list(workflow_rules.impatient_tasks(definition, {"PollFunction": 110})) == [
        "task Poll waits 110 s for PollFunction, which may take 110 s"
    ]


@pytest.mark.parametrize(
    "expression",
    [
        # A JSON string by its characters: once in this definition, until its engine was looked at.
        '"errorMessage": ?("(?:[^\\\\"]|\\\\.)*")',
        "(a|b)+",
        "(?:ab){2,}",
        "[^x]*(?:y[^x]*)*",
        "(a)?",
    ],
)
def test_a_regular_expression_that_repeats_a_group_is_found(expression: str) -> None:
    text = json.dumps({"Cause": "{% $match($x, /" + expression + "/, 1) %}"})
    assert len(list(workflow_rules.repeated_groups(text))) == 1


@pytest.mark.parametrize("expression", ['"errorMessage": ?"([^"]*)"', "[()*+]+", r"\)*x", "due in ([0-9]+) s", "a.*?b"])
def test_one_that_repeats_characters_is_not(expression: str) -> None:
    divided = "{% $a / (1 + $b) * 2 / 3 %}"
    text = json.dumps({"Cause": "{% $match($x, /" + expression + "/, 1) %}", "Other": divided})
    assert list(workflow_rules.repeated_groups(text)) == []


@pytest.mark.parametrize("arn", ["arn:aws:states:::lambda:invoke", "arn:aws-cn:s3:::bucket", "arn:aws-us-gov:iam::1:x"])
def test_an_arn_with_a_partition_is_found(arn: str) -> None:
    (problem,) = workflow_rules.literal_partitions(f'"{arn}" "arn:${{Partition}}:states:::lambda:invoke"')
    assert problem.startswith(arn[:7])


def test_two_fields_of_one_name_are_found() -> None:
    text = TEXT.replace('"Type": "Wait",', '"Type": "Wait", "Type": "Wait",', 1)
    assert list(workflow_rules.repeated_keys(text)) == ["Type stands 2 times in one object"]


@pytest.mark.parametrize("field", ["ItemReader", "ResultWriter", "ItemSelector", "MaxConcurrency"])
def test_a_field_of_the_map_that_reads_a_variable_is_found(field: str, definition: dict[str, Any]) -> None:
    definition["States"]["TryOn"][field] = {"Arguments": {"Bucket": "{% $merge([$states.input, $bucket]) %}"}}
    (problem,) = workflow_rules.outer_variables(definition)
    assert problem == f"{field} of map TryOn reads $bucket: give it to the state as input"


def test_a_retry_that_fills_the_history_is_found(definition: dict[str, Any]) -> None:
    inner(definition, "ReserveSlot")["Retry"][1]["MaxAttempts"] = 10_000
    (problem,) = workflow_rules.endless_retries(definition)
    assert problem.startswith("state ReserveSlot may be tried 10,0")


def test_no_code_names_a_partition() -> None:
    for folder in ("layers/tryon", "functions", "src/tryon_cli"):
        for path in (ROOT / folder).rglob("*.py"):
            assert list(workflow_rules.literal_partitions(path.read_text())) == [], path
