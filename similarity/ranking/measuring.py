"""How good a learned ranker is on images that it did not learn from, and from how many examples on."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.measures.ranks import positive_ranks
from similarity.measures.retrieval import retrieval
from similarity.measures.sets import ComparativeSet, comparative_sets
from similarity.measures.split import Rows, rows_of, split
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

ERRORS = 2
"""Standard errors by which a ranker must lead. Labels given to sample photos at random led by so many in 1 of 10 draws,
be it 8 photos or 96; the true labels of all photos lead by 4 to 5."""


class Figures(NamedTuple):
    """How well a ranker finds images of the same label: means over queries, and over halvings."""

    mean_average_precision: float
    recall_at_1: float
    mean_rank: float
    """Of one image of the label among up to 50 of other labels."""
    chance: float = 0.0
    """By how much it may lead cosine in mean average precision for no reason: ERRORS standard errors of the lead."""

    def beats(self, other: "Figures") -> bool:
        """Whether these are better in mean average precision by more than chance, and in mean rank not worse."""
        lead = self.mean_average_precision - other.mean_average_precision
        return lead > self.chance and self.mean_rank <= other.mean_rank


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
    cosine = [one.compared["cosine"] for one in done]
    figures = {ranker: _mean([one.compared[ranker].figures for one in done]) for ranker in COMPARED}
    curve = [
        Step(steps[0].examples, steps[0].images, _mean_beside([step.found for step in steps], cosine))
        for steps in zip(*(one.curve for one in done), strict=True)
    ]
    figures[name] = curve[-1].figures
    return Measured(halvings, held_out, figures, curve, _better_from(curve, figures["cosine"]))


class _Found(NamedTuple):
    figures: Figures
    precisions: NDArray[np.float64]
    """The average precision of each image's query, NaN of one that asked nothing: [n]."""


class _Learned(NamedTuple):
    examples: int
    images: int
    found: _Found


class _Halving(NamedTuple):
    compared: dict[str, _Found]
    curve: list[_Learned]


def _halving(
    name: str, vectors: Vector, labels: Sequence[str], seed: int, progress: Callable[[float], object]
) -> _Halving:
    random = np.random.default_rng(seed)
    learned, held_out = split(labels, seed=seed)
    held_out = _drawn(held_out, labels, random)
    sets = comparative_sets([labels[row] for row in held_out], seed=seed)
    if not sets:
        raise TrainingError("There are no two labels, one of them with two images, to measure on.")
    shuffled = [random.permutation(learned[rows]) for rows in rows_of([labels[row] for row in learned]).values()]
    most = max(map(len, shuffled))
    steps = [*(step for step in STEPS if step < most), most]
    parts = len(COMPARED) + len(steps)
    find = partial(_found, vectors=vectors, labels=labels, held_out=held_out, sets=sets)
    compared: dict[str, _Found] = {}
    for ranker in COMPARED:
        progress(len(compared) / parts)
        compared[ranker] = find(make(ranker, seed=seed))
    curve: list[_Learned] = []
    for step in steps:
        progress((len(COMPARED) + len(curve)) / parts)
        some = np.concatenate([rows[:step] for rows in shuffled])
        learning = make(name, seed=seed)
        learning.fit(vectors[some], [labels[row] for row in some])
        curve.append(_Learned(step, len(some), find(learning)))
    return _Halving(compared, curve)


def _found(
    ranker: Ranker, *, vectors: Vector, labels: Sequence[str], held_out: Rows, sets: Sequence[ComparativeSet]
) -> _Found:
    found = retrieval(ranker, vectors[held_out], [labels[row] for row in held_out])
    mean_rank = float(positive_ranks(ranker, vectors[held_out], sets).mean())
    precisions = np.full(len(labels), np.nan)
    precisions[held_out[found.queries]] = found.average_precisions
    return _Found(Figures(found.mean_average_precision, found.recall_at_1, mean_rank), precisions)


def _mean(figures: Sequence[Figures]) -> Figures:
    return Figures(*np.mean(figures, axis=0).tolist())


def _mean_beside(found: Sequence[_Found], cosine: Sequence[_Found]) -> Figures:
    """The means over halvings, and what of the lead may be chance."""
    leads = np.array([one.precisions - other.precisions for one, other in zip(found, cosine, strict=True)])
    # One number for each image: that it asked in several halvings makes it no more than one.
    each = np.nanmean(leads[:, ~np.isnan(leads).all(axis=0)], axis=0)
    chance = ERRORS * float(each.std(ddof=1)) / math.sqrt(len(each))
    return _mean([one.figures for one in found])._replace(chance=chance)


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
