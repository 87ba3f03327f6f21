"""Where the features of a collection are: in one partition, or in several, or on the way from some to others."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from azure.cosmos import ContainerProxy

from shared.cosmos import items
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
        announced: Whether that move is only announced: readers look in both places, writers still write to the former.
        models: The models that its features and failures have had.
    """

    collection: str
    shards: int = 1
    moving_to: int | None = None
    announced: bool = False
    models: tuple[str, ...] = ()

    def places(self, identity: str) -> list[str]:
        """The partitions where a document may be: the former one first, then the one that it is moved to."""
        former = self._in(identity, self.shards)
        return list(dict.fromkeys([former, self._in(identity, self.moving_to or self.shards)]))

    def place(self, identity: str) -> str:
        """The partition that a document is written to."""
        return self.places(identity)[0 if self.announced else -1]

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
        """The layout of a collection; of one that holds nothing, what it would begin with (and that is not kept)."""
        with self._lock:
            until, layout = self._known.get(collection, (0.0, None))
        if layout and time.monotonic() < until:
            return layout
        begun = time.monotonic()
        document = items.read(self._container, document_id(collection), PARTITION)
        layout = _layout(collection, document)
        return self._remember(layout, begun) if document else layout

    def of_writing(self, collection: str, model: str) -> Layout:
        """The layout of a collection that is about to hold something of a model; that is written down first."""
        layout = self.of(collection)
        if model in layout.models:
            return layout
        return self.change(collection, lambda found: {"models": sorted({*found.models, model})})

    def change(self, collection: str, changes: Callable[[Layout], dict[str, Any]]) -> Layout:
        """Change a layout: `changes` gets the stored one and gives the new values by name, until no one interferes."""
        while True:
            begun = time.monotonic()
            stored = items.read(self._container, document_id(collection), PARTITION)
            document = stored or _new_document(collection)
            document |= changes(_layout(collection, stored))
            if (
                items.created(self._container, document)
                if stored is None
                else items.replaced(self._container, document, stored)
            ):
                return self._remember(_layout(collection, document), begun)

    def all(self) -> Iterator[Layout]:
        """The layouts of all collections that have ever held something."""
        text = "SELECT * FROM c"
        for document in items.query(self._container, text, [], PARTITION):
            yield _layout(document["collection"], document)

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
        "announced": False,
        "models": [],
        "schema": SCHEMA,
    }


def _layout(collection: str, document: dict[str, Any] | None) -> Layout:
    if document is None:
        return Layout(collection)
    return Layout(
        collection, document["shards"], document["movingTo"], document["announced"], tuple(document["models"])
    )
