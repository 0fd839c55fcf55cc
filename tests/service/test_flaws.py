"""Pictures that the stand-in draws wrong on demand, and what the checks say of them."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.doubles import HandClock
from tests.service.standin_client import MODEL, START, TROUSERS, Client, order
from tests.service.standin_client import SHIRT as SHIRT_PIXELS
from tryon.checks.compare import compare
from tryon.checks.faces import Faces
from tryon.checks.measures import GarmentPhotograph, Options, measure
from tryon.checks.records import Evidence, Measurements
from tryon.checks.vocabulary import Check, FaceChecks, FaceState, State
from tryon.pictures.signature import Signature, signature
from tryon_local.service.faults import Draws, Fault, FaultPlan, Flaw, read_faults
from tryon_local.service.flaws import spoil
from tryon_local.service.picture import compose
from tryon_local.service.volcengine.standin import StandIn

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
ANNA, MAYA = ((SAMPLES / f"inputs/models/{name}.jpg").read_bytes() for name in ("anna", "maya"))
SHIRT = (SAMPLES / "inputs/garments/linen-shirt.jpg").read_bytes()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@cache
def drawn() -> bytes:
    parameters = {"keep_head": True, "max_process_side_length": 1920}
    return compose(MAYA, [(SHIRT, "upper")], seed=1, parameters=parameters)


def seen(data: bytes, n: int = 1) -> Evidence:
    picture = opened(data)
    options = Options(keep_head=True, faces=FaceChecks.STRUCTURE)
    found = measure(picture, opened(MAYA), [GarmentPhotograph(opened(SHIRT), "upper")], options, Faces())
    assert len(found.dumps()) < 5_000
    digest = hashlib.sha256(data).hexdigest()
    return Evidence(n, 1, "maya", "shirt", "upper", digest, "", signature(picture), Measurements.loads(found.dumps()))


@cache
def model() -> Signature:
    return signature(opened(MAYA))


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("unchanged", Check.NOTHING_APPLIED),
        ("another head", Check.FACE_DIFFERS),
        ("blank", Check.BLANK),
        ("cropped", Check.CROPPED),
    ],
)
def test_what_needs_no_other_result_is_flagged_in_a_run_of_one(flaw: Flaw, reason: Check) -> None:
    (verdict,) = compare([seen(spoil(drawn(), flaw, MAYA, ANNA))], models={"maya": model()})
    assert (verdict.state, verdict.reasons) == (State.FLAGGED, (reason,))


def test_a_right_drawing_is_not_flagged_and_its_face_is_found() -> None:
    (verdict,) = compare([seen(drawn())], models={"maya": model()})
    assert (verdict.state, verdict.face) == (State.NOT_COMPARABLE, FaceState.COMPARED)
    assert verdict.suspicion < 1


@pytest.mark.parametrize("flaw", ["object added", "colours shifted"])
def test_a_flaw_changes_its_place_only(flaw: Flaw) -> None:
    apart = ImageChops.difference(opened(drawn()), opened(spoil(drawn(), flaw, MAYA, ANNA))).convert("L")
    box = apart.getbbox()
    assert box is not None
    head = apart.crop((0, 0, apart.width, apart.height // 8))
    assert ImageStat.Stat(head).mean[0] < 1 < ImageStat.Stat(apart).mean[0]


def test_a_picture_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match="not a picture"):
        spoil(b"no picture", "blank", MAYA, ANNA)


def test_the_samples_faults_of_pictures_are_eight_and_strike_pairs_of_the_sample_manifest() -> None:
    faults = read_faults(SAMPLES / "faults-pictures.json")
    flaws = [fault.action.flaw for fault in faults if isinstance(fault.action, Draws)]
    assert len(set(flaws)) == len(faults) == 8
    known = {hashlib.sha256(path.read_bytes()).hexdigest() for path in SAMPLES.glob("inputs/*/*")}
    assert all(set(fault.images) <= known and len(fault.images) == 2 for fault in faults)
    manifest = json.loads((SAMPLES / "manifest-checks.json").read_bytes())
    types = [garment["type"] for garment in manifest["garments"]]
    assert min(types.count(kind) for kind in types) * len(manifest["variants"]) >= 6


def named(model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]) -> bytes:
    """What would be drawn, in words."""
    return b"|".join([model, *(data for data, _ in garments)])


def pictures_of(*faults: Fault) -> list[bytes]:
    """What two tasks of a model deliver, the first with a shirt and the second with trousers."""
    clock = HandClock(START)
    client = Client(StandIn(clock, picture=named, requests_per_second=None, slots=99, faults=FaultPlan(*faults)))
    tasks = [client.task(order((garment, "upper"))) for garment in (SHIRT_PIXELS, TROUSERS)]
    clock.sleep(3_600)
    return [client.session.get(client.data(task)["image_urls"][0]).content for task in tasks]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_same_file_is_that_of_the_models_earliest_other_task() -> None:
    fault = Fault("task", Draws("the same file"), images=(digest(MODEL), digest(TROUSERS)))
    assert pictures_of(fault) == [MODEL + b"|" + SHIRT_PIXELS] * 2


@pytest.mark.parametrize("picture", ["", digest(SHIRT_PIXELS)])
def test_another_garment_is_one_that_the_service_was_sent(picture: str) -> None:
    fault = Fault("task", Draws("another garment", picture=picture), images=(digest(TROUSERS),))
    assert pictures_of(fault) == [MODEL + b"|" + SHIRT_PIXELS] * 2


def test_a_fault_meets_only_combinations_that_have_all_of_its_pictures() -> None:
    fault = Fault("task", Draws("the same file"), images=(digest(SHIRT_PIXELS), digest(TROUSERS)))
    assert pictures_of(fault) == [MODEL + b"|" + SHIRT_PIXELS, MODEL + b"|" + TROUSERS]
