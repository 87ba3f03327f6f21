"""The clustering skill: which group does this image belong to, and what do people call that group?"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import quote

from clustering.assignment import TRIES, Assignment, Current, FitGoneError, assign, current
from shared import backbone
from shared.contract import Answer, Deadline, Json, RecordError, Reply, answer_call
from shared.embedding import Query, embed_record
from shared.features import DEFAULT_COLLECTION, FeatureStore, StoreBusy, collection_of, usable_collection
from shared.fits import NOISE, FitStore
from shared.settings import Settings

type Look = Callable[[str, Current | None], Current | None]

UNKNOWN = Assignment(NOISE, (), None, None, None)
"""Where an image belongs while there is nothing to compare it with."""


def answer_clustering(
    body: bytes, params: Mapping[str, str], features: FeatureStore, fits: FitStore, settings: Settings
) -> Reply:
    """Answer a call of the clustering skill.

    Args:
        body: The skill request; each record holds an image and may hold `collection`.
        params: The query string: `collection`, for every record that does not say.
        features: Where the features are, and what came of the fits.
        fits: Where the members of the fits are.
        settings: The app's settings.
    """
    default = params.get("collection") or None
    look = _looking(features)
    handle = partial(_group, default=default, look=look, features=features, fits=fits, settings=settings)
    return answer_call(body, handle, budget=settings.time_budget)


def _group(
    record: Mapping[str, Json],
    deadline: Deadline,
    *,
    default: str | None,
    look: Look,
    features: FeatureStore,
    fits: FitStore,
    settings: Settings,
) -> Answer:
    """The group of one record's image: `label`, `cluster`, and what explains them. Raises RecordError, StoreBusy."""
    said = record.get("collection")
    if said is not None and not (isinstance(said, str) and usable_collection(said)):
        raise RecordError(f"'collection' takes the name of a collection, not {said!r:.50}.")
    query = embed_record(record, settings, deadline)
    deadline.check()
    collection = said or default or (collection_of(query.path) if query.path else DEFAULT_COLLECTION)
    now, found = _assigned(query, collection, look, features, fits)
    data = {
        "label": list(found.labels),
        "cluster": found.cluster,
        "distance": None if found.distance is None else round(found.distance, 6),
        "nearest": found.nearest,
        "reach": found.reach,
        "fit": now.fit.id if now else None,
        "collection": collection,
        "model": backbone.MODEL,
    }
    return Answer(data, _warnings(now, collection))


def _assigned(
    query: Query, collection: str, look: Look, features: FeatureStore, fits: FitStore
) -> tuple[Current | None, Assignment]:
    """The clustering of a collection, and where an image belongs by it."""
    gone = None
    for _ in range(TRIES):
        now = look(collection, gone)
        if now is None or now.fit.model != backbone.MODEL:
            return now, UNKNOWN
        try:
            return now, assign(query.vector[None], [query.path], now, features, fits)[0]
        except FitGoneError:
            gone = now
    raise StoreBusy(f"The store does not hold the members of the fit of {collection!r}; a new fit would write them.", 1)


def _looking(features: FeatureStore) -> Look:
    """`current`, asked once for each collection, and again by those who found that what it gave is gone."""
    known: dict[str, Current | None] = {}
    lock = threading.Lock()

    def look(collection: str, gone: Current | None) -> Current | None:
        with lock:
            if collection not in known or (gone and known[collection] is gone):
                known[collection] = current(collection, features)
            return known[collection]

    return look


def _warnings(now: Current | None, collection: str) -> list[str]:
    how = f"start a fit with POST /api/collections/{quote(collection, safe='')}/clusters"
    if now is None:
        return [
            f"The collection {collection!r} has no clusters yet: {how}. "
            "A collection is the first folder of a blob's path; name it as 'collection'."
        ]
    if now.fit.model != backbone.MODEL:
        return [f"The clusters of {collection!r} are of the model {now.fit.model}, not {backbone.MODEL}: {how}."]
    return []
