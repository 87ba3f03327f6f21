"""What the SDK makes of trouble, and what of it the server sees."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.cosmos import ContainerProxy, CosmosClient
from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.servers.cosmos import CosmosServer

ITEM = {"id": "a", "partition": "dogs"}


def write(container: ContainerProxy) -> object:
    return container.upsert_item(ITEM)


def read(container: ContainerProxy) -> object:
    return list(container.query_items("SELECT * FROM c", partition_key="dogs"))


each_way = pytest.mark.parametrize("act", [write, read])


@each_way
def test_nine_refusals_for_the_rate_pass_unseen(
    server: CosmosServer, container: ContainerProxy, act: Callable[[ContainerProxy], object]
) -> None:
    server.fault("429", times=9)
    act(container)
    assert [one.status for one in server.requests().items()][:9] == [429] * 9
    assert len(server.requests().items()) == 10


# A query is tried again by the request and by its paging, each of them ten times.
@pytest.mark.parametrize(("act", "tries"), [(write, 10), (read, 100)])
def test_refusals_for_the_rate_without_end_are_raised(
    server: CosmosServer, container: ContainerProxy, act: Callable[[ContainerProxy], object], tries: int
) -> None:
    server.fault("429", times=-1, retry_after_ms=2)
    with pytest.raises(CosmosHttpResponseError) as error:
        act(container)
    assert error.value.status_code == 429
    assert error.value.headers["x-ms-retry-after-ms"] == "2"
    assert len(server.requests().items()) == tries


def test_a_client_can_be_less_patient(server: CosmosServer, container: ContainerProxy) -> None:
    server.fault("429", times=-1)
    with server.client(retry_throttle_total=2) as client:
        hurried = client.get_database_client("tests").get_container_client(container.id)
        with pytest.raises(CosmosHttpResponseError) as error:
            write(hurried)
    assert error.value.status_code == 429
    assert len(server.requests().items()) == 3


@each_way
def test_one_503_passes_unseen(
    server: CosmosServer, container: ContainerProxy, act: Callable[[ContainerProxy], object]
) -> None:
    server.fault("503")
    act(container)
    assert [one.status for one in server.requests().items()] == [503, 201 if act is write else 200]


def test_a_dropped_connection(server: CosmosServer, container: ContainerProxy) -> None:
    server.fault("drop")
    read(container)
    server.clear()
    server.fault("drop")
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        write(container)
    assert [one.status for one in server.requests().items()] == [None]


def test_a_fault_meets_what_it_names(server: CosmosServer, container: ContainerProxy) -> None:
    server.fault("429", times=1, after=1, operation="query")
    for _ in range(2):
        write(container)
        read(container)
    assert [(one.operation, one.status) for one in server.requests().items()] == [
        ("upsert", 201),
        ("query", 200),
        ("upsert", 200),
        ("query", 429),
        ("query", 200),
    ]
    server.clear()
    server.fault("503", times=-1, method="PUT")
    server.fault("503", times=-1, path="^/nowhere")
    write(container)
    assert [one.status for one in server.requests().items()] == [200]


def test_clearing_ends_faults(server: CosmosServer, container: ContainerProxy) -> None:
    server.fault("429", times=-1)
    server.clear()
    write(container)
    assert server.requests().counts == {"upsert docs": 1}


def test_a_fault_of_no_kind_is_refused(server: CosmosServer) -> None:
    with pytest.raises(AssertionError, match="kind"):
        server.fault("flood")  # type: ignore[arg-type]


def test_the_server_sees_whether_requests_come_at_the_same_time(
    server: CosmosServer, container: ContainerProxy
) -> None:
    server.fault("latency", times=-1, latency_ms=10_000, until=4)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: read(container), range(4)))
    assert server.requests().highest == {"query": 4}
    server.clear()
    server.fault("latency", times=-1, latency_ms=1)
    for _ in range(4):
        read(container)
    assert server.requests().highest == {"query": 1}


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda container: container.create_item(ITEM), ("POST", "create", '["dogs"]', 201)),
        (lambda container: container.upsert_item(ITEM), ("POST", "upsert", '["dogs"]', 201)),
        (read, ("POST", "query", '["dogs"]', 200)),
        (lambda container: list(container.read_all_items()), ("GET", "list", None, 200)),
        (
            lambda container: container.execute_item_batch([("create", (ITEM,))], "dogs"),
            ("POST", "batch", '["dogs"]', 200),
        ),
    ],
)
def test_the_server_tells_what_was_asked(
    server: CosmosServer, container: ContainerProxy, act: Callable[[Any], object], expected: tuple[Any, ...]
) -> None:
    act(container)
    (one,) = server.requests().items()
    assert (one.method, one.operation, one.partition, one.status) == expected
    assert one.path.startswith(f"/dbs/tests/colls/{container.id}/docs")


def test_round_trips_of_a_fresh_client(server: CosmosServer, container: ContainerProxy) -> None:
    with server.client() as client:
        server.clear()
        fresh = client.get_database_client("tests").get_container_client(container.id)
        write(fresh)
        write(fresh)
        read(fresh)
        read(fresh)
        counts = server.requests().counts
    counts.pop("read account", None)  # the SDK looks at it in a thread of its own, before or after the `clear`
    assert counts == {"read colls": 1, "upsert docs": 2, "query docs": 2}


def test_a_wrong_key_is_refused(server: CosmosServer, client: CosmosClient) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        server.client(credential="d3Jvbmc=")
    assert error.value.status_code == 401


async def _visit(server: CosmosServer, name: str) -> list[dict[str, Any]]:
    async with AsyncCosmosClient(server.endpoint, server.key) as client:
        container = client.get_database_client("tests").get_container_client(name)
        await container.upsert_item(ITEM)
        await container.upsert_item({**ITEM, "partition": "cats"})
        return [one async for one in container.query_items("SELECT * FROM c", partition_key="dogs")]


def test_the_asynchronous_client(server: CosmosServer, container: ContainerProxy) -> None:
    (found,) = asyncio.run(_visit(server, container.id))
    assert found["partition"] == "dogs"
