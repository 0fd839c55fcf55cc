"""What passes between states stays below Step Functions' limits at the largest run that the stack takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tryon.manifest import MAX_BYTES

ROOT = Path(__file__).resolve().parents[2]
MACHINE = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())
STATE_BYTES = 256 * 1024


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


def test_the_map_s_result_fits_in_a_state_however_many_succeed() -> None:
    outputs = dict(ends(MACHINE["States"]["TryOn"]["ItemProcessor"]["States"]))
    assert outputs == dict.fromkeys(("Download", "AlreadySucceeded"), "{% 0 %}")
    longest = len("0")
    assert len("[]") + most_combinations() * (longest + len(",")) <= STATE_BYTES


def test_a_result_that_is_too_large_is_no_end_without_a_report() -> None:
    # States.ALL does not match it.
    caught = {error: one["Next"] for one in MACHINE["States"]["TryOn"]["Catch"] for error in one["ErrorEquals"]}
    assert caught["States.DataLimitExceeded"] == "Summarize"


def test_whatever_fails_of_the_largest_run_fits_in_one_manifest() -> None:
    longest = json.dumps({"model": "m" * 63, "garment": "g" * 63, "variant": "v" * 63})
    pictures = 1_000_000
    assert most_combinations() * len(",\n  " + longest) + pictures <= MAX_BYTES
