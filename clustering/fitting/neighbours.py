"""All pairs of neighbours among vectors, a tile of the matrix of their distances at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from shared.vectors import MARGIN

type Rows = NDArray[np.int64]

ROWS, COLUMNS = 1024, 1024
"""The size of a tile: 4 MB of similarities, enough for the matrix product to run at full speed."""

NO_PAIRS = np.empty(0, np.int64), np.empty(0, np.int64)


def neighbours(
    vectors: Vector, firsts: Rows, eps: float, component: NDArray[np.int32]
) -> Iterator[tuple[Rows, Rows, float]]:
    """Pairs of neighbours as scikit-learn's cosine distance in float64 has them.

    Most are decided in float32; those too near to `eps` for that are decided again.

    Args:
        vectors: float32 [m, 256], of about unit length.
        firsts: int64 [n]: which of the vectors to look at.
        eps: The largest cosine distance of neighbours.
        component: int32 [n], a number for each of those, which may change meanwhile. Pairs of one number are left out,
            and tiles of one number take no time.

    Yields:
        i and j, int64 [pairs] each, places in `firsts` with i < j; and how much is done, 0 to 1. Each pair comes once.
    """
    unit = vectors[firsts]
    unit /= np.sqrt(np.vecdot(unit, unit))[:, np.newaxis]
    space = np.empty(min(ROWS, firsts.size) * min(COLUMNS, firsts.size), np.float32)
    tiles = [(top, left) for top in range(0, firsts.size, ROWS) for left in range(top, firsts.size, COLUMNS)]
    for number, (top, left) in enumerate(tiles, 1):
        rows, columns = unit[top : top + ROWS], unit[left : left + COLUMNS]
        one = component[top]
        if (component[top : top + ROWS] == one).all() and (component[left : left + COLUMNS] == one).all():
            yield *NO_PAIRS, number / len(tiles)
            continue
        shape = len(rows), len(columns)
        similar = np.matmul(rows, columns.T, out=space[: shape[0] * shape[1]].reshape(shape)).ravel()
        near = np.flatnonzero(similar >= 1 - eps - MARGIN)
        i = near // shape[1]
        j = near - i * shape[1] + left
        i += top
        telling = (i < j) & (component[i] != component[j])
        i, j, similar = i[telling], j[telling], similar[near[telling]]
        sure = similar >= 1 - eps + MARGIN
        unsure = np.flatnonzero(~sure)
        for doubtful in np.array_split(unsure, unsure.size // ROWS + 1):
            distances = 1 - np.vecdot(_exact(vectors[firsts[i[doubtful]]]), _exact(vectors[firsts[j[doubtful]]]))
            sure[doubtful] = np.minimum(distances, 2) <= eps
        yield i[sure], j[sure], number / len(tiles)


def _exact(vectors: Vector) -> NDArray[np.float64]:
    """float64 and unit length, as scikit-learn's cosine distance takes them."""
    exact = vectors.astype(np.float64)
    exact /= np.sqrt((exact * exact).sum(axis=1))[:, np.newaxis]
    return exact
