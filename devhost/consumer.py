"""Takes the messages of a queue to their function: five tries, each a little later, and then the message is given up.

The count of tries is the queue's own, and a message is deleted only when it is done with: so whatever a killed host had
in hand comes back, and what kills the host is not tried for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from devhost.queues import Message, Queue, QueueError

TRIES = 5

_INVISIBLE_SECONDS = 10  # how long a message stays away after the host was killed
_RENEW_SECONDS = 4.0
_FIRST_DELAY_SECONDS = 0.1  # doubled from try to try
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 4.0  # between two looks at an empty queue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with the messages of a queue."""

    handle: Callable[[Message], Awaitable[bool]]
    """Returns whether it is done; else, as when it raises, the message comes again."""
    give_up: Callable[[Message], Awaitable[None]]
    """Sets aside what has failed too often."""
    over: Callable[[Message, bool], None] = lambda message, done: None  # noqa: ARG005 - nobody asks to be told
    """Told of every message that is off the queue, and whether it was done."""


async def consume(queue: Queue, work: Work, limit: int) -> None:
    """Handles messages, up to `limit` at the same time, until cancelled; then those that are running are finished."""
    running: set[asyncio.Task[None]] = set()
    wait = _SHORTEST_WAIT_SECONDS
    try:
        while True:
            if len(running) > limit // 2:  # fewer questions, each for several messages
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                continue
            queue.news.clear()
            messages = await _receive(queue, limit - len(running))
            for message in messages:
                task = asyncio.create_task(_see_through(queue, work, message))
                running.add(task)
                task.add_done_callback(running.discard)
            if messages:
                wait = _SHORTEST_WAIT_SECONDS
            elif await _no_news(queue, wait):
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
    finally:
        if running:
            await asyncio.wait(running)


async def _receive(queue: Queue, limit: int) -> list[Message]:
    try:
        return await queue.receive(limit, _INVISIBLE_SECONDS)
    except QueueError:  # the queue has said so, once
        return []


async def _no_news(queue: Queue, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await queue.news.wait()
    except TimeoutError:
        return True
    return False


async def _see_through(queue: Queue, work: Work, message: Message) -> None:
    try:
        done, message = await _handle(queue, work, message)
        if not done and message.readable and message.tries < TRIES:
            delay = _FIRST_DELAY_SECONDS * 2.0 ** (message.tries - 1)
            await queue.hide(message, delay)
            asyncio.get_running_loop().call_later(delay, queue.news.set)
            return
        if not done:
            await work.give_up(message)
        await queue.delete(message)
    except QueueError as error:
        log.warning("A message comes again in %d seconds: %s", _INVISIBLE_SECONDS, error)
    else:
        work.over(message, done)


async def _handle(queue: Queue, work: Work, message: Message) -> tuple[bool, Message]:
    """Returns whether it is done, and the message with its latest receipt."""
    if message.tries > TRIES or not message.readable:
        return False, message
    handling = asyncio.ensure_future(work.handle(message))
    while not (await asyncio.wait([handling], timeout=_RENEW_SECONDS))[0]:
        try:
            message = await queue.hide(message, _INVISIBLE_SECONDS)
        except QueueError as error:
            log.warning("A message that is being worked on may come twice: %s", error)
    try:
        return handling.result(), message
    except Exception:  # the edge of a message: the next one may be better
        log.exception("A message could not be handled (try %d of %d)", message.tries, TRIES)
        return False, message
