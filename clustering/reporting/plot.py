"""The k-distance curve as a drawing for a page and as text for a terminal."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 360, 262
LEFT, RIGHT, TOP, BOTTOM = 36, 350, 34, 216
"""The frame of the curve, in the drawing's own units: about pixels on a phone."""

APART = 16
"""Two labels that are nearer than this would overlap."""


ADVICE = (
    "A good eps is often below the knee, where the curve turns up. In the table, look for a range where the number of "
    "clusters hardly changes, and step back when the largest cluster jumps."
)
"""How to choose eps by the curve and the sweep."""


def svg_curve(curve: Sequence[float], *, k: int, eps: float | None, knee: float | None) -> str:
    """The curve as an SVG element, with lines at eps and at the knee. Colours come from the page's style.

    Args:
        curve: Distances to the k-th nearest image, ascending, at least 1.
        k: The image itself is the first.
        eps: What was used; None draws no line.
        knee: Where the curve bends; None draws no line.
    """
    step = _step(max([*curve, eps or 0, knee or 0]))
    ticks = [n * step for n in range(1 + max(1, math.ceil(max([*curve, eps or 0, knee or 0]) / step)))]
    top = ticks[-1]

    def y(distance: float) -> float:
        return BOTTOM - distance / top * (BOTTOM - TOP)

    across = (RIGHT - LEFT) / max(1, len(curve) - 1)
    points = " ".join(f"{LEFT + n * across:.1f},{y(distance):.1f}" for n, distance in enumerate(curve))
    grid = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.3g}</text>'
        for tick in ticks
    )
    shares = "".join(
        f'<text class="tick" x="{LEFT + share * (RIGHT - LEFT):.0f}" y="{BOTTOM + 18}" '
        f'text-anchor="{anchor}">{share:.0%}</text>'
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    marks = "" if knee is None else _mark("knee", f"knee {knee:.3g}", y(knee), y(knee) - 5)
    if eps is not None:
        # Below its line where the knee's label is in the way.
        crowded = knee is not None and 0 <= y(eps) - y(knee) < APART
        marks += _mark("eps", f"eps {eps:.3g}", y(eps), y(eps) + (14 if crowded else -5))
    said = f"Distances from {min(curve):.3g} to {max(curve):.3g}."
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="The k-distance curve. {said}">{grid}{shares}'
        f'<polyline class="curve" points="{points}"/>{marks}'
        f'<text class="axis" x="{(LEFT + RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
        "share of the images, nearest first</text>"
        f'<text class="axis" x="2" y="14">{_to_the(k)}</text></svg>'
    )


def text_curve(curve: Sequence[float], *, k: int, knee: float | None, width: int = 60, height: int = 12) -> str:
    """The curve as lines of text, with the row of the knee marked.

    Args:
        curve: Distances to the k-th nearest image, ascending, at least 1.
        k: The image itself is the first.
        knee: Where the curve bends, or None.
        width: Characters, besides the labels.
        height: Lines, besides the labels.
    """
    top = max(*curve, knee or 0, 1e-6)
    columns = [curve[round(n * (len(curve) - 1) / (width - 1))] for n in range(width)]
    rows = []
    for row in range(height, 0, -1):
        low, high = (row - 1) / height * top, row / height * top
        here = knee is not None and (low <= knee < high or (row == height and knee == top))
        empty = "-" if here else " "
        cells = "".join("*" if low <= distance < high or distance == high == top else empty for distance in columns)
        rows.append(f"{high:6.3f} |{cells}{f'  knee {knee:.3g}' if here else ''}".rstrip())
    axis = f"{0:6.3f} +{'-' * width}"
    return "\n".join([_to_the(k), *rows, axis, f"{'':8}0%{'of the images, nearest first':^{width - 6}}100%"])


def _mark(name: str, label: str, y: float, y_label: float) -> str:
    return (
        f'<line class="{name}" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="{name}" x="{LEFT + 6}" y="{y_label:.1f}">{label}</text>'
    )


def _to_the(k: int) -> str:
    """What the curve shows, counted as `min_samples` is."""
    ending = "th" if k % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(k % 10, "th")
    return f"cosine distance to the {k}{ending} nearest, itself the first"


def _step(top: float) -> float:
    """A round distance between ticks that makes three to six of them."""
    if top < 1e-9:  # nothing to tell apart, and a fifth of the least numbers is 0
        return 0.1
    rough = top / 5
    size = 10 ** math.floor(math.log10(rough))
    return next(float(factor * size) for factor in (1, 2, 5, 10) if factor * size >= rough)
