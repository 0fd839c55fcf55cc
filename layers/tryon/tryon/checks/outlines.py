"""The change in a result as polygons that a page can draw."""

from collections import defaultdict

from tryon.checks.facts import within
from tryon.checks.records import Box, Place, Point
from tryon.pictures.signature import COLUMNS, ROWS

_MOST = 8
"""Polygons kept of one result, the largest."""

Polygon = tuple[Point, ...]
"""Its corners in shares of a picture's sides."""

_Corner = tuple[int, int]


def polygons(bits: bytes, place: Place) -> tuple[Polygon, ...]:
    """The borders of the marked cells, in shares of the result's sides; `bits` has a bit a cell, row by row."""
    a, b, right, down = place
    loops = sorted(_loops(bits), key=_area, reverse=True)[:_MOST]
    return tuple(
        tuple((_share(a * x / COLUMNS + right), _share(b * y / ROWS + down)) for x, y in loop) for loop in loops
    )


def of_box(box: Box) -> Polygon:
    """A box as a polygon."""
    left, top, right, bottom = box
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def around(outline: tuple[Polygon, ...], margin: float = 0.05) -> Box | None:
    """The box that holds all polygons, with a margin; None without any."""
    points = [point for polygon in outline for point in polygon]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return within((min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin))


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4)


def _marked(bits: bytes) -> set[_Corner]:
    cells = range(COLUMNS * ROWS) if bits else range(0)
    return {(n % COLUMNS, n // COLUMNS) for n in cells if bits[n // 8] >> (7 - n % 8) & 1}


def _loops(bits: bytes) -> list[list[_Corner]]:
    """The closed borders around marked cells, the marked side on the right, corners only."""
    marked = _marked(bits)
    steps: dict[_Corner, list[_Corner]] = defaultdict(list)
    for x, y in marked:
        for beside, start, end in (
            ((x, y - 1), (x, y), (x + 1, y)),
            ((x + 1, y), (x + 1, y), (x + 1, y + 1)),
            ((x, y + 1), (x + 1, y + 1), (x, y + 1)),
            ((x - 1, y), (x, y + 1), (x, y)),
        ):
            if beside not in marked:
                steps[start].append(end)
    loops = []
    while steps:
        start = next(iter(steps))
        loop = [start]
        while True:
            ends = steps[loop[-1]]
            end = ends.pop()
            if not ends:
                del steps[loop[-1]]
            if end == start:
                break
            loop.append(end)
        loops.append(_corners(loop))
    return loops


def _corners(loop: list[_Corner]) -> list[_Corner]:
    count = len(loop)
    return [
        loop[n]
        for n in range(count)
        if (loop[n][0] - loop[n - 1][0], loop[n][1] - loop[n - 1][1])
        != (loop[(n + 1) % count][0] - loop[n][0], loop[(n + 1) % count][1] - loop[n][1])
    ]


def _area(loop: list[_Corner]) -> float:
    return abs(sum(x * loop[n - 1][1] - loop[n - 1][0] * y for n, (x, y) in enumerate(loop))) / 2
