"""The entry of one path: read, replaced and deleted wherever its collection is, also on the way to other partitions."""

from datetime import datetime

from azure.cosmos import ContainerProxy

from shared.cosmos import items
from shared.cosmos.documents import (
    Document,
    document_id,
    is_tombstone,
    newest,
    supersedes,
    to_document,
    to_microseconds,
    tombstone,
)
from shared.cosmos.layout import Layouts
from shared.features import Failure, Feature, collection_of


def read(features: ContainerProxy, layouts: Layouts, path: str) -> Document | None:
    """The document that counts of a path, which may be a tombstone, or None."""
    return newest(_copies(features, layouts, path))


def replace(features: ContainerProxy, layouts: Layouts, entry: Feature | Failure) -> bool:
    """Put an entry in the place of what is stored of its path; see `FeatureStore.upsert` for when that is refused.

    Raises:
        ValueError: The path is empty, or a time has no time zone.
    """
    if not entry.path:
        raise ValueError("what has no path belongs to no image")
    document = to_document(entry)
    identity = document["id"]
    layout = layouts.of_writing(entry.collection, entry.model)
    document["partition"] = layout.place(identity)
    others = [place for place in layout.places(identity) if place != document["partition"]]
    while True:
        # The common case first: a new image costs one request. Only on a move must be looked elsewhere before.
        left = newest(items.read(features, identity, place) for place in others)
        if left and not supersedes(document, left):
            return False
        if not items.created(features, document):
            stored = items.read(features, identity, document["partition"])
            if stored is None:
                continue
            if not supersedes(document, stored):
                return False
            if not items.replaced(features, document, stored):
                continue
        if left and layout.announced:
            # A process that knows more wrote to the new place. Its copy must not be found, nor count as the last one.
            items.replaced(features, {**document, "partition": left["partition"]}, left)
        elif left:
            items.deleted(features, left)  # never the other way round, or a reader could miss both copies
        return True


def delete(features: ContainerProxy, layouts: Layouts, path: str, until: datetime | None) -> bool:
    """Drop what is stored of a path; see `FeatureStore.delete`."""
    limit = to_microseconds(until) if until else None
    identity = document_id(path)
    while True:
        layout = layouts.of(collection_of(path))
        copies = _copies(features, layouts, path)
        current = newest(copies)
        if current is None or is_tombstone(current) or (limit is not None and current["modified"] > limit):
            return False
        if len(layout.places(identity)) == 1:
            if items.deleted(features, current):
                return True
            continue
        # On a move, a tombstone keeps the mover from bringing back what it has read already.
        stone = tombstone(current, layout.place(identity), until)
        here = next((copy for copy in copies if copy["partition"] == stone["partition"]), None)
        if items.replaced(features, stone, here) if here else items.created(features, stone):
            for copy in copies:
                if copy is not here:
                    items.deleted(features, copy)
            return True


def put(features: ContainerProxy, copy: Document) -> bool:
    """Put a document in its new place unless a later one is there; whether that is settled."""
    if items.created(features, copy):
        return True
    there = items.read(features, copy["id"], copy["partition"])
    return there is not None and (there["modified"] >= copy["modified"] or items.replaced(features, copy, there))


def _copies(features: ContainerProxy, layouts: Layouts, path: str) -> list[Document]:
    """The documents of a path: one at most, or two on a move. What is moved meanwhile is in the later place."""
    identity = document_id(path)
    places = layouts.of(collection_of(path)).places(identity)
    return [document for place in places if (document := items.read(features, identity, place))]
