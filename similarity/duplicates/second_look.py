"""Whether two images are versions of one picture, by their pixels: for the few that embedding and hash leave open.

One is laid over the other (`registration.py`). Then they must agree nearly everywhere where there is anything to see.
"""

import numpy as np

from similarity.duplicates.registration import (
    Affine,
    Look,
    Pixels,
    centred,
    fitted,
    places_on,
    placings,
    sampled,
    window_mean,
)

CONFIRMED = 0.8
"""The agreement of one picture. Of the 204 photos of `shared/backbone/recipe` and their crops and turned versions,
different photos agree by 0.56 at most, and 98 in 100 crops by 0.82 at least. It is at the upper end of what tells them
apart there, because a wrong duplicate is worse than a missed one."""

MIN_OVERLAP = 0.3
"""The share of each picture that the other must cover: a crop to 60 % of both sides leaves 0.36."""

RADIUS = 4
"""Of a window, in pixels of 64 on the longest side."""

TEXTURE = 25.0
"""The variance of grey levels in a window from which there is something to see."""

NOISE = 4.0
ENOUGH = 20
"""Windows with something to see, below which nothing can be said."""


def agreement(one: Look, other: Look) -> float:
    """How well two pictures agree where one lies on the other best, -1 to 1.

    It is the correlation that three quarters of the windows with anything in them reach. The order makes no difference:
    which of the two can be laid on the other is not known beforehand.
    """
    best = _one_way(one, other)
    return best if best >= CONFIRMED else max(best, _one_way(other, one))


def _one_way(one: Look, other: Look) -> float:
    best = -1.0
    for placing in placings(one, other):
        grey, details = (other.grey[:, ::-1], other.details[:, ::-1]) if placing.mirror else (other.grey, other.details)
        best = max(best, _agreement(one.grey, grey, fitted(one.details, details, placing.affine)))
        if best >= CONFIRMED:
            break
    return best


def _agreement(one: Pixels, other: Pixels, affine: Affine) -> float:
    values, inside = sampled(one, *places_on(one, affine, *centred(other)))
    covered = inside.mean()
    # By how much the second is larger on the first: the share of the first that it covers.
    covers = covered * other.size * abs(np.linalg.det(affine[:, :2])) / one.size
    if min(covered, covers) < MIN_OVERLAP:
        return -1.0
    here = np.where(inside, values, 0).reshape(other.shape).astype(np.float64)
    there = np.where(inside.reshape(other.shape), other, 0).astype(np.float64)
    share = window_mean(inside.reshape(other.shape).astype(np.float64), RADIUS) + 1e-9
    mean_here, mean_there = window_mean(here, RADIUS) / share, window_mean(there, RADIUS) / share
    var_here = np.maximum(window_mean(here**2, RADIUS) / share - mean_here**2, 0)
    var_there = np.maximum(window_mean(there**2, RADIUS) / share - mean_there**2, 0)
    together = window_mean(here * there, RADIUS) / share - mean_here * mean_there
    seen = inside.reshape(other.shape) & (share > 0.5) & (np.maximum(var_here, var_there) > TEXTURE)
    if seen.sum() < ENOUGH:
        return -1.0
    correlation = together / np.sqrt((var_here + NOISE) * (var_there + NOISE))
    return float(np.quantile(correlation[seen], 0.25))
