"""The end of the checks: a run's results are held against each other, and the verdicts are written into its folder."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import ValidationError

from tryon import objects
from tryon.checks import limits as limits_module
from tryon.checks import verdict_file
from tryon.checks.compare import compare
from tryon.checks.evidence import gather, kinds
from tryon.checks.limits import DEFAULT, Limits
from tryon.checks.records import Evidence, Verdict
from tryon.json_types import UnreadableError
from tryon.keys import RunFolder
from tryon.pictures.signature import Signature, SignatureError
from tryon.planning.manifest import ManifestError, read_again
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks
from tryon.state.run import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NothingToCompareError(Exception):
    """There is no whole plan: the run ended before any result could come of it."""


def compare_run(s3: "S3Client", ledger: Ledger, looks: Looks, *, run_id: str, bucket: str) -> list[Verdict]:
    """Compare a run's results and write the verdicts; returns the flagged ones.

    Called again it writes the same anew. Raises `NothingToCompareError`, `UnreadableError` for limits that are damaged,
    and whatever AWS answers: none of it changes anything of the run.
    """
    run = ledger.run(run_id)
    if run is None or not run.planned:
        raise NothingToCompareError(f"run {run_id} has no whole plan")
    limits = load_limits(s3, bucket)
    keys: list[str] = []

    def evidence() -> Iterator[Evidence]:
        for key, one in gather(ledger.entries(run_id), looks.of_results(run_id), _types(s3, run)):
            keys.append(key)
            yield one

    found = compare(evidence(), models=_models(looks, run_id), limits=limits)
    with objects.spool() as lines:
        head = verdict_file.Head(run_id=run_id, limits=limits.name, learned=limits.created)
        # Every verdict comes after all of the evidence, and in its order.
        keyed = ((keys[place], verdict) for place, verdict in enumerate(found))
        flagged = [verdict for verdict in verdict_file.write(head, keyed, lines) if verdict.reasons]
        objects.put_spool(s3, bucket, RunFolder(run_id).checks, lines, "application/x-ndjson")
    return flagged


def _models(looks: Looks, run_id: str) -> dict[str, Signature]:
    """The signatures of the models' photographs by id, without those that cannot be read."""
    found = {}
    for model, data in looks.of_inputs(run_id, "models"):
        with suppress(SignatureError):
            found[model] = Signature.loads(data)
    return found


def load_limits(s3: "S3Client", bucket: str) -> Limits:
    """The limits that reviewers set, or those for the certain kinds alone. Raises `UnreadableError`."""
    key = limits_module.key(DEFAULT.name)
    try:
        data = objects.read(s3, bucket, key)
    except ClientError as error:
        if not objects.is_missing(error):
            raise
        return DEFAULT
    try:
        return Limits.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableError(f"{key} cannot be read: {error.errors(include_url=False)[0]['msg']}") from None


def store_limits(s3: "S3Client", bucket: str, limits: Limits) -> None:
    """Keep learned limits where the next run's results are held against them."""
    text = limits.model_dump_json(indent=1) + "\n"
    objects.put_text(s3, bucket, limits.key, text, "application/json")


def _types(s3: "S3Client", run: Run) -> dict[str, str]:
    """The garments' types; none where this version does not understand the manifest."""
    try:
        return kinds(read_again(s3, run.bucket, run.manifest_key, run.manifest_version))
    except ManifestError:
        return {}
