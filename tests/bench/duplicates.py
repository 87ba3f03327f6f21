"""Duplicates: the time and memory of grouping a large collection, and how well they are found among the samples."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from shared.features import Vector
from shared.images import open_image
from similarity.duplicates.figures import DuplicateFigures, Found, duplicate_figures
from similarity.duplicates.keeping import keepers
from similarity.duplicates.registration import prepare
from similarity.duplicates.rule import SAME_SCORE
from similarity.duplicates.second_look import agreement
from tests.bench.clustering import grouped_vectors
from tests.bench.measure import Figure, compare, seconds
from tests.bench.store import unit_vectors
from tests.conftest import SAMPLES
from tests.servers.devhost import ROOT

SECTION = "Duplicates"
COMPARED, SIZE, ALIKE = 20_000, 100_000, 10_000
BLOCK = 500
PAIRS = 40


def figures() -> Iterator[Figure]:
    """Grouping against a plain loop, grouping alone with its memory, a second look, and recall and precision."""
    yield _against_plain_loop()
    yield from _alone()
    photos = {
        path.name: open_image(path.read_bytes(), max_pixels=10**8, at_least=448)
        for path in sorted(SAMPLES.rglob("*.jpg"))
    }
    some = list(photos.values())[: PAIRS + 1]
    looks = [prepare(image) for image in some]
    times = [1000 * seconds(partial(agreement, *pair)) for pair in pairwise(looks)]
    middle = float(np.median(times))
    yield Figure(
        section=SECTION, name="a second look at one pair", unit="ms", ours=middle, low=min(times), high=max(times)
    )
    alone, both = (duplicate_figures(photos, second_look=look) for look in (False, True))
    yield from _quality(alone, both)


def hashes(count: int, seed: int) -> list[str]:
    """As of strangers."""
    return [f"{bits:016x}" for bits in np.random.default_rng(seed).integers(0, 2**63, count).tolist()]


def alike_vectors(count: int, seed: int) -> Vector:
    """As of scans of one form: each two score about 0.8, which is not enough and worth a second look."""
    vectors = unit_vectors(count, seed=seed)
    vectors[:, 0] += 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _against_plain_loop() -> Figure:
    vectors, some = grouped_vectors(COMPARED, seed=5), hashes(COMPARED, seed=5)
    exact, bits = vectors.astype(np.float64), np.array([int(one, 16) for one in some], np.uint64)

    def plain() -> float:
        """One block of rows against all, in float64, with both hashes; scaled up to all blocks above the diagonal."""
        taken = seconds(
            lambda: np.nonzero(
                (exact[:BLOCK] @ exact.T >= SAME_SCORE)
                | (np.bitwise_count(bits[:BLOCK, np.newaxis] ^ bits) <= 8)
                | (np.bitwise_count(bits[:BLOCK, np.newaxis] ^ bits ^ np.uint64(0x5555555555555555)) <= 8)
            )
        )
        return taken * COMPARED / BLOCK / 2

    return compare(
        SECTION,
        f"groups of {COMPARED:,} images",
        lambda: seconds(lambda: keepers(vectors, some, SAME_SCORE)),
        plain,
        baseline_name=f"all pairs by the block in float64, scaled up from {BLOCK} rows",
        rounds=3,
        unit="s",
        scale=1,
    )


def _alone() -> Iterator[Figure]:
    """From a store, in a process that does nothing else. Some of the images are alike, and no picture can be seen."""
    script = """
import json, sys, time
from datetime import UTC, datetime
from shared import backbone
from shared.features import Feature
from similarity.duplicates.groups import find_groups
from tests.bench.clustering import grouped_vectors, peak_memory
from tests.bench.duplicates import ALIKE, alike_vectors, hashes
count = int(sys.argv[1])
class Stored:
    def counts(self, collection=None):
        return {"bench": {backbone.MODEL: count}}
    def scan(self, collection, *, block=1000, after=""):
        for start in range(0, count, block):
            yield [
                Feature(path=f"bench/{n:06}.jpg", etag="1", modified=noon, model=backbone.MODEL, embedding=vectors[n],
                        pixel_hash=some[n], size=1000 + n % 977)
                for n in range(start, min(count, start + block))
            ]
noon = datetime(2026, 1, 1, tzinfo=UTC)
vectors, some = grouped_vectors(count, seed=1), hashes(count, seed=1)
vectors[:ALIKE] = alike_vectors(ALIKE, seed=2)
started, begun = time.perf_counter(), {}
find_groups("bench", Stored(), picture=lambda path: None,
            progress=lambda phase, done: begun.setdefault(phase, time.perf_counter()))
rule = begun["looking for more"] - started
print(json.dumps([rule, time.perf_counter() - started - rule, peak_memory(), vectors.nbytes]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(SIZE)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    taken, more, peak, held = json.loads(done.stdout)
    yield Figure(section=SECTION, name=f"groups of {SIZE:,} images alone", unit="s", ours=taken, low=taken, high=taken)
    name = f"and to find the pairs that are worth a second look, {ALIKE:,} images being alike"
    yield Figure(section=SECTION, name=name, unit="s", ours=more, low=more, high=more)
    yield Figure(
        section=SECTION,
        name=f"largest memory of that process, {SIZE:,} images",
        unit="MB",
        ours=peak / 1e6,
        low=peak / 1e6,
        high=peak / 1e6,
        baseline_name="their vectors",
        baseline=held / 1e6,
    )


def _quality(alone: DuplicateFigures, both: DuplicateFigures) -> Iterator[Figure]:
    pairs: list[tuple[Found, Found]] = [*zip(both.changes, alone.changes, strict=True), (both.total, alone.total)]
    for ours, rule in pairs:
        for name, mine, other in (
            ("recall", ours.recall, rule.recall),
            ("precision", ours.precision, rule.precision),
        ):
            yield Figure(
                section=SECTION,
                name=f"{name}, {ours.change}",
                unit="%",
                ours=100 * mine,
                low=100 * mine,
                high=100 * mine,
                baseline_name="without second look",
                baseline=100 * other,
            )
