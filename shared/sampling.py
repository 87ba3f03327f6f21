"""Which images a fit learns from: all, or when they are too many a uniform sample that stays the same."""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from shared import backbone
from shared.features import DIMENSIONS, Feature, FeatureStore, Vector

BLOCK = 1000
"""Features in memory beside the sample."""


class Images(NamedTuple):
    """Images to learn from."""

    paths: Sequence[str]
    etags: Sequence[str]
    vectors: Vector
    """float32 [n, 256], in the order of the paths."""
    of: int
    """How many they were taken from: more than n when they are a sample."""


class Sampler:
    """Keeps the `limit` images whose paths have the lowest hashes, of any number that it is shown.

    So each image is as likely as any other, nothing is counted beforehand, and from fit to fit the sample changes only
    as far as the collection does; or with another `salt` altogether.
    """

    def __init__(self, limit: int, salt: str = "") -> None:
        self._limit, self._salt = limit, salt
        self._of = 0
        self._paths: list[str] = []
        self._etags: list[str] = []
        self._worst: list[tuple[int, int]] = []  # a heap of (-hash, row)
        # The system gives memory to rows only as they are written, so a small collection takes little.
        self._vectors = np.empty((limit, DIMENSIONS), np.float32)

    def show(self, feature: Feature) -> None:
        """Keep an image, or not."""
        self._of += 1
        rank = -_hash(self._salt + feature.path)
        row = len(self._paths)
        if row < self._limit:
            self._paths.append(feature.path)
            self._etags.append(feature.etag)
            heapq.heappush(self._worst, (rank, row))
        elif rank > self._worst[0][0]:
            _, row = heapq.heapreplace(self._worst, (rank, self._worst[0][1]))
            self._paths[row], self._etags[row] = feature.path, feature.etag
        else:
            return
        self._vectors[row] = feature.embedding

    def images(self) -> Images:
        """Those that are kept."""
        return Images(self._paths, self._etags, self._vectors[: len(self._paths)], self._of)


def scan(collection: str, features: FeatureStore, progress: Callable[[float], object]) -> Iterator[list[Feature]]:
    """The features of a collection that the present model made, block by block.

    `progress` gets how much is done, 0 to 1, as far as that is known of a collection that may change meanwhile.
    """
    total, seen = features.counts(collection).get(collection, {}).get(backbone.MODEL, 0), 0
    for block in features.scan(collection, block=BLOCK):
        some = [feature for feature in block if feature.model == backbone.MODEL]
        yield some
        seen += len(some)
        progress(min(1.0, seen / max(total, 1)))


def load(collection: str, limit: int, features: FeatureStore, progress: Callable[[float], object]) -> Images:
    """The images of a collection to learn from, at most `limit`. Raises StoreBusy."""
    sampler = Sampler(limit)
    for block in scan(collection, features, progress):
        for feature in block:
            sampler.show(feature)
    return sampler.images()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
