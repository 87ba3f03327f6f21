"""Items by id, with the real SDK: each test is of something that the unmodified package gets wrong, or nearly so."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)
from azure.cosmos.partition_key import NonePartitionKeyValue

from tests.servers.cosmos import CosmosServer
from tests.servers.cosmos.conftest import MakeContainer

MEGABYTE = 1024 * 1024
KEYS = ["dogs", "", "0", 0, 1.5, False, True, None, "ümläut", 'quo"te', "a:b"]


def item(name: str = "a", partition: Any = "dogs", **more: Any) -> dict[str, Any]:
    return {"id": name, "partition": partition, **more}


def post_signed(server: CosmosServer, container: ContainerProxy, body: bytes) -> httpx.Response:
    """Creates an item past the SDK, which refuses some by itself."""
    link = container.container_link
    date = formatdate(usegmt=True)
    text = f"post\ndocs\n{link}\n{date.lower()}\n\n".encode()
    signature = base64.b64encode(hmac.digest(base64.b64decode(server.key), text, hashlib.sha256)).decode()
    headers = {"x-ms-date": date, "authorization": quote(f"type=master&ver=1.0&sig={signature}")}
    context = ssl.create_default_context(cafile=server.authority)
    return httpx.post(f"{server.endpoint}{link}/docs", content=body, headers=headers, verify=context, trust_env=False)


def test_a_missing_item_is_not_found(container: ContainerProxy) -> None:
    with pytest.raises(CosmosResourceNotFoundError) as error:
        container.read_item("missing", "dogs")
    assert error.value.sub_status is None


def test_an_item_in_a_missing_container_says_that_the_container_is_missing(client: CosmosClient) -> None:
    missing = client.get_database_client("tests").get_container_client("missing")
    with pytest.raises(CosmosResourceNotFoundError):
        missing.read_item("a", "dogs")


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_the_same_id_in_two_partitions_is_two_items(container: ContainerProxy, key: Any) -> None:
    container.create_item(item(partition=key, name_="this"))
    container.create_item(item(partition="other", name_="other"))
    assert container.read_item("a", key)["name_"] == "this"
    container.upsert_item(item(partition=key, name_="changed"))
    container.replace_item("a", item(partition="other", name_="replaced"))
    assert container.read_item("a", key)["name_"] == "changed"
    container.delete_item("a", "other")
    assert container.read_item("a", key)["name_"] == "changed"


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_no_operation_reaches_into_another_partition(container: ContainerProxy, key: Any) -> None:
    created = container.create_item(item(partition=key))
    for name in ("a", created["_rid"]):
        with pytest.raises(CosmosResourceNotFoundError):
            container.read_item(name, "other")
        with pytest.raises(CosmosResourceNotFoundError):
            container.delete_item(name, "other")
        with pytest.raises(CosmosResourceNotFoundError):
            container.patch_item(name, "other", [{"op": "set", "path": "/x", "value": 1}])
    with pytest.raises(CosmosResourceNotFoundError):
        container.replace_item("a", item(partition="other"))
    assert container.read_item("a", key) == created


def test_an_item_without_a_partition_key_is_in_a_partition_of_its_own(container: ContainerProxy) -> None:
    container.create_item({"id": "a"})
    container.create_item(item(partition=None))
    assert "partition" not in next(iter(container.query_items("SELECT * FROM c", partition_key=NonePartitionKeyValue)))
    assert container.read_item("a", None)["partition"] is None


def test_creating_what_is_there_is_a_conflict(container: ContainerProxy) -> None:
    container.create_item(item())
    with pytest.raises(CosmosResourceExistsError):
        container.create_item(item())


def test_upsert_if_missing_never_overwrites(container: ContainerProxy) -> None:
    def upsert(number: int) -> None:
        container.upsert_item(item(number=number), match_condition=MatchConditions.IfMissing)

    upsert(1)
    with pytest.raises(CosmosResourceExistsError):
        upsert(2)
    assert container.read_item("a", "dogs")["number"] == 1


@pytest.mark.parametrize("operation", ["upsert", "replace", "delete", "patch"])
def test_a_stale_etag_fails_and_the_current_one_does_not(container: ContainerProxy, operation: str) -> None:
    def change(etag: str) -> None:
        guard: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if operation == "upsert":
            container.upsert_item(item(number=9), **guard)
        elif operation == "replace":
            container.replace_item("a", item(number=9), **guard)
        elif operation == "delete":
            container.delete_item("a", "dogs", **guard)
        else:
            container.patch_item("a", "dogs", [{"op": "set", "path": "/number", "value": 9}], **guard)

    stale = container.create_item(item(number=1))["_etag"]
    current = container.upsert_item(item(number=2))["_etag"]
    with pytest.raises(CosmosAccessConditionFailedError):
        change(stale)
    assert container.read_item("a", "dogs")["number"] == 2
    change(current)
    rest: list[Any] = list(container.query_items("SELECT VALUE c.number FROM c", partition_key="dogs"))
    assert rest == ([] if operation == "delete" else [9])


def test_patch_changes_what_it_names_under_a_condition(container: ContainerProxy) -> None:
    container.create_item(item(numViews=1, tags=["a"]))
    container.create_item(item(partition="other", numViews=5))
    operations: list[dict[str, Any]] = [
        {"op": "incr", "path": "/numViews", "value": 2},
        {"op": "add", "path": "/tags/-", "value": "b"},
    ]
    with pytest.raises(CosmosAccessConditionFailedError):
        container.patch_item("a", "dogs", operations, filter_predicate="from c where c.numViews = 5")
    assert container.read_item("a", "dogs")["tags"] == ["a"]
    patched = container.patch_item("a", "dogs", operations, filter_predicate="from c where c.numViews = 1")
    assert (patched["numViews"], patched["tags"]) == (3, ["a", "b"])
    assert container.read_item("a", "other")["numViews"] == 5


def test_items_expire_and_make_room(make_container: MakeContainer, server: CosmosServer) -> None:
    container = make_container(default_ttl=100)
    for name, ttl in (("short", {"ttl": 10}), ("default", {}), ("never", {"ttl": -1})):
        container.create_item(item(name, **ttl))
    assert _ids(container) == ["default", "never", "short"]
    server.advance(11)
    assert _ids(container) == ["default", "never"]
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("short", "dogs")
    container.create_item(item("short"))
    server.advance(101)
    assert _ids(container) == ["never"]


def test_without_a_time_to_live_of_the_container_nothing_expires(
    container: ContainerProxy, server: CosmosServer
) -> None:
    container.create_item(item(ttl=1))
    server.advance(10)
    assert _ids(container) == ["a"]


def test_replacing_a_container_keeps_its_items(make_container: MakeContainer, client: CosmosClient) -> None:
    container = make_container("cosine")
    container.create_item(item(embedding=[1, 0, 0]))
    policy = container.read()["indexingPolicy"]
    database = client.get_database_client("tests")
    database.replace_container(container, PartitionKey("/partition"), indexing_policy=policy, default_ttl=5)
    assert _ids(container) == ["a"]
    properties = container.read()
    assert properties["defaultTtl"] == 5
    assert properties["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["dimensions"] == 3
    with pytest.raises(CosmosHttpResponseError, match="dimensions"):
        container.create_item(item("b", embedding=[1]))


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a?b", "a#b", "a ", "x" * 1024, "é" * 512, "", 7])
def test_an_id_that_the_service_does_not_take(server: CosmosServer, container: ContainerProxy, name: Any) -> None:
    response = post_signed(server, container, json.dumps(item(name)).encode())
    assert (response.status_code, response.json()["code"]) == (400, "BadRequest")
    assert _ids(container) == []


@pytest.mark.parametrize("name", ["x" * 1023, "ä ö+%25&=:;,@~'\"", "a.b-c_d", "日本"])
def test_an_id_that_the_service_takes(container: ContainerProxy, name: str) -> None:
    container.create_item(item(name))
    assert container.read_item(name, "dogs")["id"] == name
    container.delete_item(name, "dogs")
    assert _ids(container) == []


@pytest.mark.parametrize("ttl", [0, -2, 1.5, "1", 2**31])
def test_a_time_to_live_that_the_service_does_not_take(
    container: ContainerProxy, make_container: MakeContainer, ttl: Any
) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        container.create_item(item(ttl=ttl))
    assert error.value.status_code == 400
    with pytest.raises(CosmosHttpResponseError) as error:
        make_container(default_ttl=ttl)
    assert error.value.status_code == 400


@pytest.mark.parametrize("key", [["list"], {"an": "object"}, "x" * 2049])
def test_a_partition_key_that_the_service_does_not_take(container: ContainerProxy, key: Any) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        container.create_item(item(partition=key))
    assert error.value.status_code == 400


def test_an_item_is_at_most_two_megabytes(container: ContainerProxy) -> None:
    container.create_item(item("fits", text="x" * (2 * MEGABYTE - 100)))
    with pytest.raises(CosmosHttpResponseError) as error:
        container.create_item(item("large", text="x" * 2 * MEGABYTE))
    assert error.value.status_code == 413
    assert _ids(container) == ["fits"]


def _ids(container: ContainerProxy) -> list[Any]:
    found: Iterable[Any] = container.query_items("SELECT VALUE c.id FROM c", partition_key="dogs")
    return sorted(found)
