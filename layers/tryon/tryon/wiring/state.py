"""The clock, AWS's clients, the ledger and the gate of a function."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from pydantic import BaseModel, ConfigDict, Field

from tryon.clock import Clock, SystemClock
from tryon.state.gate import Gate, GateLimits, RequestLimit, waker
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient
    from requests.adapters import BaseAdapter

LEASE_MARGIN = 120.0
"""Seconds that a slot's lease, which begins with the submit, is longer than the deadline, which begins when the service
has the task: a submit is dead after 110 s."""

REQUEST_MARGIN = 1.1
"""The rate is kept over a tenth longer than it asks, so that jitter on the way puts no third one in a second."""

FROM_ENVIRONMENT = ConfigDict(frozen=True, extra="ignore")


class LedgerSettings(BaseModel):
    """Where the ledger is."""

    model_config = FROM_ENVIRONMENT

    table: str = Field(alias="LEDGER_TABLE")


class GateSettings(BaseModel):
    """The gate's table and limits; times in seconds."""

    model_config = FROM_ENVIRONMENT

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


class PriceSettings(BaseModel):
    """What a task costs."""

    model_config = FROM_ENVIRONMENT

    price: float = Field(alias="PRICE_PER_TASK", ge=0)
    currency: str = Field(alias="CURRENCY")


class Wiring:
    """A function's parts, each made at its first use and kept for the next call.

    `environ` is the function's environment, which nothing here reads before it is needed. A local stack replaces it,
    the `clock`, and where requests go (`transports`, adapters by the beginning of an address). Raises
    `pydantic.ValidationError`, which names every variable that is missing or wrong.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.clock: Clock = SystemClock()
        self.transports: Mapping[str, BaseAdapter] = {}

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB's client."""
        return boto3.client("dynamodb")

    @cached_property
    def s3(self) -> "S3Client":
        """S3's client."""
        return boto3.client("s3")

    @cached_property
    def ledger(self) -> Ledger:
        """The stack's ledger."""
        return Ledger(self.dynamodb, LedgerSettings.model_validate(self.environ).table, self.clock)

    @cached_property
    def looks(self) -> Looks:
        """What was seen of pictures."""
        return Looks(self.dynamodb, LedgerSettings.model_validate(self.environ).table)

    @cached_property
    def gate_settings(self) -> GateSettings:
        """The gate's limits."""
        return GateSettings.model_validate(self.environ)

    @cached_property
    def gate(self) -> Gate:
        """The gate that all runs of the stack share."""
        return self.gate_settings.build(self.dynamodb, boto3.client("stepfunctions"), self.clock)

    @cached_property
    def price_settings(self) -> PriceSettings:
        """What a task costs."""
        return PriceSettings.model_validate(self.environ)
