"""The call of people and scripts that searches one collection, with the answer of the skill."""

import json
from collections.abc import Mapping
from dataclasses import replace

from shared.calls import MAX_BODY, answered, json_object
from shared.contract import CallError, Deadline, Json, Reply
from shared.features import FeatureStore, usable_collection
from shared.inputs import IMAGE_INPUTS, URL_INPUTS
from shared.settings import Settings
from similarity.asking import MAX_EXAMPLES
from similarity.look_alikes import Result, look_alikes
from similarity.options import NAMES, OptionError, Options, read_options

EXAMPLE = '{"path": "photos/dog.jpg", "top": 5} or {"image": {"data": "…base64…"}}'

IMAGE_NAMES = frozenset(
    {"path", "boundingBox", *IMAGE_INPUTS, *(name for names in URL_INPUTS for name in names if name)}
)
"""What says which image."""

QUERY_NAMES = IMAGE_NAMES | {"positives", "negatives"} | (NAMES - {"collection"})


def search(collection: str, body: bytes, params: Mapping[str, str], store: FeatureStore, settings: Settings) -> Reply:
    """Answer a search of one collection.

    Args:
        collection: Where to look.
        body: What `asking.asked` takes, and options by their names; names that mean nothing are refused.
        params: The query string: the same options, where the body does not say.
        store: Where the features are.
        settings: The app's settings.

    Raises:
        StoreBusy: The store did not answer.
        SettingsError: A region of a stored image is asked for, but the app cannot read the images.
    """
    images = 1 + 2 * MAX_EXAMPLES
    max_bytes = MAX_BODY + images * settings.max_image_bytes * 4 // 3

    def call() -> Reply:
        content = json_object(body, EXAMPLE, max_bytes=max_bytes)
        _refuse(params, NAMES - {"collection"} | {"code", "clientId"}, " in the query string")  # these: the key's
        found = find(collection, content, params, store, settings)
        return Reply(200, json.dumps(found.data | {"warnings": list(found.warnings)}))

    return answered(call, {OptionError: 400})


def find(
    collection: str,
    content: Mapping[str, Json],
    params: Mapping[str, str],
    store: FeatureStore,
    settings: Settings,
    deadline: Deadline | None = None,
) -> Result:
    """Search one collection; arguments as those of `search`, with the object that the body holds.

    Raises:
        CallError: A name means nothing (400), or the collection holds nothing (404).
        OptionError: An option cannot be used.
        RecordError: An image cannot be used.
        StoreBusy: The store did not answer.
        SettingsError: A region of a stored image is asked for, but the app cannot read the images.
    """
    if not usable_collection(collection):
        raise CallError(404, "No collection can be called so.")
    _check_names(content)
    options = read_options(content, read_options(params, Options(top=settings.top)))
    options = replace(options, collection=collection)
    found = look_alikes(content, options, store, settings, deadline or Deadline(settings.time_budget))
    if found.nowhere:
        raise CallError(404, found.nowhere)
    return found


def _check_names(content: Mapping[str, Json]) -> None:
    """Raise a CallError where a query or one of its images has a name that means nothing: a slip would go unseen."""
    _refuse(content, QUERY_NAMES, "")
    for name in ("positives", "negatives"):
        examples = content.get(name)
        for n, item in enumerate(examples if isinstance(examples, list) else []):
            if isinstance(item, dict):
                _refuse(item, IMAGE_NAMES, f" in {name}[{n}]")


def _refuse(content: Mapping[str, object], known: frozenset[str], where: str) -> None:
    unknown = sorted(content.keys() - known)
    if unknown:
        named = ", ".join(f"{name!r:.50}" for name in unknown[:5])
        raise CallError(400, f"There is no {named}{where}. Known names: {', '.join(sorted(known))}.")
