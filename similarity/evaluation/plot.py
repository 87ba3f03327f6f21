"""Curves as a drawing for a page, and what tells them apart. Colours come from the page's style."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from shared.markup import text

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 42, 408, 28, 250
"""The frame of the curves, in the drawing's own units: about pixels on a phone."""


class Line(NamedTuple):
    """One curve."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    """Classes of the page's style, which tell curves apart also where there are no colours."""


class Axis(NamedTuple):
    """What is drawn along one side: from the first tick to the last."""

    title: str
    ticks: Sequence[float]
    names: Sequence[str]


def axis(title: str, low: float, high: float) -> Axis:
    """An axis from `low` to `high` or a little more, with round ticks."""
    step = _step(high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [n * step for n in range(first, max(last, first + 1) + 1)]
    return Axis(title, ticks, [f"{tick:.3g}".replace("-", "−") for tick in ticks])


def svg_lines(lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """Curves and their legend, as HTML. Points outside of the axes are left out; curves have different names."""

    def across(value: float) -> float:
        return LEFT + (value - x.ticks[0]) / (x.ticks[-1] - x.ticks[0]) * (RIGHT - LEFT)

    def up(value: float) -> float:
        return BOTTOM - (value - y.ticks[0]) / (y.ticks[-1] - y.ticks[0]) * (BOTTOM - TOP)

    grid = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{text(name)}</text>'
        for tick, name in zip(y.ticks, y.names, strict=True)
    ) + "".join(
        f'<text class="tick" x="{across(tick):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{text(name)}</text>'
        for tick, name in zip(x.ticks, x.names, strict=True)
    )
    drawn = "".join(
        f'<polyline class="{line.style}" points="'
        + " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in line.points if _inside(a, x) and _inside(b, y))
        + '"/>'
        for line in lines
    )
    legend = "".join(
        '<li><svg viewBox="0 0 28 10" aria-hidden="true">'
        f'<line class="{line.style}" x1="0" x2="28" y1="5" y2="5"/></svg><bdi>{text(line.name)}</bdi></li>'
        for line in lines
    )
    said = f"{y.title} by {x.title}: {', '.join(line.name for line in lines)}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(said)}">{grid}{drawn}'
        f'<text class="axis" x="{(LEFT + RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{text(x.title)}</text>'
        f'<text class="axis" x="2" y="14">{text(y.title)}</text></svg><ul class="legend">{legend}</ul>'
    )


def _inside(value: float, along: Axis) -> bool:
    return along.ticks[0] <= value <= along.ticks[-1]


def _step(span: float) -> float:
    """A round distance between ticks that makes three to six of them."""
    rough = max(span, 1e-6) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    return next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough * (1 - 1e-9))
