"""Parameters of a call that botocore would accept as they are, told without its look through the service's model."""

from collections.abc import Mapping
from typing import Any

from .sizes import PLAINLY_SMALL_BYTES

SMALL_BYTES = PLAINLY_SMALL_BYTES
"""What a request may hold: an item near DynamoDB's limit is moto's to measure."""

_TEXTS = frozenset(
    {
        "TableName",
        "ProjectionExpression",
        "UpdateExpression",
        "ConditionExpression",
        "KeyConditionExpression",
        "ClientRequestToken",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)
_ATTRIBUTES = frozenset({"Key", "Item", "ExpressionAttributeValues", "ExclusiveStartKey"})


class _NotPlainError(Exception):
    """Something that botocore has to look at."""


def texts(parameters: Mapping[str, Any]) -> bool:
    """Whether every value is a text that is not empty."""
    return all(isinstance(value, str) and value for value in parameters.values())


def request(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """A call's parameters about items of DynamoDB, copied; None unless all are plain and below `SMALL_BYTES`.

    Binary values and sets of them are not plain, nor is a field that is not known here.
    """
    weight = [0]
    try:
        copied = _request(parameters, weight)
    except _NotPlainError:
        return None
    return copied if weight[0] <= SMALL_BYTES else None


def _request(parameters: Mapping[str, Any], weight: list[int]) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _ATTRIBUTES:
            copied[name] = _attributes(value, weight)
        elif name in _TEXTS:
            copied[name] = _text(value, weight)
        elif name == "ExpressionAttributeNames":
            copied[name] = {_text(key, weight): _text(one, weight) for key, one in _a_dict(value).items()}
        elif name == "TransactItems":
            copied[name] = [{"Put": _put(one, weight)} for one in _a_list(value)]
        elif name == "ConsistentRead" and isinstance(value, bool):
            copied[name] = value
        else:
            raise _NotPlainError
    return copied


def _a_list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _NotPlainError
    return value


def _put(value: Any, weight: list[int]) -> dict[str, Any]:
    if _a_dict(value).keys() != {"Put"}:
        raise _NotPlainError
    inner = _request(_a_dict(value["Put"]), weight)
    # One in another is nothing that botocore knows.
    if "TransactItems" in inner:
        raise _NotPlainError
    return inner


def _a_dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise _NotPlainError
    return value


def _text(value: Any, weight: list[int]) -> str:
    if not isinstance(value, str):
        raise _NotPlainError
    # Up to four bytes a character in UTF-8.
    weight[0] += len(value) if value.isascii() else 4 * len(value)
    # An enumeration's member arrives as the text that it is.
    return value if type(value) is str else str.__str__(value)


def _attributes(value: Any, weight: list[int]) -> dict[str, Any]:
    return {_text(name, weight): _attribute(one, weight) for name, one in _a_dict(value).items()}


def _attribute(value: Any, weight: list[int]) -> dict[str, Any]:
    if len(_a_dict(value)) != 1:
        raise _NotPlainError
    ((kind, held),) = value.items()
    match kind:
        case "S" | "N":
            return {kind: _text(held, weight)}
        case "M":
            return {kind: _attributes(held, weight)}
        case "BOOL" | "NULL" if isinstance(held, bool):
            return {kind: held}
        case "L" if type(held) is list:
            return {kind: [_attribute(one, weight) for one in held]}
        case "SS" | "NS" if type(held) is list:
            return {kind: [_text(one, weight) for one in held]}
    raise _NotPlainError
