"""How good the clusters of a fit are, in figures and in words for people."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clustering.fitting.neighbours import Rows
from shared.features import Vector
from shared.fits import NOISE

SEED = 0

BLOCK = 4_000_000
"""Distances in memory at a time: 32 MB."""

CHAINED = 1.25
"""A cluster is a chain when its images are, on average, this many times eps apart. One group of vectors around a centre
is below, at every eps that finds half of it; vectors along a path are at 2 to 20."""

UNLIKE = 0.7
"""It is one at any eps when they are this far apart. Of the sample photos, those of one kind are 0.3 to 0.7 apart, any
two 0.95; random vectors are 1 apart, and are all joined by an eps of 0.8."""


def silhouette(vectors: Vector, labels: Rows, *, sample: int = 2000) -> float | None:
    """Mean silhouette of the clustered images by cosine distance (Rousseeuw 1987), None with fewer than two clusters.

    It equals `sklearn.metrics.silhouette_score`, but an image of the sample is held against all of each cluster,
    through the sum of its vectors: the sample alone would hold one or two images of most, and say nothing about them.

    Args:
        vectors: float32 [n, 256], unit length.
        labels: int64 [n], each from 0 to k - 1, or `NOISE`.
        sample: Of how many images the mean is taken when there are more.
    """
    sums, sizes = _sums(vectors, labels, int(labels.max(initial=NOISE)) + 1)
    if sizes.size < 2:
        return None
    chosen = np.flatnonzero(labels != NOISE)
    if chosen.size > sample:
        chosen = np.random.default_rng(SEED).choice(chosen, sample, replace=False, shuffle=False)
    values = []
    for rows in np.array_split(chosen, chosen.size * sizes.size // BLOCK + 1):
        exact, own, each = vectors[rows].astype(np.float64), labels[rows], np.arange(rows.size)
        similar = exact @ sums.T
        others = sizes[own] - 1
        within = (others - similar[each, own] + np.vecdot(exact, exact)) / np.maximum(others, 1)
        distances = 1 - similar / sizes
        distances[each, own] = np.inf
        outside = distances.min(axis=1)
        # An image alone has none by definition; of copies that two clusters share, both distances are 0.
        longest = np.maximum(np.maximum(within, outside), 1e-12)
        values.append(np.where(others == 0, 0, (outside - within) / longest))
    return float(np.concatenate(values).mean())


def spreads(vectors: Vector, labels: Rows, k: int) -> NDArray[np.float64]:
    """The mean cosine distance between two images of each of k clusters, 0 for one image: float64 [k].

    The sum of all products is the square of the sum: so it takes one look at each image.
    """
    sums, sizes = _sums(vectors, labels, k)
    squares = np.bincount(labels[labels != NOISE], np.vecdot(vectors, vectors)[labels != NOISE], k)
    similar = (np.vecdot(sums, sums) - squares) / np.maximum(sizes * (sizes - 1), 1)
    spread: NDArray[np.float64] = np.where(sizes > 1, np.clip(1 - similar, 0, 2), 0)
    return spread


def warnings(
    labels: Rows, spreads: NDArray[np.float64], *, eps: float | None, min_samples: int, knee: float | None
) -> list[str]:
    """What people should know of a fit before they trust it, with what to do about it.

    Args:
        labels: int64 [n].
        spreads: float64 [k], as `spreads` gives them.
        eps: Of DBSCAN; None for HDBSCAN, which has none.
        min_samples: As for the fit.
        knee: An eps to suggest, or None.
    """
    images = labels.size
    if not images:
        return ["The collection has no images."]
    if images < min_samples:
        return [
            f"minSamples is {min_samples:,}, more than the {images:,} images there are: no cluster can be that large. "
            "Lower minSamples."
        ]
    found = []
    if min_samples == 1:
        found.append(
            "With minSamples = 1 an image that is like no other is a cluster of its own, and nothing is noise."
        )
    if not spreads.size:
        found.append(_nothing_found(images, eps, min_samples, knee))
    else:
        sizes = np.bincount(labels[labels != NOISE])
        largest = int(sizes.argmax())
        apart = float(spreads[largest])
        if 2 * sizes[largest] > images and apart > min(UNLIKE, np.inf if eps is None else CHAINED * eps):
            advice = "Lower eps, or raise minSamples." if eps is not None else "Raise minSamples."
            found.append(
                f"One cluster has swallowed unlike images: it holds {sizes[largest]:,} of {images:,}, on average "
                f"{apart:.2f} apart, joined by a chain of neighbours. {advice}"
            )
    return found


def _nothing_found(images: int, eps: float | None, min_samples: int, knee: float | None) -> str:
    if eps is None:
        return f"All {images:,} images are noise: HDBSCAN found no clusters. Change minSamples, or use DBSCAN."
    hint = f"; {knee:.2f} is where the k-distance curve bends" if knee is not None and knee > eps else ""
    return (
        f"All {images:,} images are noise: none has {min_samples:,} images, itself included, within eps = {eps:g}. "
        f"Raise eps{hint}, or lower minSamples."
    )


def _sums(vectors: Vector, labels: Rows, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of each cluster's vectors, float64 [k, 256], and its size, int64 [k]."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(k + 1))
    sums = np.zeros((k, vectors.shape[1]))
    for cluster, (start, end) in enumerate(pairwise(bounds)):
        vectors[order[start:end]].sum(axis=0, dtype=np.float64, out=sums[cluster])
    return sums, np.diff(bounds).astype(np.int64)
