"""Comparative sets: a query, one image of its label, and images of others, among which that one is to be found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from similarity.measures.split import Rows, numbered, rows_of

QUERIES = 60
"""Sets of one label."""

NEGATIVES = 50
"""Images of other labels in a set. A ranker that knows nothing then puts the positive at rank 26 in the mean."""


class ComparativeSet(NamedTuple):
    """Indices of images."""

    query: int
    positive: int
    """An image of the query's label, not the query."""
    negatives: Rows
    """Different images of other labels, at least 1."""


def comparative_sets(
    labels: Sequence[str], *, queries: int = QUERIES, negatives: int = NEGATIVES, seed: int = 0
) -> Sequence[ComparativeSet]:
    """Sets drawn at random, by label.

    Args:
        labels: Of each image. One that only one image has gives negatives and no queries.
        queries: The most sets of a label; each of its images is a query once at most.
        negatives: The most of a set; fewer where there are fewer images of other labels.
        seed: Another one draws other sets.

    Returns:
        None where all images have the same label, or each its own.
    """
    random = np.random.default_rng(seed)
    known = numbered(labels)
    sets = []
    for rows in rows_of(labels).values():
        others = np.flatnonzero(known != known[rows[0]])
        if len(rows) < 2 or not others.size:
            continue
        for query in random.permutation(rows)[:queries]:
            positive = random.choice(rows[rows != query])
            drawn = random.choice(others, min(negatives, len(others)), replace=False)
            sets.append(ComparativeSet(int(query), int(positive), drawn))
    return sets
