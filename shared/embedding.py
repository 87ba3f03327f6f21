"""From an image to its embedding: decode, squeeze, run the network."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image

from shared import backbone
from shared.contract import Deadline, Json, RecordError
from shared.features import Vector
from shared.images import ImageError, open_region, squash
from shared.inputs import read_image
from shared.regions import Region
from shared.settings import Settings

_cores = threading.BoundedSemaphore(os.process_cpu_count() or 1)
"""More decoders than cores would not be faster, and each may hold a large image in memory."""

RECENT = 1000
"""Embeddings that are remembered, 1.5 kB each: enough for a batch that several skills are given one after the other."""

_recent: OrderedDict[tuple[bytes, int, int], Vector] = OrderedDict()
_turning = threading.Lock()
_same_image = [threading.Lock() for _ in range(64)]


class Embedded(NamedTuple):
    """A decoded image or a region of one (RGB, upright) and its embedding: float32, shape [256], unit length."""

    image: Image.Image
    vector: Vector
    clipped: bool
    """Whether the region stuck out of the image, and what stuck out was left off."""


class Query(NamedTuple):
    """What a record asks about: an embedding, and the blob path of its image when that is known."""

    vector: Vector
    path: str | None


def embed_bytes(
    data: bytes, settings: Settings, deadline: Deadline | None = None, region: Region | None = None
) -> Embedded:
    """Embed an encoded image, or a region of it.

    Raises:
        ImageError: Not an image, damaged, or too large; or the region lies outside of it.
        RecordError: There was no core free before the deadline.
    """
    if len(data) > settings.max_image_bytes:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    how = backbone.PREPROCESSING
    with _cores:
        if deadline:
            deadline.check()
        opened = open_region(data, region, max_pixels=settings.max_image_pixels, at_least=how.jpeg_draft)
        vector = backbone.embed(squash(opened.image, how.size)[None])[0]
    clipped = region is not None and region.sticks_out(opened.width, opened.height)
    return Embedded(opened.image, vector, clipped)


def embed_once(data: bytes, settings: Settings, deadline: Deadline) -> Vector:
    """The embedding of an encoded image that may come several times in a row: float32 [256], read-only.

    An indexer sends every image to three skills within seconds. The network runs once, also when they come together.

    Raises:
        ImageError: Not an image, damaged, or too large.
        RecordError: There was no core free before the deadline.
    """
    digest = hashlib.sha256(data).digest()
    key = (digest, settings.max_image_bytes, settings.max_image_pixels)
    with _same_image[digest[0] % len(_same_image)]:  # whoever comes second waits for the first, and then finds it
        with _turning:
            if key in _recent:
                _recent.move_to_end(key)
                return _recent[key]
        vector = embed_bytes(data, settings, deadline).vector
        vector.flags.writeable = False
        with _turning:
            _recent[key] = vector
            if len(_recent) > RECENT:
                _recent.popitem(last=False)
        return vector


def embed_record(record: Mapping[str, Json], settings: Settings, deadline: Deadline) -> Query:
    """Embed the image of a skill's record.

    Raises:
        RecordError: The record has no image that can be used.
    """
    sent = read_image(record, settings, deadline)
    try:
        return Query(embed_once(sent.data, settings, deadline), sent.path)
    except ImageError as error:
        raise RecordError(str(error)) from error
