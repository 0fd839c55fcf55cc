"""DynamoDB's calls on items or one partition, answered at once: no HTTP, and each expression is read only once.

The items are moto's own and everything else sees them. Whatever is not plainly understood here, and every
mistake in a request, is left to moto to answer; where both answer, a test holds them together.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords
from moto.dynamodb.responses import (
    validate_put_has_empty_attrs,
    validate_put_has_empty_keys,
    validate_put_has_gsi_keys_set_to_none,
)

from .sizes import PLAIN_TYPES, PLAINLY_SMALL_BYTES, size_of
from .storage import one_at_a_time

OPERATIONS = ("GetItem", "PutItem", "UpdateItem", "Query", "TransactWriteItems")

_KNOWN_FIELDS = frozenset(
    {
        "TableName",
        "Key",
        "KeyConditionExpression",
        "ExclusiveStartKey",
        "Item",
        "ConsistentRead",
        "ProjectionExpression",
        "UpdateExpression",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)

_KNOWN_FIELDS_OF_A_PUT = frozenset(
    {
        "TableName",
        "Item",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)

_MOST_IN_A_TRANSACTION = 100

Attributes = dict[str, Any]
Operand = Callable[[Attributes, "_Given"], Any]
Condition = Callable[[Attributes, "_Given"], bool]
Change = Callable[[Attributes, "_Given"], tuple[str, Any]]


class _NotHereError(Exception):
    """This request is moto's to answer."""


class _RefusedError(Exception):
    """The condition does not hold."""


class _Given:
    """The names and values that come with an expression."""

    __slots__ = ("names", "values")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.names: Mapping[str, str] = body.get("ExpressionAttributeNames") or {}
        self.values = {name: DynamoType(value) for name, value in (body.get("ExpressionAttributeValues") or {}).items()}


# ---------------------------------------------------------------- expressions

_TOKEN = re.compile(r"\s*(?:([:#]?[A-Za-z_][A-Za-z0-9_]*)|(<>|<=|>=|[=<>(),+-]))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left is not None and right is not None and left == right,
    "<>": lambda left, right: left is None or right is None or left != right,
    "<": lambda left, right: _ordered(left, right) and left < right,
    "<=": lambda left, right: _ordered(left, right) and left <= right,
    ">": lambda left, right: _ordered(left, right) and left > right,
    ">=": lambda left, right: _ordered(left, right) and left >= right,
}


def _ordered(left: Any, right: Any) -> bool:
    return left is not None and right is not None and left.type == right.type


class _Reader:
    """Reads an expression into closures; `used` collects the `#names` and `:values` it mentions."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.used: set[str] = set()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token.upper() not in expected):
            raise _NotHereError
        self.at += 1
        return token

    def taken(self, keyword: str) -> bool:
        if self.peek().upper() != keyword:
            return False
        self.at += 1
        return True

    def name(self) -> Callable[["_Given"], str]:
        token = self.take()
        if token.startswith("#"):
            self.used.add(token)
            return lambda given: given.names[token]
        if not token[0].isalpha() or token.upper() in _reserved():
            raise _NotHereError
        return lambda given: token

    def operand(self) -> Operand:
        token = self.peek()
        if token.startswith(":"):
            self.used.add(self.take())
            return lambda attributes, given: given.values[token]
        name = self.name()
        if self.peek() == "(":
            raise _NotHereError
        return lambda attributes, given: attributes.get(name(given))

    def condition(self) -> Condition:
        left = self.conjunction()
        while self.taken("OR"):
            left = _either(left, self.conjunction())
        return left

    def conjunction(self) -> Condition:
        left = self.negation()
        while self.taken("AND"):
            left = _both(left, self.negation())
        return left

    def negation(self) -> Condition:
        if self.taken("NOT"):
            inner = self.negation()
            return lambda attributes, given: not inner(attributes, given)
        if self.taken("("):
            inner = self.condition()
            self.take(")")
            return inner
        function = _FUNCTIONS.get(self.peek())
        if function is not None and self.tokens[self.at + 1 : self.at + 2] == ["("]:
            self.at += 2
            made = function(self)
            self.take(")")
            return made
        return self.comparison()

    def comparison(self) -> Condition:
        left = self.operand()
        if self.taken("IN"):
            self.take("(")
            options = list(self.separated(self.operand))
            self.take(")")
            return lambda attributes, given: any(
                _COMPARE["="](left(attributes, given), option(attributes, given)) for option in options
            )
        if self.taken("BETWEEN"):
            low = self.operand()
            self.take("AND")
            high = self.operand()
            return lambda attributes, given: (
                _COMPARE["<="](low(attributes, given), left(attributes, given))
                and _COMPARE["<="](left(attributes, given), high(attributes, given))
            )
        compare = _COMPARE[self.take(*_COMPARE)]
        right = self.operand()
        return lambda attributes, given: compare(left(attributes, given), right(attributes, given))

    def separated(self, read: Callable[[], Any]) -> Iterator[Any]:
        yield read()
        while self.taken(","):
            yield read()

    def key_condition(self) -> tuple[Callable[["_Given"], str], Callable[["_Given"], str] | None, list[Operand]]:
        names, values = [self.name()], []
        self.take("=")
        values.append(self.placeholder())
        if self.taken("AND"):
            self.take("BEGINS_WITH")
            self.take("(")
            names.append(self.name())
            self.take(",")
            values.append(self.placeholder())
            self.take(")")
        return names[0], names[1] if len(names) > 1 else None, values

    def placeholder(self) -> Operand:
        if not self.peek().startswith(":"):
            raise _NotHereError
        return self.operand()

    def changes(self) -> Iterator[Change]:
        seen: set[str] = set()
        while self.peek():
            clause = self.take("SET", "REMOVE", "ADD").upper()
            if clause in seen:
                raise _NotHereError
            seen.add(clause)
            yield from self.separated({"SET": self.set, "REMOVE": self.remove, "ADD": self.add}[clause])

    def set(self) -> Change:
        name = self.name()
        self.take("=")
        value = self.value()
        return lambda attributes, given: (name(given), _present(value(attributes, given)))

    def value(self) -> Operand:
        left = self.term()
        if self.peek() not in ("+", "-"):
            return left
        sign = self.take()
        right = self.term()

        def combined(attributes: Attributes, given: "_Given") -> Any:
            first, second = _number(left(attributes, given)), _number(right(attributes, given))
            return first + second if sign == "+" else first - second

        return combined

    def term(self) -> Operand:
        if self.peek() == "if_not_exists" and self.tokens[self.at + 1 : self.at + 2] == ["("]:
            self.at += 2
            name = self.name()
            self.take(",")
            otherwise = self.operand()
            self.take(")")

            def kept(attributes: Attributes, given: "_Given") -> Any:
                found = attributes.get(name(given))
                return found if found is not None else otherwise(attributes, given)

            return kept
        return self.operand()

    def remove(self) -> Change:
        name = self.name()
        return lambda attributes, given: (name(given), None)

    def add(self) -> Change:
        name = self.name()
        value = self.operand()

        def added(attributes: Attributes, given: "_Given") -> tuple[str, Any]:
            now = attributes.get(name(given))
            more = _number(value(attributes, given))
            return name(given), more if now is None else _number(now) + more

        return added


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        # A path into a map or a list, or a mistake.
        if match is None:
            raise _NotHereError
        yield match.group(1) or match.group(2)
        at = match.end()


@functools.cache
def _reserved() -> frozenset[str]:
    return frozenset(ReservedKeywords.get_reserved_keywords())


def _both(left: Condition, right: Condition) -> Condition:
    return lambda attributes, given: left(attributes, given) and right(attributes, given)


def _either(left: Condition, right: Condition) -> Condition:
    return lambda attributes, given: left(attributes, given) or right(attributes, given)


def _present(value: Any) -> Any:
    if value is None:
        raise _NotHereError
    return value


def _number(value: Any) -> Any:
    if value is None or value.type != "N":
        raise _NotHereError
    return value


def _exists(reader: _Reader) -> Condition:
    name = reader.name()
    return lambda attributes, given: name(given) in attributes


def _not_exists(reader: _Reader) -> Condition:
    name = reader.name()
    return lambda attributes, given: name(given) not in attributes


def _begins_with(reader: _Reader) -> Condition:
    value = reader.operand()
    reader.take(",")
    prefix = reader.operand()

    def begins(attributes: Attributes, given: "_Given") -> bool:
        text, start = value(attributes, given), prefix(attributes, given)
        return _ordered(text, start) and text.type == "S" and text.value.startswith(start.value)

    return begins


def _contains(reader: _Reader) -> Condition:
    whole = reader.operand()
    reader.take(",")
    part = reader.operand()

    def contains(attributes: Attributes, given: "_Given") -> bool:
        held, wanted = whole(attributes, given), part(attributes, given)
        if held is None or wanted is None:
            return False
        if held.type == "L":
            return wanted in held.value
        if held.type == "S":
            return wanted.type == "S" and wanted.value in held.value
        return held.type == "SS" and wanted.type == "S" and wanted.value in held.value

    return contains


_FUNCTIONS: dict[str, Callable[[_Reader], Condition]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "begins_with": _begins_with,
    "contains": _contains,
}


@functools.lru_cache(maxsize=1024)
def _read_condition(text: str) -> tuple[Condition, frozenset[str]]:
    reader = _Reader(text)
    condition = reader.condition()
    if reader.peek():
        raise _NotHereError
    return condition, frozenset(reader.used)


@functools.lru_cache(maxsize=256)
def _read_key_condition(text: str) -> tuple[Any, Any, list[Operand], frozenset[str]]:
    reader = _Reader(text)
    partition, sort, values = reader.key_condition()
    if reader.peek():
        raise _NotHereError
    return partition, sort, values, frozenset(reader.used)


@functools.lru_cache(maxsize=1024)
def _read_changes(text: str) -> tuple[tuple[Change, ...], frozenset[str]]:
    reader = _Reader(text)
    changes = tuple(reader.changes())
    if not changes:
        raise _NotHereError
    return changes, frozenset(reader.used)


@functools.lru_cache(maxsize=256)
def _read_projection(text: str) -> tuple[tuple[Callable[["_Given"], str], ...], frozenset[str]]:
    reader = _Reader(text)
    names = tuple(reader.separated(reader.name))
    if reader.peek():
        raise _NotHereError
    return names, frozenset(reader.used)


# ---------------------------------------------------------------- calls


def answer(operation: str, region: str, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """The status and the parsed answer of a call, or None when it is moto's to answer.

    `request` is the call's JSON, without binary values; what it holds may be kept.
    """
    with one_at_a_time:
        try:
            if operation == "TransactWriteItems":
                return 200, _transact(region, request)
            if not _KNOWN_FIELDS.issuperset(request):
                return None
            return 200, _CALLS[operation](_table(region, request["TableName"]), request)
        except _RefusedError as refused:
            return 400, refused.args[0]
        except (_NotHereError, DynamodbException, KeyError, TypeError):
            # A mistake in the request; moto finds it again and words it as AWS does.
            return None


def _table(region: str, name: str) -> Any:
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables.get(name)
    if table is None or table.stream_shard is not None:
        raise _NotHereError
    return table


def _get(table: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    given = _Given(request)
    names: tuple[Callable[[_Given], str], ...] = ()
    used: frozenset[str] = frozenset()
    if "ProjectionExpression" in request:
        names, used = _read_projection(request["ProjectionExpression"])
    _all_used(given, used)
    item = table.get_item(*_key(table, request["Key"]))
    if item is None:
        return {}
    wanted = [name(given) for name in names] or list(item.attrs)
    return {"Item": {name: _shown(item.attrs[name]) for name in wanted if name in item.attrs}}


def _put(table: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("ReturnValues", "NONE") != "NONE":
        raise _NotHereError
    _may_put(table, request)
    table.put_item(request["Item"], overwrite=True)
    return {}


def _may_put(table: Any, request: Mapping[str, Any]) -> tuple[Any, Any]:
    """The key of an item that may be put; raises `_RefusedError` where its condition does not hold."""
    attributes = request["Item"]
    validate_put_has_empty_keys(attributes, table)
    validate_put_has_empty_attrs(attributes, table)
    validate_put_has_gsi_keys_set_to_none(attributes, table)
    key = _key(table, attributes, exactly=False)
    given = _Given(request)
    _all_used(given, _check(request, table.get_item(*key), given))
    return key


def _transact(region: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """All of some puts or none; moto copies whole tables for each transaction, so as to go back."""
    # Each call has a token of its own, by which AWS knows one that is repeated; moto does not look at it.
    if not {"TransactItems", "ClientRequestToken"}.issuperset(request):
        raise _NotHereError
    puts: list[tuple[Any, Attributes]] = []
    keys = set()
    reasons: list[dict[str, Any]] = []
    for item in request["TransactItems"]:
        if item.keys() != {"Put"} or not _KNOWN_FIELDS_OF_A_PUT.issuperset(item["Put"]):
            raise _NotHereError
        put = item["Put"]
        table = _table(region, put["TableName"])
        keys.add((table.name, *_key(table, put["Item"], exactly=False)))
        puts.append((table, put["Item"]))
        try:
            _may_put(table, put)
        except _RefusedError as refused:
            told = refused.args[0]
            reason = {"Code": "ConditionalCheckFailed", "Message": _REFUSAL}
            reasons.append(reason | ({"Item": told["Item"]} if "Item" in told else {}))
        else:
            reasons.append({"Code": "None"})
    if not 0 < len(puts) == len(keys) <= _MOST_IN_A_TRANSACTION:
        raise _NotHereError
    codes = [reason["Code"] for reason in reasons]
    if set(codes) != {"None"}:
        message = f"{_CANCELLED} [{', '.join(codes)}]"
        told = {"Error": {"Message": message, "Code": "TransactionCanceledException"}}
        raise _RefusedError({**told, "Message": message, "CancellationReasons": reasons})
    for table, attributes in puts:
        table.put_item(attributes, overwrite=True)
    return {}


def _update(table: Any, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: C901 - a branch for each action of an update expression
    if request.get("ReturnValues", "NONE") not in ("NONE", "ALL_NEW"):
        raise _NotHereError
    changes, used = _read_changes(request["UpdateExpression"])
    key = request["Key"]
    item = table.get_item(*_key(table, key))
    given = _Given(request)
    _all_used(given, used | _check(request, item, given))
    before = item.attrs if item is not None else {}
    made = [change(before, given) for change in changes]
    names = [name for name, _ in made]
    if len(set(names)) != len(names) or not set(table.table_key_attrs).isdisjoint(names):
        raise _NotHereError
    indexed = _indexed(table)
    for name, value in made:
        if name in indexed and (value is None or value.type != "S" or not value.value):
            raise _NotHereError
    for _, value in made:
        if value is not None and value.type in ("SS", "NS") and not value.value:
            raise _NotHereError
    if item is None:
        validate_put_has_empty_keys(key, table)
        table.put_item(key, overwrite=True)
        item = table.get_item(*_key(table, key))
    elif size_of(item.attrs) > PLAINLY_SMALL_BYTES:
        raise _NotHereError
    for name, value in made:
        if value is None:
            item.attrs.pop(name, None)
        else:
            # Past the dictionary's own way in, which measures the whole item for each attribute.
            dict.__setitem__(item.attrs, name, DynamoType(value))
    if request.get("ReturnValues") == "ALL_NEW":
        return {"Attributes": {name: _shown(value) for name, value in item.attrs.items()}}
    return {}


def _query(table: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    if "ProjectionExpression" in request or table.range_key_attr is None:
        raise _NotHereError
    partition, sort, values, used = _read_key_condition(request["KeyConditionExpression"])
    given = _Given(request)
    _all_used(given, used)
    keys = (table.hash_key_attr, table.range_key_attr)
    kinds = (table.hash_key_type, table.range_key_type)
    wanted = [value({}, given) for value in values]
    asked = [name(given) for name in (partition, sort) if name is not None]
    if any(one != key for one, key in zip(asked, keys, strict=False)):
        raise _NotHereError
    if any(value.type != kind or not value.value for value, kind in zip(wanted, kinds, strict=False)):
        raise _NotHereError
    if kinds[1] != "S":
        raise _NotHereError
    prefix = wanted[1].value if len(wanted) > 1 else ""
    # Not by subscript: the dictionary would keep an empty partition for each one asked after.
    held = table.items.get(wanted[0], {})
    after = _start(table, request, wanted[0])
    found = sorted(
        (key.value, item)
        for key, item in held.items()
        if key.value.startswith(prefix) and (after is None or key.value > after)
    )
    return _page(keys, found)


def _start(table: Any, request: Mapping[str, Any], partition: Any) -> str | None:
    """The sort key after which a page begins, None for the first page."""
    if "ExclusiveStartKey" not in request:
        return None
    last, after = _key(table, request["ExclusiveStartKey"])
    if last != partition:
        raise _NotHereError
    return str(after.value)


def _page(keys: tuple[str, str], found: list[tuple[str, Any]]) -> dict[str, Any]:
    """As many items as a page holds, at least one, and the last one's key where more follow."""
    shown: list[Attributes] = []
    size = 0
    for _, item in found:
        size += size_of(item.attrs)
        if shown and size > RESULT_SIZE_LIMIT:
            return _counted(shown) | {"LastEvaluatedKey": {key: shown[-1][key] for key in keys}}
        shown.append({name: _shown(value) for name, value in item.attrs.items()})
    return _counted(shown)


def _counted(shown: list[Attributes]) -> dict[str, Any]:
    return {"Items": shown, "Count": len(shown), "ScannedCount": len(shown)}


_CALLS: dict[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = {
    "GetItem": _get,
    "PutItem": _put,
    "UpdateItem": _update,
    "Query": _query,
}


def _shown(attribute: Any) -> dict[str, Any]:
    """A value as an answer has it: moto's own way there copies it deeply at each of its levels."""
    kind, value = attribute.type, attribute.value
    if kind == "M":
        return {kind: {name: _shown(inner) for name, inner in value.items()}}
    if kind == "L":
        return {kind: [_shown(inner) for inner in value]}
    if kind in PLAIN_TYPES:
        return {kind: value}
    shown: dict[str, Any] = attribute.to_regular_json()
    return shown


def _key(table: Any, attributes: Mapping[str, Any], *, exactly: bool = True) -> tuple[Any, Any]:
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name is not None]
    if exactly and set(attributes) != set(names):
        raise _NotHereError
    kinds = (table.hash_key_type, table.range_key_type)
    parts = [DynamoType(attributes[name]) for name in names]
    if any(part.type != kind or not part.value for part, kind in zip(parts, kinds, strict=False)):
        raise _NotHereError
    return parts[0], parts[1] if len(parts) > 1 else None


def _indexed(table: Any) -> set[str]:
    return {name for index in (*table.global_indexes, *table.indexes) for name in index.schema_key_attrs}


def _check(request: Mapping[str, Any], item: Any, given: _Given) -> frozenset[str]:
    if "ConditionExpression" not in request:
        return frozenset()
    condition, used = _read_condition(request["ConditionExpression"])
    if not condition(item.attrs if item is not None else {}, given):
        # What is wrong with a request is said before its condition is looked at.
        if "UpdateExpression" in request:
            _all_used(given, used | _read_changes(request["UpdateExpression"])[1])
        else:
            _all_used(given, used)
        told: dict[str, Any] = {
            "Error": {"Message": _REFUSAL, "Code": "ConditionalCheckFailedException"},
            "message": _REFUSAL,
        }
        if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and item is not None:
            told["Item"] = {name: _shown(value) for name, value in item.attrs.items()}
        raise _RefusedError(told)
    return used


_REFUSAL = "The conditional request failed"
_CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"


def _all_used(given: _Given, used: frozenset[str]) -> None:
    if used != given.names.keys() | given.values.keys():
        raise _NotHereError


def respond(status: int, told: dict[str, Any]) -> tuple[SimpleNamespace, dict[str, Any]]:
    """An answer in the form that botocore passes on."""
    told["ResponseMetadata"] = {
        "RequestId": "00000000-0000-4000-8000-000000000000",
        "HTTPStatusCode": status,
        "HTTPHeaders": {"server": "amazon.com", "content-type": "application/x-amz-json-1.0"},
        "RetryAttempts": 0,
    }
    return SimpleNamespace(status_code=status, headers={}), told
