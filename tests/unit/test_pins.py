"""What was checked is what is sent: pictures are pinned, and a retry has those of the run that it repeats."""

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, ReadTimeoutError
from moto import mock_aws
from PIL import Image

from tryon import objects, plan_run
from tryon.keys import Picture, RunFolder
from tryon.objects import PictureChangedError, StorageUnavailableError
from tryon.planning import intake
from tryon.planning.intake import KeptPicture, KeptPictures
from tryon.planning.manifest import Manifest, ManifestError
from tryon.planning.plan import Combination, WornGarment
from tryon.service import registry
from tryon.state.run import Run

OLD, NEW = RunFolder("20261123T090000Z-old-1a2b3c4d"), RunFolder("20261123T100000Z-new-1a2b3c4d")


def picture(colour: str, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 600), colour).save(out, kind)
    return out.getvalue()


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        for bucket in ("plain", "versions", "suspended"):
            client.create_bucket(Bucket=bucket)
        for bucket, status in (("versions", "Enabled"), ("suspended", "Suspended")):
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})  # type: ignore[typeddict-item]
        for bucket in ("plain", "versions", "suspended"):
            client.put_object(Bucket=bucket, Key="anna.jpg", Body=picture("red"))
            client.put_object(Bucket=bucket, Key="shirt.webp", Body=picture("blue", "WEBP"))
        yield client


def manifest(**changes: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "models": [{"id": "anna", "image": "anna.jpg"}],
            "garments": [{"id": "shirt", "image": "shirt.webp", "type": "upper"}],
            **changes,
        }
    )


def take_in(s3: Any, bucket: str, wanted: Manifest | None = None, kept: KeptPictures | None = None) -> intake.Intake:
    folder = NEW if kept is not None else OLD
    return intake.take_in(intake.Inputs(s3, wanted or manifest(), bucket, folder, 10**7, kept))


def pinned(bucket: str, taken: intake.Intake) -> Picture:
    return taken.for_service("models", registry.FIRST)["anna"]


@pytest.mark.parametrize(("bucket", "by"), [("plain", "etag"), ("suspended", "etag"), ("versions", "version")])
def test_a_picture_is_pinned_by_its_version_and_where_there_are_none_by_its_etag(s3: Any, bucket: str, by: str) -> None:
    taken = take_in(s3, bucket).pictures
    for place in (taken.models["anna"].picture, taken.garments["shirt"].picture, taken.garments["shirt"].source):
        assert place is not None
        assert [name for name in ("version", "etag") if getattr(place, name)] == [by]
    assert taken.models["anna"].source == taken.models["anna"].picture
    assert taken.garments["shirt"].picture.key == OLD.input("garments", "shirt", "png")
    assert objects.read_pinned(s3, taken.models["anna"].picture) == picture("red")


@pytest.mark.parametrize(
    ("answer", "pin"),
    [
        ({"VersionId": "3HL4", "ETag": '"e"'}, {"version": "3HL4"}),
        # Each new object of a bucket whose versions were suspended has this one, which moto does not say.
        ({"VersionId": "null", "ETag": '"e"'}, {"etag": '"e"'}),
        ({"ETag": '"e"'}, {"etag": '"e"'}),
        ({}, {}),
    ],
)
def test_what_pins_is_read_from_s3s_answer(answer: dict[str, str], pin: dict[str, str]) -> None:
    assert objects.pin(answer) == pin


@pytest.mark.parametrize("bucket", ["plain", "suspended"])
@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_picture_that_changed_after_the_check_is_not_read(s3: Any, bucket: str, change: str) -> None:
    taken = take_in(s3, bucket).pictures
    if change == "replaced":
        s3.put_object(Bucket=bucket, Key="anna.jpg", Body=picture("green"))
    else:
        s3.delete_object(Bucket=bucket, Key="anna.jpg")
    with pytest.raises(PictureChangedError, match=f"s3://{bucket}/anna.jpg"):
        objects.read_pinned(s3, taken.models["anna"].picture)


def test_a_version_is_read_whatever_came_after_it_until_it_is_deleted(s3: Any) -> None:
    place = pinned("versions", take_in(s3, "versions"))
    s3.put_object(Bucket="versions", Key="anna.jpg", Body=picture("green"))
    s3.delete_object(Bucket="versions", Key="anna.jpg")
    assert objects.read_pinned(s3, place) == picture("red")
    s3.delete_object(Bucket="versions", Key="anna.jpg", VersionId=place.version)
    with pytest.raises(PictureChangedError, match="NoSuchVersion"):
        objects.read_pinned(s3, place)


class Broken:
    """S3 that fails at the call, or while the picture is read."""

    def __init__(self, error: Exception, *, reading: bool = False) -> None:
        self.error, self.reading = error, reading

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self.reading:
            return {"Body": self}
        raise self.error

    def read(self) -> bytes:
        raise self.error


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        *(
            (refused(code), PictureChangedError)
            for code in ("PreconditionFailed", "412", "NoSuchVersion", "404", "405")
        ),
        *((refused(code), StorageUnavailableError) for code in ("SlowDown", "InternalError", "503", "RequestTimeout")),
        (EndpointConnectionError(endpoint_url="s3"), StorageUnavailableError),
        (ReadTimeoutError(endpoint_url="s3"), StorageUnavailableError),
        (refused("AccessDenied"), ClientError),
    ],
)
def test_what_s3_says_is_told_apart(error: Exception, named: type[Exception]) -> None:
    for place in (Picture(bucket="b", key="k", version="v"), Picture(bucket="b", key="k", etag="e")):
        with pytest.raises(named):
            objects.read_pinned(Broken(error), place)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [IncompleteReadError(actual_bytes=1, expected_bytes=2), ReadTimeoutError(endpoint_url="s3")]
)
def test_a_picture_that_breaks_off_is_asked_for_again(error: Exception) -> None:
    with pytest.raises(StorageUnavailableError, match="s3://b/k broke off"):
        objects.read_pinned(Broken(error, reading=True), Picture(bucket="b", key="k", etag="e"))  # type: ignore[arg-type]


# --- a retry has the pictures of the run that it repeats ---


def kept(s3: Any, bucket: str) -> KeptPictures:
    """What a first run was made of, read again from its folder."""
    objects.put_text(s3, bucket, OLD.pictures, take_in(s3, bucket).pictures.encode(), "application/json")
    return plan_run.kept_by(s3, Run(OLD.run_id, bucket=bucket))


@pytest.mark.parametrize("bucket", ["plain", "versions"])
def test_an_unchanged_picture_is_taken_as_it_was_and_nothing_is_noted(s3: Any, bucket: str) -> None:
    known = kept(s3, bucket)
    taken = take_in(s3, bucket, kept=known)
    assert taken.notes == []
    assert taken.pictures == known


@pytest.mark.parametrize(("change", "note"), [("replaced", "was replaced since"), ("deleted", "is gone")])
def test_the_first_runs_picture_is_used_and_it_is_noted_that_its_name_has_another_now(
    s3: Any, change: str, note: str
) -> None:
    known = kept(s3, "versions")
    for key in ("anna.jpg", "shirt.webp"):
        if change == "replaced":
            s3.put_object(Bucket="versions", Key=key, Body=picture("green"))
        else:
            s3.delete_object(Bucket="versions", Key=key)
    taken = take_in(s3, "versions", kept=known)
    assert taken.pictures.models["anna"] == known.models["anna"]
    assert [(said.partition(":")[0], note in said) for said in taken.notes] == [
        ("models[0].image", True),
        ("garments[0].image", True),
    ]


def test_a_picture_that_was_not_converted_and_is_gone_is_refused_by_name(s3: Any) -> None:
    known = kept(s3, "plain")
    s3.put_object(Bucket="plain", Key="anna.jpg", Body=picture("green"))
    s3.put_object(Bucket="plain", Key="shirt.webp", Body=picture("green", "WEBP"))
    with pytest.raises(ManifestError) as error:
        take_in(s3, "plain", kept=known)
    (problem,) = error.value.problems
    assert problem.field == "models[0].image"
    assert "--new-pictures" in str(error.value)


def test_another_name_or_another_id_is_another_picture(s3: Any) -> None:
    known = kept(s3, "plain")
    s3.put_object(Bucket="plain", Key="anna-2.jpg", Body=picture("green"))
    renamed = manifest(models=[{"id": "anna", "image": "anna-2.jpg"}])
    assert take_in(s3, "plain", renamed, known).pictures.models["anna"].picture.key == "anna-2.jpg"
    s3.put_object(Bucket="plain", Key="anna.jpg", Body=picture("green"))
    other = manifest(models=[{"id": "eva", "image": "anna.jpg"}])
    taken = take_in(s3, "plain", other, known).pictures.models["eva"]
    assert objects.read_pinned(s3, taken.picture) == picture("green")


def test_without_the_earlier_runs_pictures_the_newest_are_taken(s3: Any) -> None:
    kept(s3, "versions")
    s3.put_object(Bucket="versions", Key="anna.jpg", Body=picture("green"))
    assert objects.read_pinned(s3, pinned("versions", take_in(s3, "versions", kept=KeptPictures()))) == picture("green")


def test_a_run_of_before_is_read_from_its_plan(s3: Any) -> None:
    head = s3.head_object(Bucket="versions", Key="anna.jpg")
    version = head["VersionId"]
    combination = Combination(
        n=1,
        model="anna",
        worn="01-shirt",
        variant="default",
        model_picture=Picture(bucket="versions", key="anna.jpg", version=version),
        garments=[WornGarment(id="shirt", type="upper", picture=Picture(bucket="versions", key="converted.png"))],
    )
    plan = f"[{combination.model_dump_json(exclude_defaults=True)}]"
    s3.put_object(Bucket="versions", Key=OLD.plan, Body=plan.encode())
    s3.put_object(Bucket="versions", Key="manifests/a.json", Body=manifest().model_dump_json(by_alias=True).encode())
    run = Run(OLD.run_id, bucket="versions", manifest_key="manifests/a.json")
    converted = Picture(bucket="versions", key="converted.png")
    assert plan_run.kept_by(s3, run) == KeptPictures(
        models={"anna": KeptPicture(image="anna.jpg", picture=combination.model_picture)},
        garments={"shirt": KeptPicture(image="shirt.webp", picture=converted)},
    )


def test_a_run_without_a_plan_had_no_pictures_and_a_broken_s3_is_not_that(s3: Any) -> None:
    run = Run(OLD.run_id, bucket="plain", manifest_key="manifests/a.json")
    assert plan_run.kept_by(s3, run) == KeptPictures()
    with pytest.raises(ClientError, match="SlowDown"):
        plan_run.kept_by(Broken(refused("SlowDown")), run)  # type: ignore[arg-type]


def test_what_is_kept_reads_back(s3: Any) -> None:
    taken = take_in(s3, "plain").pictures
    assert json.loads(taken.encode()).keys() == {"models", "garments"}
    assert KeptPictures.model_validate_json(taken.encode()) == taken


def test_a_retry_keeps_pictures_unless_it_asks_for_new_ones(s3: Any) -> None:
    known = kept(s3, "plain")

    class Ledger:
        def run(self, run_id: str) -> Run:
            return Run(run_id, bucket="plain")

    for changes, found in [
        ({}, None),
        ({"retry_of": OLD.run_id}, known),
        ({"retry_of": OLD.run_id, "new_pictures": True}, None),
    ]:
        assert plan_run._kept(s3, Ledger(), manifest(**changes)) == found  # type: ignore[arg-type]
