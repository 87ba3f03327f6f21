"""Images to search, written by hand: vectors are angles in a plane, so that every score can be worked out."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import numpy as np

from shared import backbone
from shared.features import DIMENSIONS, Feature, FeatureStore, Vector

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def at(degrees: float) -> Vector:
    """The unit vector of an angle. The score of two is the cosine of the angle between them."""
    return in_direction(np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)))


def in_direction(*numbers: float) -> Vector:
    """The unit vector that begins with these numbers, up to its length."""
    vector = np.zeros(DIMENSIONS)
    vector[: len(numbers)] = numbers
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def stored(path: str, vector: Vector, tags: Mapping[str, str] | None = None, model: str = backbone.MODEL) -> Feature:
    return Feature(
        path=path, etag="1", modified=NOON, model=model, embedding=vector, pixel_hash="0" * 16, size=1, tags=tags or {}
    )


def put(store: FeatureStore, images: Iterable[Feature]) -> None:
    for image in images:
        assert store.upsert(image)
