"""Pairs of kept images that are alike but not enough: those that score most, by the tile, in little memory."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from shared.contract import Deadline
from shared.features import Vector
from shared.vectors import unit
from similarity.duplicates.keeping import Rows, unwatched
from similarity.duplicates.looking import LATE, beyond
from similarity.duplicates.rule import DOUBTFUL_SCORE

TILE = 1024
"""Rows and columns: 4 MB of scores."""


def doubtful_pairs(
    vectors: Vector,
    kept: Rows,
    most: int,
    deadline: Deadline | None = None,
    progress: Callable[[float], object] = unwatched,
) -> tuple[list[tuple[int, int]], Counter[str]]:
    """Pairs that are worth a second look, of images that the rule keeps.

    Args:
        vectors: float32 [n, 256], of about unit length.
        kept: int64 [k], ascending: which of them to pair; no two of these are one picture by the rule.
        most: How many pairs may be given.
        deadline: Until when to look for them.
        progress: Gets how much is done, 0 to 1.

    Returns:
        Pairs of places in `vectors`, the lower one first, those first that score most; and how many others there are,
        by why they are not given. Pairs that were not scored in time are all in doubt.
    """
    units = unit(vectors[kept])
    best, pairs = np.empty(0, np.float32), np.empty((2, 0), np.int64)
    floor = np.nextafter(np.float32(DOUBTFUL_SCORE), np.float32(0))
    count, left_out = 0, len(kept) * (len(kept) - 1) // 2
    every = left_out
    for top in range(0, len(kept), TILE):
        for left in range(top, len(kept), TILE):
            if deadline and not deadline.remaining():
                break
            rows, columns = units[top : top + TILE], units[left : left + TILE]
            scores = rows @ columns.T
            if left == top:
                scores = np.triu(scores, 1)
            left_out -= scores.size if left > top else len(rows) * (len(rows) - 1) // 2
            count += int(np.count_nonzero(scores >= DOUBTFUL_SCORE))
            # Above the worst that is held: among alike images all pairs are doubtful, and few of them can be kept.
            near = np.flatnonzero(scores > floor)
            if near.size:
                i, j = np.divmod(near, len(columns))
                best = np.concatenate([best, scores.ravel()[near]])
                pairs = np.concatenate([pairs, [top + i, left + j]], axis=1)
                order = np.argsort(-best, kind="stable")[:most]
                best, pairs = best[order], pairs[:, order]
                floor = best[-1] if len(best) == most else floor
            progress(1 - left_out / every if every else 1)
    given = [(int(i), int(j)) for i, j in kept[pairs].T]
    return given, +Counter({beyond(most): count - len(given), LATE: left_out})
