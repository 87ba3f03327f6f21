"""Sends the Event Grid events that Azurite does not: of every blob of a container that is written or deleted.

    with azurite() as server, EventSender(server, host.url, "images", "embed", "forget") as sender:
        ...  # change blobs
        sender.wait_idle()

It reads the access lines of the server, and posts to the two webhooks of a Functions host. The lines do not say all:
- Blobs deleted in a batch have none of their own, and send no event.
- Deleting only the snapshots of a blob looks like its own end, and sends an event.
- The ETag, length and type are asked for. When a blob is written twice in no time, both events tell of the second.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from tests.servers.azurite import AzuriteServer
from tests.servers.azurite.changes import Change, Details, change_of, event_of
from tests.servers.azurite.fates import Fate, fate
from tests.servers.azurite.webhooks import TIMEOUT_SECONDS, Event, Webhooks


class EventSender:
    """Sends events from the beginning of its block to its end; what is not acknowledged by then is lost."""

    def __init__(
        self,
        server: AzuriteServer,
        host_url: Callable[[], str] | str,
        container: str,
        created_function: str,
        deleted_function: str,
        *,
        code: str = "",
        seed: int = 0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay: float = 0.0,
        drop: float = 0.0,
    ) -> None:
        """Takes the host's url, or what to ask for it before every post; and its key when it wants one (`code`).

        `duplicate`, `reorder`, `delay` and `drop` are shares of the events, from 0 to 1: fates.py says what they do.
        """
        self._server = server
        self._container = container
        self._fate = partial(fate, seed, duplicate=duplicate, reorder=reorder, delay=delay, drop=drop)
        url = host_url if callable(host_url) else lambda: host_url
        self._connect = partial(Webhooks, url, created_function, deleted_function, code)
        self._decided: Counter[str] = Counter()
        self._number = 0
        self._known: dict[str, Details] = {}
        self._delayed: list[Event] = []
        self._held: list[tuple[int, Event]] = []  # with the number of the event that lets it go
        self._up = threading.Event()

    @property
    def sent(self) -> Counter[str]:
        """How many posts were acknowledged (`sent`), and events `duplicated`, `reordered`, `delayed` and `dropped`."""
        return self._decided + Counter(sent=self._webhooks.acknowledged)

    @property
    def failed(self) -> list[tuple[Event, int]]:
        """The events that were refused, with the status: a bad request stays one, and is not tried again."""
        return self._webhooks.failed

    def __enter__(self) -> Self:
        self._server.catch_up()  # what was changed before is none of its business
        self._executor = ThreadPoolExecutor(1)
        self._running = self._executor.submit(asyncio.run, self._run())
        self._running.add_done_callback(lambda _: self._up.set())  # as after a failure on the way up
        self._up.wait()
        if self._running.done():
            self._running.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._running.done():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._executor.shutdown()
        self._running.result()

    def release(self) -> None:
        """Sends what is delayed or held back, of all changes made until now."""
        self._call(self._release, TIMEOUT_SECONDS)

    def wait_idle(self, timeout: float = 30) -> None:
        """Waits until every event of the changes made until now is acknowledged or refused, but for those kept back.

        Raises TimeoutError when that takes longer, and OSError when the server is gone.
        """
        self._call(self._idle, timeout)

    def _call(self, what: Callable[[], Coroutine[Any, Any, None]], timeout: float) -> None:
        if self._running.done():
            self._running.result()  # raises what ended the sender
        try:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(what(), timeout), self._loop).result()
        except TimeoutError as error:
            raise TimeoutError(f"{self._webhooks.pending} events are not acknowledged after {timeout} s") from error
        except CancelledError:
            self._running.result()
            raise

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._lines = asyncio.Queue[str | asyncio.Event]()

        def listener(line: str) -> None:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

        with self._server.blobs(read_timeout=10) as service:
            blobs = service.get_container_client(self._container)
            async with (
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client,
                asyncio.TaskGroup() as tasks,
            ):
                self._webhooks = self._connect(client, tasks)
                with self._server.listening(listener):
                    reader = tasks.create_task(self._read(blobs))
                    self._up.set()
                    await self._stop.wait()
                reader.cancel()
                self._webhooks.close()

    async def _read(self, blobs: ContainerClient) -> None:
        account = self._server.account
        to_event = partial(event_of, account=account, container=self._container, blob_url=self._server.blob_url)
        while True:
            line = await self._lines.get()
            if isinstance(line, asyncio.Event):
                line.set()  # whoever put it there knows now that the lines before it are read
                continue
            change = change_of(line, account, self._container)
            if change:
                details = self._known[change.path] = await self._details(change, blobs)
                self._number += 1
                self._dispatch(to_event(change, details, self._number), self._fate(self._number))

    async def _details(self, change: Change, blobs: ContainerClient) -> Details:
        """Asks at once, not when the event is sent: a late event tells how the blob was, as in Azure."""
        known = self._known.get(change.path, Details())
        if change.api == "DeleteBlob":
            return known
        try:
            found = await asyncio.to_thread(blobs.get_blob_client(change.path).get_blob_properties)
        except ResourceNotFoundError:
            return known  # it has gone already
        return Details(
            etag=found.etag.strip('"'),  # an event has it without quotes
            content_type=found.content_settings.content_type or Details.content_type,
            content_length=found.size,
            blob_type=found.blob_type,
            copied=found.copy.id is not None,
        )

    def _dispatch(self, event: Event, what: Fate) -> None:
        """Sends, keeps or drops event number `self._number`, then sends those that waited for it to go ahead."""
        kinds = {
            "dropped": what.dropped,
            "delayed": what.delayed,
            "reordered": what.behind > 0,
            "duplicated": what.again_behind > 0,
        }
        self._decided.update(kind for kind, applies in kinds.items() if applies)
        let_go_by = [self._number + what.behind]
        if what.again_behind:
            let_go_by.append(let_go_by[0] + what.again_behind)
        if what.delayed:
            self._delayed += [event] * len(let_go_by)
        elif not what.dropped:
            self._held += [(number, event) for number in let_go_by]
        still_held = [(number, held) for number, held in self._held if number > self._number]
        # Its own event first: it is the last to have come, and what it lets go is to be behind it.
        for number, held in reversed(self._held):
            if number <= self._number:
                self._webhooks.send(held)
        self._held = still_held

    async def _caught_up(self) -> None:
        """Waits until every change answered before is an event."""
        await asyncio.to_thread(self._server.catch_up)
        turn = asyncio.Event()
        self._lines.put_nowait(turn)
        await turn.wait()

    async def _release(self) -> None:
        await self._caught_up()
        due = self._delayed + [held for _, held in self._held]
        self._delayed, self._held = [], []
        for event in due:
            self._webhooks.send(event)

    async def _idle(self) -> None:
        await self._caught_up()
        await self._webhooks.idle()
