"""The call of people and scripts that finds duplicates: all of a collection, or those of one image."""

import json
import time
from collections import Counter
from collections.abc import Mapping

from shared import backbone
from shared.calls import MAX_BODY, answered, json_object
from shared.contract import CallError, Deadline, Json, RecordError, Reply
from shared.embedding import embed_bytes
from shared.features import Failure, FeatureStore
from shared.image_ids import id_of
from shared.images import ImageError
from shared.inputs import IMAGE_INPUTS, URL_INPUTS, has_image, read_image, said_path
from shared.pictures import Picture, from_storage
from shared.settings import Settings
from similarity.duplicates.check import Asked, asked_new, asked_stored, check
from similarity.duplicates.groups import Duplicate, Groups, Stored, find_groups
from similarity.duplicates.rule import SAME_SCORE

MOST_IMAGES = 20_000
"""Images of a collection whose groups one call finds; with other calls beside it, that takes ten seconds."""

LEAST_SCORE = 0.5
"""The least `minScore`: below it, nearly everything would be a duplicate."""

MOST_GROUPS = 1000
"""Groups in an answer, the largest; the command shows all."""

OPTIONS = frozenset({"minScore", "secondLook"})
NAMES = OPTIONS | {"path", *IMAGE_INPUTS, *(name for names in URL_INPUTS for name in names if name)}
EXAMPLE = '{"image": {"data": "…base64…"}}, {"path": "photos/dog.jpg"} or {} for all of the collection'

LOOKING = 0.6
"""The share of the time budget after which there are no more second looks: what follows takes time too."""


def find_duplicates(collection: str, body: bytes, store: FeatureStore, settings: Settings) -> Reply:
    """Find duplicates.

    Args:
        collection: Where to look.
        body: An object with an image as a skill's record has it, or the `path` of a stored one: which images of the
            collection are the same picture. Without one, or with no body: all groups of duplicates in the collection.
            Beside it `minScore`, 0.5 to 1, and `secondLook`: whether doubtful pairs are compared by their pixels.
        store: Where the features are.
        settings: The app's settings.

    Raises:
        StoreBusy: The store did not answer.
    """

    def call() -> Reply:
        started = time.perf_counter()
        max_bytes = MAX_BODY + settings.max_image_bytes * 4 // 3
        content = json_object(body, EXAMPLE, max_bytes=max_bytes) if body.strip() else {}
        min_score, second_look = _options(content)
        deadline = Deadline(settings.time_budget)
        looks = Deadline(settings.time_budget * LOOKING)
        # Only now: it asks the storage whether it answers.
        picture = from_storage(settings) if second_look else None
        if has_image(content) or said_path(content):
            answer = _check(collection, content, store, settings, min_score, picture, looks, deadline)
        elif empty := sorted(content.keys() - OPTIONS):  # not all of the collection: it was to be one image
            raise CallError(400, f"No image is said in {empty[0]!r}. Send {EXAMPLE}.")
        else:
            answer = _groups(collection, store, settings, min_score, picture, looks)
        took = {"total": round(1000 * (time.perf_counter() - started), 1)}
        shown = {"collection": collection, "model": backbone.MODEL, "minScore": min_score, "took": took}
        return Reply(200, json.dumps(answer | shown))

    return answered(call, {ImageError: 400})


def shown_groups(found: Groups, settings: Settings) -> dict[str, Json]:
    """Groups for scripts; `bytes` is what deleting the duplicates would free."""
    groups = [
        {
            "keep": _image(group.keep, settings),
            "duplicates": [shown_duplicate(one, settings) for one in group.duplicates],
        }
        for group in found.groups
    ]
    return {"groups": groups, "images": found.images, "duplicates": found.duplicates, "bytes": found.bytes}


def shown_duplicate(one: Duplicate, settings: Settings) -> dict[str, Json]:
    """A duplicate for scripts."""
    found = {"score": round(one.score, 6), "hashDistance": one.distance, "kind": one.kind}
    return _image(Stored(one.path, one.size, ""), settings) | found


def warnings_of(unseen: Counter[str]) -> list[str]:
    """What to say of second looks that were not, by why."""
    counted = {1: "One doubtful pair was"}
    return [
        f"{counted.get(count, f'{count:,} doubtful pairs were')} not compared by the pixels: {why}"
        for why, count in sorted(unseen.items())
    ]


def _check(
    collection: str,
    content: Mapping[str, Json],
    store: FeatureStore,
    settings: Settings,
    min_score: float,
    picture: Picture | None,
    looks: Deadline,
    deadline: Deadline,
) -> dict[str, Json]:
    asked = _asked(content, store, settings, deadline)
    found = check(asked, collection, store, min_score=min_score, picture=picture, deadline=looks)
    if not found.duplicates and not store.nearest(collection, asked.vector, model=backbone.MODEL, top=1):
        raise _no_images(collection)
    return {
        "isDuplicate": bool(found.duplicates),
        "duplicates": [
            shown_duplicate(one, settings) | {"tags": dict(feature.tags)} for feature, one in found.duplicates
        ],
        "warnings": warnings_of(found.unseen),
    }


def _groups(
    collection: str,
    store: FeatureStore,
    settings: Settings,
    min_score: float,
    picture: Picture | None,
    looks: Deadline,
) -> dict[str, Json]:
    images = store.counts(collection).get(collection, {}).get(backbone.MODEL, 0)
    if not images:
        raise _no_images(collection)
    if images > MOST_IMAGES:
        raise CallError(
            422,
            f"The collection {collection!r} holds {images:,} images, and one call can compare {MOST_IMAGES:,}: run "
            f"`python -m similarity duplicates {collection}`.",
        )
    found = find_groups(collection, store, min_score=min_score, picture=picture, deadline=looks)
    warnings = warnings_of(found.unseen)
    if len(found.groups) > MOST_GROUPS:
        warnings.append(f"Only the {MOST_GROUPS:,} largest of {len(found.groups):,} groups are shown.")
    return shown_groups(found._replace(groups=found.groups[:MOST_GROUPS]), settings) | {
        "duplicates": found.duplicates,
        "bytes": found.bytes,
        "warnings": warnings,
    }


def _no_images(collection: str) -> CallError:
    return CallError(404, f"The collection {collection!r} holds no images of the model {backbone.MODEL}.")


def _options(content: Mapping[str, Json]) -> tuple[float, bool]:
    unknown = sorted(content.keys() - NAMES)
    if unknown:
        named = ", ".join(f"{name!r:.50}" for name in unknown[:5])
        raise CallError(400, f"There is no {named}. Known names: {', '.join(sorted(NAMES))}.")
    min_score, second_look = content.get("minScore"), content.get("secondLook")
    if second_look is not None and not isinstance(second_look, bool):
        raise CallError(400, f"'secondLook' takes true or false, not {second_look!r:.50}.")
    if min_score is None:
        return SAME_SCORE, second_look is not False
    if isinstance(min_score, bool) or not isinstance(min_score, int | float) or not LEAST_SCORE <= min_score <= 1:
        raise CallError(400, f"'minScore' takes a number from {LEAST_SCORE:g} to 1, not {min_score!r:.50}.")
    return float(min_score), second_look is not False


def _asked(content: Mapping[str, Json], store: FeatureStore, settings: Settings, deadline: Deadline) -> Asked:
    """The image that is asked about."""
    path = said_path(content)
    if has_image(content) or path is None:
        sent = read_image(content, settings, deadline)
        return asked_new(embed_bytes(sent.data, settings, deadline), sent.path)
    entry = store.entry(path)
    if entry is None or isinstance(entry, Failure) or entry.model != backbone.MODEL:
        raise RecordError(f"There is no image {path!r} that {backbone.MODEL} embedded: send the image itself.")
    return asked_stored(entry)


def _image(one: Stored, settings: Settings) -> dict[str, Json]:
    return {"path": one.path, "id": id_of(one.path), "url": settings.url_of(one.path), "size": one.size}
