"""Settings that every service has for itself: the slots of one that is called `x` are X_SLOTS.

Those of the first service keep the names that they had when it was the only one.
"""

from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict

from tryon.service import registry


class OwnSettings(BaseModel):
    """Settings of one service; raises `pydantic.ValidationError`, which names every variable that is wrong."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=False)

    FIRST_NAMES: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, environ: Mapping[str, str], service: str) -> Self:
        """A service's settings, by its name."""
        return cast("Self", _named(cls, service).model_validate(environ))


@cache
def _named(kind: type["OwnSettings"], service: str) -> type["OwnSettings"]:
    first = service == registry.FIRST.partition("/")[0]

    def variable(field: str) -> str:
        return kind.FIRST_NAMES[field] if first else f"{service}_{field}".upper()

    return type(kind.__name__, (kind,), {"model_config": ConfigDict(alias_generator=variable), "__module__": __name__})
