"""`FeatureStore` on Cosmos DB."""

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from shared.cosmos import entries, items, search
from shared.cosmos.containers import open_client, open_containers
from shared.cosmos.documents import (
    SCHEMA,
    Document,
    document_id,
    in_order,
    merged,
    to_entry,
    to_failure,
    to_feature,
)
from shared.cosmos.faults import told_plainly
from shared.cosmos.layout import Layouts
from shared.features import Failure, Feature, Match, Vector, Version, check_vector
from shared.settings import Settings

AT_ONCE = 32
"""Partitions of one collection that are asked at the same time."""

TEXTS = "texts"
"""The partition of remembered texts, in the container of collections."""

SCAN = "SELECT TOP @limit * FROM c WHERE c.id > @after AND IS_DEFINED(c.model) ORDER BY c.id"

VERSIONS = (
    "SELECT TOP @limit c.id, c.path, c.etag, c.modified, c.model, c.tags,"
    " c.failure.model AS failedModel, c.failure.retry FROM c WHERE c.path > @after {upto}"
    " AND (IS_DEFINED(c.model) OR IS_DEFINED(c.failure)) ORDER BY c.path"
)

FAILURES = "SELECT TOP @limit * FROM c WHERE c.path > @after AND IS_DEFINED(c.failure) ORDER BY c.path"

COUNT = "SELECT VALUE COUNT(1) FROM c WHERE c.model = @model"


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
            self.features, self._collections = open_containers(self._client, settings)
        self.layouts = Layouts(self._collections)
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cosmos")

    def upsert(self, feature: Feature) -> bool:
        check_vector(feature.embedding)
        with told_plainly():
            return entries.replace(self.features, self.layouts, feature)

    def fail(self, failure: Failure) -> bool:
        with told_plainly():
            return entries.replace(self.features, self.layouts, failure)

    def get(self, path: str) -> Feature | None:
        entry = self.entry(path)
        return entry if isinstance(entry, Feature) else None

    def entry(self, path: str) -> Feature | Failure | None:
        with told_plainly():
            document = entries.read(self.features, self.layouts, path)
        return to_entry(document) if document else None

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        with told_plainly():
            return entries.delete(self.features, self.layouts, path, until)

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
        with told_plainly():
            return search.nearest(
                partial(self._ask, collection),
                vector,
                model=model,
                top=top,
                min_score=min_score,
                tags=tags or {},
                exclude=exclude,
            )

    def scan(self, collection: str, *, block: int = 1000, after: str = "") -> Iterator[list[Feature]]:
        last = document_id(after) if after else ""
        while True:
            with told_plainly():
                documents = self._first(collection, SCAN, {"@after": last}, block, lambda one: str(one["id"]))
            if not documents:
                return
            yield [to_feature(document) for document in documents]
            last = documents[-1]["id"]

    def versions(self, collection: str, *, after: str = "", upto: str | None = None, limit: int) -> list[Version]:
        text = VERSIONS.format(upto="" if upto is None else "AND c.path <= @upto")
        values = {"@after": after} | ({} if upto is None else {"@upto": upto})
        with told_plainly():
            return [_version(document) for document in self._first(collection, text, values, limit, in_order)]

    def failures(self, collection: str, *, after: str = "", limit: int = 100) -> list[Failure]:
        with told_plainly():
            documents = self._first(collection, FAILURES, {"@after": after}, limit, in_order)
        return [to_failure(document) for document in documents]

    def counts(self, collection: str | None = None) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        with told_plainly():
            for layout in self.layouts.all() if collection is None else [self.layouts.of(collection)]:
                places = sorted({place for group in layout.reading_order() for place in group})
                for model in layout.models:
                    count = sum(map(sum, self._ask_in(places, COUNT, {"@model": model})))
                    if count:
                        result.setdefault(layout.collection, {})[model] = count
        return result

    def collections(self) -> list[str]:
        with told_plainly():
            return sorted(layout.collection for layout in self.layouts.all())

    def remember(self, name: str, text: str | None) -> None:
        with told_plainly():
            if text is not None:
                self._collections.upsert_item(_text(name, text))
            else:
                items.forget(self._collections, document_id(name), TEXTS)

    def recall(self, name: str) -> str | None:
        with told_plainly():
            document = items.read(self._collections, document_id(name), TEXTS)
        return document["text"] if document else None

    def swap(self, name: str, before: str | None, after: str) -> bool:
        document = _text(name, after)
        with told_plainly():
            if before is None:
                return items.created(self._collections, document)
            stored = items.read(self._collections, document["id"], TEXTS)
            if stored is None or stored["text"] != before:
                return False
            return items.replaced(self._collections, document, stored)

    def close(self) -> None:
        self.pool.shutdown()
        self._client.close()

    def _first(
        self,
        collection: str,
        text: str,
        values: Mapping[str, object],
        limit: int,
        key: Callable[[Document], str | bytes],
    ) -> list[Document]:
        """The first `limit` documents of all partitions, for a query that gives each partition's, ordered by `key`."""
        rows = self._ask(collection, text, {**values, "@limit": limit})
        return heapq.nsmallest(limit, merged(document for some in rows for document in some), key=key)

    def _ask(self, collection: str, text: str, values: Mapping[str, object]) -> Iterator[list[Any]]:
        """The rows that a query gives in each partition of a collection, on a move those of the former ones first."""
        for places in self.layouts.of(collection).reading_order():
            yield from self._ask_in(places, text, values)

    def _ask_in(self, places: list[str], text: str, values: Mapping[str, object]) -> list[list[Any]]:
        parameters: list[dict[str, object]] = [{"name": name, "value": value} for name, value in values.items()]

        def ask(place: str) -> list[Any]:
            return items.query(self.features, text, parameters, place)

        return [ask(places[0])] if len(places) == 1 else list(self.pool.map(ask, places))


def _text(name: str, text: str) -> Document:
    return {"id": document_id(name), "partition": TEXTS, "name": name, "text": text, "schema": SCHEMA}


def _version(row: Mapping[str, Any]) -> Version:
    failed = "model" not in row
    model = row["failedModel"] if failed else row["model"]
    return Version(row["path"], row["etag"], model, row.get("tags", {}), failed, row.get("retry", False))
