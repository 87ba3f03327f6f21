"""What Event Grid does for a storage account, done for the watched folder: the events, and trying again.

A function that fails for a deletion gets it again; the event waits on a queue of its own, and so survives a restart.
"""

import json
import logging
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from devhost import blobs, events
from devhost.bindings import EventGridTrigger, Function
from devhost.consumer import TRIES, Work
from devhost.queues import Message, Queues

QUEUE = "eventgrid-deliveries"
DEAD_LETTERS = "eventgrid-deadletter.jsonl"  # a container of the operator's choice in Azure

_ACCOUNT = "/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/devhost"

log = logging.getLogger(__name__)


def storage_event(kind: str, container: blobs.Container, path: str, etag: str) -> dict[str, object]:
    """Returns the event that Azure Storage sends when a blob is created or deleted, in the Event Grid schema."""
    return {
        "id": str(uuid.uuid4()),
        "topic": _ACCOUNT,
        "subject": f"/blobServices/default/containers/{container.name}/blobs/{path}",
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "api": "PutBlob" if kind == events.CREATED else "DeleteBlob",
            "clientRequestId": str(uuid.uuid4()),
            "requestId": str(uuid.uuid4()),
            "eTag": etag,
            "contentType": blobs.content_type(path),
            "blobType": "BlockBlob",
            "url": container.url(path),
            "sequencer": f"{time.time_ns():048x}",
            "storageDiagnostics": {"batchId": str(uuid.uuid4())},
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }


def delivery(function: str, path: str, event: dict[str, object]) -> bytes:
    """Returns the message that has the event delivered to the function."""
    return json.dumps({"function": function, "path": path, "event": event}).encode()


def path_of(message: bytes) -> str:
    """Returns the path that the message is about."""
    return str(json.loads(message)["path"])


def delivery_work(functions: Sequence[Function], data: Path, queues: Queues) -> Work:
    """Returns what is done with the queue of deliveries. What is given up goes to a file in the data folder."""
    listeners = {f.name: f for f in functions if isinstance(f.trigger, EventGridTrigger)}

    async def handle(message: Message) -> bool:
        content = json.loads(message.body)
        function = listeners.get(content["function"])
        # An app that has lost the function since has nobody to tell.
        return function is None or await events.take_event(function, content["event"], queues)

    async def give_up(message: Message) -> None:
        text = json.dumps(json.loads(message.body)["event"], ensure_ascii=False)
        with (data / DEAD_LETTERS).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        log.error("Given up after %d tries, written to %s: %s", TRIES, DEAD_LETTERS, text)

    return Work(handle, give_up)
