"""What passes between states stays below Step Functions' limits at the largest run that the stack takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lint.rules.workflow import states
from tryon.planning.manifest import MAX_ENTRIES, MAX_RETRY_BYTES
from tryon_local.aws.moto_adapter.jsonata_engine import evaluate

ROOT = Path(__file__).resolve().parents[2]
MACHINE = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())


def most_combinations() -> int:
    class Loader(yaml.SafeLoader):
        """Takes CloudFormation's short functions for their arguments."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    return int(template["Parameters"]["MaxCombinations"]["MaxValue"])


def ends(states: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The output of each state at which a child succeeds; an expression is no constant."""
    for name, state in states.items():
        if state.get("End") or state["Type"] == "Succeed":
            yield name, state.get("Output")


def test_what_children_return_goes_to_s3_and_is_next_to_nothing() -> None:
    try_on = MACHINE["States"]["TryOn"]
    assert try_on["ResultWriter"]["Resource"] == "arn:${Partition}:states:::s3:putObject"
    outputs = dict(ends(try_on["ItemProcessor"]["States"]))
    assert outputs == dict.fromkeys(("Check", "Unchecked", "AlreadyEnded"), "{% 0 %}")


@pytest.mark.parametrize("error", ["States.ResultWriterFailed", "States.DataLimitExceeded"])
def test_a_result_that_cannot_be_kept_costs_the_run_nothing(error: str) -> None:
    # Named, since States.ALL does not match the second; and what Summarize is told is that nothing broke.
    (caught,) = (one for one in MACHINE["States"]["TryOn"]["Catch"] if error in one["ErrorEquals"])
    assert (caught["Next"], caught["Output"]) == ("Compare", {})


def test_whatever_fails_of_the_largest_run_fits_in_one_manifest() -> None:
    longest = json.dumps({"model": "m" * 63, "garment": "g" * 63, "variant": "v" * 63})
    pictures = 1_000_000
    assert most_combinations() <= MAX_ENTRIES
    assert most_combinations() * len(",\n  " + longest) + pictures <= MAX_RETRY_BYTES


def before_the_map() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way out of the states that read a manifest, when they fail."""
    for name in ("Claim", "Plan"):
        for caught in MACHINE["States"][name]["Catch"]:
            if "Assign" in caught:
                yield f"{name} {caught['ErrorEquals'][0]}", caught


def evaluated(expression: str, **bindings: Any) -> Any:
    return evaluate(expression.removeprefix("{%").removesuffix("%}"), bindings, 0.0)


CAUSES = [None, "no JSON", '{"errorMessage": "cut of', json.dumps({"errorMessage": "m" * 99_999})]


@pytest.mark.parametrize("caught", [pytest.param(caught, id=name) for name, caught in before_the_map()])
@pytest.mark.parametrize("cause", CAUSES)
def test_no_cause_of_a_failure_breaks_or_fills_the_state_that_follows(
    caught: dict[str, Any], cause: str | None
) -> None:
    failure = {"Error": "States.Timeout"} | ({"Cause": cause} if cause is not None else {})
    assigned = dict(caught["Assign"])
    bindings: dict[str, Any] = {"states": {"errorOutput": failure}}
    if caught["Next"] == "ExplainRun":
        bindings["plan_error"] = evaluated(assigned.pop("plan_error"), **bindings)
        assigned |= MACHINE["States"]["ExplainRun"]["Assign"]
    for name, expression in assigned.items():
        if expression.startswith("{%"):
            told = evaluated(expression, **bindings)
            assert isinstance(told, str), name
            assert name == "missing" or len(told) <= 8_000
    assert caught["Output"] == {}, "else it is the whole cause"


CHILD = MACHINE["States"]["TryOn"]["ItemProcessor"]["States"]

MESSAGES = [
    "plain",
    "m" * 30_000,
    '"' * 1_900,
    "\\" * 1_900,
    'the service says {"code": 50411, "message": "no"}, "errorType": "x"}',
    "C:\\new\nline \u4e2d \u0001",
]


@pytest.mark.parametrize("message", MESSAGES, ids=["plain", "long", "quotes", "backslashes", "JSON", "controls"])
@pytest.mark.parametrize("order", [("errorMessage", "errorType"), ("errorType", "errorMessage")], ids=" ".join)
def test_a_functions_message_is_what_the_record_says(message: str, order: tuple[str, str]) -> None:
    known = {"errorMessage": message, "errorType": "FetchError"}
    cause = json.dumps({name: known[name] for name in order})
    expression = CHILD["Explain"]["Assign"]["reason"]
    assert evaluated(expression, failure={"Error": "FetchError", "Cause": cause}) == message[:2000]


@pytest.mark.parametrize("cause", CAUSES)
def test_any_other_cause_is_recorded_as_it_is_up_to_a_length(cause: str | None) -> None:
    failure = {"Error": "States.Timeout"} | ({"Cause": cause} if cause is not None else {})
    told = evaluated(CHILD["Explain"]["Assign"]["reason"], failure=failure)
    assert told == ("m" * 2000 if "mmm" in (cause or "") else cause or "")


def test_only_two_states_take_a_message_out_of_a_cause() -> None:
    taken = [name for name, state in states(MACHINE) if "groups" in json.dumps(without_inner(state))]
    assert taken == ["Plan", "ExplainRun", "Submit", "Explain"], "Plan: what is missing; Submit: when its turn is"


def without_inner(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != "ItemProcessor"}
