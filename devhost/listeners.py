"""Everything that makes functions run without a request: the queues and the clock, put together."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devhost import blob_input, blobs, deliveries
from devhost.bindings import HOST_STORAGE, BlobTrigger, Function, QueueTrigger, TimerTrigger
from devhost.consumer import consume
from devhost.folder import Folder
from devhost.local_queues import LocalQueues
from devhost.queues import Queue, Queues
from devhost.receipts import Receipts
from devhost.settings import TriggerSettings
from devhost.storage import StorageError
from devhost.timers import keep_time
from devhost.triggers import blob_work, queue_work

type Job = Coroutine[object, object, None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """What listens: jobs to run until they are cancelled, and the queues that they and everyone else use."""

    jobs: Sequence[Job]
    queues: Queues | None
    blob_queue: Queue | None
    notes: Sequence[str]
    close: Callable[[], Coroutine[object, object, None]]


def without_storage(functions: Sequence[Function]) -> Listeners:
    """Returns the timers alone."""
    waiting = [f.name for f in functions if isinstance(f.trigger, BlobTrigger | QueueTrigger)]
    notes = [f"{name}: never runs without --images or the setting {HOST_STORAGE}" for name in waiting]
    sending = [f.name for f in functions if f.outputs]
    notes += [f"{name}: sends no messages without --images or the setting {HOST_STORAGE}" for name in sending]
    return Listeners(_timers(functions, None), None, None, notes, _nothing)


def in_storage(
    functions: Sequence[Function], app: Path, settings: Mapping[str, str], at_once: TriggerSettings
) -> Listeners:
    """Returns what listens to a storage account; raises StorageError when the host's own is no connection string."""
    # A fifth of a second that the folder's host does not need.
    from devhost.storage_blobs import StorageBlobs  # noqa: PLC0415
    from devhost.storage_queues import StorageQueues  # noqa: PLC0415

    queues, account = StorageQueues(settings), StorageBlobs(settings)
    # A name of its own for each app, so that two hosts on one Azurite do not take each other's messages.
    host_id = f"devhost-{hashlib.sha256(str(app).encode()).hexdigest()[:8]}"
    blob_queue = queues.open(HOST_STORAGE, f"azure-webjobs-blobtrigger-{host_id}")
    notes: list[str] = []
    usable: list[Function] = []
    for function in functions:
        try:
            for output in function.outputs:
                queues.open(output.connection, output.queue)
            if isinstance(function.trigger, BlobTrigger):
                account.account(function.trigger.connection)
            elif isinstance(function.trigger, QueueTrigger):
                queues.open(function.trigger.connection, function.trigger.queue)
        except StorageError as error:
            notes.append(f"{function.name}: {error}, so it fails or never runs")
        else:
            usable.append(function)

    async def close() -> None:
        await account.close()
        await queues.close()

    work = blob_work(usable, account.read, queues)
    jobs = [consume(blob_queue, work, at_once.blobs_at_once), *_queues(usable, queues, at_once)]
    return Listeners([*jobs, *_timers(functions, queues)], queues, blob_queue, notes, close)


def in_folder(
    functions: Sequence[Function], container: blobs.Container, data: Path, at_once: TriggerSettings, stop: asyncio.Event
) -> Listeners:
    """Returns what listens to a folder; raises ReceiptsError or QueueError when the host's files cannot be used."""
    receipts = Receipts(data / "receipts.sqlite", container.root)  # first: it takes the data folder for this host
    queues = LocalQueues(data / "queues.sqlite")
    blob_queue, deletions = queues.open("", "azure-webjobs-blobtrigger-devhost"), queues.open("", deliveries.QUEUE)
    concerned = [
        f for f in functions if not isinstance(f.trigger, BlobTrigger) or f.trigger.container == container.name
    ]
    folder = Folder(container, concerned, receipts, blob_queue, deletions)

    async def read(trigger: BlobTrigger, name: str) -> blob_input.Blob | None:
        return await asyncio.to_thread(blob_input.read_file, container, name, content=not trigger.by_reference)

    of_blobs = replace(blob_work(concerned, read, queues), over=folder.blob_over)
    of_removals = replace(deliveries.delivery_work(concerned, data, queues), over=folder.deletion_over)
    jobs: list[Job] = [
        folder.run(stop),
        consume(blob_queue, of_blobs, at_once.blobs_at_once),
        consume(deletions, of_removals, at_once.blobs_at_once),
        *_queues(concerned, queues, at_once),
        *_timers(functions, queues),
    ]
    notes = [
        f"{f.name}: never runs, --images stands for the container {container.name}, not {f.trigger.container}"
        for f in functions
        if isinstance(f.trigger, BlobTrigger) and f.trigger.container != container.name
    ]
    return Listeners(jobs, queues, blob_queue, notes, queues.close)


def _queues(functions: Sequence[Function], queues: Queues, at_once: TriggerSettings) -> list[Job]:
    return [
        consume(queues.open(t.connection, t.queue), queue_work(f, t, queues), at_once.messages_at_once)
        for f, t in ((f, f.trigger) for f in functions)
        if isinstance(t, QueueTrigger)
    ]


def _timers(functions: Sequence[Function], queues: Queues | None) -> list[Job]:
    return [keep_time(f, f.trigger, queues) for f in functions if isinstance(f.trigger, TimerTrigger)]


async def _nothing() -> None:
    pass
