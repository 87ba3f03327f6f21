"""What is stored of an image, and what every feature store can do.

There is one `Protocol` and one conformance suite (`tests/shared/store_conformance.py`); each store passes it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float32]

DIMENSIONS = 256
"""Length of an embedding. Cosmos DB's exact `flat` index goes up to 505."""

DEFAULT_COLLECTION = "default"
"""Where a blob without a folder belongs."""


def collection_of(path: str) -> str:
    """The collection of a blob path: its first folder, or `default` when it has none."""
    folder, slash, _ = path.partition("/")
    return folder if slash and folder else DEFAULT_COLLECTION


def usable_collection(name: str) -> bool:
    """Whether a collection can be called so: at most 1,024 characters, as a blob's path, and no half of one."""
    return len(name) <= 1024 and not any("\ud800" <= character <= "\udfff" for character in name)


class StoreBusy(Exception):  # noqa: N818 - a state that passes, not a mistake
    """The store is throttled or out of reach. Nothing was lost; try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def check_vector(vector: Vector) -> None:
    """Raise a ValueError unless a vector is float32 [256] of unit length, within 1e-3; every store asks this."""
    if vector.dtype != np.float32 or vector.shape != (DIMENSIONS,):
        raise ValueError(f"a vector must be float32 [{DIMENSIONS}], not {vector.dtype} {list(vector.shape)}")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not abs(length - 1.0) <= 1e-3:  # "not <=": NaN is refused too
        raise ValueError(f"a vector must be of unit length, not {length:.6g}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Feature:
    """What is stored of one image.

    Attributes:
        path: Blob path in the images container, `<collection>/<anything>`, not empty. The identity of the image.
        etag: The blob's ETag when it was read, without quotes.
        modified: The blob's last-modified time, in UTC (blob storage keeps whole seconds).
        model: Name and version of what made the embedding. Vectors of different models are never compared.
        embedding: float32, shape [256], unit length.
        pixel_hash: Perceptual hash of the decoded pixels, 64 bits as 16 lower-case hex digits.
        size: Length of the blob in bytes.
        tags: The blob's metadata and index tags.
    """

    path: str
    etag: str
    modified: datetime
    model: str
    embedding: Vector
    pixel_hash: str
    size: int
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def collection(self) -> str:
        return collection_of(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is stored of a blob that could not be embedded, in the place of its feature.

    Attributes:
        path: Blob path in the images container.
        etag: The blob's ETag when that was found out, without quotes.
        modified: The blob's last-modified time, in UTC.
        model: Name and version of what could not embed it.
        reason: Why, for people.
        time: When that was found out, in UTC.
        retry: Whether another try may help: trouble that passes, rather than bytes that are no image.
    """

    path: str
    etag: str
    modified: datetime
    model: str
    reason: str
    time: datetime
    retry: bool = False

    @property
    def collection(self) -> str:
        return collection_of(self.path)


class Version(NamedTuple):
    """Of what state of a blob there is a feature or a failure: enough to tell whether it is up to date."""

    path: str
    etag: str
    model: str
    tags: Mapping[str, str]
    """Empty for a failure."""
    failed: bool
    retry: bool
    """Whether it is a failure that another try may cure."""


class Match(NamedTuple):
    """A feature with its score: cosine similarity to the query, clamped to [-1, 1]; 1 is the same picture."""

    feature: Feature
    score: float


class FeatureStore(Protocol):
    """Features by collection; in their place, failures. Of each path there is one of the two, or nothing.

    Every method may be called from any thread, and may raise StoreBusy.
    """

    def upsert(self, feature: Feature) -> bool:
        """Store a feature, unless what is stored is newer or the same.

        Nothing changes when what is stored of that path has a later `modified`, or is a feature with the same
        `modified`, `etag`, `model` and tags. So duplicate and late events are harmless, a new model replaces the old
        one's features, and a feature replaces the failure of the same blob.

        Returns:
            Whether the feature was written. On return it is durable.

        Raises:
            ValueError: The embedding is not float32 [256] of unit length (tolerance 1e-3), the path is empty,
                `modified` has no time zone, or the tags are longer than the store takes (2 MB in Cosmos DB).
        """
        ...

    def fail(self, failure: Failure) -> bool:
        """Store a failure in the place of a feature or another failure.

        Nothing changes when what is stored of that path has a later `modified`, or is a feature with the same
        `modified`, `etag` and `model`: that blob was embedded after all.

        Returns:
            Whether the failure was written. On return it is durable, and the feature that was there is found no more.

        Raises:
            ValueError: The path is empty, or a time has no time zone.
        """
        ...

    def get(self, path: str) -> Feature | None:
        """The feature of one image, or None."""
        ...

    def entry(self, path: str) -> Feature | Failure | None:
        """What is stored of one blob: its feature, its failure, or None."""
        ...

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        """Drop the feature or the failure of one blob, unless it was modified after `until`.

        Returns:
            Whether there was one that was dropped. On return that is durable.

        Raises:
            ValueError: `until` has no time zone.
        """
        ...

    def nearest(
        self,
        collection: str,
        vector: Vector,
        *,
        model: str,
        top: int,
        min_score: float = -1.0,
        tags: Mapping[str, str] | None = None,
        exclude: Collection[str] = (),
    ) -> list[Match]:
        """The images of one collection that look most like a vector, best first.

        Equal scores are ordered by path. Only features of `model` are met.

        Args:
            collection: Where to look. An unknown one holds nothing.
            vector: float32, shape [256], unit length.
            model: The model that made `vector`.
            top: The most matches to return, at least 1.
            min_score: Matches score at least this.
            tags: Only images that carry all of these tags with these values.
            exclude: Paths that are left out.

        Raises:
            ValueError: The vector is not float32 [256] of unit length (tolerance 1e-3), or `top` is below 1.
        """
        ...

    def scan(self, collection: str, *, block: int = 1000, after: str = "") -> Iterator[list[Feature]]:
        """All features of a collection of any model, each once, `block` at a time.

        The order is the store's own and stays the same, so that a scan that was broken off goes on with `after` = the
        last path seen. Each block is read when it is asked for.
        """
        ...

    def versions(self, collection: str, *, after: str = "", upto: str | None = None, limit: int) -> list[Version]:
        """Features and failures of a collection as versions: those with `after` < path <= `upto`, the first `limit`.

        They are ordered by path as this store orders text, which for letters beyond ASCII may differ from store to
        store. `upto` None has no end. A full answer goes on with `after` = its last path.
        """
        ...

    def failures(self, collection: str, *, after: str = "", limit: int = 100) -> list[Failure]:
        """The failures of a collection, in the order of `versions`: those with path > `after`, the first `limit`."""
        ...

    def counts(self, collection: str | None = None) -> dict[str, dict[str, int]]:
        """How many features there are, in all or one of the collections: `{collection: {model: count}}`, no empty ones.

        In Cosmos DB each collection takes a query for each model, so ask for all only where all are shown.
        """
        ...

    def collections(self) -> list[str]:
        """Names of all collections that hold a feature or a failure, sorted. Some may hold nothing any more."""
        ...

    def remember(self, name: str, text: str | None) -> None:
        """Keep a short text under a name, for as long as the store exists; None forgets it. On return it is durable."""
        ...

    def recall(self, name: str) -> str | None:
        """The text that was last kept under a name, or None."""
        ...

    def swap(self, name: str, before: str | None, after: str) -> bool:
        """Keep a text under a name if what is kept there is still `before` (None: nothing).

        Returns:
            Whether it was. Of several who swap the same text at the same time, one succeeds. On return it is durable.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds. It cannot be used afterwards."""
        ...
