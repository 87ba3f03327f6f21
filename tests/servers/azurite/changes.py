"""From an access line of Azurite to the event that Azure Storage would send by Event Grid, in the Event Grid schema."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote

CREATED = "Microsoft.Storage.BlobCreated"
DELETED = "Microsoft.Storage.BlobDeleted"

# 127.0.0.1 - - [22/Nov/2026:01:29:39 +0000] "PUT /devstoreaccount1/images/dogs/a%20b.jpg HTTP/1.1" 201 -
_LINE = re.compile(r'"([A-Z]+) (\S+) HTTP/1\.[01]" (\d{3}) ')
# Any other says that something else than the blob itself was written: its tags, a block, a snapshot.
_OPERATIONS: dict[tuple[str, str], Literal["PutBlob", "PutBlockList", "DeleteBlob"]] = {
    ("PUT", ""): "PutBlob",
    ("PUT", "comp=blocklist"): "PutBlockList",
    ("DELETE", ""): "DeleteBlob",
}
# 201 for a blob that was written, 202 for a copy and a deletion. The messages of a queue, whose lines look alike, give
# 204.
_DONE = {"201", "202"}
# Of a query; `timeout` and what a signed url carries say nothing of what was done.
_TELLING = {"comp", "snapshot", "versionid"}
_NAMESPACE = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/test/providers/Microsoft.Storage"


@dataclass(frozen=True)
class Change:
    """A blob of the container was written or deleted."""

    api: Literal["PutBlob", "PutBlockList", "DeleteBlob"]
    path: str
    """The blob's name, decoded."""


@dataclass(frozen=True)
class Details:
    """What an event tells of a blob and its access line does not."""

    etag: str = "0x0"
    content_type: str = "application/octet-stream"
    content_length: int = 0
    blob_type: str = "BlockBlob"
    copied: bool = False


def change_of(line: str, account: str, container: str) -> Change | None:
    """Returns the change of a blob of the container that an access line reports, None for any other line."""
    found = _LINE.search(line)
    if not found or found[3] not in _DONE:
        return None
    path, _, query = found[2].partition("?")
    prefix = f"/{account}/{container}/"
    telling = [f"{name}={values[0]}" for name, values in sorted(parse_qs(query).items()) if name in _TELLING]
    api = _OPERATIONS.get((found[1], "&".join(telling)))
    if api is None or not path.startswith(prefix) or path == prefix:
        return None
    return Change(api, unquote(path.removeprefix(prefix)))


def event_of(
    change: Change, details: Details, number: int, *, account: str, container: str, blob_url: str
) -> dict[str, Any]:
    """Returns the event; `number` is its place among all changes, `blob_url` the address of the blob service."""
    url = f"{blob_url}/{container}/{quote(change.path)}"  # encoded as the SDK does
    data: dict[str, Any] = {
        "api": "CopyBlob" if details.copied and change.api == "PutBlob" else change.api,
        "clientRequestId": str(uuid.uuid4()),
        "requestId": str(uuid.uuid4()),
        "contentType": details.content_type,
        "blobType": details.blob_type,
        "url": url,
        "sequencer": f"{number:048x}",  # of two, the later one is the greater string
        "storageDiagnostics": {"batchId": str(uuid.uuid4())},
    }
    if change.api != "DeleteBlob":  # the schema of a deletion has neither
        data |= {"eTag": details.etag, "contentLength": details.content_length}
    return {
        "topic": f"{_NAMESPACE}/storageAccounts/{account}",
        "subject": f"/blobServices/default/containers/{container}/blobs/{change.path}",
        "eventType": DELETED if change.api == "DeleteBlob" else CREATED,
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "id": str(uuid.uuid4()),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }
