"""The clock, AWS's clients, the ledger and the gates of a function."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import boto3
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tryon.clock import Clock, SystemClock
from tryon.service import registry
from tryon.service.capabilities import Capabilities, Rate
from tryon.state.gate import Gate, GateLimits, RequestLimit, waker
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks
from tryon.state.run import Price
from tryon.wiring.own import OwnSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
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
    """Where the gates are."""

    model_config = FROM_ENVIRONMENT

    table: str = Field(alias="GATE_TABLE")


class TimeSettings(BaseModel):
    """How long the first service's tasks may take, and how long a run waits while a service refuses everything."""

    model_config = FROM_ENVIRONMENT

    deadline: int = Field(alias="DEADLINE_SECONDS", ge=1)
    patience: int = Field(alias="PATIENCE_SECONDS", ge=1)


class AccountSettings(OwnSettings):
    """What an account of a service may do; 0 slots switch the service off. Times in seconds.

    `pace` and `requests_per_second` are an account's own where the service's API sets no rate. `models` are those that
    manifests may name, separated by commas, all of them where none is.
    """

    FIRST_NAMES = {  # noqa: RUF012
        "slots": "SLOTS",
        "pace": "PACE_SECONDS",
        "requests_per_second": "REQUESTS_PER_SECOND",
        "models": "MODELS",
    }

    slots: int = Field(ge=0)
    pace: float = Field(0.0, ge=0)
    requests_per_second: float = Field(0.0, ge=0)
    models: str = ""

    def offers(self, model: str) -> bool:
        """Whether manifests may name a model of the service."""
        named = [name.strip() for name in self.models.split(",") if name.strip()]
        return bool(self.slots) and (not named or model in named)


class PriceSettings(OwnSettings):
    """What a service charges for what it bills, a task or a picture.

    `price` is one number, or one for each model: `kling-kolors=0.07, google=0.075`.
    """

    FIRST_NAMES = {"price": "PRICE_PER_TASK", "currency": "CURRENCY"}  # noqa: RUF012

    price: dict[str, Annotated[float, Field(ge=0)]]
    currency: str

    @field_validator("price", mode="before")
    @classmethod
    def read(cls, value: str) -> dict[str, str]:
        """A price for each model, under no name the one for all."""
        parts = [part.rpartition("=") for part in value.split(",") if part.strip()]
        return {model.strip(): price.strip() for model, _, price in parts}

    def of_model(self, model: str) -> float:
        """The price at a model of the service."""
        return self.price[model] if model in self.price else self.price.get("", 0.0)


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
        self._gates: dict[str, Gate] = {}

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
    def time_settings(self) -> TimeSettings:
        """How long things may take."""
        return TimeSettings.model_validate(self.environ)

    def deadline(self, service: str) -> int:
        """Seconds after its submit at which a task is given up as late, by its service's key."""
        capabilities = registry.find(service)
        return self.time_settings.deadline if capabilities.key == registry.FIRST else capabilities.deadline

    def times(self, service: str, since: float) -> dict[str, float]:
        """What the state machine is told of a task that was submitted so many seconds ago: its deadline, in seconds
        from its submit and from now, and for how many hours its service keeps it."""
        deadline = self.deadline(service)
        kept = registry.find(service).task_kept / 3600
        return {"deadline": deadline, "deadline_in": max(0.0, deadline - since), "kept_hours": kept}

    def account(self, service: str) -> AccountSettings:
        """What the account of a service may do, by its key or its name."""
        return AccountSettings.of(self.environ, registry.find(service).service)

    def gate(self, service: str) -> Gate:
        """The gate of a service's account, which all runs of the stack share; by the service's key."""
        capabilities = registry.find(service)
        if capabilities.account not in self._gates:
            self._gates[capabilities.account] = self._new_gate(capabilities)
        return self._gates[capabilities.account]

    def _new_gate(self, capabilities: Capabilities) -> Gate:
        """Two submits are never closer than the request rate lets them: each needs a request of its own."""
        settings = self.account(capabilities.key)
        sharing = [one for one in registry.models(capabilities.service) if one.account == capabilities.account]
        submits, polls = _window(capabilities.submit_rate), _window(capabilities.status_rate)
        apart = submits is not None or polls is not None
        if not apart:
            submits = _limit(settings.requests_per_second)
        return Gate(
            self.dynamodb,
            GateSettings.model_validate(self.environ).table,
            account=capabilities.account,
            limits=GateLimits(
                settings.slots,
                max(settings.pace, submits.seconds / submits.count) if submits and not apart else settings.pace,
                max(self.deadline(one.key) for one in sharing) + LEASE_MARGIN,
            ),
            clock=self.clock,
            wake=waker(boto3.client("stepfunctions")),
            requests=submits,
            polls=polls if apart else "shared",
        )

    def price(self, service: str) -> Price:
        """What a service charges, by its key."""
        capabilities = registry.find(service)
        settings = PriceSettings.of(self.environ, capabilities.service)
        return Price(settings.of_model(capabilities.model), settings.currency)


def _limit(rate: float) -> RequestLimit | None:
    """So many requests a second."""
    if not rate:
        return None
    count = max(1, int(rate))
    return RequestLimit(count, REQUEST_MARGIN * count / rate)


def _window(rate: Rate | None) -> RequestLimit | None:
    """A window of the API's own."""
    return None if rate is None else RequestLimit(rate.requests, REQUEST_MARGIN * rate.seconds)
