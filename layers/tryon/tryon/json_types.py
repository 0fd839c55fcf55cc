"""JSON as Python has it once it is parsed, and how it becomes one of the code's types."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_Read = TypeVar("_Read")


class UnreadableError(Exception):
    """Stored data is not what it should be: which, where in it, and why."""


def validated(adapter: "TypeAdapter[_Read]", value: Json, what: str) -> _Read:
    """A value as the adapter's type; `what` names it in the error. Raises `UnreadableError`."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UnreadableError(f"{what} cannot be read: {where}: {first['msg']}") from None
