"""JSONata's everyday expressions as Python's own functions: paths, conditions, arithmetic, a handful of calls.

jsonata-python walks an expression's tree with some hundred steps for a comparison. Here that tree becomes closures,
once, where every part of it is understood; and where a value is not of the plain kinds that an operator is for, the
library evaluates the expression after all. So whatever is said here the library says too, which tests hold together.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Term = Callable[[Scope, float], Any]

NOTHING = object()
"""What a path that leads nowhere gives, which JSONata calls undefined."""


class ElsewhereError(Exception):
    """The library's to evaluate."""


def compiled(tree: Any) -> Term | None:
    """The value of a parsed expression as a function of its variables and the milliseconds now; None for a tree that
    is not understood.

    The function gives plain JSON or `NOTHING`, and raises `ElsewhereError`.
    """
    try:
        return _term(tree)
    except ElsewhereError:
        return None


_ASIDE = frozenset({"position", "id", "bp", "lbp", "outer_instance", "_outer_instance", "token", "level"})
"""What a node of the tree has of the parser's own."""


def _term(node: Any) -> Term:
    make = _MAKERS.get(node.type)
    if make is None:
        raise ElsewhereError
    takes, made = make
    # Any other attribute that says something changes what the node means.
    if {name for name, value in vars(node).items() if value not in (None, False)} - _ASIDE - takes - {"type", "value"}:
        raise ElsewhereError
    return made(node)


def _literal(node: Any) -> Term:
    value = node.value
    return lambda scope, now: value


def _variable(node: Any) -> Term:
    name = node.value
    if not name or name == "$":
        raise ElsewhereError

    def held(scope: Scope, now: float) -> Any:
        return scope.get(name, NOTHING)

    indices = [_index(one) for one in node.predicate or ()]
    return _indexed(held, indices[0]) if len(indices) == 1 else held if not indices else _elsewhere()


def _elsewhere() -> Any:
    raise ElsewhereError


def _index(stage: Any) -> Term:
    if stage.type != "filter" or stage.expr.type not in ("number", "binary", "function", "variable"):
        raise ElsewhereError
    return _term(stage.expr)


def _indexed(term: Term, index: Term) -> Term:
    def item(scope: Scope, now: float) -> Any:
        items, at = term(scope, now), index(scope, now)
        if type(items) is not list or type(at) not in _NUMBERS:
            raise ElsewhereError
        # Rounded towards zero, and from the end below zero.
        at = int(at)
        return _scalar(items[at]) if -len(items) <= at < len(items) else NOTHING

    return item


def _path(node: Any) -> Term:
    return _checked(_whatever_path(node))


def _checked(term: Term) -> Term:
    return lambda scope, now: _held(term(scope, now))


def _held(value: Any) -> Any:
    if value is NOTHING or type(value) in _PLAIN:
        return value
    # A list at a path's end is a sequence of its items, of which one or none would not be a list any more.
    if type(value) is list and len(value) > 1 and _SCALARS.issuperset(map(type, value)):
        return value
    raise ElsewhereError


def _whatever_path(node: Any) -> Term:
    first, *steps = node.steps
    if first.type != "variable" or first.predicate or not steps:
        raise ElsewhereError
    variable, names = _term(first), []
    for step in steps:
        said = {name for name, value in vars(step).items() if value not in (None, False)}
        if (
            step.type != "name"
            or said - _ASIDE - {"type", "value", "stages"}
            or (step.stages and step is not steps[-1])
        ):
            raise ElsewhereError
        names.append(step.value)

    def walked(scope: Scope, now: float) -> Any:
        value = variable(scope, now)
        for name in names:
            if type(value) is not dict:
                return NOTHING if type(value) is not list else _elsewhere()
            value = value.get(name, NOTHING)
        return value

    stages = steps[-1].stages or ()
    if len(stages) > 1:
        raise ElsewhereError
    return _indexed(walked, _index(stages[0])) if stages else walked


_NUMBERS = frozenset({int, float})
_SCALARS = frozenset({int, float, str, bool})
_PLAIN = _SCALARS | {dict}


def _scalar(value: Any) -> Any:
    return value if type(value) in _SCALARS else _elsewhere()


def _true(value: Any) -> bool:
    return False if value is NOTHING else bool(_scalar(value))


def _condition(node: Any) -> Term:
    condition, then = _term(node.condition), _term(node.then)
    other = _term(node._else) if node._else is not None else lambda scope, now: NOTHING
    return lambda scope, now: then(scope, now) if _true(condition(scope, now)) else other(scope, now)


def _block(node: Any) -> Term:
    *binds, last = node.expressions
    if any(one.type != "bind" for one in binds):
        raise ElsewhereError
    bound = [(one.lhs.value, _term(one.rhs)) for one in binds]
    result = _term(last)

    def block(scope: Scope, now: float) -> Any:
        inner = dict(scope)
        for name, value in bound:
            inner[name] = value(inner, now)
        return result(inner, now)

    return block


def _binary(node: Any) -> Term:
    left, right = _term(node.lhs), _term(node.rhs)
    match node.value:
        case "and":
            return lambda scope, now: _true(left(scope, now)) and _true(right(scope, now))
        case "or":
            return lambda scope, now: _true(left(scope, now)) or _true(right(scope, now))
        case "=":
            return lambda scope, now: _equal(left(scope, now), right(scope, now), same=True)
        case "!=":
            return lambda scope, now: _equal(left(scope, now), right(scope, now), same=False)
        case "&":
            return lambda scope, now: _text(left(scope, now)) + _text(right(scope, now))
    operator = _OPERATORS.get(node.value)
    if operator is None:
        raise ElsewhereError

    def combined(scope: Scope, now: float) -> Any:
        first, second = left(scope, now), right(scope, now)
        if type(first) not in _NUMBERS or type(second) not in _NUMBERS:
            raise ElsewhereError
        return operator(float(first), float(second))

    return combined


def _equal(left: Any, right: Any, *, same: bool) -> bool:
    if left is NOTHING or right is NOTHING:
        return False
    return bool((_kind(left) == _kind(right) and left == right) is same)


def _kind(value: Any) -> type:
    return float if type(_scalar(value)) is int else type(value)


def _text(value: Any) -> str:
    if type(value) in _NUMBERS:
        value = _number(value)
        return str(value) if type(value) is int else _elsewhere()
    return "" if value is NOTHING else value if type(value) is str else _elsewhere()


_LARGEST_EXACT_INTEGER = 2**53


def _number(value: float) -> float | int:
    if not abs(value) < _LARGEST_EXACT_INTEGER:
        raise ElsewhereError
    return int(value) if float(value).is_integer() else value


_OPERATORS: dict[str, Callable[[float, float], Any]] = {
    "+": lambda left, right: _number(left + right),
    "-": lambda left, right: _number(left - right),
    "*": lambda left, right: _number(left * right),
    "/": lambda left, right: _number(left / right) if right else _elsewhere(),
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _unary(node: Any) -> Term:
    if node.value == "{":
        pairs = [(key.value if key.type == "string" else _elsewhere(), _term(value)) for key, value in node.lhs_object]
        if len({key for key, _ in pairs}) != len(pairs):
            raise ElsewhereError

        def made(scope: Scope, now: float) -> Any:
            values = {key: value(scope, now) for key, value in pairs}
            return {key: value for key, value in values.items() if value is not NOTHING}

        return made
    if node.value == "-":
        inner = _term(node.expression)

        def negative(scope: Scope, now: float) -> Any:
            value = inner(scope, now)
            return -value if type(value) in _NUMBERS and value else _elsewhere()

        return negative
    raise ElsewhereError


def _listed(node: Any) -> Callable[[Scope, float], list[Any]]:
    """A list that is written out, as an argument."""
    said = {name for name, value in vars(node).items() if value not in (None, False)}
    allowed = _ASIDE | {"type", "value", "expressions", "consarray"}
    if node.type != "unary" or node.value != "[" or said - allowed or not node.expressions:
        raise ElsewhereError
    items = [_term(one) for one in node.expressions]
    return lambda scope, now: [item(scope, now) for item in items]


def _function(node: Any) -> Term:
    if node.procedure.type != "variable" or node.procedure.predicate:
        raise ElsewhereError
    name, arguments = node.procedure.value, node.arguments
    make = _FUNCTIONS.get(name)
    if make is None or len(arguments) != make[0]:
        raise ElsewhereError
    called = make[1](*arguments)

    def call(scope: Scope, now: float) -> Any:
        # A variable of that name hides the function.
        return called(scope, now) if name not in scope else _elsewhere()

    return call


def _exists(argument: Any) -> Term:
    value = _whatever_path(argument) if argument.type == "path" else _term(argument)

    def exists(scope: Scope, now: float) -> bool:
        found = value(scope, now)
        # An empty list is something, but at a path's end it is nothing.
        return found is not NOTHING if type(found) is not list or found else _elsewhere()

    return exists


def _lookup(argument: Any, key: Any) -> Term:
    whole, name = _term(argument), _term(key)

    def lookup(scope: Scope, now: float) -> Any:
        held, wanted = whole(scope, now), name(scope, now)
        if type(held) is not dict or type(wanted) is not str:
            raise ElsewhereError
        return _held(held.get(wanted, NOTHING))

    return lookup


def _count(argument: Any) -> Term:
    value = _term(argument) if argument.type == "variable" else _elsewhere()

    def count(scope: Scope, now: float) -> int:
        found = value(scope, now)
        return len(found) if type(found) is list else _elsewhere()

    return count


def _of_numbers(choose: Callable[[list[Any]], Any]) -> Callable[[Any], Term]:
    def make(argument: Any) -> Term:
        listed = _listed(argument)

        def chosen(scope: Scope, now: float) -> Any:
            numbers = listed(scope, now)
            return choose(numbers) if _NUMBERS.issuperset(map(type, numbers)) else _elsewhere()

        return chosen

    return make


def _of_a_number(function: Callable[[float], int]) -> Callable[[Any], Term]:
    def make(argument: Any) -> Term:
        value = _term(argument)

        def called(scope: Scope, now: float) -> int:
            found = value(scope, now)
            return function(found) if type(found) in _NUMBERS else _elsewhere()

        return called

    return make


def _merge(argument: Any) -> Term:
    listed = _listed(argument)

    def merged(scope: Scope, now: float) -> dict[str, Any]:
        objects = listed(scope, now)
        if any(type(one) is not dict for one in objects):
            raise ElsewhereError
        return {name: value for one in objects for name, value in one.items()}

    return merged


def _not(argument: Any) -> Term:
    value = _term(argument)

    def negated(scope: Scope, now: float) -> bool:
        found = value(scope, now)
        return not _true(found) if found is not NOTHING else _elsewhere()

    return negated


def _millis() -> Term:
    return lambda scope, now: int(now)


_FUNCTIONS: dict[str, tuple[int, Callable[..., Term]]] = {
    "ceil": (1, _of_a_number(math.ceil)),
    "count": (1, _count),
    "exists": (1, _exists),
    "floor": (1, _of_a_number(math.floor)),
    "lookup": (2, _lookup),
    "max": (1, _of_numbers(max)),
    "merge": (1, _merge),
    "millis": (0, _millis),
    "min": (1, _of_numbers(min)),
    "not": (1, _not),
}

_MAKERS: dict[str, tuple[frozenset[str], Callable[[Any], Term]]] = {
    "binary": (frozenset({"lhs", "rhs"}), _binary),
    "block": (frozenset({"expressions"}), _block),
    "condition": (frozenset({"condition", "then", "_else"}), _condition),
    "function": (frozenset({"procedure", "arguments"}), _function),
    "number": (frozenset(), _literal),
    "path": (frozenset({"steps"}), _path),
    "string": (frozenset(), _literal),
    "unary": (frozenset({"lhs_object", "expression"}), _unary),
    "value": (frozenset(), _literal),
    "variable": (frozenset({"predicate"}), _variable),
}
