"""Cosine distances between unit vectors: roughly in float32 for all, exactly for those that matter."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.features import DIMENSIONS, Vector, check_vector
from shared.fits import Member

MARGIN = 4e-5
"""How far two float32 scores can be off together. A dot product of two unit vectors summed in any order errs by at
most `DIMENSIONS * 2**-24` = 1.53e-5 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); two of them, and
a little for lengths that are not quite 1."""

FINE_MARGIN = 1e-12
"""The same for float64, with room."""

VECTORS_AT_ONCE = 1024
ROWS_AT_ONCE = 16_384
SCORES_AT_ONCE = 4_194_304
"""The most there are of each in memory at a time: scores of 16 MB, and copies of rows of 32 MB when all matter."""


def check_vectors(vectors: Vector) -> None:
    """Raise a ValueError unless vectors are float32 [n, 256] of unit length, within 1e-3."""
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != DIMENSIONS:
        raise ValueError(f"vectors must be float32 [n, {DIMENSIONS}], not {vectors.dtype} {list(vectors.shape)}")
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    wrong = lengths[~(np.abs(lengths - 1.0) <= 1e-3)]  # "not <=": NaN is refused too
    if wrong.size:
        raise ValueError(f"vectors must be of unit length, not {wrong[0]:.6g}")


def embedding_of(member: Member) -> Vector | None:
    """What a store of fits keeps as a member's embedding: that of a core sample; every such store asks this.

    Raises:
        ValueError: A core sample's is not float32 [256] of unit length (tolerance 1e-3).
    """
    if not member.core:
        return None
    if member.embedding is None:
        raise ValueError(f"{member.path!r} is a core sample, and those need an embedding")
    check_vector(member.embedding)
    return member.embedding


def unit(vectors: Vector) -> Vector:
    """Vectors scaled to unit length: float32 [..., 256] in and out."""
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    scaled: Vector = vectors / lengths[..., np.newaxis]
    return scaled


def cosines(some: Vector, others: Vector) -> NDArray[np.float64]:
    """Cosine similarity in float64, clamped to [-1, 1], exactly 1 for equal vectors.

    float32 [..., 256] each in, which numpy makes the same shape, and float64 [...] out. No BLAS: neither the place of
    a vector nor the number of threads changes anything.
    """
    exact, other = some.astype(np.float64), others.astype(np.float64)
    dots = (exact * other).sum(axis=-1)
    squares = (exact * exact).sum(axis=-1) * (other * other).sum(axis=-1)
    result: NDArray[np.float64] = np.clip(dots / np.sqrt(squares), -1.0, 1.0)  # sqrt(x * x) is x: a copy scores 1
    return result


def nearest_rows(vectors: Vector, rows: Vector) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The row nearest to each vector.

    Args:
        vectors: float32 [n, 256], of about unit length.
        rows: float32 [m, 256], of about unit length, m at least 1.

    Returns:
        Its index, int64 [n], of equally near rows the lowest; and its cosine distance, float64 [n] in [0, 2], exact
        and 0 for a copy.
    """
    nearest = np.zeros(len(vectors), np.int64)
    best = np.full(len(vectors), -np.inf)
    for vectors_from, vectors_to in _spans(len(vectors), VECTORS_AT_ONCE):
        chosen = slice(vectors_from, vectors_to)
        _search(vectors[chosen], rows, nearest[chosen], best[chosen])
    return nearest, 1.0 - best


def _search(vectors: Vector, rows: Vector, nearest: NDArray[np.int64], best: NDArray[np.float64]) -> None:
    """Put into `nearest` and `best` the index and the exact cosine of the row most like each vector."""
    units = unit(vectors)
    rough_best = np.full(len(vectors), -np.inf, np.float32)
    # As many as may be: for few vectors each product is short, and OpenBLAS's threads wait for each other in each.
    for rows_from, rows_to in _spans(len(rows), min(ROWS_AT_ONCE, max(1, SCORES_AT_ONCE // len(vectors)))):
        some = rows[rows_from:rows_to]
        rough = _rough(units, some)
        rough_best_here = rough.max(axis=1)
        np.maximum(rough_best, rough_best_here, out=rough_best)
        floor = rough_best - np.float32(MARGIN)
        contenders = np.flatnonzero(rough_best_here >= floor)
        if not contenders.size:
            continue  # all vectors have met better rows than these
        near = rough[contenders] >= floor[contenders, np.newaxis]
        columns = _without_copies(some, np.flatnonzero(near.any(axis=0)))
        # Among thousands of almost equal rows this leaves a few to `cosines`, which takes much longer.
        fine = _unit64(vectors[contenders]) @ _unit64(some[columns]).T
        fine_floor = np.maximum(fine.max(axis=1), best[contenders]) - FINE_MARGIN
        which, column = np.nonzero(fine >= fine_floor[:, np.newaxis])
        for start, end in _spans(which.size, 1024):
            of, at = contenders[which[start:end]], columns[column[start:end]]
            _keep_best(of, at + rows_from, cosines(some[at], vectors[of]), nearest, best)


def _unit64(vectors: Vector) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    scaled: NDArray[np.float64] = exact / np.sqrt(np.vecdot(exact, exact))[:, np.newaxis]
    return scaled


def _rough(units: Vector, rows: Vector) -> Vector:
    """Cosines in float32, [n, m]."""
    # vecdot for one vector: OpenBLAS's threads for matrix times vector are slower, and fight with other calls'.
    dots = np.vecdot(rows, units) if len(units) == 1 else units @ rows.T
    scores: Vector = dots.reshape(len(units), len(rows)) / np.sqrt(np.vecdot(rows, rows))
    return scores


def _without_copies(rows: Vector, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of row numbers those of rows that are equal to none before: of thousands of copies only one can be nearest."""
    as_bytes = np.ascontiguousarray(rows[chosen]).view(np.dtype((np.void, rows.itemsize * DIMENSIONS)))
    _, firsts = np.unique(as_bytes.ravel(), return_index=True)
    return chosen[np.sort(firsts)]


def _keep_best(
    of: NDArray[np.intp],
    at: NDArray[np.intp],
    scores: NDArray[np.float64],
    nearest: NDArray[np.int64],
    best: NDArray[np.float64],
) -> None:
    """Take over those of some scores that are better than what vectors have; `of` and, for each, `at` ascend."""
    order = np.lexsort((at, -scores, of))  # of each vector the best comes first, and of equal ones the lowest row
    firsts = order[np.flatnonzero(np.diff(of[order], prepend=-1))]
    better = firsts[scores[firsts] > best[of[firsts]]]
    best[of[better]], nearest[of[better]] = scores[better], at[better]


def _spans(count: int, size: int) -> Iterator[tuple[int, int]]:
    yield from pairwise([*range(0, count, size), count])
