"""A run as the ledger keeps it: what it is of, how far it is, how it ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from tryon.cadence import ListeningCadence
from tryon.json_types import Json, validated
from tryon.service import registry


class RunStatus(StrEnum):
    """How a run stands or ended; REJECTED runs never reached the service."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    REJECTED = "REJECTED"


@dataclass(frozen=True)
class Spread:
    """Mean, median, 95th percentile and largest of some seconds or counts."""

    mean: float
    p50: float
    p95: float
    max: float


@dataclass(frozen=True)
class Reason:
    """Why combinations failed: the error's name, how often, the first of them by id and the first one's cause."""

    error: str
    count: int
    examples: tuple[str, ...]
    cause: str


@dataclass(frozen=True)
class CheckReason:
    """Why pictures are flagged or unchecked: the check's name, empty where none looked, what it says, how often."""

    check: str
    says: str
    count: int


@dataclass(frozen=True)
class Checks:
    """What the automatic checks say of a run's pictures; a flag asks for a look and changes nothing else.

    Of `results` pictures `checked` were measured, `flagged` deserve a look, and `unchecked` were not measured. Of
    `not_comparable` some checks needed others to compare with. `faceless` are those in which no face was found, by
    model. `limits` names the limits that flag, `learned` is when they were learned, in seconds since the epoch.
    """

    results: int
    checked: int
    flagged: int
    unchecked: int
    not_comparable: int = 0
    reasons: tuple[CheckReason, ...] = ()
    unchecked_reasons: tuple[CheckReason, ...] = ()
    faceless: dict[str, int] = field(default_factory=dict)
    limits: str = "default"
    learned: float | None = None

    @property
    def line(self) -> str:
        """The whole in a line for people, empty where there was nothing to check."""
        if not self.results:
            return ""
        if self.flagged:
            most = ", ".join(f"{one.count:,} × {one.says.lower()}" for one in self.reasons[:3])
            left = len(self.reasons) - 3
            more = f" and {left} more reason{'s' if left > 1 else ''}" if left > 0 else ""
            said = f"{self.flagged:,} of {self.results:,} deserve a look: {most}{more}"
        elif self.checked:
            said = f"nothing stands out in {self.checked:,} of {self.results:,}"
        else:
            said = f"none of {self.results:,} was checked"
        if self.unchecked:
            why = ", ".join(one.says for one in self.unchecked_reasons[:2])
            said += f"; unchecked: {self.unchecked:,} ({why})"
        return said


@dataclass(frozen=True)
class AwsCost:
    """What a run used of AWS, and its price in US dollars; `docs/cost.md` has the formula."""

    usd: float
    usd_per_combination: float
    transitions_per_combination: float
    transitions: float
    lambda_requests: float
    lambda_gb_seconds: float
    dynamodb_write_units: float
    dynamodb_read_units: float
    s3_writes: float
    s3_reads: float


@dataclass(frozen=True)
class Price:
    """What a service charges for what it bills, a task or a picture."""

    amount: float
    currency: str


@dataclass(frozen=True)
class ServiceCost:
    """What a run cost at one model of a service: `billed` units, tasks or pictures, at a price."""

    service: str
    tasks: int
    billed: float
    unit: Literal["task", "picture"]
    price: float
    currency: str
    cost: float
    succeeded: int
    failed: int


@dataclass(frozen=True)
class Cost:
    """What a run cost: at its services, and at AWS.

    `services` are the services' parts. `service` adds up those in `currency`, that of the first of them: amounts in
    different currencies are never added. `price_per_task` is that of the first.
    """

    service: float
    currency: str
    price_per_task: float
    aws: AwsCost
    services: tuple[ServiceCost, ...] = ()

    @property
    def totals(self) -> dict[str, float]:
        """What is to be paid in each currency."""
        totals = {self.currency: self.service}
        for one in self.services:
            if one.currency != self.currency:
                totals[one.currency] = round(totals.get(one.currency, 0.0) + one.cost, 4)
        return totals


@dataclass(frozen=True)
class LearnedFrom:
    """What a run keeps of the learned cadence it follows, to compare its own latencies with; times in seconds.

    `polls` and `delay` are what the cadence promises a task, `quantiles` the latencies within which 5, 10 … 95 % of the
    `samples` ended. `listening` are the waits of a cadence that listens, and `queue_quantiles` the seconds within which
    those shares of tasks had begun, `work_quantiles` those for which they were worked on.
    """

    name: str
    created: float
    samples: int
    polls: float
    delay: float
    mean: float
    quantiles: tuple[float, ...]
    service: str = registry.FIRST
    listening: ListeningCadence | None = None
    queue_quantiles: tuple[float, ...] = ()
    work_quantiles: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a run ended, as its summary has it. Times are seconds, `ended_at` since the epoch."""

    status: RunStatus
    ended_at: float
    seconds: float
    total: int
    succeeded: int
    failed: int
    tasks: int
    tasks_unknown: int
    bytes: int
    pictures: int
    cost: Cost
    error: str | None = None
    cause: str | None = None
    pictures_lost: int = 0
    polls: Spread | None = None
    latency: Spread | None = None
    delay: Spread | None = None
    reasons: tuple[Reason, ...] = ()
    checks: Checks | None = None


@dataclass(frozen=True)
class Run:
    """A run's item. Times are seconds since the epoch, `cadence` the seconds between polls.

    Of a run that was rejected before it was opened only the first fields and `error` are known. `nothing_left` names
    the runs that have what a retry was to do, `repaired_by` the retries that brought what this run lacked, `halt_error`
    is why no further combination starts at the first service's account; `halts` says so of others, by account.
    `service` is the key of the service that the manifest meant where it named none, `cadences` are the waits by key
    where several services work. `outcome` is there once the run was reported.
    """

    run_id: str
    status: RunStatus = RunStatus.RUNNING
    execution: str | None = None
    name: str = ""
    bucket: str = ""
    manifest_key: str = ""
    manifest_version: str = ""
    started_at: float = 0.0
    service: str = registry.FIRST
    cadence: tuple[int, ...] = ()
    cadences: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    learned: LearnedFrom | None = None
    retry_of: str | None = None
    total: int | None = None
    notes: tuple[str, ...] = ()
    planned_at: float | None = None
    nothing_left: tuple[str, ...] | None = None
    halt_error: str | None = None
    halt_cause: str | None = None
    halts: Mapping[str, str] = field(default_factory=dict)
    repaired_by: tuple[str, ...] = ()
    error: str | None = None
    cause: str | None = None
    notification_error: str | None = None
    outcome: Outcome | None = None

    @property
    def services(self) -> tuple[str, ...]:
        """The keys of the services that work for the run."""
        return tuple(self.cadences) or (registry.FIRST,)

    @property
    def running(self) -> bool:
        """Whether nothing has ended the run yet."""
        return self.status is RunStatus.RUNNING

    @property
    def opened(self) -> bool:
        """Whether the manifest was accepted: where it is and what it is called is known."""
        return bool(self.bucket)

    @property
    def planned(self) -> bool:
        """Whether the plan and the entries are whole."""
        return self.planned_at is not None

    @property
    def halted(self) -> str | None:
        """Why no further combination of an account starts, None while they all do."""
        first = None if self.halt_error is None else f"{self.halt_error}: {self.halt_cause}"
        return first or next(iter(self.halts.values()), None)

    def halted_at(self, account: str) -> str | None:
        """Why no further combination of this account starts, None while they do."""
        if account == registry.FIRST_ACCOUNT:
            return None if self.halt_error is None else f"{self.halt_error}: {self.halt_cause}"
        return self.halts.get(account)

    @property
    def planning_seconds(self) -> float:
        """How long the planning took, 0 while it goes on."""
        return 0.0 if self.planned_at is None else self.planned_at - self.started_at

    def as_item(self) -> dict[str, Json]:
        """The run in plain values, flat as the ledger has it; what is not known is left out."""
        own = asdict(self)
        if self.service == registry.FIRST:
            del own["service"]
        outcome = own.pop("outcome") or {}
        own |= {f"{_HALTED}{account}": why for account, why in own.pop("halts").items()}
        known = {name: value for name, value in own.items() if value not in ((), "", {})} | outcome
        return {name: value for name, value in known.items() if value is not None}


def read_run(item: Mapping[str, Json]) -> Run:
    """A run from its item in plain values; what an older or a newer version kept besides is not looked at.

    Raises `UnreadableError` for an item that is none of a run.
    """
    if "succeeded" in item:
        # What the report wrote is beside the rest: one item a run, so that a list of runs needs nothing else.
        item = {**item, "outcome": {name: item[name] for name in _OUTCOME if name in item}}
    halts = {name.removeprefix(_HALTED): why for name, why in item.items() if name.startswith(_HALTED)}
    if halts:
        item = {**item, "halts": halts}
    return validated(_run(), item, f"run {item.get('run_id')}")


_OUTCOME = tuple(one.name for one in fields(Outcome))

_HALTED = "halted_"
"""What the attributes begin with that say why the combinations of an account do not start: an attribute each, so that
two accounts can be halted at once."""


def halted_attribute(account: str) -> str:
    """The name of an account's attribute."""
    return f"{_HALTED}{account}"


@cache
def _run() -> "TypeAdapter[Run]":
    return TypeAdapter(Run)
