"""Rankers that tests make up: what they find alike is known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector


def line(*places: float) -> Vector:
    """Images that differ in one number only: float32 [n, 1]."""
    return np.array(places, np.float32)[:, np.newaxis]


class Nearest:
    """Finds alike what is near on the line."""

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        return -np.abs(candidates - query).sum(axis=1).astype(np.float64)


class Constant(NamedTuple):
    """Finds all images alike."""

    value: float = 0.5

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        return np.full(len(candidates), self.value)


class Chance:
    """Knows nothing, and says something else each time."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        return self._random.random(len(candidates))
