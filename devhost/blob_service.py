"""The folder as a read-only Blob service: the few requests that azure-storage-blob makes to read blobs.

Everything about a blob is taken from one open file, so that its ETag, its length and its bytes belong together.
"""

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from aiohttp import web

from devhost import blob_listing, blobs, conditions

_CHUNK_BYTES = 1024 * 1024
_PAGE_LIMIT = 5000
_NO_TAGS = b'<?xml version="1.0" encoding="utf-8"?><Tags><TagSet /></Tags>'
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    # In Azure the blobs have an origin of their own; here a page among them must not act as the app's.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
}

log = logging.getLogger(__name__)


async def answer(container: blobs.Container, request: web.Request) -> web.StreamResponse | None:
    """Returns the answer to a request for the container or a blob in it, which may be sent already, or else None.

    Raises ConnectionError when the caller goes away, OSError when a file cannot be read.
    """
    name, _, path = unquote(request.rel_url.raw_path).removeprefix("/").partition("/")
    if name != container.name:
        return None
    if request.method not in {"GET", "HEAD"}:
        text = "This folder is read-only here: add, change and remove blobs by copying and deleting its files."
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, "UnsupportedHttpVerb", text, {"Allow": "GET, HEAD"})
    if path:
        return await _of_blob(container, request, path)
    operation = _operation(request)
    if operation == ("container", "list"):
        return await _list(container, request)
    if operation == (None, None):
        return _error(HTTPStatus.NOT_FOUND, "ResourceNotFound", "A container has no page of its own.")
    return _unsupported()


async def _of_blob(container: blobs.Container, request: web.Request, path: str) -> web.StreamResponse:
    operation = _operation(request)
    if operation == (None, None) or request.method == "HEAD":
        return await _blob(container, request, path)
    if operation == (None, "tags"):
        found = await asyncio.to_thread(blobs.find, container, path)
        return _xml(_NO_TAGS) if found else _no_blob(container)
    return _unsupported()


def _operation(request: web.Request) -> tuple[str | None, str | None]:
    return request.query.get("restype"), request.query.get("comp")


async def _list(container: blobs.Container, request: web.Request) -> web.Response:
    prefix, delimiter, marker = (request.query.get(name, "") for name in ("prefix", "delimiter", "marker"))
    limit = request.query.get("maxresults", str(_PAGE_LIMIT))
    if not re.fullmatch("[0-9]{1,9}", limit) or int(limit) == 0:
        text = "maxresults is not a number from 1 on."
        return _error(HTTPStatus.BAD_REQUEST, "OutOfRangeQueryParameterValue", text)
    if not blob_listing.fits_xml(prefix + delimiter):
        # A client takes the prefix of the next page from the answer: it must be there as it was.
        text = "The prefix or the delimiter holds a character that XML cannot carry."
        return _error(HTTPStatus.BAD_REQUEST, "InvalidQueryParameterValue", text)
    body = await asyncio.to_thread(
        blob_listing.page, container, prefix, delimiter, marker, min(int(limit), _PAGE_LIMIT)
    )
    # Looked at last: a folder that went away meanwhile must not pass for one without blobs.
    if not container.root.is_dir():
        return _no_blob(container)
    return _xml(body)


async def _blob(container: blobs.Container, request: web.Request, path: str) -> web.StreamResponse:
    try:
        file = await asyncio.to_thread(_open, container, path)
    except PermissionError:
        return _error(HTTPStatus.FORBIDDEN, "AuthorizationPermissionMismatch", "The file may not be read.")
    if not file:
        return _no_blob(container)
    with file:
        state = blobs.state(os.fstat(file.fileno()))
        if refusal := _refusal(request, state):
            return refusal
        response = web.StreamResponse(headers=_SECURITY | _version(state))
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Content-Type"] = blobs.content_type(path)
        response.headers["x-ms-blob-type"] = "BlockBlob"
        response.headers["x-ms-creation-time"] = response.headers["Last-Modified"]
        start, end = 0, state.size
        if asked := conditions.byte_range(request, state):
            start, end = asked
            response.set_status(HTTPStatus.PARTIAL_CONTENT)
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{state.size}"
        response.content_length = end - start
        await response.prepare(request)
        if request.method == "GET":
            file.seek(start)
            await _send(request, response, file, end - start, state)
        return response


async def _send(
    request: web.Request, response: web.StreamResponse, file: BinaryIO, length: int, state: blobs.State
) -> None:
    """Sends so many bytes from where the file is; breaks the connection when the file has changed by the end."""
    while length:
        chunk = await asyncio.to_thread(file.read, min(length, _CHUNK_BYTES))
        length -= len(chunk)
        if not chunk or (not length and blobs.state(os.fstat(file.fileno())) != state):
            log.warning("%s changed while it was sent: the answer is cut off", request.rel_url.raw_path)
            if request.transport:
                request.transport.close()
            return
        await response.write(chunk)


def _open(container: blobs.Container, path: str) -> BinaryIO | None:
    file = blobs.find(container, path)
    try:
        return file.open("rb") if file else None
    except FileNotFoundError:
        return None


def _version(state: blobs.State) -> dict[str, str]:
    return {"ETag": state.etag, "Last-Modified": formatdate(state.modified, usegmt=True)}


def _refusal(request: web.Request, state: blobs.State) -> web.Response | None:
    """Returns the answer without the blob that the conditions or the range of a request ask for, or None."""
    code = {"x-ms-error-code": "ConditionNotMet"}
    match conditions.condition(request, state):
        case HTTPStatus.NOT_MODIFIED as status:
            return web.Response(status=status, headers=_SECURITY | _version(state) | code)
        case HTTPStatus.PRECONDITION_FAILED as status:
            text = "The condition specified using HTTP conditional header(s) is not met."
            return _error(status, "ConditionNotMet", text)
    asked = conditions.byte_range(request, state)
    if asked and asked[0] >= state.size:
        text = "The range specified is invalid for the current size of the resource."
        return _error(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            text,
            {"Content-Range": f"bytes */{state.size}"},
        )
    return None


def _unsupported() -> web.Response:
    text = "Only blobs, their properties, their tags and the list of blobs can be read here."
    return _error(HTTPStatus.BAD_REQUEST, "UnsupportedQueryParameter", text)


def _no_blob(container: blobs.Container) -> web.Response:
    """A folder that is away does not mean that its files are gone."""
    if not container.root.is_dir():
        return _error(HTTPStatus.NOT_FOUND, "ContainerNotFound", "The folder of the container is not there.")
    return _error(HTTPStatus.NOT_FOUND, "BlobNotFound", "The specified blob does not exist.")


def _error(status: HTTPStatus, code: str, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    root = ET.Element("Error")
    ET.SubElement(root, "Code").text = code
    ET.SubElement(root, "Message").text = text
    response = _xml(ET.tostring(root, encoding="utf-8", xml_declaration=True))
    response.set_status(status)
    response.headers.update({"x-ms-error-code": code, **(headers or {})})
    return response


def _xml(body: bytes) -> web.Response:
    return web.Response(body=body, headers=_SECURITY | {"Content-Type": "application/xml"})
