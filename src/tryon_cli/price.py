"""What a run costs, said before it is paid; above a handful of combinations it is asked first."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from rich.console import Console

from tryon.json_types import UnreadableError
from tryon.planning.manifest import Manifest
from tryon.reporting import retry
from tryon.state.run import Run
from tryon_cli import balance
from tryon_cli.drop import Draft, InBucket
from tryon_cli.options import confirm, counted, duration
from tryon_cli.plan import Forecast, forecast, limits_of, money
from tryon_cli.target import Target

HANDFUL = 6
"""Combinations that are paid for without a question."""

LOOKED_AT = 50
"""Runs, the newest, among which one of the same manifest is looked for."""


def of_draft(found: Target, draft: Draft, in_bucket: InBucket) -> Forecast:
    """What a manifest costs at this stack; raises `ManifestError` for what the stack would not run."""
    earlier = retry.look_back(draft.manifest, found.ledger, found.clock.now())
    limits = limits_of(found, draft.manifest)
    first = limits[draft.manifest.services()[0]]
    told = forecast(draft, first, others=limits, earlier=earlier, in_bucket=in_bucket)
    return replace(told, credits_left=balance.known(found, told.credits))


def of_retry(found: Target, wanted: Manifest) -> Forecast:
    """What a retry manifest costs: a task that was paid for is resumed."""
    draft = Draft("", b"", Path(), wanted, {}, {}, {})
    return of_draft(found, draft, InBucket((), ()))


def same_manifest(found: Target, draft: Draft) -> Run | None:
    """The newest run of the very same manifest that brought pictures, None where there is none."""
    key = f"manifests/{draft.name}"
    for run in islice(found.ledger.each_run(LOOKED_AT), LOOKED_AT):
        if isinstance(run, UnreadableError) or run.manifest_key != key or run.outcome is None:
            continue
        put = found.s3.get_object(Bucket=run.bucket, Key=key, VersionId=run.manifest_version)["Body"].read()
        if put == draft.data and run.outcome.succeeded:
            return run
    return None


def say(told: Forecast, found: Target, console: Console) -> None:
    """The price in a line, and at most what it may become."""
    paid = len(told.combinations) - told.resumed
    to = "the stand-in, not real," if found.is_local else "the service"
    resumed = f", {told.resumed} paid for already" if told.resumed else ""
    console.print(
        f"{counted(len(told.combinations), 'combination')}{resumed}: {money(told.costs)} to {to} for "
        f"{counted(paid, 'task')}, about {duration(told.seconds)}",
        highlight=False,
        soft_wrap=True,
    )
    for name, needed in told.credits.items():
        console.print(f"  {balance.said(name, needed, told.credits_left.get(name))}", highlight=False, soft_wrap=True)
    if told.cost_at_most > told.cost:
        console.print(
            f"  at most {told.cost_at_most:.2f} {told.currency}, should the service refuse every result each time",
            highlight=False,
            soft_wrap=True,
        )


def ask(told: Forecast, found: Target, console: Console, *, yes: bool) -> None:
    """Ask before more than a handful is paid for; a stand-in's money is not real. Raises `TargetError` for no."""
    if not yes and not found.is_local and len(told.combinations) - told.resumed > HANDFUL:
        confirm(
            "start it?",
            console,
            refusal="nothing was started",
            yes="starts it",
            at_stake=f"{money(told.costs)} would be paid and ",
        )
