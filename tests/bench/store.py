"""Nearest neighbours in the embedded store, against faiss's exact index on the same vectors."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import faiss
import numpy as np
import psutil

from shared.features import DIMENSIONS, Vector
from shared.sqlite_store import SqliteFeatureStore
from tests.bench.measure import Figure, compare, seconds

SECTION = "Top 10 in the embedded store"
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def figures() -> Iterator[Figure]:
    """Queries at several sizes; then what opening and holding the largest costs."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _figures_at(size, Path(folder) / "features.sqlite")


def _figures_at(size: int, file: Path) -> Iterator[Figure]:
    vectors = unit_vectors(size, seed=size)
    _fill(file, vectors)
    process = psutil.Process()
    before = process.memory_info().rss
    store = SqliteFeatureStore(file)
    queries = iter(unit_vectors(1000, seed=7))

    def ask() -> object:
        return store.nearest("bench", next(queries), model="m", top=10)

    first = seconds(ask)
    held = process.memory_info().rss - before
    index = faiss.IndexFlatIP(DIMENSIONS)
    index.add(vectors)
    probes = iter(unit_vectors(1000, seed=7)[:, None, :])
    # With the store's own number of threads, and with one: on a busy machine faiss is faster so.
    for threads in sorted({1, os.process_cpu_count() or 1}, reverse=True):
        faiss.omp_set_num_threads(threads)
        yield compare(
            SECTION,
            f"{size:,} features",
            lambda: seconds(ask),
            lambda: seconds(lambda: index.search(next(probes), 10)),
            baseline_name=f"faiss IndexFlatIP, {threads} thread{'s' if threads > 1 else ''}",
            rounds=31,
        )
    if size == SIZES[-1]:
        bytes_each = held / size
        yield _alone(f"the first query, which reads {size:,} features", "s", first)
        yield _alone("memory held for a feature", "bytes", bytes_each)
        yield _alone("disk for a feature", "bytes", file.stat().st_size / size)
    store.close()


def _alone(name: str, unit: str, value: float) -> Figure:
    return Figure(section=SECTION, name=name, unit=unit, ours=value, low=value, high=value)


def unit_vectors(count: int, seed: int) -> Vector:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _fill(file: Path, vectors: Vector) -> None:
    """Write features straight into the file: a million durable writes through the store would take an hour."""
    SqliteFeatureStore(file).close()
    sql = (
        "INSERT INTO features (collection, path, etag, modified, model, pixel_hash, size, tags, embedding)"
        " VALUES ('bench', ?, '1', 0, 'm', '0000000000000000', 1, '{}', ?)"
    )
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(sql, ((f"bench/{n:08}.jpg", vector.tobytes()) for n, vector in enumerate(vectors)))
