"""Drawing for the sample pictures: smooth outlines, antialiased masks and layered cloth, with Pillow alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]
Path = list[Point]
Colour = tuple[int, int, int]

OVERSAMPLING = 4
INK: Colour = (38, 34, 52)
PAPER: Colour = (255, 252, 246)


def smooth(points: Sequence[Point], steps: int = 10) -> Path:
    """Return a Catmull-Rom curve through the points, `steps` to a span."""
    if len(points) < 3:
        return list(points)
    padded = [points[0], *points, points[-1]]
    path: Path = []
    for (ax, ay), (bx, by), (cx, cy), (dx, dy) in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            path.append(
                (
                    0.5
                    * (2 * bx + t * (cx - ax + t * (2 * ax - 5 * bx + 4 * cx - dx + t * (3 * (bx - cx) + dx - ax)))),
                    0.5
                    * (2 * by + t * (cy - ay + t * (2 * ay - 5 * by + 4 * cy - dy + t * (3 * (by - cy) + dy - ay)))),
                )
            )
    path.append(points[-1])
    return path


def outline(*runs: Sequence[Point]) -> Path:
    """Join runs of points: smooth within a run, a corner between two."""
    return [point for run in runs for point in smooth(run)]


def flip(path: Iterable[Point]) -> Path:
    """Mirror a path at the body's axis, x = 0."""
    return [(-x, y) for x, y in path]


def symmetric(*runs: Sequence[Point]) -> Path:
    """Close the right half of an outline, drawn from top to bottom, with its mirror image."""
    half = outline(*runs)
    return half + flip(reversed(half))


def limb(spine: Sequence[tuple[float, float, float]]) -> Path:
    """Return the outline of a tapered limb along (x, y, half width)."""
    left: Path = []
    right: Path = []
    for index, (x, y, half) in enumerate(spine):
        before, after = spine[max(index - 1, 0)], spine[min(index + 1, len(spine) - 1)]
        run, rise = after[0] - before[0], after[1] - before[1]
        length = (run * run + rise * rise) ** 0.5 or 1.0
        left.append((x + rise / length * half, y - run / length * half))
        right.append((x - rise / length * half, y + run / length * half))
    return smooth(left) + smooth(right[::-1])


def oval(x: float, y: float, across: float, down: float) -> tuple[Point, Point]:
    """Return the corners of an ellipse given by its centre and half axes."""
    return (x - across, y - down), (x + across, y + down)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; `share` is the second one's part."""
    mixed = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def deeper(colour: Colour, amount: float = 0.4) -> Colour:
    """Return the colour in shadow: darker and a little cooler."""
    scaled = [round(channel * (1 - amount)) for channel in colour]
    return blend((scaled[0], scaled[1], scaled[2]), INK, amount * 0.35)


def lighter(colour: Colour, amount: float = 0.4) -> Colour:
    """Return the colour in the light."""
    return blend(colour, PAPER, amount)


def fade(mask: Image.Image, opacity: float) -> Image.Image:
    """Scale a mask."""
    return mask.point([round(value * opacity) for value in range(256)])


def both(first: Image.Image, second: Image.Image) -> Image.Image:
    """Return the intersection of two masks."""
    return ImageChops.multiply(first, second)


def either(*masks: Image.Image) -> Image.Image:
    """Return the union of masks."""
    union = masks[0]
    for mask in masks[1:]:
        union = ImageChops.lighter(union, mask)
    return union


def without(first: Image.Image, second: Image.Image) -> Image.Image:
    """Return what of the first mask lies outside the second."""
    return ImageChops.multiply(first, ImageChops.invert(second))


@dataclass
class Sheet:
    """A transparent sheet on which a figure or garment is drawn in its own units.

    `scale` is pixels a unit and `origin` the pixel of the unit point (0, 0).
    """

    size: tuple[int, int]
    scale: float
    origin: Point
    seed: int
    layer: Image.Image = field(init=False)
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.layer = Image.new("RGBA", self.size, (0, 0, 0, 0))
        self.dice = Random(self.seed)

    def pixels(self, path: Iterable[Point], factor: float = 1.0) -> Path:
        """Turn unit points into pixels, oversampled by `factor`."""
        return [
            ((self.origin[0] + x * self.scale) * factor, (self.origin[1] + y * self.scale) * factor) for x, y in path
        ]

    def _traced(self, path: Sequence[Point], width: float, ellipse: bool) -> Image.Image:
        points = self.pixels(path)
        pad = int(width * self.scale) + 3
        left = max(int(min(x for x, _ in points)) - pad, 0)
        top = max(int(min(y for _, y in points)) - pad, 0)
        right = min(int(max(x for x, _ in points)) + pad, self.size[0])
        bottom = min(int(max(y for _, y in points)) + pad, self.size[1])
        mask = Image.new("L", self.size, 0)
        if right <= left or bottom <= top:
            return mask
        fine = Image.new("L", ((right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING), 0)
        draw = ImageDraw.Draw(fine)
        moved = [((x - left) * OVERSAMPLING, (y - top) * OVERSAMPLING) for x, y in points]
        if ellipse:
            draw.ellipse([*moved[0], *moved[1]], fill=255)
        elif width:
            thick = max(round(width * self.scale * OVERSAMPLING), 1)
            draw.line(moved, fill=255, width=thick, joint="curve")
            for x, y in (moved[0], moved[-1]):
                draw.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=255)
        else:
            draw.polygon(moved, fill=255)
        mask.paste(fine.reduce(OVERSAMPLING), (left, top))
        return mask

    def shape(self, path: Sequence[Point]) -> Image.Image:
        """Return the mask of a closed outline."""
        return self._traced(path, 0, ellipse=False)

    def disc(self, corners: tuple[Point, Point]) -> Image.Image:
        """Return the mask of an ellipse."""
        return self._traced(corners, 0, ellipse=True)

    def stroke(self, path: Sequence[Point], width: float) -> Image.Image:
        """Return the mask of a line; `width` in units."""
        return self._traced(path, width, ellipse=False)

    def stitches(self, path: Sequence[Point], width: float = 0.9, dash: float = 3.4) -> Image.Image:
        """Return the mask of a dashed line."""
        mask = Image.new("L", self.size, 0)
        walked, pen, start = 0.0, True, path[0]
        piece: Path = [start]
        for point in path[1:]:
            length = ((point[0] - start[0]) ** 2 + (point[1] - start[1]) ** 2) ** 0.5
            done = 0.0
            while length - done >= dash - walked:
                done += dash - walked
                share = done / length
                here = (start[0] + (point[0] - start[0]) * share, start[1] + (point[1] - start[1]) * share)
                if pen:
                    mask = either(mask, self.stroke([*piece, here], width))
                piece, walked, pen = [here], 0.0, not pen
            walked += length - done
            piece.append(point)
            start = point
        return mask

    def soften(self, mask: Image.Image, radius: float) -> Image.Image:
        """Blur a mask; `radius` in units."""
        box = mask.getbbox()
        if box is None:
            return mask
        blur = radius * self.scale
        pad = int(blur * 3) + 2
        window = (
            max(box[0] - pad, 0),
            max(box[1] - pad, 0),
            min(box[2] + pad, self.size[0]),
            min(box[3] + pad, self.size[1]),
        )
        soft = Image.new("L", self.size, 0)
        soft.paste(mask.crop(window).filter(ImageFilter.GaussianBlur(blur)), window[:2])
        return soft

    def shifted(self, mask: Image.Image, across: float, down: float) -> Image.Image:
        """Move a mask by units."""
        moved = Image.new("L", self.size, 0)
        moved.paste(mask, (round(across * self.scale), round(down * self.scale)))
        return moved

    def paint(self, mask: Image.Image, colour: Colour, opacity: float = 1.0) -> None:
        """Lay a colour over what the mask covers."""
        box = mask.getbbox()
        if box is None:
            return
        tile = Image.new("RGBA", (box[2] - box[0], box[3] - box[1]), (*colour, 0))
        tile.putalpha(fade(mask.crop(box), opacity))
        self.layer.alpha_composite(tile, (box[0], box[1]))

    def texture(self, mask: Image.Image, weave: Image.Image) -> None:
        """Let a weave, grey 128 meaning no change, lighten and darken what the mask covers."""
        box = mask.getbbox()
        if box is None:
            return
        tile = self.layer.crop(box)
        alpha = tile.getchannel("A")
        plain = tile.convert("RGB")
        grain = weave.crop(box).convert("RGB")
        woven = Image.composite(ImageChops.overlay(plain, grain), plain, mask.crop(box))
        woven.putalpha(alpha)
        self.layer.paste(woven, box[:2])

    def noise(self, across: float, down: float, contrast: float) -> Image.Image:
        """Return grey noise whose grains measure `across` by `down` units."""
        grains = (
            max(round(self.size[0] / (across * self.scale)), 2),
            max(round(self.size[1] / (down * self.scale)), 2),
        )
        grey = Image.frombytes("L", grains, self.dice.randbytes(grains[0] * grains[1]))
        flat = Image.new("L", grains, 128)
        return Image.blend(flat, grey, contrast).resize(self.size, Image.Resampling.BICUBIC)

    def folds(
        self, mask: Image.Image, lines: Iterable[Sequence[Point]], colour: Colour, opacity: float, width: float
    ) -> None:
        """Draw soft creases, each a shadow with a lit edge beside it."""
        for line in lines:
            curve = smooth(line)
            dark = both(self.soften(self.stroke(curve, width), width * 0.55), mask)
            lit = both(
                self.soften(self.stroke([(x - width, y - width * 0.4) for x, y in curve], width * 0.7), width * 0.6),
                mask,
            )
            self.paint(lit, lighter(colour, 0.5), opacity * 0.5)
            self.paint(dark, deeper(colour, 0.5), opacity)

    def cloth(
        self, mask: Image.Image, colour: Colour, *, depth: float = 0.5, round_: float = 16, rim: float = 0.55
    ) -> None:
        """Lay a piece of cloth, rounded by light from the upper left.

        `depth` is the shadow's strength, `round_` its width in units, `rim` how dark the piece's edge is.
        """
        self.paint(mask, colour)
        far = both(without(mask, self.shifted(self.soften(mask, round_ * 0.7), -round_ * 0.55, -round_ * 0.3)), mask)
        near = both(without(mask, self.shifted(self.soften(mask, round_ * 0.6), round_ * 0.4, round_ * 0.2)), mask)
        edge = both(without(mask, self.soften(mask, round_ * 0.35)), mask)
        self.paint(near, lighter(colour, 0.5), depth * 0.55)
        self.paint(far, deeper(colour, 0.42), depth)
        self.paint(edge, deeper(colour, 0.4), depth * 0.55)
        line = both(without(mask, self.soften(mask, 0.9)), mask)
        self.paint(line, deeper(colour, 0.55), rim)

    def cast(
        self,
        mask: Image.Image,
        on: Image.Image,
        colour: Colour,
        *,
        down: float = 4,
        blur: float = 4,
        opacity: float = 0.4,
    ) -> None:
        """Throw the mask's soft shadow on what `on` covers, outside the mask itself."""
        shadow = both(without(self.shifted(self.soften(mask, blur), down * 0.4, down), mask), on)
        self.paint(shadow, deeper(colour, 0.6), opacity)
