"""`tryon local`: the whole application on this machine, for one run or until it is stopped."""

import argparse
import contextlib
import json
import logging
import resource
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from cli.drop import await_claim, drop
from cli.run import exit_code, say_broken
from cli.runs import save
from cli.target import CLOCK_PARAMETER, LOCAL_PORT, LOCAL_STACK, LocalStackClock, Target
from cli.watch import table, watch
from tryon.cadence import DEFAULT

if TYPE_CHECKING:
    from local.app import LocalApp

CONSOLE_PORT = 4578
"""Where `tryon local up` shows its runs unless told otherwise."""

DEFAULT_SPEED = 10.0
DEFAULT_SLOTS = 6


def add_arguments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `local up` and `local run`."""
    for name, text in (
        ("up", "keep the stack running on a fixed port for the AWS CLI, boto3 and this command"),
        ("run", "start the stack, run one manifest through it, leave the results in a folder"),
    ):
        parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        parser.add_argument(
            "--slots", type=int, default=DEFAULT_SLOTS, help="tasks the service runs at once (%(default)s)"
        )
        parser.add_argument(
            "--speed",
            type=float,
            default=DEFAULT_SPEED,
            help="how much faster than real time everything runs: waits, service, back-off (%(default)g)",
        )
        parser.add_argument(
            "--port", type=int, default=LOCAL_PORT if name == "up" else 0, help="port on 127.0.0.1 (%(default)s)"
        )
        parser.add_argument("--seed", type=int, default=1, help="seed of the service's latencies (%(default)s)")
        parser.add_argument("--log", type=Path, help="file for what the functions log")
        if name == "up":
            parser.add_argument(
                "--console-port",
                type=int,
                default=CONSOLE_PORT,
                help="port on 127.0.0.1 of the page that shows runs and the workflow's graph (%(default)s)",
            )
        if name == "run":
            parser.add_argument("manifest", type=Path, help="the manifest; pictures are looked for beside it")
            parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (%(default)s)")
        parser.set_defaults(command=up if name == "up" else run)


@contextlib.contextmanager
def local_target(arguments: argparse.Namespace) -> Iterator[tuple[Target, "LocalApp"]]:
    """A running application, as a target and as itself."""
    # Here, because the AWS stand-in takes a second to import and the other commands do without it.
    from local.app import LocalApp
    from local.clock import PacedClock
    from local.service.standin import StandIn
    from local.service.studio import Studio
    from local.service.tasks import TypicalLatency

    logging.getLogger("moto").setLevel(logging.CRITICAL)
    clock = PacedClock(arguments.speed)
    with contextlib.ExitStack() as stack:
        standin = StandIn(
            clock,
            slots=arguments.slots,
            latency=TypicalLatency(arguments.seed),
            picture=stack.enter_context(Studio()),
            seed=arguments.seed,
        )
        log = stack.enter_context(arguments.log.open("w")) if arguments.log else None
        app = stack.enter_context(
            LocalApp(
                standin,
                clock=clock,
                port=arguments.port,
                slots=arguments.slots,
                log=(lambda function, line: print(line.rstrip(), file=log, flush=True)) if log else _discard,
            )
        )
        yield Target(LOCAL_STACK, app.stack.outputs, app.stack.client, clock), app


def _discard(function: str, line: str) -> None:
    return None


def up(arguments: argparse.Namespace, console: Console) -> int:
    """Serve until interrupted."""
    # Here, as in `local_target`: it brings the AWS stand-in along.
    from local.console.server import serve

    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with local_target(arguments) as (target, app), serve(app, arguments.console_port) as page:
        clock = LocalStackClock(target.clock.now(), time.time(), arguments.speed)
        target.client("ssm").put_parameter(Name=CLOCK_PARAMETER, Type="String", Value=json.dumps(asdict(clock)))
        console.print(_welcome(arguments, target, app.service_url, page.url), soft_wrap=True, highlight=False)
        stopped.wait()
    console.print("stopped")
    return 0


def _welcome(arguments: argparse.Namespace, target: Target, service_url: str, console_url: str) -> str:
    url = f"http://127.0.0.1:{arguments.port}"
    aws = f"  aws --endpoint-url {url}"
    return "\n".join(
        (
            f"[bold]tryon[/] is up on {url}, {arguments.speed:g} × real time, {arguments.slots} slots. Ctrl-C ends.",
            f"Runs, the workflow's graph and galleries: [bold]{console_url}[/]",
            "",
            f"{aws} s3 cp my.json s3://{target.bucket}/manifests/",
            f"{aws} stepfunctions list-executions --state-machine-arn {target.outputs['StateMachineArn']}",
            f"{aws} dynamodb scan --table-name {target.outputs['LedgerTableName']}",
            f"{aws} s3 ls --recursive s3://{target.bucket}/",
            "",
            "Any keys do: export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1",
            f"The try-on service's stand-in answers on {service_url}.",
        )
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """One manifest, from upload to a folder of results."""
    began = time.monotonic()
    with local_target(arguments) as (target, _):
        cadence = "/".join(map(str, DEFAULT))
        console.print(
            f"local stack ready in {time.monotonic() - began:.1f} s; time runs {arguments.speed:g} × as fast "
            f"(the cadence {cadence} s, the service and the back-off alike), {arguments.slots} slots",
            highlight=False,
        )
        key, version = drop(target, arguments.manifest)
        claim = await_claim(target, key, version)
        console.print(f"s3://{target.bucket}/{key} became run [bold]{claim.run_id}[/]", highlight=False, soft_wrap=True)
        ended = watch(target, claim.run_id, console)
        if "succeeded" not in ended:
            say_broken(ended, console)
            return exit_code(ended)
        entries = list(target.ledger.entries(claim.run_id))
        folder = save(target, claim.run_id, arguments.out)
        table(entries, console)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(
        f"\n[bold]{ended['succeeded']} of {ended['total']}[/] succeeded in {ended['seconds']:.0f} s of workflow "
        f"({time.monotonic() - began:.0f} s here, at most {memory:.0f} MB)\n"
        f"gallery: [bold]{folder / 'index.html'}[/]",
        highlight=False,
        soft_wrap=True,
    )
    return exit_code(ended)


warnings.filterwarnings("ignore", module="moto|aws_lambda_powertools")
