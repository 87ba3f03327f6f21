"""The members of a fit: the images it learned from, those it keeps from the fit before, and all others by distance."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.assignment import ROUNDING
from shared.features import DIMENSIONS, Feature, FeatureStore, Vector
from shared.fits import NOISE, FitStore, Member
from shared.sampling import Images, scan
from shared.vectors import nearest_rows

BLOCK = 5000
"""Members of the fit before that are read at a time."""


class Cores(NamedTuple):
    """Core samples, and with each its cluster and how far that reaches."""

    vectors: Vector
    """float32 [m, 256]"""
    clusters: NDArray[np.int64]
    """int64 [m]"""
    reach: NDArray[np.float64]
    """float64 [m]"""

    def with_these(self, vectors: Vector, clusters: NDArray[np.int64], reach: NDArray[np.float64]) -> "Cores":
        """These core samples and others."""
        return Cores(
            np.concatenate([self.vectors, vectors]),
            np.concatenate([self.clusters, clusters]),
            np.concatenate([self.reach, reach]),
        )

    def clusters_of(self, vectors: Vector) -> NDArray[np.int64]:
        """The cluster of each of some new images, float32 [n, 256], or `NOISE`: int64 [n]."""
        if not len(self.clusters) or not len(vectors):
            return np.full(len(vectors), NOISE, np.int64)
        nearest, distances = nearest_rows(vectors, self.vectors)
        return np.where(distances <= self.reach[nearest] + ROUNDING, self.clusters[nearest], NOISE)


NO_CORES = Cores(np.empty((0, DIMENSIONS), np.float32), np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images and core samples each cluster got; counted while they are written."""

    sizes: Counter[int] = field(default_factory=Counter)
    cores: Counter[int] = field(default_factory=Counter)

    def counted(self, members: Iterable[Member]) -> Iterator[Member]:
        """The same members."""
        for member in members:
            self.sizes[member.cluster] += 1
            self.cores[member.cluster] += member.core
            yield member


def members_of(fit: str, fits: FitStore, cluster: int | None = None) -> Iterator[Member]:
    """All members of a fit, or of one of its clusters, read block by block. Raises StoreBusy."""
    after = ""
    while block := fits.members(fit, cluster=cluster, after=after, limit=BLOCK):
        yield from block
        after = block[-1].path


def learned_members(images: Images, clusters: NDArray[np.int64], cores: NDArray[np.bool]) -> Iterator[Member]:
    """The images that were learned from: with the cluster of each, int64 [n], and whether it is a core sample."""
    rows = zip(images.paths, images.etags, clusters.tolist(), cores.tolist(), images.vectors, strict=True)
    for path, etag, cluster, core, vector in rows:
        yield Member(path=path, etag=etag, cluster=cluster, core=core, embedding=vector if core else None)


def other_members(
    collection: str,
    learned: Iterable[str],
    kept: Mapping[str, Member],
    cores: Cores,
    features: FeatureStore,
    progress: Callable[[float], object],
) -> Iterator[Member]:
    """All images of a collection but those that were learned from, given by their paths.

    Those that are `kept` from the fit before stay what they were; the others go by distance. Raises StoreBusy.
    """
    learned = frozenset(learned)
    for block in scan(collection, features, progress):
        others = [feature for feature in block if feature.path not in learned]
        new = [feature for feature in others if still(kept, feature) is None]
        for feature in others:
            if member := still(kept, feature):
                embedding = feature.embedding if member.core else None
                yield Member(
                    path=feature.path, etag=feature.etag, cluster=member.cluster, core=member.core, embedding=embedding
                )
        for feature, cluster in zip(new, cores.clusters_of(stacked(new)).tolist(), strict=True):
            yield Member(path=feature.path, etag=feature.etag, cluster=cluster, core=False)


def still(members: Mapping[str, Member], feature: Feature) -> Member | None:
    """The member that an image was, if the image is still the same."""
    member = members.get(feature.path)
    return member if member and member.etag == feature.etag else None


def stacked(features: Iterable[Feature]) -> Vector:
    """Their embeddings: float32 [n, 256]."""
    return np.array([feature.embedding for feature in features], np.float32).reshape(-1, DIMENSIONS)
