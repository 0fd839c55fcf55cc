"""Which answers of S3 are a picture's problem, which are worth another try, and what is said of each."""

import json
import unicodedata
from collections.abc import Collection
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.workflow.pipeline import picture
from tryon.keys import RunFolder
from tryon.planning.intake import Inputs, take_in
from tryon.planning.manifest import Manifest, ManifestError, PicturesMissingError, parse
from tryon.service import registry


class Store:
    """A bucket's pictures, and what is answered where there is none."""

    def __init__(self, *keys: str, otherwise: Exception | None = None) -> None:
        self.keys = set(keys)
        self.otherwise = otherwise or refusal("NoSuchKey", 404)
        self.asked: list[str] = []

    def get_object(self, **asked: str) -> dict[str, Any]:
        self.asked.append(asked["Key"])
        if asked["Key"] not in self.keys:
            raise self.otherwise
        data = picture(1)
        return {"ContentLength": len(data), "Body": BytesIO(data), "ETag": '"1"', "VersionId": "v1"}

    def put_object(self, **_: object) -> None:
        pass


def refusal(code: str, status: int, message: str = "no", **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message} | more, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


def wanted(*images: str) -> Manifest:
    models = [{"id": f"m{i}", "image": image} for i, image in enumerate(images)]
    content = {"models": models, "garments": [{"id": "g", "image": "g.jpg", "type": "upper"}]}
    return parse(json.dumps(content).encode(), bucket="b", allowed_buckets=["Elsewhere_1"])


def inputs(store: Any, manifest: Manifest) -> Inputs:
    return Inputs(store, manifest, "b", RunFolder("run"), 1_000_000)


def taken(store: Any, manifest: Manifest, awaited: Collection[str] = (), notes: list[str] | None = None) -> Any:
    found = take_in(inputs(store, manifest), awaited=awaited)
    if notes is not None:
        notes += found.notes
    return found.for_service("models", registry.FIRST), found.for_service("garments", registry.FIRST)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            refusal("InvalidObjectState", 403, StorageClass="DEEP_ARCHIVE"),
            "is archived (in storage class DEEP_ARCHIVE, InvalidObjectState): restore",
        ),
        (refusal("InvalidObjectState", 403), "is archived (in a storage class, InvalidObjectState): restore it first"),
        (refusal("KMS.DisabledException", 400), "is encrypted with a KMS key that this stack may not use"),
        (refusal("KMS.NotFoundException", 400), "is encrypted with a KMS key"),
        (
            refusal("AccessDenied", 403, "User: x is not authorized to perform: kms:Decrypt on key y"),
            "is encrypted with a KMS key",
        ),
        (refusal("InvalidRequest", 400), "it may be encrypted with a key of your own (SSE-C)"),
        (refusal("NoSuchBucket", 404), "there is no bucket 'b'"),
        (refusal("InvalidBucketName", 400), "'b' is not the name of a bucket"),
        (
            refusal("PermanentRedirect", 301),
            "bucket 'b' cannot be reached from this stack's region (PermanentRedirect)",
        ),
        (refusal("301", 301), "cannot be reached"),
        (refusal("AuthorizationHeaderMalformed", 400), "cannot be reached"),
        (refusal("NoSuchVersion", 404), "cannot be read (NoSuchVersion: no)"),
        (refusal("MethodNotAllowed", 405), "cannot be read (MethodNotAllowed: no)"),
        (refusal("AllAccessDisabled", 403), "cannot be read (AllAccessDisabled: no)"),
        (refusal("PreconditionFailed", 412, ""), "cannot be read (PreconditionFailed)"),
        (refusal("Strange", 418, "x" * 10_000), "cannot be read (Strange: xxx"),
    ],
)
def test_a_refusal_of_s3_is_told_with_its_field_and_with_all_others(error: ClientError, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        taken(Store("g.jpg", otherwise=error), wanted("a.jpg", "b.jpg"))
    assert not isinstance(caught.value, PicturesMissingError)
    assert [problem.field for problem in caught.value.problems] == ["models[0].image", "models[1].image"]
    assert said in caught.value.problems[0].message
    assert len(caught.value.problems[0].message) < 500


@pytest.mark.parametrize(
    "error",
    [
        refusal("InternalError", 500),
        refusal("SlowDown", 503),
        refusal("503", 503),
        refusal("RequestTimeout", 400),
        refusal("RequestTimeTooSkewed", 403),
        refusal("ThrottlingException", 400),
        refusal("KMS.ThrottlingException", 400),
        refusal("429", 429),
        refusal("OperationAborted", 409),
        refusal("ExpiredToken", 400),
        EndpointConnectionError(endpoint_url="https://s3.test"),
    ],
)
def test_what_may_pass_is_no_fault_of_the_picture(error: Exception) -> None:
    with pytest.raises(type(error)):
        taken(Store("g.jpg", otherwise=error), wanted("a.jpg"))


@pytest.mark.parametrize(
    "error", [refusal("NoSuchKey", 404), refusal("404", 404), refusal("AccessDenied", 403), refusal("403", 403)]
)
def test_missing_pictures_alone_may_be_on_their_way(error: ClientError) -> None:
    with pytest.raises(PicturesMissingError) as caught:
        taken(Store("b.jpg", otherwise=error), wanted("a.jpg", "b.jpg", "s3://Elsewhere_1/c.jpg"))
    assert str(caught.value) == "models[0].image, models[2].image, garments[0].image"
    assert PicturesMissingError.missing(str(caught.value)) == {
        "models[0].image",
        "models[2].image",
        "garments[0].image",
    }
    assert PicturesMissingError.missing("") == frozenset()
    assert "'a.jpg' is not there, or may not be read" in caught.value.problems[0].message


def test_looking_again_asks_for_what_was_missing_first_and_for_the_rest_once_all_is_there() -> None:
    manifest, store = wanted("a.jpg", "b.jpg", "c.jpg"), Store("a.jpg", "g.jpg", "b.jpg")
    awaited = {"models[1].image", "models[2].image"}
    with pytest.raises(PicturesMissingError, match=r"^models\[2\].image$"):
        taken(store, manifest, awaited)
    assert sorted(store.asked) == ["b.jpg", "c.jpg"]
    store.keys.add("c.jpg")
    models, garments = taken(store, manifest, awaited)
    assert ([*sorted(models)], [*garments]) == (["m0", "m1", "m2"], ["g"])


@pytest.mark.parametrize(("named", "lies"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_key_in_another_normal_form_is_taken_and_said(named: Any, lies: Any) -> None:
    there, notes = unicodedata.normalize(lies, "Ångström/é.jpg"), list[str]()
    models, _ = taken(Store("g.jpg", there), wanted(unicodedata.normalize(named, there)), notes=notes)
    assert models["m0"].key == there
    assert len(notes) == 1
    assert notes[0].startswith("models[0].image: ")
    assert taken(Store("g.jpg", "é.jpg"), wanted("é.jpg"), notes=notes)
    assert len(notes) == 1, "its own key comes first"


def test_a_picture_in_the_other_form_that_cannot_be_read_says_why() -> None:
    class Archive(Store):
        def get_object(self, **asked: str) -> dict[str, Any]:
            if "\u0301" in asked["Key"]:
                raise refusal("InvalidObjectState", 403)
            return super().get_object(**asked)

    with pytest.raises(ManifestError, match="is archived"):
        taken(Archive("g.jpg"), wanted("é.jpg"))


@pytest.mark.parametrize("checked", [0, 3])
def test_more_pictures_than_there_is_time_for_are_refused_by_their_number(checked: int) -> None:
    manifest = wanted(*(f"m{n}.jpg" for n in range(9)))
    store = Store("g.jpg", *(f"m{n}.jpg" for n in range(9)))
    left = iter([False] * checked)
    with pytest.raises(ManifestError, match="10 pictures are named") as no:
        take_in(inputs(store, manifest), late=lambda: next(left, True))
    assert "split the manifest" in str(no.value)
    assert len(store.asked) == checked
