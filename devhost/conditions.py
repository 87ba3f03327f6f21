"""What the headers of a request ask of a file: conditions and a range (RFC 9110, and the Blob service's own header)."""

import re
from http import HTTPStatus

from aiohttp import web

from devhost.blobs import State

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")


def condition(request: web.Request, state: State) -> HTTPStatus:
    """Returns what comes of the conditions of a request (RFC 9110, 13.2.2)."""
    if_match, if_none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    unmodified, modified = request.if_unmodified_since, request.if_modified_since
    if if_match is not None:
        failed = not _matches(if_match, state)
    else:
        failed = bool(unmodified and state.modified > unmodified.timestamp())
    if failed:
        return HTTPStatus.PRECONDITION_FAILED
    if if_none_match is not None:
        unchanged = _matches(if_none_match, state)
    else:
        unchanged = bool(modified and state.modified <= modified.timestamp())
    return HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK


def byte_range(request: web.Request, state: State) -> tuple[int, int] | None:
    """Returns where the bytes asked for begin and end; None for all. What is no range here is ignored, as HTTP has it.

    The begin may be behind the end of the file.
    """
    header = request.headers.get("x-ms-range") or request.headers.get("Range") or ""
    asked = _RANGE.fullmatch(header)
    if request.method != "GET" or not asked or request.headers.get("If-Range", state.etag) != state.etag:
        return None
    start, end = int(asked[1]), int(asked[2]) + 1 if asked[2] else None
    if end is None:
        return start, state.size
    return (start, min(end, state.size)) if start < end else None


def _matches(header: str, state: State) -> bool:
    """The quotes may be left out, as an ETag from a list of blobs has none."""
    given = {value.strip().strip('"') for value in header.split(",")}
    return "*" in given or state.etag.strip('"') in given
