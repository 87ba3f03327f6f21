"""The ways a record can hold its image, and where that image is stored.

Callers send what their indexer or client has: a `normalized_images` item, its base64 `data` alone, a `file_data`
object, a url with a token, or the vectorizer's `imageUrl` and `imageBinary`. Any key of them may be missing or null.
A `path` tells where the image is stored; whether it may stand alone is for the caller to say.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from shared.contract import Deadline, Json, RecordError
from shared.features import usable_collection
from shared.fetch import FetchError, fetch
from shared.settings import Settings

IMAGE_INPUTS = ("image", "images", "file_data", "imageBinary")
"""Inputs that hold an image. `images` is what older skill definitions call it: one object all the same."""

URL_INPUTS = (("imageUrl", None), ("url", "sasToken"), ("metadata_storage_path", "metadata_storage_sas_token"))
"""Inputs that hold a url, each with the input of its token. Beside an image they only tell where it is stored."""


class ImageInput(NamedTuple):
    """An image as it was sent."""

    data: bytes
    path: str | None
    """Its blob path, when it was said or is part of a url in the images container."""


def has_image(record: Mapping[str, Json]) -> bool:
    """Whether a record holds an image, or a url of one, rather than a `path` alone or nothing."""
    return any(record.get(name) is not None for name in IMAGE_INPUTS) or any(record.get(name) for name, _ in URL_INPUTS)


def said_path(record: Mapping[str, Json]) -> str | None:
    """The `path` of a record: where its image is stored, None when that is not said.

    Raises:
        RecordError: No blob can have that path.
    """
    path = record.get("path")
    if path is not None and not isinstance(path, str):
        raise RecordError("The input 'path' is not a string.")
    if path and not usable_collection(path):  # a blob without a folder is called what a collection could be
        raise RecordError(f"The input 'path' is no path of a blob: {path!r:.50}.")
    return path or None


def read_image(record: Mapping[str, Json], settings: Settings, deadline: Deadline) -> ImageInput:
    """The encoded image of a record.

    Raises:
        RecordError: There is none, there are two, it is not base64, too large, or cannot be fetched.
    """
    given = [name for name in IMAGE_INPUTS if record.get(name) is not None]
    if len(given) > 1:
        raise RecordError(f"The record has two images, in {given[0]!r} and in {given[1]!r}; send one.")
    urls = [(record[name], record.get(token) if token else None) for name, token in URL_INPUTS if record.get(name)]
    encoded = None
    if given:
        encoded, inner_url = _unwrapped(given[0], record[given[0]])
        urls = ([inner_url] if inner_url else []) + urls
    if encoded is None and not urls:
        raise RecordError(_no_image(record))
    path = said_path(record) or _stored_path([url for url, _ in urls], settings)
    if encoded is not None:
        return ImageInput(_decoded(encoded, settings.max_image_bytes), path)
    return ImageInput(_fetched(*urls[0], settings, deadline), path)


def _unwrapped(name: str, value: Json) -> tuple[str | None, tuple[str, Json] | None]:
    """The base64 text of an image input, and its url with its token."""
    if isinstance(value, str):
        return value, None
    if not isinstance(value, dict):
        raise RecordError(f"The input {name!r} is neither an object with 'data' or 'url' nor a base64 string.")
    data, url = value.get("data"), value.get("url")
    if data is not None and not isinstance(data, str):
        raise RecordError(f"The 'data' of the input {name!r} is not a base64 string.")
    if data is None and not url:
        raise RecordError(f"The input {name!r} has neither 'data' nor 'url'.")
    return data, (url, value.get("sasToken")) if url else None


def _no_image(record: Mapping[str, Json]) -> str:
    if record.get("text") is not None:
        return "This model sees images only: it cannot turn text into a vector. Send 'imageUrl' or 'imageBinary'."
    return "The record has no image. Send 'image' (an object with 'data' or 'url', or a base64 string)."


def _decoded(text: str, max_bytes: int) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    if len(text) * 3 // 4 > max_bytes + 2:
        raise RecordError(f"The image is larger than MAX_IMAGE_MB = {max_bytes / 1e6:g}.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        # Some encoders break lines (RFC 2045); the fast path above is for all others.
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"The image is not base64 ({error}).") from error


def _fetched(url: Json, token: Json, settings: Settings, deadline: Deadline) -> bytes:
    if not isinstance(url, str) or not isinstance(token, str | None):
        raise RecordError("The image's url and its token must be strings.")
    if token:
        url += ("&" if "?" in url else "?") + token.lstrip("?&")
    limit = Deadline(min(settings.fetch_timeout, deadline.remaining()))
    try:
        return fetch(url, hosts=settings.allowed_hosts, max_bytes=settings.max_image_bytes, deadline=limit)
    except FetchError as error:
        raise RecordError(str(error)) from error


def _stored_path(urls: list[Json], settings: Settings) -> str | None:
    """The blob path in the images container of the first url that lies in it."""
    base = settings.images_url
    for url in urls:
        if base and isinstance(url, str) and url.startswith(base):
            return unquote(url[len(base) :].partition("?")[0]) or None
    return None
