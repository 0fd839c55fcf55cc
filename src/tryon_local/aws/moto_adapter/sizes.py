"""What DynamoDB's items weigh, counted as moto counts it, but once for each item instead of once for each attribute."""

from collections.abc import Mapping
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict

from .patching import replaces
from .session import Session

# Far enough below DynamoDB's 400 KB that an item near them is left to moto, which counts exactly.
PLAINLY_SMALL_BYTES = 200_000

PLAIN_TYPES = frozenset({"S", "N", "BOOL", "NULL"})
"""Whose values hold no other value, and are in JSON what they are in memory."""


def size_of(attributes: Mapping[str, Any]) -> int:
    """What an item, or a map's value, counts for in bytes."""
    size = 0
    for name, attribute in attributes.items():
        size += _bytes(name) + _size_of_value(attribute)
    return size


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _size_of_value(attribute: Any) -> int:
    kind, value = attribute.type, attribute.value
    if kind in PLAIN_TYPES and isinstance(value, str):
        return _bytes(value)
    if kind == "M":
        return size_of(value)
    if kind == "L":
        return sum(map(_size_of_value, value))
    size: int = attribute.size()
    return size


@replaces("moto.dynamodb.models.dynamo_type:Item.__init__", "(self, hash_key, range_key, attrs)")
def _make_item(session: Session, original: Any) -> Any:
    # The original measures the whole item once for each of its attributes.
    def init(self: Any, hash_key: Any, range_key: Any, attrs: Mapping[str, Any]) -> None:
        made = {name: DynamoType(value) for name, value in attrs.items()}
        if size_of(made) > PLAINLY_SMALL_BYTES:
            original(self, hash_key, range_key, attrs)
            return
        self.hash_key, self.range_key, self.attrs = hash_key, range_key, LimitedSizeDict()
        dict.update(self.attrs, made)

    return init


@replaces("moto.dynamodb.models.dynamo_type:DynamoType.__init__", "(self, type_as_dict)")
def _make_value(session: Session, original: Any) -> Any:
    # The original makes a list of the kinds, one of the values, and asks for the kind three times.
    def init(self: Any, type_as_dict: Any) -> None:
        if type(type_as_dict) is DynamoType:
            kind, value = type_as_dict.type, type_as_dict.value
        else:
            kind, value = next(iter(type_as_dict.items()))
        if kind == "M":
            value = {name: DynamoType(one) for name, one in value.items()}
        elif kind == "L":
            value = [DynamoType(one) for one in value]
        self.type, self.value = kind, value

    return init
