"""The part of the report about duplicates: what is found of photos after each change, and at which threshold."""

from shared.markup import plural, text
from similarity.duplicates.figures import HARDER, DuplicateFigures, Found
from similarity.evaluation.plot import Line, axis, svg_lines
from similarity.evaluation.tables import table


def duplicates_html(figures: DuplicateFigures) -> str:
    """A table by change, and what the cosine alone would find at any threshold."""
    looked = " Doubtful pairs were compared by their pixels." if figures.second_look else ""
    heads = ["Change", "found", "wrong", "recall", "precision"]
    counted = len(figures.changes) - len(HARDER)
    rows = [_row(one) for one in (*figures.changes[:counted], figures.total, *figures.changes[counted:])]
    curve = [(point.recall, point.precision) for point in figures.curve]
    drawn = svg_lines([Line("cosine alone", curve, "line-4")], axis("recall", 0, 1), axis("precision", 0, 1))
    return (
        f"<h2>Duplicates</h2><p>{plural(figures.photos, 'photo')}, each changed in every way and looked for among all "
        f"of them.{looked} Not in the total: {text(', '.join(HARDER))}.</p>"
        f'<div class="two">{table("", heads, rows, lambda n: n == counted)}'
        f'<figure class="card">{drawn}<figcaption>What the cosine alone would find with thresholds from .5 to .99, '
        f"over the changes in the total. The rule: recall {figures.total.recall:.3f} at a precision of "
        f"{figures.total.precision:.3f}.</figcaption></figure></div>"
    )


def _row(one: Found) -> list[str]:
    return [text(one.change), f"{one.right:,}", f"{one.wrong:,}", f"{one.recall:.3f}", f"{one.precision:.3f}"]
