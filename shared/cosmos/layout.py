"""Where the features of a collection are: in one partition, or in several, or on the way from some to others."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from shared.cosmos.documents import SCHEMA, document_id, partition, shard_of

PARTITION = "collections"

LAYOUT_SECONDS = 10.0
"""How old a layout may be that a process works with. A move waits that long before it moves anything."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The partitions of a collection.

    Attributes:
        collection: Its name.
        shards: How many partitions its features are in.
        moving_to: How many they are being moved to, or None.
        models: The models whose features it has held.
    """

    collection: str
    shards: int = 1
    moving_to: int | None = None
    models: tuple[str, ...] = ()

    def place(self, identity: str) -> str:
        """The partition that a document is written to."""
        return self._in(identity, self.moving_to or self.shards)

    def former_place(self, identity: str) -> str | None:
        """The partition where a document may be still, when the collection is on the move and it is another one."""
        former = self._in(identity, self.shards)
        return former if self.moving_to and former != self.place(identity) else None

    def reading_order(self) -> list[list[str]]:
        """Groups of partitions. To miss nothing that is being moved, read one group after the other.

        What is not in its former place when that is read is in its new one by then, so the new ones come last.
        """
        former = self._all(self.shards)
        return [former, self._all(self.moving_to)] if self.moving_to else [former]

    def _in(self, identity: str, shards: int) -> str:
        return partition(self.collection, shard_of(identity, shards), shards)

    def _all(self, shards: int) -> list[str]:
        return [partition(self.collection, shard, shards) for shard in range(shards)]


class Layouts:
    """The layouts of all collections, each remembered for a few seconds."""

    def __init__(self, container: ContainerProxy, seconds: float = LAYOUT_SECONDS) -> None:
        self._container = container
        self.seconds = seconds
        self._known: dict[str, tuple[float, Layout]] = {}
        self._lock = threading.Lock()

    def of(self, collection: str) -> Layout:
        """The layout of a collection; of one that holds nothing, what it would begin with."""
        with self._lock:
            until, layout = self._known.get(collection, (0.0, None))
        if layout and time.monotonic() < until:
            return layout
        begun = time.monotonic()
        document = self._read(collection)
        return self._remember(_layout(collection, document), begun)

    def of_writing(self, collection: str, model: str) -> Layout:
        """The layout of a collection that is about to hold features of a model; that is written down first."""
        layout = self.of(collection)
        if model in layout.models:
            return layout
        return self.change(collection, lambda found: {"models": sorted({*found.models, model})})

    def change(self, collection: str, changes: Any) -> Layout:
        """Change a layout: `changes` gets the stored one and gives the new values by name, until no one interferes."""
        while True:
            begun = time.monotonic()
            stored = self._read(collection)
            document = stored or _new_document(collection)
            document |= changes(_layout(collection, stored))
            try:
                if stored is None:
                    self._container.create_item(document)
                else:
                    self._container.replace_item(
                        document["id"],
                        document,
                        etag=document["_etag"],
                        match_condition=MatchConditions.IfNotModified,
                    )
            except (CosmosResourceExistsError, CosmosResourceNotFoundError, CosmosAccessConditionFailedError):
                continue
            return self._remember(_layout(collection, document), begun)

    def all(self) -> Iterator[Layout]:
        """The layouts of all collections that have ever held something."""
        for document in self._container.read_all_items():
            if document["partition"] == PARTITION:
                yield _layout(document["collection"], document)

    def _read(self, collection: str) -> dict[str, Any] | None:
        try:
            return dict(self._container.read_item(document_id(collection), PARTITION))
        except CosmosResourceNotFoundError:
            return None

    def _remember(self, layout: Layout, begun: float) -> Layout:
        with self._lock:
            self._known[layout.collection] = (begun + self.seconds, layout)
        return layout


def _new_document(collection: str) -> dict[str, Any]:
    return {
        "id": document_id(collection),
        "partition": PARTITION,
        "collection": collection,
        "shards": 1,
        "movingTo": None,
        "models": [],
        "schema": SCHEMA,
    }


def _layout(collection: str, document: dict[str, Any] | None) -> Layout:
    if document is None:
        return Layout(collection)
    return Layout(collection, document["shards"], document["movingTo"], tuple(document["models"]))
