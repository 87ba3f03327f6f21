"""Which cluster is which after a refit: the new groups take the ids of the clusters they share most images with."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.fits import Changes
from shared.fits import NOISE

REAL_PART = 0.1
"""From this share on, of a former cluster's images that are still in some cluster, a group counts as a part of it.
A few images that change sides are no split."""


class Followed(NamedTuple):
    """The groups of a fit as clusters with ids that stay."""

    ids: list[int]
    """The id of each group."""
    changes: Changes
    next_id: int
    """The first id that was never used."""


def follow(before: Mapping[str, int], paths: Sequence[str], labels: NDArray[np.int64], next_id: int) -> Followed:
    """Give ids to the groups of a new fit.

    Of all pairs of a former cluster and a new group, the pair that shares most images comes first, and the group takes
    the id; then the next of what is left. Equal ones go by the lower id, then by the lower label. A group that is left
    over gets an id that was never used. Takes time in proportion to the number of images.

    Args:
        before: The cluster of each image in the fit before, without noise.
        paths: The images of the new fit.
        labels: int64 [n], the group of each: 0, 1, 2, … or `NOISE`.
        next_id: The first id that was never used.
    """
    shared = Counter(
        (before[path], label)
        for path, label in zip(paths, labels.tolist(), strict=True)
        if label != NOISE and path in before
    )
    kept = _pairs(shared)
    fresh = count(next_id)
    ids = [kept[label] if label in kept else next(fresh) for label in range(int(labels.max(initial=NOISE)) + 1)]
    still_clustered: Counter[int] = Counter()
    for (former, _), images in shared.items():
        still_clustered[former] += images
    parts = [
        (former, ids[label])
        for (former, label), images in shared.items()
        if images >= REAL_PART * still_clustered[former]
    ]
    changes = Changes(
        new=[cluster for cluster in ids if cluster >= next_id],
        gone=sorted(set(before.values()) - set(ids)),
        splits=_several(parts),
        merges=_several((cluster, former) for former, cluster in parts),
    )
    return Followed(ids, changes, next(fresh))


def _pairs(shared: Counter[tuple[int, int]]) -> dict[int, int]:
    """The former cluster that each group follows, of those that follow one."""
    kept: dict[int, int] = {}
    taken: set[int] = set()
    for (former, label), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if label not in kept and former not in taken:
            kept[label] = former
            taken.add(former)
    return kept


def _several(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """What stands beside each first number, where that is more than one."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for one, other in pairs:
        found[one].append(other)
    return {one: sorted(others) for one, others in sorted(found.items()) if len(others) > 1}
