"""Which cluster is which after a refit: the new groups take the ids of the clusters they share most images with."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.fits import Changes
from shared.fits import NOISE

REAL_PART = 0.1
"""From this share on, of a former cluster's images that are still there, a group counts as a part of it; also when they
are half of the group. A few images that change sides are no split, and carry no name to others."""


class Followed(NamedTuple):
    """The groups of a fit as clusters with ids that stay."""

    ids: list[int]
    """The id of each group."""
    changes: Changes
    next_id: int
    """The first id that was never used."""


def follow(
    before: Mapping[str, int],
    paths: Sequence[str],
    labels: NDArray[np.int64],
    next_id: int,
    *,
    remembered: Mapping[str, int] = MappingProxyType({}),
) -> Followed:
    """Give ids to the groups of a new fit.

    Of all pairs of a former cluster and a new group, the pair that shares most images comes first, and the group takes
    the id; then the next of what is left. Equal ones go to a remembered cluster, then by the lower id, then by the
    lower label. A group that is left over gets an id that was never used. Takes time in proportion to the number of
    images.

    Args:
        before: The cluster of each image in the fit before that is still there as it was, without noise.
        paths: The images of the new fit.
        labels: int64 [n], the group of each: 0, 1, 2, … or `NOISE`.
        next_id: The first id that was never used.
        remembered: Of images that were in clusters which the fit before did not have, that cluster.
    """
    shared, again = _shared(before, paths, labels), _shared(remembered, paths, labels)
    kept = _pairs(shared, again)
    fresh = count(next_id)
    ids = [kept[label] if label in kept else next(fresh) for label in range(int(labels.max(initial=NOISE)) + 1)]
    parts = [(former, ids[label]) for former, label in shared]
    changes = Changes(
        new=[cluster for cluster in ids if cluster >= next_id],
        gone=sorted(set(before.values()) - set(ids)),
        splits=_several(parts),
        merges=_several((cluster, former) for former, cluster in parts),
    )
    return Followed(ids, changes, next(fresh))


def _shared(before: Mapping[str, int], paths: Sequence[str], labels: NDArray[np.int64]) -> Counter[tuple[int, int]]:
    """How many images each former cluster shares with each group, where these are a real part of it."""
    there = [(before[path], label) for path, label in zip(paths, labels.tolist(), strict=True) if path in before]
    of_former, of_group = Counter(former for former, _ in there), Counter(labels.tolist())
    pairs = Counter(pair for pair in there if pair[1] != NOISE)
    return Counter(
        {
            (former, label): images
            for (former, label), images in pairs.items()
            if images >= REAL_PART * of_former[former] or images >= of_group[label] / 2
        }
    )


def _pairs(shared: Counter[tuple[int, int]], again: Counter[tuple[int, int]]) -> dict[int, int]:
    """The former cluster that each group follows, of those that follow one."""
    kept: dict[int, int] = {}
    taken: set[int] = set()
    candidates = [(-images, kind, *pair) for kind, some in enumerate((again, shared)) for pair, images in some.items()]
    for _, _, former, label in sorted(candidates):
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
