"""A stack on one machine: the template, the workflow and the handlers, with moto in AWS's place."""

import base64
import contextlib
import itertools
import json
import logging
import os
import socket
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import requests

from tryon_local.aws import cloudwatch, template
from tryon_local.aws.functions import Functions, LocalFunction, Log, Remote, await_imports
from tryon_local.aws.moto_adapter import Child, Invocation, Session, running
from tryon_local.aws.moto_adapter.clients import SharedClientsSession
from tryon_local.aws.printed import printing_to
from tryon_local.aws.unknown_calls import in_protocol
from tryon_local.callers import refused
from tryon_local.clock import CLOCK_PATH, ScaledClock, StalledError, VirtualClock
from tryon_local.environment import isolated
from tryon_local.guard import only_this_machine

__all__ = ["Child", "LocalStack", "StackError"]

# What moto takes for a layer's content: its functions import from this process instead.
_EMPTY_ARCHIVE = base64.b64encode(b"PK\x05\x06" + bytes(18)).decode()

_numbers = itertools.count(1)
_boto_sessions: dict[str, SharedClientsSession] = {}


class StackError(RuntimeError):
    """The stack could not be made, or did not do what was waited for."""


class LocalStack:
    """A deployed stack's stand-in, from `template.yaml` alone; a context manager.

    In virtual time nothing waits really; with a port the stack also answers the AWS CLI and boto3 there, on `host`,
    to callers who use one of the machine's usual names, `host` or `names`, and gives its clock's time at `CLOCK_PATH`;
    OSError says that the port is taken. `parameters` are the template's. `transports` are mounted on the handlers'
    `session`, by the address each begins with. `secrets` holds the text of secrets by their logical ids. `log` is told
    each line that a handler prints, after the function's logical id. With a `remote`, handlers run where it sends
    their logical ids and payloads, instead of in this process.
    """

    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    functions: Functions

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        root: Path,
        *,
        clock: ScaledClock | VirtualClock,
        port: int | None = None,
        host: str = "127.0.0.1",
        names: Collection[str] = (),
        parameters: Mapping[str, str] | None = None,
        transports: Mapping[str, requests.adapters.BaseAdapter] | None = None,
        secrets: Mapping[str, str] | None = None,
        region: str = "us-east-1",
        name: str = "tryon",
        log: Log | None = None,
        remote: Remote | None = None,
    ) -> None:
        self.clock = clock
        self.region = region
        self.name = name
        self._template_path = root / "template.yaml"
        self._port = port
        self._host = host
        self._names = names
        self._parameters = dict(parameters or {})
        self._transports = dict(transports or {})
        self._secrets = dict(secrets or {})
        self._log = log
        self._remote = remote
        self._owner = ("stack", next(_numbers))
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "LocalStack":
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def client(self, service: str) -> Any:
        """A boto3 client for one of the stack's services; one for each service, safe to share."""
        return self._boto.client(service)

    def watched(self, event: str, handler: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
        """Within it, a botocore event handler hears every call made to AWS from this process."""
        return self._boto.watched(event, handler)

    def invoke(self, logical_id: str, event: Any) -> Invocation:
        """Call a function by its logical id, as Lambda would."""
        return self.functions.invoke(self.functions[logical_id].name, json.dumps(event).encode())

    @property
    def url(self) -> str:
        """Where the AWS CLI finds the stack: its `--endpoint-url`."""
        if self._port is None:
            raise StackError("this stack has no port: it answers only within its own process")
        return f"http://{self._host}:{self._port}"

    def wait(self, execution_arn: str, patience: float = 300.0) -> dict[str, Any]:
        """DescribeExecution's answer once an execution has ended.

        `patience` in real seconds. Raises StackError when it runs out, or when nothing can happen any more.
        """
        try:
            ended = self.clock.await_event(self._session.end_of(execution_arn), patience)
        except StalledError as stalled:
            raise StackError(f"{execution_arn} never ends: {stalled}") from stalled
        if not ended:
            raise StackError(f"{execution_arn} did not end within {patience:g} seconds")
        return cast(dict[str, Any], self.client("stepfunctions").describe_execution(executionArn=execution_arn))

    def executions(self) -> list[str]:
        """The ARNs of the stack's executions, the first started first, without the children of their maps."""
        found: list[tuple[Any, str]] = []
        for machine in self.client("stepfunctions").list_state_machines()["stateMachines"]:
            pages = self.client("stepfunctions").get_paginator("list_executions")
            for page in pages.paginate(stateMachineArn=machine["stateMachineArn"]):
                found.extend((execution["startDate"], execution["executionArn"]) for execution in page["executions"])
        return [arn for _, arn in sorted(found, key=lambda one: one[0])]

    def children(self, execution_arn: str) -> list[Child]:
        """The child executions of an execution's distributed maps, in the order of their items."""
        return self._session.journal.of_parent(execution_arn)

    def _start(self) -> None:
        # First of all: nobody waits for a stack that could not be reached.
        listening = None if self._port is None else self._listen(self._port)
        self._exit.enter_context(isolated(self.region))
        # By name, where requests stops looking: for a star it reads the whole environment with each request.
        answered = sorted({urlsplit(address).hostname or "" for address in self._transports} - {""})
        os.environ["no_proxy"] = ",".join([*answered, os.environ.get("no_proxy", "*")])
        # Before this process gets its environment back.
        self._exit.callback(await_imports)
        self._exit.enter_context(only_this_machine((self._host, *self._names)))
        self._boto = _boto_sessions.setdefault(self.region, SharedClientsSession(region_name=self.region))
        self._exit.enter_context(_default_session(self._boto))
        self._session = Session(
            clock=self.clock,
            invoke=lambda name, payload, caller: self.functions.invoke(name, payload, caller),
            client=self.client,
            owner=self._owner,
            before_call=self._before_call,
        )
        self.functions = Functions({}, self.clock, {}, self._owner)
        self._exit.enter_context(running(self._session))
        self._exit.callback(self._stop)
        expanded = template.expand(self._template_path, self._parameters)
        self._create(expanded)
        log = self._log
        if listening is not None:
            log = self._shown(expanded, log)
        self.functions = Functions(
            self._described_functions(),
            self.clock,
            self._transports,
            (*self._owner, "functions"),
            log,
            self._remote,
        )
        self._exit.enter_context(printing_to(self.functions))
        self._complete(expanded)
        if listening is not None:
            self._serve(listening)

    def _shown(self, expanded: Mapping[str, Any], log: Log | None) -> Log:
        """What takes the functions' lines so that CloudWatch shows them, and the stack's alarms, to the AWS CLI."""
        defaults = {
            name: str(one["Default"]) for name, one in expanded.get("Parameters", {}).items() if "Default" in one
        }
        own = {"AWS::StackName": self.name, "AWS::Region": self.region}
        names = {**own, **defaults, **self._parameters, **self.resources}
        cloudwatch.put_alarms(self.client, expanded, names)
        groups = cloudwatch.log_groups(expanded, self.resources)
        shown = self._exit.enter_context(cloudwatch.CloudWatch(self.client, groups))

        def line(function: str, text: str) -> None:
            shown.line(function, text)
            if log is not None:
                log(function, text)

        return line

    def _create(self, expanded: Mapping[str, Any]) -> None:
        for resource in expanded["Resources"].values():
            if resource["Type"] == "AWS::Lambda::LayerVersion":
                resource["Properties"]["Content"] = {"ZipFile": _EMPTY_ARCHIVE}
        formation = self.client("cloudformation")
        with warnings.catch_warnings():
            # One for each policy, which moto leaves out: nothing here asks who may do what.
            warnings.filterwarnings("ignore", message="Tried to parse")
            formation.create_stack(
                StackName=self.name,
                TemplateBody=json.dumps(expanded),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in self._parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
            )
            described = formation.describe_stacks(StackName=self.name)["Stacks"][0]
            resources = formation.describe_stack_resources(StackName=self.name)["StackResources"]
        if described["StackStatus"] != "CREATE_COMPLETE":
            raise StackError(f"the stack ended as {described['StackStatus']}")
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        self.resources = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in resources
            if resource.get("PhysicalResourceId")
        }

    def _described_functions(self) -> dict[str, LocalFunction]:
        described = {}
        for logical_id, source in template.sources(self._template_path).items():
            if logical_id not in self.resources:
                continue
            known = self.client("lambda").get_function_configuration(FunctionName=self.resources[logical_id])
            described[logical_id] = LocalFunction(
                source=source,
                name=known["FunctionName"],
                arn=known["FunctionArn"],
                environment={
                    name: str(value) for name, value in known.get("Environment", {}).get("Variables", {}).items()
                },
            )
        return described

    def _complete(self, expanded: Mapping[str, Any]) -> None:
        """Do what the template asks for and moto's CloudFormation leaves undone."""
        for logical_id, resource in expanded["Resources"].items():
            if resource["Type"] != "AWS::S3::Bucket" or logical_id not in self.resources:
                continue
            properties = resource.get("Properties", {})
            bucket = self.resources[logical_id]
            if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
                self.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            bridge = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration")
            if bridge is not None and bridge.get("EventBridgeEnabled", True) in (True, "true"):
                self.client("s3").put_bucket_notification_configuration(
                    Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
                )
        for logical_id, text in self._secrets.items():
            self.client("secretsmanager").put_secret_value(SecretId=self.resources[logical_id], SecretString=text)

    def _listen(self, port: int) -> socket.socket:
        try:
            listening = socket.create_server((self._host, port), backlog=128)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, f"the stack cannot listen on {self._host}:{port}: {reason}") from None
        self._exit.callback(listening.close)
        self._port = listening.getsockname()[1]
        return listening

    def _serve(self, listening: socket.socket) -> None:
        # Here, because they bring Flask along, which a stack without a port does without.
        from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        aws = in_protocol(DomainDispatcherApplication(create_backend_app))

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            no_answer = refused(environ, start_response, (self._host, *self._names))
            if no_answer is not None:
                return no_answer
            if environ["PATH_INFO"] != CLOCK_PATH:
                answered: Iterable[bytes] = aws(environ, start_response)
                return answered
            # Virtual time that jumps over every wait has no speed.
            told = {"now": self.clock.now(), "speed": getattr(self.clock, "speed", None)}
            start_response("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
            return [json.dumps(told).encode()]

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # On a socket that listens already: one that werkzeug opens in a thread of moto's, where the port is taken,
        # ends that thread and leaves this one waiting for it.
        host, port = listening.getsockname()
        server = make_server(host, port, answer, True, request_handler=MotoRequestHandler, fd=listening.fileno())
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="stack-server", daemon=True)
        thread.start()
        self._exit.callback(thread.join)
        self._exit.callback(server.shutdown)

    def _before_call(self) -> None:
        self.clock.check_cancelled()
        self.functions.check()

    def _stop(self) -> None:
        # Before AWS's stand-in goes: a thread that outlived it would call the real one.
        self.clock.end(self._owner)


@contextlib.contextmanager
def _default_session(session: boto3.Session) -> Iterator[None]:
    saved, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, session
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = saved
