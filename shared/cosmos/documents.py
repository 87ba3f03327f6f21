"""How features and failures look as documents, and which partition they are in."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from shared.features import Failure, Feature, Vector

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


def to_document(entry: Feature | Failure) -> Document:
    """The document of a feature or a failure, without its partition.

    Raises:
        ValueError: A time has no time zone.
    """
    common = {
        "id": document_id(entry.path),
        "path": entry.path,
        "etag": entry.etag,
        "modified": to_microseconds(entry.modified),
        "schema": SCHEMA,
    }
    if isinstance(entry, Failure):
        # One level down, so that it has no model: no query for features meets it.
        failure = {
            "model": entry.model,
            "reason": entry.reason,
            "time": to_microseconds(entry.time),
            "retry": entry.retry,
        }
        return common | {"failure": failure}
    return common | {
        "model": entry.model,
        "embedding": to_numbers(entry.embedding),
        "pixelHash": entry.pixel_hash,
        "size": entry.size,
        "tags": dict(entry.tags),
    }


def to_numbers(vector: Vector) -> list[float]:
    """A vector for JSON: the shortest digits that give the float32 back, 12 bytes a number instead of 20."""
    return [float(str(value)) for value in vector]


def tombstone(deleted: Mapping[str, Any], where: str, until: datetime | None) -> Document:
    """Stands for a document that was deleted at `until`; it is no feature and no failure, so no query meets it.

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
    return "model" not in document and "failure" not in document


def to_entry(document: Mapping[str, Any]) -> Feature | Failure | None:
    """What a document says of an image: nothing when it is a tombstone."""
    if is_tombstone(document):
        return None
    return to_feature(document) if "model" in document else to_failure(document)


def to_feature(document: Mapping[str, Any]) -> Feature:
    """The feature of a document; what a newer app added to it is passed over."""
    return Feature(
        path=document["path"],
        etag=document["etag"],
        modified=_moment(document["modified"]),
        model=document["model"],
        embedding=np.array(document["embedding"], np.float32),
        pixel_hash=document["pixelHash"],
        size=document["size"],
        tags=document["tags"],
    )


def to_failure(document: Mapping[str, Any]) -> Failure:
    """The failure of a document."""
    failure = document["failure"]
    return Failure(
        path=document["path"],
        etag=document["etag"],
        modified=_moment(document["modified"]),
        model=failure["model"],
        reason=failure["reason"],
        time=_moment(failure["time"]),
        retry=failure["retry"],
    )


def in_order(document: Mapping[str, Any]) -> bytes:
    """What documents are compared by to order them by path as the database does: UTF-16 code units."""
    path: str = document["path"]
    return path.encode("utf-16-be", "surrogatepass")


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC.

    Raises:
        ValueError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def supersedes(document: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a feature or a failure may take the place of a stored document (see `FeatureStore.upsert`)."""
    if stored.get("schema", SCHEMA) > SCHEMA or stored["modified"] > document["modified"]:
        return False
    model = document["model"] if "model" in document else document["failure"]["model"]
    new = (document["etag"], model, document["modified"])
    if (stored.get("etag"), stored.get("model"), stored["modified"]) != new:  # only a stored feature has a model
        return True
    # Index tags change without a new version of the blob; a failure has none to bring.
    return "model" in document and bool(document["tags"] != stored["tags"])


def newest(copies: Iterable[Document | None]) -> Document | None:
    """Of the copies of one document, the one that counts: the latest, and of equal ones the last."""
    found = [document for document in copies if document]
    return max(reversed(found), key=lambda document: int(document["modified"]), default=None)


def merged(documents: Iterable[Document]) -> list[Document]:
    """The documents, of several copies of one only that which counts."""
    found: dict[str, Document] = {}
    for document in documents:
        found[document["id"]] = newest([found.get(document["id"]), document]) or document
    return list(found.values())


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
