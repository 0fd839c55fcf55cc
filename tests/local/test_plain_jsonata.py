"""A plain expression is Python's own to evaluate instead of JSONata's: both must find the same."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon_local.app import ROOT
from tryon_local.aws.moto_adapter import jsonata_engine
from tryon_local.aws.moto_adapter.jsonata_engine import _ELSEWHERE, _bindings, _plain_form, _plainly, evaluate

NAMES = ("a", "b", "input", "states", "min")
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 9, 0.5, 1.5, 3.0, -2.5, 2**53, 1e300])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "x", "a", "done", "é"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(lambda names: "$" + ".".join(names))
LITERALS = st.sampled_from(["0", "1", "-1", "2.5", "''", "'x'", "'done'", "true", "false", "null"])
INDICES = st.sampled_from(["0", "1", "-1", "$a", "$min([$a, 1])", "$count($b) - 1"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "and", "or", "&", "+", "-", "*", "/"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({} ? {})".format, inner, inner),
        st.builds("($a := {}; {})".format, inner, inner),
        st.builds("$exists({})".format, inner),
        st.builds("$not({})".format, inner),
        st.builds("$ceil({})".format, inner),
        st.builds("$floor({})".format, inner),
        st.builds("$min([{}, {}])".format, inner, inner),
        st.builds("$max([{}])".format, inner),
        st.builds("$merge([{}, {{'x': {}}}])".format, inner, inner),
        st.builds("$lookup({}, {})".format, inner, inner),
        st.builds("{{'x': {}, 'y': {}}}".format, inner, inner),
        st.builds("$count({})".format, inner),
        st.builds("{}[{}]".format, PATHS, INDICES),
        st.builds("-{}".format, inner),
        st.builds("[{}]".format, inner),
        st.just("$millis()"),
    )


EXPRESSIONS = st.recursive(PATHS | LITERALS, combined, max_leaves=8)

_WRITTEN = re.findall(r'"\{% (.*?) %\}"', (ROOT / "statemachine" / "tryon.asl.json").read_text("utf-8"))
WORKFLOW = sorted({re.sub(r"\$\{\w+\}", "7", json.loads(f'"{one}"')) for one in _WRITTEN})
"""Every expression of the workflow, a number in each place that the template fills."""


def environment(data: Any, outer: Any, inner: Any) -> Any:
    return SimpleNamespace(
        states=SimpleNamespace(_states_data=data),
        variable_store=SimpleNamespace(_outer_scope=outer, _inner_scope=inner),
    )


def both(env: Any, expression: str) -> bool:
    """Whether an expression was plainly evaluated; then JSONata must find the same, to the kind of number."""
    found = _plainly(env, expression, 12.345)
    if found is _ELSEWHERE:
        return False
    evaluated = evaluate(expression, _bindings(env, expression), 12.345)
    assert (found, repr(found)) == (evaluated, repr(evaluated)), expression
    return True


examples = settings(max_examples=1500, deadline=None, derandomize=True)


@examples
@given(expression=EXPRESSIONS, given_=JSON, result=JSON, outer=OBJECTS, inner=OBJECTS)
def test_what_is_plainly_evaluated_is_what_jsonata_finds(
    expression: str, given_: Any, result: Any, outer: Any, inner: Any
) -> None:
    both(environment({"input": given_, "context": {"a": "x"}, "result": result}, outer, inner), expression)


VALUES = st.one_of(SCALARS, st.lists(NUMBERS, max_size=3), st.dictionaries(st.sampled_from(["queued"]), JSON))


@st.composite
def surroundings(draw: st.DrawFn, expression: str) -> Any:
    """What holds a value, of one kind or another, for each path of an expression."""
    root: dict[str, Any] = {}
    for path in sorted(set(re.findall(r"\$([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", expression)), key=len):
        held, names = root, path.split(".")
        for name in names[:-1]:
            following = held.setdefault(name, {})
            held = following if isinstance(following, dict) else held.__setitem__(name, {}) or held[name]
        if draw(st.integers(0, 5)):
            held[names[-1]] = draw(VALUES)
    states = root.pop("states", {})
    data = {name: states.get(name) for name in ("input", "context", "result", "errorOutput")}
    functions = ("min", "max", "ceil", "count", "exists", "merge", "millis", "lookup", "not", "string", "substring")
    return environment(data, {}, {name: value for name, value in root.items() if name not in functions})


@pytest.mark.parametrize("expression", WORKFLOW)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_workflows_expressions_find_the_same(data: st.DataObject, expression: str) -> None:
    env = data.draw(surroundings(expression))
    try:
        both(env, expression)
    except jsonata_engine.UndefinedError:
        pytest.fail(f"JSONata finds nothing where a plain evaluation found something: {expression}")


def test_most_of_the_workflows_expressions_are_plain() -> None:
    plain = [one for one in WORKFLOW if _plain_form(one) is not None]
    assert len(plain) > 0.7 * len(WORKFLOW)


JOB: dict[str, Any] = {"n": 1.0, "cadence": [1], "none": None, "waits": [5, 8]}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("$job", {**JOB, "n": 1}),
        (" $job.n ", 1),
        ("$states.input.run", "r"),
        ("$states.context.Execution.Id", "arn"),
        ("$outer", 2),
        ("$both", "inner"),
        ("$job.n + 1", 2),
        ("$job.`n`", 1),
        ("$cadence[$min([$job.n, $count($cadence) - 1])]", 8),
        ("$cadence[0]", 5),
        ("$cadence[-1]", 10),
        ("$job.cadence[0]", 1),
        ("$exists($job.service) ? $job.service : ''", ""),
        ("$exists($job.n)", True),
        (
            "$merge([$job, {'n': $job.n + 1, 'x': $job.missing}])",
            {**JOB, "n": 2},
        ),
        ("($left := $ceil((20000 - $millis()) / 1000); $min([$left, 9]))", 8),
        ("$states.input.run = 'r' and $not($job.n > 1)", True),
        ("'run ' & $states.input.run & $job.n & $job.missing", "run r1"),
        ("$job.n = 1 ? null : 2", None),
        ("$exists($job.none.listening.queued) ? $job.none.listening.queued[0] : 7", 7),
        ("$exists($lookup($job, 'waits')) ? $lookup($job, 'waits') : 7", [5, 8]),
        ("$job.waits", [5, 8]),
    ],
)
def test_what_is_plain_is_not_jsonatas_to_evaluate(expression: str, found: Any) -> None:
    data = {"input": {"run": "r"}, "context": {"Execution": {"Id": "arn", "Input": {}}}}
    inner = {"job": JOB, "both": "inner", "cadence": [5, 8, 10]}
    env = environment(data, {"outer": 2, "both": "outer"}, inner)
    evaluated = _plainly(env, expression, 12.345)
    assert (evaluated, repr(evaluated)) == (found, repr(found))
    assert both(env, expression)
    if isinstance(found, dict):
        assert evaluated is not JOB, "a state's output is its own"
        assert evaluated["waits"] is not JOB["waits"]


@pytest.mark.parametrize(
    "expression",
    [
        "$job.cadence",
        "$job.cadence.x",
        "$job.none",
        "$job.missing",
        "$nobody",
        "$states.other",
        "$string",
        "$now()",
        "$job.n = $job.cadence",
        "$job.n + 'x'",
        "$job.n / 0",
        "$job.n & ($job.n / 3)",
        "$count($job.n)",
        "$min([1, $job.missing])",
        "$cadence[$job.n = 1]",
        "$cadence.$",
        "$",
        "$$",
        "$map($cadence, function($x) { $x })",
        "$job.*",
        "($f := $min; $f([1]))",
        "{'x': 1, 'x': 2}",
        "1 +",
    ],
)
def test_what_is_more_is_jsonatas_to_evaluate(expression: str) -> None:
    data = {"input": {}, "other": 1, "context": {"Execution": {"Id": "arn"}}}
    inner = {"job": {"n": 1, "cadence": [1], "none": None}, "cadence": [1, 2]}
    assert _plainly(environment(data, {}, inner), expression, 0.0) is _ELSEWHERE


def test_a_variable_hides_the_function_of_its_name() -> None:
    assert _plainly(environment({}, {}, {}), "$min([1, 2])", 0.0) == 1
    assert _plainly(environment({}, {}, {"min": 3}), "$min([1, 2])", 0.0) is _ELSEWHERE


def test_states_is_no_variable() -> None:
    env = environment({"input": {"a": 1}}, {}, {"states": {"input": {"a": 2}}})
    assert _plainly(env, "$states.input.a", 0.0) == 1
    assert jsonata_engine.evaluate("$states.input.a", {"states": {"input": {"a": 1}}}, 0.0) == 1
