"""Which cluster an image belongs to, by the fit in force."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.fits import Cluster, Fit, recall_fit
from clustering.state import State, read_state
from shared.features import FeatureStore, StoreBusy, Vector
from shared.fits import NOISE, Core, FitStore, Member

ROUNDING = 5e-7
"""What rounding may add to a distance between float32 vectors: what is as far as its cluster reaches still belongs.
It is half of the last digit that the skill shows."""

SAME_PICTURE = 1 - 1e-6
"""From this score on it is the picture itself. The margin is what float32 rounding takes from 1, not a likeness."""

TRIES = 4
"""How often what a fit just replaced is looked for again."""


class FitGoneError(Exception):
    """The fit was dropped after it was looked up, so another one is in force: ask `current` again."""


class Current(NamedTuple):
    """The clustering of a collection as it is now."""

    state: State
    fit: Fit


class Assignment(NamedTuple):
    """Where an image belongs. Clusters are those that people see: merged ones are one."""

    cluster: int
    """An id, or `NOISE`."""
    labels: tuple[str, ...]
    distance: float | None
    """Cosine distance to the nearest core sample, 0 to 2; None when the fit has no core samples."""
    nearest: int | None
    """The cluster of that core sample."""
    reach: float | None
    """The farthest that a new image may be from it to belong: with DBSCAN, eps."""


def current(collection: str, features: FeatureStore) -> Current | None:
    """The clustering of a collection, or None before its first fit.

    Raises:
        StoreBusy: The store did not answer, or it does not hold the fit that is in force.
    """
    for _ in range(TRIES):
        state = read_state(collection, features)
        if state.fit is None:
            return None
        try:
            return Current(state, known_fit(state.fit, features))
        except FitGoneError:
            continue
    raise StoreBusy(f"The store does not hold the fit {state.fit}. If this goes on, start a new fit.", 1)


def known_fit(fit: str, features: FeatureStore) -> Fit:
    """What came of a fit.

    Raises:
        FitGoneError: It is not there any more.
        StoreBusy: The store did not answer.
    """
    return _recalled(fit, features)  # type: ignore[arg-type]  # every store is an object like itself only


@lru_cache(maxsize=16)  # what came of a fit never changes
def _recalled(fit: str, features: FeatureStore) -> Fit:
    found = recall_fit(fit, features)
    if found is None:
        raise FitGoneError(fit)
    return found


def assign(
    vectors: NDArray[np.float32], paths: Sequence[str | None], current: Current, features: FeatureStore, fits: FitStore
) -> list[Assignment]:
    """Where images belong.

    An image that the fit knows has the cluster that the fit gave it, or none. Every other image belongs to the cluster
    of its nearest core sample, if that is within the cluster's reach.

    Args:
        vectors: float32 [n, 256], unit length, of the fit's model.
        paths: The blob path of each image, None where it is not known.
        current: The clustering of their collection.
        features: Where the images' features are.
        fits: Where the fit's members are.

    Raises:
        FitGoneError: The fit was dropped meanwhile.
        StoreBusy: A store did not answer.
        ValueError: The vectors are not float32 [n, 256] of unit length (tolerance 1e-3).
    """
    # Members first: when core samples are found after that, the fit was still there, and "no member" is true.
    members = [_member(path, current, features, fits) if path else None for path in paths]
    cores = fits.nearest(current.fit.id, vectors)
    _check_there(cores, current)
    assignments = []
    for vector, path, member, core in zip(vectors, paths, members, cores, strict=True):
        if core and not path and core.distance and belongs(core.distance, _cluster(core, current).reach):
            assignments.append(_assignment(_same_picture(vector, current, features, fits), core, current))
        else:
            assignments.append(_assignment(member, core, current))
    return assignments


def belongs(distance: float, reach: float) -> bool:
    """Whether a new image is near enough to its nearest core sample to be in its cluster."""
    return distance <= reach + ROUNDING


def _assignment(member: Member | None, core: Core | None, current: Current) -> Assignment:
    if core is None:
        return Assignment(NOISE, (), None, None, None)
    state, reach = current.state, _cluster(core, current).reach
    by_distance = core.cluster if belongs(core.distance, reach) else NOISE
    cluster = member.cluster if member else by_distance
    return Assignment(state.shown(cluster), state.words(cluster), core.distance, state.shown(core.cluster), reach)


def _member(path: str, current: Current, features: FeatureStore, fits: FitStore) -> Member | None:
    """What the fit knows of an image, if the image is still the one that was fitted."""
    member = fits.member(current.fit.id, path)
    feature = features.get(path) if member else None
    return member if member and feature and feature.etag == member.etag else None


def _same_picture(vector: Vector, current: Current, features: FeatureStore, fits: FitStore) -> Member | None:
    """What the fit knows of an image that came without its path, or None of one that is new.

    An image at the border of two clusters may be in one although a core sample of the other is nearer, and HDBSCAN
    leaves out images that are near others. So it must be found out whether this is one of those that were fitted.
    """
    matches = features.nearest(current.fit.collection, vector, model=current.fit.model, top=1)
    if not matches or matches[0].score < SAME_PICTURE:
        return None
    member = _member(matches[0].feature.path, current, features, fits)
    if member is None:
        _check_there(fits.nearest(current.fit.id, vector[None]), current)
    return member


def _check_there(cores: Sequence[Core | None], current: Current) -> None:
    """A fit that has core samples, but none was found, is no more."""
    if None in cores and any(cluster.cores for cluster in current.fit.clusters):
        raise FitGoneError(current.fit.id)


def _cluster(core: Core, current: Current) -> Cluster:
    clusters = current.fit.clusters
    return clusters[bisect_left(clusters, core.cluster, key=attrgetter("id"))]
