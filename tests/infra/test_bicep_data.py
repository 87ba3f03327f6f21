"""The containers of Bicep are those that the code makes, on a server that says how they became."""

from typing import Any

import pytest
from azure.cosmos import CosmosClient

from shared.cosmos.containers import open_client, open_clusters, open_containers
from shared.settings import Settings
from tests.infra.bicep import Expression, read, resolved, resources

DATA = read("modules/data.bicep")
CONTAINERS = resources(DATA, "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers")


def _in_bicep(vector_index: str) -> dict[str, Any]:
    """The containers by name, as the service would take them."""
    made = {}
    for one in CONTAINERS.values():
        resource = resolved(one.value["properties"]["resource"], DATA)
        for index in resource.get("indexingPolicy", {}).get("vectorIndexes", []):
            assert isinstance(index["type"], Expression)
            assert index["type"] == "vectorIndex"
            index["type"] = vector_index
        made[resource["id"]] = resource
    return made


def test_they_are_as_the_code_makes_them(cosmos_settings: Settings, cosmos_client: CosmosClient) -> None:
    settings, bicep = cosmos_settings, _in_bicep(cosmos_settings.cosmos_vector_index)
    with open_client(settings) as client:
        made = [one.read() for one in (*open_containers(client, settings), open_clusters(client, settings))]

    assert {one["id"] for one in made} == bicep.keys()
    for one in made:
        wanted = bicep[one["id"]]
        assert one["partitionKey"]["paths"] == wanted["partitionKey"]["paths"]
        assert one["partitionKey"]["kind"] == wanted["partitionKey"]["kind"]
        assert one.get("vectorEmbeddingPolicy") == wanted.get("vectorEmbeddingPolicy")
        assert one.get("defaultTtl") == wanted.get("defaultTtl")
        if "indexingPolicy" in wanted:  # else both leave it to the service
            assert {name: one["indexingPolicy"][name] for name in wanted["indexingPolicy"]} == wanted["indexingPolicy"]


def test_the_code_opens_what_bicep_made(cosmos_settings: Settings, cosmos_client: CosmosClient) -> None:
    settings = cosmos_settings
    database = cosmos_client.create_database(settings.cosmos_database)
    for name, wanted in _in_bicep(settings.cosmos_vector_index).items():
        database.create_container(
            name,
            partition_key=wanted["partitionKey"],
            default_ttl=wanted.get("defaultTtl"),
            indexing_policy=wanted.get("indexingPolicy"),
            vector_embedding_policy=wanted.get("vectorEmbeddingPolicy"),
        )

    with open_client(settings) as client:
        opened = [*open_containers(client, settings), open_clusters(client, settings)]

    assert [one.id for one in opened] == ["features", "collections", "clusters"]


def test_they_are_named_as_the_code_names_them() -> None:
    names = Settings()

    assert {one.value["name"] for one in CONTAINERS.values()} == {
        names.cosmos_features,
        names.cosmos_collections,
        names.cosmos_clusters,
    }
    assert resolved(DATA["database"].value["name"], DATA) == names.cosmos_database
    assert resolved(DATA["database"].value["properties"]["resource"]["id"], DATA) == names.cosmos_database


def test_throughput_is_of_containers_because_a_database_that_shares_it_has_no_vector_search() -> None:
    assert "options" not in DATA["database"].value["properties"]
    for name in ("features", "clusters"):
        assert CONTAINERS[name].value["properties"]["options"] == "serverless ? {} : provisioned"


def test_the_free_tier_is_never_serverless_which_azure_refuses() -> None:
    assert DATA["serverless"].value == "throughput == 0 && !freeTier"
    assert DATA["provisioned"].value == {"autoscaleSettings": {"maxThroughput": "throughput == 0 ? 1000 : throughput"}}
    account = DATA["account"].value["properties"]
    assert account["enableFreeTier"] == "freeTier"
    assert account["capabilities"] == (
        "concat([{ name: 'EnableNoSQLVectorSearch' }], serverless ? [{ name: 'EnableServerless' }] : [])"
    )


@pytest.mark.parametrize("name", ["features", "clusters"])
def test_app_and_database_have_the_same_kind_of_index(name: str) -> None:
    main = read("main.bicep")

    assert main["data"].value["params"]["vectorIndex"] == "cosmosVectorIndex"
    assert main["app"].value["params"]["cosmosVectorIndex"] == "cosmosVectorIndex"
    policy = resolved(CONTAINERS[name].value["properties"]["resource"]["indexingPolicy"], DATA)
    assert policy["vectorIndexes"] == [{"path": "/embedding", "type": "vectorIndex"}]
