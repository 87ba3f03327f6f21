"""Nearest neighbours in the embedded store, against faiss's exact index on the same vectors."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import faiss
import numpy as np

from shared.features import DIMENSIONS, Vector
from shared.sqlite.store import SqliteFeatureStore
from tests.bench.measure import Figure, compare, seconds
from tests.servers.devhost import ROOT

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
    store = SqliteFeatureStore(file)
    queries = iter(unit_vectors(1000, seed=7))

    def ask() -> object:
        return store.nearest("bench", next(queries), model="m", top=10)

    first = seconds(ask)
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
        yield _alone(f"the first query, which reads {size:,} features", "s", first)
        yield _alone("memory held for a feature", "bytes", _held(file) / size)
        yield _alone("disk for a feature", "bytes", file.stat().st_size / size)
    store.close()


def _held(file: Path) -> int:
    """Bytes that a process which has done nothing else grows by when it asks the store for the first time."""
    script = """
import sys, pathlib, numpy, psutil
from shared.sqlite.store import SqliteFeatureStore
store = SqliteFeatureStore(pathlib.Path(sys.argv[1]))
vector = numpy.eye(1, 256, dtype=numpy.float32)[0]
store.nearest("nowhere", vector, model="m", top=10)
before = psutil.Process().memory_info().rss
store.nearest("bench", vector, model="m", top=10)
print(psutil.Process().memory_info().rss - before)
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


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
