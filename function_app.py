"""Every trigger of the app: each parses its event, calls the one function that does the work, and answers."""

from collections.abc import Callable

import azure.functions as func

from clustering.skill import answer_clustering
from shared.blob_reference import BlobReference
from shared.contract import Deadline, Reply, error_reply
from shared.features import StoreBusy
from shared.health import check_health
from shared.settings import SettingsError, settings
from shared.stores import feature_store, fit_store
from shared.subscription import HEADER, answer_subscriber
from similarity.embedding_skill import answer_embedding
from similarity.skill import answer_similarity

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("similarity", methods=["POST", "PUT"])
def similarity(req: func.HttpRequest) -> func.HttpResponse:
    """Custom skill: images in, their look-alikes out."""
    return _http(lambda: _similarity(req))


@app.route("clustering", methods=["POST", "PUT"])
def clustering(req: func.HttpRequest) -> func.HttpResponse:
    """Custom skill: images in, the labels of their groups out."""
    return _http(lambda: _clustering(req))


@app.route("embedding", methods=["POST", "PUT"])
def embedding(req: func.HttpRequest) -> func.HttpResponse:
    """Custom skill and `customWebApi` vectorizer: images in, vectors out."""
    return _http(lambda: answer_embedding(req.get_body(), settings()))


@app.route("extraction/{skill}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def extraction(req: func.HttpRequest) -> func.HttpResponse:
    """The skills for older clients, which send a key in a header of their own."""
    skills = {"similarity": lambda: _similarity(req), "clustering": lambda: _clustering(req)}
    key, skill = req.headers.get(HEADER, ""), req.route_params["skill"]
    return _http(lambda: answer_subscriber(key, skill, skills, settings()))


# What reads blobs or fits is imported where it is used: the storage SDK would make every start a fifth of a second
# longer, scikit-learn two thirds of one.


@app.blob_trigger(
    "blob", path="%IMAGES_CONTAINER%/{name}", connection="IMAGES_STORAGE", source=func.BlobSource.EVENT_GRID
)
def embed_blob(blob: BlobReference) -> None:
    """A new or changed image: store its feature."""
    from shared.ingest import sync_blob

    sync_blob(blob.path, feature_store(), settings())


@app.event_grid_trigger("event")
def forget_blob(event: func.EventGridEvent) -> None:
    """A deleted or renamed image: drop the feature of what is gone."""
    from shared.blob_events import paths_in_event
    from shared.ingest import sync_blob

    for path in paths_in_event(event.subject, event.get_json(), settings()):
        sync_blob(path, feature_store(), settings())


@app.queue_trigger("message", queue_name="webjobs-blobtrigger-poison", connection="IMAGES_STORAGE")
def note_given_up_blob(message: func.QueueMessage) -> None:
    """A blob that `embed_blob` failed five times: show it among the failures."""
    from shared.blob_events import path_given_up
    from shared.ingest import note_given_up

    if path := path_given_up(message.get_body(), settings()):
        note_given_up(path, feature_store(), settings())


@app.timer_trigger("timer", schedule="0 17 * * * *")
def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the worker passes the timer by this name
    """Once an hour: what events missed, eight minutes of it at most, the next run going on from there."""
    from shared.reconcile import reconcile_all

    reconcile_all(feature_store(), settings(), Deadline(480))


@app.route("collections/{collection}/reconcile", methods=["POST"])
def reconcile_collection(req: func.HttpRequest) -> func.HttpResponse:
    """What events missed in one collection, now."""
    from shared import upkeep

    return _http(lambda: upkeep.reconcile_collection(req.route_params["collection"], feature_store(), settings()))


@app.route("collections/{collection}/failures", methods=["GET"])
def failures(req: func.HttpRequest) -> func.HttpResponse:
    """What could not be embedded, why and when."""
    from shared import upkeep

    return _http(lambda: upkeep.list_failures(req.route_params["collection"], req.params, feature_store()))


@app.route("collections/{collection}/failures/retry", methods=["POST"])
def retry_failures(req: func.HttpRequest) -> func.HttpResponse:
    """Try again what could not be embedded."""
    from shared import upkeep

    collection = req.route_params["collection"]
    return _http(lambda: upkeep.retry_failures(collection, req.params, feature_store(), settings()))


@app.route("collections/{collection}/clusters", methods=["POST"])
@app.queue_output("message", queue_name="fit-clusters", connection="AzureWebJobsStorage")
def start_fit(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
    """Group the images of a collection, in the background."""
    from clustering import fit_calls

    collection = req.route_params["collection"]
    return _http(lambda: fit_calls.start_fit(collection, req.get_body(), feature_store(), message.set, req.params))


@app.queue_trigger("message", queue_name="fit-clusters", connection="AzureWebJobsStorage")
def fit_clusters(message: func.QueueMessage) -> None:
    """A fit that was started: run it. scikit-learn is imported here and nowhere else in the app."""
    from clustering.fitting.running import run

    last = (message.dequeue_count or 1) >= 5  # the host's maxDequeueCount
    run(message.get_body(), feature_store(), fit_store(), last=last)


@app.route("collections/{collection}/clusters", methods=["GET"])
def clusters(req: func.HttpRequest) -> func.HttpResponse:
    """The clusters in force, how good they are and what changed."""
    from clustering import views

    return _http(lambda: views.list_clusters(req.route_params["collection"], feature_store()))


@app.route("collections/{collection}/clusters/fit", methods=["GET"])
def fit_status(req: func.HttpRequest) -> func.HttpResponse:
    """How far a fit is."""
    from clustering import fit_calls

    return _http(lambda: fit_calls.fit_status(req.route_params["collection"], feature_store()))


@app.route("collections/{collection}/clusters/fit", methods=["DELETE"])
def cancel_fit(req: func.HttpRequest) -> func.HttpResponse:
    """End a fit."""
    from clustering import fit_calls

    return _http(lambda: fit_calls.cancel_fit(req.route_params["collection"], feature_store()))


@app.route("collections/{collection}/clusters/{cluster}/images", methods=["GET"])
def cluster_images(req: func.HttpRequest) -> func.HttpResponse:
    """The images of one cluster."""
    from clustering import views

    collection, cluster = req.route_params["collection"], req.route_params["cluster"]
    return _http(lambda: views.list_images(collection, cluster, req.params, feature_store(), fit_store(), settings()))


@app.route("collections/{collection}/clusters/labels", methods=["GET"])
def labels(req: func.HttpRequest) -> func.HttpResponse:
    """What people call the clusters, or every image with its words."""
    from clustering import label_calls

    collection = req.route_params["collection"]
    return _http(lambda: label_calls.read_labels(collection, req.params, feature_store(), fit_store(), settings()))


@app.route("collections/{collection}/clusters/labels", methods=["PUT"])
def write_labels(req: func.HttpRequest) -> func.HttpResponse:
    """Replace what the clusters are called."""
    from clustering import label_calls

    return _http(
        lambda: label_calls.write_labels(req.route_params["collection"], req.params, req.get_body(), feature_store())
    )


@app.route("collections/{collection}/clusters/labels", methods=["PATCH"])
def change_labels(req: func.HttpRequest) -> func.HttpResponse:
    """Name, rename or merge clusters."""
    from clustering import label_calls

    collection = req.route_params["collection"]
    return _http(lambda: label_calls.change_labels(collection, req.params, req.get_body(), feature_store()))


@app.route("collections/{collection}/clusters/report", methods=["GET"])
def cluster_report(req: func.HttpRequest) -> func.HttpResponse:
    """The clusters with pictures: a page, or the pictures of one."""
    from clustering import views

    collection = req.route_params["collection"]
    return _http(lambda: views.report(collection, req.params, feature_store(), fit_store(), settings()))


@app.route("collections", methods=["GET"])
def collections(req: func.HttpRequest) -> func.HttpResponse:
    """The collections and how many images each holds."""
    from similarity import browsing

    return _http(lambda: browsing.list_collections(req.params, feature_store()))


@app.route("collections/{collection}", methods=["GET"])
def collection(req: func.HttpRequest) -> func.HttpResponse:
    """What there is of one collection."""
    from similarity import browsing

    return _http(lambda: browsing.show_collection(req.route_params["collection"], feature_store()))


@app.route("collections/{collection}/images", methods=["GET"])
def images(req: func.HttpRequest) -> func.HttpResponse:
    """The images of a collection."""
    from similarity import browsing

    return _http(lambda: browsing.list_images(req.route_params["collection"], req.params, feature_store(), settings()))


@app.route("collections/{collection}/images/{image}", methods=["GET"])
def image(req: func.HttpRequest) -> func.HttpResponse:
    """What is stored of one image."""
    from similarity import browsing

    of, which = req.route_params["collection"], req.route_params["image"]
    return _http(lambda: browsing.show_image(of, which, req.params, feature_store(), settings()))


@app.route("collections/{collection}/images/{image}/picture", methods=["GET"])
def image_picture(req: func.HttpRequest) -> func.HttpResponse:
    """An image as it was uploaded."""
    from similarity import picture_calls

    of, which = req.route_params["collection"], req.route_params["image"]
    return _http(lambda: picture_calls.picture(of, which, req.headers.get("If-None-Match", ""), settings()))


@app.route("collections/{collection}/images/{image}/thumbnail", methods=["GET"])
def image_thumbnail(req: func.HttpRequest) -> func.HttpResponse:
    """A small picture of an image."""
    from similarity import picture_calls

    of, which, known = req.route_params["collection"], req.route_params["image"], req.headers.get("If-None-Match", "")
    return _http(lambda: picture_calls.thumbnail(of, which, req.params, known, settings()))


@app.route("collections/{collection}/search", methods=["POST"])
def search_collection(req: func.HttpRequest) -> func.HttpResponse:
    """The images of a collection that look like one, or several, or a part of one."""
    from similarity import search_call

    of = req.route_params["collection"]
    return _http(lambda: search_call.search(of, req.get_body(), req.params, feature_store(), settings()))


@app.route("collections/{collection}/duplicates", methods=["POST"])
def duplicates(req: func.HttpRequest) -> func.HttpResponse:
    """The images of a collection that show one picture, or whether it has an image already."""
    from similarity.duplicates import calls

    of = req.route_params["collection"]
    return _http(lambda: calls.find_duplicates(of, req.get_body(), feature_store(), settings()))


@app.route("collections/{collection}/rankers", methods=["GET"])
def rankers(req: func.HttpRequest) -> func.HttpResponse:
    """What was learned from labels, and how good it is."""
    from similarity.ranking import calls

    return _http(lambda: calls.list_rankers(req.route_params["collection"], feature_store()))


@app.route("collections/{collection}/rankers", methods=["POST"])
def train_ranker(req: func.HttpRequest) -> func.HttpResponse:
    """Learn from labels."""
    from similarity.ranking import calls

    of = req.route_params["collection"]
    return _http(lambda: calls.train_ranker(of, req.get_body(), feature_store(), settings()))


@app.route("collections/{collection}/rankers", methods=["PATCH"])
def change_ranker(req: func.HttpRequest) -> func.HttpResponse:
    """Switch a ranker on or off."""
    from similarity.ranking import calls

    return _http(lambda: calls.change_ranker(req.route_params["collection"], req.get_body(), feature_store()))


@app.route("collections/{collection}/rankers/{ranker}", methods=["DELETE"])
def delete_ranker(req: func.HttpRequest) -> func.HttpResponse:
    """Forget what was learned."""
    from similarity.ranking import calls

    of, which = req.route_params["collection"], req.route_params["ranker"]
    return _http(lambda: calls.delete_ranker(of, which, feature_store()))


@app.route("openapi.json", methods=["GET"])
def openapi(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker passes the request by this name
    """What can be asked of the app, as an OpenAPI document."""
    from shared.openapi import document

    return _http(document)


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker passes the request by this name
    """Ready or not, which model, which store."""
    return _http(check_health)


def _similarity(req: func.HttpRequest) -> Reply:
    return answer_similarity(req.get_body(), req.params, feature_store(), settings())


def _clustering(req: func.HttpRequest) -> Reply:
    return answer_clustering(req.get_body(), req.params, feature_store(), fit_store(), settings())


def _http(call: Callable[[], Reply]) -> func.HttpResponse:
    try:
        reply = call()
    except (StoreBusy, SettingsError) as error:
        reply = error_reply(error)
    return func.HttpResponse(reply.body, status_code=reply.status, headers=dict(reply.headers), mimetype=reply.mimetype)
