"""The learned projection: directions in which labels differ count for more, all others stay as they are.

Discriminant directions (linear discriminant analysis, with the scatter within labels shrunk so that a few images are
enough) are added to the identity, so that what the labels say nothing of is still told apart. A vector x becomes
x' = A·x with A = (I + M·Mᵀ)^½, and alike is what has a high cosine there. As x'·y' = x·y + (x·M)·(y·M), A itself is
never made: x beside x·M has the same cosines.
Source of the directions: R. A. Fisher, The Use of Multiple Measurements in Taxonomic Problems, 1936; K. Fukunaga,
Introduction to Statistical Pattern Recognition, 1990, chapter 10.
"""

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from shared.vectors import cosines
from similarity.ranking.examples import Examples, examples

STRENGTH = 1.5
"""How much the directions of the labels count beside all others. Measured on the sample photos over 20 halvings, mean
average precision against plain cosine on the half not learned from; and on 8 labels when the other 8 were learned:
1: +.028, -.016; 1.5: +.041, -.033; 2: +.045, -.054; 3: +.047, -.107. More gains little and forgets much."""

SHRINKAGE = 0.7
"""How far the scatter within labels is taken for the same in all directions. From .3 to .9 figures differ by .003, and
so they do when the vectors are centred on the mean of the examples, which is therefore left out: with two labels of
three images it made most of them worse than cosine."""

ONE_AT_A_TIME = threading.Lock()
"""The number of BLAS threads is that of the process: who sets it meanwhile would put back what another one set."""

RELIABLE = 1e-6
"""Directions in which the means of labels differ less than this, relative to the first, are rounding."""


class ProjectionRanker:
    """Cosine after the learned projection."""

    name = "projection"

    def __init__(self, parameters: Mapping[str, Vector] | None = None) -> None:
        """`parameters` as `parameters` gave them, in the place of a fit. Raises ValueError for others."""
        self._directions: Vector | None = None
        if parameters is not None:
            directions = parameters["directions"]
            if directions.ndim != 2 or not np.isfinite(directions).all():
                raise ValueError("the directions must be numbers, [k, d]")
            self._directions = directions

    @property
    def parameters(self) -> Mapping[str, Vector]:
        """What was learned: `directions`, which is Mᵀ, float32 [k, d]; k is less than the labels, and at most d."""
        return {"directions": self._learned()}

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None:
        """Learn from float32 [n, d]. Raises TrainingError when fewer than two labels have two images."""
        # Only here, because no answer needs it.
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

        given = examples(vectors, labels)
        # BLAS's threads wait for each other more than they work: of two cores one took a third of the time on 100 to
        # 20,000 images, and a tenth of it on 100 when the machine was busy.
        with ONE_AT_A_TIME, threadpool_limits(1, "blas"):
            directions = _directions(given)
        # Laid out as they will be when they come back from a store: sums in another order differ in the last digits.
        self._directions = directions.astype(np.float32, order="C")

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        """The cosine in the projected space: float32 [d] and [n, d] in, float64 [n] out."""
        return cosines(self._projected(candidates), self._projected(query))

    def _projected(self, vectors: Vector) -> Vector:
        # No BLAS: equal vectors stay equal wherever they are, and on a busy machine its threads wait for each other.
        along = np.einsum("...d,kd->...k", vectors, self._learned())
        return np.concatenate([vectors, along], axis=-1)

    def _learned(self) -> Vector:
        if self._directions is None:
            raise ValueError("the ranker was not fitted")
        return self._directions


def _directions(given: Examples) -> NDArray[np.float64]:
    """Mᵀ, [k, d]."""
    vectors, labels = given
    images, dimensions = vectors.shape
    counts = np.bincount(labels)
    mean = vectors.mean(axis=0)
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(vectors, starts) / counts[:, np.newaxis]
    whitening = _whitening(vectors - means[labels], images)
    # Textbooks weigh each label by its images. What the means span, which is all that counts here, is the same.
    found, sizes, _ = np.linalg.svd(((means - mean) @ whitening).T, full_matrices=False)
    count = int((sizes > RELIABLE * sizes[0]).sum())
    if not count:
        return np.empty((0, dimensions))  # the labels do not differ: plain cosine
    discriminant = whitening @ found[:, :count]
    centred = vectors - mean
    # As strong as all directions together are on the examples, times STRENGTH.
    scale = np.sqrt((centred**2).sum() / ((centred @ discriminant) ** 2).sum())
    directions: NDArray[np.float64] = (STRENGTH * scale * discriminant).T
    return directions


def _whitening(within: NDArray[np.float64], images: int) -> NDArray[np.float64]:
    """What makes the shrunk scatter within labels the same in all directions, [d, d]."""
    dimensions = within.shape[1]
    scatter = within.T @ within / images
    level = np.trace(scatter) / dimensions
    if not level > np.finfo(np.float64).tiny:
        return np.eye(dimensions)  # the images of each label are copies
    values, axes = np.linalg.eigh((1 - SHRINKAGE) * scatter / level + SHRINKAGE * np.eye(dimensions))
    whitening: NDArray[np.float64] = axes / np.sqrt(values)
    return whitening
