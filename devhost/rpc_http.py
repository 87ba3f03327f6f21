"""HTTP requests and answers as the worker library exchanges them with its host."""

from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from devhost.protos import RpcHttp, RpcHttpCookie, TypedData

BODY_LIMIT = 100 * 1024 * 1024  # what the real host takes unless told otherwise

# The server works these out itself.
_NOT_THE_APPS = {"content-length", "transfer-encoding", "connection"}
_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}


async def rpc_request(request: web.Request, parameters: dict[str, str]) -> RpcHttp:
    """Returns the request, its body read; raises HTTPRequestEntityTooLarge before it is read when it is too long."""
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


def response_of(value: TypedData | None) -> web.Response:
    """Returns what is sent for the value that a function returned."""
    if value is None:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if value.http is None:
        return web.Response(text=value.string if value.string is not None else value.json)
    http = value.http
    headers = {name: text for name, text in http.headers.items() if name.lower() not in _NOT_THE_APPS}
    body = http.body.bytes if http.body else None
    response = web.Response(status=int(http.status_code), headers=headers, body=body)
    for cookie in http.cookies or ():
        response.headers.add("Set-Cookie", set_cookie(cookie))
    return response


def set_cookie(cookie: RpcHttpCookie) -> str:
    """Returns the header that ASP.NET writes: the value escaped, the path `/` unless given."""
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
