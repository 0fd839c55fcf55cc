"""Every try-on service there is. To add one is a folder and a line in `SERVICES`.

A service's folder, `tryon/service/<name>/`, has two modules:

- `capabilities.py` holds `CAPABILITIES`, a tuple of `Capabilities`, one a model, the default model first. It imports no
  client and no `requests`: Plan, the schema and the command load it for services that they never call.
- `client.py` holds `build(capabilities, session, *, credentials, clock, endpoint, timeout, options) -> TryOnService`.
  `credentials` is called for the keys of the moment, an instance of `capabilities.secret`; `endpoint` is an address as
  `transport.origin` reads it; `timeout` is connect and read in seconds; `options` are the service's own settings by
  name, each with a default. `build` sends nothing.

The client need not renew its keys: what `build` below returns asks for newer ones after a `ServiceAccessError` and
calls once more. Nothing here imports a service's folder before it is asked for: a function that speaks to one service
loads no module of another.
"""

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from tryon.service.capabilities import Capabilities

if TYPE_CHECKING:
    import requests

    from tryon.clock import Clock
    from tryon.service import TryOnService
    from tryon.service.secret import Keys, Secret

SERVICES = ("volcengine", "fashn", "fal")
"""The names of the services, each that of its folder."""

FIRST = "volcengine/dressing-diffusion-v2"
"""The key that plans, ledgers and manifests mean which name no service: there was no other before there were names."""

FIRST_ACCOUNT = "service"
"""Its account, by the name that the gate has had since there was one service: another would forget held slots."""

TIMEOUT = (3.05, 30.0)
"""Seconds to connect and to read."""


class UnknownServiceError(ValueError):
    """No service has this name, or none of its models."""


class _Builder(Protocol):
    def __call__(
        self,
        capabilities: Capabilities,
        session: "requests.Session",
        *,
        credentials: "Keys[Secret]",
        clock: "Clock",
        endpoint: str,
        timeout: tuple[float, float],
        options: Mapping[str, str],
    ) -> "TryOnService": ...


def models(name: str) -> tuple[Capabilities, ...]:
    """A service's models, the default one first; raises `UnknownServiceError`."""
    if name not in SERVICES:
        near = difflib.get_close_matches(name, SERVICES, n=1)
        likely = f" (did you mean {near[0]!r}?)" if near else ""
        raise UnknownServiceError(f"{name!r} is no service; known are {', '.join(SERVICES)}{likely}")
    module = import_module(f"tryon.service.{name}.capabilities")
    return cast("tuple[Capabilities, ...]", module.CAPABILITIES)


def find(service: str) -> Capabilities:
    """What a manifest's `service` names: a key, or a service's name for its default model.

    Raises `UnknownServiceError`.
    """
    name, _, model = service.partition("/")
    known = models(name)
    if not model and "/" not in service:
        return known[0]
    for one in known:
        if one.model == model:
            return one
    raise UnknownServiceError(f"{name} has no model {model!r}; it has {', '.join(one.model for one in known)}")


def keys() -> tuple[str, ...]:
    """The keys of every model of every service; loads all of their capabilities."""
    return tuple(one.key for name in SERVICES for one in models(name))


def build(
    capabilities: Capabilities,
    session: "requests.Session",
    *,
    credentials: "Keys[Secret]",
    clock: "Clock",
    endpoint: str = "",
    timeout: tuple[float, float] = TIMEOUT,
    options: Mapping[str, str] | None = None,
) -> "TryOnService":
    """A client of a service, whose keys are renewed; no `endpoint` means the vendor's own.

    Raises `ServiceAccessError` for settings with which no call can succeed.
    """
    from tryon.service.renewing import RenewingService

    module = import_module(f"tryon.service.{capabilities.service}.client")
    builder = cast("_Builder", module.build)
    client = builder(
        capabilities,
        session,
        credentials=credentials,
        clock=clock,
        endpoint=endpoint or capabilities.endpoint,
        timeout=timeout,
        options=options or {},
    )
    return RenewingService(client, credentials)
