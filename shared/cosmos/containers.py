"""The database and its containers: opened, made when they are missing, and refused when they cannot be right."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError, CosmosResourceNotFoundError
from requests.adapters import HTTPAdapter

from shared.features import DIMENSIONS
from shared.settings import Settings, SettingsError

PARTITION_KEY = "/partition"

VECTOR_POLICY = {
    "vectorEmbeddings": [
        {"path": "/embedding", "dataType": "float32", "dimensions": DIMENSIONS, "distanceFunction": "cosine"}
    ]
}

CONNECTIONS = 64

TIMEOUT = 10
"""Seconds that a read or a query may take with all of the SDK's tries; throttled to the end, it would take minutes."""

THROTTLED_SECONDS = 8
"""How long the SDK may wait for a throttled request, all its tries together: well below a call's time budget."""


def indexing_policy(kind: str) -> dict[str, Any]:
    """What is indexed: `kind` for the vectors, and all paths but theirs, which would cost many times as much."""
    return {
        "indexingMode": "consistent",
        "includedPaths": [{"path": "/*"}],
        "excludedPaths": [{"path": "/embedding/*"}, {"path": '/"_etag"/?'}],
        "vectorIndexes": [{"path": "/embedding", "type": kind}],
    }


def open_client(settings: Settings) -> CosmosClient:
    """A client of the account, with its key or else with this process's identity. One serves all threads."""
    for library in ("azure.core", "azure.cosmos", "azure.identity"):
        # They log each request with all its headers; what matters comes as an error.
        logging.getLogger(library).setLevel(logging.WARNING)
    credential: Any = settings.cosmos_key
    if not credential:
        # Only here: it takes a tenth of a second.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        credential = DefaultAzureCredential()
    # As many connections as threads may ask at once; the SDK's own ten would be opened and closed all the time.
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    return CosmosClient(
        settings.cosmos_endpoint,
        credential,
        transport=RequestsTransport(session=session),
        retry_throttle_backoff_max=THROTTLED_SECONDS,
        connection_timeout=5,
        read_timeout=5,
        retry_connect=1,
        retry_read=1,
        no_response_on_write=True,
    )


def open_containers(client: CosmosClient, settings: Settings) -> tuple[ContainerProxy, ContainerProxy]:
    """The containers of features and of collections.

    Raises:
        SettingsError: They are missing and may not be made here, or are not as this app needs them.
    """
    database = client.get_database_client(settings.cosmos_database)
    features = database.get_container_client(settings.cosmos_features)
    collections = database.get_container_client(settings.cosmos_collections)
    try:
        check(features.read(), settings.cosmos_features)
        collections.read()
    except CosmosResourceNotFoundError:
        try:
            for _ in range(3):  # the database and two containers, each of which another process may make meanwhile
                with suppress(CosmosResourceExistsError):
                    return _create(client, settings)
            return _create(client, settings)
        except CosmosHttpResponseError as error:
            if error.status_code != 403:
                raise
            raise SettingsError(
                f"The Cosmos DB database {settings.cosmos_database!r} or one of its containers is missing, and this "
                "identity may not create it. Provision it (infra/), or start once with the account's key."
            ) from error
    return features, collections


def check(properties: Mapping[str, Any], name: str) -> None:
    """Refuse a container whose partition key or vectors are not what this app stores.

    Raises:
        SettingsError: It says what differs and what to do: neither can be changed in a container that exists.
    """
    key = properties.get("partitionKey", {}).get("paths")
    if key != [PARTITION_KEY]:
        raise SettingsError(_refusal(name, f"the partition key {PARTITION_KEY}", key))
    vectors = (properties.get("vectorEmbeddingPolicy") or {}).get("vectorEmbeddings") or []
    wanted = VECTOR_POLICY["vectorEmbeddings"][0]
    found = next((vector for vector in vectors if vector.get("path") == wanted["path"]), None)
    if found is None:
        raise SettingsError(_refusal(name, "a vector policy on /embedding", vectors))
    for part, value in wanted.items():
        if str(found.get(part)).lower() != str(value).lower():
            raise SettingsError(_refusal(name, f"vectors with {part} {value}", found.get(part)))


def _refusal(name: str, wanted: str, found: object) -> str:
    return (
        f"The Cosmos DB container {name!r} needs {wanted}, but has {found}. That cannot be changed: name another "
        "container in COSMOS_FEATURES_CONTAINER, and let the images be embedded into it."
    )


def _create(client: CosmosClient, settings: Settings) -> tuple[ContainerProxy, ContainerProxy]:
    database = client.create_database_if_not_exists(settings.cosmos_database)
    features = database.create_container_if_not_exists(
        settings.cosmos_features,
        partition_key=PartitionKey(PARTITION_KEY),
        indexing_policy=indexing_policy(settings.cosmos_vector_index),
        vector_embedding_policy=VECTOR_POLICY,
        default_ttl=-1,
    )
    check(features.read(), settings.cosmos_features)
    collections = database.create_container_if_not_exists(
        settings.cosmos_collections, partition_key=PartitionKey(PARTITION_KEY)
    )
    return features, collections
