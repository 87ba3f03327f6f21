"""Thousands of changes to a container, told by events that come twice, late, in any order or never, to a host that is
killed now and then: after one reconcile the store holds exactly what the container holds.
"""

import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from azure.storage.blob import ContainerClient

from shared.embedding import embed_bytes
from shared.features import Failure, Feature, FeatureStore, Vector
from shared.settings import Settings
from shared.stores import open_store
from tests.pictures import encoded, stripes
from tests.servers.azurite import AzuriteServer
from tests.servers.azurite.events import EventSender
from tests.servers.cosmos import cosmos_server
from tests.servers.devhost import ROOT, Devhost, running

SEEDS = range(1, 1 + int(os.environ.get("SOAK_SEEDS", "1")))
"""Each takes a minute with all changes: `make soak` runs three."""
CHANGES = {"sqlite": 2000, "cosmos": 2000} if len(SEEDS) > 1 else {"sqlite": 400, "cosmos": 300}
"""`make test` makes fewer than `make soak`: the whole suite is to stay below ten minutes."""
AT_ONCE = 4
"""Clients that change blobs side by side, each its own."""
KILLS = 3
COLLECTIONS = ("default", "c0", "c1", "c2")

PICTURES = [encoded(stripes(angle).resize((24, 24)), "JPEG") for angle in range(0, 180, 15)]
CONTENTS = [*PICTURES, b"no picture"]


class Client:
    """Changes blobs of its own in one container, at random, and remembers what they hold."""

    def __init__(self, number: int, seed: int, container: ContainerClient) -> None:
        self.blobs: dict[str, bytes] = {}
        self._chance = random.Random(f"{seed}/{number}")
        self._number = number
        self._made = 0
        self._container = container

    def change(self) -> None:
        draw = self._chance.random()
        if draw < 0.4 or not self.blobs:
            self._write(self._new_name())
        elif draw < 0.65:
            self._write(self._any_name())
        elif draw < 0.8:
            self._rename(self._any_name(), self._new_name())
        else:
            self._delete(self._any_name())

    def _write(self, name: str) -> None:
        self._upload(name, self._chance.choice(CONTENTS))

    def _rename(self, name: str, new_name: str) -> None:
        self._upload(new_name, self.blobs[name])
        self._delete(name)

    def _upload(self, name: str, content: bytes) -> None:
        self._container.upload_blob(name, content, overwrite=True)
        self.blobs[name] = content

    def _delete(self, name: str) -> None:
        self._container.delete_blob(name)
        del self.blobs[name]

    def _any_name(self) -> str:
        return self._chance.choice(list(self.blobs))

    def _new_name(self) -> str:
        self._made += 1
        folder = self._chance.choice(["", "c0/", "c1/", "c2/a b/"])
        return f"{folder}{self._number}-{self._made} \N{DOG FACE}.jpg"


class World:
    """The app on one store, over Azurite, for any number of hosts one after the other."""

    def __init__(self, server: AzuriteServer, container: str, data: Path, cosmos: dict[str, str]) -> None:
        self.host: Devhost | None = None
        self.container = container
        self.settings = Settings(
            images_connection=server.connection_string,
            images_container=container,
            data_dir=data,
            cosmos_endpoint=cosmos.get("COSMOS_ENDPOINT", ""),
            cosmos_key=cosmos.get("COSMOS_KEY", ""),
        )
        self._arguments = ("--data", str(data))
        self._env = cosmos | {
            "AzureWebJobsStorage": server.connection_string,
            "IMAGES_STORAGE": server.connection_string,
            "IMAGES_CONTAINER": container,
            "DATA_DIR": str(data),
        }

    def url(self) -> str:
        """Where the host answers; while there is none, an address where nobody does."""
        return self.host.url if self.host else "http://127.0.0.1:9"

    @contextmanager
    def started(self) -> Iterator[Devhost]:
        with running(ROOT, *self._arguments, env=self._env) as host:
            self.host = host
            try:
                yield host
            finally:
                self.host = None

    @contextmanager
    def store(self) -> Iterator[FeatureStore]:
        store = open_store(self.settings)
        try:
            yield store
        finally:
            store.close()


@pytest.fixture
def world(store_kind: str, azurite_server: AzuriteServer, images_settings: Settings, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        cosmos: dict[str, str] = {}
        if store_kind == "cosmos":
            server = stack.enter_context(cosmos_server())
            cosmos = {"COSMOS_ENDPOINT": server.endpoint, "COSMOS_KEY": server.key}
        yield World(azurite_server, images_settings.images_container, tmp_path, cosmos)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_one_reconcile_the_store_holds_exactly_what_the_container_holds(
    world: World, store_kind: str, seed: int, azurite_server: AzuriteServer, images_container: ContainerClient
) -> None:
    changes = CHANGES[store_kind]
    clients = [Client(number, seed, images_container) for number in range(AT_ONCE)]
    sender = EventSender(
        azurite_server,
        world.url,
        world.container,
        "embed_blob",
        "forget_blob",
        seed=seed,
        duplicate=0.2,
        reorder=0.2,
        delay=0.1,
        drop=0.05,
    )
    with sender:
        _change_and_kill(world, clients, changes, seed)
        with world.started():
            sender.wait_idle(120)
            sender.release()  # the delayed ones come when everything else is long done
            sender.wait_idle(120)
            _wait_until_handled(azurite_server)
            mended = sum(_reconciled(world.url(), collection) for collection in COLLECTIONS)
    assert sender.sent["duplicated"] > 0.1 * changes
    assert sender.sent["reordered"] > 0.1 * changes
    assert sender.sent["delayed"] > 0.05 * changes
    assert sender.sent["dropped"] > 0.02 * changes
    assert sender.failed == []
    assert mended  # what was dropped was missed
    with world.store() as store:
        _compare(store, images_container, {path: data for one in clients for path, data in one.blobs.items()})


def _change_and_kill(world: World, clients: list[Client], changes: int, seed: int) -> None:
    """Each client makes its share of the changes, while hosts are killed at moments that the changes count out."""
    chance = random.Random(f"kills/{seed}")
    moments = sorted(chance.sample(range(changes // 10, changes), KILLS))
    made = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for moment in [*moments, changes]:
            with world.started() as host:
                # Each client changes its own blobs, in its own order.
                shares = [range(made + number, moment, AT_ONCE) for number in range(AT_ONCE)]
                list(pool.map(_change, clients, map(len, shares)))
                made = moment
                if moment < changes:
                    host.process.send_signal(signal.SIGKILL)
                    host.process.wait(timeout=10)


def _change(client: Client, times: int) -> None:
    for _ in range(times):
        client.change()


def _wait_until_handled(server: AzuriteServer) -> None:
    """Until the host's queues are empty, what is in somebody's hands included."""
    with server.queues() as queues:
        for queue in queues.list_queues():
            client = queues.get_queue_client(queue.name)
            give_up = threading.Event()
            alarm = threading.Timer(120, give_up.set)
            alarm.start()
            while client.get_queue_properties().approximate_message_count:
                assert not give_up.wait(0.1), f"{queue.name} is not empty"
            alarm.cancel()


def _reconciled(url: str, collection: str) -> int:
    """Reconciles a collection; how much there was to mend."""
    mended = 0
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while True:
            report = client.post(f"/api/collections/{collection}/reconcile").raise_for_status().json()
            mended += int(report["embedded"]) + int(report["dropped"])
            if report["complete"]:
                return mended


def _compare(store: FeatureStore, container: ContainerClient, meant: dict[str, bytes]) -> None:
    etags = {blob.name: blob.etag for blob in container.list_blobs()}
    assert etags.keys() == meant.keys()
    versions = [version for name in store.collections() for version in store.versions(name, limit=100_000)]
    assert len({version.path for version in versions}) == len(versions)
    assert {version.path: version.etag for version in versions} == etags
    vectors = dict(zip(PICTURES, map(partial(_vector, settings=Settings()), PICTURES), strict=True))
    for path, content in meant.items():
        entry = store.entry(path)
        if content in vectors:
            assert isinstance(entry, Feature)
            assert np.array_equal(entry.embedding, vectors[content]), path
        else:
            assert isinstance(entry, Failure)


def _vector(picture: bytes, settings: Settings) -> Vector:
    return embed_bytes(picture, settings).vector
