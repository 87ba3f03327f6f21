"""What is done with the messages of the queues: a blob function's, and a queue function's."""

import logging
from collections.abc import Sequence
from functools import partial

from devhost import blob_input, events, invocation
from devhost.bindings import HOST_STORAGE, BlobTrigger, Function, QueueTrigger
from devhost.consumer import TRIES, Work
from devhost.protos import TypedData
from devhost.queues import Message, Queue, Queues
from devhost.storage import StorageError

BLOB_POISON = "webjobs-blobtrigger-poison"

log = logging.getLogger(__name__)


def blob_work(functions: Sequence[Function], read: blob_input.Source, queues: Queues) -> Work:
    """Returns what is done with the host's own queue: each message is a blob for one of the functions."""
    triggers = {f.name: (f, f.trigger) for f in functions if isinstance(f.trigger, BlobTrigger)}

    async def handle(message: Message) -> bool:
        about = events.read_message(message.body)
        if about.function not in triggers:
            log.warning("%s: a blob for a function that is not there is left out", about.function)
            return True
        function, trigger = triggers[about.function]
        blob = await read(trigger, about.name)
        if blob is None:
            return True  # gone, or about to come again
        return await invocation.succeeds(
            function,
            f"{about.name} ({_try(message)})",
            blob_input.trigger_data(trigger, about.name, blob),
            blob_input.trigger_metadata(trigger, about.name, blob),
            queues,
        )

    async def give_up(message: Message) -> None:
        try:
            _, trigger = triggers[events.read_message(message.body).function]
            poison = queues.open(trigger.connection, BLOB_POISON)  # with the blobs, as in Azure
        except (KeyError, ValueError, StorageError):
            poison = queues.open(HOST_STORAGE, BLOB_POISON)
        await _set_aside(poison, BLOB_POISON, message)

    return Work(handle, give_up)


def queue_work(function: Function, trigger: QueueTrigger, queues: Queues) -> Work:
    """Returns what is done with the queue of a function."""
    name = f"{trigger.queue}-poison"

    async def handle(message: Message) -> bool:
        what = f"a message of {trigger.queue} ({_try(message)})"
        return await invocation.succeeds(function, what, queue_data(message.body), queue_metadata(message), queues)

    return Work(handle, partial(_set_aside, queues.open(trigger.connection, name), name))


def queue_data(body: bytes) -> TypedData:
    """Returns the message as text, or as bytes when it is none."""
    try:
        return TypedData(string=body.decode())
    except UnicodeDecodeError:
        return TypedData(bytes=body)


def queue_metadata(message: Message) -> dict[str, TypedData]:
    """Returns what the host tells of a message beside its text."""
    return {
        "Id": TypedData(string=message.id),
        "DequeueCount": TypedData(json=str(message.tries)),
        "InsertionTime": TypedData(json=f'"{message.inserted.isoformat()}"'),
        "ExpirationTime": TypedData(json=f'"{message.expires.isoformat()}"'),
        "NextVisibleTime": TypedData(json=f'"{message.visible.isoformat()}"'),
        "PopReceipt": TypedData(string=message.receipt),
        "QueueTrigger": queue_data(message.body),
    }


async def _set_aside(poison: Queue, name: str, message: Message) -> None:
    await poison.send(message.body)
    text = message.body[:1000].decode(errors="replace")
    log.error("Given up after %d tries, now on the queue %s: %s", min(message.tries, TRIES), name, text)


def _try(message: Message) -> str:
    return f"try {message.tries} of {TRIES}"
