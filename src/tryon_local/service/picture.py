"""The stand-in's pictures: a plain but honest try-on, in which a wrong pairing shows to the eye and to a test.

The garment is cut from its background, fitted to the model's silhouette and laid on it with a little light and
shadow. Nothing here is learnt or random: the same inputs give the same bytes.
"""

import hashlib
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat
from PIL.PngImagePlugin import PngInfo

Box = tuple[int, int, int, int]
_Decoded = tuple[Image.Image, Image.Image | None]

# The side of the small copies on which shapes are searched: 160 cells find a 5 mm gap and cost 30 ms.
GRID = 160
SMALLEST_SIDE = 24
LARGEST_AREA = 40_000_000
# A garment counts as at least this share of its width where it is slimmest, and is drawn at most this many times as
# large as the picture: a thread, a cup or a cat, whose slimmest row is a hair, would else be drawn at gigapixels.
SLIMMEST = 0.25
LARGEST_FIT = 2.0
HEIGHTS = (768, 1200)
SHARP_SIDE = 1920
TYPES = {"upper": "upper", "bottom": "bottom", "lower": "bottom", "full": "full"}
LAYERS = ("bottom", "full", "upper")
MARK, MARK_STEPS, MARK_SIDE = ((255, 0, 255), (0, 255, 255)), 6, 3
"""The mark that tells these pictures from a service's: two colours in turn, six squares of three pixels."""


@dataclass(frozen=True)
class _Cut:
    """A subject cut from its background: `alpha` at full size, `cells` the same on the grid."""

    picture: Image.Image
    alpha: Image.Image
    cells: Image.Image


@dataclass(frozen=True)
class _Body:
    """Where the body is, in grid cells; `height` is from crown to soles without the hair's volume.

    Rows are fractions of `height` below the neck's narrowest row, after the usual canon of eight heads.
    """

    cells: Image.Image
    cell: float
    axis: float
    neck: float
    neck_half: float
    height: float

    def row(self, fraction: float) -> float:
        return self.neck + fraction * self.height

    def pixel(self, fraction: float) -> int:
        return round(self.row(fraction) * self.cell)


SHOULDER, WAIST, HIP = 0.035, 0.235, 0.335


def compose(
    model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]
) -> bytes:
    """Return a PNG of the model wearing the garments, each an encoded picture and its type.

    A type is the service's word: `upper`, `bottom` (or `lower`), `full`; `parameters` are its `inference_config`.
    Inputs are shrunk to `max_process_side_length` first. The PNG is 768 to 1200 pixels tall, if that and 1920 pixels
    of width allow it, up to 1920 with `do_sr`, and names its inputs in text chunks.
    Raises ValueError when an input is not a JPEG or PNG picture or the garments make no outfit.
    """
    if not 1 <= len(garments) <= 2:
        raise ValueError(f"one or two garments are worn at a time, not {len(garments)}")
    for _, kind in garments:
        if kind not in TYPES:
            raise ValueError(f"unknown garment type {kind!r}")
    asked = parameters.get("max_process_side_length")
    side = asked if isinstance(asked, int) else SHARP_SIDE
    person = _model_size(_decode(model), min(side, SHARP_SIDE))
    pieces = [(_shrunk(_decode(data), side), TYPES[kind]) for data, kind in garments]
    original = _cut(*person)
    body = _find_body(original)
    # Every parameter moves the dice, so that one that got lost on the way shows.
    dice = random.Random(json.dumps([seed, sorted(parameters.items())], default=str))
    picture = original.picture
    for piece, kind in sorted(pieces, key=lambda piece: LAYERS.index(piece[1])):
        picture = _dress(picture, original, body, _cut(*piece), kind, dice, parameters)
    if parameters.get("keep_head", True):
        picture.paste(original.picture, mask=ImageChops.multiply(_head(body, picture.size), original.alpha))
    if parameters.get("do_sr", False):
        picture = _sharpen(picture)
    return _encode(_marked(picture), _names(model, garments, seed))


def _names(model: bytes, garments: Sequence[tuple[bytes, str]], seed: int) -> dict[str, str]:
    return {
        "tryon-model": hashlib.sha256(model).hexdigest(),
        "tryon-garments": ",".join(hashlib.sha256(data).hexdigest() for data, _ in garments),
        "tryon-seed": str(seed),
    }


def _encode(picture: Image.Image, names: Mapping[str, str]) -> bytes:
    text = PngInfo()
    for name, value in names.items():
        text.add_text(name, value)
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=text, compress_level=3)
    return out.getvalue()


def _decode(data: bytes) -> _Decoded:
    """Return the picture in RGB and its transparency, if it has any."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as source:
            if source.width * source.height > LARGEST_AREA or min(source.size) < SMALLEST_SIDE:
                raise ValueError(f"a picture of {source.width} x {source.height} pixels cannot be used")
            source.draft("RGB", (HEIGHTS[1], HEIGHTS[1]))
            upright = ImageOps.exif_transpose(source)
            if upright.has_transparency_data:
                clear = upright.convert("RGBA")
                alpha = clear.getchannel("A")
                flat = Image.new("RGB", clear.size, (255, 255, 255))
                flat.paste(clear, mask=alpha)
                return flat, alpha
            if upright.mode.startswith("I") or upright.mode == "F":
                upright = upright.convert("I").point(lambda value: value / 256).convert("L")
            return upright.convert("RGB"), None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a JPEG or PNG picture: {error}") from error


def _model_size(decoded: _Decoded, side: int) -> _Decoded:
    """Return the model at the height that is drawn, no side above `side`."""
    picture, _ = decoded
    height = min(max(picture.height, HEIGHTS[0]), HEIGHTS[1])
    width = max(round(picture.width * height / picture.height), SMALLEST_SIDE)
    return _at(decoded, _within((width, height), side))


def _shrunk(decoded: _Decoded, side: int) -> _Decoded:
    return _at(decoded, _within(decoded[0].size, side))


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(side / max(size), 1.0)
    return max(round(size[0] * scale), SMALLEST_SIDE), max(round(size[1] * scale), SMALLEST_SIDE)


def _at(decoded: _Decoded, size: tuple[int, int]) -> _Decoded:
    picture, alpha = decoded
    if size == picture.size:
        return decoded
    return _resized(picture, size), alpha and _resized(alpha, size)


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _blurred(mask: Image.Image, radius: float) -> Image.Image:
    step = max(min(int(radius / 2), 8), 1)
    return (
        mask.reduce(step).filter(ImageFilter.GaussianBlur(radius / step)).resize(mask.size, Image.Resampling.BILINEAR)
    )


def _cut(picture: Image.Image, alpha: Image.Image | None) -> _Cut:
    """Separate the subject from its background, by transparency or else by flooding from the edges."""
    scale = GRID / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    if alpha is not None and ImageStat.Stat(alpha).mean[0] < 250:
        return _Cut(picture, alpha, alpha.resize(size, Image.Resampling.BOX))
    small = picture.resize(size, Image.Resampling.BOX)
    empty = _flood(small)
    ground = _extend(small, empty)
    wide = empty.filter(ImageFilter.MaxFilter(5)).resize(picture.size, Image.Resampling.BILINEAR)
    tinge, light = _unlike(picture, ground.resize(picture.size, Image.Resampling.BICUBIC))
    edge = ImageChops.lighter(
        tinge.point([min(max((value - 9) * 20, 0), 255) for value in range(256)]),
        light.point([min(max((value - 26) * 12, 0), 255) for value in range(256)]),
    )
    subject = ImageChops.lighter(ImageChops.invert(wide), edge)
    return _Cut(picture, subject, subject.resize(size, Image.Resampling.BOX))


def _unlike(first: Image.Image, second: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return how far two pictures differ in colour and in light: a shadow changes only the light."""
    red, green, blue = (
        ImageChops.subtract(one, other, 1, 128) for one, other in zip(first.split(), second.split(), strict=True)
    )
    tinge = ImageChops.lighter(ImageChops.difference(red, green), ImageChops.difference(blue, green))
    return tinge, green.point([abs(value - 128) for value in range(256)])


def _flood(small: Image.Image) -> Image.Image:
    """Return the cells reached from the top and the sides through gentle changes of light, not of colour.

    The bottom edge starts nothing: a person may well be cut off there.
    """
    width, height = small.size
    cells = small.tobytes()
    rim = {*range(width), *range(0, width * height, width), *range(width - 1, width * height, width)}
    usual = [median(cells[3 * at + channel] for at in rim) for channel in range(3)]
    seeds = [at for at in rim if all(abs(cells[3 * at + channel] - usual[channel]) <= 60 for channel in range(3))]
    reached = bytearray(width * height)
    for at in seeds:
        reached[at] = 255
    ground = _extend(small, Image.frombytes("L", small.size, bytes(reached)))
    tinge, light = _unlike(small, ground)
    free = ImageChops.darker(
        tinge.point([255 if value <= 9 else 0 for value in range(256)]),
        light.point([255 if value <= 75 else 0 for value in range(256)]),
    ).tobytes()
    grey = small.convert("L").tobytes()
    last_column, last_row = width - 1, width * (height - 1)
    while seeds:
        at = seeds.pop()
        here, column = grey[at], at % width
        around = []
        if column:
            around.append(at - 1)
        if column < last_column:
            around.append(at + 1)
        if at >= width:
            around.append(at - width)
        if at < last_row:
            around.append(at + width)
        for to in around:
            if not reached[to] and free[to] and -13 <= grey[to] - here <= 13:
                reached[to] = 255
                seeds.append(to)
    return Image.frombytes("L", small.size, bytes(reached))


def _extend(small: Image.Image, known: Image.Image) -> Image.Image:
    """Return the background as it would go on behind the subject, from coarser and coarser averages."""
    layered = small.copy()
    layered.putalpha(known)
    averages = [layered]
    while max(averages[-1].size) > 2:
        last = averages[-1]
        averages.append(last.resize(((last.width + 1) // 2, (last.height + 1) // 2), Image.Resampling.BOX))
    ground = averages[-1].convert("RGB")
    for finer in reversed(averages[:-1]):
        ground = ground.resize(finer.size, Image.Resampling.BILINEAR)
        ground.paste(finer.convert("RGB"), mask=finer.getchannel("A"))
    return ground


def _runs(cells: Image.Image, row: int) -> list[tuple[int, int]]:
    """Return the subject's stretches in a row, each from its first cell to one past its last."""
    if not 0 <= row < cells.height:
        return []
    line = cells.crop((0, row, cells.width, row + 1)).tobytes()
    runs: list[tuple[int, int]] = []
    start = None
    for column, value in enumerate([*line, 0]):
        if value >= 128 and start is None:
            start = column
        elif value < 128 and start is not None:
            runs.append((start, column))
            start = None
    return runs


def _run_at(cells: Image.Image, row: float, axis: float) -> tuple[int, int] | None:
    for start, end in _runs(cells, int(row)):
        if start - 1 <= axis <= end:
            return start, end
    return None


def _find_body(cut: _Cut) -> _Body:
    """Find the body in the silhouette; without a usable one, assume a person standing in the middle."""
    cells = cut.cells
    cell = cut.picture.width / cells.width
    box = cells.point([255 if value >= 128 else 0 for value in range(256)]).getbbox()
    if box is None or not _is_person(cells, box):
        height = cells.height * 0.92
        cells = _mannequin(cells.size, cells.width / 2, cells.height * 0.04, height)
        return _Body(cells, cell, cells.width / 2, cells.height * 0.04 + height * 0.142, height * 0.023, height)
    _, top, _, bottom = box
    tall = bottom - top
    middles = [(start + end) / 2 for row in range(top, bottom) for start, end in _runs(cells, row)]
    axis = median(middles)
    cropped = bottom >= cells.height - 1
    widths: dict[int, tuple[int, int]] = {}
    for row in range(top + round(tall * 0.06), top + round(tall * (0.5 if cropped else 0.3))):
        run = _run_at(cells, row, axis)
        if run:
            widths[row] = run
    narrowest = min((end - start for start, end in widths.values()), default=0)
    rows = [row for row, (start, end) in widths.items() if end - start <= narrowest + 0.5]
    below = [_run_at(cells, row, axis) for row in range(rows[-1], rows[-1] + round(tall * 0.2))] if rows else []
    shoulders = max((run[1] - run[0] for run in below if run), default=0)
    if narrowest > 0.6 * shoulders:
        return _Body(cells, cell, axis, top + tall * 0.142, tall * 0.024, tall)
    neck = rows[len(rows) // 2]
    start, end = widths[neck]
    height = (neck - top) / 0.142 if cropped else (bottom - neck) / 0.858
    return _Body(cells, cell, (start + end) / 2, neck, (end - start) / 2, height)


def _is_person(cells: Image.Image, box: Box) -> bool:
    across, tall = box[2] - box[0], box[3] - box[1]
    filled = sum(cells.crop(box).histogram()[128:]) / (across * tall)
    return tall >= 0.4 * cells.height and across <= 0.9 * tall and 0.12 <= filled <= 0.85


def _mannequin(size: tuple[int, int], axis: float, top: float, height: float) -> Image.Image:
    half = [(0, 0.035), (0.06, 0.04), (0.12, 0.03), (0.142, 0.023), (0.175, 0.085), (0.25, 0.085), (0.377, 0.065)]
    half += [(0.477, 0.09), (0.6, 0.085), (0.75, 0.07), (1, 0.05)]
    points = [(axis + x * height, top + y * height) for y, x in half]
    points += [(axis - x * height, top + y * height) for y, x in reversed(half)]
    cells = Image.new("L", size, 0)
    ImageDraw.Draw(cells).polygon(points, fill=255)
    return cells


def _fill(mask: Image.Image, value: int, left: float, top: float, right: float, bottom: float) -> None:
    """Paint a rectangle, whatever part of it is on the mask."""
    box = (max(round(left), 0), max(round(top), 0), min(round(right), mask.width), min(round(bottom), mask.height))
    if box[0] < box[2] and box[1] < box[3]:
        mask.paste(value, box)


def _girth(cells: Image.Image, row: float, axis: float) -> float:
    """Return the width of the trunk in a row, to a fraction of a cell; 0 where there is none."""
    run = _run_at(cells, row, axis)
    if run is None:
        return 0.0
    edge = cells.crop((max(run[0] - 1, 0), int(row), min(run[1] + 1, cells.width), int(row) + 1))
    return sum(edge.tobytes()) / 255


def _narrowest(cells: Image.Image, axis: float, low: float, high: float) -> tuple[float, float]:
    """Return the width and the row where the trunk is slimmest between two rows."""
    girths = [(_girth(cells, row, axis), row) for row in range(int(low), int(high) + 1)]
    return min((girth for girth in girths if girth[0]), default=(0.0, (low + high) / 2))


def _fit(body: _Body, garment: Image.Image, kind: str) -> tuple[float, float, float, float]:
    """Return where the garment goes, in cells: left, top, width and height.

    The width comes from the girth, the length from the height of the body, by the canon's proportions. A waist that
    shows in a `full` garment is put at the body's own.
    """
    waist, waist_row = _narrowest(body.cells, body.axis, body.row(0.16), body.row(0.29))
    waist = min(waist or 0.12 * body.height, 0.19 * body.height)
    hip = min(_girth(body.cells, body.row(HIP), body.axis) or 1.5 * waist, 0.24 * body.height)
    rows, girth, usual, ease = {
        "upper": ((0.45, 0.85), (waist + hip) / 2, 0.15, 1.1),
        "bottom": ((0.0, 0.08), waist, 0.12, 1.12),
        "full": ((0.2, 0.45), waist, 0.12, 1.1),
    }[kind]
    low, high = garment.height * rows[0], garment.height * rows[1]
    slimmest, slim_row = _narrowest(garment, garment.width / 2, low, high)
    across = ease * girth / max(slimmest or garment.width, SLIMMEST * garment.width)
    down = across * min(max(usual * body.height / girth, 0.84), 1.18)
    across = min(across, LARGEST_FIT * body.cells.width / garment.width)
    down = min(down, LARGEST_FIT * body.cells.height / garment.height)
    waisted = kind == "full" and _girth(garment, low, garment.width / 2) > 1.06 * slimmest
    top = waist_row - slim_row * down if waisted else body.row(WAIST if kind == "bottom" else 0.0)
    return body.axis - garment.width * across / 2, top, garment.width * across, garment.height * down


def _dress(
    picture: Image.Image,
    original: _Cut,
    body: _Body,
    garment: _Cut,
    kind: str,
    dice: random.Random,
    parameters: Mapping[str, object],
) -> Image.Image:
    """Lay one garment on the picture, shaped by the body's light."""
    box = garment.alpha.point([255 if value >= 96 else 0 for value in range(256)]).getbbox()
    if box is None:
        # Nothing stands out: one colour, or a swatch. The service answers with a picture all the same.
        box = (0, 0, *garment.alpha.size)
        garment = replace(garment, alpha=Image.new("L", garment.alpha.size, 255))
    grain = garment.picture.width / garment.cells.width
    shape = garment.alpha.crop(box).resize(
        (max(round((box[2] - box[0]) / grain), 1), max(round((box[3] - box[1]) / grain), 1)), Image.Resampling.BOX
    )
    left, top, across, down = (value * body.cell for value in _fit(body, shape, kind))
    ease = {"tight": 0.955, "bbox": 1.05}.get(str(parameters.get("tight_mask")), 1.0)
    left, across = left + across * (1 - ease) / 2, across * ease
    unit = body.height * body.cell / 1000
    left += dice.uniform(-1.5, 1.5) * unit
    top += dice.uniform(-1.5, 1.5) * unit
    size = (max(round(across), 1), max(round(down), 1))
    place = (round(left), round(top))
    cloth = Image.new("RGB", picture.size)
    cloth.paste(_resized(garment.picture.crop(box), size), place)
    worn = Image.new("L", picture.size, 0)
    worn.paste(_resized(garment.alpha.crop(box), size), place)
    if parameters.get("keep_upper") and kind != "upper":
        _fill(worn, 0, 0, 0, worn.width, body.pixel(WAIST))
    if parameters.get("keep_lower") and kind != "bottom":
        _fill(worn, 0, 0, body.pixel(WAIST), *worn.size)
    if kind != "bottom":
        worn = ImageChops.darker(worn, _below_air(body).resize(worn.size, Image.Resampling.BILINEAR))
    cloth = _tinted(cloth, dice)
    hollow = ImageChops.invert(_blurred(original.alpha, 16 * unit))
    cloth.paste((30, 24, 40), mask=hollow.point([round(value * 0.16) for value in range(256)]))
    shadow = ImageChops.offset(_blurred(worn, 5 * unit), round(2 * unit), round(6 * unit))
    on_body = ImageChops.multiply(shadow, original.alpha).point([round(value * 0.42) for value in range(256)])
    result = picture.copy()
    result.paste((28, 20, 30), mask=on_body)
    result.paste(cloth, mask=worn)
    return result


def _below_air(body: _Body) -> Image.Image:
    """Return all but the air above the shoulders, beside the collar, where straps would float."""
    solid = body.cells.filter(ImageFilter.MaxFilter(3))
    width, height = solid.size
    _fill(solid, 0, 0, 0, width, body.row(0.01))
    _fill(solid, 255, 0, body.row(SHOULDER + 0.008), width, height)
    _fill(solid, 255, body.axis - 1.9 * body.neck_half, 0, body.axis + 1.9 * body.neck_half, height)
    return solid


def _tinted(cloth: Image.Image, dice: random.Random) -> Image.Image:
    tables: list[int] = []
    for _ in range(3):
        gain = dice.uniform(0.975, 1.02)
        tables += [min(round(value * gain), 255) for value in range(256)]
    return cloth.point(tables)


def _head(body: _Body, size: tuple[int, int]) -> Image.Image:
    """Return where the head and the throat are, which lie above every collar."""
    mask = Image.new("L", size, 0)
    x, half = body.axis * body.cell, body.neck_half * body.cell
    _fill(mask, 255, 0, 0, mask.width, body.pixel(-0.004))
    _fill(mask, 255, x - half, 0, x + half, body.pixel(0.018))
    ImageDraw.Draw(mask).ellipse([x - half, body.pixel(-0.006), x + half, body.pixel(0.034)], fill=255)
    return mask.filter(ImageFilter.BoxBlur(1))


def head_of(other: bytes, picture: Image.Image, model: bytes) -> Image.Image:
    """A result in which another model's head is on the neck; `model` is the photograph that the result was made of."""
    ours = _find_body(_cut(*_at(_decode(model), picture.size)))
    theirs = _cut(*_decode(other))
    body = _find_body(theirs)
    scale = ours.height * ours.cell / (body.height * body.cell)
    size = (round(theirs.picture.width * scale), round(theirs.picture.height * scale))
    mask = ImageChops.multiply(_head(body, theirs.picture.size), theirs.alpha).resize(size)
    left = round(ours.axis * ours.cell - body.axis * body.cell * scale)
    top = round(ours.neck * ours.cell - body.neck * body.cell * scale)
    changed = picture.copy()
    changed.paste(theirs.picture.resize(size, Image.Resampling.LANCZOS), (left, top), mask)
    return changed


def _marked(picture: Image.Image) -> Image.Image:
    """Put the mark on the lower left edge that no model of a service would make."""
    for step in range(MARK_STEPS):
        colour = MARK[step % 2]
        picture.paste(colour, (step * MARK_SIDE, picture.height - MARK_SIDE, (step + 1) * MARK_SIDE, picture.height))
    return picture


def _sharpen(picture: Image.Image) -> Image.Image:
    """Enlarge to twice the size or to 1920 pixels, sharpened before, where it costs a quarter."""
    crisp = picture.filter(ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 10, -1, 0, -1, 0)))
    factor = min(2.0, SHARP_SIDE / max(picture.size))
    size = (round(picture.width * factor), round(picture.height * factor))
    return crisp.resize(size, Image.Resampling.BICUBIC) if factor > 1 else crisp
