"""Event Grid's subscriptions, queues and containers are those that the functions of the app wait for."""

from urllib.parse import parse_qs, urlsplit

from azure.functions import AuthLevel

from shared.blob_events import paths_in_event
from shared.settings import Settings
from tests.infra.bicep import read, resolved, resources
from tests.infra.functions import bindings, routes

EVENTS = read("eventgrid.bicep")
IMAGES = read("modules/images.bicep")
APP = read("modules/app.bicep")
SUBSCRIPTIONS = resources(EVENTS, "Microsoft.EventGrid/systemTopics/eventSubscriptions")
CREATED, DELETED = (resolved(SUBSCRIPTIONS[name].value["properties"], EVENTS) for name in ("created", "deleted"))


def _function(kind: str) -> str:
    """The name of the one function with such a trigger."""
    (name,) = [name for name, binding in bindings() if binding["type"] == kind]
    return name


def test_new_images_go_to_the_blob_trigger_by_webhook() -> None:
    # Event Grid takes only functions with an Event Grid trigger as destination of the kind AzureFunction.
    destination = CREATED["destination"]
    url = urlsplit(destination["properties"]["endpointUrl"])

    assert destination["endpointType"] == "WebHook"
    assert (url.scheme, url.netloc) == ("https", "${app.properties.defaultHostName}")
    assert url.path == "/runtime/webhooks/blobs"
    query = parse_qs(url.query)
    assert query["functionName"] == [f"Host.Functions.{_function('blobTrigger')}"]
    assert query["code"] == ["${listKeys('${app.id}/host/default', '2024-11-01').systemKeys.blobs_extension}"]


def test_deleted_images_go_to_the_event_grid_trigger() -> None:
    destination = DELETED["destination"]

    assert destination["endpointType"] == "AzureFunction"
    assert destination["properties"]["resourceId"] == f"${{app.id}}/functions/{_function('eventGridTrigger')}"


def test_events_are_of_the_images_container_and_of_no_other() -> None:
    subject = CREATED["filter"]["subjectBeginsWith"]

    assert subject == DELETED["filter"]["subjectBeginsWith"]
    assert subject == "/blobServices/default/containers/${imagesContainer}/blobs/"
    begins = subject.replace("${imagesContainer}", Settings().images_container)
    assert list(paths_in_event(f"{begins}dogs/1.jpg", {}, Settings())) == ["dogs/1.jpg"]
    assert not f"/blobServices/default/containers/{Settings().images_container}-old/blobs/x".startswith(begins)


def test_events_are_those_that_the_functions_understand() -> None:
    assert CREATED["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobCreated"]
    assert DELETED["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobDeleted", "Microsoft.Storage.BlobRenamed"]
    assert CREATED["filter"]["advancedFilters"] == [
        {
            "operatorType": "StringIn",
            "key": "data.api",
            "values": ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"],
        }
    ]
    # `func.EventGridEvent` is of this schema, and so is what the blob trigger's webhook reads.
    assert CREATED["eventDeliverySchema"] == DELETED["eventDeliverySchema"] == "EventGridSchema"


def test_events_are_tried_for_a_day_and_then_kept_in_a_container_that_is_there() -> None:
    for subscription in (CREATED, DELETED):
        assert subscription["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
        kept = subscription["deadLetterWithResourceIdentity"]
        assert kept["identity"] == {"type": "SystemAssigned"}
        assert kept["deadLetterDestination"]["properties"] == {
            "resourceId": "images.id",
            "blobContainerName": "deadLetterContainer",
        }
    containers = resources(IMAGES, "Microsoft.Storage/storageAccounts/blobServices/containers")
    names = {resolved(one.value["name"], IMAGES) for one in containers.values()}
    assert names == {Settings().images_container, EVENTS["deadLetterContainer"].value}
    assert EVENTS["imagesContainer"].value == Settings().images_container
    assert IMAGES["topic"].value["identity"] == {"type": "SystemAssigned"}


def test_dead_letters_go_after_a_while_and_nothing_else_does() -> None:
    (rule,) = IMAGES["lifecycle"].value["properties"]["policy"]["rules"]

    assert rule["definition"]["filters"]["prefixMatch"] == ["${deadLetterName}/"]
    assert IMAGES["deadLetterName"].value == EVENTS["deadLetterContainer"].value


def test_each_queue_of_the_app_is_there_in_the_account_of_its_connection() -> None:
    wanted = {(binding["connection"], binding["queueName"]) for _, binding in bindings() if "queueName" in binding}
    accounts = {"AzureWebJobsStorage": APP, "IMAGES_STORAGE": IMAGES}

    made = {
        (connection, queue.value["name"])
        for connection, file in accounts.items()
        for queue in resources(file, "Microsoft.Storage/storageAccounts/queueServices/queues").values()
    }

    assert made == wanted


def test_the_indexer_sees_deletions_by_soft_delete_without_versions() -> None:
    properties = IMAGES["blobs"].value["properties"]

    assert properties["deleteRetentionPolicy"] == {"enabled": True, "days": "softDeleteDays"}
    assert properties["isVersioningEnabled"] is False


def test_sign_in_is_asked_of_all_but_health_and_the_calls_of_event_grid() -> None:
    excluded = APP["signInSettings"].value["properties"]["globalValidation"]["excludedPaths"]
    own = [path for path in excluded if path.startswith("/api/")]

    assert set(excluded) - set(own) == {"/runtime/webhooks/blobs", "/runtime/webhooks/EventGrid"}
    assert own == ["/api/health"]
    assert routes()["/api/health"] == AuthLevel.ANONYMOUS
