"""Keeps the store in step with the images container: one current feature for each image, whatever the events do.

An event only says which blob to look at. What is stored then follows what the container holds, so events may come
twice, late, in any order, or be made up. After every write the blob is looked at once more: of two processes that write
side by side, the last one finds out when the blob is no longer what it wrote.
"""

import logging
from datetime import UTC, datetime
from typing import Literal

from shared import backbone
from shared.blob_client import RETRY_AFTER, BlobReplaced, BlobUnchanged, BlobUnreadable
from shared.blobs import Blob, read_blob, version_of
from shared.embedding import embed_bytes
from shared.features import Failure, Feature, FeatureStore, StoreBusy
from shared.images import ImageError, perceptual_hash
from shared.origin import check_origin
from shared.settings import Settings

type Outcome = Literal["embedded", "failed", "dropped", "current"]

FATAL = "The app ended each time while it embedded this: it ran out of memory or time."

GIVEN_UP = "Given up after five tries. The app's log says why; without a line there, it ran out of memory or time."

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
    if not _can_be_read(path):
        return "failed"
    check_origin(store, settings)
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
            return _fail_unread(path, str(error), store, settings)
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


def note_given_up(path: str, store: FeatureStore, settings: Settings) -> None:
    """Note a blob that the host gave up after five tries as a failure, unless it is embedded or explained by now.

    Raises:
        StoreBusy: The store or Blob storage did not answer.
        SettingsError: One of them cannot be used as it is set up.
    """
    if not _can_be_read(path):
        return
    check_origin(store, settings)
    version, stored = version_of(path, settings), store.entry(path)
    if version and not (stored and stored.etag == version[0] and stored.model == backbone.MODEL):
        _fail(path, version, GIVEN_UP, store, retry=True)
        if version_of(path, settings) != version:
            sync_blob(path, store, settings)


def note_fatal(path: str, store: FeatureStore, settings: Settings) -> None:
    """Note a blob that ends the process which embeds it as a failure that is not tried again by itself.

    Raises:
        StoreBusy: The store or Blob storage did not answer.
    """
    version = version_of(path, settings)
    if version:
        _fail(path, version, FATAL, store)


def _can_be_read(path: str) -> bool:
    """Whether a url can name this blob and no other: in urls, folders called "." and ".." mean something else."""
    try:
        path.encode()
    except UnicodeEncodeError:
        usable = False
    else:
        usable = bool(path) and not any(part in {".", ".."} for part in path.split("/"))
    if not usable:
        log.warning("skipped %r: no url can name such a blob", path)
    return usable


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
    return "embedded" if store.upsert(feature) else "current"


def _fail_unread(path: str, reason: str, store: FeatureStore, settings: Settings) -> Outcome:
    try:
        version = version_of(path, settings)
    except BlobUnreadable:
        version = ("", datetime.now(UTC))  # storage does not even tell which version it is
    if version is None:
        return "dropped" if store.delete(path) else "current"
    return _fail(path, version, reason, store, retry=True)


def _fail(
    path: str, version: tuple[str, datetime], reason: str, store: FeatureStore, *, retry: bool = False
) -> Outcome:
    log.warning("skipped %r: %s", path, reason)
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
