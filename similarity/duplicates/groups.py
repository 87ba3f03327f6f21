"""All duplicates in a collection, as groups: which image to keep, and which others are the same picture as that one."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from shared.contract import Deadline
from shared.features import FeatureStore, Vector
from shared.pictures import Picture
from shared.sampling import scan
from shared.vectors import cosines
from similarity.duplicates.doubtful import doubtful_pairs
from similarity.duplicates.keeping import Rows, keepers, unwatched
from similarity.duplicates.looking import NOTHING, Looked, beyond, look_again
from similarity.duplicates.rule import DOUBTFUL_SCORE, SAME_SCORE, Kind, hash_distance, kind_of

MAX_LOOKS = 2000
"""Pairs that get a second look, of those that score most: up to three minutes, and one more to read their pictures."""

type Progress = Callable[[str, float], object]
"""Is told what is being done, and how much of that is done, 0 to 1."""


class Stored(NamedTuple):
    """What is stored of an image, without its embedding."""

    path: str
    size: int
    pixel_hash: str


class Duplicate(NamedTuple):
    """An image that is the same picture as another one, and how that was found."""

    path: str
    size: int
    score: float
    """Cosine similarity to the other; exactly 1 for a copy."""
    distance: int | None
    """Between their hashes; None where these say nothing."""
    kind: Kind


class Group(NamedTuple):
    """An image to keep and its duplicates, in the order in which one would keep those."""

    keep: Stored
    duplicates: Sequence[Duplicate]


class Groups(NamedTuple):
    """The duplicates of a collection; the largest groups come first."""

    images: int
    groups: Sequence[Group]
    unseen: Counter[str]
    """How many doubtful pairs did not get the second look they were to get, by why."""
    trouble: str
    """Why the storage gave no more pictures, or ""."""

    @property
    def duplicates(self) -> int:
        return sum(len(group.duplicates) for group in self.groups)

    @property
    def bytes(self) -> int:
        """What the duplicates take in the images container."""
        return sum(one.size for group in self.groups for one in group.duplicates)


def find_groups(
    collection: str,
    store: FeatureStore,
    *,
    min_score: float = SAME_SCORE,
    picture: Picture | None = None,
    deadline: Deadline | None = None,
    progress: Progress = unwatched,
) -> Groups:
    """All duplicates among the images of a collection that the present model embedded.

    The image that is kept is the largest file; of equal ones the one that was there first; then by path. Memory is
    about 5 kB an image while it runs.

    Args:
        collection: Its name; an unknown one has no images.
        store: Where the features are.
        min_score: The cosine similarity of one picture.
        picture: Gives pictures for a second look at doubtful pairs; None leaves those apart.
        deadline: Until when there may be second looks.
        progress: Is told how far it is.

    Raises:
        StoreBusy: The store did not answer.
    """
    stored, vectors = _read(collection, store, lambda done: progress("reading", done))
    hashes = [one.pixel_hash for one in stored]
    owner = keepers(vectors, hashes, min_score, (), lambda done: progress("comparing", done))
    looked = NOTHING
    if picture and min_score > DOUBTFUL_SCORE:
        looked = _second_looks(stored, vectors, owner, picture, deadline, progress)
        place = {one.path: number for number, one in enumerate(stored)}
        sure = [(place[one], place[other]) for one, other in looked.confirmed]
        if sure:
            owner = keepers(vectors, hashes, min_score, sure, lambda done: progress("comparing again", done))
    groups = _grouped(stored, vectors, owner, min_score)
    return Groups(len(stored), groups, looked.unseen, looked.trouble)


def _read(collection: str, store: FeatureStore, progress: Callable[[float], object]) -> tuple[Sequence[Stored], Vector]:
    """The images of a collection, those first that are to be kept rather, and their embeddings."""
    about: list[tuple[int, float, str, str]] = []
    blocks: list[Vector] = []
    for block in scan(collection, store, progress):
        about += [(-one.size, one.modified.timestamp(), one.path, one.pixel_hash) for one in block]
        if block:
            blocks.append(np.stack([one.embedding for one in block]))
    if not about:
        return [], np.empty((0, 0), np.float32)
    order = sorted(range(len(about)), key=about.__getitem__)
    vectors = np.concatenate(blocks)[order]
    return [Stored(about[n][2], -about[n][0], about[n][3]) for n in order], vectors


def _second_looks(
    stored: Sequence[Stored],
    vectors: Vector,
    owner: Rows,
    picture: Picture,
    deadline: Deadline | None,
    progress: Progress,
) -> Looked:
    """Of images that the rule keeps: which are one picture nevertheless; and with those, which of their duplicates."""
    keep = np.flatnonzero(owner == np.arange(len(owner)))
    pairs, more = doubtful_pairs(vectors, keep, MAX_LOOKS, deadline, lambda done: progress("looking for more", done))

    def look(pairs: Sequence[tuple[int, int]]) -> Looked:
        paths = [(stored[i].path, stored[j].path) for i, j in pairs]
        return look_again(paths, picture, deadline=deadline, progress=lambda done: progress("looking", done))

    first = look(pairs)
    # What one of these has as its duplicates may be those of the other as well, but that is not said yet.
    place = {one.path: number for number, one in enumerate(stored)}
    taken = takers((place[one], place[other]) for one, other in first.confirmed)
    others = [(taken[keep], n) for n, keep in enumerate(owner.tolist()) if n != keep and keep in taken]
    second = look(others[:MAX_LOOKS])
    more += Counter({beyond(MAX_LOOKS): max(0, len(others) - MAX_LOOKS)})
    return Looked(
        first.confirmed | second.confirmed, more + first.unseen + second.unseen, first.trouble or second.trouble
    )


def takers(confirmed: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Of each second place in pairs of them: the lowest first one, in whatever order the pairs come."""
    return {other: one for one, other in sorted(confirmed, reverse=True)}


def _grouped(stored: Sequence[Stored], vectors: Vector, owner: Rows, min_score: float) -> list[Group]:
    found: dict[int, list[Duplicate]] = {}
    for number in np.flatnonzero(owner != np.arange(len(owner))).tolist():
        keep = int(owner[number])
        score = float(cosines(vectors[number], vectors[keep]))
        distance = hash_distance(stored[number].pixel_hash, stored[keep].pixel_hash)
        kind = kind_of(score, distance, min_score=min_score)
        found.setdefault(keep, []).append(Duplicate(*stored[number][:2], score, distance, kind))
    groups = [Group(stored[keep], duplicates) for keep, duplicates in found.items()]
    return sorted(groups, key=lambda group: (-len(group.duplicates), group.keep.path))
