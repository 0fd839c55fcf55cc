"""What the replaced parts of moto need to know about the stack they work for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tryon_local.clock import ClockEvent, Owner, ScaledClock, VirtualClock

from .journal import Journal


@dataclass(frozen=True)
class Invocation:
    """A Lambda function's answer: the payload as JSON, and whether it is an error's."""

    payload: bytes
    failed: bool


@dataclass(frozen=True)
class Caller:
    """Whose task calls a function: an execution's ARN, and the id of the last event in its history before the call."""

    execution: str
    event: int


@dataclass
class Session:
    """One local stack as seen by its interpreter.

    `invoke(function name or ARN, payload, caller)` runs a Lambda function, for no execution's task where the caller is
    None, and raises
    `botocore.exceptions.ClientError` for what the Lambda service itself refuses. `client(service)` is a
    boto3 client of the stack's. `before_call` runs before each call that this process makes to AWS.
    """

    clock: ScaledClock | VirtualClock
    invoke: Callable[[str, bytes, Caller | None], Invocation]
    client: Callable[[str], Any]
    owner: Owner
    before_call: Callable[[], None]
    journal: Journal = field(default_factory=Journal)
    tokens: dict[str, Any] = field(default_factory=dict)
    past_tokens: set[int] = field(default_factory=set)
    _ends: dict[str, ClockEvent] = field(default_factory=dict)

    def datetime_now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def end_of(self, execution_arn: str) -> ClockEvent:
        """The event that an execution sets when it has ended."""
        # `setdefault` is one step of the interpreter, so that two threads get the same event.
        return self._ends.setdefault(execution_arn, self.clock.event())

    def execution_owner(self, execution_arn: str) -> Owner:
        return (*self.owner, execution_arn)


def json_default(value: Any) -> str:
    """How moments appear in JSON made by AWS: UTC, milliseconds, `Z`."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return str(value)
