"""The calls by which people run fits and name clusters: start, look how far it is, cancel; read and write labels."""

import json
from collections.abc import Callable, Mapping

from clustering import jobs
from clustering.assignment import Current, FitGoneError, current
from clustering.edits import LabelError, UnknownClusterError
from clustering.fits import ParameterError, read_parameters
from clustering.jobs import Job, JobOverError, JobRunningError
from clustering.labels import StaleFitError, as_csv, dictionary, edit_labels, labelled_images, replace_labels
from clustering.state import State
from shared import backbone
from shared.contract import CallError, Json, Reply, error_reply
from shared.features import FeatureStore, StoreBusy
from shared.fits import FitStore

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
        path = jobs.status_path(collection).removesuffix("/fit")
        raise CallError(404, f"The collection {collection!r} has no clusters yet: start a fit with POST {path}.")
    return found


def start_fit(collection: str, body: bytes, features: FeatureStore, send: Callable[[str], None]) -> Reply:
    """Start a fit in the background.

    Args:
        collection: What is fitted.
        body: The parameters as a JSON object, see `read_parameters`; nothing for the defaults.
        features: Where the images are, and the status.
        send: Puts a message on the queue. Should it get lost, the job stalls, and another one can be started after two
            minutes, or at once when it is cancelled.

    Returns:
        202 and the status, and where that is to be asked for.
    """

    def call() -> Reply:
        parameters = read_parameters(_object(body) if body.strip() else {})
        if not features.counts().get(collection, {}).get(backbone.MODEL):
            raise CallError(404, f"The collection {collection!r} holds no images of the model {backbone.MODEL}.")
        job = jobs.start(collection, parameters, features)
        send(jobs.message_of(job, collection))
        return _status(collection, job, 202, {"Location": jobs.status_path(collection)})

    return answered(call)


def fit_status(collection: str, features: FeatureStore) -> Reply:
    """How far the last fit is that was started: `state` is queued, running, done, failed or cancelled.

    `stalled` says that nothing was heard of it for two minutes: it may wait for another fit, or be lost.
    """
    job = jobs.read(collection, features)
    if job is None:
        return error_reply(CallError(404, f"No fit of the collection {collection!r} was started by a call."))
    return _status(collection, job)


def cancel_fit(collection: str, features: FeatureStore) -> Reply:
    """End the fit that is queued or running: within seconds nothing of it is left."""
    return answered(lambda: _status(collection, jobs.cancel(collection, features)))


def read_labels(collection: str, params: Mapping[str, str], features: FeatureStore, fits: FitStore) -> Reply:
    """The words of all clusters; with `format` = csv, every image of the fit with its cluster and words."""

    def call() -> Reply:
        kind = params.get("format", "json")
        if kind not in {"json", "csv"}:
            raise CallError(400, f"'format' takes json or csv, not {kind!r:.50}.")
        now = in_force(collection, features)
        if kind == "json":
            return _labels(now)
        table = "".join(as_csv(labelled_images(now, fits)))
        return Reply(200, table.encode(), {"X-Content-Type-Options": "nosniff"}, mimetype="text/csv")

    return answered(call)


def write_labels(collection: str, params: Mapping[str, str], body: bytes, features: FeatureStore) -> Reply:
    """Replace all labels by what `read_labels` gave, as it is or only the dictionary in it."""

    def change(content: dict[str, Json], fit: str | None) -> State:
        return replace_labels(collection, content.get("labels", content), features, fit=fit)

    return _changed(collection, params, body, features, change)


def change_labels(collection: str, params: Mapping[str, str], body: bytes, features: FeatureStore) -> Reply:
    """Change some labels, see `edit_labels`."""

    def change(content: dict[str, Json], fit: str | None) -> State:
        return edit_labels(collection, content, features, fit=fit)

    return _changed(collection, params, body, features, change)


def _changed(
    collection: str,
    params: Mapping[str, str],
    body: bytes,
    features: FeatureStore,
    change: Callable[[dict[str, Json], str | None], State],
) -> Reply:
    """`fit`, in the query string or the body, is the fit that people looked at: with another in force it is a 409."""

    def call() -> Reply:
        content = _object(body)
        fit = content.pop("fit", None) or params.get("fit")
        if fit is not None and not isinstance(fit, str):
            raise CallError(400, f"'fit' takes the id of a fit, not {fit!r:.50}.")
        content.pop("collection", None)
        change(content, fit)
        return _labels(in_force(collection, features))

    return answered(call)


def _object(body: bytes) -> dict[str, Json]:
    if len(body) > MAX_BODY:
        raise CallError(413, f"The body is larger than {MAX_BODY / 1e6:g} MB.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CallError(400, "The body is not JSON. Send an object.") from error
    if not isinstance(content, dict):
        raise CallError(400, "The body is no JSON object.")
    return content


def _labels(now: Current) -> Reply:
    content = {"collection": now.fit.collection, "fit": now.fit.id, "labels": dictionary(now)}
    return Reply(200, json.dumps(content))


def _status(collection: str, job: Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    content = {
        "collection": collection,
        "job": job.id,
        "state": job.state,
        "stalled": job.stalled,
        "phase": job.phase,
        "progress": job.progress,
        "parameters": job.parameters,
        "started": job.started.isoformat(),
        "updated": job.updated.isoformat(),
        "error": job.error,
        "fit": job.fit,
    }
    return Reply(status, json.dumps(content), headers or {})
