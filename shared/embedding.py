"""From an image to its embedding: decode, squeeze, run the network."""

import os
import threading
from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image

from shared import backbone
from shared.contract import Deadline, Json, RecordError
from shared.features import Vector
from shared.images import ImageError, open_image, squash
from shared.inputs import read_image
from shared.settings import Settings

_cores = threading.BoundedSemaphore(os.process_cpu_count() or 1)
"""More decoders than cores would not be faster, and each may hold a large image in memory."""


class Embedded(NamedTuple):
    """A decoded image (RGB, upright) and its embedding: float32, shape [256], unit length."""

    image: Image.Image
    vector: Vector


class Query(NamedTuple):
    """What a record asks about: an embedding, and the blob path of its image when that is known."""

    vector: Vector
    path: str | None


def embed_bytes(data: bytes, settings: Settings, deadline: Deadline | None = None) -> Embedded:
    """Embed an encoded image.

    Raises:
        ImageError: Not an image, damaged, or too large.
        RecordError: There was no core free before the deadline.
    """
    if len(data) > settings.max_image_bytes:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    how = backbone.PREPROCESSING
    with _cores:
        if deadline:
            deadline.check()
        image = open_image(data, max_pixels=settings.max_image_pixels, at_least=how.jpeg_draft)
        return Embedded(image, backbone.embed(squash(image, how.size)[None])[0])


def embed_record(record: Mapping[str, Json], settings: Settings, deadline: Deadline) -> Query:
    """Embed the image of a skill's record.

    Raises:
        RecordError: The record has no image that can be used.
    """
    sent = read_image(record, settings, deadline)
    try:
        return Query(embed_bytes(sent.data, settings, deadline).vector, sent.path)
    except ImageError as error:
        raise RecordError(str(error)) from error
