"""Keeps the store in step with the images container: one current feature for each image, whatever the events do.

An event only says which blob to look at. What is stored then follows what the container holds, so events may come
twice, late, in any order, or be made up. After every write the blob is looked at once more: of two processes that write
side by side, the last one finds out when the blob is no longer what it wrote.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from shared import backbone
from shared.blob_client import RETRY_AFTER, BlobReplaced, BlobUnchanged, BlobUnreadable
from shared.blobs import Blob, read_blob, version_of
from shared.embedding import embed_bytes
from shared.features import Failure, Feature, FeatureStore, StoreBusy
from shared.images import ImageError, perceptual_hash
from shared.settings import Settings

type Outcome = Literal["embedded", "failed", "dropped", "current"]

LOOKS = 10
"""How often a blob that keeps changing is looked at before somebody else's turn comes."""

log = logging.getLogger(__name__)


def sync_blob(path: str, store: FeatureStore, settings: Settings, *, again: bool = False) -> Outcome:
    """Make the store hold what the images container holds of one path: its feature, the reason why not, or nothing.

    What is no usable image is stored as a failure and raises nothing: the same bytes would fail again.

    Args:
        path: Of the blob in the images container.
        store: Where its feature is.
        settings: Say which container, and how large images may be.
        again: Whether bytes that failed before are tried once more.

    Returns:
        What was done: "current" when there was nothing to do.

    Raises:
        StoreBusy: The store or Blob storage did not answer; nothing is lost by trying later.
        SettingsError: One of them cannot be used as it is set up.
    """
    if any(part in {".", ".."} for part in path.split("/")):
        log.warning("skipped %r: no url can name a blob with a folder called '.' or '..'", path)
        return "failed"
    outcome: Outcome = "current"
    for _ in range(LOOKS):
        stored = store.entry(path)
        try:
            blob = read_blob(path, settings, unless="" if again else _settled(stored))
        except BlobUnchanged:
            return outcome
        except BlobReplaced:
            continue
        except BlobUnreadable as error:
            return _fail(path, version_of(path, settings), str(error), store, retry=True)
        if blob is None:
            if stored is None:
                return outcome
            store.delete(path)
            outcome = "dropped"
        else:
            if stored and stored.modified > blob.modified:
                store.delete(path)  # the blob's clock went back, and what is there now counts
            outcome = _embed(blob, store, settings)
        now = version_of(path, settings)
        if (now and now[0]) == (blob and blob.etag):
            return outcome
        again = False
    raise StoreBusy(f"The blob {path} changes faster than it can be read.", RETRY_AFTER)


def feature_of(blob: Blob, settings: Settings) -> Feature:
    """The feature of a blob.

    Raises:
        ImageError: It is no image, damaged, or too large.
    """
    if blob.data is None:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    embedded = embed_bytes(blob.data, settings)
    return Feature(
        path=blob.path,
        etag=blob.etag,
        modified=blob.modified,
        model=backbone.MODEL,
        embedding=embedded.vector,
        pixel_hash=perceptual_hash(embedded.image),
        size=len(blob.data),
        tags=dict(blob.tags),
    )


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
        _, container, former = [*urlsplit(source).path.split("/", 2), "", ""][:3]
        if unquote(container) == settings.images_container and former:
            yield unquote(former)


def note_given_up(message: bytes, store: FeatureStore, settings: Settings) -> None:
    """Note the blob of a poison message as a failure, unless it has been embedded or explained since.

    Args:
        message: What the host writes when a blob function failed five times: {"ContainerName", "BlobName", …}.
        store: Where the failure goes.
        settings: Say which container holds the images.

    Raises:
        StoreBusy: The store or Blob storage did not answer.
    """
    try:
        given_up = json.loads(message)
        container, path = given_up["ContainerName"], given_up["BlobName"]
    except (ValueError, TypeError, KeyError):
        log.warning("a message of the poison queue names no blob: %r", message[:200])
        return
    if container != settings.images_container:
        return
    version, stored = version_of(path, settings), store.entry(path)
    if version and not (stored and stored.etag == version[0] and stored.model == backbone.MODEL):
        reason = (
            "Given up after five tries. The app's log says why; without a line there, it ran out of memory or time."
        )
        _fail(path, version, reason, store, retry=True)


def _settled(stored: Feature | Failure | None) -> str:
    """The ETag of a blob that needs no other look, or ""."""
    if stored is None or stored.model != backbone.MODEL or (isinstance(stored, Failure) and stored.retry):
        return ""
    return stored.etag


def _embed(blob: Blob, store: FeatureStore, settings: Settings) -> Outcome:
    version = (blob.etag, blob.modified)
    try:
        feature = feature_of(blob, settings)
    except ImageError as error:
        return _fail(blob.path, version, str(error), store)
    except Exception as error:
        # The edge of an event: what nobody foresaw is to be seen where people look, and then tried again by the host.
        _fail(blob.path, version, f"An error of the app: {type(error).__name__}.", store, retry=True)
        raise
    store.upsert(feature)
    return "embedded"


def _fail(
    path: str, version: tuple[str, datetime] | None, reason: str, store: FeatureStore, *, retry: bool = False
) -> Outcome:
    if version is None:
        return "current"  # gone meanwhile, which is an event of its own
    log.warning("skipped %s: %s", path, reason)
    etag, modified = version
    store.fail(
        Failure(
            path=path,
            etag=etag,
            modified=modified,
            model=backbone.MODEL,
            reason=reason,
            time=datetime.now(UTC),
            retry=retry,
        )
    )
    return "failed"
