"""One run of clustering: read the images, group them, write who belongs where, and put it in force."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from clustering.fits import PUBLISHING, Cluster, Fit, Parameters, keep_fit, recall_fit
from clustering.fitting.keeping import Kept, keep, load_noise
from clustering.fitting.learning import Learned, Progress, learn
from clustering.fitting.members import NO_CORES, Tally, learned_members, other_members
from clustering.fitting.names import followed, missed
from clustering.fitting.publishing import begin, discard, publish
from clustering.state import read_state
from shared import backbone
from shared.bulk import patiently
from shared.features import FeatureStore, StoreBusy
from shared.fits import NOISE, FitStore
from shared.sampling import Images, load


class NothingToFitError(Exception):
    """There are no images that a fit could group; the message says which it looked for."""


class _Plan(NamedTuple):
    """What a fit goes by."""

    images: Images
    """Those to learn from."""
    follows: Fit | None
    """With `noise_only`, the fit whose clusters stay."""
    kept: Kept


def run_fit(
    collection: str,
    parameters: Parameters,
    features: FeatureStore,
    fits: FitStore,
    *,
    progress: Progress = lambda _phase, _done: None,
) -> Fit:
    """Cluster a collection and put what comes of it in force. The collection may change meanwhile.

    Args:
        collection: Its name.
        parameters: How.
        features: Where the images and the state of the clustering are.
        fits: Where the members of the fit go.
        progress: Called with what is being done, for people, and how much of that is done, 0 to 1; every second or so,
            but not within HDBSCAN. It may raise to end the fit, of which nothing stays then.

    Raises:
        NothingToFitError: There are no images of the present model; or, with `noise_only`, no clusters to keep.
        FitSupersededError: Another fit of the collection was published while this one was being written.
        ParameterError: More clusters came of it than can be kept.
        StoreBusy: A store did not answer.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    plan = _plan(collection, parameters, features, fits, progress)
    learned = learn(plan.images.vectors, parameters, progress) if plan.images.paths else None
    fit, state = begin(collection, features, fits)
    try:
        labels = learned.groups.labels if learned else np.empty(0, np.int64)
        named, former = followed(state, plan.images, labels, plan.follows, fits)
        tally = _write(fit, collection, plan, learned, named.ids, features, fits, progress)
        result = Fit(
            id=fit,
            collection=collection,
            model=backbone.MODEL,
            parameters=parameters,
            started=started,
            seconds=round(time.monotonic() - clock, 3),
            images=tally.sizes.total(),
            # Those that belong to a cluster that stays were learned from before.
            learned_from=len(plan.images.paths) + (tally.sizes.total() - plan.images.of if plan.follows else 0),
            noise=tally.sizes[NOISE],
            clusters=_clusters(plan, learned, named.ids, tally),
            silhouette=learned.silhouette if learned else None,
            curve=learned.curve if learned else (),
            knee=learned.knee if learned else None,
            sweep=learned.sweep if learned else (),
            changes=named.changes._replace(gone=sorted(former - set(tally.sizes))) if state.fit else None,
            warnings=[
                *(learned.warnings if learned else ("No image is noise, so there is nothing to group.",)),
                *missed(state, former - tally.sizes.keys()),
            ],
        )
        # All the work is done: a store that is busy just now is no reason to do it again.
        patiently(lambda: keep_fit(result, features))
        progress(PUBLISHING, 0)
        follows = plan.follows.id if plan.follows else state.fit
        patiently(
            lambda: publish(
                fit,
                tally.sizes.keys(),
                named.next_id,
                follows=follows,
                former=former,
                collection=collection,
                features=features,
            )
        )
    except Exception:
        with suppress(StoreBusy):  # a later fit finds it in the state
            discard(fit, collection, features, fits)
        raise
    return result


def _plan(collection: str, parameters: Parameters, features: FeatureStore, fits: FitStore, progress: Progress) -> _Plan:
    limit = parameters.max_images
    if not parameters.noise_only:
        images = load(collection, limit, features, lambda done: progress("reading the images", done))
        if not images.paths:
            raise NothingToFitError(f"The collection {collection!r} holds no images of the model {backbone.MODEL}.")
        return _Plan(images, None, Kept({}, NO_CORES))
    state = read_state(collection, features)
    before = recall_fit(state.fit, features) if state.fit else None
    if before is None or before.model != backbone.MODEL:
        raise NothingToFitError(
            f"The collection {collection!r} has no clusters of the model {backbone.MODEL} to keep: "
            "fit it without noiseOnly first."
        )
    kept = keep(before, features, fits, lambda done: progress("reading the clusters in force", done))
    noise = load_noise(before, limit, kept, features, lambda done: progress("reading the noise", done))
    return _Plan(noise, before, kept)


def _write(
    fit: str,
    collection: str,
    plan: _Plan,
    learned: Learned | None,
    ids: list[int],
    features: FeatureStore,
    fits: FitStore,
    progress: Progress,
) -> Tally:
    tally, cores, images, written = Tally(), plan.kept.cores, plan.images, 0

    def count(members: int) -> None:
        nonlocal written
        written += members
        progress("writing the images", written / len(images.paths))

    progress("writing the images", 0)
    if learned:
        labels, is_core, reach = learned.groups
        clusters = np.array([*ids, NOISE], np.int64)[labels]  # the last one is NOISE's
        fits.write(fit, tally.counted(learned_members(images, clusters, is_core)), progress=count)
    if plan.follows or images.of > len(images.paths):
        if learned:
            cores = cores.with_these(images.vectors[is_core], clusters[is_core], reach[labels[is_core]])
        others = other_members(
            collection,
            images.paths,
            plan.kept.members,
            cores,
            features,
            lambda done: progress("assigning the other images", done),
        )
        fits.write(fit, tally.counted(others))
    return tally


def _clusters(plan: _Plan, learned: Learned | None, ids: list[int], tally: Tally) -> list[Cluster]:
    known = plan.follows.clusters if plan.follows else ()
    spread = {cluster.id: cluster.spread for cluster in known}
    reach = {cluster.id: cluster.reach for cluster in known}
    if learned:
        spread |= zip(ids, learned.spreads.tolist(), strict=True)
        reach |= zip(ids, learned.groups.reach.tolist(), strict=True)
    return [
        Cluster(cluster, size, tally.cores[cluster], round(spread[cluster], 4), reach[cluster])
        for cluster, size in sorted(tally.sizes.items())
        if cluster != NOISE
    ]
