"""Keeps the features in step with the blobs: one current feature for each image, whatever the events do."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared import backbone
from shared.embedding import embed_bytes
from shared.features import Feature, FeatureStore
from shared.images import ImageError, perceptual_hash
from shared.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob as its trigger delivers it.

    Attributes:
        path: The path in the images container.
        data: The whole content.
        properties: The trigger's `Properties`: ETag, LastModified and more.
        metadata: The blob's own metadata, which becomes the feature's tags.
    """

    path: str
    data: bytes
    properties: Mapping[str, Any]
    metadata: Mapping[str, str]


def store_feature(blob: Blob, store: FeatureStore, settings: Settings) -> bool:
    """Embed a new or changed image and store its feature.

    What is no usable image is logged and skipped: the same bytes would fail again, so a retry helps nobody.

    Returns:
        Whether the store changed.
    """
    etag, modified = _version(blob)
    stored = store.get(blob.path)
    if stored and stored.etag == etag and stored.model == backbone.MODEL:
        # The same content again, and perhaps with other metadata: what the network saw has not changed.
        again = replace(stored, modified=modified, tags=dict(blob.metadata))
        return modified > stored.modified and store.upsert(again)
    try:
        embedded = embed_bytes(blob.data, settings)
    except ImageError as error:
        log.warning("skipped %s: %s", blob.path, error)
        # The picture that was there before is gone, so its feature must not be found any more.
        return store.delete(blob.path, until=modified)
    return store.upsert(
        Feature(
            path=blob.path,
            etag=etag,
            modified=modified,
            model=backbone.MODEL,
            embedding=embedded.vector,
            pixel_hash=perceptual_hash(embedded.image),
            size=len(blob.data),
            tags=dict(blob.metadata),
        )
    )


def drop_feature(subject: str, time: datetime | None, store: FeatureStore, settings: Settings) -> bool:
    """Drop the feature of a deleted blob, unless the blob has been written again since.

    Args:
        subject: The event's subject, `/blobServices/default/containers/<container>/blobs/<path>`.
        time: When the blob was deleted.
        store: Where its feature is.
        settings: Say which container holds the images; blobs of others are not ours.

    Returns:
        Whether a feature was dropped.
    """
    _, found, path = subject.partition(f"/containers/{settings.images_container}/blobs/")
    return bool(found) and store.delete(path, until=time)


def _version(blob: Blob) -> tuple[str, datetime]:
    etag, modified = blob.properties.get("ETag"), blob.properties.get("LastModified")
    if not isinstance(etag, str) or not etag:
        # The storage extension serializes its ETag type as an empty object. The content then stands for its version.
        etag = hashlib.sha256(blob.data).hexdigest()[:32]
    when = datetime.fromisoformat(modified) if isinstance(modified, str) else datetime.now(UTC)
    return etag.strip('"'), when if when.tzinfo else when.replace(tzinfo=UTC)
