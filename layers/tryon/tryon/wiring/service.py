"""The try-on service of a function, beside its state."""

from functools import cached_property

import boto3
import requests
from pydantic import BaseModel, Field

from tryon.service import TryOnService, registry
from tryon.service.credentials import SecretCredentials
from tryon.wiring.state import FROM_ENVIRONMENT, Wiring


class ServiceSettings(BaseModel):
    """How the try-on service is reached: client `signed` or `sdk`, its address, region and secret."""

    model_config = FROM_ENVIRONMENT

    client: str = Field(alias="SERVICE_CLIENT")
    endpoint: str = Field(alias="SERVICE_ENDPOINT")
    region: str = Field(alias="SERVICE_REGION")
    secret: str = Field(alias="SERVICE_SECRET")


class ServiceWiring(Wiring):
    """A function's parts, the try-on service among them."""

    @cached_property
    def service(self) -> TryOnService:
        """The chosen client; its keys are read from the secret at the first call."""
        settings = ServiceSettings.model_validate(self.environ)
        capabilities = registry.find(registry.FIRST)
        return registry.build(
            capabilities,
            self.mounted(requests.Session()),
            credentials=SecretCredentials(
                boto3.client("secretsmanager"), settings.secret, self.clock, capabilities.secret
            ),
            clock=self.clock,
            endpoint=settings.endpoint,
            options={"client": settings.client, "region": settings.region},
        )

    def mounted(self, session: requests.Session) -> requests.Session:
        """The session, with its requests going where `transports` send them."""
        for prefix, transport in self.transports.items():
            session.mount(prefix, transport)
        return session
