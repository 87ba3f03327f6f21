"""What every `FeatureStore` must do with failures, versions and short texts; see `store_conformance`."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.features import Failure, Feature, FeatureStore, Version
from tests.shared.store_conformance import (
    MODEL,
    NOON,
    at_once,
    content,
    feature_of,
    paths_of,
    random_vectors,
    vector_of,
)

_numbers = itertools.count()


def failure_of(
    path: str = "dogs/a.jpg",
    *,
    etag: str = "0x1",
    modified: datetime = NOON,
    model: str = MODEL,
    reason: str = "It is no image.",
    time: datetime = NOON + timedelta(minutes=1),
    retry: bool = False,
) -> Failure:
    return Failure(path=path, etag=etag, modified=modified, model=model, reason=reason, time=time, retry=retry)


def entry_of(*, failed: bool, path: str = "dogs/a.jpg", etag: str, modified: datetime, model: str) -> Feature | Failure:
    make = failure_of if failed else feature_of
    return make(path, etag=etag, modified=modified, model=model)


def put(store: FeatureStore, entry: Feature | Failure) -> bool:
    return store.upsert(entry) if isinstance(entry, Feature) else store.fail(entry)


def fill(store: FeatureStore, collection: str, names: Iterable[str]) -> None:
    """Features and failures in turn."""
    for n, name in enumerate(sorted(names)):
        path = f"{collection}/{name}"
        put(store, feature_of(path) if n % 2 else failure_of(path))


def same(entry: Feature | Failure | None) -> object:
    """Everything in an entry, to compare."""
    return content(entry) if isinstance(entry, Feature) else entry


def version_of(entry: Feature | Failure) -> Version:
    if isinstance(entry, Feature):
        return Version(entry.path, entry.etag, entry.model, dict(entry.tags), failed=False, retry=False)
    return Version(entry.path, entry.etag, entry.model, {}, failed=True, retry=entry.retry)


def check_holds(store: FeatureStore, collection: str, entries: Iterable[Feature | Failure]) -> None:
    """All that a store says of a collection must be of these entries, which have ASCII paths."""
    wanted = sorted(entries, key=lambda entry: entry.path)
    features = [entry for entry in wanted if isinstance(entry, Feature)]
    failures = [entry for entry in wanted if isinstance(entry, Failure)]
    for entry in wanted:
        assert same(store.entry(entry.path)) == same(entry)
        assert content(store.get(entry.path)) == (content(entry) if isinstance(entry, Feature) else None)
    assert store.versions(collection, limit=1000) == [version_of(entry) for entry in wanted]
    assert store.failures(collection) == failures
    assert sorted(feature.path for block in store.scan(collection) for feature in block) == [f.path for f in features]
    for model in (MODEL, "backbone-2"):
        found = paths_of(store.nearest(collection, vector_of(1), model=model, top=100))
        assert sorted(found) == [feature.path for feature in features if feature.model == model]


_seconds = st.integers(0, 2)
_writes = st.tuples(
    st.sampled_from(["upsert", "fail", "fail", "delete"]),
    st.sampled_from("ab"),
    st.sampled_from(["0x1", "0x2"]),
    _seconds,
    st.sampled_from([MODEL, MODEL, "backbone-2"]),
)
_names = st.text("ab%_'~/é\uffff🐕", min_size=1, max_size=3)
_slow = settings(
    max_examples=12,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.differing_executors,
    ],
)


class EntryConformance:
    """The tests. `store` is an empty store, closed by the fixture."""

    remembers_deletions = False
    """Whether what was deleted comes back only as it was or newer."""

    # --- failures ---

    def test_new_tags_of_the_same_blob_replace_the_feature_and_no_failure_does(self, store: FeatureStore) -> None:
        assert store.upsert(feature_of("dogs/a.jpg", tags={"kind": "dog"}))
        assert not store.upsert(feature_of("dogs/a.jpg", tags={"kind": "dog"}))
        assert store.upsert(feature_of("dogs/a.jpg", tags={"kind": "wolf"}))
        assert not store.fail(failure_of("dogs/a.jpg"))
        [version] = store.versions("dogs", limit=10)
        assert version.tags == {"kind": "wolf"}
        found = store.nearest("dogs", vector_of(1.0), model=MODEL, top=5, tags={"kind": "wolf"})
        assert [match.feature.path for match in found] == ["dogs/a.jpg"]
        assert store.nearest("dogs", vector_of(1.0), model=MODEL, top=5, tags={"kind": "dog"}) == []

    @pytest.mark.parametrize("retry", [False, True])
    def test_a_failure_comes_back_as_it_was_stored(self, store: FeatureStore, retry: bool) -> None:
        failure = failure_of(
            modified=datetime(2025, 12, 31, 23, 30, 1, tzinfo=timezone(timedelta(hours=5.5))),
            reason="naïve 🐕 'x' \"y\" %_\\\n" * 20,
            time=datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-8))),
            retry=retry,
        )
        assert store.entry(failure.path) is None
        assert store.fail(failure) is True
        stored = store.entry(failure.path)
        assert stored == failure
        assert isinstance(stored, Failure)
        assert stored.retry is retry
        assert stored.modified.utcoffset() == stored.time.utcoffset() == timedelta(0)
        assert store.failures("dogs") == [failure]

    @pytest.mark.parametrize(
        ("etag", "later", "model", "over_feature", "over_failure"),
        [
            ("0x1", 0, "backbone-1", False, True),  # that blob was embedded after all; the same failure again
            ("0x1", 1, "backbone-1", True, True),
            ("0x2", 0, "backbone-1", True, True),
            ("0x1", 0, "backbone-2", True, True),
            ("0x1", -1e-6, "backbone-1", False, False),
            ("0x2", -1, "backbone-1", False, False),
            ("0x2", -1, "backbone-2", False, False),
        ],
    )
    @pytest.mark.parametrize("failed_before", [False, True])
    def test_guard_of_a_failure(
        self,
        store: FeatureStore,
        etag: str,
        later: float,
        model: str,
        over_feature: bool,
        over_failure: bool,
        failed_before: bool,
    ) -> None:
        before = entry_of(failed=failed_before, etag="0x1", modified=NOON, model=MODEL)
        put(store, before)
        after = failure_of(
            etag=etag, modified=NOON + timedelta(seconds=later), model=model, reason="Another one.", retry=True
        )
        written = over_failure if failed_before else over_feature
        assert store.fail(after) is written
        check_holds(store, "dogs", [after if written else before])
        assert store.counts() == ({} if written or failed_before else {"dogs": {MODEL: 1}})

    @pytest.mark.parametrize(
        ("etag", "later", "model", "written"),
        [
            ("0x1", 0, "backbone-1", True),
            ("0x2", 0, "backbone-2", True),
            ("0x2", 1, "backbone-1", True),
            ("0x1", -1e-6, "backbone-1", False),
            ("0x2", -1, "backbone-2", False),
        ],
    )
    def test_guard_of_a_feature_over_a_failure(
        self, store: FeatureStore, etag: str, later: float, model: str, written: bool
    ) -> None:
        before = failure_of()
        store.fail(before)
        after = feature_of(etag=etag, modified=NOON + timedelta(seconds=later), model=model)
        assert store.upsert(after) is written
        check_holds(store, "dogs", [after if written else before])
        assert store.counts() == ({"dogs": {model: 1}} if written else {})

    def test_a_failure_that_makes_no_sense_is_refused(self, store: FeatureStore) -> None:
        store.upsert(feature_of())
        with pytest.raises(ValueError, match="path"):
            store.fail(failure_of(""))
        for failure in (
            failure_of(modified=NOON.replace(year=2026, tzinfo=None)),
            failure_of(etag="0x2", time=NOON.replace(tzinfo=None)),
            failure_of("cats/a.jpg", time=NOON.replace(tzinfo=None)),
        ):
            with pytest.raises(ValueError, match="time zone"):
                store.fail(failure)
        check_holds(store, "dogs", [feature_of()])
        assert store.collections() == ["dogs"]

    def test_a_feature_that_failed_is_found_no_more_not_even_by_its_tags(self, store: FeatureStore) -> None:
        for name in "ab":
            store.upsert(feature_of(f"dogs/{name}", tags={"kind": "dog"}))
        assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=9, tags={"kind": "dog"})) == 2
        store.fail(failure_of("dogs/a", etag="0x2"))
        for tags in (None, {"kind": "dog"}):
            assert paths_of(store.nearest("dogs", vector_of(1), model=MODEL, top=9, tags=tags)) == ["dogs/b"]
        assert store.nearest("dogs", vector_of(1), model=MODEL, top=9, exclude=["dogs/a", "dogs/b"]) == []

    @pytest.mark.parametrize(("until", "gone"), [(-1e-6, False), (0, True), (None, True)])
    def test_a_failure_is_deleted_as_a_feature_is(self, store: FeatureStore, until: float | None, gone: bool) -> None:
        store.fail(failure_of())
        moment = None if until is None else NOON + timedelta(seconds=until)
        assert store.delete("dogs/a.jpg", until=moment) is gone
        check_holds(store, "dogs", [] if gone else [failure_of()])
        assert store.delete("dogs/a.jpg") is not gone
        assert store.entry("dogs/a.jpg") is None
        assert store.fail(failure_of())  # it may come back

    def test_failures_come_in_pages(self, store: FeatureStore) -> None:
        failures = [failure_of(f"dogs/{n:02}") for n in range(7)]
        for failure in reversed(failures):
            store.fail(failure)
        store.upsert(feature_of("dogs/03a"))
        store.fail(failure_of("cats/04"))
        assert store.failures("dogs") == failures
        assert store.failures("dogs", limit=3) == failures[:3]
        assert store.failures("dogs", after="dogs/02", limit=3) == failures[3:6]
        assert store.failures("dogs", after="dogs/03a") == failures[4:]
        assert store.failures("dogs", after="dogs/06") == store.failures("none") == []

    @_slow
    @given(writes=st.lists(_writes, max_size=12))
    def test_of_each_path_there_is_one_entry_whatever_was_written(
        self, store: FeatureStore, writes: list[tuple[str, str, str, int, str]]
    ) -> None:
        collection = f"c{next(_numbers)}"
        held: dict[str, Feature | Failure] = {}
        deleted: dict[str, datetime] = {}
        for kind, name, etag, second, model in writes:
            path = f"{collection}/{name}"
            old = held.get(path)
            if kind == "delete":
                assert store.delete(path) is (old is not None)
                if old:
                    deleted[path] = held.pop(path).modified
                continue
            modified = NOON + timedelta(seconds=second)
            new = entry_of(failed=kind == "fail", path=path, etag=etag, modified=modified, model=model)
            kept = old is not None and (
                old.modified > modified
                or (isinstance(old, Feature) and (old.modified, old.etag, old.model) == (modified, etag, model))
            )
            kept = kept or (self.remembers_deletions and old is None and deleted.get(path, modified) > modified)
            assert put(store, new) is not kept
            if not kept:
                held[path] = new
        check_holds(store, collection, held.values())

    def test_of_a_failure_and_a_feature_at_once_the_feature_stays(self, store: FeatureStore) -> None:
        entries: list[Feature | Failure] = [feature_of(), failure_of()]
        at_once([partial(put, store, entry) for entry in entries * 4])
        check_holds(store, "dogs", [feature_of()])

    # --- versions ---

    def test_versions_say_what_there_is_of_each_blob(self, store: FeatureStore) -> None:
        entries: list[Feature | Failure] = [
            feature_of("dogs/a", etag="0x7", tags={"kind": "Dackel", 'é"': ""}),
            failure_of("dogs/b", etag="0x8", model="backbone-2", retry=True),
            feature_of("dogs/c", model="backbone-2"),
            failure_of("dogs/d"),
        ]
        for entry in entries:
            put(store, entry)
        store.upsert(feature_of("cats/b"))
        assert store.versions("dogs", limit=5) == [version_of(entry) for entry in entries]
        assert store.versions("none", limit=5) == []

    @_slow
    @given(
        names=st.sets(st.text("ab%_~ /.", min_size=1, max_size=3), max_size=8),
        after=st.none() | st.text("ab%_~ /.", max_size=3),
        upto=st.none() | st.text("ab%_~ /.", max_size=3),
        limit=st.integers(1, 13),
    )
    def test_versions_are_those_in_the_range(
        self, store: FeatureStore, names: set[str], after: str | None, upto: str | None, limit: int
    ) -> None:
        """Of ASCII paths, for of others each store has an order of its own."""
        collection = f"c{next(_numbers)}"
        fill(store, collection, names)
        first = "" if after is None else f"{collection}/{after}"
        last = None if upto is None else f"{collection}/{upto}"
        paths = sorted(f"{collection}/{name}" for name in names)
        wanted = [path for path in paths if path > first and (last is None or path <= last)]
        found = store.versions(collection, after=first, upto=last, limit=limit)
        assert [version.path for version in found] == wanted[:limit]

    @_slow
    @given(names=st.sets(_names, max_size=8), boundaries=st.lists(_names, max_size=6), limit=st.integers(1, 4))
    def test_ranges_between_any_boundaries_cover_everything(
        self, store: FeatureStore, names: set[str], boundaries: list[str], limit: int
    ) -> None:
        """In whatever order the boundaries come, and however they compare."""
        collection = f"c{next(_numbers)}"
        fill(store, collection, names)
        ends = [f"{collection}/{name}" for name in boundaries]
        seen: set[str] = set()
        for after, upto in zip(["", *ends], [*ends, None], strict=True):
            of_range = pages_of(store, collection, after, upto, limit)
            assert len(set(of_range)) == len(of_range)
            assert after not in of_range
            seen |= set(of_range)
        assert seen == {f"{collection}/{name}" for name in names}

    @_slow
    @given(names=st.sets(_names, min_size=1, max_size=8), limit=st.integers(1, 4), data=st.data())
    def test_versions_have_one_order(
        self, store: FeatureStore, names: set[str], limit: int, data: st.DataObject
    ) -> None:
        collection = f"c{next(_numbers)}"
        fill(store, collection, names)
        order = [version.path for version in store.versions(collection, limit=100)]
        assert sorted(order) == sorted(f"{collection}/{name}" for name in names)
        assert pages_of(store, collection, "", None, limit) == order
        failed = [version.path for version in store.versions(collection, limit=100) if version.failed]
        assert [failure.path for failure in store.failures(collection)] == failed
        start = data.draw(st.integers(0, len(order)))
        end = data.draw(st.integers(start, len(order)))
        after, upto = (order[n - 1] if n else "" for n in (start, end))
        assert pages_of(store, collection, after, upto, limit) == order[start:end]

    # --- collections ---

    def test_collections_are_those_of_features_and_of_failures(self, store: FeatureStore) -> None:
        assert store.collections() == []
        store.upsert(feature_of("dogs/a"))
        store.fail(failure_of("cats/a"))
        store.upsert(feature_of("dogs~01/a"))
        store.fail(failure_of("a"))
        store.remember("birds", "none")
        assert store.collections() == ["cats", "default", "dogs", "dogs~01"]
        store.fail(failure_of("dogs/a", etag="0x2"))
        assert "dogs" in store.collections()
        assert store.counts() == {"dogs~01": {MODEL: 1}}

    # --- texts ---

    def test_a_text_is_kept_until_it_is_forgotten(self, store: FeatureStore) -> None:
        assert store.recall("run") is None
        store.remember("run", None)  # there is nothing to forget
        for text in ("first", "", '{"é": "🐕\\n\'"}', "x" * 100_000):
            store.remember("run", text)
            assert store.recall("run") == text
        store.remember("run", None)
        assert store.recall("run") is None

    def test_texts_have_names_of_their_own(self, store: FeatureStore) -> None:
        store.upsert(feature_of())
        names = ["dogs", "dogs/a.jpg", "Dogs", "dogs ", "texts", "collections", "a/b?c#d\\e", "é", "🐕", "", "x" * 500]
        for n, name in enumerate(names):
            store.remember(name, str(n))
        assert [store.recall(name) for name in names] == [str(n) for n in range(len(names))]
        check_holds(store, "dogs", [feature_of()])
        assert store.collections() == ["dogs"]
        store.remember("dogs", None)
        assert [store.recall(name) for name in names] == [None, *(str(n) for n in range(1, len(names)))]
        check_holds(store, "dogs", [feature_of()])

    # --- many ---

    def test_searching_never_meets_failures(self, store: FeatureStore) -> None:
        vectors = random_vectors(90)
        for n, vector in enumerate(vectors):
            store.upsert(feature_of(f"dogs/{n:02}", embedding=vector))
        store.nearest("dogs", vectors[0], model=MODEL, top=1)
        for n in range(0, 90, 3):
            store.fail(failure_of(f"dogs/{n:02}", etag="0x2"))
        left = [f"dogs/{n:02}" for n in range(90) if n % 3]
        for top in (5, 60, 90):
            found = paths_of(store.nearest("dogs", vectors[0], model=MODEL, top=top))
            assert len(found) == min(top, 60)
            assert set(found) <= set(left)
        assert sorted(feature.path for block in store.scan("dogs", block=7) for feature in block) == left
        assert store.counts() == {"dogs": {MODEL: 60}}


def pages_of(store: FeatureStore, collection: str, after: str, upto: str | None, limit: int) -> list[str]:
    """All paths of a range, read a few at a time."""
    paths: list[str] = []
    while found := [one.path for one in store.versions(collection, after=after, upto=upto, limit=limit)]:
        assert len(found) <= limit
        paths += found
        after = found[-1]
    return paths
