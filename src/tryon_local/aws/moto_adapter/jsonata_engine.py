"""JSONata: moto asks for a JavaScript engine; here jsonata-python answers, with AWS's own functions."""

import functools
import hashlib
import json
import random
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jsonata
from jsonata.utils import Utils

from . import plain_jsonata
from .failures import evaluation_failure
from .patching import replaces
from .session import Session, json_default

_STRINGS = "parser.asl.component.common.string.string_expression"
_NULL = Utils.NULL_VALUE
_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_LARGEST_EXACT_INTEGER = 2**53


class UndefinedError(LookupError):
    """An expression found nothing; on AWS an error, not a null."""


def _partition(array: list[Any], size: float) -> list[list[Any]]:
    step = int(size)
    return [array[start : start + step] for start in range(0, len(array), step)]


def _range(first: float, last: float, step: float) -> list[int]:
    return list(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))


def _hash(value: Any, algorithm: str) -> str:
    text = value if isinstance(value, str) else json.dumps(_plain(value), separators=(",", ":"))
    return hashlib.new(_HASHES[algorithm], text.encode()).hexdigest()


def _random(seed: float | None = None) -> float:
    return random.random() if seed is None else random.Random(seed).random()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "parse": json.loads,
}


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    compiled = jsonata.Jsonata.jsonata(expression)
    compiled.set_output_convert_nulls(False)
    # The bindings come from JSON already; looking through them again would cost more than most expressions.
    compiled.set_validate_input(False)
    for name, function in _FUNCTIONS.items():
        compiled.register_lambda(name, function)
    return compiled


def evaluate(expression: str, bindings: dict[str, Any], now: float) -> Any:
    """The value of an expression as plain JSON values.

    `bindings` are JSON values by variable name, without the `$`; `now` in seconds since the epoch.
    Raises UndefinedError for nothing, and what jsonata raises for a bad expression.
    """
    moment = datetime.fromtimestamp(now, UTC)
    compiled = _compiled(expression)
    values = {name: _NULL if value is None else value for name, value in bindings.items()}
    if "$now" in expression:
        formatted = compiled_now(json_default(moment), int(now * 1000))
        values["now"] = jsonata.Jsonata.JLambda(formatted)
    if "$millis" in expression:
        values["millis"] = jsonata.Jsonata.JLambda(lambda: int(now * 1000))
    result = compiled.evaluate(None, values)
    if result is None:
        raise UndefinedError(f"The JSONata expression '{expression}' returned nothing (undefined).")
    return _plain(result)


def compiled_now(iso: str, millis: int) -> Callable[..., Any]:
    def now(picture: str | None = None, timezone: str | None = None) -> Any:
        if picture is None:
            return iso
        return _compiled("$fromMillis(m, p, z)" if timezone else "$fromMillis(m, p)").evaluate(
            {"m": millis, "p": picture, "z": timezone}, {}
        )

    return now


def _plain(value: Any) -> Any:
    if value is _NULL:
        return None
    if isinstance(value, float):
        # JavaScript knows one kind of number and writes 3.0 as 3.
        return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT_INTEGER else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"a JSONata expression returned a {type(value).__name__}, which is not JSON")


_NEEDS_CONTEXT = re.compile(r"\$states(?!\s*\.\s*(input|result|errorOutput)\b)")


def _bindings(env: Any, expression: str) -> dict[str, Any]:
    data = env.states._states_data
    states = {"input": data.get("input")}
    for name in ("result", "errorOutput"):
        if data.get(name) is not None:
            states[name] = data[name]
    # The context holds the whole execution's input: it is copied only for an expression that can reach it.
    if _NEEDS_CONTEXT.search(expression):
        states["context"] = json.loads(json.dumps(data.get("context"), default=json_default))
    return {**env.variable_store._outer_scope, **env.variable_store._inner_scope, "states": states}


_ELSEWHERE = object()


@functools.lru_cache(maxsize=4096)
def _plain_form(expression: str) -> plain_jsonata.Term | None:
    try:
        return plain_jsonata.compiled(_compiled(expression).ast)
    except jsonata.jexception.JException:
        # No expression: what is wrong with it is said when it is evaluated.
        return None


def _plainly(env: Any, expression: str, now: float) -> Any:
    """The value of an expression whose every part is plain; `_ELSEWHERE` where JSONata has more to say."""
    form = _plain_form(expression)
    if form is None:
        return _ELSEWHERE
    data, store = env.states._states_data, env.variable_store
    states = {"input": data.get("input")}
    for name in ("result", "errorOutput"):
        if data.get(name) is not None:
            states[name] = data[name]
    states["context"] = data.get("context")
    scope = {**store._outer_scope, **store._inner_scope, "states": states}
    try:
        value = form(scope, now * 1000)
        # The context also holds moments, which only its copy has as text.
        return _ELSEWHERE if value is plain_jsonata.NOTHING else _plain(value)
    except (plain_jsonata.ElsewhereError, TypeError):
        return _ELSEWHERE


@replaces(f"{_STRINGS}:StringJSONata._eval_body", "(self, env)")
def _evaluate_string(session: Session, original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        now = session.clock.now()
        value = _plainly(env, self.expression, now)
        if value is not _ELSEWHERE:
            env.stack.append(value)
            return
        try:
            value = evaluate(self.expression, _bindings(env, self.expression), now)
        except UndefinedError as nothing:
            raise evaluation_failure(env, str(nothing)) from nothing
        except Exception as error:
            code = getattr(error, "error", None)
            cause = f"{code}: {error}" if isinstance(code, str) and code else str(error)
            raise evaluation_failure(
                env, f"The JSONata expression '{self.expression}' threw an error: {cause}"
            ) from error
        env.stack.append(value)

    return eval_body
