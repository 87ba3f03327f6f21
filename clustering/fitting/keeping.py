"""Grouping only the noise: the clusters in force stay, and what belongs to none of them is learned from."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from clustering.fits import Fit
from clustering.fitting.members import Cores, members_of, stacked, still
from shared.features import DIMENSIONS, FeatureStore
from shared.fits import NOISE, FitStore, Member
from shared.sampling import Images, Sampler, scan


class Kept(NamedTuple):
    """What stays of the fit before."""

    members: Mapping[str, Member]
    """By path, those that were in a cluster: some 400 bytes each."""
    cores: Cores
    """Those of their core samples whose images are still the same."""


def keep(fit: Fit, features: FeatureStore, fits: FitStore, progress: Callable[[float], object]) -> Kept:
    """What can be kept of a fit. Raises StoreBusy."""
    members = {member.path: member for member in members_of(fit.id, fits) if member.cluster != NOISE}
    reach = {cluster.id: cluster.reach for cluster in fit.clusters}
    vectors = np.empty((sum(member.core for member in members.values()), DIMENSIONS), np.float32)
    clusters: list[int] = []
    for block in scan(fit.collection, features, progress):
        for feature in block:
            member = still(members, feature)
            if member and member.core and len(clusters) < len(vectors):
                vectors[len(clusters)] = feature.embedding
                clusters.append(member.cluster)
    found = np.array(clusters, np.int64)
    return Kept(members, Cores(vectors[: found.size], found, np.array([reach[cluster] for cluster in clusters])))


def load_noise(fit: Fit, limit: int, kept: Kept, features: FeatureStore, progress: Callable[[float], object]) -> Images:
    """The images of a fit's collection that belong to no cluster, at most `limit`. Raises StoreBusy."""
    sampler = Sampler(limit, salt=fit.id)  # each round draws other ones, or it would find nothing that the last did not
    for block in scan(fit.collection, features, progress):
        new = [feature for feature in block if still(kept.members, feature) is None]
        for feature, cluster in zip(new, kept.cores.clusters_of(stacked(new)).tolist(), strict=True):
            if cluster == NOISE:
                sampler.show(feature)
    return sampler.images()
