"""The stack with its functions in containers: `sam local` in Lambda's place, the embedded stack in the rest's."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sam.engine import Engine
from sam.image import Image
from sam.toolchain import REGION, Toolchain
from tryon_local.app import LocalApp
from tryon_local.aws.moto_adapter import Invocation
from tryon_local.aws.template import load
from tryon_local.clock import ScaledClock
from tryon_local.service.volcengine.standin import StandIn

HOST = "host.docker.internal"
"""This machine, as containers know it."""

START_SECONDS = 60.0

_ISOLATION = ("--add-host", f"{HOST}:host-gateway", "--container-dns", "127.0.0.1")
"""Only this machine can be looked up: a name that slips in fails at once instead of waiting for a server."""


_HEARS_INTERRUPTS = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
"""What a shell starts in the background ignores interrupts, and so would all that it starts."""


class FunctionsNotStartedError(Exception):
    """`sam local start-lambda` ended, or did not listen in time; the text is what it printed."""


@dataclass(frozen=True)
class Ran:
    """A container that a function ran in."""

    function: str
    container: str
    image: str


def localized(built: Path, environments: Mapping[str, Mapping[str, str]], endpoint: str) -> Path:
    """The built template with each function's environment as it is on a stack whose AWS is at `endpoint`.

    `sam local` takes from outside no variable that the template does not declare, and resolves references to
    a stack's resources to their logical ids.
    """
    template = load(built)
    resources = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resources[logical_id] = resource
        elif logical_id in environments:
            properties = {
                name: value
                for name, value in resource["Properties"].items()
                if name in ("CodeUri", "Timeout", "MemorySize", "Layers")
            }
            properties["Environment"] = {"Variables": {**environments[logical_id], "AWS_ENDPOINT_URL": endpoint}}
            resources[logical_id] = {**resource, "Properties": properties}
    template["Globals"]["Function"].pop("Environment", None)
    local = built.with_name("local.json")
    kept = {name: template[name] for name in ("Transform", "Parameters", "Conditions", "Globals") if name in template}
    local.write_text(json.dumps({**kept, "Resources": resources}, indent=1))
    return local


class ContainerFunctions:
    """Functions by their logical ids, each in a warm container that `sam local start-lambda` keeps."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}/2015-03-31/functions"
        self._process = process
        self._log = log

    def invoke(self, logical_id: str, payload: bytes) -> Invocation:
        """Call a function; whether it failed is read from its answer, because `sam local` says nothing else."""
        request = urllib.request.Request(f"{self._url}/{logical_id}/invocations", data=payload)
        try:
            with urllib.request.urlopen(request, timeout=900) as answer:
                body = answer.read()
        except urllib.error.HTTPError as refusal:
            body = refusal.read()
        return judged(body)

    @property
    def output(self) -> str:
        """What `sam` and the functions printed."""
        return self._log.read_text(errors="replace")


def judged(body: bytes) -> Invocation:
    """A function's answer from what `sam local` printed or sent: an error is known by its shape alone."""
    try:
        told = json.loads(body)
    except ValueError:
        kind = "Sandbox.Timedout" if b"timed out" in body else "Runtime.ExitError"
        message = body.decode(errors="replace").strip() or "the container ended without an answer"
        return Invocation(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
    return Invocation(body, failed=isinstance(told, dict) and "errorType" in told)


@contextmanager
def start_lambda(
    tools: Toolchain, engine: Engine, image: Image, template: Path, log: Path
) -> Iterator[ContainerFunctions]:
    """`sam local start-lambda` on a free port of this machine until the block ends.

    Raises `FunctionsNotStartedError`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _HEARS_INTERRUPTS),
                *(tools.sam, "local", "start-lambda", "--template", template),
                *("--host", "127.0.0.1", "--port", str(port), "--region", REGION),
                *("--warm-containers", "LAZY", "--skip-pull-image", "--invoke-image", image.name, *_ISOLATION),
            ],
            cwd=template.parent,
            env={**tools.environment, **engine.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_port(port, process, log)
        yield ContainerFunctions(port, process, log)
    finally:
        # As from a terminal: `sam` removes its containers on an interrupt and on nothing else.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        if process.poll() is None:
            process.kill()
            process.wait()


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise FunctionsNotStartedError(log.read_text(errors="replace"))


def invoke(
    tools: Toolchain, engine: Engine, image: Image, template: Path, logical_id: str, event: Path
) -> tuple[Invocation, str]:
    """`sam local invoke`: a function in a container of its own; its answer and what it printed."""
    done = subprocess.run(
        [
            *(tools.sam, "local", "invoke", logical_id, "--template", template, "--event", event, "--region", REGION),
            *("--skip-pull-image", "--invoke-image", image.name, *_ISOLATION),
        ],
        cwd=template.parent,
        env={**tools.environment, **engine.environment},
        capture_output=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    return judged(lines[-1] if lines else b""), done.stderr.decode(errors="replace")


@contextmanager
def application(
    standin: StandIn,
    tools: Toolchain,
    engine: Engine,
    image: Image,
    built: Path,
    *,
    slots: int,
    parameters: Mapping[str, str],
) -> Iterator[tuple[LocalApp, Path, ContainerFunctions]]:
    """The whole application in real time, every Lambda task of it in a container until the block ends.

    Also yields the template that `sam local` was given, and the functions.
    """
    started: list[ContainerFunctions] = []
    with ExitStack() as stack:
        app = stack.enter_context(
            LocalApp(
                standin,
                clock=ScaledClock(1),
                port=0,
                host=engine.address,
                host_name=HOST,
                slots=slots,
                parameters=parameters,
                remote=lambda logical_id, payload: started[0].invoke(logical_id, payload),
            )
        )
        endpoint = app.stack.url.replace(engine.address, HOST)
        environments = {logical_id: function.environment for logical_id, function in app.stack.functions.items()}
        template = localized(built, environments, endpoint)
        log = built.with_name("start-lambda.log")
        started.append(stack.enter_context(start_lambda(tools, engine, image, template, log)))
        yield app, template, started[0]
