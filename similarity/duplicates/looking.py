"""The second look at pairs of images whose pictures are to be read first: a few at a time, as long as there is time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import batched
from typing import NamedTuple

from PIL import Image

from shared.contract import Deadline
from shared.pictures import Picture, read_pictures
from similarity.duplicates.keeping import unwatched
from similarity.duplicates.registration import prepare
from similarity.duplicates.second_look import CONFIRMED, agreement

PAIRS_AT_ONCE = 32
"""Their prepared pictures are in memory together: 0.4 MB each."""

GONE = "a picture is gone or broken."
LATE = "the time was over."

type Pair = tuple[str, str]


class Looked(NamedTuple):
    """What came of second looks."""

    confirmed: frozenset[Pair]
    """Pairs that are one picture."""
    unseen: Counter[str]
    """How many pairs could not be looked at, by why: `GONE`, `LATE`, what `beyond` says, or the trouble."""
    trouble: str
    """Why the storage gave no more pictures, or ""."""


NOTHING = Looked(frozenset(), Counter(), "")


def beyond(limit: int) -> str:
    """Why pairs are unseen that come after so many others."""
    return f"no more than {limit:,} are."


def look_again(
    pairs: Sequence[Pair],
    picture: Picture,
    *,
    known: Mapping[str, Image.Image] | None = None,
    deadline: Deadline | None = None,
    progress: Callable[[float], object] = unwatched,
) -> Looked:
    """Compare the pixels of pairs of images.

    Args:
        pairs: Paths of two images each, the most promising first.
        picture: Gives the pictures; see `shared.pictures`.
        known: Pictures that need not be read, by the paths that stand for them in `pairs`.
        deadline: Pairs that are not reached by then are unseen.
        progress: Gets how much is done, 0 to 1.
    """
    confirmed, gone, reached = set(), 0, 0
    trouble = ""
    for number, some in enumerate(batched(pairs, PAIRS_AT_ONCE, strict=False)):
        if deadline and not deadline.remaining():
            break
        found = read_pictures({path for pair in some for path in pair} - (known or {}).keys(), picture, deadline)
        looks = {path: prepare(image) for path, image in {**found.found, **(known or {})}.items() if image}
        for one, other in some:
            if one in looks and other in looks:
                reached += 1
                if agreement(looks[one], looks[other]) >= CONFIRMED:
                    confirmed.add((one, other))
            elif any(path in found.found and path not in looks for path in (one, other)):
                reached, gone = reached + 1, gone + 1
        if found.trouble:
            trouble = found.trouble
            break
        progress(min(1.0, (number + 1) * PAIRS_AT_ONCE / len(pairs)))
    unseen = +Counter({GONE: gone, trouble or LATE: len(pairs) - reached})
    return Looked(frozenset(confirmed), unseen, trouble)
