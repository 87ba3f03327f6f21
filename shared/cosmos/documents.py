"""How a feature looks as a document, and which partition it is in."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from shared.features import Feature

type Document = dict[str, Any]

SCHEMA = 1
"""Raised when a document changes so that an older app would misread it. What a newer app wrote is never overwritten."""

TOMBSTONE_SECONDS = 86_400
"""How long it is remembered that an image was deleted while its collection was being moved."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def document_id(path: str) -> str:
    """128 bits of the path's BLAKE2b hash in hex: paths hold characters that an id may not, and can be too long."""
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def partition(collection: str, shard: int, shards: int) -> str:
    """The partition key value of a shard: the collection's name, and `~` with the shard's number when it has several.

    A `~` of the name itself is doubled, so that no collection's name is another one's shard.
    """
    name = collection.replace("~", "~~")
    return name if shards == 1 else f"{name}~{shard:02}"


def shard_of(identity: str, shards: int) -> int:
    """The shard of a document: its id is a hash already, and stays the same whatever the number of shards."""
    return int(identity[:8], 16) % shards


def to_document(feature: Feature, where: str) -> Document:
    """The document of a feature, in the partition `where`."""
    return {
        "id": document_id(feature.path),
        "partition": where,
        "path": feature.path,
        "etag": feature.etag,
        "modified": to_microseconds(feature.modified),
        "model": feature.model,
        # The shortest digits that give the float32 back: 12 bytes a number instead of 20.
        "embedding": [float(str(value)) for value in feature.embedding],
        "pixelHash": feature.pixel_hash,
        "size": feature.size,
        "tags": dict(feature.tags),
        "schema": SCHEMA,
    }


def tombstone(deleted: Mapping[str, Any], where: str, until: datetime | None) -> Document:
    """Stands for a document that was deleted at `until`; it has no model, so no query meets it.

    Without a time it is as old as what it stands for, so that the same blob may come back.
    """
    return {
        "id": deleted["id"],
        "partition": where,
        "path": deleted["path"],
        "modified": to_microseconds(until) if until else deleted["modified"],
        "schema": SCHEMA,
        "ttl": TOMBSTONE_SECONDS,
    }


def is_tombstone(document: Mapping[str, Any]) -> bool:
    return "model" not in document


def to_feature(document: Mapping[str, Any]) -> Feature:
    """The feature of a document; what a newer app added to it is passed over."""
    return Feature(
        path=document["path"],
        etag=document["etag"],
        modified=_EPOCH + document["modified"] * _MICROSECOND,
        model=document["model"],
        embedding=np.array(document["embedding"], np.float32),
        pixel_hash=document["pixelHash"],
        size=document["size"],
        tags=document["tags"],
    )


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC.

    Raises:
        ValueError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def supersedes(feature: Feature, stored: Mapping[str, Any]) -> bool:
    """Whether a feature may take the place of a stored document (see `FeatureStore.upsert`)."""
    modified = to_microseconds(feature.modified)
    if stored.get("schema", SCHEMA) > SCHEMA or stored["modified"] > modified:
        return False
    return (stored.get("etag"), stored.get("model"), stored["modified"]) != (feature.etag, feature.model, modified)


def newest(documents: Iterable[Document | None]) -> Document | None:
    """Of the copies of one document, the one that counts: the latest, and of equal ones the last."""
    found = [document for document in documents if document]
    return max(reversed(found), key=lambda document: int(document["modified"]), default=None)
