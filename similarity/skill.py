"""The similarity skill: which stored images look like this one?"""

from collections.abc import Mapping
from functools import partial

from shared.contract import Answer, CallError, Deadline, Json, RecordError, Reply, answer_call, error_reply
from shared.features import FeatureStore
from shared.settings import Settings
from similarity.look_alikes import look_alikes
from similarity.options import OptionError, Options, read_options


def answer_similarity(body: bytes, params: Mapping[str, str], store: FeatureStore, settings: Settings) -> Reply:
    """Answer a call of the similarity skill.

    Args:
        body: The skill request; each record holds what `asking.asked` takes, and options by their names.
        params: The query string: the same options, for every record that does not say.
        store: Where the features are.
        settings: The app's settings.
    """
    try:
        options = read_options(params, Options(top=settings.top))
    except OptionError as error:
        return error_reply(CallError(400, f"In the query string: {error}"))
    handle = partial(_answer, options=options, store=store, settings=settings)
    return answer_call(body, handle, budget=settings.time_budget)


def _answer(
    record: Mapping[str, Json], deadline: Deadline, *, options: Options, store: FeatureStore, settings: Settings
) -> Answer:
    try:
        options = read_options(record, options)
    except OptionError as error:
        raise RecordError(str(error)) from error
    found = look_alikes(record, options, store, settings, deadline)
    nowhere = [f"{found.nowhere} Name it as 'collection'."] if found.nowhere else []
    # For the index that an indexer fills: what is stored of the image, in types that an index has.
    itself = {"path": found.path, "tags": _tags(found.path, store)}
    return Answer(itself | found.data, [*found.warnings, *nowhere])


def _tags(path: str | None, store: FeatureStore) -> list[str]:
    """The tags of a stored image, each as `name=value`; none of one that is not stored."""
    feature = store.get(path) if path else None
    return sorted(f"{name}={value}" for name, value in feature.tags.items()) if feature else []
