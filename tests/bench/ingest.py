"""Uploads on their way through Azurite, the queue, the trigger and the store, against decoding and embedding alone."""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from itertools import batched
from pathlib import Path
from urllib.parse import urlsplit

from azure.storage.blob import ContainerClient

from shared.blobs import list_page
from shared.contract import Deadline
from shared.embedding import embed_bytes
from shared.features import FeatureStore
from shared.reconcile import reconcile
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from tests.bench.images import photo
from tests.bench.measure import Figure, compare, seconds
from tests.pictures import encoded
from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.azurite.changes import Change, Details, event_of
from tests.servers.devhost import ROOT, Devhost, running

PHOTOS = 160
SENDERS = 4  # Event Grid does not wait for one answer before it sends the next event either
SIDES = {"2 MP": (1632, 1224), "12 MP": (4000, 3000)}
LISTED = 5000
SECTION = "Uploads"
WEBHOOK = "/runtime/webhooks/blobs?functionName=Host.Functions.embed_blob"


def figures() -> Iterator[Figure]:
    """Photos of two sizes through the trigger; then a container that is in step already."""
    with azurite() as server, tempfile.TemporaryDirectory() as name, server.blobs() as service:
        container = service.create_container("images")
        env = {
            "AzureWebJobsStorage": server.connection_string,
            "IMAGES_STORAGE": server.connection_string,
            "IMAGES_CONTAINER": "images",
        }
        with running(ROOT, "--data", name, env=env | {"DATA_DIR": name}) as host:
            store = SqliteFeatureStore(Path(name) / "features.sqlite")
            for size, sides in SIDES.items():
                data = encoded(photo(sides), "JPEG", quality=90)
                yield compare(
                    SECTION,
                    f"{size}, {len(data) / 1e6:.1f} MB, each of {PHOTOS}, from its event to the store",
                    partial(_through_the_trigger, data, server, container, host, store),
                    partial(_alone, data),
                    baseline_name="decode and embed alone, all cores",
                    rounds=5,
                )
            store.close()
        yield _in_step(server, container, Path(name))


def _through_the_trigger(
    data: bytes, server: AzuriteServer, container: ContainerClient, host: Devhost, store: FeatureStore
) -> float:
    """Seconds for each photo, from the first event sent to the last feature stored. The uploads are not counted."""
    names = [f"c/{number}.jpg" for number in range(PHOTOS)]
    etags = {
        name: str(container.upload_blob(name, data, overwrite=True).get_blob_properties().etag).strip('"')
        for name in names
    }
    where = {"account": server.account, "container": "images", "blob_url": server.blob_url}
    events = [event_of(Change("PutBlob", name), Details(etags[name]), n, **where) for n, name in enumerate(names)]
    with ThreadPoolExecutor(SENDERS) as senders:
        started = time.perf_counter()
        list(senders.map(partial(_send, urlsplit(host.url).netloc), batched(events, PHOTOS // SENDERS, strict=True)))
        while {version.path: version.etag for version in store.versions("c", limit=1000)} != etags:
            if time.perf_counter() - started > 120:
                raise AssertionError("not all photos were embedded:\n" + "\n".join(host.lines[-20:]))
            time.sleep(0.1)  # a look costs what is measured
        return (time.perf_counter() - started) / PHOTOS


def _send(server: str, events: Sequence[object]) -> None:
    """One event after the other, by the leanest client there is: in Azure, the sender is not on the app's cores."""
    with closing(HTTPConnection(server)) as connection:
        for event in events:
            connection.request("POST", WEBHOOK, json.dumps([event]), {"aeg-event-type": "Notification"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202, answer.status


def _alone(data: bytes) -> float:
    with ThreadPoolExecutor(os.process_cpu_count()) as pool:
        work: Sequence[bytes] = [data] * PHOTOS
        return seconds(lambda: list(pool.map(partial(embed_bytes, settings=Settings()), work))) / PHOTOS


def _in_step(server: AzuriteServer, container: ContainerClient, folder: Path) -> Figure:
    """What a reconcile costs when there is nothing to do."""
    settings = Settings(images_connection=server.connection_string, images_container="images")
    small = encoded(photo((16, 16)), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: container.upload_blob(f"many/{number:05}.jpg", small), range(LISTED)))
    store = SqliteFeatureStore(folder / "many.sqlite")
    while not reconcile("many", store, settings, Deadline(600)).complete:
        pass
    figure = compare(
        SECTION,
        f"reconcile of {LISTED:,} images that are in step",
        lambda: seconds(lambda: reconcile("many", store, settings, Deadline(600))),
        lambda: seconds(lambda: list_page("many/", "", settings)),
        baseline_name="listing them",
        rounds=5,
    )
    store.close()
    return figure
