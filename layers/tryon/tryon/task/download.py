"""An ended task's pictures: brought into S3, and the combination's outcome written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import requests

from tryon.clock import Clock
from tryon.keys import RunFolder
from tryon.objects import StorageUnavailableError
from tryon.pictures import thumbnails
from tryon.service import Candidate, TryOnService
from tryon.service.errors import ServiceError
from tryon.state.entry import Entry, Status
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks
from tryon.stored import Lost, Stored
from tryon.task import results
from tryon.task.fetch.download import MAX_SECONDS
from tryon.task.fetch.errors import FetchError, ResultGoneError, ResultUnavailableError
from tryon.task.fetch.origins import OriginPolicy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Collected:
    """What came of a task's candidates: at least one picture, in the candidates' order, and what could not be had."""

    stored: tuple[Stored, ...]
    lost: tuple[Lost, ...] = ()


RETRY_DELAYS = (2.0, 5.0)
"""Seconds before a candidate is tried again within a call."""

PATIENT_TRIES = 4
"""Calls in which a candidate whose trouble may pass keeps the others waiting; after them its loss is recorded."""

COLLECT_SECONDS = 260.0
"""How long a call may try: a little less than the function lives."""

_LEAST_SECONDS = 10.0

_MAY_PASS = (ResultUnavailableError, StorageUnavailableError)


def collect(  # noqa: C901, PLR0913 - the tries share what was stored and what failed; its parts, by name: it is given all that it uses
    entry: Entry,
    task_id: str,
    *,
    folder: RunFolder,
    bucket: str,
    service: TryOnService,
    session: requests.Session,
    s3: "S3Client",
    policy: OriginPolicy,
    clock: Clock,
    seconds: float = COLLECT_SECONDS,
    delays: Sequence[float] = RETRY_DELAYS,
    tries: int = PATIENT_TRIES,
) -> Collected:
    """Bring every candidate of an ended task into S3 that can be had, from the addresses that the last poll left.

    One that cannot be had costs no other: each is tried before one of them is tried again, and what an earlier call
    stored is not fetched again. Asks the service anew, once, for those that have no address (it sent the pictures
    themselves) or whose address leads to no picture. Raises the errors of `tryon.task.fetch` and `tryon.task.results`
    when there is not one picture, or when another call may get further: `seconds` were too few, or a candidate's
    trouble may pass and `tries`, the calls before this one, were few.
    """
    until = clock.now() + seconds
    stored = results.find(s3, bucket, folder.results(entry.model, entry.id))
    before = len(stored)
    known = dict(enumerate(entry.candidates, start=1))
    failures: dict[int, Exception] = {}
    untried: set[int] = set()

    def may_pass(n: int) -> bool:
        return n not in stored and isinstance(failures.get(n), _MAY_PASS)

    def fetch(candidates: Mapping[int, Candidate]) -> None:
        for n, candidate in candidates.items():
            left = until - clock.now()
            if left < _LEAST_SECONDS:
                untried.add(n)
                failures.setdefault(n, ResultUnavailableError("no time was left to fetch this result"))
                continue
            try:
                stored[n] = results.download(
                    session,
                    s3,
                    candidate,
                    policy=policy,
                    clock=clock,
                    bucket=bucket,
                    key=partial(folder.result, entry.model, entry.id, n),
                    max_seconds=min(MAX_SECONDS, left),
                )
            except (FetchError, StorageUnavailableError) as error:
                failures[n] = error

    def fetch_again(candidates: Mapping[int, Candidate], pauses: Sequence[float]) -> None:
        for pause in pauses:
            again = {n: candidate for n, candidate in candidates.items() if may_pass(n)}
            if not again or until - clock.now() < pause + _LEAST_SECONDS:
                return
            clock.sleep(pause)
            fetch(again)

    with_address = {n: candidate for n, candidate in known.items() if candidate.url and n not in stored}
    fetch(with_address)
    fetch_again(with_address, delays)
    refusal: ServiceError | None = None
    if not known or any(n not in stored and not may_pass(n) for n in known):
        try:
            renewed = dict(enumerate(service.result(task_id).candidates, start=1))
        except ServiceError as error:
            refusal = error
        else:
            wanted = {n: candidate for n, candidate in renewed.items() if n not in stored and not may_pass(n)}
            known |= wanted
            fetch(wanted)
            fetch_again(wanted, delays)
    for n in known:
        failures.setdefault(n, ResultGoneError("the service gave neither an address nor the bytes of this result"))
    missing = [n for n in sorted(known) if n not in stored]
    waits = tries < PATIENT_TRIES and any(may_pass(n) for n in missing)
    if not stored or waits or (untried.intersection(missing) and len(stored) > before):
        raise _worst(task_id, [failures[n] for n in missing], refusal)
    found = tuple(_said(replace(stored[n], candidate=n), known.get(n)) for n in sorted(stored))
    return Collected(found, tuple(Lost(n, type(failures[n]).__name__, str(failures[n])) for n in missing))


def _said(one: Stored, candidate: Candidate | None) -> Stored:
    """A stored picture with what the service said of it; nothing where an answer without it came last."""
    return one if candidate is None else replace(one, score=candidate.score, reason=candidate.reason)


def _worst(task_id: str, failures: Sequence[Exception], refusal: ServiceError | None) -> Exception:
    """What a task without a picture failed of: what may pass before what will not."""
    passing = next((failure for failure in failures if isinstance(failure, _MAY_PASS)), None)
    nothing = ResultGoneError(f"task {task_id} is done and the service names no picture of it")
    return passing or refusal or next(iter(failures), nothing)


COPY_SECONDS = 20.0
"""What must be left of a call for a small copy to be begun: the largest takes a few seconds."""

SETTLING_SECONDS = 30.0
"""What must be left of a call when the last result is stored: the outcome is written, copies are begun."""


@dataclass(frozen=True)
class Brought:
    """What a call of `bring` did for an entry: its pictures, and how many of them have small copies.

    `collected` is None where an earlier call had written the outcome already.
    """

    entry: Entry
    collected: Collected | None = None
    copies: int = 0


def bring(  # noqa: PLR0913 - as `collect`
    run_id: str,
    n: int,
    task_id: str,
    *,
    bucket: str,
    ledger: Ledger,
    looks: Looks,
    service: TryOnService,
    session: requests.Session,
    s3: "S3Client",
    policy: OriginPolicy,
    clock: Clock,
    seconds_left: Callable[[], float],
    tries: int = 0,
) -> Brought:
    """Collect an ended task's pictures, write the combination's outcome, then make small copies while time is left.

    With each copy the picture's signature is kept in `looks`; what that fails of costs the signature alone.

    `seconds_left` are those of the call. Raises the errors of `collect`.
    """
    entry = ledger.entry(run_id, n)
    if entry.status is Status.SUCCEEDED:
        return Brought(entry)
    collected = collect(
        entry,
        task_id,
        folder=RunFolder(run_id),
        bucket=bucket,
        service=service,
        session=session,
        s3=s3,
        policy=policy,
        clock=clock,
        tries=tries,
        seconds=seconds_left() - SETTLING_SECONDS,
    )
    ledger.succeeded(run_id, n, collected.stored, collected.lost)
    copies = 0
    for one in collected.stored:
        if seconds_left() > COPY_SECONDS:
            keep = partial(looks.keep_signature, run_id, n, one.candidate or 1)
            copies += thumbnails.of_result(s3, bucket, one, keep=keep)
    return Brought(entry, collected, copies)
