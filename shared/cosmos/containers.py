"""The database and its containers: opened, made when they are missing, and refused when they cannot be right."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

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


class Wanted(NamedTuple):
    """A container this app needs."""

    name: str
    setting: str
    """The environment variable that names another one."""
    vectors: bool = True
    """Whether its documents have an embedding."""
    instead: str = ""
    """What to do with another one, for people."""
    expires: bool = False
    """Whether documents may go by themselves after a time of their own."""


def open_containers(client: CosmosClient, settings: Settings) -> tuple[ContainerProxy, ContainerProxy]:
    """The containers of features and of collections.

    Raises:
        SettingsError: They are missing and may not be made here, or are not as this app needs them.
    """
    features = Wanted(
        settings.cosmos_features,
        "COSMOS_FEATURES_CONTAINER",
        instead="let the images be embedded into it",
        expires=True,
    )
    collections = Wanted(settings.cosmos_collections, "COSMOS_COLLECTIONS_CONTAINER", vectors=False)
    opened = _open(client, settings, [features, collections])
    return opened[0], opened[1]


def open_clusters(client: CosmosClient, settings: Settings) -> ContainerProxy:
    """The container of fits.

    Raises:
        SettingsError: It is missing and may not be made here, or is not as this app needs it.
    """
    wanted = Wanted(settings.cosmos_clusters, "COSMOS_CLUSTERS_CONTAINER", instead="let the collections be fitted anew")
    return _open(client, settings, [wanted])[0]


def _open(client: CosmosClient, settings: Settings, wanted: Sequence[Wanted]) -> list[ContainerProxy]:
    database = client.get_database_client(settings.cosmos_database)
    containers = [database.get_container_client(one.name) for one in wanted]
    try:
        for one, container in zip(wanted, containers, strict=True):
            _check(container.read(), one)
    except CosmosResourceNotFoundError:
        try:
            for _ in range(3):  # the database and its containers, each of which another process may make meanwhile
                with suppress(CosmosResourceExistsError):
                    return _create(client, settings, wanted)
            return _create(client, settings, wanted)
        except CosmosHttpResponseError as error:
            if error.status_code != 403:
                raise
            raise SettingsError(
                f"The Cosmos DB database {settings.cosmos_database!r} or one of its containers is missing, and this "
                "identity may not create it. Provision it (infra/), or start once with the account's key."
            ) from error
    return containers


def _check(properties: Mapping[str, Any], wanted: Wanted) -> None:
    """Refuse a container whose partition key or vectors are not what this app stores.

    Raises:
        SettingsError: It says what differs and what to do: neither can be changed in a container that exists.
    """
    if not wanted.vectors:
        return
    key = properties.get("partitionKey", {}).get("paths")
    if key != [PARTITION_KEY]:
        raise SettingsError(_refusal(wanted, f"the partition key {PARTITION_KEY}", key))
    vectors = (properties.get("vectorEmbeddingPolicy") or {}).get("vectorEmbeddings") or []
    policy = VECTOR_POLICY["vectorEmbeddings"][0]
    found = next((vector for vector in vectors if vector.get("path") == policy["path"]), None)
    if found is None:
        raise SettingsError(_refusal(wanted, "a vector policy on /embedding", vectors))
    for part, value in policy.items():
        if str(found.get(part)).lower() != str(value).lower():
            raise SettingsError(_refusal(wanted, f"vectors with {part} {value}", found.get(part)))


def _refusal(wanted: Wanted, need: str, found: object) -> str:
    return (
        f"The Cosmos DB container {wanted.name!r} needs {need}, but has {found}. That cannot be changed: name another "
        f"container in {wanted.setting}, and {wanted.instead}."
    )


def _create(client: CosmosClient, settings: Settings, wanted: Sequence[Wanted]) -> list[ContainerProxy]:
    database = client.create_database_if_not_exists(settings.cosmos_database)
    containers = []
    for one in wanted:
        vectors: dict[str, Any] = {
            "indexing_policy": indexing_policy(settings.cosmos_vector_index),
            "vector_embedding_policy": VECTOR_POLICY,
        }
        container = database.create_container_if_not_exists(
            one.name,
            partition_key=PartitionKey(PARTITION_KEY),
            default_ttl=-1 if one.expires else None,
            **(vectors if one.vectors else {}),
        )
        _check(container.read(), one)
        containers.append(container)
    return containers
