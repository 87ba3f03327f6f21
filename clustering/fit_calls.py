"""The calls by which people run fits: start one, look how far it is, cancel it."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from clustering import jobs
from clustering.answers import answered, clusters_path
from clustering.fits import read_parameters
from clustering.jobs import Job
from clustering.state import read_state
from shared import backbone
from shared.calls import json_object
from shared.contract import CallError, Json, Reply, error_reply
from shared.features import FeatureStore

NO_QUERY: Mapping[str, str] = MappingProxyType({})


def start_fit(
    collection: str,
    body: bytes,
    features: FeatureStore,
    send: Callable[[str], None],
    params: Mapping[str, str] = NO_QUERY,
) -> Reply:
    """Start a fit in the background.

    Args:
        collection: What is fitted.
        body: The parameters as a JSON object, see `read_parameters`; nothing for the defaults.
        features: Where the images are, and the status.
        send: Puts a message on the queue. Should it get lost, the job stalls, and another one can be started after two
            minutes, or at once when it is cancelled.
        params: The query string: parameters too, none of them in both.

    Returns:
        202 and the status, and where that is to be asked for.
    """

    def call() -> Reply:
        parameters = read_parameters(_asked_for(params, body))
        if not features.counts(collection).get(collection, {}).get(backbone.MODEL):
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
    if job is not None:
        return _status(collection, job)
    path = clusters_path(collection)
    # The command fits without a job.
    fitted = read_state(collection, features).fit is not None
    what = f"GET {path} shows the one in force" if fitted else f"start one with POST {path}"
    return error_reply(CallError(404, f"No fit of the collection {collection!r} was started over HTTP; {what}."))


def cancel_fit(collection: str, features: FeatureStore) -> Reply:
    """End the fit that is queued or running: within seconds nothing of it is left."""
    return answered(lambda: _status(collection, jobs.cancel(collection, features)))


def _asked_for(params: Mapping[str, str], body: bytes) -> dict[str, Json]:
    """The parameters of a fit, as they are in the query string and the body."""
    content = json_object(body, '{"eps": 0.4}') if body.strip() else {}
    query: dict[str, Json] = {name: value for name, value in params.items() if name != "code"}  # the function key
    for name in query.keys() & content.keys():
        raise CallError(400, f"{name!r:.50} is in the query string and in the body: give it once.")
    if "noiseOnly" in query:  # a query string has texts only
        query["noiseOnly"] = {"true": True, "false": False}.get(query["noiseOnly"].lower(), query["noiseOnly"])
    return content | query


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
