"""What an event of Event Grid means: for a blob function a message on the host's own queue, for others a run.

Everything that tells of blobs comes this way, whether over a webhook or from the watched folder.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from devhost import invocation
from devhost.bindings import BlobTrigger, Function
from devhost.protos import TypedData
from devhost.queues import Queue, Queues

CREATED, DELETED = "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"


class BadEventError(Exception):
    """An event that is not for the function; the message says why."""


@dataclass(frozen=True, slots=True)
class BlobMessage:
    """What is on the queue for a blob function, and on the poison queue when it has failed too often."""

    function: str
    blob_type: str
    container: str
    name: str
    etag: str

    def to_bytes(self) -> bytes:
        return json.dumps(
            {
                "Type": "BlobTrigger",
                "FunctionId": f"Host.Functions.{self.function}",
                "BlobType": self.blob_type,
                "ContainerName": self.container,
                "BlobName": self.name,
                "ETag": self.etag,
            }
        ).encode()


def read_message(body: bytes) -> BlobMessage:
    """Returns what `to_bytes` has written; raises ValueError for anything else."""
    try:
        content = json.loads(body)
        function = content["FunctionId"].removeprefix("Host.Functions.")
        return BlobMessage(
            function, content["BlobType"], content["ContainerName"], content["BlobName"], content["ETag"]
        )
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a message of a blob trigger: {error!r}") from error


async def take_blob_event(function: Function, trigger: BlobTrigger, event: object, queue: Queue) -> BlobMessage:
    """Returns the message, once it is kept; raises BadEventError for an event that is not for the function."""
    message = _message(function, trigger, event)
    await queue.send(message.to_bytes())
    return message


async def take_event(function: Function, event: Mapping[str, object], queues: Queues | None) -> bool:
    """Returns whether the run of an Event Grid function for the event succeeds."""
    text = TypedData(json=json.dumps(event))
    what = str(event.get("subject") or event.get("id"))
    return await invocation.succeeds(function, what, text, {"data": text}, queues)


def _message(function: Function, trigger: BlobTrigger, event: object) -> BlobMessage:
    if not isinstance(event, dict):
        raise BadEventError("it is no object")
    if event.get("eventType") != CREATED:
        raise BadEventError(f"its type is {event.get('eventType')!r}, not {CREATED}")
    data = event.get("data")
    fields = [data.get(name) if isinstance(data, dict) else None for name in ("url", "eTag", "blobType")]
    if not all(isinstance(field, str) and field for field in fields):
        raise BadEventError("its data lacks url, eTag or blobType")
    url, etag, blob_type = map(str, fields)
    name = blob_name(url, trigger.container)
    if not trigger.pattern.fullmatch(name):
        raise BadEventError(f"{name!r} does not match the path of the function")
    return BlobMessage(function.name, blob_type, trigger.container, name, etag)


def blob_name(url: str, container: str) -> str:
    """Returns the name of the blob; raises BadEventError when the url is none, or not of the container.

    The account counts for nothing: it is the one of the connection of the function.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise BadEventError("its url is none") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise BadEventError("its url is none")
    names = unquote(parts.path).split("/")[1:]
    if any(name in {".", ".."} or "\0" in name for name in names):
        raise BadEventError("its url leads elsewhere")
    # Azurite's addresses have the account before the container.
    if names[:1] != [container] and _is_address(host):
        names = names[1:]
    if names[:1] != [container]:
        raise BadEventError(f"its blob is not in the container {container}")
    name = "/".join(names[1:])
    if not 0 < len(name) <= 1024:
        raise BadEventError("its blob has no name, or one that is too long")
    return name


def _is_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
