"""What passes between states stays below Step Functions' limits at the largest run that the stack takes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tryon.manifest import MAX_ENTRIES, MAX_RETRY_BYTES
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
    assert try_on["ResultWriter"]["Resource"] == "arn:aws:states:::s3:putObject"
    outputs = dict(ends(try_on["ItemProcessor"]["States"]))
    assert outputs == dict.fromkeys(("Download", "AlreadyEnded"), "{% 0 %}")


@pytest.mark.parametrize("error", ["States.ResultWriterFailed", "States.DataLimitExceeded"])
def test_a_result_that_cannot_be_kept_costs_the_run_nothing(error: str) -> None:
    # Named, since States.ALL does not match the second; and what Summarize is told is that nothing broke.
    (caught,) = (one for one in MACHINE["States"]["TryOn"]["Catch"] if error in one["ErrorEquals"])
    assert (caught["Next"], caught["Output"]) == ("Summarize", {})


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


@pytest.mark.parametrize("caught", [pytest.param(caught, id=name) for name, caught in before_the_map()])
@pytest.mark.parametrize(
    "cause", [None, "no JSON", '{"errorMessage": "cut of', json.dumps({"errorMessage": "m" * 99_999})]
)
def test_no_cause_of_a_failure_breaks_or_fills_the_state_that_follows(
    caught: dict[str, Any], cause: str | None
) -> None:
    failure = {"Error": "States.Timeout"} | ({"Cause": cause} if cause is not None else {})
    for name, expression in caught["Assign"].items():
        if expression.startswith("{%"):
            told = evaluate(expression.removeprefix("{%").removesuffix("%}"), {"states": {"errorOutput": failure}}, 0.0)
            assert isinstance(told, str), name
            assert name == "missing" or len(told) <= 8_000
    assert caught["Output"] == {}, "else it is the whole cause"


def test_what_is_taken_out_of_a_cause_needs_no_turns_of_a_group() -> None:
    # Java's regular expressions, which Step Functions has, recurse for each: a long text ends them.
    for state in ("Manifest?", "Name", "Claim", "Plan", "AwaitPictures"):
        assert not re.search(r"\)[*+{?]", json.dumps(MACHINE["States"][state])), state
