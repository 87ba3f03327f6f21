"""What all tests share: hypothesis without a clock, and the app on the sample photos as `make run` runs it."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, NamedTuple

import certifi
import httpx
import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.cosmos import CosmosClient, _retry_utility
from azure.cosmos.exceptions import CosmosResourceNotFoundError
from azure.storage.blob import ContainerClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from shared.cosmos.fits import CosmosFitStore
from shared.cosmos.layout import Layouts
from shared.cosmos.store import CosmosFeatureStore
from shared.features import FeatureStore
from shared.fits import FitStore
from shared.settings import Settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.cosmos import CosmosServer, Requests, cosmos_server
from tests.servers.devhost import ROOT, Devhost, running

# Slow is no failure: the machines that run this are shared.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")

SAMPLES = ROOT / "samples" / "images"


@pytest.fixture(scope="session")
def cosmos() -> Iterator[CosmosServer]:
    """The Cosmos DB test server, or what COSMOS_TEST_ENDPOINT and COSMOS_TEST_KEY name (`make test-live`)."""
    endpoint = os.environ.get("COSMOS_TEST_ENDPOINT")
    if endpoint:
        yield LiveAccount(endpoint, os.environ["COSMOS_TEST_KEY"], Path(certifi.where()))
        return
    with cosmos_server() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_server() -> Iterator[AzuriteServer]:
    with azurite() as server:
        yield server


@pytest.fixture
def images_settings(azurite_server: AzuriteServer) -> Iterator[Settings]:
    """Settings for an images container of the test's own."""
    name = f"images-{uuid.uuid4().hex}"
    with azurite_server.blobs() as service:
        service.create_container(name)
        yield Settings(
            images_connection=azurite_server.connection_string,
            images_account=azurite_server.blob_url,
            images_container=name,
            max_image_bytes=200_000,
        )
        service.delete_container(name)


@pytest.fixture
def images_container(azurite_server: AzuriteServer, images_settings: Settings) -> Iterator[ContainerClient]:
    """That container."""
    with azurite_server.blobs() as service:
        yield service.get_container_client(images_settings.images_container)


class LiveAccount(CosmosServer):
    """A server that is not ours: it fails when it likes, and does not tell what it was asked, nor forget on request."""

    def fault(self, *args: object, **options: object) -> None:
        pytest.skip("a live account or the emulator makes no faults on request")

    def requests(self) -> Requests:
        pytest.skip("a live account or the emulator does not tell what it was asked")

    def clear(self) -> None:
        pass

    def empty(self, database: str) -> None:
        pass  # each test has a database of its own


@pytest.fixture(scope="session")
def cosmos_client(cosmos: CosmosServer) -> Iterator[CosmosClient]:
    """To clear up with."""
    with cosmos.client() as client:
        yield client


@contextmanager
def database_of(cosmos: CosmosServer, client: CosmosClient) -> Iterator[Settings]:
    """Settings for a database that nobody else has, and a server without faults."""
    name = f"test-{uuid.uuid4().hex}"
    cosmos.clear()
    yield Settings(
        cosmos_endpoint=cosmos.endpoint,
        cosmos_key=cosmos.key,
        cosmos_database=name,
        cosmos_vector_index=os.environ.get("COSMOS_TEST_INDEX", "flat"),
    )
    cosmos.clear()
    with suppress(CosmosResourceNotFoundError):
        client.delete_database(name)


@pytest.fixture
def cosmos_settings(cosmos: CosmosServer, cosmos_client: CosmosClient) -> Iterator[Settings]:
    """Settings for a database of the test's own, and a server without faults."""
    with database_of(cosmos, cosmos_client) as settings:
        yield settings


class CosmosStores(NamedTuple):
    """Stores on Cosmos DB."""

    settings: Settings
    features: CosmosFeatureStore
    fits: CosmosFitStore


def _as_long_as_they_can_be_emptied(fixture_name: str, config: pytest.Config) -> Literal["session", "function"]:
    return "function" if "COSMOS_TEST_ENDPOINT" in os.environ else "session"


@pytest.fixture(scope=_as_long_as_they_can_be_emptied)
def opened_on_cosmos(cosmos: CosmosServer, cosmos_client: CosmosClient) -> Iterator[CosmosStores]:
    """Opened once for all tests: that takes longer than most of them."""
    with (
        database_of(cosmos, cosmos_client) as settings,
        closing(CosmosFeatureStore(settings)) as features,
        closing(CosmosFitStore(settings)) as fits,
    ):
        yield CosmosStores(settings, features, fits)


@pytest.fixture
def cosmos_stores(cosmos: CosmosServer, opened_on_cosmos: CosmosStores) -> CosmosStores:
    """Empty ones, on a server without faults; a test that makes faults opens its own on `cosmos_settings`."""
    settings, features, fits = opened_on_cosmos
    cosmos.clear()
    cosmos.empty(settings.cosmos_database)
    # Objects of their own, as in a process that has just started: the app keeps what it has read by store.
    features = copy(features)
    features.layouts = Layouts(features._collections)
    return CosmosStores(settings, features, copy(fits))


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's SDKs try again without waiting."""
    monkeypatch.setattr(_retry_utility, "time", SimpleNamespace(time=time.time, sleep=lambda _seconds: None))
    monkeypatch.setattr(RequestsTransport, "sleep", lambda _self, _seconds: None)


@pytest.fixture(scope="session", params=["sqlite", "cosmos"])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Everything that asks the app over HTTP is run on both stores."""
    return str(request.param)


@contextmanager
def running_on(store_kind: str, images: Path, data: Path) -> Iterator[Devhost]:
    """The app on a store of its own, with every image of a folder embedded by the blob trigger."""
    env = {
        "IMAGES_CONTAINER": "images",
        # A host that is allowed but is not on the internet: the address of a cloud's own secrets.
        "ALLOWED_HOSTS": "169.254.169.254",
        "FETCH_TIMEOUT_SECONDS": "2",
    }
    with ExitStack() as stack:
        if store_kind == "cosmos":
            # A server of its own: other tests make the shared one fail.
            server = stack.enter_context(cosmos_server())
            env |= {"COSMOS_ENDPOINT": server.endpoint, "COSMOS_KEY": server.key}
        host = stack.enter_context(running(ROOT, "--images", str(images), "--data", str(data), env=env))
        host.wait_for(f"Images: {sum(1 for _ in images.rglob('*.jpg'))} processed, 0 failed", timeout=120)
        yield host


@pytest.fixture(scope="session")
def sample_app(store_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devhost]:
    """The app with every sample."""
    with running_on(store_kind, SAMPLES, tmp_path_factory.mktemp("data")) as host:
        yield host


@pytest.fixture(scope="session")
def http(sample_app: Devhost) -> Iterator[httpx.Client]:
    """A client of the running app."""
    with httpx.Client(base_url=sample_app.url, timeout=60, trust_env=False) as client:
        yield client


class Stores(NamedTuple):
    """Empty stores for a test: each test that asks for `stores` runs on both kinds."""

    features: FeatureStore
    fits: FitStore


@pytest.fixture(params=["sqlite", "cosmos"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "cosmos":
        opened: CosmosStores = request.getfixturevalue("cosmos_stores")
        yield Stores(opened.features, opened.fits)
        return
    with (
        closing(SqliteFeatureStore(tmp_path / "features.sqlite")) as features,
        closing(SqliteFitStore(tmp_path / "clusters.sqlite")) as fits,
    ):
        yield Stores(features, fits)
