"""One ranker on the images to measure on: its figures, how sure they are, and how much better than another it is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.measures.ranks import Ranks, positive_ranks, top_n_accuracy
from similarity.measures.retrieval import Retrieval, retrieval
from similarity.measures.sets import ComparativeSet


class Measured(NamedTuple):
    """What a ranker did, query by query."""

    ranks: NDArray[np.float64]
    """Of the positive in each comparative set."""
    retrieval: Retrieval


class Figures(NamedTuple):
    """Means over some queries. An error is half of a mean's 95 % interval; 0 of fewer than two queries.

    It says how far other queries of the same images may move the mean. Another split moves it besides.
    """

    sets: int
    mean_rank: float
    mean_rank_error: float
    median_rank: float
    top_n: tuple[float, ...]
    """The share of positives among the first n, for n = 1 … 32."""
    queries: int
    mean_average_precision: float
    mean_average_precision_error: float
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float


class Gain(NamedTuple):
    """How much better a ranker is than another one on the same queries: positive is better, in both."""

    mean_average_precision: float
    mean_average_precision_error: float
    mean_rank: float
    """How many ranks nearer to the first."""
    mean_rank_error: float


def measure(ranker: Ranks, vectors: Vector, labels: Sequence[str], sets: Sequence[ComparativeSet]) -> Measured:
    """Let a ranker that has learned rank images that it did not learn from.

    Args:
        ranker: What is measured.
        vectors: float32 [n, d].
        labels: Of each image.
        sets: Of these images, at least 1.

    Raises:
        ValueError: No label has two images, or the ranker did not give each candidate a number.
    """
    return Measured(positive_ranks(ranker, vectors, sets), retrieval(ranker, vectors, labels))


def figures(
    measured: Measured, sets: NDArray[np.bool_] | slice = slice(None), queries: NDArray[np.bool_] | slice = slice(None)
) -> Figures:
    """The means over all queries, or over some sets and some queries of the retrieval, of which each needs one."""
    ranks, found = measured.ranks[sets], measured.retrieval
    precisions, recalls = found.average_precisions[queries], found.recalls[queries]
    at_1, at_5, at_10 = map(float, recalls.mean(axis=0))
    return Figures(
        sets=len(ranks),
        mean_rank=float(ranks.mean()),
        mean_rank_error=_error(ranks),
        median_rank=float(np.median(ranks)),
        top_n=tuple(top_n_accuracy(ranks).tolist()),
        queries=len(precisions),
        mean_average_precision=float(precisions.mean()),
        mean_average_precision_error=_error(precisions),
        recall_at_1=at_1,
        recall_at_5=at_5,
        recall_at_10=at_10,
    )


def gain(measured: Measured, than: Measured) -> Gain:
    """How much better one is than another, on the same sets and images.

    Differences are taken query by query: what makes a query hard makes it hard for both, and does not count as noise.
    """
    precisions = measured.retrieval.average_precisions - than.retrieval.average_precisions
    ranks = than.ranks - measured.ranks
    return Gain(float(precisions.mean()), _error(precisions), float(ranks.mean()), _error(ranks))


def _error(values: NDArray[np.float64]) -> float:
    return 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
