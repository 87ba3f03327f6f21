"""Images with labels, made by hand so that what can be learned of them is known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.features import DIMENSIONS, FeatureStore, Vector
from tests.similarity.stored_images import put, stored

TWO_LABELS = ["cat", "dog"] * 10


def planted(labels: Sequence[str], *, seed: int = 0, dimensions: int = DIMENSIONS) -> Vector:
    """Unit vectors of which only the first dimensions tell the labels apart; the others say nothing."""
    names = sorted(set(labels))
    vectors = np.random.default_rng(seed).normal(0, 0.25, (len(labels), dimensions))
    vectors[:, : len(names)] *= 0.4
    vectors[np.arange(len(labels)), [names.index(label) for label in labels]] += 1
    return units(vectors)


def noise(count: int, *, seed: int = 0, dimensions: int = DIMENSIONS) -> Vector:
    """Unit vectors in all directions."""
    return units(np.random.default_rng(seed).standard_normal((count, dimensions)))


def units(vectors: NDArray[np.float64]) -> Vector:
    scaled: Vector = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def put_labelled(features: FeatureStore, labels: Sequence[str], vectors: Vector, collection: str = "c") -> list[str]:
    """Store images in a folder for each label, and give their paths."""
    paths = [f"{collection}/{label}/{row:03}.jpg" for row, label in enumerate(labels)]
    put(features, map(stored, paths, vectors))
    return paths
