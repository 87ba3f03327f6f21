"""Posts events to a Functions host until they are acknowledged: at least once, several at a time, in no firm order."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from tests.servers.azurite.changes import CREATED

TIMEOUT_SECONDS = 30.0  # Event Grid's
_IN_FLIGHT = 8
_RETRY_SECONDS = 0.05

type Event = dict[str, Any]


class Webhooks:
    """The two webhooks of a host: the blob trigger's for what is created, the Event Grid trigger's for the rest."""

    def __init__(
        self,
        host_url: Callable[[], str],
        created_function: str,
        deleted_function: str,
        code: str,
        client: httpx.AsyncClient,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.acknowledged = 0
        self.failed: list[tuple[Event, int]] = []
        self._pending: set[asyncio.Task[None]] = set()
        self._host_url = host_url
        self._created = ("blobs", f"Host.Functions.{created_function}")
        self._deleted = ("EventGrid", deleted_function)
        self._code = {"code": code} if code else {}
        self._client = client
        self._tasks = tasks
        self._slots = asyncio.Semaphore(_IN_FLIGHT)

    @property
    def pending(self) -> int:
        """How many posts are neither acknowledged nor refused."""
        return len(self._pending)

    def send(self, event: Event) -> None:
        """Starts to post the event; those started before go first, as long as none has to be tried again."""
        task = self._tasks.create_task(self._deliver(event))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def idle(self) -> None:
        """Waits until everything is acknowledged or refused."""
        while self._pending:
            await asyncio.wait(self._pending)

    def close(self) -> None:
        """Gives up what is pending."""
        for task in self._pending:
            task.cancel()

    async def _deliver(self, event: Event) -> None:
        while not await self._try(event):
            await asyncio.sleep(_RETRY_SECONDS)

    async def _try(self, event: Event) -> bool:
        """Returns whether the event is done with."""
        path, function = self._created if event["eventType"] == CREATED else self._deleted
        async with self._slots:
            try:
                answer = await self._client.post(
                    f"{self._host_url()}/runtime/webhooks/{path}",
                    params={"functionName": function, **self._code},
                    json=[event],
                    headers={"aeg-event-type": "Notification"},
                )
            except httpx.TransportError:
                # It keeps its slot meanwhile: to a host that is down, the others need not even try.
                await asyncio.sleep(_RETRY_SECONDS)
                return False
        if answer.is_success:
            self.acknowledged += 1
        elif answer.is_server_error:
            return False
        else:
            self.failed.append((event, answer.status_code))
        return True
