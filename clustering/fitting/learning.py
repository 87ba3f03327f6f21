"""What can be learned from images in memory: which belong together, and how good the parameters are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.fits import Parameters, SweepRow
from clustering.fitting.curve import k_distances, knee, sweep, thinned
from clustering.fitting.dbscan import Labelled, dbscan
from clustering.fitting.hdbscan import hdbscan
from clustering.fitting.quality import silhouette, spreads, warnings
from shared.features import Vector

type Progress = Callable[[str, float], object]
"""Called with what is being done, for people, and how much of that is done, 0 to 1. It may raise to end the fit."""


class Learned(NamedTuple):
    """What was learned from n images in k groups."""

    groups: Labelled
    spreads: NDArray[np.float64]
    """float64 [k]"""
    silhouette: float | None
    curve: Sequence[float]
    knee: float | None
    sweep: Sequence[SweepRow]
    warnings: Sequence[str]


def learn(vectors: Vector, parameters: Parameters, progress: Progress) -> Learned:
    """Group images, float32 [n, 256] of unit length, n at least 1."""
    groups = _grouped(vectors, parameters, lambda done: progress("grouping the images", done))
    progress("measuring the groups", 0)
    widths = spreads(vectors, groups.labels, len(groups.reach))
    apart = silhouette(vectors, groups.labels)
    distances = k_distances(vectors, parameters.min_samples)
    bend = knee(distances)
    eps = parameters.eps if parameters.algorithm == "dbscan" else None
    hints = warnings(groups.labels, widths, eps=eps, min_samples=parameters.min_samples, knee=bend)
    rows: Sequence[SweepRow] = ()
    if eps is not None:
        rows = sweep(
            vectors,
            min_samples=parameters.min_samples,
            eps=eps,
            progress=lambda done: progress("trying other values of eps", done),
        )
    return Learned(groups, widths, apart, thinned(distances), bend, rows, hints)


def _grouped(vectors: Vector, parameters: Parameters, progress: Callable[[float], object]) -> Labelled:
    if parameters.algorithm == "hdbscan":
        return hdbscan(vectors, min_samples=parameters.min_samples, progress=progress)
    return dbscan(vectors, eps=parameters.eps, min_samples=parameters.min_samples, progress=progress)
