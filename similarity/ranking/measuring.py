"""How good a learned ranker is on images that it did not learn from, and from how many examples on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from shared.features import Vector
from similarity.evaluation.ranks import positive_ranks
from similarity.evaluation.retrieval import retrieval
from similarity.evaluation.sets import ComparativeSet, comparative_sets
from similarity.evaluation.split import Rows, rows_of, split
from similarity.ranking.examples import TrainingError
from similarity.ranking.rankers import Ranker, make

HELD_OUT = 200
"""Images that rankers are measured on in one halving, at most."""

QUERIES = 500
"""Of all halvings together, if HALVINGS have so many."""

HALVINGS = 5
"""The most of them: what one halving of a few images says is mostly chance."""

STEPS = (2, 3, 5, 10, 20, 50, 100)
"""Examples of each label on the learning curve, as far as there are more."""

COMPARED = ("random", "l2", "cosine")

MARGIN = 0.005
"""A smaller gain in mean average precision is none. Labels given to the sample photos at random (12 draws) gained up
to .0035."""


class Figures(NamedTuple):
    """How well a ranker finds images of the same label: means over queries, and over halvings."""

    mean_average_precision: float
    recall_at_1: float
    mean_rank: float
    """Of one image of the label among up to 50 of other labels."""

    def beats(self, other: "Figures") -> bool:
        """Whether these are better in mean average precision by MARGIN at least, and in mean rank not worse."""
        gain = self.mean_average_precision - other.mean_average_precision
        return gain >= MARGIN and self.mean_rank <= other.mean_rank


class Step(NamedTuple):
    """A place on the learning curve."""

    examples: int
    """Of each label, or all where a label has fewer."""
    images: int
    figures: Figures


class Measured(NamedTuple):
    """Means over several halvings: one half is learned from, the figures are of the other."""

    halvings: int
    held_out: int
    """Images that were measured on, in each halving."""
    figures: Mapping[str, Figures]
    """By ranker."""
    curve: Sequence[Step]
    """The last step is all of the half."""
    better_from: Step | None
    """Where on the curve the learned one begins to beat cosine for good; None where it never does."""


def measure(
    name: str, vectors: Vector, labels: Sequence[str], *, seed: int, progress: Callable[[float], object]
) -> Measured | None:
    """Measure a ranker that learns.

    Args:
        name: One of LEARNED.
        vectors: float32 [n, d].
        labels: Of each image.
        seed: Another one halves the images in other ways.
        progress: Gets how much is done, 0 to 1. What it raises goes through.

    Returns:
        What came of it, or None where there are too few images to hold half of them back: four of two labels suffice.
    """
    held_out = min(HELD_OUT, len(split(labels, seed=seed)[1]))
    halvings = min(HALVINGS, max(1, QUERIES // max(1, held_out)))
    done = []
    for n in range(halvings):
        try:
            done.append(_halving(name, vectors, labels, seed + n, partial(_part, progress, n, halvings)))
        except TrainingError:
            return None
    figures = {ranker: _mean([one.figures[ranker] for one in done]) for ranker in done[0].figures}
    curve = [
        Step(steps[0].examples, steps[0].images, _mean([step.figures for step in steps]))
        for steps in zip(*(one.curve for one in done), strict=True)
    ]
    return Measured(halvings, held_out, figures, curve, _better_from(curve, figures["cosine"]))


class _Halving(NamedTuple):
    figures: dict[str, Figures]
    curve: list[Step]


def _halving(
    name: str, vectors: Vector, labels: Sequence[str], seed: int, progress: Callable[[float], object]
) -> _Halving:
    random = np.random.default_rng(seed)
    learned, held_out = split(labels, seed=seed)
    held_out = _drawn(held_out, labels, random)
    theirs = [labels[row] for row in held_out]
    sets = comparative_sets(theirs, seed=seed)
    if not sets:
        raise TrainingError("There are no two labels, one of them with two images, to measure on.")
    shuffled = [random.permutation(learned[rows]) for rows in rows_of([labels[row] for row in learned]).values()]
    most = max(map(len, shuffled))
    steps = [*(step for step in STEPS if step < most), most]
    parts = len(COMPARED) + len(steps)
    figures: dict[str, Figures] = {}
    for ranker in COMPARED:
        progress(len(figures) / parts)
        figures[ranker] = _figures(make(ranker, seed=seed), vectors[held_out], theirs, sets)
    curve: list[Step] = []
    for step in steps:
        progress((len(COMPARED) + len(curve)) / parts)
        some = np.concatenate([rows[:step] for rows in shuffled])
        learning = make(name, seed=seed)
        learning.fit(vectors[some], [labels[row] for row in some])
        curve.append(Step(step, len(some), _figures(learning, vectors[held_out], theirs, sets)))
    return _Halving(figures | {name: curve[-1].figures}, curve)


def _figures(ranker: Ranker, vectors: Vector, labels: Sequence[str], sets: Sequence[ComparativeSet]) -> Figures:
    found = retrieval(ranker, vectors, labels)
    mean_rank = float(positive_ranks(ranker, vectors, sets).mean())
    return Figures(found.mean_average_precision, found.recall_at_1, mean_rank)


def _mean(figures: Sequence[Figures]) -> Figures:
    return Figures(*np.mean(figures, axis=0).tolist())


def _better_from(curve: Sequence[Step], cosine: Figures) -> Step | None:
    better = None
    for step in reversed(curve):
        if not step.figures.beats(cosine):
            break
        better = step
    return better


def _part(progress: Callable[[float], object], number: int, of: int, done: float) -> None:
    progress((number + done) / of)


def _drawn(rows: Rows, labels: Sequence[str], random: np.random.Generator) -> Rows:
    """At most HELD_OUT of them: pairs of a label, the labels taking turns, so that each has one to be found."""
    if len(rows) <= HELD_OUT:
        return rows
    turns = []
    for some in rows_of([labels[row] for row in rows]).values():
        place = random.random()
        turns += [(n // 2, place, int(row)) for n, row in enumerate(random.permutation(rows[some]))]
    return np.sort([row for _, _, row in sorted(turns)[:HELD_OUT]])
