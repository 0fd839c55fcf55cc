"""The calls: the command's own steps, without a question and without a terminal."""

import math
import sys
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from rich.console import Console

from tryon.checks import verdict_file
from tryon.planning.manifest import Manifest
from tryon.reporting.retry import descendants, key
from tryon.state.entry import Status
from tryon.state.run import Run
from tryon_cli import found as runs
from tryon_cli import new as manifests
from tryon_cli import options, price
from tryon_cli.drop import await_claim, check, put, read_for
from tryon_cli.plan import money
from tryon_cli.run import bring, left_of, put_retry, say_pictures, say_same
from tryon_cli.target import Target, TargetError
from tryon_cli.watch import watch
from tryon_client.objects import Plan, Result, Results, Written

AtMost = float | Mapping[str, float] | None
"""What a run may cost: a number in its only currency, or one for each currency; None for nothing that is real."""

Anywhere = Target | str | None
"""A stack: what `connect` returned, a name, or None for the usual one."""

Somewhere = str | PathLike[str]


class PriceError(TargetError):
    """A run may cost more than it was given; nothing was started. `plan` has what it costs."""

    def __init__(self, message: str, plan: Plan) -> None:
        super().__init__(message)
        self.plan = plan


class RunError(TargetError):
    """A run that was rejected or broke before it had results; `run_id` is its id."""

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


def connect(
    stack: str | None = None, *, profile: str | None = None, region: str | None = None, port: int | None = None
) -> Target:
    """A stack by its name, through ordinary AWS profiles; `local` is the one that `tryon local up` keeps on a port.

    What is not given is as the command has it, by environment variables and setting files. Raises `TargetError` when it
    does not answer.
    """
    return options.reach(stack=stack, profile=profile, region=region, port=port)


def new(
    folder: Somewhere | None = None,
    *,
    table: Somewhere | None = None,
    columns: Mapping[str, str] | None = None,
    name: str | None = None,
    service: str | None = None,
    out: Somewhere | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Written:
    """Write a manifest from a folder with models/ and garments/, or from a spreadsheet's rows, as `tryon new` does.

    `columns` are headings of the table by the field that they stand for. What is left out is printed with `progress`.
    Raises `TargetError` for what cannot be a manifest, and for a file that is there unless it may be overwritten.
    """
    asked = manifests.Asked(
        folder=None if folder is None else Path(folder),
        table=None if table is None else Path(table),
        column=columns or {},
        name=name,
        service=service,
        out=None if out is None else Path(out),
        force=overwrite,
    )
    path, made = manifests.write(asked, _console(progress))
    return Written(path, len(made.models), len(made.garments), len(made.outfits))


def plan(manifest: Somewhere, *, stack: Anywhere = None) -> Plan:
    """Check a manifest and its pictures and say what it would do at a stack; nothing is uploaded, nothing is paid.

    Raises `ManifestError` with all that is wrong with it.
    """
    draft, found = read_for(Path(manifest), lambda: _reached(stack))
    return Plan.of(price.of_draft(found, draft, check(found, draft)), real=not found.is_local)


def run(
    manifest: Somewhere,
    *,
    at_most: AtMost = None,
    upload_outside: bool = False,
    wait: bool = True,
    stack: Anywhere = None,
    progress: bool = True,
) -> Results:
    """Upload a manifest's pictures, start its run and wait for its end, for `at_most` that much money.

    `at_most` holds for the worst case, and need not be given where the money is a stand-in's. Pictures outside of the
    manifest's folder go up with `upload_outside` alone. Without `wait` the run is returned as soon as it has an id.
    Raises `PriceError` before anything is uploaded, `ManifestError`, and `RunError` for a run that has no results.
    """
    draft, found = read_for(Path(manifest), lambda: _reached(stack))
    console = _console(progress)
    in_bucket = check(found, draft)
    _hold(Plan.of(price.of_draft(found, draft, in_bucket), real=not found.is_local), at_most, console)
    if draft.outside and not upload_outside:
        named = ", ".join(str(path.resolve()) for path in draft.outside[:3])
        raise TargetError(
            f"{options.counted(len(draft.outside), 'picture')} outside of the manifest's folder, such as {named}: "
            "upload_outside=True uploads them"
        )
    say_same(found, draft, console)
    say_pictures(bring(found, draft, console), in_bucket, console)
    put_key, version = put(found, draft, complete=in_bucket.complete)
    return _followed(found, put_key, version, console, wait=wait)


def results(
    run: Results | str | None = None,
    *,
    repaired: bool = True,
    wait: bool = False,
    stack: Anywhere = None,
    progress: bool = True,
) -> Results:
    """A run as a table: by its id or how it begins, the newest by default, after its end with `wait`.

    With `repaired` a row that failed is the one of the retry that brought its picture. Raises `TargetError` for a run
    that is not there, `RunError` for one that has no results.
    """
    found = run.stack if isinstance(run, Results) and stack is None else _reached(stack)
    run_id = run.run_id if isinstance(run, Results) else runs.newest(found, run)
    if wait:
        watch(found, run_id, _console(progress))
    return _table(found, run_id, repaired=repaired)


def retry(
    run: Results | str | None = None,
    *,
    at_most: AtMost = None,
    include_unknown: bool = False,
    new_pictures: bool = False,
    wait: bool = True,
    stack: Anywhere = None,
    progress: bool = True,
) -> Results | None:
    """Run again what failed of a run, for `at_most` that much money; None where nothing is left to do.

    Tasks that were paid for are resumed. Combinations whose submit has an unknown outcome are left out unless
    `include_unknown`: they may be paid twice. The rows are the retry's own; `results` of the first run has them all.
    Raises `PriceError` before anything is started.
    """
    found = run.stack if isinstance(run, Results) and stack is None else _reached(stack)
    run_id = run.run_id if isinstance(run, Results) else runs.newest(found, run)
    console = _console(progress)
    left = left_of(found, run_id, include_unknown=include_unknown, new_pictures=new_pictures)
    if left.unknown:
        console.print(f"{left.unknown} left out: the outcome of their submit is unknown", highlight=False)
    if left.wanted is None:
        return None
    _hold(_price_of(found, left.wanted), at_most, console)
    put_key, version = put_retry(found, run_id, left.wanted)
    return _followed(found, put_key, version, console, wait=wait)


def _reached(stack: Anywhere) -> Target:
    return stack if isinstance(stack, Target) else connect(stack)


def _console(progress: bool) -> Console:
    """Plain lines on standard output, which notebooks show without any widget."""
    return Console(
        file=sys.stdout,
        width=options.LOG_WIDTH,
        quiet=not progress,
        force_terminal=False,
        force_jupyter=False,
        force_interactive=False,
        no_color=True,
    )


def _price_of(found: Target, wanted: Manifest) -> Plan:
    return Plan.of(price.of_retry(found, wanted), real=not found.is_local)


def _hold(told: Plan, at_most: AtMost, console: Console) -> None:
    """Say what it costs; raises `PriceError` when it may be more than it was given."""
    console.print(str(told), markup=False, highlight=False, soft_wrap=True)
    needed = {currency: amount for currency, amount in told.costs_at_most.items() if amount or len(told.costs) == 1}
    if at_most is None:
        if told.real and told.tasks:
            raise PriceError(f"{told}; nothing was started: at_most={_written(needed)} starts it", told)
        return
    given = at_most if isinstance(at_most, Mapping) else dict.fromkeys(needed, at_most)
    if len(needed) > 1 and not isinstance(at_most, Mapping):
        raise PriceError(f"{told}: at_most needs an amount for each currency, such as {_written(needed)}", told)
    # Not `amount > given`, which is False for what is no number.
    held = {currency for currency, amount in needed.items() if amount <= given.get(currency, 0.0) + _ROUNDING}
    over = {currency: amount for currency, amount in needed.items() if currency not in held}
    if over:
        raise PriceError(f"{told}; nothing was started: it may cost {money(over)}, at_most is {at_most}", told)


_ROUNDING = 1e-6
"""Of adding prices up."""


def _written(costs: Mapping[str, float]) -> str:
    """Amounts as `at_most` takes them, none below what is needed."""
    rounded = {currency: math.ceil(amount * 100 - _ROUNDING) / 100 for currency, amount in costs.items()}
    return f"{next(iter(rounded.values())):.2f}" if len(rounded) == 1 else repr(rounded)


def _followed(found: Target, put_key: str, version: str, console: Console, *, wait: bool) -> Results:
    """The run that a manifest became, after its end if it is waited for."""
    claim = await_claim(found, put_key, version)
    console.print(f"run {claim.run_id}", markup=False, highlight=False, soft_wrap=True)
    if wait:
        watch(found, claim.run_id, console, execution=claim.execution)
    return _table(found, claim.run_id, repaired=False)


def _table(found: Target, run_id: str, *, repaired: bool) -> Results:
    run = found.ledger.run(run_id)
    if run is None:
        return Results.of(Run(run_id), (), found)
    if not run.running and run.outcome is None:
        raise RunError(f"run {run_id} is {run.status.lower()}: {run.error}: {run.cause}", run_id)
    later = list(descendants(found.ledger, run_id)) if repaired else []
    verdicts = verdict_file.read_all(found.s3, found.bucket, [run_id, *(one.run_id for one in later)])
    rows = {key(entry): Result.of(run_id, entry, verdicts, found) for entry in found.ledger.entries(run_id)}
    for one in later:
        for entry in found.ledger.entries(one.run_id):
            old = rows.get(key(entry))
            if old is not None and not old.succeeded and entry.status is Status.SUCCEEDED:
                rows[key(entry)] = Result.of(one.run_id, entry, verdicts, found)
    return Results.of(run, tuple(rows.values()), found)
