"""The HTTP side: from a request to a function and back, and the pages of the host itself."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from devhost import blob_service, blobs, by_hand, invocation, routes
from devhost.bindings import Function, HttpTrigger
from devhost.keys import Keys
from devhost.protos import TypedData
from devhost.rpc_http import BODY_LIMIT, response_of, rpc_request
from devhost.settings import HttpSettings
from devhost.webhooks import SYSTEM_KEYS, Webhooks

log = logging.getLogger(__name__)

_BY_HAND = "/admin/functions/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP function and where it answers."""

    function: Function
    trigger: HttpTrigger
    route: routes.Route


def endpoints(functions: Sequence[Function], prefix: str) -> list[Endpoint]:
    """Returns the HTTP functions, most literal route first; raises RouteError for a route that is not understood."""
    found = [
        Endpoint(function, function.trigger, routes.compile_route(f"{prefix}/{function.trigger.route}".strip("/")))
        for function in functions
        if isinstance(function.trigger, HttpTrigger)
    ]
    return sorted(found, key=lambda endpoint: endpoint.route.rank)


class Front:
    """Answers requests. `keys` is None when keys are not asked for, `container` when there is no folder."""

    def __init__(
        self,
        served: Sequence[Endpoint],
        settings: HttpSettings,
        webhooks: Webhooks,
        keys: Keys | None = None,
        container: blobs.Container | None = None,
    ) -> None:
        self._served = served
        self._limit = settings.max_outstanding
        self._webhooks = webhooks
        self._keys = keys
        self._container = container
        self._outstanding = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Returns the answer to any request, and writes its access line (without the query: it may hold a key)."""
        started = time.perf_counter()
        try:
            response = await self._dispatch(request)
        except (web.RequestPayloadError, ConnectionError):  # the caller went away, or its body is not what it announced
            response = web.Response(status=HTTPStatus.BAD_REQUEST)
        except web.HTTPException as error:
            response = web.Response(status=error.status)
        except Exception:  # the edge of an invocation: an answer that cannot be sent is the app's failure
            log.exception("The answer to %s %s could not be made", request.method, request.rel_url.raw_path)
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        milliseconds = 1000 * (time.perf_counter() - started)
        # Storage writes no access lines here, and the app reads every image of the folder.
        level = logging.DEBUG if self._is_of_storage(request) and response.status < 500 else logging.INFO
        log.log(level, "%s %s %d (%.0f ms)", request.method, request.rel_url.raw_path, response.status, milliseconds)
        return response

    def _is_of_storage(self, request: web.Request) -> bool:
        return self._container is not None and request.path.partition("/")[2].split("/")[0] == self._container.name

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = routes.decode(request.rel_url.raw_path)
        if path.startswith(("/admin/", "/runtime/")):
            return await self._own(request, path)
        for endpoint in self._served:
            parameters = endpoint.route.match(path)
            if parameters is not None and (not endpoint.trigger.methods or request.method in endpoint.trigger.methods):
                return await self._run(endpoint, request, parameters)
        if not path and request.method in {"GET", "HEAD"}:
            return web.Response(text="The Functions app is running under devhost.\n")
        found = await blob_service.answer(self._container, request) if self._container else None
        return found or web.Response(status=HTTPStatus.NOT_FOUND)

    async def _own(self, request: web.Request, path: str) -> web.Response:
        """Answers for the host itself: a key comes before anything is said."""
        given = _given_key(request)
        hook = path.lower()
        if hook in SYSTEM_KEYS:
            if self._keys and not self._keys.allow_system(SYSTEM_KEYS[hook], given):
                return web.Response(status=HTTPStatus.UNAUTHORIZED)
            return await self._webhooks.answer(hook, request)
        if self._keys and not self._keys.allow("ADMIN", "", given):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if path == "/admin/host/status":
            return web.json_response({"state": "Running", "id": "devhost", "version": "4"})
        if path.startswith(_BY_HAND) and request.method == "POST":
            return await by_hand.answer(path.removeprefix(_BY_HAND), request, self._webhooks)
        return web.Response(status=HTTPStatus.NOT_FOUND)

    async def _run(self, endpoint: Endpoint, request: web.Request, parameters: dict[str, str]) -> web.Response:
        function = endpoint.function
        if self._keys and not self._keys.allow(endpoint.trigger.level, function.name, _given_key(request)):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if 0 <= self._limit <= self._outstanding:
            return web.Response(status=HTTPStatus.TOO_MANY_REQUESTS)
        self._outstanding += 1
        try:
            data = TypedData(http=await rpc_request(request, parameters))
            trace_parent = request.headers.get("traceparent", "")
            outcome = await invocation.invoke(function, data, {}, self._webhooks.queues, trace_parent)
        finally:
            self._outstanding -= 1
        if outcome.error:
            log.error("%s failed\n%s", function.name, outcome.error.stack_trace.rstrip())
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return response_of(outcome.value)


def make_app(front: Front) -> web.Application:
    """Returns the server's application: everything goes to the one front."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", r"/{path:[\s\S]*}", front.answer)
    return app


def _given_key(request: web.Request) -> str:
    return request.headers.get("x-functions-key", request.query.get("code", ""))
