"""Entries as rows: how features and failures are written, dropped and read. All of it happens in a transaction."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np

from shared.features import Failure, Feature, collection_of
from shared.sqlite.schema import EMBEDDING

DROPPED_KEPT = 100_000
"""How many drops are remembered. Whoever missed more of them loads its vectors anew."""

FEATURES = "SELECT path, etag, modified, model, pixel_hash, size, tags, embedding FROM features "
FAILURES = "SELECT path, etag, modified, model, reason, time, retry FROM failures "

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def replace(connection: sqlite3.Connection, entry: Feature | Failure) -> bool:
    """Put an entry in the place of what is stored of its path; see `FeatureStore.upsert` for when that is refused.

    Raises:
        ValueError: The path is empty, or a time has no time zone.
    """
    if not entry.path:
        raise ValueError("what has no path belongs to no image")
    modified = to_microseconds(entry.modified)
    old = guards(connection, entry.path)
    if old and (old[0] > modified or (old[:3] == (modified, entry.etag, entry.model) and _same_tags(entry, old[3]))):
        return False
    drop(connection, entry.path)
    if isinstance(entry, Feature):
        insert_feature(connection, entry, modified)
    else:
        _insert_failure(connection, entry, modified)
    return True


def guards(connection: sqlite3.Connection, path: str) -> tuple[int, str, str | None, str] | None:
    """What decides whether an entry may go: modified in microseconds, etag, model (none of a failure), tags in JSON."""
    sql = (
        "SELECT modified, etag, model, tags FROM features WHERE collection = ?1 AND path = ?2"
        " UNION ALL SELECT modified, etag, NULL, '{}' FROM failures WHERE collection = ?1 AND path = ?2"
    )
    row: tuple[int, str, str | None, str] | None = connection.execute(sql, (collection_of(path), path)).fetchone()
    return row


def _same_tags(entry: Feature | Failure, stored: str) -> bool:
    """Index tags change without a new version of the blob; a failure has none to bring."""
    return isinstance(entry, Failure) or bool(json.loads(stored) == dict(entry.tags))


def drop(connection: sqlite3.Connection, path: str) -> None:
    """Drop the entry of a path, if there is one."""
    key = (collection_of(path), path)
    connection.execute("DELETE FROM failures WHERE collection = ? AND path = ?", key)
    sql = "DELETE FROM features WHERE collection = ? AND path = ? RETURNING id, collection, model, tags"
    for row, collection, model, tags in connection.execute(sql, key).fetchall():
        connection.executemany(
            "DELETE FROM tags WHERE collection = ? AND name = ? AND value = ? AND id = ?",
            [(collection, name, value, row) for name, value in json.loads(tags).items()],
        )
        sql = "INSERT INTO dropped (collection, model, id) VALUES (?, ?, ?) RETURNING n"
        ((n,),) = connection.execute(sql, (collection, model, row)).fetchall()
        connection.execute("DELETE FROM dropped WHERE n <= ?", (n - DROPPED_KEPT,))


def insert_feature(connection: sqlite3.Connection, feature: Feature, modified: int) -> None:
    """Add a feature of a path that has no entry."""
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


def _insert_failure(connection: sqlite3.Connection, failure: Failure, modified: int) -> None:
    connection.execute(
        "INSERT INTO failures (collection, path, etag, modified, model, reason, time, retry)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            failure.collection,
            failure.path,
            failure.etag,
            modified,
            failure.model,
            failure.reason,
            to_microseconds(failure.time),
            failure.retry,
        ),
    )


def to_feature(
    path: str, etag: str, modified: int, model: str, pixel_hash: str, size: int, tags: str, embedding: bytes
) -> Feature:
    """The feature of a row of `FEATURES`."""
    return Feature(
        path=path,
        etag=etag,
        modified=_EPOCH + modified * _MICROSECOND,
        model=model,
        embedding=np.frombuffer(embedding, EMBEDDING),
        pixel_hash=pixel_hash,
        size=size,
        tags=json.loads(tags),
    )


def to_failure(path: str, etag: str, modified: int, model: str, reason: str, time: int, retry: int) -> Failure:
    """The failure of a row of `FAILURES`."""
    return Failure(
        path=path,
        etag=etag,
        modified=_EPOCH + modified * _MICROSECOND,
        model=model,
        reason=reason,
        time=_EPOCH + time * _MICROSECOND,
        retry=bool(retry),
    )


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC.

    Raises:
        ValueError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND
