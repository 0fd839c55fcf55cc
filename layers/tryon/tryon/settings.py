"""What the stack sets in its functions' environment, and what is built from it.

A handler makes each from its environment with `model_validate`; the error names every variable missing or wrong.
"""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tryon.clock import Clock
from tryon.fetch import OriginPolicy
from tryon.gate import Gate, GateLimits, RequestLimit, waker
from tryon.service import TryOnService
from tryon.service.clients import build
from tryon.service.credentials import SecretCredentials

if TYPE_CHECKING:
    import requests
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient

LEASE_MARGIN = 120.0
"""Seconds that a slot's lease, which begins with the submit, is longer than the deadline, which begins when the service
has the task: a submit is dead after 110 s."""

REQUEST_MARGIN = 1.1
"""The rate is kept over a tenth longer than it asks, so that jitter on the way puts no third one in a second."""

_FROM_ENVIRONMENT = ConfigDict(frozen=True, extra="ignore")


class GateSettings(BaseModel):
    """The gate's table and limits; times in seconds."""

    model_config = _FROM_ENVIRONMENT

    table: str = Field(alias="GATE_TABLE")
    slots: int = Field(alias="SLOTS", ge=1)
    pace: float = Field(alias="PACE_SECONDS", ge=0)
    requests_per_second: float = Field(alias="REQUESTS_PER_SECOND", ge=0)
    deadline: int = Field(alias="DEADLINE_SECONDS", ge=1)
    patience: int = Field(alias="PATIENCE_SECONDS", ge=1)

    def build(self, dynamodb: "DynamoDBClient", stepfunctions: "SFNClient", clock: Clock) -> Gate:
        """The gate that all runs of this stack share.

        Two submits are never closer than the request rate lets them: each needs a request of its own.
        """
        limit = self._limit()
        pace = max(self.pace, limit.seconds / limit.count) if limit else self.pace
        return Gate(
            dynamodb,
            self.table,
            account="service",
            limits=GateLimits(self.slots, pace, self.deadline + LEASE_MARGIN),
            clock=clock,
            wake=waker(stepfunctions),
            requests=limit,
        )

    def _limit(self) -> RequestLimit | None:
        if not self.requests_per_second:
            return None
        count = max(1, int(self.requests_per_second))
        return RequestLimit(count, REQUEST_MARGIN * count / self.requests_per_second)


class ServiceSettings(BaseModel):
    """How the try-on service is reached: client `signed` or `sdk`, its address, region and secret."""

    model_config = _FROM_ENVIRONMENT

    client: str = Field(alias="SERVICE_CLIENT")
    endpoint: str = Field(alias="SERVICE_ENDPOINT")
    region: str = Field(alias="SERVICE_REGION")
    secret: str = Field(alias="SERVICE_SECRET")

    def build(self, session: "requests.Session", secrets: "SecretsManagerClient", clock: Clock) -> TryOnService:
        """The chosen client; its keys are read from the secret at the first call."""
        return build(
            self.client,
            session,
            credentials=SecretCredentials(secrets, self.secret, clock),
            clock=clock,
            endpoint=self.endpoint,
            region=self.region,
        )


class LedgerSettings(BaseModel):
    """Where the ledger is."""

    model_config = _FROM_ENVIRONMENT

    table: str = Field(alias="LEDGER_TABLE")


class PlanSettings(BaseModel):
    """What a manifest may ask for: combinations, picture bytes, and the buckets it may read besides its own.

    `cadence` is for manifests that bring none.
    """

    model_config = _FROM_ENVIRONMENT

    slots: int = Field(alias="SLOTS", ge=1)
    cadence: list[int] = Field(alias="CADENCE")
    max_combinations: int = Field(alias="MAX_COMBINATIONS", ge=1)
    max_image_bytes: int = Field(alias="MAX_IMAGE_BYTES", ge=1)
    input_buckets: list[str] = Field(alias="INPUT_BUCKETS", default_factory=list)

    @field_validator("cadence", "input_buckets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]

    @property
    def concurrency(self) -> int:
        """Children that the Map runs at once: enough that one waits at the gate while others download."""
        return self.slots + max(2, self.slots // 2)


class DownloadSettings(BaseModel):
    """Where results may come from."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    policy: OriginPolicy = Field(alias="RESULT_ORIGINS")

    @field_validator("policy", mode="before")
    @classmethod
    def _parse(cls, value: str) -> OriginPolicy:
        return OriginPolicy.parse(value)


class SummarizeSettings(BaseModel):
    """What a task costs."""

    model_config = _FROM_ENVIRONMENT

    price: float = Field(alias="PRICE_PER_TASK", ge=0)
    currency: str = Field(alias="CURRENCY")
