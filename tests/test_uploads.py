"""Uploads through events, queue and trigger to the store, with the host's storage and the images in two accounts."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from azure.storage.blob import ContainerClient

from shared.features import Failure, Feature
from shared.sqlite.store import SqliteFeatureStore
from tests.pictures import encoded, scene
from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.azurite.events import EventSender
from tests.servers.devhost import ROOT, Devhost, running, wait_until
from tests.shared.test_blobs import ODD_NAMES

PHOTO = encoded(scene(size=(32, 24)), "JPEG")
CONTAINER = "pictures"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def host(azurite_server: AzuriteServer, data: Path) -> Iterator[Devhost]:
    with ExitStack() as stack:
        own = stack.enter_context(azurite())
        env = {
            "AzureWebJobsStorage": own.connection_string,
            "IMAGES_STORAGE": azurite_server.connection_string,
            "IMAGES_CONTAINER": CONTAINER,
            "DATA_DIR": str(data),
        }
        yield stack.enter_context(running(ROOT, "--data", str(data), env=env))


@pytest.fixture(scope="module")
def container(azurite_server: AzuriteServer) -> Iterator[ContainerClient]:
    with azurite_server.blobs() as service:
        yield service.create_container(CONTAINER)
        service.delete_container(CONTAINER)


@pytest.fixture
def events(azurite_server: AzuriteServer, host: Devhost, container: ContainerClient) -> Iterator[EventSender]:
    with EventSender(azurite_server, host.url, CONTAINER, "embed_blob", "forget_blob") as sender:
        yield sender


@pytest.fixture(scope="module")
def store(data: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(data / "features.sqlite")
    yield store
    store.close()


@pytest.fixture
def http(host: Devhost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, timeout=30, trust_env=False) as client:
        yield client


def test_blobs_of_any_name_are_embedded_and_forgotten(
    container: ContainerClient, events: EventSender, store: SqliteFeatureStore
) -> None:
    for name in ODD_NAMES:
        container.upload_blob(name, PHOTO)
    events.wait_idle()
    wait_until(lambda: all(isinstance(store.entry(name), Feature) for name in ODD_NAMES))
    for name in ODD_NAMES:
        container.delete_blob(name)
    events.wait_idle()
    wait_until(lambda: store.counts() == {})
    assert not any(store.entry(name) for name in ODD_NAMES)


def test_what_cannot_be_embedded_is_shown_and_can_be_tried_again(
    container: ContainerClient, events: EventSender, http: httpx.Client
) -> None:
    def failures() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get("/api/collections/cats/failures").raise_for_status().json()["failures"]
        return found

    container.upload_blob("cats/text.jpg", b"only text")
    container.upload_blob("cats/empty.jpg", b"")
    events.wait_idle()
    wait_until(lambda: len(failures()) == 2)
    assert {one["path"]: one["reason"][:12] for one in failures()} == {
        "cats/empty.jpg": "The image is",
        "cats/text.jpg": "Not an image",
    }
    answer = http.post("/api/collections/cats/failures/retry").raise_for_status().json()
    assert (answer["tried"], answer["failed"], answer["after"]) == (2, 2, None)
    container.delete_blob("cats/text.jpg")
    container.upload_blob("cats/empty.jpg", PHOTO, overwrite=True)
    events.wait_idle()
    wait_until(lambda: failures() == [])


def notify(http: httpx.Client, *events: object) -> int:
    reply = http.post(
        "/runtime/webhooks/blobs?functionName=Host.Functions.embed_blob",
        headers={"aeg-event-type": "Notification"},
        json=events,
    )
    return reply.status_code


def created(url: str) -> dict[str, Any]:
    return {
        "eventType": "Microsoft.Storage.BlobCreated",
        "data": {"url": url, "eTag": "0x1", "blobType": "BlockBlob", "api": "PutBlob"},
    }


def test_an_event_of_another_account_only_makes_the_app_look_at_its_own(
    http: httpx.Client, host: Devhost, container: ContainerClient, store: SqliteFeatureStore
) -> None:
    elsewhere = f"https://others.blob.core.windows.net/{CONTAINER}"
    container.upload_blob("birds/ours.jpg", PHOTO)
    assert notify(http, created(f"{elsewhere}/birds/theirs.jpg"), created(f"{elsewhere}/birds/ours.jpg")) == 202
    wait_until(lambda: store.get("birds/ours.jpg") is not None)
    assert store.entry("birds/theirs.jpg") is None
    container.delete_blob("birds/ours.jpg")


def forged(azurite_server: AzuriteServer) -> list[object]:
    here = azurite_server.blob_url
    no_url = created("")
    del no_url["data"]["url"]
    return [
        created(f"{here}/other/birds/a.jpg"),
        created(f"{here}/{CONTAINER}-old/birds/a.jpg"),
        created(f"{here}/{CONTAINER}/../{CONTAINER}/birds/a.jpg"),
        created(f"{here}/{CONTAINER}/birds/%2e%2e/a.jpg"),
        created("file:///etc/passwd"),
        created("http://[bad"),
        created(f"{here}/{CONTAINER}/" + quote("x" * 1025)),
        no_url,
        {"eventType": "Microsoft.Storage.BlobCreated"},
        "no object",
    ]


def test_forged_events_are_left_out_and_stop_nobody(
    azurite_server: AzuriteServer,
    http: httpx.Client,
    host: Devhost,
    container: ContainerClient,
    store: SqliteFeatureStore,
) -> None:
    container.upload_blob("birds/a.jpg", PHOTO)
    container.upload_blob("birds/last.jpg", PHOTO)
    seen = len(host.lines)
    bad = forged(azurite_server)
    assert notify(http, *bad) == 202
    assert notify(http, created(f"{azurite_server.blob_url}/{CONTAINER}/birds/last.jpg")) == 202
    wait_until(lambda: store.get("birds/last.jpg") is not None)
    assert store.entry("birds/a.jpg") is None
    assert sum("an event is left out" in line for line in host.lines[seen:]) == len(bad)
    assert not any("Traceback" in line for line in host.lines)


def test_a_forged_end_drops_nothing(
    http: httpx.Client, container: ContainerClient, store: SqliteFeatureStore, events: EventSender
) -> None:
    container.upload_blob("birds/alive.jpg", PHOTO)
    events.wait_idle()
    wait_until(lambda: store.get("birds/alive.jpg") is not None)
    event = {
        "id": "1",
        "topic": "/subscriptions/x",
        "subject": f"/blobServices/default/containers/{CONTAINER}/blobs/birds/alive.jpg",
        "eventType": "Microsoft.Storage.BlobDeleted",
        "eventTime": "2099-01-01T00:00:00Z",
        "data": {"sourceUrl": f"https://others.blob.core.windows.net/{CONTAINER}/birds/alive.jpg"},
        "dataVersion": "",
        "metadataVersion": "1",
    }
    reply = http.post(
        "/runtime/webhooks/EventGrid?functionName=forget_blob", headers={"aeg-event-type": "Notification"}, json=[event]
    )
    assert reply.status_code == 202
    assert store.get("birds/alive.jpg")


def test_what_the_host_gave_up_is_shown_from_the_queue_beside_the_images(
    azurite_server: AzuriteServer, http: httpx.Client, container: ContainerClient, store: SqliteFeatureStore
) -> None:
    container.upload_blob("fish/a.jpg", PHOTO)
    message = {"Type": "BlobTrigger", "ContainerName": CONTAINER, "BlobName": "fish/a.jpg", "ETag": "0x1"}
    with azurite_server.queues() as service:
        queue = service.get_queue_client("webjobs-blobtrigger-poison")
        if queue.queue_name not in [one.name for one in service.list_queues()]:
            queue.create_queue()
        queue.send_message(base64.b64encode(json.dumps(message).encode()).decode())
    wait_until(lambda: isinstance(store.entry("fish/a.jpg"), Failure))
    report = http.post("/api/collections/fish/reconcile").raise_for_status().json()
    assert (report["embedded"], report["complete"]) == (1, True)


def test_the_timer_s_run_finds_what_no_event_told_of(
    http: httpx.Client, host: Devhost, container: ContainerClient, store: SqliteFeatureStore
) -> None:
    """Of a container whose events went to nobody."""
    names = ("untold/a.jpg", "untold.jpg")
    for name in names:
        container.upload_blob(name, PHOTO)
    assert http.post("/admin/functions/reconcile", json={}).status_code == 202
    wait_until(lambda: all(store.get(name) for name in names))
