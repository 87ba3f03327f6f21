import gc
import itertools
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock, patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.features import Failure, Feature, FeatureStore, Vector
from shared.sqlite import entries, matrix, search
from shared.sqlite import file as file_module
from shared.sqlite.store import SqliteFeatureStore
from shared.vectors import cosines, unit
from tests.shared.entry_conformance import EntryConformance, check_holds, failure_of, version_of
from tests.shared.store_conformance import (
    MODEL,
    NOON,
    FeatureStoreConformance,
    Query,
    at_once,
    check_nearest,
    content,
    feature_of,
    paths_of,
    random_vectors,
    vector_of,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "data" / "features.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteFeatureStore]:
    with closing(SqliteFeatureStore(file)) as store:
        yield store


@pytest.fixture
def other(store: SqliteFeatureStore, file: Path) -> Iterator[SqliteFeatureStore]:
    """A second store on the same file: what another process would see."""
    with closing(SqliteFeatureStore(file)) as other:
        yield other


def put_many(store: SqliteFeatureStore, features: list[Feature]) -> None:
    """Write new features in one transaction: `upsert` waits for the disk each time."""
    with store._file.writing() as connection:
        for feature in features:
            entries.insert_feature(connection, feature, 0)


class TestSqliteFeatureStore(FeatureStoreConformance, EntryConformance):
    pass


# --- the file ---


def test_a_reopened_file_holds_the_same(store: SqliteFeatureStore, file: Path) -> None:
    feature = feature_of(tags={"kind": "dog"}, embedding=random_vectors(1)[0])
    store.upsert(feature)
    store.close()
    with closing(SqliteFeatureStore(file)) as again:
        assert content(again.get(feature.path)) == content(feature)
        assert again.upsert(feature) is False
        check_nearest([feature], Query(vector_of(1)), again.nearest("dogs", vector_of(1), model=MODEL, top=10))


def test_it_satisfies_the_protocol(store: SqliteFeatureStore) -> None:
    as_protocol: FeatureStore = store  # for mypy
    assert as_protocol.counts() == {}


def test_commits_wait_for_the_disk_and_readers_do_not_block(store: SqliteFeatureStore) -> None:
    with store._file.writing() as writer, store._file.reading() as reader:  # so one of them is a second connection
        for connection in (writer, reader):
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_newer_schema_is_refused(store: SqliteFeatureStore, file: Path) -> None:
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(ValueError, match=r"features\.sqlite has schema version 3, but this program knows 2 at most"):
        SqliteFeatureStore(file)


VERSION_1 = """
PRAGMA journal_mode = WAL;
CREATE TABLE features (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, path TEXT NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, model TEXT NOT NULL, pixel_hash TEXT NOT NULL, size INTEGER NOT NULL, tags TEXT NOT NULL,
    embedding BLOB NOT NULL CHECK (length(embedding) = 1024)
) STRICT;
CREATE UNIQUE INDEX features_by_path ON features (collection, path);
CREATE INDEX features_by_model ON features (collection, model);
CREATE TABLE tags (
    collection TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (collection, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
    n INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, model TEXT NOT NULL, id INTEGER NOT NULL
) STRICT;
INSERT INTO features VALUES (
    7, 'dogs', 'dogs/a.jpg', '0x1', 1748779200000000, 'backbone-1', '00ff00ff00ff00ff', 1234, '{"kind": "dog"}',
    zeroblob(1024)
);
INSERT INTO tags VALUES ('dogs', 'kind', 'dog', 7);
INSERT INTO dropped VALUES (3, 'dogs', 'backbone-1', 6);
PRAGMA user_version = 1;
"""
"""The schema that was released first, and a file's content."""


@pytest.fixture
def file_of_version_1(tmp_path: Path) -> Path:
    file = tmp_path / "features.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(VERSION_1)
        connection.execute("UPDATE features SET embedding = ?", (vector_of(1).tobytes(),))
        connection.commit()
    return file


def test_a_file_of_version_1_goes_on_working(file_of_version_1: Path) -> None:
    old = feature_of(tags={"kind": "dog"})
    for _ in range(2):  # the second time it is of version 2
        with closing(SqliteFeatureStore(file_of_version_1)) as store:
            check_holds(store, "dogs", [old])
            check_nearest([old], Query(vector_of(1)), store.nearest("dogs", vector_of(1), model=MODEL, top=10))
            assert store.upsert(old) is False
            assert store.recall("run") is None
    with closing(SqliteFeatureStore(file_of_version_1)) as store:
        assert store.fail(failure_of(etag="0x2"))
        assert store.upsert(feature_of("dogs/b"))
        check_holds(store, "dogs", [failure_of(etag="0x2"), feature_of("dogs/b")])
        store.remember("run", "done")
        assert store.recall("run") == "done"


def test_several_processes_may_open_a_file_of_version_1_at_once(file_of_version_1: Path) -> None:
    def open_and_write() -> bool:
        with closing(SqliteFeatureStore(file_of_version_1)) as store:
            return store.fail(failure_of(etag="0x2", retry=True))

    assert all(at_once([open_and_write] * 6))
    with closing(SqliteFeatureStore(file_of_version_1)) as store:
        check_holds(store, "dogs", [failure_of(etag="0x2", retry=True)])
        assert store.counts() == {}


def test_a_file_that_lacks_a_step_keeps_what_it_had_when_that_fails(file_of_version_1: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table: elsewhere"):
        file_module.SqliteFile(file_of_version_1, ["", "CREATE TABLE new (a); SELECT * FROM elsewhere"])
    with closing(SqliteFeatureStore(file_of_version_1)) as store:
        check_holds(store, "dogs", [feature_of(tags={"kind": "dog"})])
        with store._file.reading() as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'new'").fetchone() == (0,)


@pytest.mark.parametrize("length", [1, 50, 100, 5000])
def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path, length: int) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"\xff\xd8" * length)
    with pytest.raises(ValueError, match=r"photo\.jpg is not a SQLite database"):
        SqliteFeatureStore(file)
    assert file.read_bytes() == b"\xff\xd8" * length


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"other\.sqlite is a SQLite database of something else"):
        SqliteFeatureStore(file)
    assert file.read_bytes() == before


def test_the_switch_to_wal_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that make the file meet here, and SQLite's own waiting does not always help."""
    monkeypatch.setattr(file_module, "BUSY_SECONDS", 0.05)
    file = tmp_path / "features.sqlite"
    with closing(sqlite3.connect(file, autocommit=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM sqlite_schema").fetchall()
        with patch.object(file_module, "time", Mock(monotonic=lambda: 0.0, sleep=lambda _: reader.execute("COMMIT"))):
            store = SqliteFeatureStore(file)
        assert not reader.in_transaction
        with closing(store):
            assert store.upsert(feature_of())


def test_a_failed_write_leaves_nothing(store: SqliteFeatureStore) -> None:
    before = feature_of(tags={"kind": "dog"})
    store.upsert(before)
    with pytest.raises(UnicodeEncodeError):
        store.upsert(feature_of(etag="0x2", tags={"kind": "\ud800"}))  # found out after the old row went
    with pytest.raises(UnicodeEncodeError):
        store.fail(failure_of(etag="0x2", reason="\ud800"))
    check_holds(store, "dogs", [before])
    check_nearest([before], Query(vector_of(1)), store.nearest("dogs", vector_of(1), model=MODEL, top=10))
    assert store.upsert(feature_of("dogs/b"))


def test_a_page_of_versions_reads_no_more_than_the_page(store: SqliteFeatureStore) -> None:
    """Wherever it begins and whatever comes after it."""
    put_many(store, [feature_of(f"dogs/{n:04}") for n in range(0, 4000, 2)])
    with store._file.writing() as connection:
        for n in range(1, 4000, 2):
            entries.replace(connection, failure_of(f"dogs/{n:04}"))

    def steps(after: int, upto: int | None, limit: int) -> int:
        """How many steps of its virtual machine SQLite takes for a page."""
        ticks = itertools.count()
        with store._file.reading() as connection:
            connection.set_progress_handler(lambda: next(ticks) and None, 1)
        try:
            end = None if upto is None else f"dogs/{upto:04}"
            assert len(store.versions("dogs", after=f"dogs/{after:04}", upto=end, limit=limit)) == 10
        finally:
            with store._file.reading() as connection:
                connection.set_progress_handler(None, 1)
        return next(ticks)

    for after, upto, limit in ((100, None, 10), (3900, None, 10), (100, 110, 5000), (3900, 3910, 5000)):
        assert 10 < steps(after, upto, limit) < 1000


# --- arguments ---


def test_a_time_without_a_zone_is_refused(store: SqliteFeatureStore) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        store.upsert(feature_of(modified=NOON.replace(tzinfo=None)))
    store.upsert(feature_of())
    with pytest.raises(ValueError, match="no time zone"):
        store.delete("dogs/a.jpg", until=NOON.replace(tzinfo=None))
    assert store.counts() == {"dogs": {MODEL: 1}}


@pytest.mark.parametrize("top", [0, -1])
def test_a_query_for_nothing_is_refused(store: SqliteFeatureStore, top: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        store.nearest("dogs", vector_of(1), model=MODEL, top=top)


@pytest.mark.parametrize("vector", [vector_of(1).astype(np.float64), vector_of(1)[:255], vector_of(1) * np.float32(2)])
def test_a_query_with_a_bad_vector_is_refused(store: SqliteFeatureStore, vector: Vector) -> None:
    with pytest.raises(ValueError, match="vector must be"):
        store.nearest("dogs", vector, model=MODEL, top=1)


# --- closing ---


def test_a_closed_store_says_so(store: SqliteFeatureStore) -> None:
    store.close()
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: store.upsert(feature_of()),
        lambda: store.get("a"),
        lambda: store.delete("a"),
        lambda: store.nearest("dogs", vector_of(1), model=MODEL, top=1),
        lambda: next(store.scan("dogs")),
        store.counts,
        lambda: store.fail(failure_of()),
        lambda: store.entry("a"),
        lambda: store.versions("dogs", limit=1),
        lambda: store.failures("dogs"),
        store.collections,
        lambda: store.remember("a", "b"),
        lambda: store.recall("a"),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="closed"):
            use()


def test_close_leaves_no_connection_of_any_thread(store: SqliteFeatureStore) -> None:
    at_once([lambda: store.upsert(feature_of())] * 4)
    at_once([lambda: store.get("dogs/a.jpg") is not None] * 12)
    with store._file.reading() as lent:
        scan = store.scan("dogs")
        next(scan)
        store.close()
        assert lent.execute("SELECT count(*) FROM features").fetchone() == (1,)  # it may finish
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        lent.execute("SELECT 1")
    del scan
    gc.collect()  # an open connection would raise a ResourceWarning here
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nearest")]


# --- vectors in memory ---


def test_another_process_s_writes_are_seen_at_once(store: SqliteFeatureStore, other: SqliteFeatureStore) -> None:
    def found() -> list[tuple[str, str]]:
        matches = store.nearest("dogs", vector_of(1), model=MODEL, top=10)
        return [(match.feature.path, match.feature.etag) for match in matches]

    assert found() == []
    other.upsert(feature_of("dogs/a"))
    assert found() == [("dogs/a", "0x1")]
    other.upsert(feature_of("dogs/b", embedding=vector_of(2, 1)))
    assert found() == [("dogs/a", "0x1"), ("dogs/b", "0x1")]
    other.upsert(feature_of("dogs/a", etag="0x2", embedding=vector_of(1, 1)))
    assert found() == [("dogs/b", "0x1"), ("dogs/a", "0x2")]
    other.delete("dogs/b")
    assert found() == [("dogs/a", "0x2")]
    other.upsert(feature_of("dogs/a", etag="0x2", model="backbone-2"))
    assert found() == []


def test_a_query_keeps_to_what_it_saw_first(store: SqliteFeatureStore, other: SqliteFeatureStore) -> None:
    """A match that is deleted after the search and before its feature is read."""
    store.upsert(feature_of())

    def then_delete(*args: object, **options: object) -> object:
        result = matrix.best(*args, **options)  # type: ignore[arg-type]  # handed through
        other.delete("dogs/a.jpg")
        return result

    with patch.object(search, "best", then_delete):
        assert paths_of(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == ["dogs/a.jpg"]
    assert store.nearest("dogs", vector_of(1), model=MODEL, top=1) == []


@pytest.mark.parametrize("missed", range(8))
def test_forgotten_drops_do_no_harm(
    store: SqliteFeatureStore, other: SqliteFeatureStore, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    monkeypatch.setattr(entries, "DROPPED_KEPT", 3)
    features = [feature_of(f"dogs/{n}", embedding=vector_of(1, n)) for n in range(10)]
    for feature in features:
        store.upsert(feature)
    query = Query(vector_of(1), top=2)  # a row that is gone must not take the place of one that is there
    for _ in range(2):  # the second time there are drops that were seen
        check_nearest(features, query, store.nearest("dogs", query.vector, model=MODEL, top=2))
        for _ in range(missed):
            other.delete(features[0].path)
            features = features[1:]
        check_nearest(features, query, store.nearest("dogs", query.vector, model=MODEL, top=2))
        with store._file.reading() as connection:
            assert connection.execute("SELECT count(*) <= 3 FROM dropped").fetchone() == (1,)
        for feature in features[:1]:
            store.delete(feature.path)
            store.upsert(feature)
        missed = min(missed, len(features))


def test_vectors_are_brought_up_to_date_by_one_thread_at_a_time(store: SqliteFeatureStore) -> None:
    store.upsert(feature_of())
    second = threading.Event()
    entered = itertools.count()
    together = []

    def extended(*args: object) -> object:
        if next(entered):
            second.set()
        else:
            together.append(second.wait(timeout=0.5))  # the other thread has that long to come in, and must not
        return matrix.extended(*args)  # type: ignore[arg-type]  # handed through

    with patch.object(search, "extended", extended):
        at_once([lambda: bool(store.nearest("dogs", vector_of(1), model=MODEL, top=1))] * 2)
    assert together == [False]


def test_excluded_and_tagged_in_many_blocks(store: SqliteFeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BLOCK", 4)
    random = np.random.default_rng(0)
    features = [
        feature_of(f"dogs/{n}", embedding=vector, tags={"odd": str(n % 2)})
        for n, vector in enumerate(random_vectors(60))
    ]
    put_many(store, features)
    features = [feature for block in store.scan("dogs") for feature in block]
    for count in range(0, 60, 3):
        exclude = [f"dogs/{n}" for n in random.permutation(60)[:count]]
        for tags in ({}, {"odd": "1"}):
            query = Query(vector_of(1), top=20, tags=tags, exclude=exclude)
            matches = store.nearest("dogs", query.vector, model=MODEL, top=20, tags=tags, exclude=exclude)
            check_nearest(features, query, matches)


def test_scores_close_together_are_in_order(store: SqliteFeatureStore) -> None:
    scores = 0.5 + 1e-5 * np.random.default_rng(0).permutation(2000)
    put_many(store, [feature_of(f"dogs/{n}", embedding=vector_of(x, (1 - x * x) ** 0.5)) for n, x in enumerate(scores)])
    matches = store.nearest("dogs", vector_of(1), model=MODEL, top=50)
    assert paths_of(matches) == [f"dogs/{n}" for n in np.argsort(-scores)[:50]]


def test_names_that_hold_nothing_are_not_remembered(store: SqliteFeatureStore) -> None:
    store.upsert(feature_of())
    for collection, model in itertools.product(("dogs", "cats", "none"), (MODEL, "backbone-2")):
        store.nearest(collection, vector_of(1), model=model, top=1)
    assert list(store._searcher._searched) == [("dogs", MODEL)]


def test_no_score_is_above_one() -> None:
    rows = random_vectors(2000)
    for factor in (1, 1.0001, 0.9993):
        for row in unit(rows * np.float32(factor)):
            (score,) = cosines(row[np.newaxis], unit(row))
            assert 1 - 1e-12 < score <= 1


def test_scores_closer_than_float32_can_tell(store: SqliteFeatureStore) -> None:
    random = np.random.default_rng(0)
    query = random_vectors(1)[0]
    vectors = (query + 1e-5 * random.standard_normal((3000, 256))).astype(np.float32)
    put_many(store, [feature_of(f"dogs/{n:04}", embedding=vector) for n, vector in enumerate(vectors)])
    rows, direction = (unit(each).astype(np.float64) for each in (vectors, query))
    scores = rows @ direction / (np.linalg.norm(rows, axis=1) * np.linalg.norm(direction))
    assert len(np.unique(scores.astype(np.float32))) < 10  # nearly all are ties in float32
    matches = store.nearest("dogs", query, model=MODEL, top=50)
    order = np.argsort(-scores)[:50]
    assert np.allclose([match.score for match in matches], scores[order], rtol=0, atol=1e-15)
    assert [int(match.feature.path[-4:]) for match in matches] == list(order)


def test_loading_needs_no_second_copy(store: SqliteFeatureStore) -> None:
    vectors = random_vectors(40_000)
    put_many(store, [feature_of(f"dogs/{n}", embedding=vector) for n, vector in enumerate(vectors)])
    tracemalloc.start()
    try:
        store.nearest("dogs", vectors[0], model=MODEL, top=10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # At most the last block is not full. All else, like 512 rows on their way, is small.
    assert peak < vectors.nbytes + matrix.BLOCK * 1024 + 8e6


def test_a_search_goes_on_in_the_vectors_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BLOCK", 4)
    vectors = random_vectors(11)
    units = unit(vectors)
    ids = np.arange(11)
    states = [matrix.extended((), ids[:6], vectors[:6])]
    states += [matrix.extended(states[-1], ids[6:9], vectors[6:9])]
    states += [matrix.without(states[-1], np.array([1, 8, 99]))]
    states += [matrix.extended(states[-1], ids[9:], vectors[9:])]
    states += [matrix.without(states[-1], np.array([4, 5, 6, 7]))]
    held = [[0, 1, 2, 3, 4, 5], [*range(9)], [0, *range(2, 8)], [0, *range(2, 8), 9, 10], [0, 2, 3, 9, 10]]
    for blocks, rows in zip(states, held, strict=True):
        assert np.concatenate([block.ids[: block.filled] for block in blocks]).tolist() == rows
        assert np.concatenate([block.vectors[: block.filled] for block in blocks]).tobytes() == units[rows].tobytes()


_number = st.integers(0, 5)


class SearchedMachine(RuleBasedStateMachine):
    """Two stores on one file, each with vectors in memory, against a dict. Blocks and the memory of drops are tiny."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch.object(matrix, "BLOCK", 4), patch.object(entries, "DROPPED_KEPT", 4)]
        for each in self.patches:
            each.start()
        self.folder = TemporaryDirectory()
        self.stores = [SqliteFeatureStore(Path(self.folder.name) / "features.sqlite") for _ in range(2)]
        self.entries: dict[str, Feature | Failure] = {}

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()
        for each in self.patches:
            each.stop()

    @rule(which=st.integers(0, 1), name=st.integers(0, 11), version=_number, model=st.integers(1, 2), x=_number)
    def upsert(self, which: int, name: int, version: int, model: int, x: int) -> None:
        feature = feature_of(
            f"dogs/{name}",
            etag=str(version),
            modified=NOON + timedelta(seconds=version // 2),
            model=f"backbone-{model}",
            embedding=vector_of(1, x),
            tags={"even": str(x % 2 == 0)},
        )
        old = self.entries.get(feature.path)
        kept = old is not None and (
            old.modified > feature.modified
            or (
                isinstance(old, Feature)
                and (old.etag, old.model, old.tags) == (feature.etag, feature.model, feature.tags)
            )
        )
        assert self.stores[which].upsert(feature) is not kept
        if not kept:
            self.entries[feature.path] = feature

    @rule(which=st.integers(0, 1), name=st.integers(0, 11), version=_number)
    def fail(self, which: int, name: int, version: int) -> None:
        modified = NOON + timedelta(seconds=version // 2)
        failure = failure_of(f"dogs/{name}", etag=f"bad {version}", modified=modified)
        old = self.entries.get(failure.path)
        kept = old is not None and old.modified > failure.modified
        assert self.stores[which].fail(failure) is not kept
        if not kept:
            self.entries[failure.path] = failure

    @rule(which=st.integers(0, 1), name=st.integers(0, 11))
    def delete(self, which: int, name: int) -> None:
        assert self.stores[which].delete(f"dogs/{name}") is (self.entries.pop(f"dogs/{name}", None) is not None)

    @rule(
        which=st.integers(0, 1),
        model=st.integers(1, 2),
        x=_number,
        top=st.integers(1, 6),
        even=st.booleans() | st.none(),
    )
    def search(self, which: int, model: int, x: int, top: int, even: bool | None) -> None:
        tags = {} if even is None else {"even": str(even)}
        query = Query(vector_of(1, x), model=f"backbone-{model}", top=top, tags=tags, exclude=[f"dogs/{x}"])
        matches = self.stores[which].nearest(
            "dogs", query.vector, model=query.model, top=top, tags=tags, exclude=query.exclude
        )
        check_nearest(self.features(), query, matches)

    @invariant()
    def holds_the_same(self) -> None:
        for store in self.stores:
            scanned = [feature for block in store.scan("dogs", block=3) for feature in block]
            assert [content(feature) for feature in scanned] == [content(feature) for feature in self.features()]
            versions = [version_of(entry) for _, entry in sorted(self.entries.items())]
            assert store.versions("dogs", limit=99) == versions

    def features(self) -> list[Feature]:
        return [entry for _, entry in sorted(self.entries.items()) if isinstance(entry, Feature)]


TestSearched = SearchedMachine.TestCase
TestSearched.settings = settings(max_examples=30, stateful_step_count=30)


# --- processes ---


def write_beside_others(file: Path, writer: int) -> int:
    """What each process does: how many of the features that all of them write it was the one to write."""
    vectors = random_vectors(25, seed=writer)
    won = 0
    with closing(SqliteFeatureStore(file)) as store:
        for n, vector in enumerate(vectors):
            path = f"dogs/{writer}/{n:02}"
            assert store.upsert(feature_of(path, embedding=vector))
            assert paths_of(store.nearest("dogs", vector, model=MODEL, top=1)) == [path]
            won += store.upsert(feature_of(f"shared/{n:02}", etag=str(n)))
    return won


def test_processes_write_and_read_side_by_side(file: Path) -> None:
    """None of them finds the file there, so they also meet when it is made."""
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        won = list(processes.map(write_beside_others, [file] * 3, range(3)))
    assert sum(won) == 25
    with closing(SqliteFeatureStore(file)) as store:
        assert store.counts() == {"dogs": {MODEL: 75}, "shared": {MODEL: 25}}
        for writer in range(3):
            for n, vector in enumerate(random_vectors(25, seed=writer)):
                (match,) = store.nearest("dogs", vector, model=MODEL, top=1)
                assert match.feature.path == f"dogs/{writer}/{n:02}"


WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from shared.sqlite.store import SqliteFeatureStore
from tests.shared.store_conformance import feature_of, random_vectors

store = SqliteFeatureStore(Path(sys.argv[1]))
vectors = random_vectors(50)
for n in itertools.count():
    # Half of them replace the one before: these take several statements.
    store.upsert(feature_of(f"dogs/{n // 2:05}", etag=str(n), embedding=vectors[n % 50], tags={"n": str(n)}))
    print(n, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 155])
def test_what_was_acknowledged_survives_a_kill(file: Path, acknowledged: int) -> None:
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = list(itertools.islice(process.stdout, acknowledged))
        process.kill()
        lines += list(process.stdout)  # what it wrote before the signal came; the last line may be cut off
    last = max(int(line) for line in lines if line.endswith("\n"))

    with closing(SqliteFeatureStore(file)) as store:
        features = [feature for block in store.scan("dogs") for feature in block]
        etags = [int(feature.etag) for feature in features]
        assert etags[:-1] == list(range(1, last + 1, 2))[: len(etags) - 1]
        assert last <= etags[-1] <= last + 1  # one more may have been written and not reported
        vectors = random_vectors(50)
        for n, feature in zip(etags, features, strict=True):
            assert feature.embedding.tobytes() == vectors[n % 50].tobytes()
            tagged = store.nearest("dogs", vector_of(1), model=MODEL, top=10, tags={"n": str(n)})
            assert paths_of(tagged) == [feature.path]
        with store._file.reading() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM tags").fetchone() == (len(features),)
        assert store.upsert(feature_of("dogs/after"))
