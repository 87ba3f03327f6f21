"""Every trigger of the app: each parses its event, calls the one function that does the work, and answers."""

from collections.abc import Callable

import azure.functions as func
from azure.functions.blob import InputStream

from shared.contract import Reply, error_reply
from shared.features import StoreBusy
from shared.health import check_health
from shared.ingest import Blob, drop_feature, store_feature
from shared.settings import SettingsError, settings
from shared.stores import feature_store
from similarity.embedding_skill import answer_embedding
from similarity.skill import answer_similarity

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("similarity", methods=["POST", "PUT"])
def similarity(req: func.HttpRequest) -> func.HttpResponse:
    """Custom skill: images in, their look-alikes out."""
    return _http(lambda: answer_similarity(req.get_body(), req.params, feature_store(), settings()))


@app.route("embedding", methods=["POST", "PUT"])
def embedding(req: func.HttpRequest) -> func.HttpResponse:
    """Custom skill and `customWebApi` vectorizer: images in, vectors out."""
    return _http(lambda: answer_embedding(req.get_body(), settings()))


@app.blob_trigger(
    "blob", path="%IMAGES_CONTAINER%/{name}", connection="IMAGES_STORAGE", source=func.BlobSource.EVENT_GRID
)
def embed_blob(blob: InputStream) -> None:
    """A new or changed image: store its feature."""
    path = (blob.name or "").partition("/")[2]
    store_feature(
        Blob(path=path, data=blob.read(), properties=blob.blob_properties or {}, metadata=blob.metadata or {}),
        feature_store(),
        settings(),
    )


@app.event_grid_trigger("event")
def forget_blob(event: func.EventGridEvent) -> None:
    """A deleted image: drop its feature."""
    drop_feature(event.subject, event.event_time, feature_store(), settings())


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker passes the request by this name
    """Ready or not, which model, which store."""
    return _http(check_health)


def _http(call: Callable[[], Reply]) -> func.HttpResponse:
    try:
        reply = call()
    except (StoreBusy, SettingsError) as error:
        reply = error_reply(error)
    return func.HttpResponse(
        reply.body, status_code=reply.status, headers=dict(reply.headers), mimetype="application/json"
    )
