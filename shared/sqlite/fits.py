"""`FitStore` in one SQLite file."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import batched
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import DIMENSIONS, Vector
from shared.fits import Core, Member
from shared.sqlite.file import SqliteFile
from shared.sqlite.schema import EMBEDDING
from shared.vectors import check_vectors, embedding_of, nearest_rows

# `version` is raised by each write, and a number is never used twice: what is in memory of a fit is up to date when
# both are as they were. Only core samples have an embedding.
_FITS = f"""
CREATE TABLE fits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    fit TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
    fit INTEGER NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    cluster INTEGER NOT NULL,
    embedding BLOB CHECK (embedding IS NULL OR length(embedding) = {EMBEDDING.itemsize * DIMENSIONS})
) STRICT;
CREATE UNIQUE INDEX members_by_path ON members (fit, path);
CREATE INDEX members_by_cluster ON members (fit, cluster, path);
"""

STEPS = (_FITS,)
"""See `shared.sqlite.schema.STEPS`."""

AT_ONCE = 2000
"""Members of one transaction."""

KEPT = 4
"""Fits whose core samples stay in memory: 1 KB each, 100 MB for the largest fit."""

MEMBERS = """
SELECT path, etag, cluster, embedding IS NOT NULL FROM members
WHERE fit = (SELECT number FROM fits WHERE fit = ?)
"""


class _Cores(NamedTuple):
    """The core samples of a fit, in the order of their paths."""

    version: tuple[int, int]
    paths: Sequence[str]
    clusters: Sequence[int]
    vectors: Vector


class SqliteFitStore:
    """A `FitStore` in one SQLite file, for any number of threads and processes of one machine.

    The first `nearest` of a fit loads its core samples; those of the last few fits stay in memory.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; create it, and its folder, when there is none.

        Raises:
            ValueError: The file is something else, or from a newer version of this program.
        """
        self._file = SqliteFile(path, STEPS)
        self._cores: dict[str, _Cores] = {}
        self._lock = threading.Lock()

    def write(
        self, fit: str, members: Iterable[Member], *, progress: Callable[[int], object] = lambda _count: None
    ) -> None:
        for some in batched(members, AT_ONCE, strict=False):
            rows = [_row(member) for member in some]
            with self._file.writing() as connection:
                ((number,),) = connection.execute(
                    "INSERT INTO fits (fit, version) VALUES (?, 1)"
                    " ON CONFLICT (fit) DO UPDATE SET version = version + 1 RETURNING number",
                    (fit,),
                ).fetchall()
                connection.executemany(
                    "INSERT OR REPLACE INTO members (fit, path, etag, cluster, embedding) VALUES (?, ?, ?, ?, ?)",
                    ((number, *row) for row in rows),
                )
            progress(len(some))

    def member(self, fit: str, path: str) -> Member | None:
        with self._file.reading() as connection:
            row = connection.execute(MEMBERS + "AND path = ?", (fit, path)).fetchone()
        return _member(*row) if row else None

    def members(self, fit: str, *, cluster: int | None = None, after: str = "", limit: int) -> list[Member]:
        sql, values = "AND path > ? ORDER BY path LIMIT ?", (after, limit)
        if cluster is not None:
            sql = f"AND cluster = {int(cluster)} {sql}"
        with self._file.reading() as connection:
            return [_member(*row) for row in connection.execute(MEMBERS + sql, (fit, *values))]

    def nearest(self, fit: str, vectors: NDArray[np.float32]) -> list[Core | None]:
        check_vectors(vectors)
        cores = self._loaded(fit)
        if not cores or not cores.paths:
            return [None] * len(vectors)
        indices, distances = nearest_rows(vectors, cores.vectors)
        return [
            Core(cores.paths[index], cores.clusters[index], distance)
            for index, distance in zip(indices.tolist(), distances.tolist(), strict=True)
        ]

    def drop(self, fit: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM members WHERE fit = (SELECT number FROM fits WHERE fit = ?)", (fit,))
            connection.execute("DELETE FROM fits WHERE fit = ?", (fit,))
        with self._lock:
            self._cores.pop(fit, None)

    def close(self) -> None:
        self._file.close()
        self._cores.clear()

    def _loaded(self, fit: str) -> _Cores | None:
        """The core samples of a fit as they are now, or None when there is no such fit."""
        # The lock comes first: who waits for another's loading must see the file as it is after that.
        with self._lock, self._file.reading() as connection:
            version = connection.execute("SELECT number, version FROM fits WHERE fit = ?", (fit,)).fetchone()
            cores = self._cores.pop(fit, None)
            if version is None:
                return None
            if cores is None or cores.version != version:
                cores = _load(connection, version)
            self._cores[fit] = cores  # as the last one used
            while len(self._cores) > KEPT:
                del self._cores[next(iter(self._cores))]
            return cores


def _load(connection: sqlite3.Connection, version: tuple[int, int]) -> _Cores:
    ((count,),) = connection.execute(
        "SELECT count(*) FROM members WHERE fit = ? AND embedding IS NOT NULL", version[:1]
    ).fetchall()
    paths: list[str] = []
    clusters: list[int] = []
    vectors = np.empty((count, DIMENSIONS), np.float32)
    # SQLite compares UTF-8 bytes, which order as code points do.
    sql = "SELECT path, cluster, embedding FROM members WHERE fit = ? AND embedding IS NOT NULL ORDER BY path"
    for row, (path, cluster, embedding) in enumerate(connection.execute(sql, version[:1])):
        paths.append(path)
        clusters.append(cluster)
        vectors[row] = np.frombuffer(embedding, EMBEDDING)
    return _Cores(version, paths, clusters, vectors)


def _row(member: Member) -> tuple[str, str, int, bytes | None]:
    embedding = embedding_of(member)
    blob = None if embedding is None else embedding.astype(EMBEDDING).tobytes()
    return member.path, member.etag, member.cluster, blob


def _member(path: str, etag: str, cluster: int, core: int) -> Member:
    return Member(path=path, etag=etag, cluster=cluster, core=bool(core))
