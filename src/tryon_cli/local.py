"""`tryon local`: the whole application on this machine, for one run or until it is stopped."""

import argparse
import contextlib
import logging
import os
import resource
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from tryon.planning.manifest import Manifest
from tryon.service import registry
from tryon_cli.drop import await_claim, check, put, read
from tryon_cli.options import MOST_SLOTS, counted, positive, whole
from tryon_cli.run import bring, checks, exit_code, outcome, say_broken, say_pictures
from tryon_cli.runs import say_left_out
from tryon_cli.saving import save
from tryon_cli.settings import MOST_PORTS
from tryon_cli.target import LOCAL_PORT, LOCAL_STACK, Target, TargetError
from tryon_cli.watch import table, watch
from tryon_local.environment import isolated

if TYPE_CHECKING:
    from tryon_local.app import LocalApp
    from tryon_local.service.faults import Fault

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that has template.yaml, in a checkout."""

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
            "--slots",
            type=whole(1, MOST_SLOTS),
            default=DEFAULT_SLOTS,
            metavar="N",
            help="tasks that each service runs at once (%(default)s)",
        )
        parser.add_argument(
            "--service",
            type=_service,
            default=registry.FIRST,
            metavar="NAME",
            help="the service of manifests that name none: volcengine, fashn, fal, or one of their models as "
            "service/model (volcengine)",
        )
        parser.add_argument(
            "--speed",
            type=positive,
            default=DEFAULT_SPEED,
            help="how much faster than real time everything runs: waits, service, back-off (%(default)g)",
        )
        parser.add_argument(
            "--port",
            type=whole(0, MOST_PORTS),
            default=None if name == "up" else 0,
            metavar="PORT",
            help="port on 127.0.0.1, 0 for any that is free "
            + (f"(default: $TRYON_PORT, a setting file's, or {LOCAL_PORT})" if name == "up" else "(%(default)s)"),
        )
        parser.add_argument("--seed", type=int, default=1, help="seed of the service's latencies (%(default)s)")
        parser.add_argument(
            "--faults",
            type=Path,
            metavar="FILE",
            help="what shall go wrong at the service, such as samples/faults-one-garment.json"
            + ("; a run that ends with failures then has exit code 0" if name == "run" else ""),
        )
        parser.add_argument("--log", type=Path, metavar="FILE", help="file for what the functions log")
        if name == "up":
            parser.add_argument(
                "--console-port",
                type=whole(0, MOST_PORTS),
                default=CONSOLE_PORT,
                metavar="PORT",
                help="port on 127.0.0.1 of the page that shows runs and the workflow's graph (%(default)s)",
            )
        if name == "run":
            parser.add_argument("manifest", type=Path, help="the manifest; pictures are looked for beside it")
            parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (%(default)s)")
        parser.set_defaults(command=up if name == "up" else run)


def _service(name: str) -> str:
    try:
        return registry.find(name).key
    except registry.UnknownServiceError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@contextlib.contextmanager
def local_target(arguments: argparse.Namespace, faults: tuple["Fault", ...]) -> Iterator[tuple[Target, "LocalApp"]]:
    """A running application, as a target and as itself."""
    # Before the imports, some of which read variables.
    with isolated(), _started(arguments, faults) as started:
        yield started


def _check_installed() -> None:
    """The stack runs the project's own files, which a wheel does not have, and packages of the extra `local`."""
    if not (CHECKOUT / "template.yaml").is_file():
        raise TargetError(
            "`tryon local` needs a checkout of the project: the installed package has no template, state machine and "
            "functions. In a checkout, run `make run`, or install with: pip install -e '.[local]'"
        )
    missing = [name for name in ("moto", "jsonata", "samtranslator", "aws_lambda_powertools") if not find_spec(name)]
    if missing:
        raise TargetError(
            f"`tryon local` needs packages that are not installed ({', '.join(missing)}): pip install -e '.[local]'"
        )


@contextlib.contextmanager
def _started(arguments: argparse.Namespace, faults: tuple["Fault", ...]) -> Iterator[tuple[Target, "LocalApp"]]:
    # Here, because the AWS stand-in takes a second to import and the other commands do without it.
    from tryon_local.app import LocalApp
    from tryon_local.clock import PacedClock
    from tryon_local.service.faults import FaultPlan
    from tryon_local.service.others import others
    from tryon_local.service.studio import Studio
    from tryon_local.service.tasks import TypicalLatency
    from tryon_local.service.volcengine.standin import StandIn

    logging.getLogger("moto").setLevel(logging.CRITICAL)
    clock = PacedClock(arguments.speed)
    with contextlib.ExitStack() as stack:
        studio = stack.enter_context(Studio())
        standin = StandIn(
            clock,
            slots=arguments.slots,
            latency=TypicalLatency(arguments.seed),
            picture=studio,
            faults=FaultPlan(*faults, seed=arguments.seed),
            seed=arguments.seed,
        )
        log = stack.enter_context(arguments.log.open("w", encoding="utf-8")) if arguments.log else None
        app = stack.enter_context(
            LocalApp(
                standin,
                clock=clock,
                port=arguments.port,
                slots=arguments.slots,
                parameters={"DefaultService": arguments.service, **_slots_of_others(arguments.slots)},
                others=others(clock, slots=arguments.slots, picture=studio, faults=faults, seed=arguments.seed),
                log=(lambda function, line: print(line.rstrip(), file=log, flush=True)) if log else _discard,
            )
        )
        # The first to end: whoever waits for a picture waits no longer.
        stack.callback(studio.close)
        yield Target(LOCAL_STACK, app.stack.outputs, app.stack.client, clock, speed=arguments.speed), app


def _slots_of_others(slots: int) -> dict[str, str]:
    """The template's parameters that switch every further service on."""
    return {f"{name.capitalize()}Slots": str(slots) for name in registry.SERVICES[1:]}


def _cadence(manifest: Manifest) -> str:
    """The waits before the polls, in words."""
    if isinstance(manifest.cadence, str):
        return repr(manifest.cadence)
    told = [(key, manifest.cadence or registry.find(key).cadence) for key in manifest.services()]
    if manifest.cadence or len(told) == 1:
        return f"{'/'.join(map(str, told[0][1]))} s"
    return ", ".join(f"{'/'.join(map(str, waits))} s at {key.partition('/')[0]}" for key, waits in told)


def _discard(function: str, line: str) -> None:
    return None


def _faults(path: Path | None) -> tuple["Fault", ...]:
    """The faults of a file; raises OSError when it cannot be read, `TargetError` when it holds something else."""
    from tryon_local.service.faults import FaultFileError, read_faults

    try:
        return () if path is None else read_faults(path)
    except FaultFileError as error:
        raise TargetError(str(error)) from None


def _stop_when_told() -> None:
    """Let Ctrl-C and SIGTERM end what the main thread does, wherever it is; a second one ends the process there."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _check_free(**ports: int) -> None:
    """Raise `TargetError` for a port that is taken; the names are those of the options."""
    with contextlib.ExitStack() as taken:
        for option, port in ports.items():
            try:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise TargetError(
                    f"port {port} on 127.0.0.1 cannot be used: {reason.lower()}; choose another with "
                    f"--{option.replace('_', '-')}"
                ) from None


def up(arguments: argparse.Namespace, console: Console) -> int:
    """Serve until interrupted; raises `TargetError` where the stack cannot run."""
    _check_installed()
    faults = _faults(arguments.faults)
    _check_free(port=arguments.port, console_port=arguments.console_port)
    _stop_when_told()
    with contextlib.suppress(KeyboardInterrupt):
        # Here, as in `local_target`: it brings the AWS stand-in along.
        from tryon_cli.actions import ConsoleActions
        from tryon_local.console.server import serve

        with (
            local_target(arguments, faults) as (target, app),
            serve(app, arguments.console_port, ConsoleActions(target)) as page,
        ):
            console.print(_welcome(arguments, target, app, page.url), soft_wrap=True, highlight=False)
            threading.Event().wait()
    console.print("stopped; its runs, galleries and learned cadences are gone")
    return 0


def _welcome(arguments: argparse.Namespace, target: Target, app: "LocalApp", console_url: str) -> str:
    access_key, secret_key = app.standin.keys
    aws = f"  aws --endpoint-url {app.stack.url}"
    return "\n".join(
        (
            f"[bold]tryon[/] is up on {app.stack.url}, {arguments.speed:g} × real time, "
            f"{counted(arguments.slots, 'slot')}. Ctrl-C ends, "
            "and forgets every run, gallery and learned cadence: all is in memory.",
            f"Runs, the workflow's graph and galleries: [bold]{console_url}[/]",
            "",
            f"{aws} s3 cp my.json s3://{target.bucket}/manifests/",
            f"{aws} stepfunctions list-executions --state-machine-arn {target.outputs['StateMachineArn']}",
            f"{aws} dynamodb scan --table-name {target.outputs['LedgerTableName']}",
            f"{aws} s3 ls --recursive s3://{target.bucket}/",
            "",
            "Any keys do: export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1",
            f"The try-on service's stand-in answers on {app.service_url}, to these keys, which open nothing else: "
            f"access key {access_key}, secret key {secret_key}",
            *(f"That of {name} answers on {address}" for name, address in app.addresses.items()),
        )
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """One manifest, from upload to a folder of results; raises `TargetError` where the stack cannot run."""
    _check_installed()
    began = time.monotonic()
    try:
        return _run(arguments, console, began)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the run ended with its stack") from None


def _run(arguments: argparse.Namespace, console: Console, began: float) -> int:
    draft, faults = read(arguments.manifest, service=arguments.service), _faults(arguments.faults)
    _check_free(port=arguments.port)
    _stop_when_told()
    with local_target(arguments, faults) as (target, _):
        console.print(
            f"local stack ready in {time.monotonic() - began:.1f} s; time runs {arguments.speed:g} × as fast "
            f"(the cadence {_cadence(draft.manifest)}, the service and the back-off alike), "
            f"{counted(arguments.slots, 'slot')}",
            highlight=False,
            soft_wrap=True,
        )
        # Nothing leaves this machine, so nobody is asked about pictures from outside of the manifest's folder.
        in_bucket = check(target, draft)
        say_pictures(bring(target, draft, console), in_bucket, console)
        key, version = put(target, draft, complete=in_bucket.complete)
        claim = await_claim(target, key, version)
        console.print(f"s3://{target.bucket}/{key} became run [bold]{claim.run_id}[/]", highlight=False, soft_wrap=True)
        ended = watch(target, claim.run_id, console, execution=claim.execution)
        if ended.outcome is None:
            say_broken(ended, console)
            return exit_code(ended)
        entries = list(target.ledger.entries(claim.run_id))
        saved = save(target, claim.run_id, arguments.out)
        table(entries, console)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say_left_out(saved, console)
    console.print(
        f"\n{outcome(target, ended.outcome)} ({time.monotonic() - began:.0f} s here, at most {memory:.0f} MB)\n"
        f"{checks(ended.outcome)}gallery: [bold]{saved.folder / 'index.html'}[/]",
        highlight=False,
        soft_wrap=True,
    )
    if faults and exit_code(ended):
        console.print(f"{counted(ended.outcome.failed, 'failure')}, as --faults asks: exit code 0", highlight=False)
        return 0
    return exit_code(ended)


warnings.filterwarnings("ignore", module="moto|aws_lambda_powertools")
