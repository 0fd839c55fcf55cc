"""The beginning of a run: everything is checked, then the plan and the ledger are written.

Any of it may happen twice, or late. The first plan that is written is the run's plan: whoever comes after it takes
that one, and whoever comes after the run's end changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tryon import objects
from tryon.json_types import Json
from tryon.keys import Picture, RunFolder
from tryon.learning import learned
from tryon.planning import intake, plan
from tryon.planning.intake import KeptPicture, KeptPictures, NoTimeError
from tryon.planning.manifest import (
    SERVICE,
    Fetched,
    ImageKind,
    Manifest,
    ManifestError,
    PicturesMissingError,
    Problem,
    default_name,
    fetch,
    read_again,
)
from tryon.planning.parts import Part, many, parts
from tryon.planning.takes import take_of
from tryon.reporting import retry
from tryon.reporting.retry import Earlier, NothingLeftError
from tryon.service import Balance, registry
from tryon.state.ledger import Ledger, RunEndedError
from tryon.state.looks import Looks
from tryon.state.run import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ARRIVAL_SECONDS = 60.0
"""How long after its event a manifest waits for pictures: who copies a folder copies the small manifest first."""

PLAN_SECONDS = (20.0, 0.001)
"""What the plan takes after the pictures, in seconds: at least, and for each combination."""

LEDGER_SECONDS = 0.002
"""What the ledger takes for each combination: DynamoDB writes 1,000 units a second to one partition, and a transaction
counts each item twice."""

ENTRIES_AT_ONCE = 1_000
"""Entries that are written before the time is looked at again."""

ENTRIES_RESERVE = 60.0
"""Seconds left at which a call leaves the other entries to the next one: thirty times what `ENTRIES_AT_ONCE` take."""

PICTURES_RESERVE = 60.0
"""Seconds left at which a call for a part of the pictures begins none any more."""

MOST_NOTES = 20
"""Notes that a run's item keeps: one a picture would pass DynamoDB's 400 KB."""


@dataclass(frozen=True)
class Terms:
    """What a stack has of a service: its account's slots, and for manifests that bring none the cadence and deadline.

    Both are in seconds.
    """

    slots: int
    cadence: tuple[int, ...]
    deadline: int


@dataclass(frozen=True)
class Limits:
    """What the stack allows: combinations, bytes of a picture, buckets to read besides the manifest's own.

    `services` are those that it has, by key; `default_service` is the key of the one that a manifest means which names
    none.
    """

    combinations: int
    image_bytes: int
    services: Mapping[str, Terms]
    default_service: str = registry.FIRST
    input_buckets: Sequence[str] = ()


@dataclass(frozen=True)
class Origin:
    """The run and the manifest's version that it is of; `execution` claimed it.

    The manifest was put at `put_at`, in seconds since the epoch; `missing` names the pictures that were not there the
    last time.
    """

    run_id: str
    bucket: str
    key: str
    version: str
    execution: str
    put_at: float
    missing: str = ""


@dataclass(frozen=True)
class Progress:
    """What calls for the same run did before, where the state machine makes several.

    Parts of the pictures were `taken` in, each by a call of its own, and the first `written` entries are in the ledger.
    """

    taken: bool = False
    written: int = 0


@dataclass(frozen=True)
class Unfinished:
    """What is left to further calls: parts of the pictures, or the entries after the first `written` ones."""

    parts: Sequence[Part] = ()
    written: int = 0

    def told(self) -> dict[str, Json]:
        """What the state machine gets: the one or the other."""
        return {"parts": [part.model_dump() for part in self.parts]} if self.parts else {"written": self.written}


def plan_run(  # noqa: PLR0913 - its parts, by name
    s3: "S3Client",
    ledger: Ledger,
    looks: Looks,
    origin: Origin,
    *,
    check_access: Callable[[str], Balance | None],
    limits: Limits,
    now: float,
    left: Callable[[], float] = lambda: inf,
    progress: Progress | None = None,
) -> Run | Unfinished:
    """Plan a run and open it in the ledger; returns it as it is then, or what is left to further calls.

    `check_access` asks the service of a key whether it would answer, and what is left of its account. `left` are the
    seconds that the call still has: pictures that leave too few for the plan are too many. Without `progress` nobody
    makes a further call, and this one does all. Raises `ManifestError` for what cannot be run, `PicturesMissingError`
    while pictures may be on their way still, `NothingLeftError` for a retry that has nothing to do and is ready to be
    reported, and `RunEndedError` where the run was ended meanwhile.
    """
    run_id, folder = origin.run_id, RunFolder(origin.run_id)
    known = ledger.run(run_id)
    if known is not None and (not known.running or known.execution != origin.execution):
        raise RunEndedError(f"run {run_id} has ended, or belongs to another execution")
    if known is not None and known.planned:
        return _planned(known)
    entries = _Entries(s3, ledger, origin.bucket, run_id, left if progress is not None else lambda: inf)
    if progress is not None and progress.written:
        return entries.add(plan.read(s3, origin.bucket, folder.plan, progress.written), progress.written)
    fetched = _fetch(s3, origin, limits)
    manifest = fetched.manifest
    _check_services(manifest, limits.services)
    services = manifest.services()
    earlier = retry.look_back(manifest, ledger, now, me=run_id)
    total = plan.check_size(manifest, limits.combinations, earlier.done)
    defaults = {key: limits.services[key].cadence for key in services}
    cadences, learned_cadence = learned.resolve(s3, origin.bucket, manifest, defaults)
    _check_polls(cadences, learned_cadence, limits.services)
    run = Run(
        run_id,
        name=manifest.name or default_name(origin.key),
        bucket=origin.bucket,
        manifest_key=origin.key,
        manifest_version=origin.version,
        execution=origin.execution,
        started_at=now,
        service=limits.default_service,
        cadence=cadences[services[0]],
        cadences=cadences if services != (registry.FIRST,) else {},
        learned=learned_cadence.origin() if learned_cadence else None,
        retry_of=manifest.retry_of,
        total=total,
    )
    if total == 0:
        ledger.open_run(run)
        raise _nothing_left(ledger, run_id, earlier.by)
    least = PLAN_SECONDS[0] + (PLAN_SECONDS[1] + (0.0 if progress is not None else LEDGER_SECONDS)) * total
    try:
        taken = _take_in(_inputs(s3, ledger, origin, manifest, limits), origin, progress, lambda: left() < least)
    except PicturesMissingError as error:
        # An event's time ahead of the clock by more than that is as wrong as one behind it.
        if abs(now - origin.put_at) < ARRIVAL_SECONDS and not fetched.complete:
            raise
        raise ManifestError(error.problems) from None
    if isinstance(taken, Unfinished):
        return taken
    _check_accounts(manifest, earlier, {key: check_access(key) for key in services})
    ledger.open_run(replace(run, notes=tuple(taken.notes[:MOST_NOTES])))
    with suppress(Exception):  # without them what compares results says that it cannot
        looks.keep_inputs(run_id, taken.signatures)
    done, by = _claim(ledger, run_id, manifest, earlier)
    if plan.count(manifest, done) == 0:
        raise _nothing_left(ledger, run_id, by)
    objects.put_text(s3, origin.bucket, folder.pictures, taken.pictures.encode(), "application/json")
    planned = partial(
        plan.expand,
        manifest,
        {key: taken.for_service("models", key) for key in services},
        {key: taken.for_service("garments", key) for key in services},
        done=done,
        paid=earlier.paid,
        doubted=earlier.doubted,
        first=earlier.first,
        shares=_shares(limits.services, services),
    )
    if plan.write(s3, origin.bucket, folder.plan, planned()):
        return entries.add(planned())
    # Another call of Plan was faster: the Map reads its plan, so that the ledger follows it.
    return entries.add(plan.read(s3, origin.bucket, folder.plan))


def take_part(
    s3: "S3Client",
    ledger: Ledger,
    looks: Looks,
    origin: Origin,
    part: Part,
    *,
    limits: Limits,
    left: Callable[[], float] = lambda: inf,
) -> int:
    """Take in a part of a manifest's pictures, for a call of `plan_run` that follows; returns how many.

    Raises `ManifestError`, and whatever AWS answers.
    """
    manifest = _fetch(s3, origin, limits).manifest
    inputs = _inputs(s3, ledger, origin, manifest, limits)
    taken = intake.take_part(inputs, part, late=lambda: left() < PICTURES_RESERVE)
    with suppress(Exception):  # as `plan_run` does
        looks.keep_inputs(origin.run_id, taken.signatures)
    return len(taken.pictures.models) + len(taken.pictures.garments)


@dataclass(frozen=True)
class _Entries:
    """A run's entries in the ledger, and the seconds that are left to write them."""

    s3: "S3Client"
    ledger: Ledger
    bucket: str
    run_id: str
    left: Callable[[], float]

    def add(self, planned: Iterator[plan.Combination], written: int = 0) -> Run | Unfinished:
        """Add those that are planned after the first `written` ones; the run is planned when all are there."""
        before = written
        while some := list(islice(planned, ENTRIES_AT_ONCE)):
            # Each call writes some, so that calls come to an end.
            if written > before and self.left() < ENTRIES_RESERVE:
                return Unfinished(written=written)
            self.ledger.add(self.run_id, some)
            written += len(some)
        self.ledger.plan_done(self.run_id, total=written)
        opened = self.ledger.run(self.run_id)
        if opened is None:
            raise RunEndedError(f"run {self.run_id} is not in the ledger any more")
        return _planned(opened)


def _take_in(
    inputs: intake.Inputs, origin: Origin, progress: Progress | None, late: Callable[[], bool]
) -> intake.Intake | Unfinished:
    """Take the pictures in, or leave them to further calls, where there are any to come and it is too much for one."""
    to_come = progress is not None and not progress.taken
    if to_come and many(inputs.manifest):
        return Unfinished(parts(inputs.manifest))
    try:
        return intake.take_in(
            inputs,
            awaited=PicturesMissingError.missing(origin.missing),
            taken=intake.taken_in_parts(inputs) if progress is not None and progress.taken else None,
            late=late,
        )
    except NoTimeError as error:
        if to_come:
            return Unfinished(parts(inputs.manifest))
        raise ManifestError(error.problems) from None  # by the name that the state machine knows


def _fetch(s3: "S3Client", origin: Origin, limits: Limits) -> Fetched:
    return fetch(
        s3,
        origin.bucket,
        origin.key,
        origin.version,
        allowed_buckets=limits.input_buckets,
        default_service=limits.default_service,
    )


def _inputs(s3: "S3Client", ledger: Ledger, origin: Origin, manifest: Manifest, limits: Limits) -> intake.Inputs:
    kept = _kept(s3, ledger, manifest)
    return intake.Inputs(s3, manifest, origin.bucket, RunFolder(origin.run_id), limits.image_bytes, kept)


def _shares(terms: Mapping[str, Terms], services: Sequence[str]) -> dict[str, plan.Share]:
    """What each account gives the run; where several of its models work, the slowest says how long a task takes."""
    shares: dict[str, plan.Share] = {}
    for one in map(registry.find, services):
        known = shares.get(one.account)
        seconds = max(one.usual_seconds, known.seconds if known else 0.0)
        shares[one.account] = plan.Share(terms[one.key].slots, seconds)
    return shares


def _check_polls(
    cadences: Mapping[str, Sequence[int]], learned_cadence: learned.LearnedCadence | None, terms: Mapping[str, Terms]
) -> None:
    for key, cadence in cadences.items():
        plan.check_polls(cadence, terms[key].deadline)
    if learned_cadence is not None and learned_cadence.listening is not None:
        plan.check_listening(learned_cadence.listening, terms[learned_cadence.service].deadline)


def _check_services(manifest: Manifest, terms: Mapping[str, Terms]) -> None:
    """Raise `ManifestError` for a service that the stack has not, before anything is asked of it."""
    has = ", ".join(sorted({key.partition("/")[0] for key in terms})) or "no service"
    problems = []
    for name, asked in manifest.settings().items():
        if asked.service not in terms:
            own = SERVICE in manifest.variants.get(name, {})
            service = registry.find(asked.service)
            needed = "Slots" if service.key == registry.FIRST else f"{service.service.capitalize()}Slots"
            problem = Problem(
                f"variants.{name}.{SERVICE}" if own else SERVICE,
                f"this stack has {has}; {asked.service} needs the parameter {needed}",
            )
            if problem not in problems:
                problems.append(problem)
    if problems:
        raise ManifestError(problems)


def _check_accounts(manifest: Manifest, earlier: Earlier, balances: Mapping[str, Balance | None]) -> None:
    """Raise `ManifestError` for a run that a prepaid account cannot pay."""
    needed = needed_credits(manifest, earlier)
    left = {registry.find(key).service: found.credits for key, found in balances.items() if found is not None}
    problems = [
        Problem(
            "",
            f"{name} needs {needed[name]:,g} credits, {balance:,g} are left: buy more, or ask for fewer combinations",
        )
        for name, balance in left.items()
        if needed.get(name, 0.0) > balance
    ]
    if problems:
        raise ManifestError(problems)


def needed_credits(manifest: Manifest, earlier: Earlier) -> dict[str, float]:
    """What a manifest takes of prepaid accounts, by their services' names, without what an earlier run paid for."""
    settings = manifest.settings()
    each = {name: registry.find(asked.service).credits * asked.parameters.pictures for name, asked in settings.items()}
    needed: dict[str, float] = {}
    if not any(each.values()):
        return needed
    for key in plan.keys(manifest, earlier.done):
        if key not in earlier.paid:
            variant = take_of(key[2])[0]
            name = registry.find(settings[variant].service).service
            needed[name] = needed.get(name, 0.0) + each[variant]
    return {name: amount for name, amount in needed.items() if amount}


def _planned(run: Run) -> Run:
    if run.nothing_left is not None:
        raise NothingLeftError(f"nothing of {run.retry_of} is left to do")
    return run


def kept_by(s3: "S3Client", run: Run) -> KeptPictures:
    """The pictures that an earlier run was made of; none of a run that had no plan."""
    if not run.opened:
        return KeptPictures()  # it was rejected, or ended, before its manifest was accepted
    folder = RunFolder(run.run_id)
    try:
        return KeptPictures.model_validate_json(objects.read(s3, run.bucket, folder.pictures))
    except ClientError as error:
        if not objects.is_missing(error):
            raise
        return _kept_in_plan(s3, run, folder)


def _kept_in_plan(s3: "S3Client", run: Run, folder: RunFolder) -> KeptPictures:
    """From the plan of a run that kept no list of its pictures."""
    kept = KeptPictures()
    try:
        combinations = plan.decode(objects.read(s3, run.bucket, folder.plan))
    except ClientError as error:
        if not objects.is_missing(error):
            raise
        return kept
    pictures: dict[tuple[ImageKind, str], Picture] = {}
    for combination in combinations:
        pictures["models", combination.model] = combination.model_picture
        pictures.update({("garments", garment.id): garment.picture for garment in combination.garments})
    for named in read_again(
        s3, run.bucket, run.manifest_key, run.manifest_version, default_service=run.service
    ).images():
        if (named.kind, named.id) in pictures:
            picture = pictures[named.kind, named.id]
            kept.of(named.kind)[named.id] = KeptPicture(image=named.image, picture=picture)
    return kept


def _kept(s3: "S3Client", ledger: Ledger, manifest: Manifest) -> KeptPictures | None:
    if manifest.retry_of is None or manifest.new_pictures:
        return None
    repeated = ledger.run(manifest.retry_of)
    return kept_by(s3, repeated) if repeated else None


def _claim(
    ledger: Ledger, run_id: str, manifest: Manifest, earlier: Earlier
) -> tuple[frozenset[plan.Key], frozenset[str]]:
    """Claim what a retry is about to do; returns what is done elsewhere, and the runs that do it."""
    if earlier.first is None:
        return earlier.done, earlier.by
    others = ledger.claim_repairs(earlier.first, run_id, plan.keys(manifest, earlier.done), earlier.free)
    if not others:
        return earlier.done, earlier.by
    claims = ledger.repair_claims(earlier.first)
    return earlier.done | others, earlier.by | {claims[key] for key in others}


def _nothing_left(ledger: Ledger, run_id: str, by: frozenset[str]) -> NothingLeftError:
    ledger.plan_done(run_id, total=0, nothing_left=sorted(by))
    return NothingLeftError(f"nothing is left to do: {', '.join(sorted(by))}")
