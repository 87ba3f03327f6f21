"""The similarity skill: which stored images look like this one?"""

from collections.abc import Mapping
from functools import partial

from shared import backbone
from shared.contract import Answer, CallError, Deadline, Json, RecordError, Reply, answer_call, error_reply
from shared.embedding import Query, embed_record
from shared.features import DEFAULT_COLLECTION, FeatureStore, Match, collection_of
from shared.settings import Settings
from similarity.options import MAX_TOP, OptionError, Options, read_options

SAME_PICTURE = 1 - 1e-6
"""From this score on it is the picture itself. The margin is what float32 rounding takes from 1, not a likeness."""


def answer_similarity(body: bytes, params: Mapping[str, str], store: FeatureStore, settings: Settings) -> Reply:
    """Answer a call of the similarity skill.

    Args:
        body: The skill request; each record holds an image and may hold `collection`, `top`, `minScore`, `includeSelf`.
        params: The query string: the same options, for every record that does not say.
        store: Where the features are.
        settings: The app's settings.
    """
    try:
        options = read_options(params, Options(top=settings.top))
    except OptionError as error:
        return error_reply(CallError(400, f"In the query string: {error}"))
    handle = partial(look_alikes, options=options, store=store, settings=settings)
    return answer_call(body, handle, budget=settings.time_budget)


def look_alikes(
    record: Mapping[str, Json], deadline: Deadline, *, options: Options, store: FeatureStore, settings: Settings
) -> Answer:
    """The look-alikes of one record's image: `most_similar` (paths), `matches`, and what was asked.

    Raises:
        RecordError: An input cannot be used.
    """
    try:
        options = read_options(record, options)
    except OptionError as error:
        raise RecordError(str(error)) from error
    query = embed_record(record, settings, deadline)
    deadline.check()
    collection = options.collection or (collection_of(query.path) if query.path else DEFAULT_COLLECTION)
    top = min(options.top, MAX_TOP)
    found = _found(query, collection, top, options, store)
    matches = _without_itself(found, query, options)[:top]
    data = {
        "most_similar": [match.feature.path for match in matches],
        "matches": [_shown(match, settings) for match in matches],
        "collection": collection,
        "top": top,
        "minScore": options.min_score,
        "model": backbone.MODEL,
    }
    warnings = []
    if options.top > MAX_TOP:
        warnings.append(f"'top' was {options.top}; at most {MAX_TOP} look-alikes are given.")
    if not found and _is_empty(query, collection, options, store):
        warnings.append(
            f"The collection {collection!r} holds no images of the model {backbone.MODEL}. "
            "A collection is the first folder of a blob's path; name it as 'collection'."
        )
    return Answer(data, warnings)


def _found(query: Query, collection: str, top: int, options: Options, store: FeatureStore) -> list[Match]:
    """What is most similar, the image itself included where it is not known which one it is."""
    return store.nearest(
        collection,
        query.vector,
        model=backbone.MODEL,
        top=top + (query.path is None),
        min_score=options.min_score,
        exclude=[query.path] if query.path and not options.include_self else [],
    )


def _without_itself(found: list[Match], query: Query, options: Options) -> list[Match]:
    if not options.include_self and query.path is None and found and found[0].score >= SAME_PICTURE:
        # Nobody said which image this is, but one of the stored ones is the same picture: that one is it.
        # Further copies stay, for they are other images.
        return found[1:]
    return found


def _is_empty(query: Query, collection: str, options: Options, store: FeatureStore) -> bool:
    """Whether a collection in which nothing was found holds nothing at all."""
    # Only where something may have been left out is another query needed to tell.
    everything = options.min_score <= -1 and (query.path is None or options.include_self)
    return everything or not store.nearest(collection, query.vector, model=backbone.MODEL, top=1)


def _shown(match: Match, settings: Settings) -> dict[str, Json]:
    feature = match.feature
    return {
        "path": feature.path,
        "url": settings.url_of(feature.path),
        "score": round(match.score, 6),
        "tags": dict(feature.tags),
    }
