"""What becomes of an event on its way: it may come twice, late, much later or not at all, as Event Grid's may."""

import random
from dataclasses import dataclass

_MOST_AHEAD = 10


@dataclass(frozen=True)
class Fate:
    """What becomes of one event."""

    dropped: bool
    """It is never sent; then nothing else applies."""
    delayed: bool
    """It is kept until it is released; then it is not held back besides."""
    behind: int
    """How many of the next events go ahead of it."""
    again_behind: int
    """How many of the next events go ahead of its second copy; 0 when there is none."""


def fate(seed: int, number: int, *, duplicate: float, reorder: float, delay: float, drop: float) -> Fate:
    """Returns what becomes of event `number`: always the same for the same seed, whatever became of the others.

    The rest are shares of all events, from 0 to 1.
    """
    chance = random.Random(f"{seed}/{number}")
    # All are drawn at all times: with one share changed, the others keep hitting the events that they hit.
    draws = [chance.random() for _ in range(4)]
    ahead = [chance.randint(1, _MOST_AHEAD) for _ in range(2)]
    dropped, delayed, reordered, doubled = (
        draw < share for draw, share in zip(draws, (drop, delay, reorder, duplicate), strict=True)
    )
    return Fate(
        dropped=dropped,
        delayed=delayed and not dropped,
        behind=ahead[0] if reordered and not (dropped or delayed) else 0,
        again_behind=ahead[1] if doubled and not dropped else 0,
    )
