"""The clusters of a fit as people see them, which may have merged some, and images to show of each."""

from collections.abc import Sequence
from typing import NamedTuple

from clustering.fits import Cluster, Fit
from clustering.state import State
from shared.fits import FitStore, Member

LOOKED_AT = 400
"""Members of a cluster among which its samples are chosen; what comes after by path is not looked at."""

MOST_PARTS = 20
"""Clusters of a merged one that are looked at for samples."""


class Group(NamedTuple):
    """One cluster as people see it."""

    id: int
    words: tuple[str, ...]
    parts: tuple[Cluster, ...]
    """The clusters of the fit that it is made of, largest first: one, unless people merged others into it."""

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def cores(self) -> int:
        return sum(part.cores for part in self.parts)

    @property
    def spread(self) -> float:
        """The mean distance of two images of its widest part: of images in different parts, a fit does not know it."""
        return max(part.spread for part in self.parts)


def groups(state: State, fit: Fit) -> list[Group]:
    """The clusters that people see, largest first, of equal ones the lowest id."""
    parts: dict[int, list[Cluster]] = {}
    for cluster in sorted(fit.clusters, key=lambda cluster: -cluster.size):
        parts.setdefault(state.shown(cluster.id), []).append(cluster)
    found = [Group(shown, state.words(shown), tuple(some)) for shown, some in parts.items()]
    return sorted(found, key=lambda group: (-group.size, group.id))


def samples(fits: FitStore, fit: str, clusters: Sequence[int], count: int) -> list[Member]:
    """Images that stand for some clusters of a fit: core samples first, then some that are none, where there are any.

    They are taken evenly from the first members by path. Empty when the fit is not there any more. Raises StoreBusy.
    """
    looked_at = clusters[:MOST_PARTS]
    each = max(count, LOOKED_AT // max(1, len(looked_at)))
    members = [member for cluster in looked_at for member in fits.members(fit, cluster=cluster, limit=each)]
    cores = [member for member in members if member.core]
    others = [member for member in members if not member.core]
    of_cores = min(len(cores), max(count - len(others), count * 5 // 8))
    return _evenly(cores, of_cores) + _evenly(others, count - of_cores)


def _evenly(members: list[Member], count: int) -> list[Member]:
    count = min(count, len(members))
    return [members[n * len(members) // count] for n in range(count)]
