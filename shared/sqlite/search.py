"""Searching a file's features: their vectors in memory, brought up to date by what was written since."""

import heapq
import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from shared.features import DIMENSIONS, Match, Vector, collection_of
from shared.sqlite.entries import FEATURES, to_feature
from shared.sqlite.matrix import Blocks, Ids, best, extended, without
from shared.sqlite.schema import EMBEDDING

LOADED_AT_ONCE = 512
"""Rows in memory twice while vectors are loaded. More than the processor's cache holds is slower."""


@dataclass(slots=True)
class _Searched:
    """The vectors of one collection and model, as they were after row `last_id` and drop `last_dropped`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: Blocks = ()
    last_id: int = 0
    last_dropped: int = 0


class Searcher:
    """The vectors of every collection and model that was searched, and threads to search them with."""

    def __init__(self) -> None:
        self._searched: dict[tuple[str, str], _Searched] = {}
        self._executor = ThreadPoolExecutor(os.process_cpu_count(), thread_name_prefix="nearest")

    def nearest(
        self,
        connection: sqlite3.Connection,
        collection: str,
        vector: Vector,
        *,
        model: str,
        top: int,
        min_score: float,
        tags: Mapping[str, str],
        exclude: Collection[str],
    ) -> list[Match]:
        """See `FeatureStore.nearest`. The connection's transaction must not have read anything yet."""
        # All that follows sees the file as it was at this first read: no row found can be gone when it is fetched.
        blocks = self._up_to_date(connection, collection, model)
        ids, scores = best(
            blocks,
            vector,
            top=top,
            min_score=min_score,
            allowed=_tagged(connection, collection, tags) if tags else None,
            barred=_rows_of(connection, exclude),
            executor=self._executor,
        )
        paths = connection.execute(
            "SELECT id, path FROM features WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids.tolist()),)
        )
        score_of = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        ranked = heapq.nsmallest(min(top, len(ids)), ((-score_of[row], path, row) for row, path in paths))
        one = FEATURES + "WHERE id = ?"
        return [
            Match(to_feature(*connection.execute(one, (row,)).fetchone()), -negative) for negative, _, row in ranked
        ]

    def close(self) -> None:
        """Let the vectors and the threads go."""
        self._executor.shutdown()
        self._searched.clear()

    def _up_to_date(self, connection: sqlite3.Connection, collection: str, model: str) -> Blocks:
        """The vectors as the connection's transaction sees them. It must not have read anything yet."""
        key = (collection, model)
        searched = self._searched.setdefault(key, _Searched())
        with searched.lock:  # the transaction's first read is in here, so it cannot see less than is in memory
            _refresh(searched, connection, collection, model)
            if not searched.blocks:
                self._searched.pop(key, None)  # or every name ever asked for would stay
            return searched.blocks


def _refresh(searched: _Searched, connection: sqlite3.Connection, collection: str, model: str) -> None:
    oldest, newest = connection.execute("SELECT (SELECT min(n) FROM dropped), (SELECT max(n) FROM dropped)").fetchone()
    if oldest is not None and searched.last_dropped < oldest - 1:
        searched.blocks, searched.last_id = (), 0  # drops were forgotten before they were seen here
    blocks, last_id = searched.blocks, searched.last_id

    sql = "SELECT id FROM dropped WHERE n > ? AND collection = ? AND model = ? ORDER BY id"
    gone = _ids(connection.execute(sql, (searched.last_dropped, collection, model)))
    if gone.size:
        blocks = without(blocks, gone)

    sql = "SELECT id, embedding FROM features WHERE collection = ? AND model = ? AND id > ? ORDER BY id"
    rows = connection.execute(sql, (collection, model, last_id))
    while some := rows.fetchmany(LOADED_AT_ONCE):
        ids = np.array([row for row, _ in some], np.int64)
        vectors = np.frombuffer(b"".join(blob for _, blob in some), EMBEDDING).reshape(-1, DIMENSIONS)
        blocks, last_id = extended(blocks, ids, vectors), some[-1][0]
    searched.blocks, searched.last_id, searched.last_dropped = blocks, last_id, newest or 0


def _tagged(connection: sqlite3.Connection, collection: str, tags: Mapping[str, str]) -> Ids:
    """The rows that carry all of these tags, of which there must be one at least."""
    sql = "SELECT id FROM tags WHERE collection = ? AND name = ? AND value = ?"  # in the order of its key, so by id
    of_each = (_ids(connection.execute(sql, (collection, name, value))) for name, value in tags.items())
    return reduce(np.intersect1d, of_each)


def _rows_of(connection: sqlite3.Connection, paths: Collection[str]) -> Ids:
    sql = "SELECT id FROM features WHERE collection = ? AND path = ?"
    rows = (connection.execute(sql, (collection_of(path), path)).fetchone() for path in paths)
    return np.sort(_ids(row for row in rows if row))


def _ids(rows: Iterable[tuple[int]]) -> Ids:
    return np.fromiter((row for (row,) in rows), np.int64)
