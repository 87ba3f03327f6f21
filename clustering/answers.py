"""What the calls of people have in common: which error is which status."""

from collections.abc import Callable
from urllib.parse import quote

from clustering.assignment import Current, FitGoneError, current
from clustering.edits import LabelError, UnknownClusterError
from clustering.fits import ParameterError
from clustering.jobs import JobOverError, JobRunningError
from clustering.labels import StaleFitError
from shared import calls
from shared.contract import CallError, Reply, error_reply
from shared.features import FeatureStore, StoreBusy

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
        return calls.answered(call, STATUS)
    except FitGoneError:
        return error_reply(StoreBusy("The collection was fitted anew meanwhile; ask again.", 1))


def in_force(collection: str, features: FeatureStore) -> Current:
    """The clustering of a collection. Raises CallError when there is none."""
    found = current(collection, features)
    if found is None:
        path = clusters_path(collection)
        raise CallError(404, f"The collection {collection!r} has no clusters yet: start a fit with POST {path}.")
    return found


def clusters_path(collection: str) -> str:
    """Where the clusters of a collection are, below the host's name."""
    return f"/api/collections/{quote(collection, safe='')}/clusters"
