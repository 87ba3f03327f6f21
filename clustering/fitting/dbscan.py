"""DBSCAN by cosine distance, with scikit-learn's labels, in memory that the density of the images does not change.

scikit-learn keeps every pair of neighbours, which for dense images is every pair there is. Its labels need fewer: which
points are core samples, which of those hang together, and which of the groups each other point touches. So all pairs
are looked at once, a few at a time, and only what tells something new is kept; a graph of that goes to scikit-learn.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.fitting.neighbours import NO_PAIRS, Rows, neighbours
from shared.features import Vector
from shared.fits import NOISE

PENDING = 4_000_000
"""How many pairs may be kept while it is not known yet which points are core samples: 64 MB."""


class Labelled(NamedTuple):
    """What came of clustering n images into k clusters."""

    labels: Rows
    """int64 [n]: the cluster of each, from 0 to k - 1, or `NOISE`."""
    cores: NDArray[np.bool]
    """bool [n]: whether it is a core sample."""
    reach: NDArray[np.float64]
    """float64 [k]: the farthest from its nearest core sample that a new image may be to belong."""


def dbscan(
    vectors: Vector, *, eps: float, min_samples: int, progress: Callable[[float], object] = lambda _done: None
) -> Labelled:
    """Cluster as `sklearn.cluster.DBSCAN(eps=eps, min_samples=min_samples, metric="cosine")` does in float64.

    A distance that equals `eps` but for the rounding of float64 may fall on either side, there as here.

    Args:
        vectors: float32 [n, 256], of about unit length.
        eps: The largest cosine distance of neighbours, above 0.
        min_samples: How many images within `eps`, itself included, make one a core sample.
        progress: Called often with how much is done, 0 to 1. It may raise, which ends the clustering.
    """
    labels, cores = np.full(len(vectors), NOISE, np.int64), np.zeros(len(vectors), np.bool)
    if len(vectors) >= min_samples:
        firsts, copy_of, copies = _folded(vectors)
        graph = _Graph(copies, min_samples)
        # A point has fewer than `min_samples` neighbours until it is a core sample: if that is few, one sweep will do.
        sweeps = 1 if firsts.size * (min_samples - 1) <= PENDING else 2
        for sweep in range(sweeps):
            for i, j, done in neighbours(vectors, firsts, eps, graph.component):
                if sweep == 0:
                    graph.count(i, j)
                graph.add(i, j, counted=sweep == 1, keep_unknown=sweeps == 1)
                progress((sweep + done) / sweeps)
        labels, cores = graph.labels()[copy_of], graph.cores()[copy_of]
    progress(1)
    return Labelled(labels, cores, np.full(labels.max(initial=NOISE) + 1, eps))


class _Graph:
    """What is known of which points reach which.

    Attributes:
        component: int32 [n]: which core samples hang together have the same number, every other point has its own.
    """

    def __init__(self, copies: NDArray[np.float64], min_samples: int) -> None:
        self.component = np.arange(copies.size, dtype=np.int32)
        self._copies, self._min_samples = copies, min_samples
        self._neighbours = copies.copy()
        self._pending: list[tuple[Rows, Rows]] = []
        self._size, self._thinned = 0, 0

    def cores(self) -> NDArray[np.bool]:
        """Which points are core samples, as far as pairs have been counted."""
        enough: NDArray[np.bool] = self._neighbours >= self._min_samples
        return enough

    def count(self, i: Rows, j: Rows) -> None:
        """Count pairs of neighbours; each must come once."""
        if i.size:
            self._neighbours += np.bincount(i, self._copies[j], self._copies.size)
            self._neighbours += np.bincount(j, self._copies[i], self._copies.size)

    def add(self, i: Rows, j: Rows, *, counted: bool, keep_unknown: bool) -> None:
        """Keep pairs of neighbours: all; or once all are counted those with a core sample; or those of core samples."""
        if not keep_unknown:
            cores = self.cores()
            useful = cores[i] | cores[j] if counted else cores[i] & cores[j]
            i, j = i[useful], j[useful]
        if i.size:
            self._pending.append((i, j))
            self._size += i.size
            # Twice as many as were left the last time: so thinning them takes no longer than finding them.
            if self._size > max(2 * self._thinned, self._copies.size):
                self._thin()

    def labels(self) -> Rows:
        """Each point's cluster once all pairs are counted and added, by scikit-learn."""
        from scipy.sparse import csr_array  # noqa: PLC0415
        from sklearn.cluster import DBSCAN  # noqa: PLC0415

        cores = np.flatnonzero(self.cores())
        if not cores.size:
            return np.full(self._copies.size, NOISE)
        i, j = self._thin()
        beside_core = self.cores()[i]
        # The first core sample of a component reaches all that the component reaches: its other pairs tell no more.
        hubs = np.full(self._copies.size, self._copies.size)
        np.minimum.at(hubs, self.component[cores], cores)
        hub = hubs[self.component[np.append(cores, i[beside_core])]]
        reached = np.append(cores, j[beside_core])
        size = self._copies.size
        # Any distance within eps is as good as 0. The weights make those points core samples that are.
        graph = csr_array((np.zeros(hub.size), (hub, reached)), shape=(size, size))
        found = DBSCAN(metric="precomputed", min_samples=self._min_samples).fit(
            graph, sample_weight=np.where(self.cores(), float(self._min_samples), 0.0)
        )
        labels: Rows = found.labels_.astype(np.int64)
        return labels

    def _thin(self) -> tuple[Rows, Rows]:
        """Join what pairs of core samples join; of the other pairs, keep one per component and point.

        Returns:
            The pairs that are left, the core sample first where there is one.
        """
        from scipy.sparse import csr_array  # noqa: PLC0415
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

        i, j = (np.concatenate(ends) for ends in zip(NO_PAIRS, *self._pending, strict=True))
        cores = self.cores()
        joined = cores[i] & cores[j]
        if joined.any():
            ends = self.component[i[joined]], self.component[j[joined]]
            edges = csr_array((np.ones(ends[0].size, np.bool), ends), shape=(cores.size, cores.size))
            _, found = connected_components(edges, directed=False)
            self.component[:] = found[self.component]
        i, j = i[~joined], j[~joined]
        i, j = np.where(cores[j], j, i), np.where(cores[j], i, j)
        _, kept = np.unique(self.component[i].astype(np.int64) * cores.size + j, return_index=True)
        self._pending = [(i[kept], j[kept])]
        self._size = self._thinned = kept.size
        return self._pending[0]


def _folded(vectors: Vector) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Equal rows taken as one: where each first is, of each row which of those it is, and how often each is there.

    They are in the order of their first places, for scikit-learn numbers clusters by it.
    """
    seen: dict[bytes, int] = {}
    copy_of = np.empty(len(vectors), np.int64)
    for row, vector in enumerate(np.ascontiguousarray(vectors)):
        copy_of[row] = seen.setdefault(hashlib.blake2b(vector, digest_size=16).digest(), len(seen))
    _, firsts, copies = np.unique(copy_of, return_index=True, return_counts=True)
    return firsts.astype(np.int64), copy_of, copies.astype(np.float64)
