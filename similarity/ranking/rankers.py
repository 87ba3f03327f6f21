"""Ways to order candidates by how alike they are to a query, all used in the same way."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from shared.vectors import cosines
from similarity.ranking.projection import ProjectionRanker
from similarity.ranking.svm import SvmRanker

LEARNED = ("svm", "projection")
"""Rankers that learn from labels."""

RANKERS = ("random", "l2", "cosine", *LEARNED)


class Ranker(Protocol):
    """Orders candidates by how alike they are to a query. It may be used by any number of threads once it is fitted."""

    @property
    def name(self) -> str:
        """One of RANKERS."""
        ...

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """Learn from images with labels, float32 [n, d]. What their order is makes no difference.

        Raises:
            TrainingError: It learns from labels, and fewer than two of them have two images.
        """
        ...

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """How alike each candidate is to the query: float32 [d] and [n, d] in, float64 [n] out, more for more alike.

        Equal candidates get the same number, wherever they are.

        Raises:
            ValueError: It learns from labels, and was not fitted.
        """
        ...


def make(name: str, *, seed: int = 0) -> Ranker:
    """A ranker by its name, one of RANKERS. Raises KeyError for another. `seed` is for those that draw anything."""
    makers: dict[str, type[Ranker]] = {"l2": L2Ranker, "cosine": CosineRanker, "projection": ProjectionRanker}
    if name == "random":
        return RandomRanker(seed)
    if name == "svm":
        return SvmRanker(seed=seed)
    return makers[name]()


class CosineRanker:
    """The cosine of the angle."""

    name = "cosine"

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """There is nothing to learn."""

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """-1 to 1."""
        return cosines(candidates, query)


class L2Ranker:
    """Minus the Euclidean distance."""

    name = "l2"

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """There is nothing to learn."""

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """0 or less."""
        differences = candidates.astype(np.float64) - query
        scores: NDArray[np.float64] = -np.sqrt((differences**2).sum(axis=-1))
        return scores


class RandomRanker:
    """Chance, to compare with: each candidate's number is a hash of the seed, the query and the candidate.

    So it is the same at every call and in any order, and candidates that are equal come out equal here too.
    Source of the hash: M. N. Wegman and J. L. Carter, New Hash Functions and Their Use in Authentication and Set
    Equality, 1981: sums with random factors, of which any two are independent in their upper half.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        """With another seed it is another order."""
        self._seed = seed

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """There is nothing to learn."""

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """Whole numbers from 0, less than 2**32."""
        random = np.random.default_rng([self._seed, *_words(query).tolist()])
        start, factors = random.integers(2**64, dtype=np.uint64), random.integers(2**64, size=len(query), dtype="u8")
        sums = start + (_words(candidates) * factors).sum(axis=-1)
        scores: NDArray[np.float64] = (sums >> np.uint64(32)).astype(np.float64)
        return scores


def _words(vectors: Vector) -> NDArray[np.uint64]:
    """Numbers by their bits."""
    return np.ascontiguousarray(vectors, np.float32).view(np.uint32).astype(np.uint64)
