"""Rows of pictures: what was asked for, what a ranker found most alike, and where the image to be found came."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.markup import text
from shared.page import img
from shared.pictures import Pictures
from similarity.evaluation.evaluate import BASELINE, Evaluation, Run

WORST = 9
GOOD = 6
"""Rows of each kind."""


class Example(NamedTuple):
    """One comparative set. Images are indices."""

    query: int
    nearest: int
    positive: int
    rank: float
    candidates: int
    baseline: float | None
    """The rank that cosine gives; None where it is cosine that is shown."""


class Chosen(NamedTuple):
    """What is shown of a ranker."""

    run: Run
    worst: list[Example]
    """The lowest ranks first."""
    good: list[Example]
    """Found at once; as many labels as there are."""

    @property
    def images(self) -> list[int]:
        """All that a picture is needed of."""
        some = [*self.worst, *self.good]
        return list(dict.fromkeys(row for one in some for row in (one.query, one.nearest, one.positive)))


def choose(evaluation: Evaluation) -> Chosen:
    """Examples of the ranker that is best on the first model."""
    model = evaluation.runs[0].model
    best = evaluation.best(model)
    plain = next(run for run in evaluation.runs if (run.model, run.ranker) == (model, BASELINE))
    shown = next(run for run in evaluation.runs if (run.model, run.ranker) == (model, best.ranker)) if best else plain
    found = [
        Example(one.query, int(near), one.positive, rank, 1 + len(one.negatives), base if best else None)
        for one, near, rank, base in zip(evaluation.sets, shown.nearest, shown.ranks, plain.ranks, strict=True)
    ]
    missed = sorted((one for one in found if one.rank > 1), key=lambda one: -one.rank)
    by_label: dict[str, Example] = {}
    for one in found:
        if one.rank == 1:
            by_label.setdefault(evaluation.labels[one.query], one)
    return Chosen(shown, missed[:WORST], list(by_label.values())[:GOOD])


def examples_html(chosen: Chosen, paths: Sequence[str], labels: Sequence[str], pictures: Pictures) -> str:
    """The rows; `paths` and `labels` are of the images that the examples index."""

    def row(one: Example) -> str:
        where = f"rank {one.rank:g} of {one.candidates}"
        where += "" if one.baseline is None else f"; {BASELINE}: {one.baseline:g}"
        cells = [
            ("asked for", one.query, labels[one.query], False),
            ("nearest", one.nearest, labels[one.nearest], labels[one.nearest] != labels[one.query]),
            ("correct match", one.positive, where, False),
        ]
        return (
            '<section class="example card"><div class="triple">'
            + "".join(_cell(name, paths[image], said, wrong, pictures) for name, image, said, wrong in cells)
            + "</div></section>"
        )

    name = text(chosen.run.ranker)
    parts = [
        f"<h2>Where {name} goes wrong most</h2>"
        '<p class="soft">A dashed frame marks a nearest image of another label.</p>'
        if chosen.worst
        else f"<h2>Where {name} goes wrong</h2><p>Nowhere: every correct match comes first.</p>",
        f'<div class="examples">{"".join(map(row, chosen.worst))}</div>' if chosen.worst else "",
        f'<h2>Where {name} is right</h2><div class="examples">{"".join(map(row, chosen.good))}</div>'
        if chosen.good
        else "",
    ]
    return "\n".join(part for part in parts if part)


def _cell(name: str, path: str, said: str, wrong: bool, pictures: Pictures) -> str:
    picture = pictures.found.get(path)
    shown = img(picture, path) if picture else "no picture"
    return (
        f'<figure><div class="frame{" wrong" if wrong else ""}" title="{text(path)}">{shown}</div>'
        f"<figcaption>{name}<br><bdi>{text(said)}</bdi></figcaption></figure>"
    )
