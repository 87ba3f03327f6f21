"""What rankers learn from: images with labels, those that teach nothing left out, in an order of their own."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector


class TrainingError(ValueError):
    """Nothing can be learned from these labels; the message says what to do."""


class Examples(NamedTuple):
    """Images to learn from: at least two labels, each of at least two images."""

    vectors: NDArray[np.float64]
    """[n, d]"""
    labels: NDArray[np.intp]
    """[n], ascending from 0."""


def examples(vectors: Vector, labels: Sequence[str]) -> Examples:
    """The images of labels that more than one image has.

    They are sorted by what they are, so that nothing that is learned depends on the order in which they came.

    Args:
        vectors: float32 [n, d].
        labels: Of each image.

    Raises:
        TrainingError: Fewer than two labels are left.
    """
    usable = sorted(usable_labels(labels))
    if len(usable) < 2:
        count = "no label has" if not usable else f"only one label, {usable[0]!r:.50}, has"
        raise TrainingError(
            f"A ranker learns from two labels or more, each of two images or more, but {count} that many images."
        )
    number = {label: n for n, label in enumerate(usable)}
    keys = [(number[label], vectors[row].tobytes(), row) for row, label in enumerate(labels) if label in number]
    keys.sort()
    return Examples(vectors[[row for _, _, row in keys]].astype(np.float64), np.array([label for label, _, _ in keys]))


def usable_labels(labels: Sequence[str]) -> set[str]:
    """Labels that more than one image has."""
    return {label for label, count in Counter(labels).items() if count > 1}
