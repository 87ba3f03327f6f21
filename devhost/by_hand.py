"""`POST /admin/functions/{name}` with `{"input": "…"}` runs a function that has no route, as if its event had come.

The input of a blob function is `container/name`, that of an Event Grid function the JSON of the event, that of a queue
function the message; a timer takes none.
"""

import asyncio
import json
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from aiohttp import web

from devhost import events, invocation, timers, triggers
from devhost.bindings import BlobTrigger, EventGridTrigger, Function, HttpTrigger, QueueTrigger
from devhost.queues import Message, QueueError
from devhost.webhooks import Webhooks

_running: set[asyncio.Future[bool]] = set()  # the loop alone would let them go


class _InputError(Exception):
    """The input is not what the function takes."""


async def answer(name: str, request: web.Request, host: Webhooks) -> web.Response:
    """Returns 202 once the function is about to run, 404 when there is none of the name, 400 for another input."""
    function = next((f for f in host.functions if f.name == name and not isinstance(f.trigger, HttpTrigger)), None)
    if not function:
        return web.Response(status=HTTPStatus.NOT_FOUND)
    try:
        body = await request.read()
        content = json.loads(body) if body else {}
        given = content.get("input") or ""
        running = asyncio.ensure_future(await _start(function, given if isinstance(given, str) else str(given), host))
    except (AttributeError, ValueError, RecursionError, _InputError):
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    except QueueError:
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
    _running.add(running)
    running.add_done_callback(_running.discard)
    return web.Response(status=HTTPStatus.ACCEPTED)


async def _start(function: Function, given: str, host: Webhooks) -> Awaitable[bool]:
    """Returns the run; raises ValueError, QueueError or _InputError."""
    match function.trigger:
        case QueueTrigger():
            data, metadata = triggers.queue_data(given.encode()), triggers.queue_metadata(_message(given))
            return invocation.succeeds(function, "a message given by hand", data, metadata, host.queues)
        case EventGridTrigger():
            event = json.loads(given)
            if not isinstance(event, dict):
                raise _InputError
            return events.take_event(function, event, host.queues)
        case BlobTrigger() as trigger:
            container, _, name = given.partition("/")
            if container != trigger.container or not name or not host.blob_queue:
                raise _InputError
            message = events.BlobMessage(function.name, "BlockBlob", container, name, "")
            await host.blob_queue.send(message.to_bytes())
            return _done()
        case _:
            return timers.run(function, host.queues)


async def _done() -> bool:
    return True


def _message(given: str) -> Message:
    now = datetime.now(UTC)
    return Message("by-hand", "", given.encode(), 1, now, now + timedelta(days=7), now)
