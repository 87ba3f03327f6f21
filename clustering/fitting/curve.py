"""Help with choosing eps: how far neighbours are, where that bends, and what other values would find."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clustering.fits import SweepRow
from clustering.fitting.dbscan import dbscan
from shared.features import Vector

type Curve = NDArray[np.float64]

SEED = 0
"""Of all samples here: the same images give the same help."""

SWEPT = 5_000
"""How many images a sweep looks at: each of its values takes a tenth of a second."""

BEND = 0.15
"""The least depth of a knee below the chord, in parts of the curve's height: the curve of random vectors, which have no
groups, bends by 0.1."""

BLOCK = 16_000_000
"""Similarities in memory at a time: 64 MB."""


def k_distances(vectors: Vector, k: int, *, sample: int = 2000) -> Curve:
    """The cosine distance to the k-th nearest vector, itself the first, as DBSCAN's `min_samples` counts.

    Of k vectors and more, at eps as large as its distance a vector is a core sample. To 1e-5: for the eye.

    Args:
        vectors: float32 [n, 256], unit length.
        k: At least 1. Above n, the distance to the farthest is taken.
        sample: Of how many vectors, drawn uniformly, the distance is taken when there are more. They are held against
            all vectors.

    Returns:
        float64 [min(n, sample)], ascending.
    """
    if not len(vectors):
        return np.empty(0)
    chosen = _sampled(vectors, sample)
    place = len(vectors) - min(k, len(vectors))
    kth = []
    for some in np.array_split(chosen, len(chosen) * len(vectors) // BLOCK + 1):
        similar = some @ vectors.T
        similar.partition(place, axis=1)
        kth.append(similar[:, place])
    distances: Curve = np.sort(np.clip(1 - np.concatenate(kth).astype(np.float64), 0, 2))
    return distances


def knee(curve: Curve) -> float | None:
    """The distance where an ascending curve bends up: that which lies deepest below its chord.

    Satopää et al. 2011, "Finding a kneedle in a haystack", without smoothing. None when nothing lies deep enough.
    """
    if curve.size < 3 or curve[-1] - curve[0] < 1e-4:
        return None
    height = (curve - curve[0]) / (curve[-1] - curve[0])
    depth = np.linspace(0, 1, curve.size) - height
    deepest = int(depth.argmax())
    return float(curve[deepest]) if depth[deepest] >= BEND else None


def thinned(curve: Curve, n: int = 200) -> list[float]:
    """At most `n` values of a curve, evenly spaced, first and last included, to four digits."""
    places = np.unique(np.linspace(0, curve.size - 1, min(n, curve.size)).round().astype(np.int64))
    return [round(float(value), 4) for value in curve[places]]


def sweep(
    vectors: Vector, *, min_samples: int, eps: float, progress: Callable[[float], object] = lambda _done: None
) -> list[SweepRow]:
    """What DBSCAN finds with other values of eps, over the range of the k-distance curve, and with the one chosen.

    Above 5,000 vectors it looks at a sample. That is thinner than all of them, so that it finds fewer and smaller
    clusters and more noise than a fit would: compare its rows with one another.

    Args:
        vectors: float32 [n, 256], unit length.
        min_samples: As for the fit.
        eps: The eps of the fit, which gets a row as well.
        progress: Called with how much is done, 0 to 1. It may raise, which ends the sweep.

    Returns:
        Ascending by eps. Sizes are in images of the sample. Empty without vectors.
    """
    if not len(vectors):
        return []
    chosen = _sampled(vectors, SWEPT)
    curve = k_distances(chosen, min_samples)
    # The last twentieth are strangers, whose distances would take half of the rows.
    spread = np.linspace(curve[0], np.quantile(curve, 0.95), 10)[1:]
    values = sorted({eps, *(round(float(value), 3) for value in spread if value >= 0.001)})
    rows = []
    for number, value in enumerate(values, 1):
        found = dbscan(chosen, eps=value, min_samples=min_samples)
        sizes = np.bincount(found.labels[found.labels >= 0])
        noise = int(np.count_nonzero(found.labels < 0))
        rows.append(SweepRow(value, sizes.size, noise, int(sizes.max(initial=0))))
        progress(number / len(values))
    return rows


def _sampled(vectors: Vector, most: int) -> Vector:
    """Some of the vectors, drawn uniformly, in their order."""
    if len(vectors) <= most:
        return vectors
    drawn = np.random.default_rng(SEED).choice(len(vectors), most, replace=False, shuffle=False)
    chosen: Vector = vectors[np.sort(drawn)]
    return chosen
