"""The try-on services of a function, beside its state."""

from collections.abc import Mapping

import boto3
import requests

from tryon.service import TryOnService, registry
from tryon.service.credentials import SecretCredentials
from tryon.wiring.own import OwnSettings
from tryon.wiring.state import Wiring


class ServiceSettings(OwnSettings):
    """How a service is reached: its address, the vendor's own where there is none, and its secret.

    The others are options of some services' clients.
    """

    FIRST_NAMES = {  # noqa: RUF012
        "endpoint": "SERVICE_ENDPOINT",
        "secret": "SERVICE_SECRET",
        "client": "SERVICE_CLIENT",
        "region": "SERVICE_REGION",
        "api_endpoint": "SERVICE_API_ENDPOINT",
    }

    secret: str
    endpoint: str = ""
    client: str = ""
    region: str = ""
    api_endpoint: str = ""

    @property
    def options(self) -> dict[str, str]:
        """Those of the client's own settings that are set."""
        given = {"client": self.client, "region": self.region, "api_endpoint": self.api_endpoint}
        return {name: value for name, value in given.items() if value}


class ServiceWiring(Wiring):
    """A function's parts, the try-on services among them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._services: dict[str, TryOnService] = {}

    def service_settings(self, service: str) -> ServiceSettings:
        """How a service is reached, by its key."""
        return ServiceSettings.of(self.environ, registry.find(service).service)

    def service(self, key: str) -> TryOnService:
        """The client of a service; its keys are read from the secret at the first call."""
        capabilities = registry.find(key)
        if capabilities.key not in self._services:
            settings = self.service_settings(key)
            secrets = boto3.client("secretsmanager")
            self._services[capabilities.key] = registry.build(
                capabilities,
                self.mounted(requests.Session()),
                credentials=SecretCredentials(secrets, settings.secret, self.clock, capabilities.secret),
                clock=self.clock,
                endpoint=settings.endpoint,
                options=settings.options,
            )
        return self._services[capabilities.key]

    def mounted(self, session: requests.Session) -> requests.Session:
        """The session, with its requests going where `transports` send them."""
        for prefix, transport in self.transports.items():
            session.mount(prefix, transport)
        return session
