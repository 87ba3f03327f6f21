"""The learned projection, against the formula as textbooks have it: with matrices of all dimensions, made in full."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from shared.features import Vector
from similarity.ranking import projection as module
from similarity.ranking.examples import Examples, TrainingError
from similarity.ranking.projection import SHRINKAGE, STRENGTH, ProjectionRanker, _directions
from similarity.ranking.rankers import make
from tests.similarity.ranking.examples import noise, planted


def projection(vectors: Vector, labels: Sequence[str]) -> ProjectionRanker:
    ranker = ProjectionRanker()
    ranker.fit(vectors, labels)
    return ranker


def dense(given: Vector, labels: Sequence[str]) -> NDArray[np.float64]:
    """A = (I + (β²/s²)·L·Lᵀ)^½, [d, d]."""
    vectors, classes = given.astype(np.float64), sorted(set(labels))
    count, dimensions = vectors.shape
    mean = vectors.mean(axis=0)
    within, rows = np.zeros((dimensions, dimensions)), []
    for name in classes:
        of_label = vectors[[label == name for label in labels]]
        apart = of_label - of_label.mean(axis=0)
        within += apart.T @ apart / count
        rows.append(np.sqrt(len(of_label) / count) * (of_label.mean(axis=0) - mean))
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / dimensions * np.eye(dimensions)
    values, axes = np.linalg.eigh(shrunk)
    whitening = axes @ np.diag(values**-0.5)
    directions = np.linalg.svd(whitening.T @ np.array(rows).T)[0][:, : min(len(classes) - 1, dimensions)]
    discriminant = whitening @ directions
    spread = np.sum(((vectors - mean) @ discriminant) ** 2) / np.sum((vectors - mean) ** 2)
    squared, axes = np.linalg.eigh(np.eye(dimensions) + STRENGTH**2 / spread * discriminant @ discriminant.T)
    root: NDArray[np.float64] = axes @ np.diag(np.sqrt(squared)) @ axes.T
    return root


@given(
    seed=st.integers(0, 10_000),
    dimensions=st.sampled_from([3, 8, 20]),
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=5),
)
def test_it_is_the_cosine_after_the_textbooks_matrix(seed: int, dimensions: int, sizes: list[int]) -> None:
    labels = [f"label {n}" for n, size in enumerate(sizes) for _ in range(size)]
    vectors = noise(len(labels), seed=seed, dimensions=dimensions)
    query, candidates = (
        noise(1, seed=seed + 1, dimensions=dimensions)[0],
        noise(12, seed=seed + 2, dimensions=dimensions),
    )
    matrix = dense(vectors, labels)
    ours, theirs = query @ matrix, candidates @ matrix
    expected = theirs @ ours / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours)
    assert projection(vectors, labels).rank(query, candidates) == pytest.approx(expected, abs=1e-6)


def test_it_finds_by_a_few_images_what_tells_labels_apart() -> None:
    labels = ["cat", "dog"]
    ranker, cosine = projection(planted(labels * 5), labels * 5), make("cosine")
    images = planted(labels * 30, seed=1)
    right = {ranker: 0, cosine: 0}
    for row, query in enumerate(images):
        for one in right:
            right[one] += sum((first - row) % 2 == 0 for first in (-one.rank(query, images)).argsort()[1:11])
    assert right[ranker] > 0.95 * 600 > 0.9 * 600 > right[cosine]


def test_what_no_label_tells_of_keeps_its_order() -> None:
    # Both labels lie in the plane of the first two dimensions; the others are the cosine's as before.
    vectors = np.zeros((8, 6), np.float32)
    vectors[:4, 0], vectors[4:, 1], vectors[:, 2] = 1, 1, np.tile([0.1, -0.1], 4)
    ranker = projection(vectors, ["a"] * 4 + ["b"] * 4)
    query, *candidates = np.eye(6, dtype=np.float32)[3] + noise(6, dimensions=6) * [0, 0, 0, 1, 1, 1]
    some = np.array(candidates, np.float32)
    assert ranker.rank(query.astype(np.float32), some) == pytest.approx(make("cosine").rank(query, some), abs=1e-6)


def test_there_are_as_many_directions_as_labels_less_one_and_no_more_than_dimensions() -> None:
    labels = [f"{n // 3}" for n in range(30)]
    assert projection(noise(30), labels).parameters["directions"].shape == (9, 256)
    assert projection(noise(30, dimensions=4), labels).parameters["directions"].shape[0] <= 4


def test_labels_that_do_not_differ_leave_plain_cosine() -> None:
    same = np.repeat(noise(1), 6, axis=0)
    twice = np.concatenate([noise(3)] * 2)
    for vectors in (same, twice):
        ranker = projection(vectors, ["a"] * 3 + ["b"] * 3)
        query, candidates = noise(1, seed=1)[0], noise(9, seed=2)
        assert ranker.rank(query, candidates).tolist() == make("cosine").rank(query, candidates).tolist()


def test_labels_of_copies_can_be_learned() -> None:
    vectors = np.repeat(noise(3), 2, axis=0)
    ranker = projection(vectors, ["a", "a", "b", "b", "c", "c"])
    assert np.isfinite(ranker.rank(vectors[0], vectors)).all()
    assert ranker.rank(vectors[0], vectors[:2]).tolist() == [1, 1]


@given(factor=st.floats(0.01, 100))
def test_the_length_of_all_vectors_changes_nothing(factor: float) -> None:
    labels = ["a", "b", "c"] * 4
    vectors, query, candidates = planted(labels, dimensions=9), noise(1, dimensions=9)[0], noise(9, dimensions=9)
    scaled = (vectors * factor).astype(np.float32)
    expected = projection(vectors, labels).rank(query, candidates)
    assert projection(scaled, labels).rank(query, candidates) == pytest.approx(expected, abs=1e-5)


def test_it_learns_with_one_thread_of_blas_and_leaves_the_others_to_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    def learn(given: Examples) -> NDArray[np.float64]:
        during.append(threads())
        return _directions(given)

    during: list[list[int]] = []
    monkeypatch.setattr(module, "_directions", learn)
    with threadpool_limits(2, "blas"):
        projection(noise(6), ["a", "b"] * 3)
        assert set(threads()) == {2}
    assert [set(some) for some in during] == [{1}]


def test_parameters_that_are_none_are_refused() -> None:
    for wrong in (np.zeros(256, np.float32), np.full((2, 256), np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"must be numbers, \[k, d\]"):
            ProjectionRanker({"directions": wrong})
    with pytest.raises(TrainingError):
        ProjectionRanker().fit(noise(3), ["a", "a", "a"])
