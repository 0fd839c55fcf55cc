"""The whole application on one machine: the stack, and the try-on service's stand-in beside it."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from requests.adapters import BaseAdapter

from tryon.service import registry
from tryon.state.ledger import Claim, Ledger
from tryon_local.aws.functions import Remote
from tryon_local.aws.stack import LocalStack
from tryon_local.aws.template import load
from tryon_local.clock import ScaledClock, VirtualClock
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.server import serve
from tryon_local.service.transport import StandInAdapter
from tryon_local.service.volcengine.standin import StandIn

ROOT = Path(__file__).resolve().parents[2]
"""The checkout's folder, which has template.yaml; somewhere else when the package was installed without one."""

MOST_COMBINATIONS = 10_000
"""What one manifest may ask for here."""

_IN_PROCESS = "https://service.standin.test"


class LocalApp:
    """A context manager around a running application.

    With a `port`, the stack answers the AWS CLI there and the service's stand-in listens beside it, both on
    `host`, which functions know as `host_name`; without one, everything stays in the process and opens no
    socket. `parameters` are the template's; `standin` is made by the caller, who keeps it to look at what was
    paid; with a port and time at another pace than the real one, it takes requests signed at any date. With a
    `remote`, handlers run there instead of in this process. `others` are stand-ins of further services, by name, each
    with a port of its own, which `addresses` has; their slots are the template's parameters.
    """

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        standin: StandIn,
        *,
        clock: ScaledClock | VirtualClock,
        port: int | None = None,
        host: str = "127.0.0.1",
        host_name: str | None = None,
        slots: int = 1,
        parameters: Mapping[str, str] | None = None,
        root: Path = ROOT,
        log: Any = None,
        remote: Remote | None = None,
        others: Mapping[str, AnyStandIn] | None = None,
    ) -> None:
        self.standin = standin
        self.others = dict(others or {})
        self.addresses: dict[str, str] = {}
        self.clock = clock
        self._port = port
        self._host = host
        self._host_name = host_name or host
        # No money is spent here, which the template's default keeps together.
        self._parameters = {
            "Slots": str(slots),
            "MaxCombinations": str(MOST_COMBINATIONS),
            # The people of the samples are drawn.
            "FaceChecks": "structure",
            **(parameters or {}),
        }
        self._root = root
        self._log = log
        self._remote = remote
        self._exit = ExitStack()

    def __enter__(self) -> "LocalApp":
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _start(self) -> None:
        transports: dict[str, BaseAdapter] = {}
        if self._port is None:
            address = _IN_PROCESS
            transports["https://"] = StandInAdapter(self.standin)
            origins = self.standin.base_url
        else:
            if getattr(self.clock, "speed", None) != 1:
                # Clients outside the stack sign by the machine's clock: the vendor's SDK was refused after 90 s.
                self.standin.max_skew = None
            served = self._exit.enter_context(
                serve(self.standin, host=self._host, names=(self._host_name,), own_results=False)
            )
            address = origins = self.standin.base_url = f"http://{self._host_name}:{served.port}"
        self.service_url = address
        parameters = {"ServiceEndpoint": address, "ResultOrigins": origins}
        secrets: dict[str, AnyStandIn] = {"ServiceSecret": self.standin}
        for name, other in self.others.items():
            parameters |= self._add(name, other, transports)
            secrets[f"{name.capitalize()}Secret"] = other
        self.stack = self._exit.enter_context(
            LocalStack(
                self._root,
                clock=self.clock,
                port=self._port,
                host=self._host,
                names=(self._host_name,),
                parameters={**parameters, **self._parameters},
                transports=transports,
                secrets={name: json.dumps(standin.secret) for name, standin in secrets.items()},
                log=self._log,
                remote=self._remote,
            )
        )

    def _add(self, name: str, standin: AnyStandIn, transports: dict[str, BaseAdapter]) -> dict[str, str]:
        """Put another service's stand-in beside the stack; returns the template's parameters that lead there."""
        prefix, capabilities = name.capitalize(), registry.find(name)
        known = load(self._root / "template.yaml")["Parameters"]
        if self._port is None:
            # In the process the vendor's own addresses lead to it, those of its results included.
            standin.base_url = capabilities.result_origins[0].replace("*.", "cdn.")
            address = capabilities.endpoint
            transports |= dict.fromkeys((address, standin.base_url), StandInAdapter(standin))
            # No address is given: the functions then ask the vendor's own.
            given = {f"{prefix}Slots": "1", f"{prefix}ApiEndpoint": address}
            return {parameter: value for parameter, value in given.items() if parameter in known}
        served = self._exit.enter_context(serve(standin, host=self._host, names=(self._host_name,), own_results=False))
        address = standin.base_url = self.addresses[name] = f"http://{self._host_name}:{served.port}"
        given = {f"{prefix}Slots": "1", f"{prefix}Endpoint": address, f"{prefix}ApiEndpoint": address}
        return {parameter: value for parameter, value in given.items() if parameter in known}

    @property
    def bucket(self) -> str:
        """The bucket that pictures and manifests go into."""
        return self.stack.outputs["BucketName"]

    @property
    def ledger(self) -> Ledger:
        """What happened to each combination."""
        return Ledger(self.stack.client("dynamodb"), self.stack.outputs["LedgerTableName"], self.clock)

    def put(self, key: str, data: bytes) -> str:
        """Put an object into the bucket; returns its version."""
        answer = self.stack.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data)
        return str(answer["VersionId"])

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        data: bytes = self.stack.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin with a prefix."""
        pages = self.stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def claim(self, key: str, version: str) -> Claim | None:
        """What a manifest's version became, None while no execution has claimed it."""
        return self.ledger.claim(self.bucket, key, version)
