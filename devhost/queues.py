"""What triggers need of a queue, kept in a file (`local_queues`) or in Azure Storage (`storage_queues`).

Both behave alike: a message that is received is invisible to others for a while and comes back unless it is deleted,
with one more try on its count.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class QueueError(Exception):
    """The queue cannot be asked just now; the message says why, in a line."""


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    receipt: str  # of this delivery: changes whenever the message is hidden
    body: bytes
    tries: int  # how often it has been received, this time included
    inserted: datetime
    expires: datetime
    visible: datetime  # when it is next visible
    readable: bool = True  # else it is not encoded as the host expects, and `body` is what was there


class Queue(Protocol):
    """One queue. Every method but `receive` raises QueueError when there is no doing it."""

    news: asyncio.Event
    """Set when this process has sent a message; whoever waits for one clears it."""

    async def send(self, body: bytes) -> None:
        """Returns once the message is kept for good."""

    async def receive(self, limit: int, seconds: int) -> list[Message]:
        """Returns up to so many messages, invisible for so many seconds; raises QueueError."""

    async def hide(self, message: Message, seconds: float) -> Message:
        """Makes the message visible again that much later from now; returns it with its new receipt."""

    async def delete(self, message: Message) -> None:
        """Takes the message off the queue."""


class Queues(Protocol):
    """All queues. The same queue is always the same object, so that its `news` reaches who waits for it."""

    def open(self, connection: str, name: str) -> Queue:
        """Returns the queue; `connection` names a setting."""

    async def close(self) -> None:
        """Gives back what the queues hold."""
