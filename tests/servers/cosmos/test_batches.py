"""Transactional batches: all or nothing, in one partition."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError


def item(name: str, partition: str = "dogs", **more: Any) -> dict[str, Any]:
    return {"id": name, "partition": partition, **more}


def everything(container: ContainerProxy) -> dict[str, Any]:
    return {one["id"]: one.get("value") for one in container.query_items("SELECT * FROM c", partition_key="dogs")}


def test_a_batch_does_every_kind_of_operation(container: ContainerProxy) -> None:
    container.create_item(item("replaced", value=0))
    container.create_item(item("deleted"))
    container.create_item(item("patched", value=0))
    results = container.execute_item_batch(
        [
            ("create", (item("created", value=1),)),
            ("upsert", (item("upserted", value=2),)),
            ("replace", ("replaced", item("replaced", value=3))),
            ("patch", ("patched", [{"op": "incr", "path": "/value", "value": 4}])),
            ("read", ("created",)),
            ("delete", ("deleted",)),
        ],
        "dogs",
    )
    assert [result["statusCode"] for result in results] == [201, 201, 200, 200, 200, 204]
    assert results[4]["resourceBody"]["value"] == 1
    assert everything(container) == {"created": 1, "upserted": 2, "replaced": 3, "patched": 4}


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (("create", (item("old"),)), 409),
        (("replace", ("missing", item("missing"))), 404),
        (("replace", ("old", item("old")), {"if_match_etag": "stale"}), 412),
        (("upsert", (item("other", partition="cats"),)), 400),
    ],
    ids=["409", "404", "412", "400"],
)
def test_a_failing_batch_changes_nothing(container: ContainerProxy, failing: Any, status: int) -> None:
    etag = container.create_item(item("old", value=1))["_etag"]
    operations = [
        ("upsert", (item("old", value=2),)),
        ("delete", ("old",)),
        ("create", (item("old", value=3),)),
        failing,
        ("create", (item("never"),)),
    ]
    with pytest.raises(CosmosBatchOperationError) as error:
        container.execute_item_batch(operations, "dogs")
    statuses = [response["statusCode"] for response in error.value.operation_responses]
    assert statuses == [424, 424, 424, status, 424]
    assert (error.value.error_index, error.value.status_code) == (3, status)
    assert everything(container) == {"old": 1}
    assert container.read_item("old", "dogs")["_etag"] == etag
    container.create_item(item("never"))  # the index of ids has been put back, too


def test_a_batch_stays_in_its_partition(container: ContainerProxy) -> None:
    container.create_item(item("a", partition="cats"))
    with pytest.raises(CosmosBatchOperationError) as error:
        container.execute_item_batch([("delete", ("a",))], "dogs")
    assert error.value.status_code == 404
    assert container.read_item("a", "cats")


def test_a_batch_has_at_most_a_hundred_operations(container: ContainerProxy) -> None:
    operations = [("create", (item(str(number)),)) for number in range(101)]
    with pytest.raises(CosmosHttpResponseError) as error:
        container.execute_item_batch(operations, "dogs")
    assert error.value.status_code == 400
    assert everything(container) == {}
    container.execute_item_batch(operations[:100], "dogs")
    assert len(everything(container)) == 100


def test_a_batch_has_at_most_two_megabytes(container: ContainerProxy) -> None:
    operations = [("create", (item(str(number), text="x" * 1024 * 1024),)) for number in range(2)]
    with pytest.raises(CosmosHttpResponseError) as error:
        container.execute_item_batch(operations, "dogs")
    assert error.value.status_code == 413
    assert everything(container) == {}
