"""Which blobs the host's messages are about: Event Grid's events, and what lands on the poison queue."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from shared.settings import Settings

log = logging.getLogger(__name__)


def paths_in_event(subject: str | None, data: Any, settings: Settings) -> Iterator[str]:
    """The paths of the images that an event of Blob storage is about: none when it is about something else.

    Args:
        subject: The event's subject, `/blobServices/default/containers/<container>/blobs/<path>`.
        data: The event's data. Of a rename, its `sourceUrl` names the blob that is no longer there.
        settings: Say which container holds the images.
    """
    _, found, path = (subject or "").partition(f"/containers/{settings.images_container}/blobs/")
    if found and path:
        yield path
    source = data.get("sourceUrl") if isinstance(data, dict) else None
    if isinstance(source, str):
        # https://<account>.dfs.core.windows.net/<container>/<path>
        _, _, address = source.partition("://")
        _, container, former = [*unquote(address.partition("?")[0]).split("/", 2), "", ""][:3]
        if container == settings.images_container and former:
            yield former


def path_given_up(message: bytes, settings: Settings) -> str | None:
    """The path of the image that a poison message is about, or None when it is about something else.

    Args:
        message: What the host writes when a blob function failed five times: {"ContainerName", "BlobName", …}.
        settings: Say which container holds the images.
    """
    try:
        given_up = json.loads(message)
        container, path = given_up["ContainerName"], given_up["BlobName"]
    except (ValueError, TypeError, KeyError, RecursionError):
        container = path = None
    if not isinstance(path, str) or not path:
        log.warning("a message of the poison queue names no blob: %r", message[:200])
        return None
    return path if container == settings.images_container else None
