"""Another number of shards for a collection that lives: its features move, and every query stays right meanwhile.

While a collection is on the move, its layout names both places of a document. Writers write to the new one, readers
read the former place first and then the new one, and a deletion leaves a tombstone in the new place. So at every moment
each image is in one of the two, and what is in the new place counts.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from azure.cosmos.exceptions import CosmosResourceExistsError

from shared.bulk import patiently
from shared.cosmos.documents import Document
from shared.cosmos.faults import told_plainly
from shared.cosmos.layout import Layout
from shared.cosmos.store import CosmosFeatureStore

WRITE_SECONDS = 30.0
"""The longest that a write may take which began before the move was known to its process."""

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
        layout = store.layouts.change(collection, partial(_begin, shards))
    if layout.moving_to is None:
        return 0
    # Until every process has seen the new layout, and what it began before is done.
    sleep(store.layouts.seconds + WRITE_SECONDS)
    moved = 0
    while some := _move_all(store, layout, progress, sleep):
        moved += some
    with told_plainly():
        store.layouts.change(collection, lambda _found: {"shards": shards, "movingTo": None})
    return moved


def _begin(shards: int, found: Layout) -> dict[str, Any]:
    if found.moving_to not in {None, shards}:
        raise ValueError(f"{found.collection!r} is on the move to {found.moving_to} shards; finish that first")
    return {"movingTo": None if shards == found.shards else shards}


def _move_all(
    store: CosmosFeatureStore, layout: Layout, progress: Callable[[int], object], sleep: Callable[[float], None]
) -> int:
    """One pass over the former places; how many documents it moved."""
    moved = 0
    for place in layout.reading_order()[0]:
        last = ""
        while documents := patiently(partial(_page, store, place, last), sleep):
            last = documents[-1]["id"]
            away = [document for document in documents if layout.place(document["id"]) != place]
            for done in store.pool.map(lambda one: patiently(partial(_move_one, store, layout, one), sleep), away):
                moved += done
                progress(done)
    return moved


def _page(store: CosmosFeatureStore, place: str, last: str) -> list[Document]:
    text = "SELECT TOP @page * FROM c WHERE c.id > @last ORDER BY c.id"
    parameters: list[dict[str, Any]] = [{"name": "@page", "value": PAGE}, {"name": "@last", "value": last}]
    with told_plainly():
        return list(store.features.query_items(text, parameters=parameters, partition_key=place))


def _move_one(store: CosmosFeatureStore, layout: Layout, document: Document) -> int:
    """Copy a document to its new place, unless it has one there that counts more, and take the former away."""
    copy = {name: value for name, value in document.items() if not name.startswith("_")}
    with told_plainly():
        # It may be there: written since the move began, by a writer or by a mover that was broken off.
        with suppress(CosmosResourceExistsError):
            store.features.create_item(copy | {"partition": layout.place(document["id"])})
        # When it has changed meanwhile, it stays for the next pass.
        return int(store.dropped(document))
