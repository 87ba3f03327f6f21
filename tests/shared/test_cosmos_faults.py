"""What can go wrong between the app and Cosmos DB, and what people are told."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from shared import backbone, bulk
from shared.bulk import upsert_many
from shared.cosmos.containers import indexing_policy
from shared.cosmos.store import CosmosFeatureStore
from shared.embedding import embed_bytes
from shared.features import Failure, Feature, StoreBusy
from shared.settings import Settings, SettingsError
from shared.stores import open_store
from similarity.skill import answer_similarity
from tests.pictures import as_base64, encoded, skill_call, stripes
from tests.servers.cosmos import CosmosServer
from tests.shared.entry_conformance import failure_of, put, same
from tests.shared.store_conformance import MODEL, NOON, feature_of, random_vectors, vector_of

pytestmark = pytest.mark.usefixtures("no_backoff")


@pytest.fixture
def settings(cosmos_settings: Settings) -> Settings:
    return cosmos_settings


@pytest.fixture
def store(settings: Settings) -> Iterator[CosmosFeatureStore]:
    store = CosmosFeatureStore(settings)
    yield store
    store.close()


def ask(store: CosmosFeatureStore, count: int = 1) -> tuple[int, dict[str, str], Any]:
    image = {"image": as_base64(encoded(stripes(0))), "collection": "dogs"}
    reply = answer_similarity(skill_call(*[image] * count), {}, store, Settings())
    return reply.status, dict(reply.headers), json.loads(reply.body)


# --- settings ---


def test_a_wrong_key_is_one_clear_sentence(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="COSMOS_KEY is wrong"):
        CosmosFeatureStore(replace(settings, cosmos_key="d3Jvbmc="))


@pytest.mark.parametrize("key", ["abc", "not base64!", "é"])
def test_a_key_that_is_none_is_one_clear_sentence(settings: Settings, key: str) -> None:
    with pytest.raises(SettingsError, match="Cosmos DB cannot be used as COSMOS_"):
        open_store(replace(settings, cosmos_key=key))


def test_several_processes_may_make_the_database_at_once(settings: Settings) -> None:
    with ThreadPoolExecutor(6) as pool:
        for store in pool.map(lambda _: CosmosFeatureStore(settings), range(6)):
            store.close()


def test_an_unknown_collection_is_one_query_as_well(store: CosmosFeatureStore, cosmos: CosmosServer) -> None:
    cosmos.clear()
    assert ask(store)[0] == 200
    assert len(cosmos.requests().items("query")) == 1


def test_an_endpoint_that_nobody_answers_at_is_busy(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(StoreBusy, match="cannot be reached at COSMOS_ENDPOINT"):
        CosmosFeatureStore(replace(settings, cosmos_endpoint=f"https://127.0.0.1:{port}"))


def test_a_missing_database_is_made(settings: Settings, cosmos: CosmosServer) -> None:
    CosmosFeatureStore(settings).close()
    with cosmos.client() as client:
        database = client.get_database_client(settings.cosmos_database)
        assert {one["id"] for one in database.list_containers()} == {"features", "collections"}
        features = database.get_container_client("features").read()
    assert features["partitionKey"]["paths"] == ["/partition"]
    assert features["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["dimensions"] == 256
    assert features["indexingPolicy"]["vectorIndexes"] == [{"path": "/embedding", "type": "flat"}]
    assert {"path": "/embedding/*"} in features["indexingPolicy"]["excludedPaths"]


def test_a_missing_database_that_may_not_be_made_is_one_clear_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        # What the service says to an identity with a data role; the test server knows no roles.
        raise CosmosHttpResponseError(status_code=403, message="blocked by RBAC")  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    monkeypatch.setattr(CosmosClient, "create_database_if_not_exists", forbidden)
    with pytest.raises(SettingsError, match="is missing, and this identity may not create it"):
        CosmosFeatureStore(settings)


@pytest.mark.parametrize("kind", ["flat", "quantizedFlat", "diskANN"])
def test_the_kind_of_index_is_a_setting(settings: Settings, cosmos: CosmosServer, kind: str) -> None:
    CosmosFeatureStore(replace(settings, cosmos_vector_index=kind)).close()
    with cosmos.client() as client:
        features = client.get_database_client(settings.cosmos_database).get_container_client("features").read()
    assert features["indexingPolicy"]["vectorIndexes"][0]["type"] == kind


def vectors(**other: Any) -> dict[str, Any]:
    right = {"path": "/embedding", "dataType": "float32", "dimensions": 256, "distanceFunction": "cosine"}
    return {"vectorEmbeddings": [right | other]}


@pytest.mark.parametrize(
    ("key", "policy", "reason"),
    [
        ("/id", vectors(), "needs the partition key /partition, but has"),
        ("/partition", vectors(dimensions=128), "needs vectors with dimensions 256, but has 128"),
        ("/partition", vectors(distanceFunction="euclidean"), "distanceFunction cosine, but has euclidean"),
        ("/partition", vectors(dataType="uint8"), "dataType float32, but has uint8"),
        ("/partition", None, "needs a vector policy on /embedding"),
    ],
)
def test_a_container_that_cannot_be_right_is_refused(
    settings: Settings, cosmos: CosmosServer, key: str, policy: dict[str, Any] | None, reason: str
) -> None:
    with cosmos.client() as client:
        options = {"vector_embedding_policy": policy, "indexing_policy": indexing_policy("flat")} if policy else {}
        client.create_database(settings.cosmos_database).create_container("features", PartitionKey(key), **options)
    with pytest.raises(SettingsError, match=f"{reason}.*COSMOS_FEATURES_CONTAINER"):
        CosmosFeatureStore(settings)


# --- throttling and faults ---


@pytest.mark.parametrize("times", [1, 9])
def test_what_the_sdk_gets_through_nobody_notices(store: CosmosFeatureStore, cosmos: CosmosServer, times: int) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    cosmos.fault("429", times=times, operation="query")
    assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == 1
    cosmos.fault("429", times=times, operation="create")
    assert store.upsert(feature_of("dogs/b.jpg"))
    assert store.get("dogs/b.jpg")


def test_throttled_for_good_fails_the_call_with_503_and_says_when(
    store: CosmosFeatureStore, cosmos: CosmosServer
) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    cosmos.fault("429", times=-1, operation="query", retry_after_ms=3)
    status, headers, body = ask(store)
    assert (status, headers) == (503, {"Retry-After": "1"})
    assert "429" in body["error"]
    cosmos.clear()
    assert ask(store)[0] == 200


@pytest.mark.parametrize("kind", ["503", "drop"])
def test_a_server_that_is_away_fails_the_whole_batch(
    store: CosmosFeatureStore, cosmos: CosmosServer, kind: Any
) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    cosmos.fault(kind, times=-1, after=2, operation="query")
    status, headers, body = ask(store, 4)
    assert status == 503
    assert int(headers["Retry-After"]) >= 1
    assert body["error"]
    cosmos.clear()
    assert ask(store, 4)[0] == 200


def test_three_seconds_in_the_middle_of_a_batch_only_take_their_time(
    store: CosmosFeatureStore, cosmos: CosmosServer
) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    cosmos.fault("latency", times=1, after=2, latency_ms=3000, operation="query")
    status, _, body = ask(store, 5)
    assert status == 200
    assert all(value["errors"] is None for value in body["values"])


@pytest.mark.parametrize("entry", [feature_of(), failure_of()], ids=["feature", "failure"])
@pytest.mark.parametrize("kind", ["429", "503", "drop"])
def test_no_write_is_lost_unnoticed(
    store: CosmosFeatureStore, cosmos: CosmosServer, kind: Any, entry: Feature | Failure
) -> None:
    cosmos.fault(kind, times=-1, operation="create")
    with pytest.raises(StoreBusy):  # who asked tries again
        put(store, entry)
    cosmos.clear()
    assert put(store, entry)
    assert same(store.entry(entry.path)) == same(entry)


@pytest.mark.parametrize("operation", ["query", "read", "upsert", "delete"])
def test_what_is_throttled_for_good_is_busy(store: CosmosFeatureStore, cosmos: CosmosServer, operation: Any) -> None:
    store.fail(failure_of())
    store.remember("run", "half done")
    uses: dict[str, list[Callable[[], object]]] = {
        "query": [lambda: store.versions("dogs", limit=9), lambda: store.failures("dogs"), store.collections],
        "read": [lambda: store.entry("dogs/a.jpg"), lambda: store.recall("run")],
        "upsert": [lambda: store.remember("run", "done")],
        "delete": [lambda: store.remember("run", None), lambda: store.delete("dogs/a.jpg")],
    }
    cosmos.fault("503", times=-1, operation=operation)
    for use in uses[operation]:
        with pytest.raises(StoreBusy):
            use()
    cosmos.clear()
    assert store.failures("dogs") == [failure_of()]
    assert store.recall("run") == "half done"


def test_a_write_whose_answer_was_lost_counts_once(store: CosmosFeatureStore, cosmos: CosmosServer) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    cosmos.fault("drop", times=1, operation="create")
    try:
        store.upsert(feature_of("dogs/b.jpg"))
    except StoreBusy:
        store.upsert(feature_of("dogs/b.jpg"))
    assert store.counts() == {"dogs": {MODEL: 2}}


def test_sixteen_records_ask_at_the_same_time_and_once_each(store: CosmosFeatureStore, cosmos: CosmosServer) -> None:
    vector = embed_bytes(encoded(stripes(9)), Settings()).vector
    store.upsert(feature_of("dogs/a.jpg", embedding=vector, model=backbone.MODEL))
    cosmos.clear()
    cosmos.fault("latency", times=-1, latency_ms=400, operation="query")
    assert ask(store, 16)[0] == 200
    requests = cosmos.requests()
    assert len(requests.items("query")) == 16
    assert requests.highest["query"] >= 8


# --- documents ---


def test_what_a_newer_app_wrote_is_read_but_never_overwritten(store: CosmosFeatureStore) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    (document,) = store.features.read_all_items()
    store.features.upsert_item(document | {"schema": 2, "something": {"new": True}})
    assert not store.upsert(feature_of("dogs/a.jpg", etag="0x2", modified=NOON + timedelta(days=1)))
    found = store.get("dogs/a.jpg")
    assert found
    assert found.etag == "0x1"
    assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == 1


@pytest.mark.parametrize("name", ["a/b\\c?d#e", "x" * 3000, " ", "%2F", "\n", "'\"", "id", "🐕" * 300])
def test_a_path_may_hold_what_an_id_may_not(store: CosmosFeatureStore, name: str) -> None:
    feature = feature_of(f"dogs/{name}")
    assert store.upsert(feature)
    found = store.get(feature.path)
    assert found
    assert found.path == feature.path
    assert store.delete(feature.path)


def test_two_megabytes_of_tags_are_refused_clearly(store: CosmosFeatureStore) -> None:
    with pytest.raises(ValueError, match="its tags are too long"):
        store.upsert(feature_of("dogs/a.jpg", tags={"caption": "x" * 2_100_000}))
    assert store.get("dogs/a.jpg") is None


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a'b", "a]b", "é", "a.b", "", "\n"])
def test_a_tag_s_name_is_only_a_name(store: CosmosFeatureStore, name: str) -> None:
    store.upsert(feature_of("dogs/a.jpg", tags={name: "yes"}))
    store.upsert(feature_of("dogs/b.jpg", tags={"other": "yes"}))
    (match,) = store.nearest("dogs", vector_of(1), model=MODEL, top=9, tags={name: "yes"})
    assert match.feature.path == "dogs/a.jpg"


# --- bulk ---


def test_many_are_stored_through_throttling_and_a_second_run_writes_nothing(
    store: CosmosFeatureStore, cosmos: CosmosServer
) -> None:
    features = [feature_of(f"dogs/{n}", embedding=vector) for n, vector in enumerate(random_vectors(100))]
    cosmos.fault("503", times=30, operation="create")
    waited: list[float] = []
    seen: list[int] = []
    assert upsert_many(store, features, progress=seen.append, sleep=waited.append) == 100
    assert sum(seen) == 100
    assert waited
    assert store.counts() == {"dogs": {MODEL: 100}}
    assert upsert_many(store, features) == 0


def test_a_store_that_stays_busy_ends_the_run_after_a_while(
    store: CosmosFeatureStore, cosmos: CosmosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "TRIES", 3)
    store.upsert(feature_of("dogs/first"))
    cosmos.fault("503", times=-1, operation="create")
    waited: list[float] = []
    with pytest.raises(StoreBusy):
        upsert_many(store, [feature_of("dogs/a")], sleep=waited.append)
    assert len(waited) == 2


def test_a_race_inside_the_sdk_is_nobody_s_failure(store: CosmosFeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    real, errors = store.features.query_items, [RuntimeError("OrderedDict mutated during iteration")]

    def racing(*args: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return real(*args, **options)

    monkeypatch.setattr(store.features, "query_items", racing)
    assert [version.path for version in store.versions("dogs", limit=10)] == ["dogs/a.jpg"]
    errors.append(RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        store.versions("dogs", limit=10)
