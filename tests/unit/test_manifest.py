import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon.planning.manifest import (
    MAX_BYTES,
    MAX_DESCRIBED,
    MAX_RETRY_BYTES,
    ImageSource,
    Manifest,
    ManifestError,
    Problem,
    parse,
)
from tryon.service import registry

MODEL = {"id": "anna", "image": "inputs/anna.jpg"}
SHIRT = {"id": "linen-shirt", "image": "inputs/linen-shirt.png", "type": "upper"}
CHINOS = {"id": "chinos", "image": "inputs/chinos.png", "type": "lower"}


def manifest(**changes: Any) -> dict[str, Any]:
    return {"models": [MODEL], "garments": [SHIRT, CHINOS], **changes}


def read(content: Any) -> Manifest:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse(data, bucket="pictures", allowed_buckets=["archive"])


def problems(content: Any) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        read(content)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_only_models_and_garments_are_needed() -> None:
    assert [m.id for m in read({"models": [MODEL], "garments": [SHIRT]}).models] == ["anna"]


def test_the_defaults_are_the_calibrated_ones() -> None:
    told = read(manifest()).settings()["default"].parameters.model_dump()
    assert (told["super_resolution"], told["keep_head"], told["keep_hands"], told["mask"]) == (
        True,
        True,
        False,
        "loose",
    )


def test_a_picture_may_lie_in_an_allowed_bucket() -> None:
    found = read(manifest(models=[{"id": "anna", "image": "s3://archive/people/anna.jpg"}]))
    source = found.source(found.models[0].image, "pictures")
    assert (source.bucket, source.key) == ("archive", "people/anna.jpg")


def test_a_byte_order_mark_is_no_error() -> None:
    assert read(b"\xef\xbb\xbf" + json.dumps(manifest()).encode()).models


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (manifest(modles=[]), "modles", "did you mean 'models'?"),
        (manifest(garments=[{**SHIRT, "colour": "blue"}]), "garments[0].colour", "known are id, image, type"),
        (manifest(parameters={"keep_haed": True}), "parameters.keep_haed", "did you mean 'keep_head'?"),
        (manifest(variants={"b": {"msak": "tight"}}), "variants.b.msak", "did you mean 'mask'?"),
        (manifest(combinations=[{"modle": "anna"}]), "combinations[0].modle", "did you mean 'model'?"),
        (manifest(models=[{"image": "a.jpg"}]), "models[0].id", "is missing"),
        (manifest(models=[MODEL, MODEL]), "models[1].id", "'anna' is already the id of models[0]"),
        (manifest(garments=[SHIRT, {**CHINOS, "id": "linen-shirt"}]), "garments[1].id", "already the id of garments[0]"),
        (manifest(garments=[{**SHIRT, "type": "hat"}]), "garments[0].type", "must be 'upper', 'lower' or 'full', not 'hat'"),
        (manifest(models=[]), "models", "must hold at least one entry"),
        (manifest(garments=[]), "garments", "must hold at least one entry"),
        (manifest(combinations=[]), "combinations", "must hold at least one entry"),
        (manifest(models={"anna": "a.jpg"}), "models", "must be a list"),
        (manifest(models=[{**MODEL, "id": "an/na"}]), "models[0].id", "'an/na' is not an id"),
        (manifest(models=[{**MODEL, "id": "../anna"}]), "models[0].id", "is not an id"),
        (manifest(models=[{**MODEL, "id": "an\x00na"}]), "models[0].id", "an\\u0000na"),
        (manifest(models=[{**MODEL, "id": "a" * 300}]), "models[0].id", "is not an id"),
        (manifest(models=[{**MODEL, "id": "anna\n"}]), "models[0].id", "is not an id"),
        (manifest(models=[{**MODEL, "id": "Anna"}]), "models[0].id", "lower-case"),
        (manifest(models=[{**MODEL, "id": "аnna"}]), "models[0].id", "is not an id"),  # noqa: RUF001 - a Cyrillic а
        (manifest(models=[{**MODEL, "image": "../secrets.jpg"}]), "models[0].image", "without a leading slash"),
        (manifest(models=[{**MODEL, "image": "/inputs/a.jpg"}]), "models[0].image", "without a leading slash"),
        (manifest(models=[{**MODEL, "image": "https://example.com/a.jpg"}]), "models[0].image", "s3:// address"),
        (manifest(models=[{**MODEL, "image": "s3://elsewhere/a.jpg"}]), "models[0].image", "'elsewhere' is not one that"),
        (manifest(models=[{**MODEL, "image": ""}]), "models[0].image", "must be a key"),
        (manifest(cadence=[]), "cadence", "must hold at least one entry"),
        (manifest(cadence=[5, 0]), "cadence[1]", "greater than or equal to 1"),
        (manifest(cadence=[2.5]), "cadence[0]", "must be a whole number"),
        (manifest(cadence=[True]), "cadence[0]", "must be a whole number"),
        (manifest(parameters={"steps": 7}), "parameters.steps", "greater than or equal to 8"),
        (manifest(parameters={"mask": "snug"}), "parameters.mask", "'loose', 'tight' or 'bbox'"),
        (manifest(parameters={"keep_head": "yes"}), "parameters.keep_head", "must be true or false"),
        (manifest(outfits=[{"id": "office", "upper": "linen-shirt", "lower": "chino"}]), "outfits[0].lower", "did you mean 'chinos'?"),
        (manifest(outfits=[{"id": "office", "upper": "chinos", "lower": "chinos"}]), "outfits[0].upper", "of type 'lower', not 'upper'"),
        (manifest(outfits=[{"id": "chinos", "upper": "linen-shirt", "lower": "chinos"}]), "outfits[0].id", "already the id of a garment"),
        (manifest(combinations=[{"model": "ana", "garment": "chinos"}]), "combinations[0].model", "did you mean 'anna'?"),
        (manifest(combinations=[{"model": "anna"}]), "combinations[0]", "needs either a garment or an outfit"),
        (manifest(combinations="some"), "combinations", "must be 'all', not 'some'"),
        (manifest(variants={"A!": {}}), "variants.A!", "is not an id"),
        (manifest(name=""), "name", "at least 1 character"),
        (b"", "", "not JSON: Expecting value at line 1, column 1"),
        (b'{"models": [}', "", "line 1, column 13"),
        (b"[]", "", "must be a JSON object"),
        (b'{"cadence": [NaN]}', "", "NaN is not a JSON number"),
        (b'{"name": "a", "name": "b"}', "name", "given twice"),
        (b"[" * 100_000, "", "nested too deeply"),
        (b'{"cadence": [' + b"1" * 5000 + b"]}", "", "a whole number of more than 4,300 digits"),
        (b"\xff\xfe{", "", "not UTF-8"),
        (b'{"models": [{"id": "a", "id": "b"}]}', "id", "given twice in one object, as 'a' and 'b'"),
        (b" " * 30_000_000, "", "30,000,000 bytes, at most 8,000,000 are read, 25,000,000 with retry_of"),
        (json.dumps(manifest()).encode() + b" " * 10_000_000, "", "bytes, at most 8,000,000 are read"),
        (manifest(name="a\nb"), "name", "'a\\u000ab' must not hold the control character U+000A"),
        (manifest(name="a\u202eb"), "name", "must not hold the control character U+202E"),
        (manifest(name="a\u061cb"), "name", "must not hold the control character U+061C"),
        (manifest(models=[{**MODEL, "image": "in\u2029puts/a.jpg"}]), "models[0].image", "'in\\u2029puts/a.jpg' must not hold the control character U+2029"),
        ({**manifest(), "$schema": "a\nb"}, "$schema", "must not hold the control character U+000A"),
        ({**manifest(), "$schema": "x" * 3000}, "$schema", "at most 2048 characters"),
        (manifest(models=[{**MODEL, "image": "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/mine/a.jpg"}]), "models[0].image", "names an access point by its ARN"),
        (manifest(models=[{**MODEL, "image": "s3://mine-abcdefghij0123456789-s3alias/a.jpg"}]), "models[0].image", "names an access point"),
        (manifest(models=[{**MODEL, "image": "s3://mine--usw2-az1--x-s3/a.jpg"}]), "models[0].image", "a directory bucket"),
        (manifest(models=[{**MODEL, "image": "s3://Old_Bucket/a.jpg"}]), "models[0].image", "bucket 'Old_Bucket' is not one that this stack may read"),
        (manifest(models=[{**MODEL, "image": f"s3://{'a' * 256}/a.jpg"}]), "models[0].image", "must look like s3://bucket/key"),
        (manifest(models=[{**MODEL, "image": "s3://a bucket/a.jpg"}]), "models[0].image", "must look like s3://bucket/key"),
        (b'{"models": [], ' + b'"a":"b",' * 60_000 + b'"a":1}', "a", "is given 60,001 times in one object, as 'b' and 'b' and 'b' and 59,998 more"),
        (b'{"models": [' + b"[]," * 2_000_000 + b"[]]}", "", "the manifest holds more than 1,500,000 values"),
        (manifest(parameters={"steps": "16"}), "parameters.steps", "must be a whole number, not '16'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_field(content: Any, field: str, message: str) -> None:
    found = problems(content)
    assert field in found
    assert message in found[field]


def test_every_mistake_is_told_at_once() -> None:
    found = problems({"models": [{"id": "A"}], "garments": [{"id": "x", "image": "x.png", "type": "hat"}], "oops": 1})
    assert set(found) == {"models[0].id", "models[0].image", "garments[0].type", "oops"}


def test_a_bucket_may_have_a_name_that_only_old_buckets_have() -> None:
    for bucket in ("Old_Bucket", "UPPER.case-_", "a" * 255, "_x_"):
        data = json.dumps(manifest(models=[{**MODEL, "image": f"s3://{bucket}/People/a.jpg"}])).encode()
        found = parse(data, bucket="pictures", allowed_buckets=[bucket])
        assert found.source(found.models[0].image, "pictures") == ImageSource(bucket, "People/a.jpg")


def test_more_mistakes_than_anybody_mends_are_counted_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[object] = []
    monkeypatch.setattr("tryon.planning.manifest.Problem", lambda *told: described.append(told) or Problem(*told))
    entries = b",".join([b"{}"] * 20_000)
    with pytest.raises(ManifestError) as caught:
        read(b'{"models": [' + entries + b'], "garments": [' + entries + b"]}")
    assert str(caught.value).endswith("and 99,980 more problems")
    assert len(described) == len(caught.value.problems) == MAX_DESCRIBED


def test_more_contradictions_than_anybody_mends_are_counted_not_described() -> None:
    with pytest.raises(ManifestError) as caught:
        read(manifest(models=[MODEL] * 5_001))
    assert str(caught.value).endswith("and 4,980 more problems")
    assert len(caught.value.problems) == MAX_DESCRIBED


def test_a_message_with_a_thousand_mistakes_stays_short() -> None:
    with pytest.raises(ManifestError) as caught:
        read(manifest(garments=[{**SHIRT, "id": f"No {i}"} for i in range(1000)]))
    assert len(caught.value.problems) == 1000
    assert "and 980 more" in str(caught.value)
    assert len(str(caught.value)) < 8000


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_whatever_the_bytes_only_a_manifest_error_comes_out(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse(data, bucket="pictures")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["models", "garments", "id", "image", "type", "variants", "combinations", "cadence", "$schema"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(_json)
@settings(max_examples=300)
def test_whatever_the_shape_only_a_manifest_error_comes_out(content: Any) -> None:
    try:
        parse(json.dumps(content).encode(), bucket="pictures")
    except ManifestError as error:
        assert str(error).isprintable()


def test_the_largest_manifests_are_read() -> None:
    wanted = [{"model": "anna", "garment": "chinos"}] * 100_000
    data = json.dumps(manifest(combinations=wanted)).encode()
    assert len(data) < MAX_BYTES
    assert len(read(data).combinations) == 100_000
    again = json.dumps(manifest(retry_of="run-1")).encode()
    assert read(again + b" " * (MAX_RETRY_BYTES - len(again))).retry_of == "run-1"


def test_a_name_in_any_script_is_a_name() -> None:
    for name in ("Frühling · 春\u3000カタログ", "ربيع", "👩\u200d🎤"):
        assert read(manifest(name=name)).name == name


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("fashin", "'fashin' is no service; known are volcengine, fashn, fal (did you mean 'fashn'?)"),
        ("xyz", "'xyz' is no service; known are volcengine, fashn, fal"),
        ("fal/google2", "fal has no model 'google2'; it has kling-kolors, google, leffa"),
    ],
)
def test_a_service_that_is_not_there_is_named_once_with_what_is(service: str, said: str) -> None:
    whole = {**manifest(), "service": service}
    assert problems(whole)["service"] == said
    varied = {**manifest(), "variants": {"a": {"service": service}}}
    assert problems(varied)["variants.a.service"] == said


def test_a_variant_may_have_a_display_name_which_no_service_sees() -> None:
    found = read(manifest(variants={"a": {"name": "Lockere Maske / 宽松"}, "b": {"mask": "tight"}}))
    assert found.variant_names() == {"a": "Lockere Maske / 宽松"}
    assert found.settings()["a"].parameters == read(manifest()).settings()["default"].parameters
    assert "Lockere" in found.encode(), "a retry keeps it"


@pytest.mark.parametrize("name", ["", "x" * 81, 5, None, ["a"], "two\nlines"])
def test_a_variant_s_name_is_refused_by_its_field(name: object) -> None:
    assert list(problems(manifest(variants={"a": {"name": name}}))) == ["variants.a.name"]


def test_no_service_has_a_parameter_that_a_variant_uses_itself() -> None:
    for service in registry.SERVICES:
        for one in registry.models(service):
            assert not {"name", "service"} & {*one.parameters.model_fields}
