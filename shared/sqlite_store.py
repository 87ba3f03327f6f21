"""The embedded feature store: a SQLite file for keeping, NumPy for searching."""

import heapq
import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import numpy as np

from shared.features import DIMENSIONS, Feature, Match, Vector, check_vector, collection_of
from shared.sqlite_file import SqliteFile
from shared.vector_matrix import Blocks, Ids, best, extended, without

SCHEMA_VERSION = 1

DROPPED_KEPT = 100_000
"""How many drops are remembered. Whoever missed more of them loads its vectors anew."""

LOADED_AT_ONCE = 512
"""Rows in memory twice while vectors are loaded. More than the processor's cache holds is slower."""

# A row of `features` never changes: a write adds one under a higher id, drops the old one and notes that in `dropped`.
# So "what came after id x" and "what went after n" are two look-ups, and vectors in memory are brought up to date by
# just what they miss. AUTOINCREMENT, because an id must never be used twice.
SCHEMA = f"""
CREATE TABLE features (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,  -- microseconds since 1970 in UTC
    model TEXT NOT NULL,
    pixel_hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    tags TEXT NOT NULL,  -- a JSON object
    embedding BLOB NOT NULL CHECK (length(embedding) = {4 * DIMENSIONS})  -- float32, little-endian
) STRICT;
CREATE UNIQUE INDEX features_by_path ON features (collection, path);
CREATE INDEX features_by_model ON features (collection, model);
CREATE TABLE tags (
    collection TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (collection, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    model TEXT NOT NULL,
    id INTEGER NOT NULL
) STRICT;
"""

FEATURES = "SELECT path, etag, modified, model, pixel_hash, size, tags, embedding FROM features "
EMBEDDING = np.dtype("<f4")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class _Searched:
    """The vectors of one collection and model, as they were after row `last_id` and drop `last_dropped`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: Blocks = ()
    last_id: int = 0
    last_dropped: int = 0


class SqliteFeatureStore:
    """A `FeatureStore` in one SQLite file, for any number of threads and processes of one machine.

    The first `nearest` of a collection and model loads its vectors, later ones only what any process wrote since.
    They stay in memory until `close`: 1032 bytes a feature, so 1 GB a million. Loading needs no second copy.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; create it, and its folder, when there is none.

        Raises:
            ValueError: The file is something else, or from a newer version of this program.
        """
        self._file = SqliteFile(path, schema=SCHEMA, version=SCHEMA_VERSION)
        self._searched: dict[tuple[str, str], _Searched] = {}
        self._executor = ThreadPoolExecutor(os.process_cpu_count(), thread_name_prefix="nearest")

    def upsert(self, feature: Feature) -> bool:
        check_vector(feature.embedding)
        if not feature.path:
            raise ValueError("a feature without a path belongs to no image")
        modified = _microseconds(feature.modified)
        with self._file.writing() as connection:
            old = _guards(connection, feature.path)
            if old and (old[0] > modified or old == (modified, feature.etag, feature.model)):
                return False
            _drop(connection, feature.path)
            _insert(connection, feature, modified)
        return True

    def get(self, path: str) -> Feature | None:
        with self._file.reading() as connection:
            sql = FEATURES + "WHERE collection = ? AND path = ?"
            row = connection.execute(sql, (collection_of(path), path)).fetchone()
        return _feature(*row) if row else None

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        limit = None if until is None else _microseconds(until)
        with self._file.writing() as connection:
            old = _guards(connection, path)
            if old is None or (limit is not None and old[0] > limit):
                return False
            _drop(connection, path)
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
        with self._file.reading() as connection:
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
                "SELECT id, path FROM features WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids.tolist()),),
            )
            score_of = dict(zip(ids.tolist(), scores.tolist(), strict=True))
            ranked = heapq.nsmallest(min(top, len(ids)), ((-score_of[row], path, row) for row, path in paths))
            one = FEATURES + "WHERE id = ?"
            return [
                Match(_feature(*connection.execute(one, (row,)).fetchone()), -negative) for negative, _, row in ranked
            ]

    def scan(self, collection: str, *, block: int = 1000, after: str = "") -> Iterator[list[Feature]]:
        # SQLite compares UTF-8 bytes, which order as code points do.
        sql = FEATURES + "WHERE collection = ? AND path > ? ORDER BY path LIMIT ?"
        while True:
            with self._file.reading() as connection:
                features = [_feature(*row) for row in connection.execute(sql, (collection, after, block))]
            if not features:
                return
            yield features
            after = features[-1].path

    def counts(self) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        with self._file.reading() as connection:
            sql = "SELECT collection, model, count(*) FROM features GROUP BY collection, model"
            for collection, model, count in connection.execute(sql):
                result.setdefault(collection, {})[model] = count
        return result

    def close(self) -> None:
        self._file.close()
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


def _guards(connection: sqlite3.Connection, path: str) -> tuple[int, str, str] | None:
    """What decides whether a stored feature may go: its modified in microseconds, etag and model."""
    sql = "SELECT modified, etag, model FROM features WHERE collection = ? AND path = ?"
    row: tuple[int, str, str] | None = connection.execute(sql, (collection_of(path), path)).fetchone()
    return row


def _insert(connection: sqlite3.Connection, feature: Feature, modified: int) -> None:
    tags = dict(feature.tags)
    row = connection.execute(
        "INSERT INTO features (collection, path, etag, modified, model, pixel_hash, size, tags, embedding)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            feature.collection,
            feature.path,
            feature.etag,
            modified,
            feature.model,
            feature.pixel_hash,
            feature.size,
            json.dumps(tags),
            feature.embedding.astype(EMBEDDING).tobytes(),
        ),
    ).lastrowid
    connection.executemany(
        "INSERT INTO tags (collection, name, value, id) VALUES (?, ?, ?, ?)",
        [(feature.collection, name, value, row) for name, value in tags.items()],
    )


def _drop(connection: sqlite3.Connection, path: str) -> None:
    """Drop the row of a path, if there is one."""
    collection = collection_of(path)
    sql = "DELETE FROM features WHERE collection = ? AND path = ? RETURNING id, model, tags"
    for row, model, tags in connection.execute(sql, (collection, path)).fetchall():
        connection.executemany(
            "DELETE FROM tags WHERE collection = ? AND name = ? AND value = ? AND id = ?",
            [(collection, name, value, row) for name, value in json.loads(tags).items()],
        )
        sql = "INSERT INTO dropped (collection, model, id) VALUES (?, ?, ?) RETURNING n"
        ((n,),) = connection.execute(sql, (collection, model, row)).fetchall()
        connection.execute("DELETE FROM dropped WHERE n <= ?", (n - DROPPED_KEPT,))


def _feature(
    path: str, etag: str, modified: int, model: str, pixel_hash: str, size: int, tags: str, embedding: bytes
) -> Feature:
    return Feature(
        path=path,
        etag=etag,
        modified=EPOCH + modified * MICROSECOND,
        model=model,
        embedding=np.frombuffer(embedding, EMBEDDING),
        pixel_hash=pixel_hash,
        size=size,
        tags=json.loads(tags),
    )


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


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - EPOCH) // MICROSECOND
