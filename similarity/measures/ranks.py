"""At which rank the image that was to be found comes, and how often it is among the first."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.measures.sets import ComparativeSet

TOP = 32
"""The last n of the top-n curve."""


class Ranks(Protocol):
    """What is measured: anything that tells how alike a query and its candidates are."""

    def rank(self, query: Vector, candidates: Vector, /) -> NDArray[np.float64]:
        """float32 [d] and [n, d] in, float64 [n] out: the greater, the more alike."""
        ...


def positive_ranks(ranker: Ranks, vectors: Vector, sets: Sequence[ComparativeSet]) -> NDArray[np.float64]:
    """The rank of each set's positive among its candidates: 1 is the best, 1 + its negatives the worst.

    Candidates that are as alike as the positive are in no order: it gets the middle of their ranks, so that a ranker
    that finds all images alike is no better than chance.

    Args:
        ranker: What is measured.
        vectors: float32 [n, d], which the sets index.
        sets: With at least one negative each.

    Returns:
        float64 [len(sets)].

    Raises:
        ValueError: The ranker did not give each candidate a number.
    """
    ranks = np.empty(len(sets))
    for n, (query, positive, negatives) in enumerate(sets):
        scores = likeness(ranker, vectors[query], vectors[np.append(positive, negatives)])
        ranks[n] = 1 + (scores[1:] > scores[0]).sum() + (scores[1:] == scores[0]).sum() / 2
    return ranks


def top_n_accuracy(ranks: NDArray[np.float64], upto: int = TOP) -> NDArray[np.float64]:
    """The share of ranks that are at most n, for n = 1 … `upto`: float64 [upto]. There must be ranks."""
    shares: NDArray[np.float64] = (ranks[:, np.newaxis] <= np.arange(1, upto + 1)).mean(axis=0)
    return shares


def likeness(ranker: Ranks, query: Vector, candidates: Vector) -> NDArray[np.float64]:
    """What the ranker says, float64 [n]. Raises a ValueError where that is not a number for each candidate."""
    scores = ranker.rank(query, candidates)
    if scores.shape != (len(candidates),) or not np.isfinite(scores).all():
        # Nothing is greater than NaN: such a ranker would be perfect.
        raise ValueError("a ranker must give each candidate a finite number")
    return scores
