"""Exact nearest neighbours among vectors in memory.

The vectors lie in a tuple of blocks. `extended` and `without` return a new tuple and never change a row that an
older tuple shows, so whoever holds a tuple can go on searching it while another thread brings it up to date.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import DIMENSIONS, Vector
from shared.vectors import MARGIN, cosines, unit

type Ids = NDArray[np.int64]
type Scores = NDArray[np.float64]

BLOCK = 16_384
"""Most rows of a block (16 MB): big enough to keep a core busy, small enough to copy when a row of it goes."""


class Block(NamedTuple):
    """Some rows. Those from `filled` on are room to grow, and no one's business but `extended`'s.

    Attributes:
        ids: int64 [capacity], ascending, also from block to block.
        vectors: float32 [capacity, 256], unit length.
        filled: How many rows there are.
    """

    ids: Ids
    vectors: Vector
    filled: int


type Blocks = tuple[Block, ...]


def extended(blocks: Blocks, ids: Ids, vectors: Vector) -> Blocks:
    """The blocks with more rows.

    The new rows may go to spare room that `blocks` shares, so only the newest tuple may be extended.

    Args:
        blocks: What there is.
        ids: int64 [n], ascending and above those there are.
        vectors: float32 [n, 256], of about unit length.
    """
    result = list(blocks)
    vectors = unit(vectors)
    while ids.size:
        tail = result.pop() if result and result[-1].filled < BLOCK else _block(0)
        end = min(BLOCK, tail.filled + ids.size)
        if end > len(tail.ids):
            # The first block doubles, for there may be many small collections; the others are made in full.
            grown = _block(BLOCK if result else min(BLOCK, 2 * end))
            grown.ids[: tail.filled] = tail.ids[: tail.filled]
            grown.vectors[: tail.filled] = tail.vectors[: tail.filled]
            tail = grown._replace(filled=tail.filled)
        taken = end - tail.filled
        tail.ids[tail.filled : end] = ids[:taken]
        tail.vectors[tail.filled : end] = vectors[:taken]
        result.append(tail._replace(filled=end))
        ids, vectors = ids[taken:], vectors[taken:]
    return tuple(result)


def without(blocks: Blocks, ids: Ids) -> Blocks:
    """The blocks without the rows of these ids, which must ascend; those that are not there do not matter.

    A block that loses a row is copied, so that older tuples still show it.
    """
    return tuple(left for block in blocks if (left := _block_without(block, ids)).filled)


def best(
    blocks: Blocks,
    query: Vector,
    *,
    top: int,
    min_score: float,
    allowed: Ids | None,
    barred: Ids,
    executor: Executor,
) -> tuple[Ids, Scores]:
    """The rows most like a vector, in no order.

    Every row is scored in float32; those that could belong to the best are scored again in float64 without BLAS.
    So equal rows have equal scores wherever they lie, a copy of the query scores exactly 1, and nothing depends on
    the number of threads.

    Args:
        blocks: Where to look.
        query: float32 [256], of about unit length.
        top: How many are wanted, at least 1.
        min_score: The least score, within [-1, 1].
        allowed: Only rows of these ids, which must ascend; None allows all.
        barred: No rows of these ids, which must ascend.
        executor: Threads to share the work between.

    Returns:
        ids, int64 [n], and scores, float64 [n] in [-1, 1]. More than `top` when there are ties for the last place.
    """
    query = unit(query)

    def rough(block: Block) -> Vector:
        # vecdot, not `@`: OpenBLAS's threads for matrix times vector are slower here, and fight with other queries'.
        ids = block.ids[: block.filled]
        scores: Vector = np.vecdot(block.vectors[: block.filled], query)
        if allowed is not None:
            scores[~_among(ids, allowed)] = -np.inf
        if barred.size:
            scores[_among(ids, barred)] = -np.inf
        return scores

    per_block = list(executor.map(rough, blocks) if len(blocks) > 1 else map(rough, blocks))
    floor = max(_kth_best(per_block, top), min_score) - MARGIN
    ids, scores = [np.empty(0, np.int64)], [np.empty(0)]
    for block, rough_scores in zip(blocks, per_block, strict=True):
        for rows in _slices(np.flatnonzero(rough_scores >= floor)):
            ids.append(block.ids[rows])
            scores.append(cosines(block.vectors[rows], query))
    found, exact = np.concatenate(ids), np.concatenate(scores)
    kept = exact >= max(_kth_best([exact], top), min_score)
    return found[kept], exact[kept]


def _block(capacity: int) -> Block:
    return Block(np.empty(capacity, np.int64), np.empty((capacity, DIMENSIONS), np.float32), 0)


def _block_without(block: Block, ids: Ids) -> Block:
    kept = ~_among(block.ids[: block.filled], ids)
    if kept.all():
        return block
    return Block(block.ids[: block.filled][kept], block.vectors[: block.filled][kept], int(np.count_nonzero(kept)))


def _among(ids: Ids, chosen: Ids) -> NDArray[np.bool]:
    """Which of these ids are chosen; both ascend. `np.isin` would sort `ids`, which takes longer than scoring them."""
    start, end = np.searchsorted(chosen, (ids[0], ids[-1] + 1))
    near = chosen[start:end]
    places = np.searchsorted(ids, near)
    result = np.zeros(ids.size, np.bool)
    result[places[ids[places] == near]] = True
    return result


def _kth_best(scores: Sequence[NDArray[np.floating]], k: int) -> float:
    """The k-th highest score, or -inf when there are fewer."""
    # The best k of each first: no sorting of a million, and no copy of them when only some are wanted.
    best_of_each = [part if part.size <= k else np.partition(part, -k)[-k:] for part in scores]
    together = np.concatenate([np.empty(0, np.float32), *best_of_each])
    return float(np.partition(together, -k)[-k]) if together.size >= k else -np.inf


def _slices(rows: NDArray[np.intp], size: int = 1024) -> Iterator[NDArray[np.intp]]:
    """Row numbers a few at a time, so that scoring very many again takes little memory."""
    for start, end in pairwise([*range(0, rows.size, size), rows.size]):
        yield rows[start:end]
