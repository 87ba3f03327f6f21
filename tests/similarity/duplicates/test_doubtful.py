"""The pairs of kept images that are worth a second look."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import Deadline
from shared.features import DIMENSIONS, Vector
from similarity.duplicates import doubtful
from similarity.duplicates.doubtful import doubtful_pairs
from similarity.duplicates.looking import LATE, beyond
from tests.clustering.small_fits import at


def alike(count: int) -> Vector:
    """Vectors of which each two score about 0.8, as of scans of one form."""
    vectors = np.random.default_rng(1).standard_normal((count, DIMENSIONS), dtype=np.float32) / DIMENSIONS**0.5
    vectors[:, 0] += 2
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    units: Vector = vectors / lengths[:, np.newaxis]
    return units


@given(st.lists(st.integers(0, 300), max_size=14, unique=True), st.integers(1, 20), st.data())
def test_they_are_the_best_of_all_pairs_and_the_others_are_counted(
    angles: list[int], most: int, data: st.DataObject
) -> None:
    vectors = np.stack([at(angle) for angle in angles]) if angles else np.empty((0, DIMENSIONS), np.float32)
    chosen = sorted(data.draw(st.sets(st.sampled_from(range(len(angles)))))) if angles else []
    done: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doubtful, "TILE", 3)
        pairs, more = doubtful_pairs(vectors, np.array(chosen, np.int64), most, progress=done.append)
    scores = {(i, j): float(vectors[i] @ vectors[j]) for j in chosen for i in chosen if i < j}
    right = sorted((score for score in scores.values() if score >= 0.7), reverse=True)
    assert [scores[pair] for pair in pairs] == pytest.approx(right[:most], abs=1e-6)
    assert len(set(pairs)) == len(pairs)
    assert more == ({beyond(most): len(right) - most} if len(right) > most else {})
    assert done == sorted(done)
    assert not chosen or done[-1] == 1


def test_alike_images_take_no_more_memory_than_a_few_tiles() -> None:
    vectors = alike(2500)
    tracemalloc.start()
    try:
        pairs, more = doubtful_pairs(vectors, np.arange(2500), 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pairs) == 100
    assert more == {beyond(100): 2500 * 2499 // 2 - 100}
    assert peak < 60e6


def test_pairs_that_are_not_reached_in_time_are_counted() -> None:
    done: list[float] = []
    assert doubtful_pairs(alike(1500), np.arange(1500), 9, Deadline(0), done.append) == ([], {LATE: 1500 * 1499 // 2})
    assert done == []
