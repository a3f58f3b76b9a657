"""Hours against risk as an SVG picture: one numbered point for each policy, whiskers for its intervals.

Readable on light and dark pages (the picture follows the reader's preference), without fonts or scripts of
its own. The same points give the same bytes.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 760
LEFT: Final = 72
RIGHT: Final = 24
TOP: Final = 64
PLOT_HEIGHT: Final = 340
AXIS: Final = 52
"""Below the plot: the ticks' figures and the axis's name."""
LINE: Final = 24
RADIUS: Final = 10
TICKS: Final = 6

_STYLE: Final = """
  .page { fill: #ffffff } .ink { fill: #1f2328 } .quiet { fill: #59636e }
  .grid { stroke: #d9dee3 } .axis { stroke: #59636e }
  .whisker { stroke: #0b62c4; stroke-opacity: 0.55; stroke-width: 1.6 }
  .point { fill: #0b62c4 } .first { fill: #a84300 }
  .whisker.first { stroke: #a84300 } .number { fill: #ffffff }
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
  .title { font-size: 16px; font-weight: 600 } .number { font-size: 11px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12161b } .ink { fill: #e8edf2 } .quiet { fill: #a3adb8 }
    .grid { stroke: #2c343d } .axis { stroke: #a3adb8 }
    .whisker { stroke: #7db7ff } .point { fill: #7db7ff }
    .first { fill: #ffab70 } .whisker.first { stroke: #ffab70 } .number { fill: #12161b }
  }
"""


class Point(NamedTuple):
    """One policy: `x` probably wrong of 100 releases, `y` hours given back, each with its interval."""

    name: str
    x: float
    x_within: tuple[float, float]
    y: float
    y_within: tuple[float, float]


class _Scale(NamedTuple):
    """From figures to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def risk_plot(points: Sequence[Point], title: str, below: str) -> str:
    """The picture. `title` stands above it, `below` under the title; the first point is another colour."""
    height = TOP + PLOT_HEIGHT + AXIS + LINE * (len(points) + 1)
    size = f'width="{WIDTH}" height="{height}"'
    across, x_ticks = _scale([p.x_within for p in points], LEFT, WIDTH - RIGHT, low=0.0)
    upwards, y_ticks = _scale([p.y_within for p in points], TOP + PLOT_HEIGHT, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {size} role="img">',
        f"<title>{_safe(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        _text(LEFT, 26, title, "ink title"),
        _text(LEFT, 46, below, "quiet"),
        *_axes(across, x_ticks, upwards, y_ticks),
    ]
    numbered = list(enumerate(points, start=1))
    for number, point in reversed(numbered):  # the first lies on top
        parts += _drawn(number, point, across, upwards)
    top = TOP + PLOT_HEIGHT + AXIS + LINE
    for number, point in numbered:
        y = top + (number - 1) * LINE
        parts += [_disc(LEFT + RADIUS, y - 4, number), _text(LEFT + 3 * RADIUS, y, point.name, "ink")]
    return "\n".join([*parts, "</svg>", ""])


def _scale(
    spans: Sequence[tuple[float, float]], start: float, end: float, low: float | None = None
) -> tuple[_Scale, list[float]]:
    """A scale that holds all of these, with round ticks."""
    lowest = min((span[0] for span in spans), default=0.0) if low is None else low
    highest = max((span[1] for span in spans), default=1.0)
    reach = max(highest - lowest, 0.02 * abs(highest), 1.0)
    step = _round_step(reach / TICKS)
    first = math.floor(lowest / step + 1e-9)
    last = max(first + 1, math.ceil((lowest + reach) / step - 1e-9))
    ticks = [number * step for number in range(first, last + 1)]
    return _Scale(ticks[0], ticks[-1], start, end), ticks


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _axes(across: _Scale, x_ticks: list[float], upwards: _Scale, y_ticks: list[float]) -> list[str]:
    bottom = TOP + PLOT_HEIGHT
    parts = []
    for tick in y_ticks:
        y = upwards.at(tick)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts.append(_text(LEFT - 10, y + 4, _figure(tick), "quiet", anchor="end"))
    for tick in x_ticks:
        x = across.at(tick)
        parts.append(_line(x, TOP, x, bottom, "grid"))
        parts.append(_text(x, bottom + 20, _figure(tick), "quiet", anchor="middle"))
    parts.append(_line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis"))
    parts.append(_line(LEFT, TOP, LEFT, bottom, "axis"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, bottom + 42, "probably wrong, of 100 releases", "ink", anchor="middle"))
    parts.append(
        f'<text class="ink" text-anchor="middle" transform="translate(18 {TOP + PLOT_HEIGHT / 2:.1f}) '
        'rotate(-90)">hours given back</text>'
    )
    return parts


def _drawn(number: int, point: Point, across: _Scale, upwards: _Scale) -> list[str]:
    x, y = across.at(point.x), upwards.at(point.y)
    left, right = (across.at(value) for value in point.x_within)
    low, high = (upwards.at(value) for value in point.y_within)
    style = "whisker first" if number == 1 else "whisker"
    ends = [(left, y - 4, left, y + 4), (right, y - 4, right, y + 4)]
    ends += [(x - 4, low, x + 4, low), (x - 4, high, x + 4, high)]
    lines = [(left, y, right, y), (x, low, x, high), *ends]
    return [*(_line(*line, style) for line in lines), _disc(x, y, number)]


def _disc(x: float, y: float, number: int) -> str:
    style = "first" if number == 1 else "point"
    return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>' + _text(
        x, y + 4, str(number), "number", anchor="middle"
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(words)}</text>'


def _figure(value: float) -> str:
    return f"{value:,.10g}"


def _safe(words: str) -> str:
    return escape("".join(c if c.isprintable() else " " for c in words), {'"': "&quot;"})
