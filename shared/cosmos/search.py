"""Searching a collection in Cosmos DB: one query in each of its partitions, and an exact ranking of what they give."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from shared.cosmos.documents import Document, merged, to_feature, to_numbers
from shared.features import Match, Vector

MARGIN = 1e-5
"""How far a score of the database, a float32, may be from the exact one."""

MOST_TIED = 4096
"""How far ties are followed. Beyond, which of so many equal images are given is the database's choice."""

type Ask = Callable[[str, Mapping[str, object]], Iterable[list[dict[str, Any]]]]
"""Runs a query, given its text and parameters, in all partitions: the rows of each, on a move the former ones first."""


def nearest(
    ask: Ask,
    vector: Vector,
    *,
    model: str,
    top: int,
    min_score: float,
    tags: Mapping[str, str],
    exclude: Collection[str],
) -> list[Match]:
    """See `FeatureStore.nearest`; `ask` knows the collection."""
    text, values = _query(vector, model, tags)
    barred = frozenset(exclude)
    # One more than is asked for shows whether the last place is contested.
    limit = top + len(barred) + 1
    most = max(limit, MOST_TIED)
    while True:
        found, rest = _best(ask(text, {**values, "@limit": limit}), limit)
        matches = _ranked(found, vector, barred)
        # What was not sent scores `rest` at most. When that might still belong among the best, ask for more.
        settled = rest is None or (len(matches) >= top and matches[top - 1].score > rest + MARGIN)
        if settled or limit >= most or (rest is not None and rest + MARGIN < min_score):
            return [match for match in matches[:top] if match.score >= min_score]
        limit = min(4 * limit, most)


def _query(vector: Vector, model: str, tags: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    # A tag's name cannot be a parameter; JSON's way of quoting it is Cosmos DB's too.
    conditions = [f"c.tags[{json.dumps(name)}] = @tag{n}" for n, name in enumerate(tags)]
    where = " AND ".join(["c.model = @model", *conditions])
    distance = "VectorDistance(c.embedding, @vector)"
    text = " ".join(
        ("SELECT TOP @limit c AS document,", distance, "AS score FROM c WHERE", where, "ORDER BY", distance)
    )
    values: dict[str, object] = {"@vector": to_numbers(vector), "@model": model}
    return text, values | {f"@tag{n}": value for n, value in enumerate(tags.values())}


def _best(rows_of_each: Iterable[list[dict[str, Any]]], limit: int) -> tuple[list[Document], float | None]:
    """The documents most like the query, and the most that others can score, None when there are no others."""
    documents: list[Document] = []
    rest: float | None = None
    for rows in rows_of_each:
        documents += [row["document"] for row in rows]
        if len(rows) >= limit:
            least = min(row["score"] for row in rows)
            rest = least if rest is None else max(rest, least)
    return merged(documents), rest


def _ranked(documents: list[Document], vector: Vector, barred: frozenset[str]) -> list[Match]:
    """Matches with their exact scores, best first, equal ones by path."""
    query = vector.astype(np.float64)
    query /= np.linalg.norm(query)
    matches = []
    for document in documents:
        if document["path"] not in barred:
            feature = to_feature(document)
            other = feature.embedding.astype(np.float64)
            score = float(np.clip(np.sum(other * query) / np.sqrt(np.sum(other * other)), -1.0, 1.0))
            matches.append(Match(feature, score))
    return sorted(matches, key=lambda match: (-match.score, match.feature.path))
