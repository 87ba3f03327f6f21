"""`FeatureStore` in one SQLite file."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from shared.features import Failure, Feature, Match, Vector, Version, check_vector, collection_of
from shared.sqlite import entries
from shared.sqlite.entries import FAILURES, FEATURES, to_failure, to_feature
from shared.sqlite.file import SqliteFile
from shared.sqlite.schema import STEPS
from shared.sqlite.search import Searcher

VERSIONS = """
SELECT path, etag, model, tags, 0, 0 FROM features WHERE collection = ?1 AND path > ?2 AND path <= ?3
UNION ALL
SELECT path, etag, model, '{}', 1, retry FROM failures WHERE collection = ?1 AND path > ?2 AND path <= ?3
ORDER BY path LIMIT ?4
"""

END = b""
"""Comes after every path: in SQLite any text is less than any blob."""


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
        self._file = SqliteFile(path, STEPS)
        self._searcher = Searcher()

    def upsert(self, feature: Feature) -> bool:
        check_vector(feature.embedding)
        with self._file.writing() as connection:
            return entries.replace(connection, feature)

    def fail(self, failure: Failure) -> bool:
        with self._file.writing() as connection:
            return entries.replace(connection, failure)

    def get(self, path: str) -> Feature | None:
        with self._file.reading() as connection:
            sql = FEATURES + "WHERE collection = ? AND path = ?"
            row = connection.execute(sql, (collection_of(path), path)).fetchone()
        return to_feature(*row) if row else None

    def entry(self, path: str) -> Feature | Failure | None:
        key = (collection_of(path), path)
        with self._file.reading() as connection:  # one transaction, or what is replaced meanwhile would be missed
            feature = connection.execute(FEATURES + "WHERE collection = ? AND path = ?", key).fetchone()
            failure = connection.execute(FAILURES + "WHERE collection = ? AND path = ?", key).fetchone()
        if feature:
            return to_feature(*feature)
        return to_failure(*failure) if failure else None

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        limit = None if until is None else entries.to_microseconds(until)
        with self._file.writing() as connection:
            old = entries.guards(connection, path)
            if old is None or (limit is not None and old[0] > limit):
                return False
            entries.drop(connection, path)
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
            return self._searcher.nearest(
                connection,
                collection,
                vector,
                model=model,
                top=top,
                min_score=min_score,
                tags=tags or {},
                exclude=exclude,
            )

    def scan(self, collection: str, *, block: int = 1000, after: str = "") -> Iterator[list[Feature]]:
        # SQLite compares UTF-8 bytes, which order as code points do.
        sql = FEATURES + "WHERE collection = ? AND path > ? ORDER BY path LIMIT ?"
        while True:
            with self._file.reading() as connection:
                features = [to_feature(*row) for row in connection.execute(sql, (collection, after, block))]
            if not features:
                return
            yield features
            after = features[-1].path

    def versions(self, collection: str, *, after: str = "", upto: str | None = None, limit: int) -> list[Version]:
        with self._file.reading() as connection:
            rows = connection.execute(VERSIONS, (collection, after, END if upto is None else upto, limit))
            return [
                Version(path, etag, model, json.loads(tags), bool(failed), bool(retry))
                for path, etag, model, tags, failed, retry in rows
            ]

    def failures(self, collection: str, *, after: str = "", limit: int = 100) -> list[Failure]:
        sql = FAILURES + "WHERE collection = ? AND path > ? ORDER BY path LIMIT ?"
        with self._file.reading() as connection:
            return [to_failure(*row) for row in connection.execute(sql, (collection, after, limit))]

    def counts(self, collection: str | None = None) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        with self._file.reading() as connection:
            where, values = ("", ()) if collection is None else ("WHERE collection = ?", (collection,))
            sql = f"SELECT collection, model, count(*) FROM features {where} GROUP BY collection, model"  # noqa: S608
            for name, model, count in connection.execute(sql, values):
                result.setdefault(name, {})[model] = count
        return result

    def collections(self) -> list[str]:
        sql = "SELECT collection FROM features UNION SELECT collection FROM failures ORDER BY collection"
        with self._file.reading() as connection:
            return [name for (name,) in connection.execute(sql)]

    def remember(self, name: str, text: str | None) -> None:
        with self._file.writing() as connection:
            if text is None:
                connection.execute("DELETE FROM texts WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO texts (name, text) VALUES (?, ?)", (name, text))

    def recall(self, name: str) -> str | None:
        with self._file.reading() as connection:
            row = connection.execute("SELECT text FROM texts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def swap(self, name: str, before: str | None, after: str) -> bool:
        with self._file.writing() as connection:
            row = connection.execute("SELECT text FROM texts WHERE name = ?", (name,)).fetchone()
            if (row[0] if row else None) != before:
                return False
            connection.execute("INSERT OR REPLACE INTO texts (name, text) VALUES (?, ?)", (name, after))
        return True

    def close(self) -> None:
        self._file.close()
        self._searcher.close()
