"""`tryon retry --review`, `--flagged`: make again, with another seed, what reviewers rejected or the checks flagged.

Nothing does so by itself: what it costs is said first, and asked.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from tryon.checks import verdict_file
from tryon.checks.vocabulary import State
from tryon.keys import RunFolder
from tryon.planning.manifest import Manifest, read_again
from tryon.planning.plan import Key
from tryon.planning.takes import MAX_TAKES
from tryon.reporting import retry
from tryon.service import registry
from tryon_cli import found as runs_found
from tryon_cli import price
from tryon_cli.family import SENT, Family, family_of, key_of, read_reviews
from tryon_cli.options import confirm, counted, print_json, said, target
from tryon_cli.plan import money
from tryon_cli.review import ExportError, Picture, Review, Verdict, opinions
from tryon_cli.run import follow_claimed
from tryon_cli.target import Target, TargetError


@dataclass(frozen=True)
class Wanted:
    """What is made again, with the number of the take; and what is left as it is, counted.

    `making` is on its way already, `chosen` has a picture of the same product that was approved.
    """

    takes: tuple[tuple[Key, int], ...]
    making: int
    chosen: int
    disputed: int


def flagged(found: Target, family: Family) -> dict[Picture, Verdict]:
    """The pictures that the checks flagged, as if a reviewer had rejected them; the others have no verdict.

    Raises `TargetError` where no run of the family was checked, `UnreadableError` for verdicts that are damaged.
    """
    files = [verdict_file.read(found.s3, found.bucket, RunFolder(run.run_id).checks) for run in family.runs]
    known = [one for one in files if one is not None]
    if not known:
        raise TargetError(f"the results of run {family.first.run_id} were not checked: nothing is flagged")
    odd = {key for one in known for key, verdict in one.all() if verdict.state is State.FLAGGED}
    pictures = [picture for key in family.entries for picture in family.pictures(key)]
    kept = {picture: family.result(picture) for picture in pictures}
    return {picture: Verdict.REJECTED for picture, stored in kept.items() if stored is not None and stored.key in odd}


def rejected(family: Family, found: Mapping[Picture, Verdict]) -> Wanted:
    """The combinations whose every picture is rejected, each with its next take.

    One of a product (a model with a garment) that has an approved picture, in another variant, is left: the product
    has what it needs.
    """
    by_key: dict[tuple[Key, int, int], Verdict] = {
        (key_of(picture), picture.take, picture.candidate): verdict for picture, verdict in found.items()
    }
    approved = {key[:2] for (key, _, _), verdict in by_key.items() if verdict is Verdict.APPROVED}
    takes, making, chosen = [], 0, 0
    for key, entries in family.entries.items():
        verdicts = [by_key.get((key, one.take, one.candidate)) for one in family.pictures(key)]
        if not verdicts or any(verdict is not Verdict.REJECTED for verdict in verdicts):
            continue
        if any((key, take) in family.making for take in entries):
            making += 1
        elif key[:2] in approved:
            chosen += 1
        else:
            # The first take without a picture: one that failed is repeated as itself.
            take = next(n for n in range(2, MAX_TAKES + 2) if n not in entries or not entries[n].results)
            takes.append((key, take))
    disputed = sum(verdict is Verdict.DISPUTED for verdict in by_key.values())
    return Wanted(tuple(takes), making, chosen, disputed)


def extend_parser(parser: argparse.ArgumentParser) -> None:
    """Give `retry` the options for what reviewers rejected and what the checks flagged."""
    group = parser.add_argument_group("pictures that are there, and not wanted")
    group.add_argument(
        "--review",
        action="append",
        metavar="FILE",
        help="make again what this exported review rejects, with another seed, instead of what failed; several are "
        f"read together, {SENT!r} stands for those that shared pages sent",
    )
    group.add_argument(
        "--flagged",
        action="store_true",
        help="make again what the automatic checks flagged in every picture, with another seed, instead of what "
        "failed; with --review too, what reviewers approve is left as it is",
    )
    failed = parser.get_default("command")

    def command(arguments: argparse.Namespace, console: Console) -> int:
        code: int = remake(arguments, console) if arguments.review or arguments.flagged else failed(arguments, console)
        return code

    parser.set_defaults(command=command)


def remake(arguments: argparse.Namespace, console: Console) -> int:
    """Say what is made again and what it costs, ask, and drop the manifest."""
    talk = said(arguments, console)
    found = target(arguments)
    try:
        run_id, reviews = _reviews(found, arguments)
    except ExportError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    family = family_of(found, run_id)
    said_of = {picture: opinion.verdict for picture, opinion in opinions(reviews).items()}
    wanted = rejected(family, (flagged(found, family) if arguments.flagged else {}) | said_of)
    _say_left(wanted, talk)
    if not wanted.takes:
        if arguments.json:
            print_json(console, {"run_id": run_id, "nothing_left": True})
        else:
            console.print("nothing is to be made again", highlight=False)
        return 0
    manifest = takes_manifest(found, family, wanted)
    if arguments.print:
        console.print(manifest.encode(), markup=False, highlight=False, soft_wrap=True)
        return 0
    ask_price(found, manifest, talk, yes=arguments.yes)
    key = f"manifests/{family.first.run_id}-takes.json"
    version = found.s3.put_object(Bucket=found.bucket, Key=key, Body=manifest.encode().encode())["VersionId"]
    return follow_claimed(found, key, version, arguments, console)


def _reviews(found: Target, arguments: argparse.Namespace) -> tuple[str, list[Review]]:
    """The run that is meant, and the reviews of it that were given."""
    if not arguments.review:
        return runs_found.newest(found, arguments.run_id), []
    by_run = read_reviews(found, arguments.review, arguments.run_id)
    if len(by_run) > 1:
        raise TargetError(f"the reviews are of several runs ({', '.join(by_run)}): make them again one by one")
    ((run_id, reviews),) = by_run.items()
    return run_id, reviews


def takes_manifest(found: Target, family: Family, wanted: Wanted) -> Manifest:
    """The manifest of the takes that are wanted, of which there is one at least."""
    over = [key for key, take in wanted.takes if take > MAX_TAKES]
    if over:
        raise TargetError(f"{'/'.join(over[0])} has {MAX_TAKES} takes already, more are not made")
    first = family.first
    original = read_again(found.s3, first.bucket, first.manifest_key, first.manifest_version)
    manifest = retry.takes(original, first.run_id, wanted.takes)
    if manifest is None:
        raise AssertionError("there is a take at least")
    return manifest


def ask_price(found: Target, manifest: Manifest, console: Console, *, yes: bool) -> None:
    """Say what these takes cost, and go on when the user says yes; raises `TargetError` otherwise."""
    told = price.of_retry(found, manifest)
    console.print(
        f"{counted(len(told.combinations), 'combination')} will be made again, for {money(told.costs)} to the service",
        highlight=False,
        soft_wrap=True,
    )
    for service in manifest.services():
        if not registry.find(service).seed:
            console.print(
                f"  {service} takes no seed: what it makes again may be alike", highlight=False, soft_wrap=True
            )
    if not yes:
        confirm("go on?", console, refusal="nothing was started", yes="goes on")


def _say_left(wanted: Wanted, console: Console) -> None:
    for count, why in (
        (wanted.making, "being made again already"),
        (wanted.chosen, "rejected, but another variant of the same product is approved"),
        (wanted.disputed, "disputed: reviewers differ"),
    ):
        if count:
            console.print(f"{count} left out: {why}", highlight=False, soft_wrap=True)
