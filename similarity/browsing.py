"""The calls by which people look at what is stored: the collections, the images of one, and one image."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import quote

from shared import backbone
from shared.calls import MOST_SHOWN, answered, page_size
from shared.contract import CallError, Json, Reply
from shared.features import Failure, Feature, FeatureStore, collection_of
from shared.image_ids import id_of, path_of
from shared.settings import Settings
from similarity.ranking.stored import switched_on


def list_collections(params: Mapping[str, str], store: FeatureStore) -> Reply:
    """The collections that hold an image or a failure, by name.

    Args:
        params: `top`, 1 to 1000, and `after`, the last name of the answer before.
        store: Where the features are.

    Returns:
        `{"model", "collections": [{collection, images, outdated}], "after": name or null}`: how many images the app's
        model embedded, and how many another one. `after` is null at the end.
    """

    def call() -> Reply:
        top = page_size(params)
        found = list(islice(_collections(params.get("after", ""), store), top))
        content = {
            "model": backbone.MODEL,
            "collections": [{"collection": name} | _sizes(models) for name, models in found],
            "after": found[-1][0] if len(found) == top else None,
        }
        return Reply(200, json.dumps(content))

    return answered(call, {})


def show_collection(collection: str, store: FeatureStore) -> Reply:
    """How many images a collection holds, by which models, which ranker is switched on, and where there is more.

    `failures` are counted up to 1000.
    """

    def call() -> Reply:
        models = store.counts(collection).get(collection, {})
        failures = len(store.failures(collection, limit=MOST_SHOWN))
        if not models and not failures:
            raise _unknown(collection)
        here = f"/api/collections/{quote(collection, safe='')}"
        content = {
            "collection": collection,
            "model": backbone.MODEL,
            **_sizes(models),
            "models": models,
            "failures": failures,
            "ranker": switched_on(collection, store),
            "links": {name: f"{here}/{name}" for name in LINKS},
        }
        return Reply(200, json.dumps(content))

    return answered(call, {})


LINKS = ("images", "search", "duplicates", "rankers", "clusters", "failures", "reconcile")
"""What there is below a collection."""


def list_images(collection: str, params: Mapping[str, str], store: FeatureStore, settings: Settings) -> Reply:
    """What is stored of a collection, by path as the store orders text; what could not be embedded as well.

    Args:
        collection: Its name.
        params: `top`, 1 to 1000, and `after`, the last path of the answer before.
        store: Where the features are.
        settings: Say where the images' urls begin.

    Returns:
        `{"collection", "images": [{id, path, url, state, model, etag, tags}], "after": path or null}`. `state` is
        `current`, `outdated` when another model embedded it, or `failed`. `after` is null at the end.
    """

    def call() -> Reply:
        top, after = page_size(params), params.get("after", "")
        found = store.versions(collection, after=after, limit=top)
        if not found and not store.versions(collection, limit=1):
            raise _unknown(collection)
        images = [
            _identity(one.path, settings)
            | {"state": _state(one.model, one.failed), "model": one.model, "etag": one.etag, "tags": dict(one.tags)}
            for one in found
        ]
        last = found[-1].path if len(found) == top else None
        return Reply(200, json.dumps({"collection": collection, "images": images, "after": last}))

    return answered(call, {})


def show_image(
    collection: str, image: str, params: Mapping[str, str], store: FeatureStore, settings: Settings
) -> Reply:
    """What is stored of one image, or why it could not be embedded.

    Args:
        collection: The collection's name.
        image: The image's id.
        params: With `vector` = true the answer has the embedding, 256 numbers of unit length.
        store: Where the features are.
        settings: Say where the images' urls begin.
    """

    def call() -> Reply:
        vector = params.get("vector", "false")
        if vector not in {"true", "false"}:
            raise CallError(400, f"'vector' takes true or false, not {vector!r:.50}.")
        path = image_path(collection, image)
        entry = store.entry(path)
        if entry is None:
            raise CallError(404, f"Nothing is stored of the image {path!r}.")
        content: dict[str, Json] = {"collection": collection} | _identity(path, settings) | _shown(entry)
        if isinstance(entry, Feature) and vector == "true":
            # NumPy prints a float32 by the fewest digits that give it back.
            content["vector"] = [float(str(value)) for value in entry.embedding]
        return Reply(200, json.dumps(content))

    return answered(call, {})


def image_path(collection: str, image: str) -> str:
    """The path of an image by its id.

    Raises:
        CallError: It is no id, or that of an image in another collection.
    """
    try:
        path = path_of(image)
    except ValueError as error:
        raise CallError(400, str(error)) from error
    if collection_of(path) != collection:
        raise CallError(404, f"The image {path!r} is not in the collection {collection!r}.")
    return path


def _collections(after: str, store: FeatureStore) -> Iterator[tuple[str, Mapping[str, int]]]:
    """The collections behind `after` by name, and how many images each has by model."""
    for name in store.collections():
        if name > after:
            models = store.counts(name).get(name, {})
            if models or store.failures(name, limit=1):  # stores may still name one that holds nothing any more
                yield name, models


def _sizes(models: Mapping[str, int]) -> dict[str, int]:
    current = models.get(backbone.MODEL, 0)
    return {"images": current, "outdated": sum(models.values()) - current}


def _unknown(collection: str) -> CallError:
    return CallError(
        404,
        f"There is no collection {collection!r}. A collection is the first folder of its images; "
        "/api/collections lists them.",
    )


def _identity(path: str, settings: Settings) -> dict[str, Json]:
    return {"id": id_of(path), "path": path, "url": settings.url_of(path)}


def _shown(entry: Feature | Failure) -> dict[str, Json]:
    failed = isinstance(entry, Failure)
    content = {
        "state": _state(entry.model, failed),
        "model": entry.model,
        "etag": entry.etag,
        "modified": entry.modified.isoformat(),
    }
    if isinstance(entry, Failure):
        return content | {"reason": entry.reason, "time": entry.time.isoformat(), "retry": entry.retry}
    return content | {"size": entry.size, "pixelHash": entry.pixel_hash, "tags": dict(entry.tags)}


def _state(model: str, failed: bool) -> str:
    if failed:
        return "failed"
    return "current" if model == backbone.MODEL else "outdated"
