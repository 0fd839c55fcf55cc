"""`tryon share`: one link to a page that shows a run's full-size files, gives the chosen away and takes reviews."""

import argparse
import datetime as dt
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from rich.console import Console

from tryon.checks import verdict_file
from tryon.keys import RunFolder
from tryon.planning.manifest import ManifestError, read_again
from tryon.reporting import retry, summary
from tryon.reporting.gallery import publishing
from tryon.reporting.gallery.render import Context, Share, Upload
from tryon.state.entry import Entry
from tryon.state.run import Run
from tryon_cli.found import newest
from tryon_cli.options import json_option, print_json, run_option, stack_options, target, whole
from tryon_cli.pick import Names, display_names, words_of
from tryon_cli.review import Picture
from tryon_cli.target import Target, TargetError

MOST_HOURS = 7 * 24
"""How long an address signed with version 4 can work."""

MOST_LENGTH = 2_000
"""Characters that every mail program and chat passes on whole."""

MOST_REVIEW_BYTES = 5_000_000
"""Largest review that a shared page may send: 10,000 judgements have about 2 MB."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `share`."""
    parser = commands.add_parser(
        "share",
        help="write a page for reviewers and print the one link that they need",
        description="Write a page into the run's folder whose link shows every full-size file, saves the chosen ones "
        "and sends a review back. Whoever has the link can see the run's pictures and send reviews until it ends. "
        "Shared again, older links lead to the newer page.",
    )
    run_option(parser)
    parser.add_argument(
        "--hours", type=whole(1, MOST_HOURS), default=72, metavar="N", help="how long the link works (%(default)s)"
    )
    parser.add_argument("--print", action="store_true", help="print the link and open nothing")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the page and print its address."""
    found = target(arguments)
    run_id = newest(found, arguments.run_id)
    seconds = arguments.hours * 3600
    key = write_page(found, run_id, seconds)
    address = _signed(found, key, seconds)
    until = ends(address, found.clock.now(), seconds)
    if arguments.json:
        print_json(console, {"run_id": run_id, "address": address, "until": until})
        return 0
    console.print(address, markup=False, highlight=False, soft_wrap=True)
    told = Console(stderr=True)
    told.print(f"the link {until}", highlight=False, soft_wrap=True)
    if len(address) > MOST_LENGTH:
        told.print(f"it has {len(address):,} characters, which some programs cut", highlight=False, soft_wrap=True)
    if not arguments.print and sys.stdout.isatty():
        webbrowser.open(address)
    return 0


def write_page(found: Target, run_id: str, seconds: int) -> str:
    """Write the shared page of a run that has ended; returns its key."""
    ledger, s3 = found.ledger, found.s3
    ran = ledger.run(run_id)
    if ran is None or ran.outcome is None:
        raise TargetError(f"run {run_id} is {ran.status.lower() if ran else 'unknown'}: it has no gallery")
    folder = RunFolder(run_id)
    entries, by = retry.repaired(ledger, run_id, lambda one: list(ledger.entries(one)))
    entries = list(entries)
    if len(entries) > publishing.INDEX_COMBINATIONS:
        raise TargetError(
            f"run {run_id} has {len(entries):,} combinations: {publishing.INDEX_COMBINATIONS:,} are shared"
        )
    takes = retry.further_takes(ledger, run_id, lambda one: list(ledger.entries(one)))
    try:
        manifest = read_again(s3, ran.bucket, ran.manifest_key, ran.manifest_version)
    except ManifestError:
        manifest = None
    told = summary.recount(summary.read(s3.get_object(Bucket=found.bucket, Key=folder.summary)["Body"].read()), entries)
    shown = [*entries, *(entry for several in takes.values() for entry in several)]
    full = {key: _signed(found, key, seconds, file=file) for key, file in _files(found, ran, shown).items()}
    some = _signed(found, folder.gallery, seconds)
    share = Share(
        host="{0.scheme}://{0.netloc}".format(urlsplit(some)),
        until=ends(some, found.clock.now(), seconds),
        full=full,
        upload=_upload(found, run_id, seconds),
    )
    first = retry.ancestors(ledger, run_id)[-1].run_id
    context = Context(repaired_by=by, takes=takes, family=first, share=share)
    context = replace(context, verdicts=verdict_file.read_all(s3, found.bucket, [run_id, *by, *context.runs]))
    publishing.publish_shared(s3, found.bucket, told, entries, manifest, context=context)
    return folder.shared


def _files(found: Target, run: Run, entries: Sequence[Entry]) -> dict[str, str]:
    """The full-size files of a run by key, each with the readable name under which it is saved."""
    shown, names = display_names(found, run), Names()
    files = {}
    for entry in entries:
        for n, result in enumerate(entry.results, start=1):
            picture = Picture(entry.model, entry.worn, entry.variant, entry.take, result.candidate or n)
            if result.key not in files:
                files[result.key] = names.free(words_of(picture, shown), PurePosixPath(result.key).suffix)
    return files


def _signed(found: Target, key: str, seconds: int, *, file: str | None = None) -> str:
    """The signed address of an object; with a `file`, a browser saves it under that name."""
    parameters = {"Bucket": found.bucket, "Key": key}
    if file is not None:
        parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(file, safe='')}"
    return found.s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)


def _upload(found: Target, run_id: str, seconds: int) -> Upload:
    """One signed form for reviews of this run: JSON, no larger than `MOST_REVIEW_BYTES`, under one prefix."""
    prefix = RunFolder(run_id).reviews
    conditions: list[Any] = [
        {"Content-Type": "application/json"},
        ["content-length-range", 2, MOST_REVIEW_BYTES],
    ]
    form = found.s3.generate_presigned_post(
        found.bucket, f"{prefix}${{filename}}", Conditions=conditions, ExpiresIn=seconds
    )
    fields = {name: value for name, value in form["fields"].items() if name != "key"}
    return Upload(form["url"], fields, prefix, MOST_REVIEW_BYTES)


def ends(address: str, now: float, seconds: int) -> str:
    """When an address ends, in words: whatever a session signed ends with that session."""
    at = dt.datetime.fromtimestamp(now + seconds, dt.UTC)
    until = f"works until {at:%Y-%m-%d %H:%M} UTC"
    if "X-Amz-Security-Token" in parse_qs(urlsplit(address).query):
        return f"{until}, or until the session that signed it ends, which is 1 to 12 hours after it began"
    return until
