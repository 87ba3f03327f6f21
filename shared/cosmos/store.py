"""`FeatureStore` on Cosmos DB."""

import heapq
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from shared.cosmos import items
from shared.cosmos.containers import TIMEOUT, open_client, open_containers
from shared.cosmos.documents import (
    Document,
    document_id,
    is_tombstone,
    newest,
    supersedes,
    to_document,
    to_feature,
    to_microseconds,
    tombstone,
)
from shared.cosmos.faults import told_plainly
from shared.cosmos.layout import Layouts
from shared.features import Feature, Match, Vector, check_vector, collection_of
from shared.settings import Settings

MARGIN = 1e-5
"""How far a score of the database, a float32, may be from the exact one."""

MOST_TIED = 4096
"""How far ties are followed. Beyond, which of so many equal images are given is the database's choice."""

AT_ONCE = 32
"""Partitions of one collection that are asked at the same time."""


class CosmosFeatureStore:
    """A `FeatureStore` in Cosmos DB. Nothing of a collection is kept in memory."""

    def __init__(self, settings: Settings) -> None:
        """Open the database; make what is missing where that is allowed.

        Raises:
            SettingsError: The key is wrong, or a container is not what this app needs.
            StoreBusy: The account cannot be reached.
        """
        with told_plainly():
            self.settings = settings
            self._client = open_client(settings)
            self.features, collections = open_containers(self._client, settings)
        self.layouts = Layouts(collections)
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cosmos")

    def upsert(self, feature: Feature) -> bool:
        check_vector(feature.embedding)
        if not feature.path:
            raise ValueError("a feature without a path belongs to no image")
        to_microseconds(feature.modified)  # refuses a time without a zone before anything is written
        identity = document_id(feature.path)
        with told_plainly():
            layout = self.layouts.of_writing(feature.collection, feature.model)
            document = to_document(feature, layout.place(identity))
            others = [place for place in layout.places(identity) if place != document["partition"]]
            while True:
                # The common case first: a new image costs one request. Only on a move must be looked elsewhere before.
                left = newest(items.read(self.features, identity, place) for place in others)
                if left and not supersedes(feature, left):
                    return False
                if not items.created(self.features, document):
                    stored = items.read(self.features, identity, document["partition"])
                    if stored is None:
                        continue
                    if not supersedes(feature, stored):
                        return False
                    if not items.replaced(self.features, document, stored):
                        continue
                if left and not layout.announced:
                    items.deleted(self.features, left)  # never the other way round, or a reader could miss both copies
                return True

    def get(self, path: str) -> Feature | None:
        with told_plainly():
            document = newest(self._copies(path))
        return to_feature(document) if document and not is_tombstone(document) else None

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        limit = to_microseconds(until) if until else None
        identity = document_id(path)
        with told_plainly():
            while True:
                layout = self.layouts.of(collection_of(path))
                copies = self._copies(path)
                current = newest(copies)
                if current is None or is_tombstone(current) or (limit is not None and current["modified"] > limit):
                    return False
                if len(layout.places(identity)) == 1:
                    if items.deleted(self.features, current):
                        return True
                    continue
                # On a move, a tombstone keeps the mover from bringing back what it has read already.
                stone = tombstone(current, layout.place(identity), until)
                here = next((copy for copy in copies if copy["partition"] == stone["partition"]), None)
                if items.replaced(self.features, stone, here) if here else items.created(self.features, stone):
                    for copy in copies:
                        if copy is not here:
                            items.deleted(self.features, copy)
                    return True

    def nearest(
        self,
        collection: str,
        vector: Vector,
        *,
        model: str,
        top: int,
        min_score: float = -1.0,
        tags: Mapping[str, str] | None = None,
        exclude: Collection[str] = (),
    ) -> list[Match]:
        check_vector(vector)
        if top < 1:
            raise ValueError(f"top is {top}, but at least 1 match must be asked for")
        text, parameters = _query(vector, model, tags or {})
        barred = frozenset(exclude)
        # One more than is asked for shows whether the last place is contested.
        limit = top + len(barred) + 1
        most = max(limit, MOST_TIED)
        while True:
            with told_plainly():
                found, rest = self._search(collection, text, parameters, limit)
            matches = _ranked(found, vector, barred)
            # What was not sent scores `rest` at most. When that might still belong among the best, ask for more.
            settled = rest is None or (len(matches) >= top and matches[top - 1].score > rest + MARGIN)
            if settled or limit >= most or (rest is not None and rest + MARGIN < min_score):
                return [match for match in matches[:top] if match.score >= min_score]
            limit = min(4 * limit, most)

    def scan(self, collection: str, *, block: int = 1000, after: str = "") -> Iterator[list[Feature]]:
        last = document_id(after) if after else ""
        while True:
            with told_plainly():
                documents = self._page(collection, last, block)
            if not documents:
                return
            yield [to_feature(document) for document in documents]
            last = documents[-1]["id"]

    def counts(self) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        with told_plainly():
            for layout in self.layouts.all():
                places = sorted({place for group in layout.reading_order() for place in group})
                for model in layout.models:
                    count = sum(self._in_all(places, partial(self._count, model)))
                    if count:
                        result.setdefault(layout.collection, {})[model] = count
        return result

    def close(self) -> None:
        self.pool.shutdown()
        self._client.close()

    def _copies(self, path: str) -> list[Document]:
        """The documents of an image: one at most, or two on a move. What is moved meanwhile is in the later place."""
        identity = document_id(path)
        places = self.layouts.of(collection_of(path)).places(identity)
        return [document for place in places if (document := items.read(self.features, identity, place))]

    def _search(
        self, collection: str, text: str, parameters: list[dict[str, Any]], limit: int
    ) -> tuple[list[Document], float | None]:
        """The documents most like the query, and the most that others can score, None when there are no others."""
        parameters = [*parameters, {"name": "@limit", "value": limit}]

        def ask(place: str) -> list[dict[str, Any]]:
            return list(self.features.query_items(text, parameters=parameters, partition_key=place, timeout=TIMEOUT))

        found: dict[str, Document] = {}
        rest: float | None = None
        for places in self.layouts.of(collection).reading_order():
            for rows in self._in_all(places, ask):
                _merge(found, (row["document"] for row in rows))
                if len(rows) >= limit:
                    least = min(row["score"] for row in rows)
                    rest = least if rest is None else max(rest, least)
        return list(found.values()), rest

    def _page(self, collection: str, last: str, block: int) -> list[Document]:
        text = "SELECT TOP @block * FROM c WHERE c.id > @last AND IS_DEFINED(c.model) ORDER BY c.id"
        parameters: list[dict[str, Any]] = [{"name": "@block", "value": block}, {"name": "@last", "value": last}]

        def ask(place: str) -> list[dict[str, Any]]:
            return list(self.features.query_items(text, parameters=parameters, partition_key=place, timeout=TIMEOUT))

        found: dict[str, Document] = {}
        for places in self.layouts.of(collection).reading_order():
            for rows in self._in_all(places, ask):
                _merge(found, rows)
        return heapq.nsmallest(block, found.values(), key=lambda document: str(document["id"]))

    def _count(self, model: str, place: str) -> int:
        text = "SELECT VALUE COUNT(1) FROM c WHERE c.model = @model"
        parameters: list[dict[str, Any]] = [{"name": "@model", "value": model}]
        rows: list[Any] = list(
            self.features.query_items(text, parameters=parameters, partition_key=place, timeout=TIMEOUT)
        )
        return sum(int(count) for count in rows)

    def _in_all[T](self, places: list[str], ask: Callable[[str], T]) -> list[T]:
        return [ask(places[0])] if len(places) == 1 else list(self.pool.map(ask, places))

    def put(self, copy: Document) -> bool:
        """Put a document in a place unless a later one is there; whether that is settled."""
        if items.created(self.features, copy):
            return True
        there = items.read(self.features, copy["id"], copy["partition"])
        return there is not None and (
            there["modified"] >= copy["modified"] or items.replaced(self.features, copy, there)
        )


def _merge(found: dict[str, Document], documents: Iterable[Document]) -> None:
    """Add documents by id; of two copies the one that counts stays."""
    for document in documents:
        found[document["id"]] = newest([found.get(document["id"]), document]) or document


def _query(vector: Vector, model: str, tags: Mapping[str, str]) -> tuple[str, list[dict[str, Any]]]:
    # A tag's name cannot be a parameter; JSON's way of quoting it is Cosmos DB's too.
    conditions = [f"c.tags[{json.dumps(name)}] = @tag{n}" for n, name in enumerate(tags)]
    where = " AND ".join(["c.model = @model", *conditions])
    distance = "VectorDistance(c.embedding, @vector)"
    text = " ".join(
        ("SELECT TOP @limit c AS document,", distance, "AS score FROM c WHERE", where, "ORDER BY", distance)
    )
    values = {"@vector": [float(str(value)) for value in vector], "@model": model}
    values |= {f"@tag{n}": value for n, value in enumerate(tags.values())}
    return text, [{"name": name, "value": value} for name, value in values.items()]


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
