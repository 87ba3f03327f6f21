"""Where Event Grid delivers: `/runtime/webhooks/blobs` for blob functions, `/runtime/webhooks/EventGrid` for others."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from devhost import events
from devhost.bindings import BlobTrigger, EventGridTrigger, Function
from devhost.queues import Queue, QueueError, Queues

BLOBS, EVENT_GRID = "/runtime/webhooks/blobs", "/runtime/webhooks/eventgrid"
SYSTEM_KEYS = {BLOBS: "blobs_extension", EVENT_GRID: "eventgrid_extension"}

# What Event Grid sends at most, and some more.
_BODY_LIMIT = 2 * 1024 * 1024
_MOST_EVENTS = 5000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The functions that events are for, and where their messages go; without a queue no blob event is taken."""

    functions: Sequence[Function]
    queues: Queues | None
    blob_queue: Queue | None

    async def answer(self, path: str, request: web.Request) -> web.Response:
        """Returns the answer to a request for one of the two paths; raises HTTPException for one that is refused."""
        function = self._function(path, request.query.get("functionName", ""))
        if not function:
            raise web.HTTPNotFound
        kind = request.headers.get("aeg-event-type", "")
        if kind == "Unsubscribe":
            return web.Response(status=HTTPStatus.ACCEPTED)
        if request.method != "POST" or kind not in {"SubscriptionValidation", "Notification"}:
            raise web.HTTPBadRequest
        sent = await _events(request)
        if kind == "SubscriptionValidation":
            return _handshake(sent)
        return web.Response(status=await self._take(function, sent))

    def _function(self, path: str, name: str) -> Function | None:
        kind = BlobTrigger if path == BLOBS else EventGridTrigger
        short = name.removeprefix("Host.Functions.")
        return next((f for f in self.functions if f.name == short and isinstance(f.trigger, kind)), None)

    async def _take(self, function: Function, sent: Sequence[object]) -> HTTPStatus:
        if isinstance(function.trigger, BlobTrigger):
            taking = [self._blob_event(function, function.trigger, event) for event in sent]
        else:
            taking = [self._event(function, event) for event in sent]
        # Event Grid sends the whole array again unless all of it was taken.
        return HTTPStatus.ACCEPTED if all(await asyncio.gather(*taking)) else HTTPStatus.INTERNAL_SERVER_ERROR

    async def _blob_event(self, function: Function, trigger: BlobTrigger, event: object) -> bool:
        if not self.blob_queue:
            return False
        try:
            await events.take_blob_event(function, trigger, event, self.blob_queue)
        except events.BadEventError as error:
            log.warning("%s: an event is left out: %s", function.name, str(error)[:300])
        except QueueError as error:
            log.error("%s: an event is refused: %s", function.name, error)  # noqa: TRY400 - the queue's trouble
            return False
        return True

    async def _event(self, function: Function, event: object) -> bool:
        if not isinstance(event, dict):
            log.warning("%s: an event is left out: it is no object", function.name)
            return True
        return await events.take_event(function, event, self.queues)


async def _events(request: web.Request) -> list[object]:
    length = request.content_length or 0
    if length > _BODY_LIMIT:
        raise web.HTTPRequestEntityTooLarge(max_size=_BODY_LIMIT, actual_size=length)
    try:
        body = await request.read()
        if len(body) > _BODY_LIMIT:  # of unannounced length
            raise web.HTTPRequestEntityTooLarge(max_size=_BODY_LIMIT, actual_size=len(body))
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest from error
    if not isinstance(sent, list) or len(sent) > _MOST_EVENTS:
        raise web.HTTPBadRequest
    return sent


def _handshake(sent: Sequence[object]) -> web.Response:
    data = sent[0].get("data") if sent and isinstance(sent[0], dict) else None
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str):
        raise web.HTTPBadRequest
    return web.json_response({"validationResponse": code})
