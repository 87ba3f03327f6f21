"""Is an image in a collection already? Its nearest neighbours, the rule, and a second look at what that leaves open."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from shared import backbone
from shared.contract import Deadline
from shared.embedding import Embedded
from shared.features import Feature, FeatureStore, Vector
from shared.images import perceptual_hash
from shared.pictures import Picture
from shared.vectors import cosines
from similarity.duplicates.groups import Duplicate
from similarity.duplicates.looking import NOTHING, beyond, look_again
from similarity.duplicates.rule import DOUBTFUL_SCORE, SAME_SCORE, hash_distance, kind_of, same_picture

NEAREST = 50
"""Images that are compared with the new one, those most like it. What only the hash tells, as of a much blurred
picture, may score less than fifty others do: then only the groups of the collection show it."""

MAX_LOOKS = 20
"""Second looks at one image: a second at most, and the time to read the pictures."""

NEW = ""
"""Stands for a picture that is not stored, where others have their paths: no stored one has this."""


class Asked(NamedTuple):
    """An image that may be in a collection already."""

    vector: Vector
    pixel_hash: str
    path: str | None
    """Where it is stored, when that is known: it is no duplicate of itself."""
    image: Image.Image | None
    """None for a stored one, whose picture can be read."""


class Checked(NamedTuple):
    """The duplicates of an image, best first."""

    duplicates: Sequence[tuple[Feature, Duplicate]]
    unseen: Counter[str]
    """How many doubtful images did not get the second look they were to get, by why."""
    trouble: str
    """Why the storage gave no more pictures, or ""."""


def asked_new(embedded: Embedded, path: str | None = None) -> Asked:
    """An image as it was sent."""
    return Asked(embedded.vector, perceptual_hash(embedded.image), path, embedded.image)


def asked_stored(feature: Feature) -> Asked:
    """A stored image."""
    return Asked(feature.embedding, feature.pixel_hash, feature.path, None)


def check(
    asked: Asked,
    collection: str,
    store: FeatureStore,
    *,
    min_score: float = SAME_SCORE,
    picture: Picture | None = None,
    deadline: Deadline | None = None,
) -> Checked:
    """The images of a collection that are the same picture as one.

    Args:
        asked: The image.
        collection: Where to look; an unknown one has no images.
        store: Where the features are.
        min_score: The cosine similarity of one picture.
        picture: Gives pictures for a second look at doubtful ones; None leaves those out.
        deadline: Until when there may be second looks.

    Raises:
        StoreBusy: The store did not answer.
    """
    itself = [asked.path] if asked.path else []
    found = store.nearest(collection, asked.vector, model=backbone.MODEL, top=NEAREST, exclude=itself)
    near = [_compared(asked, match.feature, min_score) for match in found]
    same = [one for one in near if same_picture(one[1].score, one[1].distance, min_score=min_score)]
    looked, more = NOTHING, Counter[str]()
    if picture:
        known = {} if asked.image is None else {NEW: asked.image}
        name = NEW if known else asked.path or NEW
        rest = [one for _, one in near if one.kind == "confirmed" and one.score >= DOUBTFUL_SCORE]
        more = +Counter({beyond(MAX_LOOKS): len(rest) - MAX_LOOKS})
        pairs = [(name, one.path) for one in rest[:MAX_LOOKS]]
        looked = look_again(pairs, picture, known=known, deadline=deadline)
        same += [one for one in near if (name, one[1].path) in looked.confirmed]
    return Checked(sorted(same, key=lambda one: (-one[1].score, one[1].path)), more + looked.unseen, looked.trouble)


def _compared(asked: Asked, feature: Feature, min_score: float) -> tuple[Feature, Duplicate]:
    """What it would be as a duplicate; "confirmed" is what only a second look can make one."""
    score = float(cosines(asked.vector, feature.embedding))  # exact: the store's may be rounded
    distance = hash_distance(asked.pixel_hash, feature.pixel_hash)
    return feature, Duplicate(
        feature.path, feature.size, score, distance, kind_of(score, distance, min_score=min_score)
    )
