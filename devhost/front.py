"""The HTTP side: from a request to a function and back, and the pages of the host itself."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote, unquote

from aiohttp import web

from devhost import blobs, routes, worker
from devhost.bindings import Function, HttpTrigger
from devhost.keys import Keys
from devhost.protos import ParameterBinding, RpcHttp, RpcHttpCookie, TypedData
from devhost.settings import HttpSettings

BODY_LIMIT = 100 * 1024 * 1024  # what the real host takes unless told otherwise

# The server works these out itself.
_NOT_THE_APPS = {"content-length", "transfer-encoding", "connection"}
_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}

log = logging.getLogger(__name__)


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
        keys: Keys | None = None,
        container: blobs.Container | None = None,
    ) -> None:
        self._served = served
        self._limit = settings.max_outstanding
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
        log.info("%s %s %d (%.0f ms)", request.method, request.rel_url.raw_path, response.status, milliseconds)
        return response

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path
        path = routes.decode(raw_path)
        if path == "/admin/host/status":
            return self._status(request)
        for endpoint in self._served:
            parameters = endpoint.route.match(path)
            if parameters is not None and (not endpoint.trigger.methods or request.method in endpoint.trigger.methods):
                return await self._run(endpoint, request, parameters)
        if request.method in {"GET", "HEAD"}:
            if not path:
                return web.Response(text="The Functions app is running under devhost.\n")
            if self._container and (file := self._blob(self._container, unquote(raw_path))):
                return file
        return web.Response(status=HTTPStatus.NOT_FOUND)

    def _status(self, request: web.Request) -> web.Response:
        if not self._allowed(request, "ADMIN", ""):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        return web.json_response({"state": "Running", "id": "devhost", "version": "4"})

    def _blob(self, container: blobs.Container, path: str) -> web.FileResponse | None:
        prefix = f"/{container.name}/"
        file = blobs.find(container, path.removeprefix(prefix)) if path.startswith(prefix) else None
        if not file:
            return None
        headers = {
            "Content-Type": blobs.content_type(path),
            "X-Content-Type-Options": "nosniff",
            # In Azure the blobs have an origin of their own; here a page among them must not act as the app's.
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        }
        return web.FileResponse(file, headers=headers)

    def _allowed(self, request: web.Request, level: str, function: str) -> bool:
        if self._keys is None:
            return True
        given = request.headers.get("x-functions-key", request.query.get("code", ""))
        return self._keys.allow(level, function, given)

    async def _run(self, endpoint: Endpoint, request: web.Request, parameters: dict[str, str]) -> web.Response:
        function = endpoint.function
        if not self._allowed(request, endpoint.trigger.level, function.name):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if 0 <= self._limit <= self._outstanding:
            return web.Response(status=HTTPStatus.TOO_MANY_REQUESTS)
        self._outstanding += 1
        try:
            data = TypedData(http=await _rpc_request(request, parameters))
            outcome = await worker.invoke(
                function.id,
                function.name,
                ParameterBinding(endpoint.trigger.parameter, data),
                {},
                request.headers.get("traceparent", ""),
            )
        finally:
            self._outstanding -= 1
        if outcome.error:
            log.error("%s failed\n%s", function.name, outcome.error.stack_trace.rstrip())
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(outcome.value)


def make_app(front: Front) -> web.Application:
    """Returns the server's application: everything goes to the one front."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/{path:.*}", front.answer)
    return app


async def _rpc_request(request: web.Request, parameters: dict[str, str]) -> RpcHttp:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    length = request.content_length or 0
    if length > BODY_LIMIT:
        raise web.HTTPRequestEntityTooLarge(max_size=BODY_LIMIT, actual_size=length)
    # As the real host: a body of unannounced length (chunked) is not read.
    body = TypedData(bytes=await request.read()) if length else TypedData()
    return RpcHttp(
        method=request.method,
        url=f"http://{request.host}{request.rel_url.raw_path_qs}",
        headers=headers,
        params=parameters,
        query={name: value for name, value in query.items() if value},
        body=body,
    )


def _response(value: TypedData | None) -> web.Response:
    if value is None:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if value.http is None:
        return web.Response(text=value.string if value.string is not None else value.json)
    http = value.http
    headers = {name: text for name, text in http.headers.items() if name.lower() not in _NOT_THE_APPS}
    body = http.body.bytes if http.body else None
    response = web.Response(status=int(http.status_code), headers=headers, body=body)
    for cookie in http.cookies or ():
        response.headers.add("Set-Cookie", _set_cookie(cookie))
    return response


def _set_cookie(cookie: RpcHttpCookie) -> str:
    """The header that ASP.NET writes: the value escaped, the path `/` unless given."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires:
        parts.append(f"expires={formatdate(cookie.expires.value.seconds, usegmt=True)}")
    if cookie.max_age:
        parts.append(f"max-age={cookie.max_age.value:.0f}")
    if cookie.domain and cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    parts.append(f"path={(cookie.path and cookie.path.value) or '/'}")
    if cookie.secure and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site].lower()}")
    if cookie.http_only and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)
