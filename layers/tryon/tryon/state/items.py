"""DynamoDB's typed items to and from plain values; fractions are kept to the ninth place."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tryon.json_types import Json

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def to_item(values: "Mapping[str, Json | bytes]") -> "dict[str, AttributeValueTypeDef]":
    """Plain values as a DynamoDB item; floats are rounded to nine places, the cost of one request, None is left out."""
    return {name: _serializer.serialize(_decimal(v)) for name, v in values.items() if v is not None}


def from_item(item: "Mapping[str, AttributeValueTypeDef]") -> dict[str, Json]:
    """A DynamoDB item as plain values; whole numbers become int, others float."""
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(round(value, 9)))
    if isinstance(value, dict):
        return {name: _decimal(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_decimal(part) for part in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
