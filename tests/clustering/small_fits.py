"""Fits of a few images, written by hand: vectors are angles in a plane, so that every distance can be worked out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from clustering.fits import Changes, Cluster, Fit, Parameters, SweepRow, keep_fit
from clustering.state import State, change_state
from shared.features import DIMENSIONS, Feature, FeatureStore, Vector
from shared.fits import NOISE, Member
from tests.conftest import Stores

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MODEL = "test/1"

on_one_store = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""For a test of what no store has a part in."""


def at(degrees: float) -> Vector:
    """The unit vector of an angle. The distance of two is 1 - cos of the angle between them."""
    vector = np.zeros(DIMENSIONS)
    vector[:2] = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return vector.astype(np.float32)


def apart(degrees: float) -> float:
    return 1 - float(np.cos(np.deg2rad(degrees)))


def feature(path: str, embedding: Vector, etag: str = "1", model: str = MODEL) -> Feature:
    return Feature(path=path, etag=etag, modified=NOON, model=model, embedding=embedding, pixel_hash="0" * 16, size=1)


def member(path: str, cluster: int, core: Vector | None = None, etag: str = "1") -> Member:
    return Member(path=path, etag=etag, cluster=cluster, core=core is not None, embedding=core)


def fit_of(
    name: str, members: Iterable[Member], *, collection: str = "c", reach: float = 0.1, model: str = MODEL
) -> Fit:
    """What came of a fit with these members."""
    found = list(members)
    ids = sorted({member.cluster for member in found} - {NOISE})
    return Fit(
        id=name,
        collection=collection,
        model=model,
        parameters=Parameters(eps=reach),
        started=NOON,
        seconds=1.5,
        images=len(found),
        learned_from=len(found),
        noise=sum(member.cluster == NOISE for member in found),
        clusters=[
            Cluster(
                id=id_,
                size=sum(member.cluster == id_ for member in found),
                cores=sum(member.cluster == id_ and member.core for member in found),
                spread=0.05,
                reach=reach,
            )
            for id_ in ids
        ],
        silhouette=0.5,
        curve=[0.1, 0.2],
        knee=None,
        sweep=[SweepRow(0.1, 2, 1, 3)],
        changes=Changes([1], [0], {4: [1, 2]}, {1: [4, 5]}),
        warnings=["so it is"],
    )


def publish(
    stores: Stores, members: Sequence[Member], fit: Fit, labels: dict[int, tuple[str, ...]] | None = None
) -> State:
    """Write a fit and put it in force, as a real one does; `labels` replaces those that there are."""
    stores.fits.write(fit.id, members)
    keep_fit(fit, stores.features)

    def change(state: State) -> State:
        next_id = max([state.next_id, *(cluster.id + 1 for cluster in fit.clusters)])
        words = state.labels if labels is None else labels
        return replace(state, fit=fit.id, next_id=next_id, labels=words)

    return change_state(fit.collection, stores.features, change)


def named(features: FeatureStore, clusters: int, name: str = "f", collection: str = "c") -> Fit:
    """A fit of which only the clusters matter, 0 and up, in force."""
    fit = fit_of(name, [member(f"{collection}/{n}", n) for n in range(clusters)], collection=collection)
    keep_fit(fit, features)
    change_state(collection, features, lambda state: replace(state, fit=name, next_id=max(state.next_id, clusters)))
    return fit
