"""What is stored of a fit, and what every store of fits can do.

A fit is one run of clustering over a collection. It is written once, under an id of its own, and never changed: readers
see a fit in full or, by the id of another one, not at all. There is one `Protocol` and one conformance suite
(`tests/shared/fit_conformance.py`); each store passes it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector

NOISE = -1
"""The cluster of an image that belongs to none."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Member:
    """What a fit knows of one image.

    Attributes:
        path: Blob path in the images container.
        etag: The blob's ETag when it was fitted: of another version the fit knows nothing.
        cluster: The cluster's id, or `NOISE`.
        core: Whether it is a core sample: what lies near enough to it belongs to its cluster.
        embedding: Of a core sample, float32 [256] of unit length; None of the others, and always when it is read.
    """

    path: str
    etag: str
    cluster: int
    core: bool
    embedding: Vector | None = None


class Core(NamedTuple):
    """A core sample as the nearest one to a vector."""

    path: str
    cluster: int
    distance: float
    """Cosine distance, 0 to 2; exactly 0 for a copy."""


class FitStore(Protocol):
    """Members of fits. Every method may be called from any thread, and may raise StoreBusy."""

    def write(
        self, fit: str, members: Iterable[Member], *, progress: Callable[[int], object] = lambda _count: None
    ) -> None:
        """Add members to a fit; of one path, the last one counts. On return they are durable.

        Args:
            fit: The fit's id: letters, digits and hyphens.
            members: Read as they are written; never more than a few thousand are in memory.
            progress: Called with how many have been written since the last call. It may raise, which ends the writing.

        Raises:
            ValueError: A core sample's embedding is not float32 [256] of unit length (tolerance 1e-3).
        """
        ...

    def member(self, fit: str, path: str) -> Member | None:
        """What a fit knows of one image, or None."""
        ...

    def members(self, fit: str, *, cluster: int | None = None, after: str = "", limit: int) -> list[Member]:
        """Members of a fit, or of one of its clusters: those with path > `after`, the first `limit`.

        They are ordered by path as this store orders text (see `FeatureStore.versions`).
        """
        ...

    def nearest(self, fit: str, vectors: NDArray[np.float32]) -> list[Core | None]:
        """The core sample nearest to each of some vectors; None for all of them when the fit has no core samples.

        Of equally near ones it is the first by path.

        Args:
            fit: The fit's id.
            vectors: float32 [n, 256], unit length. n may be thousands, which take much less time than one at a time.

        Raises:
            ValueError: The vectors are not float32 [n, 256] of unit length (tolerance 1e-3).
        """
        ...

    def drop(self, fit: str) -> None:
        """Forget a fit, in full or not at all there."""
        ...

    def close(self) -> None:
        """Give back what the store holds. It cannot be used afterwards."""
        ...
