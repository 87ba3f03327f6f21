"""Many features into a store: several at a time, patient when it is busy, and safe to begin again."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import batched

from shared.features import Feature, FeatureStore, StoreBusy

AT_ONCE = 16
"""Writes under way at the same time."""

TRIES = 20
"""How often one write is tried; a store that is busy for so long needs somebody's attention."""


def upsert_many(
    store: FeatureStore,
    features: Iterable[Feature],
    *,
    progress: Callable[[int], object] = lambda _count: None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Store features, with the guards of `upsert`: what is there already is passed over, so a run can be repeated.

    Args:
        store: Where to.
        features: Read as they are written; never more than a few hundred are in memory.
        progress: Called with how many have been dealt with since the last call.
        sleep: How to wait.

    Returns:
        How many were written.

    Raises:
        StoreBusy: The store stayed busy through all tries of one write. What was written before stays.
    """
    written = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upsert") as pool:
        for some in batched(features, 16 * AT_ONCE, strict=False):
            for done in pool.map(lambda feature: patiently(lambda: store.upsert(feature), sleep), some):
                written += done
                progress(1)
    return written


def patiently[T](work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Do what may find the store busy, waiting each time as long as the store asks.

    Raises:
        StoreBusy: After the last try.
    """
    for _ in range(TRIES - 1):
        try:
            return work()
        except StoreBusy as busy:
            sleep(busy.retry_after)
    return work()
