"""How much of a label is found when each of its images asks for the others.

Candidates that a ranker finds equally alike are in no order. Each figure is its expected value over all their orders:
neither the order of the images nor luck changes it, and who finds all images alike is no better than chance.
Source: F. McSherry and M. Najork, Computing Information Retrieval Performance Measures Efficiently in the Presence of
Tied Scores, ECIR 2008.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.measures.ranks import Ranks, likeness
from similarity.measures.split import Rows, numbered, rows_of

FIRST = (1, 5, 10)
"""Recall is measured among so many first candidates."""


class Retrieval(NamedTuple):
    """What came of it. Means are over queries."""

    mean_average_precision: float
    recall_at_1: float
    """The share of queries with an image of their label among the first 1."""
    recall_at_5: float
    recall_at_10: float
    per_label: Mapping[str, float]
    """The mean average precision of each label's queries."""
    queries: Rows
    """Images that have another one of their label, ascending."""
    average_precisions: NDArray[np.float64]
    """Of each query."""
    recalls: NDArray[np.float64]
    """Of each query among the first 1, 5 and 10 candidates: [queries, 3]."""


def retrieval(ranker: Ranks, vectors: Vector, labels: Sequence[str]) -> Retrieval:
    """Let each image that has another one of its label rank all others.

    Args:
        ranker: What is measured.
        vectors: float32 [n, d].
        labels: Of each image.

    Raises:
        ValueError: No label has two images, or the ranker did not give each candidate a number.
    """
    rows = rows_of(labels)
    queries = np.sort(np.concatenate([np.empty(0, np.intp), *(some for some in rows.values() if len(some) > 1)]))
    if not queries.size:
        raise ValueError("retrieval needs a label with two images")
    known = numbered(labels)
    precisions, recalls = np.empty(len(queries)), np.empty((len(queries), len(FIRST)))
    for n, query in enumerate(queries):
        others = np.delete(np.arange(len(known)), query)
        ties = _Ties.of(likeness(ranker, vectors[query], vectors[others]), known[others] == known[query])
        precisions[n] = ties.average_precision()
        recalls[n] = [ties.recall(first) for first in FIRST]
    per_label = {
        label: float(precisions[np.isin(queries, some)].mean()) for label, some in rows.items() if len(some) > 1
    }
    at_1, at_5, at_10 = map(float, recalls.mean(axis=0))
    return Retrieval(float(precisions.mean()), at_1, at_5, at_10, per_label, queries, precisions, recalls)


class _Ties(NamedTuple):
    """Candidates in groups of equally alike ones, the most alike first: int64 [groups] each."""

    sizes: NDArray[np.intp]
    hits: NDArray[np.intp]
    """How many of a group have the query's label."""

    @classmethod
    def of(cls, scores: NDArray[np.float64], hit: NDArray[np.bool_]) -> "_Ties":
        _, group = np.unique(-scores, return_inverse=True)
        return cls(np.bincount(group), np.bincount(group[hit], minlength=int(group.max()) + 1))

    def average_precision(self) -> float:
        """The mean precision at the hits, of which there must be one."""
        ranks = np.arange(1, self.sizes.sum() + 1)
        ahead, hits_ahead = np.cumsum(self.sizes) - self.sizes, np.cumsum(self.hits) - self.hits
        size, hits, before = (np.repeat(some, self.sizes) for some in (self.sizes, self.hits, hits_ahead))
        inside = ranks - np.repeat(ahead, self.sizes) - 1  # how many of its group are before a place
        # Where a place holds a hit, the group's other hits are spread evenly over its other places.
        expected = before + 1 + inside * (hits - 1) / np.maximum(size - 1, 1)
        return float((hits / size * expected / ranks).sum() / self.hits.sum())

    def recall(self, first: int) -> float:
        """The chance of a hit among the first candidates."""
        ends = np.cumsum(self.sizes)
        group = int(np.searchsorted(ends, min(first, ends[-1])))  # the one that the last of them is in
        if self.hits[:group].any():
            return 1.0
        size, hits = int(self.sizes[group]), int(self.hits[group])
        drawn = min(first, int(ends[-1])) - int(ends[group] - size)
        misses = np.arange(drawn)
        return float(1 - np.prod(np.maximum(size - hits - misses, 0) / (size - misses)))
