"""An image's id: its path as one segment of a url. Base64url in UTF-8 without padding (RFC 4648, 5)."""

import base64
import binascii

LONGEST = 1024
"""Characters of a blob's path."""


def id_of(path: str) -> str:
    """The id of the image at a path."""
    return base64.urlsafe_b64encode(path.encode()).rstrip(b"=").decode("ascii")


def path_of(image_id: str) -> str:
    """The path of an image by its id.

    Raises:
        ValueError: No image can have that id.
    """
    try:
        padding = "=" * (-len(image_id) % 4)
        path = base64.b64decode(image_id + padding, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        path = ""
    # One id a path: bits after the last byte, which decoding ignores, would make others.
    if not _names_an_image(path) or id_of(path) != image_id:
        raise ValueError(f"{image_id!r:.50} is not the id of an image: an id is its path in base64url without padding.")
    return path


def _names_an_image(path: str) -> bool:
    """Whether a blob can be there. In urls, folders called "." and ".." lead elsewhere: to other containers as well."""
    return 0 < len(path) <= LONGEST and not {".", ".."} & set(path.split("/"))
