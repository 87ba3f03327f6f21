"""What an upload sends: an image with its path and its type, and why one cannot be sent."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image

from shared.images import DAMAGE, FORMATS, HEIF_BRANDS

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
}
"""Content types by the ending of an image's name."""

_ENDINGS = {"TIFF": ".tif", "HEIF": ".heic", "JPEG": ".jpg", "MPO": ".jpg"}  # MPO: a JPEG with more of them behind
_ENDINGS |= {kind: f".{kind.lower()}" for kind in FORMATS if kind not in _ENDINGS}


class ItemError(Exception):
    """One image cannot be uploaded; the message says why."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What could not be uploaded, and why: a path, or a line of a list."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Content:
    """An image on its way: the blob's path, its bytes, and metadata of its own, as a person writes them."""

    path: str
    data: bytes
    metadata: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[ending(self.path)]


def ending(name: str) -> str:
    """The ending of an image's name in lower case, with its dot; "" when it is no image's."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in CONTENT_TYPES else ""


def ending_of_bytes(data: bytes) -> str:
    """The ending that suits a file, by its first bytes, with its dot; "" when it is no image that the app reads."""
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        return _ENDINGS["HEIF"]
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:  # lazy: no pixel is decoded
            return _ENDINGS.get(image.format or "", "")
    except DAMAGE:
        return ""
