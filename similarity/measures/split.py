"""Which labelled images rankers learn from, and which they are measured on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

type Rows = NDArray[np.intp]
"""Indices of images, [n]."""


def split(labels: Sequence[str], *, train: float = 0.5, seed: int = 0) -> tuple[Rows, Rows]:
    """Two parts that share no image, each with its part of every label.

    Args:
        labels: Of each image. One that only one image has is in neither part.
        train: The share of each label that is learned from, above 0 and below 1; both parts get an image at least.
            What does not come out even is carried over to the next label: of two odd labels' halves, one is larger in
            the first part and one in the second.
        seed: Another one draws other images.

    Returns:
        The images to learn from and those to measure on, both ascending.
    """
    random = np.random.default_rng(seed)
    learned, measured = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    due = 0.0
    for rows in rows_of(labels).values():
        if len(rows) > 1:
            drawn = random.permutation(rows)
            due += train * len(rows)
            count = min(max(int(due), 1), len(rows) - 1)
            due -= count
            learned.append(drawn[:count])
            measured.append(drawn[count:])
    return np.sort(np.concatenate(learned)), np.sort(np.concatenate(measured))


def rows_of(labels: Sequence[str]) -> dict[str, Rows]:
    """The images of each label, ascending, by label."""
    found: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    return {label: np.array(found[label], np.intp) for label in sorted(found)}


def numbered(labels: Sequence[str]) -> Rows:
    """A number in the place of each label, equal where they are."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.intp)
