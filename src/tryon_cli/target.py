"""The stack that a command speaks to: its bucket, its ledger and its clock."""

import json
import shlex
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock, SystemClock
from tryon.state.ledger import Claim, Ledger
from tryon_local.client import LocalClients
from tryon_local.clock import CLOCK_PATH

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCAL_PORT = 4577
"""Where `tryon local up` listens unless told otherwise."""

LOCAL_STACK = "local"
"""The name by which --stack means the stack on this machine."""


class TargetError(Exception):
    """The stack cannot be reached or is not a tryon stack; the message says what to do."""


@dataclass(frozen=True)
class LocalStackClock:
    """The time of the stack on a port of this machine, asked of that stack each time.

    It cannot be reckoned from outside: it runs `speed` times as fast as real time at most, and stands still while
    anything works there. Raises `TargetError` when the stack has gone.
    """

    port: int
    speed: float

    def now(self) -> float:
        return _told_time(self.port)[0]

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds / self.speed))


def _told_time(port: int) -> tuple[float, float]:
    """What a local stack's clock says, and its speed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", CLOCK_PATH)
        body = connection.getresponse().read()
    except (OSError, HTTPException):
        raise TargetError(f"the local stack on port {port} does not answer any more") from None
    finally:
        connection.close()
    try:
        told = json.loads(body)
        return float(told["now"]), float(told["speed"])
    except (ValueError, KeyError, TypeError):
        raise TargetError(
            f"port {port} is in use by something that is not a tryon stack; start one with `tryon local up`"
        ) from None


@dataclass(frozen=True)
class Target:
    """A stack: its outputs and a way to its services.

    `clock` is the stack's own; `speed` is how much faster than real time it runs at most, None where it is real.
    `options` are the words by which a command names this stack, with a blank before each, empty for the usual one.
    """

    name: str
    outputs: Mapping[str, str]
    client: Callable[[str], Any]
    clock: Clock
    stack: str = "tryon"
    speed: float | None = None
    options: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the stack and the service are this machine's stand-ins, whose money is not real."""
        return self.name == LOCAL_STACK

    @property
    def bucket(self) -> str:
        """The bucket that pictures and manifests go into and results come out of."""
        return self.outputs["BucketName"]

    @property
    def s3(self) -> "S3Client":
        client: S3Client = self.client("s3")
        return client

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.client("dynamodb"), self.outputs["LedgerTableName"], self.clock)

    def parameters(self) -> dict[str, str]:
        """What the stack was deployed with."""
        described = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return {p["ParameterKey"]: p["ParameterValue"] for p in described.get("Parameters", [])}

    def claim(self, key: str, version: str) -> Claim | None:
        """What a manifest's version became, None while no execution has claimed it."""
        return self.ledger.claim(self.bucket, key, version)


def connect(stack: str, *, profile: str | None = None, region: str | None = None, port: int = LOCAL_PORT) -> Target:
    """The stack called `stack`, through ordinary AWS profiles; `local` is the one that `tryon local up` runs."""
    if stack == LOCAL_STACK:
        return _connect_local(port)
    options = "".join(
        f" --{name} {shlex.quote(value)}"
        for name, value in (("stack", stack), ("profile", profile), ("region", region))
        if value
    )
    session = boto3.Session(profile_name=profile, region_name=region)
    try:
        described = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except (ClientError, BotoCoreError) as error:
        raise TargetError(f"stack {stack!r} cannot be read: {error}") from None

    def client(service: str) -> Any:
        # Without the version, botocore signs links for us-east-1 in a way that newer buckets need not take.
        config = Config(signature_version="s3v4") if service == "s3" else None
        return session.client(service, config=config)  # type: ignore[call-overload]

    return Target(stack, _outputs(described, stack), client, SystemClock(), stack=stack, options=options)


def listens(port: int) -> bool:
    """Whether anything answers on a port of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def _connect_local(port: int) -> Target:
    url = f"http://127.0.0.1:{port}"
    client = LocalClients(url)
    try:
        described = client("cloudformation").describe_stacks(StackName="tryon")["Stacks"][0]
    except (ClientError, BotoCoreError):
        raise TargetError(
            f"no local stack answers on port {port}: start one with `tryon local up`, "
            "or name a deployed one with --stack"
        ) from None
    outputs = _outputs(described, LOCAL_STACK)
    _, speed = _told_time(port)
    options = "" if port == LOCAL_PORT else f" --port {port}"
    return Target(LOCAL_STACK, outputs, client, LocalStackClock(port, speed), speed=speed, options=options)


def _outputs(described: Mapping[str, Any], stack: str) -> dict[str, str]:
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    missing = [name for name in ("BucketName", "LedgerTableName", "StateMachineArn") if name not in outputs]
    if missing:
        raise TargetError(f"stack {stack!r} is not a tryon stack: it has no output {', '.join(missing)}")
    return outputs
