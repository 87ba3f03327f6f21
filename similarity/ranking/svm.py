"""The SVM-weighted distance: how much a difference in each dimension says that two images have different labels.

A linear support vector machine tells pairs of one label from pairs of two by |x - y|; its weights then scale the
squared differences.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.measures.sets import NEGATIVES, QUERIES, comparative_sets
from similarity.ranking.examples import Examples, examples

PENALTY = 0.01
"""C of the support vector machine, as the method has it."""

MOST_SETS = 300
"""Images that are paired with others: 15,300 pairs, 31 MB."""


class SvmRanker:
    """Minus the weighted squared distance."""

    name = "svm"

    def __init__(self, parameters: Mapping[str, Vector] | None = None, *, seed: int = 0) -> None:
        """`parameters` as `parameters` gave them, in the place of a fit. Raises ValueError for others.

        With another `seed` other pairs are learned from.
        """
        self._seed = seed
        self._weights: Vector | None = None
        if parameters is not None:
            weights = parameters["weights"]
            if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all():
                raise ValueError("the weights must be numbers from 0, [d]")
            self._weights = weights

    @property
    def parameters(self) -> Mapping[str, Vector]:
        """What was learned: `weights`, float32 [d], none below 0."""
        return {"weights": self._learned()}

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """Learn from float32 [n, d]. Raises TrainingError when fewer than two labels have two images."""
        differences, alike = _pairs(examples(vectors, labels), self._seed)
        # Only here, because it takes two thirds of a second that no answer must wait for.
        from sklearn.svm import LinearSVC  # noqa: PLC0415

        # The primal problem has the same solution as the dual, and finding it takes no random numbers.
        learned = LinearSVC(C=PENALTY, dual=False).fit(differences, alike).coef_[0]
        # A difference makes images less alike, never more: a weight that says otherwise is noise. On the sample photos
        # (10 halvings) that were less than 1 in 100, and keeping them changed no figure by .001.
        self._weights = np.maximum(-learned, 0).astype(np.float32)

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """-Σ w (x - y)²: float32 [d] and [n, d] in, float64 [n] out."""
        differences = candidates.astype(np.float64) - query
        scores: NDArray[np.float64] = -(self._learned() * differences**2).sum(axis=-1)
        return scores

    def _learned(self) -> Vector:
        if self._weights is None:
            raise ValueError("the ranker was not fitted")
        return self._weights


def _pairs(given: Examples, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """|x - y| of pairs, [p, d], and whether both are of one label, [p]."""
    labels = [f"{label:09}" for label in given.labels]
    queries = max(1, min(QUERIES, MOST_SETS // (int(given.labels[-1]) + 1)))
    sets = comparative_sets(labels, queries=queries, negatives=NEGATIVES, seed=seed)
    if len(sets) > MOST_SETS:
        sets = [sets[n] for n in np.random.default_rng(seed).choice(len(sets), MOST_SETS, replace=False)]
    firsts = np.concatenate([np.full(1 + len(one.negatives), one.query) for one in sets])
    seconds = np.concatenate([np.append(one.positive, one.negatives) for one in sets])
    return np.abs(given.vectors[firsts] - given.vectors[seconds]), given.labels[firsts] == given.labels[seconds]
