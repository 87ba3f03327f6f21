"""The search itself: candidates from the store, in a ranker's order where one is asked for, by group, one page.

A ranker orders the candidates window by window: the `RERANK_OVERFETCH * top` nearest among themselves, then as many
that come next. So the pages of one `top` join to one list, and a page does not cost more the later it is in its window.
"""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared import backbone
from shared.contract import RecordError
from shared.features import FeatureStore, Match
from shared.settings import Settings
from similarity.asking import Asked
from similarity.options import MAX_TOP, TAG, Options

if TYPE_CHECKING:
    from similarity.ranking.rankers import Ranker

SAME_PICTURE = 1 - 1e-6
"""From this score on it is the picture itself. The margin is what float32 rounding takes from 1, not a likeness."""

MOST_RERANKED = 2000
"""The most candidates of one window. They come with their vectors: from Cosmos DB 5 KB each."""

MOST_LOOKED_AT = 1000
"""The most candidates among which groups are looked for: all of them, where there are fewer groups than are wanted."""

GROWTH = 8
"""How many times as many candidates are asked for when there are too few groups among them."""


class LookAlike(NamedTuple):
    """One image of an answer."""

    match: Match
    rank_score: float | None = None
    """What the ranker gave it, when there was one."""
    group: str | None = None
    """What it is the best of."""


class _Candidates(NamedTuple):
    matches: list[Match]
    """Best first, without the queried images themselves."""
    more: bool
    """Whether there may be more of them."""
    none: bool
    """Whether nothing was found, not even the queried image."""


class Found(NamedTuple):
    """One page of an answer."""

    page: Sequence[LookAlike]
    warnings: Sequence[str]
    empty: bool
    """Whether the collection holds nothing that could be found."""
    rerank_seconds: float | None
    """How long the ranker took; None when there was none."""


def search(asked: Asked, options: Options, store: FeatureStore, settings: Settings) -> Found:
    """The look-alikes of a query.

    Raises:
        RecordError: There is no such ranker, or it was trained for another model.
        StoreBusy: The store did not answer.
        ValueError: `options.top` is below 1.
    """
    start = time.perf_counter()
    ranker, warnings = _ranker(asked.collection, options.rerank, store) if options.rerank else (None, [])
    spent = time.perf_counter() - start
    top = min(options.top, MAX_TOP)
    window = min(settings.rerank_overfetch * top, MOST_RERANKED) if ranker else 1
    if not options.include_self:
        asked = _with_all_paths(asked, store)
    found = _candidates(asked, options, options.offset + top, window, store)
    start = time.perf_counter()
    ordered = _reranked(found.matches, asked, ranker, window) if ranker else list(map(LookAlike, found.matches))
    spent += time.perf_counter() - start
    if options.group_by:
        ordered = _best_of_each(ordered, options.group_by)
        if found.more and len(ordered) < options.offset + top:
            warnings.append(
                f"There may be more groups: only the {MOST_LOOKED_AT} most similar images were looked at for 'groupBy'."
            )
    return Found(
        page=ordered[options.offset : options.offset + top],
        warnings=warnings,
        empty=found.none and _is_empty(asked, options, store),
        rerank_seconds=spent if ranker else None,
    )


def _with_all_paths(asked: Asked, store: FeatureStore) -> Asked:
    """The query, knowing which stored images those of its images are that came without a path."""
    same = [
        match.feature.path
        for vector in asked.unnamed
        for match in store.nearest(asked.collection, vector, model=backbone.MODEL, top=1, min_score=SAME_PICTURE)
    ]
    return asked._replace(paths=[*asked.paths, *same])


def _candidates(asked: Asked, options: Options, wanted: int, window: int, store: FeatureStore) -> _Candidates:
    """Whole windows of what is most similar, with as many images, or groups, as are wanted if there are."""
    count = _whole_windows(wanted, window)
    while True:
        found = _nearest(asked, options, count, store)
        if not found.more or not options.group_by or count >= MOST_LOOKED_AT:
            return found
        if len({_key(match, options.group_by) for match in found.matches}) >= wanted:
            return found
        count = min(_whole_windows(GROWTH * count, window), MOST_LOOKED_AT)


def _whole_windows(count: int, window: int) -> int:
    return math.ceil(count / window) * window


def _nearest(asked: Asked, options: Options, count: int, store: FeatureStore) -> _Candidates:
    # Nobody said which image this is, but when a stored one is the same picture, that one is it. Further copies stay,
    # for they are other images.
    may_be_first = asked.anonymous and not options.include_self
    found = store.nearest(
        asked.collection,
        asked.vector,
        model=backbone.MODEL,
        top=count + may_be_first,
        min_score=options.min_score,
        tags=options.tags or None,
        exclude=[] if options.include_self else asked.paths,
    )
    itself = may_be_first and bool(found) and found[0].score >= SAME_PICTURE
    matches = found[itself : itself + count]
    return _Candidates(matches, more=len(found) == count + may_be_first, none=not found)


def _ranker(collection: str, which: bool | str, store: FeatureStore) -> tuple["Ranker | None", list[str]]:
    # Imported for those that ask for it.
    from similarity.ranking.stored import RankerError, ranker_for  # noqa: PLC0415

    try:
        ranker = ranker_for(collection, which, store)
    except RankerError as error:
        raise RecordError(str(error)) from error
    if ranker:
        return ranker, []
    return None, [f"No ranker of the collection {collection!r} is switched on: the order is that of the scores."]


def _reranked(found: Sequence[Match], asked: Asked, ranker: "Ranker", window: int) -> list[LookAlike]:
    ordered: list[LookAlike] = []
    for start in range(0, len(found), window):
        some = found[start : start + window]
        scores = ranker.rank(asked.vector, np.stack([match.feature.embedding for match in some]))
        ranked = [LookAlike(match, score) for match, score in zip(some, scores.tolist(), strict=True)]
        # Sorting keeps the order of equal ones, which is that of their scores.
        ordered += sorted(ranked, key=lambda one: -(one.rank_score or 0.0))
    return ordered


def _best_of_each(ordered: Sequence[LookAlike], group_by: str) -> list[LookAlike]:
    best: dict[tuple[str, ...], LookAlike] = {}
    for one in ordered:
        best.setdefault(_key(one.match, group_by), one._replace(group=_group(one.match, group_by)))
    return list(best.values())


def _key(match: Match, group_by: str) -> tuple[str, ...]:
    """What the images of a group have in common; an image without the tag is a group of its own."""
    group = _group(match, group_by)
    return (group,) if group is not None else ("", match.feature.path)


def _group(match: Match, group_by: str) -> str | None:
    if group_by == "folder":
        return match.feature.path.rpartition("/")[0]
    return match.feature.tags.get(group_by.removeprefix(TAG))


def _is_empty(asked: Asked, options: Options, store: FeatureStore) -> bool:
    """Whether a collection in which nothing was found holds nothing at all."""
    # Only where something may have been left out is another query needed to tell.
    everything = options.min_score <= -1 and not options.tags and (options.include_self or not asked.paths)
    return everything or not store.nearest(asked.collection, asked.vector, model=backbone.MODEL, top=1)
