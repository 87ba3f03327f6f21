"""What a blob function is given: the bytes or only a reference, and what the host tells of the blob beside it."""

import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from devhost import blobs
from devhost.bindings import BlobTrigger
from devhost.protos import ModelBindingData, TypedData


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as it is now. `content` is None when it was not asked for."""

    url: str
    created: datetime
    modified: datetime
    length: int
    content_type: str
    md5: bytes | None
    metadata: Mapping[str, str]
    content: bytes | None


type Source = Callable[[BlobTrigger, str], Awaitable[Blob | None]]
"""Looks at the blob of a name: None when there is none, or when it changes while it is read and so comes again.

Raises OSError, or what the SDK raises, when it cannot be read.
"""


def trigger_data(trigger: BlobTrigger, name: str, blob: Blob) -> TypedData:
    """Returns the value of the function's parameter."""
    if not trigger.by_reference:
        return TypedData(bytes=blob.content)
    reference = {"Connection": trigger.connection, "ContainerName": trigger.container, "BlobName": name}
    content = json.dumps(reference).encode()
    return TypedData(model_binding_data=ModelBindingData("1.0", "AzureStorageBlobs", "application/json", content))


def trigger_metadata(trigger: BlobTrigger, name: str, blob: Blob) -> dict[str, TypedData]:
    """Returns what the host tells a blob function beside the content: the path's captures, URL and properties."""
    match = trigger.pattern.fullmatch(name)
    captures = match.groupdict() if match else {}
    properties = {
        "LastModified": blob.modified.isoformat(timespec="seconds"),
        "CreatedOn": blob.created.isoformat(timespec="seconds"),
        "Metadata": dict(blob.metadata),
        "BlobType": 0,
        "ContentLength": blob.length,
        "ContentType": blob.content_type,
        # Not a slip: the storage extension serializes its ETag type without its value, as published logs show.
        "ETag": {},
        "ContentHash": base64.b64encode(blob.md5).decode() if blob.md5 else None,
        "ContentEncoding": None,
        "ContentDisposition": None,
        "ContentLanguage": None,
        "CacheControl": None,
        "IsServerEncrypted": False,
    }
    return {key: TypedData(string=value) for key, value in captures.items()} | {
        "BlobTrigger": TypedData(string=f"{trigger.container}/{name}"),
        "Uri": TypedData(json=json.dumps(blob.url)),
        "Properties": TypedData(json=json.dumps(properties)),
        "Metadata": TypedData(json=json.dumps(dict(blob.metadata))),
    }


def read_file(container: blobs.Container, name: str, *, content: bool) -> Blob | None:
    """Returns the file as a blob, or None when there is none or it changed meanwhile; raises OSError."""
    file = blobs.find(container, name)
    if not file:
        return None
    try:
        with file.open("rb") as opened:
            before = os.fstat(opened.fileno())
            data = opened.read() if content else None
            after = os.fstat(opened.fileno())
    except FileNotFoundError:
        return None
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        return None  # its watcher tells of it again, once it is whole
    modified = datetime.fromtimestamp(before.st_mtime, UTC)
    return Blob(
        url=container.url(name),
        created=modified,
        modified=modified,
        length=before.st_size,
        content_type=blobs.content_type(name),
        md5=None if data is None else hashlib.md5(data, usedforsecurity=False).digest(),
        metadata={},
        content=data,
    )
