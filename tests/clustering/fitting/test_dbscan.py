"""DBSCAN gives scikit-learn's labels, whatever the data and however they fall into tiles, in bounded memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

import clustering.fitting.dbscan
import clustering.fitting.neighbours
from clustering.fits import EPS, MIN_SAMPLES
from clustering.fitting.dbscan import dbscan
from shared.embedding import embed_bytes
from shared.features import DIMENSIONS, Vector
from shared.settings import Settings
from tests.servers.devhost import ROOT

PHOTOS = ROOT / "samples" / "images" / "photos"

SIX_GROUPS = (
    ("domes/taj-mahal-clouds", "domes/taj-mahal-garden", "domes/taj-mahal-side"),
    ("towers/eiffel-close", "towers/eiffel-evening", "towers/eiffel-park"),
    ("planets/earth", "planets/jupiter", "planets/mars"),
    ("pliers/combination-red", "pliers/diagonal-cutter", "pliers/long-nose-red"),
    ("poultry/chicken-profile", "poultry/hen", "poultry/rooster"),
    ("flowers/bolsom", "flowers/flower-2", "flowers/flower-5"),
)


def unit(rows: NDArray[np.floating]) -> Vector:
    """Rows of any width up to 256, filled up with zeros and scaled to unit length."""
    vectors = np.zeros((len(rows), DIMENSIONS), np.float32)
    vectors[:, : rows.shape[1]] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def blobs(rng: np.random.Generator, n: int, *, groups: int, spread: float, strangers: float = 0.2) -> Vector:
    """Vectors around some centres, and a part of them around none."""
    centres = unit(rng.standard_normal((groups, DIMENSIONS)))
    rows = centres[rng.integers(0, groups, n)] + spread * rng.standard_normal((n, DIMENSIONS)) / DIMENSIONS**0.5
    strange = rng.random(n) < strangers
    rows[strange] = rng.standard_normal((int(strange.sum()), DIMENSIONS))
    return unit(rows)


def assert_as_scikit_learn(vectors: Vector, eps: float, min_samples: int) -> None:
    ours = dbscan(vectors, eps=eps, min_samples=min_samples)
    theirs = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine").fit(vectors.astype(np.float64))
    np.testing.assert_array_equal(ours.labels, theirs.labels_)
    np.testing.assert_array_equal(np.flatnonzero(ours.cores), theirs.core_sample_indices_)
    np.testing.assert_array_equal(ours.reach, np.full(ours.labels.max() + 1, eps))


@st.composite
def collections(draw: st.DrawFn) -> Vector:
    """Few dimensions, so that there are neighbours, borders and chains; often with copies."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 80))
    dimensions = draw(st.integers(2, 6))
    rows = rng.standard_normal((n, dimensions))
    if draw(st.booleans()):
        rows = rows[rng.integers(0, n, n)]
    return unit(rows)


tiles = st.sampled_from([1, 3, 16, 1024])


@given(
    collections(),
    st.one_of(st.floats(0.001, 2), st.sampled_from([0.02, 0.05, 0.1])),
    st.sampled_from([1, 2, 3, 4, 6, 10, 30, 200]),
    tiles,
    tiles,
    st.sampled_from([0, clustering.fitting.dbscan.PENDING]),
)
def test_labels_and_core_samples_are_those_of_scikit_learn(
    vectors: Vector, eps: float, min_samples: int, rows: int, columns: int, pending: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering.fitting.neighbours, "ROWS", rows)
        patch.setattr(clustering.fitting.neighbours, "COLUMNS", columns)
        patch.setattr(clustering.fitting.dbscan, "PENDING", pending)  # 0: in two sweeps
        assert_as_scikit_learn(vectors, eps, min_samples)


@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0]),
    st.integers(1, 20),
)
@example(seed=0, n=40, eps=1.0, min_samples=3)
def test_distances_of_exactly_eps_are_within_it(seed: int, n: int, eps: float, min_samples: int) -> None:
    # Halves, so that every distance is a multiple of 0.25 without rounding, and many are eps.
    rng = np.random.default_rng(seed)
    corners = np.zeros((n, DIMENSIONS), np.float32)
    for row in corners:
        row[rng.choice(8, 4, replace=False)] = rng.choice([-0.5, 0.5], 4)
    assert_as_scikit_learn(corners, eps, min_samples)


def test_orthogonal_vectors_are_neighbours_at_eps_1_and_not_just_below() -> None:
    axes = np.eye(DIMENSIONS, dtype=np.float32)
    assert dbscan(axes, eps=1.0, min_samples=DIMENSIONS).cores.all()
    assert not dbscan(axes, eps=np.nextafter(1.0, 0), min_samples=2).cores.any()


def test_opposites_are_neighbours_at_eps_2_however_their_distance_is_rounded() -> None:
    some = unit(np.random.default_rng(0).standard_normal((60, DIMENSIONS)))
    assert dbscan(np.concatenate([some, -some]), eps=2, min_samples=120).cores.all()


def test_pairs_too_near_to_eps_for_float32_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    vectors = unit(rng.standard_normal((300, 3)))
    exact = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    distances = np.unique((1 - exact @ exact.T).round(13))
    # Half-way between two distances that are nearer than float32 can tell, but not than float64.
    gaps = np.flatnonzero((np.diff(distances) < 1e-7) & (np.diff(distances) > 1e-10) & (distances[:-1] > 0.01))
    for gap in rng.choice(gaps, 10, replace=False):
        for min_samples in (2, 10):
            assert_as_scikit_learn(vectors, float(distances[gap : gap + 2].mean()), min_samples)


@pytest.mark.parametrize(("n", "groups", "spread"), [(2500, 25, 0.7), (2500, 300, 0.6), (2100, 1, 0.9)])
@pytest.mark.parametrize("min_samples", [3, 25])
def test_labels_of_thousands_are_those_of_scikit_learn(n: int, groups: int, spread: float, min_samples: int) -> None:
    vectors = blobs(np.random.default_rng(n), n, groups=groups, spread=spread)
    for eps in (0.3, 0.45, 0.75):
        assert_as_scikit_learn(vectors, eps, min_samples)


@pytest.fixture(scope="module")
def photos() -> dict[str, Vector]:
    files = sorted(PHOTOS.rglob("*.jpg"))
    return {
        file.relative_to(PHOTOS).with_suffix("").as_posix(): embed_bytes(file.read_bytes(), Settings()).vector
        for file in files
    }


@pytest.mark.parametrize("min_samples", [1, 2, MIN_SAMPLES, 5])
def test_labels_of_the_sample_photos_are_those_of_scikit_learn(photos: dict[str, Vector], min_samples: int) -> None:
    vectors = np.stack(list(photos.values()))
    for eps in (0.1, 0.3, EPS, 0.5, 0.6, 0.8):
        assert_as_scikit_learn(vectors, eps, min_samples)


def test_the_default_parameters_find_six_groups_of_three_photos(photos: dict[str, Vector]) -> None:
    vectors = np.stack([photos[name] for group in SIX_GROUPS for name in group])
    found = dbscan(vectors, eps=EPS, min_samples=MIN_SAMPLES)
    np.testing.assert_array_equal(found.labels, np.repeat(np.arange(6), 3))


@pytest.mark.parametrize("min_samples", [1, 2, 1_000_000])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_collections_have_as_many_clusters_as_they_must(n: int, min_samples: int) -> None:
    found = dbscan(np.eye(2, DIMENSIONS, dtype=np.float32)[:n], eps=0.4, min_samples=min_samples)
    assert found.labels.tolist() == ([0, 1][:n] if min_samples == 1 else [-1] * n)
    assert found.cores.tolist() == [min_samples == 1] * n
    assert found.reach.tolist() == [0.4] * (n if min_samples == 1 else 0)


def test_ten_thousand_copies_of_an_image_are_one_cluster_without_a_look_at_their_pairs() -> None:
    rng = np.random.default_rng(1)
    vectors = np.repeat(unit(rng.standard_normal((2, DIMENSIONS))), [10_000, 2], axis=0)
    looked: list[float] = []
    found = dbscan(vectors, eps=0.2, min_samples=3, progress=looked.append)
    assert found.labels.tolist() == [0] * 10_000 + [-1, -1]
    assert len(looked) == 2, "one tile, and the end"


def test_clusters_are_numbered_by_the_first_of_their_copies() -> None:
    a, b, c = np.eye(3, DIMENSIONS, dtype=np.float32)
    found = dbscan(np.stack([c, a, b, a, b, a, b]), eps=0.1, min_samples=3)
    assert found.labels.tolist() == [-1, 0, 1, 0, 1, 0, 1]


def test_progress_goes_up_to_1_and_may_end_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = blobs(np.random.default_rng(0), 2500, groups=5, spread=0.5)
    for pending in (clustering.fitting.dbscan.PENDING, 0):
        monkeypatch.setattr(clustering.fitting.dbscan, "PENDING", pending)
        told: list[float] = []
        dbscan(vectors, eps=0.4, min_samples=3, progress=told.append)
        assert told == sorted(told)
        assert len(told) > 5
        assert told[0] > 0
        assert told[-1] == 1

    def cancel(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dbscan(vectors, eps=0.4, min_samples=3, progress=cancel)


@pytest.mark.parametrize("min_samples", [3, 2000])
def test_dense_data_take_no_more_memory_than_thin_ones(min_samples: int) -> None:
    # 32 million pairs of neighbours: a list of them takes 256 MB, the matrix of their distances 512 MB.
    script = """
import json, sys
import numpy as np
from clustering.fitting.dbscan import dbscan
def peak_memory():  # not ru_maxrss: that is inherited
    with open('/proc/self/status') as status:
        return 1024 * int(next(line for line in status if line.startswith('VmHWM')).split()[1])
rng = np.random.default_rng(0)
rows = np.ones((8000, 256), np.float32) + 0.4 * rng.standard_normal((8000, 256), dtype=np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
dbscan(rows[:300], eps=0.3, min_samples=3)
before = peak_memory()
found = dbscan(rows, eps=0.3, min_samples=int(sys.argv[1]))
grown = peak_memory() - before
print(json.dumps([int(found.cores.sum()), int(found.labels.max()), grown]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(min_samples)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    cores, last, grown = json.loads(done.stdout)
    assert (cores, last) == (8000, 0)
    assert grown < 200e6


def test_scikit_learn_is_imported_by_a_fit_only() -> None:
    script = "import sys; from clustering.fitting import curve, dbscan, hdbscan, quality; " + (
        "print([name for name in sys.modules if name.split('.')[0] in ('sklearn', 'scipy')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
