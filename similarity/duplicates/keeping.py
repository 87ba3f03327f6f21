"""Which images are kept, and which of those each other one is a duplicate of: by the tile, in little memory.

Nothing is chained: the images come in the order in which one would keep them, and each that is no duplicate of one
before becomes a keeper and takes what is the same picture as itself. So every duplicate is one of its keeper directly.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from shared.vectors import MARGIN, cosines, unit
from similarity.duplicates.rule import Hashes

type Rows = NDArray[np.int64]

TILE = 1024
"""Rows and columns: 4 MB of scores, enough for the matrix product to run at full speed."""

EXACT = 16_384
"""Pairs that are decided in float64 at a time: 64 MB."""


def unwatched(*_: object) -> None:
    """Progress that nobody looks at."""


def keepers(
    vectors: Vector,
    hashes: Sequence[str],
    min_score: float,
    confirmed: Sequence[tuple[int, int]] = (),
    progress: Callable[[float], object] = unwatched,
) -> Rows:
    """The keeper of each image, itself for those that are kept.

    Args:
        vectors: float32 [n, 256], of about unit length, those first that are to be kept rather.
        hashes: Of the same images.
        min_score: The cosine similarity of one picture.
        confirmed: Pairs of places, the lower one first, that are one picture whatever the rule says.
        progress: Gets how much is done, 0 to 1.

    Returns:
        int64 [n], places of keepers; none is above its own place.
    """
    owner = np.arange(len(vectors))
    units, bits = unit(vectors), Hashes(hashes)
    sure = np.array(confirmed, np.int64).reshape(-1, 2)
    left = owner.copy()
    while left.size:
        rows, left = left[:TILE], left[TILE:]
        same = _same(vectors, units, bits, rows, rows, min_score)
        here = sure[np.isin(sure, rows).all(axis=1)]
        same[tuple(np.searchsorted(rows, here).T)] = True
        rows = rows[_kept(same, rows, owner)]
        for start in range(0, left.size, TILE):
            columns = left[start : start + TILE]
            same = _same(vectors, units, bits, rows, columns, min_score)
            taken = np.flatnonzero(same.any(axis=0))
            owner[columns[taken]] = rows[same[:, taken].argmax(axis=0)]  # the first of several
        beyond = sure[np.isin(sure[:, 0], rows)]
        np.minimum.at(owner, beyond[:, 1], beyond[:, 0])
        left = left[owner[left] == left]
        progress(1 - (left.size / len(owner)) ** 2)
    return owner


def _kept(same: NDArray[np.bool_], rows: Rows, owner: Rows) -> NDArray[np.bool_]:
    """Which of some rows stay keepers; those that do not get one of them as their owner."""
    kept = np.ones(len(rows), np.bool_)
    for row in np.flatnonzero(np.triu(same, 1).any(axis=1)):
        if kept[row]:
            taken = same[row] & kept
            taken[: row + 1] = False
            owner[rows[taken]] = rows[row]
            kept &= ~taken
    return kept


def _same(
    vectors: Vector, units: Vector, bits: Hashes, rows: Rows, columns: Rows, min_score: float
) -> NDArray[np.bool_]:
    """Whether images are the same picture by the rule, [rows, columns]."""
    scores = units[rows] @ units[columns].T
    same: NDArray[np.bool_] = scores >= np.float32(min_score + MARGIN)
    unsure = np.flatnonzero(~same & (scores >= np.float32(min_score - MARGIN)))
    for some in np.array_split(unsure, unsure.size // EXACT + 1):
        i, j = np.divmod(some, len(columns))
        same.flat[some] = cosines(vectors[rows[i]], vectors[columns[j]]) >= min_score
    same.flat[bits.same(rows, columns)] = True
    return same
