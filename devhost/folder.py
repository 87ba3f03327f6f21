"""Watches the folder of images and has the functions told of what happens to its files.

The folder is compared with the receipts, at the start and whenever the watcher reports a change; every path that
differs is queued once and looked after by one worker at a time, which looks at the file as it is then. So events may be
late, doubled or lost without harm, and what changed while the host was down is treated like any other change.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfiles import Change, awatch

from devhost import blobs
from devhost.bindings import BlobTrigger, EventGridTrigger, Function
from devhost.console import Progress
from devhost.delivery import Deliveries
from devhost.receipts import STARTED, Receipts

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Burst:
    """What has been counted since the queue was last empty."""

    total: int = 0
    processed: int = 0
    failed: int = 0
    removed: int = 0


class Folder:
    """The watcher, its queue and its workers. `run` it until the stop event is set."""

    def __init__(
        self, container: blobs.Container, functions: Sequence[Function], data: Path, stop: asyncio.Event
    ) -> None:
        """Opens the receipts in the data folder; raises ReceiptsError when they cannot be used."""
        self._container = container
        self._functions = [f for f in functions if _listens(f, container.name)]
        self._deliveries = Deliveries(container, data)
        self._stop = stop
        self._receipts = Receipts(data / "receipts.sqlite", container.root)
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._pending: set[str] = set()  # queued, being worked on, or waiting for another try
        self._fired: dict[str, bool] = {}  # path being looked after → whether a function gave it up
        self._burst = _Burst()
        self._left_alone: dict[str, str | None] = {}  # what could not be looked after, until its ETag changes
        self._unchanged: int | None = None  # since the first look; None before it
        self._reported = False
        self._progress = Progress("Images")

    async def run(self) -> None:
        """Watches until stopped, then lets the functions that are running finish."""
        workers = [asyncio.create_task(self._work()) for _ in range(os.process_cpu_count() or 1)]
        try:
            await self._scan()
            settled = False
            async for changes in awatch(
                self._container.root,
                watch_filter=self._is_visible,
                debounce=400,
                rust_timeout=1000,
                yield_on_timeout=True,
                stop_event=self._stop,
            ):
                # One more look once it is quiet: for what happened before the watcher was up, or escaped it.
                if changes or not settled:
                    settled = not changes
                    await self._scan()
            for _ in workers:
                self._queue.put_nowait(None)
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            self._progress.close()
            self._receipts.close()

    async def _scan(self) -> None:
        if not self._container.root.is_dir():
            # More likely moved or unmounted than meant as the end of every image.
            log.warning("Images: %s is not there; nothing is taken as removed", self._container.root)
            return
        found = await asyncio.to_thread(blobs.list_blobs, self._container)
        for path in [*found, *(path for path in self._receipts.paths() if path not in found)]:
            if path not in self._pending and self._differs(path, found.get(path)):
                self._pending.add(path)
                self._burst.total += 1
                self._queue.put_nowait(path)
        if self._unchanged is None:
            self._unchanged = len(found) - len(self._pending & found.keys())
            self._report_when_idle()

    def _differs(self, path: str, etag: str | None) -> bool:
        known = self._receipts.of(path)
        if path in self._left_alone and self._left_alone[path] == etag:
            return False
        if etag is None:
            return bool(known)
        return any(known.get(function.name) != etag for function in self._concerned(path))

    def _concerned(self, path: str) -> list[Function]:
        return [
            f for f in self._functions if not isinstance(f.trigger, BlobTrigger) or f.trigger.pattern.fullmatch(path)
        ]

    async def _work(self) -> None:
        while (path := await self._queue.get()) is not None and not self._stop.is_set():
            try:
                again = await self._look_after(path)
                if again is None and self._differs(path, await asyncio.to_thread(blobs.etag, self._container, path)):
                    again = 0  # it changed meanwhile, and a scan passed over it because it was pending
            except blobs.StillChangingError as busy:
                again = busy.after_seconds
            except Exception:  # the edge of an invocation: one bad file must not end the watch
                log.exception("Images: %s is left alone until it changes", path)
                self._left_alone[path] = blobs.etag(self._container, path)
                self._fired[path] = True
                again = None
            if again is None:
                self._finish(path)
            else:
                asyncio.get_running_loop().call_later(again, self._queue.put_nowait, path)

    def _finish(self, path: str) -> None:
        self._pending.discard(path)
        gave_up = self._fired.pop(path, None)
        if gave_up is not None:
            self._burst.failed += gave_up
            self._burst.processed += not gave_up
        done = self._burst.total - len(self._pending)
        self._progress.show(done, self._burst.total)
        self._report_when_idle()

    def _report_when_idle(self) -> None:
        if self._pending or self._unchanged is None:
            return
        burst, self._burst = self._burst, _Burst()
        self._progress.close()
        if not self._reported or burst.processed or burst.failed or burst.removed:
            removed = f", {burst.removed} removed" if burst.removed else ""
            unchanged = f", {self._unchanged} unchanged" if self._unchanged else ""
            log.info("Images: %d processed, %d failed%s%s", burst.processed, burst.failed, removed, unchanged)
        self._reported, self._unchanged = True, 0

    async def _look_after(self, path: str) -> float | None:
        """Returns None when every function has been told how the file is, or after how many seconds to look again."""
        etag = await asyncio.to_thread(blobs.etag, self._container, path)
        if etag is None:
            return await self._removed(path)
        known = self._receipts.of(path)
        due = [f for f in self._concerned(path) if known.get(f.name) != etag]
        for function in due:
            if isinstance(function.trigger, EventGridTrigger):
                # It is not told of new files; the receipt says that it is to be told when the file goes.
                self._receipts.put(path, function.name, etag)
        listeners = [(f, f.trigger) for f in due if isinstance(f.trigger, BlobTrigger)]
        if not listeners:
            return None
        blob = await asyncio.to_thread(blobs.read, self._container, path)
        if blob is None or blob.etag != etag:
            return 0
        delays = [await self._fire(function, trigger, blob) for function, trigger in listeners]
        return max((delay for delay in delays if delay is not None), default=None)

    async def _fire(self, function: Function, trigger: BlobTrigger, blob: blobs.Blob) -> float | None:
        self._fired.setdefault(blob.path, False)
        self._receipts.put(blob.path, function.name, STARTED)
        verdict = await self._deliveries.blob(function, trigger, blob)
        if verdict.retry_after is None:
            self._receipts.put(blob.path, function.name, blob.etag)
            self._fired[blob.path] |= verdict.gave_up
        return verdict.retry_after

    async def _removed(self, path: str) -> float | None:
        known = self._receipts.of(path)
        if not known:
            return None
        self._fired.pop(path, None)  # it went before its function was through: neither processed nor failed
        for function in self._functions:
            if isinstance(function.trigger, EventGridTrigger):
                last_etag = known.get(function.name) or next(iter(known.values()))
                verdict = await self._deliveries.removal(function, function.trigger, path, last_etag)
                if verdict.retry_after is not None:
                    return verdict.retry_after
        self._receipts.forget(path)
        self._burst.removed += 1
        return None

    def _is_visible(self, _change: Change, path: str) -> bool:
        """Only to be woken less often: the scan decides what counts."""
        return not any(part.startswith(".") for part in Path(path).relative_to(self._container.root).parts)


def _listens(function: Function, container: str) -> bool:
    trigger = function.trigger
    return isinstance(trigger, EventGridTrigger) or (
        isinstance(trigger, BlobTrigger) and trigger.container == container
    )
