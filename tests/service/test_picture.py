"""The stand-in's pictures: a wrong pairing, a lost parameter or a changed seed must show in them."""

import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from benchmarks import standin_pictures
from tryon_local.app import ROOT
from tryon_local.service import picture as standin_picture
from tryon_local.service.picture import MARK, MARK_SIDE, MARK_STEPS, TYPES, compose

SAMPLES = ROOT / "samples"
RED, GREEN, BLUE = (190, 40, 50), (40, 150, 70), (40, 60, 170)
FAIR, DARK = (236, 196, 172), (112, 70, 50)
GREY, SAND = (205, 210, 214), (226, 216, 196)

Box = tuple[int, int, int, int]
SIZE = (576, 768)


def at(left: int, top: int, right: int, bottom: int) -> Box:
    """A box of the drawings below, 384 by 512, in a composed picture, which is 768 pixels tall."""
    return left * 3 // 2, top * 3 // 2, right * 3 // 2, bottom * 3 // 2


TORSO, LEGS, HEAD = at(180, 140, 204, 180), at(162, 310, 180, 350), at(176, 36, 208, 72)

OUTLINES = {
    "upper": [(204, 112), (234, 100), (300, 290), (262, 300), (238, 200), (240, 340)],
    "bottom": [(234, 60), (254, 160), (240, 460), (202, 460), (192, 200)],
    "full": [(204, 50), (234, 40), (246, 120), (226, 190), (290, 440)],
}
"""Right halves; the left ones mirror them."""


def outline(kind: str) -> list[tuple[int, int]]:
    half = OUTLINES[kind]
    return half + [(384 - x, y) for x, y in reversed(half)]


def encoded(picture: Image.Image, format_: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, format_)
    return out.getvalue()


def drawn_person(skin: tuple[int, int, int] = FAIR, wall: tuple[int, int, int] = GREY) -> Image.Image:
    picture = Image.new("RGB", (384, 512), wall)
    draw = ImageDraw.Draw(picture)
    draw.ellipse([170, 24, 214, 84], fill=skin)
    draw.rectangle([182, 76, 202, 104], fill=skin)
    draw.polygon(
        [
            (148, 112),
            (182, 100),
            (202, 100),
            (236, 112),
            (222, 150),
            (218, 200),
            (234, 250),
            (150, 250),
            (166, 200),
            (162, 150),
        ],
        fill=skin,
    )
    for side in (-1, 1):
        draw.line([(192 + side * 40, 118), (192 + side * 60, 256)], fill=skin, width=15)
        draw.line([(192 + side * 22, 246), (192 + side * 20, 486)], fill=skin, width=33)
    return picture


def person(skin: tuple[int, int, int] = FAIR, wall: tuple[int, int, int] = GREY) -> bytes:
    return encoded(drawn_person(skin, wall))


def drawn_garment(colour: tuple[int, int, int], kind: str = "upper") -> Image.Image:
    picture = Image.new("RGB", (384, 512), (250, 250, 249))
    ImageDraw.Draw(picture).polygon(outline(kind), fill=colour)
    return picture


def garment(colour: tuple[int, int, int], kind: str = "upper") -> bytes:
    return encoded(drawn_garment(colour, kind))


def wearing(
    garments: Sequence[tuple[bytes, str]], model: bytes | None = None, seed: int = 1, **parameters: object
) -> Image.Image:
    data = compose(model or person(), garments, seed=seed, parameters=parameters)
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.format == "PNG"
    return picture


def bare(model: bytes | None = None) -> Image.Image:
    return Image.open(io.BytesIO(model or person())).resize(SIZE, Image.Resampling.LANCZOS, reducing_gap=2.0)


def unlike(first: Image.Image, second: Image.Image, box: Box | None = None) -> float:
    """The mean difference of two pictures, 0 to 255, in a box or everywhere."""
    if box:
        first, second = first.crop(box), second.crop(box)
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def is_coloured(picture: Image.Image, box: Box, colour: tuple[int, int, int]) -> bool:
    mean = ImageStat.Stat(picture.crop(box)).mean
    return all(abs(seen - wanted) < 35 for seen, wanted in zip(mean, colour, strict=True))


def area_of(picture: Image.Image, colour: tuple[int, int, int], box: Box | None = None) -> int:
    far = ImageChops.difference(
        picture.crop(box) if box else picture, Image.new("RGB", picture.size, colour).crop(box or (0, 0, *picture.size))
    )
    red, green, blue = far.split()
    return sum(ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()[:60])


@pytest.mark.parametrize(
    ("kind", "covered", "untouched"),
    [("upper", [TORSO], [LEGS]), ("bottom", [LEGS], [TORSO]), ("full", [TORSO, at(180, 220, 204, 270)], [])],
)
def test_a_garment_lands_where_its_type_says(kind: str, covered: list[Box], untouched: list[Box]) -> None:
    picture = wearing([(garment(RED, kind), kind)])
    for box in covered:
        assert is_coloured(picture, box, RED)
    for box in [HEAD, *untouched]:
        assert unlike(picture, bare(), box) == 0


def test_lower_and_bottom_are_one_type() -> None:
    trousers = garment(BLUE, "bottom")
    assert compose(person(), [(trousers, "lower")], seed=1, parameters={}) == compose(
        person(), [(trousers, "bottom")], seed=1, parameters={}
    )


def test_the_picture_shows_the_garment_that_was_sent_and_no_other() -> None:
    worn = {colour: wearing([(garment(colour), "upper")]) for colour in (RED, GREEN, BLUE)}
    for own, picture in worn.items():
        assert [colour for colour in worn if is_coloured(picture, TORSO, colour)] == [own]


def test_the_picture_shows_the_model_that_was_sent() -> None:
    fair, dark = person(FAIR, GREY), person(DARK, SAND)
    for model, other in ((fair, dark), (dark, fair)):
        picture = wearing([(garment(GREEN), "upper")], model)
        for box in (HEAD, LEGS, at(0, 0, 60, 60)):
            assert unlike(picture, bare(model), box) == 0
            assert unlike(picture, bare(other), box) > 10


def test_an_outfit_is_the_same_in_either_order_with_the_upper_garment_on_top() -> None:
    upper, bottom = (garment(RED), "upper"), (garment(BLUE, "bottom"), "bottom")
    picture = wearing([upper, bottom])
    assert is_coloured(picture, TORSO, RED)
    assert is_coloured(picture, at(180, 215, 204, 240), RED)
    assert is_coloured(picture, LEGS, BLUE)
    assert wearing([bottom, upper]).tobytes() == picture.tobytes()


def test_the_same_inputs_give_the_same_bytes() -> None:
    arguments: dict[str, Any] = {"seed": 5, "parameters": {"do_sr": True, "keep_head": True}}
    first = compose(person(), [(garment(RED), "upper")], **arguments)
    assert compose(person(), [(garment(RED), "upper")], **arguments) == first


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"num_steps": 30}, {"p_bbox_expand_ratio": 1.4}, {"keep_hand": True}, {"keep_foot": True}]
)
def test_a_seed_or_a_parameter_changes_the_picture_a_little(other: dict[str, Any]) -> None:
    first, second = wearing([(garment(RED), "upper")]), wearing([(garment(RED), "upper")], **other)
    assert 0.02 < unlike(first, second) < 8
    assert is_coloured(second, TORSO, RED)


def test_a_tight_mask_fits_closer_than_a_loose_one_and_a_box_wider() -> None:
    tight, loose, bbox = (
        area_of(wearing([(garment(RED), "upper")], tight_mask=mask), RED) for mask in ("tight", "loose", "bbox")
    )
    assert tight * 1.02 < loose
    assert loose * 1.02 < bbox


def test_super_resolution_doubles_the_picture_up_to_1920_pixels() -> None:
    sharp = wearing([(garment(RED), "upper")], encoded(drawn_person().resize((192, 256))), do_sr=True)
    assert sharp.size == (1152, 1536)
    large = encoded(drawn_person().resize((1200, 1600)))
    assert wearing([(garment(RED), "upper")], large).size == (900, 1200)
    assert wearing([(garment(RED), "upper")], large, do_sr=True).size == (1440, 1920)


@pytest.mark.parametrize(
    ("drawn", "side", "size"),
    [
        ((900, 1200), 1920, (900, 1200)),
        ((900, 1200), 1080, (810, 1080)),
        ((1600, 1200), 1080, (1080, 810)),
        ((600, 800), 1080, (600, 800)),
        ((3000, 4000), 4096, (900, 1200)),
    ],
)
def test_a_model_is_drawn_no_larger_than_the_largest_side_asked_for(
    drawn: tuple[int, int], side: int, size: tuple[int, int]
) -> None:
    model = encoded(drawn_person().resize(drawn))
    assert wearing([(garment(RED), "upper")], model, max_process_side_length=side).size == size


def test_a_garment_larger_than_the_side_asked_for_is_worn_as_if_it_had_been_shrunk_before() -> None:
    # Grain, which shrinking in one step and in two leaves different.
    grain = Image.effect_noise((1800, 2400), 90).convert("RGB")
    large = Image.composite(grain, Image.new("RGB", grain.size, "white"), mask_of(grain.size))
    shrunk = large.resize((810, 1080), Image.Resampling.LANCZOS, reducing_gap=2.0)
    as_sent, before = (
        wearing([(encoded(picture), "upper")], max_process_side_length=1080) for picture in (large, shrunk)
    )
    assert as_sent.tobytes() == before.tobytes()
    assert wearing([(encoded(large), "upper")], max_process_side_length=2400).tobytes() != before.tobytes()


def mask_of(size: tuple[int, int]) -> Image.Image:
    """Where a garment of that size has cloth."""
    mask = Image.new("L", (384, 512), 0)
    ImageDraw.Draw(mask).polygon(outline("upper"), fill=255)
    return mask.resize(size)


def test_a_kept_head_stays_above_a_high_collar() -> None:
    high = drawn_garment(RED)
    ImageDraw.Draw(high).rectangle([168, 74, 216, 130], fill=RED)
    throat = at(184, 88, 200, 100)
    kept = wearing([(encoded(high), "upper")], keep_head=True)
    covered = wearing([(encoded(high), "upper")], keep_head=False)
    assert area_of(kept, RED, throat) == 0
    assert area_of(covered, RED, throat) > 100


def test_what_is_kept_above_or_below_the_waist_is_not_dressed() -> None:
    for name, kept, dressed in (("keep_upper", TORSO, at(180, 220, 204, 260)), ("keep_lower", LEGS, TORSO)):
        flag: dict[str, Any] = {name: True}
        picture = wearing([(garment(RED, "full"), "full")], **flag)
        assert unlike(picture, bare(), kept) == 0
        assert is_coloured(picture, dressed, RED)


def test_a_mark_at_one_place_of_the_edge_tells_the_picture_from_a_services() -> None:
    for model in (person(), encoded(drawn_person().resize((1200, 400)))):
        for parameters in ({}, {"do_sr": False}):
            picture = wearing([(garment(RED), "upper")], model, **parameters)
            mark = picture.crop((0, picture.height - MARK_SIDE, MARK_SIDE * MARK_STEPS, picture.height))
            steps = [mark.getpixel((step * MARK_SIDE + 1, 1)) for step in range(MARK_STEPS)]
            assert steps == [MARK[step % 2] for step in range(MARK_STEPS)]


# --- the samples: what checks of results are measured on ---


def sample_manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "manifest.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def shop() -> dict[tuple[str, str], Image.Image]:
    """Both sample models in all nine garments."""
    raw = sample_manifest()
    return {
        (model["id"], one["id"]): wearing(
            [((SAMPLES / one["image"]).read_bytes(), one["type"])], (SAMPLES / model["image"]).read_bytes()
        )
        for model in raw["models"]
        for one in raw["garments"]
    }


def test_head_and_background_of_the_samples_stay_as_they_were(shop: dict[tuple[str, str], Image.Image]) -> None:
    for model in sample_manifest()["models"]:
        with Image.open(SAMPLES / model["image"]) as source:
            size = next(picture.size for (who, _), picture in shop.items() if who == model["id"])
            before = source.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        width, height = size
        head = (width * 2 // 5, 0, width * 3 // 5, height // 5)
        wall = (0, 0, width // 6, height - 2 * MARK_SIDE)
        for (who, _), picture in shop.items():
            if who == model["id"]:
                assert unlike(picture, before, (0, 0, width, height // 8)) == 0
                assert unlike(picture, before, head) < 3.0, "what hangs below the chin may cover the neck"
                assert unlike(picture, before, wall) == 0


def test_the_nearest_garment_is_the_own_one_for_each_of_the_samples(shop: dict[tuple[str, str], Image.Image]) -> None:
    """By colours alone: how often each of 4,096 is in the garment's photograph and in what changed of the model."""
    garments = {
        one["id"]: colours(Image.open(SAMPLES / one["image"]).convert("RGB"), None)
        for one in sample_manifest()["garments"]
    }
    right = 0
    for (model, own), picture in shop.items():
        others = [other for (who, _), other in shop.items() if who == model and other is not picture]
        changed = [ImageChops.difference(picture, other).convert("L").point([0] * 12 + [255] * 244) for other in others]
        mask = changed[0]
        for one in changed[1:]:
            mask = ImageChops.darker(mask, one)
        seen = colours(picture, mask)
        nearest = max(garments, key=lambda name: sum(min(seen[c], garments[name][c]) for c in seen))
        right += nearest == own
    assert right == len(shop) == 18


def colours(picture: Image.Image, mask: Image.Image | None) -> Counter[tuple[int, ...]]:
    """The share of each colour, four bits a channel, white paper left out."""
    counted: Counter[tuple[int, ...]] = Counter()
    picture = picture.resize((300, 400))
    mask = mask and mask.resize(picture.size)
    inside = mask.tobytes() if mask else b"\xff" * (picture.width * picture.height)
    for pixel, wanted in zip(zip(*[iter(picture.tobytes())] * 3, strict=True), inside, strict=True):
        if wanted > 127 and min(pixel) < 235:
            counted[tuple(value >> 4 for value in pixel)] += 1
    total = counted.total() or 1
    return Counter({colour: count / total for colour, count in counted.items()})


def test_the_text_chunks_name_the_inputs() -> None:
    model, shirt, trousers = person(), garment(RED), garment(BLUE, "bottom")
    data = compose(model, [(shirt, "upper"), (trousers, "bottom")], seed=42, parameters={})
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["tryon-model"] == hashlib.sha256(model).hexdigest()
        assert picture.info["tryon-garments"].split(",") == [
            hashlib.sha256(shirt).hexdigest(),
            hashlib.sha256(trousers).hexdigest(),
        ]
        assert picture.info["tryon-seed"] == "42"


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA"])
def test_any_colour_mode_can_be_worn(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    model, shirt = drawn_person(), drawn_garment(BLUE)
    if mode == "P":
        model, shirt = model.quantize(64), shirt.quantize(64)
    picture = wearing([(encoded(shirt.convert(mode), kind), "upper")], encoded(model.convert(mode), kind))
    assert (picture.mode, picture.size) == ("RGB", SIZE)
    assert area_of(picture, worn_colour(shirt, mode), TORSO) > 0.8 * 36 * 60


def worn_colour(shirt: Image.Image, mode: str) -> tuple[int, int, int]:
    grey = round(ImageStat.Stat(shirt.convert("L").crop((180, 200, 200, 300))).mean[0])
    return (grey, grey, grey) if mode in ("L", "LA") else BLUE


def test_transparency_says_what_is_garment_even_of_a_white_one() -> None:
    white = Image.new("RGBA", (384, 512), (255, 0, 255, 0))
    ImageDraw.Draw(white).polygon(outline("upper"), fill=(250, 250, 250, 255))
    picture = wearing([(encoded(white), "upper")])
    assert is_coloured(picture, TORSO, (250, 250, 250))
    assert area_of(picture, (255, 0, 255), (0, 0, picture.width, picture.height - MARK_SIDE)) == 0


def test_a_person_before_a_busy_wall_is_dressed_all_the_same() -> None:
    busy = Image.frombytes("RGB", (384, 512), random.Random(3).randbytes(384 * 512 * 3))
    picture = wearing([(garment(RED), "upper")], encoded(busy))
    assert is_coloured(picture, at(184, 160, 200, 200), RED)


@pytest.mark.parametrize("size", [(24, 24), (600, 24), (24, 600), (4000, 300), (300, 4000)])
@pytest.mark.parametrize("kind", ["upper", "bottom", "full"])
def test_odd_sizes_are_no_error(size: tuple[int, int], kind: str) -> None:
    picture = wearing([(garment(RED, kind), kind)], encoded(drawn_person().resize(size)))
    assert max(picture.size) <= 1920


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        person()[:400],
        encoded(drawn_person(), "JPEG")[:2000],
        encoded(drawn_person(), "WEBP"),
        encoded(drawn_person().resize((4, 4))),
    ],
    ids=["empty", "text", "cut-png", "cut-jpeg", "webp", "too-small"],
)
def test_what_is_no_usable_picture_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="picture"):
        compose(data, [(garment(RED), "upper")], seed=1, parameters={})
    with pytest.raises(ValueError, match="picture"):
        compose(person(), [(data, "upper")], seed=1, parameters={})


@pytest.mark.parametrize("kind", ["upper", "bottom", "full"])
@pytest.mark.parametrize("colour", ["white", "black", (0, 0, 0, 0)], ids=str)
def test_a_garment_that_does_not_stand_out_is_worn_as_a_swatch(colour: str | tuple[int, ...], kind: str) -> None:
    cloth = encoded(Image.new("RGB" if isinstance(colour, str) else "RGBA", (300, 400), colour))
    data = compose(person(), [(cloth, kind)], seed=1, parameters={})
    with Image.open(io.BytesIO(data)) as picture, Image.open(io.BytesIO(person())) as before:
        changed = ImageChops.difference(picture.convert("RGB"), before.convert("RGB").resize(picture.size))
    assert changed.getbbox()


@pytest.mark.parametrize(
    "garments",
    [[], [(garment(RED), "upper")] * 3, [(garment(RED), "hat")]],
    ids=["none", "three", "unknown-type"],
)
def test_what_makes_no_outfit_is_a_value_error(garments: list[tuple[bytes, str]]) -> None:
    with pytest.raises(ValueError, match="garment"):
        compose(person(), garments, seed=1, parameters={})


@pytest.mark.parametrize("name", standin_pictures.GARMENTS)
def test_no_odd_garment_is_drawn_much_larger_than_the_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    resized = standin_picture._resized

    def watched(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
        sizes.append(size)
        assert size[0] * size[1] <= 12_000_000, "it would take gigabytes"
        return resized(picture, size)

    monkeypatch.setattr(standin_picture, "_resized", watched)
    garment = standin_pictures.encoded(standin_pictures.GARMENTS[name]())
    for kind in TYPES:
        try:
            data = compose(standin_pictures.model(0), [(garment, kind)], seed=1, parameters={})
        except ValueError:
            assert name in {"one pixel", "one pixel wide"}, "only these are too small"
            continue
        assert sizes
        drawn = Image.open(io.BytesIO(data)).size
        assert all(size[0] * size[1] <= 6 * drawn[0] * drawn[1] for size in sizes)
