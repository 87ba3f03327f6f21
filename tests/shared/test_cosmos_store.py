"""The Cosmos DB store, on the test server or on what COSMOS_TEST_ENDPOINT names, through the real SDK."""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.cosmos import ContainerProxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.cosmos import items
from shared.cosmos.documents import Document, partition, to_document
from shared.cosmos.layout import Layout, Layouts
from shared.cosmos.move import _move_all, move
from shared.cosmos.store import CosmosFeatureStore
from shared.features import Failure, Feature, FeatureStore
from shared.sqlite.store import SqliteFeatureStore
from tests.conftest import CosmosStores
from tests.servers.cosmos import CosmosServer
from tests.shared.entry_conformance import EntryConformance, check_holds, failure_of, put, same
from tests.shared.store_conformance import (
    MODEL,
    FeatureStoreConformance,
    feature_of,
    random_vectors,
    vector_of,
)


@pytest.fixture
def store(cosmos_stores: CosmosStores) -> CosmosFeatureStore:
    return cosmos_stores.features


class TestCosmosFeatureStore(FeatureStoreConformance, EntryConformance):
    """What every store must do."""

    many = 300  # the database does the work


class MovingLayouts(Layouts):
    """Every collection is on the move from one shard to three, and stays so."""

    announced = False

    def of(self, collection: str) -> Layout:
        return self._moving(super().of(collection))

    def of_writing(self, collection: str, model: str) -> Layout:
        return self._moving(super().of_writing(collection, model))

    def all(self) -> Iterator[Layout]:
        return map(self._moving, super().all())

    def _moving(self, layout: Layout) -> Layout:
        return replace(layout, moving_to=3, announced=self.announced)


class AnnouncedLayouts(MovingLayouts):
    announced = True


class TestCosmosFeatureStoreOnTheMove(FeatureStoreConformance, EntryConformance):
    """The same, while every collection moves: announced, and begun."""

    remembers_deletions = True
    many = 150

    @pytest.fixture(params=[AnnouncedLayouts, MovingLayouts])
    def store(self, request: pytest.FixtureRequest, cosmos_stores: CosmosStores) -> CosmosFeatureStore:
        store = cosmos_stores.features
        store.layouts = request.param(store._collections)
        return store

    def test_what_was_deleted_may_come_back(self, store: FeatureStore) -> None:
        """Only as it was or newer: a move remembers deletions for a day, so that it brings nothing back itself."""
        store.upsert(feature_of())
        store.delete("dogs/a.jpg")
        assert not store.upsert(feature_of(modified=NOW - timedelta(seconds=1)))
        assert store.upsert(feature_of())
        assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == 1


@pytest.fixture
def three(store: CosmosFeatureStore) -> Iterator[list[CosmosFeatureStore]]:
    """Processes that know of a move more or less: not yet, that it is announced, and that it has begun."""
    stores = [store, CosmosFeatureStore(store.settings), CosmosFeatureStore(store.settings)]
    for number in range(6):
        store.upsert(feature_of(f"dogs/{number}", embedding=random_vectors(6)[number]))
    base = store.layouts.of("dogs")
    layouts = [base, replace(base, moving_to=3, announced=True), replace(base, moving_to=3)]
    for one, layout in zip(stores, layouts, strict=True):
        one.layouts.of = lambda _collection, layout=layout: layout  # type: ignore[method-assign,misc]  # keeps it stale
        one.layouts.of_writing = lambda _collection, _model, layout=layout: layout  # type: ignore[method-assign,misc]
    yield stores
    for one in stores[1:]:
        one.close()


def settle(store: CosmosFeatureStore) -> None:
    """What the mover does when every process knows that the move has begun."""
    while _move_all(store, store.layouts.of("dogs"), lambda _: None, lambda _: None):
        pass


LATER = feature_of("dogs/5", etag="0x2", modified=feature_of().modified + timedelta(seconds=2))
LATEST = feature_of("dogs/5", etag="0x3", modified=feature_of().modified + timedelta(seconds=3))
FAILED = failure_of("dogs/5", etag="0x3", modified=LATEST.modified)
FAILED_BEFORE = failure_of("dogs/5", etag="0x2", modified=LATER.modified)
AT_THE_SAME_TIME = feature_of("dogs/5", etag="0x4", modified=LATER.modified)


@pytest.mark.parametrize(
    ("before", "after"),
    [(LATER, LATEST), (LATER, FAILED), (FAILED_BEFORE, LATEST), (FAILED_BEFORE, LATER)],
    ids=["feature", "failure", "feature over failure", "feature over its own failure"],
)
@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_the_later_write_counts_whatever_its_writer_knew(
    three: list[CosmosFeatureStore],
    first: int,
    second: int,
    before: Feature | Failure,
    after: Feature | Failure,
) -> None:
    others = [feature for block in three[0].scan("dogs") for feature in block if feature.path != "dogs/5"]
    assert put(three[first], before)
    assert put(three[second], after)
    for reader in (three[1], three[2]):
        check_holds(reader, "dogs", [*others, after])
    settle(three[2])
    assert [path for path, _ in all_documents(three[2])].count("dogs/5") == 1
    check_holds(three[2], "dogs", [*others, after])


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_of_two_writes_of_one_second_the_later_one_counts(
    three: list[CosmosFeatureStore], first: int, second: int
) -> None:
    assert three[first].upsert(LATER)
    assert three[second].upsert(AT_THE_SAME_TIME)
    for _ in range(2):
        for reader in (three[1], three[2]):
            assert same(reader.get("dogs/5")) == same(AT_THE_SAME_TIME)
        settle(three[2])


@pytest.mark.parametrize("entry", [LATER, FAILED_BEFORE], ids=["feature", "failure"])
@pytest.mark.parametrize(("writer", "deleter"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_a_deletion_counts_whatever_its_process_knew(
    three: list[CosmosFeatureStore], writer: int, deleter: int, entry: Feature | Failure
) -> None:
    assert put(three[writer], entry)
    assert three[deleter].delete("dogs/5")
    for reader in (three[1], three[2]):
        assert reader.entry("dogs/5") is None
        assert "dogs/5" not in [version.path for version in reader.versions("dogs", limit=99)]
        assert reader.failures("dogs") == []
        found = reader.nearest("dogs", vector_of(1), model=MODEL, top=99)
        assert "dogs/5" not in [match.feature.path for match in found]
    settle(three[2])
    assert "dogs/5" not in [path for path, _ in all_documents(three[2])]
    assert put(three[2], entry)  # it may come back


@pytest.mark.parametrize("writer", [0, 1, 2])
def test_no_image_is_out_of_sight_for_a_neighbour_in_time(three: list[CosmosFeatureStore], writer: int) -> None:
    """A process knows of a step at most one step later than another one."""
    three[writer].upsert(LATER)
    for reader in three[max(0, writer - 1) : writer + 2]:
        assert sum(len(block) for block in reader.scan("dogs", block=4)) == 6
        assert len(reader.nearest("dogs", vector_of(1), model=MODEL, top=99)) == 6
        assert len(reader.versions("dogs", limit=99)) == 6
        assert reader.get("dogs/5")


def test_what_moves_between_two_looks_is_deleted_all_the_same(
    three: list[CosmosFeatureStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = three[2]
    read = items.read

    def move_in_between(container: ContainerProxy, identity: str, place: str) -> Document | None:
        found = read(container, identity, place)
        monkeypatch.undo()
        settle(store)
        return found

    monkeypatch.setattr(items, "read", move_in_between)
    assert store.delete("dogs/5")
    assert store.get("dogs/5") is None


def test_a_document_is_small() -> None:
    sizes = [
        len(
            json.dumps(
                to_document(feature_of("collection/folder/photo-0001.jpg", embedding=vector))
                | {"partition": "collection"},
                separators=(",", ":"),  # as the SDK sends it
            )
        )
        for vector in random_vectors(100)
    ]
    assert max(sizes) <= 3500


NOW = feature_of().modified


def all_documents(store: CosmosFeatureStore) -> list[tuple[str, str]]:
    """Path and partition of every feature and failure in the container."""
    return sorted(
        (one["path"], one["partition"]) for one in store.features.read_all_items() if "model" in one or "failure" in one
    )


def test_a_new_image_is_one_write_and_a_query_is_one_request(store: CosmosFeatureStore, cosmos: CosmosServer) -> None:
    store.upsert(feature_of("dogs/first.jpg"))
    cosmos.clear()
    assert store.upsert(feature_of("dogs/second.jpg", embedding=vector_of(0, 1)))
    assert [request.operation for request in cosmos.requests().items()] == ["create"]
    cosmos.clear()
    assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == 1
    (request,) = cosmos.requests().items()
    assert (request.operation, request.partition) == ("query", '["dogs"]')


def test_a_new_failure_is_one_write_and_a_page_of_versions_one_query(
    store: CosmosFeatureStore, cosmos: CosmosServer
) -> None:
    store.upsert(feature_of("dogs/first.jpg"))
    uses: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: store.entry("dogs/second.jpg"), ["read"]),
        (lambda: store.fail(failure_of("dogs/second.jpg")), ["create"]),
        (lambda: store.versions("dogs", limit=500), ["query"]),
        (lambda: store.failures("dogs"), ["query"]),
        (lambda: store.upsert(feature_of("dogs/second.jpg")), ["create", "read", "replace"]),
    ]
    for use, operations in uses:
        cosmos.clear()
        use()
        assert [request.operation for request in cosmos.requests().items()] == operations


def test_versions_carry_no_vectors(store: CosmosFeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million of them are read to compare a container with the store."""
    store.upsert(feature_of(tags={"kind": "dog"}))
    store.fail(failure_of("dogs/b", reason="x" * 10_000))
    rows: list[Document] = []
    ask = store._ask_in

    def kept(*query: Any) -> list[list[Document]]:
        answer = ask(*query)
        rows.extend(row for some in answer for row in some)
        return answer

    monkeypatch.setattr(store, "_ask_in", kept)
    assert len(store.versions("dogs", limit=9)) == 2
    assert len(json.dumps(rows)) < 500


def test_the_texts_of_one_process_are_known_to_another(store: CosmosFeatureStore) -> None:
    store.remember("run", "half done")
    other = CosmosFeatureStore(store.settings)
    assert other.recall("run") == "half done"
    assert other.collections() == []
    other.close()


@pytest.mark.parametrize("name", ["dogs~03", "~", "dogs~~", "a b", "é 😀", "'", '"', "%", "x" * 200])
def test_no_collection_s_name_reaches_into_another_one(store: CosmosFeatureStore, name: str) -> None:
    store.upsert(feature_of("dogs/a.jpg"))
    store.upsert(feature_of(f"{name}/b.jpg"))
    for collection, path in (("dogs", "dogs/a.jpg"), (name, f"{name}/b.jpg")):
        (match,) = store.nearest(collection, vector_of(1), model=MODEL, top=9)
        assert match.feature.path == path


@given(
    st.tuples(st.text("ad~0", min_size=1, max_size=5), st.integers(1, 12)),
    st.tuples(st.text("ad~0", min_size=1, max_size=5), st.integers(1, 12)),
)
def test_partitions_of_two_collections_never_meet(one: tuple[str, int], other: tuple[str, int]) -> None:
    def partitions(collection: str, shards: int) -> set[str]:
        return {partition(collection, shard, shards) for shard in range(shards)}

    if one[0] != other[0]:
        assert not partitions(*one) & partitions(*other)


def moved(store: CosmosFeatureStore, shards: int) -> int:
    return move(store, "dogs", shards, sleep=lambda _: None)


def test_a_move_loses_and_doubles_nothing(store: CosmosFeatureStore) -> None:
    features = [feature_of(f"dogs/{n}", embedding=vector) for n, vector in enumerate(random_vectors(60))]
    for feature in features:
        store.upsert(feature)
    failures = [failure_of(f"dogs/f{n}", retry=n % 2 == 0) for n in range(20)]
    for failure in failures:
        store.fail(failure)
    store.upsert(feature_of("cats/a"))
    paths = sorted([*(feature.path for feature in features), *(failure.path for failure in failures)])
    query = random_vectors(1, seed=5)[0]
    before = [(match.feature.path, match.score) for match in store.nearest("dogs", query, model=MODEL, top=7)]
    for shards, places in ((3, 3), (3, 3), (4, 4), (2, 2), (1, 1)):
        moved(store, shards)
        documents = all_documents(store)
        assert [path for path, _ in documents] == ["cats/a", *paths]
        assert [version.path for version in store.versions("dogs", limit=99)] == paths
        assert sorted(store.failures("dogs"), key=lambda one: int(one.path[6:])) == failures
        assert len({place for path, place in documents if path.startswith("dogs")}) == places
        assert [(m.feature.path, m.score) for m in store.nearest("dogs", query, model=MODEL, top=7)] == before
        assert store.counts() == {"dogs": {MODEL: 60}, "cats": {MODEL: 1}}
        assert sum(len(block) for block in store.scan("dogs", block=7)) == 60


def test_while_a_collection_moves_everything_is_right(store: CosmosFeatureStore) -> None:
    """Other writers and readers work at every step of the move; the store must answer as if nothing moved."""
    vectors = random_vectors(16)
    expected: dict[str, Feature | Failure] = {
        f"dogs/{n}": feature_of(f"dogs/{n}", embedding=vector) for n, vector in enumerate(vectors)
    }
    for entry in expected.values():
        put(store, entry)
    other = CosmosFeatureStore(store.settings)
    other.layouts.seconds = 0  # sees every change of a layout at once
    store.layouts.seconds = 0
    steps = itertools.count()

    def meanwhile(_moved: int) -> None:
        step = next(steps)
        path = f"dogs/{step % 16}"
        if step % 4 == 0 and path in expected:
            assert other.delete(path)
            del expected[path]
        elif step % 4 == 2 and path in expected:
            failed = failure_of(path, etag=f"0xbad{step}", modified=NOW + timedelta(seconds=step))
            assert other.fail(failed)
            expected[path] = failed
        elif step % 4 == 1:
            newer = feature_of(
                path, etag=f"0xnew{step}", modified=NOW + timedelta(seconds=step), embedding=vectors[-step]
            )
            assert other.upsert(newer)
            expected[path] = newer
            assert not other.upsert(feature_of(path, etag="0xold", modified=NOW - timedelta(seconds=1)))
        check_holds(other, "dogs", expected.values())

    move(store, "dogs", 4, progress=meanwhile, sleep=lambda _: None)
    assert next(steps) > 10
    assert [path for path, _ in all_documents(store)] == sorted(expected)
    other.close()


def test_a_move_that_was_broken_off_is_taken_up(store: CosmosFeatureStore) -> None:
    for n in range(20):
        store.upsert(feature_of(f"dogs/{n}"))

    def stop(_moved: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(store, "dogs", 3, progress=stop, sleep=lambda _: None)
    with pytest.raises(ValueError, match="on the move to 3"):
        moved(store, 2)
    assert sum(len(block) for block in store.scan("dogs")) == 20
    moved(store, 3)
    assert len(all_documents(store)) == 20
    assert {place for _, place in all_documents(store)} == {"dogs~00", "dogs~01", "dogs~02"}


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 12), st.sampled_from([-1.0, 0.0, 0.05]))
def test_both_stores_answer_alike(store: CosmosFeatureStore, seed: int, count: int, top: int, least: float) -> None:
    collection = f"c{seed}-{count}-{top}-{least}"
    # Some twice, so that there are ties.
    vectors = random_vectors(count, seed)[np.random.default_rng(seed).integers(0, count, count)]
    with tempfile.TemporaryDirectory() as folder:
        embedded = SqliteFeatureStore(Path(folder) / "features.sqlite")
        for n, vector in enumerate(vectors):
            feature = feature_of(f"{collection}/{n}", embedding=vector, tags={"half": str(n % 2)})
            store.upsert(feature)
            embedded.upsert(feature)
        for vector in (vectors[0], random_vectors(1, seed + 1)[0]):
            for tags in (None, {"half": "1"}):
                ours, theirs = (
                    one.nearest(collection, vector, model=MODEL, top=top, min_score=least, tags=tags)
                    for one in (store, embedded)
                )
                assert [match.feature.path for match in ours] == [match.feature.path for match in theirs]
                assert [match.score for match in ours] == pytest.approx([match.score for match in theirs], abs=1e-6)
        embedded.close()
