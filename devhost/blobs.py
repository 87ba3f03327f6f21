"""A folder that stands for a blob container: which files are its blobs, and how a blob looks to a function.

A blob is a regular file, directly in the folder or below it, whose path holds no name that begins with a dot. A
symbolic link to a file counts when the file is in the folder too; linked folders are not entered.
"""

import base64
import hashlib
import json
import mimetypes
import os
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from devhost.protos import TypedData

# A file written this short a time ago is probably still being written.
_SETTLE_SECONDS = 0.25
_ACCOUNT = "/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/devhost"


class StillChangingError(Exception):
    """The file is being written: look again after a moment."""

    after_seconds = _SETTLE_SECONDS


@dataclass(frozen=True, slots=True)
class Container:
    root: Path  # resolved
    name: str
    service_url: str

    def url(self, path: str) -> str:
        """Returns where the blob can be read."""
        return f"{self.service_url}/{self.name}/{quote(path)}"


@dataclass(frozen=True, slots=True)
class Blob:
    path: str
    etag: str
    modified: datetime
    content: bytes


def find(container: Container, path: str) -> Path | None:
    """Returns the file of a blob, or None when there is no such blob: no path leads out of the folder."""
    names = path.split("/")
    # The backslash is a separator on Windows; the null byte makes every system call raise.
    if any(not name or name.startswith(".") or "\\" in name or "\0" in name for name in names):
        return None
    try:
        file = container.root.joinpath(*names).resolve()
        if not file.is_relative_to(container.root) or not file.is_file():
            return None
    except OSError:  # a name that is too long, a loop of links, a folder that may not be entered
        return None
    return None if any(part.startswith(".") for part in file.relative_to(container.root).parts) else file


def list_blobs(container: Container) -> dict[str, str]:
    """Returns the ETag of every blob by its path, sorted by path."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(container.root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(folder, name).relative_to(container.root).as_posix()
            tag = etag(container, path) if _is_text(path) else None
            if tag:
                found[path] = tag
    return dict(sorted(found.items()))


def etag(container: Container, path: str) -> str | None:
    """Returns the ETag of the blob, or None when there is no such blob."""
    try:
        file = find(container, path)
        return _etag(file.stat()) if file else None
    except FileNotFoundError:
        return None


def read(container: Container, path: str) -> Blob | None:
    """Returns the blob, read whole and unchanged meanwhile, or None; raises StillChangingError or OSError."""
    file = find(container, path)
    if not file:
        return None
    try:
        before = file.stat()
        if 0 <= time.time() - before.st_mtime < _SETTLE_SECONDS:
            raise StillChangingError
        content = file.read_bytes()
        after = file.stat()
    except FileNotFoundError:
        return None
    if _etag(before) != _etag(after) or len(content) != after.st_size:
        raise StillChangingError
    return Blob(path, _etag(after), datetime.fromtimestamp(after.st_mtime, UTC), content)


def trigger_metadata(container: Container, blob: Blob, pattern: re.Pattern[str]) -> dict[str, TypedData]:
    """Returns what the host tells a blob function beside the content: the path's captures, URL and properties."""
    match = pattern.fullmatch(blob.path)
    captures = match.groupdict() if match else {}
    modified = blob.modified.isoformat(timespec="seconds")
    properties = {
        "LastModified": modified,
        "CreatedOn": modified,
        "Metadata": {},
        "BlobType": 0,
        "ContentLength": len(blob.content),
        "ContentType": content_type(blob.path),
        # Not a slip: the storage extension serializes its ETag type without its value, as published logs show.
        "ETag": {},
        "ContentHash": base64.b64encode(hashlib.md5(blob.content, usedforsecurity=False).digest()).decode(),
        "ContentEncoding": None,
        "ContentDisposition": None,
        "ContentLanguage": None,
        "CacheControl": None,
        "IsServerEncrypted": False,
    }
    return {name: TypedData(string=value) for name, value in captures.items()} | {
        "BlobTrigger": TypedData(string=f"{container.name}/{blob.path}"),
        "Uri": TypedData(json=json.dumps(container.url(blob.path))),
        "Properties": TypedData(json=json.dumps(properties)),
        "Metadata": TypedData(json="{}"),
    }


def deleted_event(container: Container, path: str, last_etag: str) -> dict[str, object]:
    """Returns the event that Azure Storage sends by Event Grid when a blob is deleted, in the Event Grid schema."""
    return {
        "id": str(uuid.uuid4()),
        "topic": _ACCOUNT,
        "subject": f"/blobServices/default/containers/{container.name}/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobDeleted",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "api": "DeleteBlob",
            "clientRequestId": str(uuid.uuid4()),
            "requestId": str(uuid.uuid4()),
            "eTag": last_etag,
            "contentType": content_type(path),
            "blobType": "BlockBlob",
            "url": container.url(path),
            "sequencer": f"{time.time_ns():048x}",
            "storageDiagnostics": {"batchId": str(uuid.uuid4())},
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }


def content_type(path: str) -> str:
    """Returns the content type that the name of the blob stands for."""
    return mimetypes.guess_type(PurePosixPath(path).name)[0] or "application/octet-stream"


def _etag(stat: os.stat_result) -> str:
    return f'"0x{stat.st_mtime_ns:016X}{stat.st_size:X}"'


def _is_text(path: str) -> bool:
    """A blob's name is Unicode; a file's name need not be."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
