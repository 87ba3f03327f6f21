"""What a record asks about: an image or a region of it, or several, and images to turn away from."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from shared.contract import Deadline, Json, OutOfTime, RecordError
from shared.features import DEFAULT_COLLECTION, FeatureStore, Vector, collection_of
from shared.inputs import has_image, said_path
from shared.settings import Settings
from similarity.query_images import QueryImage, read_query_image

MAX_EXAMPLES = 16
"""The most `positives`, and the most `negatives`."""

AWAY = 0.25
"""How much the mean of the negatives counts against that of the positives.

J. J. Rocchio, Relevance Feedback in Information Retrieval, 1971; textbooks take about 0.2. Measured on the 109 samples
with their folders as labels, the one to six wrong images among the first ten of each query as negatives, mAP among the
images that nobody pointed at, mean of five settings: 0.928 without negatives, 0.944 at 0.15, 0.945 at 0.25, 0.942 at
0.4, 0.885 at 0.75.
"""

AT_ONCE = 4
"""Images of one record that are read at the same time: each may be large."""


class Asked(NamedTuple):
    """A query."""

    vector: Vector
    """float32 [256], unit length."""
    collection: str
    """Where to look."""
    paths: Sequence[str]
    """Those of its images that are stored, as far as that is known."""
    anonymous: bool
    """Whether it is one whole image that may be stored, and nobody said where."""
    warnings: Sequence[str]
    path: str | None = None
    """Where the record's own image is stored, when it has one and that is known."""
    unnamed: Sequence[Vector] = ()
    """Of several images, the vectors of those of which that is so."""


class _Part(NamedTuple):
    """An image of a record: what to call it in front of an error or a warning, and its own record."""

    name: str
    record: Mapping[str, Json]


def asked(
    record: Mapping[str, Json], collection: str | None, store: FeatureStore, settings: Settings, deadline: Deadline
) -> Asked:
    """What a record asks about.

    Args:
        record: An image as in every skill, or the `path` of a stored one; `boundingBox`, a region of it; `positives`
            and `negatives`, each a list of paths and of records such as this.
        collection: Where to look; None: the collection of the first image whose path is known, or the default one.
        store: Where the vectors of stored images are.
        settings: The app's settings.
        deadline: No image is begun afterwards.

    Raises:
        RecordError: There is no image, or one that cannot be used, or they cancel each other out.
        StoreBusy: A store did not answer.
        SettingsError: A region of a stored image is asked for, but the app cannot read the images.
    """
    positives, negatives = _examples(record, "positives"), _examples(record, "negatives")
    main = [_Part("", record)] if _has_main(record, positives, negatives) else []
    parts, wanted = [*main, *positives, *negatives], len(main) + len(positives)
    images = _read(parts, store, settings, deadline)
    known = next((image.path for image in images[:wanted] if image.path), None)
    searched = collection or (collection_of(known) if known else DEFAULT_COLLECTION)
    for part, image in zip(parts, images, strict=True):
        if part.name and image.stored and collection_of(str(image.path)) != searched:
            raise RecordError(
                f"{part.name}: The image {image.path!r} is not in the collection {searched!r}, which is searched: "
                "name one that is, or send the image itself."
            )
    vectors = [image.vector for image in images]
    return Asked(
        vector=vectors[0] if len(images) == 1 else turned(vectors[:wanted], vectors[wanted:]),
        collection=searched,
        paths=list(dict.fromkeys(image.path for image in images if image.path)),
        anonymous=len(images) == 1 and images[0].path is None and images[0].whole,
        warnings=[
            _named(part, "The region sticks out of its image; what is inside was used.")
            for part, image in zip(parts, images, strict=True)
            if image.clipped
        ],
        path=images[0].path if main else None,
        unnamed=[image.vector for image in images if image.path is None and image.whole] if len(images) > 1 else (),
    )


def turned(towards: Sequence[Vector], away: Sequence[Vector]) -> Vector:
    """The direction of the mean of some vectors, turned away from the mean of others: float32 [256], unit length.

    Raises:
        RecordError: They cancel each other out.
    """
    query = np.mean(towards, axis=0, dtype=np.float64)
    if away:
        query -= AWAY * np.mean(away, axis=0, dtype=np.float64)
    length = np.linalg.norm(query)
    if length < 1e-6:
        raise RecordError("The images of this query cancel each other out: ask for some of them only.")
    unit: Vector = (query / length).astype(np.float32)
    return unit


def _examples(record: Mapping[str, Json], name: str) -> list[_Part]:
    given = record.get(name)
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MAX_EXAMPLES:
        raise RecordError(f"{name!r} takes a list of up to {MAX_EXAMPLES} images: paths of stored ones, or records.")
    parts = []
    for n, item in enumerate(given):
        if not (isinstance(item, dict) or (isinstance(item, str) and item)):
            raise RecordError(f"{name}[{n}] is neither the path of a stored image nor a record with an image.")
        parts.append(_Part(f"{name}[{n}]", {"path": item} if isinstance(item, str) else item))
    return parts


def _has_main(record: Mapping[str, Json], positives: Sequence[_Part], negatives: Sequence[_Part]) -> bool:
    """Whether a record has an image besides its examples, or must have one."""
    if has_image(record) or said_path(record):
        return True
    if negatives and not positives:
        raise RecordError(
            "There are only 'negatives': send an image, or 'positives', to say what look-alikes are like."
        )
    if positives and record.get("boundingBox") is not None:
        raise RecordError(
            "'boundingBox' is a region of the record's own image, and there is none; put it into a positive."
        )
    if not positives and record.get("text") is None:
        raise RecordError(
            "The record has no image. Send 'image' (an object with 'data' or 'url', or a base64 string), the 'path' of "
            "a stored one, or 'positives'."
        )
    return not positives


def _read(parts: Sequence[_Part], store: FeatureStore, settings: Settings, deadline: Deadline) -> list[QueryImage]:
    read = partial(_image, store=store, settings=settings, deadline=deadline)
    if len(parts) == 1:
        return [read(parts[0])]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="example") as pool:
        return list(pool.map(read, parts))


def _image(part: _Part, store: FeatureStore, settings: Settings, deadline: Deadline) -> QueryImage:
    try:
        return read_query_image(part.record, store, settings, deadline)
    except OutOfTime:
        raise
    except RecordError as error:
        raise RecordError(_named(part, str(error))) from error


def _named(part: _Part, said: str) -> str:
    return f"{part.name}: {said}" if part.name else said
