"""HDBSCAN by scikit-learn: clusters of different density, without an eps."""

from collections.abc import Callable

import numpy as np

from clustering.fitting.dbscan import Labelled
from shared.features import Vector
from shared.fits import NOISE

BLOCK = 16_000_000
"""Similarities in memory at a time: 64 MB."""


def hdbscan(vectors: Vector, *, min_samples: int, progress: Callable[[float], object] = lambda _done: None) -> Labelled:
    """Cluster as `sklearn.cluster.HDBSCAN` does by Euclidean distance, which orders unit vectors as cosine distance.

    It never finds one cluster of all: images that are all alike are noise to it. Each image of a cluster counts as a
    core sample, and a new one belongs when it is as near to one of them as they are to each other: the reach is the
    largest cosine distance of a member to its `min_samples`-th nearest member, itself the first.

    Its time grows with the square of n, a minute for 10,000; its memory does not.

    Args:
        vectors: float32 [n, 256], unit length.
        min_samples: For the density and, as HDBSCAN has two such numbers, the smallest cluster. At least 2.
        progress: Called with how much is done, 0 to 1, before and after the clustering. It may raise, which ends it.
    """
    progress(0)
    labels = np.full(len(vectors), NOISE, np.int64)
    if len(vectors) >= min_samples:
        from sklearn.cluster import HDBSCAN  # noqa: PLC0415

        # A tree, though it prunes nothing at 256 dimensions: "brute" holds all distances at once.
        model = HDBSCAN(min_cluster_size=min_samples, min_samples=min_samples, algorithm="ball_tree", copy=True)
        labels = model.fit(vectors).labels_.astype(np.int64)
        progress(0.9)
    reach = [_reach(vectors[labels == cluster], min_samples) for cluster in range(labels.max(initial=NOISE) + 1)]
    progress(1)
    return Labelled(labels, labels != NOISE, np.round(np.array(reach, np.float64), 6))


def _reach(members: Vector, min_samples: int) -> float:
    place = len(members) - min_samples
    farthest = 0.0
    for some in np.array_split(members, len(members) ** 2 // BLOCK + 1):
        similar = some @ members.T
        similar.partition(place, axis=1)
        farthest = max(farthest, 1 - float(similar[:, place].min()))
    return farthest
