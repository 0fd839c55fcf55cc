"""`tryon run`, `watch` and `retry`: bring a manifest to a stack, follow its run, run again what failed."""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.console import Console

from tryon.planning import plan
from tryon.planning.manifest import Manifest, read_again
from tryon.reporting import retry
from tryon.state.entry import Status
from tryon.state.run import Outcome, Run, RunStatus
from tryon_cli import price
from tryon_cli.drop import Draft, InBucket, Uploaded, await_claim, check, put, read_for, upload
from tryon_cli.found import newest
from tryon_cli.options import confirm, counted, json_option, print_json, run_option, said, stack_options, target
from tryon_cli.pictures import MAX_KEY_BYTES, cleaned
from tryon_cli.plan import money as in_words
from tryon_cli.target import Target, TargetError
from tryon_cli.watch import QUIET_SECONDS, table, watch

MAX_NAMED = 3
"""Pictures of the bucket that are named; the manifest has all."""

EXIT_CODES = "exit codes: 0 every combination has a picture, 1 some or all failed, 2 the manifest cannot be run"


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `run`, `watch` and `retry`."""
    parser = commands.add_parser(
        "run",
        help="upload a manifest and the pictures it names, then watch",
        description="Check a manifest and its pictures as `tryon plan` does, upload the pictures that are files here, "
        "then the manifest, then watch. The price is said first, and asked above a handful of combinations.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("manifest", type=Path, help="the manifest's file")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask: neither before more than a handful is paid for nor before pictures from outside of the "
        "manifest's folder are uploaded",
    )
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=run)

    parser = commands.add_parser("watch", help="follow a run until it has ended", epilog=EXIT_CODES)
    run_option(parser)
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=follow)

    parser = commands.add_parser(
        "retry",
        help="run again what failed; tasks already paid for are resumed",
        description="Run again only what failed. Tasks that were late are asked for again, not paid again. "
        "Combinations whose submit has an unknown outcome are left out: a task may exist and be billed. So are those "
        "that another retry repaired or is repairing.",
        epilog=EXIT_CODES,
    )
    run_option(parser)
    parser.add_argument("--include-unknown", action="store_true", help="repeat unknown outcomes too: may be paid twice")
    parser.add_argument(
        "--new-pictures",
        action="store_true",
        help="take the newest pictures of the same names, instead of those that the run was made of",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before it is paid for")
    parser.add_argument("--print", action="store_true", help="print the retry manifest and do nothing")
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=again)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Check, upload, drop, watch."""
    talk = said(arguments, console)
    try:
        draft, found = read_for(arguments.manifest, lambda: target(arguments))
        in_bucket = check(found, draft)
        told = price.of_draft(found, draft, in_bucket)
        price.say(told, found, talk)
        say_same(found, draft, talk)
        price.ask(told, found, talk, yes=arguments.yes)
        _ask(draft, talk, yes=arguments.yes)
        uploaded = bring(found, draft, talk)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted before the manifest was put: nothing was started") from None
    say_pictures(uploaded, in_bucket, talk)
    try:
        key, version = put(found, draft, complete=in_bucket.complete)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_perhaps_started(found)) from None
    return follow_claimed(found, key, version, arguments, console)


def say_same(found: Target, draft: Draft, console: Console) -> None:
    """Say which run has pictures of the very same manifest already."""
    before = price.same_manifest(found, draft)
    if before is not None and before.outcome is not None:
        there = counted(before.outcome.succeeded, "picture")
        console.print(
            f"{there} of the same manifest {'is' if before.outcome.succeeded == 1 else 'are'} in run {before.run_id}; "
            f"this makes and pays for all again: tryon open {before.run_id}{found.options}",
            highlight=False,
            soft_wrap=True,
        )


def bring(found: Target, draft: Draft, console: Console) -> Uploaded:
    """Upload a draft's pictures: in a terminal with a line that says how far it is, elsewhere with one now and then."""
    pictures = {picture.key: picture.bytes for picture in draft.local.values()}
    of = f"of {counted(len(pictures), 'picture')}"
    whole = sum(pictures.values()) / 1e6
    said_at = time.monotonic()
    with console.status(f"uploading 0 {of}") as status:

        def said(number: int, done: int) -> None:
            nonlocal said_at
            text = f"uploading: {number} {of}, {done / 1e6:.1f} of {whole:.1f} MB"
            status.update(text)
            if not console.is_terminal and time.monotonic() - said_at > QUIET_SECONDS:
                console.print(text, markup=False, highlight=False, soft_wrap=True)
                said_at = time.monotonic()

        return upload(found, draft, said)


def _ask(draft: Draft, console: Console, *, yes: bool) -> None:
    """Name the files from outside of the manifest's folder, and go on when the user says yes."""
    if not draft.outside:
        return
    console.print(
        f"{counted(len(draft.outside), 'picture')} outside of the manifest's folder would be uploaded:",
        highlight=False,
        soft_wrap=True,
    )
    for path in draft.outside:
        console.print(f"  {path.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if yes:
        return
    confirm("upload them?", console, refusal="nothing was uploaded", yes="uploads them")


def say_pictures(uploaded: Uploaded, in_bucket: InBucket, console: Console) -> None:
    """Say where the pictures of a run come from."""
    parts = []
    if uploaded.new:
        parts.append(f"{counted(uploaded.new, 'picture')} uploaded")
    if uploaded.there:
        parts.append(f"{uploaded.there if parts else counted(uploaded.there, 'picture')} there already")
    for images, words in (
        (in_bucket.there, "taken from the bucket"),
        (in_bucket.unknown, "in the bucket, not checked"),
    ):
        if images:
            number = str(len(images)) if parts else counted(len(images), "picture")
            named = ", ".join(images[:MAX_NAMED]) + (", …" if len(images) > MAX_NAMED else "")
            parts.append(f"{number} {words}: {named}")
    console.print(", ".join(parts), markup=False, highlight=False, soft_wrap=True)


def _perhaps_started(found: Target) -> str:
    return f"interrupted while the manifest was put; if a run was started, `tryon list{found.options}` shows it"


def follow(arguments: argparse.Namespace, console: Console) -> int:
    """Watch a run that goes on already."""
    found = target(arguments)
    return finish(found, newest(found, arguments.run_id), arguments, console)


def again(arguments: argparse.Namespace, console: Console) -> int:
    """Drop the manifest of what failed."""
    found = target(arguments)
    run_id = newest(found, arguments.run_id)
    left = left_of(found, run_id, include_unknown=arguments.include_unknown, new_pictures=arguments.new_pictures)
    say = Console(stderr=True) if arguments.json else console
    if left.unknown:
        say.print(
            f"{left.unknown} left out: the outcome of their submit is unknown, a task may exist and be billed "
            "(--include-unknown repeats them)",
            highlight=False,
        )
    if left.wanted is None:
        if arguments.json:
            print_json(console, {"run_id": run_id, "nothing_left": True, "repaired_by": left.by})
        else:
            told = f": repaired by {', '.join(left.by)}" if left.by else ""
            console.print(f"nothing of run {run_id} is left to do{told}", highlight=False, soft_wrap=True)
        return 0
    if left.by:
        say.print(f"left out what {', '.join(left.by)} repaired or is repairing", highlight=False, soft_wrap=True)
    if arguments.print:
        console.print(left.wanted.encode(), markup=False, highlight=False, soft_wrap=True)
        return 0
    cost = price.of_retry(found, left.wanted)
    price.say(cost, found, say)
    price.ask(cost, found, say, yes=arguments.yes)
    key, version = put_retry(found, run_id, left.wanted)
    return follow_claimed(found, key, version, arguments, console)


@dataclass(frozen=True)
class Left:
    """What of a run is left to do: None for nothing.

    `unknown` counts what is left out because a task may exist and be billed, `by` are the ids of other retries that
    repaired something or are repairing it.
    """

    wanted: Manifest | None
    unknown: int
    by: list[str]


def left_of(found: Target, run_id: str, *, include_unknown: bool = False, new_pictures: bool = False) -> Left:
    """What of a run is left to do; raises `TargetError` for one that has not ended or never was planned."""
    run = found.ledger.run(run_id)
    if run is None:
        raise TargetError(f"run {run_id} is not in this stack's ledger")
    if run.running:
        raise TargetError(f"run {run_id} has not ended: see `tryon watch {run_id}{found.options}`")
    entries = list(found.ledger.entries(run_id))
    if not entries:
        raise TargetError(f"run {run_id} was {run.status.lower()} before anything was planned: {run.cause}")
    original = read_again(found.s3, run.bucket, run.manifest_key, run.manifest_version, default_service=run.service)
    wanted = retry.manifest(original, run_id, entries, include_unknown=include_unknown)
    unknown = 0 if include_unknown else sum(entry.outcome_unknown for entry in entries)
    by: list[str] = []
    if wanted is not None:
        wanted, by = _without_repaired(found, wanted, new_pictures=new_pictures)
    return Left(wanted, unknown, by)


def put_retry(found: Target, run_id: str, wanted: Manifest) -> tuple[str, str]:
    """Put the manifest of what is left of a run, which starts its run; returns its key and version."""
    run = found.ledger.run(run_id)
    key = retry_key(run.manifest_key if run else run_id)
    return key, found.s3.put_object(Bucket=found.bucket, Key=key, Body=wanted.encode().encode())["VersionId"]


def retry_key(manifest_key: str) -> str:
    """Where the manifest of a retry goes, by where that of its run was: a run's id is made of it, and stays short.

    A retry of a retry has the same one; versions keep them apart.
    """
    name = PurePosixPath(manifest_key).name
    stem = name[: -len(".json")] if name.lower().endswith(".json") else name
    most = MAX_KEY_BYTES - len("manifests/-retry.json")
    return f"manifests/{cleaned(stem.removesuffix('-retry'), most)}-retry.json"


def _without_repaired(found: Target, wanted: Manifest, *, new_pictures: bool) -> tuple[Manifest | None, list[str]]:
    """A retry manifest without what other retries have repaired or are repairing, and those retries' ids."""
    if new_pictures:
        wanted = wanted.model_copy(update={"new_pictures": True})
    earlier = retry.look_back(wanted, found.ledger, found.clock.now())
    left = [wanted.combinations[i] for i, key in plan.named(wanted) if key not in earlier.done]
    return (wanted.model_copy(update={"combinations": left}) if left else None), sorted(earlier.by)


def follow_claimed(found: Target, key: str, version: str, arguments: argparse.Namespace, console: Console) -> int:
    """Wait for the run of a manifest that was put, name it, and watch it unless it is left alone."""
    try:
        claim = await_claim(found, key, version)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_perhaps_started(found)) from None
    said(arguments, console).print(
        f"run [bold]{claim.run_id}[/], from s3://{found.bucket}/{key}", highlight=False, soft_wrap=True
    )
    if arguments.detach:
        if arguments.json:
            print_json(console, {"run_id": claim.run_id, "execution": claim.execution})
        return 0
    return finish(found, claim.run_id, arguments, console, execution=claim.execution)


def finish(
    found: Target, run_id: str, arguments: argparse.Namespace, console: Console, *, execution: str | None = None
) -> int:
    """Watch to the end and say how it ended."""
    try:
        ended = watch(found, run_id, said(arguments, console), execution=execution)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; run {run_id} goes on: `tryon watch {run_id}{found.options}` follows it"
        ) from None
    if arguments.json:
        print_json(console, ended.as_item())
        return exit_code(ended)
    entries = list(found.ledger.entries(run_id))
    if ended.outcome is None:
        say_broken(ended, console)
        return exit_code(ended)
    table(entries, console)
    console.print(
        f"\n{outcome(found, ended.outcome)}\n{checks(ended.outcome)}", end="", highlight=False, soft_wrap=True
    )
    if any(entry.status is not Status.SUCCEEDED for entry in entries):
        console.print(f"repair: tryon retry {run_id}{found.options}", highlight=False, soft_wrap=True)
    console.print(f"gallery: tryon open {run_id}{found.options}", highlight=False, soft_wrap=True)
    if ended.retry_of:
        first = retry.ancestors(found.ledger, run_id)[-1].run_id
        console.print(f"all of the run: tryon open {first}{found.options}", highlight=False, soft_wrap=True)
    return exit_code(ended)


def outcome(found: Target, ended: Outcome) -> str:
    """How a run ended, in a line: a stand-in's seconds and money are not real."""
    return (
        f"[bold]{ended.succeeded} of {ended.total}[/] succeeded in {ended.seconds:.0f} s"
        + (" of workflow" if found.is_local else "")
        + f", {paid_to(found, ended.cost.totals)}"
    )


def checks(ended: Outcome) -> str:
    """What the checks say of a run's pictures, as a line with its end; nothing where there was nothing to check."""
    line = ended.checks.line if ended.checks else ""
    return f"checks: {line}\n" if line else ""


def paid_to(found: Target, costs: Mapping[str, float]) -> str:
    """What was paid, and to whom: a stand-in's money is not real."""
    return f"{in_words(costs)} to the {'stand-in, not real' if found.is_local else 'service'}"


def say_broken(ended: Run, console: Console) -> None:
    """Say why a run has no summary: its manifest cannot be run, or the run itself broke."""
    console.print(f"[red]{ended.status.lower()}[/]: {ended.error}: ", end="")
    console.print(ended.cause or "", markup=False, highlight=False, soft_wrap=True)


def exit_code(ended: Run) -> int:
    """What a script learns from a run's end."""
    return {RunStatus.SUCCEEDED: 0, RunStatus.REJECTED: 2}.get(ended.status, 1)
