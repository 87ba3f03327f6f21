"""The vector of a query image, asked for as the search service asks: by the vectorizer of an index."""

import base64
import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import numpy as np

from infra.search.asking.querying import QueryError, vector_field
from infra.search.durations import seconds
from infra.search.this_machine import THIS_MACHINE
from shared.contract import Json
from shared.features import Vector
from shared.terminal import printable

MOST_BYTES = 1_000_000
"""Of an answer. A vector of 4,096 numbers takes a tenth of it."""

DEFAULT_TIMEOUT = "PT30S"

REFUSED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
"""What the app answers who has no key for it, or a wrong one."""


class VectorizerError(Exception):
    """There is no vector for the image; the message says why."""


def image_vector(image: bytes, index: Mapping[str, Json], headers: Mapping[str, str]) -> Vector:
    """The vector of an image.

    Args:
        image: An encoded image.
        index: The definition of the index: its vector field has a profile with a `customWebApi` vectorizer.
        headers: Sent besides those of the vectorizer, and instead of them.

    Returns:
        float32, of the field's dimensions.

    Raises:
        VectorizerError: The vectorizer does not answer, refuses, or answers something else.
        QueryError: The index has no vectors.
    """
    field = vector_field(index)
    vectorizer = vectorizer_of(index, field["vectorSearchProfile"])
    uri = vectorizer["uri"]
    _check(uri)
    body = {"values": [{"recordId": "0", "data": {"imageBinary": {"data": base64.b64encode(image).decode()}}}]}
    limit = seconds(vectorizer.get("timeout") or DEFAULT_TIMEOUT)
    sent = {**(vectorizer.get("httpHeaders") or {}), **headers}
    try:
        status, answer = _asked(vectorizer.get("httpMethod") or "POST", uri, json.dumps(body), sent, limit)
    except httpx.TimeoutException as error:
        raise VectorizerError(f"The vectorizer at {uri} did not answer within {limit:g} seconds.") from error
    except httpx.HTTPError as error:
        raise VectorizerError(f"The vectorizer at {uri} does not answer: is the app running?") from error
    if status in REFUSED:
        raise VectorizerError(refusal(f"The vectorizer at {uri}", status))
    if status != httpx.codes.OK:
        said = printable(" ".join(answer.decode("utf-8", "replace").split())[:300])
        raise VectorizerError(f"The vectorizer at {uri} answered {status}: {said}")
    return _vector(answer, uri, field)


def refusal(who: str, status: int) -> str:
    """What to do where the app, or a part of it, answers one of `REFUSED`."""
    return (
        f"{who} answered {status}: set SKILLS_FUNCTION_KEY to a key of the app, and appUrl to its address: no other is "
        "sent the key."
    )


def vectorizer_of(index: Mapping[str, Json], profile: str) -> dict[str, Json]:
    """What is said of the vectorizer that a profile of the index names: uri, httpMethod, httpHeaders, timeout.

    Raises:
        VectorizerError: It names none, or one of another kind.
    """
    search = index.get("vectorSearch") or {}
    named = {one["name"]: one for one in search.get("profiles") or []}.get(profile, {}).get("vectorizer")
    for vectorizer in search.get("vectorizers") or []:
        if vectorizer["name"] == named and vectorizer.get("customWebApiParameters"):
            parameters: dict[str, Json] = vectorizer["customWebApiParameters"]
            return parameters
    raise VectorizerError(f"The index {index['name']} names no custom vectorizer: only words can be asked here.")


def own_headers(index: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, str]:
    """The headers for the vectorizer of a kept index, from the definition of one that has them.

    They hold a key: none are given unless both name the same vectorizer.
    """
    try:
        kept, known = (vectorizer_of(one, vector_field(one)["vectorSearchProfile"]) for one in (index, own))
    except (QueryError, VectorizerError):
        return {}
    return dict(known.get("httpHeaders") or {}) if kept["uri"] == known["uri"] else {}


def _check(uri: str) -> None:
    """Raise a VectorizerError where an image, and maybe a key, would be sent in the open, or nowhere."""
    try:
        parts = urlsplit(uri)
        secret = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in THIS_MACHINE)
        usable = secret and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or a broken address in brackets
        usable = False
    if not usable:
        raise VectorizerError(f"The vectorizer at {uri} is not asked: that takes https, or http on this machine.")


def _asked(method: str, uri: str, body: str, headers: Mapping[str, str], limit: float) -> tuple[int, bytes]:
    end = time.monotonic() + limit
    # A proxy has no way to this machine.
    with httpx.Client(timeout=limit, trust_env=urlsplit(uri).hostname not in THIS_MACHINE) as client:
        typed = {**headers, "Content-Type": "application/json"}
        with client.stream(method, uri, content=body, headers=typed) as reply:
            answer = b""
            for part in reply.iter_bytes():
                answer += part
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("the answer comes too slowly")
                if len(answer) > MOST_BYTES:
                    break
            return reply.status_code, answer


def _vector(answer: bytes, uri: str, field: Mapping[str, Json]) -> Vector:
    try:
        (value,) = json.loads(answer)["values"]
        vector: Vector = np.array(value["data"]["vector"], dtype=np.float32)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise VectorizerError(f"The vectorizer at {uri} answered something else than one vector.") from error
    wanted = field["dimensions"]
    if vector.shape != (wanted,) or not np.isfinite(vector).all():
        raise VectorizerError(
            f"The vectorizer at {uri} answered something else than {wanted} numbers, which the field {field['name']} "
            "takes: it is not the app that this index was made with."
        )
    return vector
