"""A run with all that go back to it, as reviewers see it: every take of every combination, and the reviews of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tryon.keys import RunFolder
from tryon.planning.plan import Key
from tryon.reporting import retry
from tryon.state.entry import Entry, Status
from tryon.state.run import Run
from tryon.stored import Stored
from tryon_cli.found import one
from tryon_cli.review import Picture, Review, read_export
from tryon_cli.target import Target, TargetError

SENT = "sent"
"""The word that stands for the reviews which shared pages sent."""

MOST_SENT = 1_000
"""Most reviews read of one run: more of them were sent by a program."""


@dataclass(frozen=True)
class Family:
    """A run and its retries: `entries` by combination without a take, and take; `making` has not ended."""

    first: Run
    runs: Sequence[Run]
    entries: Mapping[Key, Mapping[int, Entry]]
    making: frozenset[tuple[Key, int]] = field(default_factory=frozenset)

    def result(self, picture: Picture) -> Stored | None:
        """The stored file of a picture that a review names."""
        entry = self.entries.get(key_of(picture), {}).get(picture.take)
        for n, result in enumerate(entry.results if entry else (), start=1):
            if (result.candidate or n) == picture.candidate:
                return result
        return None

    def pictures(self, key: Key) -> list[Picture]:
        """All pictures of a combination, as reviews name them."""
        return [
            Picture(entry.model, entry.worn, entry.variant, take, result.candidate or n)
            for take, entry in sorted(self.entries.get(key, {}).items())
            for n, result in enumerate(entry.results, start=1)
        ]


def key_of(picture: Picture) -> Key:
    """The combination of a picture, whatever number its garment has."""
    return picture.model, picture.worn.partition("-")[2], picture.variant


def family_of(found: Target, run_id: str) -> Family:
    """The family of a run; raises `TargetError` where there is no such run, or it has not ended."""
    before = retry.ancestors(found.ledger, run_id)
    if not before:
        raise TargetError(f"stack {found.name!r} has no run {run_id}: see `tryon list{found.options}`")
    first = before[-1]
    if first.running or first.outcome is None:
        raise TargetError(f"run {first.run_id} is {first.status.lower()}: it has no pictures to review")
    runs = [first, *retry.descendants(found.ledger, first.run_id)]
    entries: dict[Key, dict[int, Entry]] = {}
    making = set()
    for run in runs:
        for entry in found.ledger.entries(run.run_id):
            key = entry.model, retry.worn_id(entry), entry.variant
            takes = entries.setdefault(key, {})
            old = takes.get(entry.take)
            if old is None or old.status is not Status.SUCCEEDED:
                takes[entry.take] = entry
            if run.running:
                making.add((key, entry.take))
    return Family(first, runs, entries, frozenset(making))


def read_reviews(found: Target, names: Sequence[str], run_id: str | None) -> dict[str, list[Review]]:
    """The reviews that the names are of, by run: files, or the word `sent`, which needs a run.

    Raises `ExportError` for a file that is no review, `TargetError` for none at all.
    """
    reviews: list[Review] = []
    for name in names:
        if name == SENT:
            if run_id is None:
                raise TargetError(f"{SENT!r} needs the run whose reviews were sent")
            reviews += sent(found, one(found, run_id))
        else:
            reviews.append(read_export(Path(name).read_bytes(), name))
    if not reviews:
        raise TargetError("there is no review: export one from the gallery, or have one sent from a shared page")
    by_run: dict[str, list[Review]] = {}
    for review in reviews:
        by_run.setdefault(review.run_id, []).append(review)
    return by_run


def sent(found: Target, run_id: str) -> list[Review]:
    """The reviews of a run that shared pages sent; whoever has a link may have written them."""
    prefix = RunFolder(run_id).reviews
    listed = found.s3.list_objects_v2(Bucket=found.bucket, Prefix=prefix, MaxKeys=MOST_SENT).get("Contents", [])
    reviews = []
    for item in listed:
        body = found.s3.get_object(Bucket=found.bucket, Key=item["Key"])["Body"].read()
        reviews.append(read_export(body, f"s3://{found.bucket}/{item['Key']}"))
    return [review for review in reviews if review.run_id == run_id]
