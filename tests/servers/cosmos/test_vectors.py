"""VectorDistance and vector policies."""

import uuid
from typing import Any

import numpy as np
import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.cosmos.conftest import MakeContainer

METRICS = ["cosine", "dotproduct", "euclidean"]
DIMENSIONS = 8
NEAREST = "SELECT TOP @n c.id, VectorDistance(c.embedding, @v) AS score FROM c ORDER BY VectorDistance(c.embedding, @v)"


@pytest.fixture(scope="module", params=METRICS)
def measured(request: pytest.FixtureRequest, make_container: MakeContainer) -> tuple[str, ContainerProxy]:
    """A metric, and a container whose policy names it."""
    return request.param, make_container(request.param, dimensions=DIMENSIONS)


def insert(container: ContainerProxy, partition: str, vectors: np.ndarray, **more: Any) -> None:
    items = [{"id": str(n), "partition": partition, "embedding": v, **more} for n, v in enumerate(vectors.tolist())]
    container.execute_item_batch([("create", (one,)) for one in items], partition)


def search(container: ContainerProxy, text: str, vector: Any, partition: str = "dogs", **more: Any) -> list[Any]:
    parameters = [{"name": f"@{name}", "value": value} for name, value in {"v": vector, **more}.items()]
    return list(container.query_items(text, parameters=parameters, partition_key=partition))


def scores_by_numpy(metric: str, vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    scores = np.linalg.norm(vectors - wanted, axis=1) if metric == "euclidean" else vectors @ wanted
    if metric == "cosine":
        scores = scores / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)
    return np.asarray(scores)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 60), n=st.integers(1, 70), scale=st.sampled_from([0.01, 1, 100])
)
def test_the_nearest_are_those_that_numpy_finds(
    measured: tuple[str, ContainerProxy], seed: int, rows: int, n: int, scale: float
) -> None:
    metric, container = measured
    random = np.random.default_rng(seed)
    vectors = random.normal(scale=scale, size=(rows, DIMENSIONS))
    wanted = random.normal(scale=scale, size=DIMENSIONS)
    partition = str(uuid.uuid4())
    insert(container, partition, vectors)
    insert(container, str(uuid.uuid4()), wanted[None])  # a perfect match that is in another partition
    found = search(container, NEAREST, wanted.tolist(), partition, n=n)
    scores = scores_by_numpy(metric, vectors, wanted)
    best = np.argsort(scores if metric == "euclidean" else -scores)[:n]
    assert [int(one["id"]) for one in found] == best.tolist()
    np.testing.assert_allclose([one["score"] for one in found], scores[best], rtol=1e-9, atol=1e-12)


@pytest.fixture
def container(make_container: MakeContainer) -> ContainerProxy:
    """Three vectors, of which cosine prefers another than dotproduct and euclidean do; one item without; filters."""
    container = make_container("cosine")
    for name, embedding, tags, kind in (
        ("same direction", [0.1, 0, 0], {"size": "s"}, ["small"]),
        ("longest", [9, 5, 0], {"size": "l"}, ["large", "red"]),
        ("closest", [1, 0.2, 0], {"size": "m"}, ["red"]),
    ):
        body = {"id": name, "partition": "dogs", "embedding": embedding, "tags": tags, "kinds": kind}
        container.create_item(body)
    container.create_item({"id": "without", "partition": "dogs"})
    return container


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ("", "same direction"),
        (", false", "same direction"),
        (", true", "same direction"),
        (', true, {"distanceFunction": "dotproduct"}', "longest"),
        (", false, {'distanceFunction': 'euclidean', 'dataType': 'float32'}", "closest"),
        (", false, {distanceFunction: 'cosine', searchListSizeMultiplier: 5}", "same direction"),
    ],
)
def test_the_metric_is_the_policys_or_that_of_the_options(container: ContainerProxy, more: str, first: str) -> None:
    call = f"VectorDistance(c.embedding, @v{more})"
    found = search(container, f"SELECT TOP 3 VALUE c.id FROM c ORDER BY {call}", [1, 0, 0])
    assert found[0] == first
    assert len(found) == 3  # the item without a vector is not compared


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("c.id = 'longest'", ["longest"]),
        ("ARRAY_CONTAINS(c.kinds, 'red')", ["closest", "longest"]),
        ("c.id IN ('longest', 'same direction')", ["same direction", "longest"]),
        ('c.tags["size"] = @size', ["closest"]),
        ("c.id != @size AND NOT ARRAY_CONTAINS(c.kinds, 'small')", ["closest", "longest"]),
        ("VectorDistance(c.embedding, @v) > 0.95", ["same direction", "closest"]),
    ],
)
def test_a_condition_comes_before_the_ranking(container: ContainerProxy, condition: str, expected: list[str]) -> None:
    text = f"SELECT TOP 2 VALUE c.id FROM c WHERE {condition} ORDER BY VectorDistance(c.embedding, @v)"
    more = {"size": "m"} if "@size" in condition else {}
    assert search(container, text, [1, 0, 0], **more) == expected


def test_neighbours_come_in_pages(make_container: MakeContainer) -> None:
    container = make_container("cosine")
    insert(container, "dogs", np.random.default_rng(5).normal(size=(30, 3)))
    parameters: list[dict[str, object]] = [{"name": "@v", "value": [1, 1, 1]}, {"name": "@n", "value": 20}]
    pages = container.query_items(NEAREST, parameters=parameters, partition_key="dogs", max_item_count=7).by_page()
    rows = [list(page) for page in pages]
    assert [len(page) for page in rows] == [7, 7, 6]
    assert [row for page in rows for row in page] == search(container, NEAREST, [1, 1, 1], n=20)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT c.id FROM c ORDER BY VectorDistance(c.embedding, @v)",
        "SELECT TOP 1 c.id FROM c ORDER BY VectorDistance(c.embedding, @v) DESC",
        "SELECT TOP 1 c.id FROM c ORDER BY VectorDistance(c.embedding, @v), c.id",
        "SELECT TOP 1 c.id FROM c ORDER BY VectorDistance(c.embedding)",
        "SELECT TOP 1 c.id FROM c ORDER BY VectorDistance(c.embedding, @v, false, {'distanceFunction': 'hamming'})",
        "SELECT TOP 1 c.id FROM c ORDER BY VectorDistance(c.embedding, @v, false, {'nonsense': 1})",
        "SELECT TOP 1 c.id FROM c ORDER BY ABS(c.size), @v",
    ],
)
def test_a_vector_query_that_makes_no_sense_is_refused(container: ContainerProxy, text: str) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        search(container, text, [1, 0, 0])
    assert error.value.status_code == 400


@pytest.mark.parametrize("vector", [[1, 0], [1, 0, 0, 0], [1, 0, "0"], "100", []], ids=repr)
def test_a_vector_of_another_length_is_refused(container: ContainerProxy, vector: Any) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        search(container, NEAREST, vector, n=1)
    assert error.value.status_code == 400
    for write in (container.create_item, container.upsert_item):
        with pytest.raises(CosmosHttpResponseError) as error:
            write({"id": "new", "partition": "dogs", "embedding": vector})
        assert error.value.status_code == 400


@pytest.mark.parametrize(
    ("embedding", "index", "message"),
    [
        ({"dimensions": 506}, {}, "up to 505"),
        ({"dimensions": 4097}, {"type": "diskANN"}, "more than the maximum"),
        ({"dimensions": 0}, {}, "Dimensions:0"),
        ({"dimensions": -1}, {}, "Dimensions:-1"),
        ({"dataType": "float33"}, {}, "invalid DataType"),
        ({"distanceFunction": "guess"}, {}, "invalid DistanceFunction:guess"),
        ({"path": "embedding"}, {}, "invalid Path"),
        ({}, {"type": "notFlat"}, "Index Type::notFlat is invalid"),
        ({}, {"path": "/other"}, "not matching in Embedding's path"),
        ({}, {"type": "quantizedFlat", "quantizationByteSize": 0}, "out of range"),
        ({}, {"type": "diskANN", "indexingSearchListSize": 5}, "out of range"),
    ],
)
def test_a_vector_policy_that_the_service_does_not_take(
    client: CosmosClient, embedding: dict[str, Any], index: dict[str, Any], message: str
) -> None:
    with pytest.raises(CosmosHttpResponseError, match=message) as error:
        create(client, embedding, index)
    assert error.value.status_code == 400


@pytest.mark.parametrize(
    ("embedding", "index"),
    [
        ({"dimensions": 505}, {}),
        ({"dimensions": 4096, "dataType": "int8"}, {"type": "diskANN", "vectorIndexShardKey": ["/partition"]}),
        ({"dimensions": 4096, "distanceFunction": "dotproduct"}, {"type": "quantizedFlat"}),
    ],
)
def test_a_vector_policy_that_the_service_takes(
    client: CosmosClient, embedding: dict[str, Any], index: dict[str, Any]
) -> None:
    properties = create(client, embedding, index).read()
    assert properties["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["dimensions"] == embedding["dimensions"]


@pytest.mark.parametrize("change", [{"type": "quantizedFlat"}, {"type": "flat", "vectorIndexShardKey": ["/partition"]}])
def test_a_vector_index_stays_as_it_is(client: CosmosClient, change: dict[str, Any]) -> None:
    container = create(client, {}, {})
    policy = {"vectorIndexes": [{"path": "/embedding", **change}]}
    with pytest.raises(CosmosHttpResponseError, match="cannot be modified") as error:
        client.get_database_client("tests").replace_container(
            container, PartitionKey("/partition"), indexing_policy=policy
        )
    assert error.value.status_code == 400


def create(client: CosmosClient, embedding: dict[str, Any], index: dict[str, Any]) -> ContainerProxy:
    whole = {"path": "/embedding", "dataType": "float32", "dimensions": 3, "distanceFunction": "cosine", **embedding}
    return client.get_database_client("tests").create_container(
        str(uuid.uuid4()),
        PartitionKey("/partition"),
        indexing_policy={"vectorIndexes": [{"path": "/embedding", "type": "flat", **index}]},
        vector_embedding_policy={"vectorEmbeddings": [whole]},
    )
