"""The Cosmos DB store of fits, on the test server or on what COSMOS_TEST_ENDPOINT names, through the real SDK."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from shared import bulk
from shared.cosmos.containers import indexing_policy
from shared.cosmos.fits import BATCH, MOST_TIED, WRITTEN_AT_ONCE, CosmosFitStore
from shared.features import StoreBusy
from shared.fits import Core, FitStore
from shared.settings import Settings, SettingsError
from shared.stores import open_fit_store
from tests.conftest import CosmosStores
from tests.servers.cosmos import CosmosServer
from tests.shared.fit_conformance import FitStoreConformance, check_found, cores_of, member_of
from tests.shared.store_conformance import at_once, random_vectors, vector_of

pytestmark = pytest.mark.usefixtures("no_backoff")


@pytest.fixture
def settings(cosmos_settings: Settings) -> Settings:
    return cosmos_settings


@pytest.fixture
def fits(settings: Settings) -> Iterator[CosmosFitStore]:
    with closing(CosmosFitStore(settings)) as fits:
        yield fits


@pytest.fixture
def other(fits: CosmosFitStore, settings: Settings) -> Iterator[CosmosFitStore]:
    """A second store on the same container: what another process would see."""
    with closing(CosmosFitStore(settings)) as other:
        yield other


class TestCosmosFitStore(FitStoreConformance):
    """What every store must do."""

    @pytest.fixture
    def fits(self, cosmos_stores: CosmosStores) -> CosmosFitStore:
        return cosmos_stores.fits


def test_it_satisfies_the_protocol(fits: CosmosFitStore) -> None:
    as_protocol: FitStore = fits  # for mypy
    as_protocol.drop("one")


def test_another_process_s_writes_and_drops_are_seen(fits: CosmosFitStore, other: CosmosFitStore) -> None:
    vectors = random_vectors(4)
    other.write("one", cores_of(vectors))
    check_found(cores_of(vectors), vectors, fits.nearest("one", vectors))
    other.drop("one")
    assert fits.nearest("one", vectors[:1]) == [None]
    assert fits.members("one", limit=9) == []


# --- the container ---


@pytest.mark.parametrize("kind", ["flat", "quantizedFlat", "diskANN"])
def test_a_missing_container_is_made(settings: Settings, cosmos: CosmosServer, kind: str) -> None:
    CosmosFitStore(replace(settings, cosmos_clusters="groups", cosmos_vector_index=kind)).close()
    with cosmos.client() as client:
        database = client.get_database_client(settings.cosmos_database)
        assert [one["id"] for one in database.list_containers()] == ["groups"]
        clusters = database.get_container_client("groups").read()
    assert clusters["partitionKey"]["paths"] == ["/partition"]
    assert clusters["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["dimensions"] == 256
    assert clusters["indexingPolicy"]["vectorIndexes"] == [{"path": "/embedding", "type": kind}]
    assert {"path": "/embedding/*"} in clusters["indexingPolicy"]["excludedPaths"]


def test_several_processes_may_make_it_at_once(settings: Settings) -> None:
    with ThreadPoolExecutor(6) as pool:
        for fits in pool.map(lambda _: CosmosFitStore(settings), range(6)):
            fits.close()


@pytest.mark.parametrize(
    ("key", "vectors", "reason"),
    [
        ("/id", True, "needs the partition key /partition, but has"),
        ("/partition", False, "needs a vector policy on /embedding"),
    ],
)
def test_a_container_that_cannot_be_right_is_refused(
    settings: Settings, cosmos: CosmosServer, key: str, vectors: bool, reason: str
) -> None:
    policy = {
        "vectorEmbeddings": [
            {"path": "/embedding", "dataType": "float32", "dimensions": 256, "distanceFunction": "cosine"}
        ]
    }
    options = {"vector_embedding_policy": policy, "indexing_policy": indexing_policy("flat")} if vectors else {}
    with cosmos.client() as client:
        client.create_database(settings.cosmos_database).create_container("clusters", PartitionKey(key), **options)
    with pytest.raises(SettingsError, match=f"'clusters' {reason}.*COSMOS_CLUSTERS_CONTAINER, and let the collections"):
        CosmosFitStore(settings)


def test_a_missing_container_that_may_not_be_made_is_one_clear_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        # What the service says to an identity with a data role; the test server knows no roles.
        raise CosmosHttpResponseError(status_code=403, message="blocked by RBAC")  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    monkeypatch.setattr(CosmosClient, "create_database_if_not_exists", forbidden)
    with pytest.raises(SettingsError, match="is missing, and this identity may not create it"):
        CosmosFitStore(settings)


@pytest.mark.parametrize(("key", "said"), [("d3Jvbmc=", "COSMOS_KEY is wrong"), ("abc", "cannot be used as COSMOS_")])
def test_a_wrong_key_is_one_clear_sentence(settings: Settings, key: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_fit_store(replace(settings, cosmos_key=key))


# --- documents and requests ---


def test_documents_have_a_schema_and_only_core_samples_a_vector(fits: CosmosFitStore) -> None:
    fits.write("one", [member_of("dogs/a", embedding=vector_of(1)), member_of("dogs/b")])
    core, other = sorted(fits.clusters.read_all_items(), key=lambda document: str(document["path"]))
    assert (core["partition"], core["schema"], core["core"]) == ("one", 1, True)
    assert core["embedding"] == [1.0] + [0.0] * 255
    assert (other["partition"], other["schema"], other["core"]) == ("one", 1, False)
    assert "embedding" not in other


def test_batches_are_as_large_as_they_may_be_and_several_at_a_time(fits: CosmosFitStore, cosmos: CosmosServer) -> None:
    cosmos.clear()
    cosmos.fault("latency", times=-1, latency_ms=30_000, until=WRITTEN_AT_ONCE, operation="batch")
    fits.write("one", (member_of(f"dogs/{n:04}") for n in range(WRITTEN_AT_ONCE * BATCH)))
    requests = cosmos.requests()
    assert len(requests.items("batch")) == WRITTEN_AT_ONCE
    assert requests.highest["batch"] == WRITTEN_AT_ONCE
    assert {request.partition for request in requests.items("batch")} == {'["one"]'}


def test_no_batch_is_too_long(fits: CosmosFitStore) -> None:
    """The server refuses what is longer than 2 MB."""
    members = [member_of(f"dogs/{n}/{'🐕' * 2000}", embedding=vector_of(1, n)) for n in range(120)]
    fits.write("one", members)
    assert len(fits.members("one", limit=999)) == 120


def test_each_vector_is_one_query_and_several_are_asked_at_a_time(fits: CosmosFitStore, cosmos: CosmosServer) -> None:
    fits.write("one", cores_of(random_vectors(20)))
    cosmos.clear()
    cosmos.fault("latency", times=-1, latency_ms=30_000, until=16, operation="query")
    asked = random_vectors(16, seed=1)
    check_found(cores_of(random_vectors(20)), asked, fits.nearest("one", asked))
    requests = cosmos.requests()
    assert len(requests.items("query")) == 16
    assert requests.highest["query"] == 16


def test_very_many_copies_are_not_followed_for_ever(fits: CosmosFitStore, cosmos: CosmosServer) -> None:
    fits.write("one", [member_of(f"dogs/{n:04}", cluster=3, embedding=vector_of(1)) for n in range(MOST_TIED + 50)])
    cosmos.clear()
    (core,) = fits.nearest("one", vector_of(1)[np.newaxis])
    assert core is not None
    assert (core.cluster, core.distance) == (3, 0.0)
    assert len(cosmos.requests().items("query")) == 4


def test_when_writing_ends_nothing_of_it_is_under_way(fits: CosmosFitStore, cosmos: CosmosServer) -> None:
    def progress(_count: int) -> None:
        raise InterruptedError

    cosmos.clear()
    cosmos.fault("latency", times=-1, after=1, latency_ms=300, operation="batch")
    with pytest.raises(InterruptedError):
        fits.write("one", (member_of(f"dogs/{n:04}") for n in range(3000)), progress=progress)
    requests = cosmos.requests().items("batch")
    assert len(requests) <= WRITTEN_AT_ONCE
    assert {request.status for request in requests} == {200}


# --- faults ---


@pytest.mark.parametrize("kind", ["429", "503", "drop"])
def test_what_fails_for_good_is_busy(
    fits: CosmosFitStore, cosmos: CosmosServer, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr(bulk, "TRIES", 3)
    vector = vector_of(1)[np.newaxis]
    fits.write("one", [member_of(embedding=vector[0])])
    waited: list[float] = []
    uses: dict[str, list[Callable[[], object]]] = {
        "read": [lambda: fits.member("one", "dogs/a.jpg")],
        "query": [
            lambda: fits.members("one", limit=9),
            lambda: fits.nearest("one", vector),
            lambda: fits.nearest("one", np.repeat(vector, 3, 0)),
        ],
        "batch": [lambda: fits.write("two", [member_of()], sleep=waited.append)],
    }
    for operation, several in uses.items():
        cosmos.fault(kind, times=-1, operation=operation)
        for use in several:
            with pytest.raises(StoreBusy) as busy:
                use()
            assert busy.value.retry_after >= 1
        cosmos.clear()
        for use in several:
            use()
    assert len(waited) == 2
    assert fits.nearest("one", vector) == [Core("dogs/a.jpg", 0, 0.0)]
    assert len(fits.members("two", limit=9)) == 1


def test_a_write_waits_until_the_store_is_not_busy_any_more(fits: CosmosFitStore, cosmos: CosmosServer) -> None:
    cosmos.fault("503", times=9, operation="batch")
    waited: list[float] = []
    counts: list[int] = []
    members = [member_of(f"dogs/{n:04}") for n in range(1000)]
    fits.write("one", members, progress=counts.append, sleep=waited.append)
    assert waited
    assert sum(counts) == 1000
    assert len(fits.members("one", limit=9999)) == 1000


def test_a_drop_that_was_broken_off_is_finished_by_the_next(
    fits: CosmosFitStore, cosmos: CosmosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "TRIES", 3)
    members = [member_of(f"dogs/{n:04}") for n in range(500)]
    fits.write("one", members)
    fits.write("two", members[:5])
    cosmos.fault("drop", times=-1, after=2, operation="batch")
    with pytest.raises(StoreBusy):
        fits.drop("one", sleep=lambda _: None)
    cosmos.clear()
    assert len(fits.members("one", limit=999)) == 300
    fits.drop("one")
    assert fits.members("one", limit=9) == []
    assert len(fits.members("two", limit=9)) == 5


def test_several_may_drop_the_same_fit(fits: CosmosFitStore, other: CosmosFitStore) -> None:
    fits.write("one", (member_of(f"dogs/{n:04}") for n in range(1000)))

    def drop(store: CosmosFitStore) -> bool:
        store.drop("one")
        return store.members("one", limit=9) == []

    assert all(at_once([partial(drop, store) for store in (fits, other, fits)]))


def test_a_container_that_is_gone_is_one_clear_sentence(
    fits: CosmosFitStore, settings: Settings, cosmos: CosmosServer
) -> None:
    with cosmos.client() as client:
        client.get_database_client(settings.cosmos_database).delete_container("clusters")
    for use in (lambda: fits.write("one", [member_of()]), lambda: fits.members("one", limit=1)):
        with pytest.raises(SettingsError, match="start the app anew"):
            use()
