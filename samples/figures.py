"""The sample models: two women in a neutral pose, in plain underlayers, before a studio wall.

Units are thousandths of the body's height; x = 0 is the body's axis, y = 0 the crown.
"""

import math
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageFilter

from samples.sketch import (
    Colour,
    Path,
    Point,
    Sheet,
    blend,
    both,
    deeper,
    either,
    fade,
    flip,
    lighter,
    limb,
    outline,
    oval,
    smooth,
    symmetric,
    without,
)


@dataclass(frozen=True)
class Figure:
    """A body: half widths in units, colours, and how the hair is worn."""

    shoulder: float
    bust: float
    waist: float
    hip: float
    thigh: float
    knee: float
    calf: float
    arm: float
    neck: float
    jaw: float
    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    underlayer: Colour
    shoe: Colour
    wall: Colour
    hairstyle: Literal["bob", "curls"]
    tall: float


FIGURES = {
    "anna": Figure(
        shoulder=90, bust=69, waist=56, hip=83, thigh=40, knee=26, calf=27.5, arm=15, neck=21.5, jaw=38,
        skin=(240, 204, 180), hair=(164, 84, 46), lips=(196, 98, 92), iris=(72, 98, 84),
        underlayer=(134, 142, 164), shoe=(245, 241, 234), wall=(226, 221, 215), hairstyle="bob", tall=0.895,
    ),
    "maya": Figure(
        shoulder=95, bust=79, waist=67, hip=97, thigh=48.5, knee=31, calf=32, arm=17.5, neck=23.5, jaw=41,
        skin=(126, 80, 56), hair=(38, 30, 32), lips=(132, 62, 62), iris=(44, 28, 22),
        underlayer=(178, 142, 128), shoe=(232, 214, 188), wall=(205, 216, 219), hairstyle="curls", tall=0.865,
    ),
}  # fmt: skip


def _arm(figure: Figure) -> tuple[Path, list[Path]]:
    x, a = figure.shoulder - 15, figure.arm
    wrist = x + 64
    arm = limb(
        [
            (x - 9, 200, a), (x + 2, 216, a * 1.24), (x + 14, 255, a * 1.12), (x + 29, 312, a * 0.96),
            (x + 36, 340, a * 0.93), (x + 45, 378, a * 0.98), (x + 57, 432, a * 0.74), (wrist, 464, a * 0.62),
            (wrist + 4, 482, a * 0.62),
        ]
    )  # fmt: skip
    reach = ((-8.5, 537), (-3, 546), (2.8, 549), (8.2, 541))
    fingers = [
        limb(
            [
                (wrist + 6 + off, 500, 3.4),
                (wrist + 7.5 + off, 520, 3.3),
                (wrist + 8 + off * 0.85, tip - 5, 2.9),
                (wrist + 7.5 + off * 0.8, tip, 1.6),
            ]
        )
        for off, tip in reach
    ]
    palm = limb(
        [
            (wrist - 3, 450, a * 0.4),
            (wrist + 1, 466, a * 0.55),
            (wrist + 4, 484, 10.5),
            (wrist + 6, 500, 12),
            (wrist + 7, 514, 11),
        ]
    )
    thumb = limb([(wrist - 3, 480, 5), (wrist - 9, 494, 4.6), (wrist - 10.5, 510, 3.8), (wrist - 8.5, 521, 2)])
    return arm, [palm, thumb, *fingers]


def _leg(figure: Figure) -> Path:
    h = figure.hip
    return limb(
        [
            (h * 0.5, 484, h * 0.44), (h * 0.5, 524, figure.thigh), (h * 0.5, 575, figure.thigh * 0.96),
            (h * 0.49, 640, figure.thigh * 0.83), (h * 0.47, 712, figure.knee), (h * 0.47, 742, figure.knee * 0.96),
            (h * 0.475, 790, figure.calf), (h * 0.465, 850, figure.calf * 0.82), (h * 0.455, 915, figure.calf * 0.52),
            (h * 0.455, 955, figure.calf * 0.5),
        ]
    )  # fmt: skip


def _shoe(figure: Figure) -> Path:
    x = figure.hip * 0.455
    return outline(
        [(x - 15, 946), (x - 16, 962), (x - 17, 978), (x - 12, 988)],
        [(x - 12, 988), (x + 4, 991), (x + 21, 989)],
        [(x + 21, 989), (x + 25, 980), (x + 20, 964), (x + 15, 946)],
        [(x + 15, 946), (x, 954), (x - 15, 946)],
    )


def _torso(figure: Figure) -> Path:
    n, s, b, w, h = figure.neck, figure.shoulder, figure.bust, figure.waist, figure.hip
    return symmetric(
        [(n, 110), (n, 138), (n + 3, 152), (n + 15, 162), (s * 0.66, 170), (s - 13, 177), (s - 1, 188), (s + 5, 208)],
        [(s + 5, 208), (s - 5, 232), (b + 2, 247)],
        [(b + 2, 247), (b, 272), ((b + w) / 2, 325), (w, 378), (h * 0.9, 432), (h, 482)],
        [(h, 482), (h, 520), (h * 0.985, 548)],
        [(h * 0.985, 548), (h * 0.5, 540), (0, 516)],
    )


def _skin(sheet: Sheet, mask: Image.Image, colour: Colour, depth: float = 0.5) -> None:
    warm = blend(colour, (176, 70, 50), 0.25)
    sheet.paint(mask, colour)
    far = both(without(mask, sheet.shifted(sheet.soften(mask, 7), -6, -2)), mask)
    sheet.paint(far, deeper(warm, 0.26), depth)
    sheet.paint(both(without(mask, sheet.soften(mask, 3.5)), mask), deeper(warm, 0.3), depth * 0.5)
    near = both(without(mask, sheet.shifted(sheet.soften(mask, 4), 3.5, 1)), mask)
    sheet.paint(near, lighter(colour, 0.5), 0.3)
    sheet.paint(both(without(mask, sheet.soften(mask, 0.8)), mask), deeper(warm, 0.5), 0.45)


def _curls(sheet: Sheet, figure: Figure) -> None:
    centres = [(-62, 62, 30), (62, 62, 30), (-56, 22, 33), (56, 22, 33), (-24, -4, 36), (24, -4, 36), (0, 30, 62)]
    centres += [(-64, 92, 22), (64, 92, 22), (-54, 108, 15), (54, 108, 15)]
    cloud = either(*(sheet.disc(oval(x, y, r, r)) for x, y, r in centres))
    for x, y, r in list(centres):
        for turn in range(0, 360, 36):
            angle = math.radians(turn + sheet.dice.uniform(0, 30))
            bump = oval(x + r * math.cos(angle), y + r * math.sin(angle), 6, 6)
            cloud = either(cloud, sheet.disc(bump)) if bump[1][1] < 118 else cloud
    sheet.cloth(cloud, figure.hair, depth=0.5, round_=14, rim=0.3)
    for _ in range(170):
        spot = sheet.dice.uniform(-86, 86), sheet.dice.uniform(-36, 114)
        coil = _coil(sheet, spot, sheet.dice.uniform(3.5, 6.5))
        sheet.paint(both(sheet.stroke(coil, 1.3), cloud), lighter(figure.hair, 0.34), sheet.dice.uniform(0.25, 0.6))


def _coil(sheet: Sheet, centre: Point, radius: float) -> Path:
    start = sheet.dice.uniform(0, math.tau)
    angles = [start + step * math.tau / 16 for step in range(11)]
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def _back_hair(sheet: Sheet, figure: Figure) -> None:
    if figure.hairstyle == "curls":
        _curls(sheet, figure)
        return
    back = symmetric([(0, -2), (26, 2), (46, 24), (53, 62), (54, 98), (50, 124)], [(50, 124), (34, 132), (0, 130)])
    sheet.cloth(sheet.shape(back), deeper(figure.hair, 0.25), depth=0.5, round_=10, rim=0.4)


def _front_hair(sheet: Sheet, figure: Figure) -> None:
    if figure.hairstyle == "curls":
        j = figure.jaw
        line = outline(
            [(-j - 6, 66), (-j - 1, 44), (-26, 26), (0, 21), (26, 26), (j + 1, 44), (j + 6, 66)],
            [(j + 6, 66), (j + 12, 30), (24, 0), (0, -6), (-24, 0), (-j - 12, 30), (-j - 6, 66)],
        )
        mask = sheet.shape(line)
        sheet.paint(sheet.soften(mask, 0.8), figure.hair)
        for _ in range(34):
            x = sheet.dice.uniform(-42, 42)
            y = 24 + x * x * 0.012 + sheet.dice.uniform(-16, 1)
            coil = _coil(sheet, (x, y), 3.6)
            sheet.paint(sheet.stroke(coil, 1.3), lighter(figure.hair, 0.34), sheet.dice.uniform(0.2, 0.5))
        return
    left = outline(
        [(14, 2), (-14, -1), (-40, 16), (-51, 54), (-53, 92), (-49, 127)],
        [(-49, 127), (-40, 128), (-34, 122)],
        [(-34, 122), (-39, 96), (-38, 66), (-28, 44), (-6, 28), (14, 2)],
    )
    right = outline(
        [(10, 2), (28, 4), (46, 26), (52, 58), (54, 94), (50, 126)],
        [(50, 126), (42, 129), (35, 123)],
        [(35, 123), (39, 100), (39, 68), (32, 42), (18, 22), (10, 2)],
    )
    for lock in (right, left):
        mask = sheet.shape(lock)
        sheet.cloth(mask, figure.hair, depth=0.45, round_=8, rim=0.45)
    strands = [
        [(8, 6), (-22, 16), (-42, 44), (-46, 82), (-45, 118)], [(10, 8), (-16, 24), (-36, 48), (-42, 84), (-41, 116)],
        [(6, 4), (-28, 12), (-47, 48), (-50, 92), (-48, 122)], [(14, 6), (34, 24), (45, 56), (47, 92), (46, 118)],
        [(16, 10), (32, 36), (41, 62), (43, 94), (41, 118)],
    ]  # fmt: skip
    for strand in strands:
        sheet.paint(sheet.stroke(smooth(strand), 1.1), deeper(figure.hair, 0.4), 0.35)
        sheet.paint(sheet.stroke(smooth([(x + 2.5, y) for x, y in strand]), 1.2), lighter(figure.hair, 0.55), 0.3)
    shine = sheet.soften(sheet.stroke(smooth([(-38, 40), (-24, 24), (-4, 14)]), 6), 3)
    sheet.paint(shine, lighter(figure.hair, 0.6), 0.35)


def _face(sheet: Sheet, figure: Figure) -> None:
    j = figure.jaw
    warm = blend(figure.skin, (170, 60, 50), 0.35)
    for side in (1, -1):
        ear = sheet.disc(oval(side * (j + 1), 77, 5, 10))
        _skin(sheet, ear, figure.skin, 0.6)
    head = symmetric(
        [(0, 8), (j * 0.6, 12), (j * 0.96, 36), (j, 66), (j * 0.9, 92), (j * 0.6, 113), (j * 0.25, 123.5), (0, 125)]
    )
    face = sheet.shape(head)
    _skin(sheet, face, figure.skin, 0.42)
    for side in (1, -1):
        cheek = sheet.soften(sheet.disc(oval(side * j * 0.6, 91, 8, 6)), 4)
        sheet.paint(both(cheek, face), (206, 88, 80), 0.28)
        x = side * j * 0.44
        white = outline([(x - 8.5, 72), (x, 67.2), (x + 8.5, 71.4)], [(x + 8.5, 71.4), (x, 76), (x - 8.5, 72)])
        eye = sheet.shape(white)
        sheet.paint(eye, (250, 246, 240))
        sheet.paint(both(sheet.disc(oval(x, 71.3, 4.4, 4.6)), eye), figure.iris)
        sheet.paint(both(sheet.disc(oval(x, 71.3, 2, 2.1)), eye), (18, 14, 16))
        sheet.paint(sheet.disc(oval(x - 1.4, 69.7, 1.1, 1.1)), (255, 255, 255), 0.9)
        lash = smooth([(x - 9, 72.4), (x - 4, 68), (x + 1, 66.9), (x + 9.4, 71)])
        sheet.paint(sheet.stroke(lash, 1.9), deeper(figure.hair, 0.6), 0.9)
        brow = smooth([(x - side * 8, 59.5), (x, 56), (x + side * 9.5, 59)])
        sheet.paint(sheet.stroke(brow, 2.4), deeper(figure.hair, 0.25), 0.75)
    nose = smooth([(2.5, 74), (4.4, 84), (5.6, 89.5), (2, 92), (-2.6, 91)])
    sheet.paint(sheet.stroke(nose, 1.2), deeper(warm, 0.4), 0.5)
    sheet.paint(both(sheet.soften(sheet.disc(oval(5, 84, 4, 8)), 2.5), face), deeper(warm, 0.3), 0.22)
    upper = outline([(-11, 104), (-4, 100.6), (0, 101.8), (4, 100.6), (11, 104)], [(11, 104), (0, 105.4), (-11, 104)])
    lower = outline(
        [(-10.5, 104.2), (0, 105.6), (10.5, 104.2)], [(10.5, 104.2), (5, 110), (0, 110.8), (-5, 110), (-10.5, 104.2)]
    )
    sheet.paint(sheet.shape(upper), deeper(figure.lips, 0.12))
    sheet.paint(sheet.shape(lower), figure.lips)
    sheet.paint(sheet.soften(sheet.disc(oval(-1, 107.6, 4, 1)), 0.6), lighter(figure.lips, 0.6), 0.5)
    sheet.paint(
        sheet.stroke(smooth([(-12, 103), (-6, 104.8), (0, 105.2), (6, 104.8), (12, 103)]), 0.9),
        deeper(figure.lips, 0.5),
        0.6,
    )


def draw_figure(sheet: Sheet, figure: Figure) -> None:
    """Draw the model on an empty sheet."""
    _back_hair(sheet, figure)
    arm, hand = _arm(figure)
    arms: list[Image.Image] = []
    for turn in (list, flip):
        fist = either(*(sheet.shape(turn(piece)) for piece in hand))
        arms.append(either(sheet.shape(turn(arm)), fist))
    leg, shoe = _leg(figure), _shoe(figure)
    legs = [sheet.shape(turn(leg)) for turn in (list, flip)]
    torso = sheet.shape(_torso(figure))
    trunk = either(torso, *legs)
    _skin(sheet, either(trunk, *arms), figure.skin)
    for turn in (list, flip):
        knee = turn(smooth([(figure.hip * 0.47 - 12, 724), (figure.hip * 0.47, 731), (figure.hip * 0.47 + 12, 724)]))
        sheet.paint(sheet.soften(sheet.stroke(knee, 2), 1.5), deeper(figure.skin, 0.4), 0.35)
        foot = sheet.shape(turn(shoe))
        sheet.cloth(foot, figure.shoe, depth=0.45, round_=8, rim=0.7)
        sole = both(foot, sheet.shape([(-200, 981), (200, 981), (200, 1000), (-200, 1000)]))
        sheet.paint(sole, deeper(figure.shoe, 0.3), 0.5)
        _fingers(sheet, figure, [turn(piece) for piece in hand])
    _trunk(sheet, figure, torso, trunk)
    _face(sheet, figure)
    _front_hair(sheet, figure)


def _fingers(sheet: Sheet, figure: Figure, hand: list[Path]) -> None:
    fist = either(*(sheet.shape(piece) for piece in hand))
    knuckles = sheet.shape([(-300, 514), (300, 514), (300, 560), (-300, 560)])
    for piece in hand[2:]:
        finger = sheet.shape(piece)
        rim = both(without(fist, finger), sheet.soften(finger, 0.7))
        sheet.paint(both(rim, knuckles), deeper(figure.skin, 0.5), 0.5)


def _trunk(sheet: Sheet, figure: Figure, torso: Image.Image, trunk: Image.Image) -> None:
    warm = blend(figure.skin, (176, 70, 50), 0.25)
    chin = sheet.soften(sheet.shape(symmetric([(0, 108), (30, 112), (24, 138), (0, 146)])), 4)
    sheet.paint(both(chin, torso), blend(deeper(figure.skin, 0.3), (150, 60, 40), 0.2), 0.7)
    for turn in (list, flip):
        bone = turn(smooth([(8, 176), (30, 170), (56, 171)]))
        sheet.paint(sheet.soften(sheet.stroke(bone, 2), 1.4), deeper(warm, 0.35), 0.4)
        pit = turn(smooth([(figure.shoulder - 10, 218), (figure.bust + 3, 240), (figure.bust + 1, 254)]))
        sheet.paint(sheet.soften(sheet.stroke(pit, 1.6), 1), deeper(warm, 0.45), 0.6)
    cup = figure.bust
    top = symmetric(
        [(0, 243), (20, 240), (44, 232), (cup + 4, 244), (cup + 30, 250)], [(cup + 30, 250), (150, 500), (0, 500)]
    )
    body = both(sheet.shape(top), torso)
    shorts = both(sheet.shape([(-150, 404), (150, 404), (150, 604), (-150, 604)]), trunk)
    colour = figure.underlayer
    sheet.cast(body, torso, warm, down=2, blur=2, opacity=0.25)
    _knit(sheet, body, colour, trunk)
    sheet.paint(both(sheet.stroke(smooth([(x, y + 5) for x, y in top]), 0.9), body), deeper(colour, 0.5), 0.4)
    for turn in (list, flip):
        under = turn(smooth([(8, 284), (34, 300), (figure.bust - 10, 290), (figure.bust, 272)]))
        sheet.paint(both(sheet.soften(sheet.stroke(under, 5), 5), body), deeper(colour, 0.4), 0.4)
    sheet.folds(
        body,
        [[(-figure.waist + 2, 368), (-26, 380), (0, 384)], [(figure.waist - 2, 372), (22, 386), (-2, 390)]],
        colour,
        0.22,
        3,
    )
    _knit(sheet, shorts, colour, trunk)
    band = both(sheet.shape([(-150, 404), (150, 404), (150, 420), (-150, 420)]), shorts)
    sheet.paint(band, deeper(colour, 0.25), 0.3)
    for y in (404, 420, 600):
        seam = both(sheet.stroke([(-150, y), (150, y)], 1), shorts)
        sheet.paint(seam, deeper(colour, 0.5), 0.45)
    crease = both(sheet.soften(sheet.stroke([(0, 505), (0, 602)], 7), 3), shorts)
    sheet.paint(crease, deeper(colour, 0.5), 0.28)
    sheet.folds(shorts, [[(34, 518), (18, 522), (5, 516)], [(-34, 518), (-18, 522), (-5, 516)]], colour, 0.2, 2.5)


def _knit(sheet: Sheet, mask: Image.Image, colour: Colour, trunk: Image.Image) -> None:
    sheet.paint(mask, colour)
    far = both(without(trunk, sheet.shifted(sheet.soften(trunk, 13), -12, -3)), mask)
    sheet.paint(far, deeper(colour, 0.4), 0.55)
    near = both(without(trunk, sheet.shifted(sheet.soften(trunk, 9), 7, 2)), mask)
    sheet.paint(near, lighter(colour, 0.6), 0.4)
    sheet.paint(both(without(mask, sheet.soften(mask, 0.9)), mask), deeper(colour, 0.55), 0.55)


def studio(sheet: Sheet, figure: Figure) -> Image.Image:
    """Return the picture: the drawn sheet before a softly lit wall, with its shadow on the floor."""
    width, height = sheet.size
    wall = Image.linear_gradient("L").resize(sheet.size, Image.Resampling.BICUBIC)
    picture = Image.composite(
        Image.new("RGB", sheet.size, deeper(figure.wall, 0.1)),
        Image.new("RGB", sheet.size, lighter(figure.wall, 0.35)),
        wall,
    )
    lamp = Image.radial_gradient("L").resize((round(width * 1.5), round(height * 1.2)), Image.Resampling.BICUBIC)
    glow = Image.new("L", sheet.size, 255)
    glow.paste(lamp, (round(-width * 0.3), round(-height * 0.16)))
    picture.paste(lighter(figure.wall, 0.6), mask=fade(glow.point([255 - value for value in range(256)]), 0.55))
    floor = sheet.shape([(-900, 962), (900, 962), (900, 1300), (-900, 1300)])
    picture.paste(deeper(figure.wall, 0.12), mask=fade(sheet.soften(floor, 26), 0.5))
    for across, down, blur, opacity in ((150, 20, 16, 0.30), (92, 8, 6, 0.38)):
        pool = sheet.soften(sheet.disc(oval(12, 984, across, down)), blur)
        picture.paste(deeper(figure.wall, 0.62), mask=fade(pool, opacity))
    alpha = sheet.layer.getchannel("A")
    aura = sheet.shifted(alpha.filter(ImageFilter.GaussianBlur(26 * sheet.scale)), 16, 8)
    picture.paste(deeper(figure.wall, 0.5), mask=fade(aura, 0.10))
    picture.paste(sheet.layer, mask=alpha)
    return picture
