"""What is in the container already, and sending what is not."""

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient, ContentSettings

from shared.blob_client import BlobReplaced, BlobUnreadable, told_plainly
from shared.settings import SettingsError
from shared.upload.content import Content, ItemError
from shared.upload.metadata import MAX_METADATA, UNWRITABLE, encoded, length

_NOT_IN_PATHS = re.compile(rf"[\\{UNWRITABLE}]")  # a backslash would come back as a slash


class Version(NamedTuple):
    """What tells one content of a blob from another."""

    size: int
    md5: bytes


def stored(container: ContainerClient, collection: str) -> dict[str, Version]:
    """The blobs of a collection by path; a container that is not there is made.

    Raises:
        SettingsError: The container cannot be listed, or is not there and cannot be made.
        StoreBusy: Storage did not answer.
    """
    try:
        with told_plainly():
            try:
                blobs = container.list_blobs(f"{collection}/")
                return {
                    blob.name: Version(blob.size, bytes(blob.content_settings.content_md5 or b"")) for blob in blobs
                }
            except ResourceNotFoundError:
                pass
    except BlobUnreadable as error:
        raise SettingsError(f"The container {container.container_name!r} cannot be listed: {error}") from error
    try:
        with told_plainly():
            container.create_container()
    except (SettingsError, BlobUnreadable) as error:
        raise SettingsError(
            f"There is no container {container.container_name!r}, and it cannot be made: {error}"
        ) from error
    return {}


def can_be_path(path: str) -> bool:
    """Whether a blob may have this path."""
    return len(path) <= 1024 and path.count("/") < 254 and not _NOT_IN_PATHS.search(path)


def send(
    content: Content, container: ContainerClient, *, metadata: Mapping[str, str], there: Mapping[str, Version]
) -> bool:
    """Upload an image; False when it is there already.

    Args:
        content: The image. Its own metadata win.
        container: Where it goes.
        metadata: What all images get, as a person writes them.
        there: What is known to be in the container.

    Raises:
        ItemError: Blob storage does not take it.
        SettingsError: Blob storage refuses us.
        StoreBusy: Storage did not answer.
    """
    if not can_be_path(content.path):
        raise ItemError("Blob storage takes no such name: too long, or with a control character or a backslash.")
    words = encoded({**metadata, **content.metadata})
    if length(words) > MAX_METADATA:
        raise ItemError(f"Its metadata are longer than the {MAX_METADATA} characters that Blob storage takes.")
    md5 = hashlib.md5(content.data, usedforsecurity=False).digest()
    if there.get(content.path) == Version(len(content.data), md5):
        return False
    about = ContentSettings(content_type=content.content_type, content_md5=bytearray(md5))
    try:
        with told_plainly():
            container.upload_blob(content.path, content.data, overwrite=True, metadata=words, content_settings=about)
    except (BlobUnreadable, BlobReplaced) as error:  # archived, immutable, leased to another
        code = getattr(error.__cause__, "error_code", None)
        raise ItemError(f"Blob storage does not take it ({getattr(code, 'value', code)}).") from error
    return True
