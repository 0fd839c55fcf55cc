"""Which client speaks to the service: this project's own signed requests, or the vendor's SDK."""

from collections.abc import Mapping
from typing import cast

import requests

from tryon.clock import Clock
from tryon.service import TryOnService
from tryon.service.capabilities import Capabilities
from tryon.service.errors import ServiceAccessError
from tryon.service.secret import Keys, Secret
from tryon.service.volcengine import vendor
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.sdk import SdkService
from tryon.service.volcengine.signed import SignedService

_CLIENTS: dict[str, type[SignedService] | type[SdkService]] = {"signed": SignedService, "sdk": SdkService}


def build(
    capabilities: Capabilities,
    session: requests.Session,
    *,
    credentials: Keys[Secret],
    clock: Clock,
    endpoint: str,
    timeout: tuple[float, float],
    options: Mapping[str, str],
) -> TryOnService:
    """The option `client`, `signed` or `sdk`, says which; `region` is the one in the signature.

    Raises `ServiceAccessError` when there is no client of that name.
    """
    name = options.get("client", "signed")
    if name not in _CLIENTS:
        raise ServiceAccessError(f"no client is called {name!r}: choose one of {', '.join(_CLIENTS)}")
    return _CLIENTS[name](
        session,
        capabilities=capabilities,
        endpoint=endpoint,
        credentials=cast("Keys[Credentials]", credentials),
        clock=clock,
        timeout=timeout,
        region=options.get("region") or vendor.REGION,
    )
