"""DBSCAN against scikit-learn's, and assignment in the embedded store against scipy, on the same vectors."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN

from clustering.fitting.dbscan import dbscan
from shared.features import DIMENSIONS, Vector
from shared.fits import Member
from shared.sqlite.fits import SqliteFitStore
from tests.bench.measure import Figure, compare, seconds
from tests.bench.store import unit_vectors
from tests.servers.devhost import ROOT

SECTION = "Clustering"
COMPARED = 20_000
SIZES = (10_000, 20_000, 50_000, 100_000)
EPS, MIN_SAMPLES = 0.45, 3
CORES, NEW = 50_000, 1_000
PAIRS = 4_000
"""Of the 50 million pairs, how many the double loop is timed on."""


def figures() -> Iterator[Figure]:
    """DBSCAN's time, its time and memory as images grow, and assignment of new images."""
    yield _against_scikit_learn()
    for size in SIZES:
        yield from _alone_at(size)
    yield _assignment()


def grouped_vectors(count: int, seed: int) -> Vector:
    """As of a photo collection: 200 in a group, 0.39 apart on average, and three in ten in no group."""
    rng = np.random.default_rng(seed)
    centres = unit_vectors(count // 200, seed=seed)
    vectors: Vector = centres[rng.integers(0, len(centres), count)]
    vectors += 0.05 * rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    strangers = np.flatnonzero(rng.random(count) < 0.3)
    vectors[strangers] = unit_vectors(strangers.size, seed=seed + 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def peak_memory() -> int:
    """Bytes this process has held at most. Not `ru_maxrss`, which a process inherits from the one that started it."""
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)


def _against_scikit_learn() -> Figure:
    vectors = grouped_vectors(COMPARED, seed=COMPARED)
    theirs = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES, metric="cosine", algorithm="brute")
    return compare(
        SECTION,
        f"DBSCAN of {COMPARED:,} images",
        lambda: seconds(lambda: dbscan(vectors, eps=EPS, min_samples=MIN_SAMPLES)),
        lambda: seconds(lambda: theirs.fit(vectors)),
        baseline_name='scikit-learn DBSCAN(metric="cosine", algorithm="brute")',
        rounds=3,
        unit="s",
        scale=1,
    )


def _alone_at(size: int) -> Iterator[Figure]:
    """Time and memory of a process that does nothing else."""
    script = """
import json, sys, time
from clustering.fitting.dbscan import dbscan
from tests.bench.clustering import EPS, MIN_SAMPLES, grouped_vectors, peak_memory
vectors = grouped_vectors(int(sys.argv[1]), seed=1)
started = time.perf_counter()
dbscan(vectors, eps=EPS, min_samples=MIN_SAMPLES)
taken = time.perf_counter() - started
print(json.dumps([taken, peak_memory(), vectors.nbytes]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(size)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    taken, peak, held = json.loads(done.stdout)
    yield Figure(section=SECTION, name=f"DBSCAN of {size:,} images alone", unit="s", ours=taken, low=taken, high=taken)
    yield Figure(
        section=SECTION,
        name=f"largest memory of that process, {size:,} images",
        unit="MB",
        ours=peak / 1e6,
        low=peak / 1e6,
        high=peak / 1e6,
        baseline_name="their vectors",
        baseline=held / 1e6,
    )


def _assignment() -> Figure:
    """New images to the nearest of many core samples, which the store has in memory after the first question."""
    cores, new = grouped_vectors(CORES, seed=2), grouped_vectors(NEW, seed=3)
    members = (
        Member(path=f"bench/{number:06}.jpg", etag="1", cluster=number // 200, core=True, embedding=vector)
        for number, vector in enumerate(cores)
    )

    def double_loop() -> float:
        some = PAIRS // 4
        taken = seconds(
            lambda: [cdist(image[None], core[None], "cosine") for image in new[:4] for core in cores[:some]]
        )
        return taken / PAIRS * NEW * CORES

    with tempfile.TemporaryDirectory() as folder:
        store = SqliteFitStore(Path(folder) / "clusters.sqlite")
        store.write("bench", members)
        figure = compare(
            SECTION,
            f"assignment of {NEW:,} images to {CORES:,} core samples",
            lambda: seconds(lambda: store.nearest("bench", new)),
            double_loop,
            baseline_name=f"a double loop of scipy cdist calls, scaled up from {PAIRS:,} pairs",
            rounds=3,
            unit="s",
            scale=1,
        )
        store.close()
    return figure
