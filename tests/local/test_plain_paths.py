"""A plain path is walked instead of evaluated: both must find the same."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon_local.aws.moto_adapter import jsonata_engine
from tryon_local.aws.moto_adapter.jsonata_engine import _ELSEWHERE, _bindings, _walk, evaluate

NAMES = ("a", "b", "input", "states")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", 1.5, 3.0, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(lambda names: "$" + ".".join(names))


def environment(data: Any, outer: Any, inner: Any) -> Any:
    return SimpleNamespace(
        states=SimpleNamespace(_states_data=data),
        variable_store=SimpleNamespace(_outer_scope=outer, _inner_scope=inner),
    )


@settings(max_examples=400, deadline=None, derandomize=True)
@given(path=PATHS, given_=JSON, outer=OBJECTS, inner=OBJECTS)
def test_a_path_that_is_walked_leads_where_jsonata_says(path: str, given_: Any, outer: Any, inner: Any) -> None:
    env = environment({"input": given_, "context": {"a": "x"}}, outer, inner)
    walked = _walk(env, path)
    if walked is not _ELSEWHERE:
        evaluated = evaluate(path, _bindings(env, path), 0.0)
        assert (walked, repr(walked)) == (evaluated, repr(evaluated))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$job", {"n": 1, "cadence": [1]}),
        (" $job.n ", 1),
        ("$states.input.run", "r"),
        ("$states.context.Execution.Id", "arn"),
        ("$outer", 2),
        ("$both", "inner"),
    ],
)
def test_what_is_plainly_there_is_not_evaluated(path: str, found: Any) -> None:
    data = {"input": {"run": "r"}, "context": {"Execution": {"Id": "arn", "Input": {}}}}
    inner = {"job": {"n": 1.0, "cadence": [1]}, "both": "inner"}
    walked = _walk(environment(data, {"outer": 2, "both": "outer"}, inner), path)
    assert (walked, repr(walked)) == (found, repr(found))
    if isinstance(found, dict):
        assert walked is not inner["job"], "a state's output is its own"


@pytest.mark.parametrize(
    "path",
    [
        "$job.cadence",
        "$job.cadence.x",
        "$job.none",
        "$job.missing",
        "$nobody",
        "$job.n + 1",
        "$job.`n`",
        "$states",
        "$states.context.Execution",
        "$states.other",
        "$string",
        "$now()",
        "1",
    ],
)
def test_what_is_more_than_a_plain_path_is_evaluated(path: str) -> None:
    data = {"input": {}, "other": 1, "context": {"Execution": {"Id": "arn"}}}
    assert _walk(environment(data, {}, {"job": {"n": 1, "cadence": [1], "none": None}}), path) is _ELSEWHERE


def test_states_is_no_variable() -> None:
    assert _walk(environment({"input": {"a": 1}}, {}, {"states": {"input": {"a": 2}}}), "$states.input.a") == 1
    assert jsonata_engine.evaluate("$states.input.a", {"states": {"input": {"a": 1}}}, 0.0) == 1
