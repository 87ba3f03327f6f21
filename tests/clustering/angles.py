"""Collections to fit: groups of images around angles in a plane, four degrees wide."""

from collections.abc import Iterable, Mapping

from clustering.fits import Parameters
from clustering.fitting.members import members_of
from shared import backbone
from shared.features import FeatureStore
from shared.fits import FitStore
from tests.clustering.small_fits import at, feature

CLOSE = Parameters(eps=0.003, min_samples=3)
"""Neighbours are up to 4.4 degrees apart."""


def put(features: FeatureStore, angles: Mapping[str, float], *, etag: str = "1") -> None:
    """Store images with these vectors, by path."""
    for path, angle in angles.items():
        features.upsert(feature(path, at(angle), etag=etag, model=backbone.MODEL))


def group(name: str, angle: float, *, size: int = 4) -> dict[str, float]:
    """Images whose neighbours are one degree apart."""
    return {f"c/{name}{n:03}": angle + n for n in range(size)}


def remove(features: FeatureStore, paths: Iterable[str]) -> None:
    for path in paths:
        features.delete(path)


def clusters(fit: str, fits: FitStore) -> dict[str, int]:
    """The cluster of each member."""
    return {member.path: member.cluster for member in members_of(fit, fits)}
