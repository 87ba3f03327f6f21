"""Which names the groups of a fit have: those of the clusters in force, and of clusters that were lost before."""

import numpy as np
from numpy.typing import NDArray

from clustering.fits import Fit
from clustering.fitting.matching import Followed, follow
from clustering.fitting.members import members_of
from clustering.state import State
from shared.fits import NOISE, FitStore
from shared.sampling import Images


def followed(
    state: State, images: Images, labels: NDArray[np.int64], keeps: Fit | None, fits: FitStore
) -> tuple[Followed, frozenset[int]]:
    """The ids of the groups, what became of the clusters in force, and which those are. Raises StoreBusy.

    Args:
        state: Where the clustering stands.
        images: Those that were learned from.
        labels: int64 [n], the group of each: 0, 1, 2, … or `NOISE`.
        keeps: The fit in force, if its clusters stay and only its noise was grouped.
        fits: Where the members of former fits are.
    """
    paths = images.paths
    etags = dict(zip(paths, images.etags, strict=True))
    # Clusters that people care for and that the fit in force has lost.
    remembered = {
        member.path: cluster
        for cluster, fit in state.remembered.items()
        for member in members_of(fit, fits, cluster)
        if etags.get(member.path) == member.etag
    }
    if keeps:
        new = follow({}, paths, labels, state.next_id, remembered=remembered)
        return new, frozenset(cluster.id for cluster in keeps.clusters)
    before: dict[str, int] = {}
    former: set[int] = set()  # more than in `before`, of which a sample may have nothing
    for member in members_of(state.fit, fits) if state.fit else ():
        if member.cluster != NOISE:
            former.add(member.cluster)
            if etags.get(member.path) == member.etag:
                before[member.path] = member.cluster
    return follow(before, paths, labels, state.next_id, remembered=remembered), frozenset(former)


def missed(state: State, gone: frozenset[int]) -> list[str]:
    """What people should know of clusters with labels that a fit has not found again."""
    named = [f"{cluster} ({', '.join(state.labels[cluster])})" for cluster in sorted(gone & state.labels.keys())]
    if not named:
        return []
    more = f" and {len(named) - 10} more" if len(named) > 10 else ""
    return [
        f"Not found again: {', '.join(named[:10])}{more}. Their labels are kept, and come back with a fit that finds "
        "their images together."
    ]
