"""The look at one combination's results, with numpy and dlib where they are: what it measures goes into the ledger.

Whatever goes wrong leaves a word in the ledger and costs nothing else: the pictures are in S3 and their outcome is
written before this begins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from tryon import objects
from tryon.checks.evidence import NO_COPY
from tryon.checks.vocabulary import NO_LAYER, FaceChecks
from tryon.keys import RunFolder, result_copy
from tryon.pictures.signature import SIDE
from tryon.pictures.thumbnails import obstacle
from tryon.planning.plan import Combination
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks
from tryon.stored import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tryon.checks.faces import Faces


@dataclass(frozen=True)
class Looked:
    """What came of a look: how many results were measured, and why the others were not, by candidate."""

    measured: int = 0
    unchecked: tuple[tuple[int, str], ...] = ()


class _UncheckedError(Exception):
    """Why a result is not measured, in a few words."""


def look(
    run_id: str,
    combination: Combination,
    *,
    bucket: str,
    ledger: Ledger,
    looks: Looks,
    s3: "S3Client",
    faces: "tuple[FaceChecks, Callable[[], Faces | None]]" = (FaceChecks.OFF, lambda: None),
) -> Looked:
    """Measure each result of a combination beside its model's and its garments' photographs.

    `faces` says how faces are looked at, and makes what looks at them. Raises only what the ledger's table answers.
    """
    results = ledger.entry(run_id, combination.n).results
    measured, unchecked = 0, []
    try:
        measure = _measuring(run_id, combination, bucket, s3, faces)
    except Exception as error:  # noqa: BLE001 - nothing that a look fails of may cost more than the look
        why = _why(error)
        measure = None
    for place, result in enumerate(results, start=1):
        candidate = result.candidate or place
        try:
            if measure is None:
                raise _UncheckedError(why)
            looks.keep_measurements(run_id, combination.n, candidate, measure(result))
            measured += 1
        except Exception as error:  # noqa: BLE001 - as above
            unchecked.append((candidate, _why(error)))
    for candidate, why in unchecked:
        looks.keep_unchecked(run_id, combination.n, candidate, why)
    return Looked(measured, tuple(unchecked))


def _measuring(
    run_id: str,
    combination: Combination,
    bucket: str,
    s3: "S3Client",
    faces: "tuple[FaceChecks, Callable[[], Faces | None]]",
) -> Callable[[Stored], bytes]:
    """What measures a result of the combination: the photographs that it is held against are read once."""
    try:
        from tryon.checks.measures import GarmentPhotograph, Options, measure
    except ImportError:
        raise _UncheckedError(NO_LAYER) from None
    folder = RunFolder(run_id)
    model = _read(s3, bucket, folder.input_copy("previews", "models", combination.model), "the model's photograph")
    garments: Sequence[GarmentPhotograph] = [
        GarmentPhotograph(
            _read(s3, bucket, folder.input_copy("previews", "garments", worn.id), "the garment's photograph"), worn.type
        )
        for worn in combination.garments
    ]
    kept = bool(getattr(combination.parameters, "keep_head", False))
    options = Options(keep_head=kept, faces=faces[0])

    def one(result: Stored) -> bytes:
        if obstacle(result):
            raise _UncheckedError(NO_COPY)
        picture = _read(s3, bucket, result_copy("previews", result.key), "it")
        return measure(picture, model, garments, options, faces[1]()).dumps()

    return one


def _read(s3: "S3Client", bucket: str, key: str, what: str) -> Image.Image:
    """A picture by its copy, no side above `SIDE` pixels, whatever size copies have for people."""
    try:
        data = objects.read(s3, bucket, key)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and objects.is_missing(error):
            raise _UncheckedError(f"no small copy was made of {what}") from None
        raise
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        image.draft("RGB", (SIDE, SIDE))
        picture = image.convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture


def _why(error: Exception) -> str:
    """A cause in a few words: a message of another package may hold anything, its name does not."""
    return str(error) if isinstance(error, _UncheckedError) else f"the check failed with {type(error).__name__}"
