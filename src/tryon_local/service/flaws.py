"""Pictures that are wrong on demand: what a service may deliver that no code of its answer says.

Each begins from the right picture, so that one thing is wrong with it and nothing else.
"""

import io

from PIL import Image, ImageChops, ImageDraw

from tryon_local.service.faults import Flaw
from tryon_local.service.picture import head_of

# A third of the circle of hues, on Pillow's scale.
_HUE = 85
_CHANGED = 24


def spoil(drawn: bytes, flaw: Flaw, model: bytes, other: bytes) -> bytes:
    """A PNG with a flaw; `model` is the photograph that was dressed, `other` another model's, which lends its head.

    Raises ValueError for pictures that cannot be read.
    """
    try:
        picture = Image.open(io.BytesIO(drawn)).convert("RGB")
        person = Image.open(io.BytesIO(model)).convert("RGB").resize(picture.size, Image.Resampling.LANCZOS)
    except OSError as error:
        raise ValueError(f"not a picture: {error}") from error
    match flaw:
        case "unchanged":
            picture = person
        case "another head":
            picture = head_of(other, picture, model)
        case "blank":
            picture = Image.new("RGB", picture.size, (128, 128, 128))
        case "cropped":
            picture = _cropped(picture)
        case "object added":
            _add_object(picture)
        case "colours shifted":
            picture = _recoloured(picture, person)
        case "another garment" | "the same file":
            return drawn
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _cropped(picture: Image.Image) -> Image.Image:
    """The picture without a tenth of its width and of its height on each side."""
    across, down = picture.width // 10, picture.height // 10
    return picture.crop((across, down, picture.width - across, picture.height - down))


def _add_object(picture: Image.Image) -> None:
    """A striped box beside the feet."""
    side = picture.width // 6
    left, top = picture.width - side - 2, round(picture.height * 0.72)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left, top, left + side, top + side), fill=(150, 60, 20))
    for n in range(0, side, max(4, side // 5)):
        pen.line((left, top + n, left + side, top + n), fill=(250, 210, 60), width=max(2, side // 20))


def _recoloured(picture: Image.Image, person: Image.Image) -> Image.Image:
    """The garment with its hues turned by a third, stronger than they were."""
    hue, saturation, value = picture.convert("HSV").split()
    turned = Image.merge(
        "HSV",
        (
            hue.point([(step + _HUE) % 256 for step in range(256)]),
            saturation.point([min(255, 90 + step) for step in range(256)]),
            value,
        ),
    )
    apart = ImageChops.difference(picture, person).convert("L")
    return Image.composite(
        turned.convert("RGB"), picture, apart.point([255 if step > _CHANGED else 0 for step in range(256)])
    )
