"""From an image to its embedding: decode, squeeze, run the network."""

from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image

from shared import backbone
from shared.contract import Deadline, Json, RecordError
from shared.features import Vector
from shared.images import ImageError, open_image, squash
from shared.inputs import read_image
from shared.settings import Settings


class Embedded(NamedTuple):
    """A decoded image (RGB, upright) and its embedding: float32, shape [256], unit length."""

    image: Image.Image
    vector: Vector


class Query(NamedTuple):
    """What a record asks about: an embedding, and the blob path of its image when that is known."""

    vector: Vector
    path: str | None


def embed_bytes(data: bytes, settings: Settings) -> Embedded:
    """Embed an encoded image.

    Raises:
        ImageError: Not an image, damaged, or too large.
    """
    if len(data) > settings.max_image_bytes:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    how = backbone.PREPROCESSING
    image = open_image(data, max_pixels=settings.max_image_pixels, at_least=how.jpeg_draft)
    return Embedded(image, backbone.embed(squash(image, how.size)[None])[0])


def embed_record(record: Mapping[str, Json], settings: Settings, deadline: Deadline) -> Query:
    """Embed the image of a skill's record.

    Raises:
        RecordError: The record has no image that can be used.
    """
    sent = read_image(record, settings, deadline)
    try:
        return Query(embed_bytes(sent.data, settings).vector, sent.path)
    except ImageError as error:
        raise RecordError(str(error)) from error
