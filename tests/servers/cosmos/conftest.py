"""One server for all tests here, a fresh container for each."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey

from tests.servers.cosmos import CosmosServer, cosmos_server

MakeContainer = Callable[..., ContainerProxy]


@pytest.fixture(scope="session")
def running() -> Iterator[CosmosServer]:
    with cosmos_server() as server:
        yield server


@pytest.fixture(scope="session")
def client(running: CosmosServer) -> Iterator[CosmosClient]:
    with running.client() as client:
        yield client


@pytest.fixture(scope="session")
def database(client: CosmosClient) -> DatabaseProxy:
    return client.create_database("tests")


@pytest.fixture
def server(running: CosmosServer, database: DatabaseProxy) -> CosmosServer:
    """The server without faults, and with nothing asked yet."""
    running.clear()
    return running


@pytest.fixture(scope="session")
def make_container(database: DatabaseProxy) -> MakeContainer:
    """Creates a container with a partition key and, when a metric is named, vectors of three dimensions."""

    def make(metric: str | None = None, *, dimensions: int = 3, index: str = "flat", **options: Any) -> ContainerProxy:
        if metric:
            options["indexing_policy"] = {
                "includedPaths": [{"path": "/*"}],
                "excludedPaths": [{"path": "/embedding/*"}],
                "vectorIndexes": [{"path": "/embedding", "type": index}],
            }
            options["vector_embedding_policy"] = {
                "vectorEmbeddings": [
                    {
                        "path": "/embedding",
                        "dataType": "float32",
                        "dimensions": dimensions,
                        "distanceFunction": metric,
                    }
                ]
            }
        container: ContainerProxy = database.create_container(str(uuid.uuid4()), PartitionKey("/partition"), **options)
        return container

    return make


@pytest.fixture
def container(make_container: MakeContainer, server: CosmosServer) -> ContainerProxy:
    """A container without vectors."""
    made = make_container()
    server.clear()
    return made
