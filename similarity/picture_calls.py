"""The calls that show an image: its blob as it is, and a small picture of it."""

import io
import os
import threading
from collections.abc import Callable, Mapping

from PIL import Image, UnidentifiedImageError

from shared.blob_client import BlobReplaced, BlobUnreadable
from shared.blobs import Blob, read_blob
from shared.calls import answered
from shared.contract import CallError, Reply
from shared.features import StoreBusy
from shared.images import DAMAGE, FORMATS, HEIF_BRANDS, ImageError, open_image
from shared.settings import Settings
from similarity.browsing import image_path

SIDE = 160
"""The longest side of a small picture, in pixels, when the caller does not say."""

LEAST_SIDE, MOST_SIDE = 32, 1024

SAFE: Mapping[str, str] = {
    # Whoever uploads writes these bytes: no browser is to take them for anything but a picture.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=300",
}

_decoders = threading.BoundedSemaphore(os.process_cpu_count() or 1)
"""Each may hold a large image in memory, and more than cores would not be faster."""


def picture(collection: str, image: str, known: str, settings: Settings) -> Reply:
    """An image as it was uploaded.

    Args:
        collection: The collection's name.
        image: The image's id.
        known: `If-None-Match` of the request: versions that the caller has.
        settings: Say where the blob is.
    """

    def call() -> Reply:
        blob, data = _read(image_path(collection, image), settings)
        return _reply(lambda: data, _mimetype(data), blob.etag, known)

    return answered(call, _STATUS)


def thumbnail(collection: str, image: str, params: Mapping[str, str], known: str, settings: Settings) -> Reply:
    """A small picture of an image: a JPEG, upright, of the image's shape and never larger than it.

    Args:
        collection: The collection's name.
        image: The image's id.
        params: `side`, the longest side in pixels, 32 to 1024.
        known: `If-None-Match` of the request: versions that the caller has.
        settings: Say where the blob is.
    """

    def call() -> Reply:
        side = _side(params)
        blob, data = _read(image_path(collection, image), settings)
        return _reply(lambda: _small(data, side, settings), "image/jpeg", f"{blob.etag}-{side}", known)

    return answered(call, _STATUS)


_STATUS: Mapping[type[Exception], int] = {BlobUnreadable: 409, ImageError: 409}
"""The blob is there, but as it is now it cannot be shown."""


def _reply(made: Callable[[], bytes], mimetype: str, version: str, known: str) -> Reply:
    """The answer, or 304 when the caller has this version (RFC 9110, 13.1.2: compared weakly)."""
    headers = {**SAFE, "ETag": f'"{version}"'}
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if {"*", headers["ETag"]} & tags:
        return Reply(304, b"", headers, mimetype)  # caches take over its type as well
    return Reply(200, made(), headers, mimetype)


def _read(path: str, settings: Settings) -> tuple[Blob, bytes]:
    try:
        blob = read_blob(path, settings)
    except BlobReplaced as error:
        raise StoreBusy(f"The image {path!r} was replaced while it was read; ask again.", 1) from error
    if blob is None:
        raise CallError(404, f"There is no image {path!r} in the images container.")
    if blob.data is None:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    return blob, blob.data


def _side(params: Mapping[str, str]) -> int:
    try:
        side = int(params.get("side", SIDE))
    except ValueError:
        side = 0
    if not LEAST_SIDE <= side <= MOST_SIDE:
        raise CallError(
            400, f"'side' takes a number of pixels from {LEAST_SIDE} to {MOST_SIDE}, not {params['side']!r:.50}."
        )
    return side


def _mimetype(data: bytes) -> str:
    """What kind of image these bytes are, whatever their blob says of itself."""
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        return "image/heic"
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            kind = image.get_format_mimetype()
    except UnidentifiedImageError as error:
        raise ImageError("Its bytes are no image in a known format.") from error
    except DAMAGE as error:
        raise ImageError(f"The image is damaged or incomplete ({error}).") from error
    # Phones append further pictures to a JPEG, which browsers show all the same.
    return "image/jpeg" if kind in {None, "image/mpo"} else kind


def _small(data: bytes, side: int, settings: Settings) -> bytes:
    target = io.BytesIO()
    with _decoders:
        image = open_image(data, max_pixels=settings.max_image_pixels, at_least=side)
        image.thumbnail((side, side))
        image.save(target, "JPEG", quality=85)
    return target.getvalue()
