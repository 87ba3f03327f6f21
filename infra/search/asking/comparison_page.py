"""The page of a comparison: our results beside those of the image analysis, with pictures."""

from collections.abc import Iterator, Sequence

from infra.search.asking.comparing import OURS, THEIRS, Comparison
from infra.search.asking.querying import Hit
from infra.search.asking.result_page import Shown, listed, row
from shared.markup import text

STYLE = """
main { max-width: 1500px; }
.mark { color: var(--accent); font-weight: 600; }
.two h2 { margin-top: 12px; }
"""


def comparison_page(found: Comparison, shown: Shown) -> Iterator[str]:
    """What the page says below its title, in HTML.

    Args:
        found: By each side.
        shown: The pictures.
    """
    if found.theirs is not None:
        figures = zip(("found by both", "only by our labels", "only by theirs"), found.counts().values(), strict=True)
        yield '<dl class="figures">'
        for name, count in figures:
            yield f"<div><dt>{name}</dt><dd>{count:,}</dd></div>"
        yield "</dl>"
    yield '<div class="two">'
    yield _side("Our labels", found.ours, OURS, found, shown)
    if found.theirs is not None:
        yield _side("Image analysis", found.theirs, THEIRS, found, shown)
    yield "</div>"


def _side(title: str, hits: list[Hit], fields: Sequence[str], found: Comparison, shown: Shown) -> str:
    both = found.both()

    def caption(hit: Hit) -> str:
        said = " · ".join(line for name in fields if (line := listed(hit.document.get(name))))
        mark = '<br><span class="mark">found by both</span>' if hit.document[found.key] in both else ""
        return f"<br>{text(said)}{mark}"

    inside = row(hits, shown, caption) if hits else "<p>Nothing.</p>"
    return f"<section><h2>{title}: {len(hits):,}</h2>{inside}</section>"
