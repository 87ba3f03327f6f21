"""The answer to one record, the same for the skill, the collections API and the command."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared import backbone
from shared.contract import Deadline, Json
from shared.features import FeatureStore
from shared.image_ids import id_of
from shared.settings import Settings
from similarity.asking import asked
from similarity.options import MAX_TOP, Options
from similarity.searching import LookAlike, search


class Result(NamedTuple):
    """An answer, and what its reader should know."""

    data: dict[str, Json]
    warnings: Sequence[str]
    nowhere: str | None
    """That the collection holds nothing that could be found, where that is so."""
    path: str | None
    """Where the record's own image is stored, when it has one and that is known."""


def look_alikes(
    record: Mapping[str, Json], options: Options, store: FeatureStore, settings: Settings, deadline: Deadline
) -> Result:
    """The look-alikes of what a record asks about: `most_similar` (paths), `matches`, and what was asked.

    Raises:
        RecordError: An input cannot be used.
        StoreBusy: A store did not answer.
        SettingsError: A region of a stored image is asked for, but the app cannot read the images.
    """
    start = time.perf_counter()
    query = asked(record, options.collection, store, settings, deadline)
    deadline.check()
    image = time.perf_counter() - start
    found = search(query, options, store, settings)
    rest = time.perf_counter() - start - image
    rerank = found.rerank_seconds
    took = {"image": image, "search": rest - (rerank or 0)} | ({} if rerank is None else {"rerank": rerank})
    data = {
        "most_similar": [one.match.feature.path for one in found.page],
        "matches": [_shown(one, options, settings) for one in found.page],
        "collection": query.collection,
        "top": min(options.top, MAX_TOP),
        "offset": options.offset,
        "minScore": options.min_score,
        "model": backbone.MODEL,
        "took": {part: round(1000 * seconds, 1) for part, seconds in took.items()},
    }
    warnings = [*query.warnings, *found.warnings]
    if options.top > MAX_TOP:
        warnings.append(f"'top' was {options.top}; at most {MAX_TOP} look-alikes are given.")
    nowhere = (
        f"The collection {query.collection!r} holds no images of the model {backbone.MODEL}. "
        "A collection is the first folder of a blob's path."
    )
    return Result(data, warnings, nowhere if found.empty else None, query.path)


def _shown(one: LookAlike, options: Options, settings: Settings) -> dict[str, Json]:
    feature = one.match.feature
    shown: dict[str, Json] = {
        "path": feature.path,
        "id": id_of(feature.path),
        "url": settings.url_of(feature.path),
        "score": round(one.match.score, 6),
        "tags": dict(feature.tags),
    }
    if one.rank_score is not None:
        shown["rankScore"] = round(one.rank_score, 6)
    if options.group_by:
        shown["group"] = one.group
    return shown
