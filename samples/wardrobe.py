"""The sample garments, drawn as if on an unseen mannequin of the figures' own proportions.

Units and axes are those of `samples.figures`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageFilter

from samples.sketch import (
    Colour,
    Path,
    Point,
    Sheet,
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

PAPER_WALL: Colour = (247, 247, 246)
SIDES: tuple[Callable[[Iterable[Point]], Path], ...] = (list, flip)


@dataclass(frozen=True)
class Garment:
    """A garment: how it is drawn, where it is worn, and the part of the figure that its picture shows."""

    type: Literal["upper", "lower", "full"]
    file: str
    top: float
    bottom: float
    width: float
    draw: Callable[[Sheet], None]


def _linen(sheet: Sheet, contrast: float) -> Image.Image:
    return Image.blend(sheet.noise(9, 0.8, contrast), sheet.noise(0.8, 9, contrast), 0.5)


def _twill(sheet: Sheet, contrast: float) -> Image.Image:
    return Image.blend(sheet.noise(0.7, 2.4, contrast), sheet.noise(14, 22, contrast * 0.5), 0.4)


def _sleeve(to: float, top: float, cuff: float, flare: float = 0.0) -> Path:
    spine = [
        (75, 199, top * 0.93),
        (92.5, 232, top * 0.96),
        (110, 286, top * 0.84),
        (122, 338, top * 0.78),
        (136, 392, top * 0.7),
        (150, 448, top * 0.62),
        (157, 476, top * 0.6),
    ]
    kept = [(x, y, half) for x, y, half in spine if y < to]
    last, after = kept[-1], next(point for point in spine if point[1] >= to)
    share = (to - last[1]) / (after[1] - last[1])
    end = (last[0] + (after[0] - last[0]) * share, to)
    widths = [(x, y, half + (cuff - top * 0.6) * ((y - 196) / (to - 196)) ** 2) for x, y, half in kept[1:]]
    return limb([kept[0], *widths, (*end, cuff + flare)])


def _bar(path: Sequence[Point], width: float) -> Path:
    return limb([(x, y, width / 2) for x, y in path])


def _button(sheet: Sheet, x: float, y: float, colour: Colour, radius: float = 2.6) -> None:
    sheet.paint(sheet.soften(sheet.disc(oval(x + 0.7, y + 1, radius, radius)), 0.8), (30, 26, 24), 0.45)
    button = sheet.disc(oval(x, y, radius, radius))
    sheet.cloth(button, colour, depth=0.4, round_=3, rim=0.6)
    for hole in (-0.8, 0.8):
        sheet.paint(sheet.disc(oval(x + hole, y, 0.4, 0.4)), deeper(colour, 0.7), 0.8)


def _seam(
    sheet: Sheet, on: Image.Image, path: Sequence[Point], colour: Colour, opacity: float = 0.55, width: float = 1.0
) -> None:
    sheet.paint(both(sheet.stroke(path, width), on), deeper(colour, 0.55), opacity)
    sheet.paint(
        both(sheet.stroke([(x + 1, y + 0.6) for x, y in path], width * 0.8), on), lighter(colour, 0.5), opacity * 0.4
    )


def linen_shirt(sheet: Sheet) -> None:
    """A relaxed linen shirt with a soft collar and long sleeves."""
    colour = (160, 178, 150)
    weave = _linen(sheet, 0.3)
    back = either(sheet.shape(symmetric([(0, 138), (18, 140), (31, 150)], [(31, 150), (27, 162), (14, 155), (0, 153)])))
    sheet.cloth(back, deeper(colour, 0.3), depth=0.4, round_=6)
    for turn in SIDES:
        sleeve = sheet.shape(turn(_sleeve(452, 27, 17)))
        sheet.cloth(sleeve, colour, round_=13)
        lines = [
            [(104, 250), (120, 262), (124, 270)],
            [(108, 300), (122, 310), (134, 322)],
            [(114, 344), (130, 350), (142, 348)],
            [(128, 400), (140, 412), (150, 412)],
            [(134, 424), (148, 436), (160, 432)],
        ]
        sheet.folds(sleeve, [turn(line) for line in lines], colour, 0.35, 3)
        sheet.texture(sleeve, weave)
        cuff = sheet.shape(turn(_bar([(150.5, 446), (157.5, 474)], 35)))
        sheet.cloth(cuff, lighter(colour, 0.06), round_=10, depth=0.5)
        sheet.texture(cuff, weave)
        sheet.paint(sheet.stitches(turn([(136, 455), (167, 447)])), deeper(colour, 0.45), 0.6)
        _button(sheet, turn([(148, 464)])[0][0], 464, (236, 230, 214), 2.2)
    body = sheet.shape(
        symmetric(
            [(0, 224), (12, 196), (29, 154)],
            [(29, 154), (60, 166), (98, 184)],
            [(98, 184), (92, 212), (87, 246)],
            [(87, 246), (85, 310), (86, 390), (92, 468)],
            [(92, 468), (86, 500), (60, 517), (30, 523), (0, 524)],
        )
    )
    sheet.cast(body, sheet.layer.getchannel("A"), colour, down=3, blur=3, opacity=0.35)
    sheet.cloth(body, colour, round_=24)
    lines = [
        [(-80, 262), (-56, 290), (-40, 330)], [(80, 258), (62, 284), (52, 320)], [(-70, 400), (-62, 446), (-66, 500)],
        [(66, 380), (58, 430), (64, 498)], [(-34, 420), (-30, 470), (-34, 514)], [(36, 300), (30, 370), (34, 440)],
        [(82, 300), (66, 330), (60, 362)],
    ]  # fmt: skip
    sheet.folds(body, lines, colour, 0.32, 6)
    placket = both(body, sheet.shape([(-9, 200), (9, 200), (9, 540), (-9, 540)]))
    sheet.paint(placket, lighter(colour, 0.16), 0.7)
    sheet.texture(body, weave)
    for x in (-9, 9):
        _seam(sheet, body, [(x, 215), (x, 524)], colour)
    sheet.paint(both(sheet.stitches([(6.5, 215), (6.5, 524)], 0.7), body), deeper(colour, 0.45), 0.6)
    for turn in SIDES:
        _seam(sheet, body, turn(smooth([(98, 184), (91, 214), (86, 248)])), colour)
        _seam(sheet, body, turn(smooth([(34, 168), (62, 178), (95, 190)])), colour, 0.4)
        hem = turn(smooth([(92, 462), (85, 494), (60, 511), (30, 517), (0, 518)]))
        sheet.paint(both(sheet.stitches(hem, 0.7), body), deeper(colour, 0.45), 0.6)
    pocket = sheet.shape(
        outline(
            [(26, 262), (62, 260)], [(62, 260), (63, 302)], [(63, 302), (45, 311), (27, 304)], [(27, 304), (26, 262)]
        )
    )
    sheet.paint(both(without(pocket, sheet.soften(pocket, 1)), pocket), deeper(colour, 0.5), 0.9)
    sheet.paint(sheet.stitches([(28, 266), (61, 264)], 0.7), deeper(colour, 0.45), 0.7)
    for y in (240, 286, 332, 378, 424, 470):
        _button(sheet, 0, y, (236, 230, 214))
    for turn in SIDES:
        leaf = sheet.shape(
            turn(
                outline(
                    [(17, 138), (28, 144), (44, 166)],
                    [(44, 166), (52, 186), (55, 206)],
                    [(55, 206), (34, 208), (10, 222)],
                    [(10, 222), (14, 190), (17, 138)],
                )
            )
        )
        sheet.cast(leaf, body, colour, down=3, blur=2.5, opacity=0.5)
        sheet.cloth(leaf, lighter(colour, 0.08), round_=10, depth=0.45, rim=0.7)
        sheet.texture(leaf, weave)
        sheet.paint(
            both(sheet.stitches(turn(smooth([(40, 166), (48, 186), (51, 203), (33, 205), (14, 217)])), 0.7), leaf),
            deeper(colour, 0.45),
            0.6,
        )


def striped_tee(sheet: Sheet) -> None:
    """A Breton tee: cream with navy stripes, short sleeves."""
    cream, navy = (238, 226, 200), (38, 52, 94)
    for turn in SIDES:
        sleeve = sheet.shape(turn(_sleeve(290, 29, 27)))
        sheet.paint(sleeve, cream)
        for step in range(9):
            y = 190 + step * 14
            band = turn(smooth([(40, y + 26), (86, y + 4), (112, y - 6), (150, y - 22)]))
            sheet.paint(both(sheet.stroke(band, 6), sleeve), navy)
        sheet.paint(both(sheet.stroke(turn([(78, 294), (142, 268)]), 9), sleeve), navy)
        _relief(sheet, sleeve, cream, 13)
        sheet.folds(sleeve, [turn([(94, 240), (108, 252), (116, 262)])], (150, 146, 150), 0.3, 3)
    body = sheet.shape(
        symmetric(
            [(0, 186), (15, 183), (28, 170), (33, 156)],
            [(33, 156), (62, 166), (96, 182)],
            [(96, 182), (89, 214), (83, 248)],
            [(83, 248), (79, 310), (78, 380), (86, 470), (88, 486)],
            [(88, 486), (44, 491), (0, 492)],
        )
    )
    sheet.cast(body, sheet.layer.getchannel("A"), cream, down=2, blur=3, opacity=0.3)
    sheet.paint(body, cream)
    for step in range(18):
        y = 208 + step * 15
        sag = 3 + step * 0.2
        band = smooth([(-120, y - sag * 1.5), (-60, y), (0, y + sag), (60, y), (120, y - sag * 1.5)])
        sheet.paint(both(sheet.stroke(band, 6.2), body), navy)
    edge = smooth([(-100, 485), (-44, 489), (0, 490), (44, 489), (100, 485)])
    sheet.paint(both(sheet.stroke(edge, 9), body), navy)
    _relief(sheet, body, cream, 22)
    lines = [
        [(-78, 262), (-58, 284), (-48, 316)],
        [(78, 262), (62, 284), (54, 310)],
        [(-74, 400), (-50, 424), (-44, 456)],
        [(72, 380), (52, 410), (48, 450)],
        [(10, 400), (16, 440), (12, 486)],
    ]
    sheet.folds(body, lines, (150, 146, 150), 0.3, 6)
    for turn in SIDES:
        _seam(sheet, body, turn(smooth([(96, 182), (89, 214), (83, 248)])), (190, 184, 176), 0.6)
    collar = without(
        sheet.shape(
            symmetric([(0, 192), (19, 188), (34, 172), (38, 157), (33, 150)], [(33, 150), (20, 145), (0, 143)])
        ),
        sheet.shape(symmetric([(0, 183), (13, 180), (25, 168), (28, 156)], [(28, 156), (15, 152), (0, 150.5)])),
    )
    sheet.cloth(collar, cream, round_=6, depth=0.5, rim=0.8)


def _relief(sheet: Sheet, mask: Image.Image, colour: Colour, round_: float) -> None:
    far = both(without(mask, sheet.shifted(sheet.soften(mask, round_ * 0.7), -round_ * 0.55, -round_ * 0.3)), mask)
    sheet.paint(far, deeper(colour, 0.6), 0.34)
    sheet.paint(both(without(mask, sheet.soften(mask, round_ * 0.35)), mask), deeper(colour, 0.55), 0.3)
    sheet.paint(both(without(mask, sheet.soften(mask, 0.9)), mask), deeper(colour, 0.6), 0.7)


def denim_jacket(sheet: Sheet) -> None:
    """A trucker jacket in washed denim with amber stitching."""
    colour, thread, brass = (78, 112, 158), (214, 160, 84), (186, 142, 84)
    weave = _twill(sheet, 0.3)
    back = sheet.shape(symmetric([(0, 136), (20, 139), (35, 152)], [(35, 152), (28, 166), (14, 158), (0, 156)]))
    sheet.cloth(back, deeper(colour, 0.45), depth=0.4, round_=6)
    for turn in SIDES:
        sleeve = sheet.shape(turn(_sleeve(456, 30, 20)))
        sheet.cloth(sleeve, colour, round_=15)
        faded = sheet.soften(sheet.stroke(turn([(118, 300), (128, 350), (140, 400)]), 16), 8)
        sheet.paint(both(faded, sleeve), lighter(colour, 0.45), 0.45)
        lines = [
            [(106, 252), (124, 264), (128, 274)],
            [(106, 306), (124, 316), (138, 330)],
            [(112, 340), (128, 352), (146, 350)],
            [(124, 396), (142, 410), (156, 408)],
        ]
        sheet.folds(sleeve, [turn(line) for line in lines], colour, 0.45, 3)
        sheet.texture(sleeve, weave)
        seam = turn(smooth([(104, 214), (128, 290), (144, 360), (163, 440)]))
        sheet.paint(both(sheet.stitches(seam, 0.8), sleeve), thread, 0.8)
        cuff = sheet.shape(turn(_bar([(149, 446), (156, 474)], 40)))
        sheet.cloth(cuff, deeper(colour, 0.08), round_=10)
        sheet.texture(cuff, weave)
        for low in (0, 22):
            sheet.paint(
                both(sheet.stitches(turn([(132 + low * 0.3, 456 + low), (172 + low * 0.3, 446 + low)]), 0.8), cuff),
                thread,
                0.9,
            )
        _button(sheet, turn([(146, 462)])[0][0], 462, brass, 2.4)
    body = sheet.shape(
        symmetric(
            [(0, 226), (14, 200), (31, 156)],
            [(31, 156), (62, 166), (101, 183)],
            [(101, 183), (95, 214), (89, 248)],
            [(89, 248), (85, 320), (80, 400), (80, 446)],
            [(80, 446), (40, 451), (0, 452)],
        )
    )
    sheet.cast(body, sheet.layer.getchannel("A"), colour, down=3, blur=3, opacity=0.4)
    sheet.cloth(body, colour, round_=22)
    for x, y in ((-46, 330), (46, 330), (-44, 200), (44, 200)):
        worn = sheet.soften(sheet.disc(oval(x, y, 14, 36)), 12)
        sheet.paint(both(worn, body), lighter(colour, 0.5), 0.4)
    sheet.folds(
        body,
        [
            [(-84, 270), (-66, 292), (-56, 330)],
            [(84, 266), (68, 288), (60, 322)],
            [(-74, 390), (-62, 404), (-58, 424)],
            [(70, 384), (60, 404), (58, 424)],
        ],
        colour,
        0.4,
        5,
    )
    sheet.texture(body, weave)
    hem = both(body, sheet.shape([(-120, 426), (120, 426), (120, 470), (-120, 470)]))
    sheet.paint(hem, deeper(colour, 0.2), 0.5)
    for y in (426, 429, 447):
        path = [(-90, y), (90, y)]
        if y == 426:
            _seam(sheet, body, path, colour, 0.8)
        else:
            sheet.paint(both(sheet.stitches(path, 0.8), body), thread, 0.9)
    for turn in SIDES:
        armhole = turn(smooth([(101, 183), (94, 214), (88, 250)]))
        _seam(sheet, body, armhole, colour, 0.8)
        sheet.paint(both(sheet.stitches([(x - (3 if x > 0 else -3), y) for x, y in armhole], 0.8), body), thread, 0.9)
        yoke = turn(smooth([(12, 240), (50, 238), (90, 232)]))
        _seam(sheet, body, yoke, colour, 0.8)
        sheet.paint(both(sheet.stitches([(x, y - 3) for x, y in yoke], 0.8), body), thread, 0.9)
        flap = sheet.shape(
            turn(
                outline(
                    [(25, 240), (71, 238)],
                    [(71, 238), (71, 252)],
                    [(71, 252), (48, 266), (26, 254)],
                    [(26, 254), (25, 240)],
                )
            )
        )
        sheet.cast(flap, body, colour, down=2, blur=1.5, opacity=0.6)
        sheet.cloth(flap, lighter(colour, 0.06), round_=8, rim=0.8)
        sheet.texture(flap, weave)
        sheet.paint(sheet.stitches(turn([(27, 251), (48, 262.5), (69, 249.5)]), 0.8), thread, 0.9)
        _button(sheet, turn([(48, 256)])[0][0], 256, brass, 2.4)
        for line in ([(31, 262), (28, 340), (22, 426)], [(66, 260), (58, 340), (44, 426)]):
            seam = turn(smooth(line))
            _seam(sheet, body, seam, colour, 0.7)
            sheet.paint(both(sheet.stitches([(x + 2.4, y) for x, y in seam], 0.8), body), thread, 0.85)
        welt = sheet.shape(turn([(66, 352), (74, 350), (66, 404), (58, 404)]))
        sheet.cloth(welt, deeper(colour, 0.1), round_=5, rim=0.9)
    for x in (-8, 8):
        _seam(sheet, body, [(x, 222), (x, 452)], colour, 0.8)
        sheet.paint(both(sheet.stitches([(x * 0.7, 222), (x * 0.7, 452)], 0.8), body), thread, 0.9)
    for y in (246, 288, 330, 372, 412, 438):
        _button(sheet, 0, y, brass, 2.9)
    for turn in SIDES:
        leaf = sheet.shape(
            turn(
                outline(
                    [(20, 136), (34, 146), (52, 168)],
                    [(52, 168), (61, 190), (64, 212)],
                    [(64, 212), (38, 210), (10, 226)],
                    [(10, 226), (15, 190), (20, 136)],
                )
            )
        )
        sheet.cast(leaf, body, colour, down=3, blur=2.5, opacity=0.55)
        sheet.cloth(leaf, lighter(colour, 0.04), round_=11, rim=0.8)
        sheet.texture(leaf, weave)
        sheet.paint(
            both(sheet.stitches(turn(smooth([(48, 168), (57, 190), (60, 208), (37, 206), (14, 220)])), 0.8), leaf),
            thread,
            0.9,
        )


def _trousers(waist: float, hip: float, knee: float, hem: float, bottom: float, centre: float = 0.5) -> Path:
    return symmetric(
        [(0, 378), (waist * 0.6, 377), (waist, 374)],
        [(waist, 374), (hip * 0.93, 425), (hip, 480), (hip, 540)],
        [(hip, 540), (hip * centre + knee, 715), (hip * centre + hem, bottom)],
        [(hip * centre + hem, bottom), (hip * centre, bottom + 4), (hip * centre - hem, bottom)],
        [(hip * centre - hem, bottom), (hip * centre - knee, 715), (6, 560), (0, 528)],
    )


def chinos(sheet: Sheet) -> None:
    """Straight chinos with a pressed crease and slant pockets."""
    colour = (186, 146, 92)
    weave = _twill(sheet, 0.18)
    legs = sheet.shape(_trousers(66, 96, 37, 30, 936))
    inside = sheet.shape(symmetric([(0, 371), (40, 371), (65, 372)], [(65, 372), (40, 382), (0, 384)]))
    sheet.cloth(inside, deeper(colour, 0.45), round_=5)
    sheet.cloth(legs, colour, round_=22)
    _trouser_details(sheet, legs, colour, weave, 66, 96)
    for turn in SIDES:
        crease = turn(smooth([(44, 470), (47, 600), (48, 720), (48, 930)]))
        sheet.paint(both(sheet.soften(sheet.stroke(crease, 5), 3), legs), lighter(colour, 0.5), 0.5)
        sheet.paint(both(sheet.stroke([(x + 2.2, y) for x, y in crease], 1), legs), deeper(colour, 0.4), 0.4)
        slant = turn([(58, 396), (83, 452)])
        _seam(sheet, legs, slant, colour, 0.9, 1.3)
        sheet.paint(sheet.stitches([(x - (3 if x > 0 else -3), y) for x, y in slant], 0.7), deeper(colour, 0.4), 0.7)
        hem = turn([(10, 924), (86, 924)])
        sheet.paint(both(sheet.stitches(hem, 0.7), legs), deeper(colour, 0.45), 0.7)
    _button(sheet, 0, 385, (96, 70, 44), 2.8)


def _trouser_details(
    sheet: Sheet, legs: Image.Image, colour: Colour, weave: Image.Image, waist: float, hip: float, opacity: float = 0.35
) -> None:
    lines: list[Path] = []
    for turn in SIDES:
        lines += [
            turn([(6, 532), (26, 524), (52, 516)]),
            turn([(7, 544), (24, 546), (40, 552)]),
            turn([(22, 706), (38, 716), (56, 712)]),
            turn([(24, 730), (44, 734), (66, 724)]),
        ]
        lines += [turn([(hip - 3, 560), (hip * 0.8, 600), (hip * 0.74, 660)]), turn([(30, 900), (48, 908), (66, 902)])]
    sheet.folds(legs, lines, colour, opacity, 4)
    between = both(sheet.soften(sheet.stroke([(0, 528), (0, 900)], 10), 7), legs)
    sheet.paint(between, deeper(colour, 0.5), 0.4)
    sheet.texture(legs, weave)
    band = both(
        legs,
        sheet.shape(
            symmetric(
                [(0, 372), (waist + 8, 366)], [(waist + 8, 366), (waist + 12, 391)], [(waist + 12, 391), (0, 396)]
            )
        ),
    )
    sheet.paint(band, lighter(colour, 0.12), 0.5)
    _seam(sheet, legs, smooth([(-waist - 10, 391), (0, 396), (waist + 10, 391)]), colour, 0.8)
    _seam(sheet, legs, smooth([(0, 396), (0, 470), (0, 530)]), colour, 0.7)
    fly = smooth([(16, 397), (16, 448), (12, 468), (1, 480)])
    sheet.paint(both(sheet.stitches(fly, 0.7), legs), deeper(colour, 0.45), 0.7)
    for x in (-44, 44, -22, 22):
        loop = sheet.shape([(x - 2.4, 375), (x + 2.4, 375), (x + 2.4, 398), (x - 2.4, 398)])
        sheet.cloth(loop, colour, round_=3, rim=0.8)


def jeans(sheet: Sheet) -> None:
    """Slim jeans in dark indigo, faded at the thighs."""
    colour, thread = (46, 62, 104), (206, 150, 82)
    weave = _twill(sheet, 0.3)
    inside = sheet.shape(symmetric([(0, 371), (40, 371), (63, 372)], [(63, 372), (40, 382), (0, 384)]))
    sheet.cloth(inside, deeper(colour, 0.45), round_=5)
    legs = sheet.shape(_trousers(64, 93, 31, 22, 940, 0.49))
    sheet.cloth(legs, colour, round_=20)
    for x in (-46, 46):
        for y, down, opacity in ((590, 70, 0.5), (745, 38, 0.42), (850, 40, 0.2)):
            worn = sheet.soften(sheet.disc(oval(x, y, 13, down)), 12)
            sheet.paint(both(worn, legs), lighter(colour, 0.5), opacity)
    for turn in SIDES:
        for y in (508, 522, 537):
            whisker = turn(smooth([(16, y + 8), (40, y + 3), (66, y - 8)]))
            sheet.paint(both(sheet.soften(sheet.stroke(whisker, 2.4), 1.4), legs), lighter(colour, 0.5), 0.35)
    _trouser_details(sheet, legs, colour, weave, 64, 93, 0.5)
    for turn in SIDES:
        pocket = turn(smooth([(34, 396), (42, 424), (64, 436), (85, 434)]))
        _seam(sheet, legs, pocket, colour, 1, 1.3)
        sheet.paint(both(sheet.stitches([(x, y + 3) for x, y in pocket], 0.8), legs), thread, 0.95)
        side = turn(smooth([(90, 445), (90, 530), (84, 600), (75, 715), (66, 930)]))
        sheet.paint(both(sheet.stitches([(x - (4 if x > 0 else -4), y) for x, y in side], 0.7), legs), thread, 0.6)
        sheet.paint(both(sheet.stitches(turn([(14, 930), (82, 930)]), 0.8), legs), thread, 0.9)
    for y in (377, 393):
        sheet.paint(both(sheet.stitches(smooth([(-74, y - 2), (0, y + 2), (74, y - 2)]), 0.8), legs), thread, 0.9)
    fly = smooth([(15, 397), (15, 446), (11, 466), (1, 478)])
    sheet.paint(sheet.stitches(fly, 0.8), thread, 0.95)
    _button(sheet, 0, 386, (196, 150, 92), 3.4)


def pleated_skirt(sheet: Sheet) -> None:
    """A midi skirt in knife pleats."""
    colour = (126, 48, 78)
    inside = sheet.shape(symmetric([(0, 370), (40, 370), (62, 371)], [(62, 371), (40, 380), (0, 382)]))
    sheet.cloth(inside, deeper(colour, 0.5), round_=5)
    pleats = 15
    left, right, bottom = -134.0, 134.0, 742.0
    hem: Path = []
    for step in range(pleats):
        x0 = left + (right - left) * step / pleats
        x1 = left + (right - left) * (step + 1) / pleats
        sag = 14 * (1 - ((x0 + x1) / 2 / right) ** 2)
        hem += [(x0, bottom + sag), (x1, bottom + sag + 6)]
    skirt = sheet.shape(
        outline(
            [(-63, 380), (-86, 430), (-99, 490), (-134, 742)],
            hem,
            [(134, 742), (99, 490), (86, 430), (63, 380)],
            [(63, 380), (0, 386), (-63, 380)],
        )
    )
    sheet.cloth(skirt, colour, round_=26)
    for step in range(pleats):
        share = (step + 0.5) / pleats * 2 - 1
        x_hem, x_hip, x_top = share * 134, share * 99, share * 62
        edge = smooth([(x_top, 396), (share * 86, 430), (x_hip, 490), (x_hem, 770)])
        width = 17 / pleats * 15
        lit = both(sheet.soften(sheet.stroke([(x - 4.5, y) for x, y in edge], width * 0.35), 2.4), skirt)
        shade = both(sheet.soften(sheet.stroke([(x + 3.5, y) for x, y in edge], width * 0.35), 2.2), skirt)
        sheet.paint(lit, lighter(colour, 0.4), 0.5)
        sheet.paint(shade, deeper(colour, 0.55), 0.6)
        sheet.paint(both(sheet.stroke(edge, 1), skirt), deeper(colour, 0.6), 0.75)
    sheet.texture(skirt, sheet.noise(0.8, 1.6, 0.1))
    band = sheet.shape(
        symmetric([(0, 379), (40, 378), (62, 374)], [(62, 374), (66, 394)], [(66, 394), (40, 399), (0, 401)])
    )
    sheet.cast(band, skirt, colour, down=3, blur=3, opacity=0.5)
    sheet.cloth(band, lighter(colour, 0.05), round_=9, rim=0.8)
    for turn in SIDES:
        sheet.paint(
            both(sheet.stitches(turn(smooth([(0, 398), (40, 396), (66, 391)])), 0.7), band), lighter(colour, 0.4), 0.5
        )


def summer_dress(sheet: Sheet) -> None:
    """A sun dress with straps, printed with small flowers."""
    colour = (238, 158, 118)
    straps: list[Image.Image] = []
    for turn in SIDES:
        strap = sheet.shape(turn(_bar(smooth([(47, 226), (49, 196), (50, 163)]), 11)))
        sheet.cloth(strap, colour, round_=5, rim=0.8)
        straps.append(strap)
    bodice = sheet.shape(
        symmetric(
            [(0, 236), (14, 226), (34, 220), (54, 222)],
            [(54, 222), (66, 236), (79, 252)],
            [(79, 252), (77, 300), (67, 350), (63, 382)],
            [(63, 382), (30, 387), (0, 388)],
        )
    )
    skirt = sheet.shape(
        symmetric(
            [(0, 380), (63, 376)],
            [(63, 376), (84, 430), (104, 500), (126, 600), (140, 712)],
            [(140, 712), (118, 727), (92, 722), (66, 733), (36, 726), (14, 735), (0, 732)],
        )
    )
    sheet.cloth(skirt, colour, round_=26)
    sheet.cloth(bodice, colour, round_=18)
    whole = either(skirt, bodice, *straps)
    _flowers(sheet, whole)
    flare = [
        [(-30, 396), (-52, 520), (-74, 718)],
        [(28, 396), (46, 520), (58, 724)],
        [(-8, 398), (-14, 540), (-22, 724)],
        [(50, 394), (84, 520), (106, 716)],
        [(-50, 394), (-88, 530), (-116, 716)],
        [(8, 400), (18, 560), (20, 728)],
    ]
    sheet.folds(skirt, flare, colour, 0.4, 9)
    tucks = [[(x, 390), (x * 1.15, 410), (x * 1.25, 436)] for x in range(-54, 55, 12)]
    sheet.folds(skirt, tucks, colour, 0.35, 2.4)
    darts = [
        [(-40, 284), (-36, 330), (-32, 376)],
        [(40, 284), (36, 330), (32, 376)],
        [(-74, 290), (-56, 288), (-46, 280)],
        [(74, 290), (56, 288), (46, 280)],
    ]
    sheet.folds(bodice, darts, colour, 0.35, 3)
    _relief(sheet, skirt, colour, 24)
    sheet.texture(whole, sheet.noise(0.8, 0.8, 0.1))
    _seam(sheet, whole, smooth([(-64, 378), (-30, 385), (0, 387), (30, 385), (64, 378)]), colour, 0.8, 1.3)
    for turn in SIDES:
        edge = turn(smooth([(0, 240), (14, 230), (34, 224), (54, 226)]))
        sheet.paint(both(sheet.stitches(edge, 0.7), bodice), deeper(colour, 0.45), 0.7)
    for y in (262, 288, 314, 340, 364):
        _button(sheet, 0, y, (252, 242, 226), 2.4)


def _flowers(sheet: Sheet, on: Image.Image) -> None:
    petals, hearts, leaves = (255, 246, 232), (232, 178, 60), (84, 122, 92)
    inner = on.filter(ImageFilter.MinFilter(2 * round(4 * sheet.scale) + 1))
    for row in range(32):
        for column in range(15):
            x = -150 + column * 21 + (row % 2) * 10.5 + sheet.dice.uniform(-3.5, 3.5)
            y = 160 + row * 18.5 + sheet.dice.uniform(-3.5, 3.5)
            kind = sheet.dice.random()
            turn = sheet.dice.uniform(0, 1.2)
            across, down = sheet.pixels([(x, y)])[0]
            if not inner.getpixel((round(across), round(down))):
                continue
            if kind < 0.28:
                for lean in (-1.4, 1.4):
                    leaf = sheet.disc(oval(x + lean * 1.6, y, 1.3, 3.0))
                    sheet.paint(both(leaf, on), leaves, 0.85)
                continue
            size = 2.7 if kind < 0.75 else 1.7
            spots = ((0, -1), (0.95, -0.3), (0.6, 0.8), (-0.6, 0.8), (-0.95, -0.3))
            bloom = [
                sheet.disc(
                    oval(x + (px - py * turn * 0.4) * size, y + (py + px * turn * 0.4) * size, size * 0.72, size * 0.72)
                )
                for px, py in spots
            ]
            sheet.paint(both(either(*bloom), on), petals, 0.96)
            sheet.paint(both(sheet.disc(oval(x, y, size * 0.5, size * 0.5)), on), hearts)


def jumpsuit(sheet: Sheet) -> None:
    """A belted jumpsuit with short sleeves and wide legs."""
    colour = (40, 104, 104)
    weave = sheet.noise(2.2, 2.2, 0.05)
    for turn in SIDES:
        sleeve = sheet.shape(turn(_sleeve(268, 29, 28)))
        sheet.cloth(sleeve, colour, round_=13)
        sheet.folds(sleeve, [turn([(92, 232), (108, 244), (118, 250)])], colour, 0.4, 3)
        cuff = both(sleeve, sheet.shape(turn([(60, 270), (140, 240), (150, 280), (70, 310)])))
        sheet.paint(cuff, lighter(colour, 0.1), 0.5)
        _seam(sheet, sleeve, turn([(66, 268), (140, 240)]), colour, 0.8)
        sheet.texture(sleeve, weave)
    legs = sheet.shape(_trousers(66, 98, 50, 52, 918, 0.56))
    sheet.cloth(legs, colour, round_=24)
    lines: list[Path] = []
    for turn in SIDES:
        lines += [
            turn([(20, 398), (26, 440), (30, 480)]),
            turn([(40, 398), (48, 440), (54, 500)]),
            turn([(4, 534), (28, 524), (56, 512)]),
        ]
        lines += [turn([(40, 560), (44, 700), (40, 915)]), turn([(74, 540), (80, 700), (86, 915)])]
    sheet.folds(legs, lines, colour, 0.42, 6)
    sheet.paint(both(sheet.soften(sheet.stroke([(0, 530), (0, 900)], 10), 8), legs), deeper(colour, 0.5), 0.5)
    _seam(sheet, legs, [(0, 400), (0, 530)], colour, 0.7)
    for turn in SIDES:
        _seam(sheet, legs, turn([(62, 404), (90, 466)]), colour, 0.9, 1.3)
        sheet.paint(both(sheet.stitches(turn([(2, 908), (120, 908)]), 0.7), legs), lighter(colour, 0.4), 0.5)
    sheet.texture(legs, weave)
    body = sheet.shape(
        symmetric(
            [(0, 250), (14, 210), (27, 156)],
            [(27, 156), (60, 166), (97, 183)],
            [(97, 183), (90, 214), (84, 248)],
            [(84, 248), (80, 310), (69, 352), (66, 384)],
            [(66, 384), (0, 390)],
        )
    )
    sheet.cast(body, sheet.layer.getchannel("A"), colour, down=3, blur=3, opacity=0.4)
    sheet.cloth(body, colour, round_=20)
    lines = [
        [(-60, 384), (-52, 350), (-56, 320)],
        [(60, 384), (52, 350), (56, 320)],
        [(-36, 386), (-34, 352), (-40, 318)],
        [(34, 386), (32, 352), (40, 318)],
        [(-78, 262), (-60, 284), (-52, 310)],
        [(78, 262), (62, 284), (54, 310)],
    ]
    sheet.folds(body, lines, colour, 0.42, 4)
    sheet.texture(body, weave)
    _seam(sheet, body, [(0, 248), (0, 390)], colour, 0.9)
    for turn in SIDES:
        _seam(sheet, body, turn(smooth([(97, 183), (90, 214), (84, 248)])), colour, 0.7)
        lapel = sheet.shape(
            turn(
                outline(
                    [(18, 142), (29, 150), (44, 170)],
                    [(44, 170), (50, 190)],
                    [(50, 190), (36, 196), (44, 204)],
                    [(44, 204), (24, 232), (0, 256)],
                    [(0, 256), (12, 206), (18, 142)],
                )
            )
        )
        sheet.cast(lapel, body, colour, down=3, blur=2.5, opacity=0.5)
        sheet.cloth(lapel, lighter(colour, 0.08), round_=9, rim=0.8)
        sheet.texture(lapel, weave)
    for y in (276, 304, 332, 358):
        _button(sheet, 4, y, (214, 196, 160))
    _belt(sheet, colour, (214, 176, 104), 66, 376, 18)


def _belt(sheet: Sheet, colour: Colour, metal: Colour, waist: float, y: float, width: float) -> None:
    path = symmetric(
        [(0, y + 3), (waist * 0.6, y + 2), (waist + 2, y - 2)],
        [(waist + 2, y - 2), (waist + 3, y + width - 2)],
        [(waist + 3, y + width - 2), (waist * 0.6, y + width + 2), (0, y + width + 3)],
    )
    belt = sheet.shape(path)
    sheet.cast(belt, sheet.layer.getchannel("A"), colour, down=4, blur=3, opacity=0.55)
    sheet.cloth(belt, deeper(colour, 0.12), round_=8, rim=0.8)
    tail = sheet.shape(
        limb(
            [(16, y + width * 0.6, width * 0.4), (24, y + width + 30, width * 0.42), (26, y + width + 66, width * 0.42)]
        )
    )
    sheet.cast(tail, sheet.layer.getchannel("A"), colour, down=3, blur=2, opacity=0.45)
    sheet.cloth(tail, deeper(colour, 0.08), round_=7, rim=0.8)
    ring = without(
        sheet.shape([(-10, y), (14, y), (14, y + width + 6), (-10, y + width + 6)]),
        sheet.shape([(-6, y + 4), (10, y + 4), (10, y + width + 2), (-6, y + width + 2)]),
    )
    sheet.cloth(ring, metal, round_=3, rim=0.8)
    sheet.paint(sheet.stroke([(-6, y + width / 2 + 3), (8, y + width / 2 + 3)], 2), deeper(metal, 0.2))


def trench_coat(sheet: Sheet) -> None:
    """A double-breasted trench coat to the knee, belted."""
    colour = (208, 182, 138)
    weave = _twill(sheet, 0.16)
    back = sheet.shape(symmetric([(0, 134), (22, 137), (38, 152)], [(38, 152), (30, 168), (14, 158), (0, 156)]))
    sheet.cloth(back, deeper(colour, 0.4), depth=0.4, round_=6)
    for turn in SIDES:
        sleeve = sheet.shape(turn(_sleeve(474, 32, 23)))
        sheet.cloth(sleeve, colour, round_=16)
        lines = [
            [(104, 254), (124, 266), (130, 276)],
            [(106, 306), (126, 318), (140, 330)],
            [(114, 344), (132, 352), (148, 350)],
            [(126, 396), (144, 408), (158, 404)],
        ]
        sheet.folds(sleeve, [turn(line) for line in lines], colour, 0.42, 3.4)
        sheet.texture(sleeve, weave)
        strap = both(sleeve, sheet.shape(turn(_bar([(120, 442), (182, 422)], 11))))
        sheet.cast(strap, sleeve, colour, down=2, blur=1.5, opacity=0.5)
        sheet.cloth(strap, lighter(colour, 0.05), round_=6, rim=0.8)
        _button(sheet, turn([(158, 430)])[0][0], 430, (92, 62, 40), 2.6)
    skirt = sheet.shape(
        symmetric(
            [(0, 380), (70, 376)],
            [(70, 376), (92, 430), (105, 500), (118, 610), (126, 742)],
            [(126, 742), (70, 751), (0, 754)],
        )
    )
    sheet.cloth(skirt, colour, round_=26)
    lines = [
        [(-54, 400), (-66, 520), (-78, 744)],
        [(56, 400), (72, 540), (86, 744)],
        [(-24, 400), (-32, 540), (-40, 748)],
        [(84, 420), (98, 560), (106, 744)],
    ]
    sheet.folds(skirt, lines, colour, 0.36, 8)
    body = sheet.shape(
        symmetric(
            [(0, 262), (12, 220), (31, 155)],
            [(31, 155), (62, 165), (103, 183)],
            [(103, 183), (96, 214), (90, 248)],
            [(90, 248), (87, 310), (75, 350), (70, 384)],
            [(70, 384), (0, 390)],
        )
    )
    sheet.cast(body, sheet.layer.getchannel("A"), colour, down=3, blur=3, opacity=0.4)
    sheet.cloth(body, colour, round_=22)
    sheet.folds(
        body,
        [
            [(-64, 384), (-58, 352), (-62, 322)],
            [(62, 384), (56, 352), (60, 322)],
            [(-84, 264), (-64, 288), (-56, 318)],
            [(84, 264), (66, 288), (58, 318)],
            [(-36, 386), (-34, 356), (-40, 330)],
        ],
        colour,
        0.4,
        4,
    )
    whole = either(skirt, body)
    sheet.texture(whole, weave)
    front = smooth([(26, 256), (28, 320), (26, 384), (30, 500), (34, 752)])
    _seam(sheet, whole, front, colour, 0.9, 1.4)
    sheet.paint(both(sheet.stitches([(x - 4, y) for x, y in front], 0.7), whole), deeper(colour, 0.45), 0.6)
    sheet.paint(
        both(sheet.stitches(smooth([(-126, 734), (-70, 743), (0, 746), (70, 743), (126, 734)]), 0.7), whole),
        deeper(colour, 0.45),
        0.7,
    )
    for turn in SIDES:
        _seam(sheet, body, turn(smooth([(103, 183), (96, 214), (90, 248)])), colour, 0.8)
        welt = sheet.shape(turn([(66, 436), (76, 432), (90, 492), (80, 496)]))
        sheet.cast(welt, skirt, colour, down=2, blur=2, opacity=0.5)
        sheet.cloth(welt, lighter(colour, 0.04), round_=6, rim=0.9)
        tab = sheet.shape(turn([(66, 165), (98, 179), (96, 190), (64, 176)]))
        sheet.cloth(tab, lighter(colour, 0.05), round_=5, rim=0.9)
        _button(sheet, turn([(70, 173)])[0][0], 173, (92, 62, 40), 2.2)
    flap = sheet.shape(
        outline(
            [(-100, 186), (-60, 172), (-34, 176)],
            [(-34, 176), (-28, 230), (-24, 262)],
            [(-24, 262), (-52, 268), (-90, 246)],
            [(-90, 246), (-96, 216), (-100, 186)],
        )
    )
    sheet.cast(flap, body, colour, down=4, blur=3, opacity=0.5)
    sheet.cloth(flap, colour, round_=12, rim=0.8)
    sheet.texture(flap, weave)
    for turn in SIDES:
        lapel = sheet.shape(
            turn(
                outline(
                    [(40, 172), (66, 196)],
                    [(66, 196), (60, 218)],
                    [(60, 218), (34, 250), (6, 274)],
                    [(6, 274), (8, 232), (26, 190), (40, 172)],
                )
            )
        )
        sheet.cast(lapel, body, colour, down=3, blur=3, opacity=0.5)
        sheet.cloth(lapel, lighter(colour, 0.05), round_=10, rim=0.85)
        sheet.texture(lapel, weave)
        leaf = sheet.shape(
            turn(
                outline(
                    [(21, 133), (37, 144), (56, 164)],
                    [(56, 164), (68, 184), (70, 200)],
                    [(70, 200), (48, 196), (24, 210)],
                    [(24, 210), (17, 184), (21, 133)],
                )
            )
        )
        sheet.cast(leaf, either(body, lapel), colour, down=3, blur=2.5, opacity=0.5)
        sheet.cloth(leaf, lighter(colour, 0.08), round_=10, rim=0.85)
        sheet.texture(leaf, weave)
    for y in (292, 338, 424, 484):
        for x in (-30, 14):
            _button(sheet, x, y, (92, 62, 40), 3.6)
    _belt(sheet, colour, (110, 76, 50), 72, 372, 20)


WARDROBE = {
    "linen-shirt": Garment("upper", "linen-shirt.jpg", 136, 524, 352, linen_shirt),
    "striped-tee": Garment("upper", "striped-tee.png", 143, 492, 290, striped_tee),
    "denim-jacket": Garment("upper", "denim-jacket.jpg", 136, 486, 366, denim_jacket),
    "chinos": Garment("lower", "chinos.jpg", 370, 940, 200, chinos),
    "pleated-skirt": Garment("lower", "pleated-skirt.jpg", 370, 762, 268, pleated_skirt),
    "jeans": Garment("lower", "jeans.jpg", 370, 944, 190, jeans),
    "summer-dress": Garment("full", "summer-dress.jpg", 163, 735, 280, summer_dress),
    "jumpsuit": Garment("full", "jumpsuit.png", 142, 922, 270, jumpsuit),
    "trench-coat": Garment("full", "trench-coat.jpg", 134, 754, 370, trench_coat),
}


def product_shot(sheet: Sheet) -> Image.Image:
    """Return the picture: the drawn sheet on a near-white wall with a soft shadow."""
    picture = Image.new("RGB", sheet.size, PAPER_WALL)
    alpha = sheet.layer.getchannel("A")
    for blur, across, down, opacity in ((9, 5, 9, 0.14), (26, 8, 20, 0.10)):
        shadow = alpha.filter(ImageFilter.GaussianBlur(blur))
        moved = Image.new("L", sheet.size, 0)
        moved.paste(shadow, (across, down))
        picture.paste((86, 84, 92), mask=fade(moved, opacity))
    picture.paste(sheet.layer, mask=alpha)
    return picture
