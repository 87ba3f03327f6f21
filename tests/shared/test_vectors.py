"""Distances between vectors, against plain arithmetic in float64."""

import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared import vectors as vectors_module
from shared.features import DIMENSIONS, Vector
from shared.fits import Member
from shared.vectors import check_vectors, cosines, embedding_of, nearest_rows
from tests.shared.fit_conformance import distances
from tests.shared.store_conformance import random_vectors, vector_of


def rows_of(*several: tuple[float, ...]) -> Vector:
    return np.array([vector_of(*numbers) for numbers in several])


def test_by_hand() -> None:
    rows = rows_of((1, 0), (0, 1), (-1, 0))
    indices, found = nearest_rows(rows_of((3, 4), (-1, 0), (0, -1), (4, 3)), rows)
    assert indices.tolist() == [1, 2, 0, 0]
    assert found == pytest.approx([0.2, 0.0, 1.0, 0.2], abs=1e-7)
    assert indices.dtype == np.int64
    assert found.dtype == np.float64
    (opposite,) = nearest_rows(rows_of((1,)), rows_of((-1,)))[1]
    assert opposite == 2.0


def check(vectors: Vector, rows: Vector) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The indices and distances must be those of comparing each with each."""
    indices, found = nearest_rows(vectors, rows)
    expected = distances(vectors, rows).reshape(len(vectors), len(rows))
    assert found == pytest.approx(expected.min(axis=1), abs=1e-14)
    assert ((found >= 0) & (found <= 2)).all()
    for vector, row, index, distance in zip(vectors, expected, indices, found, strict=True):
        assert row[index] <= row.min() + 1e-14
        assert index == np.flatnonzero((rows == rows[index]).all(axis=1))[0]
        assert distance == 0.0 or not (rows == vector).all(axis=1).any()
    return indices, found


_numbers = st.sampled_from([-1.0, -0.5, 0.0, 1e-6, 1e-4, 0.5, 1.0])
_rows = st.lists(st.tuples(st.just(1.0) | st.just(-1.0), _numbers, _numbers), min_size=1, max_size=30)


@given(_rows, _rows, st.integers(1, 5), st.integers(1, 5))
def test_as_comparing_each_with_each(
    vectors: list[tuple[float, ...]], rows: list[tuple[float, ...]], n: int, m: int
) -> None:
    """However they are divided."""
    with patch.object(vectors_module, "VECTORS_AT_ONCE", n), patch.object(vectors_module, "ROWS_AT_ONCE", m):
        check(rows_of(*vectors), rows_of(*rows))


@pytest.mark.parametrize("count", [1, 2, 300])
def test_closer_than_float32_can_tell(count: int) -> None:
    random = np.random.default_rng(5)
    center = random_vectors(1)
    rows = (center + 1e-5 * random.standard_normal((5000, DIMENSIONS))).astype(np.float32)
    vectors = (center + 1e-5 * random.standard_normal((count, DIMENSIONS))).astype(np.float32)
    indices, _ = check(vectors, rows)
    assert len(np.unique(indices)) > count // 3


@pytest.mark.parametrize("scales", [(1.0, 1.0009), (1.0009, 0.9991), (0.9991, 1.0)])
def test_lengths_do_not_matter(scales: tuple[float, float]) -> None:
    near, far = vector_of(1, 0.02) * np.float32(scales[0]), vector_of(1, 0.0201) * np.float32(scales[1])
    for vectors in (rows_of((1,)), rows_of((1,), (2,))):
        indices, _ = check(vectors, np.array([far, near]))
        assert (indices == 1).all()


def test_a_vector_alone_has_what_it_has_among_others() -> None:
    rows, vectors = random_vectors(6000), np.concatenate([random_vectors(40, seed=1), random_vectors(6000)[::500]])
    indices, found = nearest_rows(vectors, rows)
    alone = [nearest_rows(vector[np.newaxis], rows) for vector in vectors]
    assert [index.item() for index, _ in alone] == indices.tolist()
    assert [distance.item() for _, distance in alone] == found.tolist()
    assert not found[40:].any()


def test_no_vectors() -> None:
    indices, found = nearest_rows(random_vectors(0), random_vectors(3))
    assert (indices.shape, found.shape) == ((0,), (0,))


def test_thousands_of_copies_take_little_memory_and_the_first_is_found() -> None:
    rows = np.repeat(random_vectors(2), 10_000, axis=0)
    vectors = np.repeat(random_vectors(2)[1:], 2000, axis=0)
    tracemalloc.start()
    try:
        indices, found = nearest_rows(vectors, rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (indices == 10_000).all()
    assert not found.any()
    assert peak < 100e6  # of each with each in float64 it would be 640


def test_cosines_of_copies_are_one_wherever_they_lie() -> None:
    vectors = random_vectors(500) * np.linspace(0.999, 1.001, 500, dtype=np.float32)[:, np.newaxis]
    assert (cosines(vectors, vectors) == 1.0).all()
    assert (cosines(vectors, -vectors) == -1.0).all()
    assert [cosines(vectors[n : n + 1], vectors[n]).item() for n in range(9)] == [1.0] * 9
    others = random_vectors(500, seed=1)
    assert cosines(vectors, others) == pytest.approx(1.0 - np.diag(distances(vectors, others)), abs=1e-14)


@pytest.mark.parametrize("scale", [0.9991, 1.0009])
def test_nearly_unit_is_unit(scale: float) -> None:
    check_vectors(random_vectors(3) * np.float32(scale))
    check_vectors(random_vectors(0))


@pytest.mark.parametrize("scale", [0.0, 0.9989, 1.0011, np.nan, np.inf])
def test_one_wrong_length_among_many_is_refused(scale: float) -> None:
    vectors = random_vectors(5)
    vectors[3] = vector_of(1) * np.float32(scale) if np.isfinite(scale) else scale
    with pytest.raises(ValueError, match="unit length"):
        check_vectors(vectors)


def test_the_embedding_of_a_member_is_that_of_a_core_sample() -> None:
    vector = vector_of(1)
    member = Member(path="dogs/a", etag="0x1", cluster=0, core=True, embedding=vector)
    assert embedding_of(member) is vector
    assert embedding_of(Member(path="dogs/a", etag="0x1", cluster=0, core=False, embedding=vector)) is None
    with pytest.raises(ValueError, match="'dogs/a' is a core sample"):
        embedding_of(Member(path="dogs/a", etag="0x1", cluster=0, core=True))
