"""`tryon stop`: end a run before its end."""

import argparse
from collections.abc import Sequence

from rich.console import Console

from tryon.state.entry import Entry, Status
from tryon.state.run import Run
from tryon_cli import found as runs_found
from tryon_cli.options import confirm, counted, run_option, said, stack_options, target
from tryon_cli.target import Target, TargetError


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `stop`."""
    parser = commands.add_parser(
        "stop",
        help="end a run: nothing more is submitted",
        description="Stop a run's execution. Nothing more is submitted. Tasks at the service go on there and are paid "
        "for: `tryon retry` fetches their pictures later. The run is reported as any other, some minutes later.",
    )
    run_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    stack_options(parser)
    parser.set_defaults(command=stop, json=False)


def stop(arguments: argparse.Namespace, console: Console) -> int:
    """Stop the execution of a run that goes on."""
    found = target(arguments)
    run_id = runs_found.newest(found, arguments.run_id)
    run = runs_found.read(found, run_id)
    if not run.running:
        raise TargetError(f"run {run_id} has ended: it is {run.status.lower()}")
    if run.execution is None:
        raise TargetError(f"run {run_id} names no execution: stop it in the console of Step Functions")
    entries = list(found.ledger.entries(run_id))
    waiting, at_service = at_stake(entries)
    talk = said(arguments, console)
    tasks = counted(len(at_service), "task")
    talk.print(
        f"run {run_id}: {counted(waiting, 'combination')} will not start; {tasks} at the service "
        "will be paid for all the same",
        highlight=False,
        soft_wrap=True,
    )
    if not arguments.yes:
        confirm("stop it?", talk, refusal="nothing was stopped", yes="stops the run")
    end(found, run, "stopped by `tryon stop`")
    talk.print(
        f"stopped; its end is recorded in some minutes: tryon watch {run_id}{found.options}\n"
        f"what is left: tryon retry {run_id}{found.options}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def at_stake(entries: Sequence[Entry]) -> tuple[int, list[Entry]]:
    """How many combinations will not start when a run is stopped, and those whose task is paid for all the same."""
    waiting = sum(entry.status in (Status.PLANNED, Status.SUBMITTING) for entry in entries)
    return waiting, [entry for entry in entries if entry.status is Status.SUBMITTED and entry.ended_at is None]


def end(found: Target, run: Run, cause: str) -> None:
    """Stop the execution of a run; the cause is what its record says."""
    found.client("stepfunctions").stop_execution(executionArn=run.execution, error="Stopped", cause=cause)
