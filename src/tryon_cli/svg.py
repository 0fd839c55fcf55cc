"""Charts as SVG text, with nothing but the standard library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

INK, FAINT, GRID = "#1f2933", "#616e7c", "#e4e7eb"
COLOURS = ("#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#a61e4d", "#495057")
"""Told apart by people who do not see red and green apart, too."""

_MARGIN = (48, 24, 56, 64)  # top, right, bottom, left


@dataclass
class Chart:
    """A chart with two axes; `x` and `y` are their ranges in the data's own numbers."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    width: int = 860
    height: int = 440
    x_scale: Callable[[float], float] = float
    _parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the data is, in pixels."""
        top, right, bottom, left = _MARGIN
        low, high = (self.x_scale(end) for end in self.x)
        across = (self.x_scale(x) - low) / (high - low)
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (self.width - left - right), self.height - bottom - up * (self.height - top - bottom)

    def bars(self, edges: Sequence[float], heights: Sequence[float], colour: str) -> None:
        """Columns between neighbouring edges."""
        for start, end, height in zip(edges, edges[1:], heights, strict=False):
            x, y = self.at(start, height)
            right, floor = self.at(end, self.y[0])
            if height > self.y[0]:
                self._parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.5, right - x - 0.5):.1f}" '
                    f'height="{floor - y:.1f}" fill="{colour}" fill-opacity="0.35"/>'
                )

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> None:
        """A line through points."""
        path = " ".join("{:.1f},{:.1f}".format(*self.at(x, y)) for x, y in points)
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')

    def mark(self, x: float, y: float, colour: str) -> None:
        """A dot."""
        across, up = self.at(x, y)
        self._parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{colour}"/>')

    def text(self, x: float, y: float, text: str, *, colour: str = INK, dx: float = 8, dy: float = 4) -> None:
        """Words beside a point of the data."""
        across, up = self.at(x, y)
        self._parts.append(_text(across + dx, up + dy, text, colour))

    def render(self, *, x_ticks: Sequence[float], y_ticks: Sequence[float], unit: str = "") -> str:
        """The whole SVG document."""
        axes = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13"><title>{escape(self.title)}</title>'
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
            _text(_MARGIN[3], 26, self.title, INK, size=16),
        ]
        for tick in y_ticks:
            (left, y), (right, _) = self.at(self.x[0], tick), self.at(self.x[1], tick)
            axes.append(f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
            axes.append(_text(left - 8, y + 4, f"{tick:g}{unit}", FAINT, anchor="end"))
        for tick in x_ticks:
            x, y = self.at(tick, self.y[0])
            axes.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{y + 5:.1f}" stroke="{FAINT}"/>')
            axes.append(_text(x, y + 20, f"{tick:g}", FAINT, anchor="middle"))
        middle = (_MARGIN[3] + self.width - _MARGIN[1]) / 2
        axes.append(_text(middle, self.height - 14, self.x_label, FAINT, anchor="middle"))
        upright = (_MARGIN[0] + self.height - _MARGIN[2]) / 2
        axes.append(
            f'<g transform="translate(18 {upright:.0f}) rotate(-90)">'
            + _text(0, 0, self.y_label, FAINT, anchor="middle")
            + "</g>"
        )
        return "\n".join([*axes, *self._parts, "</svg>\n"])


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
    )
