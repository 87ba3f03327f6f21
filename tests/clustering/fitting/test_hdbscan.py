"""HDBSCAN gives scikit-learn's labels, and a reach within which new images are like a cluster's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN

from clustering.fitting.hdbscan import hdbscan
from shared.features import DIMENSIONS
from tests.clustering.fitting.test_dbscan import blobs


@given(st.integers(0, 2**32), st.integers(5, 200), st.integers(2, 5), st.integers(2, 8))
@hypothesis_settings(max_examples=30)
def test_labels_are_those_of_scikit_learn_by_euclidean_distance(
    seed: int, n: int, groups: int, min_samples: int
) -> None:
    vectors = blobs(np.random.default_rng(seed), n, groups=groups, spread=0.5)
    found = hdbscan(vectors, min_samples=min_samples)
    if n >= min_samples:
        theirs = HDBSCAN(min_cluster_size=min_samples, min_samples=min_samples, algorithm="kd_tree", copy=True)
        np.testing.assert_array_equal(found.labels, theirs.fit(vectors).labels_)
    np.testing.assert_array_equal(found.cores, found.labels >= 0)
    assert len(found.reach) == found.labels.max() + 1


def test_groups_of_different_density_are_found_and_their_reach_follows_it() -> None:
    rng = np.random.default_rng(3)
    tight = blobs(rng, 60, groups=1, spread=0.2, strangers=0)
    wide = blobs(rng, 60, groups=1, spread=0.8, strangers=0)
    found = hdbscan(np.concatenate([tight, wide]), min_samples=5)
    first, second = (int(np.bincount(part[part >= 0]).argmax()) for part in (found.labels[:60], found.labels[60:]))
    assert first != second
    assert found.reach[first] < 0.1
    assert found.reach[second] > 0.3


@pytest.mark.parametrize("min_samples", [2, 3, 6])
def test_the_reach_is_the_largest_distance_to_the_nearest_members_that_count(min_samples: int) -> None:
    vectors = blobs(np.random.default_rng(4), 150, groups=4, spread=0.6)
    found = hdbscan(vectors, min_samples=min_samples)
    assert len(found.reach) >= 2
    for cluster, reach in enumerate(found.reach):
        members = vectors[found.labels == cluster].astype(np.float64)
        nearest = np.sort(cdist(members, members, "cosine"), axis=1)[:, min_samples - 1]
        assert reach == pytest.approx(nearest.max(), abs=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_fewer_images_than_min_samples_are_noise(n: int) -> None:
    told: list[float] = []
    found = hdbscan(np.eye(n, DIMENSIONS, dtype=np.float32), min_samples=5, progress=told.append)
    assert found.labels.tolist() == [-1] * n
    assert not found.cores.any()
    assert found.reach.size == 0
    assert told[-1] == 1


def test_copies_of_one_image_are_no_cluster_and_copies_of_three_are_three() -> None:
    axes = np.eye(3, DIMENSIONS, dtype=np.float32)
    assert hdbscan(np.repeat(axes[:1], 500, axis=0), min_samples=3).labels.tolist() == [-1] * 500
    found = hdbscan(np.repeat(axes, 20, axis=0), min_samples=3)
    assert sorted(found.labels[::20].tolist()) == [0, 1, 2]
    np.testing.assert_array_equal(found.labels, np.repeat(found.labels[::20], 20))
    np.testing.assert_allclose(found.reach, 0, atol=1e-6)


def test_progress_may_end_the_fit() -> None:
    def cancel(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hdbscan(np.eye(9, DIMENSIONS, dtype=np.float32), min_samples=2, progress=cancel)
