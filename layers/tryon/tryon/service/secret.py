"""The keys that every call is made with, as a service's secret holds them."""

import re
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar

from tryon.service.errors import ServiceAccessError

_KEY_TEXT = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, repr=False)
class Secret:
    """What a service's secret holds: each service has its own, a frozen dataclass of texts.

    A field with a default may be missing in the secret. Raises `ServiceAccessError` when a value cannot be sent in a
    header; values never appear in messages.
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value == "" and one.default == "":
                continue
            if not isinstance(value, str) or not _KEY_TEXT.fullmatch(value):
                raise ServiceAccessError(f"credentials: {one.name} must be text without spaces or line breaks")

    def __repr__(self) -> str:
        hidden = ", ".join(f"{one.name}='…'" for one in fields(self))
        return f"{type(self).__name__}({hidden})"


@dataclass(frozen=True, repr=False)
class ApiKey(Secret):
    """One key, sent with every call."""

    api_key: str


_Given = TypeVar("_Given", bound=Secret, covariant=True)


class Keys(Protocol[_Given]):
    """A source of keys that can be asked again, such as `SecretCredentials`."""

    def __call__(self) -> _Given:
        """The keys of the moment."""
        ...

    def renew(self, refused: Secret) -> _Given:
        """Keys to use instead of those refused; the same again when there are none newer."""
        ...
