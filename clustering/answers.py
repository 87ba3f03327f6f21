"""What the calls of people have in common: which error is which status, and what bodies may be."""

import json
from collections.abc import Callable
from urllib.parse import quote

from clustering.assignment import Current, FitGoneError, current
from clustering.edits import LabelError, UnknownClusterError
from clustering.fits import ParameterError
from clustering.jobs import JobOverError, JobRunningError
from clustering.labels import StaleFitError
from shared.contract import CallError, Json, Reply, error_reply
from shared.features import FeatureStore, StoreBusy

MAX_BODY = 4_000_000
"""Bytes. All the labels that a collection can keep are less than half of it."""

STATUS = {
    ParameterError: 400,
    LabelError: 400,
    UnknownClusterError: 404,
    StaleFitError: 409,
    JobRunningError: 409,
    JobOverError: 409,
}


def answered(call: Callable[[], Reply]) -> Reply:
    """What a call answers, also where that is an error. Raises StoreBusy."""
    try:
        return call()
    except CallError as error:
        return error_reply(error)
    except FitGoneError:
        return error_reply(StoreBusy("The collection was fitted anew meanwhile; ask again.", 1))
    except tuple(STATUS) as error:
        return error_reply(CallError(STATUS[type(error)], str(error)))


def in_force(collection: str, features: FeatureStore) -> Current:
    """The clustering of a collection. Raises CallError when there is none."""
    found = current(collection, features)
    if found is None:
        path = clusters_path(collection)
        raise CallError(404, f"The collection {collection!r} has no clusters yet: start a fit with POST {path}.")
    return found


def json_object(body: bytes, example: str) -> dict[str, Json]:
    """The object that a body holds. Raises CallError, which shows the example."""
    if len(body) > MAX_BODY:
        raise CallError(413, f"The body is larger than {MAX_BODY / 1e6:g} MB.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CallError(400, f"The body is not JSON. Send an object such as {example}.") from error
    if not isinstance(content, dict):
        raise CallError(400, f"The body is no JSON object such as {example}.")
    return content


def clusters_path(collection: str) -> str:
    """Where the clusters of a collection are, below the host's name."""
    return f"/api/collections/{quote(collection, safe='')}/clusters"
