"""Another number of shards for a collection that lives: its features move, and every query stays right meanwhile.

1. The move is announced. Readers look in both places of a document from now on, the former one first; writers still
   write to the former. After a while every process knows.
2. The move begins. Writers write to the new place, and take the former copy away after that; a deletion leaves a
   tombstone in the new place. After a while every process knows, and nothing is written to the former places any more.
3. What is still in its former place is copied and taken away. Of two copies the later one counts, for readers too.
4. The collection has the new layout.

So a document only ever goes from its former place to its new one, and who reads in that order misses nothing.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from shared.bulk import patiently
from shared.cosmos import entries, items
from shared.cosmos.documents import Document
from shared.cosmos.faults import told_plainly
from shared.cosmos.layout import Layout
from shared.cosmos.store import CosmosFeatureStore

WRITE_SECONDS = 60.0
"""The longest that a write may take which began before a change was known to its process."""

PAGE = 200


def move(
    store: CosmosFeatureStore,
    collection: str,
    shards: int,
    *,
    progress: Callable[[int], object] = lambda _count: None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Spread a collection over `shards` partitions. A move that was broken off is taken up by calling it again.

    Returns:
        How many documents were moved.

    Raises:
        ValueError: `shards` is not from 1 to 100, or the collection is on the move to another number.
    """
    if not 1 <= shards <= 100:
        raise ValueError(f"a collection has 1 to 100 shards, not {shards}")
    with told_plainly():
        layout = store.layouts.change(collection, partial(_announce, shards))
    if layout.moving_to is None:
        return 0
    known = store.layouts.seconds + WRITE_SECONDS
    if layout.announced:
        sleep(known)
        with told_plainly():
            layout = store.layouts.change(collection, lambda _found: {"announced": False})
    sleep(known)
    moved = 0
    while some := _move_all(store, layout, progress, sleep):
        moved += some
    with told_plainly():
        store.layouts.change(collection, lambda _found: {"shards": shards, "movingTo": None})
    return moved


def _announce(shards: int, found: Layout) -> dict[str, Any]:
    if found.moving_to not in {None, shards}:
        raise ValueError(f"{found.collection!r} is on the move to {found.moving_to} shards; finish that first")
    if found.moving_to or shards == found.shards:
        return {}  # begun already, or nothing to do
    return {"movingTo": shards, "announced": True}


def _move_all(
    store: CosmosFeatureStore, layout: Layout, progress: Callable[[int], object], sleep: Callable[[float], None]
) -> int:
    """One pass over the former places; how many documents it found there that belong elsewhere."""
    seen = 0
    for place in layout.reading_order()[0]:
        last = ""
        while documents := patiently(partial(_page, store, place, last), sleep):
            last = documents[-1]["id"]
            away = [document for document in documents if layout.place(document["id"]) != place]
            for _ in store.pool.map(lambda one: patiently(partial(_move_one, store, layout, one), sleep), away):
                progress(1)
            seen += len(away)
    return seen


def _page(store: CosmosFeatureStore, place: str, last: str) -> list[Document]:
    text = "SELECT TOP @page * FROM c WHERE c.id > @last ORDER BY c.id"
    parameters: list[dict[str, Any]] = [{"name": "@page", "value": PAGE}, {"name": "@last", "value": last}]
    with told_plainly():
        return items.query(store.features, text, parameters, place)


def _move_one(store: CosmosFeatureStore, layout: Layout, document: Document) -> None:
    """Copy a document to its new place, unless a later one is there, and take the former away.

    What has changed meanwhile stays where it is, for the next pass.
    """
    copy = {name: value for name, value in document.items() if not name.startswith("_")}
    copy["partition"] = layout.place(document["id"])
    with told_plainly():
        if entries.put(store.features, copy):
            items.deleted(store.features, document)
