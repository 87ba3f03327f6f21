"""Queries: scoped, paged, and refused rather than misread."""

import time
from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.servers.cosmos import CosmosServer
from tests.servers.cosmos.conftest import MakeContainer


@pytest.fixture
def animals(container: ContainerProxy) -> ContainerProxy:
    for number in range(6):
        container.create_item(
            {"id": str(number), "partition": "dogs" if number < 4 else "cats", "age": number, "tags": [f"t{number}"]}
        )
    return container


def query(container: ContainerProxy, text: str, partition: Any = "dogs", **parameters: Any) -> list[Any]:
    listed = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    return list(container.query_items(text, parameters=listed, partition_key=partition))


@pytest.mark.parametrize(
    ("partition", "expected"), [("dogs", ["0", "1", "2", "3"]), ("cats", ["4", "5"]), ("birds", []), (0, [])]
)
def test_a_query_sees_one_partition(animals: ContainerProxy, partition: Any, expected: list[str]) -> None:
    assert query(animals, "SELECT VALUE c.id FROM c", partition) == expected
    assert query(animals, "SELECT VALUE COUNT(1) FROM c", partition) == [len(expected)]
    assert query(animals, "SELECT VALUE t FROM c JOIN t IN c.tags", partition) == [f"t{name}" for name in expected]


def test_a_query_without_a_partition_wants_permission(animals: ContainerProxy) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        list(animals.query_items("SELECT * FROM c WHERE c.age > 0"))
    assert error.value.status_code == 400
    text = "SELECT VALUE c.id FROM c"
    assert len(list(animals.query_items(text, enable_cross_partition_query=True))) == 6
    assert len(list(animals.read_all_items())) == 6


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("c.age = 1", ["1"]),
        ("c.age IN (1, 3, 5)", ["1", "3"]),
        ("c.id IN (@one, @two)", ["1", "2"]),
        ("c.age BETWEEN 1 AND 2", ["1", "2"]),
        ('ARRAY_CONTAINS(c.tags, "t2")', ["2"]),
        ("ARRAY_CONTAINS(@list, c.id)", ["0", "3"]),
        ('STARTSWITH(c.tags[0], "t3")', ["3"]),
        ("NOT (c.age IN (1, 2))", ["0", "3"]),
        ("NOT IS_DEFINED(c.age)", []),
        ('c["age"] >= 2', ["2", "3"]),
    ],
)
def test_conditions(animals: ContainerProxy, condition: str, expected: list[str]) -> None:
    given = {name: value for name, value in {"one": "1", "two": "2", "list": ["0", "3"]}.items() if name in condition}
    assert query(animals, f"SELECT VALUE c.id FROM c WHERE {condition}", **given) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT DISTINCT c.age FROM c",
        "SELECT DISTINCT VALUE c.age FROM c",
        "SELECT c.age, COUNT(1) AS n FROM c GROUP BY c.age",
        "SELECT * FROM c OFFSET 1 LIMIT 1",
        "SELECT * FROM c ORDER BY c.age OFFSET 1 LIMIT 1",
        'SELECT * FROM c WHERE c.id LIKE "1%"',
        "SELECT * FROM c WHERE c.age NOT IN (1)",
        "SELECT * FROM c WHERE NOT c.age IN (1)",
        "SELECT * FROM c WHERE NOT c.age = 1",
        "SELECT * FROM c WHERE NOT c.age BETWEEN 1 AND 2",
        'SELECT * FROM c WHERE STARTSWITH(c.id, "1", true)',
        "SELECT * FROM c WHERE UNKNOWN(c.id)",
        "SELECT * FROM c WHERE c.id = @missing",
        "SELECT * FROM c ORDER BY c.age, c.id",  # there is no composite index
        "SELECT",
    ],
)
def test_what_it_cannot_do_is_refused(animals: ContainerProxy, text: str) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        query(animals, text)
    assert error.value.status_code == 400


def test_a_change_feed_is_refused(animals: ContainerProxy) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        list(animals.query_items_change_feed(start_time="Beginning", partition_key="dogs"))
    assert error.value.status_code == 400


@pytest.mark.parametrize("text", ["SELECT * FROM c", "SELECT * FROM c ORDER BY c.age DESC", "SELECT TOP 3 * FROM c"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_make_the_whole(animals: ContainerProxy, server: CosmosServer, text: str, size: int) -> None:
    whole = query(animals, text)
    server.clear()
    pages = animals.query_items(text, partition_key="dogs", max_item_count=size).by_page()
    sizes, rows = [], []
    for page in pages:
        found = list(page)
        sizes.append(len(found))
        rows += found
    assert rows == whole
    assert max(sizes) <= size
    assert server.requests().counts == {"query docs": -(-len(whole) // size)}


def test_a_long_answer_comes_in_pages_unasked(container: ContainerProxy, server: CosmosServer) -> None:
    for start in range(0, 1100, 100):
        batch = [("create", ({"id": str(start + n), "partition": "dogs"},)) for n in range(100)]
        container.execute_item_batch(batch, "dogs")
    server.clear()
    assert len(query(container, "SELECT c.id FROM c")) == 1100
    assert server.requests().counts == {"query docs": 2}


def test_long_lists_are_read_in_linear_time(make_container: MakeContainer) -> None:
    container = make_container()
    numbers = list(range(100_000))
    container.create_item({"id": "a", "partition": "dogs", "numbers": numbers})
    start = time.perf_counter()
    assert query(container, "SELECT VALUE c.numbers FROM c") == [numbers]
    assert time.perf_counter() - start < 5  # unmodified: half a minute
