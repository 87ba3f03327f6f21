"""Figures as scikit-learn and scipy have them, and warnings that come when they should and not otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics import silhouette_score

import clustering.fitting.quality
from clustering.fitting.dbscan import dbscan
from clustering.fitting.quality import silhouette, spreads, warnings
from shared.features import DIMENSIONS, Vector
from tests.clustering.fitting.test_dbscan import blobs, unit


@given(st.integers(0, 2**32), st.integers(6, 80), st.integers(2, 5), st.sampled_from([1, 40, 10**6]))
def test_the_silhouette_is_that_of_scikit_learn_for_the_clustered(seed: int, n: int, k: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = blobs(rng, n, groups=k, spread=0.5)
    labels = rng.integers(-1, k, n)
    labels[:k] = range(k)
    labels[k] = 0
    clustered = labels >= 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering.fitting.quality, "BLOCK", block)
        ours = silhouette(vectors, labels)
    theirs = silhouette_score(vectors[clustered].astype(np.float64), labels[clustered], metric="cosine")
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_silhouette_of_a_sample_is_near_that_of_all_even_with_small_clusters() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(400), 5)
    vectors = unit(rng.standard_normal((400, DIMENSIONS))[labels] + 0.6 * rng.standard_normal((2000, DIMENSIONS)))
    of_all, of_some = silhouette(vectors, labels), silhouette(vectors, labels, sample=300)
    assert of_all is not None
    assert of_all > 0.5
    assert of_some != of_all
    assert of_some == pytest.approx(of_all, abs=0.02)


@pytest.mark.parametrize("labels", [[], [-1, -1, -1], [0, 0, 0], [-1, 0, 0]])
def test_fewer_than_two_clusters_have_no_silhouette(labels: list[int]) -> None:
    assert silhouette(np.eye(len(labels), DIMENSIONS, dtype=np.float32), np.array(labels, np.int64)) is None


def test_images_alone_have_a_silhouette_of_0_and_so_have_clusters_that_share_copies() -> None:
    axes = np.eye(2, DIMENSIONS, dtype=np.float32)
    assert silhouette(axes, np.array([0, 1])) == 0
    copies = np.repeat(axes[:1], 4, axis=0)
    assert silhouette(copies, np.array([0, 0, 1, 1])) == pytest.approx(0)
    assert silhouette(np.repeat(axes, 2, axis=0), np.array([0, 0, 1, 1])) == pytest.approx(1)


@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 6))
def test_a_spread_is_the_mean_of_all_distances_in_a_cluster(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = blobs(rng, n, groups=k, spread=0.5) if n else np.empty((0, DIMENSIONS), np.float32)
    labels = rng.integers(-1, k, n)
    expected = [
        pdist(vectors[labels == cluster].astype(np.float64), "cosine").mean() if np.sum(labels == cluster) > 1 else 0
        for cluster in range(k)
    ]
    np.testing.assert_allclose(spreads(vectors, labels, k), expected, atol=1e-6)


def hints(vectors: Vector, eps: float, min_samples: int = 3, knee: float | None = None) -> list[str]:
    found = dbscan(vectors, eps=eps, min_samples=min_samples)
    widths = spreads(vectors, found.labels, len(found.reach))
    return warnings(found.labels, widths, eps=eps, min_samples=min_samples, knee=knee)


@pytest.mark.parametrize("spread", [0.3, 0.5, 0.8])
def test_one_group_that_holds_most_images_is_no_chain(spread: float) -> None:
    vectors = blobs(np.random.default_rng(0), 800, groups=1, spread=spread)
    for eps in np.arange(0.1, 0.6, 0.1):
        found = dbscan(vectors, eps=eps, min_samples=3)
        if np.count_nonzero(found.labels == 0) > 400:
            assert hints(vectors, eps) == []


def path(rng: np.random.Generator) -> Vector:
    """Images that change slowly from one thing into another, and another."""
    things, steps = rng.standard_normal((11, DIMENSIONS)), np.linspace(0, 9.99, 1000)
    before, part = steps.astype(int), (steps % 1)[:, None]
    return unit(things[before] * (1 - part) + things[before + 1] * part)


@pytest.mark.parametrize("eps", [0.05, 0.3, 0.5])
def test_a_path_from_one_thing_to_another_is_a_chain(eps: float) -> None:
    (hint,) = hints(path(np.random.default_rng(0)), eps)
    assert "it holds 1,000 of 1,000" in hint
    assert "Lower eps, or raise minSamples." in hint


@pytest.mark.parametrize("eps", [0.8, 0.85, 0.95])
def test_random_vectors_that_hang_together_are_a_chain(eps: float) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((3000, DIMENSIONS)))
    assert "unlike images" in hints(vectors, eps)[0]


def test_a_chain_of_less_than_half_of_the_images_is_let_be() -> None:
    rng = np.random.default_rng(0)
    groups = unit(np.repeat(rng.standard_normal((100, DIMENSIONS)), 12, axis=0) + 0.05)
    assert hints(np.concatenate([path(rng), groups]), 0.3) == []


def test_a_chain_of_hdbscan_is_told_without_an_eps() -> None:
    hint = warnings(np.zeros(9, np.int64), np.array([0.9]), eps=None, min_samples=3, knee=None)[0]
    assert "unlike images" in hint
    assert "eps" not in hint


def test_noise_only_gets_the_knee_as_advice_when_it_is_larger() -> None:
    vectors = np.eye(20, DIMENSIONS, dtype=np.float32)
    (hint,) = hints(vectors, 0.4, knee=0.61)
    assert hint == (
        "All 20 images are noise: none has 3 images, itself included, within eps = 0.4. "
        "Raise eps; 0.61 is where the k-distance curve bends, or lower minSamples."
    )
    assert "Raise eps, or lower minSamples." in hints(vectors, 0.4, knee=0.2)[0]
    assert "Raise eps, or lower minSamples." in hints(vectors, 0.4)[0]
    assert "HDBSCAN found no clusters" in warnings(np.full(20, -1), np.empty(0), eps=None, min_samples=3, knee=0.5)[0]


def test_min_samples_beyond_the_collection_an_empty_one_and_min_samples_1_are_told() -> None:
    assert hints(np.eye(2, DIMENSIONS, dtype=np.float32), 0.4, 1_000_000) == [
        "minSamples is 1,000,000, more than the 2 images there are: no cluster can be that large. Lower minSamples."
    ]
    assert hints(np.empty((0, DIMENSIONS), np.float32), 0.4) == ["The collection has no images."]
    assert "nothing is noise" in hints(np.eye(2, DIMENSIONS, dtype=np.float32), 0.4, 1)[0]
