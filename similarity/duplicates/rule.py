"""When two images are the same picture, rather than only alike: by their embeddings, or else by their hashes.

The hash is `shared.images.perceptual_hash`: an 8×8 block of DCT coefficients, each a bit: above the median or not. A
mirror image has the same coefficients, those of odd horizontal frequency with the other sign. So its hash is that of
the picture with those bits flipped, but for the few (3 on average) that the moved median turns besides.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

type Kind = Literal["copy", "version", "confirmed"]
"""Of a duplicate: it looks the same at the size that the model sees (score 1 and equal hashes that tell, whatever the
files are), it is the same by this rule, or by the second look alone."""

SAME_SCORE = 0.87
"""Images that score this much are the same picture. Measured on 200 photos and nine changes of each, where this and
`SAME_HASH` together found most at a precision of 0.98; `figures.py` measures it again."""

SAME_HASH = 8
"""So are those whose hashes differ in at most so many of 64 bits; hashes of strangers differ in 12 and more."""

DOUBTFUL_SCORE = 0.7
"""From here on a pair that is not decided is worth a second look: below, a hundred strangers come on one crop."""

TELLING_BITS = 28
"""A photo's hash has 32 ones, for half of its coefficients are above their median. One with fewer has ties there: the
picture is plain or symmetric, and so are many that look otherwise."""

CAUTION = (
    "The rule is made for photographs: scans, pages of text and plain pictures resemble each other, "
    "so look before you delete."
)

ODD = 0x5555_5555_5555_5555
"""The bits of odd horizontal frequencies: every other one, for a row of the block is a byte."""


def hash_distance(one: str, other: str) -> int | None:
    """How many bits differ between the hashes of two pictures, or between one's and that of the other's mirror image.

    16 hex digits each in; the smaller number out, 0 to 64. None when one of the hashes says nothing.
    """
    first, second = int(one, 16), int(other, 16)
    if min(first.bit_count(), second.bit_count()) < TELLING_BITS:
        return None
    differing = first ^ second
    return min(differing.bit_count(), (differing ^ ODD).bit_count())


def same_picture(score: float, distance: int | None, *, min_score: float = SAME_SCORE) -> bool:
    """Whether images of this cosine similarity and this hash distance are the same picture."""
    return score >= min_score or (distance is not None and distance <= SAME_HASH)


def kind_of(score: float, distance: int | None, *, min_score: float = SAME_SCORE) -> Kind:
    """What kind of duplicate it is, of a pair that was found to be one."""
    if score == 1 and distance == 0:  # exact: `shared.vectors.cosines` of equal vectors is 1
        return "copy"
    return "version" if same_picture(score, distance, min_score=min_score) else "confirmed"


class Hashes:
    """Hashes to be compared by the tile. `even` and `odd`: their bits by horizontal frequency, uint32 [n] each."""

    def __init__(self, hashes: Sequence[str]) -> None:
        bits = np.array([int(one, 16) for one in hashes], np.uint64)
        self.even = _packed(bits >> np.uint64(1))
        self.odd = _packed(bits)
        self.telling = np.bitwise_count(bits) >= TELLING_BITS

    def same(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.intp]:
        """The places in the flattened tile of `rows` × `columns` whose hashes are near enough to be the same."""
        # Half of the bits rule out nearly all pairs, and they take half of the memory.
        near = np.bitwise_count(self.even[rows][:, np.newaxis] ^ self.even[columns])
        found = np.flatnonzero(near <= SAME_HASH)
        i, j = rows[found // len(columns)], columns[found % len(columns)]
        odd = np.bitwise_count(self.odd[i] ^ self.odd[j])
        same = near.ravel()[found] + np.minimum(odd, 32 - odd) <= SAME_HASH
        chosen: NDArray[np.intp] = found[same & self.telling[i] & self.telling[j]]
        return chosen


def _packed(bits: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Every other bit, of 64 those of `ODD`, in 32."""
    some = bits & np.uint64(ODD)
    return ((some >> np.uint64(31)) | (some & np.uint64(0xFFFF_FFFF))).astype(np.uint32)
