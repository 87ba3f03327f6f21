"""Help with eps: k-distances as scipy has them, knees where a hand would draw them, sweeps that agree with a fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import clustering.fitting.curve
from clustering.fitting.curve import k_distances, knee, sweep, thinned
from clustering.fitting.dbscan import dbscan
from shared.features import DIMENSIONS
from tests.clustering.fitting.test_dbscan import blobs


@given(st.integers(0, 2**32), st.integers(1, 80), st.integers(1, 100), st.sampled_from([1, 50, 10**7]))
def test_k_distances_are_those_of_scipy_in_blocks_of_any_size(seed: int, n: int, k: int, block: int) -> None:
    vectors = blobs(np.random.default_rng(seed), n, groups=3, spread=0.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering.fitting.curve, "BLOCK", block)
        curve = k_distances(vectors, k)
    exact = vectors.astype(np.float64)
    expected = np.sort(np.sort(cdist(exact, exact, "cosine"), axis=1)[:, min(k, n) - 1])
    np.testing.assert_allclose(curve, expected, atol=1e-5)
    assert np.all(np.diff(curve) >= 0)
    assert curve[0] >= 0


def test_a_sample_is_held_against_all_vectors_and_is_the_same_each_time() -> None:
    vectors = np.repeat(blobs(np.random.default_rng(0), 300, groups=3, spread=0.5), 2, axis=0)
    curve = k_distances(vectors, 2, sample=100)
    assert curve.shape == (100,)
    # The second nearest of each is its copy, which is mostly not in the sample.
    np.testing.assert_allclose(curve, 0, atol=1e-5)
    np.testing.assert_array_equal(k_distances(vectors, 3, sample=100), k_distances(vectors, 3, sample=100))


def test_no_vectors_have_no_curve_and_no_sweep() -> None:
    nothing = np.empty((0, DIMENSIONS), np.float32)
    curve = k_distances(nothing, 3)
    assert curve.size == 0
    assert knee(curve) is None
    assert thinned(curve) == []
    assert sweep(nothing, min_samples=3, eps=0.4) == []


def test_the_knee_is_where_the_curve_leaves_the_floor() -> None:
    # Flat to 0.2, then steep: the corner is deepest below the chord.
    assert knee(np.concatenate([np.linspace(0.1, 0.2, 81), np.linspace(0.2, 0.9, 21)[1:]])) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "curve",
    [
        [],
        [0.3],
        [0.3, 0.9],
        [0.3] * 50,  # flat
        np.linspace(0.1, 0.9, 50),  # straight
        np.sqrt(np.linspace(0, 1, 50)),  # bends the other way
    ],
)
def test_curves_that_do_not_bend_up_have_no_knee(curve: list[float]) -> None:
    assert knee(np.array(curve, np.float64)) is None


def test_vectors_without_groups_have_no_knee_and_groups_with_strangers_have_one_that_finds_them() -> None:
    rng = np.random.default_rng(7)
    assert knee(k_distances(blobs(rng, 1500, groups=1500, spread=3), 3)) is None
    vectors = blobs(rng, 1500, groups=10, spread=0.7)
    found = knee(k_distances(vectors, 3))
    assert found is not None
    assert len(dbscan(vectors, eps=found, min_samples=3).reach) == 10


@given(st.lists(st.floats(0, 2), max_size=500), st.integers(2, 300))
def test_a_thinned_curve_ascends_from_the_first_to_the_last_value(values: list[float], n: int) -> None:
    curve = np.sort(np.array(values, np.float64))
    few = thinned(curve, n)
    assert len(few) == min(n, curve.size)
    assert few == sorted(few)
    if values:
        assert (few[0], few[-1]) == (round(curve[0], 4), round(curve[-1], 4))


def test_a_sweep_has_a_row_for_the_chosen_eps_that_agrees_with_a_fit() -> None:
    vectors = blobs(np.random.default_rng(2), 900, groups=6, spread=0.6)
    told: list[float] = []
    rows = sweep(vectors, min_samples=4, eps=0.37, progress=told.append)
    assert 8 <= len(rows) <= 10
    assert [row.eps for row in rows] == sorted({row.eps for row in rows})
    assert told[-1] == 1
    assert len(told) == len(rows)
    for row in rows:
        labels = dbscan(vectors, eps=row.eps, min_samples=4).labels
        sizes = np.bincount(labels[labels >= 0])
        assert row == (row.eps, sizes.size, int(np.sum(labels < 0)), int(sizes.max(initial=0)))
    assert 0.37 in [row.eps for row in rows]
    # The rows show something: from mostly noise to nearly none.
    assert rows[0].noise > 3 * rows[-1].noise


def test_a_sweep_looks_at_a_sample_of_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering.fitting.curve, "SWEPT", 200)
    vectors = blobs(np.random.default_rng(2), 900, groups=2, spread=0.6)
    rows = sweep(vectors, min_samples=3, eps=0.001)
    assert rows[0] == (0.001, 0, 200, 0)
    assert max(row.noise + row.largest for row in rows) <= 200


def test_a_sweep_of_copies_has_the_chosen_eps_only() -> None:
    copies = np.repeat(np.eye(1, DIMENSIONS, dtype=np.float32), 30, axis=0)
    assert sweep(copies, min_samples=3, eps=0.4) == [(0.4, 1, 0, 30)]
