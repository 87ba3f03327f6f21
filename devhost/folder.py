"""Watches the folder of images and makes the events that a storage account would send.

The folder is compared with the receipts, at the start and whenever the watcher reports a change; every path that
differs is announced, one state at a time: the next look at it comes when the functions are through with the last. So
reports may be late, doubled or lost without harm, what changed while the host was down is treated like any other
change, and a removal is told when nothing of the path runs any more.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfiles import Change, awatch

from devhost import blobs, deliveries, events
from devhost.bindings import BlobTrigger, EventGridTrigger, Function
from devhost.local_queues import LocalQueue
from devhost.progress import Tally
from devhost.queues import Message
from devhost.receipts import Receipts

# A file written this short a time ago is probably still being written.
_SETTLE_SECONDS = 0.25

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Path:
    """A path that is being looked after."""

    outstanding: int = 0  # messages that functions are not through with
    fired: bool = False
    failed: bool = False
    removed: bool = False


class Folder:
    """The watcher. `run` it until the stop event is set, and tell it of the messages that are `over`."""

    def __init__(
        self,
        container: blobs.Container,
        functions: Sequence[Function],
        receipts: Receipts,
        blob_queue: LocalQueue,
        deletions: LocalQueue,
    ) -> None:
        self._container = container
        self._listeners = [(f, f.trigger) for f in functions if isinstance(f.trigger, BlobTrigger)]
        self._told_of_removals = [f for f in functions if isinstance(f.trigger, EventGridTrigger)]
        self._receipts = receipts
        self._blob_queue = blob_queue
        self._deletions = deletions
        self._active: dict[str, _Path] = {}
        self._to_look_at: asyncio.Queue[str] = asyncio.Queue()
        self._tally = Tally()
        for body in blob_queue.waiting():  # left by a host that was stopped
            self._expect(events.read_message(body).name).fired = True
        for body in deletions.waiting():
            self._expect(deliveries.path_of(body)).removed = True

    async def run(self, stop: asyncio.Event) -> None:
        """Watches until stopped."""
        looking = asyncio.create_task(self._look())
        try:
            await self._scan()
            settled = False
            async for changes in awatch(
                self._container.root,
                watch_filter=self._is_visible,
                debounce=400,
                rust_timeout=1000,
                yield_on_timeout=True,
                stop_event=stop,
            ):
                # One more look once it is quiet: for what happened before the watcher was up, or escaped it.
                if changes or not settled:
                    settled = not changes
                    await self._scan()
        finally:
            looking.cancel()
            self._tally.close()
            self._receipts.close()

    def blob_over(self, message: Message, done: bool) -> None:
        """Takes note that a function is through with a blob."""
        self._over(events.read_message(message.body).name, done=done)

    def deletion_over(self, message: Message, _done: bool) -> None:
        """Takes note that a function is through with a removal; one that was given up is told to nobody any more."""
        self._over(deliveries.path_of(message.body), done=True)

    def _expect(self, path: str) -> _Path:
        active = self._active.setdefault(path, _Path())
        active.outstanding += 1
        self._tally.total = len(self._active)
        return active

    def _over(self, path: str, *, done: bool) -> None:
        active = self._active.get(path)
        if not active:  # announced by a webhook, not by this watcher
            return
        active.outstanding -= 1
        active.failed |= not done
        if active.outstanding <= 0:
            self._to_look_at.put_nowait(path)

    async def _scan(self) -> None:
        if not self._container.root.is_dir():
            # More likely moved or unmounted than meant as the end of every image.
            log.warning("Images: %s is not there; nothing is taken as removed", self._container.root)
            return
        found = await asyncio.to_thread(blobs.list_blobs, self._container)
        for path in [*found, *(path for path in self._receipts.paths() if path not in found)]:
            if path not in self._active and self._receipts.etag(path) != found.get(path):
                self._active[path] = _Path()
                self._tally.total += 1
                self._to_look_at.put_nowait(path)
        self._tally.first_look(unchanged=len(found) - len(self._active.keys() & found.keys()))
        self._tally.report_if(not self._active)

    async def _look(self) -> None:
        while True:
            path = await self._to_look_at.get()
            active = self._active.get(path)
            if not active or active.outstanding > 0:
                continue
            try:
                through = await self._look_at(path, active)
            except Exception:  # the edge of a path: one bad file must not end the watch
                log.exception("Images: %s is left alone until something changes", path)
                active.failed = active.fired = through = True
            if through:
                del self._active[path]
                self._tally.count(fired=active.fired, failed=active.failed, removed=active.removed)
                self._tally.report_if(not self._active)

    async def _look_at(self, path: str, active: _Path) -> bool:
        """Returns whether all is told; else there is another look, soon or when the functions are through."""
        if not self._container.root.is_dir():
            return True
        etag, age = await asyncio.to_thread(_state, self._container, path)
        announced = self._receipts.etag(path)
        if etag == announced:
            return True
        if etag is None:
            return await self._announce_end(path, announced or "", active)
        if 0 <= age < _SETTLE_SECONDS:
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._to_look_at.put_nowait, path)
            return False
        return await self._announce(path, etag, active)

    async def _announce(self, path: str, etag: str, active: _Path) -> bool:
        event = deliveries.storage_event(events.CREATED, self._container, path, etag)
        listeners = [(f, t) for f, t in self._listeners if t.pattern.fullmatch(path)]
        active.outstanding, active.fired, active.failed = len(listeners), bool(listeners), False
        for function, trigger in listeners:
            await events.take_blob_event(function, trigger, event, self._blob_queue)
        self._receipts.put(path, etag)
        return not listeners

    async def _announce_end(self, path: str, last_etag: str, active: _Path) -> bool:
        event = deliveries.storage_event(events.DELETED, self._container, path, last_etag)
        # If it went before its function was through, it is neither processed nor failed.
        active.outstanding, active.fired, active.removed = len(self._told_of_removals), False, True
        for function in self._told_of_removals:
            await self._deletions.send(deliveries.delivery(function.name, path, event))
        self._receipts.forget(path)
        return not self._told_of_removals

    def _is_visible(self, _change: Change, path: str) -> bool:
        """Only to be woken less often: the scan decides what counts."""
        return not any(part.startswith(".") for part in Path(path).relative_to(self._container.root).parts)


def _state(container: blobs.Container, path: str) -> tuple[str | None, float]:
    """Returns the ETag and how many seconds ago the file was written; no ETag when it is not there."""
    etag, file = blobs.etag(container, path), blobs.find(container, path)
    try:
        return etag, time.time() - file.stat().st_mtime if file else 0
    except FileNotFoundError:
        return None, 0
